"""A recording as data: what the path's tables say (record.py, vtime/cuts.py), one series for each quantity of each owner, all over the
same buckets.  Views draw from it; views/recording.py writes it to files."""
from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from rxpath.abi.limits import NBUCKET, NCUT, NREASON
from rxpath.abi.net import NCOLUMN
from rxpath.abi.numbers import IPPROTO
from rxpath.abi.reasons import DELIVERED, Drop
from rxpath.abi.record import Recorded
from rxpath.record import FIRST_SHIFT, record_pauses, record_start, record_thread
from rxpath.vtime.cuts import record_row
from rxpath.workbench.run.books import CONTEXTS
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.words.units import ipv4_text

Kind = Literal["level", "total", "sample"]
# name and unit of what is recorded; NIC_LOST is told as what was lost
NAMES = {
    Recorded.RING_FILL: ("ring_fill", "descriptors"),
    Recorded.RING_MISSED: ("ring_missed", "frames"),
    Recorded.BACKLOG: ("backlog", "packets"),
    Recorded.PROCESS_QUEUE: ("process_queue", "packets"),
    Recorded.FRAG_MEM: ("fragment_memory", "bytes"),
    Recorded.SOCK_MEM: ("socket_memory", "bytes"),
    Recorded.SOCK_LEN: ("socket_queue", "datagrams"),
    Recorded.LATENCY: ("latency", "ns"),
    Recorded.PAUSED: ("paused", "threads"),
}


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity of one owner, a value for each bucket.

    level   what stands somewhere: min and max in the bucket, sum the value times the ns that it stood so; count: how often it changed
    total   what was counted in the bucket: sum
    sample  single values: count, sum, min and max; where count is 0 there were none, and min and max mean nothing"""
    name: str
    of: str
    unit: str
    kind: Kind
    count: array[int]
    min: array[int]
    max: array[int]
    sum: array[int]

    def mean(self, i: int, bucket_ns: int) -> float | None:
        """Of bucket i: over time, of the samples, or for a ns."""
        if self.kind == "sample":
            return self.sum[i] / self.count[i] if self.count[i] else None
        return self.sum[i] / bucket_ns

    def total(self) -> int:
        """Of all buckets: a total's end, the sum of all samples."""
        return sum(self.sum)


@dataclass(frozen=True, slots=True)
class Recording:
    """Bucket i of every series is the time from i * bucket_ns on; the run took elapsed_ns."""
    bucket_ns: int
    buckets: int
    elapsed_ns: int
    series: tuple[Series, ...]
    summed: int                                             # sockets that have no series of their own, in "other sockets"

    def of(self, name: str) -> list[Series]:
        """Every owner's series of that name."""
        return [s for s in self.series if s.name == name]

    def get(self, name: str, of: str) -> Series:
        """That owner's; KeyError if there is none."""
        for s in self.series:
            if s.name == name and s.of == of:
                return s
        raise KeyError(f"{name} of {of}: the recording has {', '.join(sorted({f'{s.name} of {s.of}' for s in self.series}))}")


def start(m: Machine) -> None:
    """Before the first frame.  Every application thread that there is gets a series for its latency."""
    m.call(record_start)(m.net, m.host.cpus, FIRST_SHIFT)
    for thread in m.threads:
        m.call(record_thread)(m.net, thread.index)
        if m.net.thread[thread.index].pause_from:
            m.call(record_pauses)(m.net, thread.index)


# ---------------------------------------------------------------- reading
@dataclass(slots=True)
class _Buckets:
    """Those of one series that hold samples."""
    kind: Recorded
    owner: int
    label: str
    shift: int
    held: dict[int, tuple[int, int, int, int, int]]         # n, min, max, sum, moment

    def widen(self, shift: int) -> None:
        """As record_widen() does it."""
        by = shift - self.shift
        wide: dict[int, tuple[int, int, int, int, int]] = {}
        for i, (n, low, high, total, moment) in self.held.items():
            moment += total * ((i & (1 << by) - 1) << self.shift)
            if (into := wide.get(i >> by)) is not None:
                n, low, high, total, moment = (n + into[0], min(low, into[1]), max(high, into[2]), total + into[3], moment + into[4])
            wide[i >> by] = (n, low, high, total, moment)
        self.shift, self.held = shift, wide


def read(m: Machine) -> Recording:
    """What has been recorded so far."""
    net, rec, now = m.net, m.net.recording, m.net.sim.now
    found = [_buckets(m, s) for s in range(rec.nseries) if net.record_series[s].used]
    shift = max([rec.cut_shift, *(b.shift for b in found)])
    for b in found:
        b.widen(shift)
    n = max([(now - 1 >> shift) + 1, *(max(b.held) + 1 for b in found)])
    series = [_filled(b, n) for b in found if b.kind != Recorded.NIC_LOST]
    return Recording(1 << shift, n, now, (*series, *_ends(m, found, shift, n), *_cpus(m, shift, n)), rec.rest)


def _words(rows: Iterable[Any]) -> array[int]:
    """The numbers of some tables of the path, one after the other."""
    words: array[int] = array("q")
    for row in rows:
        words.frombytes(bytes(row))
    return words


def _buckets(m: Machine, s: int) -> _Buckets:
    series = m.net.record_series[s]
    words = _words([m.net.record_bucket[s]])
    held = {i: tuple(words[5 * i:5 * i + 5]) for i in range(NBUCKET) if words[5 * i]}
    kind = Recorded(series.kind)
    return _Buckets(kind, series.owner, _label(m, kind, series), series.shift, held)     # type: ignore[arg-type]


def _label(m: Machine, kind: Recorded, series: Any) -> str:
    """Whose it is: queue 0 (with several cards: eth1 queue 0), cpu 1, the name of a socket or of a thread."""
    owner = series.owner
    if kind in (Recorded.RING_FILL, Recorded.RING_MISSED):
        card = m.boot.netdevs[m.net.ring[owner].nic]
        return f"{card.name} queue {owner - card.nic.first}" if m.host.cards else f"queue {owner}"
    if kind in (Recorded.BACKLOG, Recorded.PROCESS_QUEUE):
        return f"cpu {owner}"
    if kind in (Recorded.SOCK_MEM, Recorded.SOCK_LEN):
        if owner < 0:
            return "other sockets"
        named = [s.name for s in m.sockets if s.index == owner and s.port == series.port]
        return named[0] if named else f"{IPPROTO(series.protocol).name.lower()} {ipv4_text(series.addr)}:{series.port}"
    if kind in (Recorded.LATENCY, Recorded.PAUSED):
        named = [f"{t.name}/{t.number}" for t in m.threads if t.index == owner]
        return named[0] if named else "other threads"
    return "host"


def _filled(b: _Buckets, n: int) -> Series:
    """A value for every bucket."""
    kind: Kind = "total" if b.kind == Recorded.RING_MISSED else "sample" if b.kind == Recorded.LATENCY else "level"
    name, unit = NAMES[b.kind]
    count, low, high, total = (array("q", bytes(8 * n)) for _ in range(4))
    for i, held in b.held.items():
        count[i], low[i], high[i], total[i] = held[:4]
    if kind == "level":
        _level(b, n, low, high, total)
    return Series(name, b.label, unit, kind, count, low, high, total)


def _level(b: _Buckets, n: int, low: array[int], high: array[int], total: array[int]) -> None:
    """A level goes on where nothing was sampled: it follows from the changes before."""
    level, done, width = 0, 0, 1 << b.shift
    for i in [*sorted(b.held), n]:
        stands = max(level, 0)                              # a reader's clock may be a moment before that of who queued the datagram
        same = array("q", [stands])
        low[done:i] = high[done:i] = same * (i - done)
        total[done:i] = array("q", [level * width]) * (i - done)
        if i < n:
            _, least, most, change, moment = b.held[i]
            low[i], high[i], total[i] = min(stands, least), max(stands, most), (level + change) * width - moment
            level += change
        done = i + 1


def _total(name: str, of: str, unit: str, values: array[int]) -> Series:
    none = array("q", bytes(8 * len(values)))
    return Series(name, of, unit, "total", none, none, none, values)


def _columns(m: Machine, columns: list[int], shift: int, n: int) -> list[array[int]]:
    """What was counted in each bucket, for each of these columns of the cuts."""
    net, rec = m.net, m.net.recording
    m.call(record_row)(net, NCUT, net.sim.now)
    every = 1 << shift - rec.cut_shift
    cuts = _words(net.record_cut[k] for k in range(0, rec.ncut, every))
    last = _words([net.record_cut[NCUT]])
    found = []
    for column in columns:
        if not last[column]:                                # a count that never moved, as most reasons': it only grows
            found.append(array("q", bytes(8 * n)))
            continue
        totals = [*cuts[column::NCOLUMN], last[column]]
        values = array("q", (after - before for before, after in pairwise(totals)))
        values.extend([0] * (n - len(values)))
        found.append(values)
    return found


def _ends(m: Machine, found: list[_Buckets], shift: int, n: int) -> list[Series]:
    """How frames ended: of "delivered" and "dropped", by reason.  What the NIC lost is told at each frame's own time."""
    ends = dict(zip(Drop, _columns(m, [int(r) for r in Drop], shift, n), strict=True))
    for b in found:
        if b.kind in (Recorded.NIC_LOST, Recorded.RING_MISSED):
            values = ends[Drop(b.owner) if b.kind == Recorded.NIC_LOST else Drop.RX_MISSED]
            for i, held in b.held.items():
                values[i] += held[3]
    return [_total("delivered" if r in DELIVERED else "dropped", r.name, "frames", values) for r, values in ends.items() if any(values)]


def _cpus(m: Machine, shift: int, n: int) -> list[Series]:
    places = [(c, k) for c in range(m.host.cpus) for k in range(len(CONTEXTS))]
    columns = _columns(m, [NREASON + len(CONTEXTS) * c + k for c, k in places], shift, n)
    return [_total(f"cpu_{CONTEXTS[k]}", f"cpu {c}", "ns", values) for (c, k), values in zip(places, columns, strict=True)]
