"""Application models that serve TCP: accept, read, work on what came, close when the peer has; on epoll, or one connection after the other.

A thread on epoll watches listeners and its connections, and reads a socket until EAGAIN.  One that waits in its calls (wait = "recv")
accepts a connection, serves it to its end, and accepts the next.  A message is complete after so many bytes of its connection
(thread_t.message); without that each read brings one.  Its latency counts from the segment that completed it."""
from .. import path
from .._compile import path_function
from ..abi.engine import thread_t
from ..abi.limits import NBATCH, NTHREAD
from ..abi.net import NWAIT, Net
from ..abi.numbers import EAGAIN, IPPROTO, NO_SOCK, OWNING, POLLRDHUP, TCP, RecvStep, WaitBy
from ..abi.sock import sock
from ..user.eventpoll import ep_insert, ep_remove
from ..user.recvmsg import sys_recvfrom
from ..user.wait import POLL_READ, __skb_wait_for_more_packets, wait_remove
from .apps import call_returns, call_step, dont_wait, recv_goes_on
from .notes import read_notes
from .sched import go_to_sleep

KIB_SHIFT = 10


@path_function
def connection_step(net: Net, cpu: int, n: int, th: thread_t, start: int) -> None:
    """Its call looks at the socket: accept() at a listener, recv() at a connection."""
    sk = net.socks[th.sock]
    if sk.protocol != IPPROTO.TCP:
        call_step(net, cpu, n, th, start)
        return
    listens = sk.state == TCP.LISTEN
    if th.recv_step != RecvStep.NONE:
        th.timed_out = 0                             # the page is there
    if not listens and connection_served(net, th, sk):
        connection_over(net, cpu, th, sk, 0)
        th.result = 0
        call_returns(net, cpu, th)
        return
    got = path.call_proto_accept(sk.protocol, net, cpu, sk) if listens else sys_recvfrom(net, cpu, n)
    if got <= OWNING:                                # FAULTING, LOCKED
        recv_goes_on(net, cpu, n, th, start, got)
        return
    if net.sd[cpu].note_head != net.sd[cpu].note_tail:
        read_notes(net, cpu)                         # whoever has waited for the socket
    if got == EAGAIN and not dont_wait(th):
        __skb_wait_for_more_packets(net, cpu, sk, n)
        go_to_sleep(net, cpu, n)
        return
    own = net.wait[n]
    if own.sk >= 0:                                  # finish_wait(): woken by something else
        wait_remove(net, net.socks[own.sk], n)
    th.result = got
    if got == EAGAIN:
        th.empty_calls += 1
        th.drained = int(th.wait_by == WaitBy.EPOLL)
    elif listens and got >= 0:
        connection_opened(net, cpu, th, got)
    elif got > 0:
        connection_read(net, n, th, sk, got)
    elif not listens:
        connection_over(net, cpu, th, sk, got)
    call_returns(net, cpu, th)


@path_function
def connection_opened(net: Net, cpu: int, th: thread_t, child: int) -> None:
    """A connection: into the thread's epoll instance, or it is the one that is served now."""
    th.opened += 1
    tp = net.tcp[child]
    tp.app_read, tp.app_entry = 0, -1
    if th.wait_by != WaitBy.EPOLL:
        th.listener, th.sock = th.sock, child
        return
    e = th.free_entry
    if e >= 0:
        entry = net.wait[e]
        th.free_entry = entry.item_next
    elif NTHREAD + net.nwait < NWAIT:
        e = NTHREAD + net.nwait
        net.nwait += 1
    else:                                            # ENOSPC: it is never read
        th.unwatched += 1
        return
    tp.app_entry = e
    ep_insert(net, cpu, th.epoll, e, child, th.arg, POLL_READ | POLLRDHUP)


@path_function
def connection_read(net: Net, n: int, th: thread_t, sk: sock, got: int) -> None:
    """Bytes: how many messages are complete with them, and what they cost as bytes."""
    tp = net.tcp[sk.idx]
    before = tp.app_read
    tp.app_read = before + got
    th.read_bytes += got
    th.byte_work = got * th.per_kib >> KIB_SHIFT
    messages = 1
    if th.message:
        messages = min(tp.app_read // th.message - before // th.message, NBATCH)
    for k in range(messages):
        net.batch[n][k] = th.arrived
    th.in_batch = messages


@path_function
def connection_served(net: Net, th: thread_t, sk: sock) -> bool:
    """Has the program read as many messages of it as it serves (thread_t.closes)?"""
    tp = net.tcp[sk.idx]
    return th.closes > 0 and tp.app_read >= th.closes * max(th.message, 1)


@path_function
def connection_over(net: Net, cpu: int, th: thread_t, sk: sock, got: int) -> None:
    """The peer has closed (0), or reset the connection, or it has been served: the program closes its side."""
    tp = net.tcp[sk.idx]
    th.closed += 1
    if got < 0:
        th.resets += 1
    e = tp.app_entry
    if e >= 0:
        ep_remove(net, e)
        entry = net.wait[e]
        if entry.sk >= 0:
            wait_remove(net, sk, e)
        entry.item_next = th.free_entry
        th.free_entry = e
        tp.app_entry = -1
    path.call_proto_close(sk.protocol, net, cpu, sk)
    if th.wait_by == WaitBy.EPOLL:
        th.drained = 1
    else:
        th.sock, th.listener = th.listener, NO_SOCK
