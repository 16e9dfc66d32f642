"""What the peer acknowledges, and when we do.  net/ipv4/tcp_input.c (tcp_ack, tcp_rtt_estimator, __tcp_ack_snd_check,
tcp_event_data_recv, tcp_send_challenge_ack ...).  RFC 9293 3.10.7.4, RFC 5681 4.2, RFC 5961, RFC 6298.

A receiver has little in flight - the SYN-ACK, a FIN - but its round-trip time decides how long an ACK is delayed."""
from .._compile import cold, path_function
from ..abi.headers import tcp_hdr
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import TCPHDR_SYN
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..abi.tcp import ICSK_ACK_NOW, ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2, ICSK_TIME_RETRANS, tcp_sock
from ..abi.timer import TCP_COMP_HRTIMER
from ..path import Stage
from ..timer import hrtimer_start
from ..turn import at, charge
from .inet_connection_sock import (
    TCP_DELACK_MIN_MS,
    TCP_RTO_MIN_MS,
    inet_csk_ack_scheduled,
    inet_csk_clear_write_timer,
    inet_csk_in_pingpong_mode,
    inet_csk_reset_write_timer,
    inet_csk_schedule_ack,
    msecs_to_jiffies,
    usecs_to_jiffies,
)
from .tcp_charge import tcp_wfree
from .tcp_ofo import tcp_dsack_set
from .tcp_output import TCP_DELACK_MAX_MS, TCP_RTO_MAX_MS, tcp_send_ack, tcp_send_delayed_ack
from .tcp_rcvbuf import tcp_grow_window, tcp_measure_rcv_mss, tcp_rcv_rtt_measure
from .tcp_seq import after, before, ends_there, tcp_jiffies32, tcp_replace_ts_recent, tcp_time_stamp_ts, u32
from .tcp_window import __tcp_select_window, tcp_receive_window

FLAG_DATA, FLAG_SLOWPATH, FLAG_UPDATE_TS_RECENT, FLAG_NO_CHALLENGE_ACK = 1, 0x100, 0x4000, 0x8000
TCP_MAX_QUICKACKS, TCP_FASTRETRANS_THRESH = 16, 3


# ---------------------------------------------------------------- header prediction
@path_function
def tcp_fast_path_on(tp: tcp_sock) -> None:
    """The header of a segment that brings nothing new but data: its length, ACK, the window as it is."""
    tp.pred_flags = tp.tcp_header_len << 26 | 0x10 << 16 | tp.snd_wnd >> tp.snd_wscale & 0xFFFF


@path_function
def tcp_fast_path_check(sk: sock, tp: tcp_sock) -> None:
    if tp.ooo_root < 0 and tp.rcv_wnd and sk.rmem_alloc < sk.rcvbuf and tp.urg_data == 0:
        tcp_fast_path_on(tp)


# ---------------------------------------------------------------- round-trip time: RFC 6298
@path_function
def tcp_rtt_estimator(net: Net, tp: tcp_sock, rtt_us: int) -> None:
    m, srtt, least = rtt_us, tp.srtt_us, TCP_RTO_MIN_MS * 1000
    if srtt:
        m -= srtt >> 3
        srtt += m
        if m < 0:
            m = -m - (tp.mdev_us >> 2)
            if m > 0:
                m >>= 3
        else:
            m -= tp.mdev_us >> 2
        tp.mdev_us += m
        tp.mdev_max_us = max(tp.mdev_max_us, tp.mdev_us)
        tp.rttvar_us = max(tp.rttvar_us, tp.mdev_max_us)
        if after(tp.snd_una, tp.rtt_seq):
            if tp.mdev_max_us < tp.rttvar_us:
                tp.rttvar_us -= tp.rttvar_us - tp.mdev_max_us >> 2
            tp.rtt_seq, tp.mdev_max_us = tp.snd_nxt, least
    else:
        srtt = m << 3
        tp.mdev_us = m << 1
        tp.rttvar_us = max(tp.mdev_us, least)
        tp.mdev_max_us, tp.rtt_seq = tp.rttvar_us, tp.snd_nxt
    tp.srtt_us = max(srtt, 1)
    tp.rto = min(usecs_to_jiffies(net, (tp.srtt_us >> 3) + tp.rttvar_us), msecs_to_jiffies(net, TCP_RTO_MAX_MS))


@path_function
def tcp_ack_update_rtt(net: Net, cpu: int, tp: tcp_sock) -> None:
    """From the time stamp that comes back."""
    if tp.saw_tstamp and tp.rcv_tsecr:
        delta = u32(tcp_time_stamp_ts(net, cpu, 0) - tp.rcv_tsecr)
        if delta < 0x7FFFFFFF // 1000:
            tcp_rtt_estimator(net, tp, max(delta, 1) * 1000)
            tp.retransmits, tp.backoff = 0, 0


# ---------------------------------------------------------------- the ACK field
@path_function
def tcp_ack(net: Net, cpu: int, sk: sock, skb: sk_buff, flag: int) -> int:
    """1; 0 for an old one; or minus a drop reason."""
    at(net, cpu, skb, Stage.tcp_ack)
    tp, cb, th = net.tcp[sk.idx], TCP_SKB_CB(skb), tcp_hdr(net, skb)
    ack, una = th.ack_seq, tp.snd_una
    if before(ack, una):
        if before(ack, una - min(tp.max_window, tp.bytes_acked)):
            if flag & FLAG_NO_CHALLENGE_ACK == 0:
                tcp_send_challenge_ack(net, cpu, sk)
            return -Drop.TCP_TOO_OLD_ACK
        if flag & FLAG_UPDATE_TS_RECENT:
            tcp_replace_ts_recent(net, cpu, tp, cb.seq)
        return 0
    if after(ack, tp.snd_nxt):
        if flag & FLAG_NO_CHALLENGE_ACK == 0:
            tcp_send_challenge_ack(net, cpu, sk)
        return -Drop.TCP_ACK_UNSENT_DATA
    advanced = ack != una
    if advanced:
        tp.retransmits = 0
    if flag & FLAG_UPDATE_TS_RECENT:
        tcp_replace_ts_recent(net, cpu, tp, cb.seq)
    if advanced and flag & FLAG_SLOWPATH == 0:
        tp.snd_wl1 = cb.seq
        tcp_snd_una_update(tp, ack)
        net.snmp[cpu][Mib.TcpExt_TCPHPAcks] += 1
    else:
        if cb.seq == cb.end_seq:
            net.snmp[cpu][Mib.TcpExt_TCPPureAcks] += 1
        updated = tcp_ack_update_window(net, sk, tp, skb)
        if not advanced and not updated and cb.seq == cb.end_seq and tp.packets_out and tp.sack_ok == 0:
            net.snmp[cpu][Mib.TcpExt_TCPRenoReorder] += 1    # a duplicate says that something arrived: of one FIN, nothing can have
    tp.rcv_tstamp, tp.probes_out = tcp_jiffies32(net, cpu), 0
    if tp.packets_out and advanced:
        tcp_clean_rtx_queue(net, cpu, sk, tp)
    return 1


@path_function
def tcp_snd_una_update(tp: tcp_sock, ack: int) -> None:
    tp.bytes_acked += u32(ack - tp.snd_una)
    tp.snd_una = ack


@path_function
def tcp_may_update_window(tp: tcp_sock, ack: int, seq: int, nwin: int) -> bool:
    """By a newer segment, or a larger window of the same."""
    return after(ack, tp.snd_una) or after(seq, tp.snd_wl1) or (seq == tp.snd_wl1 and (nwin > tp.snd_wnd or nwin == 0))


@path_function
def tcp_ack_update_window(net: Net, sk: sock, tp: tcp_sock, skb: sk_buff) -> bool:
    """Was it newer than what was known of the peer's window?"""
    cb, th = TCP_SKB_CB(skb), tcp_hdr(net, skb)
    ack, nwin = th.ack_seq, th.window
    if th.flags & TCPHDR_SYN == 0:
        nwin <<= tp.snd_wscale
    newer = tcp_may_update_window(tp, ack, cb.seq, nwin)
    if newer:
        tp.snd_wl1 = cb.seq
        if tp.snd_wnd != nwin:
            tp.snd_wnd = nwin
            tp.pred_flags = 0
            tcp_fast_path_check(sk, tp)
            tp.max_window = max(tp.max_window, nwin)
    tcp_snd_una_update(tp, ack)
    return newer


@path_function
def tcp_clean_rtx_queue(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """What we had in flight, a FIN, has arrived."""
    if tp.snd_una == tp.snd_nxt:
        net.snmp[cpu][Mib.TcpExt_TCPDelivered] += tp.packets_out
        tcp_wfree(net, cpu, sk, tp.packets_out)
        tp.packets_out = 0
        inet_csk_clear_write_timer(tp)
    else:
        inet_csk_reset_write_timer(net, cpu, sk, tp, ICSK_TIME_RETRANS, tp.rto)
    tcp_ack_update_rtt(net, cpu, tp)


# ---------------------------------------------------------------- answers to what cannot be: RFC 5961
@path_function
def __tcp_oow_rate_limited(net: Net, cpu: int, last: int) -> bool:
    """Was the last such answer less than tcp_invalid_ratelimit ago?  last: its time in ns, + 1."""
    c = net.cpu[cpu]
    return last != 0 and c.now + 1 - last < net.sysctl[Sysctl.tcp_invalid_ratelimit_ns]


@path_function
def tcp_oow_rate_limited(net: Net, cpu: int, tp: tcp_sock, skb: sk_buff, counter: int) -> bool:
    """Segments with data are always answered."""
    c, th = net.cpu[cpu], tcp_hdr(net, skb)
    if ends_there(skb) != 0 and th.flags & TCPHDR_SYN == 0:
        return False
    if __tcp_oow_rate_limited(net, cpu, tp.last_oow_ack_time):
        net.snmp[cpu][counter] += 1
        return True
    tp.last_oow_ack_time = c.now + 1
    return False


@cold
@path_function
def tcp_send_challenge_ack(net: Net, cpu: int, sk: sock) -> None:
    """tcp_challenge_ack_limit, of all connections together, is unlimited by default."""
    c, tp = net.cpu[cpu], net.tcp[sk.idx]
    if __tcp_oow_rate_limited(net, cpu, tp.last_oow_ack_time):
        net.snmp[cpu][Mib.TcpExt_TCPACKSkippedChallenge] += 1
        return
    tp.last_oow_ack_time = c.now + 1
    net.snmp[cpu][Mib.TcpExt_TCPChallengeACK] += 1
    tcp_send_ack(net, cpu, sk)


@cold
@path_function
def tcp_send_dupack(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    tp, cb = net.tcp[sk.idx], TCP_SKB_CB(skb)
    if cb.end_seq != cb.seq and before(cb.seq, tp.rcv_nxt):
        net.snmp[cpu][Mib.TcpExt_DelayedACKLost] += 1
        tcp_enter_quickack_mode(net, tp)
        tcp_dsack_set(net, cpu, tp, cb.seq, tp.rcv_nxt if after(cb.end_seq, tp.rcv_nxt) else cb.end_seq)
    tcp_send_ack(net, cpu, sk)


# ---------------------------------------------------------------- quick, delayed, compressed
@path_function
def tcp_incr_quickack(tp: tcp_sock) -> None:
    quickacks = tp.rcv_wnd // (2 * tp.rcv_mss)
    if quickacks == 0:
        quickacks = 2
    tp.ack_quick = max(tp.ack_quick, min(quickacks, TCP_MAX_QUICKACKS))


@path_function
def tcp_enter_quickack_mode(net: Net, tp: tcp_sock) -> None:
    tcp_incr_quickack(tp)
    tp.ack_pingpong = 0
    tp.ack_ato = msecs_to_jiffies(net, TCP_DELACK_MIN_MS)


@path_function
def tcp_in_quickack_mode(tp: tcp_sock) -> bool:
    return tp.ack_quick != 0 and not inet_csk_in_pingpong_mode(tp)


@path_function
def tcp_event_data_recv(net: Net, cpu: int, sk: sock, skb: sk_buff, n: int) -> None:
    """n bytes of data in sequence, in the queue by now: how often do they come, how large are they?"""
    tp, now = net.tcp[sk.idx], tcp_jiffies32(net, cpu)
    inet_csk_schedule_ack(tp)
    tcp_measure_rcv_mss(net, sk, tp, skb, n)
    tcp_rcv_rtt_measure(net, cpu, tp)
    least = msecs_to_jiffies(net, TCP_DELACK_MIN_MS)
    if tp.ack_ato == 0:                              # the first
        tcp_incr_quickack(tp)
        tp.ack_ato = least
    else:
        m = now - tp.ack_lrcvtime
        if m <= least // 2:
            tp.ack_ato = (tp.ack_ato >> 1) + least // 2
        elif m < tp.ack_ato:
            tp.ack_ato = min((tp.ack_ato >> 1) + m, tp.rto, msecs_to_jiffies(net, TCP_DELACK_MAX_MS))
        elif m > tp.rto:                             # a sender that has paused
            tcp_incr_quickack(tp)
    tp.ack_lrcvtime = now
    if n >= 128:
        tcp_grow_window(net, sk, tp, skb, n, True)


@path_function
def tcp_ack_snd_check(net: Net, cpu: int, sk: sock) -> None:
    if inet_csk_ack_scheduled(net.tcp[sk.idx]):
        __tcp_ack_snd_check(net, cpu, sk, True)


@path_function
def __tcp_ack_snd_check(net: Net, cpu: int, sk: sock, ofo_possible: bool) -> None:
    """Now, with the owner's release_sock(), later, or held back among many."""
    tp = net.tcp[sk.idx]
    if (u32(tp.rcv_nxt - tp.rcv_wup) > tp.rcv_mss and (
            u32(tp.rcv_nxt - tp.copied_seq) < tp.rcvlowat or __tcp_select_window(net, sk, tp) >= tp.rcv_wnd)) \
            or tcp_in_quickack_mode(tp) or tp.ack_pending & ICSK_ACK_NOW:
        if sk.owned >= 0 and net.sysctl[Sysctl.tcp_backlog_ack_defer]:
            tp.ack_deferred = 1
            return
        tcp_send_ack(net, cpu, sk)
        return
    if not ofo_possible or tp.ooo_root < 0:
        tcp_send_delayed_ack(net, cpu, sk)
        return
    if tp.sack_ok == 0 or tp.compressed_ack >= net.sysctl[Sysctl.tcp_comp_sack_nr]:
        tcp_send_ack(net, cpu, sk)
        return
    if tp.compressed_ack_rcv_nxt != tp.rcv_nxt:
        tp.compressed_ack_rcv_nxt, tp.dup_ack_counter = tp.rcv_nxt, 0
    if tp.dup_ack_counter < TCP_FASTRETRANS_THRESH:
        tp.dup_ack_counter += 1
        tcp_send_ack(net, cpu, sk)
        return
    tcp_compress_ack(net, cpu, sk, tp)


@path_function
def tcp_compress_ack(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """5 % of a round trip later, at most tcp_comp_sack_delay_ns; hrtimers go off at their very time here, not within the slack."""
    c, timer = net.cpu[cpu], net.hrtimers[TCP_COMP_HRTIMER + sk.idx]
    tp.compressed_ack += 1
    if timer.pending:
        return
    rtt = tp.rcv_rtt_us
    if tp.srtt_us and tp.srtt_us < rtt:
        rtt = tp.srtt_us
    delay = min(net.sysctl[Sysctl.tcp_comp_sack_delay_ns], rtt * 125 // 20)
    hrtimer_start(net, cpu, TCP_COMP_HRTIMER + sk.idx, c.now + delay)


# ---------------------------------------------------------------- after a read
@path_function
def __tcp_cleanup_rbuf(net: Net, cpu: int, sk: sock, copied: int) -> None:
    """Is there an ACK to send, or a window that has opened by much?"""
    charge(net, cpu, Stage.__tcp_cleanup_rbuf)
    tp = net.tcp[sk.idx]
    time_to_ack = False
    if inet_csk_ack_scheduled(tp):
        pushed = tp.ack_pending & ICSK_ACK_PUSHED2 != 0 or (
            tp.ack_pending & ICSK_ACK_PUSHED != 0 and not inet_csk_in_pingpong_mode(tp))
        time_to_ack = u32(tp.rcv_nxt - tp.rcv_wup) > tp.rcv_mss or (copied > 0 and pushed and sk.rmem_alloc == 0)
    if copied > 0 and not time_to_ack and sk.shutdown & 1 == 0:
        now = tcp_receive_window(tp)
        if 2 * now <= tp.window_clamp:
            new = __tcp_select_window(net, sk, tp)
            time_to_ack = new != 0 and new >= 2 * now
    if time_to_ack:
        tcp_send_ack(net, cpu, sk)
