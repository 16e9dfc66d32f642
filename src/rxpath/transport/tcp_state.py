"""tcp_rcv_state_process(): a segment in any state but ESTABLISHED.  net/ipv4/tcp_input.c.  RFC 9293 3.10.7."""
from .._compile import path_function
from ..abi.headers import tcp_hdr
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import POLLOUT, POLLWRBAND, POLLWRNORM, TCP, TCPHDR_ACK, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import SEND_SHUTDOWN, sock
from ..abi.tcp_options import TCPOLEN_TSTAMP_ALIGNED
from ..abi.timer import TCP_KEEPALIVE_TIMER
from ..path import Stage
from ..skb import consume_skb
from ..timer import jiffies, mod_timer
from ..turn import at
from ..user.wait import sk_state_change
from .tcp_ack import (
    FLAG_NO_CHALLENGE_ACK,
    FLAG_SLOWPATH,
    FLAG_UPDATE_TS_RECENT,
    tcp_ack,
    tcp_ack_snd_check,
    tcp_fast_path_on,
    tcp_rtt_estimator,
    tcp_send_challenge_ack,
)
from .tcp_close import tcp_done, tcp_enter_fin_wait2, tcp_fin_time, tcp_reset, tcp_set_state, tcp_time_wait
from .tcp_connect import tcp_init_transfer, tcp_rcv_synsent_state_process
from .tcp_drop import tcp_drop
from .tcp_input import tcp_data_queue, tcp_validate_incoming
from .tcp_metrics import tcp_update_metrics
from .tcp_rcvbuf import tcp_initialize_rcv_mss
from .tcp_seq import after, before
from .tcp_urg import tcp_urg


@path_function
def tcp_rcv_state_process(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """0: the segment has ended; else a drop reason: the caller answers with RST and ends it.  skb.data stands at the TCP header."""
    at(net, cpu, skb, Stage.tcp_rcv_state_process)
    tp, th = net.tcp[sk.idx], tcp_hdr(net, skb)
    if sk.state == TCP.CLOSE:
        tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, Drop.TCP_CLOSE)
        return 0
    tp.saw_tstamp = 0
    if sk.state == TCP.SYN_SENT:
        return tcp_rcv_synsent_state_process(net, cpu, sk, skb)
    if th.flags & (TCPHDR_ACK | TCPHDR_RST | TCPHDR_SYN) == 0:
        tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, Drop.TCP_FLAGS)
        return 0
    if not tcp_validate_incoming(net, cpu, sk, skb, False):
        return 0
    reason = tcp_ack(net, cpu, sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT | FLAG_NO_CHALLENGE_ACK)
    if reason < 0:
        tcp_send_challenge_ack(net, cpu, sk)
        tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, -reason)
        return 0
    if sk.state == TCP.SYN_RECV:
        tcp_established_now(net, cpu, sk, skb)
    elif tp.snd_una == tp.write_seq:
        if sk.state == TCP.FIN_WAIT1:
            aborted = tcp_fin_acked(net, cpu, sk, skb)
            if aborted:
                return aborted
            if sk.state == TCP.CLOSE:                # a record has taken its place
                consume_skb(net, cpu, skb)
                return 0
        elif sk.state == TCP.CLOSING or sk.state == TCP.LAST_ACK:
            consume_skb(net, cpu, skb)
            if sk.state == TCP.CLOSING:
                tcp_time_wait(net, cpu, sk, TCP.TIME_WAIT, 0)
            else:
                tcp_update_metrics(net, cpu, sk, net.tcp[sk.idx])
                tcp_done(net, cpu, sk)
            return 0
    tcp_urg(net, cpu, sk, skb)
    return tcp_state_text(net, cpu, sk, skb)


@path_function
def tcp_established_now(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """The ACK of our SYN-ACK: the first round trip, the first window."""
    tp, cb, th, c = net.tcp[sk.idx], TCP_SKB_CB(skb), tcp_hdr(net, skb), net.cpu[cpu]
    if tp.srtt_us == 0 and tp.synack_time:
        tcp_rtt_estimator(net, tp, max((c.now - tp.synack_time) // 1000, 1))
    if tp.tstamp_ok:
        tp.advmss -= TCPOLEN_TSTAMP_ALIGNED
    tcp_init_transfer(net, cpu, sk, tp)
    tp.copied_seq = tp.rcv_nxt
    tcp_set_state(net, cpu, sk, TCP.ESTABLISHED)
    sk_state_change(net, cpu, sk, POLLOUT | POLLWRNORM | POLLWRBAND)
    tp.snd_una, tp.snd_wnd, tp.snd_wl1 = th.ack_seq, th.window << tp.snd_wscale, cb.seq
    tcp_initialize_rcv_mss(tp)
    tcp_fast_path_on(tp)


@path_function
def tcp_fin_acked(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """FIN_WAIT1 becomes FIN_WAIT2.  A drop reason: data for a program that has closed; the connection is over."""
    tp, cb, th = net.tcp[sk.idx], TCP_SKB_CB(skb), tcp_hdr(net, skb)
    tcp_set_state(net, cpu, sk, TCP.FIN_WAIT2)
    sk.shutdown |= SEND_SHUTDOWN
    if tp.dead == 0:
        sk_state_change(net, cpu, sk, POLLOUT | POLLWRNORM | POLLWRBAND)
        return 0
    fin = 1 if th.flags & TCPHDR_FIN else 0
    if tp.linger2 < 0 or (cb.end_seq != cb.seq and after(cb.end_seq - fin, tp.rcv_nxt)):
        tcp_done(net, cpu, sk)
        net.snmp[cpu][Mib.TcpExt_TCPAbortOnData] += 1
        return Drop.TCP_ABORT_ON_DATA
    if fin or sk.owned >= 0:                         # the FIN of this very segment is not to be lost
        mod_timer(net, cpu, TCP_KEEPALIVE_TIMER + sk.idx, jiffies(net, cpu) + tcp_fin_time(net, tp))
    else:
        tcp_enter_fin_wait2(net, cpu, sk, tp)
    return 0


@path_function
def tcp_state_text(net: Net, cpu: int, sk: sock, skb: sk_buff) -> int:
    """step 7: its text, in the states in which there may be some."""
    tp, cb, th = net.tcp[sk.idx], TCP_SKB_CB(skb), tcp_hdr(net, skb)
    closing = sk.state == TCP.CLOSE_WAIT or sk.state == TCP.CLOSING or sk.state == TCP.LAST_ACK
    if closing and not before(cb.seq, tp.rcv_nxt):   # nothing follows a FIN
        tcp_drop(net, cpu, sk, skb, Stage.tcp_rcv_state_process, Drop.NOT_SPECIFIED)
        tcp_ack_snd_check(net, cpu, sk)
        return 0
    fin = 1 if th.flags & TCPHDR_FIN else 0
    if sk.state != TCP.ESTABLISHED and sk.shutdown & 1 and cb.end_seq != cb.seq and after(cb.end_seq - fin, tp.rcv_nxt):
        net.snmp[cpu][Mib.TcpExt_TCPAbortOnData] += 1
        tcp_reset(net, cpu, sk)
        return Drop.TCP_ABORT_ON_DATA
    tcp_data_queue(net, cpu, sk, skb, Stage.tcp_rcv_state_process)
    if sk.state != TCP.CLOSE:
        tcp_ack_snd_check(net, cpu, sk)
    return 0
