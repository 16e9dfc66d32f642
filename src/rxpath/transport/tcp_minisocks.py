"""From a request to a connection: net/ipv4/tcp_minisocks.c (tcp_check_req, tcp_create_openreq_child, tcp_child_process),
net/ipv4/tcp_ipv4.c (tcp_v4_syn_recv_sock).  RFC 9293 3.10.7.4."""
from .._compile import cold, path_function
from ..abi.headers import tcp_hdr
from ..abi.kernels import Behaviour, Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import AF_INET, IPPROTO, NET_RX_SUCCESS, NO_SOCK, TCP, TCP_HLEN, TCPHDR_ACK, TCPHDR_RST, TCPHDR_SYN
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import SOCK_BINDPORT_LOCK, sock
from ..abi.tcp import request_sock, tcp_sock
from ..abi.tcp_options import TCPOLEN_TSTAMP_ALIGNED
from ..abi.timer import REQ_TIMER
from ..path import Stage
from ..skb import kfree_skb_reason
from ..timer import jiffies, mod_timer
from ..turn import at
from ..user.sock import sk_alloc, sock_init_data
from ..user.wait import sock_def_readable
from .inet_connection_sock import inet_csk_reqsk_queue_add, sk_acceptq_is_full
from .inet_hashtables import inet_bind_hash, inet_ehash_insert
from .secure_seq import secure_tcp_ts_off, tcp_v4_init_seq_and_ts_off
from .syncookies import MAX_SYNCOOKIE_AGE, MINUTE_NS, TS_OPT_ECN, __cookie_v4_check, cookie_timestamp_decode
from .tcp import tcp_v4_init_sock
from .tcp_ack import __tcp_oow_rate_limited
from .tcp_adopt import tcp_adopt_request
from .tcp_listen import (
    inet_csk_reqsk_queue_drop,
    reqsk_alloc,
    reqsk_free,
    reqsk_timeout,
    tcp_listendrop,
    tcp_openreq_ends,
    tcp_openreq_init_rwin,
    tcp_rtx_synack,
)
from .tcp_options import tcp_parse_options
from .tcp_rcvbuf import tcp_initialize_rcv_mss
from .tcp_reply import tcp_v4_reqsk_send_ack, tcp_v4_send_reset
from .tcp_seq import after, seconds, tcp_jiffies32, tcp_paws_reject, u32
from .tcp_state import tcp_rcv_state_process
from .tcp_timewait import tcp_in_window, tcp_oow_answer
from .tcp_window import TCP_MSS_DEFAULT, U16_MAX, tcp_sync_mss

ENDED, TO_LISTENER = -1, -2                          # what tcp_check_req() and cookie_v4_check() say instead of a child


@path_function
def req_rate_limited(net: Net, cpu: int, req: request_sock, skb: sk_buff) -> bool:
    """tcp_oow_rate_limited() of a request."""
    c = net.cpu[cpu]
    if tcp_oow_answer(net, cpu, skb, req.last_oow_ack_time, Mib.TcpExt_TCPACKSkippedSynRecv):
        req.last_oow_ack_time = c.now + 1
        return False
    return True


@path_function
def req_drop(net: Net, cpu: int, sk: sock, skb: sk_buff, reason: int) -> int:
    sk.drops += 1
    kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, reason)
    return ENDED


@path_function
def tcp_check_req(net: Net, cpu: int, sk: sock, skb: sk_buff, i: int) -> int:
    """A segment for request i of listener sk: its child, TO_LISTENER, or ENDED: the segment has."""
    at(net, cpu, skb, Stage.tcp_check_req)
    req, th, cb = net.reqs[i], tcp_hdr(net, skb), TCP_SKB_CB(skb)
    flg = th.flags & (TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK)
    opt, rcv_nxt = net.tcp_opt[cpu], u32(req.rcv_isn + 1)
    paws, tsecr = False, False
    opt.saw_tstamp = 0
    if th.doff * 4 > TCP_HLEN:
        tcp_parse_options(net, skb, opt, net.tcp_foc[cpu], False)
    if net.ntcp_seen:
        tcp_adopt_request(net, cpu, req, skb)
    if opt.saw_tstamp:
        if opt.rcv_tsecr and req.tstamp_ok and net.behaviour[Behaviour.tsecr_syn_recv]:
            tsecr = u32(opt.rcv_tsecr - req.snt_tsval_first) > u32(req.snt_tsval_last - req.snt_tsval_first)
        stamp = seconds(net, cpu) - reqsk_timeout(net, req) * net.sysctl[Sysctl.jiffy_ns] // 1_000_000_000
        paws = tcp_paws_reject(net, cpu, req.ts_recent, stamp, opt.rcv_tsval, flg & TCPHDR_RST != 0)
    if cb.seq == req.rcv_isn and flg == TCPHDR_SYN and not paws:             # 1: the SYN again
        if not req_rate_limited(net, cpu, req, skb) and tcp_rtx_synack(net, cpu, req):
            mod_timer(net, cpu, REQ_TIMER + i, jiffies(net, cpu) + reqsk_timeout(net, req))
        return req_drop(net, cpu, sk, skb, Drop.NOT_SPECIFIED)
    if flg & (TCPHDR_ACK | TCPHDR_RST) == TCPHDR_ACK and th.ack_seq != u32(req.snt_isn + 1):  # 2: the listener will reset it
        return TO_LISTENER
    if paws or tsecr or not tcp_in_window(cb.seq, cb.end_seq, rcv_nxt, u32(rcv_nxt + min(req.rcv_wnd, U16_MAX))):
        return req_out_of_window(net, cpu, sk, req, skb, paws, tsecr)        # 3
    if cb.seq == req.rcv_isn:                                                # 4: its SYN lies before the window
        flg &= ~TCPHDR_SYN
    if flg & TCPHDR_RST and cb.seq != rcv_nxt and net.behaviour[Behaviour.req_challenge_ack]: # 5: RFC 5961 3.2
        return req_challenge_ack(net, cpu, sk, req, skb)
    if flg & (TCPHDR_RST | TCPHDR_SYN):                                      # 6: given up
        net.snmp[cpu][Mib.Tcp_AttemptFails] += 1
        return embryonic_reset(net, cpu, sk, skb, i, flg & TCPHDR_RST != 0, Drop.NOT_SPECIFIED)
    if flg & TCPHDR_ACK == 0:                                                # 7
        return req_drop(net, cpu, sk, skb, Drop.NOT_SPECIFIED)
    tp = net.tcp[sk.idx]
    if req.num_timeout < tp.defer_accept and cb.end_seq == rcv_nxt:          # 8: TCP_DEFER_ACCEPT waits for data
        req.acked = 1
        net.snmp[cpu][Mib.TcpExt_TCPDeferAcceptDrop] += 1
        return req_drop(net, cpu, sk, skb, Drop.NOT_SPECIFIED)
    child = tcp_v4_syn_recv_sock(net, cpu, sk, skb, req)
    if child < 0:                                                            # 9: the accept queue is full
        if net.sysctl[Sysctl.tcp_abort_on_overflow]:
            return embryonic_reset(net, cpu, sk, skb, i, False, Drop.TCP_LISTEN_OVERFLOW)
        req.acked = 1                                # its SYN-ACK goes out again
        return req_drop(net, cpu, sk, skb, Drop.TCP_LISTEN_OVERFLOW)
    if opt.saw_tstamp and not after(cb.seq, rcv_nxt):
        ctp = net.tcp[child]
        ctp.ts_recent = opt.rcv_tsval
    inet_csk_reqsk_queue_drop(net, i)
    return child


@cold
@path_function
def req_out_of_window(net: Net, cpu: int, sk: sock, req: request_sock, skb: sk_buff, paws: bool, tsecr: bool) -> int:
    th = tcp_hdr(net, skb)
    if th.flags & TCPHDR_RST == 0 and not req_rate_limited(net, cpu, req, skb):
        tcp_v4_reqsk_send_ack(net, cpu, skb, req)
    if paws:
        net.snmp[cpu][Mib.TcpExt_PAWSEstab] += 1
        return req_drop(net, cpu, sk, skb, Drop.TCP_RFC7323_PAWS)
    if tsecr:
        net.snmp[cpu][Mib.TcpExt_TSEcrRejected] += 1
        return req_drop(net, cpu, sk, skb, Drop.TCP_RFC7323_TSECR)
    return req_drop(net, cpu, sk, skb, Drop.TCP_OVERWINDOW)


@cold
@path_function
def req_challenge_ack(net: Net, cpu: int, sk: sock, req: request_sock, skb: sk_buff) -> int:
    """tcp_reqsk_send_challenge_ack()"""
    c = net.cpu[cpu]
    if __tcp_oow_rate_limited(net, cpu, req.last_oow_ack_time):
        net.snmp[cpu][Mib.TcpExt_TCPACKSkippedChallenge] += 1
    else:
        req.last_oow_ack_time = c.now + 1
        net.snmp[cpu][Mib.TcpExt_TCPChallengeACK] += 1
        tcp_v4_reqsk_send_ack(net, cpu, skb, req)
    return req_drop(net, cpu, sk, skb, Drop.NOT_SPECIFIED)


@cold
@path_function
def embryonic_reset(net: Net, cpu: int, sk: sock, skb: sk_buff, i: int, told: bool, reason: int) -> int:
    """The request is given up; unless the peer did so (told), it hears of it."""
    if not told:
        tcp_v4_send_reset(net, cpu, skb)
    net.snmp[cpu][Mib.TcpExt_EmbryonicRsts] += 1
    inet_csk_reqsk_queue_drop(net, i)
    return req_drop(net, cpu, sk, skb, reason)


# ---------------------------------------------------------------- the child
@path_function
def tcp_v4_syn_recv_sock(net: Net, cpu: int, sk: sock, skb: sk_buff, req: request_sock) -> int:
    """A socket for the connection; NO_SOCK: the accept queue is full, or there are no more sockets."""
    at(net, cpu, skb, Stage.tcp_v4_syn_recv_sock)
    if sk_acceptq_is_full(net.tcp[sk.idx]):
        net.snmp[cpu][Mib.TcpExt_ListenOverflows] += 1
        tcp_listendrop(net, cpu, sk)
        return NO_SOCK
    i = sk_alloc(net)
    if i < 0:
        tcp_listendrop(net, cpu, sk)
        return NO_SOCK
    sock_init_data(net, i, AF_INET, IPPROTO.TCP)
    child = net.socks[i]
    tcp_v4_init_sock(net, child)
    inet_csk_clone(net, sk, child, req)
    tcp_create_openreq_child(net, cpu, sk, child, skb, req)
    inet_bind_hash(net, child, req.lport)
    inet_ehash_insert(net, child)
    return i


@path_function
def inet_csk_clone(net: Net, sk: sock, child: sock, req: request_sock) -> None:
    """What a listener's options hand on, and who the peer is."""
    child.state, child.rcvbuf, child.userlocks = TCP.SYN_RECV, sk.rcvbuf, sk.userlocks & ~SOCK_BINDPORT_LOCK
    child.rcv_saddr_hi, child.rcv_saddr_lo, child.daddr_hi, child.daddr_lo = req.saddr_hi, req.saddr_lo, req.daddr_hi, req.daddr_lo
    child.dport, child.bound_dev, child.ll_ns = req.rport, req.bound_dev, sk.ll_ns
    child.reuse, child.reuseport, child.rcvtimeo_ns = sk.reuse, sk.reuseport, sk.rcvtimeo_ns
    child.filter, child.filter_len, child.filter_locked = sk.filter, sk.filter_len, sk.filter_locked


@path_function
def tcp_create_openreq_child(net: Net, cpu: int, sk: sock, child: sock, skb: sk_buff, req: request_sock) -> None:
    tp, old, th = net.tcp[child.idx], net.tcp[sk.idx], tcp_hdr(net, skb)
    tp.rcv_nxt = u32(req.rcv_isn + 1)
    tp.rcv_wup, tp.copied_seq, tp.rtt_seq = tp.rcv_nxt, tp.rcv_nxt, req.snt_isn
    tp.snd_nxt = u32(req.snt_isn + 1)
    tp.snd_una, tp.write_seq = tp.snd_nxt, tp.snd_nxt
    tp.tstamp_ok, tp.sack_ok, tp.wscale_ok = req.tstamp_ok, req.sack_ok, req.wscale_ok
    tp.window_clamp, tp.rcv_ssthresh, tp.rcv_wnd = req.window_clamp, req.rcv_wnd, req.rcv_wnd
    if req.wscale_ok:
        tp.snd_wscale, tp.rcv_wscale = req.snd_wscale, req.rcv_wscale
    else:
        tp.window_clamp = min(tp.window_clamp, U16_MAX)
    tp.snd_wnd = th.window << tp.snd_wscale
    tp.max_window = tp.snd_wnd
    tp.tsoff, tp.tcp_header_len = req.tsoff, TCP_HLEN
    if req.tstamp_ok:
        tp.ts_recent, tp.ts_recent_stamp = req.ts_recent, seconds(net, cpu)
        tp.tcp_header_len += TCPOLEN_TSTAMP_ALIGNED
    if skb.len >= TCP_MSS_DEFAULT + tp.tcp_header_len:
        tp.last_seg_size = skb.len - tp.tcp_header_len
    tp.mss_clamp, tp.advmss = req.mss, req.advmss
    tp.ack_lrcvtime = tcp_jiffies32(net, cpu)
    tp.synack_time = req.synack_time if req.num_retrans == 0 else 0
    tp.rcvlowat, tp.min_ttl, tp.linger2, tp.urginline, tp.user_mss = old.rcvlowat, old.min_ttl, old.linger2, old.urginline, old.user_mss
    tp.keepopen, tp.keepalive_time_ns, tp.keepalive_intvl_ns, tp.keepalive_probes = old.keepopen, old.keepalive_time_ns, \
        old.keepalive_intvl_ns, old.keepalive_probes
    tp.user_timeout, tp.linger, tp.lingertime_ns = old.user_timeout, old.linger, old.lingertime_ns
    tp.dev, tp.peer_mac, tp.queue_mapping, tp.rx_hash = req.dev, req.peer_mac, req.queue_mapping, req.hash
    tp.frame = skb.frame
    tp.segs_in = 1
    tcp_sync_mss(net, tp)
    tp.listener, tp.born_of, tp.born_gen = sk.idx, sk.idx, sk.gen
    old.born += 1
    net.snmp[cpu][Mib.Tcp_PassiveOpens] += 1
    tcp_initialize_rcv_mss(tp)


@path_function
def tcp_child_process(net: Net, cpu: int, sk: sock, child: sock, skb: sk_buff, stage: int) -> int:
    """The segment that has made the child is its first one; then the child waits to be accepted.  stage: where it ends if it is refused."""
    inet_csk_reqsk_queue_add(net, net.tcp[sk.idx], child)
    reason = tcp_rcv_state_process(net, cpu, child, skb)
    if child.state != TCP.SYN_RECV and sk.wq_head >= 0:
        sock_def_readable(net, cpu, sk, skb)
    if reason:
        tcp_v4_send_reset(net, cpu, skb)
        kfree_skb_reason(net, cpu, skb, stage, reason)
    return NET_RX_SUCCESS


# ---------------------------------------------------------------- cookies that come back
@path_function
def tcp_synq_no_recent_overflow(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> bool:
    valid, last = MAX_SYNCOOKIE_AGE * MINUTE_NS // net.sysctl[Sysctl.jiffy_ns], tp.synq_overflow
    if sk.group >= 0:
        reuse = net.reuseport[sk.group]
        last = max(last, reuse.synq_overflow)
    return last == 0 or tcp_jiffies32(net, cpu) + 1 - last > valid


@cold
@path_function
def cookie_v4_check(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """A segment at a listener without a request: the socket of its connection, TO_LISTENER, or ENDED."""
    at(net, cpu, skb, Stage.cookie_v4_check)
    th, tp, opt = tcp_hdr(net, skb), net.tcp[sk.idx], net.tcp_opt[cpu]
    if net.sysctl[Sysctl.tcp_syncookies] == 0 or th.flags & (TCPHDR_ACK | TCPHDR_RST) != TCPHDR_ACK \
            or tcp_synq_no_recent_overflow(net, cpu, sk, tp):
        return TO_LISTENER
    mss = __cookie_v4_check(net, cpu, skb)
    if mss == 0:
        net.snmp[cpu][Mib.TcpExt_SyncookiesFailed] += 1
        return TO_LISTENER
    net.snmp[cpu][Mib.TcpExt_SyncookiesRecv] += 1
    tcp_parse_options(net, skb, opt, net.tcp_foc[cpu], False)
    tsoff = 0
    if opt.saw_tstamp and opt.rcv_tsecr:
        tsoff = secure_tcp_ts_off(net, tcp_v4_init_seq_and_ts_off(net, skb))
        opt.rcv_tsecr = u32(opt.rcv_tsecr - tsoff)
    if not cookie_timestamp_decode(net, opt):
        return TO_LISTENER
    return tcp_get_cookie_sock(net, cpu, sk, tp, skb, mss, tsoff)


@cold
@path_function
def tcp_get_cookie_sock(net: Net, cpu: int, sk: sock, tp: tcp_sock, skb: sk_buff, mss: int, tsoff: int) -> int:
    """The request once more, from what the cookie and this segment say; then its socket, in the accept queue."""
    i = reqsk_alloc(net)
    if i < 0:
        return cookie_drop(net, cpu, skb)
    req, th, opt = net.reqs[i], tcp_hdr(net, skb), net.tcp_opt[cpu]
    tcp_openreq_ends(net, sk, req, skb)
    req.rcv_isn, req.snt_isn, req.mss, req.tsoff = u32(th.seq - 1), u32(th.ack_seq - 1), mss, tsoff
    req.ts_recent = opt.rcv_tsval if opt.saw_tstamp else 0
    req.tstamp_ok, req.sack_ok, req.wscale_ok, req.snd_wscale = opt.saw_tstamp, opt.sack_ok, opt.wscale_ok, opt.snd_wscale
    req.ecn_ok = 1 if opt.saw_tstamp and opt.rcv_tsecr & TS_OPT_ECN else 0
    tcp_openreq_init_rwin(net, sk, tp, req, mss)
    child = tcp_v4_syn_recv_sock(net, cpu, sk, skb, req)
    reqsk_free(net, i)
    return child if child >= 0 else cookie_drop(net, cpu, skb)


@path_function
def cookie_drop(net: Net, cpu: int, skb: sk_buff) -> int:
    kfree_skb_reason(net, cpu, skb, Stage.cookie_v4_check, Drop.NO_SOCKET)
    return ENDED
