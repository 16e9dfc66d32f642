"""What is known of a captured frame beside its bytes: the flags that go with it onto the cable (FEED_* of abi/numbers.py).

A snap length has cut it: the wire had it whole, so that its checksums were right; what of its headers is missing, nobody can say.

Its sender left the checksums to its card, and the capture was made before the card had made them: an IP checksum of 0, or a UDP or TCP
checksum that is just the sum of the pseudo header (CHECKSUM_PARTIAL; for TCP also without the length, as large sends leave it).  Single
frames prove nothing, and so a source is judged as a whole, by a pass over the capture before (survey.py): where most of its checksums of
a kind are unmade they are taken as good.  Its damaged frames stay damaged."""
from .._compile import Mem, be16, be32, byte, le16, path_function
from ..abi.capture import LEFT_IP, LEFT_TCP, LEFT_UDP, NLEFT, scan_t
from ..abi.numbers import (
    ETH_P_8021AD,
    ETH_P_8021Q,
    ETH_P_ARP,
    ETH_P_IP,
    FEED_CSUM_GOOD,
    FEED_HEADER_CUT,
    FEED_IP_CSUM_GOOD,
    ICMP,
    IP_HLEN,
    IP_OFFSET,
    IPPROTO,
    TCP_HLEN,
    UDP_HLEN,
    VLAN_HLEN,
)
from ..skb import csum_fold, csum_partial

ARP_HLEN, ICMP_QUOTE = 28, 8 + IP_HLEN + 8           # an ICMP error quotes the header that it is about, and eight bytes more
TO_FLAGS, TO_LENGTH, TO_CODE = 14, 6, 2              # what decides: of TCP its flags, of UDP its ports and length, of ICMP type and code
UDP_CHECK, TCP_CHECK, IGMP_HLEN = 6, 16, 8


@path_function
def ethertype_at(mem: Mem, at: int, end: int) -> int:
    """Where the EtherType of the frame at `at` stands, behind its tags; `end` or more: it is not there."""
    o = at + 12
    while o + 2 <= end and (be16(mem, o) == ETH_P_8021Q or be16(mem, o) == ETH_P_8021AD):
        o += VLAN_HLEN
    return o if o + 2 <= end else end


# ---------------------------------------------------------------- cut by a snap length
@path_function
def cut_flags(mem: Mem, at: int, caplen: int, length: int) -> int:
    """The flags of a frame of which `caplen` bytes of `length` are there; -1: not even its EtherType is."""
    end = at + caplen
    o = ethertype_at(mem, at, end)
    if o == end:
        return -1
    net, have = o + 2, end - o - 2
    need = 0
    if be16(mem, o) == ETH_P_ARP:
        need = ARP_HLEN
    elif be16(mem, o) == ETH_P_IP:
        need = IP_HLEN
        if have >= IP_HLEN:
            total = be16(mem, net + 2)
            if have >= total:                        # only padding is missing
                return 0
            need = min(ip_need(mem, net, have), total)
    if have < min(need, at + length - net):
        return FEED_CSUM_GOOD | FEED_HEADER_CUT
    return FEED_CSUM_GOOD


@path_function
def ip_need(mem: Mem, ip: int, have: int) -> int:
    """Bytes from the IP header on without which nobody can say what becomes of the packet."""
    ihl, proto = (byte(mem, ip) & 15) * 4, byte(mem, ip + 9)
    if be16(mem, ip + 6) & IP_OFFSET:                # a later fragment has no transport header
        return ihl
    if proto == IPPROTO.TCP:
        return ihl + TO_FLAGS
    if proto == IPPROTO.ICMP:
        kind = byte(mem, ip + ihl) if have > ihl else 0
        error = kind == ICMP.DEST_UNREACH or kind == ICMP.SOURCE_QUENCH or kind == ICMP.REDIRECT or kind == ICMP.TIME_EXCEEDED \
            or kind == ICMP.PARAMETERPROB
        return ihl + (ICMP_QUOTE if error else TO_CODE)
    if proto == IPPROTO.UDP or proto == IPPROTO.UDPLITE:
        return ihl + TO_LENGTH
    if proto == IPPROTO.IGMP:
        return ihl + IGMP_HLEN
    return ihl


# ---------------------------------------------------------------- left to the sender's card
@path_function
def ipv4_at(mem: Mem, at: int, end: int) -> int:
    """Where a frame's IPv4 header starts, -1: it has none that is whole."""
    o = ethertype_at(mem, at, end)
    ip = o + 2
    if ip + IP_HLEN > end or be16(mem, o) != ETH_P_IP or byte(mem, ip) >> 4 != 4:
        return -1
    ihl = (byte(mem, ip) & 15) * 4
    if ihl < IP_HLEN or ip + ihl > end:
        return -1
    return ip


@path_function
def ip_sum_left(mem: Mem, ip: int) -> bool:
    return be16(mem, ip + 10) == 0 and csum_fold(csum_partial(mem, ip, (byte(mem, ip) & 15) * 4, 0)) != 0


@path_function
def pseudo_sum(mem: Mem, ip: int, n: int) -> int:
    """The unfolded sum of the pseudo header of n bytes of transport, as csum_partial() sums."""
    return csum_partial(mem, ip + 12, 8, (byte(mem, ip + 9) << 8) + ((n & 0xFF) << 8 | n >> 8 & 0xFF))


@path_function
def l4_left_kind(mem: Mem, ip: int, end: int) -> int:
    """LEFT_UDP or LEFT_TCP: a UDP datagram or TCP segment (or its first fragment) with a checksum field; 0: neither, or none was sent."""
    l4, proto = ip + (byte(mem, ip) & 15) * 4, byte(mem, ip + 9)
    if be16(mem, ip + 6) & IP_OFFSET:
        return 0
    if proto == IPPROTO.UDP and l4 + UDP_HLEN <= end and be16(mem, l4 + UDP_CHECK):
        return LEFT_UDP
    if proto == IPPROTO.TCP and l4 + TCP_HLEN <= end:
        return LEFT_TCP
    return 0


@path_function
def l4_sum_left(mem: Mem, ip: int, kind: int) -> bool:
    """Is the checksum that of the pseudo header alone?"""
    ihl = (byte(mem, ip) & 15) * 4
    l4 = ip + ihl
    if kind == LEFT_UDP:
        return le16(mem, l4 + UDP_CHECK) == csum_fold(pseudo_sum(mem, ip, be16(mem, l4 + 4))) ^ 0xFFFF
    check = le16(mem, l4 + TCP_CHECK)
    return check == csum_fold(pseudo_sum(mem, ip, be16(mem, ip + 2) - ihl)) ^ 0xFFFF or check == csum_fold(pseudo_sum(mem, ip, 0)) ^ 0xFFFF


@path_function
def left_slot(s: scan_t, address: int) -> int:
    """The place of a source in the table of those that leave checksums to their card; an empty one: it is not there."""
    at = (address * 0x9E3779B1 >> 15) & NLEFT * 2 - 1
    while s.left_kinds[at] and s.left_addr[at] != address:
        at = at + 1 & NLEFT * 2 - 1
    return at


@path_function
def left_flags(s: scan_t, mem: Mem) -> int:
    """The flags of the record in hand, a whole frame, if its source leaves checksums to its card."""
    end = s.rec_at + s.rec_caplen
    ip = ipv4_at(mem, s.rec_at, end)
    if ip < 0:
        return 0
    at = left_slot(s, be32(mem, ip + 12))
    kinds, flags = s.left_kinds[at], 0
    if kinds == 0:
        return 0
    if kinds & LEFT_IP and ip_sum_left(mem, ip):
        flags = FEED_IP_CSUM_GOOD
    kind = l4_left_kind(mem, ip, end)
    if kind & kinds and l4_sum_left(mem, ip, kind):
        flags |= FEED_CSUM_GOOD
    if flags:
        s.left_frames[at] += 1
    return flags
