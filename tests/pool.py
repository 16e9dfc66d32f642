"""The free packets of a host's first pool, for tests that let them run out."""
from collections.abc import Sequence

from rxpath.abi.net import Net
from rxpath.abi.numbers import NO_SKB
from rxpath.skb import alloc_skb


def free_skbs(net: Net) -> list[int]:
    """In the order in which they will be taken."""
    pool = net.pool[0]
    found, i = [], pool.free
    while i >= 0:
        found.append(i)
        i = net.skb[i].next
    return found + list(range(pool.untaken, pool.end))


def only_free(net: Net, skbs: Sequence[int]) -> None:
    """These and no others, in this order."""
    pool = net.pool[0]
    while pool.untaken < pool.end:                  # each has its number and its buffer from here on
        pool.free = NO_SKB
        alloc_skb(net, 0)
    pool.free = NO_SKB
    for i in reversed(skbs):
        net.skb[i].next, pool.free = pool.free, i
