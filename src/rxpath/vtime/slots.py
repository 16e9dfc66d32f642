"""Who is next?  One slot for each queue's interrupt, each CPU's local interrupts, each CPU.

key[slot] = time << SLOT_BITS | slot: the minimum is the earliest, and ties have one order (interrupts before CPUs).  A CPU that is chosen
runs ahead until its clock passes the horizon: the time of the second earliest.  Everything that can make somebody earlier goes
through at_time(), which lowers the horizon.  A linear scan of the slots in use: as good as a heap up to 25."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NEVER, SLOT_BITS
from ..path import Stage


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
def before(key: int, slot: int) -> int:
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
    sim.key[slot] = key
    limit = before(key, slot_of_cpu(net, sim.running))
    sim.horizon = min(sim.horizon, limit)
    sim.private = min(sim.private, limit)


@path_function
def earliest(net: Net) -> int:
    """The earliest key; sim.second is the one after it."""
    sim = net.sim
    a, b = NEVER << SLOT_BITS, NEVER << SLOT_BITS
    for i in range(sim.nslot):
        k = sim.key[i]
        b = min(b, max(a, k))
        a = min(a, k)
    sim.second = b
    return a


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
    sim.horizon = min(before(sim.second, mine), until - 1)
    interrupt = sim.key[slot_of_local(net, cpu)]
    q = c.first_queue
    while q >= 0:
        interrupt = min(interrupt, sim.key[slot_of_queue(net, q)])
        ring = net.ring[q]
        q = ring.next_of_cpu
    # whatever the others do reaches this CPU's private work through an IPI at the soonest
    sim.private = min(before(interrupt, mine), sim.horizon + net.cost[cpu][Stage.IPI_LATENCY], until - 1)
