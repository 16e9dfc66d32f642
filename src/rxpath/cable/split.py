"""Segments of TCP that were merged before the capture: GRO of the host that captured put them together, or its TCP left the cutting to the
card (TSO).  The wire had them one by one, and so has the cable here.

They are cut as net/ipv4/tcp_offload.c (tcp_gso_segment) and af_inet.c (inet_gso_segment) cut: sequence numbers and IP ids count up, CWR
goes with the first, PSH and FIN with the last; checksums are made.  They have the record's timestamp and follow one another as the line
carries them.  Each is made when there is room for it, out of the record's bytes, which stay in the reader's memory until the last is made.

A frame is merged if it has more data than one segment may have: than the SYNs announce, the smaller of both ends', less the options of this
segment; without a SYN, than the device's MTU has room for.  It is cut to what most of the sender's full segments have (survey.py), where
that is known and less: a tunnel or a router on the way may have brought it below what was announced."""
from .._compile import Mem, be16, be32, byte, cold, memcpy, memset, path_function, put_be16, put_be32, put_byte, put_le16
from ..abi.capture import SPLIT_BYTES, scan_t
from ..abi.net import Net
from ..abi.nic import RECORD_BITS
from ..abi.numbers import (
    ETH_HLEN,
    ETH_ZLEN,
    FEED_CSUM_GOOD,
    IP_HLEN,
    IP_MF,
    IP_OFFSET,
    IPPROTO,
    TCP_HLEN,
    TCPHDR_CWR,
    TCPHDR_FIN,
    TCPHDR_PSH,
    TCPHDR_RST,
    TCPHDR_SYN,
)
from ..skb import csum_fold, csum_partial
from .wire import TCP_CHECK, ipv4_at, pseudo_sum

HEADERS = ETH_HLEN + IP_HLEN + TCP_HLEN
TCP_MIN_MSS = 88                                     # include/net/tcp.h
SPLIT_MOST = 1 << 14                                 # segments of a frame


def split_above(net: Net, cards: int) -> int:
    """The longest frame that is not merged whatever its connection is, as far as connections and MTUs are known now."""
    rings = [net.ring[net.nic[card].first] for card in range(max(cards, 1))]
    mtu = min((mtu for ring in rings if (mtu := int(net.dev[ring.dev].mtu))), default=1 << 62)
    mss = max(int(net.tcp_seen_mss), TCP_MIN_MSS) if net.tcp_seen_mss else 1 << 62
    return min(ETH_HLEN + mtu, HEADERS + mss)


@cold
@path_function
def split_begin(net: Net, s: scan_t, mem: Mem, conn: int) -> None:
    """Is the frame in hand merged?  Then split_next() makes its segments.  conn: its connection in net.tcp_seen, -1: not known."""
    end = s.rec_at + s.rec_caplen
    ip = ipv4_at(mem, s.rec_at, end)
    if ip < 0 or byte(mem, ip + 9) != IPPROTO.TCP or be16(mem, ip + 6) & (IP_MF | IP_OFFSET):
        return
    th = ip + (byte(mem, ip) & 15) * 4
    if th + TCP_HLEN > end:
        return
    data = th + (byte(mem, th + 12) >> 4) * 4
    if data < th + TCP_HLEN or data > end or byte(mem, th + 13) & (TCPHDR_SYN | TCPHDR_RST):
        return
    total = be16(mem, ip + 2)
    if total == 0:                                   # left to the card, or longer than its 16 bits
        total = s.rec_len - (ip - s.rec_at)
    octets = total - (data - ip)
    if total > s.rec_len - (ip - s.rec_at):
        return
    size = split_size(net, s, conn, octets, data - ip, data - th)
    if size == 0 or octets > size * SPLIT_MOST:
        return
    s.split_at, s.split_caplen, s.split_ip, s.split_th, s.split_data = s.rec_at, s.rec_caplen, ip, th, data
    s.split_octets, s.split_size, s.split_next, s.split_count = octets, size, 0, (octets + size - 1) // size
    s.merged += 1
    s.segments += s.split_count


@path_function
def split_size(net: Net, s: scan_t, conn: int, octets: int, headers: int, tcp_header: int) -> int:
    """Bytes of data in each segment that was on the wire but the last; 0: this is one of them."""
    ring = net.ring[net.nic[s.rec_card].first]
    device = net.dev[ring.dev]
    most, full = device.mtu - headers, 0
    if conn >= 0:
        x = net.tcp_seen[conn]
        full = x.full
        if x.mss:
            most = max(x.mss, TCP_MIN_MSS) - (tcp_header - TCP_HLEN)
    if octets <= most or most <= 0:
        return 0
    return min(most, full) if full else most


@cold
@path_function
def split_next(s: scan_t, mem: Mem) -> bool:
    """The next segment becomes the frame in hand.  False: there is no room until what lies there has been pulled in."""
    k, headers = s.split_next, s.split_data - s.split_at
    start = k * s.split_size
    n = min(s.split_size, s.split_octets - start)
    at, length = s.split_room + s.split_used, max(headers + n, ETH_ZLEN)
    if s.split_used + length > SPLIT_BYTES:
        return False
    have = min(max(s.split_caplen - headers - start, 0), n)          # a snap length may have cut the rest
    memcpy(mem, at, mem, s.split_at, headers)
    memcpy(mem, at + headers, mem, s.split_data + start, have)
    memset(mem, at + headers + have, 0, length - headers - have)
    s.rec_at, s.rec_len, s.rec_caplen, s.pending_flags = at, length, length, 0
    if have < n:
        s.rec_caplen, s.pending_flags = headers + have, FEED_CSUM_GOOD
    ip, th = at + s.split_ip - s.split_at, at + s.split_th - s.split_at
    split_headers(mem, ip, th, k, start, at + headers + n - ip, k == s.split_count - 1)
    s.split_used += length + 15 & ~15
    s.frame = s.rec | k << RECORD_BITS
    s.split_next += 1
    if s.split_next == s.split_count:
        s.split_count = 0
    return True


@path_function
def split_headers(mem: Mem, ip: int, th: int, k: int, start: int, total: int, last: bool) -> None:
    """Those of segment k, of `total` bytes with them, whose data begins at `start`: what differs from the merged frame's, and checksums."""
    put_be16(mem, ip + 2, total)
    put_be16(mem, ip + 4, be16(mem, ip + 4) + k & 0xFFFF)
    put_le16(mem, ip + 10, 0)
    put_le16(mem, ip + 10, csum_fold(csum_partial(mem, ip, th - ip, 0)))
    put_be32(mem, th + 4, be32(mem, th + 4) + start & 0xFFFFFFFF)
    flags = byte(mem, th + 13)
    if not last:
        flags &= ~(TCPHDR_FIN | TCPHDR_PSH)
    if k:
        flags &= ~TCPHDR_CWR
    put_byte(mem, th + 13, flags)
    n = total - (th - ip)
    put_le16(mem, th + TCP_CHECK, 0)
    put_le16(mem, th + TCP_CHECK, csum_fold(csum_partial(mem, th, n, pseudo_sum(mem, ip, n))))
