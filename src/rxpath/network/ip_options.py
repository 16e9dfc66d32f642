"""net/ipv4/ip_options.c: the options of a received packet.  Called by ip_rcv_finish_core for headers of more than 20 bytes.  RFC 791 3.1.

They are checked, and a host that a packet has reached enters itself into record route and time stamps, in the packet itself: its checksum
is not made anew, and who is told of an error gets the header so.  What answers carry of them, ip_options_echo.py says."""
from .._compile import Mem, be32, byte, cold, mem_at, path_function, put_be32, put_byte
from ..abi.headers import ip_hdr, ipv4_is_lbcast, ipv4_is_multicast, ipv4_is_zeronet
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import ICMP, IP_HLEN, NET_RX_SUCCESS, PACKET_HOST, RTN
from ..abi.reasons import Drop
from ..abi.skbuff import IPCB, sk_buff
from ..path import Stage, dst_input
from ..skb import icmp_send_info_and_drop, kfree_skb_reason
from ..turn import at
from .fib_trie import fib_table_lookup
from .route import fib_compute_spec_dst, ip_route_input_noref

IPOPT_END, IPOPT_NOOP, IPOPT_RR, IPOPT_TIMESTAMP, IPOPT_LSRR, IPOPT_CIPSO, IPOPT_SSRR, IPOPT_RA = 0, 1, 7, 68, 131, 134, 137, 148
IPOPT_MINOFF, IPOPT_TS_TSONLY, IPOPT_TS_TSANDADDR, IPOPT_TS_PRESPEC = 4, 0, 1, 3
BAD_OPTIONS = 15                # a kind of route of ours: dst.input is to tell the sender
DAY_MS = 86_400_000
ALL_OPTIONS = 60                # the longest header: all of its options made sense


@path_function
def inet_current_timestamp(net: Net, cpu: int) -> int:
    """Milliseconds since midnight."""
    c = net.cpu[cpu]
    return c.now // 1_000_000 % DAY_MS


@path_function
def ip_rcv_options(net: Net, cpu: int, skb: sk_buff) -> int:
    """NET_RX_SUCCESS, or the packet has ended.  The sender of a malformed one is told at dst.input, where a packet may wait its turn."""
    at(net, cpu, skb, Stage.ip_rcv_options)
    said, understood = ip_options_compile(net, cpu, skb), ALL_OPTIONS
    if said > 0:
        net.snmp[cpu][Mib.Ip_InHdrErrors] += 1
        understood = said
    elif said < 0:                                   # a source route
        dev = net.dev[skb.dev]
        said = ip_options_rcv_srr(net, cpu, skb, -said) if dev.accept_source_route else -1
        if said < 0:
            return kfree_skb_reason(net, cpu, skb, Stage.ip_rcv_finish_core, Drop.NOT_SPECIFIED)
    if said:
        cb = IPCB(skb)
        cb.dst_type, cb.bad, cb.understood = skb.dst_type, said, understood
        skb.dst_type = BAD_OPTIONS
    return NET_RX_SUCCESS


@path_function
def route_type(skb: sk_buff) -> int:
    """The kind of route that was found, whatever its options made of it."""
    if skb.dst_type == BAD_OPTIONS:
        return IPCB(skb).dst_type
    return skb.dst_type


@path_function
def ip_options_rcv_srr(net: Net, cpu: int, skb: sk_buff, off: int) -> int:
    """A source route that goes on from here: through addresses of ours at once, to others only if we forward.  -1: the packet is to go;
    more than 0: its sender is told, with this pointer."""
    mem, ip, nh = mem_at(net.mem_addr), ip_hdr(net, skb), skb.network_header
    if skb.pkt_type != PACKET_HOST:
        return -1
    if skb.dst_type == RTN.UNICAST:
        return 0 if byte(mem, nh + off) == IPOPT_LSRR else 16
    if skb.dst_type != RTN.LOCAL:
        return -1
    n, at_octet = byte(mem, nh + off + 1), byte(mem, nh + off + 2)
    while at_octet <= n:
        if at_octet + 3 > n:
            return off + 2
        hop = be32(mem, nh + off + at_octet - 1)
        if ip_route_input_noref(net, cpu, skb, hop, ip.saddr):
            return -1
        if skb.dst_type == RTN.UNICAST:
            return 0
        if skb.dst_type != RTN.LOCAL:
            return -1
        ip.daddr = hop
        at_octet += 4
    return 0


@dst_input(BAD_OPTIONS)
@cold
@path_function
def ip_parameter_problem(net: Net, cpu: int, skb: sk_buff) -> int:
    """icmp_send(ICMP_PARAMETERPROB): its pointer is the octet that made no sense."""
    cb = IPCB(skb)
    skb.dst_type = cb.dst_type
    reason = Drop.IP_INHDR if cb.understood < ALL_OPTIONS else Drop.NOT_SPECIFIED
    return icmp_send_info_and_drop(net, cpu, skb, ICMP.PARAMETERPROB, 0, cb.bad << 24, Stage.ip_rcv_finish_core, reason)


@path_function
def ip_options_compile(net: Net, cpu: int, skb: sk_buff) -> int:
    """0: in order; less: there is a source route, at that offset; more: the offset, in the header, of the octet that makes no sense."""
    mem, ip, nh = mem_at(net.mem_addr), ip_hdr(net, skb), skb.network_header
    off, end, seen, routed = IP_HLEN, ip.ihl * 4, 0, 0
    while off < end:
        kind, bad = byte(mem, nh + off), -1
        if kind == IPOPT_END:
            for k in range(off + 1, end):            # what follows means nothing
                put_byte(mem, nh + k, IPOPT_END)
            break
        if kind == IPOPT_NOOP:
            off += 1
            continue
        if end - off < 2:
            return off
        n = byte(mem, nh + off + 1)
        if n < 2 or n > end - off:
            return off
        if kind == IPOPT_LSRR or kind == IPOPT_SSRR:
            bad = option_route(n, byte(mem, nh + off + 2), seen & 1)
            seen, routed = seen | 1, off
        elif kind == IPOPT_RR:
            bad = option_record(net, skb, nh + off, n, seen & 2)
            seen |= 2
        elif kind == IPOPT_TIMESTAMP:
            bad = option_timestamp(net, cpu, skb, nh + off, n, seen & 4)
            seen |= 4
        elif kind == IPOPT_RA:
            bad = 1 if n < 4 else -1
        elif kind == IPOPT_CIPSO:                    # cipso_v4_validate(): nobody has set up a domain of interpretation
            bad = 1 if n < 8 else 2
        if bad >= 0:
            return off + bad
        off += n
    return -routed


# Each of these says which octet of the option makes no sense, -1: none.  Every option may come once.
@path_function
def option_route(n: int, pointer: int, again: int) -> int:
    if n < 3:
        return 1
    if pointer < IPOPT_MINOFF:
        return 2
    return 0 if again else -1


@path_function
def option_record(net: Net, skb: sk_buff, opt: int, n: int, again: int) -> int:
    """Our address, where there is room for it."""
    mem = mem_at(net.mem_addr)
    pointer = byte(mem, opt + 2)
    if again:
        return 0
    if n < 3:
        return 1
    if pointer < IPOPT_MINOFF:
        return 2
    if pointer <= n:
        if pointer + 3 > n:
            return 2
        put_be32(mem, opt + pointer - 1, fib_compute_spec_dst(net, skb))
        put_byte(mem, opt + 2, pointer + 4)
    return -1


@path_function
def option_timestamp(net: Net, cpu: int, skb: sk_buff, opt: int, n: int, again: int) -> int:
    """The time, with our address or where ours stands already; or one more station that had no room."""
    mem = mem_at(net.mem_addr)
    if again:
        return 0
    if n < 4:
        return 1
    pointer, flags = byte(mem, opt + 2), byte(mem, opt + 3)
    if pointer < 5:
        return 2
    if pointer > n:
        if flags & 15 == IPOPT_TS_PRESPEC:
            return -1
        if flags >> 4 == 15:                         # fifteen stations had no room: it cannot count a further one
            return 3
        put_byte(mem, opt + 3, flags + 16)
        return -1
    return timestamp_fill(net, cpu, skb, mem, opt, n, pointer, flags & 15)


@path_function
def timestamp_fill(net: Net, cpu: int, skb: sk_buff, mem: Mem, opt: int, n: int, pointer: int, kind: int) -> int:
    if pointer + 3 > n:
        return 2
    if kind == IPOPT_TS_TSONLY:
        put_be32(mem, opt + pointer - 1, inet_current_timestamp(net, cpu))
        put_byte(mem, opt + 2, pointer + 4)
        return -1
    if kind != IPOPT_TS_TSANDADDR and kind != IPOPT_TS_PRESPEC:
        return -1
    if pointer + 7 > n:
        return 2
    if kind == IPOPT_TS_TSANDADDR:
        put_be32(mem, opt + pointer - 1, fib_compute_spec_dst(net, skb))
    elif address_is_unicast(net, be32(mem, opt + pointer - 1)):              # another host's
        return -1
    put_be32(mem, opt + pointer + 3, inet_current_timestamp(net, cpu))
    put_byte(mem, opt + 2, pointer + 8)
    return -1


@path_function
def address_is_unicast(net: Net, addr: int) -> bool:
    """inet_addr_type() == RTN_UNICAST: neither ours nor of many."""
    if ipv4_is_zeronet(net, addr) or ipv4_is_lbcast(addr) or ipv4_is_multicast(addr):
        return False
    i = fib_table_lookup(net, addr)
    if i < 0:
        return True
    fa = net.fib[i]
    return fa.type != RTN.LOCAL and fa.type != RTN.BROADCAST
