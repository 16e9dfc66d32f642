"""Frames of ours that answer one that came: net/ipv4/ip_output.c, as far as the receive path sends.

Called by icmp.py and, through path.py's tables, by transport/; hands on to neighbour.py or, with a MAC that is known, to dev_xmit.py.  The
`frame` of such an skb is -1 - the frame that it answers.  What a program sends is in ip_send.py.

The next hop's MAC is the neighbour's.  Where the table does not know it, it is asked for by ARP first; but where nobody at the other end of
the cable would answer (net.neigh_resolve is 0), it is that of the frame that is answered."""
from .._compile import cold, mem_at, path_function
from ..abi.headers import eth_hdr, ether_addr_to_u64, ip_hdr, ipv4_is_lbcast, ipv4_is_multicast
from ..abi.limits import BUFSZ
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    AF_INET,
    ETH_HLEN,
    ETH_P_IP,
    IP_DF,
    IP_HLEN,
    IPPROTO,
    NET_RX_DROP,
    NO_QUEUE,
    NO_SKB,
    RTN,
    VLAN_HLEN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, queue_xmit, unicast_reply
from ..skb import alloc_skb, ip_send_check, share_begin, share_room, skb_add_rx_frag, skb_copy_bits, skb_init, skb_release
from ..turn import at
from .dev_xmit import dev_queue_xmit, eth_header
from .fib_trie import fib_table_lookup
from .ip_mc_output import heard_here, ip_mc_finish_output, multicast_ether
from .ip_options import ALL_OPTIONS
from .ip_options_echo import MEASURE, ip_options_echo, ip_options_hop
from .neighbour import NUD_VALID, neigh_lookup, neigh_output
from .route import ip_route_output, next_hop

IP_TTL = 64                                          # net.ipv4.ip_default_ttl
IP_MC_TTL = 1                                        # IP_MULTICAST_TTL of the kernel's own sockets


@path_function
def source_mac(net: Net, skb: sk_buff) -> int:
    """Who put this frame onto the wire."""
    eth = eth_hdr(net, skb)
    return ether_addr_to_u64(eth.h_source)


@path_function
def next_hop_mac(net: Net, skb: sk_buff, daddr: int, route: int) -> int:
    i = neigh_lookup(net, next_hop(net, daddr, route), skb.dev)
    if i >= 0:
        n = net.neigh[i]
        if n.state & NUD_VALID:
            return n.mac
    return source_mac(net, skb)


@path_function
def reply_skb(net: Net, cpu: int, skb: sk_buff, length: int) -> int:
    """An skb for an answer to `skb`: an Ethernet header and `length` bytes, room for a tag before them; what its first buffer does not
    hold lies in pages (write it with skb_store_bits()).  NO_SKB: none is to be had."""
    i = alloc_skb(net, cpu)
    if i == NO_SKB:
        return NO_SKB
    out, linear = net.skb[i], min(length, BUFSZ - VLAN_HLEN - ETH_HLEN)
    skb_init(net, out, out.head + VLAN_HLEN, ETH_HLEN + linear)
    answers(net, cpu, skb, out)
    if linear < length and not append_pages(net, cpu, out, length - linear):
        skb_release(net, cpu, out)
        return NO_SKB
    return i


@cold
@path_function
def append_pages(net: Net, cpu: int, out: sk_buff, left: int) -> bool:
    """`left` bytes more behind the linear ones: an answer to a large MTU's packet.  False: no buffer is to be had."""
    tail = NO_SKB
    while left > 0:
        i = alloc_skb(net, cpu)
        if i == NO_SKB:
            return False
        page, n = net.skb[i], min(left, BUFSZ)
        skb_init(net, page, page.head, n)
        skb_add_rx_frag(net, out, tail, page)
        tail = i
        left -= n
    return True


@path_function
def skb_store_bits(net: Net, out: sk_buff, to: int, skb: sk_buff, start: int, n: int) -> None:
    """n bytes of `skb`, from its data + start on, into the linear bytes of `out` from `to` on, and what they do not hold into its pages."""
    mem, done = mem_at(net.mem_addr), min(n, out.data + out.len - out.data_len - to)
    skb_copy_bits(net, skb, start, mem, to, done)
    i = out.frags
    while done < n and i >= 0:
        page = net.skb[i]
        done += skb_copy_bits(net, skb, start + done, mem, page.data, min(page.len, n - done))
        i = page.next


@path_function
def answers(net: Net, cpu: int, skb: sk_buff, out: sk_buff) -> None:
    """What an answer takes over."""
    c = net.cpu[cpu]
    out.frame = -1 - skb.frame if skb.frame >= 0 else skb.frame              # on lo, what answers is answered too
    out.dev = skb.dev
    out.queue_mapping = skb.queue_mapping
    out.hash = skb.hash
    out.tstamp = c.now
    out.network_header = out.data + ETH_HLEN


@path_function
def ip_header(net: Net, out: sk_buff, protocol: int, saddr: int, daddr: int, tos: int, ident: int, frag: int, optlen: int) -> None:
    """Twenty bytes behind the Ethernet header, and so many of options, which stand there already; the length is the frame's."""
    ip = ip_hdr(net, out)
    ip.version, ip.ihl, ip.tos, ip.tot_len = 4, (IP_HLEN + optlen) // 4, tos, out.len - ETH_HLEN
    ip.id, ip.frag_off, ip.ttl, ip.protocol = ident, frag, IP_MC_TTL if ipv4_is_multicast(daddr) else IP_TTL, protocol
    ip.saddr, ip.daddr = saddr, daddr
    ip_send_check(net, out)
    out.transport_header = out.network_header + IP_HLEN + optlen


@path_function
def ip_select_ident(net: Net) -> int:
    """The next identification.  The kernel's are random for each pair of hosts; ours count, so that a run can be repeated."""
    net.ip_ident = net.ip_ident + 1 & 0xFFFF
    return net.ip_ident


@path_function
def ip_finish_output(net: Net, cpu: int, skb: sk_buff, out: sk_buff, daddr: int) -> int:
    """ip_local_out() to dev_queue_xmit(): the frame `out`, an answer to `skb`, leaves."""
    net.snmp[cpu][Mib.Ip_OutRequests] += 1
    return ip_finish_output2(net, cpu, skb, out, daddr)


@path_function
def ip_finish_output2(net: Net, cpu: int, skb: sk_buff, out: sk_buff, daddr: int) -> int:
    """A whole datagram, or a piece of one that was counted with its first."""
    route = fib_table_lookup(net, daddr)
    if route >= 0:
        fa = net.fib[route]
        if fa.type == RTN.LOCAL and net.loopback >= 0:
            return ip_output_local(net, cpu, skb, out, route)
        if fa.type == RTN.BROADCAST:                 # Linux takes it as a source
            return ip_output_many(net, cpu, out, RTN.BROADCAST, daddr)
    if ipv4_is_multicast(daddr) or ipv4_is_lbcast(daddr):                    # the last station of a source route
        return ip_output_many(net, cpu, out, RTN.MULTICAST if ipv4_is_multicast(daddr) else RTN.BROADCAST, daddr)
    if net.neigh_resolve:
        return neigh_output(net, cpu, out, next_hop(net, daddr, route))
    eth_header(net, out, next_hop_mac(net, skb, daddr, route), ETH_P_IP)
    return dev_queue_xmit(net, cpu, out)


@cold
@path_function
def ip_output_many(net: Net, cpu: int, out: sk_buff, kind: int, daddr: int) -> int:
    """To a broadcast address or a group: nobody is asked for its MAC, and this host hears it."""
    if heard_here(net, out.dev, kind, daddr, 1):
        ip_mc_finish_output(net, cpu, out, kind)
    eth_header(net, out, 0xFFFFFFFFFFFF if kind == RTN.BROADCAST else multicast_ether(daddr), ETH_P_IP)
    return dev_queue_xmit(net, cpu, out)


@cold
@path_function
def ip_output_local(net: Net, cpu: int, skb: sk_buff, out: sk_buff, route: int) -> int:
    """To an address of this host: by lo, which gives it back to IP with its route.  It is no frame of the wire, so its end is none."""
    if not share_room(net):
        skb_release(net, cpu, out)
        return NET_RX_DROP
    share_begin(net, out, 0)
    out.queue_mapping = skb.queue_mapping if skb.dev == net.loopback else NO_QUEUE
    out.dev, out.dst, out.dst_type, out.hash = net.loopback, route, RTN.LOCAL, 0
    dev = net.dev[out.dev]
    eth_header(net, out, dev.mac, ETH_P_IP)
    return dev_queue_xmit(net, cpu, out)


@unicast_reply(IPPROTO.TCP)
@path_function
def ip_send_unicast_reply(net: Net, cpu: int, skb: sk_buff, out: sk_buff) -> int:
    """An answer of TCP's, complete but for its Ethernet and IP headers: DF, identification 0, the DSCP of what it answers.  There is
    room for options before it; netfilter's own RST (REJECT) carries none."""
    ip, optlen = ip_hdr(net, skb), 0
    peer, saddr = ip.saddr, ip.daddr
    if skb.drop_reason != Drop.NETFILTER_DROP:
        optlen, peer = ip_options_echo(net, cpu, skb, ALL_OPTIONS, MEASURE, 0), ip_options_hop(net, skb, ALL_OPTIONS)
    if optlen < 0 or not ip_route_output(net, peer):
        skb_release(net, cpu, out)
        return NET_RX_DROP
    out.data -= optlen
    out.len += optlen
    out.mac_header = out.data
    answers(net, cpu, skb, out)
    if optlen:
        ip_options_echo(net, cpu, skb, ALL_OPTIONS, out.network_header + IP_HLEN, saddr)
    ip_header(net, out, IPPROTO.TCP, saddr, peer, ip.tos & 0xFC, 0, IP_DF, optlen)
    return ip_finish_output(net, cpu, skb, out, peer)


@queue_xmit(AF_INET)
@path_function
def __ip_queue_xmit(net: Net, cpu: int, out: sk_buff, saddr_hi: int, saddr_lo: int, daddr_hi: int, daddr_lo: int, mac: int) -> int:
    """A segment of a connection's own, complete but for its Ethernet and IP headers, which have room before it.  mac: where it goes if the
    neighbour table does not know."""
    at(net, cpu, out, Stage.__ip_queue_xmit)
    route = fib_table_lookup(net, daddr_lo)
    if route < 0 or not ip_route_output(net, daddr_lo):
        net.snmp[cpu][Mib.Ip_OutNoRoutes] += 1
        skb_release(net, cpu, out)
        return NET_RX_DROP
    c = net.cpu[cpu]
    out.tstamp, out.network_header = c.now, out.data + ETH_HLEN
    ip_header(net, out, IPPROTO.TCP, saddr_lo, daddr_lo, 0, ip_select_ident(net), IP_DF, 0)
    net.snmp[cpu][Mib.Ip_OutRequests] += 1
    fa = net.fib[route]
    if fa.type == RTN.LOCAL and net.loopback >= 0:
        if not share_room(net):
            skb_release(net, cpu, out)
            return NET_RX_DROP
        share_begin(net, out, 0)
        if out.dev != net.loopback:
            out.queue_mapping = NO_QUEUE
        out.dev, out.dst, out.dst_type, out.hash = net.loopback, route, RTN.LOCAL, 0
        lo = net.dev[out.dev]
        eth_header(net, out, lo.mac, ETH_P_IP)
        return dev_queue_xmit(net, cpu, out)
    if fa.type == RTN.BROADCAST:
        return ip_output_many(net, cpu, out, RTN.BROADCAST, daddr_lo)
    if net.neigh_resolve:
        return neigh_output(net, cpu, out, next_hop(net, daddr_lo, route))
    i = neigh_lookup(net, next_hop(net, daddr_lo, route), out.dev)
    if i >= 0:
        n = net.neigh[i]
        if n.state & NUD_VALID:
            mac = n.mac
    eth_header(net, out, mac, ETH_P_IP)
    return dev_queue_xmit(net, cpu, out)
