"""How a thread waits otherwise than asleep in its receiving call: epoll_wait() and poll() over several sockets, busy polling.

Twins: fs/eventpoll.c, fs/select.c (user/wait.py has their insides), napi_busy_loop() of net/core/dev.c."""
from .. import path
from .._compile import cold, entry, path_function
from ..abi.engine import thread_t
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import (
    DONE,
    EAGAIN,
    MSG_DONTWAIT,
    NAPI_STATE_IN_BUSY_POLL,
    NAPI_STATE_MISSED,
    NAPI_STATE_SCHED,
    Ctx,
    Kthread,
    Trail,
    WaitBy,
)
from ..abi.timeline import Slice
from ..path import Stage
from ..turn import charge, timeline_begin
from ..user.eventpoll import ep_poll, ep_wait, epoll_add, epoll_create
from ..user.poll import do_poll, poll_add, poll_wait
from ..user.sock import lock_sock, release_sock
from ..user.wait import __skb_wait_for_more_packets, finish_wait, net_busy_loop_on, poll_freewait, sk_can_busy_loop
from .apps import Phase, busy_begin, call_returns, dont_wait, spend
from .notes import read_notes
from .sched import arm_timeout, go_to_sleep, local_irq_at


@entry
def watch(net: Net, n: int, e: int, sk: int) -> None:
    """Thread n watches that socket too, with wait entry e: in its own epoll instance (level-triggered), or by poll()."""
    th, s = net.thread[n], net.socks[sk]
    th.wait = n
    th.sock = sk
    s.readers += 1
    if th.wait_by == WaitBy.POLL:
        poll_add(net, n, e, sk)
        return
    own = net.wait[n]
    if own.item_sk == 0:                             # its first: epoll_create()
        own.item_sk = 1
        th.epoll = epoll_create(net)
    epoll_add(net, th.epoll, e, sk, 0)


@path_function
def wait_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """epoll_wait() or poll(): a socket with data is read until EAGAIN; else asleep."""
    polls = th.wait_by == WaitBy.POLL
    if polls and net_busy_loop_on(net) and poll_busy_loop(net, n, th):
        return
    sk = poll_wait(net, cpu, n) if polls else ep_wait(net, cpu, n)
    if sk >= 0:
        th.cursor = -1
        read_notes(net, cpu)
        th.sock = sk
        call_returns(net, cpu, th)
        return
    if th.timed_out:                                 # the call's own time-out: nothing
        finish_wait(net, n)
        poll_freewait(net, n)
        th.empty_calls += 1
        th.drained = 1
        call_returns(net, cpu, th)
        return
    if th.timeout and th.deadline == 0:
        th.deadline = start + th.timeout
    if net_busy_loop_on(net) and (poll_busy_again(net, cpu, n, th, start) if polls else ep_busy_loop(net, n, th, start)):
        return
    go_to_sleep(net, cpu, n)
    if th.deadline:
        arm_timeout(net, cpu, th, th.deadline)


@cold
@path_function
def host_poll_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """poll() or epoll_wait() of a Python program: th.arg is its time-out in ns, 0: do not wait, less: for ever."""
    polls = th.phase == Phase.POLLING
    if polls and net_busy_loop_on(net) and poll_busy_loop(net, n, th):
        return
    got = do_poll(net, cpu, n) if polls else ep_poll(net, cpu, n, th.batch_most)
    read_notes(net, cpu)
    if got > 0 or th.arg == 0 or th.timed_out:
        th.cursor = -1
        finish_wait(net, n)
        if polls:
            poll_freewait(net, n)
        th.result = got
        call_returns(net, cpu, th)
        return
    if th.arg > 0 and th.deadline == 0:
        th.deadline = start + th.arg
    if net_busy_loop_on(net) and (poll_busy_again(net, cpu, n, th, start) if polls else ep_busy_loop(net, n, th, start)):
        return
    go_to_sleep(net, cpu, n)
    if th.deadline:
        arm_timeout(net, cpu, th, th.deadline)


@cold
@path_function
def accept_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """accept() of a program: inet_csk_wait_for_connect() until somebody has completed a handshake; first come, first served."""
    sk = net.socks[th.sock]
    got = path.call_proto_accept(sk.protocol, net, cpu, sk)
    if got != EAGAIN or th.flags & MSG_DONTWAIT or th.timed_out:
        finish_wait(net, n)
        th.result = got
        call_returns(net, cpu, th)
        return
    if sk.rcvtimeo_ns and th.deadline == 0:
        th.deadline = start + sk.rcvtimeo_ns
    __skb_wait_for_more_packets(net, cpu, sk, n)
    go_to_sleep(net, cpu, n)
    if th.deadline:
        arm_timeout(net, cpu, th, th.deadline)


@entry
def host_wakes(net: Net, cpu: int) -> None:
    """A Python program's call has left word (turn.tell_driver): whom it has woken, which timer it has armed."""
    read_notes(net, cpu)


@entry
def host_bh_enable(net: Net, cpu: int, t: int) -> bool:
    """local_bh_enable() of a thread that the engine does not run: the softirqs that its call has raised run at t.  False: none are
    pending."""
    if net.sd[cpu].pending == 0:
        return False
    c = net.cpu[cpu]
    c.resched_ipi = min(c.resched_ipi, t)
    local_irq_at(net, cpu)
    return True


# ---------------------------------------------------------------- calls that own the socket
@cold
@path_function
def own_step(net: Net, cpu: int, n: int, th: thread_t) -> None:
    """setsockopt(), or a sendmsg() that waits for memory: th.own_ns between lock_sock() and release_sock()."""
    if lock_sock(net, cpu, net.socks[th.sock], n):
        net.cpu[cpu].now += th.own_ns
        th.phase = Phase.DISOWN
    else:
        go_to_sleep(net, cpu, n)                     # woken by the owner's release_sock()


@cold
@path_function
def disown_step(net: Net, cpu: int, th: thread_t) -> None:
    """release_sock(): what stands on the backlog is this thread's work, packet by packet."""
    done = release_sock(net, cpu, net.socks[th.sock]) == DONE
    read_notes(net, cpu)
    if done:
        charge(net, cpu, Stage.SYSCALL_EXIT)
        charge(net, cpu, Stage.SYSCALL_ENTRY)        # of the next receiving call
        th.phase = Phase.CALL if th.wait_by == WaitBy.RECV else Phase.WAIT


# ---------------------------------------------------------------- busy polling
@cold
@path_function
def busy_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """napi_busy_loop(): poll the NAPI until there is something, the time is over, or somebody wants the CPU; then let it go.  Its
    interrupt stays masked meanwhile.  For each socket of a poll(), and for who does not want to wait, it is one poll, and the one that lets
    the NAPI go."""
    c = net.cpu[cpu]
    if th.cursor > 0 and th.busy_napi == 0:
        poll_busy_next(net, th)
        spend(net, cpu, th, start, 0)
        return
    i = th.busy_napi - 1
    napi = net.napi[i]
    held = th.busy_held
    once = th.cursor > 0 or (th.busy_for == Phase.CALL and dont_wait(th))
    over = held != 0 if once else busy_loop_end(net, cpu, th, start)
    if over:
        if once:
            busy_once(th)
        else:
            th.phase = th.busy_for
        if not held:
            return
        th.busy_held = 0
        napi.state &= ~(NAPI_STATE_IN_BUSY_POLL | NAPI_STATE_MISSED)       # busy_poll_stop(): a last poll, which lets it go
    elif not held:
        if napi.state & NAPI_STATE_SCHED:            # softirqs have it: look again a little later
            c.now += 100                             # cpu_relax() and the loop round it
            if once:
                busy_once(th)
            spend(net, cpu, th, start, 0)
            return
        napi.state |= NAPI_STATE_SCHED | NAPI_STATE_IN_BUSY_POLL
        th.busy_held = 1
    c.poll_napi = i
    c.in_kthread = Kthread.BUSY
    c.ctx = Ctx.SOFTIRQ
    c.since = c.now
    if net.trail == Trail.TIMELINE:
        timeline_begin(net, cpu, Slice.SOFTIRQ, Kthread.BUSY)


@path_function
def busy_once(th: thread_t) -> None:
    """It has had its one poll: poll() goes on to the next socket, a receiving call looks a last time."""
    if th.cursor > 0:
        th.busy_napi = 0
    else:
        th.busy_until = -1
        th.phase = th.busy_for


@path_function
def busy_loop_end(net: Net, cpu: int, th: thread_t, start: int) -> bool:
    """sk_busy_loop_end(), ep_busy_loop_end(), or need_resched()."""
    c = net.cpu[cpu]
    late = start >= th.busy_until
    if th.busy_for == Phase.CALL:
        sk = net.socks[th.sock]
        found = sk.reader_queue.head >= 0 or sk.receive_queue.head >= 0
    else:
        ep = net.epolls[th.epoll]
        found = ep.ready_head >= 0
    if late:
        th.busy_until = -1                           # the last look, then asleep
    elif found and th.busy_for != Phase.CALL:
        th.busy_until = 0                            # should another thread take it, the time begins anew
    return late or found or c.need_resched != 0


@cold
@path_function
def ep_busy_loop(net: Net, n: int, th: thread_t, start: int) -> bool:
    """epoll_wait() has found nothing.  True: before it sleeps it polls the NAPI that its instance knows.  In vain: the instance forgets
    that NAPI, until a socket of it becomes ready again."""
    ep = net.epolls[th.epoll]
    if th.busy_until < 0 or (th.busy_until > 0 and start >= th.busy_until):
        ep.napi_id = 0
    if ep.napi_id == 0 or not net_busy_loop_on(net):
        th.busy_until = 0
        return False
    if th.busy_until == 0:
        th.busy_until = start + net.sysctl[Sysctl.busy_poll_ns]
    finish_wait(net, n)
    busy_begin(th, ep.napi_id)
    return True


@cold
@path_function
def poll_busy_loop(net: Net, n: int, th: thread_t) -> bool:
    """poll() is about to look at its sockets, with POLL_BUSY_LOOP.  True: first those with sk_ll_usec poll their NAPIs, one by one."""
    if th.busy_until < 0 or th.cursor == 0:
        return False
    poll_freewait(net, n)                            # it is awake: nobody need wake it
    own = net.wait[n]
    e = poll_can_busy_loop(net, own.item_next)
    if e < 0:
        return False
    th.cursor = e
    busy_begin(th, net.socks[net.wait[e].item_sk].napi_id)
    return True


@path_function
def poll_can_busy_loop(net: Net, e: int) -> int:
    """The first entry from e on whose socket busy-polls, less than 0: none."""
    while e >= 0:
        entry = net.wait[e]
        if sk_can_busy_loop(net.socks[entry.item_sk]):
            return e
        e = entry.item_next
    return e


@path_function
def poll_busy_next(net: Net, th: thread_t) -> None:
    """The socket at the cursor has had its poll: if there is something now, that is enough, else the next one's turn."""
    entry = net.wait[th.cursor]
    sk = net.socks[entry.item_sk]
    e = -1
    if sk.reader_queue.head < 0 and sk.receive_queue.head < 0:
        e = poll_can_busy_loop(net, entry.item_next)
    if e < 0:
        th.cursor = 0
        th.phase = th.busy_for
        return
    th.cursor = e
    th.busy_napi = net.socks[net.wait[e].item_sk].napi_id


@cold
@path_function
def poll_busy_again(net: Net, cpu: int, n: int, th: thread_t, start: int) -> bool:
    """poll() has found nothing.  True: it may busy-poll, and goes round again before net.core.busy_poll is over."""
    c = net.cpu[cpu]
    could, th.cursor = th.cursor == 0, -1
    if could and c.need_resched == 0 and (th.busy_until == 0 or start < th.busy_until):
        if th.busy_until == 0:
            th.busy_until = start + net.sysctl[Sysctl.busy_poll_ns]
        if c.now == start:
            c.now += 1                               # who polls must not stand still where nothing costs anything
        return True
    th.busy_until = -1
    return False
