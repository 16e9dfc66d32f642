"""What EtherTypes, IP protocols and the like are called, for people: reports, trails, JSON.  IEEE's and IANA's registries; the names that
engineers use.  Seen (below) is what the path counts of packets that it has no handler for (net.unhandled)."""
from enum import IntEnum

from .numbers import ETH_P_802_2, ETH_P_802_3, ETH_P_802_3_MIN

NPROTOCOL = 1 << 16             # numbers of each kind


class Seen(IntEnum):
    """Kinds of numbers: rows of net.unhandled."""
    ETHERTYPE = 0
    SAP = 1                     # of 802.2 LLC: the destination's service access point
    PROTOCOL = 2                # of IP
    TUNNEL = 3                  # in UDP, by port


ETHERTYPES = {
    ETH_P_802_3: "raw 802.3 (IPX)", ETH_P_802_2: "LLC", 0x0200: "PUP", 0x0800: "IPv4", 0x0805: "X.25", 0x0806: "ARP",
    0x0842: "Wake-on-LAN", 0x22F0: "AVTP", 0x22F3: "TRILL", 0x6002: "DEC RC", 0x6003: "DECnet", 0x6004: "DEC LAT",
    0x6558: "transparent bridging", 0x8035: "RARP", 0x809B: "AppleTalk", 0x80F3: "AARP", 0x8100: "802.1Q VLAN", 0x8137: "IPX",
    0x8138: "IPX", 0x86DD: "IPv6", 0x8808: "Ethernet flow control", 0x8809: "LACP and slow protocols", 0x8847: "MPLS",
    0x8848: "MPLS multicast", 0x8863: "PPPoE discovery", 0x8864: "PPPoE session", 0x886F: "Microsoft NLB", 0x887B: "HomePlug",
    0x888E: "802.1X", 0x8892: "PROFINET", 0x8899: "Realtek loop detection", 0x889A: "HyperSCSI", 0x88A2: "ATA over Ethernet",
    0x88A4: "EtherCAT", 0x88A8: "802.1ad VLAN", 0x88AB: "Ethernet POWERLINK", 0x88B5: "local experiment", 0x88B6: "local experiment",
    0x88B7: "vendor's own", 0x88B8: "GOOSE", 0x88B9: "GSE", 0x88BA: "IEC 61850 sampled values", 0x88BE: "ERSPAN", 0x88CA: "TIPC",
    0x88CC: "LLDP", 0x88CD: "SERCOS III", 0x88D9: "LLTD", 0x88DC: "WSMP", 0x88E1: "HomePlug AV", 0x88E3: "MRP", 0x88E5: "MACsec",
    0x88E7: "802.1ah", 0x88F5: "MVRP", 0x88F7: "PTP", 0x88F8: "NC-SI", 0x88FB: "PRP", 0x8902: "802.1ag CFM", 0x8906: "FCoE",
    0x8914: "FCoE initialisation", 0x8915: "RoCE", 0x891D: "TTEthernet", 0x892F: "HSR", 0x893A: "IEEE 1905.1", 0x894F: "NSH",
    0x8947: "GeoNetworking", 0x9000: "loopback test", 0x9100: "802.1Q VLAN (old outer tag)", 0xABCD: "vendor's own", 0xFFFF: "reserved",
}
SAPS = {0x00: "null", 0x06: "IP", 0x42: "spanning tree", 0x7E: "X.25", 0x98: "ARP", 0xAA: "SNAP", 0xBC: "VINES", 0xE0: "IPX",
        0xF0: "NetBIOS", 0xF4: "IBM network management", 0xFC: "remote program load", 0xFE: "OSI: IS-IS, ES-IS", 0xFF: "global"}
PROTOCOLS = {
    0: "hop-by-hop options", 1: "ICMP", 2: "IGMP", 3: "GGP", 4: "IP in IP", 5: "ST", 6: "TCP", 8: "EGP", 9: "IGP", 12: "PUP", 17: "UDP",
    27: "RDP", 33: "DCCP", 41: "IPv6 in IP", 43: "IPv6 routing header", 44: "IPv6 fragment", 46: "RSVP", 47: "GRE", 50: "ESP", 51: "AH",
    55: "MOBILE", 58: "ICMPv6", 59: "no next header", 60: "IPv6 destination options", 77: "SUN-ND", 84: "TTP", 88: "EIGRP", 89: "OSPF",
    94: "IPIP", 97: "EtherIP", 98: "ENCAP", 103: "PIM", 108: "IPComp", 112: "VRRP or CARP", 115: "L2TPv3", 121: "SMP",
    124: "IS-IS over IP", 132: "SCTP", 133: "FC", 135: "mobility header", 136: "UDP-Lite", 137: "MPLS in IP", 138: "MANET", 139: "HIP",
    140: "Shim6", 142: "ROHC", 143: "Ethernet", 253: "experiment", 254: "experiment", 255: "reserved",
}
TUNNELS = {4789: "VXLAN", 8472: "VXLAN", 6081: "GENEVE"}      # UDP ports; 8472 is Linux's own default for VXLAN

# What the kernel has handlers for and the path has not: where a capture brings them to its receiver they end as NOT_MODELLED.
ETHERTYPES_NOT_MODELLED = (0x86DD, 0x8847, 0x8848, 0x8863, 0x8864)
PROTOCOLS_NOT_MODELLED = (4, 33, 41, 47, 50, 51, 94, 97, 98, 108, 115, 132, 137)


def ethertype(n: int) -> str:
    """"LLDP (EtherType 0x88cc)"; of a length field: what it means."""
    if n in (ETH_P_802_2, ETH_P_802_3):
        return ETHERTYPES[n]
    if n < ETH_P_802_3_MIN:
        return "802.3 with LLC"
    name = ETHERTYPES.get(n)
    return f"{name} (EtherType 0x{n:04x})" if name else f"EtherType 0x{n:04x}"


def protocol(n: int) -> str:
    """"GRE (IP protocol 47)"; the common ones by their name alone."""
    name = PROTOCOLS.get(n)
    if n in (1, 2, 6, 17):
        return PROTOCOLS[n]
    return f"{name} (IP protocol {n})" if name else f"IP protocol {n}"


def seen(kind: int, n: int) -> str:
    """A row and a place of net.unhandled."""
    if kind == Seen.ETHERTYPE:
        return ethertype(n)
    if kind == Seen.SAP:
        return f"{SAPS[n]} (LLC, SAP 0x{n:02x})" if n in SAPS else f"LLC, SAP 0x{n:02x}"
    if kind == Seen.PROTOCOL:
        return protocol(n)
    return f"{TUNNELS.get(n, 'tunnel')} (UDP port {n})"
