"""What this host sends to a broadcast address, or to a group that its device has joined, it hears itself: ip_mc_output() and
ip_mc_finish_output() of net/ipv4/ip_output.c.  RFC 1112 6.1.

Called by ip_output.py and ip_send.py before the frame leaves; hands a copy to dev_loopback_xmit() (irq/backlog.py) through path.py's table.
The copy comes in by the device that the frame leaves by, past its driver, with its sender's route and as PACKET_LOOPBACK.  A datagram that
leaves in pieces comes back whole.  No frame of the wire ends with it."""
from .. import path
from .._compile import cold, path_function
from ..abi.headers import ip_hdr
from ..abi.net import Net
from ..abi.numbers import (
    AF_INET,
    CHECKSUM_NONE,
    CHECKSUM_UNNECESSARY,
    ETH_HLEN,
    ETH_P_IP,
    IP_DF,
    IP_HLEN,
    NO_SOCK,
    OUTPUT_MULTICAST,
    PACKET_LOOPBACK,
    RTN,
)
from ..abi.skbuff import sk_buff
from ..path import Stage
from ..skb import ip_send_check, skb_add_part, skb_clone_ours, skb_release
from ..turn import at
from .igmp import ip_check_mc


@path_function
def multicast_ether(group: int) -> int:
    """ip_eth_mc_map()"""
    return 0x01005E000000 | group & 0x7FFFFF


@path_function
def heard_here(net: Net, dev: int, kind: int, daddr: int, mc_loop: int) -> bool:
    """Is dst.output ip_mc_output(), and does it loop?  mc_loop: of the socket's (IP_MULTICAST_LOOP)."""
    return kind == RTN.BROADCAST or (mc_loop != 0 and ip_check_mc(net, dev, daddr))


@cold
@path_function
def ip_mc_finish_output(net: Net, cpu: int, out: sk_buff, kind: int) -> None:
    """A copy of a packet whose data stands at the Ethernet header, and of the pieces behind it, comes in again.  kind: RTN.BROADCAST or
    MULTICAST.  Where there is no room for the copy, there is none."""
    at(net, cpu, out, Stage.ip_mc_output)
    first = skb_clone_ours(net, cpu, out)
    if first < 0:
        return
    skb, i = net.skb[first], out.next
    skb.data += ETH_HLEN
    skb.len -= ETH_HLEN
    if i >= 0 and not whole_again(net, cpu, skb, i):
        skb_release(net, cpu, skb)
        return
    skb.sk, skb.hash, skb.protocol, skb.pkt_type, skb.vlan = NO_SOCK, 0, ETH_P_IP, PACKET_LOOPBACK, 0
    skb.dst, skb.dst_type = OUTPUT_MULTICAST, kind
    if skb.ip_summed == CHECKSUM_NONE:
        skb.ip_summed = CHECKSUM_UNNECESSARY
    path.call_dev_loopback(AF_INET, net, cpu, skb)


@cold
@path_function
def whole_again(net: Net, cpu: int, skb: sk_buff, second: int) -> bool:
    """The pieces behind the first one hang on it, without their headers.  False: there is no room."""
    i = second
    while i >= 0:
        piece = net.skb[i]
        i = piece.next
        k = skb_clone_ours(net, cpu, piece)
        if k < 0:
            return False
        part = net.skb[k]
        part.data += ETH_HLEN + IP_HLEN
        part.len -= ETH_HLEN + IP_HLEN
        skb_add_part(net, skb, part)
        skb.len += part.len
        skb.data_len += part.len
        skb.truesize += part.truesize
    ip = ip_hdr(net, skb)
    ip.tot_len, ip.frag_off = skb.len, ip.frag_off & IP_DF
    ip_send_check(net, skb)
    return True
