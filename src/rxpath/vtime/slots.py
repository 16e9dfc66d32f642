"""Who is next?  One slot for each queue's interrupt, each CPU's local interrupts, each CPU.

key[slot] = time << SLOT_BITS | slot: the minimum is the earliest, and ties have one order (interrupts before CPUs).  A CPU that is chosen
runs ahead until its clock passes the horizon: the time of the second earliest.  Everything that can make somebody earlier goes
through at_time(), which lowers the horizon.  Up to FEW_SLOTS a linear scan is as good as anything; beyond, each eight slots have a block
that knows their earliest, so that 64 CPUs with 64 queues cost a look at 24 blocks and 8 slots."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NEVER, SLOT_BITS
from ..path import Stage

FEW_SLOTS = 32                                       # 8 queues and 8 CPUs, 24 slots: the scan is the faster one by 3-5 %
NO_KEY = NEVER << SLOT_BITS | (1 << SLOT_BITS) - 1


@path_function
def slot_of_queue(net: Net, q: int) -> int:
    return q


@path_function
def slot_of_local(net: Net, cpu: int) -> int:
    return net.sim.nq + cpu


@path_function
def slot_of_cpu(net: Net, cpu: int) -> int:
    return net.sim.nq + net.sim.ncpu + cpu


@path_function
def comes_before(key: int, slot: int) -> int:
    """The last time at which `slot` is still earlier than `key`."""
    t = key >> SLOT_BITS
    if slot > key & (1 << SLOT_BITS) - 1:
        t -= 1
    return t


@path_function
def at_time(net: Net, slot: int, t: int) -> None:
    """`slot` happens next at t (NEVER: not any more).  Whoever runs ahead must not pass it."""
    sim = net.sim
    key = t << SLOT_BITS | slot
    old = sim.key[slot]
    sim.key[slot] = key
    if sim.nslot > FEW_SLOTS:
        b = slot >> 3
        if key <= sim.block[b]:
            sim.block[b] = key
        elif old == sim.block[b]:                    # the block's earliest has moved away
            first = key
            for i in range(b * 8, b * 8 + 8):
                first = min(first, sim.key[i])
            sim.block[b] = first
    limit = comes_before(key, slot_of_cpu(net, sim.running))
    sim.horizon = min(sim.horizon, limit)
    sim.private = min(sim.private, limit)


@path_function
def earliest(net: Net) -> int:
    """The earliest key; sim.second is the one after it."""
    sim = net.sim
    a, b = NO_KEY, NO_KEY
    if sim.nslot <= FEW_SLOTS:
        for i in range(sim.nslot):
            k = sim.key[i]
            b = min(b, max(a, k))
            a = min(a, k)
        sim.second = b
        return a
    for i in range(sim.nslot + 7 >> 3):
        k = sim.block[i]
        b = min(b, max(a, k))
        a = min(a, k)
    first = (a & (1 << SLOT_BITS) - 1) & ~7          # the second may stand in the same block
    for i in range(first, first + 8):
        k = sim.key[i]
        if k != a:
            b = min(b, k)
    sim.second = b
    return a


@path_function
def slots_init(net: Net) -> None:
    """Nothing happens."""
    sim = net.sim
    for i in range(256):
        sim.key[i] = NEVER << SLOT_BITS | i
    for i in range(32):
        sim.block[i] = NEVER << SLOT_BITS | i * 8


@path_function
def insert_queues(net: Net, nq: int) -> None:
    """More queues: a slot is queue, local interrupts, CPU in this order, so that the later ones move; when each comes stays."""
    sim = net.sim
    more, last = nq - sim.nq, sim.nslot - 1
    for i in range(2 * sim.ncpu):
        slot = last - i
        sim.key[slot + more] = sim.key[slot] >> SLOT_BITS << SLOT_BITS | slot + more
    for q in range(sim.nq, nq):
        sim.key[q] = NEVER << SLOT_BITS | q
    sim.nq, sim.nslot = nq, sim.nslot + more
    for b in range(32):
        first = sim.key[b * 8]
        for k in range(b * 8, b * 8 + 8):
            first = min(first, sim.key[k])
        sim.block[b] = first


@path_function
def set_horizon(net: Net, cpu: int, until: int) -> None:
    """How far may `cpu`, which is the earliest, go?  With one_step no further than it is: the exact engine, slow, the judge."""
    sim, c = net.sim, net.cpu[cpu]
    sim.running = cpu
    if sim.one_step:
        sim.horizon = c.now
        sim.private = c.now
        return
    mine = slot_of_cpu(net, cpu)
    sim.horizon = min(comes_before(sim.second, mine), until - 1)
    interrupt = sim.key[slot_of_local(net, cpu)]
    q = c.first_queue
    while q >= 0:
        interrupt = min(interrupt, sim.key[slot_of_queue(net, q)])
        ring = net.ring[q]
        q = ring.next_of_cpu
    # whatever the others do reaches this CPU's private work through an IPI at the soonest, or through an interrupt that they unmask
    reach = max(net.cost[cpu][Stage.IPI_LATENCY], 0)
    if sim.any_shared:
        reach = min(reach, net.cost[cpu][Stage.NIC_LATENCY])
    sim.private = min(comes_before(interrupt, mine), sim.horizon + reach, until - 1)
