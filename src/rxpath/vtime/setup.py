"""Set-up and control of virtual time: threads, interrupts' affinity, threaded NAPI, busy polling; CPU time at any moment.

Each may be called before a run or between two calls of engine.run()."""
from typing import NamedTuple

from .._compile import entry
from ..abi.net import Net
from ..irq.manage import share_ring
from .cuts import cpu_time_at
from .sched import arm_timeout

# sched_prio_to_weight[] of kernel/sched/core.c is a table of 1024 / 1.25^nice, rounded; these are its numbers
NICE_WEIGHT = (88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586,
               1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15)


def nice_weight(nice: int) -> int:
    """Weight of a nice value, -20 to 19."""
    if not -20 <= nice <= 19:
        raise ValueError(f"nice {nice}: must be between -20 and 19")
    return NICE_WEIGHT[nice + 20]


@entry
def thread_start(net: Net, n: int, phase: int, t: int) -> None:
    """The thread begins at t, in that phase."""
    th = net.thread[n]
    th.phase, th.start = phase, t
    arm_timeout(net, th.cpu, th, t)


@entry
def irq_set_affinity(net: Net, q: int, cpu: int) -> None:
    """smp_affinity of a queue's vector: its next interrupt comes on that CPU; a poll under way ends where it is."""
    ring = net.ring[q]
    c = net.cpu[ring.cpu]
    if c.first_queue == q:
        c.first_queue = ring.next_of_cpu
    else:
        i = c.first_queue
        while i >= 0:
            before = net.ring[i]
            i = before.next_of_cpu
            if i == q:
                before.next_of_cpu = ring.next_of_cpu
    home = net.cpu[cpu]
    ring.cpu = cpu
    ring.next_of_cpu = home.first_queue
    home.first_queue = q
    share_ring(net, q)


@entry
def set_threaded(net: Net, q: int, n: int) -> None:
    """/sys/class/net/DEV/threaded: thread n (Kind.NAPI) polls queue q; -1: softirqs do again."""
    net.napi[q].thread = n
    if n >= 0:
        net.thread[n].napi = q
        share_ring(net, q)


@entry
def set_busy_poll(net: Net, sk: int, ns: int) -> None:
    """SO_BUSY_POLL: a reader of that socket polls the NAPI itself for so long before it sleeps."""
    net.socks[sk].ll_ns = ns
    share_rings(net)


@entry
def share_rings(net: Net) -> None:
    """Some thread may busy-poll, whichever queue: SO_BUSY_POLL, net.core.busy_read, net.core.busy_poll."""
    for q in range(net.sim.nq):
        share_ring(net, q)


def irqbalance(net: Net, call: object = None) -> list[int]:
    """Spread the queues' interrupts over the CPUs, as irqbalance does for a network card; returns the CPU of each."""
    places = [q % net.sim.ncpu for q in range(net.sim.nq)]
    for q, cpu in enumerate(places):
        if net.ring[q].cpu != cpu:
            irq_set_affinity(net, q, cpu)
    return places


class CpuTime(NamedTuple):
    """ns of one CPU since the start; they add up to the time."""
    hardirq: int
    softirq: int
    syscall: int                # the kernel on behalf of threads, switching between them included
    application: int
    idle: int


def cpu_time(net: Net, cpu: int, t: int) -> CpuTime:
    """The five at time t, to which the run has come (engine.run(net, t, ...)), with what is under way."""
    cpu_time_at(net, cpu, t)
    times = net.cpu_time[cpu]
    return CpuTime(times.hardirq, times.softirq, times.syscall, times.application, times.idle)
