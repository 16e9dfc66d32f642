"""What a run writes, as a host file describes it: [[tap]], [tx]."""
from typing import Literal

from rxpath.workbench.toml_in.tables import Int, Part, key


class Tap(Part):
    """A packet socket on ptype_all, as tcpdump has, that writes a pcap."""

    file: str = key(..., "pcap to write, relative to where the command runs", "a path", example='"tap.pcap"', min_length=1)
    dev: str | None = key(None, "the interface that it listens on; default all", "the name of a card", example='"eth0"')
    snaplen: Int = key(262144, "bytes kept of each packet", "1 to 262144", "[K] tcpdump's default", ge=1, le=262144)
    proto: Literal["all", "ip", "arp"] = key("all", "which packets: ETH_P_ALL, ETH_P_IP or ETH_P_ARP", "all, ip or arp")


class Tx(Part):
    """What the path sends: echo and ARP replies, ICMP errors, RST."""

    pcap: str | None = key(None, "pcap to write the sent frames to, relative to where the command runs", "a path", example='"sent.pcap"')
