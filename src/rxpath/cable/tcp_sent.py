"""An open-loop replay of TCP: what the captured receiver had sent on each connection when a frame came in.

The reader of a capture meets the receiver's own segments, which are not offered, in the order of time.  Here they move the receiver's
end of their connection on - its initial sequence number and what it agreed to, then data and FIN - and each segment that is offered
takes along what had been sent by then (net.tcp_sent, by the frame's number).  transport/tcp_adopt.py adopts it when that segment
arrives.

A capture of one direction shows nothing of the receiver's: then the segment's own acknowledgement says what must have been sent.

A capture may also lack what the peer sent: tcpdump lost it.  The receiver's acknowledgements tell such a gap from a hole that the
receiver had, too: it acknowledges what it got, and nothing behind a hole.  What is missing so is written down (net.tcp_gap), and
workbench/run/gaps.py makes segments of it."""
from .._compile import Mem, be16, be32, byte, cold, entry, path_function
from ..abi.capture import scan_t
from ..abi.net import Net
from ..abi.numbers import ETH_ZLEN, IP_OFFSET, IPPROTO, TCP_HLEN, TCPHDR_ACK, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN
from ..abi.tcp_sent import (
    FILL_ANYWAY,
    FILL_TIMES,
    GAP_BYTES,
    NRUN,
    NTCPGAP,
    NTCPSPLIT,
    SENT_FIN,
    SENT_GAP,
    SENT_NXT,
    SENT_OPTIONS,
    SENT_REAL,
    SENT_SACK,
    SENT_SPLIT,
    SENT_SYN,
    SENT_TSTAMP,
    SENT_WSCALE,
    SENT_WSCALE_SHIFT,
    tcp_seen_t,
)
from ..open_loop import tcp_sent_slot
from .tcp_seen import tcp_seen_slot
from .wire import ipv4_at

TCPOPT_EOL, TCPOPT_NOP, TCPOPT_WINDOW, TCPOPT_SACK_PERM, TCPOPT_TIMESTAMP = 0, 1, 3, 4, 8
TCP_MAX_WSCALE = 14


@path_function
def tcp_at(s: scan_t, mem: Mem) -> int:
    """Where the TCP header of the record's frame is, whose flags are there, -1: it has none.  IPv4."""
    at, end = s.rec_at, s.rec_at + s.rec_caplen
    ip = ipv4_at(mem, at, end)
    if ip < 0 or byte(mem, ip + 9) != IPPROTO.TCP or be16(mem, ip + 6) & IP_OFFSET:
        return -1
    th = ip + (byte(mem, ip) & 15) * 4
    if th + 14 > end:
        return -1
    return th


@path_function
def tcp_octets(s: scan_t, mem: Mem, ip: int, th: int) -> int:
    """Bytes of data.  By what IP says; if that is 0 (left to the card) by the length of the frame, where it cannot be padded."""
    total = be16(mem, ip + 2)
    if total == 0 and s.rec_len > ETH_ZLEN:
        total = s.rec_len - (ip - s.rec_at)
    return max(total - (th - ip) - (byte(mem, th + 12) >> 4) * 4, 0)


@path_function
def tcp_length(s: scan_t, mem: Mem, ip: int, th: int) -> int:
    """Sequence numbers that the segment takes: its data, SYN and FIN."""
    flags = byte(mem, th + 13)
    return tcp_octets(s, mem, ip, th) + (flags & TCPHDR_FIN) + (flags >> 1 & 1)


@path_function
def tcp_seen_row(net: Net, s: scan_t, at: int) -> tcp_seen_t:
    """The row at `at`, as of this reading of the file."""
    x = net.tcp_seen[at]
    if x.read != s.rec_base + 1:
        x.read, x.flags, x.peer_isn, x.isn, x.rcv_nxt, x.acked = s.rec_base + 1, SENT_REAL, -1, -1, -1, -1
        x.nrun = x.octets = x.filled = 0
    return x


# ---------------------------------------------------------------- what the receiver sends
@path_function
def tcp_receiver_sends(net: Net, s: scan_t, mem: Mem) -> None:
    """The record in hand is the receiver's own."""
    th = tcp_at(s, mem)
    if th < 0:
        return
    ip = ipv4_at(mem, s.rec_at, s.rec_at + s.rec_caplen)
    at = tcp_seen_slot(net, be32(mem, ip + 16), be32(mem, ip + 12), be16(mem, th + 2) << 16 | be16(mem, th))
    x = net.tcp_seen[at]
    flags = byte(mem, th + 13)
    if x.used == 0 or flags & TCPHDR_RST:
        return
    x = tcp_seen_row(net, s, at)
    seq = be32(mem, th + 4)
    if flags & TCPHDR_SYN and flags & TCPHDR_ACK == 0 and seq != x.isn:
        x.rcv_nxt = x.acked = -1
    if flags & TCPHDR_ACK and (x.acked < 0 or is_after(be32(mem, th + 8), x.acked)):
        x.acked, x.acked_rec = be32(mem, th + 8), s.last_rec
    if flags & TCPHDR_SYN:
        if seq != x.isn:                             # a connection begins; again with the same number: the SYN was repeated
            x.isn, x.snd_nxt, x.flags = seq, seq + 1 & 0xFFFFFFFF, SENT_REAL | SENT_NXT | sent_options(s, mem, th)
        return
    end = seq + tcp_length(s, mem, ip, th) & 0xFFFFFFFF
    if x.flags & SENT_NXT == 0 or is_after(end, x.snd_nxt):
        x.snd_nxt = end
        x.flags |= SENT_NXT
        if flags & TCPHDR_FIN:
            x.flags |= SENT_FIN


@cold
@path_function
def sent_options(s: scan_t, mem: Mem, th: int) -> int:
    """What the receiver's SYN agrees to."""
    found, end = SENT_OPTIONS, min(th + (byte(mem, th + 12) >> 4) * 4, s.rec_at + s.rec_caplen)
    at = th + TCP_HLEN
    while at < end and byte(mem, at) != TCPOPT_EOL:
        kind = byte(mem, at)
        if kind == TCPOPT_NOP:
            at += 1
            continue
        if at + 2 > end or byte(mem, at + 1) < 2 or at + byte(mem, at + 1) > end:
            break
        if kind == TCPOPT_TIMESTAMP:
            found |= SENT_TSTAMP
        elif kind == TCPOPT_SACK_PERM:
            found |= SENT_SACK
        elif kind == TCPOPT_WINDOW and byte(mem, at + 1) == 3:
            found |= SENT_WSCALE | min(byte(mem, at + 2), TCP_MAX_WSCALE) << SENT_WSCALE_SHIFT
        at += byte(mem, at + 1)
    return found


# ---------------------------------------------------------------- what comes in
@path_function
def tcp_frame_brings(net: Net, s: scan_t, mem: Mem) -> int:
    """The record in hand is about to be offered: what the receiver had sent by now goes with it, if it is of a connection that is real.
    Returns where that is in net.tcp_seen, -1: nowhere."""
    th = tcp_at(s, mem)
    if th < 0:
        return -1
    ip = ipv4_at(mem, s.rec_at, s.rec_at + s.rec_caplen)
    source, dest = be16(mem, th), be16(mem, th + 2)
    at = tcp_seen_slot(net, be32(mem, ip + 12), be32(mem, ip + 16), source << 16 | dest)
    x = net.tcp_seen[at]
    if x.used == 0:
        if net.tcp_seen_spilled and (net.tcp_seen_port[dest >> 5] >> (dest & 31) | net.tcp_seen_port[source >> 5] >> (source & 31)) & 1:
            tcp_frame_takes(net, s.rec, -1, 0, SENT_REAL, tcp_octets(s, mem, ip, th))
        return -1
    x = tcp_seen_row(net, s, at)
    if byte(mem, th + 13) & (TCPHDR_SYN | TCPHDR_ACK) == TCPHDR_SYN:
        seq = be32(mem, th + 4)
        if seq != x.peer_isn and (x.isn < 0 or x.peer_isn >= 0):             # between the same ends once more
            x.flags, x.isn = SENT_REAL, -1
        if seq != x.peer_isn:
            x.rcv_nxt = -1
            if x.isn < 0:
                x.acked = -1
        x.peer_isn = seq
    if byte(mem, th + 13) & TCPHDR_RST == 0:
        tcp_peer_brings(net, s, at, be32(mem, th + 4), tcp_length(s, mem, ip, th))
    flags = x.flags
    if byte(mem, th + 13) & TCPHDR_SYN:
        flags |= SENT_SYN
    tcp_frame_takes(net, s.rec, at, x.snd_nxt, flags, tcp_octets(s, mem, ip, th))
    return at


@path_function
def tcp_peer_brings(net: Net, s: scan_t, at: int, seq: int, length: int) -> None:
    """The peer's next segment of connection `at`.  SENT_GAP stays until the bytes come: what the receiver acknowledges later cannot tell
    more."""
    x, end = net.tcp_seen[at], seq + length & 0xFFFFFFFF
    x.octets += length
    if x.rcv_nxt < 0:
        x.rcv_nxt, x.nrun, x.rec = end, 0, s.rec
        x.flags &= ~SENT_GAP
    elif is_after(seq, x.rcv_nxt) and gaps_end(net, s, at, seq):
        run_add(x, seq, end, s.rec)
    elif is_after(end, x.rcv_nxt):
        x.rcv_nxt, x.rec = end, s.rec
        runs_reached(x)
        x.flags &= ~SENT_GAP


@cold
@path_function
def gaps_end(net: Net, s: scan_t, at: int, seq: int) -> bool:
    """The peer's segment at seq lies behind a gap.  What the receiver has acknowledged of it is to be filled.  False: that is all of it."""
    x = net.tcp_seen[at]
    while x.acked >= 0 and is_after(x.acked, x.rcv_nxt) and is_after(seq, x.rcv_nxt):
        stop, until = seq, s.rec
        if x.nrun and is_after(seq, x.run_start[0]):
            stop, until = x.run_start[0], x.run_rec[0]
        if is_after(stop, x.acked):
            stop, until = x.acked, min(until, x.acked_rec)
        octets = stop - x.rcv_nxt & 0xFFFFFFFF
        if net.tcp_fills == 0 or net.tcp_ngap == NTCPGAP or net.tcp_gap_octets + octets > GAP_BYTES \
                or x.filled + octets > FILL_TIMES * x.octets + FILL_ANYWAY:
            x.flags |= SENT_GAP
            return True
        gap = net.tcp_gap[net.tcp_ngap]
        gap.record, gap.conn, gap.start, gap.octets, gap.since, gap.until = s.rec, at, x.rcv_nxt, octets, x.rec, until
        net.tcp_ngap += 1
        net.tcp_gap_octets += octets
        x.filled += octets
        x.rcv_nxt, x.rec = stop, until
        runs_reached(x)
    return is_after(seq, x.rcv_nxt)


@cold
@path_function
def run_add(x: tcp_seen_t, seq: int, end: int, rec: int) -> None:
    """A piece behind a gap.  Of too many the last ones are forgotten: they are filled in once more, and are duplicates then."""
    k = 0
    for i in range(x.nrun):
        if not is_after(seq, x.run_end[i]) and not is_after(x.run_start[i], end):
            if is_after(x.run_start[i], seq):
                x.run_start[i] = seq
            if is_after(end, x.run_end[i]):
                x.run_end[i] = end
            return
        if is_after(seq, x.run_start[i]):
            k = i + 1
    if x.nrun == NRUN:
        if k == NRUN:
            return
        x.nrun -= 1
    for i in range(x.nrun, k, -1):
        x.run_start[i], x.run_end[i], x.run_rec[i] = x.run_start[i - 1], x.run_end[i - 1], x.run_rec[i - 1]
    x.run_start[k], x.run_end[k], x.run_rec[k] = seq, end, rec
    x.nrun += 1


@path_function
def runs_reached(x: tcp_seen_t) -> None:
    """What lay behind a gap that has come to its end follows."""
    while x.nrun and not is_after(x.run_start[0], x.rcv_nxt):
        if is_after(x.run_end[0], x.rcv_nxt):
            x.rcv_nxt = x.run_end[0]
        x.nrun -= 1
        for i in range(x.nrun):
            x.run_start[i], x.run_end[i], x.run_rec[i] = x.run_start[i + 1], x.run_end[i + 1], x.run_rec[i + 1]


@path_function
def is_after(a: int, b: int) -> bool:
    """after() of net/tcp.h."""
    return 0 < (a - b & 0xFFFFFFFF) < 1 << 31


@path_function
def tcp_frame_takes(net: Net, frame: int, conn: int, snd_nxt: int, flags: int, octets: int) -> None:
    y = net.tcp_sent[tcp_sent_slot(frame)]
    y.frame, y.conn, y.snd_nxt, y.flags, y.octets = frame, conn, snd_nxt, flags, octets
    net.tcp_offered += 1
    net.tcp_offered_octets += octets


@path_function
def tcp_frame_split(net: Net, s: scan_t) -> None:
    """The record in hand comes as several segments: what it took along is theirs."""
    y = net.tcp_sent[tcp_sent_slot(s.rec)]
    if y.frame == s.rec:
        z, last = net.tcp_split[s.rec & NTCPSPLIT - 1], s.split_count - 1
        y.octets, y.flags = s.split_size, y.flags | SENT_SPLIT
        z.last, z.octets = last, s.split_octets - last * s.split_size
        net.tcp_offered += s.split_count - 1


@entry
def tcp_repair_takes(net: Net, frame: int, conn: int, snd_nxt: int, flags: int, octets: int) -> None:
    """A frame that is made to repair another takes along what that did."""
    tcp_frame_takes(net, frame, conn, snd_nxt, flags & ~SENT_SPLIT, octets)
