"""Programs that stand still for a time: a collector that writes its file away, a garbage collector, SIGSTOP and SIGCONT.

A pause comes by a timer of the CPU, whatever the program does then (sched.py, pause_now): who sleeps in a call is woken and calls again
afterwards, as with a signal; who computes goes on where it was; who is in the kernel comes out of it first.  All threads of a program have
the same pauses.  Nobody reads meanwhile: what comes waits in the socket, or is lost there."""
from .._compile import cold, entry, le64, mem_at, path_function
from ..abi.engine import thread_t
from ..abi.net import Net
from ..abi.numbers import Pausing, RecvStep
from ..record import record_level
from ..user.wait import finish_wait, poll_freewait
from .apps import Phase
from .dice import exponential_next, exponential_of
from .sched import arm_pause, arm_timeout, go_to_sleep, pause_stops


@path_function
def stands_still(th: thread_t) -> bool:
    """Does it go no further?  A pause that is due begins where a call would begin, or the work on a datagram."""
    if th.pausing == Pausing.DUE:
        return th.phase == Phase.WAIT or th.phase == Phase.SERVE or th.phase == Phase.DOZE \
            or (th.phase == Phase.CALL and th.in_batch == 0 and th.recv_step == RecvStep.NONE and th.locking == 0)
    return True


@cold
@path_function
def pause_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """The pause begins, goes on, or is over."""
    c = net.cpu[cpu]
    if th.pausing == Pausing.DUE:
        pause_stops(th)
    if th.pausing == Pausing.STOPPED:
        finish_wait(net, th.wait)                    # it waits for nothing now
        poll_freewait(net, n)
        th.pausing, th.paused_at = Pausing.UNDER_WAY, start
        th.pauses += 1
        th.deadline, th.timed_out = 0, 0             # a call that was under way begins anew
        record_paused(net, th, start, 1)
        if th.pause_busy:
            th.left = th.pause_ns
            if c.slow:
                th.left = th.left * c.slow >> 10
            return
    if th.pause_busy == 0 and start < th.pause_from + th.pause_ns:
        go_to_sleep(net, cpu, n)
        arm_timeout(net, cpu, th, th.pause_from + th.pause_ns)
        return
    th.pausing, th.timed_out = Pausing.NONE, 0
    th.paused_ns += start - th.paused_at
    record_paused(net, th, start, 0)
    th.left, th.tail = th.paused_left, th.paused_tail
    next_pause(net, th, start)
    if th.pause_from:
        arm_pause(net, cpu, th)


@path_function
def record_paused(net: Net, th: thread_t, t: int, paused: int) -> None:
    if net.record and th.pause_series:
        record_level(net, th.pause_series - 1, t, paused)


@path_function
def pause_length(th: thread_t) -> int:
    ns = th.pause_for
    if th.pause_random:
        ns = exponential_of(th.pause_rng, ns)
        th.pause_rng = exponential_next(th.pause_rng)
    return ns


@path_function
def next_pause(net: Net, th: thread_t, now: int) -> None:
    """When the next one begins, and how long it is; pause_from 0: there is none."""
    if th.pause_every:
        gap = th.pause_every
        if th.pause_random:
            gap = exponential_of(th.pause_rng, gap)
            th.pause_rng = exponential_next(th.pause_rng)
        th.pause_from, th.pause_ns = max(th.pause_from + gap, now), pause_length(th)
    elif th.pause_count:
        mem = mem_at(net.service_addr)
        th.pause_from, th.pause_ns = le64(mem, th.pause_first * 8), le64(mem, th.pause_first * 8 + 8)
        th.pause_first += 2
        th.pause_count -= 1
    else:
        th.pause_from = 0


@entry
def pauses_start(net: Net, n: int, first: int) -> None:
    """Thread n, whose pauses are described and whose start is known, has its first one at `first` or when its list says; none before it
    starts."""
    th = net.thread[n]
    if th.pause_every:
        th.pause_from, th.pause_ns = first, pause_length(th)
    else:
        next_pause(net, th, 0)
    if th.pause_every or th.pause_ns:
        th.pause_from = max(th.pause_from, max(th.start, 1))
        arm_pause(net, th.cpu, th)
