"""net/ipv4/udp.c and tcp_ipv4.c: from IP to the socket that a packet is for.

udp.py tcp.py.  Called through inet_protos by network/; hands datagrams to user/'s queues."""
