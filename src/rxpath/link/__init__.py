"""net/core: what happens to a packet between its driver and its protocol: GRO, RPS, taps, VLAN, ptype_base.

eth.py gro.py dev.py (netif_receive_skb, RPS, the backlog).  Called by drivers/ and by irq/'s polls; hands packets to network/ through
ptype_base."""
