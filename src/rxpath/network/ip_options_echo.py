"""net/ipv4/ip_options.c, what answers carry: record route, time stamps and the source route backwards.  Called by icmp.py, icmp_send.py
and ip_output.py for an answer to a packet with options.

What ip_options_compile() has found is not kept: it is read from the header again, in which it has left its marks."""
from .._compile import Mem, be32, byte, mem_at, memcpy, memset, path_function, put_be32, put_byte, struct_at
from ..abi.headers import ip_hdr, iphdr
from ..abi.net import Net
from ..abi.numbers import IP_HLEN
from ..abi.skbuff import sk_buff
from .ip_options import (
    IPOPT_CIPSO,
    IPOPT_END,
    IPOPT_LSRR,
    IPOPT_NOOP,
    IPOPT_RR,
    IPOPT_SSRR,
    IPOPT_TIMESTAMP,
    IPOPT_TS_PRESPEC,
    IPOPT_TS_TSANDADDR,
    IPOPT_TS_TSONLY,
    address_is_unicast,
    inet_current_timestamp,
)

MEASURE = -1                    # ip_options_echo() writes nowhere
IPOPT_COPY = 0x80               # an option's flag: of a datagram in pieces every piece carries it


@path_function
def ip_option(mem: Mem, nh: int, kind: int, other: int, understood: int) -> int:
    """Where in the header the option of that kind stands, 0: nowhere among those that were understood; a label counts in any case."""
    ip = struct_at(iphdr, mem, nh)
    off, end = IP_HLEN, min(ip.ihl * 4, understood)
    while off < end:
        it = byte(mem, nh + off)
        if it == IPOPT_END:
            return 0
        n = 1
        if it != IPOPT_NOOP:
            n = byte(mem, nh + off + 1)
            if it == IPOPT_CIPSO and kind == IPOPT_CIPSO:
                return off
            if n < 2 or off + n > end:
                return 0
            if it == kind or it == other:
                return off
        off += n
    return 0


@path_function
def behind(to: int, length: int) -> int:
    """Where the next option goes."""
    if to == MEASURE:
        return MEASURE
    return to + length


@path_function
def ip_options_echo(net: Net, cpu: int, skb: sk_buff, understood: int, to: int, saddr: int) -> int:
    """__ip_options_echo() and ip_options_build(): the options of an answer to skb are written to `to` (MEASURE: they are not).
    Their length, a multiple of four; -1: no room for what belongs there, and Linux does not answer then."""
    mem, ip, nh = mem_at(net.mem_addr), ip_hdr(net, skb), skb.network_header
    if ip.ihl == 5:
        return 0
    length = 0
    off = ip_option(mem, nh, IPOPT_RR, IPOPT_RR, understood)
    if off:
        length = echo_record(mem, nh + off, to, saddr)
        if length < 0:
            return -1
    off = ip_option(mem, nh, IPOPT_TIMESTAMP, IPOPT_TIMESTAMP, understood)
    if off:
        n = echo_timestamp(net, cpu, mem, nh + off, behind(to, length), saddr)
        if n < 0:
            return -1
        length += n
    off = ip_option(mem, nh, IPOPT_LSRR, IPOPT_SSRR, understood)
    if off:
        length += echo_route(mem, nh, off, behind(to, length))
    off = ip_option(mem, nh, IPOPT_CIPSO, IPOPT_CIPSO, understood)
    if off:
        if to >= 0:
            memcpy(mem, to + length, mem, nh + off, byte(mem, nh + off + 1))
        length += byte(mem, nh + off + 1)
    while length & 3:
        if to >= 0:
            put_byte(mem, to + length, IPOPT_END)
        length += 1
    return length


@path_function
def echo_record(mem: Mem, opt: int, to: int, saddr: int) -> int:
    n, pointer = byte(mem, opt + 1), byte(mem, opt + 2)
    if pointer <= n and pointer + 3 > n:
        return -1
    if to >= 0:
        memcpy(mem, to, mem, opt, n)
        if pointer <= n:                             # the answer's first station is the one that sends it
            put_byte(mem, to + 2, pointer + 4)
            put_be32(mem, to + pointer - 1, saddr)
    return n


@path_function
def echo_timestamp(net: Net, cpu: int, mem: Mem, opt: int, to: int, saddr: int) -> int:
    n, pointer, kind = byte(mem, opt + 1), byte(mem, opt + 2), byte(mem, opt + 3) & 15
    if to >= 0:
        memcpy(mem, to, mem, opt, n)
    if pointer > n:
        return n
    if kind == IPOPT_TS_TSONLY or kind == IPOPT_TS_TSANDADDR:
        room = 3 if kind == IPOPT_TS_TSONLY else 7
        if pointer + room > n:
            return -1
        if to >= 0:
            if kind == IPOPT_TS_TSANDADDR:
                put_be32(mem, to + pointer - 1, saddr)
            put_be32(mem, to + pointer + room - 4, inet_current_timestamp(net, cpu))
            put_byte(mem, to + 2, pointer + room + 1)
    elif kind == IPOPT_TS_PRESPEC:
        if pointer + 3 > n:
            return -1
        if to >= 0 and pointer + 7 <= n and not address_is_unicast(net, be32(mem, opt + pointer - 1)):
            put_be32(mem, to + pointer + 3, inet_current_timestamp(net, cpu))
            put_byte(mem, to + 2, pointer + 8)
    return n


@path_function
def route_back(mem: Mem, nh: int, opt: int) -> int:
    """How many bytes of addresses the way back has: those that the packet has come through but the last, and its sender; 0: it was not
    routed by its source, or by one only."""
    n, pointer, length = byte(mem, opt + 1), byte(mem, opt + 2), 0
    pointer = min(pointer, n + 1) - 4
    if pointer > 3:
        pointer, length = pointer - 4, 4
        while pointer > 3:
            pointer, length = pointer - 4, length + 4
        ip = struct_at(iphdr, mem, nh)
        if ip.saddr == be32(mem, opt + pointer + 3):                         # its sender named itself: RFC 1812 5.2.4.1
            length -= 4
    return length


@path_function
def echo_route(mem: Mem, nh: int, off: int, to: int) -> int:
    opt = nh + off
    n, length, ip = byte(mem, opt + 1), route_back(mem, nh, opt), struct_at(iphdr, mem, nh)
    if length == 0:
        return 0
    if to >= 0:
        put_byte(mem, to, byte(mem, opt))
        put_byte(mem, to + 1, length + 3)
        put_byte(mem, to + 2, 4)
        pointer = min(byte(mem, opt + 2), n + 1) - 8
        for k in range(0, length - 4, 4):
            put_be32(mem, to + 3 + k, be32(mem, opt + pointer - 1 - k))
        put_be32(mem, to + length - 1, ip.saddr)
    return length + 3


@path_function
def ip_options_hop(net: Net, skb: sk_buff, understood: int) -> int:
    """Where an answer to skb goes first: to the last station of its source route, or to its sender."""
    mem, ip, nh = mem_at(net.mem_addr), ip_hdr(net, skb), skb.network_header
    if ip.ihl > 5:
        off = ip_option(mem, nh, IPOPT_LSRR, IPOPT_SSRR, understood)
        if off and route_back(mem, nh, nh + off):
            return be32(mem, nh + off + min(byte(mem, nh + off + 2), byte(mem, nh + off + 1) + 1) - 5)
    return ip.saddr


@path_function
def ip_options_fragment(mem: Mem, at_option: int, length: int) -> None:
    """What only the first piece of a datagram carries is blanked."""
    off = 0
    while off < length and byte(mem, at_option + off) != IPOPT_END:
        n = 1
        if byte(mem, at_option + off) != IPOPT_NOOP:
            n = byte(mem, at_option + off + 1)
            if byte(mem, at_option + off) & IPOPT_COPY == 0:
                memset(mem, at_option + off, IPOPT_NOOP, n)
        off += n
