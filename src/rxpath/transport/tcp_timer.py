"""Timers of a connection: net/ipv4/tcp_timer.c, and tcp_compressed_ack_kick() of tcp_input.c.

They go off in clock order, in TIMER_SOFTIRQ or from an hrtimer (irq/timer.py).  A socket that its program owns is left to
release_sock()."""
from .._compile import path_function
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import HRTIMER_NORESTART, IPPROTO, TCP
from ..abi.sock import sock
from ..abi.tcp import ICSK_ACK_TIMER
from ..abi.timer import TCP_DELACK_TIMER, TCP_KEEPALIVE_TIMER
from ..path import Hrtimer, Stage, Timer, hrtimer_function, proto_release_cb, timer_function
from ..timer import jiffies, mod_timer
from ..turn import charge, spin_lock, spin_unlock
from .inet_connection_sock import (
    TCP_DELACK_MIN_MS,
    inet_csk_ack_scheduled,
    inet_csk_in_pingpong_mode,
    msecs_to_jiffies,
)
from .tcp_ofo import tcp_sack_compress_send_ack
from .tcp_output import tcp_send_ack
from .tcp_retransmit import tcp_keepalive_handler, tcp_write_timer_handler


# ---------------------------------------------------------------- delayed ACK
@timer_function(Timer.tcp_delack_timer)
@path_function
def tcp_delack_timer(net: Net, cpu: int, i: int) -> int:
    sk = net.socks[i]
    tp = net.tcp[i]
    spin_lock(net, cpu, sk.lock)
    if sk.owned >= 0:
        net.snmp[cpu][Mib.TcpExt_DelayedACKLocked] += 1
        tp.delack_deferred = 1
    else:
        tcp_delack_timer_handler(net, cpu, sk)
    spin_unlock(net, sk.lock)
    return 0


@path_function
def tcp_delack_timer_handler(net: Net, cpu: int, sk: sock) -> None:
    charge(net, cpu, Stage.tcp_delack_timer_handler)
    tp = net.tcp[sk.idx]
    if sk.state == TCP.CLOSE or sk.state == TCP.LISTEN:
        return
    if tp.compressed_ack:
        tcp_sack_compress_send_ack(net, cpu, sk, tp)
        return
    if tp.ack_pending & ICSK_ACK_TIMER == 0:
        return
    if tp.ack_timeout > jiffies(net, cpu):
        mod_timer(net, cpu, TCP_DELACK_TIMER + sk.idx, tp.ack_timeout)
        return
    tp.ack_pending &= ~ICSK_ACK_TIMER
    if inet_csk_ack_scheduled(tp):
        if not inet_csk_in_pingpong_mode(tp):        # missed: the estimate was too short
            tp.ack_ato = min(tp.ack_ato << 1, tp.rto)
        else:
            tp.ack_pingpong = 0
            tp.ack_ato = msecs_to_jiffies(net, TCP_DELACK_MIN_MS)
        tcp_send_ack(net, cpu, sk)
        net.snmp[cpu][Mib.TcpExt_DelayedACKs] += 1


@hrtimer_function(Hrtimer.tcp_compressed_ack_kick)
@path_function
def tcp_compressed_ack_kick(net: Net, cpu: int, i: int) -> int:
    """SACKs that were held back are told with one."""
    sk = net.socks[i]
    tp = net.tcp[i]
    spin_lock(net, cpu, sk.lock)
    if sk.owned >= 0:
        tp.delack_deferred = 1
    elif tp.compressed_ack:
        tp.compressed_ack -= 1                       # this one goes out
        tcp_send_ack(net, cpu, sk)
    spin_unlock(net, sk.lock)
    return HRTIMER_NORESTART


@proto_release_cb(IPPROTO.TCP)
@path_function
def tcp_release_cb(net: Net, cpu: int, sk: sock) -> int:
    """The owner lets the socket go: timers that found it owned, one ACK for the whole backlog."""
    tp = net.tcp[sk.idx]
    if tp.write_deferred:
        tp.write_deferred = 0
        tcp_write_timer_handler(net, cpu, sk)
    if tp.delack_deferred:
        tp.delack_deferred = 0
        tcp_delack_timer_handler(net, cpu, sk)
    if tp.ack_deferred:
        tp.ack_deferred = 0
        if inet_csk_ack_scheduled(tp):
            tcp_send_ack(net, cpu, sk)
    return 0


# ---------------------------------------------------------------- what we sent
@timer_function(Timer.tcp_write_timer)
@path_function
def tcp_write_timer(net: Net, cpu: int, i: int) -> int:
    sk = net.socks[i]
    tp = net.tcp[i]
    spin_lock(net, cpu, sk.lock)
    if sk.owned >= 0:
        tp.write_deferred = 1
    else:
        tcp_write_timer_handler(net, cpu, sk)
    spin_unlock(net, sk.lock)
    return 0


@timer_function(Timer.tcp_keepalive_timer)
@path_function
def tcp_keepalive_timer(net: Net, cpu: int, i: int) -> int:
    sk = net.socks[i]
    spin_lock(net, cpu, sk.lock)
    if sk.owned >= 0:                                # again soon
        mod_timer(net, cpu, TCP_KEEPALIVE_TIMER + i, jiffies(net, cpu) + msecs_to_jiffies(net, 50))
    else:
        tcp_keepalive_handler(net, cpu, sk)
    spin_unlock(net, sk.lock)
    return 0
