"""drivers/net/loopback.c: what this host sends to itself.  As on a veth the sender's transmit is our receive, and its frames are staged for
its CPU (veth.py).  What differs: a packet keeps the route that its sender looked up, so that IP neither demultiplexes early nor routes it,
and neither martian nor rp_filter tests see it; any length passes; lo has one pair of counters for both directions, without the Ethernet
header.

A checksum that a socket left to the device was never computed and counts as good (CHECKSUM_PARTIAL, which here is UNNECESSARY: they differ
only to a sender).  ICMP, fragments and raw packets come with theirs, and the stack verifies it."""
from .._compile import path_function
from ..abi.headers import eth_hdr, ip_hdr, ip_is_fragment, ipv4_is_multicast
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.nic import netif_running
from ..abi.numbers import (
    CHECKSUM_NONE,
    CHECKSUM_UNNECESSARY,
    ETH_HLEN,
    ETH_P_IP,
    IP_HLEN,
    IPPROTO,
    NET_RX_SUCCESS,
    NO_ROUTE,
    OUTPUT_MULTICAST,
    PACKET_HOST,
    PACKET_OTHERHOST,
    RTN,
    Out,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..irq.backlog import netif_rx
from ..link.eth import eth_type_trans
from ..network.fib_trie import fib_table_lookup
from ..network.igmp import ip_check_mc
from ..outputs import emit_frame
from ..path import Stage, sender_xmit, xmit
from ..skb import __skb_dequeue, kfree_skb_reason
from ..turn import at, memory_of
from ..user.wmem import skb_orphan
from .igb_tx import WHOLE_FRAME
from .veth import veth_xmit


@sender_xmit("loopback_send")
@path_function
def loopback_send(net: Net, cpu: int, q: int) -> int:
    """A program's or a packet socket's frame, the first that is staged, in the sender's context."""
    ring = net.ring[q]
    skb = __skb_dequeue(net, ring.stage)
    ring.staged -= 1
    n = skb.len - ETH_HLEN
    skb.ip_summed, skb.network_header = CHECKSUM_NONE, skb.data + ETH_HLEN
    if n >= IP_HLEN:
        eth = eth_hdr(net, skb)
        if eth.h_proto == ETH_P_IP:
            lo_sender(net, skb)
    memory_of(net, cpu, skb.dev)
    taken = loopback_xmit(net, cpu, skb)
    if taken == NET_RX_SUCCESS:
        ring.packets += 1
        ring.bytes += n
    return taken


@xmit("loopback_xmit")
@path_function
def loopback_xmit(net: Net, cpu: int, skb: sk_buff) -> int:
    """ndo_start_xmit of lo: what is sent is received.  The answers of this host come here too, in the softirq that made them."""
    if skb.frame < 0:
        if skb.dst == NO_ROUTE:                      # to a packet socket's packet with a source elsewhere: another device takes it
            return veth_xmit(net, cpu, skb)
        emit_frame(net, cpu, Out.TX, skb, skb.dev, 0, WHOLE_FRAME)
        if skb.sk < 0:                               # a program's datagram says itself who sums it up
            skb.ip_summed = CHECKSUM_NONE
        skb_orphan(net, cpu, skb)
    c = net.cpu[cpu]
    at(net, cpu, skb, Stage.loopback_xmit)
    skb.tstamp = c.now
    dev, stat, n = net.dev[skb.dev], net.dev_stat[cpu][skb.dev], skb.len - ETH_HLEN
    if not netif_running(dev) or n < 0:
        stat[DevStat.rx_dropped] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.loopback_xmit, Drop.NOT_SPECIFIED)
    eth_type_trans(net, cpu, skb)
    if skb.pkt_type == PACKET_OTHERHOST:             # lo has no address: all that is for one is for us
        skb.pkt_type = PACKET_HOST
    taken = netif_rx(net, cpu, skb)
    if taken == NET_RX_SUCCESS:
        stat[DevStat.rx_bytes] -= ETH_HLEN           # eth_type_trans() has counted the header
        stat[DevStat.tx_packets] += 1
        stat[DevStat.tx_bytes] += n
    else:                                            # what the backlog refuses counts as rx_dropped alone; the sender sees success
        stat[DevStat.rx_packets] -= 1
        stat[DevStat.rx_bytes] -= n + ETH_HLEN
    return taken


@path_function
def lo_sender(net: Net, skb: sk_buff) -> None:
    """What the sender has settled: the checksum, and the route (ip_route_output_key): an address of this host, or a group that it has
    joined.  What goes nowhere here was a packet socket's: it is routed on arrival."""
    ip, dev = ip_hdr(net, skb), net.dev[skb.dev]
    nic = net.nic[dev.nic]
    if nic.rx_csum and (ip.protocol == IPPROTO.UDP or ip.protocol == IPPROTO.TCP) and not ip_is_fragment(ip):
        skb.ip_summed = CHECKSUM_UNNECESSARY
    if ipv4_is_multicast(ip.daddr):
        if ip_check_mc(net, skb.dev, ip.daddr):
            skb.dst, skb.dst_type = OUTPUT_MULTICAST, RTN.MULTICAST
        return
    i = fib_table_lookup(net, ip.daddr)
    if i >= 0:
        fa = net.fib[i]
        if fa.type == RTN.LOCAL or fa.type == RTN.BROADCAST:
            skb.dst, skb.dst_type = i, fa.type
