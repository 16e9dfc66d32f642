"""Who talks to whom in a capture: one quick pass that counts frames for each MAC, address and port.  receiver.py decides from it which
host the capture was taken for.  Tables are dense, found by open addressing; what finds no place is counted as lost and left out."""
from .._compile import Mem, be16, be32, be64, byte, entry, mem_at, path_function
from ..abi.capture import NCENSUS_IP, NCENSUS_MAC, NCENSUS_PORT, Scan, Way, census_t, scan_t
from ..abi.numbers import ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, IP_OFFSET, IPPROTO, VLAN_HLEN
from .ether import mac_at
from .scan import next_record, record_frame
from .survey import survey_frame

IPPROTO_ICMPV6 = 58
TCP_SYN, TCP_RST, TCP_ACK = 2, 4, 16


@path_function
def census_hash(a: int, b: int, c: int) -> int:
    h = (a ^ a >> 29) * 0x9E3779B1 + (b ^ b >> 31) * 0x85EBCA77 + c * 0xC2B2AE3D & 0x7FFF_FFFF_FFFF
    return h >> 13 ^ h >> 29


@path_function
def census_mac_of(c: census_t, mac: int) -> int:
    """Index of its entry, -1: no place."""
    h = census_hash(mac, 0, 0)
    for i in range(64):
        at = h + i & NCENSUS_MAC * 2 - 1
        k = c.mac_hash[at] - 1
        if k < 0:
            if c.nmac == NCENSUS_MAC:
                break
            k = c.nmac
            c.nmac += 1
            c.mac_hash[at] = k + 1
            fresh = c.macs[k]
            fresh.mac, fresh.order = mac, c.frames
            return k
        m = c.macs[k]
        if m.mac == mac:
            return k
    c.lost += 1
    return -1


@path_function
def census_ip_of(c: census_t, mac: int, hi: int, lo: int, version: int) -> int:
    h = census_hash(lo, hi, mac)
    for i in range(64):
        at = h + i & NCENSUS_IP * 2 - 1
        k = c.ip_hash[at] - 1
        if k < 0:
            if c.nip == NCENSUS_IP:
                break
            k = c.nip
            c.nip += 1
            c.ip_hash[at] = k + 1
            fresh = c.ips[k]
            fresh.mac, fresh.hi, fresh.lo, fresh.version, fresh.order = mac, hi, lo, version, c.frames
            return k
        a = c.ips[k]
        if a.lo == lo and a.hi == hi and a.mac == mac and a.version == version:
            return k
    c.lost += 1
    return -1


@path_function
def census_port_of(c: census_t, ip: int, proto: int, port: int) -> int:
    if ip < 0:
        return -1
    h = census_hash(ip, proto, port)
    for i in range(64):
        at = h + i & NCENSUS_PORT * 2 - 1
        k = c.port_hash[at] - 1
        if k < 0:
            if c.nport == NCENSUS_PORT:
                break
            k = c.nport
            c.nport += 1
            c.port_hash[at] = k + 1
            fresh = c.ports[k]
            fresh.ip, fresh.proto, fresh.port = ip, proto, port
            return k
        p = c.ports[k]
        if p.ip == ip and p.proto == proto and p.port == port:
            return k
    c.lost += 1
    return -1


@path_function
def census_ports(c: census_t, mem: Mem, l4: int, end: int, proto: int, src: int, dst: int) -> None:
    """Transport header at l4: which ports are sent to, which answer, which refuse."""
    if (proto == IPPROTO.UDP and l4 + 8 <= end) or (proto == IPPROTO.TCP and l4 + 14 <= end):
        sport, dport = census_port_of(c, src, proto, be16(mem, l4)), census_port_of(c, dst, proto, be16(mem, l4 + 2))
        flags = 0
        if proto == IPPROTO.TCP:
            flags = byte(mem, l4 + 13)
        if sport >= 0:
            p = c.ports[sport]
            p.tx += 1
            if flags & TCP_SYN and flags & TCP_ACK:
                p.synack += 1
            if flags & TCP_RST:
                p.rst += 1
        if dport >= 0:
            p2 = c.ports[dport]
            p2.rx += 1
            if flags & (TCP_SYN | TCP_ACK) == TCP_SYN:
                p2.syn += 1


@path_function
def census_unreachable(c: census_t, mem: Mem, l4: int, end: int, proto: int, src: int) -> None:
    """Port unreachable, sent by `src`: its port in the datagram that is quoted is closed."""
    if l4 + 8 > end:
        return
    inner, closed = l4 + 8, -1
    if proto == IPPROTO.ICMP and byte(mem, l4) == 3 and byte(mem, l4 + 1) == 3 and inner + 20 <= end:
        head = (byte(mem, inner) & 15) * 4
        if byte(mem, inner + 9) == IPPROTO.UDP and inner + head + 4 <= end:
            closed = be16(mem, inner + head + 2)
    if proto == IPPROTO_ICMPV6 and byte(mem, l4) == 1 and byte(mem, l4 + 1) == 4 and inner + 44 <= end:
        if byte(mem, inner + 6) == IPPROTO.UDP:
            closed = be16(mem, inner + 42)
    if closed >= 0:
        k = census_port_of(c, src, IPPROTO.UDP, closed)
        if k >= 0:
            p = c.ports[k]
            p.unreachable += 1


@path_function
def census_network(c: census_t, s: scan_t, mem: Mem, ip: int, end: int, proto: int, vlan: int, src_mac: int, dst_mac: int) -> None:
    """Network header at ip."""
    l4, inner, first = 0, 0, True
    if proto == ETH_P_IP and ip + 20 <= end and byte(mem, ip) >> 4 == 4:
        src = census_ip_of(c, src_mac, 0, be32(mem, ip + 12), 4)
        dst = census_ip_of(c, dst_mac, 0, be32(mem, ip + 16), 4)
        l4, inner = ip + (byte(mem, ip) & 15) * 4, byte(mem, ip + 9)
        first = be16(mem, ip + 6) & IP_OFFSET == 0
        end = min(end, ip + max(be16(mem, ip + 2), 20))
    elif proto == ETH_P_IPV6 and ip + 40 <= end and byte(mem, ip) >> 4 == 6:
        src = census_ip_of(c, src_mac, be64(mem, ip + 8), be64(mem, ip + 16), 6)
        dst = census_ip_of(c, dst_mac, be64(mem, ip + 24), be64(mem, ip + 32), 6)
        l4, inner = ip + 40, byte(mem, ip + 6)
    else:
        c.not_ip += 1
        return
    if src >= 0:
        a = c.ips[src]
        a.tx += 1
        a.vlan = vlan
        if s.rec_way == Way.OUT:
            a.from_us += 1
    if dst >= 0:
        b = c.ips[dst]
        b.rx += 1
        b.rx_bytes += s.rec_len
        b.vlan = vlan
        if s.rec_way == Way.IN:
            b.to_us += 1
    if first:
        census_ports(c, mem, l4, end, inner, src, dst)
        census_unreachable(c, mem, l4, end, inner, src)


@path_function
def census_frame(c: census_t, s: scan_t, mem: Mem) -> None:
    """One Ethernet frame."""
    at, end = s.rec_at, s.rec_at + s.rec_caplen
    if s.rec_caplen < ETH_HLEN:
        return
    src_mac, dst_mac, proto, vlan = -1, -1, be16(mem, at + 12), -1
    c.frames += 1
    if s.rec_way == Way.IN:
        c.to_us += 1
    if s.rec_way == Way.OUT:
        c.from_us += 1
    if s.rec_has_mac:
        dst_mac, src_mac = mac_at(mem, at), mac_at(mem, at + 6)
        if dst_mac >> 40 & 1:
            c.group += 1
        dst, src = census_mac_of(c, dst_mac), census_mac_of(c, src_mac)
        if dst >= 0:
            d = c.macs[dst]
            d.rx += 1
            d.rx_bytes += s.rec_len
        if src >= 0:
            m = c.macs[src]
            m.tx += 1
    else:
        c.cooked += 1
    at += ETH_HLEN
    while (proto == ETH_P_8021Q or proto == ETH_P_8021AD) and at + VLAN_HLEN <= end:
        vlan = be16(mem, at) & 0xFFF
        proto = be16(mem, at + 2)
        at += VLAN_HLEN
    census_network(c, s, mem, at, end, proto, vlan, src_mac, dst_mac)


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
            survey_frame(c.survey, s, mem)
    return Scan.LIMIT
