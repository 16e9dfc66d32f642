"""Routing of what arrives: net/ipv4/route.c and fib_frontend.c.  Called by ip_rcv_finish_core and arp_process; the kind of route
(skb.dst_type) decides dst.input.  RFC 1122 3.2.1.3, RFC 1812 5.3.7."""
from .._compile import cold, path_function
from ..abi.headers import (
    ip_hdr,
    ipv4_is_lbcast,
    ipv4_is_local_multicast,
    ipv4_is_loopback,
    ipv4_is_multicast,
    ipv4_is_zeronet,
)
from ..abi.net import Net
from ..abi.nic import net_device
from ..abi.numbers import EHOSTUNREACH, ENETUNREACH, IPPROTO, NO_ROUTE, RTN
from ..abi.reasons import Drop
from ..abi.skbuff import IPCB, sk_buff
from ..path import Stage
from ..turn import at
from .fib_trie import fib_error, fib_table_lookup, inet_lookup_ifaddr
from .igmp import ip_check_mc


@path_function
def ip_route_input_noref(net: Net, cpu: int, skb: sk_buff, daddr: int, saddr: int) -> int:
    """Set skb.dst and skb.dst_type; returns 0 or the drop reason."""
    at(net, cpu, skb, Stage.ip_route_input_noref)
    if not ipv4_is_multicast(daddr):
        return ip_route_input_slow(net, cpu, skb, daddr, saddr)
    ip, dev = ip_hdr(net, skb), net.dev[skb.dev]
    if not ip_check_mc(net, skb.dev, daddr):                                 # nobody here has joined
        return Drop.NOT_SPECIFIED
    reason = ip_mc_validate_source(net, cpu, skb, dev, daddr, saddr, ip.protocol)
    if reason == 0:
        skb.dst, skb.dst_type = NO_ROUTE, RTN.MULTICAST
    return reason


@path_function
def ip_mc_validate_source(net: Net, cpu: int, skb: sk_buff, dev: net_device, daddr: int, saddr: int, protocol: int) -> int:
    """What a multicast packet's source may be."""
    if ipv4_is_multicast(saddr) or ipv4_is_lbcast(saddr):
        return Drop.IP_INVALID_SOURCE
    if ipv4_is_loopback(saddr) and not dev.route_localnet:
        return Drop.IP_LOCALNET
    if ipv4_is_zeronet(net, saddr):
        if not ipv4_is_local_multicast(daddr) and protocol != IPPROTO.IGMP:
            return Drop.IP_INVALID_SOURCE
        return 0
    return fib_validate_source(net, cpu, skb, dev, saddr)


@path_function
def ip_route_input_slow(net: Net, cpu: int, skb: sk_buff, daddr: int, saddr: int) -> int:
    """Martians, the FIB, and whether the source may come from there."""
    at(net, cpu, skb, Stage.ip_route_input_slow)
    dev = net.dev[skb.dev]
    skb.dst = NO_ROUTE
    if ipv4_is_multicast(saddr) or ipv4_is_lbcast(saddr):                    # 1: nobody's source
        return ip_handle_martian_source(net, cpu, skb, Drop.IP_INVALID_SOURCE)
    if ipv4_is_lbcast(daddr) or (saddr | daddr) == 0:                        # 2: limited broadcast: BOOTP asks from 0.0.0.0
        return brd_input(net, cpu, skb, dev, saddr)
    if ipv4_is_zeronet(net, saddr):                                          # 3
        return ip_handle_martian_source(net, cpu, skb, Drop.IP_INVALID_SOURCE)
    if ipv4_is_zeronet(net, daddr):                                          # 4
        return Drop.IP_INVALID_DEST
    if ipv4_is_loopback(daddr):                                              # 5: 127/8 never comes from outside
        if not dev.route_localnet:
            return Drop.IP_LOCALNET
    elif ipv4_is_loopback(saddr) and not dev.route_localnet:
        return ip_handle_martian_source(net, cpu, skb, Drop.IP_LOCALNET)
    at(net, cpu, skb, Stage.fib_table_lookup)
    i = fib_table_lookup(net, daddr)
    if i < 0:
        return no_route(net, skb, ENETUNREACH)
    fa = net.fib[i]
    if fa.type == RTN.LOCAL:
        reason = fib_validate_source(net, cpu, skb, dev, saddr)
        if reason:
            return ip_handle_martian_source(net, cpu, skb, reason)
        skb.dst, skb.dst_type = i, RTN.LOCAL
        return 0
    if fib_error(fa.type):                                                   # blackhole, unreachable, prohibit
        return no_route(net, skb, fib_error(fa.type))
    if fa.type == RTN.BROADCAST:
        skb.dst = i
        return brd_input(net, cpu, skb, dev, saddr)
    if dev.forwarding == 0:
        return no_route(net, skb, EHOSTUNREACH)
    if fa.type != RTN.UNICAST:
        return Drop.IP_INVALID_DEST
    reason = fib_validate_source(net, cpu, skb, dev, saddr)
    if reason:
        return ip_handle_martian_source(net, cpu, skb, reason)
    skb.dst, skb.dst_type = i, RTN.UNICAST
    return 0


@cold
@path_function
def brd_input(net: Net, cpu: int, skb: sk_buff, dev: net_device, saddr: int) -> int:
    """To everybody on the link; only who has no address yet may leave the source out."""
    if not ipv4_is_zeronet(net, saddr):
        reason = fib_validate_source(net, cpu, skb, dev, saddr)
        if reason:
            return ip_handle_martian_source(net, cpu, skb, reason)
    skb.dst_type = RTN.BROADCAST
    return 0


@cold
@path_function
def no_route(net: Net, skb: sk_buff, error: int) -> int:
    """Not a drop yet: dst.input will be ip_error().  A host that does not forward says the same of every such address."""
    dev = net.dev[skb.dev]
    skb.dst, skb.dst_type = NO_ROUTE, RTN.UNREACHABLE
    cb = IPCB(skb)
    cb.error = error if dev.forwarding else EHOSTUNREACH
    return 0


@cold
@path_function
def ip_handle_martian_source(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    """Logged if log_martians is set; no counter moves."""
    at(net, cpu, skb, Stage.ip_handle_martian_source)
    return reason


@path_function
def fib_validate_source(net: Net, cpu: int, skb: sk_buff, dev: net_device, saddr: int) -> int:
    """May a packet from there come in here?  0 or the drop reason."""
    at(net, cpu, skb, Stage.fib_validate_source)
    if dev.rp_filter == 0:
        if dev.accept_local == 0 and inet_lookup_ifaddr(net, saddr):
            return Drop.IP_LOCAL_SOURCE
        return 0
    at(net, cpu, skb, Stage.fib_table_lookup)
    i = fib_table_lookup(net, saddr)
    if i < 0:
        return Drop.IP_RPFILTER
    fa = net.fib[i]
    if fib_error(fa.type):
        return Drop.IP_RPFILTER
    if fa.type != RTN.UNICAST:
        if fa.type != RTN.LOCAL:
            return Drop.IP_INVALID_SOURCE
        if dev.accept_local == 0:
            return Drop.IP_LOCAL_SOURCE
    if fa.oif == skb.dev:                                                    # it would be answered the way that it came
        return 0
    if dev.addr == 0 or dev.rp_filter == 1:                                  # strict
        return Drop.IP_RPFILTER
    return 0                                                                 # loose: there is a way


@path_function
def ip_route_use_hint(net: Net, cpu: int, skb: sk_buff, saddr: int, dst: int, kind: int) -> int:
    """As the packet before it in the list: only the source is looked at again."""
    at(net, cpu, skb, Stage.ip_route_use_hint)
    dev = net.dev[skb.dev]
    if ipv4_is_multicast(saddr) or ipv4_is_lbcast(saddr) or ipv4_is_zeronet(net, saddr):
        return ip_handle_martian_source(net, cpu, skb, Drop.IP_INVALID_SOURCE)
    if ipv4_is_loopback(saddr) and not dev.route_localnet:
        return ip_handle_martian_source(net, cpu, skb, Drop.IP_LOCALNET)
    if kind == RTN.LOCAL:
        reason = fib_validate_source(net, cpu, skb, dev, saddr)
        if reason:
            return ip_handle_martian_source(net, cpu, skb, reason)
    skb.dst, skb.dst_type = dst, kind
    return 0


@path_function
def fib_compute_spec_dst(net: Net, skb: sk_buff) -> int:
    """Which of our addresses a packet means: its destination, or the device's for a packet to many."""
    if skb.dst_type == RTN.LOCAL:
        ip = ip_hdr(net, skb)
        return ip.daddr
    dev = net.dev[skb.dev]
    return dev.addr


@path_function
def inet_addr_is_local(net: Net, addr: int) -> bool:
    """inet_addr_type() == RTN_LOCAL"""
    i = fib_table_lookup(net, addr)
    if i < 0:
        return False
    fa = net.fib[i]
    return fa.type == RTN.LOCAL


@path_function
def next_hop(net: Net, daddr: int, route: int) -> int:
    """Whose MAC address a frame for daddr carries: the gateway's of its route, or its own."""
    if route != NO_ROUTE:
        fa = net.fib[route]
        if fa.gw_lo:
            return fa.gw_lo
    return daddr


@path_function
def ip_route_output(net: Net, daddr: int) -> bool:
    """Is there a way to send an answer there, from an address of ours?  If not, nothing is sent and, as seen on 6.18, nothing counted."""
    if ipv4_is_multicast(daddr) or ipv4_is_lbcast(daddr):                    # by the device that has the source
        return True
    i = fib_table_lookup(net, daddr)
    if i >= 0:
        fa = net.fib[i]
        if fib_error(fa.type) == 0:
            return True
    return False
