"""The turn of the thread that a CPU runs: its piece of work is used up, what next?"""
from .._compile import always_inline, path_function
from ..abi.engine import cpu_t
from ..abi.net import Net
from ..abi.numbers import NAPI_STATE_SCHED, Ctx, Kind, Kthread, Trail
from ..abi.timeline import Slice
from ..irq.softirq import softirqs_now
from ..turn import timeline_begin
from ..user.recvmsg import recv_is_private
from .apps import Phase, call_step, compute_step, doze_step, return_step, serve_step, spend
from .host import ask_step, nap_step, sendto_step
from .pauses import pause_step, stands_still
from .sched import account, go_to_sleep, pause_stops, schedule
from .sender import sender_step
from .streams import connection_step
from .waiting import accept_step, busy_step, disown_step, host_poll_step, own_step, wait_step


@always_inline
@path_function
def task_step(net: Net, cpu: int) -> None:
    c, sd = net.cpu[cpu], net.sd[cpu]
    account(net, cpu, c.now)
    if (c.need_resched or c.curr < 0) and not gives_back(net, c):
        schedule(net, cpu)
        return
    n = c.curr
    th = net.thread[n]
    if th.kind == Kind.KSOFTIRQD:
        if sd.pending:                               # run_ksoftirqd()
            begin_softirq(net, cpu, Kthread.KSOFTIRQD)
        else:
            go_to_sleep(net, cpu, n)
        return
    if th.kind == Kind.NAPI:
        napi_thread_step(net, cpu, n)
        return
    app_step(net, cpu, n)


@path_function
def gives_back(net: Net, c: cpu_t) -> bool:
    """Who has to leave the CPU gives the NAPI back that it polls: its next step does so."""
    if c.curr < 0:
        return False
    th = net.thread[c.curr]
    return th.phase == Phase.BUSY and th.busy_held != 0


@path_function
def begin_softirq(net: Net, cpu: int, who: int) -> None:
    c = net.cpu[cpu]
    c.ctx = Ctx.SOFTIRQ
    c.in_kthread = who
    c.since = c.now
    if net.trail == Trail.TIMELINE:
        timeline_begin(net, cpu, Slice.SOFTIRQ, who)


@path_function
def napi_thread_step(net: Net, cpu: int, n: int) -> None:
    """napi_threaded_poll(): poll while the NAPI is scheduled; between two polls bottom halves are on for a moment."""
    c, th = net.cpu[cpu], net.thread[n]
    napi = net.napi[th.napi]
    if softirqs_now(net, cpu):
        begin_softirq(net, cpu, Kthread.NONE)
    elif napi.state & NAPI_STATE_SCHED:
        c.poll_napi = th.napi
        begin_softirq(net, cpu, Kthread.NAPI)
    else:
        go_to_sleep(net, cpu, n)


@always_inline
@path_function
def app_step(net: Net, cpu: int, n: int) -> None:
    """One step of an application.  A receiving call takes a lock with bottom halves off: when it turns them on again, softirqs that are
    pending run here, inline: that is how the reader itself is kept from reading (receive livelock)."""
    c, th = net.cpu[cpu], net.thread[n]
    start, phase = c.now, th.phase
    if th.pausing and stands_still(th):
        pause_step(net, cpu, n, th, start)
    elif phase == Phase.CALL:
        if th.kind == Kind.STREAM:
            connection_step(net, cpu, n, th, start)
        else:
            call_step(net, cpu, n, th, start)
        if c.curr >= 0:
            spend(net, cpu, th, start, 0)
    elif phase == Phase.RETURN:
        return_step(net, cpu, n, th, start)
        if th.pausing:                               # it has come back from the kernel
            pause_stops(th)
        c.since = c.now
        c.now += th.left
        return
    elif phase == Phase.SERVE:
        serve_step(net, cpu, th, start)
    elif phase == Phase.DOZE:
        doze_step(net, cpu, n, th, start)
        if c.curr >= 0:
            spend(net, cpu, th, start, 0)
    elif phase == Phase.WAIT:
        wait_step(net, cpu, n, th, start)
        if c.curr >= 0:
            spend(net, cpu, th, start, 0)
    elif phase == Phase.OWN:
        own_step(net, cpu, n, th)
        if c.curr >= 0:
            spend(net, cpu, th, start, 0)
    elif phase == Phase.DISOWN:
        disown_step(net, cpu, th)
        spend(net, cpu, th, start, 0)
    elif phase == Phase.BUSY:
        busy_step(net, cpu, n, th, start)
    elif phase == Phase.COMPUTE:
        compute_step(net, cpu, n, th, start)
    elif phase == Phase.POLLING or phase == Phase.EPOLLING:
        host_poll_step(net, cpu, n, th, start)
        if c.curr >= 0:
            spend(net, cpu, th, start, 0)
    elif phase == Phase.ACCEPT:
        accept_step(net, cpu, n, th, start)
        if c.curr >= 0:
            spend(net, cpu, th, start, 0)
    elif phase == Phase.NAP:
        nap_step(net, cpu, n, start)
    elif phase == Phase.SENDTO:
        sendto_step(net, cpu, n, start)
    elif phase == Phase.SEND or phase == Phase.XMIT:
        sender_step(net, cpu, n, th, start)
    else:
        ask_step(net, n)
        return
    c.since = c.now
    if c.ctx == Ctx.SOFTIRQ:                         # it busy-polls
        return
    if phase != Phase.COMPUTE and softirqs_now(net, cpu):
        begin_softirq(net, cpu, Kthread.NONE)
    elif c.curr >= 0:
        c.now += th.left


@path_function
def next_step_is_private(net: Net, cpu: int) -> bool:
    """An application that returns from its call, or reads from its own reader queue, may run past the horizon."""
    c = net.cpu[cpu]
    if c.ctx != Ctx.TASK or c.curr < 0 or c.need_resched:
        return False
    th = net.thread[c.curr]
    if th.kind == Kind.APP:
        if th.pausing:
            return False
        if th.phase == Phase.CALL:
            return recv_is_private(net, net.socks[th.sock])
        return th.phase == Phase.RETURN or th.phase == Phase.SERVE
    return th.kind == Kind.HOG and th.period == 0 and net.sim.any_roams == 0        # who is idle must be known to whoever wakes others
