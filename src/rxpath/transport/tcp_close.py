"""How a connection ends: states, FIN, RST, close().  net/ipv4/tcp.c (tcp_set_state, tcp_done, __tcp_close, tcp_shutdown),
net/ipv4/tcp_input.c (tcp_fin, tcp_reset), net/ipv4/inet_connection_sock.c (inet_csk_destroy_sock).  RFC 9293 3.6.

A socket without a program (SOCK_DEAD) lives on until the protocol has closed, and frees itself then; in TIME_WAIT, and in FIN_WAIT2 of a
closed socket, only a small record is left (tcp_timewait.py).  SO_LINGER with a time does not wait here: close() returns at once."""
from .._compile import cold, path_function
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    ECONNREFUSED,
    ECONNRESET,
    EPIPE,
    IPPROTO,
    NO_SOCK,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLRDHUP,
    POLLRDNORM,
    TCP,
    TCPHDR_FIN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff_list
from ..abi.sock import RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK, SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK, sock
from ..abi.tcp import tcp_sock
from ..abi.timer import TCP_KEEPALIVE_TIMER
from ..path import Stage, proto_close, proto_disconnect, proto_shutdown
from ..skb import __skb_dequeue, kfree_skb_reason
from ..timer import jiffies, mod_timer
from ..turn import at
from ..user.sock import sk_common_release
from ..user.wait import sk_state_change
from .inet_connection_sock import TCP_TIMEOUT_INIT_MS, inet_csk_clear_xmit_timers, inet_csk_schedule_ack, msecs_to_jiffies
from .inet_hashtables import inet_put_port, inet_unhash
from .tcp_charge import PAGE_SHIFT, __sk_mem_reduce_allocated, tcp_rfree, tcp_wfree
from .tcp_metrics import tcp_update_metrics
from .tcp_ofo import skb_rbtree_purge
from .tcp_output import tcp_send_ack, tcp_send_active_reset, tcp_send_fin
from .tcp_seq import after
from .tcp_timewait import TCP_TIMEWAIT_LEN_MS, tcp_timewait_begin


# ---------------------------------------------------------------- states
@path_function
def tcp_set_state(net: Net, cpu: int, sk: sock, state: int) -> None:
    """With the counters that follow the state; a closed socket can no longer be found."""
    old, snmp = sk.state, net.snmp[cpu]
    estab = old == TCP.ESTABLISHED or old == TCP.CLOSE_WAIT
    if state == TCP.ESTABLISHED:
        if old != TCP.ESTABLISHED:
            snmp[Mib.Tcp_CurrEstab] += 1
    elif state == TCP.CLOSE_WAIT:
        if old == TCP.SYN_RECV:
            snmp[Mib.Tcp_CurrEstab] += 1
    else:
        if state == TCP.CLOSE:
            if estab:
                snmp[Mib.Tcp_EstabResets] += 1
            inet_unhash(net, sk)
            if sk.port and sk.userlocks & SOCK_BINDPORT_LOCK == 0:
                inet_put_port(net, sk)
        if estab:
            snmp[Mib.Tcp_CurrEstab] -= 1
    sk.state = state


@path_function
def tcp_done(net: Net, cpu: int, sk: sock) -> None:
    """The connection is over."""
    tp = net.tcp[sk.idx]
    if sk.state == TCP.SYN_SENT or sk.state == TCP.SYN_RECV:
        net.snmp[cpu][Mib.Tcp_AttemptFails] += 1
    tcp_set_state(net, cpu, sk, TCP.CLOSE)
    inet_csk_clear_xmit_timers(net, sk)
    tcp_write_queue_purge(net, cpu, sk, tp)
    sk.shutdown = SHUTDOWN_MASK
    if tp.dead:
        inet_csk_destroy_sock(net, cpu, sk)
    else:
        sk_state_change(net, cpu, sk, POLLIN | POLLRDNORM | POLLRDHUP | POLLHUP | POLLERR)


@path_function
def tcp_write_queue_purge(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """What of ours nobody has acknowledged is not sent again."""
    if tp.packets_out:
        tcp_wfree(net, cpu, sk, tp.packets_out)
        tp.packets_out = 0


@path_function
def inet_csk_destroy_sock(net: Net, cpu: int, sk: sock) -> None:
    """sk_stream_kill_queues(), then its place is free."""
    tp = net.tcp[sk.idx]
    if tp.dead:
        net.tcp_orphans -= 1
    if tp.born_of >= 0:
        tcp_child_ends(net, sk, tp)
    inet_csk_clear_xmit_timers(net, sk)
    tcp_write_queue_purge(net, cpu, sk, tp)
    tcp_purge(net, cpu, sk, sk.receive_queue, Stage.sk_stream_kill_queues, Drop.QUEUE_PURGE)
    skb_rbtree_purge(net, cpu, sk, tp)
    while sk.backlog.head >= 0:
        skb = __skb_dequeue(net, sk.backlog)
        kfree_skb_reason(net, cpu, skb, Stage.sk_stream_kill_queues, Drop.QUEUE_PURGE)
    __sk_mem_reduce_allocated(net, cpu, sk.forward_alloc >> PAGE_SHIFT)
    net.tcp_sockets -= 1
    sk.forward_alloc, sk.rmem_alloc, sk.qlen, sk.backlog_len, sk.backlog_qlen = 0, 0, 0, 0, 0
    if sk.port:
        inet_put_port(net, sk)
    sk_common_release(net, cpu, sk)


@path_function
def tcp_child_ends(net: Net, sk: sock, tp: tcp_sock) -> None:
    """What the connection has been stays with its listener, if that is still there, for the books."""
    parent, ltp = net.socks[tp.born_of], net.tcp[tp.born_of]
    tp.born_of = NO_SOCK
    if parent.gen != tp.born_gen:
        return
    ltp.born_packets += sk.packets
    ltp.born_qlen_max = max(ltp.born_qlen_max, sk.qlen_max)
    if sk.rmem_max_seen >= ltp.born_rmem_max:
        ltp.born_rmem_max, ltp.born_rcvbuf = sk.rmem_max_seen, sk.rcvbuf


@cold
@path_function
def tcp_done_with_error(net: Net, cpu: int, sk: sock, err: int) -> None:
    """err: a positive errno, for the program's next call."""
    sk.err = err
    tcp_done(net, cpu, sk)


@path_function
def tcp_time_wait(net: Net, cpu: int, sk: sock, substate: int, timeo: int) -> None:
    """What is left of it is a record, for `timeo` jiffies; the socket is done."""
    tp = net.tcp[sk.idx]
    tcp_timewait_begin(net, cpu, sk, tp, substate, timeo)
    tcp_update_metrics(net, cpu, sk, tp)
    tcp_done(net, cpu, sk)


@path_function
def tcp_fin_time(net: Net, tp: tcp_sock) -> int:
    """Jiffies in FIN_WAIT2 of a socket that no program has: TCP_LINGER2, tcp_fin_timeout; 3.5 time-outs at least."""
    timeout = tp.linger2 if tp.linger2 else net.sysctl[Sysctl.tcp_fin_timeout_ns] // net.sysctl[Sysctl.jiffy_ns]
    return max(timeout, (tp.rto << 2) - (tp.rto >> 1))


@path_function
def tcp_enter_fin_wait2(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> bool:
    """No program has it any more: a record takes its place, after a while if FIN_WAIT2 lasts longer than a TIME_WAIT.  True: now."""
    left, most = tcp_fin_time(net, tp), msecs_to_jiffies(net, TCP_TIMEWAIT_LEN_MS)
    if left > most:
        mod_timer(net, cpu, TCP_KEEPALIVE_TIMER + sk.idx, jiffies(net, cpu) + left - most)
        return False
    tcp_time_wait(net, cpu, sk, TCP.FIN_WAIT2, left)
    return True


@path_function
def tcp_fin_wait2_timer(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """tcp_keepalive_timer() of such a socket."""
    left = tcp_fin_time(net, tp) - msecs_to_jiffies(net, TCP_TIMEWAIT_LEN_MS)
    if tp.linger2 >= 0 and left > 0:
        tcp_time_wait(net, cpu, sk, TCP.FIN_WAIT2, left)
        return
    tcp_send_active_reset(net, cpu, sk)
    tcp_done(net, cpu, sk)


@path_function
def tcp_purge(net: Net, cpu: int, sk: sock, queue: sk_buff_list, stage: int, reason: int) -> bool:
    """What nobody has read goes.  Were there bytes among it?"""
    tp, unread = net.tcp[sk.idx], False
    while queue.head >= 0:
        skb = __skb_dequeue(net, queue)
        cb = TCP_SKB_CB(skb)
        if after(cb.end_seq - (cb.tcp_flags & TCPHDR_FIN), tp.copied_seq):
            unread = True
        size = skb.truesize
        at(net, cpu, skb, stage)
        kfree_skb_reason(net, cpu, skb, stage, reason)
        tcp_rfree(net, cpu, sk, size)
    sk.qlen = 0
    return unread


# ---------------------------------------------------------------- what the peer does
@cold
@path_function
def tcp_reset(net: Net, cpu: int, sk: sock) -> None:
    """The peer has given the connection up: the program's next call says so, once what it can still read is read."""
    if sk.state == TCP.CLOSE:
        return
    if sk.state == TCP.SYN_SENT:
        sk.err = -ECONNREFUSED
    elif sk.state == TCP.CLOSE_WAIT:
        sk.err = -EPIPE
    else:
        sk.err = -ECONNRESET
    tcp_done(net, cpu, sk)


@path_function
def tcp_fin(net: Net, cpu: int, sk: sock) -> None:
    """Its FIN is in sequence: nothing will follow."""
    tp = net.tcp[sk.idx]
    inet_csk_schedule_ack(tp)
    sk.shutdown |= RCV_SHUTDOWN
    tp.done = 1
    over = False
    if sk.state == TCP.ESTABLISHED or sk.state == TCP.SYN_RECV:
        tcp_set_state(net, cpu, sk, TCP.CLOSE_WAIT)
        tp.ack_pingpong = 1
    elif sk.state == TCP.FIN_WAIT1:
        tcp_send_ack(net, cpu, sk)
        tcp_set_state(net, cpu, sk, TCP.CLOSING)
    elif sk.state == TCP.FIN_WAIT2:
        tcp_send_ack(net, cpu, sk)
        over = True
    skb_rbtree_purge(net, cpu, sk, tp)
    if over:
        tcp_time_wait(net, cpu, sk, TCP.TIME_WAIT, 0)
    elif tp.dead == 0:
        sk_state_change(net, cpu, sk, POLLIN | POLLRDNORM | POLLRDHUP)


# ---------------------------------------------------------------- what the program does
@path_function
def tcp_close_state(net: Net, cpu: int, sk: sock) -> bool:
    """The state that follows a close.  True: a FIN is to be sent."""
    if sk.state == TCP.ESTABLISHED or sk.state == TCP.SYN_RECV:
        tcp_set_state(net, cpu, sk, TCP.FIN_WAIT1)
        return True
    if sk.state == TCP.CLOSE_WAIT:
        tcp_set_state(net, cpu, sk, TCP.LAST_ACK)
        return True
    if sk.state == TCP.SYN_SENT or sk.state == TCP.LISTEN:
        tcp_set_state(net, cpu, sk, TCP.CLOSE)
    return False


@proto_shutdown(IPPROTO.TCP)
@path_function
def tcp_shutdown(net: Net, cpu: int, sk: sock, how: int) -> int:
    """shutdown(): a FIN, if the program will not send any more."""
    if how & SEND_SHUTDOWN and (sk.state == TCP.ESTABLISHED or sk.state == TCP.SYN_RECV or sk.state == TCP.CLOSE_WAIT):
        if tcp_close_state(net, cpu, sk):
            tcp_send_fin(net, cpu, sk)
    return 0


@path_function
def tcp_need_reset(state: int) -> bool:
    return state == TCP.ESTABLISHED or state == TCP.CLOSE_WAIT or state == TCP.FIN_WAIT1 or state == TCP.FIN_WAIT2 or state == TCP.SYN_RECV


@path_function
def inet_csk_listen_stop(net: Net, cpu: int, sk: sock) -> None:
    """Who waits to be accepted is reset."""
    tp = net.tcp[sk.idx]
    while tp.accept_head >= 0:
        child = net.socks[tp.accept_head]
        ctp = net.tcp[child.idx]
        tp.accept_head, ctp.accept_next = ctp.accept_next, NO_SOCK
        tp.ack_backlog -= 1
        tcp_abort(net, cpu, child)
        tcp_orphan(net, ctp)
        inet_csk_destroy_sock(net, cpu, child)


@path_function
def tcp_abort(net: Net, cpu: int, sk: sock) -> None:
    """The part of tcp_disconnect() that ends a connection: the peer is told, what was queued goes."""
    tp = net.tcp[sk.idx]
    if tcp_need_reset(sk.state):
        tcp_send_active_reset(net, cpu, sk)
    if sk.state != TCP.CLOSE:
        tcp_set_state(net, cpu, sk, TCP.CLOSE)
    inet_csk_clear_xmit_timers(net, sk)
    tcp_write_queue_purge(net, cpu, sk, tp)
    tcp_purge(net, cpu, sk, sk.receive_queue, Stage.tcp_disconnect, Drop.QUEUE_PURGE)
    skb_rbtree_purge(net, cpu, sk, tp)


@path_function
def tcp_orphan(net: Net, tp: tcp_sock) -> None:
    """sock_orphan(): no program has it any more."""
    tp.dead = 1
    net.tcp_orphans += 1


@proto_disconnect(IPPROTO.TCP)
@path_function
def tcp_disconnect(net: Net, cpu: int, sk: sock) -> int:
    """connect(AF_UNSPEC): a listener ends to listen, a connection is reset; an address and a port that bind() was told stay."""
    tp, was = net.tcp[sk.idx], sk.state
    if was == TCP.LISTEN:
        tcp_set_state(net, cpu, sk, TCP.CLOSE)
        inet_csk_listen_stop(net, cpu, sk)
    elif was != TCP.CLOSE:
        tcp_abort(net, cpu, sk)
        sk.err = -ECONNRESET
    sk.dport, sk.daddr_lo, sk.shutdown = 0, 0, 0
    tp.backoff, tp.done, tp.srtt_us, tp.urg_data, tp.window_clamp, tp.copied_seq = 0, 0, 0, 0, 0, tp.rcv_nxt
    tp.num_sacks, tp.dsack, tp.compressed_ack, tp.ack_pending, tp.fin_sent = 0, 0, 0, 0, 0
    tp.rto = msecs_to_jiffies(net, TCP_TIMEOUT_INIT_MS)
    if sk.userlocks & SOCK_BINDADDR_LOCK == 0:
        sk.rcv_saddr_lo = 0
    return 0


@proto_close(IPPROTO.TCP)
@path_function
def tcp_close(net: Net, cpu: int, sk: sock) -> int:
    """close(): unread bytes make it a reset (RFC 2525 2.17), and so does SO_LINGER with no time; else it ends with a FIN."""
    tp = net.tcp[sk.idx]
    sk.shutdown = SHUTDOWN_MASK
    if sk.state == TCP.LISTEN:
        tcp_set_state(net, cpu, sk, TCP.CLOSE)
        inet_csk_listen_stop(net, cpu, sk)
    else:
        tcp_close_connection(net, cpu, sk, tp)
    tcp_orphan(net, tp)
    if sk.state == TCP.FIN_WAIT2:
        if tp.linger2 < 0:
            net.snmp[cpu][Mib.TcpExt_TCPAbortOnLinger] += 1
            tcp_send_active_reset(net, cpu, sk)
            tcp_set_state(net, cpu, sk, TCP.CLOSE)
        elif tcp_enter_fin_wait2(net, cpu, sk, tp):
            return 0
    if sk.state != TCP.CLOSE and net.tcp_orphans > net.sysctl[Sysctl.tcp_max_orphans]:        # tcp_check_oom()
        net.snmp[cpu][Mib.TcpExt_TCPAbortOnMemory] += 1
        tcp_send_active_reset(net, cpu, sk)
        tcp_set_state(net, cpu, sk, TCP.CLOSE)
    if sk.state == TCP.CLOSE:
        inet_csk_destroy_sock(net, cpu, sk)
    return 0


@path_function
def tcp_close_connection(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    unread = tcp_purge(net, cpu, sk, sk.receive_queue, Stage.tcp_close, Drop.TCP_UNREAD)
    if sk.state == TCP.CLOSE:                        # it has been reset
        return
    if unread:
        net.snmp[cpu][Mib.TcpExt_TCPAbortOnClose] += 1
        tcp_send_active_reset(net, cpu, sk)
        tcp_set_state(net, cpu, sk, TCP.CLOSE)
    elif tp.linger and tp.lingertime_ns == 0:
        tcp_abort(net, cpu, sk)
        net.snmp[cpu][Mib.TcpExt_TCPAbortOnData] += 1
    elif tcp_close_state(net, cpu, sk):
        tcp_send_fin(net, cpu, sk)
