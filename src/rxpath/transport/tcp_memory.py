"""Receive memory of a connection: admission, and how room is made.  net/ipv4/tcp_input.c (tcp_try_rmem_schedule, tcp_prune_queue,
tcp_prune_ofo_queue).

Counted in truesize, in order and out of order alike.  A segment is admitted when the queues hold no more than rcvbuf *before* it: one
of them may stand above."""
from .._compile import cold, path_function
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..path import Stage
from ..turn import at
from .tcp_charge import tcp_adjust_rcv_ssthresh, tcp_rfree, tcp_rmem_schedule
from .tcp_collapse import tcp_collapse_ofo_queue, tcp_collapse_queue
from .tcp_drop import tcp_drop
from .tcp_rcvbuf import tcp_clamp_window
from .tcp_seq import after
from .tcp_tree import ooo_erase, ooo_prev


# ---------------------------------------------------------------- admission
@path_function
def tcp_try_rmem_schedule(net: Net, cpu: int, sk: sock, skb: sk_buff) -> bool:
    """Is there room for it, or can some be made?"""
    if sk.rmem_alloc <= sk.rcvbuf and tcp_rmem_schedule(net, cpu, sk, skb.truesize):
        return True
    return tcp_make_room(net, cpu, sk, skb)


@cold
@path_function
def tcp_make_room(net: Net, cpu: int, sk: sock, skb: sk_buff) -> bool:
    if not tcp_prune_queue(net, cpu, sk, skb):
        return False
    while not tcp_rmem_schedule(net, cpu, sk, skb.truesize):
        if not tcp_prune_ofo_queue(net, cpu, sk, skb):
            return False
    return True


@cold
@path_function
def tcp_prune_queue(net: Net, cpu: int, sk: sock, skb: sk_buff) -> bool:
    """False: it cannot be admitted."""
    at(net, cpu, skb, Stage.tcp_prune_queue)
    tp = net.tcp[sk.idx]
    net.snmp[cpu][Mib.TcpExt_PruneCalled] += 1
    if sk.rmem_alloc >= sk.rcvbuf:
        tcp_clamp_window(net, sk, tp)
    elif net.tcp_memory_pressure:
        tcp_adjust_rcv_ssthresh(tp)
    if sk.rmem_alloc <= sk.rcvbuf:
        return True
    tcp_collapse_ofo_queue(net, cpu, sk, tp)
    tcp_collapse_queue(net, cpu, sk, tp)
    if sk.rmem_alloc <= sk.rcvbuf:
        return True
    tcp_prune_ofo_queue(net, cpu, sk, skb)
    if sk.rmem_alloc <= sk.rcvbuf:
        return True
    net.snmp[cpu][Mib.TcpExt_RcvPruned] += 1
    tp.pred_flags = 0
    return False


@cold
@path_function
def tcp_prune_ofo_queue(net: Net, cpu: int, sk: sock, skb: sk_buff) -> bool:
    """Out-of-order segments go from the far end, an eighth of the buffer at a time, but none that lies before the newcomer.  SACK said
    that they were here: what it remembers is forgotten.  False: none could go."""
    tp, cb = net.tcp[sk.idx], TCP_SKB_CB(skb)
    if tp.ooo_root < 0:
        return False
    goal, pruned = sk.rcvbuf >> 3, False
    node = tp.ooo_last
    while node >= 0:
        last = net.skb[node]
        at_last = TCP_SKB_CB(last)
        if after(cb.seq, at_last.seq):               # the newcomer would be the last: it is not worth more than what is here
            break
        pruned = True
        before_it = ooo_prev(net, node)
        ooo_erase(net, tp, node)
        goal -= last.truesize
        tp.ooo_last = before_it
        size = last.truesize
        at(net, cpu, last, Stage.tcp_prune_ofo_queue)
        tcp_drop(net, cpu, sk, last, Stage.tcp_prune_ofo_queue, Drop.TCP_OFO_QUEUE_PRUNE)
        tcp_rfree(net, cpu, sk, size)
        if before_it < 0 or goal <= 0:
            if sk.rmem_alloc <= sk.rcvbuf:
                break
            goal = sk.rcvbuf >> 3
        node = before_it
    if pruned:
        net.snmp[cpu][Mib.TcpExt_OfoPruned] += 1
        tp.num_sacks, tp.dsack = 0, 0
    return pruned
