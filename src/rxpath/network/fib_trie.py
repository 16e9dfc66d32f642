"""net/ipv4/fib_trie.c: the longest prefix, by a hash for each length in use.  Called by route.py; written by setup.py.

As in a kernel without policy rules, the tables local and main are one: the longest prefix wins, and of two routes to one prefix that of
the table local, then that of the lower metric."""
from .._compile import path_function
from ..abi.net import FIB_HASH, Net
from ..abi.numbers import EACCES, EHOSTUNREACH, EINVAL, NO_ROUTE, RTN


@path_function
def fib_hashfn(lo: int, plen: int) -> int:
    return (lo * 0x9E3779B1 + plen * 0x85EBCA6B >> 16) & FIB_HASH - 1


@path_function
def inet_make_mask(plen: int) -> int:
    return 0xFFFFFFFF << 32 - plen & 0xFFFFFFFF


@path_function
def fib_find_node(net: Net, key: int, plen: int) -> int:
    """The best route to exactly that prefix: the first in its chain."""
    i = net.fib_hash[fib_hashfn(key, plen)]
    while i >= 0:
        fa = net.fib[i]
        if fa.key_lo == key and fa.plen == plen:
            return i
        i = fa.next
    return NO_ROUTE


@path_function
def fib_table_lookup(net: Net, daddr: int) -> int:
    """The longest prefix that has a route."""
    k = 0
    while net.fib_plens[k] >= 0:
        plen = net.fib_plens[k]
        i = fib_find_node(net, daddr & inet_make_mask(plen), plen)
        if i >= 0:
            return i
        k += 1
    return NO_ROUTE


@path_function
def fib_error(kind: int) -> int:
    """fib_props[].error: routes that refuse."""
    if kind == RTN.BLACKHOLE:
        return EINVAL
    if kind == RTN.UNREACHABLE:
        return EHOSTUNREACH
    if kind == RTN.PROHIBIT:
        return EACCES
    return 0


@path_function
def inet_lookup_ifaddr(net: Net, addr: int) -> bool:
    """inet_lookup_ifaddr_rcu(): is it an address of ours?"""
    i = fib_find_node(net, addr, 32)
    if i < 0:
        return False
    fa = net.fib[i]
    return fa.type == RTN.LOCAL


# ---------------------------------------------------------------- written by the control plane
@path_function
def fib_before(net: Net, i: int, j: int) -> bool:
    """Does route i go before route j to the same prefix?"""
    a, b = net.fib[i], net.fib[j]
    if a.table != b.table:
        return a.table > b.table
    return a.metric <= b.metric


@path_function
def fib_link(net: Net, i: int) -> None:
    """Into its chain, before what it beats."""
    fa = net.fib[i]
    h = fib_hashfn(fa.key_lo, fa.plen)
    before, j = -1, net.fib_hash[h]
    while j >= 0:
        other = net.fib[j]
        if other.key_lo == fa.key_lo and other.plen == fa.plen and fib_before(net, i, j):
            break
        before = j
        j = other.next
    fa.next = j
    if before < 0:
        net.fib_hash[h] = i
    else:
        previous = net.fib[before]
        previous.next = i


@path_function
def fib_unlink(net: Net, i: int) -> None:
    fa = net.fib[i]
    h = fib_hashfn(fa.key_lo, fa.plen)
    j = net.fib_hash[h]
    if j == i:
        net.fib_hash[h] = fa.next
        return
    while j >= 0:
        other = net.fib[j]
        if other.next == i:
            other.next = fa.next
            return
        j = other.next


@path_function
def fib_plen_add(net: Net, plen: int) -> None:
    """Lengths stand in descending order; -1 ends them."""
    k = 0
    while net.fib_plens[k] > plen:
        k += 1
    if net.fib_plens[k] == plen:
        return
    carry = plen
    while carry >= 0:
        following = net.fib_plens[k]
        net.fib_plens[k] = carry
        carry = following
        k += 1
