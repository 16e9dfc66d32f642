"""Timers go off: kernel/time/timer.c and hrtimer.c.  Arming them is rxpath/timer.py's, which every station may use.

A driver of time asks when this CPU's next timer is (timer_next) and calls run_timers() then, in hard IRQ context: hrtimers go off at once,
at their very time; for the wheel TIMER_SOFTIRQ is raised, in which its timers go off one by one.  vtime/, where the tick and the
hrtimer are interrupts of their own, calls the halves."""
from .. import path
from .._compile import path_function
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import DONE, NEVER, NO_TIMER, YIELD, Note, Softirq
from ..abi.timer import EXPIRING
from ..path import softirq
from ..timer import bucket_first, collect_expired_timers, detach_timer, hrtimer_cancel, hrtimer_next, jiffies
from ..turn import late, tell_driver
from .napi import raise_softirq_irqoff


@path_function
def timer_next(net: Net, cpu: int) -> int:
    """ns, NEVER."""
    c = net.cpu[cpu]
    return min(c.next_timer, hrtimer_next(net, cpu))


@path_function
def run_timers(net: Net, cpu: int, t: int) -> None:
    hrtimer_interrupt(net, cpu, t)
    run_local_timers(net, cpu, t)


@path_function
def hrtimer_interrupt(net: Net, cpu: int, t: int) -> None:
    """Those that are due by t, in the order of their times."""
    while hrtimer_next(net, cpu) <= t:
        c = net.cpu[cpu]
        i = c.first_hrtimer
        timer = net.hrtimers[i]
        hrtimer_cancel(net, i)
        path.call_hrtimer_function(timer.function, net, cpu, timer.data)


@path_function
def run_local_timers(net: Net, cpu: int, t: int) -> None:
    """Is a bucket due?  run_timer_softirq() says when the next one is."""
    c = net.cpu[cpu]
    if c.next_timer <= t:
        c.next_timer = NEVER
        raise_softirq_irqoff(net, cpu, Softirq.TIMER)


@softirq(Softirq.TIMER)
@path_function
def run_timer_softirq(net: Net, cpu: int) -> int:
    """Timers of this CPU whose bucket is due, one by one: other CPUs see the wheel, and what its timers do.  DONE or YIELD."""
    c, base = net.cpu[cpu], net.timer_bases[cpu]
    while True:
        if late(net, cpu):
            return YIELD
        i = bucket_first(base, EXPIRING)
        if i != NO_TIMER:
            timer = net.timers[i]
            detach_timer(net, i)
            path.call_timer_function(timer.function, net, cpu, timer.data)
        elif base.next_expiry <= jiffies(net, cpu):
            collect_expired_timers(net, base)
        else:
            break
    c.next_timer = NEVER
    if base.next_expiry != NEVER:
        c.next_timer = base.next_expiry * net.sysctl[Sysctl.jiffy_ns]
    tell_driver(net, cpu, Note.TIMER, cpu)
    return DONE
