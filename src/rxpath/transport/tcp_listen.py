"""A SYN at a listener, and the queue of requests: tcp_conn_request() of net/ipv4/tcp_input.c, tcp_openreq_init_rwin() of
net/ipv4/tcp_minisocks.c, the request's timer of net/ipv4/inet_connection_sock.c.  RFC 9293 3.10.7.2, RFC 4987.

A SYN that is refused here ends as consumed: the kernel names no drop reason, only ListenOverflows, ListenDrops and TCPReqQFullDrop move.
Where a queue is full and SYN cookies are on, the SYN is answered and nothing is kept (syncookies.py)."""
from .._compile import cold, fls64, path_function, reset_struct
from ..abi.headers import eth_hdr, ether_addr_to_u64, ip_hdr, tcp_hdr
from ..abi.kernels import Behaviour, Sysctl
from ..abi.limits import NREQ
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import NO_REQ, NO_SOCK, RTN, TCP, TCPHDR_CWR, TCPHDR_ECE
from ..abi.skbuff import sk_buff
from ..abi.sock import SOCK_RCVBUF_LOCK, sock
from ..abi.tcp import EHASH_REQ, request_sock, tcp_sock
from ..abi.tcp_options import TCP_MAX_WSCALE, TCPOLEN_TSTAMP_ALIGNED
from ..abi.timer import REQ_TIMER
from ..path import Stage, Timer, timer_function
from ..timer import jiffies, mod_timer, timer_delete, timer_setup
from ..turn import at, spin_lock, spin_unlock
from .inet_connection_sock import TCP_TIMEOUT_INIT_MS, msecs_to_jiffies, sk_acceptq_is_full
from .inet_hashtables import ehash_insert, ehash_remove, inet_ehashfn
from .secure_seq import secure_tcp_seq, secure_tcp_ts_off, tcp_v4_init_seq_and_ts_off
from .syncookies import cookie_init_timestamp, cookie_mss_index, cookie_v4_init_sequence, msstab
from .tcp_metrics import tcp_peer_is_proven
from .tcp_options import tcp_clear_options, tcp_parse_options
from .tcp_output import TCP_RTO_MAX_MS, tcp_v4_send_synack
from .tcp_seq import tcp_jiffies32, tcp_time_stamp_ts, u32
from .tcp_window import TCP_MSS_DEFAULT, U16_MAX, tcp_advmss, tcp_full_space, tcp_initial_window, tcp_initial_wscale


# ---------------------------------------------------------------- requests
@path_function
def reqsk_alloc(net: Net) -> int:
    """A request; NO_REQ: there are NREQ, the simulation's own limit."""
    i = net.req_free
    if i >= 0:
        req = net.reqs[i]
        net.req_free = req.next
    elif net.req_used < NREQ:
        i = net.req_used
        net.req_used += 1
    else:
        return NO_REQ
    taken = net.reqs[i]
    reset_struct(taken)
    taken.in_use = 1
    timer_setup(net, REQ_TIMER + i, Timer.reqsk_timer_handler, i)
    return i


@path_function
def reqsk_free(net: Net, i: int) -> None:
    req = net.reqs[i]
    req.in_use, req.next = 0, net.req_free
    net.req_free = i


@path_function
def req_listener(net: Net, req: request_sock) -> int:
    """The listener that it belongs to, NO_SOCK: that has been closed, or listens no more."""
    sk = net.socks[req.listener]
    return req.listener if sk.gen == req.listener_gen and sk.state == TCP.LISTEN else NO_SOCK


@path_function
def inet_csk_reqsk_queue_hash_add(net: Net, cpu: int, tp: tcp_sock, i: int) -> None:
    """It can be found, and its SYN-ACK will be sent again."""
    req = net.reqs[i]
    ehash_insert(net, inet_ehashfn(net, req.saddr_lo, req.lport, req.daddr_lo, req.rport), EHASH_REQ + i)
    tp.qlen += 1
    tp.young += 1
    mod_timer(net, cpu, REQ_TIMER + i, jiffies(net, cpu) + req.timeout)


@path_function
def inet_csk_reqsk_queue_drop(net: Net, i: int) -> None:
    """It is over: answered, reset, or given up."""
    req = net.reqs[i]
    ehash_remove(net, inet_ehashfn(net, req.saddr_lo, req.lport, req.daddr_lo, req.rport), EHASH_REQ + i)
    timer_delete(net, REQ_TIMER + i)
    listener = req_listener(net, req)
    if listener >= 0:
        tp = net.tcp[listener]
        tp.qlen -= 1
        if req.num_timeout == 0:
            tp.young -= 1
    reqsk_free(net, i)


# ---------------------------------------------------------------- a SYN
@path_function
def inet_csk_reqsk_queue_is_full(net: Net, tp: tcp_sock) -> bool:
    """Before 4.4 the limit is a power of two above the backlog and tcp_max_syn_backlog, 16 at least."""
    if net.behaviour[Behaviour.synq_by_backlog]:
        return tp.qlen > tp.max_ack_backlog
    entries = max(min(tp.max_ack_backlog, net.sysctl[Sysctl.tcp_max_syn_backlog]), 8) + 1
    return tp.qlen >> fls64(entries - 1) != 0


@path_function
def tcp_listendrop(net: Net, cpu: int, sk: sock) -> None:
    sk.drops += 1
    net.snmp[cpu][Mib.TcpExt_ListenDrops] += 1


@cold
@path_function
def tcp_syn_flood_action(net: Net, cpu: int) -> bool:
    """The queue of requests is full: is a cookie sent instead?"""
    if net.sysctl[Sysctl.tcp_syncookies]:
        net.snmp[cpu][Mib.TcpExt_TCPReqQFullDoCookies] += 1
        return True
    net.snmp[cpu][Mib.TcpExt_TCPReqQFullDrop] += 1
    return False


@path_function
def tcp_conn_request(net: Net, cpu: int, sk: sock, skb: sk_buff, tw_isn: int) -> None:
    """tw_isn: the sequence number to begin with, of a SYN that ends a TIME_WAIT and knows no limits; 0: an ordinary one."""
    at(net, cpu, skb, Stage.tcp_conn_request)
    tp, want_cookie, syncookies = net.tcp[sk.idx], False, net.sysctl[Sysctl.tcp_syncookies]
    if skb.dst_type != RTN.LOCAL:                                            # 1: to many
        tcp_listendrop(net, cpu, sk)
        return
    if tw_isn == 0 and (syncookies == 2 or inet_csk_reqsk_queue_is_full(net, tp)):                # 2: the SYN queue is full
        want_cookie = tcp_syn_flood_action(net, cpu)
        if not want_cookie:
            tcp_listendrop(net, cpu, sk)
            return
    if sk_acceptq_is_full(tp) and (net.behaviour[Behaviour.acceptq_full_drops] or tp.young > 1):     # 3: so is the accept queue
        net.snmp[cpu][Mib.TcpExt_ListenOverflows] += 1
        tcp_listendrop(net, cpu, sk)
        return
    i = reqsk_alloc(net)
    if i < 0:                                                                # 4: no memory for it
        tcp_listendrop(net, cpu, sk)
        return
    req = net.reqs[i]
    tcp_openreq_init(net, cpu, sk, tp, req, skb, want_cookie)
    hashed = tcp_v4_init_seq_and_ts_off(net, skb)
    if req.tstamp_ok:
        req.tsoff = secure_tcp_ts_off(net, hashed)
    if not want_cookie and tw_isn == 0 and not syncookies:                   # 5: the last quarter is for peers that are known to be alive
        most = net.sysctl[Sysctl.tcp_max_syn_backlog]
        if most - tp.qlen < most >> 2 and not tcp_peer_is_proven(net, cpu, req.saddr_lo, req.daddr_lo):
            reqsk_free(net, i)
            tcp_listendrop(net, cpu, sk)
            return
    tcp_ecn_create_request(net, req, skb)
    req.snt_isn = tw_isn if tw_isn else secure_tcp_seq(net, cpu, hashed)
    tcp_openreq_init_rwin(net, sk, tp, req, 0)
    foc = net.tcp_foc[cpu]
    if not want_cookie and foc.len == 0:             # who asks for a cookie gets none: there is no Fast Open here
        net.snmp[cpu][Mib.TcpExt_TCPFastOpenCookieReqd] += 1
    if want_cookie:
        tcp_send_cookie(net, cpu, sk, tp, i, skb)
        return
    req.timeout = msecs_to_jiffies(net, TCP_TIMEOUT_INIT_MS)
    inet_csk_reqsk_queue_hash_add(net, cpu, tp, i)
    c = net.cpu[cpu]
    req.synack_time = c.now
    tcp_send_synack(net, cpu, req)


@cold
@path_function
def tcp_send_cookie(net: Net, cpu: int, sk: sock, tp: tcp_sock, i: int, skb: sk_buff) -> None:
    """The SYN is answered and forgotten."""
    c, req = net.cpu[cpu], net.reqs[i]
    tcp_synq_overflow(net, cpu, sk, tp)
    net.snmp[cpu][Mib.TcpExt_SyncookiesSent] += 1
    req.snt_isn = cookie_v4_init_sequence(net, cpu, skb, req.mss)
    req.mss = msstab(cookie_mss_index(req.mss))
    if req.tstamp_ok == 0:
        req.ecn_ok = 0
    req.snt_tsval_last = u32(cookie_init_timestamp(req, c.now // 1_000_000) + req.tsoff)
    tcp_v4_send_synack(net, cpu, req)
    reqsk_free(net, i)


@path_function
def tcp_send_synack(net: Net, cpu: int, req: request_sock) -> bool:
    """With the time as its time stamp; the first and the last of them are what the peer may echo.  False: no skb is to be had."""
    req.snt_tsval_last = tcp_time_stamp_ts(net, cpu, req.tsoff)
    if req.snt_tsval_first == 0:
        req.snt_tsval_first = req.snt_tsval_last
    return tcp_v4_send_synack(net, cpu, req)


@path_function
def tcp_synq_overflow(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """From now on, and for two minutes, a third segment without a request may be a cookie's; at any member of a group."""
    tp.synq_overflow = tcp_jiffies32(net, cpu) + 1
    if sk.group >= 0:
        reuse = net.reuseport[sk.group]
        reuse.synq_overflow = tp.synq_overflow


@path_function
def tcp_openreq_init(net: Net, cpu: int, sk: sock, tp: tcp_sock, req: request_sock, skb: sk_buff, want_cookie: bool) -> None:
    """What the SYN says; a cookie keeps options only in a time stamp."""
    opt, th = net.tcp_opt[cpu], tcp_hdr(net, skb)
    tcp_clear_options(opt)
    foc = net.tcp_foc[cpu]
    foc.len = -1
    opt.mss_clamp, opt.user_mss = TCP_MSS_DEFAULT, tp.user_mss
    tcp_parse_options(net, skb, opt, net.tcp_foc[cpu], False)
    tcp_openreq_ends(net, sk, req, skb)
    req.rcv_isn, req.mss = th.seq, opt.mss_clamp
    if not want_cookie or opt.saw_tstamp:
        req.tstamp_ok, req.sack_ok, req.wscale_ok, req.snd_wscale = opt.saw_tstamp, opt.sack_ok, opt.wscale_ok, opt.snd_wscale
    if req.tstamp_ok:
        req.ts_recent = opt.rcv_tsval


@path_function
def tcp_openreq_ends(net: Net, sk: sock, req: request_sock, skb: sk_buff) -> None:
    """Both ends, the listener, and the way back."""
    ip, th, eth = ip_hdr(net, skb), tcp_hdr(net, skb), eth_hdr(net, skb)
    req.saddr_lo, req.daddr_lo, req.lport, req.rport = ip.daddr, ip.saddr, th.dest, th.source
    req.listener, req.listener_gen, req.bound_dev = sk.idx, sk.gen, sk.bound_dev
    req.dev, req.queue_mapping, req.hash, req.frame = skb.dev, skb.queue_mapping, skb.hash, skb.frame
    req.peer_mac = ether_addr_to_u64(eth.h_source)


@path_function
def tcp_ecn_create_request(net: Net, req: request_sock, skb: sk_buff) -> None:
    """RFC 3168 6.1.1: the SYN asks for ECN by ECE and CWR, and is itself not ECN-capable."""
    th, ip = tcp_hdr(net, skb), ip_hdr(net, skb)
    both = TCPHDR_ECE | TCPHDR_CWR
    if th.flags & both == both and (ip.tos & 3 == 0 or th.res1) and net.sysctl[Sysctl.tcp_ecn]:
        req.ecn_ok = 1


@path_function
def tcp_openreq_init_rwin(net: Net, sk: sock, tp: tcp_sock, req: request_sock, mss: int) -> None:
    """The window that the SYN-ACK opens, a multiple of mss (0: of what we announce), and the scale of all later ones."""
    full_space, clamp = tcp_full_space(sk, tp), tp.window_clamp
    req.advmss = tcp_advmss(net, tp, req.dev)
    if sk.userlocks & SOCK_RCVBUF_LOCK and (clamp > full_space or clamp == 0):
        clamp = full_space
    if clamp == 0:
        clamp = U16_MAX << TCP_MAX_WSCALE
    req.rcv_wnd = tcp_initial_window(full_space, clamp, mss if mss else req.advmss - (TCPOLEN_TSTAMP_ALIGNED if req.tstamp_ok else 0))
    req.rcv_wscale = tcp_initial_wscale(net, req.rcv_wnd, clamp) if req.wscale_ok else 0
    req.window_clamp = min(U16_MAX << req.rcv_wscale, clamp)


# ---------------------------------------------------------------- its timer
@path_function
def reqsk_timeout(net: Net, req: request_sock) -> int:
    """Jiffies until the next SYN-ACK: one second, doubled each time."""
    return min(req.timeout << req.num_timeout, msecs_to_jiffies(net, TCP_RTO_MAX_MS))


@path_function
def tcp_rtx_synack(net: Net, cpu: int, req: request_sock) -> bool:
    """The SYN-ACK again.  False: no skb is to be had."""
    if not tcp_send_synack(net, cpu, req):
        return False
    net.snmp[cpu][Mib.Tcp_RetransSegs] += 1
    net.snmp[cpu][Mib.TcpExt_TCPSynRetrans] += 1
    req.num_retrans += 1
    return True


@path_function
def syn_ack_retries(net: Net, tp: tcp_sock) -> int:
    """tcp_synack_retries; fewer where the queue is more than half full of old requests."""
    retries = net.sysctl[Sysctl.tcp_synack_retries]
    if tp.qlen << 1 > max(8, tp.max_ack_backlog):
        young = tp.young << 1
        while retries > 2 and tp.qlen >= young:
            retries -= 1
            young <<= 1
    return retries


@timer_function(Timer.reqsk_timer_handler)
@path_function
def reqsk_timer_handler(net: Net, cpu: int, i: int) -> int:
    """Nobody has acknowledged the SYN-ACK: again, unless it was sent often enough or its listener is gone.  One that waits for data
    (TCP_DEFER_ACCEPT) is sent again only at the end of that time."""
    req = net.reqs[i]
    listener = req_listener(net, req)
    if listener < 0:
        inet_csk_reqsk_queue_drop(net, i)
        return 0
    sk = net.socks[listener]
    spin_lock(net, cpu, sk.lock)
    reqsk_timeout_passed(net, cpu, net.tcp[listener], i)
    spin_unlock(net, sk.lock)
    return 0


@path_function
def reqsk_timeout_passed(net: Net, cpu: int, tp: tcp_sock, i: int) -> None:
    req, retries, defer = net.reqs[i], syn_ack_retries(net, tp), tp.defer_accept
    expire, resend = req.num_timeout >= retries, True
    if defer:
        expire = expire and (req.acked == 0 or req.num_timeout >= defer)
        resend = req.acked == 0 or req.num_timeout >= defer - 1
    net.snmp[cpu][Mib.TcpExt_TCPTimeouts] += 1
    if expire or (resend and not tcp_rtx_synack(net, cpu, req) and req.acked == 0):
        inet_csk_reqsk_queue_drop(net, i)
        return
    if req.num_timeout == 0:
        tp.young -= 1
    req.num_timeout += 1
    mod_timer(net, cpu, REQ_TIMER + i, jiffies(net, cpu) + reqsk_timeout(net, req))
