"""The out-of-order queue of a connection: segments by their sequence, as a red-black tree (lib/rbtree.c, Cormen et al. 13).

The shape is the kernel's: which of several overlapping segments a newcomer meets first decides what the next ACK calls a duplicate.  A
node's colour is the low bit of cb.parent_color.  Nodes are also a list, from the first to the last: skb.next and cb.prev."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NO_SKB
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.tcp import tcp_sock
from .tcp_seq import before

RB_RED, RB_BLACK = 0, 1


# ---------------------------------------------------------------- a node
@path_function
def rb_parent(net: Net, i: int) -> int:
    cb = TCP_SKB_CB(net.skb[i])
    return cb.parent_color >> 1


@path_function
def rb_is_black(net: Net, i: int) -> bool:
    """No node is black."""
    if i < 0:
        return True
    cb = TCP_SKB_CB(net.skb[i])
    return cb.parent_color & 1 == RB_BLACK


@path_function
def rb_left(net: Net, i: int) -> int:
    cb = TCP_SKB_CB(net.skb[i])
    return cb.left


@path_function
def rb_right(net: Net, i: int) -> int:
    cb = TCP_SKB_CB(net.skb[i])
    return cb.right


@path_function
def rb_child(net: Net, i: int, right: bool) -> int:
    return rb_right(net, i) if right else rb_left(net, i)


@path_function
def rb_set_child(net: Net, i: int, right: bool, child: int) -> None:
    cb = TCP_SKB_CB(net.skb[i])
    if right:
        cb.right = child
    else:
        cb.left = child


@path_function
def rb_set_parent_color(net: Net, i: int, parent: int, color: int) -> None:
    cb = TCP_SKB_CB(net.skb[i])
    cb.parent_color = parent << 1 | color


@path_function
def rb_set_parent(net: Net, i: int, parent: int) -> None:
    cb = TCP_SKB_CB(net.skb[i])
    cb.parent_color = parent << 1 | cb.parent_color & 1


@path_function
def rb_set_color(net: Net, i: int, color: int) -> None:
    cb = TCP_SKB_CB(net.skb[i])
    cb.parent_color = cb.parent_color & -2 | color


@path_function
def rb_change_child(net: Net, tp: tcp_sock, old: int, new: int, parent: int) -> None:
    """Where `old` hung, `new` does; its own parent is the caller's."""
    if parent < 0:
        tp.ooo_root = new
    elif rb_left(net, parent) == old:
        rb_set_child(net, parent, False, new)
    else:
        rb_set_child(net, parent, True, new)


@path_function
def rb_rotate_set_parents(net: Net, tp: tcp_sock, old: int, new: int, color: int) -> None:
    """`new` takes the place and colour of `old`, which becomes its child."""
    parent = rb_parent(net, old)
    ocb, ncb = TCP_SKB_CB(net.skb[old]), TCP_SKB_CB(net.skb[new])
    ncb.parent_color = ocb.parent_color
    rb_set_parent_color(net, old, new, color)
    rb_change_child(net, tp, old, new, parent)


# ---------------------------------------------------------------- colours
@path_function
def rb_insert_color(net: Net, tp: tcp_sock, node: int) -> None:
    """__rb_insert(): `node` is red, and its parent may be.  right: the side on which the parent hangs; the other is its mirror."""
    parent = rb_parent(net, node)
    while True:
        if parent < 0:
            rb_set_parent_color(net, node, NO_SKB, RB_BLACK)
            return
        if rb_is_black(net, parent):
            return
        gparent = rb_parent(net, parent)
        right = rb_right(net, gparent) == parent
        uncle = rb_child(net, gparent, not right)
        if not rb_is_black(net, uncle):                                      # 1: colours flip, and go on above
            rb_set_parent_color(net, uncle, gparent, RB_BLACK)
            rb_set_parent_color(net, parent, gparent, RB_BLACK)
            node, parent = gparent, rb_parent(net, gparent)
            rb_set_parent_color(net, node, parent, RB_RED)
            continue
        if rb_child(net, parent, not right) == node:                         # 2: rotate at the parent
            inner = rb_child(net, node, right)
            rb_set_child(net, parent, not right, inner)
            rb_set_child(net, node, right, parent)
            if inner >= 0:
                rb_set_parent_color(net, inner, parent, RB_BLACK)
            rb_set_parent_color(net, parent, node, RB_RED)
            parent = node
        inner = rb_child(net, parent, not right)                             # 3: rotate at the grandparent
        rb_set_child(net, gparent, right, inner)
        rb_set_child(net, parent, not right, gparent)
        if inner >= 0:
            rb_set_parent_color(net, inner, gparent, RB_BLACK)
        rb_rotate_set_parents(net, tp, gparent, parent, RB_RED)
        return


@path_function
def rb_erase_color(net: Net, tp: tcp_sock, parent: int) -> None:
    """____rb_erase_color(): the paths through the missing child of `parent` are a black node short.  right: the missing side."""
    node = NO_SKB
    while True:
        right = rb_right(net, parent) == node
        sibling = rb_child(net, parent, not right)
        if not rb_is_black(net, sibling):                                    # 1: rotate, so that the sibling is black
            inner = rb_child(net, sibling, right)
            rb_set_child(net, parent, not right, inner)
            rb_set_child(net, sibling, right, parent)
            rb_set_parent_color(net, inner, parent, RB_BLACK)
            rb_rotate_set_parents(net, tp, parent, sibling, RB_RED)
            sibling = inner
        outer, inner = rb_child(net, sibling, not right), rb_child(net, sibling, right)
        if rb_is_black(net, outer):
            if rb_is_black(net, inner):                                      # 2: the sibling turns red
                rb_set_parent_color(net, sibling, parent, RB_RED)
                if not rb_is_black(net, parent):
                    rb_set_color(net, parent, RB_BLACK)
                    return
                node, parent = parent, rb_parent(net, parent)
                if parent < 0:
                    return
                continue
            moved = rb_child(net, inner, not right)                          # 3: rotate at the sibling
            rb_set_child(net, sibling, right, moved)
            rb_set_child(net, inner, not right, sibling)
            rb_set_child(net, parent, not right, inner)
            if moved >= 0:
                rb_set_parent_color(net, moved, sibling, RB_BLACK)
            outer, sibling = sibling, inner
        moved = rb_child(net, sibling, right)                                # 4: rotate at the parent
        rb_set_child(net, parent, not right, moved)
        rb_set_child(net, sibling, right, parent)
        rb_set_parent_color(net, outer, sibling, RB_BLACK)
        if moved >= 0:
            rb_set_parent(net, moved, parent)
        rb_rotate_set_parents(net, tp, parent, sibling, RB_BLACK)
        return


@path_function
def rb_erase(net: Net, tp: tcp_sock, node: int) -> int:
    """Out of the tree; the node whose paths are a black one short by that, NO_SKB."""
    cb = TCP_SKB_CB(net.skb[node])
    left, child, pc = cb.left, cb.right, cb.parent_color
    parent = pc >> 1
    if left < 0 or child < 0:
        only = child if left < 0 else left
        rb_change_child(net, tp, node, only, parent)
        if only >= 0:
            ocb = TCP_SKB_CB(net.skb[only])
            ocb.parent_color = pc
            return NO_SKB
        return parent if pc & 1 == RB_BLACK else NO_SKB
    successor, up = child, child
    behind = rb_left(net, child)
    if behind < 0:
        below = rb_right(net, successor)
    else:
        while behind >= 0:
            up, successor = successor, behind
            behind = rb_left(net, behind)
        below = rb_right(net, successor)
        rb_set_child(net, up, False, below)
        rb_set_child(net, successor, True, child)
        rb_set_parent(net, child, successor)
    rb_set_child(net, successor, False, left)
    rb_set_parent(net, left, successor)
    rb_change_child(net, tp, node, successor, parent)
    short = NO_SKB
    if below >= 0:
        rb_set_parent_color(net, below, up, RB_BLACK)
    elif rb_is_black(net, successor):
        short = up
    scb = TCP_SKB_CB(net.skb[successor])
    scb.parent_color = pc
    return short


# ---------------------------------------------------------------- the queue
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
def ooo_insert(net: Net, tp: tcp_sock, skb: sk_buff, parent: int, right: bool) -> None:
    """As the left or right child of `parent`, where there is none yet; NO_SKB: it is the only one."""
    i, cb = skb.idx, TCP_SKB_CB(skb)
    cb.left, cb.right, cb.parent_color = NO_SKB, NO_SKB, parent << 1 | RB_RED
    cb.prev, skb.next = NO_SKB, NO_SKB
    if parent < 0:
        tp.ooo_root = i
    else:
        up = net.skb[parent]
        pcb = TCP_SKB_CB(up)
        if right:
            pcb.right = i
            cb.prev, skb.next = parent, up.next
        else:
            pcb.left = i
            cb.prev, skb.next = pcb.prev, parent
        ooo_link(net, skb)
    rb_insert_color(net, tp, i)


@path_function
def ooo_link(net: Net, skb: sk_buff) -> None:
    """Its neighbours in the list know it."""
    cb = TCP_SKB_CB(skb)
    if cb.prev >= 0:
        left = net.skb[cb.prev]
        left.next = skb.idx
    if skb.next >= 0:
        rcb = TCP_SKB_CB(net.skb[skb.next])
        rcb.prev = skb.idx


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
    short = rb_erase(net, tp, i)
    if short >= 0:
        rb_erase_color(net, tp, short)
    if cb.prev >= 0:
        left = net.skb[cb.prev]
        left.next = skb.next
    if skb.next >= 0:
        rcb = TCP_SKB_CB(net.skb[skb.next])
        rcb.prev = cb.prev
    skb.next = NO_SKB


@path_function
def ooo_replace(net: Net, tp: tcp_sock, old: int, skb: sk_buff) -> None:
    """rb_replace_node(): skb, which begins at the same byte, takes the place of `old`."""
    was = net.skb[old]
    ocb, cb, new = TCP_SKB_CB(was), TCP_SKB_CB(skb), skb.idx
    cb.left, cb.right, cb.parent_color, cb.prev, skb.next = ocb.left, ocb.right, ocb.parent_color, ocb.prev, was.next
    rb_change_child(net, tp, old, new, ocb.parent_color >> 1)
    if cb.left >= 0:
        rb_set_parent(net, cb.left, new)
    if cb.right >= 0:
        rb_set_parent(net, cb.right, new)
    ooo_link(net, skb)
    was.next = NO_SKB
