"""The scheduler of each CPU's threads: EEVDF of 6.18 (kernel/sched/fair.c) for threads of one group that ask for no slice of their own.

v (vruntime) is a thread's used time over its weight, V the weighted mean of all that are on the queue, lag = V - v what a thread is owed.
  1. Eligible is who is owed nothing or more, v <= V.  Of these the one with the earliest virtual deadline runs: v + slice / weight when it
     joined or had used its last slice.  Who runs keeps the CPU until its deadline for as long as it is eligible (RUN_TO_PARITY).
  2. update_curr() counts what has run, and asks for a new choice once the slice is used up.  It is called at ticks, wake-ups and switches
     only: in between v stands still.
  3. Who sleeps while it owes stays on the queue (DELAY_DEQUEUE) until a choice finds it eligible; it then leaves and is owed nothing.  Who
     sleeps while it is owed something keeps that.
  4. A wake-up joins at V less its lag, and takes the CPU at once if it would be chosen now.  Who is owed nothing joins at V, where who runs
     is eligible as well, and keeps the CPU: the wake-up waits for a tick at which that slice is used up.
  5. Softirqs and hard IRQs are charged to whoever is current.
Which reproduces: hogs alternate at each tick (4 ms at HZ=250); nice 0 against 5 gets 75 %; a sleeper's share, how often it runs at once and
how long it waits otherwise (tests/vtime/test_sched.py holds the measured tables)."""
from .._compile import cold, path_function
from ..abi.engine import thread_t
from ..abi.kernels import Behaviour, Sysctl
from ..abi.net import Net
from ..abi.numbers import NEVER, NO_THREAD, Ctx, Idle, Pausing, Th, Trail
from ..abi.timeline import Slice
from ..irq.timer import hrtimer_interrupt
from ..path import Stage
from ..timer import hrtimer_next
from ..turn import charge, charge_ipi, timeline_begin, timeline_end, timeline_ran, timeline_switched
from ..user.wait import wait_remove
from .idle import idle_select
from .latency import work_goes_on
from .slots import at_time, slot_of_local

BASE_SLICE = 700_000                                 # [K] normalized_sysctl_sched_base_slice
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
    """It has run that long; update_curr() will count it."""
    th.uncharged += ran


@path_function
def base_slice(net: Net) -> int:
    """sysctl_sched_base_slice, by the number of CPUs (get_update_sysctl_factor: 1 + log2, of 8 at most)."""
    ncpu = net.sim.ncpu
    if ncpu >= 8:
        return 4 * BASE_SLICE
    if ncpu >= 4:
        return 3 * BASE_SLICE
    return 2 * BASE_SLICE if ncpu >= 2 else BASE_SLICE


@path_function
def calc_delta_fair(ns: int, th: thread_t) -> int:
    return ns if th.weight == NICE_0_LOAD else ns * NICE_0_LOAD // th.weight


# ---------------------------------------------------------------- the run queue: a CPU has few threads, so it is walked
@path_function
def on_rq(th: thread_t) -> bool:
    return th.state == Th.RUNNABLE or th.state == Th.RUNNING or th.delayed != 0


@path_function
def avg_vruntime(net: Net, cpu: int, but: int, none: int) -> int:
    """V of the queue without thread `but`; `none` if nobody is on it.  Counted from the least one, so that nothing overflows."""
    c = net.cpu[cpu]
    least, n, i = NEVER, 0, c.first_thread
    while i >= 0:
        th = net.thread[i]
        if i != but and on_rq(th):
            least = min(least, th.vruntime)
            n += 1
        i = th.next_of_cpu
    if n < 2:
        return least if n else none
    total, load = 0, 0
    i = c.first_thread
    while i >= 0:
        th = net.thread[i]
        if i != but and on_rq(th):
            total += (th.vruntime - least) * th.weight
            load += th.weight
        i = th.next_of_cpu
    return least + total // load


@path_function
def load_but(net: Net, cpu: int, but: int) -> int:
    """Weight of the queue without that thread; 0: nobody else is on it."""
    load, i = 0, net.cpu[cpu].first_thread
    while i >= 0:
        th = net.thread[i]
        if i != but and on_rq(th):
            load += th.weight
        i = th.next_of_cpu
    return load


@path_function
def update_curr(net: Net, cpu: int) -> None:
    """update_curr(), update_deadline(): what the current thread has run counts from here on; with others on the queue and its slice used up
    the CPU chooses anew."""
    c = net.cpu[cpu]
    if c.curr < 0:
        return
    th = net.thread[c.curr]
    if th.uncharged == 0:
        return
    th.vruntime += calc_delta_fair(th.uncharged, th)
    th.uncharged = 0
    if th.vruntime >= th.vdeadline:
        th.vdeadline = th.vruntime + calc_delta_fair(base_slice(net), th)
    elif th.vruntime < th.vprot:
        return
    if load_but(net, cpu, c.curr):
        c.need_resched = 1


@path_function
def pick_eevdf(net: Net, cpu: int) -> int:
    """Who is to run, NO_THREAD: who runs, while that is eligible and protected, else the eligible one with the earliest deadline.  One that
    sleeps may come out."""
    c = net.cpu[cpu]
    n, one, i = 0, NO_THREAD, c.first_thread
    while i >= 0:
        th = net.thread[i]
        if on_rq(th):
            n, one = n + 1, i
        i = th.next_of_cpu
    if n < 2:                                        # the common case
        return one
    mean = avg_vruntime(net, cpu, NO_THREAD, 0)
    if c.curr >= 0:
        curr = net.thread[c.curr]
        if curr.vruntime <= mean and curr.vruntime < curr.vprot:
            return c.curr
    best, least, joined, i = NO_THREAD, NEVER, 0, c.first_thread
    while i >= 0:
        th = net.thread[i]
        if on_rq(th) and th.vruntime <= mean and (th.vdeadline < least or (th.vdeadline == least and th.joined < joined)):
            best, least, joined = i, th.vdeadline, th.joined
        i = th.next_of_cpu
    return best


@path_function
def enqueue(net: Net, cpu: int, th: thread_t) -> None:
    """Behind all that have the same deadline (__enqueue_entity)."""
    c = net.cpu[cpu]
    c.joins += 1
    th.joined = c.joins


@path_function
def pick_next_task(net: Net, cpu: int) -> int:
    """pick_eevdf(); those that sleep leave the queue when they are chosen, and are owed nothing (DELAY_ZERO)."""
    while True:
        n = pick_eevdf(net, cpu)
        if n < 0:
            return n
        th = net.thread[n]
        if th.delayed == 0:
            return n
        th.delayed = 0
        th.lag = 0


@path_function
def place_entity(net: Net, cpu: int, n: int) -> None:
    """Where a thread joins: at V less its lag - by so much more as V follows it -, with a new slice."""
    th = net.thread[n]
    load = load_but(net, cpu, n)
    if load:
        th.vruntime = avg_vruntime(net, cpu, n, 0) - th.lag * (load + th.weight) // load
    th.vdeadline = th.vruntime + calc_delta_fair(base_slice(net), th)
    enqueue(net, cpu, th)


@path_function
def update_entity_lag(net: Net, cpu: int, n: int) -> None:
    """What it is owed as it leaves: two slices or a tick at most."""
    th = net.thread[n]
    most = calc_delta_fair(max(2 * base_slice(net), net.sysctl[Sysctl.jiffy_ns]), th)
    th.lag = max(-most, min(most, avg_vruntime(net, cpu, NO_THREAD, th.vruntime) - th.vruntime))


@path_function
def schedule(net: Net, cpu: int) -> None:
    """Choose who runs; with nobody, idle, and the tick stops."""
    c = net.cpu[cpu]
    update_curr(net, cpu)
    prev, n = c.curr, pick_next_task(net, cpu)
    if prev >= 0 and n != prev:
        before = net.thread[prev]
        before.state = Th.RUNNABLE
        enqueue(net, cpu, before)
    c.need_resched = 0
    c.since = c.now
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
        th.vprot = th.vdeadline                      # set_protect_slice()
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
    update_curr(net, cpu)
    update_entity_lag(net, cpu, n)
    th.state = Th.SLEEPING
    if th.lag < 0:
        th.delayed = 1
        enqueue(net, cpu, th)
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
    if th.state != Th.SLEEPING or th.delayed or th.wake_listed or (home == cpu and cpu_idle(net, home)):
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
    """Load balancing, all that there is of it: at a tick, a roaming thread that waits for this CPU goes to one that is idle, unless
    a switch is due."""
    c = net.cpu[cpu]
    i = c.first_thread
    while i >= 0:
        th = net.thread[i]
        if th.roams and th.state == Th.RUNNABLE and c.curr >= 0 and c.need_resched == 0:
            other = idle_cpu_near(net, cpu)
            if other >= 0:
                update_entity_lag(net, cpu, i)
                th.state = Th.SLEEPING
                migrate(net, i, other)
                wake(net, cpu, i)
            return
        i = th.next_of_cpu


@path_function
def migrate(net: Net, n: int, cpu: int) -> None:
    """set_task_cpu() of a sleeping thread.  Its time-out is over; what it is owed comes with it."""
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
    th.cpu = cpu
    th.moved = 1
    th.migrations += 1


@path_function
def wake_here(net: Net, cpu: int, n: int) -> None:
    """ttwu_do_activate(), or ttwu_runnable() of one that has not left the queue, and check_preempt_wakeup_fair()."""
    c, th = net.cpu[cpu], net.thread[n]
    if th.state != Th.SLEEPING:
        return
    if th.delayed:                                   # requeue_delayed_entity(): V as it was when update_curr() was called last
        update_entity_lag(net, cpu, n)
        th.delayed = 0
        if th.lag > 0:
            th.lag = 0
            place_entity(net, cpu, n)
    else:
        update_curr(net, cpu)
        place_entity(net, cpu, n)
    th.state = Th.RUNNABLE
    th.woken += 1
    if th.timeout_at != NEVER:
        th.timeout_at = NEVER
        hrtimer_again(net, cpu)
    c.wakes += 1
    if c.curr < 0:
        c.need_resched = 1
        return
    update_curr(net, cpu)
    if pick_eevdf(net, cpu) == n:
        c.need_resched = 1
        th.preempted += 1


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
        if th.locking:                               # TASK_UNINTERRUPTIBLE
            return
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
