"""Who is woken: the wait queue of a socket (kernel/sched/wait.c), poll() (fs/select.c) and epoll (fs/eventpoll.c).

Called by the softirq that has queued a datagram (sock_def_readable) and by the driver of time for threads that are about to sleep.  A
receiver waits exclusively, at the tail: one is woken, in turn.  A poll waits at the head, not exclusively: all are woken, the last first.
An epoll item stays in the queue for good; what it wakes are the threads of its instance, one at a time."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NO_SOCK, POLLERR, POLLHUP, POLLIN, POLLRDNORM, Note
from ..abi.skbuff import sk_buff
from ..abi.sock import EP_DISABLED, EP_ET, EP_EXCLUSIVE, EP_ONESHOT, WAIT_EPOLL, WAIT_POLL, WAIT_RECV, eventpoll, sock
from ..path import Stage
from ..turn import at, charge, tell_driver
from .checksum import first_packet_length, udp_skb_csum_unnecessary

RCV_SHUTDOWN = 1
POLL_READ = POLLIN | POLLRDNORM | POLLERR | POLLHUP  # what a reader's poll() and epoll items ask for


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
    if entry.kind == WAIT_RECV and entry.epoll > 0:
        ep_wq_remove(net, net.epolls[entry.epoll - 1], e)


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
    e = own.item_next - 1
    while e >= 0:
        entry = net.wait[e]
        if entry.sk >= 0:
            wait_remove(net, net.socks[entry.sk], e)
        e = entry.item_next - 1
    own.ready = 0


@path_function
def poll_wait(net: Net, cpu: int, t: int) -> int:
    """do_poll(): the first of the thread's sockets (poll_add() in setup.py) that has a datagram, or NO_SOCK: then its entries are in the
    sockets' queues, and the thread is to sleep and ask again when it is woken.  poll_freewait() when its time is up."""
    th = net.thread[t]
    poll_freewait(net, t)
    own = net.wait[th.wait]
    e = own.item_next - 1
    while e >= 0:
        entry = net.wait[e]
        charge(net, cpu, Stage.EPOLL)
        if udp_poll(net, cpu, net.socks[entry.item_sk]):
            found = entry.item_sk
            poll_freewait(net, t)
            return found
        wait_add_head(net, net.socks[entry.item_sk], e)
        e = entry.item_next - 1
    return NO_SOCK


@path_function
def udp_poll(net: Net, cpu: int, sk: sock) -> bool:
    """Readable?  A socket that would block must be sure: damaged datagrams at the head are thrown away here."""
    if sk.err or sk.shutdown & RCV_SHUTDOWN:
        return True
    if sk.reader_head < 0 and sk.head < 0:
        return False
    if sk.nonblock:
        return True
    if sk.reader_head >= 0:
        skb = net.skb[sk.reader_head]
        if udp_skb_csum_unnecessary(skb):
            return True
    return first_packet_length(net, cpu, sk) >= 0


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
def ep_poll_callback(net: Net, cpu: int, e: int) -> bool:
    """A watched socket has a datagram.  True: for an exclusive item that is enough."""
    charge(net, cpu, Stage.EPOLL)
    item = net.wait[e]
    if item.events & EP_DISABLED:                    # EPOLLONESHOT has had its event
        return False
    ep = net.epolls[item.epoll]
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
    entry.epoll = 0


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
        if udp_poll(net, cpu, net.socks[item.item_sk]):
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
    entry.epoll = th.epoll + 1
    return NO_SOCK


# ---------------------------------------------------------------- what a thread waits for: set-up
@path_function
def epoll_create(net: Net) -> int:
    """epoll_create1(): a new instance; there are NEPOLL."""
    i = net.nepoll
    net.nepoll += 1
    ep = net.epolls[i]
    ep.ready_head, ep.ready_tail, ep.wq_head, ep.wq_tail = -1, -1, -1, -1
    return i


@path_function
def epoll_add(net: Net, ep: int, e: int, sk: int, events: int) -> None:
    """EPOLL_CTL_ADD: entry e stands in the socket's queue from now on.  events: EP_ET, EP_EXCLUSIVE, EP_ONESHOT."""
    item, s = net.wait[e], net.socks[sk]
    item.kind, item.sk, item.item_sk, item.epoll, item.events, item.ready, item.mask = WAIT_EPOLL, -1, sk, ep, events, 0, POLL_READ
    if events & EP_EXCLUSIVE:
        wait_add_tail(net, s, e)
    else:
        wait_add_head(net, s, e)
    if s.reader_head >= 0 or s.head >= 0:            # it has something already
        ep_ready(net, net.epolls[ep], e)


@path_function
def poll_add(net: Net, t: int, e: int, sk: int) -> None:
    """One more socket in the thread's pollfd array: after the others."""
    entry = net.wait[e]
    entry.thread, entry.kind, entry.sk, entry.item_sk, entry.item_next, entry.mask = t, WAIT_POLL, -1, sk, 0, POLL_READ
    th = net.thread[t]
    last = net.wait[th.wait]
    while last.item_next > 0:
        last = net.wait[last.item_next - 1]
    last.item_next = e + 1
