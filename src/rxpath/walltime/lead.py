"""What a call that leads (live.py) does for each wake-up, by compiled code: it sleeps, then serves the rings that have frames, lets the
host have its turns, and receives.

Called by live.py: rt_sleep() without the host's lock, rt_lead() under it.  epoll_wait(2)."""
import platform
from enum import IntEnum

from .._compile import Mem, clock_ns, entry, epoll_wait, le32, le64, mem_at, path_function, put_le64
from ..abi.net import Net
from ..abi.numbers import EAGAIN, NEVER, Th
from .engine import CLOCK_MONOTONIC, MORE_ROWS, rt_all_turns, rt_recv_one, rt_recv_rows
from .rings import RingWord, packet_serve, ring_sends, xdp_serve

# struct epoll_event is packed on x86-64
EVENT_BYTES, EVENT_DATA = (12, 4) if platform.machine() == "x86_64" else (16, 8)
EPOLLIN = 1
MS_MOST = 1 << 30
NO_RING, PACKET, XDP = 0, 1, 2                       # LeadRow.KIND
BUDGET_SPENT, RING_LEFT = 1, 2                       # LeadWord.MORE
TAKE_NOTHING, TAKE_ONE, TAKE_ROWS = 0, 1, 2          # what the call wants: to be woken, recvfrom(), recv_many()


class LeadWord(IntEnum):
    """Words of 64 bits between live.py and this file.  Set once: the epoll instance, where its events go and for how many there is room,
    the back ends, the CPUs, when the host's clock began, the host's own epoll instance (HOST_EPOLL, -1: none).  Of a wake-up: how many
    events came and when; when the next turn is due; turns that were done; something leaves (SENDS); sockets have become ready of which the
    host's epoll instance tells (TELLS); frames are left (MORE: BUDGET_SPENT, or RING_LEFT: live.py comes first).  From ROWS on a LeadRow
    for each back end."""
    EPOLL = 0
    EVENTS = 1
    MOST = 2
    ENDS = 3
    CPUS = 4
    START = 5
    READY = 6
    NOW = 7
    DUE = 8
    TURNS = 9
    SENDS = 10
    MORE = 11
    TELLS = 12
    HOST_EPOLL = 13
    ROWS = 14


class LeadRow(IntEnum):
    """Of a back end: its descriptor, what kind of ring it has; the addresses of the ring's words (RingWord) and of its memory: blocks of a
    packet socket, or UMEM, RX and fill ring of AF_XDP."""
    FD = 0
    KIND = 1
    WORDS = 2
    RING = 3
    RX = 4
    FILL = 5


ROW_WORDS = 6


@path_function
def lead_row(s: Mem, events: Mem, i: int) -> int:
    """The words of the ring that event i says has frames; -1: it says something else."""
    if le32(events, i * EVENT_BYTES) != EPOLLIN:
        return -1
    fd = le32(events, i * EVENT_BYTES + EVENT_DATA)
    for k in range(le64(s, 8 * LeadWord.ENDS)):
        row = 8 * (LeadWord.ROWS + k * ROW_WORDS)
        if le64(s, row + 8 * LeadRow.FD) == fd and le64(s, row + 8 * LeadRow.KIND) != NO_RING:
            return row
    return -1


@path_function
def lead_left_word(net: Net, cpus: int) -> bool:
    """Has a call left something for the next turn?"""
    for i in range(cpus):
        sd = net.sd[i]
        if sd.pending or sd.note_head != sd.note_tail:
            return True
    return False


@entry
def rt_left_word(net: Net, cpus: int) -> bool:
    return lead_left_word(net, cpus)


@entry
def rt_sleep(net: Net, words_at: int, until: int) -> int:
    """Until a back end has something, somebody wakes the call, or that time has come.  How many of the events are not of rings that have
    frames; less than 0: an errno.  Without the lock it looks only whether this thread's own calls have left a turn to do: who holds the
    lock does one before giving it back."""
    s = mem_at(words_at)
    events, start, ms = mem_at(le64(s, 8 * LeadWord.EVENTS)), le64(s, 8 * LeadWord.START), -1
    if lead_left_word(net, le64(s, 8 * LeadWord.CPUS)):
        ms = 0
    elif until < NEVER:
        ms = min((max(until - clock_ns(CLOCK_MONOTONIC) + start, 0) + 999_999) // 1_000_000, MS_MOST)
    n = epoll_wait(le64(s, 8 * LeadWord.EPOLL), events, le64(s, 8 * LeadWord.MOST), ms)
    put_le64(s, 8 * LeadWord.NOW, clock_ns(CLOCK_MONOTONIC) - start)
    put_le64(s, 8 * LeadWord.READY, max(n, 0))
    others = min(n, 0)
    for i in range(n):
        if lead_row(s, events, i) < 0:
            others += 1
    return others


@entry
def rt_lead(net: Net, words_at: int, t: int, due: int, take: int, sock: int, addr: int, room: int, rows_at: int, most: int,
            wait: int) -> int:
    """After rt_sleep(): the rings that have frames are served, or the turn that is due; then thread t, if it has been woken or has some
    already (MORE_ROWS), takes what its call wants (TAKE_*; the rest: see rt_recv_many()).  What that returned; EAGAIN: nothing yet, and
    the thread is in its queue."""
    s = mem_at(words_at)
    due = lead_serve(net, s, due)
    put_le64(s, 8 * LeadWord.DUE, due)
    got = EAGAIN
    if net.thread[t].state != Th.SLEEPING or wait == MORE_ROWS:
        if take == TAKE_ROWS:
            got = rt_recv_rows(net, 0, t, sock, addr, room, rows_at, most, wait)
        elif take == TAKE_ONE:
            got = rt_recv_one(net, 0, t)
    return got


@path_function
def lead_serve(net: Net, s: Mem, due: int) -> int:
    """Each ring that has frames, until something leaves: live.py has to take that away first.  When the next turn is due."""
    events, cpus, now = mem_at(le64(s, 8 * LeadWord.EVENTS)), le64(s, 8 * LeadWord.CPUS), max(le64(s, 8 * LeadWord.NOW), net.sim.now)
    sends, more, turns, i, ready = 0, 0, 0, 0, le64(s, 8 * LeadWord.READY)
    while i < ready and sends == 0 and net.sim.full == 0:
        row = lead_row(s, events, i)
        i += 1
        if row >= 0:
            served, words = lead_ring(net, s, row, cpus, now), mem_at(le64(s, row + 8 * LeadRow.WORDS))
            if served >= 0:
                due = served
                turns += 1
                sends |= le64(words, 8 * RingWord.SENDS)
                more |= le64(words, 8 * RingWord.MORE)
    if more == 0 and i < ready:
        more = RING_LEFT
    if due <= now or lead_left_word(net, cpus):
        net.sim.now = now
        due = rt_all_turns(net, cpus, now)
        turns += 1
        sends |= ring_sends(net, cpus)
    tells, host = 0, le64(s, 8 * LeadWord.HOST_EPOLL)
    if host >= 0 and net.epolls[host].ready_head >= 0:
        tells = 1
    put_le64(s, 8 * LeadWord.TELLS, tells)
    put_le64(s, 8 * LeadWord.SENDS, sends)
    put_le64(s, 8 * LeadWord.MORE, more)
    put_le64(s, 8 * LeadWord.TURNS, turns)
    return due


@path_function
def lead_ring(net: Net, s: Mem, row: int, cpus: int, now: int) -> int:
    """See packet_serve(), xdp_serve()."""
    words_at, ring_at = le64(s, row + 8 * LeadRow.WORDS), le64(s, row + 8 * LeadRow.RING)
    if le64(s, row + 8 * LeadRow.KIND) == PACKET:
        return packet_serve(net, ring_at, words_at, cpus, now)
    return xdp_serve(net, ring_at, le64(s, row + 8 * LeadRow.RX), le64(s, row + 8 * LeadRow.FILL), words_at, cpus, now)
