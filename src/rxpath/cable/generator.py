"""Generated frames: the compiled half.  The stream whose datagram is due next writes it into a slot of the generator's memory; that goes
onto the cable (generate_feed) or into the bytes of a pcap file (generate_pcap).

Slots are filled with the payload's pattern once, by generate.py; a frame is its stream's head, copied, with flow, lengths and checksums put
in.  Checksums are right, from sums that were taken in advance.  Called by cable/generate.py; RFC 768, 791, 792, 9293."""
from .._compile import Mem, byte, entry, mem_at, memcpy, path_function, put_be16, put_be32, put_byte, put_le32
from ..abi.capture import MAX_TIME, Scan
from ..abi.generate import FRACTION, HEAD, NPARETO, Arrivals, Carries, Flows, Sums, gen_flow, gen_t, stream_t
from ..abi.net import Net
from ..abi.numbers import ETH_ZLEN, IP_DF, IP_HLEN, IP_MF, NEVER
from ..drivers.rss import nic_steer
from .dice import exponential_next, exponential_of, next_random
from .feed import feed_add
from .scan import ETH_OVERHEAD

PARETO_MOST = 1 << 31           # of 1 << 16: a burst or a pause is at most 32,768 times the shortest


# ---------------------------------------------------------------- when
@path_function
def pareto_draw(s: stream_t) -> int:
    """A Pareto variate, 1 << 16 being the smallest.  The tail beyond the table's last cell looks like the whole, scaled (the tail of a
    Pareto distribution is one): so the table is used again."""
    scale = 1 << FRACTION
    while True:
        s.rng = next_random(s.rng)
        cell, part = s.rng >> 55, s.rng >> 39 & 0xFFFF
        if cell < NPARETO - 1:
            low = s.pareto[cell]
            x = low + ((s.pareto[cell + 1] - low) * part >> 16)
            return min(scale * x >> FRACTION, PARETO_MOST)
        scale = scale * s.pareto[NPARETO - 1] >> FRACTION
        if scale >= PARETO_MOST:
            return PARETO_MOST


@path_function
def times(a: int, b: int) -> int:
    """a * b, both with 16 bits of fraction."""
    return a * (b >> FRACTION) + (a * (b & 0xFFFF) >> FRACTION)


@path_function
def stream_gap(s: stream_t) -> int:
    """From this datagram to the next, with 16 bits of fraction."""
    if s.kind == Arrivals.CONSTANT:
        return s.gap
    if s.kind == Arrivals.POISSON:
        e = exponential_of(s.rng, 1 << FRACTION)
        s.rng = exponential_next(s.rng)
        return (s.gap >> FRACTION) * e + ((s.gap & 0xFFFF) * e >> FRACTION)
    s.in_burst -= 1
    if s.in_burst > 0:
        return s.gap
    if s.kind == Arrivals.ONOFF:
        s.in_burst = s.burst
        return s.pause
    length = times(s.burst, pareto_draw(s)) + (s.rng & 0xFFFF)
    s.in_burst = max(length >> FRACTION, 1)
    return times(s.pause, pareto_draw(s))


@path_function
def stream_step(s: stream_t) -> None:
    """Its next datagram's time."""
    s.datagrams += 1
    s.left -= 1
    t = s.frac + stream_gap(s)
    s.t += t >> FRACTION
    s.frac = t & 0xFFFF
    if s.left == 0 or s.t >= s.end:
        s.t = NEVER


# ---------------------------------------------------------------- what
@path_function
def stream_flow(g: gen_t, s: stream_t) -> int:
    if s.flows == Flows.IN_TURN:
        i = s.flow_at
        s.flow_at += 1
        if s.flow_at == s.nflow:
            s.flow_at = 0
        return s.flow_first + i
    s.rng = next_random(s.rng)
    i = s.flow_first + ((s.rng >> 31) * s.nflow >> 32)
    if s.flows == Flows.SKEWED:
        s.rng = next_random(s.rng)
        if s.rng >> 31 >= g.flow[i].keep:
            i = s.flow_first + g.flow[i].alias
    return i


@path_function
def stream_begin(g: gen_t, s: stream_t) -> None:
    """A datagram: its flow, its size, its fragments."""
    s.now_flow = stream_flow(g, s)
    s.now_size = 0
    if s.nsize > 1:
        s.rng = next_random(s.rng)
        die = s.rng >> 31
        while s.size[s.now_size].share <= die and s.now_size < s.nsize - 1:
            s.now_size += 1
    s.now_pieces = s.size[s.now_size].pieces
    if s.now_pieces > 1:
        s.ident = s.ident + 1 & 0xFFFF
        if s.incomplete:
            s.rng = next_random(s.rng)
            if s.rng >> 31 < s.incomplete:
                s.now_pieces -= 1


@path_function
def sum_fold(total: int) -> int:
    """The Internet checksum of a sum of 16-bit words."""
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@path_function
def write_transport(s: stream_t, flow: gen_flow, mem: Mem, at: int, body: int, total: int) -> None:
    """The header behind the IP header.  total: the sum of all that this datagram shares with others of its size."""
    if s.carries == Carries.ICMP:
        s.sequence = s.sequence + 1 & 0xFFFF
        put_be16(mem, at + 4, flow.sport)
        put_be16(mem, at + 6, s.sequence)
        c = sum_fold(total + flow.sport + s.sequence)
        if s.sums == Sums.BAD:
            c = c ^ 0x5555
        put_be16(mem, at + 2, c)
        return
    total += (flow.src >> 16) + (flow.src & 0xFFFF) + (flow.dst >> 16) + (flow.dst & 0xFFFF) + flow.sport + flow.dport
    put_be16(mem, at, flow.sport)
    put_be16(mem, at + 2, flow.dport)
    if s.carries == Carries.TCP_SYN:
        s.rng = next_random(s.rng)
        number = s.rng >> 31
        put_be32(mem, at + 4, number)
        c = sum_fold(total + (number >> 16) + (number & 0xFFFF))
        if s.sums == Sums.BAD:
            c = c ^ 0x5555
        put_be16(mem, at + 16, c)
        return
    put_be16(mem, at + 4, body)
    c = sum_fold(total)
    if c == 0:
        c = 0xFFFF
    if s.sums == Sums.BAD:
        c = max(c ^ 0x5555, 1)
    elif s.sums == Sums.NONE:
        c = 0
    put_be16(mem, at + 6, c)


@path_function
def write_frame(g: gen_t, i: int, mem: Mem) -> None:
    """The frame that stream i sends now into the next slot: g.frame_at, g.frame_len."""
    s = g.stream[i]
    if s.now_piece == 0:
        stream_begin(g, s)
    size, flow = s.size[s.now_size], g.flow[s.now_flow]
    at, piece, more = g.slots_at + g.slot * g.stride, s.now_piece, 0
    memcpy(mem, at, mem, i * HEAD, HEAD)
    ip, offset, body = at + s.ihl_at, 0, size.body
    if size.pieces > 1:
        offset = piece * s.mtu_body
        body = min(size.body - offset, s.mtu_body)
        more = IP_MF if piece < size.pieces - 1 else 0
        offset = offset >> 3
    ident, flags = (s.ident, more | offset) if size.pieces > 1 else (0, IP_DF)
    put_be16(mem, ip + 2, IP_HLEN + body)
    put_be16(mem, ip + 4, ident)
    put_be16(mem, ip + 6, flags)
    put_be32(mem, ip + 12, flow.src)
    put_be32(mem, ip + 16, flow.dst)
    c = sum_fold(s.ip_sum + IP_HLEN + body + ident + flags
                 + (flow.src >> 16) + (flow.src & 0xFFFF) + (flow.dst >> 16) + (flow.dst & 0xFFFF))
    put_be16(mem, ip + 10, c ^ 0x5555 if s.sums == Sums.BAD_IP else c)
    if piece == 0:
        write_transport(s, flow, mem, ip + IP_HLEN, size.body, size.sum)
    else:
        memcpy(mem, ip + IP_HLEN, mem, g.slots_at + g.nslot * g.stride + s.ihl_at + IP_HLEN, HEAD - 38)     # no transport header here
    g.frame_at, g.frame_len = at, max(s.ihl_at + IP_HLEN + body, ETH_ZLEN)
    if s.ihl_at + IP_HLEN + body < ETH_ZLEN:
        for k in range(s.ihl_at + IP_HLEN + body, ETH_ZLEN):        # Ethernet's padding
            put_byte(mem, at + k, 0)


@path_function
def next_frame(g: gen_t, mem: Mem) -> bool:
    """The next frame of all streams: g.frame_t, g.frame_at, g.frame_len.  False: all have ended."""
    first, t = 0, g.stream[0].t
    for i in range(1, g.nstream):
        if g.stream[i].t < t:
            first, t = i, g.stream[i].t
    if t >= MAX_TIME:
        return False
    s = g.stream[first]
    write_frame(g, first, mem)
    s.frames += 1
    s.now_piece += 1
    if s.now_piece >= s.now_pieces:
        s.now_piece = 0
        stream_step(s)
    soonest, g.card = g.last_t + 1, s.card
    if g.line_num and g.offered:                            # each card has its own line
        soonest = max(soonest, g.card_t[g.card] + ((g.frame_len + ETH_OVERHEAD) * g.line_num >> 10))
    if soonest > t:
        if s.gap:                                           # back to back was not asked for
            g.late = max(g.late, soonest - t)
        t = soonest
    g.frame_t = g.last_t = g.card_t[g.card] = t
    g.slot += 1
    if g.slot == g.nslot:
        g.slot = 0
    g.offered += 1
    g.bytes += g.frame_len
    return True


# ---------------------------------------------------------------- where to
@path_function
def generated_add(net: Net, g: gen_t) -> bool:
    """The frame just made, onto the cable."""
    g.pending = 1
    if not feed_add(net, g.pending_q, g.frame_t, g.frame_at, g.frame_len, g.frame_len, g.pending_hash, 0, g.offered):
        return False
    g.pending = 0
    return True


@entry
def generate_feed(net: Net, g: gen_t, limit: int) -> int:
    """Up to `limit` frames onto the cable, fewer than there are slots.  Returns a Scan: why it stopped."""
    if g.pending:
        if not generated_add(net, g):
            return Scan.FULL
    mem = mem_at(g.memory)
    for _ in range(limit):
        if not next_frame(g, mem):
            return Scan.END
        steered = nic_steer(net, g.card, g.frame_at, g.frame_len, 0)
        g.pending_q, g.pending_hash = steered >> 32, steered & 0xFFFFFFFF
        if not generated_add(net, g):
            return Scan.FULL
    return Scan.LIMIT


@entry
def generate_pcap(g: gen_t, out_addr: int, room: int, epoch: int, limit: int) -> int:
    """Up to `limit` frames as records of a little-endian pcap with nanoseconds.  Returns the bytes written; 0: there are no more."""
    mem, out, at = mem_at(g.memory), mem_at(out_addr), 0
    for _ in range(limit):
        if at + 16 + g.stride > room or not next_frame(g, mem):
            break
        t = g.frame_t + epoch
        put_le32(out, at, t // 1_000_000_000)
        put_le32(out, at + 4, t % 1_000_000_000)
        put_le32(out, at + 8, g.frame_len)
        put_le32(out, at + 12, g.frame_len)
        memcpy(out, at + 16, mem, g.frame_at, g.frame_len)
        at += 16 + g.frame_len
    return at


@entry
def pattern_sum(addr: int, at: int, n: int) -> int:
    """The sum of n bytes as 16-bit words from the first on."""
    mem, total = mem_at(addr), 0
    for k in range(0, n - 1, 2):
        total += (byte(mem, at + k) << 8) + byte(mem, at + k + 1)
    if n & 1:
        total += byte(mem, at + n - 1) << 8
    return total
