"""What a program sets on a connection and asks of it: do_tcp_setsockopt(), do_tcp_getsockopt(), tcp_get_info() of net/ipv4/tcp.c.

Options that concern only what is sent have no place here: programs/sockopt.py keeps them.  Each may be called between two calls of the
engine; what it sends (an ACK that is owed) leaves then."""
import errno
import struct
from typing import Any

from .._compile import entry
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import EINVAL, POLLIN, POLLRDNORM, TCP
from ..abi.sock import SOCK_RCVBUF_LOCK
from ..abi.tcp import ICSK_ACK_PUSHED
from ..user.errors import check, error
from ..user.wait import __wake_up_sync_key
from .inet_connection_sock import inet_csk_ack_scheduled, keepalive_time_when
from .tcp_ack import __tcp_cleanup_rbuf
from .tcp_input import tcp_epollin_ready
from .tcp_retransmit import inet_csk_reset_keepalive_timer
from .tcp_seq import before, u32
from .tcp_window import tcp_set_window_clamp, tcp_space_from_win

TCP_MIN_MSS, MAX_TCP_WINDOW = 88, 32767
TCP_TIMEOUT_INIT_S, TCP_RTO_MAX_S, TCP_FIN_TIMEOUT_MAX_S = 1, 120, 120
TCP_INIT_CWND, TCP_INFINITE_SSTHRESH, REORDERING = 10, 0x7FFFFFFF, 3
NO_RATE = (1 << 64) - 1


# ---------------------------------------------------------------- what changes the connection
@entry
def tcp_set_rcvlowat(net: Net, cpu: int, i: int, value: int) -> None:
    """SO_RCVLOWAT: half the buffer at most; a buffer that nobody has set grows to hold so much."""
    sk, tp = net.socks[i], net.tcp[i]
    cap = sk.rcvbuf >> 1 if sk.userlocks & SOCK_RCVBUF_LOCK else net.sysctl[Sysctl.tcp_rmem_2] >> 1
    wanted = min(value, cap)
    tp.rcvlowat = max(wanted, 1)
    if tcp_epollin_ready(net, sk, tp, tp.rcvlowat):
        __wake_up_sync_key(net, cpu, sk, POLLIN | POLLRDNORM)
    if sk.userlocks & SOCK_RCVBUF_LOCK:
        return
    space = tcp_space_from_win(tp, wanted)
    if space > sk.rcvbuf:
        sk.rcvbuf = space
        if tp.window_clamp and tp.window_clamp < wanted:
            tp.window_clamp = wanted


@entry
def tcp_sock_set_window_clamp(net: Net, i: int, value: int) -> int:
    """TCP_WINDOW_CLAMP: the largest window that is told.  0 takes it away, before there is a connection.  0, or an errno."""
    sk, tp = net.socks[i], net.tcp[i]
    if value:
        tcp_set_window_clamp(tp, value)
    elif sk.state != TCP.CLOSE:
        return EINVAL
    else:
        tp.window_clamp = 0
    return 0


@entry
def tcp_sock_set_quickack(net: Net, cpu: int, i: int, value: int) -> None:
    """TCP_QUICKACK: 0 delays acknowledgements; else one that is owed leaves now, and with an odd value the next ones are not delayed."""
    sk, tp = net.socks[i], net.tcp[i]
    if value == 0:
        tp.ack_pingpong = 1
        return
    tp.ack_pingpong = 0
    if (sk.state == TCP.ESTABLISHED or sk.state == TCP.CLOSE_WAIT) and inet_csk_ack_scheduled(tp):
        tp.ack_pending |= ICSK_ACK_PUSHED
        __tcp_cleanup_rbuf(net, cpu, sk, 1)
        if value & 1 == 0:
            tp.ack_pingpong = 1


@entry
def tcp_set_keepalive(net: Net, cpu: int, i: int, on: int) -> None:
    """SO_KEEPALIVE: of a connection that is there already its time begins now."""
    sk, tp = net.socks[i], net.tcp[i]
    if on and tp.keepopen == 0 and sk.state != TCP.CLOSE and sk.state != TCP.LISTEN:
        inet_csk_reset_keepalive_timer(net, cpu, sk, keepalive_time_when(net, tp))
    tp.keepopen = on


@entry
def tcp_inq(net: Net, i: int) -> int:
    """FIONREAD: bytes that can be read before the end, or before an urgent byte.  EINVAL: it listens."""
    sk, tp = net.socks[i], net.tcp[i]
    if sk.state == TCP.LISTEN:
        return EINVAL
    if sk.state == TCP.SYN_SENT or sk.state == TCP.SYN_RECV:
        return 0
    if tp.urginline or tp.urg_data == 0 or before(tp.urg_seq, tp.copied_seq) or not before(tp.urg_seq, tp.rcv_nxt):
        n = u32(tp.rcv_nxt - tp.copied_seq)
        return n - 1 if n and tp.done else n
    return u32(tp.urg_seq - tp.copied_seq)


# ---------------------------------------------------------------- by name
# numbers in a field of the connection: it, what one of the option's is of the field's, the sysctl that holds without, least and most
NUMBERS = {"TCP_KEEPIDLE": ("keepalive_time_ns", 1_000_000_000, Sysctl.tcp_keepalive_time_ns, 1, 32767),
           "TCP_KEEPINTVL": ("keepalive_intvl_ns", 1_000_000_000, Sysctl.tcp_keepalive_intvl_ns, 1, 32767),
           "TCP_KEEPCNT": ("keepalive_probes", 1, Sysctl.tcp_keepalive_probes, 1, 127),
           "TCP_USER_TIMEOUT": ("user_timeout", 1, None, 0, 0x7FFFFFFF)}


def setsockopt(b: Any, i: int, name: str, value: int, cpu: int = 0) -> None:
    """An option by its C name.  ENOPROTOOPT: it changes nothing here."""
    tp = b.net.tcp[i]
    if name == "SO_RCVLOWAT":
        b.call(tcp_set_rcvlowat)(b.net, cpu, i, value if value >= 0 else 0x7FFFFFFF)
    elif name == "SO_OOBINLINE":
        tp.urginline = int(bool(value))
    elif name == "TCP_QUICKACK":
        b.call(tcp_sock_set_quickack)(b.net, cpu, i, value)
    elif name == "TCP_WINDOW_CLAMP":
        check(b.call(tcp_sock_set_window_clamp)(b.net, i, value), name)
    elif name == "TCP_MAXSEG":
        if value and not TCP_MIN_MSS <= value <= MAX_TCP_WINDOW:
            raise error(errno.EINVAL, name)
        tp.user_mss = value
    elif name == "TCP_DEFER_ACCEPT":
        tp.defer_accept = secs_to_retrans(value)
    elif name == "SO_KEEPALIVE":
        b.call(tcp_set_keepalive)(b.net, cpu, i, int(bool(value)))
    elif name in NUMBERS:
        field, unit, _, least, most = NUMBERS[name]
        if not least <= value <= most:
            raise error(errno.EINVAL, name)
        setattr(tp, field, value * unit)
    elif name == "TCP_LINGER2":
        tp.linger2 = -1 if value < 0 else min(value, TCP_FIN_TIMEOUT_MAX_S) * hz(b)
    else:
        raise error(errno.ENOPROTOOPT, name)


def getsockopt(b: Any, i: int, name: str) -> int:
    sk, tp = b.net.socks[i], b.net.tcp[i]
    if name == "SO_RCVLOWAT":
        return int(tp.rcvlowat)
    if name == "SO_OOBINLINE":
        return int(tp.urginline)
    if name == "TCP_QUICKACK":
        return int(tp.ack_pingpong < 1)
    if name == "TCP_WINDOW_CLAMP":
        return int(tp.window_clamp)
    if name == "TCP_MAXSEG":
        return int(tp.user_mss if tp.user_mss and sk.state in (TCP.CLOSE, TCP.LISTEN) else tp.mss_cache)
    if name == "TCP_DEFER_ACCEPT":
        return retrans_to_secs(int(tp.defer_accept))
    if name == "SO_KEEPALIVE":
        return int(tp.keepopen)
    if name in NUMBERS:
        field, unit, knob, _, _ = NUMBERS[name]
        return int(getattr(tp, field) or (b.net.sysctl[knob] if knob is not None else 0)) // unit
    if name == "TCP_LINGER2":
        if tp.linger2 < 0:
            return -1
        return int(tp.linger2) // hz(b) or int(b.net.sysctl[Sysctl.tcp_fin_timeout_ns]) // 1_000_000_000
    raise error(errno.ENOPROTOOPT, name)



def hz(b: Any) -> int:
    return 1_000_000_000 // int(b.net.sysctl[Sysctl.jiffy_ns])


def secs_to_retrans(seconds: int) -> int:
    """After how many SYN-ACKs, twice as far apart each time, so many seconds are over."""
    found, timeout, period = 0, TCP_TIMEOUT_INIT_S, TCP_TIMEOUT_INIT_S
    if seconds > 0:
        found = 1
        while seconds > period and found < 255:
            found += 1
            timeout = min(timeout << 1, TCP_RTO_MAX_S)
            period += timeout
    return found


def retrans_to_secs(retrans: int) -> int:
    period, timeout = 0, TCP_TIMEOUT_INIT_S
    for _ in range(retrans):
        period += timeout
        timeout = min(timeout << 1, TCP_RTO_MAX_S)
    return period


# ---------------------------------------------------------------- struct tcp_info
def tcp_get_info(b: Any, i: int, now: int) -> bytes:
    """struct tcp_info, 248 bytes (include/uapi/linux/tcp.h): zeros behind tcpi_rcv_wnd.  now: ns.  Of the sending side it says what is true
    of a connection that has sent nothing; rates are "no limit"."""
    net = b.net
    sk, tp, per_s = net.socks[i], net.tcp[i], hz(b)
    if sk.state == TCP.LISTEN:
        return pack(state=sk.state, unacked=tp.ack_backlog, sacked=tp.max_ack_backlog, reordering=REORDERING, snd_cwnd=TCP_INIT_CWND,
                    pacing_rate=NO_RATE, max_pacing_rate=NO_RATE)
    jiffy = now * per_s // 1_000_000_000

    def ms_since(then: int) -> int:
        return max(jiffy - then, 0) * 1000 // per_s

    return pack(
        state=sk.state, options=(1 if tp.tstamp_ok else 0) | (2 if tp.sack_ok else 0) | (4 if tp.wscale_ok else 0),
        wscales=(tp.snd_wscale | tp.rcv_wscale << 4) if tp.wscale_ok else 0, rto=tp.rto * 1_000_000 // per_s,
        ato=tp.ack_ato * 1_000_000 // per_s, snd_mss=tp.mss_cache, rcv_mss=tp.rcv_mss, unacked=tp.packets_out,
        last_data_recv=ms_since(tp.ack_lrcvtime), last_ack_recv=ms_since(tp.rcv_tstamp), last_data_sent=ms_since(0),
        pmtu=net.dev[tp.dev].mtu, rcv_ssthresh=tp.rcv_ssthresh, rtt=tp.srtt_us >> 3, rttvar=tp.mdev_us >> 2,
        snd_ssthresh=TCP_INFINITE_SSTHRESH, snd_cwnd=TCP_INIT_CWND, advmss=tp.advmss, reordering=REORDERING, rcv_rtt=tp.rcv_rtt_us >> 3,
        rcv_space=tp.rcvq_space, pacing_rate=NO_RATE, max_pacing_rate=NO_RATE, bytes_acked=tp.bytes_acked,
        bytes_received=tp.bytes_received, segs_out=tp.segs_out, segs_in=tp.segs_in, snd_wnd=tp.snd_wnd, rcv_wnd=tp.rcv_wnd)


FIELDS = ("state ca_state retransmits probes backoff options wscales flags rto ato snd_mss rcv_mss unacked sacked lost retrans fackets "
          "last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering "
          "rcv_rtt rcv_space total_retrans pacing_rate max_pacing_rate bytes_acked bytes_received segs_out segs_in notsent_bytes min_rtt "
          "data_segs_in data_segs_out delivery_rate busy_time rwnd_limited sndbuf_limited delivered delivered_ce bytes_sent bytes_retrans "
          "dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd").split()
LAYOUT = struct.Struct("=8B24I4Q6I4Q2I2Q5I")


def pack(**fields: Any) -> bytes:
    return LAYOUT.pack(*(int(fields.get(name, 0)) for name in FIELDS)) + bytes(12)
