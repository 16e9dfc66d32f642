"""UDP early demux: udp_v4_early_demux of net/ipv4/udp.c.  Before routing, ip_rcv_finish_core asks whether the packet is for a connected
socket, or for the only one that listens to its group.

Then the socket rides with the packet (skb.sk) past __udp4_lib_lookup and __udp4_lib_mcast_deliver, and the route that it remembers from
the packet before (sk_rx_dst) saves ip_route_input_noref.  Called by udp.py."""
from .._compile import path_function
from ..abi.flow import flow_keys
from ..abi.net import Net
from ..abi.numbers import DEMUX_ROUTED, NO_SOCK, PACKET_HOST, UDP_HLEN
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..skb import pskb_may_pull
from .udp_hash import hash2_first, hash_first, udp4_portaddr_hash
from .udp_lookup import udp4_flow_keys
from .udp_mcast import udp_mcast_next

MCAST_CHAIN_MAX = 10                                 # sockets of one port: a longer chain is not searched twice


@path_function
def udp_demux(net: Net, cpu: int, skb: sk_buff) -> int:
    """skb.data stands at the IP header.  0: routing is needed, whether or not the socket is known."""
    if not pskb_may_pull(net, skb, skb.transport_header - skb.network_header + UDP_HLEN):
        return 0
    fl = udp4_flow_keys(net, cpu, skb)
    if skb.pkt_type == PACKET_HOST:
        i = __udp4_lib_demux_lookup(net, fl)
    else:
        i = __udp4_lib_mcast_demux_lookup(net, fl)
    if i < 0:
        return 0
    sk = net.socks[i]
    skb.sk, skb.sk_gen = i, sk.gen
    if sk.rx_dst_gen != net.rt_genid or sk.rx_dst_cpus >> cpu & 1 == 0:      # dst_check()
        return 0
    skb.dst, skb.dst_type = sk.rx_dst, sk.rx_dst_type
    return DEMUX_ROUTED


@path_function
def __udp4_lib_demux_lookup(net: Net, fl: flow_keys) -> int:
    """The first socket of its chain by address and port, if both ends fit; the others are not looked at."""
    i = hash2_first(net, udp4_portaddr_hash(net, fl.daddr_lo, fl.dport))
    if i >= 0:
        sk = net.socks[i]
        if sk.dport == fl.sport and sk.port == fl.dport and sk.daddr_lo == fl.saddr_lo and sk.rcv_saddr_lo == fl.daddr_lo:
            if sk.bound_dev == 0 or sk.bound_dev == net.dev[fl.dev].ifindex:
                return i
    return NO_SOCK


@path_function
def __udp4_lib_mcast_demux_lookup(net: Net, fl: flow_keys) -> int:
    """The only socket that wants it; NO_SOCK when there are two."""
    head = hash_first(net, fl.dport)
    n, i = 0, head
    while i >= 0:
        sk = net.socks[i]
        n += 1
        if n > MCAST_CHAIN_MAX:
            return NO_SOCK
        i = sk.hnext
    found = udp_mcast_next(net, fl, head)
    if found < 0:
        return NO_SOCK
    first = net.socks[found]
    if udp_mcast_next(net, fl, first.hnext) >= 0:
        return NO_SOCK
    return found


@path_function
def udp_sk_rx_dst_set(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """The socket remembers the packet's route."""
    if sk.rx_dst_gen != net.rt_genid or sk.rx_dst_cpus == 0:
        sk.rx_dst, sk.rx_dst_type, sk.rx_dst_gen, sk.rx_dst_cpus = skb.dst, skb.dst_type, net.rt_genid, 0
    if sk.rx_dst_cpus >> cpu & 1 == 0:
        sk.rx_dst_cpus |= 1 << cpu
