"""net/ipv4/ip_options.c: the options of a received packet.  Called by ip_rcv_finish_core for headers of more than 20 bytes.  RFC 791 3.1.

They are checked as the kernel checks them; what routers would fill in (record route, time stamps) is left as it came."""
from .._compile import Mem, be32, byte, cold, mem_at, path_function, put_be32
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import ICMP, IP_HLEN, NET_RX_SUCCESS, PACKET_HOST, RTN
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, dst_input
from ..skb import kfree_skb_reason
from ..turn import at, icmp_send_info_and_drop
from .route import ip_route_input_noref

IPOPT_END, IPOPT_NOOP, IPOPT_RR, IPOPT_TIMESTAMP, IPOPT_SEC, IPOPT_LSRR, IPOPT_CIPSO, IPOPT_SID, IPOPT_SSRR, IPOPT_RA = \
    0, 1, 7, 68, 130, 131, 134, 136, 137, 148
IPOPT_MINOFF, IPOPT_TS_TSONLY = 4, 0
BAD_OPTIONS = 15                # a kind of route of ours: dst.input is to tell the sender


@path_function
def ip_rcv_options(net: Net, cpu: int, skb: sk_buff) -> int:
    """NET_RX_SUCCESS, or the packet has ended.  The sender of a malformed one is told at dst.input, where a packet may wait its turn."""
    at(net, cpu, skb, Stage.ip_rcv_options)
    said = ip_options_compile(net, skb)
    if said < 0:                                     # a source route
        dev = net.dev[skb.dev]
        if dev.accept_source_route == 0 or ip_options_rcv_srr(net, cpu, skb, -said) < 0:
            return kfree_skb_reason(net, cpu, skb, Drop.NOT_SPECIFIED)
        return NET_RX_SUCCESS
    if said:
        net.snmp[cpu][Mib.Ip_InHdrErrors] += 1
        skb.cb_a, skb.cb_b, skb.dst_type = skb.dst_type, said, BAD_OPTIONS
    return NET_RX_SUCCESS


@path_function
def ip_options_rcv_srr(net: Net, cpu: int, skb: sk_buff, off: int) -> int:
    """A source route that goes on from here: through addresses of ours at once, to others only if we forward.  -1: the packet is to go."""
    mem, nh = mem_at(net.mem_addr), skb.network_header
    if skb.pkt_type != PACKET_HOST:
        return -1
    if skb.dst_type == RTN.UNICAST and byte(mem, nh + off) == IPOPT_LSRR:
        return 0
    if skb.dst_type != RTN.LOCAL:
        return -1
    n, at_octet = byte(mem, nh + off + 1), byte(mem, nh + off + 2)
    while at_octet <= n:
        if at_octet + 3 > n:
            return -1
        hop = be32(mem, nh + off + at_octet - 1)
        if ip_route_input_noref(net, cpu, skb, hop, be32(mem, nh + 12)):
            return -1
        if skb.dst_type == RTN.UNICAST:
            return 0
        if skb.dst_type != RTN.LOCAL:
            return -1
        put_be32(mem, nh + 16, hop)
        at_octet += 4
    return 0


@dst_input(BAD_OPTIONS)
@cold
@path_function
def ip_parameter_problem(net: Net, cpu: int, skb: sk_buff) -> int:
    """icmp_send(ICMP_PARAMETERPROB): its pointer is the octet that made no sense."""
    skb.dst_type = skb.cb_a
    return icmp_send_info_and_drop(net, cpu, skb, ICMP.PARAMETERPROB, 0, skb.cb_b << 24, Drop.IP_INHDR)


@path_function
def ip_options_compile(net: Net, skb: sk_buff) -> int:
    """0: in order; less: there is a source route, at that offset; more: the offset, in the header, of the octet that makes no sense."""
    mem, nh = mem_at(net.mem_addr), skb.network_header
    off, end, seen, routed = IP_HLEN, (byte(mem, nh) & 15) * 4, 0, 0
    while off < end:
        kind, bad = byte(mem, nh + off), -1
        if kind == IPOPT_END:
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
            bad = option_record(n, byte(mem, nh + off + 2), seen & 2)
            seen |= 2
        elif kind == IPOPT_TIMESTAMP:
            bad = option_timestamp(mem, nh + off, n, seen & 4)
            seen |= 4
        elif kind == IPOPT_RA:
            bad = 1 if n < 4 else -1
        elif kind == IPOPT_CIPSO or kind == IPOPT_SEC or kind == IPOPT_SID:
            bad = -1                                 # nobody here reads them
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
def option_record(n: int, pointer: int, again: int) -> int:
    if again:
        return 0
    if n < 3:
        return 1
    if pointer < IPOPT_MINOFF:
        return 2
    return 2 if pointer <= n and pointer + 3 > n else -1


@path_function
def option_timestamp(mem: Mem, opt: int, n: int, again: int) -> int:
    if again:
        return 0
    if n < 4:
        return 1
    pointer, flags = byte(mem, opt + 2), byte(mem, opt + 3)
    if pointer < 5:
        return 2
    if pointer <= n:
        room = 3 if flags & 15 == IPOPT_TS_TSONLY else 7
        return 2 if pointer + room > n else -1
    return 3 if flags >> 4 == 15 else -1             # fifteen stations had no room: it cannot count a further one
