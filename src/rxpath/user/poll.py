"""poll() and epoll_wait() of programs that want to know which events there were: fs/select.c, fs/eventpoll.c, udp_poll() of net/ipv4/udp.c.

Called by the driver of time when it is the polling thread's turn.  The application models need less: wait.py."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM
from ..abi.sock import EP_DISABLED, EP_ET, EP_EXCLUSIVE, EP_ONESHOT, WAIT_EPOLL, WAIT_POLL, sock
from ..path import Stage
from ..turn import charge
from .checksum import first_packet_length, udp_skb_csum_unnecessary
from .wait import RCV_SHUTDOWN, ep_ready, ep_take, ep_wake, ep_wq_add, finish_wait, poll_freewait, wait_add_head, wait_add_tail

ALWAYS = POLLERR | POLLHUP                           # told whether or not they were asked for
SHUTDOWN_MASK = 3


@path_function
def udp_poll_mask(net: Net, cpu: int, sk: sock) -> int:
    """Its events now.  A socket that would block must be sure that it can be read: damaged datagrams at the head are thrown away here."""
    mask = POLLOUT | POLLWRNORM | POLLWRBAND                    # nothing of this host's is waiting to be sent
    if sk.err:
        mask |= POLLERR
    if sk.shutdown & RCV_SHUTDOWN:
        mask |= POLLRDHUP | POLLIN | POLLRDNORM
    if sk.shutdown == SHUTDOWN_MASK:
        mask |= POLLHUP
    if sk.reader_head < 0 and sk.head < 0:
        return mask
    if sk.nonblock or sk.shutdown & RCV_SHUTDOWN:
        return mask | POLLIN | POLLRDNORM
    if sk.reader_head >= 0:
        skb = net.skb[sk.reader_head]
        if udp_skb_csum_unnecessary(skb):
            return mask | POLLIN | POLLRDNORM
    if first_packet_length(net, cpu, sk) >= 0:
        mask |= POLLIN | POLLRDNORM
    return mask


@path_function
def poll_list(net: Net, t: int, e: int, sk: int, events: int) -> None:
    """One more struct pollfd of thread t's call, after the others."""
    entry = net.wait[e]
    entry.thread, entry.kind, entry.sk, entry.item_sk, entry.item_next = t, WAIT_POLL, -1, sk, 0
    entry.mask, entry.revents = events | ALWAYS, 0
    th = net.thread[t]
    last = net.wait[th.wait]
    while last.item_next > 0:
        last = net.wait[last.item_next - 1]
    last.item_next = e + 1


@path_function
def do_poll(net: Net, cpu: int, t: int) -> int:
    """How many have events (entry.revents).  None: the thread is in the sockets' queues, is to sleep and to ask again when it is woken."""
    th = net.thread[t]
    poll_freewait(net, t)
    own = net.wait[th.wait]
    count, e = 0, own.item_next - 1
    while e >= 0:
        entry = net.wait[e]
        sk = net.socks[entry.item_sk]
        charge(net, cpu, Stage.EPOLL)
        entry.revents = udp_poll_mask(net, cpu, sk) & entry.mask
        if entry.revents:
            count += 1
        elif count == 0:
            wait_add_head(net, sk, e)
        e = entry.item_next - 1
    if count:
        poll_freewait(net, t)
    return count


@path_function
def ep_insert(net: Net, cpu: int, ep: int, e: int, sk: int, flags: int, events: int) -> None:
    """EPOLL_CTL_ADD: flags are EP_ET, EP_EXCLUSIVE, EP_ONESHOT."""
    item, s = net.wait[e], net.socks[sk]
    item.kind, item.sk, item.item_sk, item.epoll, item.ready = WAIT_EPOLL, -1, sk, ep, 0
    if flags & EP_EXCLUSIVE:
        wait_add_tail(net, s, e)
    else:
        wait_add_head(net, s, e)
    ep_modify(net, cpu, e, flags, events)


@path_function
def ep_modify(net: Net, cpu: int, e: int, flags: int, events: int) -> bool:
    """EPOLL_CTL_MOD: what it asks for from now on.  Is it ready already?"""
    item = net.wait[e]
    item.events, item.mask = flags, events | ALWAYS
    if udp_poll_mask(net, cpu, net.socks[item.item_sk]) & item.mask == 0:
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


@path_function
def ep_poll(net: Net, cpu: int, t: int, most: int) -> int:
    """epoll_wait(maxevents = most): how many items have events; they stand in the list that begins in the thread's own entry.  None: the
    thread is in its instance's queue, is to sleep and to ask again."""
    th = net.thread[t]
    ep, own = net.epolls[th.epoll], net.wait[t]
    finish_wait(net, th.wait)
    own.item_next = 0
    count, tail, last = 0, th.wait, ep.ready_tail    # what becomes ready again is for the next call
    while ep.ready_head >= 0 and count < most:       # ep_send_events()
        charge(net, cpu, Stage.EPOLL)
        e = ep_take(net, ep)
        item = net.wait[e]
        item.revents = udp_poll_mask(net, cpu, net.socks[item.item_sk]) & item.mask
        if item.revents:
            item.item_next = 0
            front = net.wait[tail]
            front.item_next = e + 1
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
        own.epoll = th.epoll + 1
    elif ep.ready_head >= 0 and ep.wq_head >= 0:     # there is more for another thread, it seems
        ep_wake(net, cpu, ep)
    return count
