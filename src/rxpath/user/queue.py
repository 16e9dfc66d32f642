"""The softirq's side of a UDP socket: __udp_enqueue_schedule_skb of net/ipv4/udp.c (6.18); under 3.10 the socket lock and the backlog of a
socket that a system call owns.

Called by udp_queue_rcv_one_skb when it is this CPU's turn."""
from .._compile import cold, entry, path_function, prefetch
from ..abi.kernels import Behaviour
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import IPPROTO, NET_RX_SUCCESS, UDP_HLEN
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..abi.spent import Place
from ..path import Stage, proto_backlog_rcv
from ..record import record_sock
from ..skb import __skb_queue_tail, alloc_skb, kfree_skb_reason, skb_init
from ..spent import spent_in
from ..turn import at, spin_lock, spin_unlock
from .filter import sk_filter_trim_cap
from .memory import lines_arrive, sk_rmem_schedule, udp_rmem_schedule
from .wait import sock_def_readable


@path_function
def __udp_enqueue_schedule_skb(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """Full, or to the tail of the queue; then wake a reader.  An empty socket accepts anything."""
    at(net, cpu, skb, Stage.__udp_enqueue_schedule_skb)
    size = skb.truesize
    if sk.rmem_alloc + size > sk.rcvbuf and sk.rmem_alloc > 0:
        return udp_rcvbuf_full(net, cpu, sk, skb, Stage.__udp_enqueue_schedule_skb, 1)
    skb.rx_cpu = cpu
    if sk.wq_head >= 0:
        prefetch(net.wait[sk.wq_head])
    lock = sk.lock
    if lock.last_cpu != cpu or (sk.reader_cpu >= 0 and sk.reader_cpu != cpu):
        lines_arrive(net, cpu, sk)
    spin_lock(net, cpu, sk.lock)
    if size > sk.forward_alloc:
        if not udp_rmem_schedule(net, sk, size):
            spin_unlock(net, sk.lock)
            sk.drops += 1                            # udp_mem: no counter but the socket's moves
            return kfree_skb_reason(net, cpu, skb, Stage.__udp_enqueue_schedule_skb, Drop.PROTO_MEM)
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
    if net.spends:
        spent_in(net, cpu, skb, Place.SOFTIRQ)
    __skb_queue_tail(net, sk.receive_queue, skb)
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
def udp_rcvbuf_full(net: Net, cpu: int, sk: sock, skb: sk_buff, stage: int, counted: int) -> int:
    """counted: as a buffer's error, too."""
    sk.drops += 1
    sk.burst_lost += skb.truesize
    sk.burst_needs = max(sk.burst_needs, sk.rmem_alloc + sk.burst_lost)
    if counted:
        net.snmp[cpu][Mib.Udp_RcvbufErrors] += 1
    net.snmp[cpu][Mib.Udp_InErrors] += 1
    return kfree_skb_reason(net, cpu, skb, stage, Drop.SOCKET_RCVBUFF)


# ---------------------------------------------------------------- 3.10: the socket lock and its backlog
@path_function
def sk_rcvqueues_full(sk: sock) -> bool:
    """Queue and backlog together may hold more than rcvbuf by one datagram: the newcomer's size is not asked."""
    return sk.backlog_len + sk.rmem_alloc > sk.rcvbuf


@path_function
def sock_owned_by_user(sk: sock) -> bool:
    """A system call has taken lock_sock()."""
    return sk.owned >= 0


@path_function
def sk_add_backlog(net: Net, cpu: int, sk: sock, skb: sk_buff) -> bool:
    """For the owner, who takes it in release_sock().  False: no room; in real time another CPU may have filled it."""
    at(net, cpu, skb, Stage.sk_add_backlog)
    if sk_rcvqueues_full(sk):
        return False
    if net.spends:
        spent_in(net, cpu, skb, Place.SOFTIRQ)
    __skb_queue_tail(net, sk.backlog, skb)
    sk.backlog_len += skb.truesize
    sk.backlog_qlen += 1
    sk.backlog_max = max(sk.backlog_max, sk.backlog_len)
    return True


@path_function
def udp_queue_rcv_skb_310(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """The second half of 3.10's udp_queue_rcv_skb(), after encapsulation and the checksum that a filter needs: under the socket's lock, to
    its queue or, if a system call owns it, to its backlog."""
    lock = sk.lock
    if lock.last_cpu != cpu:                                                 # the reader counts sk_rmem_alloc down with each datagram
        lines_arrive(net, cpu, sk)
    if sk_rcvqueues_full(sk):
        return udp_rcvbuf_full(net, cpu, sk, skb, Stage.__udp_enqueue_schedule_skb, net.behaviour[Behaviour.rcvqueues_full_counted])
    skb.rx_cpu = cpu
    spin_lock(net, cpu, sk.lock)
    if not sock_owned_by_user(sk):
        r = __udp_queue_rcv_skb(net, cpu, sk, skb)
        spin_unlock(net, sk.lock)
        return r
    if not sk_add_backlog(net, cpu, sk, skb):
        spin_unlock(net, sk.lock)
        sk.drops += 1
        net.snmp[cpu][Mib.Udp_InErrors] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.sk_add_backlog, Drop.SOCKET_BACKLOG)
    spin_unlock(net, sk.lock)
    return NET_RX_SUCCESS


@cold
@path_function
def sk_filter_310(net: Net, cpu: int, sk: sock, skb: sk_buff) -> bool:
    """sk_filter(), while the UDP header still stands in the queue.  A program that left less than that made the read fail (mended in 4.7,
    a612769774a3 [K]); here the header stays."""
    skb.data -= UDP_HLEN
    skb.len += UDP_HLEN
    takes = sk_filter_trim_cap(net, cpu, sk, skb, UDP_HLEN)
    skb.data += UDP_HLEN
    skb.len -= UDP_HLEN
    return takes


@proto_backlog_rcv(IPPROTO.UDP)
@path_function
def __udp_queue_rcv_skb(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """sock_queue_rcv_skb(): refused when the queue already holds rcvbuf, whatever the newcomer's size."""
    at(net, cpu, skb, Stage.__udp_enqueue_schedule_skb)
    if sk.rmem_alloc >= sk.rcvbuf:
        return udp_rcvbuf_full(net, cpu, sk, skb, Stage.sock_queue_rcv_skb, 1)
    if net.nfiltered and sk.filter >= 0 and net.behaviour[Behaviour.udp_filter_first] == 0 and not sk_filter_310(net, cpu, sk, skb):
        net.snmp[cpu][Mib.Udp_InErrors] += 1         # the socket's drops do not move
        return kfree_skb_reason(net, cpu, skb, Stage.sock_queue_rcv_skb, Drop.SOCKET_FILTER)
    if not sk_rmem_schedule(net, sk, skb.truesize):
        sk.drops += 1
        net.snmp[cpu][Mib.Udp_InErrors] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.sock_queue_rcv_skb, Drop.PROTO_MEM)
    sk_queue_tail(net, cpu, sk, skb)
    if sk.wq_head >= 0:
        sock_def_readable(net, cpu, sk, skb)
    return NET_RX_SUCCESS


# ---------------------------------------------------------------- without a packet's way
@entry
def deliver_blank(net: Net, cpu: int, i: int, truesize: int, length: int) -> int:
    """A datagram of zeros straight into the socket, as udp_queue_rcv_one_skb() would hand it over: what fits?  -1: no skb was to be had."""
    n = alloc_skb(net, cpu)
    if n < 0:
        return -1
    skb = net.skb[n]
    skb_init(net, skb, skb.head, length)
    skb.truesize, skb.sk, skb.csum_valid, skb.frame = truesize, i, 1, -1
    sk = net.socks[i]
    if net.behaviour[Behaviour.udp_backlog]:
        return udp_queue_rcv_skb_310(net, cpu, sk, skb)
    return __udp_enqueue_schedule_skb(net, cpu, sk, skb)
