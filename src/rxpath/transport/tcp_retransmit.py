"""What we sent has not been acknowledged - a FIN, or the SYN of an active open: the retransmission timer and keepalive of
net/ipv4/tcp_timer.c, tcp_send_loss_probe() of net/ipv4/tcp_output.c.  RFC 6298, RFC 8985 7 (TLP), RFC 1122 4.2.3.6, RFC 5482.

Called in clock order, from TIMER_SOFTIRQ or release_sock(), with the socket's lock held."""
from .._compile import cold, path_function
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import ETIMEDOUT, TCP, TCPHDR_ACK, TCPHDR_FIN, TCPHDR_SYN
from ..abi.sock import sock
from ..abi.tcp import ICSK_TIME_RETRANS, tcp_sock
from ..abi.timer import TCP_KEEPALIVE_TIMER, TCP_WRITE_TIMER
from ..path import Stage
from ..timer import jiffies, mod_timer
from ..turn import charge
from .inet_connection_sock import TCP_RTO_MIN_MS, inet_csk_reset_write_timer, keepalive_time_when, msecs_to_jiffies
from .tcp_close import tcp_done_with_error, tcp_fin_wait2_timer
from .tcp_output import TCP_RTO_MAX_MS, __tcp_transmit_skb, tcp_send_active_reset, tcp_send_syn
from .tcp_seq import s32, tcp_time_stamp_ts, u32

TCP_ORPHAN_RETRIES = 8                               # where tcp_orphan_retries is 0 and the peer was alive lately


# ---------------------------------------------------------------- again
@path_function
def tcp_retransmit_skb(net: Net, cpu: int, sk: sock) -> None:
    """The one segment of ours that is in flight."""
    tp = net.tcp[sk.idx]
    net.snmp[cpu][Mib.Tcp_RetransSegs] += 1
    if sk.state == TCP.SYN_SENT or sk.state == TCP.SYN_RECV:
        net.snmp[cpu][Mib.TcpExt_TCPSynRetrans] += 1
        tcp_send_syn(net, cpu, sk, TCPHDR_SYN if sk.state == TCP.SYN_SENT else TCPHDR_SYN | TCPHDR_ACK)
    else:
        __tcp_transmit_skb(net, cpu, sk, TCPHDR_ACK | TCPHDR_FIN, u32(tp.write_seq - 1))


@path_function
def tcp_model_timeout(boundary: int, rto_base_ms: int) -> int:
    """ms: how long so many retransmissions take, each after twice the time, up to TCP_RTO_MAX."""
    thresh, base = 0, rto_base_ms
    while base << 1 <= TCP_RTO_MAX_MS:
        base <<= 1
        thresh += 1
    if boundary <= thresh:
        return ((2 << boundary) - 1) * rto_base_ms
    return ((2 << thresh) - 1) * rto_base_ms + (boundary - thresh) * TCP_RTO_MAX_MS


@path_function
def retransmits_timed_out(net: Net, cpu: int, tp: tcp_sock, boundary: int, user_timeout: int) -> bool:
    """Has it been tried for long enough?  By time, not by number; user_timeout (TCP_USER_TIMEOUT, ms) says otherwise."""
    if tp.retransmits == 0:
        return False
    timeout = user_timeout if user_timeout else tcp_model_timeout(boundary, TCP_RTO_MIN_MS)
    return s32(tcp_time_stamp_ts(net, cpu, 0) - tp.retrans_stamp - timeout) >= 0


@path_function
def tcp_write_timeout(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> bool:
    """True: it was sent often enough, and the connection is over."""
    if sk.state == TCP.SYN_SENT or sk.state == TCP.SYN_RECV:
        most = net.sysctl[Sysctl.tcp_syn_retries]
        if sk.state == TCP.SYN_SENT:
            most += net.sysctl[Sysctl.tcp_syn_linear_timeouts]
        expired = tp.retransmits >= most
    else:
        retries = net.sysctl[Sysctl.tcp_retries2]
        if tp.dead:
            retries = net.sysctl[Sysctl.tcp_orphan_retries]
            if retries == 0 and tp.rto < msecs_to_jiffies(net, TCP_RTO_MAX_MS):
                retries = TCP_ORPHAN_RETRIES
        expired = retransmits_timed_out(net, cpu, tp, retries, tp.user_timeout)
    if expired:
        tcp_write_err(net, cpu, sk)
    return expired


@cold
@path_function
def tcp_write_err(net: Net, cpu: int, sk: sock) -> None:
    net.snmp[cpu][Mib.TcpExt_TCPAbortOnTimeout] += 1
    tcp_done_with_error(net, cpu, sk, -ETIMEDOUT)


@path_function
def tcp_retransmit_timer(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    if tp.packets_out == 0:
        return
    net.snmp[cpu][Mib.TcpExt_TCPTimeouts] += 1
    if tcp_write_timeout(net, cpu, sk, tp):
        return
    if tp.retransmits == 0:
        tp.retrans_stamp = tcp_time_stamp_ts(net, cpu, 0)
    else:
        net.snmp[cpu][Mib.TcpExt_TCPLostRetransmit] += 1
    tp.retransmits += 1
    tcp_retransmit_skb(net, cpu, sk)
    if sk.state != TCP.SYN_SENT or tp.retransmits > net.sysctl[Sysctl.tcp_syn_linear_timeouts]:
        tp.backoff += 1
        tp.rto = min(tp.rto << 1, msecs_to_jiffies(net, TCP_RTO_MAX_MS))
    after = tp.rto
    if tp.user_timeout:                              # not later than that
        left = tp.user_timeout - u32(tcp_time_stamp_ts(net, cpu, 0) - tp.retrans_stamp)
        after = min(after, msecs_to_jiffies(net, left)) if left > 0 else 1
    inet_csk_reset_write_timer(net, cpu, sk, tp, ICSK_TIME_RETRANS, after)


@path_function
def tcp_write_timer_handler(net: Net, cpu: int, sk: sock) -> None:
    charge(net, cpu, Stage.tcp_write_timer_handler)
    tp = net.tcp[sk.idx]
    if sk.state == TCP.CLOSE or sk.state == TCP.LISTEN or tp.write_pending == 0:
        return
    if tp.write_timeout > jiffies(net, cpu):
        mod_timer(net, cpu, TCP_WRITE_TIMER + sk.idx, tp.write_timeout)
        return
    event = tp.write_pending
    tp.write_pending = 0
    if event == ICSK_TIME_RETRANS:
        tcp_retransmit_timer(net, cpu, sk, tp)
    elif tp.packets_out:                             # tcp_send_loss_probe()
        net.snmp[cpu][Mib.TcpExt_TCPLossProbes] += 1
        tcp_retransmit_skb(net, cpu, sk)
        inet_csk_reset_write_timer(net, cpu, sk, tp, ICSK_TIME_RETRANS, tp.rto)


# ---------------------------------------------------------------- SO_KEEPALIVE, and FIN_WAIT2 of a socket that no program has
@path_function
def inet_csk_reset_keepalive_timer(net: Net, cpu: int, sk: sock, after: int) -> None:
    mod_timer(net, cpu, TCP_KEEPALIVE_TIMER + sk.idx, jiffies(net, cpu) + after)


@path_function
def tcp_keepalive_handler(net: Net, cpu: int, sk: sock) -> None:
    tp = net.tcp[sk.idx]
    if sk.state == TCP.FIN_WAIT2 and tp.dead:
        tcp_fin_wait2_timer(net, cpu, sk, tp)
        return
    if tp.keepopen == 0 or sk.state == TCP.CLOSE or sk.state == TCP.SYN_SENT:
        return
    when = keepalive_time_when(net, tp)
    if tp.packets_out:                               # the retransmission timer asks already
        inet_csk_reset_keepalive_timer(net, cpu, sk, when)
        return
    elapsed = jiffies(net, cpu) - max(tp.ack_lrcvtime, tp.rcv_tstamp)
    if elapsed < when:
        inet_csk_reset_keepalive_timer(net, cpu, sk, when - elapsed)
        return
    probes = tp.keepalive_probes if tp.keepalive_probes else net.sysctl[Sysctl.tcp_keepalive_probes]
    if tp.user_timeout:
        over = elapsed >= msecs_to_jiffies(net, tp.user_timeout) and tp.probes_out > 0
    else:
        over = tp.probes_out >= probes
    if over:
        tcp_send_active_reset(net, cpu, sk)
        tcp_write_err(net, cpu, sk)
        return
    net.snmp[cpu][Mib.TcpExt_TCPKeepAlive] += 1      # tcp_write_wakeup(): an ACK of the byte before
    __tcp_transmit_skb(net, cpu, sk, TCPHDR_ACK, u32(tp.snd_una - 1))
    tp.probes_out += 1
    intvl = tp.keepalive_intvl_ns if tp.keepalive_intvl_ns else net.sysctl[Sysctl.tcp_keepalive_intvl_ns]
    inet_csk_reset_keepalive_timer(net, cpu, sk, intvl // net.sysctl[Sysctl.jiffy_ns])
