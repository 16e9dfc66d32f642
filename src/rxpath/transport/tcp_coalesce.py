"""Two skbs become one: net/core/skbuff.c (skb_try_coalesce), net/ipv4/tcp_input.c (tcp_try_coalesce, tcp_ooo_try_coalesce).

Which of them the kernel can join depends on where their bytes lie: behind the linear bytes of the first, if there is tailroom, else as
page fragments, up to MAX_SKB_FRAGS.  Here the second hangs on the first's frag_list, with its bytes where they are: each frame
keeps its own end in the books.  What the socket is charged is what the kernel's skb would weigh."""
from .._compile import path_function
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import MAX_SKB_FRAGS, NO_SKB, TRUESIZE_OVERHEAD
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..path import Stage
from ..skb import npages, skb_add_part, skb_head_room
from ..spent import tstamp_joined
from ..turn import at


@path_function
def skb_nr_frags(net: Net, skb: sk_buff) -> int:
    """skb_shinfo(skb)->nr_frags: pages, and what GRO or coalescing has hung on it."""
    return npages(net, skb) + (skb.gro_nr_frags if skb.frag_list >= 0 else 0)


@path_function
def skb_headlen(skb: sk_buff) -> int:
    """Linear bytes from data on."""
    return skb.len - skb.data_len


@path_function
def skb_head_truesize(net: Net, skb: sk_buff) -> int:
    """SKB_TRUESIZE(skb_end_offset(skb)): what the head weighs of skb.truesize."""
    return net.small_head + TRUESIZE_OVERHEAD


@path_function
def skb_tailroom(net: Net, skb: sk_buff) -> int:
    """Free bytes behind the linear ones; 0 of what is not linear."""
    return 0 if skb.data_len else skb_head_room(net, skb, skb.truesize)


@path_function
def tcp_note_tailroom(net: Net, skb: sk_buff) -> None:
    """It goes into a queue.  What others have left that joined it behind a hole or on the backlog stands in cb.tailroom already."""
    cb = TCP_SKB_CB(skb)
    if skb.frag_list < 0:
        cb.tailroom = skb_tailroom(net, skb)


@path_function
def skb_head_is_frag(net: Net, skb: sk_buff) -> bool:
    """head_frag: the head is a page fragment of the card's, which another skb can take over; kmalloc's cannot be."""
    dev = net.dev[skb.dev]
    return dev.truesize_rule == 0


@path_function
def skb_try_coalesce(net: Net, to: sk_buff, skb: sk_buff) -> int:
    """Append skb to `to`, both with data at their payload.  The truesize by which `to` grows (0: the bytes fit behind it), or -1: no."""
    cb = TCP_SKB_CB(to)
    if skb.len <= cb.tailroom:
        cb.tailroom -= skb.len
        skb_append(net, to, skb)
        return 0
    frags = skb_nr_frags(net, to) + skb_nr_frags(net, skb)
    if skb_headlen(skb) != 0:
        if frags >= MAX_SKB_FRAGS or not skb_head_is_frag(net, skb):
            return -1
        delta = skb.truesize - TRUESIZE_OVERHEAD
        frags += 1
    else:
        if frags > MAX_SKB_FRAGS:
            return -1
        delta = skb.truesize - skb_head_truesize(net, skb)
    if delta < skb.len:
        return -1
    pages = frags - npages(net, to)
    skb_append(net, to, skb)
    to.gro_nr_frags = pages
    cb.tailroom = 0
    return delta


@path_function
def skb_append(net: Net, to: sk_buff, skb: sk_buff) -> None:
    """skb, and what hangs on it, to the end of `to`'s frag_list."""
    n, frags = skb.len, to.gro_nr_frags if to.frag_list >= 0 else 0
    parts, last = skb.frag_list, skb.frag_tail
    i = parts
    while i >= 0:                                    # each part answers for its own bytes
        part = net.skb[i]
        skb.len -= part.len
        skb.data_len -= part.len
        i = part.next
    skb.frag_list = NO_SKB
    skb_add_part(net, to, skb)
    to.gro_nr_frags = frags
    if parts >= 0:
        skb.next = parts
        to.frag_tail = last
    to.len += n
    to.data_len += n


@path_function
def tcp_try_coalesce(net: Net, cpu: int, sk: sock, to: sk_buff, skb: sk_buff) -> bool:
    """skb is what follows `to` in its queue: can they be one?  The socket is charged what that adds."""
    cb, cb2 = TCP_SKB_CB(to), TCP_SKB_CB(skb)
    if cb2.seq != cb.end_seq:
        return False
    delta = skb_try_coalesce(net, to, skb)
    if delta < 0:
        return False
    at(net, cpu, skb, Stage.tcp_try_coalesce)
    sk.rmem_alloc += delta
    sk.forward_alloc -= delta
    to.truesize += delta
    net.snmp[cpu][Mib.TcpExt_TCPRcvCoalesce] += 1
    cb.end_seq = cb2.end_seq
    cb.tcp_flags |= cb2.tcp_flags
    tstamp_joined(net, to, skb)
    return True


@path_function
def tcp_ooo_try_coalesce(net: Net, cpu: int, sk: sock, to: sk_buff, skb: sk_buff) -> bool:
    """The same of the out-of-order queue.  Should it be dropped, so many segments are counted at the socket."""
    segs = max(to.gso_segs, 1) + max(skb.gso_segs, 1)
    joined = tcp_try_coalesce(net, cpu, sk, to, skb)
    if joined:
        to.gso_segs = segs
    return joined
