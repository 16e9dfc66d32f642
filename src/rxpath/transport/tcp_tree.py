"""The out-of-order queue of a connection: segments by their sequence, any of them found in the logarithm of their number.

The kernel's is a red-black tree (lib/rbtree.c).  Here it is a treap: each node has a priority that follows from its sequence, and stands
above those with smaller ones, which keeps the tree as flat.  Its shape is another than the kernel's: where out-of-order segments overlap
each other, the duplicate that is told may be another one of them.

Nodes are also a list, from the first to the last: skb.next and cb.prev."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NO_SKB
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.tcp import tcp_sock
from .tcp_seq import before


@path_function
def priority(net: Net, i: int) -> int:
    """From the sequence alone: which skb a segment lies in is no matter of its connection."""
    cb = TCP_SKB_CB(net.skb[i])
    h = cb.seq * 0x9E3779B1 & 0xFFFFFFFF
    return (h ^ h >> 15) * 0x85EBCA6B & 0xFFFFFFFF


@path_function
def ooo_next(net: Net, i: int) -> int:
    skb = net.skb[i]
    return skb.next


@path_function
def ooo_prev(net: Net, i: int) -> int:
    cb = TCP_SKB_CB(net.skb[i])
    return cb.prev


@path_function
def ooo_first(net: Net, tp: tcp_sock) -> int:
    """NO_SKB: the queue is empty."""
    i = tp.ooo_root
    if i < 0:
        return NO_SKB
    cb = TCP_SKB_CB(net.skb[i])
    while cb.left >= 0:
        i = cb.left
        cb = TCP_SKB_CB(net.skb[i])
    return i


@path_function
def ooo_last_of(net: Net, tp: tcp_sock) -> int:
    """NO_SKB: the queue is empty."""
    i = tp.ooo_root
    if i < 0:
        return NO_SKB
    cb = TCP_SKB_CB(net.skb[i])
    while cb.right >= 0:
        i = cb.right
        cb = TCP_SKB_CB(net.skb[i])
    return i


@path_function
def set_child(net: Net, tp: tcp_sock, parent: int, old: int, new: int) -> None:
    """Where `old` hung, `new` does."""
    if parent < 0:
        tp.ooo_root = new
    else:
        cb = TCP_SKB_CB(net.skb[parent])
        if cb.left == old:
            cb.left = new
        else:
            cb.right = new
    if new >= 0:
        ncb = TCP_SKB_CB(net.skb[new])
        ncb.parent = parent


@path_function
def rotate_up(net: Net, tp: tcp_sock, i: int) -> None:
    """Node i changes places with its parent."""
    cb = TCP_SKB_CB(net.skb[i])
    p = cb.parent
    pcb = TCP_SKB_CB(net.skb[p])
    above = pcb.parent
    if pcb.left == i:
        moved = cb.right
        pcb.left = moved
        cb.right = p
    else:
        moved = cb.left
        pcb.right = moved
        cb.left = p
    if moved >= 0:
        mcb = TCP_SKB_CB(net.skb[moved])
        mcb.parent = p
    pcb.parent = i
    cb.parent = above
    if above < 0:
        tp.ooo_root = i
    else:
        acb = TCP_SKB_CB(net.skb[above])
        if acb.left == p:
            acb.left = i
        else:
            acb.right = i


@path_function
def ooo_insert(net: Net, tp: tcp_sock, skb: sk_buff, parent: int, right: bool) -> None:
    """As the left or right child of `parent`, where there is none yet; NO_SKB: it is the only one."""
    i, cb = skb.idx, TCP_SKB_CB(skb)
    cb.left, cb.right, cb.parent = NO_SKB, NO_SKB, parent
    if parent < 0:
        tp.ooo_root = i
        cb.prev, skb.next = NO_SKB, NO_SKB
        return
    up = net.skb[parent]
    pcb = TCP_SKB_CB(up)
    if right:
        pcb.right = i
        before, behind = parent, up.next
    else:
        pcb.left = i
        before, behind = pcb.prev, parent
    cb.prev, skb.next = before, behind
    if before >= 0:
        b = net.skb[before]
        b.next = i
    if behind >= 0:
        acb = TCP_SKB_CB(net.skb[behind])
        acb.prev = i
    while cb.parent >= 0 and priority(net, i) > priority(net, cb.parent):
        rotate_up(net, tp, i)


@path_function
def ooo_insert_by_seq(net: Net, tp: tcp_sock, skb: sk_buff) -> None:
    """tcp_rbtree_insert(): where its sequence says."""
    cb, parent, right, i = TCP_SKB_CB(skb), NO_SKB, False, tp.ooo_root
    while i >= 0:
        parent = i
        other = TCP_SKB_CB(net.skb[i])
        right = not before(cb.seq, other.seq)
        i = other.right if right else other.left
    ooo_insert(net, tp, skb, parent, right)


@path_function
def ooo_erase(net: Net, tp: tcp_sock, i: int) -> None:
    """Out of the tree and the list.  tp.ooo_last is the caller's."""
    skb = net.skb[i]
    cb = TCP_SKB_CB(skb)
    while cb.left >= 0 and cb.right >= 0:
        rotate_up(net, tp, cb.left if priority(net, cb.left) > priority(net, cb.right) else cb.right)
    set_child(net, tp, cb.parent, i, cb.left if cb.left >= 0 else cb.right)
    if cb.prev >= 0:
        before = net.skb[cb.prev]
        before.next = skb.next
    if skb.next >= 0:
        acb = TCP_SKB_CB(net.skb[skb.next])
        acb.prev = cb.prev
    skb.next = NO_SKB


@path_function
def ooo_replace(net: Net, tp: tcp_sock, old: int, skb: sk_buff) -> None:
    """rb_replace_node(): skb, which begins at the same byte, takes the place of `old`."""
    was = net.skb[old]
    ocb, cb, new = TCP_SKB_CB(was), TCP_SKB_CB(skb), skb.idx
    cb.left, cb.right, cb.prev, skb.next = ocb.left, ocb.right, ocb.prev, was.next
    set_child(net, tp, ocb.parent, old, new)
    if cb.left >= 0:
        lcb = TCP_SKB_CB(net.skb[cb.left])
        lcb.parent = new
    if cb.right >= 0:
        rcb = TCP_SKB_CB(net.skb[cb.right])
        rcb.parent = new
    if cb.prev >= 0:
        before = net.skb[cb.prev]
        before.next = new
    if skb.next >= 0:
        acb = TCP_SKB_CB(net.skb[skb.next])
        acb.prev = new
    was.next = NO_SKB
