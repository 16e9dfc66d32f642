"""A segment of a connection: tcp_rcv_established(), its checks, and its data's way into the receive queue.  net/ipv4/tcp_input.c.
RFC 9293 3.10.7.4, RFC 7323 (PAWS), RFC 5961.

Called by tcp_v4_do_rcv() under the socket's lock, or by its owner's release_sock(); all of it is one touch.  Refusals stand where the
compiled kernel shows them (tcp_data_queue() and others end in a jump, so that their callers' names appear): `stage` says where."""
from .._compile import cold, path_function
from ..abi.headers import tcp_hdr, tcp_words
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import (
    NO_SKB,
    TCP,
    TCP_HLEN,
    TCPHDR_ACK,
    TCPHDR_RST,
    TCPHDR_SYN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import TCP_READ_CB, TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..abi.spent import Place
from ..abi.tcp import ICSK_ACK_NOMEM, ICSK_ACK_NOW, tcp_sock
from ..abi.tcp_options import TCPOLEN_TSTAMP_ALIGNED
from ..path import Stage
from ..skb import __skb_queue_tail, consume_skb
from ..spent import spent_in
from ..turn import at
from ..user.wait import sock_def_readable
from .inet_connection_sock import inet_csk_ack_scheduled, inet_csk_schedule_ack
from .tcp_ack import (
    FLAG_DATA,
    FLAG_SLOWPATH,
    FLAG_UPDATE_TS_RECENT,
    __tcp_ack_snd_check,
    tcp_ack,
    tcp_ack_snd_check,
    tcp_enter_quickack_mode,
    tcp_event_data_recv,
    tcp_fast_path_check,
    tcp_may_update_window,
    tcp_oow_rate_limited,
    tcp_send_challenge_ack,
    tcp_send_dupack,
)
from .tcp_charge import skb_set_owner_r, tcp_rfree, tcp_rmem_force
from .tcp_checksum import tcp_checksum_complete, tcp_csum_error
from .tcp_close import tcp_fin, tcp_reset
from .tcp_coalesce import tcp_note_tailroom, tcp_try_coalesce
from .tcp_drop import tcp_drop
from .tcp_established_options import tcp_fast_parse_options, tcp_parse_aligned_timestamp
from .tcp_memory import tcp_try_rmem_schedule
from .tcp_ofo import carries_fin, tcp_data_queue_ofo, tcp_dsack_set, tcp_ofo_next, tcp_sack_remove
from .tcp_rcvbuf import tcp_rcv_rtt_measure_ts
from .tcp_seq import after, before, s32, tcp_paws_check, tcp_store_ts_recent, u32
from .tcp_urg import tcp_urg
from .tcp_window import tcp_receive_window

TCP_HP_BITS = 0xFFFFFFFF & ~(0x0F << 24 | 0x08 << 16)          # header prediction looks neither at reserved bits nor at PSH
TCP_PAWS_WINDOW = 1


@path_function
def tcp_rcv_established(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """skb.data stands at the TCP header."""
    at(net, cpu, skb, Stage.tcp_rcv_established)
    tp, th, words, cb = net.tcp[sk.idx], tcp_hdr(net, skb), tcp_words(net, skb), TCP_SKB_CB(skb)
    tp.saw_tstamp = 0
    if words.flags & TCP_HP_BITS == tp.pred_flags and cb.seq == tp.rcv_nxt and not after(th.ack_seq, tp.snd_nxt) \
            and not after(cb.end_seq, tp.rcv_nxt + tcp_receive_window(tp)):
        stamped = tp.tcp_header_len == TCP_HLEN + TCPOLEN_TSTAMP_ALIGNED
        if not stamped or (tcp_parse_aligned_timestamp(net, tp, skb) and s32(tp.rcv_tsval - tp.ts_recent) >= 0):
            tcp_rcv_predicted(net, cpu, sk, skb, stamped)
            return
    if skb.len < th.doff * 4 or not tcp_checksum_complete(net, cpu, skb):
        sk.drops += 1
        tcp_csum_error(net, cpu, skb, Stage.tcp_v4_do_rcv)
        return
    if th.flags & (TCPHDR_ACK | TCPHDR_RST | TCPHDR_SYN) == 0:
        tcp_drop(net, cpu, sk, skb, Stage.tcp_v4_do_rcv, Drop.TCP_FLAGS)
        return
    if tcp_validate_incoming(net, cpu, sk, skb, True):
        tcp_rcv_slow(net, cpu, sk, skb)


@path_function
def tcp_rcv_predicted(net: Net, cpu: int, sk: sock, skb: sk_buff, stamped: bool) -> None:
    """A pure ACK, or the next data."""
    tp, cb, th = net.tcp[sk.idx], TCP_SKB_CB(skb), tcp_hdr(net, skb)
    header, n = tp.tcp_header_len, skb.len - tp.tcp_header_len
    if skb.len <= header:
        if stamped and tp.rcv_nxt == tp.rcv_wup:
            tcp_store_ts_recent(net, cpu, tp)
        tcp_ack(net, cpu, sk, skb, 0)
        consume_skb(net, cpu, skb)
        tp.rcv_rtt_last_tsecr = tp.rcv_tsecr
        return
    if not tcp_checksum_complete(net, cpu, skb):
        sk.drops += 1
        tcp_csum_error(net, cpu, skb, Stage.tcp_v4_do_rcv)
        return
    if skb.truesize > sk.forward_alloc:              # pages are to be had first
        tcp_rcv_slow(net, cpu, sk, skb)
        return
    if stamped and tp.rcv_nxt == tp.rcv_wup:
        tcp_store_ts_recent(net, cpu, tp)
    tcp_rcv_rtt_measure_ts(net, cpu, tp, skb)
    net.snmp[cpu][Mib.TcpExt_TCPHPHits] += 1
    skb.data += header
    skb.len -= header
    tcp_queue_rcv(net, cpu, sk, skb)
    tcp_event_data_recv(net, cpu, sk, skb, n)
    if th.ack_seq != tp.snd_una:
        tcp_ack(net, cpu, sk, skb, FLAG_DATA)
        if not inet_csk_ack_scheduled(tp):
            tcp_data_ready(net, cpu, sk, skb)
            return
    else:
        tp.snd_wl1 = cb.seq
    __tcp_ack_snd_check(net, cpu, sk, False)
    tcp_data_ready(net, cpu, sk, skb)


@path_function
def tcp_rcv_slow(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """step5: the ACK field, urgent data, the text."""
    tp = net.tcp[sk.idx]
    reason = tcp_ack(net, cpu, sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT)
    if reason < 0:
        tcp_drop(net, cpu, sk, skb, Stage.tcp_v4_do_rcv, -reason)
        return
    tcp_rcv_rtt_measure_ts(net, cpu, tp, skb)
    tcp_urg(net, cpu, sk, skb)
    tcp_data_queue(net, cpu, sk, skb, Stage.tcp_rcv_established)
    tcp_ack_snd_check(net, cpu, sk)


# ---------------------------------------------------------------- is it of this connection?
@path_function
def tcp_sequence(net: Net, sk: sock, skb: sk_buff) -> int:
    """0, or why not.  A segment that begins in the window may end beyond it if the queue is empty; a FIN may always."""
    tp, cb = net.tcp[sk.idx], TCP_SKB_CB(skb)
    if before(cb.end_seq, tp.rcv_wup):
        return Drop.TCP_OLD_SEQUENCE
    edge = u32(tp.rcv_nxt + tcp_receive_window(tp))
    if after(cb.end_seq, edge) and after(cb.end_seq - carries_fin(skb), edge):
        if after(cb.seq, edge):
            return Drop.TCP_INVALID_SEQUENCE
        if sk.receive_queue.head >= 0:
            return Drop.TCP_INVALID_END_SEQUENCE
    return 0


@path_function
def tcp_disordered_ack_check(net: Net, sk: sock, skb: sk_buff) -> int:
    """An old time stamp: 0 where it may be a duplicate ACK that another has overtaken, else why it is refused."""
    tp, cb, th = net.tcp[sk.idx], TCP_SKB_CB(skb), tcp_hdr(net, skb)
    if th.flags & TCPHDR_ACK == 0 or cb.seq != cb.end_seq:
        return Drop.TCP_RFC7323_PAWS
    if cb.seq != tp.rcv_nxt:
        return Drop.TCP_RFC7323_PAWS_ACK if before(cb.seq, tp.rcv_nxt) else Drop.TCP_RFC7323_PAWS
    if th.ack_seq != tp.snd_una or tcp_may_update_window(tp, th.ack_seq, cb.seq, th.window << tp.snd_wscale):
        return Drop.TCP_RFC7323_PAWS
    if s32(tp.ts_recent - tp.rcv_tsval) > tp.rto * net.sysctl[Sysctl.jiffy_ns] // 1_000_000:
        return Drop.TCP_RFC7323_PAWS
    return 0


@path_function
def tcp_validate_incoming(net: Net, cpu: int, sk: sock, skb: sk_buff, syn_inerr: bool) -> bool:
    """PAWS, sequence, RST, SYN.  False: the segment has ended."""
    at(net, cpu, skb, Stage.tcp_validate_incoming)
    tp, th = net.tcp[sk.idx], tcp_hdr(net, skb)
    rst, syn = th.flags & TCPHDR_RST != 0, th.flags & TCPHDR_SYN != 0
    if tcp_fast_parse_options(net, cpu, tp, skb) and tp.saw_tstamp and not rst \
            and not tcp_paws_check(net, cpu, tp.ts_recent, tp.ts_recent_stamp, tp.rcv_tsval, TCP_PAWS_WINDOW):
        refused = tcp_disordered_ack_check(net, sk, skb)
        if refused:
            if syn:
                return tcp_syn_challenge(net, cpu, sk, skb, syn_inerr)
            return tcp_paws_refused(net, cpu, sk, skb, refused)
    reason = tcp_sequence(net, sk, skb)
    if reason:
        return tcp_sequence_refused(net, cpu, sk, skb, syn_inerr, reason)
    if rst:
        return tcp_rst_in_window(net, cpu, sk, skb)
    if syn:
        return tcp_syn_challenge(net, cpu, sk, skb, syn_inerr)
    return True


@cold
@path_function
def tcp_paws_refused(net: Net, cpu: int, sk: sock, skb: sk_buff, reason: int) -> bool:
    """An old pure ACK is nothing unusual, and is not answered."""
    if reason == Drop.TCP_RFC7323_PAWS_ACK:
        net.snmp[cpu][Mib.TcpExt_PAWSOldAck] += 1
    else:
        net.snmp[cpu][Mib.TcpExt_PAWSEstab] += 1
        if not tcp_oow_rate_limited(net, cpu, net.tcp[sk.idx], skb, Mib.TcpExt_TCPACKSkippedPAWS):
            tcp_send_dupack(net, cpu, sk, skb)
    tcp_drop(net, cpu, sk, skb, Stage.tcp_validate_incoming, reason)
    return False


@cold
@path_function
def tcp_sequence_refused(net: Net, cpu: int, sk: sock, skb: sk_buff, syn_inerr: bool, reason: int) -> bool:
    """Out of the window: answered, but for RST."""
    th = tcp_hdr(net, skb)
    if th.flags & TCPHDR_RST == 0:
        if th.flags & TCPHDR_SYN:
            return tcp_syn_challenge(net, cpu, sk, skb, syn_inerr)
        if reason != Drop.TCP_OLD_SEQUENCE:
            net.snmp[cpu][Mib.TcpExt_BeyondWindow] += 1
        if not tcp_oow_rate_limited(net, cpu, net.tcp[sk.idx], skb, Mib.TcpExt_TCPACKSkippedSeq):
            tcp_send_dupack(net, cpu, sk, skb)
    elif tcp_reset_check(net, sk, skb):
        return tcp_reset_and_end(net, cpu, sk, skb)
    tcp_drop(net, cpu, sk, skb, Stage.tcp_validate_incoming, reason)
    return False


@cold
@path_function
def tcp_syn_challenge(net: Net, cpu: int, sk: sock, skb: sk_buff, syn_inerr: bool) -> bool:
    """RFC 5961 4.2"""
    if syn_inerr:
        net.snmp[cpu][Mib.Tcp_InErrs] += 1
    net.snmp[cpu][Mib.TcpExt_TCPSYNChallenge] += 1
    tcp_send_challenge_ack(net, cpu, sk)
    tcp_drop(net, cpu, sk, skb, Stage.tcp_validate_incoming, Drop.TCP_INVALID_SYN)
    return False


@path_function
def tcp_reset_check(net: Net, sk: sock, skb: sk_buff) -> bool:
    """After its FIN the peer's RST may lie one before rcv_nxt."""
    tp, cb = net.tcp[sk.idx], TCP_SKB_CB(skb)
    closing = sk.state == TCP.CLOSE_WAIT or sk.state == TCP.LAST_ACK or sk.state == TCP.CLOSING
    return cb.seq == u32(tp.rcv_nxt - 1) and closing


@cold
@path_function
def tcp_rst_in_window(net: Net, cpu: int, sk: sock, skb: sk_buff) -> bool:
    """RFC 5961 3.2: it resets at rcv_nxt, and at the right edge of what was SACKed; else it is challenged."""
    tp, cb = net.tcp[sk.idx], TCP_SKB_CB(skb)
    right = cb.seq == tp.rcv_nxt or tcp_reset_check(net, sk, skb)
    if not right and tp.sack_ok and tp.num_sacks > 0:
        max_sack = tp.sel_end[0]
        for k in range(1, tp.num_sacks):
            if after(tp.sel_end[k], max_sack):
                max_sack = tp.sel_end[k]
        right = cb.seq == max_sack
    if right:
        return tcp_reset_and_end(net, cpu, sk, skb)
    tcp_send_challenge_ack(net, cpu, sk)
    tcp_drop(net, cpu, sk, skb, Stage.tcp_validate_incoming, Drop.TCP_RESET)
    return False


@cold
@path_function
def tcp_reset_and_end(net: Net, cpu: int, sk: sock, skb: sk_buff) -> bool:
    """The segment has done what it came for."""
    tcp_reset(net, cpu, sk)
    consume_skb(net, cpu, skb)
    return False


# ---------------------------------------------------------------- the text
@path_function
def tcp_rcv_nxt_update(net: Net, sk: sock, seq: int) -> None:
    tp = net.tcp[sk.idx]
    tp.bytes_received += u32(seq - tp.rcv_nxt)
    tp.rcv_nxt = seq


@path_function
def tcp_queue_rcv(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """To the end of the receive queue, as one with the last segment if that can be."""
    cb = TCP_SKB_CB(skb)
    end_seq = cb.end_seq
    if net.spends:
        spent_in(net, cpu, skb, Place.SOFTIRQ)
    eaten = sk.receive_queue.head >= 0 and tcp_try_coalesce(net, cpu, sk, net.skb[sk.receive_queue.tail], skb)
    tcp_rcv_nxt_update(net, sk, end_seq)
    if not eaten:
        tcp_add_receive_queue(net, cpu, sk, skb)
        skb_set_owner_r(net, cpu, sk, skb)


@path_function
def tcp_add_receive_queue(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    tcp_note_tailroom(net, skb)
    read = TCP_READ_CB(skb)
    read.part = NO_SKB
    skb.rx_cpu = cpu
    __skb_queue_tail(net, sk.receive_queue, skb)
    sk.qlen += 1
    sk.qlen_max = max(sk.qlen_max, sk.qlen)
    sk.in_packets += 1


@path_function
def tcp_data_queue(net: Net, cpu: int, sk: sock, skb: sk_buff, stage: int) -> None:
    """Into the receive queue, behind a hole, or nowhere."""
    at(net, cpu, skb, Stage.tcp_data_queue)
    tp, cb, th = net.tcp[sk.idx], TCP_SKB_CB(skb), tcp_hdr(net, skb)
    if cb.seq == cb.end_seq:
        consume_skb(net, cpu, skb)
        return
    skb.data += th.doff * 4
    skb.len -= th.doff * 4
    tp.dsack = 0
    if cb.seq == tp.rcv_nxt:
        if tcp_receive_window(tp) == 0 and (skb.len or not carries_fin(skb)):
            tcp_zero_window_drop(net, cpu, sk, skb, stage)
            return
        tcp_queue_in_order(net, cpu, sk, skb, stage)
        return
    if not after(cb.end_seq, tp.rcv_nxt):            # old
        net.snmp[cpu][Mib.TcpExt_DelayedACKLost] += 1
        tcp_dsack_set(net, cpu, tp, cb.seq, cb.end_seq)
        tcp_out_of_window(net, cpu, sk, skb, stage, Drop.TCP_OLD_DATA)
        return
    if not before(cb.seq, tp.rcv_nxt + tcp_receive_window(tp)):
        tcp_out_of_window(net, cpu, sk, skb, stage, Drop.TCP_OVERWINDOW)
        return
    if before(cb.seq, tp.rcv_nxt):                   # partly old
        tcp_dsack_set(net, cpu, tp, cb.seq, tp.rcv_nxt)
        if tcp_receive_window(tp) == 0:
            tcp_zero_window_drop(net, cpu, sk, skb, stage)
            return
        tcp_queue_in_order(net, cpu, sk, skb, stage)
        return
    tcp_note_tailroom(net, skb)
    tcp_data_queue_ofo(net, cpu, sk, skb, stage)


@cold
@path_function
def tcp_out_of_window(net: Net, cpu: int, sk: sock, skb: sk_buff, stage: int, reason: int) -> None:
    """Its sender is to hear at once."""
    tp = net.tcp[sk.idx]
    tcp_enter_quickack_mode(net, tp)
    inet_csk_schedule_ack(tp)
    tcp_drop(net, cpu, sk, skb, stage, reason)


@cold
@path_function
def tcp_zero_window_drop(net: Net, cpu: int, sk: sock, skb: sk_buff, stage: int) -> None:
    net.snmp[cpu][Mib.TcpExt_TCPZeroWindowDrop] += 1
    tcp_out_of_window(net, cpu, sk, skb, stage, Drop.TCP_ZEROWINDOW)


@path_function
def tcp_queue_in_order(net: Net, cpu: int, sk: sock, skb: sk_buff, stage: int) -> None:
    """Its first byte that is not here is the next one."""
    tp = net.tcp[sk.idx]
    if not tcp_try_rmem_schedule(net, cpu, sk, skb):
        tp.ack_pending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW
        inet_csk_schedule_ack(tp)
        sock_def_readable(net, cpu, sk, skb)
        if sk.receive_queue.head >= 0 and skb.len:
            net.snmp[cpu][Mib.TcpExt_TCPRcvQDrop] += 1
            tcp_drop(net, cpu, sk, skb, stage, Drop.PROTO_MEM)
            return
        tcp_rmem_force(net, sk, skb.truesize)
    fin, n = carries_fin(skb), skb.len
    tcp_queue_rcv(net, cpu, sk, skb)
    if n:
        tcp_event_data_recv(net, cpu, sk, skb, n)
    if fin:
        tcp_fin(net, cpu, sk)
    if tp.ooo_root >= 0:
        tcp_ofo_queue(net, cpu, sk)
        if tp.ooo_root < 0:                          # RFC 5681 4.2: a filled hole is told at once
            tp.ack_pending |= ICSK_ACK_NOW
    if tp.num_sacks:
        tcp_sack_remove(tp)
    tcp_fast_path_check(sk, tp)
    tcp_data_ready(net, cpu, sk, skb)


@path_function
def tcp_ofo_queue(net: Net, cpu: int, sk: sock) -> None:
    """What lay behind the hole follows."""
    tp = net.tcp[sk.idx]
    dsack_high = tp.rcv_nxt
    while True:
        i = tcp_ofo_next(net, cpu, sk, tp, dsack_high)
        if i < 0:
            return
        skb = net.skb[i]
        cb = TCP_SKB_CB(skb)
        fin, end_seq = carries_fin(skb), cb.end_seq
        size = skb.truesize
        if net.spends:
            spent_in(net, cpu, skb, Place.HOLE)
        if sk.receive_queue.head >= 0 and tcp_try_coalesce(net, cpu, sk, net.skb[sk.receive_queue.tail], skb):
            tcp_rfree(net, cpu, sk, size)            # it had been charged already
        else:
            tcp_add_receive_queue(net, cpu, sk, skb)
        tcp_rcv_nxt_update(net, sk, end_seq)
        if fin:
            tcp_fin(net, cpu, sk)
            return


@path_function
def tcp_rmem_pressure(net: Net, sk: sock) -> bool:
    return net.tcp_memory_pressure != 0 or sk.rmem_alloc > sk.rcvbuf - (sk.rcvbuf >> 3)


@path_function
def tcp_epollin_ready(net: Net, sk: sock, tp: tcp_sock, target: int) -> bool:
    """Enough to read: as much as was asked for (SO_RCVLOWAT), or as there will ever be."""
    avail = u32(tp.rcv_nxt - tp.copied_seq)
    return avail > 0 and (avail >= target or tcp_rmem_pressure(net, sk) or tcp_receive_window(tp) <= tp.rcv_mss)


@path_function
def tcp_data_ready(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    tp = net.tcp[sk.idx]
    if sk.wq_head >= 0 and (tp.done or tcp_epollin_ready(net, sk, tp, tp.rcvlowat)):
        at(net, cpu, skb, Stage.tcp_data_ready)
        sock_def_readable(net, cpu, sk, skb)
