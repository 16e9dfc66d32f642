"""A record becomes the Ethernet frame that the NIC would have seen.  Raw IP, cooked and loopback records have no Ethernet header: one
is written over the record's own header, which lies before the packet and has been read.  Called by scan.py.

Made-up headers: to the receiver's MAC, or broadcast, or the group's MAC; from the sender's link address if the record has one,
else from 02:00:00:00:00:fe.  A protocol that Ethernet has no number for gets 0x88B5 (IEEE's for experiments): nobody handles it."""
from .._compile import Mem, be16, be32, be64, byte, cold, path_function, put_be16, put_be32
from ..abi.capture import Link, OwnBy, Way, scan_t
from ..abi.numbers import ETH_HLEN, ETH_P_802_3_MIN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, VLAN_HLEN
from .pcap import scan_u32

DEFAULT_MAC = 0x020000000001
PEER_MAC = 0x0200000000FE
OTHER_MAC = 0x02000000FFFE
BROADCAST_MAC = 0xFFFFFFFFFFFF
ETH_P_EXPERIMENT = 0x88B5
SLL_HLEN, SLL2_HLEN = 16, 20


@path_function
def mac_at(mem: Mem, o: int) -> int:
    return be16(mem, o) << 32 | be32(mem, o + 2)


@path_function
def put_mac(mem: Mem, o: int, mac: int) -> None:
    put_be16(mem, o, mac >> 32)
    put_be32(mem, o + 2, mac & 0xFFFFFFFF)


@path_function
def group_mac(mem: Mem, ip: int, n: int, proto: int) -> int:
    """The MAC of the packet's destination if that is a group or all, 0 if it is one host.  n bytes are there."""
    if proto == ETH_P_IP and n >= 20:
        dst = be32(mem, ip + 16)
        if dst == 0xFFFFFFFF:
            return BROADCAST_MAC
        if dst >> 28 == 14:
            return 0x01005E000000 | dst & 0x7FFFFF
    if proto == ETH_P_IPV6 and n >= 40 and byte(mem, ip + 24) == 0xFF:
        return 0x333300000000 | be32(mem, ip + 36)
    return 0


@path_function
def is_local_address(s: scan_t, hi: int, lo: int, version: int) -> bool:
    for i in range(s.naddr):
        if s.addr_lo[i] == lo and s.addr_hi[i] == hi and s.addr_version[i] == version:
            return True
    return False


@path_function
def sent_by_us(s: scan_t, mem: Mem, ip: int, n: int, proto: int) -> bool:
    """Without MACs: the source is an address of ours, the destination is none."""
    if proto == ETH_P_IP and n >= 20:
        return is_local_address(s, 0, be32(mem, ip + 12), 4) and not is_local_address(s, 0, be32(mem, ip + 16), 4)
    if proto == ETH_P_IPV6 and n >= 40:
        return is_local_address(s, be64(mem, ip + 8), be64(mem, ip + 16), 6) and \
            not is_local_address(s, be64(mem, ip + 24), be64(mem, ip + 32), 6)
    return False


@path_function
def is_for_us(s: scan_t, mem: Mem, ip: int, n: int, proto: int) -> bool:
    """The destination is an address of ours."""
    if proto == ETH_P_IP and n >= 20:
        return is_local_address(s, 0, be32(mem, ip + 16), 4)
    return proto == ETH_P_IPV6 and n >= 40 and is_local_address(s, be64(mem, ip + 24), be64(mem, ip + 32), 6)


@path_function
def family_proto(family: int) -> int:
    """Address families of BSDs, macOS and Linux in NULL and LOOP headers."""
    if family > 0xFFFF:                                         # written by a machine of the other byte order
        family = family >> 24 | family >> 8 & 0xFF00
    if family == 2:
        return ETH_P_IP
    if family == 10 or family == 24 or family == 28 or family == 30:
        return ETH_P_IPV6
    return ETH_P_EXPERIMENT


@path_function
def version_proto(mem: Mem, ip: int, n: int) -> int:
    if n and byte(mem, ip) >> 4 == 6:
        return ETH_P_IPV6
    return ETH_P_IP


@path_function
def cooked_header_len(link: int) -> int:
    """Bytes of the record before the network header."""
    if link == Link.SLL:
        return SLL_HLEN
    if link == Link.SLL2:
        return SLL2_HLEN
    if link == Link.NULL or link == Link.LOOP:
        return 4
    return 0


@path_function
def make_ethernet(s: scan_t, mem: Mem, link: int) -> bool:
    """s.rec_* of a record without Ethernet header becomes one with.  False: it is shorter than its link header."""
    at, skip = s.rec_at, cooked_header_len(link)
    if s.rec_caplen < skip or s.rec_len < skip:
        return False
    ip, n = at + skip, s.rec_caplen - skip
    proto, packet_type, src = ETH_P_IP, -1, PEER_MAC
    if link == Link.RAW:
        proto = version_proto(mem, ip, n)
    elif link == Link.IPV6:
        proto = ETH_P_IPV6
    elif link == Link.NULL:
        proto = family_proto(scan_u32(s, mem, at))
    elif link == Link.LOOP:
        proto = family_proto(be32(mem, at))
    elif link == Link.SLL:
        proto, packet_type = be16(mem, at + 14), be16(mem, at)
        if be16(mem, at + 4) == 6:
            src = mac_at(mem, at + 6)
    elif link == Link.SLL2:
        proto, packet_type = be16(mem, at), byte(mem, at + 10)
        if byte(mem, at + 11) == 6:
            src = mac_at(mem, at + 12)
    if proto == 1 or proto == 4:                                # 802.3 without and with LLC: Ethernet has the length there
        proto = min(s.rec_len - skip, 1500)
    elif proto < ETH_P_802_3_MIN:
        proto = ETH_P_EXPERIMENT
    s.rec_has_mac = 0
    group = group_mac(mem, ip, n, proto)
    us = s.mac
    if s.ncard > 1:
        us = s.card_mac[s.rec_card]
    if us < 0:
        us = DEFAULT_MAC
    dst = us
    if packet_type < 0:
        if group:
            dst = group
        if sent_by_us(s, mem, ip, n, proto):
            s.rec_way = Way.OUT
    elif packet_type == 0:
        s.rec_way = Way.IN
    elif packet_type == 1:
        dst = BROADCAST_MAC
    elif packet_type == 2:
        dst = group
        if group == 0:
            dst = 0x01005E000001
    elif packet_type == 4:
        s.rec_way = Way.OUT
        dst = OTHER_MAC
    else:
        dst = OTHER_MAC
    if s.rec_way == Way.OUT:
        src = us
    at = ip - ETH_HLEN
    put_mac(mem, at, dst)
    put_mac(mem, at + 6, src)
    put_be16(mem, at + 12, proto)
    s.rec_at = at
    s.rec_caplen = n + ETH_HLEN
    s.rec_len = s.rec_len - skip + ETH_HLEN
    return True


@cold
@path_function
def addressed(s: scan_t, mem: Mem) -> bool:
    """Where MACs do not tell (OwnBy): whether an address of ours sent this frame.  With OwnBy.ADDRESS its MACs become what addresses say:
    to us, to a group, to another host; from another one."""
    at, end = s.rec_at, s.rec_at + s.rec_caplen
    if s.rec_caplen < ETH_HLEN or s.rec_has_mac == 0:
        return False
    proto, ip = be16(mem, at + 12), at + ETH_HLEN
    while (proto == ETH_P_8021Q or proto == ETH_P_8021AD) and ip + VLAN_HLEN <= end:
        proto = be16(mem, ip + 2)
        ip += VLAN_HLEN
    n = end - ip
    if proto == ETH_P_ARP:
        return n >= 28 and is_local_address(s, 0, be32(mem, ip + 14), 4)
    if sent_by_us(s, mem, ip, n, proto):
        return True
    if s.own_by != OwnBy.ADDRESS or byte(mem, at) & 1:
        return False
    dst = group_mac(mem, ip, n, proto)
    if dst == 0:
        dst = OTHER_MAC
        if is_for_us(s, mem, ip, n, proto):
            dst = s.mac
    put_mac(mem, at, dst)
    if mac_at(mem, at + 6) == s.mac or mac_at(mem, at + 6) == 0:
        put_mac(mem, at + 6, PEER_MAC)
    return False
