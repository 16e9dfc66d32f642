"""The softirq's side of a UDP socket: __udp_enqueue_schedule_skb of net/ipv4/udp.c and sock_def_readable of net/core/sock.c.

Called by udp_queue_rcv_one_skb when it is this CPU's turn.  Memory is counted in truesize, in pages of forward_alloc, exactly as 6.18."""
from .._compile import path_function
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import NET_RX_SUCCESS, NO_SKB, Note
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..path import Stage
from ..skb import kfree_skb_reason
from ..turn import at, spin_lock, spin_unlock, tell_driver


@path_function
def __udp_enqueue_schedule_skb(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """Full, or to the tail of the queue; then wake a reader.  An empty socket accepts anything."""
    at(net, cpu, skb, Stage.__udp_enqueue_schedule_skb)
    size = skb.truesize
    if sk.rmem_alloc + size > sk.rcvbuf and sk.rmem_alloc > 0:
        sk.drops += 1
        net.snmp[cpu][Mib.Udp_RcvbufErrors] += 1
        net.snmp[cpu][Mib.Udp_InErrors] += 1
        return kfree_skb_reason(net, cpu, skb, Drop.SOCKET_RCVBUFF)
    spin_lock(net, cpu, sk.lock)
    if size > sk.forward_alloc:
        sk.forward_alloc += (size - sk.forward_alloc + 4095) & ~4095
    sk.forward_alloc -= size
    sk.rmem_alloc += size
    sk.rmem_max_seen = max(sk.rmem_max_seen, sk.rmem_alloc)
    skb.next = NO_SKB
    if sk.tail >= 0:
        tail = net.skb[sk.tail]
        tail.next = skb.idx
    else:
        sk.head = skb.idx
    sk.tail = skb.idx
    sk.qlen += 1
    sk.in_packets += 1
    spin_unlock(net, sk.lock)
    if sk.wq_head >= 0:
        sock_def_readable(net, cpu, sk, skb)
    return NET_RX_SUCCESS


@path_function
def sock_def_readable(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """sk_data_ready(): wake who waits."""
    at(net, cpu, skb, Stage.sock_def_readable)
    e = sk.wq_head
    entry = net.wait[e]
    wait_remove(net, sk, e)
    tell_driver(net, cpu, Note.WAKE_READER, entry.thread)


@path_function
def wait_add_tail(net: Net, sk: sock, e: int) -> None:
    """prepare_to_wait_exclusive()"""
    entry = net.wait[e]
    entry.next = -1
    entry.prev = sk.wq_tail
    if sk.wq_tail >= 0:
        last = net.wait[sk.wq_tail]
        last.next = e
    else:
        sk.wq_head = e
    sk.wq_tail = e
    entry.sk = sk.idx


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
