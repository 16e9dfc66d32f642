"""How the receive buffer and its window grow: net/ipv4/tcp_input.c (tcp_measure_rcv_mss, tcp_grow_window, tcp_rcv_rtt_update,
tcp_rcv_space_adjust, tcp_rcvbuf_grow, tcp_clamp_window, tcp_init_buffer_space).  "Dynamic right-sizing", W. Feng and M. Fisk.

Called for each segment that is queued, and at each read."""
from .._compile import fls64, path_function
from ..abi.headers import tcp_hdr
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import SHARED_INFO, TCPHDR_PSH, TRUESIZE_OVERHEAD
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import SOCK_RCVBUF_LOCK, SOCK_SNDBUF_LOCK, sock
from ..abi.tcp import ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2, tcp_sock
from .tcp_charge import tcp_adjust_rcv_ssthresh
from .tcp_coalesce import skb_head_truesize, skb_headlen
from .tcp_seq import before, ends_there, tcp_clock_us, tcp_time_stamp_ts, u32
from .tcp_window import (
    TCP_MSS_DEFAULT,
    TCP_RMEM_TO_WIN_SCALE,
    tcp_full_space,
    tcp_set_window_clamp,
    tcp_space,
    tcp_space_from_win,
    tcp_win_from_space,
)

TCP_MIN_MSS, TCP_INIT_CWND, MAX_TCP_HEADER = 88, 10, 256
TCP_REMNANT = 0x01 | 0x20 | 0x02 | 0x08              # FIN, URG, SYN, PSH in its own header: it may be shorter than others
TCP_APP_WIN = 31                                     # net.ipv4.tcp_app_win's default: a segment is reserved, nothing else


# ---------------------------------------------------------------- what the peer's segments are like
@path_function
def tcp_initialize_rcv_mss(tp: tcp_sock) -> None:
    hint = min(tp.advmss, tp.mss_cache, tp.rcv_wnd // 2, TCP_MSS_DEFAULT)
    tp.rcv_mss = max(hint, TCP_MIN_MSS)


@path_function
def tcp_measure_rcv_mss(net: Net, sk: sock, tp: tcp_sock, skb: sk_buff, size: int) -> None:
    """size: bytes of data that skb brought; its own are fewer where it has joined another by now.
    A segment larger than any before it changes the ratio of data in the buffer."""
    lss, tp.last_seg_size = tp.last_seg_size, 0
    n = skb.gso_size if skb.gso_size else size
    cb, th = TCP_SKB_CB(skb), tcp_hdr(net, skb)
    if n >= tp.rcv_mss:
        if n != tp.rcv_mss:
            ratio = max((size << TCP_RMEM_TO_WIN_SCALE) // skb.truesize & 0xFF, 1)
            if ratio != tp.scaling_ratio:
                tp.scaling_ratio = ratio
                tcp_set_window_clamp(tp, tcp_win_from_space(tp, sk.rcvbuf))
                if tp.window_clamp < tp.rcvq_space:
                    tp.rcvq_space = tp.window_clamp
        tp.rcv_mss = min(n, tp.advmss)
        if cb.tcp_flags & TCPHDR_PSH:
            tp.ack_pending |= ICSK_ACK_PUSHED
        return
    n += skb.data - skb.transport_header
    if n >= TCP_MSS_DEFAULT + 20 or (n >= TCP_MIN_MSS + 20 and th.flags & TCP_REMNANT == 0):
        n -= tp.tcp_header_len
        tp.last_seg_size = n
        if n == lss:
            tp.rcv_mss = n
            return
    if tp.ack_pending & ICSK_ACK_PUSHED:
        tp.ack_pending |= ICSK_ACK_PUSHED2
    tp.ack_pending |= ICSK_ACK_PUSHED


# ---------------------------------------------------------------- slow start of the window
@path_function
def tcp_grow_window(net: Net, sk: sock, tp: tcp_sock, skb: sk_buff, size: int, adjust: bool) -> None:
    """rcv_ssthresh grows with segments whose data, `size` bytes, fill their buffers well enough."""
    room = min(tp.window_clamp, tcp_space(sk, tp)) - tp.rcv_ssthresh
    if room <= 0:
        return
    if net.tcp_memory_pressure:
        tcp_adjust_rcv_ssthresh(tp)
        return
    truesize = skb.truesize
    if adjust and skb_headlen(skb) == 0:             # pages will be shared when it is coalesced
        truesize -= skb_head_truesize(net, skb)
        if truesize < size:
            truesize = skb.truesize
    if tcp_win_from_space(tp, truesize) <= size:
        incr = 2 * tp.advmss
    else:
        incr = __tcp_grow_window(net, tp, size, truesize)
    if incr:
        tp.rcv_ssthresh += min(room, max(incr, 2 * size))
        tp.ack_quick |= 1


@path_function
def __tcp_grow_window(net: Net, tp: tcp_sock, size: int, skbtruesize: int) -> int:
    truesize = tcp_win_from_space(tp, skbtruesize) >> 1
    window = tcp_win_from_space(tp, net.sysctl[Sysctl.tcp_rmem_2]) >> 1
    while tp.rcv_ssthresh <= window:
        if truesize <= size:
            return 2 * tp.rcv_mss
        truesize >>= 1
        window >>= 1
    return 0


@path_function
def tcp_sndbuf_expand(tp: tcp_sock) -> int:
    """Room for twice the initial window, each segment in an skb of its own: part of the backlog's limit."""
    per_mss = 1 << fls64(max(tp.mss_clamp, tp.mss_cache) + MAX_TCP_HEADER + SHARED_INFO - 1)
    return 2 * TCP_INIT_CWND * (per_mss + TRUESIZE_OVERHEAD)


@path_function
def tcp_init_buffer_space(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """A connection begins."""
    if sk.userlocks & SOCK_SNDBUF_LOCK == 0:
        sk.sndbuf = max(sk.sndbuf, tcp_sndbuf_expand(tp))
    tp.rcvq_time, tp.rcvq_seq = tcp_clock_us(net, cpu), tp.copied_seq
    maxwin = tcp_full_space(sk, tp)
    if tp.window_clamp >= maxwin:
        tp.window_clamp = maxwin
        if maxwin > 4 * tp.advmss:
            tp.window_clamp = max(maxwin - (maxwin >> TCP_APP_WIN), 4 * tp.advmss)
    if tp.window_clamp > 2 * tp.advmss and tp.window_clamp + tp.advmss > maxwin:
        tp.window_clamp = max(2 * tp.advmss, maxwin - tp.advmss)
    tp.rcv_ssthresh = min(tp.rcv_ssthresh, tp.window_clamp)
    tp.rcvq_space = min(tp.rcv_ssthresh, tp.rcv_wnd, TCP_INIT_CWND * tp.advmss)


@path_function
def tcp_clamp_window(net: Net, sk: sock, tp: tcp_sock) -> None:
    """rmem_alloc is over rcvbuf: a buffer that nobody has set grows to what it holds."""
    tp.ack_quick = 0
    rmem2 = net.sysctl[Sysctl.tcp_rmem_2]
    if sk.rcvbuf < rmem2 and sk.userlocks & SOCK_RCVBUF_LOCK == 0 and net.tcp_memory_pressure == 0 \
            and net.tcp_memory < net.sysctl[Sysctl.tcp_mem_0]:
        sk.rcvbuf = min(sk.rmem_alloc, rmem2)
    if sk.rmem_alloc > sk.rcvbuf:
        tp.rcv_ssthresh = min(tp.window_clamp, 2 * tp.advmss)


# ---------------------------------------------------------------- round trips as a receiver sees them
@path_function
def tcp_rcv_rtt_update(tp: tcp_sock, sample: int, win_dep: bool) -> None:
    m, old = sample << 3, tp.rcv_rtt_us
    if old == 0 or m < old:
        tp.rcv_rtt_us = m
    elif not win_dep:
        tp.rcv_rtt_us = old - (old >> 3) + sample


@path_function
def tcp_rcv_rtt_measure(net: Net, cpu: int, tp: tcp_sock) -> None:
    """Without time stamps: a window in a round trip."""
    now = tcp_clock_us(net, cpu)
    if tp.rcv_rtt_time:
        if before(tp.rcv_nxt, tp.rcv_rtt_seq):
            return
        tcp_rcv_rtt_update(tp, max(now - tp.rcv_rtt_time, 1), True)
    tp.rcv_rtt_seq = u32(tp.rcv_nxt + tp.rcv_wnd)
    tp.rcv_rtt_time = now


@path_function
def tcp_rcv_rtt_measure_ts(net: Net, cpu: int, tp: tcp_sock, skb: sk_buff) -> None:
    if tp.rcv_tsecr == tp.rcv_rtt_last_tsecr:
        return
    tp.rcv_rtt_last_tsecr = tp.rcv_tsecr
    if ends_there(skb) >= tp.rcv_mss:
        delta = u32(tcp_time_stamp_ts(net, cpu, 0) - tp.rcv_tsecr)
        if 0 < delta < 0x7FFFFFFF // 1000:
            tcp_rcv_rtt_update(tp, delta * 1000, False)


# ---------------------------------------------------------------- right-sizing
@path_function
def tcp_rcvbuf_grow(net: Net, sk: sock, tp: tcp_sock, newval: int) -> None:
    """6.18: newval bytes were read within a round trip, more than ever before."""
    oldval = tp.rcvq_space
    tp.rcvq_space = newval
    if net.sysctl[Sysctl.tcp_moderate_rcvbuf] == 0 or sk.userlocks & SOCK_RCVBUF_LOCK:
        return
    rcvwin = newval << 1                             # a round trip later, of a sender in slow start
    rcvwin += rcvwin * (newval - oldval) // oldval << 1
    if tp.ooo_root >= 0:
        last = TCP_SKB_CB(net.skb[tp.ooo_last])
        rcvwin += u32(last.end_seq - tp.rcv_nxt)
    rcvbuf = min(tcp_space_from_win(tp, rcvwin), net.sysctl[Sysctl.tcp_rmem_2])
    if rcvbuf > sk.rcvbuf:
        sk.rcvbuf = rcvbuf
        tp.window_clamp = tcp_win_from_space(tp, rcvbuf)                     # and nothing else: what is promised grows by itself


@path_function
def tcp_rcv_space_adjust(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """The program has read something: once in a round trip, how much was it?"""
    now = tcp_clock_us(net, cpu)
    if tp.rcv_rtt_us == 0 or now - tp.rcvq_time < tp.rcv_rtt_us >> 3:
        return
    copied = u32(tp.copied_seq - tp.rcvq_seq) - u32(tp.rcv_nxt - tp.copied_seq)
    if copied > tp.rcvq_space:
        tcp_rcvbuf_grow(net, sk, tp, copied)
    tp.rcvq_seq, tp.rcvq_time = tp.copied_seq, now
