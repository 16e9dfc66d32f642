"""The scheduler of each CPU's threads: the minimal model that was measured on 6.18.

v is a thread's used time over its weight; V the mean of the runnable ones.  A thread is eligible iff v <= V.  It sleeps with its lag V - v
kept if it is positive; if it is negative, the lag recovers while others run, up to 0 (delayed dequeue).  A wake-up preempts at once iff
the woken one is eligible; otherwise it waits for a tick.  A tick takes the CPU from a thread that has used its slice and is not eligible."""
from .._compile import path_function
from ..abi.engine import thread_t
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import NEVER, NO_THREAD, Ctx, Th
from ..path import Stage
from ..turn import charge
from ..user.queue import wait_remove
from .slots import at_time, slot_of_local

BASE_SLICE = 1_400_000                               # sched_base_slice on the measured kernel


@path_function
def account(net: Net, cpu: int, t: int) -> None:
    """The current thread has run until t: of its piece of work, the last `tail` ns are kernel work."""
    c = net.cpu[cpu]
    if c.curr >= 0 and t > c.since:
        th = net.thread[c.curr]
        ran = t - c.since
        user = min(ran, max(0, th.left - th.tail))
        th.left -= ran
        c.app_ns += user
        c.syscall_ns += ran - user
        th.ran_app_ns += user
        th.ran_sys_ns += ran - user
        charge_thread(net, cpu, th, ran)
        c.since = t


@path_function
def charge_thread(net: Net, cpu: int, th: thread_t, ran: int) -> None:
    th.vruntime += ran * 1024 // th.weight
    th.slice += ran


@path_function
def mean_of_others(net: Net, cpu: int, me: int) -> int:
    """V without `me`: the mean vruntime of the other runnable threads; -1: there are none."""
    c = net.cpu[cpu]
    total, n, i = 0, 0, c.first_thread
    while i >= 0:
        th = net.thread[i]
        if i != me and (th.state == Th.RUNNABLE or th.state == Th.RUNNING):
            total += th.vruntime
            n += 1
        i = th.next_of_cpu
    return total // n if n else -1


@path_function
def runnable(net: Net, cpu: int) -> int:
    """The waiting thread with the least vruntime, NO_THREAD."""
    c = net.cpu[cpu]
    best, least, i = NO_THREAD, NEVER, c.first_thread
    while i >= 0:
        th = net.thread[i]
        if th.state == Th.RUNNABLE and th.vruntime < least:
            best, least = i, th.vruntime
        i = th.next_of_cpu
    return best


@path_function
def local_irq_at(net: Net, cpu: int) -> None:
    """The local APIC: tick, two kinds of IPI, the timers share one slot."""
    c = net.cpu[cpu]
    at_time(net, slot_of_local(net, cpu), min(min(min(c.tick, c.resched_ipi), min(c.rps_ipi, c.hrtimer)), c.next_timer))


@path_function
def next_tick(net: Net, cpu: int, t: int) -> int:
    """Ticks of the CPUs are staggered over a jiffy, as the kernel's skew_tick would; one CPU ticks on the jiffy."""
    jiffy = net.sysctl[Sysctl.jiffy_ns]
    return (t // jiffy + 1) * jiffy


@path_function
def schedule(net: Net, cpu: int) -> None:
    """Choose who runs; with nobody, idle: the tick stops."""
    c = net.cpu[cpu]
    prev = c.curr
    if prev >= 0:
        th = net.thread[prev]
        th.state = Th.RUNNABLE
    c.need_resched = 0
    c.since = c.now
    n = runnable(net, cpu)
    c.curr = n
    if n < 0:
        c.ctx = Ctx.IDLE
        c.tick = NEVER
        local_irq_at(net, cpu)
        return
    th = net.thread[n]
    th.state = Th.RUNNING
    if n != prev:
        c.switches += 1
        charge(net, cpu, Stage.SWITCH)
        c.kernel_ns += c.now - c.since
        c.since = c.now
        th.slice = 0
    c.now += th.left


@path_function
def go_to_sleep(net: Net, cpu: int, n: int) -> None:
    """The current thread waits: what it is owed, or owes, is kept."""
    c, th = net.cpu[cpu], net.thread[n]
    v = mean_of_others(net, cpu, n)
    th.lag = v - th.vruntime if v >= 0 else 0
    th.state = Th.SLEEPING
    c.curr = NO_THREAD


@path_function
def wake(net: Net, cpu: int, n: int) -> None:
    """try_to_wake_up() by `cpu`.  A thread of another CPU goes onto that CPU's wake list (ttwu_queue_wakelist), and an IPI follows:
    its scheduler may have run ahead of us, so only it can say, at its own time, whether the thread preempts."""
    c, th = net.cpu[cpu], net.thread[n]
    if th.cpu == cpu:
        wake_here(net, cpu, n)
        return
    c.wakes += 1
    if th.wake_listed:
        return
    home = net.cpu[th.cpu]
    th.wake_listed = 1
    th.wake_next = home.wake_head
    home.wake_head = n
    if home.resched_ipi == NEVER:
        home.resched_ipi = c.now + net.cost[cpu][Stage.IPI_LATENCY]
        local_irq_at(net, th.cpu)


@path_function
def wake_here(net: Net, cpu: int, n: int) -> None:
    """ttwu_do_activate() and the preemption test: onto the run queue."""
    c, th = net.cpu[cpu], net.thread[n]
    if th.state != Th.SLEEPING:
        return
    v = mean_of_others(net, cpu, n)
    if v < 0:
        v = th.vruntime
    if th.lag >= 0:
        th.vruntime = v - th.lag
    else:
        th.vruntime = max(th.vruntime, v) if th.vruntime < v else th.vruntime
    th.state = Th.RUNNABLE
    th.woken += 1
    if th.timeout_at != NEVER:
        cancel_timeout(net, th)
    c.wakes += 1
    if c.curr < 0:
        c.need_resched = 1
        return
    current = net.thread[c.curr]
    if th.vruntime <= current.vruntime:
        c.need_resched = 1


@path_function
def wake_listed(net: Net, cpu: int) -> None:
    """sched_ttwu_pending(): the IPI's handler."""
    c = net.cpu[cpu]
    i = c.wake_head
    c.wake_head = NO_THREAD
    while i >= 0:
        th = net.thread[i]
        following = th.wake_next
        th.wake_listed = 0
        wake_here(net, cpu, i)
        i = following


@path_function
def tick_preempts(net: Net, cpu: int) -> bool:
    """At a tick: has the current thread used its slice, and is another one owed the CPU?"""
    c = net.cpu[cpu]
    if c.curr < 0:
        return False
    th = net.thread[c.curr]
    if th.slice < BASE_SLICE:
        return False
    other = runnable(net, cpu)
    if other < 0:
        return False
    waiting = net.thread[other]
    return waiting.vruntime < th.vruntime


@path_function
def arm_timeout(net: Net, cpu: int, th: thread_t, t: int) -> None:
    """SO_RCVTIMEO: the thread sleeps until a datagram or until t."""
    c = net.cpu[cpu]
    th.timeout_at = t
    c.hrtimer = min(c.hrtimer, t)
    local_irq_at(net, cpu)


@path_function
def cancel_timeout(net: Net, th: thread_t) -> None:
    """The timer of a CPU is the earliest of its threads' timeouts."""
    th.timeout_at = NEVER
    c = net.cpu[th.cpu]
    c.hrtimer = NEVER
    i = c.first_thread
    while i >= 0:
        other = net.thread[i]
        c.hrtimer = min(c.hrtimer, other.timeout_at)
        i = other.next_of_cpu
    local_irq_at(net, th.cpu)


@path_function
def expire_timeouts(net: Net, cpu: int, t: int) -> None:
    """hrtimer_interrupt(): wake those whose time has come."""
    c = net.cpu[cpu]
    i = c.first_thread
    while i >= 0:
        th = net.thread[i]
        following = th.next_of_cpu
        if th.timeout_at <= t:
            th.timeouts += 1
            th.timed_out = 1
            entry = net.wait[th.wait]
            if entry.sk >= 0:
                wait_remove(net, net.socks[entry.sk], th.wait)
            wake_here(net, cpu, i)
        i = following
