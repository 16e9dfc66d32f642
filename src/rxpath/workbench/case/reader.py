"""How quick the programs of a case were, and when they stood still: from the samples of its counters, of its sockets' queues and of its
threads' time.  What is measured here is no fit: nothing that was lost goes into it, but where it says so."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rxpath.workbench.case.truth import Truth, counter, udp_socket
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import App, endpoint
from rxpath.workbench.readings.case import Recorded, Sample
from rxpath.workbench.readings.records import UdpSockets
from rxpath.workbench.readings.settings import Process, Processes
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.words import units

SCHEDSTAT = re.compile(r"/proc/(\d{1,9})/task/(\d{1,9})/schedstat")
SLACK_NS = 50_000                                           # of nanosleep(): timer_slack_ns
ELSEWHERE = 0.7                                             # it ran or wanted to for less of the time in which something was queued


@dataclass(frozen=True, slots=True)
class Reader:
    """A program of the host file as the case saw it.  app: its place in the host file.  inodes: its sockets that are in the samples.
    reads: datagrams that it read; run_ns, wait_ns: what its threads ran, and waited for a CPU, None where that is not known.  queued: in
    which share of the samples something was queued for it.  pauses: (begin, length) in s of the monotonic clock, in which it read nothing
    though there was something to read; never: it read nothing at all.  drops: what its sockets lost.  begin: the first sample's moment."""

    app: int
    name: str
    inodes: tuple[int, ...]
    reads: int
    run_ns: int | None
    wait_ns: int | None
    queued: float
    pauses: tuple[tuple[float, float], ...]
    never: bool
    drops: int
    seconds: float
    begin: float
    queued_first: int                                       # bytes, at the first sample

    @property
    def cpu_ns(self) -> float | None:
        """Of CPU time for each datagram."""
        return self.run_ns / self.reads if self.run_ns is not None and self.reads else None

    @property
    def waited_ns(self) -> float:
        """Runnable, and not running, for each datagram."""
        return self.wait_ns / self.reads if self.wait_ns and self.reads else 0.0

    @property
    def elsewhere_ns(self) -> float:
        """Neither running nor wanting to, though something was queued, for each datagram; 0 where it ran most of that time."""
        if not self.reads or self.run_ns is None or self.pauses:
            return 0.0
        there = self.queued * self.seconds * 1e9
        busy = self.run_ns + (self.wait_ns or 0)
        return (there - busy) / self.reads if self.queued > 0.5 and busy < ELSEWHERE * there else 0.0


def arrivals(run: Outcome, found: Truth) -> dict[tuple[str, int], float]:
    """What came to each socket in the time of the samples, by a replay."""
    share = min(found.seconds * 1e9 / max(run.traffic.duration_ns, 1), 1.0)
    return {(s.address, s.port): (s.received + s.queued + s.drops) * share for s in run.books.sockets if s.proto == "udp"}


def readers(case: Recorded, found: Truth, host: Host, arrived: Mapping[tuple[str, int], float]) -> list[Reader]:
    """Of each program of the host that the case knows something about.  arrived: what came to each socket, (address, port)."""
    if len(case.samples) < 2:
        return []
    holders = [p for r in case.settings.of(Processes) for p in r.processes]
    made = []
    for i, app in enumerate(host.apps):
        places = _endpoints(app, host)
        inodes = _inodes(case.samples[-1], places)
        processes = [p for p in holders if any(inode in inodes for _, inode in p.sockets)]
        drops = sum(_drops(case.samples, inode) for inode in inodes)
        came = sum(n for place, n in arrived.items() if place in places)
        made.append((i, app, inodes, processes, drops, came))
    weights = [max(came - drops, 0.0) for *_, drops, came in made]
    whole = _step(case.samples, "InDatagrams")
    alone = sum(w > 0 or drops > 0 for w, (*_, drops, _) in zip(weights, made, strict=True)) == 1
    out = []
    for weight, (i, app, inodes, processes, drops, _) in zip(weights, made, strict=True):
        if not inodes:
            continue
        reads = round(whole * weight / sum(weights)) if sum(weights) else 0
        ran, waited = _times(case.samples, processes)
        pauses, never = _pauses(case.samples, inodes) if alone else ((), False)
        out.append(Reader(i, app.name, tuple(inodes), reads, ran, waited, _queued(case.samples, inodes), pauses, never, drops,
                          found.seconds, found.edges[0],
                          sum(s.recv_q for inode in inodes if (s := udp_socket(case.samples[0], inode)) is not None)))
    return out


def _endpoints(app: App, host: Host) -> set[tuple[str, int]]:
    """(address, port) of the sockets that it reads."""
    return {(units.ipv4_text(address), port) for s in host.sockets if s.proto == "udp" and ("*" in app.sockets or s.name in app.sockets)
            for item in s.bind for address, port in endpoint(item, ports=True)}


def _inodes(sample: Sample, places: set[tuple[str, int]]) -> list[int]:
    return [s.inode for r in sample.reading("/proc/net/udp", "/proc/net/udp6").of(UdpSockets) for s in r.sockets
            if s.inode and (s.address.replace("::", "0.0.0.0") if s.address == "::" else s.address, s.port) in places]


def _drops(samples: Sequence[Sample], inode: int) -> int:
    a, b = udp_socket(samples[0], inode), udp_socket(samples[-1], inode)
    before = a.drops if a is not None and a.drops is not None else 0
    return max((b.drops or 0) - before, 0) if b is not None else 0


def _step(samples: Sequence[Sample], name: str) -> int:
    a, b = counter(samples[0], "Udp", name), counter(samples[-1], "Udp", name)
    return max(b - a, 0) if a is not None and b is not None else 0


def _times(samples: Sequence[Sample], processes: Sequence[Process]) -> tuple[int | None, int | None]:
    """(ran, waited for a CPU) of all their threads, ns, as of the whole time: threads are read once a second."""
    pids = {str(p.pid) for p in processes}
    having = [s for s in (samples[0], samples[-1]) if any((m := SCHEDSTAT.fullmatch(path)) and m[1] in pids for path in s.files)]
    if len(having) < 2:
        return None, None
    ran = waited = 0
    for path, data in having[1].files.items():
        match = SCHEDSTAT.fullmatch(path)
        if match is None or match[1] not in pids:
            continue
        after, before = data.split(), having[0].files.get(path, b"0 0").split()
        if len(after) < 2 or len(before) < 2 or not all(w.isdigit() for w in (*after[:2], *before[:2])):
            return None, None
        ran, waited = ran + int(after[0]) - int(before[0]), waited + int(after[1]) - int(before[1])
    return max(ran, 0), max(waited, 0)


def _queued(samples: Sequence[Sample], inodes: Sequence[int]) -> float:
    return sum(any((s := udp_socket(sample, inode)) is not None and s.recv_q for inode in inodes) for sample in samples) / len(samples)


def _pauses(samples: Sequence[Sample], inodes: Sequence[int]) -> tuple[tuple[tuple[float, float], ...], bool]:
    """When nothing was read though something was queued, and whether that was always so.  The sample before a pause still saw reads, and
    the one behind it saw losses: how much of these two intervals belongs to it follows from their numbers and the mean rate of arrivals
    (here what was lost is used)."""
    reads = [counter(s, "Udp", "InDatagrams") or 0 for s in samples]
    lost = [counter(s, "Udp", "RcvbufErrors") or 0 for s in samples]
    queues = [sum(s.recv_q for inode in inodes if (s := udp_socket(sample, inode)) is not None) for sample in samples]
    still = [b == a and queues[i] > 0 and queues[i + 1] > 0 for i, (a, b) in enumerate(pairwise(reads))]
    if still and reads[-1] == reads[0] and any(still):
        return ((samples[0].monotonic - 1.0, samples[-1].monotonic - samples[0].monotonic + 2.0),), True
    whole = samples[-1].monotonic - samples[0].monotonic
    rate = (reads[-1] - reads[0] + lost[-1] - lost[0]) / whole if whole else 0.0
    found, i = [], 0
    while i < len(still):
        if not still[i]:
            i += 1
            continue
        first = i
        while i < len(still) and still[i]:
            i += 1
        begin, end = samples[first].monotonic, samples[i].monotonic
        if first > 0 and rate:
            step = begin - samples[first - 1].monotonic
            begin -= step - min((reads[first] - reads[first - 1]) / rate, step)
        if i < len(still) and rate:
            step = samples[i + 1].monotonic - end
            end += min((lost[i + 1] - lost[i]) / rate, step)
        found.append((begin, end - begin))
    return tuple(found), False
