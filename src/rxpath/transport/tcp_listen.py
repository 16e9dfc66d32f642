"""A SYN for a listener: net/ipv4/tcp_input.c (tcp_conn_request), net/ipv4/inet_connection_sock.c (the SYN queue and its timer).
RFC 9293 3.10.7.2.

The SYN queue holds as many requests as the accept queue has room for (listen()'s backlog); there are no SYN cookies yet."""
from .._compile import cold, path_function, reset_struct
from ..abi.headers import eth_hdr, ether_addr_to_u64
from ..abi.kernels import Sysctl
from ..abi.limits import NREQ
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import NO_REQ
from ..abi.skbuff import TCP_SKB_CB, sk_buff
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
from .tcp_options import tcp_clear_options, tcp_parse_options
from .tcp_output import tcp_v4_send_synack
from .tcp_rcvbuf import TCP_MSS_DEFAULT
from .tcp_window import U16_MAX, tcp_full_space, tcp_initial_window, tcp_initial_wscale

TCP_RTO_MAX_MS, TCP_MIN_ADVMSS, TCP_HEADERS = 120_000, 256, 40


# ---------------------------------------------------------------- the SYN queue
@path_function
def reqsk_alloc(net: Net) -> int:
    """A request, NO_REQ: there are NREQ."""
    i = net.req_free
    if i >= 0:
        old = net.reqs[i]
        net.req_free = old.next
    elif net.req_used < NREQ:
        i = net.req_used
        net.req_used += 1
    else:
        return NO_REQ
    req = net.reqs[i]
    gen = req.gen
    reset_struct(req)
    req.gen, req.in_use = gen, 1
    return i


@path_function
def req_ehashfn(net: Net, req: request_sock) -> int:
    return inet_ehashfn(net, req.saddr_lo, req.lport, req.daddr_lo, req.rport)


@path_function
def inet_csk_reqsk_queue_hash_add(net: Net, cpu: int, tp: tcp_sock, i: int) -> None:
    """It can be found, and its SYN-ACK will be sent again."""
    req = net.reqs[i]
    ehash_insert(net, req_ehashfn(net, req), EHASH_REQ + i)
    req.timeout = msecs_to_jiffies(net, TCP_TIMEOUT_INIT_MS)
    timer_setup(net, REQ_TIMER + i, Timer.reqsk_timer_handler, i)
    mod_timer(net, cpu, REQ_TIMER + i, jiffies(net, cpu) + req.timeout)
    tp.qlen += 1
    tp.young += 1


@path_function
def inet_csk_reqsk_queue_drop(net: Net, i: int) -> None:
    """It is no more."""
    req = net.reqs[i]
    tp = net.tcp[req.listener]
    ehash_remove(net, req_ehashfn(net, req), EHASH_REQ + i)
    timer_delete(net, REQ_TIMER + i)
    tp.qlen -= 1
    if req.num_timeout == 0:
        tp.young -= 1
    req.in_use = 0
    req.gen += 1
    req.next = net.req_free
    net.req_free = i


@path_function
def inet_csk_reqsk_queue_stop(net: Net, sk: sock) -> None:
    """The listener closes: its requests go with it."""
    tp = net.tcp[sk.idx]
    for i in range(net.req_used):
        req = net.reqs[i]
        if tp.qlen == 0:
            return
        if req.in_use and req.listener == sk.idx:
            inet_csk_reqsk_queue_drop(net, i)


@timer_function(Timer.reqsk_timer_handler)
@path_function
def reqsk_timer_handler(net: Net, cpu: int, i: int) -> int:
    """No answer to the SYN-ACK: again, twice as long, tcp_synack_retries times."""
    req = net.reqs[i]
    if req.in_use == 0:
        return 0
    sk = net.socks[req.listener]
    tp = net.tcp[req.listener]
    spin_lock(net, cpu, sk.lock)
    if req.num_timeout >= net.sysctl[Sysctl.tcp_synack_retries]:
        inet_csk_reqsk_queue_drop(net, i)
    else:
        if req.num_timeout == 0:
            tp.young -= 1
        req.num_timeout += 1
        tcp_rtx_synack(net, cpu, req)
        timeout = min(req.timeout << req.num_timeout, msecs_to_jiffies(net, TCP_RTO_MAX_MS))
        mod_timer(net, cpu, REQ_TIMER + i, jiffies(net, cpu) + timeout)
    spin_unlock(net, sk.lock)
    return 0


@path_function
def tcp_rtx_synack(net: Net, cpu: int, req: request_sock) -> bool:
    """The SYN-ACK again."""
    if not tcp_v4_send_synack(net, cpu, req):
        return False
    net.snmp[cpu][Mib.Tcp_RetransSegs] += 1
    net.snmp[cpu][Mib.TcpExt_TCPSynRetrans] += 1
    req.num_retrans += 1
    return True


# ---------------------------------------------------------------- a SYN
@cold
@path_function
def tcp_listendrop(net: Net, cpu: int, sk: sock) -> None:
    sk.drops += 1
    net.snmp[cpu][Mib.TcpExt_ListenDrops] += 1


@path_function
def tcp_conn_request(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """A request with its SYN-ACK, or, where a queue is full, nothing: no reply and, on 6.18, no drop reason."""
    at(net, cpu, skb, Stage.tcp_conn_request)
    tp = net.tcp[sk.idx]
    if tp.qlen > tp.max_ack_backlog:                 # inet_csk_reqsk_queue_is_full()
        net.snmp[cpu][Mib.TcpExt_TCPReqQFullDrop] += 1
        tcp_listendrop(net, cpu, sk)
        return
    if sk_acceptq_is_full(tp):
        net.snmp[cpu][Mib.TcpExt_ListenOverflows] += 1
        tcp_listendrop(net, cpu, sk)
        return
    i = reqsk_alloc(net)
    if i < 0:
        tcp_listendrop(net, cpu, sk)
        return
    req = net.reqs[i]
    tcp_openreq_init(net, cpu, sk, req, skb)
    hashed = tcp_v4_init_seq_and_ts_off(net, skb)
    req.tsoff, req.snt_isn = secure_tcp_ts_off(hashed), secure_tcp_seq(net, cpu, hashed)
    tcp_openreq_init_rwin(net, sk, tp, req)
    inet_csk_reqsk_queue_hash_add(net, cpu, tp, i)
    c = net.cpu[cpu]
    req.synack_time = c.now
    tcp_v4_send_synack(net, cpu, req)


@path_function
def tcp_openreq_init(net: Net, cpu: int, sk: sock, req: request_sock, skb: sk_buff) -> None:
    """What the SYN says."""
    flow, opt, cb, tp = net.flow[cpu], net.tcp_opt[cpu], TCP_SKB_CB(skb), net.tcp[sk.idx]
    tcp_clear_options(opt)
    opt.mss_clamp, opt.user_mss = TCP_MSS_DEFAULT, tp.user_mss
    tcp_parse_options(net, skb, opt, net.tcp_foc[cpu], False)
    eth = eth_hdr(net, skb)
    req.listener, req.listener_gen = sk.idx, sk.gen
    req.saddr_hi, req.saddr_lo, req.daddr_hi, req.daddr_lo = flow.daddr_hi, flow.daddr_lo, flow.saddr_hi, flow.saddr_lo
    req.lport, req.rport, req.bound_dev = flow.dport, flow.sport, sk.bound_dev
    req.dev, req.queue_mapping, req.hash, req.frame = skb.dev, skb.queue_mapping, skb.hash, skb.frame
    req.peer_mac = ether_addr_to_u64(eth.h_source)
    req.rcv_isn = cb.seq
    req.mss = opt.mss_clamp
    req.tstamp_ok, req.ts_recent = opt.saw_tstamp, opt.rcv_tsval if opt.saw_tstamp else 0
    req.sack_ok, req.wscale_ok, req.snd_wscale = opt.sack_ok, opt.wscale_ok, opt.snd_wscale


@path_function
def tcp_openreq_init_rwin(net: Net, sk: sock, tp: tcp_sock, req: request_sock) -> None:
    """The window that the SYN-ACK offers, from the listener's buffer."""
    dev = net.dev[req.dev]
    mss = max(dev.mtu - TCP_HEADERS, TCP_MIN_ADVMSS)
    req.advmss = min(mss, tp.user_mss) if tp.user_mss else mss
    full_space, clamp = tcp_full_space(sk, tp), tp.window_clamp
    if sk.userlocks & SOCK_RCVBUF_LOCK and (clamp > full_space or clamp == 0):
        clamp = full_space
    if clamp == 0:
        clamp = U16_MAX << TCP_MAX_WSCALE
    stamps = TCPOLEN_TSTAMP_ALIGNED if req.tstamp_ok else 0
    req.rcv_wnd = tcp_initial_window(full_space, clamp, req.advmss - stamps)
    req.rcv_wscale = tcp_initial_wscale(net, req.rcv_wnd, clamp) if req.wscale_ok else 0
    req.window_clamp = min(U16_MAX << req.rcv_wscale, clamp)
