"""What is known of a peer by the connections that it has ended in order: net/ipv4/tcp_metrics.c.

Of the values only the round trip counts here: a peer with one is proven, and the first time-out of its next connection begins by it."""
from .._compile import path_function
from ..abi.kernels import Sysctl
from ..abi.limits import NMETRICS
from ..abi.net import Net
from ..abi.numbers import NO_METRICS
from ..abi.sock import sock
from ..abi.tcp import tcp_sock
from ..timer import jiffies
from .inet_connection_sock import TCP_RTO_MIN_MS, TCP_TIMEOUT_FALLBACK_MS, msecs_to_jiffies, usecs_to_jiffies

TCP_METRICS_RECLAIM_DEPTH = 5
WAYS = TCP_METRICS_RECLAIM_DEPTH + 1                 # peers of one bucket; a further one takes the place of the oldest
TCP_METRICS_TIMEOUT_MS = 3_600_000
GOLDEN_RATIO_32 = 0x61C88647


@path_function
def tcp_get_metrics(net: Net, cpu: int, saddr: int, daddr: int, create: bool) -> int:
    """Its row; NO_METRICS: nothing is known of it.  What is older than an hour is forgotten."""
    first = ((daddr * GOLDEN_RATIO_32 & 0xFFFFFFFF) * (NMETRICS // WAYS) >> 32) * WAYS          # hash_32()
    place, now = first, jiffies(net, cpu)
    for i in range(first, first + WAYS):
        tm = net.tcp_metrics[i]
        if tm.in_use == 0:
            place = i
            break
        if tm.daddr == daddr and tm.saddr == saddr:
            if now > tm.stamp + msecs_to_jiffies(net, TCP_METRICS_TIMEOUT_MS):
                tm.stamp, tm.rtt_us = now, 0
            return i
        if tm.stamp < net.tcp_metrics[place].stamp:
            place = i
    if not create:
        return NO_METRICS
    tm = net.tcp_metrics[place]
    tm.in_use, tm.saddr, tm.daddr, tm.stamp, tm.rtt_us = 1, saddr, daddr, now, 0
    return place


@path_function
def tcp_update_metrics(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """At the end of a connection: the longer round trip at once, a shorter one by an eighth of what it is less."""
    if net.sysctl[Sysctl.tcp_no_metrics_save]:
        return
    measured = tp.backoff == 0 and tp.srtt_us != 0
    i = tcp_get_metrics(net, cpu, sk.rcv_saddr_lo, sk.daddr_lo, measured)
    if i < 0:
        return
    tm = net.tcp_metrics[i]
    if not measured:
        tm.rtt_us = 0
        return
    less = tm.rtt_us - tp.srtt_us
    if less <= 0:
        tm.rtt_us = tp.srtt_us
    else:
        tm.rtt_us -= less >> 3


@path_function
def tcp_init_metrics(net: Net, cpu: int, sk: sock, tp: tcp_sock) -> None:
    """The connection stands.  Without a round trip from the handshake or from before (RFC 6298 5.7) time-outs begin at three seconds."""
    crtt = 0
    i = tcp_get_metrics(net, cpu, sk.rcv_saddr_lo, sk.daddr_lo, False)
    if i >= 0:
        tm = net.tcp_metrics[i]
        crtt = tm.rtt_us
    if crtt > tp.srtt_us:
        known = usecs_to_jiffies(net, crtt >> 3)
        tp.rto = known + max(2 * known, msecs_to_jiffies(net, TCP_RTO_MIN_MS))
    elif tp.srtt_us == 0:
        tp.rttvar_us = tp.mdev_us = tp.mdev_max_us = TCP_TIMEOUT_FALLBACK_MS * 1000
        tp.rto = msecs_to_jiffies(net, TCP_TIMEOUT_FALLBACK_MS)


@path_function
def tcp_peer_is_proven(net: Net, cpu: int, saddr: int, daddr: int) -> bool:
    i = tcp_get_metrics(net, cpu, saddr, daddr, False)
    if i < 0:
        return False
    tm = net.tcp_metrics[i]
    return tm.rtt_us != 0
