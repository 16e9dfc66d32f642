"""What hosts say of themselves and of each other: ARP, DHCP, IGMP, port unreachable.  Rare frames, called by census.py.

RFC 826, RFC 2131 (options of RFC 2132), RFC 2236 and 3376, RFC 792."""
from .._compile import Mem, be16, be32, byte, cold, path_function
from ..abi.census import census_t
from ..abi.numbers import IPPROTO
from .census_tables import census_arp_of, census_dhcp_of, census_joined, census_port_of
from .ether import mac_at

IPPROTO_ICMPV6 = 58
ARP_LEN, ARPOP_REQUEST, ARPOP_REPLY = 28, 1, 2
BOOTP_OPTIONS, DHCP_COOKIE = 236, 0x63825363
DHCP_MASK, DHCP_ROUTER, DHCP_END = 1, 3, 255
RECORDS = 64                    # of an IGMPv3 report that are looked at
IGMP_V1_REPORT, IGMP_V2_REPORT, IGMP_V3_REPORT = 0x12, 0x16, 0x22
CHANGE_TO_INCLUDE, BLOCK_OLD_SOURCES = 3, 6


@cold
@path_function
def census_arp(c: census_t, mem: Mem, at: int, end: int) -> None:
    """An ARP packet for IPv4 over Ethernet."""
    if at + ARP_LEN > end or be32(mem, at + 4) >> 16 != 0x0604:
        return
    op, mac, ip, target = be16(mem, at + 6), mac_at(mem, at + 8), be32(mem, at + 14), be32(mem, at + 24)
    if ip == 0:                                     # a probe
        return
    i = census_arp_of(c, mac, ip)
    if i < 0:
        return
    a = c.arps[i]
    if op == ARPOP_REPLY:
        a.replies += 1
    elif op == ARPOP_REQUEST:
        a.requests += 1
        if target != ip and target >> 24 != 0:
            if a.least == 0 or target < a.least:
                a.least = target
            if target > a.most:
                a.most = target


@cold
@path_function
def census_dhcp(c: census_t, mem: Mem, at: int, end: int) -> None:
    """A server's answer, from its BOOTP header on: who was given which address, network and router."""
    if at + BOOTP_OPTIONS + 4 > end or byte(mem, at) != 2 or be32(mem, at + BOOTP_OPTIONS) != DHCP_COOKIE:
        return
    ip = be32(mem, at + 16)
    if ip == 0 or byte(mem, at + 2) != 6:
        return
    i = census_dhcp_of(c, mac_at(mem, at + 28))
    if i < 0:
        return
    d = c.dhcps[i]
    d.ip = ip
    o = at + BOOTP_OPTIONS + 4
    while o + 2 <= end and byte(mem, o) != DHCP_END:
        code, n = byte(mem, o), byte(mem, o + 1)
        if code == 0:                               # padding
            o += 1
            continue
        if n >= 4 and o + 6 <= end:
            if code == DHCP_MASK:
                d.mask = be32(mem, o + 2)
            if code == DHCP_ROUTER:
                d.router = be32(mem, o + 2)
        o += 2 + n


@cold
@path_function
def census_igmp(c: census_t, mem: Mem, at: int, end: int, src: int) -> None:
    """A membership report: the groups that its sender has joined."""
    if at + 8 > end:
        return
    kind = byte(mem, at)
    if kind == IGMP_V1_REPORT or kind == IGMP_V2_REPORT:
        census_joined(c, 0, src, be32(mem, at + 4))
    if kind != IGMP_V3_REPORT:
        return
    n, o = min(be16(mem, at + 6), RECORDS), at + 8
    for _ in range(n):
        if o + 8 > end:
            return
        change, sources = byte(mem, o), be16(mem, o + 2)
        if change != BLOCK_OLD_SOURCES and not (change == CHANGE_TO_INCLUDE and sources == 0):      # to include nobody is to leave
            census_joined(c, 0, src, be32(mem, o + 4))
        o += 8 + 4 * sources + 4 * byte(mem, o + 1)


@cold
@path_function
def census_unreachable(c: census_t, mem: Mem, l4: int, end: int, proto: int, hi: int, lo: int) -> int:
    """Port unreachable: the port in the datagram that is quoted is closed at its sender (hi, lo).  Returns where the quoted UDP header
    lies, 0: it is no such message."""
    if l4 + 8 > end:
        return 0
    inner, udp = l4 + 8, 0
    if proto == IPPROTO.ICMP and byte(mem, l4) == 3 and byte(mem, l4 + 1) == 3 and inner + 20 <= end:
        head = (byte(mem, inner) & 15) * 4
        if byte(mem, inner + 9) == IPPROTO.UDP and inner + head + 4 <= end:
            udp = inner + head
    if proto == IPPROTO_ICMPV6 and byte(mem, l4) == 1 and byte(mem, l4 + 1) == 4 and inner + 44 <= end:
        if byte(mem, inner + 6) == IPPROTO.UDP:
            udp = inner + 40
    if udp:
        p = c.ports[census_port_of(c, hi, lo, IPPROTO.UDP, be16(mem, udp + 2), False)]
        p.unreachable += 1
    return udp
