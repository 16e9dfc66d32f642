"""Locks, and cache lines that come from other CPUs."""
from .._compile import path_function, store_release, xchg
from ..abi.net import Net
from ..abi.softnet import spinlock
from ..path import Stage


@path_function
def line_from(net: Net, cpu: int, other: int) -> int:
    """The event: a line comes from the cache of CPU `other`, on this NUMA node or on another."""
    if net.nnode > 1 and other >= 0 and net.node[cpu] != net.node[other]:
        return Stage.BOUNCE_NODE
    return Stage.BOUNCE


@path_function
def spin_lock(net: Net, cpu: int, lock: spinlock) -> None:
    """Real time: a lock.  Virtual time: touches come in the order of the clocks, so first come, first served is arithmetic."""
    if net.real_time:
        if net.real_time > 1:                        # one CPU needs none: Linux, too, takes lock prefixes out there (SMP alternatives)
            while xchg(lock.locked, 0, 1) != 0:
                pass
        return
    c = net.cpu[cpu]
    if lock.free_at > c.now:
        lock.spin_ns += lock.free_at - c.now
        c.now = lock.free_at
    c.now += net.cost[cpu][Stage.LOCK]
    if lock.last_cpu != cpu:
        c.now += net.cost[cpu][line_from(net, cpu, lock.last_cpu)]
        lock.last_cpu = cpu
    lock.free_at = c.now


@path_function
def spin_unlock(net: Net, lock: spinlock) -> None:
    if net.real_time > 1:
        store_release(lock.locked, 0, 0)
