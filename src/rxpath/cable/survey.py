"""The other half of the pass over a capture (census.py counts who talks to whom): what has to be known of its senders before their frames
are put onto the cable.

Which sources leave checksums to their card: an IP checksum of 0, or a UDP or TCP checksum that is just the sum of the pseudo header, which
a capture shows that was made before the card had made them.  A source is judged as a whole: see sources_left().

Which TCP connections are real, so that their segments met a socket (connections()), and how long their full segments are; which UDP
ports are tunnels' (tunnels()), and which IP protocols nobody wanted; which outer VLAN tags are of 802.1ad."""
import ipaddress
from typing import Any, NamedTuple

from .._compile import Mem, be16, be32, byte, cold, entry, forget, mem_at, path_function, put_le64, region, reset_struct
from ..abi.capture import LEFT_IP, LEFT_TCP, LEFT_UDP, scan_t
from ..abi.numbers import (
    ETH_P_8021AD,
    ICMP,
    ICMP_PROT_UNREACH,
    IP_HLEN,
    IP_MF,
    IP_OFFSET,
    IPPROTO,
    TCP_HLEN,
    TCPHDR_ACK,
    TCPHDR_FIN,
    TCPHDR_PSH,
    TCPHDR_RST,
    TCPHDR_SYN,
    UDP_HLEN,
    VLAN_VID_MASK,
)
from ..abi.protocols import PROTOCOLS_NOT_MODELLED
from ..abi.survey import NFLOW, NSOURCE_SUMS, WAYS, source_sums, survey_t, tcp_flow
from ..skb import csum_fold, csum_partial
from .wire import ip_sum_left, ipv4_at, l4_left_kind, l4_sum_left, pseudo_sum

SURE = 16                       # checksums of a source that are summed, to tell made ones from damaged ones
MADE = 2                        # for each checksum that a source has made, at least so many that it left to its card
TCP_DOFF, TCP_FLAGS, TCP_WINDOW, TCP_CHECK = 12, 13, 14, 16
TCP_MAX_WSCALE = 14
BEYOND_MOST = 1 << 26           # no window is so large: a segment of another connection
TCPOPT_EOL, TCPOPT_NOP, TCPOPT_MSS = 0, 1, 2
VXLAN, FLANNEL, GENEVE = 4789, 8472, 6081
TUNNEL_HLEN, ETH_P_TEB = 8, 0x6558
ROW = 48                        # bytes of a connection: source, destination, ports of a segment to the receiver, and more (tcp_seen.py)
FULL_LEAST = 536                # bytes of data in a segment that may be full: RFC 9293 3.7.1's default MSS


class Connections(NamedTuple):
    """TCP connections of the receiver that the capture shows to be real: a ROW each; how many, those without a row too; and for these the
    ports of their servers."""
    rows: bytes = b""
    number: int = 0
    ports: tuple[int, ...] = ()

    @property
    def sockets(self) -> int:
        """Of the receiver: two of a connection with itself."""
        return max(self.number, len(self.rows) // ROW)


@path_function
def survey_frame(v: survey_t, s: scan_t, mem: Mem) -> None:
    """One Ethernet frame, at s.rec_at."""
    at = s.rec_at
    end = at + s.rec_caplen
    ip = ipv4_at(mem, at, end)
    if ip < 0:
        return
    if be16(mem, at + 12) == ETH_P_8021AD:
        vid = be16(mem, at + 14) & VLAN_VID_MASK
        v.outer_ad[vid >> 5] |= 1 << (vid & 31)
    v.left += survey_sums(source_of(v, be32(mem, ip + 12)), mem, ip, end, s.rec_caplen >= s.rec_len)
    if be16(mem, ip + 6) & IP_OFFSET:
        return
    proto, l4 = byte(mem, ip + 9), ip + (byte(mem, ip) & 15) * 4
    if proto == IPPROTO.TCP:
        if l4 + TCP_CHECK <= end:
            survey_segment(v, mem, ip, l4, end)
    elif proto == IPPROTO.UDP:
        if l4 + UDP_HLEN + TUNNEL_HLEN <= end:
            survey_tunnel(v, mem, be16(mem, l4 + 2), l4 + UDP_HLEN)
    elif proto == IPPROTO.ICMP:
        if l4 + 8 + IP_HLEN <= end and byte(mem, l4) == ICMP.DEST_UNREACH and byte(mem, l4 + 1) == ICMP_PROT_UNREACH:
            v.refused[byte(mem, l4 + 17)] += 1


# ---------------------------------------------------------------- checksums
@path_function
def source_of(v: survey_t, address: int) -> source_sums:
    """Its place.  A full set gives up whom it has seen least of, but nobody who leaves checksums to his card."""
    x = v.sums[v.last]
    if x.used and x.address == address:
        return x
    at = (address * 0x9E3779B1 >> 12 & NSOURCE_SUMS // WAYS - 1) * WAYS
    worst, least = at, 1 << 62
    for i in range(at, at + WAYS):
        x = v.sums[i]
        if x.used == 0 or x.address == address:
            x.used, x.address, v.last = 1, address, i
            return x
        seen = x.ip_made + (x.ip_left + x.udp_left + x.tcp_left << 20)
        if seen < least:
            worst, least = i, seen
    x = v.sums[worst]
    reset_struct(x)
    x.used, x.address, v.last = 1, address, worst
    return x


@path_function
def survey_sums(x: source_sums, mem: Mem, ip: int, end: int, whole: bool) -> int:
    """Count the checksums of a packet; returns how many of them were left.  whole: no snap length has cut it.  Only the first few of a
    kind are summed; a reset is left out, which Linux sums itself."""
    left = 0
    if ip_sum_left(mem, ip):
        x.ip_left += 1
        left = 1
    else:
        x.ip_made += 1
    kind = l4_left_kind(mem, ip, end)
    if kind == LEFT_UDP:
        if l4_sum_left(mem, ip, kind):
            x.udp_left += 1
            left += 1
        elif x.udp_made >= SURE or not whole or l4_sum_right(mem, ip, end):
            x.udp_made += 1
    elif kind == LEFT_TCP:
        if l4_sum_left(mem, ip, kind):
            x.tcp_left += 1
            left += 1
        elif byte(mem, ip + (byte(mem, ip) & 15) * 4 + TCP_FLAGS) & TCPHDR_RST == 0:
            if x.tcp_made >= SURE or not whole or l4_sum_right(mem, ip, end):
                x.tcp_made += 1
    return left


@path_function
def l4_sum_right(mem: Mem, ip: int, end: int) -> bool:
    """Of a fragment, whose rest is elsewhere: taken so."""
    ihl = (byte(mem, ip) & 15) * 4
    n = be16(mem, ip + 2) - ihl
    if be16(mem, ip + 6) & (IP_MF | IP_OFFSET) or ip + ihl + n > end:
        return True
    return csum_fold(csum_partial(mem, ip + ihl, n, pseudo_sum(mem, ip, n))) == 0


def sources_left(v: Any) -> dict[str, int]:
    """The sources that leave checksums to their card, LEFT_* of each: of a kind most are unmade.  (Not all: Linux itself makes those of
    what a connection that has ended still answers, and some hosts leave only large sends to the card.)"""
    found: dict[str, int] = {}
    for x in v.sums if v.left else ():
        if x.ip_left or x.udp_left or x.tcp_left:
            counts = ((LEFT_IP, x.ip_left, x.ip_made), (LEFT_UDP, x.udp_left, x.udp_made), (LEFT_TCP, x.tcp_left, x.tcp_made))
            kinds = sum(kind for kind, left, made in counts if left and made * MADE <= left)
            if kinds:
                found[str(ipaddress.IPv4Address(x.address))] = kinds
    return found


def sums_left(v: Any) -> dict[str, tuple[int, int]]:
    """Of each source that has left checksums: how many, of how many of that kind that were looked at."""
    found: dict[str, tuple[int, int]] = {}
    for x in v.sums if v.left else ():
        counts = ((x.ip_left, x.ip_made), (x.udp_left, x.udp_made), (x.tcp_left, x.tcp_made))
        left, made = max(counts, key=lambda item: (item[0], -item[1]))
        if left:
            found[str(ipaddress.IPv4Address(x.address))] = int(left), int(left + made)
    return found


# ---------------------------------------------------------------- TCP
@path_function
def survey_segment(v: survey_t, mem: Mem, ip: int, l4: int, end: int) -> None:
    saddr, daddr, sport, dport = be32(mem, ip + 12), be32(mem, ip + 16), be16(mem, l4), be16(mem, l4 + 2)
    flags = byte(mem, l4 + TCP_FLAGS)
    d = int(saddr > daddr or (saddr == daddr and sport > dport))
    if d:
        f = flow_of(v, daddr, saddr, dport << 16 | sport)
    else:
        f = flow_of(v, saddr, daddr, sport << 16 | dport)
    if flags & TCPHDR_RST:
        f.rst[d] += 1
        return
    if flags & TCPHDR_SYN:
        f.mss[d] = syn_mss(mem, l4, end)
        if flags & TCPHDR_ACK == 0:
            f.syn[d] += 1
            return
    data = be16(mem, ip + 2) - (l4 - ip) - (byte(mem, l4 + TCP_DOFF) >> 4) * 4
    f.others[d] += 2 if data > 0 else 1              # whoever sends data believes himself connected
    if flags & (TCPHDR_SYN | TCPHDR_ACK) == TCPHDR_ACK:
        if data > 0 and f.window[1 - d] > 0:
            survey_wscale(f, 1 - d, be32(mem, l4 + 4) + data)
        f.acked[d], f.window[d] = be32(mem, l4 + 8), be16(mem, l4 + TCP_WINDOW)
    if data >= FULL_LEAST and flags & (TCPHDR_PSH | TCPHDR_FIN) == 0:
        survey_full(f, d, data)


@path_function
def survey_wscale(f: tcp_flow, d: int, end: int) -> None:
    """Data up to `end` for end d: it lies within the window that d gave last, as it is scaled."""
    beyond, scale = end - f.acked[d] & 0xFFFFFFFF, f.wscale[d]
    if beyond < BEYOND_MOST:
        while f.window[d] << scale < beyond and scale < TCP_MAX_WSCALE:
            scale += 1
        f.wscale[d] = scale


@cold
@path_function
def syn_mss(mem: Mem, l4: int, end: int) -> int:
    """What a SYN announces; 0: nothing."""
    end = min(l4 + (byte(mem, l4 + TCP_DOFF) >> 4) * 4, end)
    at = l4 + TCP_HLEN
    while at + 4 <= end and byte(mem, at) != TCPOPT_EOL:
        kind, n = byte(mem, at), byte(mem, at + 1)
        if kind == TCPOPT_NOP:
            n = 1
        elif kind == TCPOPT_MSS and n == 4:
            return be16(mem, at + 2)
        elif n < 2:
            break
        at += n
    return 0


@path_function
def survey_full(f: tcp_flow, d: int, data: int) -> None:
    """One vote for the length of the sender's full segments: this segment has more data behind it.  Merged ones are multiples of it, so
    that two agree on what both are multiples of; the majority wins (Boyer and Moore's vote)."""
    a, b = f.full[d], data
    while b:
        a, b = b, a % b
    if a >= FULL_LEAST:
        f.full[d] = a
        f.full_votes[d] += 1
    elif f.full_votes[d] > 0:
        f.full_votes[d] -= 1
    else:
        f.full[d] = data


@path_function
def flow_of(v: survey_t, addr_0: int, addr_1: int, ports: int) -> tcp_flow:
    """Its place.  A full set gives up the one with the fewest segments; the port of its server's end is kept."""
    h = (addr_0 * 0x9E3779B1 ^ addr_1 * 0x85EBCA77 ^ ports * 0xC2B2AE3D) & 0x7FFF_FFFF_FFFF
    at = ((h >> 13 ^ h >> 29) & NFLOW // WAYS - 1) * WAYS
    worst, least = at, 1 << 62
    for i in range(at, at + WAYS):
        f = v.flow[i]
        if f.used == 0:
            v.flows += 1
            f.used, f.addr_0, f.addr_1, f.ports = 1, addr_0, addr_1, ports
            return f
        if f.addr_0 == addr_0 and f.addr_1 == addr_1 and f.ports == ports:
            return f
        seen = f.syn[0] + f.syn[1] + f.others[0] + f.others[1]
        if seen < least:
            worst, least = i, seen
    f = v.flow[worst]
    v.flows += 1
    if flow_is_real(f, 0) or flow_is_real(f, 1):
        v.spilled += 1
        port = server_port(f)
        v.spilled_port[port >> 5] |= 1 << (port & 31)
    reset_struct(f)
    f.used, f.addr_0, f.addr_1, f.ports = 1, addr_0, addr_1, ports
    return f


@path_function
def server_port(f: tcp_flow) -> int:
    """Of whom was sent a SYN; where no start is seen, the lower port."""
    low, high = f.ports >> 16, f.ports & 0xFFFF
    if f.syn[0] != f.syn[1]:
        return high if f.syn[0] else low
    return min(low, high)


@path_function
def flow_is_real(f: tcp_flow, receiver: int) -> bool:
    """Had end `receiver` a socket for it?  It sent something beside resets; or the capture shows nothing that it sent, and the other end
    goes on as if it were connected: with data, or with a second segment."""
    if f.others[receiver] or f.syn[receiver]:
        return True
    other = 1 - receiver
    return f.rst[receiver] == 0 and f.others[other] > 0 and f.others[other] + f.syn[other] > 1


@path_function
def is_ours(v: survey_t, address: int) -> bool:
    for i in range(v.nlocal):
        if v.local[i] == address:
            return True
    return False


@entry
def survey_connections(v: survey_t, addr: int) -> int:
    """The real connections of v.local into the rows at addr, room for two of each flow; how many rows.  v.inner: of these connections so
    many have a row for either end."""
    mem, n = mem_at(addr), 0
    v.inner = 0
    for i in range(NFLOW):
        f, before = v.flow[i], n
        if f.used and is_ours(v, f.addr_0) and flow_is_real(f, 0):
            n = put_row(mem, n, f.addr_1, f.addr_0, f.ports << 16 & 0xFFFF0000 | f.ports >> 16, flow_mss(f), flow_full(f, 1), f.wscale[1])
        if f.used and is_ours(v, f.addr_1) and flow_is_real(f, 1):
            n = put_row(mem, n, f.addr_0, f.addr_1, f.ports, flow_mss(f), flow_full(f, 0), f.wscale[0])
        if n == before + 2:
            v.inner += 1
    return n


@path_function
def flow_mss(f: tcp_flow) -> int:
    """The smaller of what the two ends have announced, as far as it is known."""
    if f.mss[0] and f.mss[1]:
        return min(f.mss[0], f.mss[1])
    return f.mss[0] + f.mss[1]


@path_function
def flow_full(f: tcp_flow, d: int) -> int:
    """Bytes of data in the full segments of end d; 0: too few agree."""
    return f.full[d] if f.full_votes[d] >= 2 else 0


@path_function
def put_row(mem: Mem, n: int, saddr: int, daddr: int, ports: int, mss: int, full: int, wscale: int) -> int:
    put_le64(mem, n * ROW, saddr)
    put_le64(mem, n * ROW + 8, daddr)
    put_le64(mem, n * ROW + 16, ports)
    put_le64(mem, n * ROW + 24, mss)
    put_le64(mem, n * ROW + 32, full)
    put_le64(mem, n * ROW + 40, wscale)
    return n + 1


def connections(v: Any, addresses: list[str], plain: bool = False) -> Connections:
    """Those of a host with these addresses."""
    ours = [int(a) for a in map(ipaddress.ip_address, addresses) if a.version == 4][:len(v.local)]
    if not v.flows or not ours:
        return Connections()
    v.nlocal = len(ours)
    for i, address in enumerate(ours):
        v.local[i] = address
    rows = bytearray(2 * min(v.flows, NFLOW) * ROW)
    addr = region(rows)
    n = (survey_connections.plain if plain and hasattr(survey_connections, "plain") else survey_connections)(v, addr)
    forget(addr)
    ports = tuple(word * 32 + bit for word, bits in enumerate(v.spilled_port) if bits for bit in range(32) if bits >> bit & 1) \
        if v.spilled else ()
    return Connections(bytes(rows[:n * ROW]), n - v.inner + v.spilled, ports)


def from_anybody(c: Connections) -> Connections:
    """The same for a loop that comes from other addresses each time: the ports of the receiver's ends."""
    ports = {int.from_bytes(c.rows[i + 16:i + 18], "little") for i in range(0, len(c.rows), ROW)}
    return Connections(b"", c.number, tuple(sorted(ports | set(c.ports))))


# ---------------------------------------------------------------- tunnels
@path_function
def survey_tunnel(v: survey_t, mem: Mem, port: int, at: int) -> None:
    """A datagram's payload at `at`, eight bytes at least: is it a tunnel's, at a tunnel's port?"""
    if port == VXLAN or port == FLANNEL:             # RFC 7348 5: the I flag and nothing else, an Ethernet frame
        valid = be32(mem, at) == 0x08000000 and byte(mem, at + 7) == 0
        v.tunnel[int(port == FLANNEL)][int(valid)] += 1
    elif port == GENEVE:                             # RFC 8926 3.4: version 0, reserved bits 0, a frame or an IP packet
        inner = be16(mem, at + 2)
        known = inner == ETH_P_TEB or inner == 0x0800 or inner == 0x86DD
        v.tunnel[2][int(known and byte(mem, at) >> 6 == 0 and byte(mem, at + 1) & 0x3F == 0 and byte(mem, at + 7) == 0)] += 1


def tunnels(v: Any) -> list[int]:
    """UDP ports that the capture shows to be tunnels'."""
    return [port for port, (wrong, valid) in zip((VXLAN, FLANNEL, GENEVE), v.tunnel, strict=True) if valid > wrong]


def protocols(v: Any) -> list[int]:
    """IP protocols whose packets a real host would have taken, as far as the capture does not say otherwise."""
    return [n for n in PROTOCOLS_NOT_MODELLED if not v.refused[n]]


def outer_ad(v: Any) -> list[int]:
    """VLAN ids of outer tags of 802.1ad."""
    return [word * 32 + bit for word, bits in enumerate(v.outer_ad) if bits for bit in range(32) if bits >> bit & 1]
