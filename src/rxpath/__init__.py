"""rxpath: the Linux packet receive path, from the NIC's ring to recvfrom(), as software that you can run, look into and tune."""
