"""From a request to a connection: net/ipv4/tcp_minisocks.c (tcp_check_req, tcp_create_openreq_child, tcp_child_process),
net/ipv4/tcp_ipv4.c (tcp_v4_syn_recv_sock).  RFC 9293 3.10.7.4."""
from .._compile import cold, path_function
from ..abi.headers import tcp_hdr
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import AF_INET, IPPROTO, NET_RX_SUCCESS, NO_SOCK, TCP, TCP_HLEN, TCPHDR_ACK, TCPHDR_RST, TCPHDR_SYN
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import SOCK_BINDPORT_LOCK, sock
from ..abi.tcp import request_sock
from ..abi.tcp_options import TCPOLEN_TSTAMP_ALIGNED
from ..abi.timer import REQ_TIMER
from ..path import Stage
from ..skb import kfree_skb_reason
from ..timer import jiffies, mod_timer
from ..turn import at
from ..user.sock import sk_alloc, sock_init_data
from ..user.wait import sock_def_readable
from .inet_connection_sock import inet_csk_reqsk_queue_add, msecs_to_jiffies, sk_acceptq_is_full
from .inet_hashtables import inet_bind_hash, inet_ehash_insert
from .tcp import tcp_v4_init_sock
from .tcp_ack import __tcp_oow_rate_limited
from .tcp_listen import TCP_RTO_MAX_MS, inet_csk_reqsk_queue_drop, tcp_listendrop, tcp_rtx_synack
from .tcp_options import tcp_parse_options
from .tcp_rcvbuf import TCP_MSS_DEFAULT, tcp_initialize_rcv_mss
from .tcp_reply import tcp_v4_reqsk_send_ack, tcp_v4_send_reset
from .tcp_seq import after, before, seconds, tcp_jiffies32, tcp_paws_check, u32
from .tcp_state import tcp_rcv_state_process
from .tcp_window import U16_MAX

ENDED, TO_LISTENER = -1, -2                          # what tcp_check_req() says instead of a child


@path_function
def tcp_in_window(seq: int, end_seq: int, s_win: int, e_win: int) -> bool:
    if seq == s_win:
        return True
    if after(end_seq, s_win) and before(seq, e_win):
        return True
    return seq == e_win and seq == end_seq


@path_function
def req_rate_limited(net: Net, cpu: int, req: request_sock, skb: sk_buff) -> bool:
    """tcp_oow_rate_limited() of a request."""
    c, cb, th = net.cpu[cpu], TCP_SKB_CB(skb), tcp_hdr(net, skb)
    if cb.seq != cb.end_seq and th.flags & TCPHDR_SYN == 0:
        return False
    if __tcp_oow_rate_limited(net, cpu, req.last_oow_ack_time):
        net.snmp[cpu][Mib.TcpExt_TCPACKSkippedSynRecv] += 1
        return True
    req.last_oow_ack_time = c.now + 1
    return False


@path_function
def req_drop(net: Net, cpu: int, skb: sk_buff, reason: int) -> int:
    kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, reason)
    return ENDED


@path_function
def tcp_check_req(net: Net, cpu: int, sk: sock, skb: sk_buff, i: int) -> int:
    """A segment for request i of listener sk: its child, TO_LISTENER, or ENDED: the segment has."""
    at(net, cpu, skb, Stage.tcp_check_req)
    req, th, cb = net.reqs[i], tcp_hdr(net, skb), TCP_SKB_CB(skb)
    flg = th.flags & (TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK)
    opt, rcv_nxt = net.tcp_opt[cpu], u32(req.rcv_isn + 1)
    paws = False
    opt.saw_tstamp = 0
    if th.doff * 4 > TCP_HLEN:
        tcp_parse_options(net, skb, opt, net.tcp_foc[cpu], False)
        if opt.saw_tstamp and flg & TCPHDR_RST == 0:
            paws = not tcp_paws_check(net, cpu, req.ts_recent, seconds(net, cpu), opt.rcv_tsval, 0)
    if cb.seq == req.rcv_isn and flg == TCPHDR_SYN and not paws:               # the SYN again
        if not req_rate_limited(net, cpu, req, skb) and tcp_rtx_synack(net, cpu, req):
            timeout = min(req.timeout << req.num_timeout, msecs_to_jiffies(net, TCP_RTO_MAX_MS))
            mod_timer(net, cpu, REQ_TIMER + i, jiffies(net, cpu) + timeout)
        return req_drop(net, cpu, skb, Drop.NOT_SPECIFIED)
    if flg & TCPHDR_ACK and th.ack_seq != u32(req.snt_isn + 1):
        return TO_LISTENER
    if paws or not tcp_in_window(cb.seq, cb.end_seq, rcv_nxt, u32(rcv_nxt + min(req.rcv_wnd, U16_MAX))):
        if flg & TCPHDR_RST == 0 and not req_rate_limited(net, cpu, req, skb):
            tcp_v4_reqsk_send_ack(net, cpu, skb, req)
        if paws:
            net.snmp[cpu][Mib.TcpExt_PAWSEstab] += 1
        return req_drop(net, cpu, skb, Drop.TCP_RFC7323_PAWS if paws else Drop.TCP_OVERWINDOW)
    if opt.saw_tstamp and not after(cb.seq, rcv_nxt):
        req.ts_recent = opt.rcv_tsval
    if cb.seq == req.rcv_isn:                        # its SYN lies before the window
        flg &= ~TCPHDR_SYN
    if flg & (TCPHDR_RST | TCPHDR_SYN):
        net.snmp[cpu][Mib.Tcp_AttemptFails] += 1
        return embryonic_reset(net, cpu, skb, i, flg)
    if flg & TCPHDR_ACK == 0:
        return req_drop(net, cpu, skb, Drop.TCP_FLAGS)
    child = tcp_v4_syn_recv_sock(net, cpu, sk, skb, req)
    if child >= 0:
        inet_csk_reqsk_queue_drop(net, i)
        return child
    if net.sysctl[Sysctl.tcp_abort_on_overflow] == 0:
        return req_drop(net, cpu, skb, Drop.TCP_LISTEN_OVERFLOW)
    return listen_overflow_reset(net, cpu, skb, i)


@cold
@path_function
def embryonic_reset(net: Net, cpu: int, skb: sk_buff, i: int, flg: int) -> int:
    """The request is given up; unless the peer did so, it is told."""
    if flg & TCPHDR_RST == 0:
        tcp_v4_send_reset(net, cpu, skb)
    net.snmp[cpu][Mib.TcpExt_EmbryonicRsts] += 1
    inet_csk_reqsk_queue_drop(net, i)
    return req_drop(net, cpu, skb, Drop.TCP_RESET if flg & TCPHDR_RST else Drop.NOT_SPECIFIED)


@cold
@path_function
def listen_overflow_reset(net: Net, cpu: int, skb: sk_buff, i: int) -> int:
    tcp_v4_send_reset(net, cpu, skb)
    net.snmp[cpu][Mib.TcpExt_EmbryonicRsts] += 1
    inet_csk_reqsk_queue_drop(net, i)
    return req_drop(net, cpu, skb, Drop.TCP_LISTEN_OVERFLOW)


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
    tp.mss_cache = min(req.advmss, req.mss) - (tp.tcp_header_len - TCP_HLEN)
    tp.ack_lrcvtime = tcp_jiffies32(net, cpu)
    tp.synack_time = req.synack_time if req.num_retrans == 0 else 0
    tp.rcvlowat, tp.min_ttl, tp.linger2, tp.urginline, tp.user_mss = old.rcvlowat, old.min_ttl, old.linger2, old.urginline, old.user_mss
    tp.dev, tp.peer_mac, tp.queue_mapping, tp.rx_hash = req.dev, req.peer_mac, req.queue_mapping, req.hash
    tp.frame = skb.frame
    tp.segs_in = 1
    tp.listener = sk.idx
    net.snmp[cpu][Mib.Tcp_PassiveOpens] += 1
    tcp_initialize_rcv_mss(tp)


@path_function
def tcp_child_process(net: Net, cpu: int, sk: sock, child: sock, skb: sk_buff) -> int:
    """The segment that has made the child is its first one; then the child waits to be accepted."""
    inet_csk_reqsk_queue_add(net, net.tcp[sk.idx], child)
    reason = tcp_rcv_state_process(net, cpu, child, skb)
    if child.state != TCP.SYN_RECV and sk.wq_head >= 0:
        sock_def_readable(net, cpu, sk, skb)
    if reason:
        tcp_v4_send_reset(net, cpu, skb)
        kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, reason)
    return NET_RX_SUCCESS
