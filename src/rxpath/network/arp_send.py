"""ARP packets that this host sends: arp_send_dst() and arp_solicit() of net/ipv4/arp.c.  RFC 826.

Called by arp.py to answer and by neighbour.py to ask; hands whole frames to dev_xmit.py."""
from .._compile import path_function
from ..abi.headers import arp_hdr, ip_hdr, u64_to_ether_addr
from ..abi.net import Net
from ..abi.numbers import ETH_ALEN, ETH_P_ARP, ETH_P_IP, FRAME_OF_OURS, NO_SKB
from ..path import Stage
from ..turn import at
from .dev_xmit import dev_alloc_skb, dev_queue_xmit, eth_header
from .fib_trie import inet_lookup_ifaddr

ARP_HDR_LEN = 28
ARPHRD_ETHER = 1
ARPOP_REQUEST, ARPOP_REPLY = 1, 2
BROADCAST = 0xFFFFFFFFFFFF


@path_function
def arp_send_dst(net: Net, cpu: int, dev: int, frame: int, op: int, dest_ip: int, src_ip: int, dest_hw: int, target_hw: int) -> None:
    """src_ip is at our MAC; to dest_hw.  frame: as skb.frame."""
    i = dev_alloc_skb(net, cpu, dev, ARP_HDR_LEN)
    if i == NO_SKB:
        return
    out, device = net.skb[i], net.dev[dev]
    out.frame = frame
    eth_header(net, out, dest_hw, ETH_P_ARP)
    arp = arp_hdr(net, out)
    arp.ar_hrd, arp.ar_pro, arp.ar_hln, arp.ar_pln, arp.ar_op = ARPHRD_ETHER, ETH_P_IP, ETH_ALEN, 4, op
    u64_to_ether_addr(device.mac, arp.ar_sha)
    arp.ar_sip = src_ip
    u64_to_ether_addr(target_hw, arp.ar_tha)
    arp.ar_tip = dest_ip
    at(net, cpu, out, Stage.arp_xmit)
    dev_queue_xmit(net, cpu, out)


@path_function
def arp_solicit(net: Net, cpu: int, dev: int, target: int, skb: int, unicast_to: int) -> None:
    """Who has `target`?  skb: the packet that has waited least, NO_SKB; its source, if that is ours, is who asks (arp_announce 0).
    unicast_to: the MAC that it had, of whom alone is asked; 0: everybody."""
    device, frame = net.dev[dev], FRAME_OF_OURS
    src_ip = device.addr
    if skb >= 0:
        waiting = net.skb[skb]
        ip, frame = ip_hdr(net, waiting), waiting.frame
        if inet_lookup_ifaddr(net, ip.saddr):
            src_ip = ip.saddr
    arp_send_dst(net, cpu, dev, frame, ARPOP_REQUEST, target, src_ip, unicast_to if unicast_to else BROADCAST, 0)
