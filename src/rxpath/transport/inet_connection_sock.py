"""What every connection-oriented protocol has: net/ipv4/inet_connection_sock.c and its header.  Ports by bind(), the timers of a
connection, when an ACK is owed."""
from .._compile import path_function
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import EADDRINUSE, EAGAIN, EINVAL, IPPROTO, NO_SOCK, TCP
from ..abi.sock import sock
from ..abi.tcp import ICSK_ACK_SCHED, ICSK_ACK_TIMER, tcp_sock
from ..abi.timer import TCP_COMP_HRTIMER, TCP_DELACK_TIMER, TCP_KEEPALIVE_TIMER, TCP_WRITE_TIMER
from ..path import Hrtimer, Stage, Timer, proto_accept, proto_get_port
from ..timer import hrtimer_cancel, hrtimer_setup, jiffies, mod_timer, timer_delete, timer_setup
from ..turn import charge
from .inet_hashtables import LOCAL_PORTS, inet_bind_hash, inet_lhashfn, inet_local_port

TCP_DELACK_MIN_MS, TCP_RTO_MIN_MS, TCP_TIMEOUT_INIT_MS, TCP_TIMEOUT_FALLBACK_MS = 40, 200, 1000, 3000


# ---------------------------------------------------------------- ports
@path_function
def inet_csk_bind_conflict(net: Net, sk: sock, port: int) -> bool:
    """Two sockets may share a port when their devices or addresses differ, when both say SO_REUSEPORT, or both SO_REUSEADDR and the other
    one does not listen."""
    i = net.tcp_bhash[inet_lhashfn(port)]
    while i >= 0:
        other = net.socks[i]
        i = other.hnext2
        if other.port != port or other.idx == sk.idx:
            continue
        if other.bound_dev and sk.bound_dev and other.bound_dev != sk.bound_dev:
            continue
        if sk.rcv_saddr_lo and other.rcv_saddr_lo and sk.rcv_saddr_lo != other.rcv_saddr_lo:
            continue
        if sk.reuse and other.reuse and other.state != TCP.LISTEN:
            continue
        if sk.reuseport and other.reuseport:
            continue
        return True
    return False


@proto_get_port(IPPROTO.TCP)
@path_function
def inet_csk_get_port(net: Net, sk: sock, port: int) -> int:
    """bind(); and listen(), which asks again for the port that the socket has.  Port 0: the first free one."""
    chosen = port
    if port == 0:
        for k in range(LOCAL_PORTS):
            chosen = inet_local_port(net, k)
            if not inet_csk_bind_conflict(net, sk, chosen):
                break
    if inet_csk_bind_conflict(net, sk, chosen):
        return EADDRINUSE
    if sk.port == 0:
        inet_bind_hash(net, sk, chosen)
    return 0


# ---------------------------------------------------------------- time
@path_function
def msecs_to_jiffies(net: Net, ms: int) -> int:
    """Rounded up.  Of a constant, a constant, if HZ is 250 or 1000: see jiffies()."""
    jiffy_ns = net.sysctl[Sysctl.jiffy_ns]
    if jiffy_ns == 4_000_000:
        return (ms + 3) // 4
    if jiffy_ns == 1_000_000:
        return ms
    return (ms * 1_000_000 + jiffy_ns - 1) // jiffy_ns


@path_function
def usecs_to_jiffies(net: Net, us: int) -> int:
    return (us * 1000 + net.sysctl[Sysctl.jiffy_ns] - 1) // net.sysctl[Sysctl.jiffy_ns]


# ---------------------------------------------------------------- ACKs: is one owed?
@path_function
def inet_csk_schedule_ack(tp: tcp_sock) -> None:
    tp.ack_pending |= ICSK_ACK_SCHED


@path_function
def inet_csk_ack_scheduled(tp: tcp_sock) -> bool:
    return tp.ack_pending & ICSK_ACK_SCHED != 0


@path_function
def inet_csk_in_pingpong_mode(tp: tcp_sock) -> bool:
    """Interactive: we have answered with data (net.ipv4.tcp_pingpong_thresh, 1)."""
    return tp.ack_pingpong >= 1


@path_function
def inet_csk_reset_delack_timer(net: Net, cpu: int, sk: sock, tp: tcp_sock, timeout: int) -> None:
    """The delayed ACK is due at that jiffy."""
    tp.ack_pending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER
    tp.ack_timeout = timeout
    mod_timer(net, cpu, TCP_DELACK_TIMER + sk.idx, timeout)


@path_function
def inet_csk_reset_write_timer(net: Net, cpu: int, sk: sock, tp: tcp_sock, event: int, after: int) -> None:
    """What we have sent is sent again after so many jiffies."""
    tp.write_timeout = jiffies(net, cpu) + after
    tp.write_pending = event
    mod_timer(net, cpu, TCP_WRITE_TIMER + sk.idx, tp.write_timeout)


@path_function
def inet_csk_clear_write_timer(tp: tcp_sock) -> None:
    """The timer may go off all the same, and finds nothing to do."""
    tp.write_pending = 0


@path_function
def inet_csk_init_xmit_timers(net: Net, sk: sock) -> None:
    timer_setup(net, TCP_WRITE_TIMER + sk.idx, Timer.tcp_write_timer, sk.idx)
    timer_setup(net, TCP_DELACK_TIMER + sk.idx, Timer.tcp_delack_timer, sk.idx)
    timer_setup(net, TCP_KEEPALIVE_TIMER + sk.idx, Timer.tcp_keepalive_timer, sk.idx)
    hrtimer_setup(net, TCP_COMP_HRTIMER + sk.idx, Hrtimer.tcp_compressed_ack_kick, sk.idx)


@path_function
def inet_csk_clear_xmit_timers(net: Net, sk: sock) -> None:
    """None of them goes off any more."""
    timer_delete(net, TCP_WRITE_TIMER + sk.idx)
    timer_delete(net, TCP_DELACK_TIMER + sk.idx)
    timer_delete(net, TCP_KEEPALIVE_TIMER + sk.idx)
    hrtimer_cancel(net, TCP_COMP_HRTIMER + sk.idx)


@path_function
def keepalive_time_when(net: Net, tp: tcp_sock) -> int:
    """Jiffies without a segment until the first probe."""
    ns = tp.keepalive_time_ns if tp.keepalive_time_ns else net.sysctl[Sysctl.tcp_keepalive_time_ns]
    return ns // net.sysctl[Sysctl.jiffy_ns]


# ---------------------------------------------------------------- the accept queue
@path_function
def sk_acceptq_is_full(tp: tcp_sock) -> bool:
    """One more than its backlog has room."""
    return tp.ack_backlog > tp.max_ack_backlog


@path_function
def inet_csk_reqsk_queue_add(net: Net, tp: tcp_sock, child: sock) -> None:
    """To the end of the listener's accept queue."""
    ctp = net.tcp[child.idx]
    ctp.accept_next = NO_SOCK
    if tp.accept_head < 0:
        tp.accept_head = child.idx
    else:
        last = net.tcp[tp.accept_tail]
        last.accept_next = child.idx
    tp.accept_tail = child.idx
    tp.ack_backlog += 1


@proto_accept(IPPROTO.TCP)
@path_function
def inet_csk_accept(net: Net, cpu: int, sk: sock) -> int:
    """The first of the accept queue: its index.  EAGAIN: there is none; EINVAL: it does not listen."""
    tp = net.tcp[sk.idx]
    if sk.state != TCP.LISTEN:
        return EINVAL
    if tp.accept_head < 0:
        return EAGAIN
    charge(net, cpu, Stage.inet_csk_accept)
    i = tp.accept_head
    child = net.tcp[i]
    tp.accept_head = child.accept_next
    child.accept_next, child.listener = NO_SOCK, NO_SOCK
    tp.ack_backlog -= 1
    return i
