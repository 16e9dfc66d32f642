"""net/ipv4/icmp.c, the half that receives.  Called through inet_protos; errors go on to the protocol whose packet
they are about, requests are answered through ip_output.py.  RFC 792, RFC 1122 3.2.2.  The half that sends errors: icmp_send.py."""
from .. import path
from .._compile import mem_at, path_function, put_be32, struct_at
from ..abi.headers import icmp_hdr, ip_hdr, iphdr, ipv4_is_lbcast
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    FEED_HEADER_CUT,
    ICMP,
    ICMP_HLEN,
    IP_HLEN,
    IP_MF,
    IP_OFFSET,
    IPPROTO,
    NET_RX_SUCCESS,
    NO_SKB,
    NR_ICMP_TYPES,
    NR_ICMP_UNREACH,
    RTN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, Touch, inet_protocol, touched
from ..skb import consume_skb, csum_fold, kfree_skb_reason, pskb_may_pull, skb_checksum, skb_copy_bits, skb_csum_right, skb_csum_unnecessary
from ..turn import at, at_bytes, touch
from .fib_trie import fib_table_lookup
from .icmp_limit import icmp_unlimited, icmpv4_global_allow, icmpv4_xrlim_allow
from .icmp_send import icmp_out_count, icmp_push_reply
from .ip_options import ALL_OPTIONS, inet_current_timestamp
from .ip_options_echo import MEASURE, ip_options_echo, ip_options_fragment, ip_options_hop
from .ip_output import ip_finish_output, ip_finish_output2, ip_header, ip_select_ident, reply_skb, skb_store_bits
from .route import fib_compute_spec_dst, ip_route_output

ICMP_EXC_FRAGTIME = 1


@inet_protocol(IPPROTO.ICMP)
@path_function
def icmp_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """Acceptance, then by type.  skb.data stands at the ICMP header."""
    at(net, cpu, skb, Stage.icmp_rcv)
    mib = net.snmp[cpu]
    mib[Mib.Icmp_InMsgs] += 1
    if not icmp_csum_ok(net, cpu, skb):                                      # 1: checksum
        mib[Mib.Icmp_InCsumErrors] += 1
        return icmp_error(net, cpu, skb, Drop.ICMP_CSUM)
    if skb.wire & FEED_HEADER_CUT:                                           # a type, or a header that is quoted, which nobody knows
        return kfree_skb_reason(net, cpu, skb, Stage.icmp_rcv, Drop.CAPTURE_CUT)
    if not pskb_may_pull(net, skb, ICMP_HLEN):                               # 2: no room for a header
        return icmp_error(net, cpu, skb, Drop.NOT_SPECIFIED)
    icmp = icmp_hdr(net, skb)
    kind = icmp.type
    icmp_in_count(net, cpu, kind)
    if kind == ICMP.EXT_ECHO:                                                # RFC 8335: probes are off (icmp_echo_enable_probe)
        consume_skb(net, cpu, skb)
        return NET_RX_SUCCESS
    if kind == ICMP.EXT_ECHOREPLY:
        return ping_rcv(net, cpu, skb)
    asks = kind == ICMP.ECHO or kind == ICMP.TIMESTAMP
    if skb.dst_type == RTN.BROADCAST or skb.dst_type == RTN.MULTICAST:       # 3: to many: RFC 1122 3.2.2.6
        if asks and net.sysctl[Sysctl.icmp_echo_ignore_broadcasts]:
            return icmp_error(net, cpu, skb, Drop.INVALID_PROTO)
        if not asks and kind != ICMP.ADDRESS and kind != ICMP.ADDRESSREPLY:
            return icmp_error(net, cpu, skb, Drop.INVALID_PROTO)
    if kind > NR_ICMP_TYPES:                                                 # 4: unknown types are silently discarded
        return icmp_error(net, cpu, skb, Drop.UNHANDLED_PROTO)
    if asks:
        return icmp_request(net, cpu, skb, kind)
    if kind == ICMP.ECHOREPLY:
        return ping_rcv(net, cpu, skb)
    if kind == ICMP.REDIRECT:
        return icmp_redirect(net, cpu, skb)
    if kind == ICMP.DEST_UNREACH or kind == ICMP.SOURCE_QUENCH or kind == ICMP.TIME_EXCEEDED or kind == ICMP.PARAMETERPROB:
        return icmp_unreach(net, cpu, skb, kind)
    consume_skb(net, cpu, skb)                                               # icmp_discard()
    return NET_RX_SUCCESS


@path_function
def icmp_csum_ok(net: Net, cpu: int, skb: sk_buff) -> bool:
    """skb_checksum_simple_validate()"""
    if skb_csum_unnecessary(skb):
        return True
    at_bytes(net, cpu, skb, Stage.BYTE_CSUM, skb.len)
    skb.csum_valid = 1
    return skb_csum_right(skb, skb_checksum(net, skb, 0))


@path_function
def icmp_error(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    net.snmp[cpu][Mib.Icmp_InErrors] += 1
    return kfree_skb_reason(net, cpu, skb, Stage.icmp_rcv, reason)


@path_function
def icmp_in_count(net: Net, cpu: int, kind: int) -> None:
    mib = net.snmp[cpu]
    if kind == ICMP.ECHO:
        mib[Mib.Icmp_InEchos] += 1
    elif kind == ICMP.ECHOREPLY:
        mib[Mib.Icmp_InEchoReps] += 1
    elif kind == ICMP.DEST_UNREACH:
        mib[Mib.Icmp_InDestUnreachs] += 1
    elif kind == ICMP.TIME_EXCEEDED:
        mib[Mib.Icmp_InTimeExcds] += 1
    elif kind == ICMP.PARAMETERPROB:
        mib[Mib.Icmp_InParmProbs] += 1
    elif kind == ICMP.SOURCE_QUENCH:
        mib[Mib.Icmp_InSrcQuenchs] += 1
    elif kind == ICMP.REDIRECT:
        mib[Mib.Icmp_InRedirects] += 1
    elif kind == ICMP.TIMESTAMP:
        mib[Mib.Icmp_InTimestamps] += 1
    elif kind == ICMP.TIMESTAMPREPLY:
        mib[Mib.Icmp_InTimestampReps] += 1
    elif kind == ICMP.ADDRESS:
        mib[Mib.Icmp_InAddrMasks] += 1
    elif kind == ICMP.ADDRESSREPLY:
        mib[Mib.Icmp_InAddrMaskReps] += 1


@path_function
def ping_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """An echo reply: nobody here has pinged."""
    at(net, cpu, skb, Stage.ping_rcv)
    return kfree_skb_reason(net, cpu, skb, Stage.ping_rcv, Drop.NO_SOCKET)


# ---------------------------------------------------------------- errors about what this host has sent
@path_function
def icmp_unreach(net: Net, cpu: int, skb: sk_buff, kind: int) -> int:
    """To the protocol whose packet did not arrive."""
    at(net, cpu, skb, Stage.icmp_unreach)
    icmp = icmp_hdr(net, skb)
    icmp_pull(skb)
    if not pskb_may_pull(net, skb, IP_HLEN):
        return icmp_error(net, cpu, skb, Drop.NOT_SPECIFIED)
    inner, code = inner_ip_hdr(net, skb), icmp.code
    if inner.ihl < 5:
        return icmp_error(net, cpu, skb, Drop.IP_INHDR)
    ignored = (kind == ICMP.DEST_UNREACH and code > NR_ICMP_UNREACH) or (kind == ICMP.TIME_EXCEEDED and code == ICMP_EXC_FRAGTIME)
    if not ignored and (net.sysctl[Sysctl.icmp_ignore_bogus_error_responses] or not to_broadcast(net, inner.daddr)):
        return touch(net, cpu, skb, Touch.icmp_socket_deliver)
    consume_skb(net, cpu, skb)
    return NET_RX_SUCCESS


@path_function
def to_broadcast(net: Net, addr: int) -> bool:
    """inet_addr_type() == RTN_BROADCAST: who answers to such a packet with an error breaks RFC 1122."""
    if ipv4_is_lbcast(addr):
        return True
    i = fib_table_lookup(net, addr)
    if i < 0:
        return False
    fa = net.fib[i]
    return fa.type == RTN.BROADCAST


@path_function
def inner_ip_hdr(net: Net, skb: sk_buff) -> iphdr:
    """Of the packet that an error quotes: skb.data stands there."""
    return struct_at(iphdr, mem_at(net.mem_addr), skb.data)


@path_function
def icmp_pull(skb: sk_buff) -> None:
    skb.data += ICMP_HLEN
    skb.len -= ICMP_HLEN


@path_function
def icmp_redirect(net: Net, cpu: int, skb: sk_buff) -> int:
    """This host keeps its routes; the sockets hear of it."""
    at(net, cpu, skb, Stage.icmp_redirect)
    icmp_pull(skb)
    if skb.len < IP_HLEN:
        return icmp_error(net, cpu, skb, Drop.PKT_TOO_SMALL)
    if pskb_may_pull(net, skb, IP_HLEN):
        return touch(net, cpu, skb, Touch.icmp_socket_deliver)
    consume_skb(net, cpu, skb)
    return NET_RX_SUCCESS


@touched
@path_function
def icmp_socket_deliver(net: Net, cpu: int, skb: sk_buff) -> int:
    """skb.data stands at the header that came back; its protocol's err_handler tells the socket, or says that there is none."""
    inner = inner_ip_hdr(net, skb)
    if not pskb_may_pull(net, skb, inner.ihl * 4 + 8) or inner.protocol == IPPROTO.RAW:
        net.snmp[cpu][Mib.Icmp_InErrors] += 1
    elif path.call_err_handler(inner.protocol, net, cpu, skb) > 0 and skb.frame >= 0:     # lo: its sender has a socket, though none of ours
        net.snmp[cpu][Mib.Icmp_InErrors] += 1
    consume_skb(net, cpu, skb)
    return NET_RX_SUCCESS


# ---------------------------------------------------------------- requests
@path_function
def icmp_request(net: Net, cpu: int, skb: sk_buff, kind: int) -> int:
    """icmp_echo(), icmp_timestamp(): worth an answer?  It is sent when it is our turn: neighbours are everybody's."""
    if kind == ICMP.ECHO:
        at(net, cpu, skb, Stage.icmp_echo)
        if net.sysctl[Sysctl.icmp_echo_ignore_all]:
            consume_skb(net, cpu, skb)
            return NET_RX_SUCCESS
    else:
        at(net, cpu, skb, Stage.icmp_timestamp)
        if skb.len < ICMP_HLEN + 4:
            return icmp_error(net, cpu, skb, Drop.PKT_TOO_SMALL)
    return touch(net, cpu, skb, Touch.icmp_reply)


@touched
@path_function
def icmp_reply(net: Net, cpu: int, skb: sk_buff) -> int:
    """Back to where it came from; then the request has ended."""
    icmp, dev = icmp_hdr(net, skb), net.dev[skb.dev]
    saddr = fib_compute_spec_dst(net, skb)
    optlen = ip_options_echo(net, cpu, skb, ALL_OPTIONS, MEASURE, saddr)
    peer = ip_options_hop(net, skb, ALL_OPTIONS)
    stamp = icmp.type == ICMP.TIMESTAMP
    answer = ICMP.ECHOREPLY
    if stamp:
        answer = ICMP.TIMESTAMPREPLY
    if optlen >= 0 and may_reply(net, cpu, skb, peer, answer, icmp.code):
        if stamp:
            timestamp_reply(net, cpu, skb, saddr, peer, optlen)
        elif skb.len <= dev.mtu - IP_HLEN - optlen:
            echo_reply(net, cpu, skb, saddr, peer, optlen)
        else:
            echo_reply_fragments(net, cpu, skb, saddr, peer, optlen)
    consume_skb(net, cpu, skb)
    return NET_RX_SUCCESS


@path_function
def may_reply(net: Net, cpu: int, skb: sk_buff, peer: int, kind: int, code: int) -> bool:
    """A way back, and the limits, if icmp_ratemask has the reply's type: Linux's own mask has not."""
    if icmp_unlimited(net, kind, code):
        return ip_route_output(net, peer)
    return icmpv4_global_allow(net, cpu, skb, kind, code) and ip_route_output(net, peer) \
        and icmpv4_xrlim_allow(net, cpu, skb, peer, kind, code)


@path_function
def reply_headers(net: Net, cpu: int, skb: sk_buff, out: sk_buff, saddr: int, peer: int, optlen: int, ident: int, frag: int) -> None:
    """IP header and options of an answer."""
    ip, to = ip_hdr(net, skb), out.network_header + IP_HLEN
    if optlen:
        ip_options_echo(net, cpu, skb, ALL_OPTIONS, to, saddr)
        if frag & IP_OFFSET:
            ip_options_fragment(mem_at(net.mem_addr), to, optlen)
    ip_header(net, out, IPPROTO.ICMP, saddr, peer, ip.tos, ident, frag, optlen)


@path_function
def timestamp_reply(net: Net, cpu: int, skb: sk_buff, saddr: int, peer: int, optlen: int) -> None:
    i = reply_skb(net, cpu, skb, IP_HLEN + optlen + ICMP_HLEN + 12)
    if i == NO_SKB:
        return
    out, mem = net.skb[i], mem_at(net.mem_addr)
    reply_headers(net, cpu, skb, out, saddr, peer, optlen, ip_select_ident(net), 0)
    th, ms = out.transport_header, inet_current_timestamp(net, cpu)
    skb_copy_bits(net, skb, 0, mem, th, ICMP_HLEN + 4)                       # identifier, sequence, originate
    icmp = icmp_hdr(net, out)
    icmp.type, icmp.code = ICMP.TIMESTAMPREPLY, 0
    put_be32(mem, th + ICMP_HLEN + 4, ms)                                    # received, sent: since midnight
    put_be32(mem, th + ICMP_HLEN + 8, ms)
    icmp_push_reply(net, cpu, skb, out, peer)


@path_function
def echo_reply(net: Net, cpu: int, skb: sk_buff, saddr: int, peer: int, optlen: int) -> None:
    i = reply_skb(net, cpu, skb, IP_HLEN + optlen + skb.len)
    if i == NO_SKB:
        return
    out = net.skb[i]
    reply_headers(net, cpu, skb, out, saddr, peer, optlen, ip_select_ident(net), 0)
    skb_store_bits(net, out, out.transport_header, skb, 0, skb.len)
    icmp = icmp_hdr(net, out)
    icmp.type = ICMP.ECHOREPLY                                               # whatever the code was, it comes back
    icmp_push_reply(net, cpu, skb, out, peer)


@path_function
def echo_reply_fragments(net: Net, cpu: int, skb: sk_buff, saddr: int, peer: int, optlen: int) -> None:
    """An answer longer than the MTU: ip_fragment() of ip_output.c.  Its checksum covers all pieces, so it is summed over the request."""
    at(net, cpu, skb, Stage.icmp_push_reply)
    icmp, ident, dev = icmp_hdr(net, skb), ip_select_ident(net), net.dev[skb.dev]
    room, mib = (dev.mtu - IP_HLEN - optlen) & ~7, net.snmp[cpu]
    start, length = skb.data, skb.len
    skb.data += 4                                    # type and checksum are zero in the reply
    skb.len -= 4
    check = csum_fold(skb_checksum(net, skb, icmp.code << 8))
    skb.data, skb.len = start, length
    icmp_out_count(net, cpu, ICMP.ECHOREPLY)
    done = 0
    while done < length:
        n = min(room, length - done)
        i = reply_skb(net, cpu, skb, IP_HLEN + optlen + n)
        if i == NO_SKB:
            return
        out = net.skb[i]
        more = IP_MF if done + n < length else 0
        reply_headers(net, cpu, skb, out, saddr, peer, optlen, ident, more | done >> 3)
        skb_store_bits(net, out, out.transport_header, skb, done, n)
        if done == 0:
            reply = icmp_hdr(net, out)
            reply.type, reply.checksum = ICMP.ECHOREPLY, check
            ip_finish_output(net, cpu, skb, out, peer)
        else:
            ip_finish_output2(net, cpu, skb, out, peer)
        mib[Mib.Ip_FragCreates] += 1
        done += n
    mib[Mib.Ip_FragOKs] += 1
