"""net/ipv4/arp.c: who has an address of ours.  Called through ptype_base; answers leave by ip_output.py.  RFC 826, RFC 5227."""
from .._compile import path_function
from ..abi.headers import arp_hdr, ether_addr_to_u64, ipv4_is_loopback, ipv4_is_multicast
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import ETH_ALEN, ETH_P_ARP, ETH_P_IP, FEED_HEADER_CUT, NET_RX_SUCCESS, PACKET_HOST, PACKET_OTHERHOST, RTN
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, Touch, packet_type, touched
from ..skb import consume_skb, kfree_skb_reason, pskb_may_pull
from ..timer import jiffies
from ..turn import at, touch
from .arp_send import ARP_HDR_LEN, ARPHRD_ETHER, ARPOP_REPLY, ARPOP_REQUEST, arp_send_dst
from .neighbour import NUD_REACHABLE, NUD_STALE, OVERRIDE, neigh_event_ns, neigh_lookup, neigh_update
from .route import inet_addr_is_local, ip_route_input_noref

ARPHRD_IEEE802 = 6
LOCKTIME_NS = 1_000_000_000                          # net.ipv4.neigh.*.locktime: an answer does not move who has moved just now


@packet_type(ETH_P_ARP)
@path_function
def arp_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """Acceptance."""
    at(net, cpu, skb, Stage.arp_rcv)
    if skb.pkt_type == PACKET_OTHERHOST:                                     # 1: not ours, and no loss either
        return arp_consume(net, cpu, skb)
    if skb.wire & FEED_HEADER_CUT:
        return kfree_skb_reason(net, cpu, skb, Stage.arp_rcv, Drop.CAPTURE_CUT)
    if not pskb_may_pull(net, skb, ARP_HDR_LEN):                             # 2: cut short
        return kfree_skb_reason(net, cpu, skb, Stage.arp_rcv, Drop.PKT_TOO_SMALL)
    arp = arp_hdr(net, skb)
    if arp.ar_hln != ETH_ALEN or arp.ar_pln != 4:                            # 3: lengths of addresses
        return kfree_skb_reason(net, cpu, skb, Stage.arp_rcv, Drop.NOT_SPECIFIED)
    return touch(net, cpu, skb, Touch.arp_process)


@path_function
def arp_consume(net: Net, cpu: int, skb: sk_buff) -> int:
    consume_skb(net, cpu, skb)
    return NET_RX_SUCCESS


@touched
@path_function
def arp_process(net: Net, cpu: int, skb: sk_buff) -> int:
    """Answer for our addresses; keep the neighbours that we know up to date."""
    at(net, cpu, skb, Stage.arp_process)
    arp, dev = arp_hdr(net, skb), net.dev[skb.dev]
    if (arp.ar_hrd != ARPHRD_ETHER and arp.ar_hrd != ARPHRD_IEEE802) or arp.ar_pro != ETH_P_IP:      # 4: kinds of addresses
        return kfree_skb_reason(net, cpu, skb, Stage.arp_process, Drop.NOT_SPECIFIED)
    if arp.ar_op != ARPOP_REQUEST and arp.ar_op != ARPOP_REPLY:                                      # 5: RARP and the like
        return kfree_skb_reason(net, cpu, skb, Stage.arp_process, Drop.NOT_SPECIFIED)
    op, sip, tip, sha = arp.ar_op, arp.ar_sip, arp.ar_tip, ether_addr_to_u64(arp.ar_sha)
    if ipv4_is_multicast(tip) or (ipv4_is_loopback(tip) and not dev.route_localnet):
        return kfree_skb_reason(net, cpu, skb, Stage.arp_process, Drop.NOT_SPECIFIED)
    if sip == tip and dev.drop_gratuitous_arp:
        return kfree_skb_reason(net, cpu, skb, Stage.arp_process, Drop.NOT_SPECIFIED)
    if sip == 0:                                                             # RFC 5227: is that address taken?
        if op == ARPOP_REQUEST and inet_addr_is_local(net, tip) and not arp_ignore(net, skb, sip, tip):
            arp_send_reply(net, cpu, skb, sip, tip, sha)
        return arp_consume(net, cpu, skb)
    if op == ARPOP_REQUEST:
        if ip_route_input_noref(net, cpu, skb, tip, sip) == 0 and skb.dst_type == RTN.LOCAL:
            if not arp_ignore(net, skb, sip, tip):
                at(net, cpu, skb, Stage.neigh_event_ns)
                if neigh_event_ns(net, cpu, sip, skb.dev, sha) >= 0:
                    arp_send_reply(net, cpu, skb, sip, tip, sha)
            return arp_consume(net, cpu, skb)
    i = neigh_lookup(net, sip, skb.dev)
    if i >= 0:                                                               # arp_accept is 0: strangers are not learnt from
        n, garp = net.neigh[i], arp_is_garp(op, sip, tip, sha, ether_addr_to_u64(arp.ar_tha))
        settled = jiffies(net, cpu) > n.updated + LOCKTIME_NS // net.sysctl[Sysctl.jiffy_ns]
        certain = op == ARPOP_REPLY and skb.pkt_type == PACKET_HOST          # what was broadcast, or asked, says less
        neigh_update(net, cpu, i, sha, NUD_REACHABLE if certain else NUD_STALE, OVERRIDE if settled or garp else 0)
    return arp_consume(net, cpu, skb)


@path_function
def arp_is_garp(op: int, sip: int, tip: int, sha: int, tha: int) -> bool:
    """It says of itself where it is: asked for by nobody."""
    return sip == tip and (op != ARPOP_REPLY or sha == tha)


@path_function
def arp_ignore(net: Net, skb: sk_buff, sip: int, tip: int) -> bool:
    """arp_ignore: 0 any address of ours, 1 one of this device, 2 and the asker in its network, 8 none."""
    dev = net.dev[skb.dev]
    if dev.arp_ignore == 0:
        return False
    if dev.arp_ignore == 8 or tip != dev.addr:
        return True
    return dev.arp_ignore == 2 and (sip ^ dev.addr) & dev.mask != 0


@path_function
def arp_send_reply(net: Net, cpu: int, skb: sk_buff, sip: int, tip: int, sha: int) -> None:
    """tip is at our MAC: to who asked."""
    arp_send_dst(net, cpu, skb.dev, -1 - skb.frame, ARPOP_REPLY, sip, tip, sha, sha)
