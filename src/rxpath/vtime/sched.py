"""The scheduler of each CPU's threads: the minimal model that was measured on 6.18 (kernel/sched/fair.c is its twin in name only).

v is a thread's used time over its weight; V the weighted mean of the others that are runnable; D = V - v is what a thread is owed.
  1. It runs: D falls.  It waits, runnable: D grows.
  2. It sleeps with D >= 0: D is kept.  With D < 0: D grows while others run, up to 0 (delayed dequeue).
  3. It wakes up: it preempts at once iff D >= 0; otherwise it waits for a tick.  Who was woken itself for what it is doing keeps the CPU.
  4. A tick takes the CPU only from a thread that has used 1.4 ms of its request and has D < 0.
  5. Softirqs and hard IRQs are charged to whoever is current.
Which reproduces: hogs alternate at each tick (4 ms at HZ=250); nice 0 against 5 gets 75 %; a sleeper's share and how often it runs at
once (tests/vtime/test_sched.py holds the measured table)."""
from .._compile import cold, path_function
from ..abi.engine import thread_t
from ..abi.kernels import Behaviour, Sysctl
from ..abi.net import Net
from ..abi.numbers import NEVER, NO_THREAD, Ctx, Idle, Kind, Pausing, Th, Trail
from ..abi.timeline import Slice
from ..irq.timer import hrtimer_interrupt
from ..path import Stage
from ..timer import hrtimer_next
from ..turn import charge, charge_ipi, timeline_begin, timeline_end, timeline_ran, timeline_switched
from ..user.wait import wait_remove
from .idle import idle_select
from .latency import work_goes_on
from .slots import at_time, slot_of_local

BASE_SLICE = 1_400_000                               # sched_base_slice on the measured kernel
NICE_0_LOAD = 1024


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
        charge_thread(th, ran)
        if net.trail == Trail.TIMELINE:
            timeline_ran(net, cpu, c.curr, user, ran)
        if th.items and th.pausing != Pausing.UNDER_WAY:
            work_goes_on(net, c.curr, th, c.since, user)
        c.since = t


@path_function
def charge_thread(th: thread_t, ran: int) -> None:
    """update_curr()"""
    if th.weight == NICE_0_LOAD:
        th.vruntime += ran
    else:
        th.vruntime += ran * NICE_0_LOAD // th.weight
    th.slice += ran


# ---------------------------------------------------------------- the run queue: a CPU has few threads, so it is walked
@path_function
def mean_of_others(net: Net, cpu: int, me: int) -> int:
    """V: the weighted mean vruntime of the other runnable threads; -1: there are none."""
    c = net.cpu[cpu]
    least, n, i = NEVER, 0, c.first_thread
    while i >= 0:
        th = net.thread[i]
        if i != me and (th.state == Th.RUNNABLE or th.state == Th.RUNNING):
            least = min(least, th.vruntime)
            n += 1
        i = th.next_of_cpu
    if n < 2:
        return least if n else -1
    total, weight = 0, 0
    i = c.first_thread
    while i >= 0:
        other = net.thread[i]
        if i != me and (other.state == Th.RUNNABLE or other.state == Th.RUNNING):
            total += (other.vruntime - least) * other.weight        # from the least one, so that nothing overflows
            weight += other.weight
        i = other.next_of_cpu
    return least + total // weight


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
def schedule(net: Net, cpu: int) -> None:
    """Choose who runs: who has preempted by waking up, else whom the CPU owes most; with nobody, idle, and the tick stops."""
    c = net.cpu[cpu]
    prev, n = c.curr, c.next_thread
    if prev >= 0:
        before = net.thread[prev]
        before.state = Th.RUNNABLE
    c.need_resched = 0
    c.next_thread = NO_THREAD
    c.since = c.now
    if n < 0:
        n = runnable(net, cpu)
    c.curr = n
    if net.trail == Trail.TIMELINE and n != prev:
        if prev >= 0:
            timeline_end(net, cpu, Slice.TASK, prev)
        if n >= 0:
            timeline_begin(net, cpu, Slice.TASK, n)
    if n < 0:
        c.ctx = Ctx.IDLE
        c.naps += 1
        c.tick = NEVER
        if net.sim.idle_deepest:
            idle_select(net, cpu)
        local_irq_at(net, cpu)
        return
    th = net.thread[n]
    th.state = Th.RUNNING
    if n != prev:                                    # context_switch(): the kernel's time on behalf of threads, interrupts off
        c.switches += 1
        charge(net, cpu, Stage.SWITCH)
        if th.moved:
            th.moved = 0
            charge(net, cpu, Stage.MIGRATE)
            if th.pause_from and th.pausing == Pausing.NONE:
                arm_pause(net, cpu, th)
        ran = c.now - c.since
        if net.trail == Trail.TIMELINE:
            timeline_switched(net, cpu, n)
        c.syscall_ns += ran
        th.ran_sys_ns += ran
        charge_thread(th, ran)
        c.since = c.now
        c.irq_until = max(c.irq_until, c.now)
        c.irq_cost = 0
    if th.asked:                                     # a datagram has woken it
        th.asked, th.ran_at = 0, c.now
    go_on(net, cpu, th)


@path_function
def go_on(net: Net, cpu: int, th: thread_t) -> None:
    """The thread runs: its piece of work will be done then.  Who waits by looking at the clock is done when that says so."""
    c = net.cpu[cpu]
    if th.until:
        left = max(0, th.until - c.now) + th.tail
        if left < th.left:                           # what came between is in the time that it waits, or works
            past = th.left - left
            th.left = left
            if th.items:
                work_goes_on(net, c.curr, th, c.now - past, past)
    c.now += th.left


@path_function
def go_to_sleep(net: Net, cpu: int, n: int) -> None:
    """The current thread waits: what it is owed, or owes, is kept.  The kernel work that led here is done first, interrupts off."""
    c, th = net.cpu[cpu], net.thread[n]
    if c.now > c.since:
        ran = c.now - c.since
        c.syscall_ns += ran
        th.ran_sys_ns += ran
        charge_thread(th, ran)
        c.since = c.now
        c.irq_until = max(c.irq_until, c.now)
        c.irq_cost = 0
    th.left = 0
    th.tail = 0
    v = mean_of_others(net, cpu, n)
    th.lag = 0
    if v >= 0:
        th.lag = v - th.vruntime
    th.state = Th.SLEEPING
    c.curr = NO_THREAD
    if net.trail == Trail.TIMELINE:
        timeline_end(net, cpu, Slice.TASK, n)


# ---------------------------------------------------------------- wake-ups
@path_function
def wake(net: Net, cpu: int, n: int) -> None:
    """try_to_wake_up() by `cpu`.  A thread of another CPU goes onto that CPU's wake list (ttwu_queue_wakelist), and an IPI follows:
    its scheduler may have run ahead of us, so only it can say, at its own time, whether the thread preempts."""
    c, th = net.cpu[cpu], net.thread[n]
    if th.roams:
        select_task_rq(net, cpu, n)
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
    if home.resched_ipi == NEVER:                    # the list was empty
        idle = home.curr < 0
        charge_ipi(net, cpu, idle)
        home.resched_ipi = ipi_arrives(net, cpu, idle)
        local_irq_at(net, th.cpu)


@path_function
def ipi_arrives(net: Net, cpu: int, idle: bool) -> int:
    """When the interrupt that `cpu` has just paid for interrupts the other CPU.  A hypervisor may do that long before it lets the sender
    go on (IPI_LATENCY below 0), yet not before it was sent; nothing is paid, and nothing earlier, to an idle CPU with idle=poll."""
    cost = net.cost[cpu]
    paid = cost[Stage.IPI_SEND_BUSY]
    if idle:
        paid = 0 if net.sim.idle_deepest == Idle.POLL else cost[Stage.IPI_SEND]
    return net.cpu[cpu].now + max(cost[Stage.IPI_LATENCY], -paid)


@path_function
def reader_wakes(net: Net, cpu: int, n: int) -> None:
    """The same, because there is something to read."""
    th = net.thread[n]
    th.asked = 1
    wake(net, cpu, n)


@path_function
def cpu_idle(net: Net, cpu: int) -> bool:
    """idle_cpu(): nothing runs there or is on its way.  Softirqs on top of idle do not count, as in Linux: that is how a reader may find
    itself beside the queue that starves it."""
    c = net.cpu[cpu]
    return c.curr < 0 and c.wake_head < 0


@path_function
def select_task_rq(net: Net, cpu: int, n: int) -> None:
    """Where does a thread that may run anywhere wake up?  Where it was, if that is idle; here, if this is (3.10 asks this first: it pulls
    readers to the CPU of their queue); on the next idle CPU of its node, then of another; else where it was."""
    th = net.thread[n]
    home = th.cpu
    if th.state != Th.SLEEPING or th.wake_listed or (home == cpu and cpu_idle(net, home)):
        return
    if cpu_idle(net, home) and not (net.behaviour[Behaviour.wake_here] and cpu_idle(net, cpu)):
        return
    best = cpu
    if not cpu_idle(net, cpu):
        best = idle_cpu_near(net, home)
    if best >= 0:
        migrate(net, n, best)


@path_function
def idle_cpu_near(net: Net, home: int) -> int:
    """The next idle CPU after `home`, of its node if there is one; -1: all are busy."""
    ncpu = net.sim.ncpu
    for k in range(1, 2 * ncpu):
        i = (home + k) % ncpu
        if cpu_idle(net, i) and (k >= ncpu or net.node[i] == net.node[home]):
            return i
    return -1


@path_function
def push_waiting(net: Net, cpu: int) -> None:
    """Load balancing, all that there is of it: at a tick, a roaming thread that waits for this CPU goes to one that is idle."""
    c = net.cpu[cpu]
    i = c.first_thread
    while i >= 0:
        th = net.thread[i]
        if th.roams and th.state == Th.RUNNABLE and c.curr >= 0 and c.next_thread != i:
            other = idle_cpu_near(net, cpu)
            if other >= 0:
                th.state = Th.SLEEPING
                migrate(net, i, other)
                wake(net, cpu, i)
            return
        i = th.next_of_cpu


@path_function
def migrate(net: Net, n: int, cpu: int) -> None:
    """set_task_cpu() of a sleeping thread.  Its time-out is over; it is owed nothing on the new CPU."""
    th = net.thread[n]
    old, new = net.cpu[th.cpu], net.cpu[cpu]
    if old.first_thread == n:
        old.first_thread = th.next_of_cpu
    else:
        i = old.first_thread
        while i >= 0:
            before = net.thread[i]
            i = before.next_of_cpu
            if i == n:
                before.next_of_cpu = th.next_of_cpu
    th.next_of_cpu = new.first_thread
    new.first_thread = n
    if th.timeout_at != NEVER or th.pause_at != NEVER:
        th.timeout_at, th.pause_at = NEVER, NEVER    # a pause is armed again where it runs (schedule)
        hrtimer_again(net, th.cpu)
    th.cpu, th.lag, th.vruntime = cpu, 0, 0
    th.moved = 1
    th.migrations += 1


@path_function
def wake_here(net: Net, cpu: int, n: int) -> None:
    """ttwu_do_activate() and the preemption test: onto the run queue."""
    c, th = net.cpu[cpu], net.thread[n]
    if th.state != Th.SLEEPING:
        return
    v = mean_of_others(net, cpu, n)
    if v >= 0:
        if th.lag >= 0:
            th.vruntime = max(0, v - th.lag)
        else:
            th.vruntime = max(th.vruntime, v)        # the others have run past it: D is 0 again
    th.state = Th.RUNNABLE
    th.slice = 0                                     # a new request
    th.fresh = 1
    th.woken += 1
    if th.timeout_at != NEVER:
        th.timeout_at = NEVER
        hrtimer_again(net, cpu)
    c.wakes += 1
    if c.curr < 0:
        c.need_resched = 1
    elif v < 0 or (th.vruntime <= v and not keeps_cpu(net, c.curr, th)):
        c.need_resched = 1
        c.next_thread = n
        th.preempted += 1


@path_function
def keeps_cpu(net: Net, n: int, waking: thread_t) -> bool:
    """RUN_TO_PARITY, as measured: who was itself woken for its present request is not preempted by another sleeper (two sleepers wait for
    each other; the second of two threads that one epoll instance wakes finds that the first has read)."""
    th = net.thread[n]
    if waking.kind == Kind.KSOFTIRQD or waking.kind == Kind.NAPI or th.kind == Kind.KSOFTIRQD or th.kind == Kind.NAPI:
        return False                                 # measured for applications only
    return th.fresh != 0 and th.slice < BASE_SLICE


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


# ---------------------------------------------------------------- local interrupts: the tick, timers
@path_function
def local_irq_at(net: Net, cpu: int) -> None:
    """The local APIC: tick, two kinds of IPI, the timers, other devices share one slot."""
    c = net.cpu[cpu]
    first = min(min(c.tick, c.resched_ipi), min(c.rps_ipi, c.hrtimer))
    at_time(net, slot_of_local(net, cpu), min(min(first, c.stall_at), min(c.next_timer, c.device_irq)))


@path_function
def next_tick(net: Net, cpu: int, t: int) -> int:
    """Every CPU ticks on the jiffy (skew_tick is off by default)."""
    jiffy = net.sysctl[Sysctl.jiffy_ns]
    return (t // jiffy + 1) * jiffy


@path_function
def tick_preempts(net: Net, cpu: int) -> bool:
    """At a tick: has the current thread used its request, and is it owed nothing while another waits?"""
    c = net.cpu[cpu]
    if c.curr < 0:
        return False
    th = net.thread[c.curr]
    if th.slice < BASE_SLICE:
        return False
    th.slice = 0                                     # update_deadline(): the next request
    th.fresh = 0
    v = mean_of_others(net, cpu, c.curr)
    return v >= 0 and v < th.vruntime


@path_function
def arm_timeout(net: Net, cpu: int, th: thread_t, t: int) -> None:
    """The thread sleeps until t at the latest (SO_RCVTIMEO, a sleep, its start)."""
    arm_timeout_range(net, cpu, th, t, t)


@path_function
def arm_timeout_range(net: Net, cpu: int, th: thread_t, soft: int, hard: int) -> None:
    """hrtimer_start_range_ns(): an interrupt comes for it at `hard`; one that comes for another timer from `soft` on wakes it, too."""
    c = net.cpu[cpu]
    th.timeout_at, th.timeout_hard = soft, hard
    c.hrtimer = min(c.hrtimer, hard)
    local_irq_at(net, cpu)


@path_function
def arm_pause(net: Net, cpu: int, th: thread_t) -> None:
    """The thread is on this CPU, and has a pause before it.  One that should have come on its way here comes now."""
    c = net.cpu[cpu]
    th.pause_at = max(th.pause_from, c.now)
    c.hrtimer = min(c.hrtimer, th.pause_at)
    local_irq_at(net, cpu)


@path_function
def hrtimer_again(net: Net, cpu: int) -> None:
    """The timer of a CPU is the earliest of its threads' timeouts and of the hrtimers that run on it."""
    c = net.cpu[cpu]
    c.hrtimer = hrtimer_next(net, cpu)
    i = c.first_thread
    while i >= 0:
        th = net.thread[i]
        if th.timeout_at != NEVER:
            c.hrtimer = min(c.hrtimer, th.timeout_hard)
        c.hrtimer = min(c.hrtimer, th.pause_at)
        i = th.next_of_cpu
    local_irq_at(net, cpu)


@path_function
def pause_now(net: Net, cpu: int, n: int) -> None:
    """A program of this CPU is to stand still (pauses.py).  Who sleeps is woken for that, as by a signal; who computes stops where it is;
    who is in the kernel stops when it is about to leave it."""
    th = net.thread[n]
    th.pause_at = NEVER
    th.pausing = Pausing.DUE
    if th.state == Th.SLEEPING:
        entry = net.wait[th.wait]
        if entry.sk >= 0:
            wait_remove(net, net.socks[entry.sk], th.wait)
        wake_here(net, cpu, n)
    elif th.left > th.tail:
        pause_stops(th)


@cold
@path_function
def pause_stops(th: thread_t) -> None:
    """What is left of its work goes on after the pause."""
    th.pausing = Pausing.STOPPED
    th.paused_left, th.paused_tail = th.left, th.tail
    th.left, th.tail, th.until = 0, 0, 0


@path_function
def expire_timeouts(net: Net, cpu: int, t: int) -> None:
    """Wake the threads whose time has come, then the path's own hrtimers."""
    c = net.cpu[cpu]
    i = c.first_thread
    while i >= 0:
        th = net.thread[i]
        following = th.next_of_cpu
        if th.pause_at <= t:
            pause_now(net, cpu, i)
        if th.timeout_at <= t:
            th.timeouts += 1
            th.timed_out = 1
            th.timeout_at = NEVER
            entry = net.wait[th.wait]
            if entry.sk >= 0:
                wait_remove(net, net.socks[entry.sk], th.wait)
            wake_here(net, cpu, i)
        i = following
    hrtimer_interrupt(net, cpu, t)
    hrtimer_again(net, cpu)
