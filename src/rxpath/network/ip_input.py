"""net/ipv4/ip_input.c: IP receives.  Called through ptype_base (ip_rcv, ip_list_rcv); hands a packet for this host to its protocol
through inet_protos.  RFC 791, RFC 1122 3.2.1."""
from .. import path
from .._compile import cold, mem_at, path_function
from ..abi.frag import IP_DEFRAG_LOCAL_DELIVER
from ..abi.headers import ip_hdr, ip_is_fragment, ipv4_is_lbcast, ipv4_is_multicast
from ..abi.kernels import Behaviour, Sysctl
from ..abi.mib import DevStat, Mib
from ..abi.net import Net
from ..abi.numbers import (
    DEMUX_ROUTED,
    DONE,
    EACCES,
    EHOSTUNREACH,
    ENETUNREACH,
    ETH_P_IP,
    FEED_HEADER_CUT,
    FEED_IP_CSUM_GOOD,
    ICMP,
    ICMP_HOST_UNREACH,
    ICMP_NET_UNREACH,
    ICMP_PKT_FILTERED,
    ICMP_PROT_UNREACH,
    IP_HLEN,
    IPPROTO,
    NET_RX_DROP,
    NET_RX_SUCCESS,
    NF_ACCEPT,
    NF_DROP,
    NF_WAIT,
    NO_ROUTE,
    NO_SKB,
    NO_SOCK,
    PACKET_BROADCAST,
    PACKET_HOST,
    PACKET_MULTICAST,
    PACKET_OTHERHOST,
    RTN,
    YIELD,
    Hook,
    Run,
)
from ..abi.protocols import Seen
from ..abi.reasons import Drop
from ..abi.skbuff import IPCB, sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage, Touch, dst_input, packet_list, packet_type, touched
from ..skb import (
    __skb_dequeue,
    __skb_queue_tail,
    count_unhandled,
    icmp_send_and_drop,
    ip_fast_csum,
    kfree_skb_reason,
    pskb_may_pull,
    skb_trim,
)
from ..turn import at, late_private, park, touch
from .igmp import ip_check_mc
from .ip_fragment import ip_defrag
from .ip_options import ip_rcv_options, route_type
from .netfilter import nf_hook
from .route import ip_mc_validate_source, ip_route_input_noref, ip_route_use_hint


@path_function
def ip_rcv_core(net: Net, cpu: int, skb: sk_buff) -> int:
    """The acceptance tests, in the kernel's order.  NET_RX_SUCCESS, or the packet has ended."""
    at(net, cpu, skb, Stage.ip_rcv_core)
    mem, nh = mem_at(net.mem_addr), skb.network_header
    if skb.pkt_type == PACKET_OTHERHOST:                                     # 1: promiscuous: not ours
        net.dev_stat[cpu][skb.dev][DevStat.rx_otherhost_dropped] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.ip_rcv_core, Drop.OTHERHOST)
    mib = net.snmp[cpu]
    mib[Mib.Ip_InReceives] += 1
    mib[Mib.IpExt_InOctets] += skb.len                                       # Ethernet padding included
    if not pskb_may_pull(net, skb, IP_HLEN):                                 # 2: no room for a header
        return ip_inhdr_error(net, cpu, skb, Drop.IP_INHDR)
    ip = ip_hdr(net, skb)
    ihl = ip.ihl * 4
    if ip.version != 4 or ihl < IP_HLEN:                                     # 3: version, header length
        return ip_inhdr_error(net, cpu, skb, Drop.IP_INHDR)
    mib[Mib.IpExt_InNoECTPkts + (ip.tos & 3)] += max(1, skb.gso_segs)
    if not pskb_may_pull(net, skb, ihl):                                     # 4: options cut off
        return ip_inhdr_error(net, cpu, skb, Drop.IP_INHDR)
    if ip_fast_csum(mem, nh, ip.ihl) != 0 and skb.wire & FEED_IP_CSUM_GOOD == 0:       # 5: header checksum
        return ip_inhdr_error(net, cpu, skb, Drop.IP_CSUM)
    if skb.len < ip.tot_len:                                                 # 6: more promised than arrived
        net.snmp[cpu][Mib.IpExt_InTruncatedPkts] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.ip_rcv_core, Drop.PKT_TOO_SMALL)
    if ip.tot_len < ihl:                                                     # 7: shorter than its own header
        return ip_inhdr_error(net, cpu, skb, Drop.IP_INHDR)
    if skb.len > ip.tot_len:                                                 # Ethernet padding
        skb_trim(net, skb, ip.tot_len)
    skb.transport_header = nh + ihl
    return NET_RX_SUCCESS


@cold
@path_function
def ip_inhdr_error(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    if skb.wire & FEED_HEADER_CUT:
        return kfree_skb_reason(net, cpu, skb, Stage.ip_rcv_core, Drop.CAPTURE_CUT)
    if reason == Drop.IP_CSUM:
        net.snmp[cpu][Mib.IpExt_InCsumErrors] += 1
    net.snmp[cpu][Mib.Ip_InHdrErrors] += 1
    return kfree_skb_reason(net, cpu, skb, Stage.ip_rcv_core, reason)


@packet_type(ETH_P_IP)
@path_function
def ip_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """One packet."""
    at(net, cpu, skb, Stage.ip_rcv)
    if ip_rcv_core(net, cpu, skb) == NET_RX_DROP:
        return NET_RX_DROP
    return ip_pre_routing(net, cpu, skb)


@touched
@path_function
def ip_pre_routing(net: Net, cpu: int, skb: sk_buff) -> int:
    """NF_HOOK(PRE_ROUTING, ..., ip_rcv_finish)"""
    verdict = nf_hook(net, cpu, Hook.PRE_ROUTING, skb)
    if verdict == NF_WAIT:
        park(net, cpu, skb, Touch.ip_pre_routing)
        return NET_RX_SUCCESS
    if verdict == NF_DROP:
        return NET_RX_DROP
    at(net, cpu, skb, Stage.ip_rcv_finish)
    if ip_rcv_finish_core(net, cpu, skb, NO_SKB) == NET_RX_DROP:
        return NET_RX_DROP
    return path.call_dst_input(skb.dst_type, net, cpu, skb)


@packet_list(ETH_P_IP)
@path_function
def ip_list_rcv(net: Net, cpu: int, napi: napi_struct) -> int:
    """A run of packets: each step for all of them before the next step.  DONE or YIELD; the run's place stands in the napi."""
    if napi.run_state == Run.HAND_UP:
        walk, napi.run.head = napi.run.head, NO_SKB
        while walk >= 0:
            skb = net.skb[walk]
            walk = skb.next
            at(net, cpu, skb, Stage.ip_list_rcv)
            if ip_rcv_core(net, cpu, skb) == NET_RX_SUCCESS:
                at(net, cpu, skb, Stage.ip_sublist_rcv)
                __skb_queue_tail(net, napi.run, skb)
        napi.run_state = Run.FINISH
        if net.nf_active:
            napi.run_state, napi.run_cursor, napi.run.head = Run.HOOK, napi.run.head, NO_SKB
    if napi.run_state == Run.HOOK:                                           # NF_HOOK_LIST
        while napi.run_cursor >= 0:
            skb = net.skb[napi.run_cursor]
            following = skb.next
            verdict = nf_hook(net, cpu, Hook.PRE_ROUTING, skb)
            if verdict == NF_WAIT:                                           # asked again when it is our turn
                return YIELD
            napi.run_cursor = following
            if verdict == NF_ACCEPT:
                __skb_queue_tail(net, napi.run, skb)
            if late_private(net, cpu):                                       # rules take long; a REJECT may have parked its packet
                return YIELD
        napi.run_state = Run.FINISH
    if napi.run_state == Run.FINISH:
        ip_list_rcv_finish(net, cpu, napi)
        napi.run_state = Run.DELIVER
    while napi.run.head >= 0:                                                # ip_sublist_rcv_finish
        skb = __skb_dequeue(net, napi.run)
        path.call_dst_input(skb.dst_type, net, cpu, skb)
        if late_private(net, cpu):
            return YIELD
    return DONE


@path_function
def ip_list_rcv_finish(net: Net, cpu: int, napi: napi_struct) -> None:
    """Route all of the run: one that goes where the packet before it went needs no look at the FIB."""
    walk, hint, curr_dst = napi.run.head, NO_SKB, NO_ROUTE
    napi.run.head = NO_SKB
    while walk >= 0:
        skb = net.skb[walk]
        walk = skb.next
        if ip_rcv_finish_core(net, cpu, skb, hint) == NET_RX_SUCCESS:
            if skb.dst != curr_dst or skb.dst < 0:
                curr_dst = skb.dst
                hint = ip_extract_route_hint(net, skb)
            __skb_queue_tail(net, napi.run, skb)


@path_function
def ip_extract_route_hint(net: Net, skb: sk_buff) -> int:
    """Unicast only."""
    ip = ip_hdr(net, skb)
    if ipv4_is_lbcast(ip.daddr) or ipv4_is_multicast(ip.daddr):
        return NO_SKB
    return skb.idx


@path_function
def ip_can_use_hint(net: Net, skb: sk_buff, hint: int) -> bool:
    """The same destination and TOS."""
    if hint < 0:
        return False
    ip, known = ip_hdr(net, skb), ip_hdr(net, net.skb[hint])
    return ip.daddr == known.daddr and ip.tos == known.tos


@path_function
def ip_rcv_finish_core(net: Net, cpu: int, skb: sk_buff, hint: int) -> int:
    """Early demux, route, options.  NET_RX_SUCCESS, or the packet has ended.  hint: a packet of the same list, NO_SKB."""
    at(net, cpu, skb, Stage.ip_rcv_finish_core)
    ip = ip_hdr(net, skb)
    if ip_can_use_hint(net, skb, hint):
        known = net.skb[hint]
        reason = ip_route_use_hint(net, cpu, skb, ip.saddr, known.dst, route_type(known))
        mine, theirs = IPCB(skb), IPCB(known)
        mine.error = theirs.error
    elif skb.dst != NO_ROUTE:                                                # lo: the packet brings its sender's route
        reason = 0
    else:
        reason = ip_early_demux(net, cpu, skb)
        if reason == 0:
            reason = ip_route_input_noref(net, cpu, skb, ip.daddr, ip.saddr)
    if reason > 0:
        if reason == Drop.IP_RPFILTER:
            net.snmp[cpu][Mib.TcpExt_IPReversePathFilter] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.ip_rcv_finish_core, reason)
    if ip.ihl * 4 > IP_HLEN:
        if ip_rcv_options(net, cpu, skb) == NET_RX_DROP:
            return NET_RX_DROP
    if skb.dst_type == RTN.LOCAL and skb.pkt_type == PACKET_HOST:            # by far the most
        return NET_RX_SUCCESS
    return ip_count_casts(net, cpu, skb)


@path_function
def ip_early_demux(net: Net, cpu: int, skb: sk_buff) -> int:
    """A connected socket saves the rest of the lookups.  0: route it; less: the socket knew the route; more: a drop reason."""
    if net.sysctl[Sysctl.ip_early_demux] == 0:
        return 0
    ip = ip_hdr(net, skb)
    if ip_is_fragment(ip):
        return 0
    if ip.protocol == IPPROTO.UDP:
        if net.sysctl[Sysctl.udp_early_demux] and net.behaviour[Behaviour.early_demux]:
            return udp_demuxed(net, cpu, skb, path.call_early_demux(IPPROTO.UDP, net, cpu, skb))
    elif ip.protocol == IPPROTO.TCP and net.sysctl[Sysctl.tcp_early_demux]:
        return path.call_early_demux(IPPROTO.TCP, net, cpu, skb)
    return 0


@path_function
def udp_demuxed(net: Net, cpu: int, skb: sk_buff, found: int) -> int:
    """What udp_v4_early_demux() leaves to us: is the group still ours, and may that source send to it?"""
    if skb.sk < 0 or skb.pkt_type != PACKET_MULTICAST:
        return found
    ip, sk = ip_hdr(net, skb), net.socks[skb.sk]
    if not ip_check_mc(net, skb.dev, ip.daddr):                                 # routing will say no
        skb.sk, skb.dst = NO_SOCK, NO_ROUTE
        return 0
    if found != DEMUX_ROUTED or skb.dst_type != RTN.MULTICAST:
        return found
    if sk.daddr_lo:
        return found
    reason = ip_mc_validate_source(net, cpu, skb, net.dev[skb.dev], ip.daddr, ip.saddr, IPPROTO.UDP)
    return reason if reason > 0 else found


@path_function
def ip_count_casts(net: Net, cpu: int, skb: sk_buff) -> int:
    """Multicast and broadcast are counted; RFC 1122 3.3.6: a frame to many with an address of one is suspect."""
    mib, dev = net.snmp[cpu], net.dev[skb.dev]
    if skb.dst_type == RTN.MULTICAST:
        mib[Mib.IpExt_InMcastPkts] += 1
        mib[Mib.IpExt_InMcastOctets] += skb.len
    elif skb.dst_type == RTN.BROADCAST:
        mib[Mib.IpExt_InBcastPkts] += 1
        mib[Mib.IpExt_InBcastOctets] += skb.len
    elif dev.drop_unicast_in_l2_multicast and (skb.pkt_type == PACKET_BROADCAST or skb.pkt_type == PACKET_MULTICAST):
        return kfree_skb_reason(net, cpu, skb, Stage.ip_rcv_finish_core, Drop.UNICAST_IN_L2_MULTICAST)
    return NET_RX_SUCCESS


@dst_input(RTN.UNREACHABLE)
@cold
@path_function
def ip_error(net: Net, cpu: int, skb: sk_buff) -> int:
    """dst.input where there is no route.  A host that does not forward says nothing; a router tells the sender."""
    at(net, cpu, skb, Stage.ip_error)
    dev, mib, error = net.dev[skb.dev], net.snmp[cpu], IPCB(skb).error
    if dev.forwarding == 0:
        mib[Mib.Ip_InAddrErrors] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.ip_error, Drop.IP_INADDRERRORS)
    if error == EHOSTUNREACH:
        return icmp_send_and_drop(net, cpu, skb, ICMP.DEST_UNREACH, ICMP_HOST_UNREACH, Stage.ip_error, Drop.NOT_SPECIFIED)
    if error == ENETUNREACH:
        mib[Mib.IpExt_InNoRoutes] += 1
        return icmp_send_and_drop(net, cpu, skb, ICMP.DEST_UNREACH, ICMP_NET_UNREACH, Stage.ip_error, Drop.IP_INNOROUTES)
    if error == EACCES:
        return icmp_send_and_drop(net, cpu, skb, ICMP.DEST_UNREACH, ICMP_PKT_FILTERED, Stage.ip_error, Drop.NOT_SPECIFIED)
    return kfree_skb_reason(net, cpu, skb, Stage.ip_error, Drop.NOT_SPECIFIED)


@dst_input(RTN.BROADCAST)
@dst_input(RTN.MULTICAST)
@dst_input(RTN.LOCAL)
@path_function
def ip_local_deliver(net: Net, cpu: int, skb: sk_buff) -> int:
    """For us: whole datagrams go on to LOCAL_IN, fragments wait for the rest."""
    at(net, cpu, skb, Stage.ip_local_deliver)
    if ip_is_fragment(ip_hdr(net, skb)):
        return touch(net, cpu, skb, Touch.ip_local_deliver_defrag)
    return ip_local_in(net, cpu, skb)


@touched
@path_function
def ip_local_deliver_defrag(net: Net, cpu: int, skb: sk_buff) -> int:
    """ip_local_deliver() of a fragment: the datagram goes on if this was what it lacked."""
    whole = ip_defrag(net, cpu, skb, IP_DEFRAG_LOCAL_DELIVER)
    if whole < 0:
        return NET_RX_SUCCESS
    return ip_local_in(net, cpu, net.skb[whole])


@touched
@path_function
def ip_local_in(net: Net, cpu: int, skb: sk_buff) -> int:
    """NF_HOOK(LOCAL_IN, ..., ip_local_deliver_finish)"""
    verdict = nf_hook(net, cpu, Hook.LOCAL_IN, skb)
    if verdict == NF_WAIT:
        park(net, cpu, skb, Touch.ip_local_in)
        return NET_RX_SUCCESS
    if verdict == NF_DROP:
        return NET_RX_DROP
    return ip_local_deliver_finish(net, cpu, skb)


@path_function
def ip_local_deliver_finish(net: Net, cpu: int, skb: sk_buff) -> int:
    """Strip the IP header."""
    at(net, cpu, skb, Stage.ip_local_deliver_finish)
    ip = ip_hdr(net, skb)
    skb.data = skb.transport_header
    skb.len -= skb.transport_header - skb.network_header
    return ip_protocol_deliver_rcu(net, cpu, skb, ip.protocol)


@path_function
def ip_protocol_deliver_rcu(net: Net, cpu: int, skb: sk_buff, protocol: int) -> int:
    """To the handler that inet_protos names."""
    at(net, cpu, skb, Stage.ip_protocol_deliver_rcu)
    at(net, cpu, skb, Stage.raw_local_deliver)                               # there are no raw sockets
    handler = net.inet_protos[protocol]
    if handler < 0:
        return ip_no_protocol(net, cpu, skb, protocol)
    net.snmp[cpu][Mib.Ip_InDelivers] += 1
    return path.call_inet_protocol(handler, net, cpu, skb)


@cold
@path_function
def ip_no_protocol(net: Net, cpu: int, skb: sk_buff, protocol: int) -> int:
    """Its sender is told, unless it is a protocol that a real host would handle."""
    count_unhandled(net, skb, Seen.PROTOCOL, protocol)
    if net.inet_not_modelled[protocol]:
        return kfree_skb_reason(net, cpu, skb, Stage.ip_protocol_deliver_rcu, Drop.NOT_MODELLED)
    net.snmp[cpu][Mib.Ip_InUnknownProtos] += 1
    return icmp_send_and_drop(net, cpu, skb, ICMP.DEST_UNREACH, ICMP_PROT_UNREACH, Stage.ip_protocol_deliver_rcu, Drop.IP_NOPROTO)
