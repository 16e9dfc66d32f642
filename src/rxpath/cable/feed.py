"""The cable itself: for each queue of the NIC the frames that are on their way, in order of time.  Readers and generators put them
on, the NIC pulls them in (drivers/nic_rx.py, nic_pull).  Who fills the cable then tells virtual time (vtime/feed.py, feed_arm)."""
from .._compile import entry, path_function
from ..abi.limits import NFEED
from ..abi.net import Net
from ..abi.nic import FIRST_MADE
from ..abi.numbers import NEVER, NO_QUEUE
from ..drivers.nic_rx import copy_arrival, nic_pull
from ..drivers.rss import nic_steer


@path_function
def feed_add(net: Net, q: int, t: int, offset: int, length: int, caplen: int, rss: int, flags: int, frame: int) -> bool:
    """One frame whose last bit arrives at t.  `frame` is its name in trails.  False: that queue's cable is full."""
    ring = net.ring[q]
    if ring.feed_tail - ring.feed_head >= NFEED - net.feed_room or ring.spilled:
        return False
    a = net.feed[q][ring.feed_tail & NFEED - 1]
    a.t, a.offset, a.len, a.caplen, a.hash, a.flags, a.frame = t, offset, length, caplen, rss, flags, frame
    net.offered += 1
    ring.feed_tail += 1
    return True


@path_function
def feed_insert(net: Net, q: int, t: int, offset: int, length: int, caplen: int, rss: int, flags: int) -> bool:
    """A frame that was made during the run goes between those that are on the cable already, behind what arrives at the same moment.  The
    earlier ones, which are few, move up by a place.  Nobody may have looked at the cable at t yet.  False: it is full."""
    ring = net.ring[q]
    if ring.feed_tail - ring.feed_head >= NFEED or ring.spilled:
        return False
    i = ring.feed_head
    while i < ring.feed_tail:
        a, before = net.feed[q][i & NFEED - 1], net.feed[q][i - 1 & NFEED - 1]
        if a.t > t:
            break
        copy_arrival(before, a)
        i += 1
    made = net.feed[q][i - 1 & NFEED - 1]
    made.t, made.offset, made.len, made.caplen, made.hash, made.flags = t, offset, length, caplen, rss, flags
    made.frame = FIRST_MADE + net.made
    ring.feed_head -= 1
    net.offered += 1
    net.made += 1
    return True


@path_function
def feed_steered(net: Net, t: int, offset: int, length: int, caplen: int, flags: int, card: int, made: int) -> int:
    """A frame at offset of feed memory, onto the queue that the card's filters and RSS choose: behind all others, or where its time says
    (made: during the run).  That queue; NO_QUEUE: its cable is full."""
    steered = nic_steer(net, card, offset, caplen, flags)
    q, rss = steered >> 32, steered & 0xFFFFFFFF
    if made:
        if not feed_insert(net, q, t, offset, length, caplen, rss, flags):
            return NO_QUEUE
    elif not feed_add(net, q, t, offset, length, caplen, rss, flags, net.offered):
        return NO_QUEUE
    return q


@entry
def feed_consume(net: Net, t: int) -> None:
    """Every frame until t has left feed memory, which may be filled again.  All clocks have passed t: nobody can tell."""
    for q in range(net.sim.nq):
        nic_pull(net, -1, q, t)


@entry
def feed_next(net: Net) -> int:
    """When the next frame comes that the NIC has not pulled in; NEVER: none is on the cable."""
    soonest = NEVER
    for q in range(net.sim.nq):
        ring = net.ring[q]
        if ring.feed_head < ring.feed_tail:
            a = net.feed[q][ring.feed_head & NFEED - 1]
            soonest = min(soonest, a.t)
    return soonest


@entry
def feed_waiting(net: Net) -> int:
    """Frames on the cable that the NIC has not pulled in."""
    n = 0
    for q in range(net.sim.nq):
        ring = net.ring[q]
        n += ring.feed_tail - ring.feed_head + ring.spilled
    return n
