"""net/ipv4/icmp.c, the half that tells a sender of an error.  RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.2.

Called by whoever refuses a packet: icmp_send_and_drop() of skb.py parks it until it is this CPU's turn
(limits and neighbours are everybody's), icmp_send() below sends and ends it.  Who is in a touch already calls __icmp_send() itself."""
from .._compile import mem_at, path_function, struct_at
from ..abi.headers import icmp_hdr, icmphdr, ip_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import AF_INET, ICMP, ICMP_HLEN, IP_HLEN, IP_OFFSET, IPPROTO, NO_SKB, NR_ICMP_TYPES, PACKET_HOST, RTN
from ..abi.skbuff import ICMP_SKB_CB, IPCB, sk_buff
from ..path import Stage, neigh_error_report, touched
from ..skb import csum_fold, kfree_skb_reason, skb_checksum, skb_copy_bits
from ..turn import at
from .icmp_limit import icmpv4_global_allow, icmpv4_xrlim_allow
from .ip_options import ALL_OPTIONS
from .ip_options_echo import MEASURE, ip_options_echo, ip_options_hop
from .ip_output import ip_finish_output, ip_header, ip_select_ident, reply_skb
from .route import fib_compute_spec_dst, ip_route_output

ICMP_HOST_UNREACH = 1
ICMP_ROOM = 576 - IP_HLEN - ICMP_HLEN                # RFC 1812: the whole message within 576 bytes
IPTOS_TOS_MASK, IPTOS_PREC_INTERNETCONTROL = 0x1E, 0xC0


@touched
@path_function
def icmp_send(net: Net, cpu: int, skb: sk_buff) -> int:
    """The continuation of icmp_send_and_drop()."""
    cb = ICMP_SKB_CB(skb)
    __icmp_send(net, cpu, skb, cb.type, cb.code, cb.info)
    return kfree_skb_reason(net, cpu, skb, skb.drop_stage, skb.drop_reason)


@path_function
def icmp_is_error(icmp_type: int) -> bool:
    """Types that icmp_pointers[] marks so: also those that nobody uses any more, and router advertisement and solicitation."""
    return (icmp_type > ICMP.ECHOREPLY and icmp_type < ICMP.ECHO) or (icmp_type > ICMP.ECHO and icmp_type < ICMP.TIMESTAMP)


@path_function
def may_complain(net: Net, skb: sk_buff) -> bool:
    """RFC 1122 3.2.2: never about ..."""
    ip = ip_hdr(net, skb)
    if skb.pkt_type != PACKET_HOST:                                          # 1: a frame to many
        return False
    if skb.dst_type == RTN.BROADCAST or skb.dst_type == RTN.MULTICAST:       # 2: an address of many
        return False
    if ip.frag_off & IP_OFFSET:                                              # 3: a fragment that is not the first
        return False
    if ip.protocol != IPPROTO.ICMP:
        return True
    th = skb.network_header + ip.ihl * 4
    if th >= skb.data + skb.len - skb.data_len:                              # 4: a message whose type is not here
        return False
    inner = struct_at(icmphdr, mem_at(net.mem_addr), th)
    return not (inner.type > NR_ICMP_TYPES or icmp_is_error(inner.type))     # 5: an error


@path_function
def __icmp_send(net: Net, cpu: int, skb: sk_buff, icmp_type: int, code: int, info: int) -> None:
    """Tell skb's sender; skb stays with the caller.  Only within a touch."""
    if not may_complain(net, skb):
        return
    at(net, cpu, skb, Stage.__icmp_send)
    ip, nh = ip_hdr(net, skb), skb.network_header
    if not icmpv4_global_allow(net, cpu, skb, icmp_type, code):
        return
    saddr = fib_compute_spec_dst(net, skb)
    understood = IPCB(skb).understood if icmp_type == ICMP.PARAMETERPROB else ALL_OPTIONS
    optlen = ip_options_echo(net, cpu, skb, understood, MEASURE, saddr)
    if optlen < 0:
        return
    peer = ip_options_hop(net, skb, understood)
    if not ip_route_output(net, peer):
        return
    if not icmpv4_xrlim_allow(net, cpu, skb, peer, icmp_type, code):
        return
    n = min(skb.data + skb.len - nh, ICMP_ROOM - optlen)
    i = reply_skb(net, cpu, skb, IP_HLEN + optlen + ICMP_HLEN + n)
    if i == NO_SKB:
        return
    out = net.skb[i]
    if optlen:
        ip_options_echo(net, cpu, skb, understood, out.network_header + IP_HLEN, saddr)
    ip_header(net, out, IPPROTO.ICMP, saddr, peer, ip.tos & IPTOS_TOS_MASK | IPTOS_PREC_INTERNETCONTROL,
              ip_select_ident(net), 0, optlen)
    icmp = icmp_hdr(net, out)
    icmp.type, icmp.code, icmp.un = icmp_type, code, info
    skb_copy_bits(net, skb, nh - skb.data, mem_at(net.mem_addr), out.transport_header + ICMP_HLEN, n)
    icmp_push_reply(net, cpu, skb, out, peer)


@neigh_error_report(AF_INET)
@path_function
def arp_error_report(net: Net, cpu: int, skb: sk_buff) -> int:
    """ipv4_link_failure(): nobody has said where its next hop is.  Whoever on this host sent it is told, by lo."""
    if net.loopback >= 0 and skb.sk >= 0:
        __icmp_send(net, cpu, skb, ICMP.DEST_UNREACH, ICMP_HOST_UNREACH, 0)
    return 0


@path_function
def icmp_push_reply(net: Net, cpu: int, skb: sk_buff, out: sk_buff, peer: int) -> None:
    """Count, sum up, send: an ICMP message of one frame that is complete but for its checksum."""
    at(net, cpu, skb, Stage.icmp_push_reply)
    icmp, th = icmp_hdr(net, out), out.transport_header
    icmp_out_count(net, cpu, icmp.type)
    icmp.checksum = 0
    start, length = out.data, out.len
    out.data, out.len = th, length - (th - start)                            # the sum is the message's
    check = csum_fold(skb_checksum(net, out, 0))
    out.data, out.len = start, length
    icmp.checksum = 0 if check == 0xFFFF else check                          # of zeros alone it is zero: seen on 6.18
    ip_finish_output(net, cpu, skb, out, peer)


@path_function
def icmp_out_count(net: Net, cpu: int, icmp_type: int) -> None:
    mib = net.snmp[cpu]
    mib[Mib.Icmp_OutMsgs] += 1
    if icmp_type == ICMP.ECHOREPLY or icmp_type == ICMP.TIMESTAMPREPLY:      # 6.18 counts both so: seen there
        mib[Mib.Icmp_OutEchoReps] += 1
    elif icmp_type == ICMP.DEST_UNREACH:
        mib[Mib.Icmp_OutDestUnreachs] += 1
    elif icmp_type == ICMP.TIME_EXCEEDED:
        mib[Mib.Icmp_OutTimeExcds] += 1
    elif icmp_type == ICMP.PARAMETERPROB:
        mib[Mib.Icmp_OutParmProbs] += 1
