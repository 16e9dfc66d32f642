"""Who is woken: the wait queue of a socket (kernel/sched/wait.c), poll() (fs/select.c) and epoll (fs/eventpoll.c).

Called by the softirq that has queued a datagram (sock_def_readable) and by the driver of time for threads that are about to sleep.  A
receiver waits exclusively, at the tail: one is woken, in turn.  A poll waits at the head, not exclusively: all are woken, the last first.
An epoll item stays in the queue for good; what it wakes are the threads of its instance, one at a time."""
import errno
from typing import Any

from .. import path
from .._compile import entry, path_function
from ..abi.kernels import Sysctl
from ..abi.limits import NTHREAD
from ..abi.net import NWAIT, Net
from ..abi.numbers import NO_SOCK, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRBAND, POLLWRNORM, Note
from ..abi.skbuff import sk_buff
from ..abi.sock import EP_DISABLED, EP_EXCLUSIVE, WAIT_POLL, WAIT_RECV, eventpoll, sock
from ..path import Stage
from ..turn import at, charge, tell_driver
from .errors import error

POLL_READ = POLLIN | POLLRDNORM | POLLERR | POLLHUP  # what a reader's poll() and epoll items ask for


POLL_WRITE = POLLOUT | POLLWRNORM | POLLWRBAND


# ---------------------------------------------------------------- the queue of a socket
@path_function
def wait_add_tail(net: Net, sk: sock, e: int) -> None:
    """prepare_to_wait_exclusive()"""
    entry = net.wait[e]
    if entry.sk >= 0:                                # still there: nobody has woken it
        return
    entry.next = -1
    entry.prev = sk.wq_tail
    if sk.wq_tail >= 0:
        last = net.wait[sk.wq_tail]
        last.next = e
    else:
        sk.wq_head = e
    sk.wq_tail = e
    entry.sk = sk.idx
    entry.exclusive = 1


@path_function
def wait_add_head(net: Net, sk: sock, e: int) -> None:
    """add_wait_queue(): woken before those that are there."""
    entry = net.wait[e]
    entry.prev = -1
    entry.next = sk.wq_head
    if sk.wq_head >= 0:
        first = net.wait[sk.wq_head]
        first.prev = e
    else:
        sk.wq_tail = e
    sk.wq_head = e
    entry.sk = sk.idx
    entry.exclusive = 0


@path_function
def __skb_wait_for_more_packets(net: Net, cpu: int, sk: sock, t: int) -> None:
    """Thread t is about to sleep until there is a datagram: at the tail, exclusively."""
    charge(net, cpu, Stage.__skb_wait_for_more_packets)
    wait_add_tail(net, sk, t)


@path_function
def wait_remove(net: Net, sk: sock, e: int) -> None:
    entry = net.wait[e]
    if entry.prev >= 0:
        before = net.wait[entry.prev]
        before.next = entry.next
    else:
        sk.wq_head = entry.next
    if entry.next >= 0:
        after = net.wait[entry.next]
        after.prev = entry.prev
    else:
        sk.wq_tail = entry.prev
    entry.sk = -1


@path_function
def finish_wait(net: Net, e: int) -> None:
    """A thread's own entry leaves whatever queue it is in: a time-out, or it no longer wants to wait."""
    entry = net.wait[e]
    if entry.sk >= 0:
        wait_remove(net, net.socks[entry.sk], e)
    if entry.kind == WAIT_RECV and entry.epoll >= 0:
        ep_wq_remove(net, net.epolls[entry.epoll], e)


@path_function
def sock_def_readable(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """sk_data_ready() -> __wake_up_sync_key(): from the head, until one that waits exclusively has been woken."""
    at(net, cpu, skb, Stage.sock_def_readable)
    __wake_up_sync_key(net, cpu, sk, POLLIN | POLLRDNORM)


@path_function
def sk_error_report(net: Net, cpu: int, sk: sock) -> None:
    """sock_def_error_report()"""
    __wake_up_sync_key(net, cpu, sk, POLLERR)


@path_function
def sock_def_write_space(net: Net, cpu: int, sk: sock) -> None:
    """There is room to send again: polls and epoll items that asked for it; who waits for a datagram sleeps on."""
    e = sk.wq_head
    while e >= 0:
        entry = net.wait[e]
        if entry.kind != WAIT_RECV and entry.mask & POLL_WRITE:
            if entry.kind == WAIT_POLL:
                pollwake(net, cpu, entry.thread)
            else:
                ep_poll_callback(net, cpu, e)
        e = entry.next


@path_function
def __wake_up_sync_key(net: Net, cpu: int, sk: sock, key: int) -> None:
    """key: what has happened; a poll or an epoll item that did not ask for it stays asleep."""
    e = sk.wq_head
    while e >= 0:
        entry = net.wait[e]
        following = entry.next
        woken = False
        if entry.kind == WAIT_RECV:                  # receiver_wake_function -> autoremove_wake_function
            wait_remove(net, sk, e)
            tell_driver(net, cpu, Note.WAKE_READER, entry.thread)
            woken = True
        elif entry.kind == WAIT_POLL:
            if entry.mask & key:
                pollwake(net, cpu, entry.thread)
        elif entry.mask & key:
            woken = ep_poll_callback(net, cpu, e)
        if woken and entry.exclusive:
            return
        e = following


@path_function
def sk_state_change(net: Net, cpu: int, sk: sock, key: int) -> None:
    """sock_def_wakeup(): everybody who waits for the socket, the exclusive ones too."""
    n, e = 0, sk.wq_head
    while e >= 0:
        n += 1
        e = net.wait[e].next
    for _ in range(n):                               # each exclusive one ends a walk
        __wake_up_sync_key(net, cpu, sk, key)


# ---------------------------------------------------------------- poll() and select()
@path_function
def pollwake(net: Net, cpu: int, t: int) -> None:
    """The first event wakes the thread; its entries stay until it has come round to take them away."""
    th = net.thread[t]
    own = net.wait[th.wait]
    if own.ready == 0:
        own.ready = 1
        tell_driver(net, cpu, Note.WAKE_READER, t)


@path_function
def poll_freewait(net: Net, t: int) -> None:
    """The thread's entries leave their queues: poll() returns."""
    th = net.thread[t]
    own = net.wait[th.wait]
    e = own.item_next
    while e >= 0:
        entry = net.wait[e]
        if entry.sk >= 0:
            wait_remove(net, net.socks[entry.sk], e)
        e = entry.item_next
    own.ready = 0


# ---------------------------------------------------------------- epoll
@path_function
def ep_ready(net: Net, ep: eventpoll, e: int) -> None:
    """To the tail of the ready list."""
    item = net.wait[e]
    if item.ready:
        return
    item.ready = 1
    item.ready_next = -1
    if ep.ready_tail >= 0:
        last = net.wait[ep.ready_tail]
        last.ready_next = e
    else:
        ep.ready_head = e
    ep.ready_tail = e


@path_function
def net_busy_loop_on(net: Net) -> bool:
    """net.core.busy_poll: who waits in poll() or epoll_wait() polls NAPIs before it sleeps."""
    return net.sysctl[Sysctl.busy_poll_ns] != 0


@path_function
def sk_can_busy_loop(sk: sock) -> bool:
    """Its readers poll its NAPI before they sleep: SO_BUSY_POLL, which a new socket has from net.core.busy_read."""
    return sk.ll_ns != 0


@path_function
def ep_set_busy_poll_napi_id(net: Net, ep: eventpoll, sk: sock) -> None:
    """The instance busy-polls the NAPI of the socket that was added or became ready last."""
    if net_busy_loop_on(net) and sk.napi_id > 0:
        ep.napi_id = sk.napi_id


@path_function
def ep_poll_callback(net: Net, cpu: int, e: int) -> bool:
    """A watched socket has a datagram.  True: for an exclusive item that is enough."""
    charge(net, cpu, Stage.EPOLL)
    item = net.wait[e]
    ep = net.epolls[item.epoll]
    ep_set_busy_poll_napi_id(net, ep, net.socks[item.item_sk])
    if item.events & EP_DISABLED:                    # EPOLLONESHOT has had its event
        return False
    ep_ready(net, ep, e)
    if ep.wq_head >= 0:
        ep_wake(net, cpu, ep)
        return True
    return item.events & EP_EXCLUSIVE == 0           # nobody waits here: let another instance have it


@path_function
def ep_wake(net: Net, cpu: int, ep: eventpoll) -> None:
    """Threads wait in epoll_wait() exclusively, autoremove: the one that has come last is woken, and leaves the queue."""
    e = ep.wq_head
    entry = net.wait[e]
    ep_wq_remove(net, ep, e)
    tell_driver(net, cpu, Note.WAKE_READER, entry.thread)


@path_function
def ep_wq_add(net: Net, ep: eventpoll, e: int) -> None:
    """__add_wait_queue_exclusive(): at the head, so that who came last is woken first."""
    entry = net.wait[e]
    entry.prev = -1
    entry.next = ep.wq_head
    if ep.wq_head >= 0:
        first = net.wait[ep.wq_head]
        first.prev = e
    else:
        ep.wq_tail = e
    ep.wq_head = e


@path_function
def ep_wq_remove(net: Net, ep: eventpoll, e: int) -> None:
    entry = net.wait[e]
    if entry.prev >= 0:
        before = net.wait[entry.prev]
        before.next = entry.next
    else:
        ep.wq_head = entry.next
    if entry.next >= 0:
        after = net.wait[entry.next]
        after.prev = entry.prev
    else:
        ep.wq_tail = entry.prev
    entry.epoll = -1


# ---------------------------------------------------------------- for poll() and epoll
@path_function
def sock_poll(net: Net, cpu: int, sk: sock) -> int:
    """net/socket.c: POLL*, what there is now.  The queue that it may wait in is the caller's."""
    return path.call_proto_poll(sk.protocol, net, cpu, sk)


# ---------------------------------------------------------------- entries
@entry
def sleep_in_recv(net: Net, cpu: int, t: int) -> int:
    """A thread that the engine does not run goes to sleep in recvfrom()."""
    th = net.thread[t]
    wait_add_tail(net, net.socks[th.sock], th.wait)
    return NO_SOCK


@entry
def wake_up(net: Net, t: int) -> None:
    """It no longer waits in recvfrom() or epoll_wait()."""
    th = net.thread[t]
    finish_wait(net, th.wait)


def wait_entry_new(b: Any) -> int:
    """A wait entry beyond the threads' own, for an epoll item or a poll."""
    net = b.net
    if NTHREAD + net.nwait >= NWAIT:
        raise error(errno.ENOSPC, f"more than {NWAIT - NTHREAD} epoll items")
    net.nwait += 1
    return int(NTHREAD + net.nwait - 1)
