"""The tables of a host file: host.py is the whole, nic.py, network.py, programs.py, machine.py and outputs.py its parts."""
