"""net/ipv4/ip_forward.c: not for us, and net.ipv4.ip_forward is on.  Called as dst.input.  RFC 1812 5.3.1.

A copy leaves by the device that it came by (this host has one); the frame's story ends here.  No FORWARD chain, no redirects."""
from .._compile import path_function
from ..abi.headers import ip_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import ETH_P_IP, ICMP, ICMP_EXC_TTL, ICMP_FRAG_NEEDED, IP_DF, NET_RX_SUCCESS, NO_ROUTE, NO_SKB, PACKET_HOST, RTN
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, Touch, dst_input, touched
from ..skb import consume_skb, icmp_send_and_drop, icmp_send_info_and_drop, ip_send_check, kfree_skb_reason
from ..turn import at, touch
from .dev_xmit import dev_queue_xmit, eth_header
from .ip_output import next_hop_mac, reply_skb, skb_store_bits


@dst_input(RTN.UNICAST)
@path_function
def ip_forward(net: Net, cpu: int, skb: sk_buff) -> int:
    """May it go on?"""
    at(net, cpu, skb, Stage.ip_forward)
    ip, dev = ip_hdr(net, skb), net.dev[skb.dev]
    if skb.pkt_type != PACKET_HOST:                                          # 1: a frame to many
        return kfree_skb_reason(net, cpu, skb, Stage.ip_forward, Drop.NOT_SPECIFIED)
    if ip.ttl <= 1:                                                          # 2: it has been on its way too long
        net.snmp[cpu][Mib.Ip_InHdrErrors] += 1
        return icmp_send_and_drop(net, cpu, skb, ICMP.TIME_EXCEEDED, ICMP_EXC_TTL, Stage.ip_forward, Drop.IP_INHDR)
    if skb.len > dev.mtu:                                                    # 3: too long for the next link
        if ip.frag_off & IP_DF:
            return icmp_send_info_and_drop(net, cpu, skb, ICMP.DEST_UNREACH, ICMP_FRAG_NEEDED, dev.mtu, Stage.ip_forward, Drop.PKT_TOO_BIG)
        return kfree_skb_reason(net, cpu, skb, Stage.ip_forward, Drop.PKT_TOO_BIG)             # the kernel would fragment it
    return touch(net, cpu, skb, Touch.ip_forward_finish)


@touched
@path_function
def ip_forward_finish(net: Net, cpu: int, skb: sk_buff) -> int:
    i = reply_skb(net, cpu, skb, skb.len)
    if i != NO_SKB:
        out, fa = net.skb[i], net.fib[skb.dst]
        ip = ip_hdr(net, out)
        skb_store_bits(net, out, out.network_header, skb, 0, skb.len)
        ip.ttl -= 1                                  # ip_decrease_ttl()
        ip_send_check(net, out)
        hop = fa.gw_lo if fa.gw_lo else ip.daddr
        eth_header(net, out, next_hop_mac(net, skb, hop, NO_ROUTE), ETH_P_IP)
        net.snmp[cpu][Mib.Ip_ForwDatagrams] += 1
        dev_queue_xmit(net, cpu, out)
    consume_skb(net, cpu, skb)
    return NET_RX_SUCCESS
