"""poll(): fs/select.c.  do_poll() for programs that want to know which events there were; poll_wait() for the application models, which
read whatever is readable.

Called by the driver of time when it is the polling thread's turn."""
from typing import Any

from .._compile import entry, path_function, reset_struct
from ..abi.net import Net
from ..abi.numbers import NO_SOCK, POLLERR, POLLHUP
from ..abi.sock import WAIT_POLL
from ..path import Stage
from ..turn import charge
from .wait import POLL_READ, poll_freewait, sock_poll, wait_add_head, wait_entry_new

ALWAYS = POLLERR | POLLHUP                           # told whether or not they were asked for


@path_function
def poll_list(net: Net, t: int, e: int, sk: int, events: int) -> None:
    """One more struct pollfd of thread t's call, after the others."""
    entry = net.wait[e]
    reset_struct(entry)
    entry.thread, entry.kind, entry.item_sk, entry.mask = t, WAIT_POLL, sk, events | ALWAYS
    th = net.thread[t]
    last = net.wait[th.wait]
    while last.item_next >= 0:
        last = net.wait[last.item_next]
    last.item_next = e


@path_function
def do_poll(net: Net, cpu: int, t: int) -> int:
    """How many have events (entry.revents).  None: the thread is in the sockets' queues, is to sleep and to ask again when it is woken."""
    th = net.thread[t]
    poll_freewait(net, t)
    own = net.wait[th.wait]
    count, e = 0, own.item_next
    while e >= 0:
        entry = net.wait[e]
        sk = net.socks[entry.item_sk]
        charge(net, cpu, Stage.EPOLL)
        entry.revents = sock_poll(net, cpu, sk) & entry.mask
        if entry.revents:
            count += 1
        elif count == 0:
            wait_add_head(net, sk, e)
        e = entry.item_next
    if count:
        poll_freewait(net, t)
    return count


@path_function
def poll_wait(net: Net, cpu: int, t: int) -> int:
    """do_poll(): the first of the thread's sockets (poll_add()) that has a datagram, or NO_SOCK: then its entries are in the
    sockets' queues, and the thread is to sleep and ask again when it is woken.  poll_freewait() when its time is up."""
    th = net.thread[t]
    poll_freewait(net, t)
    own = net.wait[th.wait]
    e = own.item_next
    while e >= 0:
        entry = net.wait[e]
        charge(net, cpu, Stage.EPOLL)
        if sock_poll(net, cpu, net.socks[entry.item_sk]) & POLL_READ:
            found = entry.item_sk
            poll_freewait(net, t)
            return found
        wait_add_head(net, net.socks[entry.item_sk], e)
        e = entry.item_next
    return NO_SOCK


@path_function
def poll_add(net: Net, t: int, e: int, sk: int) -> None:
    """One more socket in the thread's pollfd array: after the others."""
    entry = net.wait[e]
    reset_struct(entry)
    entry.thread, entry.kind, entry.item_sk, entry.mask = t, WAIT_POLL, sk, POLL_READ
    th = net.thread[t]
    last = net.wait[th.wait]
    while last.item_next >= 0:
        last = net.wait[last.item_next]
    last.item_next = e


# ---------------------------------------------------------------- entries
@entry
def host_poll_list(net: Net, t: int, e: int, sk: int, events: int) -> None:
    """A struct pollfd of thread t."""
    poll_list(net, t, e, sk, events)


@entry
def sleep_in_poll(net: Net, cpu: int, t: int) -> int:
    return poll_wait(net, cpu, t)


@entry
def poll_now(net: Net, cpu: int, i: int) -> int:
    """The events of a socket, for a caller that does not wait."""
    return sock_poll(net, cpu, net.socks[i])


@entry
def poll_ctl_add(net: Net, t: int, e: int, sk: int) -> None:
    poll_add(net, t, e, sk)


def poll_watch(b: Any, t: int, sk: int) -> int:
    """One more socket in the pollfd array of thread t."""
    e = wait_entry_new(b)
    b.call(poll_ctl_add)(b.net, t, e, sk)
    return e
