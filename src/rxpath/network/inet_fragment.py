"""net/ipv4/inet_fragment.c: the queues of reassembly: find or create, kill, destroy, and the account of their memory.

Called by ip_fragment.py, under net.frag_lock and in the order of the clocks.  What lies in a queue: inet_frag_queue.py."""
from .._compile import path_function, reset_struct
from ..abi.frag import COMPLETE, ipq_t
from ..abi.headers import ip_hdr
from ..abi.kernels import Behaviour, Sysctl
from ..abi.limits import NFRAGQ
from ..abi.mib import Mib
from ..abi.net import FRAG_HASH, Net
from ..abi.numbers import NO_SKB
from ..abi.reasons import Drop
from ..abi.skbuff import FRAG_CB, sk_buff
from ..abi.timer import FRAG_TIMER
from ..path import Stage, Timer
from ..record import record_level
from ..skb import kfree_skb_reason
from ..timer import jiffies, mod_timer, timer_delete, timer_setup
from .inetpeer import inet_getpeer, inet_putpeer

IPQ_SIZE = 200                          # sizeof(struct ipq): what an empty queue weighs; measured on 6.18


@path_function
def ipqhashfn(saddr: int, daddr: int, ident: int, protocol: int) -> int:
    h = (saddr * 0x9E3779B1 ^ daddr * 0x85EBCA6B ^ (ident << 8 | protocol) * 0xC2B2AE35) & 0x7FFF_FFFF_FFFF_FFFF
    return (h >> 20) & FRAG_HASH - 1


@path_function
def inet_frag_find(net: Net, cpu: int, skb: sk_buff, user: int) -> int:
    """That user's queue of this fragment's datagram, a new one if need be, -1: the account is full, whether there is a queue or not."""
    high = net.sysctl[Sysctl.ipfrag_high_thresh]
    if net.behaviour[Behaviour.frag_rbtree] and (high == 0 or net.frag_mem > high):
        return -1
    ip = ip_hdr(net, skb)
    ident, protocol, saddr, daddr = ip.id, ip.protocol, ip.saddr, ip.daddr
    h = ipqhashfn(saddr, daddr, ident, protocol)
    i = net.frag_hash[h]
    while i >= 0:
        queue = net.fragq[i]
        if queue.id == ident and queue.saddr_lo == saddr and queue.daddr_lo == daddr and queue.protocol == protocol \
                and queue.user == user:
            return i
        i = queue.hnext
    i = inet_frag_alloc(net)
    if i < 0:
        return -1
    made = net.fragq[i]
    reset_struct(made)
    made.id, made.saddr_lo, made.daddr_lo, made.protocol, made.user = ident, saddr, daddr, protocol, user
    made.hnext = net.frag_hash[h]
    net.frag_hash[h] = i
    net.frag_mem += IPQ_SIZE
    frag_mem_recorded(net, cpu)
    net.frag_nqueues += 1
    if net.sysctl[Sysctl.ipfrag_max_dist]:
        made.peer = inet_getpeer(net, saddr)
        peer = net.peer[made.peer]
        made.rid = peer.rid
    timer_setup(net, FRAG_TIMER + i, Timer.ip_expire, i)
    inet_frag_start_timer(net, cpu, i)
    lru_add_tail(net, i)
    return i


@path_function
def frag_mem_recorded(net: Net, cpu: int) -> None:
    """The account has grown, or what a queue weighed has left it."""
    net.frag_mem_max = max(net.frag_mem_max, net.frag_mem)
    if net.record:
        c = net.cpu[cpu]
        record_level(net, net.recording.frag_mem, c.now, net.frag_mem)


@path_function
def inet_frag_start_timer(net: Net, cpu: int, i: int) -> None:
    """The rest of the datagram has ipfrag_time from now on."""
    mod_timer(net, cpu, FRAG_TIMER + i, jiffies(net, cpu) + net.sysctl[Sysctl.ipfrag_time_ns] // net.sysctl[Sysctl.jiffy_ns])


@path_function
def inet_frag_alloc(net: Net) -> int:
    """A free ipq, -1: NFRAGQ are in use."""
    i = net.fragq_free
    if i >= 0:
        queue = net.fragq[i]
        net.fragq_free = queue.hnext
        return i
    if net.fragq_used >= NFRAGQ:
        return -1
    net.fragq_used += 1
    return net.fragq_used - 1


@path_function
def inet_frag_kill(net: Net, i: int) -> None:
    """Nobody finds the queue any more, and its timer is off."""
    queue = net.fragq[i]
    if queue.flags & COMPLETE:
        return
    queue.flags |= COMPLETE
    timer_delete(net, FRAG_TIMER + i)
    lru_del(net, i)
    h = ipqhashfn(queue.saddr_lo, queue.daddr_lo, queue.id, queue.protocol)
    j = net.frag_hash[h]
    if j == i:
        net.frag_hash[h] = queue.hnext
    else:
        before = net.fragq[j]
        while before.hnext != i:
            before = net.fragq[before.hnext]
        before.hnext = queue.hnext


@path_function
def inet_frag_destroy(net: Net, cpu: int, i: int, stage: int, reason: int) -> None:
    """After inet_frag_kill(): what is left of its fragments ends."""
    queue = net.fragq[i]
    inet_frag_rbtree_purge(net, cpu, queue, stage, reason)
    if queue.peer >= 0:
        inet_putpeer(net, queue.peer)
    net.frag_mem -= IPQ_SIZE
    frag_mem_recorded(net, cpu)
    net.frag_nqueues -= 1
    queue.hnext = net.fragq_free
    net.fragq_free = i


@path_function
def inet_frag_rbtree_purge(net: Net, cpu: int, queue: ipq_t, stage: int, reason: int) -> None:
    i = queue.head
    net.frag_mem -= queue.mem
    queue.mem, queue.head, queue.tail, queue.last_run = 0, NO_SKB, NO_SKB, NO_SKB
    while i >= 0:
        run = net.skb[i]
        j, i = i, FRAG_CB(run).next_run
        while j >= 0:
            skb = net.skb[j]
            j = skb.next
            kfree_skb_reason(net, cpu, skb, stage, reason)


# ---------------------------------------------------------------- before 4.19: the oldest queue is evicted


@path_function
def ip_evictor(net: Net, cpu: int) -> None:
    """Before 4.19 a full account made room: the queues that were touched longest ago go, down to ipfrag_low_thresh."""
    if net.frag_mem <= net.sysctl[Sysctl.ipfrag_high_thresh]:
        return
    while net.frag_mem > net.sysctl[Sysctl.ipfrag_low_thresh] and net.frag_lru_head >= 0:
        i = net.frag_lru_head
        inet_frag_kill(net, i)
        inet_frag_destroy(net, cpu, i, Stage.ip_defrag, Drop.FRAG_QUEUE_KILLED)
        net.snmp[cpu][Mib.Ip_ReasmFails] += 1


@path_function
def lru_add_tail(net: Net, i: int) -> None:
    queue = net.fragq[i]
    queue.lru_prev, queue.lru_next = net.frag_lru_tail, -1
    if queue.lru_prev >= 0:
        before = net.fragq[queue.lru_prev]
        before.lru_next = i
    else:
        net.frag_lru_head = i
    net.frag_lru_tail = i


@path_function
def lru_del(net: Net, i: int) -> None:
    queue = net.fragq[i]
    if queue.lru_prev >= 0:
        before = net.fragq[queue.lru_prev]
        before.lru_next = queue.lru_next
    else:
        net.frag_lru_head = queue.lru_next
    if queue.lru_next >= 0:
        after = net.fragq[queue.lru_next]
        after.lru_prev = queue.lru_prev
    else:
        net.frag_lru_tail = queue.lru_prev
