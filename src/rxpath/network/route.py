"""Routing: net/ipv4/route.c and fib_trie.c.  Called by ip_rcv_finish_core; the kind of route decides dst.input."""
from .._compile import be32, mem_at, path_function
from ..abi.net import FIB_HASH, Net
from ..abi.numbers import NO_ROUTE
from ..abi.skbuff import sk_buff
from ..path import Stage
from ..turn import at


@path_function
def fib_hashfn(lo: int, plen: int) -> int:
    return (lo * 0x9E3779B1 + plen * 0x85EBCA6B >> 16) & FIB_HASH - 1


@path_function
def fib_table_lookup(net: Net, daddr: int) -> int:
    """The longest prefix that has a route: a hash for each length in use."""
    k = 0
    while net.fib_plens[k] >= 0:
        plen = net.fib_plens[k]
        key = daddr & (0xFFFFFFFF << 32 - plen & 0xFFFFFFFF)
        i = net.fib_hash[fib_hashfn(key, plen)]
        while i >= 0:
            fa = net.fib[i]
            if fa.key_lo == key and fa.plen == plen:
                return i
            i = fa.next
        k += 1
    return NO_ROUTE


@path_function
def ip_route_input_noref(net: Net, cpu: int, skb: sk_buff) -> int:
    """Set skb.dst; returns 0 or the drop reason."""
    at(net, cpu, skb, Stage.ip_route_input_noref)
    mem = mem_at(net.mem_addr)
    daddr = be32(mem, skb.network_header + 16)
    at(net, cpu, skb, Stage.fib_table_lookup)
    skb.dst = fib_table_lookup(net, daddr)
    if skb.dst >= 0:
        fa = net.fib[skb.dst]
        skb.dst_type = fa.type
    else:
        skb.dst_type = 0
    return 0
