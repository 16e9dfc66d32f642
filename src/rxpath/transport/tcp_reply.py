"""Answers to segments of no connection, and of a request: net/ipv4/tcp_ipv4.c (tcp_v4_send_reset, tcp_v4_send_ack).  RFC 9293 3.5.2.

They go back the way that the segment came, through path.py's table unicast_reply."""
from .. import path
from .._compile import byte, cold, mem_at, path_function
from ..abi.headers import tcp_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    ETH_HLEN,
    IP_HLEN,
    IPPROTO,
    RTN,
    TCP_HLEN,
    TCPHDR_ACK,
    TCPHDR_FIN,
    TCPHDR_RST,
    TCPHDR_SYN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.tcp import request_sock, tcp_timewait_sock
from ..abi.tcp_options import TCPOLEN_MD5SIG, TCPOLEN_TSTAMP_ALIGNED, TCPOPT_EOL, TCPOPT_MD5SIG, TCPOPT_NOP
from ..path import Stage, Touch, touched
from ..skb import alloc_skb, csum_fold, csum_partial, csum_tcpudp_nofold, kfree_skb_reason, skb_init
from ..turn import at, touch
from .tcp_established_options import tcp_write_timestamp
from .tcp_seq import tcp_time_stamp_ts, u32
from .tcp_window import U16_MAX

ROOM_BEFORE = 44                 # an answer: options that IP echoes, a VLAN tag


# ---------------------------------------------------------------- RST
@path_function
def tcp_reset_and_drop(net: Net, cpu: int, skb: sk_buff, stage: int, reason: int) -> int:
    """tcp_v4_send_reset() when it is our turn, then the segment ends."""
    if not tcp_may_reset(net, skb):
        return kfree_skb_reason(net, cpu, skb, stage, reason)
    skb.drop_stage, skb.drop_reason = stage, reason
    return touch(net, cpu, skb, Touch.tcp_reset_when_due)


@touched
@path_function
def tcp_reset_when_due(net: Net, cpu: int, skb: sk_buff) -> int:
    tcp_v4_send_reset(net, cpu, skb)
    return kfree_skb_reason(net, cpu, skb, skb.drop_stage, skb.drop_reason)


@path_function
def tcp_may_reset(net: Net, skb: sk_buff) -> bool:
    """Never an answer to RST, or to what was not sent to us."""
    th = tcp_hdr(net, skb)
    return th.flags & TCPHDR_RST == 0 and skb.dst_type == RTN.LOCAL and tcp_options_allow_reset(net, skb)


@cold
@path_function
def tcp_options_allow_reset(net: Net, skb: sk_buff) -> bool:
    """tcp_do_parse_auth_options(): no answer to malformed options, nor to a signature, for which nobody here has a key."""
    th, mem, at_option = tcp_hdr(net, skb), mem_at(net.mem_addr), skb.transport_header + TCP_HLEN
    left = th.doff * 4 - TCP_HLEN
    while left >= TCPOLEN_MD5SIG:                    # what is left is too short for one
        kind = byte(mem, at_option)
        if kind == TCPOPT_EOL:
            return True
        if kind == TCPOPT_NOP:
            n = 1
        else:
            n = byte(mem, at_option + 1)
            if n < 2 or n > left or kind == TCPOPT_MD5SIG:
                return False
        at_option += n
        left -= n
    return True


@path_function
def tcp_v4_send_reset(net: Net, cpu: int, skb: sk_buff) -> None:
    """As if from the connection that the segment believes in.  The caller runs in clock order."""
    if not tcp_may_reset(net, skb):
        return
    at(net, cpu, skb, Stage.tcp_v4_send_reset)
    th = tcp_hdr(net, skb)
    segment = skb.transport_header - skb.data + skb.len - th.doff * 4
    segment += (th.flags & TCPHDR_SYN != 0) + (th.flags & TCPHDR_FIN != 0)
    seq, ack, answer = th.ack_seq, 0, TCPHDR_RST
    if not th.flags & TCPHDR_ACK:
        seq, ack, answer = 0, u32(th.seq + segment), TCPHDR_RST | TCPHDR_ACK
    i = tcp_reply_skb(net, cpu, skb, seq, ack, answer, 0, 0)
    if i >= 0:
        tcp_reply(net, cpu, skb, net.skb[i])
        if skb.drop_reason != Drop.NETFILTER_DROP:          # REJECT's is netfilter's own, past TCP's counters
            net.snmp[cpu][Mib.Tcp_OutRsts] += 1


@path_function
def tcp_reply_skb(net: Net, cpu: int, skb: sk_buff, seq: int, ack: int, flags: int, window: int, optlen: int) -> int:
    """An answer to skb with so many bytes of options; NO_SKB: none is to be had."""
    i = alloc_skb(net, cpu)
    if i >= 0:
        out, th = net.skb[i], tcp_hdr(net, skb)
        skb_init(net, out, out.head + ROOM_BEFORE, ETH_HLEN + IP_HLEN + TCP_HLEN + optlen)
        out.transport_header = out.data + ETH_HLEN + IP_HLEN
        rth = tcp_hdr(net, out)
        rth.source, rth.dest, rth.seq, rth.ack_seq = th.dest, th.source, seq, ack
        rth.doff, rth.res1, rth.flags, rth.window, rth.check, rth.urg_ptr = (TCP_HLEN + optlen) // 4, 0, flags, window, 0, 0
    return i


@path_function
def tcp_reply(net: Net, cpu: int, skb: sk_buff, out: sk_buff) -> None:
    """Its checksum, and it leaves."""
    n, rth = out.len - ETH_HLEN - IP_HLEN, tcp_hdr(net, out)
    pseudo = csum_tcpudp_nofold(net, skb, n, IPPROTO.TCP)
    rth.check = csum_fold(csum_partial(mem_at(net.mem_addr), out.transport_header, n, pseudo))
    path.call_unicast_reply(IPPROTO.TCP, net, cpu, skb, out)
    if skb.drop_reason != Drop.NETFILTER_DROP:
        net.snmp[cpu][Mib.Tcp_OutSegs] += 1


# ---------------------------------------------------------------- ACK
@cold
@path_function
def tcp_v4_send_ack(net: Net, cpu: int, skb: sk_buff, seq: int, ack: int, window: int, tsoff: int, tsecr: int) -> None:
    """tsecr 0: without time stamps."""
    optlen = TCPOLEN_TSTAMP_ALIGNED if tsecr else 0
    i = tcp_reply_skb(net, cpu, skb, seq, ack, TCPHDR_ACK, window, optlen)
    if i >= 0:
        out = net.skb[i]
        if optlen:
            tcp_write_timestamp(net, out.transport_header + TCP_HLEN, tcp_time_stamp_ts(net, cpu, tsoff), tsecr)
        tcp_reply(net, cpu, skb, out)


@path_function
def tcp_v4_reqsk_send_ack(net: Net, cpu: int, skb: sk_buff, req: request_sock) -> None:
    """What a request answers to a segment out of its window."""
    tcp_v4_send_ack(net, cpu, skb, u32(req.snt_isn + 1), u32(req.rcv_isn + 1), min(req.rcv_wnd, U16_MAX) >> req.rcv_wscale, req.tsoff,
                    req.ts_recent if req.tstamp_ok else 0)


@path_function
def tcp_v4_timewait_ack(net: Net, cpu: int, skb: sk_buff, tw: tcp_timewait_sock) -> None:
    tcp_v4_send_ack(net, cpu, skb, tw.snd_nxt, tw.rcv_nxt, tw.rcv_wnd >> tw.rcv_wscale, tw.tsoff, tw.ts_recent)
