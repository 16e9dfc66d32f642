"""Facts of a UDP socket: what it lost, how full it is, what its buffer's size says, and how its reader ran."""
from __future__ import annotations

from itertools import pairwise

from rxpath.workbench.doctor import sockets, tasks
from rxpath.workbench.doctor.evidence import BIN, BINS, Evidence, NotKnown
from rxpath.workbench.doctor.facts import RCVBUF, fact, summed

SAMPLES = 10                                                # fewer looks at a queue do not say that it never shrank
HERE = tasks.HERE


def _rb(e: Evidence, name: str) -> int:
    now = sockets.one(e, name).now
    if now.skmem is None:
        raise NotKnown("ss -uamn")
    return now.skmem.rb


@fact("socket", "datagrams", "its drops, where RcvbufErrors moved or is not known; filters and checksums count as drops of a socket, too")
def socket_lost(e: Evidence, name: str) -> float:
    drops = sockets.one(e, name).drops
    if not drops:
        return 0
    try:
        return min(drops, summed(e, *RCVBUF))
    except NotKnown:
        return drops


@fact("host", "datagrams", "RcvbufErrors that no socket of the readings accounts for", *RCVBUF)
def rcvbuf_elsewhere(e: Evidence, _: str) -> float:
    lost = summed(e, *RCVBUF)
    try:
        return max(lost - sum(s.drops for s in sockets.seen(e).values()), 0)
    except NotKnown:
        return lost


@fact("host", "0 or 1", "the readings have the list of UDP sockets, with their drops, twice")
def sockets_known(e: Evidence, _: str) -> float:
    return len(sockets.seen(e)) >= 0


@fact("socket", "bytes", "its receive buffer (rb: what SO_RCVBUF asked for, doubled)")
def socket_rb(e: Evidence, name: str) -> float:
    return _rb(e, name)


@fact("socket", "of 1", "of the looks at it that found its buffer more than half full")
def socket_full(e: Evidence, name: str) -> float:
    seen = [mem for _, mem, _ in sockets.history(e, name)]
    if not seen:
        raise NotKnown("ss -uamn")
    return sum(mem > _rb(e, name) / 2 for mem in seen) / len(seen)


@fact("socket", "0 or 1", "its buffer is rmem_default")
def rb_is_default(e: Evidence, name: str) -> float:
    return _rb(e, name) == e.number("net.core.rmem_default")


@fact("socket", "0 or 1", "its buffer is twice rmem_max")
def rb_is_capped(e: Evidence, name: str) -> float:
    return _rb(e, name) == 2 * e.number("net.core.rmem_max")


@fact("host", "bytes", "net.core.rmem_max")
def rmem_max(e: Evidence, _: str) -> float:
    return e.number("net.core.rmem_max")


@fact("host", "0 or 1", "rmem_max is larger than rmem_default")
def rmem_max_raised(e: Evidence, _: str) -> float:
    return e.number("net.core.rmem_max") > e.number("net.core.rmem_default")


@fact("socket", "looks", "how often its queue was looked at")
def samples(e: Evidence, name: str) -> float:
    return len(sockets.history(e, name))


@fact("socket", "0 or 1", "its queue was nearly full at every look and never shrank")
def never_read(e: Evidence, name: str) -> float:
    seen = sockets.history(e, name)
    if len(seen) < SAMPLES:
        raise NotKnown(f"samples of its queue: {HERE}")
    mem = [m for _, m, _ in seen]
    full = min(mem) > 0 and all(b >= a for a, b in pairwise(mem))
    try:
        return full and min(mem) > _rb(e, name) / 2
    except NotKnown:
        return full


@fact("socket", "of 1", "of the stretches of a tenth of a second in which it lost datagrams")
def socket_spread(e: Evidence, name: str) -> float:
    bins, start = [], None
    for when, _, drops in sockets.history(e, name):
        if start is None:
            start = (when, drops)
        elif when - start[0] >= BIN * 0.9:
            bins.append(drops > start[1])
            start = (when, drops)
    if len(bins) < BINS:
        raise NotKnown(f"samples a tenth of a second apart: {HERE}")
    return sum(bins) / len(bins)


# ---------------------------------------------------------------- its reader
def reader(e: Evidence, name: str) -> tasks.Ran:
    """The busiest thread of the programs that hold it."""
    pids = [p.pid for p in sockets.programs(e, sockets.one(e, name).now) if p.pid is not None]
    if not pids:
        raise NotKnown(f"{HERE}, as root: whose socket it is")
    return tasks.busiest(e, pids)


@fact("socket", "of 1", "of a CPU that the busiest thread of its program used")
def reader_cpu(e: Evidence, name: str) -> float:
    return reader(e, name).run


@fact("socket", "of 1", "of the time that this thread was ready and waited for a CPU")
def reader_wait(e: Evidence, name: str) -> float:
    wait = reader(e, name).wait
    if wait is None:
        raise NotKnown("/proc/PID/task/TID/schedstat, which this kernel does not have")
    return wait


@fact("socket", "CPU", "where this thread ran last")
def reader_on(e: Evidence, name: str) -> float:
    return reader(e, name).task.cpu


@fact("socket", "of 1", "of that CPU's time in softirqs")
def reader_soft(e: Evidence, name: str) -> float:
    return e.share(reader(e, name).task.cpu, "soft")
