"""A recording brought to so many columns, with the limits of what it recorded: what a picture of a run over time is drawn from."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rxpath.abi.reasons import Drop, Kind
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.recording import Recording, Series

BUSY = ("cpu_hardirq", "cpu_softirq", "cpu_syscall", "cpu_application")
WORDS = {"ring_fill": "ring", "backlog": "backlog", "fragment_memory": "fragments", "socket_memory": "socket"}


@dataclass(frozen=True, slots=True)
class Level:
    """What stands in a queue: its deepest moment in each column.  limit 0: it has none."""
    name: str
    unit: str
    limit: int
    deepest: list[int]

    @property
    def most(self) -> int:
        return max(self.deepest)

    @property
    def share(self) -> float:
        return self.most / self.limit if self.limit else 0.0


@dataclass(frozen=True, slots=True)
class Count:
    """Frames that ended in one way, in each column.  lost: of the class lost; read: a program got them."""
    name: str
    lost: bool
    read: bool
    each: list[int]
    all: int

    @property
    def most(self) -> int:
        return max(self.each)


@dataclass(frozen=True, slots=True)
class Busy:
    """ns that a CPU was not idle, in each column; all, most: as shares of the run, and of a column."""
    name: str
    each: list[int]
    contexts: dict[str, list[int]]                          # the same in each context
    all: float
    most: float


@dataclass(frozen=True, slots=True)
class OverTime:
    """levels: nearest to its limit first; counts, cpus, latency: the most first.  lost: frames of the class lost in each column."""
    elapsed_ns: int
    columns: int
    levels: list[Level]
    counts: list[Count]
    cpus: list[Busy]
    latency: list[Level]
    lost: list[int]

    def stretches(self) -> list[tuple[int, int, int]]:
        """Columns next to each other in which frames were lost: (the first, how many, frames)."""
        out: list[tuple[int, int, int]] = []
        for i, n in enumerate(self.lost):
            if n and out and out[-1][0] + out[-1][1] == i:
                out[-1] = (out[-1][0], out[-1][1] + 1, out[-1][2] + n)
            elif n:
                out.append((i, 1, n))
        return out

    @property
    def column_ns(self) -> int:
        return round(self.elapsed_ns / self.columns)


def over_time(run: Outcome, columns: int) -> OverTime:
    """Of a run that was recorded; no more columns than buckets that the run came to."""
    recording = run.recording
    assert recording is not None
    reached = max(1, min(recording.buckets, -(-recording.elapsed_ns // recording.bucket_ns)))
    columns = min(columns, reached)

    def deepest(s: Series) -> list[int]:
        return columns_of(s.max[:reached], columns, max)

    def summed(s: Series) -> list[int]:
        return columns_of(s.sum[:reached], columns, sum)

    ends = [Count(s.of, Drop[s.of].row.kind is Kind.LOST, False, summed(s), s.total()) for s in recording.of("dropped")]
    read = [Count("read by programs", False, True, summed(s), s.total()) for s in recording.of("delivered") if s.of == "RECEIVED"]
    longest = [Level(s.of, s.unit, 0, deepest(s)) for s in recording.of("latency")]
    return OverTime(
        recording.elapsed_ns, columns, _levels(run, recording, deepest),
        sorted([*ends, *read], key=lambda c: (not c.lost, not c.read, -c.all)), _cpus(recording, columns, summed),
        sorted((level for level in longest if level.most), key=lambda level: (-level.most, level.name)),
        [sum(v) for v in zip(*(c.each for c in ends if c.lost), strict=True)] or [0] * columns)


def columns_of(values: Sequence[int], columns: int, how: Callable[[Sequence[int]], int]) -> list[int]:
    """The values of a series brought to so many columns, no more than there are values."""
    n = len(values)
    return [how(values[a:b]) for a, b in pairwise(i * n // columns for i in range(columns + 1))]


def _levels(run: Outcome, recording: Recording, deepest: Callable[[Series], list[int]]) -> list[Level]:
    rings = {f"{q.card} queue {q.queue}" if q.card else f"queue {q.queue}": q.size for q in run.books.queues}
    sockets = {s.name or f"{s.proto} {s.address}:{s.port}": s.rcvbuf for s in run.books.sockets}
    limits: dict[str, Callable[[str], int]] = {
        "ring_fill": lambda of: rings.get(of, 0), "backlog": lambda of: _sysctl(run, "net.core.netdev_max_backlog"),
        "fragment_memory": lambda of: _sysctl(run, "net.ipv4.ipfrag_high_thresh"), "socket_memory": lambda of: sockets.get(of, 0)}
    found = [Level(WORDS[s.name] if s.of == "host" else f"{WORDS[s.name]} {s.of}", s.unit, limits[s.name](s.of), deepest(s))
             for s in recording.series if s.name in WORDS]
    return sorted(found, key=lambda level: (-level.share, level.name))


def _sysctl(run: Outcome, name: str) -> int:
    value = run.host.sysctls().get(name, 0)
    return value if isinstance(value, int) else 0


def _cpus(recording: Recording, columns: int, summed: Callable[[Series], list[int]]) -> list[Busy]:
    width = recording.elapsed_ns / columns
    found = []
    for of in dict.fromkeys(s.of for s in recording.series if s.name in BUSY):
        contexts = {s.name.removeprefix("cpu_"): summed(s) for s in recording.series if s.name in BUSY and s.of == of}
        each = [sum(v) for v in zip(*contexts.values(), strict=True)]
        found.append(Busy(of.replace("cpu", "CPU"), each, contexts, sum(each) / recording.elapsed_ns, min(1.0, max(each) / width)))
    return sorted(found, key=lambda busy: (-busy.all, busy.name))
