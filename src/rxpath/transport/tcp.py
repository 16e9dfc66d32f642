"""net/ipv4/tcp_ipv4.c: a segment arrives.  Called through inet_protos.  RFC 9293 3.10.7.1 (CLOSED), 3.10.7.2 (LISTEN).

There are no connections yet: a segment meets a listener, or nobody; those of connections that a capture shows end as not modelled
(tcp_seen.py).  A SYN to a listener is consumed and counted TCP_NOT_YET; what the
kernel refuses is refused as it does, and a segment of no connection is answered with RST."""
from .. import path
from .._compile import byte, cold, mem_at, path_function
from ..abi.headers import ip_hdr, tcp_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    CHECKSUM_BREAK,
    ETH_HLEN,
    FEED_HEADER_CUT,
    IP_HLEN,
    IPPROTO,
    NET_RX_SUCCESS,
    NO_SOCK,
    PACKET_HOST,
    RTN,
    TCP,
    TCP_HLEN,
    TCPHDR_ACK,
    TCPHDR_FIN,
    TCPHDR_RST,
    TCPHDR_SYN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..path import Stage, Touch, early_demux, err_handler, inet_protocol, proto_backlog_rcv, touched
from ..skb import (
    alloc_skb,
    consume_skb,
    csum_fold,
    csum_partial,
    csum_tcpudp_nofold,
    kfree_skb_reason,
    pskb_may_pull,
    skb_checksum,
    skb_csum_right,
    skb_csum_unnecessary,
    skb_init,
)
from ..turn import at, at_bytes, touch
from .inet_hashtables import inet_lhashfn
from .tcp_seen import tcp_seen

TCPOPT_EOL, TCPOPT_NOP, TCPOPT_MD5SIG, TCPOLEN_MD5SIG = 0, 1, 19, 18
ROOM_BEFORE = 44                 # an answer: options that IP echoes, a VLAN tag
CSUM_LATER, CSUM_GOOD, CSUM_BAD = 0, 1, 2


# ---------------------------------------------------------------- lookup
@path_function
def __inet_lookup_established(net: Net, cpu: int, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.__inet_lookup_established)
    return NO_SOCK


@path_function
def __inet_lookup_listener(net: Net, cpu: int, skb: sk_buff, daddr: int, dport: int) -> int:
    """One bound to the very address first (inet_lhash2_lookup twice), else one bound to any; of two, that of the device."""
    at(net, cpu, skb, Stage.__inet_lookup_listener)
    best, best_score, dev = NO_SOCK, 0, net.dev[skb.dev]
    i = net.tcp_lhash[inet_lhashfn(dport)]
    while i >= 0:
        sk = net.socks[i]
        if sk.port == dport and sk.state == TCP.LISTEN and (sk.rcv_saddr_lo == 0 or sk.rcv_saddr_lo == daddr) \
                and (sk.bound_dev == 0 or sk.bound_dev == dev.ifindex):
            score = 1
            if sk.rcv_saddr_lo != 0:
                score += 4
            if sk.bound_dev != 0:
                score += 2
            if score > best_score:
                best, best_score = i, score
        i = sk.hnext
    return best


@early_demux(IPPROTO.TCP)
@path_function
def tcp_v4_early_demux(net: Net, cpu: int, skb: sk_buff) -> int:
    """Is it of a connection?  None is established."""
    if skb.pkt_type != PACKET_HOST or not pskb_may_pull(net, skb, skb.transport_header - skb.data + TCP_HLEN):
        return 0
    at(net, cpu, skb, Stage.tcp_v4_early_demux)
    __inet_lookup_established(net, cpu, skb)
    return 0


@err_handler(IPPROTO.TCP)
@path_function
def tcp_v4_err(net: Net, cpu: int, skb: sk_buff) -> int:
    """An ICMP error about a segment of ours.  1: of no connection."""
    return 1 if __inet_lookup_established(net, cpu, skb) < 0 else 0


# ---------------------------------------------------------------- arrival
@inet_protocol(IPPROTO.TCP)
@path_function
def tcp_v4_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    """Acceptance, then whose it is.  skb.data stands at the TCP header."""
    at(net, cpu, skb, Stage.tcp_v4_rcv)
    if skb.pkt_type != PACKET_HOST:                                          # 1: a frame to many
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.NOT_SPECIFIED)
    net.snmp[cpu][Mib.Tcp_InSegs] += 1
    if not pskb_may_pull(net, skb, TCP_HLEN):                                # 2: no room for a header
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.NOT_SPECIFIED)
    ip, th = ip_hdr(net, skb), tcp_hdr(net, skb)
    doff = th.doff * 4
    if doff < TCP_HLEN:                                                      # 3: a header shorter than that
        return tcp_bad_packet(net, cpu, skb, Drop.PKT_TOO_SMALL)
    if not pskb_may_pull(net, skb, doff):                                    # 4: options cut off
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.NOT_SPECIFIED)
    if skb.len <= CHECKSUM_BREAK and not tcp_csum_ok(net, cpu, skb):         # 5: checksum, of a short one at once
        return tcp_csum_error(net, cpu, skb)
    __inet_lookup_established(net, cpu, skb)
    i, known = NO_SOCK, net.ntcp_seen != 0 and tcp_seen(net, skb)
    if not known:
        i = __inet_lookup_listener(net, cpu, skb, ip.daddr, th.dest)
    if not tcp_csum_ok(net, cpu, skb):                                       # of a long one now
        return tcp_csum_error(net, cpu, skb)
    if known:                                                                # of a connection that a capture shows
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.TCP_NOT_MODELLED)
    if i >= 0:
        return tcp_v4_do_rcv(net, cpu, net.socks[i], skb)
    return tcp_reset_and_drop(net, cpu, skb, Stage.tcp_v4_rcv, Drop.NO_SOCKET)                # 6: of no connection


@path_function
def tcp_csum_ok(net: Net, cpu: int, skb: sk_buff) -> bool:
    if skb_csum_unnecessary(skb):
        return True
    at(net, cpu, skb, Stage.__skb_checksum_complete)
    at_bytes(net, cpu, skb, Stage.BYTE_CSUM, skb.len)
    if not skb_csum_right(skb, skb_checksum(net, skb, csum_tcpudp_nofold(net, skb, skb.len, IPPROTO.TCP))):
        return False
    skb.csum_valid = 1
    return True


@cold
@path_function
def tcp_csum_error(net: Net, cpu: int, skb: sk_buff) -> int:
    net.snmp[cpu][Mib.Tcp_InCsumErrors] += 1
    return tcp_bad_packet(net, cpu, skb, Drop.TCP_CSUM)


@cold
@path_function
def tcp_bad_packet(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    if skb.wire & FEED_HEADER_CUT:
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.CAPTURE_CUT)
    net.snmp[cpu][Mib.Tcp_InErrs] += 1
    return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, reason)


@proto_backlog_rcv(IPPROTO.TCP)
@path_function
def tcp_v4_do_rcv(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """tcp_rcv_state_process() of a listener."""
    at(net, cpu, skb, Stage.tcp_v4_do_rcv)
    th = tcp_hdr(net, skb)
    if th.flags & TCPHDR_ACK:                                                # 1: of a connection that is not
        return tcp_reset_and_drop(net, cpu, skb, Stage.tcp_v4_do_rcv, Drop.TCP_FLAGS)
    if th.flags & TCPHDR_RST:                                                # 2
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_do_rcv, Drop.TCP_RESET)
    if th.flags & (TCPHDR_SYN | TCPHDR_FIN) != TCPHDR_SYN:                   # 3: a listener waits for SYN only
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_do_rcv, Drop.TCP_FLAGS)
    net.snmp[cpu][Mib.Rxpath_TcpNotYet] += 1                                 # tcp_conn_request() comes later
    consume_skb(net, cpu, skb)
    return NET_RX_SUCCESS


# ---------------------------------------------------------------- RST
@path_function
def tcp_reset_and_drop(net: Net, cpu: int, skb: sk_buff, stage: int, reason: int) -> int:
    """tcp_v4_send_reset() when it is our turn, then the segment ends.  Never an answer to RST, or to what was not sent to us."""
    th = tcp_hdr(net, skb)
    if th.flags & TCPHDR_RST or skb.dst_type != RTN.LOCAL or not tcp_options_allow_reset(net, skb):
        return kfree_skb_reason(net, cpu, skb, stage, reason)
    skb.drop_stage, skb.drop_reason = stage, reason
    return touch(net, cpu, skb, Touch.tcp_v4_send_reset)


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


@touched
@path_function
def tcp_v4_send_reset(net: Net, cpu: int, skb: sk_buff) -> int:
    """RFC 9293 3.5.2: as if from the connection that the segment believes in."""
    at(net, cpu, skb, Stage.tcp_v4_send_reset)
    th = tcp_hdr(net, skb)
    segment = skb.len - th.doff * 4 + (1 if th.flags & TCPHDR_SYN else 0) + (1 if th.flags & TCPHDR_FIN else 0)
    seq, ack, answer = th.ack_seq, 0, TCPHDR_RST
    if not th.flags & TCPHDR_ACK:
        seq, ack, answer = 0, th.seq + segment & 0xFFFFFFFF, TCPHDR_RST | TCPHDR_ACK
    i = alloc_skb(net, cpu)
    if i >= 0:
        out = net.skb[i]
        skb_init(net, out, out.head + ROOM_BEFORE, ETH_HLEN + IP_HLEN + TCP_HLEN)
        out.transport_header = out.data + ETH_HLEN + IP_HLEN
        rth = tcp_hdr(net, out)
        rth.source, rth.dest, rth.seq, rth.ack_seq = th.dest, th.source, seq, ack
        rth.doff, rth.res1, rth.flags, rth.window, rth.check, rth.urg_ptr = TCP_HLEN // 4, 0, answer, 0, 0, 0
        pseudo = csum_tcpudp_nofold(net, skb, TCP_HLEN, IPPROTO.TCP)
        rth.check = csum_fold(csum_partial(mem_at(net.mem_addr), out.transport_header, TCP_HLEN, pseudo))
        path.call_unicast_reply(IPPROTO.TCP, net, cpu, skb, out)
        if skb.drop_reason != Drop.NETFILTER_DROP:          # REJECT's is netfilter's own, past TCP's counters
            net.snmp[cpu][Mib.Tcp_OutSegs] += 1
            net.snmp[cpu][Mib.Tcp_OutRsts] += 1
    return kfree_skb_reason(net, cpu, skb, skb.drop_stage, skb.drop_reason)
