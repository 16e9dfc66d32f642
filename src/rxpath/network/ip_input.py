"""net/ipv4/ip_input.c: IP receives.  Called through ptype_base (ip_rcv, ip_list_rcv); hands a packet for this host to its protocol
through inet_protos.  RFC 791, RFC 1122 3.2.1."""
from .. import path
from .._compile import be16, byte, mem_at, path_function
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    DONE,
    ETH_P_IP,
    IP_HLEN,
    IP_MF,
    IP_OFFSET,
    NET_RX_DROP,
    NET_RX_SUCCESS,
    NF_ACCEPT,
    NF_DROP,
    NF_WAIT,
    NO_SKB,
    PACKET_OTHERHOST,
    RTN,
    YIELD,
    Hook,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage, Touch, dst_input, packet_list, packet_type, touched
from ..skb import csum_fold, csum_partial, kfree_skb_reason, pskb_may_pull, skb_trim
from ..turn import at, late_private, park, touch
from .netfilter import nf_hook
from .route import ip_route_input_noref

RUN_HOOK, RUN_FINISH, RUN_DELIVER = 2, 3, 4          # napi.list_phase of a run that is in IP


@path_function
def ip_rcv_core(net: Net, cpu: int, skb: sk_buff) -> int:
    """The acceptance tests, in the kernel's order.  NET_RX_SUCCESS, or the packet has ended."""
    at(net, cpu, skb, Stage.ip_rcv_core)
    mem, nh = mem_at(net.mem_addr), skb.network_header
    if skb.pkt_type == PACKET_OTHERHOST:                                     # 1: promiscuous: not ours
        return kfree_skb_reason(net, cpu, skb, Drop.OTHERHOST)
    net.snmp[cpu][Mib.Ip_InReceives] += 1
    if not pskb_may_pull(net, skb, IP_HLEN):                                 # 2: no room for a header
        return ip_inhdr_error(net, cpu, skb, Drop.IP_INHDR)
    vihl = byte(mem, nh)
    ihl = (vihl & 15) * 4
    if vihl >> 4 != 4 or ihl < IP_HLEN:                                      # 3: version, header length
        return ip_inhdr_error(net, cpu, skb, Drop.IP_INHDR)
    if not pskb_may_pull(net, skb, ihl):                                     # 4: options cut off
        return ip_inhdr_error(net, cpu, skb, Drop.IP_INHDR)
    if csum_fold(csum_partial(mem, nh, ihl, 0)) != 0:                        # 5: header checksum
        net.snmp[cpu][Mib.IpExt_InCsumErrors] += 1
        return ip_inhdr_error(net, cpu, skb, Drop.IP_CSUM)
    tot_len = be16(mem, nh + 2)
    if skb.len < tot_len:                                                    # 6: more promised than arrived
        net.snmp[cpu][Mib.IpExt_InTruncatedPkts] += 1
        return kfree_skb_reason(net, cpu, skb, Drop.PKT_TOO_SMALL)
    if tot_len < ihl:                                                        # 7: shorter than its own header
        return ip_inhdr_error(net, cpu, skb, Drop.IP_INHDR)
    if skb.len > tot_len:                                                    # Ethernet padding
        skb_trim(net, skb, tot_len)
    skb.transport_header = nh + ihl
    return NET_RX_SUCCESS


@path_function
def ip_inhdr_error(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    net.snmp[cpu][Mib.Ip_InHdrErrors] += 1
    return kfree_skb_reason(net, cpu, skb, reason)


@packet_type(ETH_P_IP)
@path_function
def ip_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """One packet."""
    at(net, cpu, skb, Stage.ip_rcv)
    if ip_rcv_core(net, cpu, skb) == NET_RX_DROP:
        return NET_RX_DROP
    return ip_pre_routing(net, cpu, skb)


@touched(Touch.nf_pre_routing)
@path_function
def ip_pre_routing(net: Net, cpu: int, skb: sk_buff) -> int:
    """NF_HOOK(PRE_ROUTING, ..., ip_rcv_finish)"""
    verdict = nf_hook(net, cpu, Hook.PRE_ROUTING, skb)
    if verdict == NF_WAIT:
        park(net, cpu, skb, Touch.nf_pre_routing)
        return NET_RX_SUCCESS
    if verdict == NF_DROP:
        return NET_RX_DROP
    at(net, cpu, skb, Stage.ip_rcv_finish)
    if ip_rcv_finish_core(net, cpu, skb) == NET_RX_DROP:
        return NET_RX_DROP
    return path.call_dst_input(skb.dst_type, net, cpu, skb)


@packet_list(ETH_P_IP)
@path_function
def ip_list_rcv(net: Net, cpu: int, napi: napi_struct) -> int:
    """A run of packets: each step for all of them before the next step.  DONE or YIELD; the run's place stands in the napi."""
    if napi.list_phase < RUN_HOOK:
        walk = napi.list_head
        napi.list_head, napi.list_tail = NO_SKB, NO_SKB
        while walk >= 0:
            skb = net.skb[walk]
            walk = skb.next
            at(net, cpu, skb, Stage.ip_list_rcv)
            if ip_rcv_core(net, cpu, skb) == NET_RX_SUCCESS:
                keep(net, napi, skb)
        napi.list_phase = RUN_HOOK if net.nf_active else RUN_FINISH
        if net.nf_active:
            napi.list_cursor, napi.list_head, napi.list_tail = napi.list_head, NO_SKB, NO_SKB
    if napi.list_phase == RUN_HOOK:                                          # NF_HOOK_LIST
        while napi.list_cursor >= 0:
            skb = net.skb[napi.list_cursor]
            following = skb.next
            verdict = nf_hook(net, cpu, Hook.PRE_ROUTING, skb)
            if verdict == NF_WAIT:                                           # asked again when it is our turn
                return YIELD
            napi.list_cursor = following
            if verdict == NF_ACCEPT:
                keep(net, napi, skb)
        napi.list_phase = RUN_FINISH
    if napi.list_phase == RUN_FINISH:
        walk = napi.list_head
        napi.list_head, napi.list_tail = NO_SKB, NO_SKB
        while walk >= 0:
            skb = net.skb[walk]
            walk = skb.next
            at(net, cpu, skb, Stage.ip_sublist_rcv)
            if ip_rcv_finish_core(net, cpu, skb) == NET_RX_SUCCESS:
                keep(net, napi, skb)
        napi.list_phase = RUN_DELIVER
    while napi.list_head >= 0:                                               # ip_sublist_rcv_finish
        skb = net.skb[napi.list_head]
        napi.list_head = skb.next
        skb.next = NO_SKB
        path.call_dst_input(skb.dst_type, net, cpu, skb)
        if late_private(net, cpu):
            return YIELD
    return DONE


@path_function
def keep(net: Net, napi: napi_struct, skb: sk_buff) -> None:
    """To the tail of the run."""
    skb.next = NO_SKB
    if napi.list_head >= 0:
        tail = net.skb[napi.list_tail]
        tail.next = skb.idx
    else:
        napi.list_head = skb.idx
    napi.list_tail = skb.idx


@path_function
def ip_rcv_finish_core(net: Net, cpu: int, skb: sk_buff) -> int:
    """Route.  NET_RX_SUCCESS, or the packet has ended."""
    at(net, cpu, skb, Stage.ip_rcv_finish_core)
    reason = ip_route_input_noref(net, cpu, skb)
    if reason:
        return kfree_skb_reason(net, cpu, skb, reason)
    return NET_RX_SUCCESS


@dst_input(RTN.UNSPEC)
@path_function
def ip_error(net: Net, cpu: int, skb: sk_buff) -> int:
    """dst.input where there is no route: this host does not forward."""
    at(net, cpu, skb, Stage.ip_error)
    net.snmp[cpu][Mib.Ip_InAddrErrors] += 1
    return kfree_skb_reason(net, cpu, skb, Drop.IP_INADDRERRORS)


@dst_input(RTN.LOCAL)
@path_function
def ip_local_deliver(net: Net, cpu: int, skb: sk_buff) -> int:
    """For us: whole datagrams go on to LOCAL_IN, fragments wait for the rest."""
    at(net, cpu, skb, Stage.ip_local_deliver)
    mem = mem_at(net.mem_addr)
    if be16(mem, skb.network_header + 6) & (IP_MF | IP_OFFSET):
        return touch(net, cpu, skb, Touch.ip_defrag)
    return ip_local_in(net, cpu, skb)


@touched(Touch.nf_local_in)
@path_function
def ip_local_in(net: Net, cpu: int, skb: sk_buff) -> int:
    """NF_HOOK(LOCAL_IN, ..., ip_local_deliver_finish)"""
    verdict = nf_hook(net, cpu, Hook.LOCAL_IN, skb)
    if verdict == NF_WAIT:
        park(net, cpu, skb, Touch.nf_local_in)
        return NET_RX_SUCCESS
    if verdict == NF_DROP:
        return NET_RX_DROP
    return ip_local_deliver_finish(net, cpu, skb)


@path_function
def ip_local_deliver_finish(net: Net, cpu: int, skb: sk_buff) -> int:
    """Strip the IP header; to the handler that inet_protos names."""
    at(net, cpu, skb, Stage.ip_local_deliver_finish)
    mem = mem_at(net.mem_addr)
    skb.data = skb.transport_header
    skb.len -= skb.transport_header - skb.network_header
    handler = net.inet_protos[byte(mem, skb.network_header + 9)]
    if handler < 0:
        net.snmp[cpu][Mib.Ip_InUnknownProtos] += 1
        return kfree_skb_reason(net, cpu, skb, Drop.IP_NOPROTO)
    net.snmp[cpu][Mib.Ip_InDelivers] += 1
    return path.call_inet_protocol(handler, net, cpu, skb)
