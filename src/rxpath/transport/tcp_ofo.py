"""What lies behind a hole: the out-of-order queue and the SACK blocks that tell of it.  net/ipv4/tcp_input.c (tcp_data_queue_ofo,
tcp_ofo_queue, tcp_sack_new_ofo_skb, tcp_dsack_set ...).  RFC 2018, RFC 2883."""
from .._compile import cold, path_function
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import NO_SKB, TCPHDR_FIN
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..abi.spent import Place
from ..abi.tcp import tcp_sock
from ..abi.tcp_options import TCP_NUM_SACKS
from ..abi.timer import TCP_COMP_HRTIMER
from ..path import Stage
from ..skb import kfree_skb_reason
from ..spent import spent_in
from ..timer import hrtimer_cancel
from ..turn import at
from ..user.wait import sock_def_readable
from .inet_connection_sock import inet_csk_schedule_ack
from .tcp_charge import skb_set_owner_r, tcp_rfree
from .tcp_coalesce import tcp_ooo_try_coalesce
from .tcp_drop import tcp_drop
from .tcp_memory import tcp_try_rmem_schedule
from .tcp_output import tcp_send_ack
from .tcp_rcvbuf import tcp_grow_window, tcp_measure_rcv_mss
from .tcp_seq import after, before
from .tcp_tree import ooo_erase, ooo_first, ooo_insert, ooo_next, ooo_replace

TCP_SACK_BLOCKS_EXPECTED = 2


# ---------------------------------------------------------------- duplicates
@path_function
def tcp_dsack_set(net: Net, cpu: int, tp: tcp_sock, seq: int, end_seq: int) -> None:
    """The next ACK tells that these came twice."""
    if tp.sack_ok == 0 or net.sysctl[Sysctl.tcp_dsack] == 0:
        return
    if before(seq, tp.rcv_nxt):
        net.snmp[cpu][Mib.TcpExt_TCPDSACKOldSent] += 1
    else:
        net.snmp[cpu][Mib.TcpExt_TCPDSACKOfoSent] += 1
    tp.dsack, tp.dup_start, tp.dup_end = 1, seq, end_seq


@path_function
def tcp_dsack_extend(net: Net, cpu: int, tp: tcp_sock, seq: int, end_seq: int) -> None:
    """And these."""
    if tp.dsack == 0:
        tcp_dsack_set(net, cpu, tp, seq, end_seq)
    elif not after(seq, tp.dup_end) and not after(tp.dup_start, end_seq):
        if before(seq, tp.dup_start):
            tp.dup_start = seq
        if after(end_seq, tp.dup_end):
            tp.dup_end = end_seq


# ---------------------------------------------------------------- SACK blocks
@path_function
def tcp_sack_extend(tp: tcp_sock, k: int, seq: int, end_seq: int) -> bool:
    """Block k, if they touch."""
    if after(seq, tp.sel_end[k]) or after(tp.sel_start[k], end_seq):
        return False
    if before(seq, tp.sel_start[k]):
        tp.sel_start[k] = seq
    if after(end_seq, tp.sel_end[k]):
        tp.sel_end[k] = end_seq
    return True


@path_function
def sack_zap(tp: tcp_sock, k: int) -> None:
    """Block k is no more."""
    tp.num_sacks -= 1
    for i in range(k, tp.num_sacks):
        tp.sel_start[i] = tp.sel_start[i + 1]
        tp.sel_end[i] = tp.sel_end[i + 1]


@path_function
def tcp_sack_new_ofo_skb(net: Net, cpu: int, sk: sock, tp: tcp_sock, seq: int, end_seq: int) -> None:
    """The block of the newest segment comes first."""
    k = 0
    while k < tp.num_sacks:
        if tcp_sack_extend(tp, k, seq, end_seq):
            break
        k += 1
    if k >= TCP_SACK_BLOCKS_EXPECTED:
        tcp_sack_compress_send_ack(net, cpu, sk, tp)
    extended = k < tp.num_sacks
    if extended:
        seq, end_seq = tp.sel_start[k], tp.sel_end[k]
    else:
        if k >= TCP_NUM_SACKS:                               # the oldest is forgotten
            k -= 1
            tp.num_sacks -= 1
        tp.num_sacks += 1
    while k > 0:
        tp.sel_start[k] = tp.sel_start[k - 1]
        tp.sel_end[k] = tp.sel_end[k - 1]
        k -= 1
    tp.sel_start[0], tp.sel_end[0] = seq, end_seq
    if extended:
        k = 1
        while k < tp.num_sacks:                      # tcp_sack_maybe_coalesce()
            if tcp_sack_extend(tp, 0, tp.sel_start[k], tp.sel_end[k]):
                sack_zap(tp, k)
            else:
                k += 1


@path_function
def tcp_sack_remove(tp: tcp_sock) -> None:
    """What rcv_nxt has passed is told of no more."""
    if tp.ooo_root < 0:
        tp.num_sacks = 0
        return
    k = 0
    while k < tp.num_sacks:
        if not before(tp.rcv_nxt, tp.sel_start[k]):
            sack_zap(tp, k)
        else:
            k += 1


@path_function
def tcp_sack_compress_send_ack(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """Before blocks would be lost, what was held back goes out."""
    if tp.compressed_ack:
        hrtimer_cancel(net, TCP_COMP_HRTIMER + sk.idx)
        tp.compressed_ack -= 1                       # this one goes out
        tcp_send_ack(net, cpu, sk)


# ---------------------------------------------------------------- in
@path_function
def tcp_data_queue_ofo(net: Net, cpu: int, sk: sock, skb: sk_buff, stage: int) -> None:
    """A segment behind a hole, at its payload.  stage: where a refusal is seen."""
    at(net, cpu, skb, Stage.tcp_data_queue_ofo)
    tp, cb = net.tcp[sk.idx], TCP_SKB_CB(skb)
    if not tcp_try_rmem_schedule(net, cpu, sk, skb):
        net.snmp[cpu][Mib.TcpExt_TCPOFODrop] += 1
        sock_def_readable(net, cpu, sk, skb)
        tcp_drop(net, cpu, sk, skb, stage, Drop.PROTO_MEM)
        return
    tcp_measure_rcv_mss(net, sk, tp, skb, skb.len)
    tp.pred_flags = 0
    inet_csk_schedule_ack(tp)
    net.snmp[cpu][Mib.TcpExt_TCPOFOQueue] += 1
    seq, end_seq = cb.seq, cb.end_seq
    if net.spends:
        spent_in(net, cpu, skb, Place.SOFTIRQ)
    if tp.ooo_root < 0:
        if tp.sack_ok:
            tp.num_sacks, tp.sel_start[0], tp.sel_end[0] = 1, seq, end_seq
        ooo_insert(net, tp, skb, NO_SKB, False)
        tp.ooo_last = skb.idx
        ofo_charge(net, cpu, sk, tp, skb)
        return
    kept = ofo_place(net, cpu, sk, tp, skb)
    if tp.sack_ok:
        tcp_sack_new_ofo_skb(net, cpu, sk, tp, seq, end_seq)
    if kept:
        ofo_charge(net, cpu, sk, tp, skb)


@path_function
def ofo_charge(net: Net, cpu: int, sk: sock, tp: tcp_sock, skb: sk_buff) -> None:
    """Without SACK the window does not grow, so that its ACKs are duplicates."""
    if tp.sack_ok:
        tcp_grow_window(net, sk, tp, skb, skb.len, False)
    skb_set_owner_r(net, cpu, sk, skb)


@path_function
def ofo_place(net: Net, cpu: int, sk: sock, tp: tcp_sock, skb: sk_buff) -> bool:
    """Into the tree, over what it covers.  False: it is in another segment now, or gone."""
    cb = TCP_SKB_CB(skb)
    seq, end_seq, n = cb.seq, cb.end_seq, skb.len
    last = net.skb[tp.ooo_last]
    lcb = TCP_SKB_CB(last)
    if tcp_ooo_try_coalesce(net, cpu, sk, last, skb):
        if tp.sack_ok:
            tcp_grow_window(net, sk, tp, skb, n, True)
        return False
    if not before(seq, lcb.end_seq):
        ooo_insert(net, tp, skb, tp.ooo_last, True)
        tp.ooo_last = skb.idx
        return True
    parent, right, i = NO_SKB, False, tp.ooo_root
    while i >= 0:
        parent = i
        other = net.skb[i]
        ocb = TCP_SKB_CB(other)
        if before(seq, ocb.seq):
            right, i = False, ocb.left
            continue
        if before(seq, ocb.end_seq):
            if not after(end_seq, ocb.end_seq):      # every byte of it is here
                net.snmp[cpu][Mib.TcpExt_TCPOFOMerge] += 1
                tcp_drop(net, cpu, sk, skb, Stage.tcp_data_queue, Drop.TCP_OFOMERGE)
                tcp_dsack_set(net, cpu, tp, seq, end_seq)
                return False
            if after(seq, ocb.seq):
                tcp_dsack_set(net, cpu, tp, seq, ocb.end_seq)
            else:                                    # it begins where the other does, and covers it
                ooo_replace(net, tp, i, skb)
                ofo_covered(net, cpu, sk, tp, other)
                ofo_merge_right(net, cpu, sk, tp, skb)
                return True
        elif tcp_ooo_try_coalesce(net, cpu, sk, other, skb):
            if tp.sack_ok:
                tcp_grow_window(net, sk, tp, skb, n, True)
            return False
        right, i = True, ocb.right
    ooo_insert(net, tp, skb, parent, right)
    ofo_merge_right(net, cpu, sk, tp, skb)
    return True


@path_function
def ofo_covered(net: Net, cpu: int, sk: sock, tp: tcp_sock, other: sk_buff) -> None:
    """A segment, out of the tree by now, whose bytes have all come again."""
    cb, size = TCP_SKB_CB(other), other.truesize
    tcp_dsack_extend(net, cpu, tp, cb.seq, cb.end_seq)
    net.snmp[cpu][Mib.TcpExt_TCPOFOMerge] += 1
    tcp_drop(net, cpu, sk, other, Stage.tcp_data_queue, Drop.TCP_OFOMERGE)
    tcp_rfree(net, cpu, sk, size)


@path_function
def ofo_merge_right(net: Net, cpu: int, sk: sock, tp: tcp_sock, skb: sk_buff) -> None:
    """What the newcomer covers to its right goes."""
    cb = TCP_SKB_CB(skb)
    while skb.next >= 0:
        other = net.skb[skb.next]
        ocb = TCP_SKB_CB(other)
        if not after(cb.end_seq, ocb.seq):
            return
        if before(cb.end_seq, ocb.end_seq):
            tcp_dsack_extend(net, cpu, tp, ocb.seq, cb.end_seq)
            return
        ooo_erase(net, tp, other.idx)
        ofo_covered(net, cpu, sk, tp, other)
    tp.ooo_last = skb.idx


# ---------------------------------------------------------------- out
@path_function
def tcp_ofo_next(net: Net, cpu: int, sk: sock, tp: tcp_sock, dsack_high: int) -> int:
    """The hole before it is filled: the first segment, taken out of the queue; NO_SKB: there is none.  What is here wholly goes."""
    while True:
        i = ooo_first(net, tp)
        if i < 0:
            return NO_SKB
        skb = net.skb[i]
        cb = TCP_SKB_CB(skb)
        if after(cb.seq, tp.rcv_nxt):
            return NO_SKB
        if before(cb.seq, dsack_high):
            tcp_dsack_extend(net, cpu, tp, cb.seq, cb.end_seq if before(cb.end_seq, dsack_high) else dsack_high)
        if ooo_next(net, i) < 0:
            tp.ooo_last = NO_SKB
        ooo_erase(net, tp, i)
        if after(cb.end_seq, tp.rcv_nxt):
            return i
        size = skb.truesize
        tcp_drop(net, cpu, sk, skb, Stage.tcp_data_queue, Drop.TCP_OFO_DROP)
        tcp_rfree(net, cpu, sk, size)


@cold
@path_function
def skb_rbtree_purge(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """What lies behind a hole goes with the connection, or behind its FIN."""
    i = ooo_first(net, tp)
    while i >= 0:
        skb = net.skb[i]
        i = skb.next
        size = skb.truesize
        at(net, cpu, skb, Stage.skb_rbtree_purge)
        kfree_skb_reason(net, cpu, skb, Stage.skb_rbtree_purge, Drop.NOT_SPECIFIED)
        tcp_rfree(net, cpu, sk, size)
    tp.ooo_root, tp.ooo_last, tp.num_sacks, tp.dsack = NO_SKB, NO_SKB, 0, 0


@path_function
def carries_fin(skb: sk_buff) -> bool:
    cb = TCP_SKB_CB(skb)
    return cb.tcp_flags & TCPHDR_FIN != 0
