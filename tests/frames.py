"""Real frames for tests: the judge's, which compares what Linux and the path make of them."""
from rxpath.workbench.judge.frames import (
    BROADCAST,
    MAC_PEER,
    MAC_US,
    OTHER,
    PEER,
    US,
    arp,
    csum,
    eth,
    fragments,
    icmp,
    ip,
    ip4,
    multicast_mac,
    tcp,
    udp,
    udp_frame,
)

__all__ = [
    "BROADCAST", "MAC_PEER", "MAC_US", "OTHER", "PEER", "US",
    "arp", "csum", "eth", "fragments", "icmp", "ip", "ip4", "multicast_mac", "tcp", "udp", "udp_frame",
]
