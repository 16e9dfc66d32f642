"""The receive window: how large it begins, how far it is open, what is told.  net/ipv4/tcp_output.c (tcp_select_initial_window,
__tcp_select_window, tcp_select_window), include/net/tcp.h (tcp_space and its kin).  RFC 9293 3.8.6, RFC 7323 2.

Space is bytes of rcvbuf; how much of it is data is a ratio of 256 that comes from the segments themselves (tcp_rcvbuf.py):
window = space * scaling_ratio >> 8."""
from .._compile import fls64, path_function
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import TCP_HLEN
from ..abi.sock import sock
from ..abi.tcp import ICSK_ACK_NOMEM, tcp_sock
from ..abi.tcp_options import TCP_MAX_WSCALE
from .tcp_charge import tcp_adjust_rcv_ssthresh
from .tcp_seq import u32

U16_MAX, SOCK_MIN_RCVBUF = 65535, 2304
TCP_RMEM_TO_WIN_SCALE = 8
TCP_HEADERS, TCP_MIN_ADVMSS, TCP_MIN_SND_MSS = 40, 256, 48             # 256: net.ipv4.route.min_adv_mss
TCP_MSS_DEFAULT = 536
TCP_DEFAULT_SCALING_RATIO = 1 << TCP_RMEM_TO_WIN_SCALE - 1


@path_function
def tcp_win_from_space(tp: tcp_sock, space: int) -> int:
    return space * tp.scaling_ratio >> TCP_RMEM_TO_WIN_SCALE


@path_function
def tcp_space_from_win(tp: tcp_sock, win: int) -> int:
    return (win << TCP_RMEM_TO_WIN_SCALE) // tp.scaling_ratio


@path_function
def tcp_space(sk: sock, tp: tcp_sock) -> int:
    """What is free."""
    return tcp_win_from_space(tp, sk.rcvbuf - sk.backlog_len - sk.rmem_alloc)


@path_function
def tcp_full_space(sk: sock, tp: tcp_sock) -> int:
    return tcp_win_from_space(tp, sk.rcvbuf)


@path_function
def tcp_receive_window(tp: tcp_sock) -> int:
    """How much of what was told is left."""
    win = u32(tp.rcv_wup + tp.rcv_wnd - tp.rcv_nxt)
    return 0 if win > 0x7FFFFFFF else win


@path_function
def tcp_set_window_clamp(tp: tcp_sock, val: int) -> None:
    """The window's limit is another one: a smaller one holds at once; under a larger one the peer may at least use what it was told."""
    old, new = tp.window_clamp, max(val, SOCK_MIN_RCVBUF // 2)
    tp.window_clamp = new
    if new < old:
        tp.rcv_ssthresh = min(tp.rcv_ssthresh, new)
    elif new > old:
        tp.rcv_ssthresh = max(tp.rcv_ssthresh, min(tp.rcv_wnd, new))


# ---------------------------------------------------------------- the first one
@path_function
def tcp_initial_window(space: int, clamp: int, mss: int) -> int:
    """The window of a SYN-ACK, before it is cut to 65535: a multiple of mss."""
    space = min(max(space, 0), clamp)
    return space - space % mss if space > mss else space


@path_function
def tcp_initial_wscale(net: Net, space: int, clamp: int) -> int:
    """For the largest window that there may ever be."""
    most = min(max(space, net.sysctl[Sysctl.tcp_rmem_2], net.sysctl[Sysctl.rmem_max]), clamp)
    return min(max(fls64(most) - 16, 0), TCP_MAX_WSCALE)


# ---------------------------------------------------------------- segment sizes
@path_function
def tcp_advmss(net: Net, tp: tcp_sock, dev: int) -> int:
    """The segment size that we announce: the device's MTU less both headers, unless TCP_MAXSEG says less."""
    d = net.dev[dev]
    mss = min(max(d.mtu - TCP_HEADERS, TCP_MIN_ADVMSS), U16_MAX - TCP_HEADERS)
    return min(mss, tp.user_mss) if tp.user_mss else mss


@path_function
def tcp_sync_mss(net: Net, tp: tcp_sock) -> None:
    """What fits the device and the peer, with our options."""
    d = net.dev[tp.dev]
    mss = max(min(d.mtu - TCP_HEADERS, tp.mss_clamp), TCP_MIN_SND_MSS) - (tp.tcp_header_len - TCP_HLEN)
    half = tp.max_window if tp.max_window <= TCP_MSS_DEFAULT else tp.max_window >> 1
    if half and mss > half:                          # tcp_bound_to_half_wnd(): a peer with a tiny window
        mss = max(half, 68 - tp.tcp_header_len)
    tp.mss_cache = mss


# ---------------------------------------------------------------- what is told
@path_function
def __tcp_select_window(net: Net, sk: sock, tp: tcp_sock) -> int:
    """The window that there is room for now."""
    mss, free_space, allowed_space = tp.rcv_mss, tcp_space(sk, tp), tcp_full_space(sk, tp)
    full_space = min(tp.window_clamp, allowed_space)
    if mss > full_space:
        mss = full_space
        if mss <= 0:
            return 0
    scale = 1 << tp.rcv_wscale
    shrinks = net.sysctl[Sysctl.tcp_shrink_window] != 0 and tp.rcv_wscale != 0
    if shrinks:
        free_space = free_space & -scale
    if free_space < full_space >> 1:
        tp.ack_quick = 0
        if net.tcp_memory_pressure:
            tcp_adjust_rcv_ssthresh(tp)
        free_space = free_space & -scale
        if free_space < allowed_space >> 4 or free_space < mss or (shrinks and free_space < scale):
            return 0
    if shrinks:
        if free_space > tp.rcv_ssthresh:
            free_space = tp.rcv_ssthresh + scale - 1 & -scale
        return free_space
    free_space = min(free_space, tp.rcv_ssthresh)
    if tp.rcv_wscale:                                # rounded up: else a small one would be scaled away
        return free_space + scale - 1 & -scale
    window = tp.rcv_wnd
    if window <= free_space - mss or window > free_space:
        return free_space - free_space % mss
    if mss == full_space and free_space > window + (full_space >> 1):
        return free_space
    return window


@path_function
def tcp_select_window(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> int:
    """What goes into the header; it is remembered as promised.  A promise is not taken back (tcp_shrink_window)."""
    old_win = tp.rcv_wnd
    if tp.ack_pending & ICSK_ACK_NOMEM:              # a segment has just been refused for want of memory
        tp.pred_flags, tp.rcv_wnd, tp.rcv_wup = 0, 0, tp.rcv_nxt
        return 0
    cur_win, new_win = tcp_receive_window(tp), __tcp_select_window(net, sk, tp)
    scale = 1 << tp.rcv_wscale
    if new_win < cur_win and (net.sysctl[Sysctl.tcp_shrink_window] == 0 or tp.rcv_wscale == 0):
        if new_win == 0:
            net.snmp[cpu][Mib.TcpExt_TCPWantZeroWindowAdv] += 1
        new_win = cur_win + scale - 1 & -scale
    tp.rcv_wnd, tp.rcv_wup = new_win, tp.rcv_nxt
    told = min(new_win, U16_MAX << tp.rcv_wscale) >> tp.rcv_wscale
    if told == 0:
        tp.pred_flags = 0
        if old_win:
            net.snmp[cpu][Mib.TcpExt_TCPToZeroWindowAdv] += 1
    elif old_win == 0:
        net.snmp[cpu][Mib.TcpExt_TCPFromZeroWindowAdv] += 1
    return told
