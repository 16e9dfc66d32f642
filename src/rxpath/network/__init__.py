"""net/ipv4 between the device and the transport protocols: ARP, IP, netfilter, routing, reassembly, ICMP.

ip_input.py netfilter.py route.py ip_fragment.py icmp.py arp.py.  Called through ptype_base by link/; hands packets for this host to
their protocol through inet_protos."""
