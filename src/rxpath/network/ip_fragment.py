"""net/ipv4/ip_fragment.c and inet_fragment.c: reassembly.  RFC 791 3.2, RFC 5722 (overlaps), RFC 3168 5.3 (ECN).

Called by those who want whole datagrams, each with its own queues (ip_defrag's user): ip_local_deliver for what is for us.  A datagram
whose rest does not come in time ends in ip_expire, its queue's timer.  The pieces of a queue
are kept by inet_fragment.py."""
from .._compile import cold, path_function
from ..abi.frag import COMPLETE, FIRST_IN, LAST_IN, ipq_t
from ..abi.headers import ip_hdr
from ..abi.kernels import Behaviour, Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    CHECKSUM_NONE,
    CHECKSUM_UNNECESSARY,
    ICMP,
    IP_DF,
    IP_MF,
    IP_OFFSET,
    NET_RX_DROP,
    NO_SKB,
)
from ..abi.reasons import Drop
from ..abi.skbuff import FRAG_CB, sk_buff
from ..path import Stage, Timer, timer_function
from ..skb import icmp_send_and_drop, ip_send_check, kfree_skb_reason, skb_trim
from ..turn import at, spin_lock, spin_unlock
from .inet_frag_queue import IPFRAG_DUP, IPFRAG_OK, frag_cut_pages, frag_pull_head, inet_frag_queue_insert, inet_frag_reasm_finish
from .inet_fragment import (
    frag_mem_recorded,
    inet_frag_destroy,
    inet_frag_find,
    inet_frag_kill,
    inet_frag_rbtree_purge,
    inet_frag_start_timer,
    ip_evictor,
    lru_add_tail,
    lru_del,
)
from .ip_frag_trim import trim_and_insert

IP_MAX = 65535
ICMP_EXC_FRAGTIME = 1                           # code of time exceeded: in reassembly
NOT_ECT, ECT_1, ECT_0, CE = 1, 2, 4, 8          # ip4_frag_ecn(): 1 << the field


@path_function
def ip_defrag(net: Net, cpu: int, skb: sk_buff, user: int) -> int:
    """One fragment into its user's queue.  Returns the whole datagram if this was what it lacked, and the caller goes on with it; else
    NO_SKB.  Who calls it is in clock order: every CPU sees the queues."""
    at(net, cpu, skb, Stage.ip_defrag)
    net.snmp[cpu][Mib.Ip_ReasmReqds] += 1
    spin_lock(net, cpu, net.frag_lock)
    if net.behaviour[Behaviour.frag_rbtree] == 0:
        ip_evictor(net, cpu)
    i = inet_frag_find(net, cpu, skb, user)
    if i < 0:                                                        # no memory for it
        spin_unlock(net, net.frag_lock)
        net.snmp[cpu][Mib.Ip_ReasmFails] += 1
        kfree_skb_reason(net, cpu, skb, Stage.ip_defrag, Drop.NOT_SPECIFIED)
        return NO_SKB
    whole = ip_frag_queue(net, cpu, i, skb)
    queue = net.fragq[i]
    if queue.flags & COMPLETE:
        inet_frag_destroy(net, cpu, i, Stage.ip_defrag, Drop.FRAG_QUEUE_KILLED)       # of a reassembled one nothing is left
    spin_unlock(net, net.frag_lock)
    return whole


@path_function
def ip_frag_queue(net: Net, cpu: int, i: int, skb: sk_buff) -> int:
    """The tests, in the kernel's order.  Returns the whole datagram, or NO_SKB: the fragment is queued, or it has ended."""
    ip, queue = ip_hdr(net, skb), net.fragq[i]
    if ip_frag_too_far(net, cpu, queue):
        ip_frag_reinit(net, cpu, i)
    ihl = ip.ihl * 4
    offset = (ip.frag_off & IP_OFFSET) * 8
    end = offset + skb.len - ihl
    if ip.frag_off & IP_MF == 0:                                     # 1: a last fragment: it may not contradict what is known
        if end < queue.len or (queue.flags & LAST_IN and end != queue.len):
            return ip_frag_discard(net, cpu, i, skb)
        queue.flags |= LAST_IN
        queue.len = end
    else:                                                            # 2: others end on a multiple of 8, or are cut to one
        if end & 7:
            end -= end & 7
            if skb.ip_summed != CHECKSUM_UNNECESSARY:
                skb.ip_summed = CHECKSUM_NONE
        if end > queue.len:
            if queue.flags & LAST_IN:                                # 3: beyond the last
                return ip_frag_discard(net, cpu, i, skb)
            queue.len = end
    if end == offset:                                                # 4: empty
        return ip_frag_discard(net, cpu, i, skb)
    skb.data += ihl
    skb.len -= ihl
    if skb.len > end - offset:
        skb_trim(net, skb, end - offset)
    frag_cut_pages(net, skb)
    cb = FRAG_CB(skb)
    cb.offset, cb.end = offset, end
    if net.behaviour[Behaviour.frag_rbtree] == 0:
        put = IPFRAG_OK if trim_and_insert(net, cpu, queue, skb) else IPFRAG_DUP
        lru_del(net, i)
        lru_add_tail(net, i)
    else:
        put = inet_frag_queue_insert(net, queue, skb)
    if put == IPFRAG_DUP:                                            # 5: all of it is here already
        kfree_skb_reason(net, cpu, skb, Stage.ip_defrag, Drop.DUP_FRAG)
        return NO_SKB
    if put != IPFRAG_OK:                                             # 6: overlap: nothing of this datagram can be trusted
        net.snmp[cpu][Mib.IpExt_ReasmOverlaps] += 1
        return ip_frag_discard(net, cpu, i, skb)
    return ip_frag_queued(net, cpu, i, skb)


@path_function
def ip_frag_queued(net: Net, cpu: int, i: int, skb: sk_buff) -> int:
    """The fragment is in: account for it, and see whether it was the one that lacked."""
    ip, queue = ip_hdr(net, skb), net.fragq[i]
    queue.dev = skb.dev
    queue.stamp = skb.tstamp
    queue.meat += skb.len
    queue.ecn |= 1 << (ip.tos & 3)
    queue.mem += skb.truesize
    net.frag_mem += skb.truesize
    frag_mem_recorded(net, cpu)
    if FRAG_CB(skb).offset == 0:
        queue.flags |= FIRST_IN
    size = skb.len + ip.ihl * 4
    queue.max_size = max(queue.max_size, size)
    if ip.frag_off & IP_DF:
        queue.max_df_size = max(queue.max_df_size, size)
    if queue.flags & (FIRST_IN | LAST_IN) == FIRST_IN | LAST_IN and queue.meat == queue.len:
        return ip_frag_reasm(net, cpu, i, skb)
    return NO_SKB


@cold
@path_function
def ip_frag_discard(net: Net, cpu: int, i: int, skb: sk_buff) -> int:
    """The newcomer ends, and its queue with it."""
    inet_frag_kill(net, i)
    net.snmp[cpu][Mib.Ip_ReasmFails] += 1
    kfree_skb_reason(net, cpu, skb, Stage.ip_defrag, Drop.NOT_SPECIFIED)
    return NO_SKB


@path_function
def ip_frag_too_far(net: Net, cpu: int, queue: ipq_t) -> bool:
    """ipfrag_max_dist: has its source sent so much since that the 16-bit id may have come round?"""
    most = net.sysctl[Sysctl.ipfrag_max_dist]
    if queue.peer < 0 or most == 0:
        return False
    peer = net.peer[queue.peer]
    before = queue.rid
    peer.rid += 1
    queue.rid = peer.rid
    if queue.tail >= 0 and queue.rid - before > most:
        net.snmp[cpu][Mib.Ip_ReasmFails] += 1
        return True
    return False


@path_function
def ip_frag_reinit(net: Net, cpu: int, i: int) -> None:
    """The queue starts anew with the newcomer, its timer too."""
    queue = net.fragq[i]
    inet_frag_start_timer(net, cpu, i)
    inet_frag_rbtree_purge(net, cpu, queue, Stage.ip_defrag, Drop.FRAG_TOO_FAR)
    queue.flags, queue.len, queue.meat, queue.ecn = 0, 0, 0, 0


@path_function
def ip_frag_reasm(net: Net, cpu: int, i: int, skb: sk_buff) -> int:
    """Everything is here.  Returns the datagram, or NO_SKB: it may not be, and goes with its queue, without a drop event."""
    inet_frag_kill(net, i)
    queue = net.fragq[i]
    first, ecn = net.skb[queue.head], queue.ecn
    ip = ip_hdr(net, first)
    ihl = ip.ihl * 4
    if (ecn & NOT_ECT and ecn != NOT_ECT) or ihl + queue.len > IP_MAX:
        net.snmp[cpu][Mib.Ip_ReasmFails] += 1
        return NO_SKB
    if ecn & CE:                                                     # congestion that one fragment met, the datagram met
        ip.tos |= 3
    df = IP_DF if queue.max_df_size == queue.max_size else 0
    whole = inet_frag_reasm_finish(net, queue, skb, ihl)
    ip.tot_len, ip.frag_off = whole.len, df
    ip_send_check(net, first)
    net.snmp[cpu][Mib.Ip_ReasmOKs] += 1
    return whole.idx


# ---------------------------------------------------------------- time-outs
@timer_function(Timer.ip_expire)
@path_function
def ip_expire(net: Net, cpu: int, i: int) -> int:
    """The rest did not come in time.  The sender is told if the first fragment is here: it has the ports."""
    queue = net.fragq[i]
    head = NO_SKB
    spin_lock(net, cpu, net.frag_lock)
    if queue.tail >= 0:
        at(net, cpu, net.skb[queue.tail], Stage.ip_expire)
    inet_frag_kill(net, i)
    net.snmp[cpu][Mib.Ip_ReasmFails] += 1
    net.snmp[cpu][Mib.Ip_ReasmTimeout] += 1
    if queue.flags & FIRST_IN:
        head = frag_pull_head(net, queue)
    inet_frag_destroy(net, cpu, i, Stage.ip_expire, Drop.FRAG_REASM_TIMEOUT)
    spin_unlock(net, net.frag_lock)
    if head < 0:
        return NET_RX_DROP
    skb = net.skb[head]
    skb.len += skb.data - skb.network_header                         # its IP header again
    skb.data = skb.network_header
    return icmp_send_and_drop(net, cpu, skb, ICMP.TIME_EXCEEDED, ICMP_EXC_FRAGTIME, Stage.ip_expire, Drop.FRAG_REASM_TIMEOUT)
