"""Who talks to whom in a capture: one pass over the headers of all its frames, however many.  hosts.py reads what it has counted, and
receiver.py decides from that which host the capture was taken for.

A frame is counted on its conversation, found by one hash; when another conversation needs that place, and at the end, it is folded into
the tables of hardware addresses, hosts and ports (census_tables.py).  Memory is abi/census.py's, whatever the capture."""
from .._compile import Mem, be16, be32, be64, byte, cold, entry, mem_at, path_function, reset_struct
from ..abi.capture import Scan, Way, scan_t
from ..abi.census import NCONV, census_conv, census_t
from ..abi.numbers import ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, IP_OFFSET, IPPROTO, VLAN_HLEN
from .answers import kernel_answered
from .census_refused import census_refuses, census_speaks
from .census_said import IPPROTO_ICMPV6, census_arp, census_dhcp, census_igmp, census_unreachable
from .census_tables import census_host_of, census_mac_of, census_port_of
from .ether import mac_at
from .scan import next_record, record_frame
from .survey import survey_frame

TCP_SYN, TCP_RST, TCP_ACK = 2, 4, 16
IP_FRAGMENT = 0x3FFF            # more fragments, or an offset
BOOTPS, BOOTPC = 67, 68
SEEN = 1 << 60                  # of census_conv.meta: never 0
SURVEYED = 31                   # frames of each end of a conversation whose checksums are looked at; then one in as many
NEAR = 4                        # times as quick: the nearer end


# ---------------------------------------------------------------- conversations
@path_function
def is_conv(v: census_conv, meta: int, ports: int, mac_0: int, mac_1: int, hi_0: int, lo_0: int, hi_1: int, lo_1: int) -> bool:
    return v.ports == ports and v.lo_0 == lo_0 and v.lo_1 == lo_1 and v.meta == meta and v.mac_0 == mac_0 and v.mac_1 == mac_1 and \
        v.hi_0 == hi_0 and v.hi_1 == hi_1


@path_function
def conv_place(ports: int, mac_0: int, mac_1: int, hi_0: int, lo_0: int, hi_1: int, lo_1: int) -> int:
    """The first of its two places; the other one is this ^ 1."""
    h = (lo_0 ^ lo_1 << 7 ^ ports ^ hi_0 ^ hi_1 << 9 ^ mac_0 ^ mac_1 << 5) * 0x9E3779B1 & 0x7FFF_FFFF_FFFF_FFFF
    return (h >> 20 ^ h >> 37) & NCONV - 1


@path_function
def census_conv_of(c: census_t, meta: int, ports: int, mac_0: int, mac_1: int, hi_0: int, lo_0: int, hi_1: int, lo_1: int) -> int:
    """The place of a conversation, one of two.  The one that has been quiet longer makes room."""
    k = conv_place(ports, mac_0, mac_1, hi_0, lo_0, hi_1, lo_1)
    v = c.conv[k]
    if is_conv(v, meta, ports, mac_0, mac_1, hi_0, lo_0, hi_1, lo_1):
        return k
    if v.meta:
        w = c.conv[k ^ 1]
        if is_conv(w, meta, ports, mac_0, mac_1, hi_0, lo_0, hi_1, lo_1):
            return k ^ 1
        if w.at[w.last & 1] < v.at[v.last & 1]:
            k = k ^ 1
    census_conv_new(c, c.conv[k], meta, ports, mac_0, mac_1, hi_0, lo_0, hi_1, lo_1)
    return k


@cold
@path_function
def census_asked_at(c: census_t, meta: int, mem: Mem, udp: int, smac: int, dmac: int, src_hi: int, src: int, dst_hi: int, dst: int) -> int:
    """The record of the datagram whose UDP header is quoted at `udp`: the last of its conversation; where that is not known, the record
    before this one."""
    sport, dport = be16(mem, udp), be16(mem, udp + 2)
    if src_hi > dst_hi or (src_hi == dst_hi and (src > dst or (src == dst and sport > dport))):
        return census_last_of(c, 1, meta, dport << 16 | sport, dmac, smac, dst_hi, dst, src_hi, src)
    return census_last_of(c, 0, meta, sport << 16 | dport, smac, dmac, src_hi, src, dst_hi, dst)


@cold
@path_function
def census_last_of(c: census_t, d: int, meta: int, ports: int, mac_0: int, mac_1: int, hi_0: int, lo_0: int, hi_1: int, lo_1: int) -> int:
    """The record of the last frame of end d of this conversation."""
    k = conv_place(ports, mac_0, mac_1, hi_0, lo_0, hi_1, lo_1)
    if not is_conv(c.conv[k], meta, ports, mac_0, mac_1, hi_0, lo_0, hi_1, lo_1):
        k = k ^ 1
    v = c.conv[k]
    if v.at[d] and is_conv(v, meta, ports, mac_0, mac_1, hi_0, lo_0, hi_1, lo_1):
        return v.at[d]
    return c.records - 1


@cold
@path_function
def census_conv_new(c: census_t, v: census_conv, meta: int, ports: int, mac_0: int, mac_1: int, hi_0: int, lo_0: int, hi_1: int,
                    lo_1: int) -> None:
    """Whoever had the place is folded first."""
    if v.meta:
        census_fold(c, v)
    reset_struct(v)
    v.meta, v.ports, v.mac_0, v.mac_1, v.hi_0, v.lo_0, v.hi_1, v.lo_1, v.last = meta, ports, mac_0, mac_1, hi_0, lo_0, hi_1, lo_1, -1


@path_function
def census_seen(c: census_t, s: scan_t, v: census_conv, d: int) -> None:
    """A frame of this conversation, sent by end d."""
    v.frames[d] += 1
    v.at[d] = c.records
    if s.rec_way:
        if s.rec_way == Way.IN:
            v.into[d] += 1
        else:
            v.out[d] += 1
    if v.last != d:
        if v.last < 0:
            v.first = d
        elif s.rec_has_ts and s.rec_ts >= v.last_ts and (v.near[d] == 0 or s.rec_ts - v.last_ts < v.near[d]):
            v.near[d] = s.rec_ts - v.last_ts + 1
        v.last = d
    v.last_ts = s.rec_ts


@path_function
def census_flags(v: census_conv, d: int, flags: int) -> None:
    """TCP flags that open or refuse a connection."""
    if flags & TCP_RST:
        v.rst[d] += 1
    elif flags & TCP_ACK:
        v.synack[d] += 1
    else:
        v.syn[d] += 1


# ---------------------------------------------------------------- frames
@path_function
def census_ipv4(c: census_t, s: scan_t, mem: Mem, ip: int, end: int, vlan: int, smac: int, dmac: int) -> None:
    src, dst, proto = be32(mem, ip + 12), be32(mem, ip + 16), byte(mem, ip + 9)
    fragment, total, head = be16(mem, ip + 6) & IP_FRAGMENT, be16(mem, ip + 2), (byte(mem, ip) & 15) * 4
    l4, sport, dport = ip + head, 0, 0
    end = min(end, ip + max(total, 20))
    whole = fragment & IP_OFFSET == 0 and l4 + 8 <= end and (proto == IPPROTO.UDP or proto == IPPROTO.TCP)
    if whole:
        sport, dport = be16(mem, l4), be16(mem, l4 + 2)
    meta = SEEN | vlan + 1 << 16 | 4 << 8 | proto
    d = int(src > dst or (src == dst and sport > dport))
    if d:
        k = census_conv_of(c, meta, dport << 16 | sport, dmac, smac, 0, dst, 0, src)
    else:
        k = census_conv_of(c, meta, sport << 16 | dport, smac, dmac, 0, src, 0, dst)
    v = c.conv[k]
    census_seen(c, s, v, d)
    v.ttls = v.ttls & ~(0xFF << 8 * d) | byte(mem, ip + 8) << 8 * d
    if v.frames[d] <= SURVEYED or v.frames[d] & SURVEYED == 0:
        survey_frame(c.survey, s, mem)
    if proto == IPPROTO.TCP:
        if whole and l4 + 14 <= end and byte(mem, l4 + 13) & (TCP_SYN | TCP_RST):
            census_flags(v, d, byte(mem, l4 + 13))
    elif proto == IPPROTO.UDP:
        if whole:
            census_speaks(c, 0, src, sport)
            if sport == BOOTPS and dport == BOOTPC:
                census_dhcp(c, mem, l4 + 8, end)
    elif proto == IPPROTO.ICMP and fragment & IP_OFFSET == 0:
        udp = census_unreachable(c, mem, l4, end, proto, 0, src)
        if udp:
            asked = be32(mem, l4 + 20)
            meta = SEEN | vlan + 1 << 16 | 4 << 8 | IPPROTO.UDP
            census_refuses(c, 0, src, be16(mem, udp + 2), census_asked_at(c, meta, mem, udp, dmac, smac, 0, asked, 0, src))
    elif proto == IPPROTO.IGMP:
        census_igmp(c, mem, l4, end, src)
    if smac == dmac and kernel_answered(s, mem, ip, end - ip):               # as on lo
        c.answers += 1


@path_function
def census_ipv6(c: census_t, s: scan_t, mem: Mem, ip: int, end: int, vlan: int, smac: int, dmac: int) -> None:
    """Extension headers are not followed."""
    src_hi, src, dst_hi, dst = be64(mem, ip + 8), be64(mem, ip + 16), be64(mem, ip + 24), be64(mem, ip + 32)
    proto, l4, sport, dport = byte(mem, ip + 6), ip + 40, 0, 0
    whole = l4 + 8 <= end and (proto == IPPROTO.UDP or proto == IPPROTO.TCP)
    if whole:
        sport, dport = be16(mem, l4), be16(mem, l4 + 2)
    meta = SEEN | vlan + 1 << 16 | 6 << 8 | proto
    d = int(src_hi > dst_hi or (src_hi == dst_hi and (src > dst or (src == dst and sport > dport))))
    if d:
        k = census_conv_of(c, meta, dport << 16 | sport, dmac, smac, dst_hi, dst, src_hi, src)
    else:
        k = census_conv_of(c, meta, sport << 16 | dport, smac, dmac, src_hi, src, dst_hi, dst)
    v = c.conv[k]
    census_seen(c, s, v, d)
    v.ttls = v.ttls & ~(0xFF << 8 * d) | byte(mem, ip + 7) << 8 * d
    if proto == IPPROTO.TCP:
        if whole and l4 + 14 <= end and byte(mem, l4 + 13) & (TCP_SYN | TCP_RST):
            census_flags(v, d, byte(mem, l4 + 13))
    elif proto == IPPROTO.UDP and whole:
        census_speaks(c, src_hi, src, sport)
    elif proto == IPPROTO_ICMPV6:
        udp = census_unreachable(c, mem, l4, end, proto, src_hi, src)
        if udp:
            hi, asked = be64(mem, l4 + 16), be64(mem, l4 + 24)
            meta = SEEN | vlan + 1 << 16 | 6 << 8 | IPPROTO.UDP
            census_refuses(c, src_hi, src, be16(mem, udp + 2), census_asked_at(c, meta, mem, udp, dmac, smac, hi, asked, src_hi, src))


@cold
@path_function
def census_tagged(mem: Mem, at: int, end: int) -> int:
    """VLAN tags from the first one's EtherType on: their bytes << 32 | outer id | inner id << 12.  A priority tag (id 0) is none."""
    took, outer, inner, proto = 0, 0, 0, be16(mem, at)
    while (proto == ETH_P_8021Q or proto == ETH_P_8021AD) and at + took + 2 + VLAN_HLEN <= end:
        vid = be16(mem, at + took + 2) & 0xFFF
        if outer == 0:
            outer = vid
        elif inner == 0:
            inner = vid
        took += VLAN_HLEN
        proto = be16(mem, at + took)
    return took << 32 | inner << 12 | outer


@path_function
def census_frame(c: census_t, s: scan_t, mem: Mem) -> None:
    """One Ethernet frame."""
    at, end = s.rec_at, s.rec_at + s.rec_caplen
    if s.rec_caplen < ETH_HLEN:
        return
    smac, dmac, vlan = -1, -1, -1
    c.frames += 1
    if s.rec_has_mac:
        dmac, smac = mac_at(mem, at), mac_at(mem, at + 6)
        if dmac >> 40 & 1:
            c.group += 1
    else:
        c.bare += 1
    if s.rec_way:
        if s.rec_way == Way.IN:
            c.to_us += 1
        else:
            c.from_us += 1
    proto, ip = be16(mem, at + 12), at + ETH_HLEN
    if proto == ETH_P_8021Q or proto == ETH_P_8021AD:
        tags = census_tagged(mem, at + 12, end)
        vlan = (tags & 0xFFFFFF) - int(tags & 0xFFFFFF == 0)
        ip += tags >> 32
        proto = be16(mem, ip - 2)
    if proto == ETH_P_IP and ip + 20 <= end and byte(mem, ip) >> 4 == 4:
        census_ipv4(c, s, mem, ip, end, vlan, smac, dmac)
    elif proto == ETH_P_IPV6 and ip + 40 <= end and byte(mem, ip) >> 4 == 6:
        census_ipv6(c, s, mem, ip, end, vlan, smac, dmac)
    else:
        c.not_ip += 1
        v = c.conv[census_conv_of(c, SEEN | vlan + 1 << 16, 0, min(smac, dmac), max(smac, dmac), 0, 0, 0, 0)]
        census_seen(c, s, v, int(smac > dmac))
        if proto == ETH_P_ARP:
            census_arp(c, mem, ip, end)


# ---------------------------------------------------------------- what they add up to
@path_function
def ttl_is_fresh(ttl: int) -> int:
    """1: as a sender starts it, no router between; 0: a router has taken something off; -1: it does not tell (1, and the like)."""
    if ttl == 64 or ttl == 128 or ttl == 255:
        return 1
    if ttl < 30:
        return -1
    return 0


@cold
@path_function
def census_fold(c: census_t, v: census_conv) -> None:
    """A conversation ends here, as far as the census knows: both ends get their share."""
    version, vlan, proto = v.meta >> 8 & 0xF, (v.meta >> 16 & 0x1FFFFFF) - 1, v.meta & 0xFF
    both = v.frames[0] > 0 and v.frames[1] > 0
    for e in range(2):
        o, mac, port, hi, lo = 1 - e, v.mac_0, v.ports >> 16, v.hi_0, v.lo_0
        if e:
            mac, port, hi, lo = v.mac_1, v.ports & 0xFFFF, v.hi_1, v.lo_1
        if mac >= 0:
            m = c.macs[census_mac_of(c, mac)]
            m.rx += v.frames[o]
            m.tx += v.frames[e]
            if v.mac_0 >> 40 & 1 or v.mac_1 >> 40 & 1:
                m.group += v.frames[e]
        if version == 0:
            continue
        census_end(c, v, e, mac, hi, lo, version, vlan, proto, both)
        if port and (proto == IPPROTO.UDP or proto == IPPROTO.TCP):
            k = census_port_of(c, hi, lo, proto, port, v.frames[o] == 0)
            if k < 0:
                continue
            c.port_seen[k] += v.frames[0] + v.frames[1]
            p = c.ports[k]
            p.rx += v.frames[o]
            p.tx += v.frames[e]
            p.syn += v.syn[o]
            p.synack += v.synack[e]
            p.rst += v.rst[e]
            if both and v.first == o:
                p.answered += 1
    v.meta = 0


@path_function
def census_end(c: census_t, v: census_conv, e: int, mac: int, hi: int, lo: int, version: int, vlan: int, proto: int, both: bool) -> None:
    """What a conversation says of the host at its end e."""
    o = 1 - e
    k = census_host_of(c, mac, hi, lo, version, vlan)
    c.host_seen[k] += v.frames[0] + v.frames[1]
    h = c.hosts[k]
    h.tx += v.frames[e]
    h.rx += v.frames[o]
    if proto == IPPROTO.UDP:
        h.rx_udp += v.frames[o]
    elif proto == IPPROTO.TCP:
        h.rx_tcp += v.frames[o]
    elif proto == IPPROTO.ICMP or proto == IPPROTO_ICMPV6:
        h.rx_icmp += v.frames[o]
    h.into += v.into[o]
    h.out += v.out[e]
    fresh = ttl_is_fresh(v.ttls >> 8 * e & 0xFF)
    if fresh > 0:
        h.fresh += v.frames[e]
    elif fresh == 0:
        h.worn += v.frames[e]
    if v.mac_0 == v.mac_1:
        h.inward += v.frames[0] + v.frames[1]
    if both:
        if v.first == e:
            h.asked += 1
        else:
            h.answered += 1
        if v.near[0] and v.near[1]:
            if v.near[e] * NEAR < v.near[o]:
                h.nearer += 1
            if v.near[o] * NEAR < v.near[e]:
                h.farther += 1


@entry
def capture_census(s: scan_t, c: census_t, addr: int, limit: int) -> int:
    """Count up to `limit` records of the bytes at addr.  Returns a Scan: why it stopped."""
    mem = mem_at(addr)
    for _ in range(limit):
        got = next_record(s, mem)
        if got != Scan.RECORD:
            return got
        c.records += 1
        if record_frame(s, mem):
            census_frame(c, s, mem)
    return Scan.LIMIT


@entry
def census_finish(c: census_t) -> None:
    """Conversations that are still under way."""
    for k in range(NCONV):
        v = c.conv[k]
        if v.meta:
            census_fold(c, v)
