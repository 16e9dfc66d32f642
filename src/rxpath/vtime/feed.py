"""Frames onto the cable: Python fills feed memory in chunks or has them generated here with a seed; the NIC pulls them in."""
from .._compile import entry, path_function
from ..abi.limits import NFEED
from ..abi.net import Net
from ..abi.numbers import NEVER, SLOT_BITS
from ..drivers.nic import irq_due, nic_pull, nic_steer
from .dice import exponential_next, exponential_of
from .slots import at_time, slot_of_queue


@path_function
def feed_add(net: Net, q: int, t: int, offset: int, length: int, caplen: int, rss: int, flags: int) -> bool:
    """False when the queue's feed is full."""
    ring = net.ring[q]
    if ring.feed_tail - ring.feed_head >= NFEED:
        return False
    a = net.feed[q][ring.feed_tail & NFEED - 1]
    a.t, a.offset, a.len, a.caplen, a.hash, a.flags, a.frame = t, offset, length, caplen, rss, flags, net.offered
    net.offered += 1
    ring.feed_tail += 1
    return True


@path_function
def feed_arm(net: Net, q: int) -> None:
    """The cable was empty and is not any more: the interrupt has a time again."""
    ring, slot = net.ring[q], slot_of_queue(net, q)
    if ring.unmasked and net.sim.key[slot] >> SLOT_BITS == NEVER:
        at_time(net, slot, irq_due(net, q, net.sim.now))


@entry
def feed_frame(net: Net, t: int, offset: int, length: int, caplen: int, flags: int) -> bool:
    """One frame at offset of feed memory, onto the queue that the NIC's filters and RSS choose.  False: that queue's feed is full."""
    steered = nic_steer(net, offset, caplen)
    q, rss = steered >> 32, steered & 0xFFFFFFFF
    if not feed_add(net, q, t, offset, length, caplen, rss, flags):
        return False
    feed_arm(net, q)
    return True


@entry
def feed_poisson(net: Net, q: int, n: int, gap_ns: int, offset: int, length: int, rss: int, flags: int) -> int:
    """Up to n frames, all the same, at exponential distances.  Returns how many found room."""
    ring, made = net.ring[q], 0
    while made < n and feed_add(net, q, ring.feed_time, offset, length, length, rss, flags):
        ring.feed_time += exponential_of(ring.rng, gap_ns)
        ring.rng = exponential_next(ring.rng)
        made += 1
    feed_arm(net, q)
    return made


@entry
def feed_consume(net: Net, t: int) -> None:
    """Every frame until t has left feed memory, which may be filled again.  All clocks have passed t: nobody can tell."""
    for q in range(net.sim.nq):
        nic_pull(net, q, t)
