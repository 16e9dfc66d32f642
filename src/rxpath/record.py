"""Recordings: rings, backlogs, receive queues, fragment memory and latency over time, in tables of fixed size.

A station that changes something which is recorded asks net.record and hands the new value on.  A sample goes into its series' bucket of
that time, which keeps number, minimum, maximum, sum and moment: nothing that depends on the order of samples, so that running ahead
changes no byte.  A sample behind the last bucket doubles the width: neighbours become one, which is a function of what they hold, so
that it does not matter when it happens.  However long the run, at least half of NBUCKET are in use.

Of a level only the changes are summed, each also times the moment at which it came: from these the level at each bucket's beginning and
its mean over time follow exactly, also where nothing was sampled for long.

What only counts up (how frames ended, CPU time) needs no samples: the driver of time writes it down at cuts of the run (vtime/cuts.py)."""
from ._compile import cold, entry, path_function
from .abi.limits import NBUCKET, NQ, NSERIES
from .abi.net import Net
from .abi.reasons import Drop
from .abi.record import Recorded
from .abi.sock import sock

FIRST_SHIFT = 10                # buckets begin 1024 ns wide


@cold
@path_function
def record_widen(net: Net, s: int, t: int) -> None:
    """The buckets of a series become so wide that t has one."""
    series = net.record_series[s]
    old = series.shift
    while t >> series.shift >= NBUCKET:
        series.shift += 1
    if series.used == 0:
        return
    by = series.shift - old
    for i in range(1, NBUCKET):
        b = net.record_bucket[s][i]
        if b.n:
            to = net.record_bucket[s][i >> by]
            if to.n == 0:
                to.min, to.max = b.min, b.max
            to.min = min(to.min, b.min)
            to.max = max(to.max, b.max)
            to.n += b.n
            to.sum += b.sum
            to.moment += b.moment + b.sum * ((i & (1 << by) - 1) << old)
            b.n, b.min, b.max, b.sum, b.moment = 0, 0, 0, 0, 0


@path_function
def record_sample(net: Net, s: int, t: int, value: int, amount: int) -> None:
    """A sample of series s at t."""
    series = net.record_series[s]
    i = t >> series.shift
    if i >= NBUCKET:
        record_widen(net, s, t)
        i = t >> series.shift
    b = net.record_bucket[s][i]
    if b.n == 0:
        series.used = 1
        b.min, b.max = value, value
    b.min = min(b.min, value)
    b.max = max(b.max, value)
    b.n += 1
    b.sum += amount
    b.moment += amount * (t & (1 << series.shift) - 1)


@cold
@path_function
def record_level(net: Net, s: int, t: int, value: int) -> None:
    """A level has changed, or may have."""
    series = net.record_series[s]
    change = value - series.level
    series.level = value
    record_sample(net, s, t, value, change)


@cold
@path_function
def record_count(net: Net, s: int, t: int, n: int) -> None:
    record_sample(net, s, t, n, n)


@cold
@path_function
def record_latency_of(net: Net, n: int, t: int, ns: int) -> None:
    """Thread n has got a datagram."""
    s = net.thread[n].series - 1
    if s < 0:
        s = net.recording.rest_latency
    record_sample(net, s, t, ns, ns)


@cold
@path_function
def record_sock(net: Net, cpu: int, sk: sock) -> None:
    """A socket's queue or its memory has changed.  Sockets are entered in the order of the clocks, so that each finds its series in the
    order in which their first datagrams came."""
    c = net.cpu[cpu]
    record_sock_at(net, sk, c.now)


@path_function
def record_sock_at(net: Net, sk: sock, t: int) -> None:
    if sk.series == 0:
        record_sock_series(net, sk)
    s = sk.series - 1
    record_share(net, s, t, sk.rmem_alloc - sk.recorded_mem)
    record_share(net, s + 1, t, sk.qlen - sk.recorded_len)
    sk.recorded_mem, sk.recorded_len = sk.rmem_alloc, sk.qlen


@path_function
def record_share(net: Net, s: int, t: int, change: int) -> None:
    """One of those who share a level has changed."""
    if change:
        series = net.record_series[s]
        series.level += change
        record_sample(net, s, t, series.level, change)


@path_function
def record_sock_series(net: Net, sk: sock) -> None:
    """Two new series; when there are no more, those that all further sockets share."""
    rec = net.recording
    if rec.nseries + 2 > NSERIES:
        rec.rest += 1
        sk.series = rec.rest_mem + 1
        return
    sk.series = record_series_for(net, Recorded.SOCK_MEM, sk.idx) + 1
    record_series_for(net, Recorded.SOCK_LEN, sk.idx)
    for k in range(2):
        series = net.record_series[sk.series - 1 + k]
        series.protocol, series.addr, series.port = sk.protocol, sk.rcv_saddr_lo, sk.port


# ---------------------------------------------------------------- set-up
@path_function
def record_series_for(net: Net, kind: int, owner: int) -> int:
    """The next series is that one's."""
    rec = net.recording
    series = net.record_series[rec.nseries]
    series.kind, series.owner, series.shift = kind, owner, rec.cut_shift
    rec.nseries += 1
    return rec.nseries - 1


@path_function
def record_series_each(net: Net, kind: int, n: int) -> int:
    """One for each of n owners; the first."""
    for i in range(n):
        record_series_for(net, kind, i)
    return net.recording.nseries - n


@entry
def record_start(net: Net, ncpu: int, shift: int) -> None:
    """Before a run: from now on it is recorded, in buckets that begin 1 << shift ns wide.  Threads get theirs by record_thread()."""
    rec = net.recording
    rec.cut_shift, rec.ncut = shift, 1
    rec.ring_fill = record_series_each(net, Recorded.RING_FILL, NQ)
    rec.ring_missed = record_series_each(net, Recorded.RING_MISSED, NQ)
    rec.backlog = record_series_each(net, Recorded.BACKLOG, ncpu)
    rec.process_queue = record_series_each(net, Recorded.PROCESS_QUEUE, ncpu)
    rec.nic_filter = record_series_for(net, Recorded.NIC_LOST, Drop.NIC_FILTER)
    rec.rx_length = record_series_for(net, Recorded.NIC_LOST, Drop.RX_LENGTH)
    rec.link_down = record_series_for(net, Recorded.NIC_LOST, Drop.LINK_DOWN)
    rec.tx_pause = record_series_for(net, Recorded.NIC_LOST, Drop.TX_PAUSE)
    rec.frag_mem = record_series_for(net, Recorded.FRAG_MEM, 0)
    rec.rest_mem = record_series_for(net, Recorded.SOCK_MEM, -1)
    record_series_for(net, Recorded.SOCK_LEN, -1)    # rest_mem + 1
    rec.rest_latency = record_series_for(net, Recorded.LATENCY, -1)
    net.record = 1
    net.sim.cut = 1 << shift


@entry
def record_thread(net: Net, n: int) -> None:
    """That thread's latency is a series of its own."""
    net.thread[n].series = record_series_for(net, Recorded.LATENCY, n) + 1


@entry
def record_pauses(net: Net, n: int) -> None:
    """That thread's pauses are a series."""
    net.thread[n].pause_series = record_series_for(net, Recorded.PAUSED, n) + 1
