"""The softirq's side of a UDP socket: __udp_enqueue_schedule_skb of net/ipv4/udp.c (6.18); under 3.10 the socket lock and the backlog of a
socket that a system call owns.

Called by udp_queue_rcv_one_skb when it is this CPU's turn."""
from .._compile import cold, path_function, prefetch
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import DONE, NET_RX_SUCCESS, NO_SKB, NO_THREAD, YIELD, Note
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..path import Stage
from ..record import record_sock
from ..skb import kfree_skb_reason
from ..turn import at, late, spin_lock, spin_unlock, tell_driver
from .memory import lines_arrive, sk_rmem_schedule, udp_rmem_schedule
from .wait import sock_def_readable, wait_add_tail, wait_remove

__all__ = ["wait_add_tail", "wait_remove"]


@path_function
def __udp_enqueue_schedule_skb(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """Full, or to the tail of the queue; then wake a reader.  An empty socket accepts anything."""
    at(net, cpu, skb, Stage.__udp_enqueue_schedule_skb)
    size = skb.truesize
    if sk.rmem_alloc + size > sk.rcvbuf and sk.rmem_alloc > 0:
        return udp_rcvbuf_full(net, cpu, sk, skb)
    skb.rx_cpu = cpu
    if sk.wq_head >= 0:
        prefetch(net.wait[sk.wq_head])
    lock = sk.lock
    if lock.last_cpu != cpu or (sk.reader_cpu != 0 and sk.reader_cpu != cpu + 1):
        lines_arrive(net, cpu, sk)
    spin_lock(net, cpu, sk.lock)
    if size > sk.forward_alloc:
        if not udp_rmem_schedule(net, sk, size):
            spin_unlock(net, sk.lock)
            sk.drops += 1                            # udp_mem: no counter but the socket's moves
            return kfree_skb_reason(net, cpu, skb, Drop.PROTO_MEM)
    sk_queue_tail(net, cpu, sk, skb)
    spin_unlock(net, sk.lock)
    if sk.wq_head >= 0:
        sock_def_readable(net, cpu, sk, skb)
    return NET_RX_SUCCESS


@path_function
def sk_queue_tail(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """Charged and queued.  The caller holds the lock."""
    sk.forward_alloc -= skb.truesize
    sk.rmem_alloc += skb.truesize
    if sk.rmem_alloc > sk.rmem_max_seen:
        sk.rmem_max_seen = sk.rmem_alloc
    skb.next = NO_SKB
    if sk.tail >= 0:
        tail = net.skb[sk.tail]
        tail.next = skb.idx
    else:
        sk.head = skb.idx
    sk.tail = skb.idx
    if net.rxq_ovfl:                                 # sock_skb_set_dropcount()
        skb.dropcount = sk.drops if sk.rxq_ovfl else 0
    sk.qlen += 1
    if sk.qlen > sk.qlen_max:
        sk.qlen_max = sk.qlen
    sk.in_packets += 1
    if net.record:
        record_sock(net, cpu, sk)


@cold
@path_function
def udp_rcvbuf_full(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    sk.drops += 1
    net.snmp[cpu][Mib.Udp_RcvbufErrors] += 1
    net.snmp[cpu][Mib.Udp_InErrors] += 1
    return kfree_skb_reason(net, cpu, skb, Drop.SOCKET_RCVBUFF)


# ---------------------------------------------------------------- 3.10: the socket lock and its backlog
@path_function
def udp_queue_rcv_locked(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """3.10's udp_queue_rcv_skb(): queue and backlog together may hold more than rcvbuf by one datagram.  A socket that a system call owns
    gets it on its backlog."""
    lock = sk.lock
    if lock.last_cpu != cpu:                                                 # the reader counts sk_rmem_alloc down with each datagram
        lines_arrive(net, cpu, sk)
    if sk.backlog_len + sk.rmem_alloc > sk.rcvbuf:                           # sk_rcvqueues_full()
        return udp_rcvbuf_full(net, cpu, sk, skb)
    skb.rx_cpu = cpu
    spin_lock(net, cpu, sk.lock)
    if sk.owned < 0:
        r = __udp_queue_rcv_skb(net, cpu, sk, skb)
        spin_unlock(net, sk.lock)
        return r
    at(net, cpu, skb, Stage.sk_add_backlog)
    if sk.backlog_len + sk.rmem_alloc > sk.rcvbuf:                           # in real time another CPU may have filled it
        spin_unlock(net, sk.lock)
        sk.drops += 1
        net.snmp[cpu][Mib.Udp_InErrors] += 1
        return kfree_skb_reason(net, cpu, skb, Drop.SOCKET_BACKLOG)
    skb.next = NO_SKB
    if sk.backlog_tail >= 0:
        tail = net.skb[sk.backlog_tail]
        tail.next = skb.idx
    else:
        sk.backlog_head = skb.idx
    sk.backlog_tail = skb.idx
    sk.backlog_len += skb.truesize
    sk.backlog_qlen += 1
    sk.backlog_max = max(sk.backlog_max, sk.backlog_len)
    spin_unlock(net, sk.lock)
    return NET_RX_SUCCESS


@path_function
def __udp_queue_rcv_skb(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """sock_queue_rcv_skb(): refused when the queue already holds rcvbuf, whatever the newcomer's size."""
    at(net, cpu, skb, Stage.__udp_enqueue_schedule_skb)
    if sk.rmem_alloc >= sk.rcvbuf:
        return udp_rcvbuf_full(net, cpu, sk, skb)
    if not sk_rmem_schedule(net, sk, skb.truesize):
        sk.drops += 1
        net.snmp[cpu][Mib.Udp_InErrors] += 1
        return kfree_skb_reason(net, cpu, skb, Drop.PROTO_MEM)
    sk_queue_tail(net, cpu, sk, skb)
    if sk.wq_head >= 0:
        sock_def_readable(net, cpu, sk, skb)
    return NET_RX_SUCCESS


@path_function
def lock_sock(net: Net, cpu: int, sk: sock, t: int) -> bool:
    """Thread t's system call owns the socket from now on.  False: another does, and t is in the queue of those that wait: it is to sleep
    and ask again when it is woken."""
    spin_lock(net, cpu, sk.lock)
    free = sk.owned < 0 or sk.owned == t
    if free:
        sk.owned = t
    else:
        th = net.thread[t]
        th.lock_next = NO_THREAD
        if sk.lock_wait < 0:
            sk.lock_wait = t
        else:
            last = net.thread[sk.lock_wait]
            while last.lock_next >= 0:
                last = net.thread[last.lock_next]
            last.lock_next = t
    spin_unlock(net, sk.lock)
    return free


@path_function
def release_sock(net: Net, cpu: int, sk: sock) -> int:
    """What has come in the meantime goes to the receive queue, in the owning thread, packet by packet; then the socket is free.
    DONE or YIELD: come again."""
    while sk.backlog_head >= 0:
        if late(net, cpu):
            return YIELD
        skb = net.skb[sk.backlog_head]
        sk.backlog_head = skb.next
        if sk.backlog_head < 0:
            sk.backlog_tail = NO_SKB
        skb.next = NO_SKB
        sk.backlog_qlen -= 1
        at(net, cpu, skb, Stage.release_sock)
        __udp_queue_rcv_skb(net, cpu, sk, skb)
    if late(net, cpu):
        return YIELD
    spin_lock(net, cpu, sk.lock)
    sk.backlog_len = 0                               # only now: a flood cannot keep the thread here for ever
    sk.owned = NO_THREAD
    first = sk.lock_wait
    if first >= 0:                                   # exclusive: one of those that wait, the first
        th = net.thread[first]
        sk.lock_wait = th.lock_next
    spin_unlock(net, sk.lock)
    if first >= 0:
        tell_driver(net, cpu, Note.WAKE_READER, first)
    return DONE
