"""The out-of-order queue's tree: ordered, red and black, and a list, whatever is put in and taken out."""
import random

from rxpath.abi.numbers import NO_SKB
from rxpath.abi.skbuff import TCP_SKB_CB
from rxpath.transport.tcp_tree import ooo_erase, ooo_first, ooo_insert_by_seq, ooo_last_of, ooo_replace


def checked(net, i, parent):
    """The black height below node i."""
    if i < 0:
        return 1
    cb = TCP_SKB_CB(net.skb[i])
    assert cb.parent_color >> 1 == parent
    red = cb.parent_color & 1 == 0
    for child in (cb.left, cb.right):
        assert not (red and child >= 0 and TCP_SKB_CB(net.skb[child]).parent_color & 1 == 0), "two reds"
    left, right = checked(net, cb.left, i), checked(net, cb.right, i)
    assert left == right
    return left + (not red)


def test_it_is_a_red_black_tree_and_a_list(lab):
    host = lab()
    net, tp, rng, inside = host.net, host.net.tcp[5], random.Random(7), {}
    tp.ooo_root = NO_SKB
    for n in range(1200 if host.boot.plain else 300):
        if inside and rng.random() < 0.45:
            seq = rng.choice(list(inside))
            ooo_erase(net, tp, inside.pop(seq))
        elif inside and rng.random() < 0.1:
            seq = rng.choice(list(inside))
            new = net.skb[2000 + n]
            new.idx = 2000 + n
            TCP_SKB_CB(new).seq = seq
            ooo_replace(net, tp, inside[seq], new)
            inside[seq] = new.idx
        else:
            seq = 0xFFFFFF00 + rng.randrange(4000) & 0xFFFFFFFF          # it wraps
            if seq in inside:
                continue
            skb = net.skb[100 + n]
            skb.idx = 100 + n
            TCP_SKB_CB(skb).seq = seq
            ooo_insert_by_seq(net, tp, skb)
            inside[seq] = skb.idx
        checked(net, tp.ooo_root, NO_SKB)
        i, order = ooo_first(net, tp), []
        while i >= 0:
            order.append((TCP_SKB_CB(net.skb[i]).seq - 0xFFFFFF00) & 0xFFFFFFFF)
            last, i = i, net.skb[i].next
        assert order == sorted((s - 0xFFFFFF00) & 0xFFFFFFFF for s in inside)
        assert not inside or last == ooo_last_of(net, tp)
