"""What runs in threads: application models that receive, work on what came, receive again; compute-only threads.

A thread is a piece of work (`left` ns, the last `tail` of them in the kernel) and a phase: what it does when that is used up.  Its system
call takes time in such pieces, so that it can be interrupted anywhere.  tasks.py has ksoftirqd and NAPI's threads, host.py Python
programs, waiting.py epoll, poll and busy polling."""
from enum import IntEnum

from .._compile import always_inline, cold, le64, mem_at, path_function
from ..abi.engine import thread_t
from ..abi.limits import NBATCH
from ..abi.net import Net
from ..abi.numbers import EAGAIN, FAULTING, IPPROTO, MSG_DONTWAIT, MSG_WAITFORONE, OWNING, Kind, Trail, WaitBy
from ..abi.sock import RCV_SHUTDOWN
from ..path import Stage
from ..turn import charge, timeline_returns
from ..user.recvmsg import sys_recvfrom
from ..user.wait import __skb_wait_for_more_packets, sk_can_busy_loop, wait_remove
from .dice import exponential_next, exponential_of
from .latency import record_latency, served, work_begins
from .notes import read_notes
from .sched import arm_timeout, arm_timeout_range, go_to_sleep

SERVICE_CONSTANT, SERVICE_EXPONENTIAL, SERVICE_LIST = 0, 1, 2
TIMER_SLACK_NS = 50_000                              # [K] init_task's timer_slack_ns, which every task inherits


class Phase(IntEnum):
    CALL = 0                    # in the kernel, about to look at the socket
    RETURN = 1                  # the call returns with what it has
    WAIT = 2                    # in epoll_wait() or poll(), about to look at its sockets
    BUSY = 3                    # busy polling: about to poll the NAPI, or to stop
    COMPUTE = 4                 # a hog has worked: sleep, or work again
    ASK = 5                     # a Python program says what comes next
    NAP = 6                     # a Python program sleeps
    OWN = 7                     # in a call that is about to own the socket
    DISOWN = 8                  # it gives the socket back
    POLLING = 9                 # a Python program in poll()
    EPOLLING = 10               # and in epoll_wait()
    SERVE = 11                  # work on a datagram, then sleep, is about to begin
    DOZE = 12                   # in nanosleep()
    SEND = 13                   # a sender between two calls
    XMIT = 14                   # in its call, about to hand a frame over
    SENDTO = 16                 # a Python program in sendto(), about to send
    ACCEPT = 15                 # in accept(), about to look at the listener's queue


# ---------------------------------------------------------------- what it costs
@cold
@path_function
def drawn_time(net: Net, th: thread_t, kind: int, mean: int, first: int, at: int) -> int:
    """ns by one of the laws of a service; at: the place in a list that begins at `first`."""
    if kind == SERVICE_CONSTANT:
        return mean
    if kind == SERVICE_EXPONENTIAL:
        ns = exponential_of(th.rng, mean)
        th.rng = exponential_next(th.rng)
        return ns
    return le64(mem_at(net.service_addr), (first + at) * 8)


@path_function
def service_time(net: Net, th: thread_t) -> int:
    """ns of work for one datagram."""
    if th.service_kind == SERVICE_CONSTANT:          # it has no list
        return th.service
    ns = drawn_time(net, th, th.service_kind, th.service, th.service_first, th.service_at)
    th.service_at += 1
    if th.service_at >= th.service_count:            # the list is used again and again
        th.service_at = 0
    return ns


@cold
@path_function
def sleep_time(net: Net, th: thread_t) -> int:
    """ns of sleep after it."""
    ns = drawn_time(net, th, th.sleep_kind, th.sleep, th.sleep_first, th.sleep_at)
    th.sleep_at += 1
    if th.sleep_at >= th.sleep_count:
        th.sleep_at = 0
    return ns


@path_function
def spend(net: Net, cpu: int, th: thread_t, start: int, work: int) -> None:
    """The piece of work that begins at `start`: `work` ns in the program, then the kernel's time charged since."""
    c = net.cpu[cpu]
    th.tail = c.now - start
    th.left = work + th.tail
    c.now = start


# ---------------------------------------------------------------- the receiving call
@always_inline
@path_function
def call_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """recvfrom() or recvmmsg() looks at the socket: one datagram, or the end of the call, or sleep."""
    got = sys_recvfrom(net, cpu, n)
    if got <= OWNING:
        recv_goes_on(net, cpu, n, th, start, got)
        return
    if th.kind == Kind.HOST:                         # whoever has waited for the socket
        read_notes(net, cpu)
    if got == 0 and sock_is_stream(net, th):         # the end of a stream: nothing has been read
        th.result = 0
        call_returns(net, cpu, th)
        return
    if got >= 0:
        own = net.wait[n]
        if own.sk >= 0:                              # finish_wait(): woken by something else
            wait_remove(net, net.socks[own.sk], n)
        net.batch[n][th.in_batch & NBATCH - 1] = th.arrived
        th.in_batch += 1
        th.result = got
        if th.in_batch >= th.batch:
            call_returns(net, cpu, th)
        return
    if got != EAGAIN and th.in_batch > 0:            # recvmmsg(): what it has comes first, the error with the next call
        net.socks[th.sock].err = -got
    th.result = got
    if got == EAGAIN and th.copied == 0 and sk_can_busy_loop(net.socks[th.sock]) and busy_first(net, th, start):
        return
    if got != EAGAIN or dont_wait(th) or th.timed_out:
        if th.in_batch == 0:
            th.empty_calls += 1
            if th.wait_by == WaitBy.EPOLL or th.wait_by == WaitBy.POLL:
                th.drained = 1
        call_returns(net, cpu, th)
        return
    sk = net.socks[th.sock]
    if sk.shutdown & RCV_SHUTDOWN:                   # the end of the file, as it were
        th.result = 0
        th.in_batch = 0
        call_returns(net, cpu, th)
        return
    timeo = th.timeout if th.timeout else sk.rcvtimeo_ns
    if timeo and th.deadline == 0:
        th.deadline = start + timeo
    th.busy_until = 0
    __skb_wait_for_more_packets(net, cpu, sk, n)
    go_to_sleep(net, cpu, n)
    if th.deadline:
        arm_timeout(net, cpu, th, th.deadline)


@cold
@path_function
def recv_goes_on(net: Net, cpu: int, n: int, th: thread_t, start: int, got: int) -> None:
    """A call on a stream.  OWNING: it is entered again when its time so far has passed; LOCKED: when the owner wakes it; FAULTING: when its
    page is there."""
    read_notes(net, cpu)
    sk = net.socks[th.sock]
    timeo = th.timeout if th.timeout else sk.rcvtimeo_ns
    if timeo and th.deadline == 0:
        th.deadline = start + timeo
    if got != OWNING:
        go_to_sleep(net, cpu, n)
    if got == FAULTING:
        arm_timeout(net, cpu, th, start + th.fault_ns)


@path_function
def sock_is_stream(net: Net, th: thread_t) -> bool:
    sk = net.socks[th.sock]
    return sk.protocol == IPPROTO.TCP


@path_function
def dont_wait(th: thread_t) -> bool:
    """The receiving call has MSG_DONTWAIT: its own, that of a server which reads what epoll or poll has told, or that of recvmmsg() with
    MSG_WAITFORONE, which has one; one that is to stand still has a signal."""
    enough = th.in_batch > 0 and (th.flags & MSG_WAITFORONE != 0 or th.pausing != 0)
    return enough or th.flags & MSG_DONTWAIT != 0 or th.wait_by != WaitBy.RECV


@cold
@path_function
def busy_first(net: Net, th: thread_t, start: int) -> bool:
    """__skb_recv_udp() has found nothing at a socket that can busy-poll.  True: first it does; who does not want to wait polls once."""
    sk = net.socks[th.sock]
    if sk.napi_id == 0 or th.busy_until < 0 or (th.busy_until > 0 and start >= th.busy_until):
        return False
    if th.busy_until == 0:
        th.busy_until = start + sk.ll_ns
    busy_begin(th, sk.napi_id)
    return True


@path_function
def busy_begin(th: thread_t, napi_id: int) -> None:
    """The next steps are those of napi_busy_loop(); then the present phase goes on."""
    th.busy_for = th.phase
    th.busy_napi = napi_id
    th.phase = Phase.BUSY


@path_function
def call_returns(net: Net, cpu: int, th: thread_t) -> None:
    charge(net, cpu, Stage.SYSCALL_EXIT)
    th.phase = Phase.RETURN
    th.deadline = 0
    th.timed_out = 0
    th.busy_until = 0
    th.calls += 1


@path_function
def return_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """The call has returned: the program works on what it got, then calls again."""
    c = net.cpu[cpu]
    work, got = th.byte_work, th.in_batch
    if net.trail == Trail.TIMELINE:
        timeline_returns(net, cpu, n, start)
    th.byte_work = 0
    for k in range(got):
        record_latency(net, n, c.now, c.now - net.batch[n][k & NBATCH - 1])
        if th.sleeps == 0:
            work += service_time(net, th)
            net.work_end[n][k & NBATCH - 1] = work
    if th.kind == Kind.HOST:                         # a Python program: it says how long it works
        th.serving, th.returned, th.item_from, th.item = got, start, start, 0
        th.phase = Phase.ASK
        th.left = 0
        th.tail = 0
        return
    th.serving = got
    th.in_batch = 0
    if th.sleeps and got:                            # one datagram after the other
        th.returned, th.item_from, th.item = start, start, 0
        th.phase = Phase.SERVE
        spend(net, cpu, th, start, 0)
        return
    next_call(net, cpu, th)
    if th.by_clock:
        th.until = start + work
    elif c.slow:                                     # a busy sibling slows the program too
        work = work * c.slow >> 10
        for k in range(got):
            net.work_end[n][k & NBATCH - 1] = net.work_end[n][k & NBATCH - 1] * c.slow >> 10
    if got:
        work_begins(net, n, th, start, got)
    elif c.now == start:
        c.now += 1                                   # who spins must not stand still where nothing costs anything
    spend(net, cpu, th, start, work)


@path_function
def next_call(net: Net, cpu: int, th: thread_t) -> None:
    """What the program has is done: which call comes next, and its entry, at the end of the work."""
    th.phase = Phase.WAIT if th.drained else Phase.CALL
    if th.own_every:
        if th.calls % th.own_every == 0:
            th.phase = Phase.OWN
    th.drained = 0
    charge(net, cpu, Stage.SYSCALL_ENTRY)


# ---------------------------------------------------------------- a service that sleeps
@cold
@path_function
def serve_step(net: Net, cpu: int, th: thread_t, start: int) -> None:
    """The work on one datagram; then the program calls nanosleep()."""
    c, work = net.cpu[cpu], service_time(net, th)
    if c.slow:
        work = work * c.slow >> 10
    th.phase = Phase.DOZE
    charge(net, cpu, Stage.SYSCALL_ENTRY)
    spend(net, cpu, th, start, work)


@cold
@path_function
def doze_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """hrtimer_nanosleep(): asleep for the time, and up to the timer's slack longer (PR_SET_TIMERSLACK: 50 us by default).  To sleep and to
    come back cost NANOSLEEP each: only the first overlaps with the time that is slept."""
    if th.nap_until == 0:
        th.nap_until = start + sleep_time(net, th)
    if start < th.nap_until:
        charge(net, cpu, Stage.NANOSLEEP)
        go_to_sleep(net, cpu, n)
        arm_timeout_range(net, cpu, th, th.nap_until, th.nap_until + TIMER_SLACK_NS)
        return
    if th.timed_out:
        charge(net, cpu, Stage.NANOSLEEP)
    th.nap_until = 0
    th.timed_out = 0
    charge(net, cpu, Stage.SYSCALL_EXIT)
    served(net, n, th, start)
    th.serving -= 1
    th.phase = Phase.SERVE
    if th.serving == 0:
        next_call(net, cpu, th)


# ---------------------------------------------------------------- compute-only threads
@cold
@path_function
def compute_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """A hog works for ever; with a period it sleeps between its pieces."""
    if th.period and not th.timed_out:
        go_to_sleep(net, cpu, n)
        arm_timeout(net, cpu, th, start + th.period)
        return
    th.timed_out = 0
    th.calls += 1
    th.left = max(th.service, 1)
    th.tail = 0
