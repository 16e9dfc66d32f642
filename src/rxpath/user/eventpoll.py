"""epoll: fs/eventpoll.c.  ep_poll() for programs that want to know which events there were; ep_wait() for the application models, which
read whatever is readable.  How an item is woken is wait.py's.

Called by the driver of time when it is the waiting thread's turn."""
import errno
from typing import Any

from .._compile import entry, path_function, reset_struct
from ..abi.net import NEPOLL, Net
from ..abi.numbers import NO_SOCK, POLLERR, POLLHUP
from ..abi.sock import EP_DISABLED, EP_ET, EP_EXCLUSIVE, EP_ONESHOT, WAIT_EPOLL, eventpoll
from ..path import Stage
from ..turn import charge
from .errors import error
from .wait import (
    POLL_READ,
    ep_ready,
    ep_set_busy_poll_napi_id,
    ep_wake,
    ep_wq_add,
    finish_wait,
    sock_poll,
    wait_add_head,
    wait_add_tail,
    wait_entry_new,
    wait_remove,
)

ALWAYS = POLLERR | POLLHUP                           # told whether or not they were asked for


# ---------------------------------------------------------------- epoll_ctl()
@path_function
def epoll_create(net: Net) -> int:
    """epoll_create1(): a new instance; there are NEPOLL."""
    i = net.nepoll
    net.nepoll += 1
    reset_struct(net.epolls[i])
    return i


@path_function
def epoll_add(net: Net, ep: int, e: int, sk: int, events: int) -> None:
    """EPOLL_CTL_ADD: entry e stands in the socket's queue from now on.  events: EP_ET, EP_EXCLUSIVE, EP_ONESHOT."""
    item, s = net.wait[e], net.socks[sk]
    reset_struct(item)
    item.kind, item.item_sk, item.epoll, item.events, item.mask = WAIT_EPOLL, sk, ep, events, POLL_READ
    if events & EP_EXCLUSIVE:
        wait_add_tail(net, s, e)
    else:
        wait_add_head(net, s, e)
    ep_set_busy_poll_napi_id(net, net.epolls[ep], s)
    if s.reader_queue.head >= 0 or s.receive_queue.head >= 0:            # it has something already
        ep_ready(net, net.epolls[ep], e)


@path_function
def ep_insert(net: Net, cpu: int, ep: int, e: int, sk: int, flags: int, events: int) -> None:
    """EPOLL_CTL_ADD: flags are EP_ET, EP_EXCLUSIVE, EP_ONESHOT."""
    item, s = net.wait[e], net.socks[sk]
    reset_struct(item)
    item.kind, item.item_sk, item.epoll = WAIT_EPOLL, sk, ep
    if flags & EP_EXCLUSIVE:
        wait_add_tail(net, s, e)
    else:
        wait_add_head(net, s, e)
    ep_set_busy_poll_napi_id(net, net.epolls[ep], s)
    ep_modify(net, cpu, e, flags, events)


@path_function
def ep_modify(net: Net, cpu: int, e: int, flags: int, events: int) -> bool:
    """EPOLL_CTL_MOD: what it asks for from now on.  Is it ready already?"""
    item = net.wait[e]
    item.events, item.mask = flags, events | ALWAYS
    if sock_poll(net, cpu, net.socks[item.item_sk]) & item.mask == 0:
        return False
    ep = net.epolls[item.epoll]
    ep_ready(net, ep, e)
    if ep.wq_head >= 0:
        ep_wake(net, cpu, ep)
    return True


@path_function
def ep_remove(net: Net, e: int) -> None:
    """The item leaves the ready list of its instance; its socket's queue is the caller's."""
    item = net.wait[e]
    ep = net.epolls[item.epoll]
    if item.ready == 0:
        return
    before, i = -1, ep.ready_head
    while i != e:
        passed = net.wait[i]
        before, i = i, passed.ready_next
    if before < 0:
        ep.ready_head = item.ready_next
    else:
        front = net.wait[before]
        front.ready_next = item.ready_next
    if ep.ready_tail == e:
        ep.ready_tail = before
    item.ready = 0


# ---------------------------------------------------------------- epoll_wait()
@path_function
def ep_take(net: Net, ep: eventpoll) -> int:
    """The first of the ready list, which it leaves."""
    e = ep.ready_head
    item = net.wait[e]
    ep.ready_head = item.ready_next
    if ep.ready_head < 0:
        ep.ready_tail = -1
    item.ready = 0
    return e


@path_function
def ep_wait(net: Net, cpu: int, t: int) -> int:
    """epoll_wait(maxevents = 1): a socket with a datagram, or NO_SOCK: then the thread waits in its instance's queue, and is to sleep and
    ask again when it is woken.  finish_wait() when its time is up."""
    th = net.thread[t]
    ep = net.epolls[th.epoll]
    charge(net, cpu, Stage.EPOLL)
    finish_wait(net, th.wait)
    last = ep.ready_tail                             # what becomes ready again is for the next call
    while ep.ready_head >= 0:                        # ep_send_events()
        e = ep_take(net, ep)
        item = net.wait[e]
        if sock_poll(net, cpu, net.socks[item.item_sk]) & POLL_READ:
            if item.events & EP_ONESHOT:
                item.events |= EP_DISABLED
            elif item.events & EP_ET == 0:           # level: it stays ready until somebody finds it empty
                ep_ready(net, ep, e)
            if ep.ready_head >= 0 and ep.wq_head >= 0:
                ep_wake(net, cpu, ep)                # there is more for another thread, it seems
            return item.item_sk
        if e == last:
            break
    entry = net.wait[th.wait]
    ep_wq_add(net, ep, th.wait)
    entry.epoll = th.epoll
    return NO_SOCK


@path_function
def ep_poll(net: Net, cpu: int, t: int, most: int) -> int:
    """epoll_wait(maxevents = most): how many items have events; they stand in the list that begins in the thread's own entry.  None: the
    thread is in its instance's queue, is to sleep and to ask again."""
    th = net.thread[t]
    ep, own = net.epolls[th.epoll], net.wait[t]
    finish_wait(net, th.wait)
    own.item_next = -1
    count, tail, last = 0, th.wait, ep.ready_tail    # what becomes ready again is for the next call
    while ep.ready_head >= 0 and count < most:       # ep_send_events()
        charge(net, cpu, Stage.EPOLL)
        e = ep_take(net, ep)
        item = net.wait[e]
        item.revents = sock_poll(net, cpu, net.socks[item.item_sk]) & item.mask
        if item.revents:
            item.item_next = -1
            front = net.wait[tail]
            front.item_next = e
            tail = e
            count += 1
            if item.events & EP_ONESHOT:
                item.events |= EP_DISABLED
            elif item.events & EP_ET == 0:           # level: it stays ready until somebody finds it empty
                ep_ready(net, ep, e)
        if e == last:
            break
    if count == 0:
        ep_wq_add(net, ep, th.wait)
        own.epoll = th.epoll
    elif ep.ready_head >= 0 and ep.wq_head >= 0:     # there is more for another thread, it seems
        ep_wake(net, cpu, ep)
    return count


# ---------------------------------------------------------------- entries
@entry
def epoll_new(net: Net) -> int:
    return epoll_create(net)


@entry
def epoll_ctl_add(net: Net, ep: int, e: int, sk: int, events: int) -> None:
    epoll_add(net, ep, e, sk, events)


@entry
def host_ep_insert(net: Net, cpu: int, ep: int, e: int, sk: int, flags: int, events: int) -> None:
    """epoll_ctl(EPOLL_CTL_ADD) with entry e; flags EP_*, events EPOLLIN and so on."""
    ep_insert(net, cpu, ep, e, sk, flags, events)


@entry
def host_ep_modify(net: Net, cpu: int, e: int, flags: int, events: int) -> bool:
    return ep_modify(net, cpu, e, flags, events)


@entry
def host_ep_remove(net: Net, e: int) -> None:
    """epoll_ctl(EPOLL_CTL_DEL)"""
    ep_remove(net, e)
    item = net.wait[e]
    if item.sk >= 0:
        wait_remove(net, net.socks[item.sk], e)


@entry
def sleep_in_epoll(net: Net, cpu: int, t: int) -> int:
    """The same in epoll_wait(): a socket, or NO_SOCK and it sleeps."""
    return ep_wait(net, cpu, t)


def epoll(b: Any) -> int:
    """epoll_create1(): its number, for thread_t.epoll."""
    if b.net.nepoll >= NEPOLL:
        raise error(errno.EMFILE, f"more than {NEPOLL} epoll instances")
    return int(b.call(epoll_new)(b.net))


def epoll_watch(b: Any, ep: int, sk: int, events: int = 0) -> int:
    """epoll_ctl(EPOLL_CTL_ADD): events is 0 (level) or EP_ET, EP_EXCLUSIVE, EP_ONESHOT."""
    e = wait_entry_new(b)
    b.call(epoll_ctl_add)(b.net, ep, e, sk, events)
    return e
