"""From bytes of a capture file to frames on the cable: the loop that the reader (capture.py) calls for each piece of the file.

record (pcap.py, pcapng.py) -> whose is it -> Ethernet (ether.py) -> lengths -> time -> queue (NIC) -> cable (feed.py)"""
from .._compile import Mem, always_inline, be32, cold, entry, mem_at, path_function
from ..abi.capture import MAX_LEN, MAX_TIME, Link, OwnBy, Problem, Scan, Way, interface_t, scan_t
from ..abi.net import Net
from ..abi.numbers import FEED_STEER
from ..drivers.rss import nic_steer
from .answers import own_answer
from .dice import next_random
from .ether import SLL2_HLEN, addressed, mac_at, make_ethernet
from .feed import feed_add
from .pcap import pcap_record, scan_bad
from .pcapng import pcapng_record, ticks_resolution
from .rewrite import fresh_address
from .split import split_begin, split_next
from .tcp_sent import tcp_frame_brings, tcp_frame_split, tcp_receiver_sends
from .wire import cut_flags, left_flags

ETH_OVERHEAD = 24               # preamble 8, FCS 4, gap 12


@always_inline
@path_function
def next_record(s: scan_t, mem: Mem) -> int:
    if s.pcapng:
        return pcapng_record(s, mem)
    return pcap_record(s, mem)


@always_inline
@path_function
def record_frame(s: scan_t, mem: Mem) -> bool:
    """The record as an Ethernet frame without FCS, lengths put right.  False: it cannot be one; counted."""
    if s.rec_if >= s.ninterface:
        s.no_interface += 1
        return False
    face = s.interfaces[s.rec_if]
    face.records += 1
    if s.ncard > 1:
        s.rec_card = record_card(s, mem, face)
    if face.link == Link.UNSUPPORTED:
        s.unsupported += 1
        return False
    if s.rec_caplen > s.rec_len:                    # the writer forgot or miscounted the length: what is there was there
        s.longer += 1
        s.rec_len = s.rec_caplen
    if s.rec_len > MAX_LEN:
        s.absurd_len += 1
        s.rec_len = MAX_LEN
    if face.fcs:
        s.rec_len = max(s.rec_len - face.fcs, 0)
        s.rec_caplen = min(s.rec_caplen, s.rec_len)
    s.rec_has_mac = 1
    if face.link != Link.ETHERNET:
        if not make_ethernet(s, mem, face.link):
            s.headless += 1
            return False
    return True


@cold
@path_function
def record_card(s: scan_t, mem: Mem, face: interface_t) -> int:
    """Which of several cards: that of the file's interface; in a cooked capture of all (SLL2) its ifindexes in the order in which they are
    met.  More interfaces than cards: the first card."""
    if face.link != Link.SLL2 or s.rec_caplen < SLL2_HLEN:
        return face.card
    ifindex = be32(mem, s.rec_at + 4)
    for i in range(s.ncooked):
        if s.cooked[i] == ifindex:
            return i
    if s.ncooked == s.ncard:
        return 0
    s.cooked[s.ncooked] = ifindex
    s.ncooked += 1
    return s.ncooked - 1


@path_function
def record_is_own(s: scan_t, mem: Mem) -> bool:
    """The receiver itself sent it.  To itself, by lo, it receives it too, but what its kernel answered the path answers anew."""
    if s.rec_way == Way.OUT:
        return True
    if s.own_by == OwnBy.ANSWER:
        return own_answer(s, mem)
    if s.own_by and addressed(s, mem):
        return True
    if s.own_by == OwnBy.ADDRESS:
        return False
    if s.rec_has_mac == 0 or s.rec_caplen < 12:
        return False
    us = s.mac
    if s.ncard > 1:
        us = s.card_mac[s.rec_card]
    return mac_at(mem, s.rec_at + 6) == us and mac_at(mem, s.rec_at) != us


@path_function
def record_time(s: scan_t) -> None:
    """s.clock moves on by the distance to the record before, divided by the speed.  It never runs back; what is earlier than its
    predecessor comes with it, unless the clock was set back by more than max_gap: then distances count from there."""
    if s.rec_has_ts == 0:
        return
    ts = s.rec_ts
    if s.started == 0:
        s.started = 1
        s.last_ts = ts
        if s.rec_base == 0:
            s.first_ts = ts
        return
    dt = ts - s.last_ts
    if dt < 0:
        s.back += 1
        if dt < -s.max_gap:
            s.set_back += 1
            s.last_ts = ts
        return
    s.last_ts = ts
    if dt > s.max_gap:
        s.gaps += 1
        s.gap_ns = min(s.gap_ns + (dt - s.max_gap >> 10), 1 << 60)
        dt = s.max_gap
    if s.speed_num != s.speed_den:
        scaled = dt * s.speed_den + s.speed_rem
        dt = scaled // s.speed_num
        s.speed_rem = scaled % s.speed_num
    s.clock = min(s.clock + dt, MAX_TIME)


@cold
@path_function
def arrival_within(s: scan_t) -> int:
    """How long after its timestamp the record came, as time goes at this speed: any time up to the clock's next tick.  Records of one tick
    came together, in their order."""
    if s.rec_ts != s.arrival_ts:
        s.arrival_ts = s.rec_ts
        s.arrival_rng = next_random(s.arrival_rng)
        s.arrival_ns = (s.arrival_rng >> 31) * clock_resolution(s) >> 32
    return s.arrival_ns * s.speed_den // s.speed_num


@path_function
def clock_resolution(s: scan_t) -> int:
    """ns between two ticks of the clock that gave the record's timestamp."""
    if s.pcapng:
        return ticks_resolution(s.interfaces[s.rec_if])
    if s.nano:
        return 1
    return 1000


@path_function
def frame_time(s: scan_t) -> int:
    """When this frame's last bit arrives.  No two arrive at the same moment; with a line rate none before it fits on its card's wire."""
    t = s.clock
    if s.arrival_rng and s.rec_has_ts:
        t += arrival_within(s)
    if s.rate_den:
        t = s.rate_t
        s.rate_t += s.rate_num // s.rate_den
        s.rate_rem += s.rate_num % s.rate_den
        if s.rate_rem >= s.rate_den:
            s.rate_rem -= s.rate_den
            s.rate_t += 1
    soonest = s.last_t + 1
    if s.line_num and s.offered:
        before = s.card_t[s.rec_card] if s.ncard > 1 else s.last_t
        soonest = max(soonest, before + ((max(s.rec_len, 60) + ETH_OVERHEAD) * s.line_num >> 10))
    return max(t, soonest)


@path_function
def scan_add(net: Net, s: scan_t) -> bool:
    """The frame that is pending, onto the cable."""
    s.pending = 1
    if not feed_add(net, s.pending_q, s.pending_t, s.rec_at, s.rec_len, s.rec_caplen, s.pending_hash, s.pending_flags, s.frame):
        return False
    s.pending = 0
    s.offered += 1
    s.last_rec = s.rec
    s.bytes += s.rec_len
    s.last_t = s.card_t[s.rec_card] = s.pending_t
    return True


@path_function
def scan_record(net: Net, s: scan_t, mem: Mem) -> int:
    """The next record becomes the frame in hand.  RECORD: it is to be offered; LIMIT: it is not; else there is none, and why."""
    got = next_record(s, mem)
    if got != Scan.RECORD:
        return got
    if s.rec - s.rec_base < s.first:
        s.unselected += 1
        return Scan.LIMIT
    if s.rec - s.rec_base > s.last:
        s.rec -= 1
        return Scan.END
    if not record_frame(s, mem):
        return Scan.LIMIT
    record_time(s)
    if record_is_own(s, mem):
        s.own += 1
        if net.ntcp_seen:
            tcp_receiver_sends(net, s, mem)
        return Scan.LIMIT
    s.frame, s.pending_flags = s.rec, 0
    if s.rec_caplen < s.rec_len:
        s.pending_flags = cut_flags(mem, s.rec_at, s.rec_caplen, s.rec_len)
        if s.pending_flags < 0:
            s.headless += 1
            return Scan.LIMIT
        s.cut += 1
    if s.nleft:
        s.pending_flags |= left_flags(s, mem)
    conn = -1
    if net.ntcp_seen:
        conn = tcp_frame_brings(net, s, mem)
    if s.fresh:
        fresh_address(mem, s.rec_at, s.rec_caplen, s.fresh, 12)
    if s.rec_len > s.split_above:
        split_begin(net, s, mem, conn)
        if s.split_count and net.ntcp_seen:
            tcp_frame_split(net, s)
    return Scan.RECORD


@entry
def capture_scan(net: Net, s: scan_t, limit: int) -> int:
    """Up to `limit` frames onto the cable.  Returns a Scan: why it stopped."""
    if s.pending:
        if not scan_add(net, s):
            return Scan.FULL
    mem = mem_at(net.feed_addr)
    for _ in range(limit):
        if s.split_count == 0:
            got = scan_record(net, s, mem)
            if got == Scan.LIMIT:
                continue
            if got != Scan.RECORD:
                return got
        if s.split_count and not split_next(s, mem):
            return Scan.FULL
        t = frame_time(s)
        if t >= MAX_TIME:
            s.rec -= 1
            return scan_bad(s, Problem.TIME_END)
        s.pending_flags |= s.rec_steer << FEED_STEER
        steered = nic_steer(net, s.rec_card, s.rec_at, s.rec_caplen, s.pending_flags)
        s.pending_t, s.pending_q, s.pending_hash = t, steered >> 32, steered & 0xFFFFFFFF
        if not scan_add(net, s):
            return Scan.FULL
    return Scan.LIMIT


@entry
def capture_next(s: scan_t, addr: int) -> int:
    """The next record as an Ethernet frame at s.rec_at, its time in s.clock: for who writes captures.  Returns a Scan."""
    mem = mem_at(addr)
    got = next_record(s, mem)
    while got == Scan.RECORD and not record_frame(s, mem):
        got = next_record(s, mem)
    if got != Scan.RECORD:
        return got
    record_time(s)
    if s.fresh:
        field = 12
        if record_is_own(s, mem):
            field = 16
        fresh_address(mem, s.rec_at, s.rec_caplen, s.fresh, field)
    return Scan.RECORD


@entry
def capture_record(s: scan_t, addr: int) -> int:
    """The next record as it lies in the file: for who rewrites captures.  Returns a Scan."""
    return next_record(s, mem_at(addr))
