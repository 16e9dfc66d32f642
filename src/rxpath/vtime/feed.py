"""Virtual time and the cable: frames one at a time or generated with a seed, and the interrupts that new frames bring.

The cable itself is cable/feed.py; captures come from cable/capture.py, whose user calls feed_arm_all() after each load()."""
from .._compile import cold, entry, path_function
from ..abi.net import Net
from ..abi.numbers import NEVER, SLOT_BITS
from ..cable.feed import feed_add, feed_steered
from ..cable.feed import feed_consume as feed_consume
from ..drivers.nic_rx import irq_due, nic_pull
from ..path import Stage
from .dice import exponential_next, exponential_of
from .sched import hrtimer_again
from .sender import sender_told
from .slots import at_time, insert_queues, slot_of_queue


@path_function
def feed_arm(net: Net, q: int) -> None:
    """The cable was empty and is not any more: the interrupt has a time again."""
    ring, slot = net.ring[q], slot_of_queue(net, q)
    if q >= net.sim.nq:                              # more_queues() comes with the next run()
        return
    if ring.sender >= 0:
        sender_told(net, q)
        return
    if ring.unmasked and net.sim.key[slot] >> SLOT_BITS == NEVER:
        at_time(net, slot, irq_due(net, q, net.sim.now))


@cold
@path_function
def more_queues(net: Net, nq: int) -> None:
    """ethtool -L beyond what was probed: the slots of CPUs move up to make room, and each new queue's interrupt belongs to its CPU."""
    old = net.sim.nq
    insert_queues(net, nq)
    for q in range(old, nq):
        ring = net.ring[q]
        c = net.cpu[ring.cpu]
        ring.next_of_cpu = c.first_queue
        c.first_queue = q


@path_function
def feed_rearm(net: Net) -> None:
    """The card was reset, or its throttle moved: every queue's interrupt has its time anew."""
    if net.nring > net.sim.nq:
        more_queues(net, net.nring)
    for cpu in range(net.sim.ncpu):                  # a reset has cancelled the timers of its NAPIs
        hrtimer_again(net, cpu)
    for q in range(net.sim.nq):
        ring = net.ring[q]
        if ring.sender >= 0:
            sender_told(net, q)
        elif ring.unmasked:
            nic_pull(net, -1, q, net.sim.now)
            at_time(net, slot_of_queue(net, q), irq_due(net, q, net.sim.now))
        else:
            at_time(net, slot_of_queue(net, q), NEVER)


@entry
def feed_arm_all(net: Net) -> None:
    """After frames have come onto any queue's cable."""
    for q in range(net.sim.nq):
        feed_arm(net, q)


@entry
def feed_frame(net: Net, t: int, offset: int, length: int, caplen: int, flags: int, card: int) -> bool:
    """One frame at offset of feed memory, onto the queue that the card's filters and RSS choose.  False: that queue's feed is full."""
    q = feed_steered(net, t, offset, length, caplen, flags, card, 0)
    if q < 0:
        return False
    feed_arm(net, q)
    return True


@entry
def feed_put(net: Net, t: int, offset: int, length: int, caplen: int, flags: int, card: int) -> bool:
    """A frame that was made during the run, at offset of feed memory: merged with what is on the cable, and the interrupt that it brings,
    if that comes before the one that is due.  False: that queue's feed is full."""
    q = feed_steered(net, t, offset, length, caplen, flags, card, 1)
    if q < 0:
        return False
    ring, slot = net.ring[q], slot_of_queue(net, q)
    if ring.sender >= 0:
        sender_told(net, q)
    elif ring.unmasked:
        due = max(t + net.cost[ring.cpu][Stage.NIC_LATENCY], ring.last_irq + ring.itr_ns)
        at_time(net, slot, min(net.sim.key[slot] >> SLOT_BITS, due))
    return True


@entry
def feed_poisson(net: Net, q: int, n: int, gap_ns: int, offset: int, length: int, rss: int, flags: int) -> int:
    """Up to n frames, all the same, at exponential distances.  Returns how many found room."""
    ring, made = net.ring[q], 0
    while made < n and feed_add(net, q, ring.feed_time, offset, length, length, rss, flags, net.offered):
        ring.feed_time += exponential_of(ring.rng, gap_ns)
        ring.rng = exponential_next(ring.rng)
        made += 1
    feed_arm(net, q)
    return made
