"""TIME_WAIT, and FIN_WAIT2 of a connection that its program has closed: net/ipv4/tcp_minisocks.c, net/ipv4/inet_timewait_sock.c.
RFC 9293 3.10.7.4, RFC 6191, RFC 1337.

What is left of such a connection is a small record in net.tws, which tcp_v4_rcv() finds in the place of the socket.  Whatever it answers
goes out without a socket; the segment itself ends as a drop that the kernel gives no reason for, even where it is answered."""
from .._compile import path_function, reset_struct
from ..abi.headers import tcp_hdr
from ..abi.kernels import Behaviour, Sysctl
from ..abi.limits import NTW
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import NO_TW, TCP, TCP_HLEN, TCPHDR_ACK, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..abi.tcp import EHASH_TW, tcp_sock, tcp_timewait_sock
from ..abi.timer import TW_TIMER
from ..path import Stage, Timer, timer_function
from ..timer import jiffies, mod_timer, timer_delete, timer_setup
from ..turn import at
from .inet_connection_sock import msecs_to_jiffies
from .inet_hashtables import ehash_insert, ehash_remove, inet_ehashfn, sk_ehashfn
from .tcp_ack import __tcp_oow_rate_limited
from .tcp_options import tcp_parse_options
from .tcp_seq import after, before, s32, seconds, tcp_paws_reject, u32
from .tcp_window import tcp_receive_window

TCP_TIMEWAIT_LEN_MS = 60_000                         # how long a TIME_WAIT lasts; no sysctl says otherwise
TCP_TW_SUCCESS, TCP_TW_RST, TCP_TW_ACK, TCP_TW_SYN = 0, 1, 2, 3
TWKILLED_MS = 4_000                                  # up to here it is counted as TWKilled


# ---------------------------------------------------------------- its life
@path_function
def inet_twsk_alloc(net: Net) -> int:
    """A record; NO_TW: there are tcp_max_tw_buckets."""
    if net.tw_count >= min(net.sysctl[Sysctl.tcp_max_tw_buckets], NTW):
        return NO_TW
    i = net.tw_free
    if i >= 0:
        tw = net.tws[i]
        net.tw_free = tw.next
    else:
        i = net.tw_used
        net.tw_used += 1
    net.tw_count += 1
    reset_struct(net.tws[i])
    timer_setup(net, TW_TIMER + i, Timer.tw_timer_handler, i)
    return i


@path_function
def inet_twsk_kill(net: Net, i: int) -> None:
    """Nobody finds it any more."""
    tw = net.tws[i]
    ehash_remove(net, inet_ehashfn(net, tw.saddr_lo, tw.lport, tw.daddr_lo, tw.rport), EHASH_TW + i)
    tw.next = net.tw_free
    net.tw_free = i
    net.tw_count -= 1


@path_function
def inet_twsk_deschedule_put(net: Net, i: int) -> None:
    """It ends before its time."""
    timer_delete(net, TW_TIMER + i)
    inet_twsk_kill(net, i)


@timer_function(Timer.tw_timer_handler)
@path_function
def tw_timer_handler(net: Net, cpu: int, i: int) -> int:
    inet_twsk_kill(net, i)
    return 0


@path_function
def inet_twsk_reschedule(net: Net, cpu: int, i: int, timeo: int) -> None:
    mod_timer(net, cpu, TW_TIMER + i, jiffies(net, cpu) + timeo)


@path_function
def tcp_timewait_begin(net: Net, cpu: int, sk: sock, tp: tcp_sock, substate: int, timeo: int) -> bool:
    """tcp_time_wait() but for the socket's own end: a record takes its place in the table for `timeo` jiffies, or for 3.5 times the
    retransmission time-out if that is longer; in TIME_WAIT for a minute.  False: there are too many."""
    i = inet_twsk_alloc(net)
    if i < 0:
        net.snmp[cpu][Mib.TcpExt_TCPTimeWaitOverflow] += 1
        return False
    tw = net.tws[i]
    tw.saddr_hi, tw.saddr_lo, tw.daddr_hi, tw.daddr_lo = sk.rcv_saddr_hi, sk.rcv_saddr_lo, sk.daddr_hi, sk.daddr_lo
    tw.lport, tw.rport, tw.bound_dev = sk.port, sk.dport, sk.bound_dev
    tw.substate, tw.rcv_nxt, tw.snd_nxt, tw.rcv_wnd, tw.rcv_wscale = substate, tp.rcv_nxt, tp.snd_nxt, tcp_receive_window(tp), tp.rcv_wscale
    tw.ts_recent, tw.ts_recent_stamp, tw.tsoff = tp.ts_recent, tp.ts_recent_stamp, tp.tsoff
    timeo = max(timeo, (tp.rto << 2) - (tp.rto >> 1))
    if substate == TCP.TIME_WAIT:
        timeo = msecs_to_jiffies(net, TCP_TIMEWAIT_LEN_MS)
    if timeo <= msecs_to_jiffies(net, TWKILLED_MS):
        net.snmp[cpu][Mib.TcpExt_TWKilled] += 1
    else:
        net.snmp[cpu][Mib.TcpExt_TW] += 1
    h = sk_ehashfn(net, sk)
    if sk.hashed:
        ehash_remove(net, h, sk.idx)
        sk.hashed = 0
    ehash_insert(net, h, EHASH_TW + i)
    mod_timer(net, cpu, TW_TIMER + i, jiffies(net, cpu) + timeo)
    return True


# ---------------------------------------------------------------- a segment
@path_function
def tcp_in_window(seq: int, end_seq: int, s_win: int, e_win: int) -> bool:
    if seq == s_win:
        return True
    if after(end_seq, s_win) and before(seq, e_win):
        return True
    return seq == e_win and seq == end_seq


@path_function
def tcp_oow_answer(net: Net, cpu: int, skb: sk_buff, last: int, mib: int) -> bool:
    """tcp_oow_rate_limited() of what has no socket: may it be answered?  Data always; else once in tcp_invalid_ratelimit, and `mib` counts
    the others.  last: ns + 1 of the last answer, 0: none."""
    cb = TCP_SKB_CB(skb)
    if cb.seq != cb.end_seq and cb.tcp_flags & TCPHDR_SYN == 0:
        return True
    if __tcp_oow_rate_limited(net, cpu, last):
        net.snmp[cpu][mib] += 1
        return False
    return True


@path_function
def tcp_timewait_ack_allowed(net: Net, cpu: int, tw: tcp_timewait_sock, skb: sk_buff, mib: int) -> int:
    """tcp_timewait_check_oow_rate_limit()"""
    if not tcp_oow_answer(net, cpu, skb, tw.last_oow_ack_time, mib):
        return TCP_TW_SUCCESS
    c = net.cpu[cpu]
    tw.last_oow_ack_time = c.now + 1
    return TCP_TW_ACK


@path_function
def tcp_timewait_state_process(net: Net, cpu: int, i: int, skb: sk_buff) -> int:
    """What becomes of a segment for record i: TCP_TW_*.  The drop reason goes into skb.drop_reason; after TCP_TW_SUCCESS of an RST there
    may be no record any more."""
    tw, th, cb, opt = net.tws[i], tcp_hdr(net, skb), TCP_SKB_CB(skb), net.tcp_opt[cpu]
    at(net, cpu, skb, Stage.tcp_timewait_state_process)
    skb.drop_reason = Drop.NOT_SPECIFIED
    rst, saw_tstamp, paws_reject = th.flags & TCPHDR_RST != 0, False, False
    if th.doff * 4 > TCP_HLEN and tw.ts_recent_stamp:
        tcp_parse_options(net, skb, opt, net.tcp_foc[cpu], False)
        if opt.saw_tstamp:
            saw_tstamp = True
            paws_reject = tcp_paws_reject(net, cpu, tw.ts_recent, tw.ts_recent_stamp, opt.rcv_tsval, rst)
    if tw.substate == TCP.FIN_WAIT2:
        return tcp_fin_wait2_process(net, cpu, i, skb, saw_tstamp, paws_reject)
    if not paws_reject and cb.seq == tw.rcv_nxt and (cb.seq == cb.end_seq or rst):            # 1: in window: RST, or a bare ACK
        if rst:
            if not net.sysctl[Sysctl.tcp_rfc1337]:                                           # TIME_WAIT assassination
                inet_twsk_deschedule_put(net, i)
                return TCP_TW_SUCCESS
        else:
            inet_twsk_reschedule(net, cpu, i, msecs_to_jiffies(net, TCP_TIMEWAIT_LEN_MS))
        if saw_tstamp:
            tw.ts_recent, tw.ts_recent_stamp = opt.rcv_tsval, seconds(net, cpu)
        return TCP_TW_SUCCESS
    if th.flags & (TCPHDR_SYN | TCPHDR_RST | TCPHDR_ACK) == TCPHDR_SYN and not paws_reject:   # 2: a new connection?
        if after(cb.seq, tw.rcv_nxt) or (saw_tstamp and s32(tw.ts_recent - opt.rcv_tsval) < 0):
            return TCP_TW_SYN
    if paws_reject:                                                                           # 3: old
        skb.drop_reason = Drop.TCP_RFC7323_TW_PAWS
        if net.behaviour[Behaviour.paws_timewait]:
            net.snmp[cpu][Mib.TcpExt_PAWSTimewait] += 1
        else:
            net.snmp[cpu][Mib.TcpExt_PAWSEstab] += 1
    if rst:
        return TCP_TW_SUCCESS
    if paws_reject or th.flags & TCPHDR_ACK:                                                  # a bare SYN may be old as well as new
        inet_twsk_reschedule(net, cpu, i, msecs_to_jiffies(net, TCP_TIMEWAIT_LEN_MS))
    return tcp_timewait_ack_allowed(net, cpu, tw, skb, Mib.TcpExt_TCPACKSkippedTimeWait)


@path_function
def tcp_fin_wait2_process(net: Net, cpu: int, i: int, skb: sk_buff, saw_tstamp: bool, paws_reject: bool) -> int:
    """The peer has acknowledged our FIN, and its own is still to come; nobody will read what else it sends."""
    tw, th, cb, opt = net.tws[i], tcp_hdr(net, skb), TCP_SKB_CB(skb), net.tcp_opt[cpu]
    if paws_reject or not tcp_in_window(cb.seq, cb.end_seq, tw.rcv_nxt, u32(tw.rcv_nxt + tw.rcv_wnd)):
        return tcp_timewait_ack_allowed(net, cpu, tw, skb, Mib.TcpExt_TCPACKSkippedFinWait2)
    if th.flags & TCPHDR_RST:
        inet_twsk_deschedule_put(net, i)
        return TCP_TW_SUCCESS
    if th.flags & TCPHDR_SYN and not before(cb.seq, tw.rcv_nxt):
        return TCP_TW_RST
    if th.flags & TCPHDR_ACK == 0 or not after(cb.end_seq, tw.rcv_nxt) or cb.end_seq == cb.seq:
        return TCP_TW_SUCCESS                        # a duplicate ACK
    if th.flags & TCPHDR_FIN == 0 or cb.end_seq != u32(tw.rcv_nxt + 1):
        return TCP_TW_RST                            # data that nobody will read
    tw.substate, tw.rcv_nxt = TCP.TIME_WAIT, cb.end_seq
    if saw_tstamp:
        tw.ts_recent, tw.ts_recent_stamp = opt.rcv_tsval, seconds(net, cpu)
    inet_twsk_reschedule(net, cpu, i, msecs_to_jiffies(net, TCP_TIMEWAIT_LEN_MS))
    return TCP_TW_ACK


@path_function
def tcp_tw_isn(tw: tcp_timewait_sock) -> int:
    """Where the next connection of the same ends begins, so that its numbers are above the old one's."""
    return max(u32(tw.snd_nxt + 65535 + 2), 1)
