"""How a thread waits otherwise than asleep in its receiving call: epoll_wait() and poll() over several sockets, busy polling.

Twins: fs/eventpoll.c, fs/select.c (user/wait.py has their insides), napi_busy_loop() of net/core/dev.c."""
from .._compile import entry, path_function
from ..abi.engine import thread_t
from ..abi.limits import NNOTE
from ..abi.net import Net
from ..abi.numbers import DONE, NAPI_STATE_IN_BUSY_POLL, NAPI_STATE_MISSED, NAPI_STATE_SCHED, Ctx, Kthread, WaitBy
from ..path import Stage
from ..turn import charge
from ..user.eventpoll import ep_poll, ep_wait, epoll_add, epoll_create
from ..user.poll import do_poll, poll_add, poll_wait
from ..user.sock import lock_sock, release_sock
from ..user.wait import finish_wait, poll_freewait
from .apps import Phase, call_returns, spend
from .sched import arm_timeout, go_to_sleep, wake


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
def wake_told(net: Net, cpu: int) -> None:
    """A system call has woken others (the next thread in epoll_wait(), who waits for a socket's owner): in its time."""
    sd = net.sd[cpu]
    while sd.note_head != sd.note_tail:
        note = net.note[cpu][sd.note_head & NNOTE - 1]
        sd.note_head += 1
        charge(net, cpu, Stage.WAKE)
        wake(net, cpu, note >> 8)


@path_function
def wait_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """epoll_wait() or poll(): a socket with data is read until EAGAIN; else asleep."""
    sk = poll_wait(net, cpu, n) if th.wait_by == WaitBy.POLL else ep_wait(net, cpu, n)
    if sk >= 0:
        wake_told(net, cpu)
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
    go_to_sleep(net, cpu, n)
    if th.deadline:
        arm_timeout(net, cpu, th, th.deadline)


@path_function
def host_poll_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """poll() or epoll_wait() of a Python program: th.arg is its time-out in ns, 0: do not wait, less: for ever."""
    got = do_poll(net, cpu, n) if th.phase == Phase.POLLING else ep_poll(net, cpu, n, th.batch_most)
    wake_told(net, cpu)
    if got > 0 or th.arg == 0 or th.timed_out:
        finish_wait(net, n)
        if th.phase == Phase.POLLING:
            poll_freewait(net, n)
        th.result = got
        call_returns(net, cpu, th)
        return
    if th.arg > 0 and th.deadline == 0:
        th.deadline = start + th.arg
    go_to_sleep(net, cpu, n)
    if th.deadline:
        arm_timeout(net, cpu, th, th.deadline)


@entry
def host_wakes(net: Net, cpu: int) -> None:
    """A Python program's call has left word (turn.tell_driver): whom it has woken."""
    wake_told(net, cpu)


# ---------------------------------------------------------------- calls that own the socket
@path_function
def own_step(net: Net, cpu: int, n: int, th: thread_t) -> None:
    """setsockopt(), or a sendmsg() that waits for memory: th.own_ns between lock_sock() and release_sock()."""
    if lock_sock(net, cpu, net.socks[th.sock], n):
        net.cpu[cpu].now += th.own_ns
        th.phase = Phase.DISOWN
    else:
        go_to_sleep(net, cpu, n)                     # woken by the owner's release_sock()


@path_function
def disown_step(net: Net, cpu: int, th: thread_t) -> None:
    """release_sock(): what stands on the backlog is this thread's work, packet by packet."""
    done = release_sock(net, cpu, net.socks[th.sock]) == DONE
    wake_told(net, cpu)
    if done:
        charge(net, cpu, Stage.SYSCALL_EXIT)
        charge(net, cpu, Stage.SYSCALL_ENTRY)        # of the next receiving call
        th.phase = Phase.CALL if th.wait_by == WaitBy.RECV else Phase.WAIT


# ---------------------------------------------------------------- busy polling
@path_function
def busy_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """napi_busy_loop(): poll the socket's NAPI until there is data, the time is over, or somebody wants the CPU; then let it go.  Its
    interrupt stays masked meanwhile."""
    c, sk = net.cpu[cpu], net.socks[th.sock]
    i = sk.napi_id - 1
    napi = net.napi[i]
    mine = th.arg == i + 1                           # we hold NAPI_STATE_SCHED
    over = sk.reader_queue.head >= 0 or sk.receive_queue.head >= 0 or start >= th.busy_until or c.need_resched != 0
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
