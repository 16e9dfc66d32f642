"""kernel/softirq.c: __do_softirq and its limits.

Called by the driver of time: at irq_exit, when a task enables bottom halves, or by ksoftirqd.  Hands each pending type to the action that
open_softirq() registered in softirq_vec."""
from .. import path
from .._compile import fls64, path_function
from ..abi.kernels import Behaviour, Sysctl
from ..abi.net import Net
from ..abi.numbers import DONE, MAX_SOFTIRQ_RESTART, YIELD, Note, Softirq, Th, Trail
from ..path import Stage
from ..turn import charge, enter_parked, late_private, tell_driver, timeline_action, timeline_action_over

SOFTIRQ_NOW_MASK = 1 << Softirq.HI | 1 << Softirq.TASKLET

MAX_SOFTIRQ_TIME_NS = 2_000_000


@path_function
def other_softirq(net: Net, cpu: int, nr: int) -> None:
    """Work of that type that is not a packet's (a disk's completions, RCU callbacks, other timers): all that it is, is time."""
    sd, c = net.sd[cpu], net.cpu[cpu]
    if sd.other_due >> nr & 1:
        sd.other_due &= ~(1 << nr)
        c.now += sd.other_ns[nr]
        sd.other_ns[nr] = 0


@path_function
def softirqs_now(net: Net, cpu: int) -> bool:
    """invoke_softirq(), do_softirq(): is something pending that runs here and now?  Some kernels leave it to a ksoftirqd that is awake
    (ksoftirqd_running(); not HI and TASKLET)."""
    sd, ksoftirqd = net.sd[cpu], net.thread[cpu]
    if sd.pending == 0 or net.behaviour[Behaviour.ksoftirqd_first] == 0 or sd.pending & SOFTIRQ_NOW_MASK:
        return sd.pending != 0
    return ksoftirqd.state != Th.RUNNABLE and ksoftirqd.state != Th.RUNNING


@path_function
def do_softirq(net: Net, cpu: int) -> int:
    """At most ten rounds or 2 ms, in whole jiffies; then, or when somebody wants the CPU, it is ksoftirqd's job.  DONE or YIELD."""
    sd, c = net.sd[cpu], net.cpu[cpu]
    if sd.parked_skb >= 0:                           # it waited for its turn, which is now
        enter_parked(net, cpu)
        if late_private(net, cpu):
            return YIELD
    jiffy = net.sysctl[Sysctl.jiffy_ns]
    if not sd.in_softirq:
        sd.in_softirq = 1
        charge(net, cpu, Stage.SOFTIRQ)
        sd.softirq_end = (c.now // jiffy + max(1, MAX_SOFTIRQ_TIME_NS // jiffy)) * jiffy
        sd.restart = MAX_SOFTIRQ_RESTART
        sd.vec = sd.pending
        sd.pending = 0
    while True:
        while sd.vec:
            nr = fls64(sd.vec & -sd.vec) - 1         # ffs(pending): the lowest first
            if net.trail == Trail.TIMELINE:
                timeline_action(net, cpu, nr)
            if sd.other_due:
                other_softirq(net, cpu, nr)
            action = net.softirq_vec[nr]
            if action >= 0:
                if path.call_softirq(action, net, cpu) == YIELD:
                    return YIELD
            sd.vec &= ~(1 << nr)
            if net.trail == Trail.TIMELINE:
                timeline_action_over(net, cpu)
            if late_private(net, cpu):
                return YIELD
        if sd.pending == 0:
            break
        sd.restart -= 1
        if c.now >= sd.softirq_end or c.need_resched or sd.restart == 0:
            tell_driver(net, cpu, Note.WAKE_KSOFTIRQD, cpu)
            break
        sd.vec = sd.pending
        sd.pending = 0
    sd.in_softirq = 0
    return DONE
