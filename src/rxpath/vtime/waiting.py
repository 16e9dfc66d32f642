"""How a thread waits otherwise than asleep in its receiving call: epoll_wait() and poll() over several sockets, busy polling.

Twins: fs/eventpoll.c, fs/select.c, napi_busy_loop() of net/core/dev.c.  A watch is a wait_entry of its own; the thread's watches are a list
that begins at thread_t.epoll."""
from .._compile import entry, path_function
from ..abi.engine import thread_t
from ..abi.net import Net
from ..abi.numbers import NAPI_STATE_IN_BUSY_POLL, NAPI_STATE_MISSED, NAPI_STATE_SCHED, Ctx, Kthread, WaitBy
from ..path import Stage
from ..turn import charge
from ..user.queue import wait_add_tail
from .apps import Phase, call_returns, spend
from .sched import arm_timeout, go_to_sleep


@entry
def watch(net: Net, n: int, e: int, sk: int) -> None:
    """epoll_ctl(EPOLL_CTL_ADD): thread n watches that socket with entry e."""
    th, w, s = net.thread[n], net.wait[e], net.socks[sk]
    w.thread, w.sk, w.watched, w.next_of_thread, w.kind = n, -1, sk, th.epoll, th.wait_by
    th.epoll, th.cursor, th.sock = e, e, sk
    s.readers += 1


@path_function
def ready_watch(net: Net, th: thread_t) -> int:
    """The next watch after the last one whose socket has a datagram, or -1."""
    first = th.cursor
    e = first
    while True:
        w = net.wait[e]
        e = w.next_of_thread
        if e < 0:
            e = th.epoll
        w = net.wait[e]
        sk = net.socks[w.watched]
        if sk.reader_head >= 0 or sk.head >= 0:
            return e
        if e == first:
            return -1


@path_function
def wait_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """epoll_wait(): a socket with data is read until EAGAIN; else asleep on all of them."""
    if th.wait_by == WaitBy.EPOLL:
        charge(net, cpu, Stage.EPOLL)
    e = ready_watch(net, th)
    if th.wait_by == WaitBy.POLL:                    # poll() asks every socket, each time
        i = th.epoll
        while i >= 0:
            charge(net, cpu, Stage.EPOLL)
            asked = net.wait[i]
            i = asked.next_of_thread
    if e >= 0:
        found = net.wait[e]
        th.cursor = e
        th.sock = found.watched
        call_returns(net, cpu, th)
        return
    if th.timed_out:                                 # epoll_wait()'s own time-out: nothing
        th.empty_calls += 1
        th.drained = 1
        call_returns(net, cpu, th)
        return
    if th.timeout and th.deadline == 0:
        th.deadline = start + th.timeout
    i = th.epoll
    while i >= 0:
        w = net.wait[i]
        if w.sk < 0:
            wait_add_tail(net, net.socks[w.watched], i)
        i = w.next_of_thread
    go_to_sleep(net, cpu, n)
    if th.deadline:
        arm_timeout(net, cpu, th, th.deadline)


# ---------------------------------------------------------------- busy polling
@path_function
def busy_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """napi_busy_loop(): poll the socket's NAPI until there is data, the time is over, or somebody wants the CPU; then let it go.  Its
    interrupt stays masked meanwhile."""
    c, sk = net.cpu[cpu], net.socks[th.sock]
    i = sk.napi_id - 1
    napi = net.napi[i]
    mine = th.arg == i + 1                           # we hold NAPI_STATE_SCHED
    over = sk.reader_head >= 0 or sk.head >= 0 or start >= th.busy_until or c.need_resched != 0
    if over:
        th.phase = Phase.CALL
        if start >= th.busy_until:
            th.busy_until = -1                       # the last look, then asleep
        if not mine:
            return
        th.arg = 0
        napi.state &= ~(NAPI_STATE_IN_BUSY_POLL | NAPI_STATE_MISSED)       # busy_poll_stop(): a last poll, which lets it go
    elif not mine:
        if napi.state & NAPI_STATE_SCHED:            # softirqs have it: look again a little later
            c.now += 100                             # cpu_relax() and the loop round it
            spend(net, cpu, th, start, 0)
            return
        napi.state |= NAPI_STATE_SCHED | NAPI_STATE_IN_BUSY_POLL
        th.arg = i + 1
    c.poll_napi = i
    c.in_kthread = Kthread.BUSY
    c.ctx = Ctx.SOFTIRQ
    c.since = c.now
