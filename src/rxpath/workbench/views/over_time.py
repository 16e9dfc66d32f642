"""--over-time: a run in the terminal as it went: a line for each queue against its limit, for each loss, for each CPU; and a chart of the
queue that lost most.  Each column is some buckets of the recording: the deepest of them of a level, the sum of a total."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Group
from rich.text import Text

from rxpath.abi.reasons import Drop, Kind
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.recording import Recording, Series
from rxpath.workbench.views.terminal import titled
from rxpath.workbench.words.figures import ns

WIDTH = 80                                                  # of all of it: what every terminal has
NAME, SAID = 20, 23                                         # columns of the name before a line, of the figures behind it
ROWS = 8                                                    # of the chart
MOST = 8                                                    # lines of a kind: those that came nearest to their limit
BARS = " ▁▂▃▄▅▆▇█"
BUSY = ("cpu_hardirq", "cpu_softirq", "cpu_syscall", "cpu_application")


@dataclass(frozen=True, slots=True)
class Level:
    """What stands in a queue; limit 0: it has none."""
    name: str
    unit: str
    limit: int
    deepest: list[int]                                      # by column

    @property
    def share(self) -> float:
        return max(self.deepest, default=0) / self.limit if self.limit else 0.0


def render(run: Outcome, width: int = WIDTH) -> Group:
    """Of a run that was recorded."""
    recording = run.recording
    assert recording is not None
    columns = min(max(10, min(width, 200) - NAME - SAID), _reached(recording))
    parts: list[Group | None] = [_block("Queues, the deepest moment of each column", _levels(run, recording, columns), columns),
             _losses(run, recording, columns), _cpus(recording, columns), _latency(recording, columns)]
    chart = _chart(run, recording, columns)
    each = ns(round(recording.elapsed_ns / columns))
    title = f"Over time: {ns(recording.elapsed_ns)} in {columns} columns of {each}"
    return Group(Text(title, "bold"), *[p for p in parts if p is not None], *([] if chart is None else [Group(Text(), chart)]))


# ---------------------------------------------------------------- columns
def columns_of(values: Sequence[int], columns: int, how: Callable[[Sequence[int]], int]) -> list[int]:
    """The values of a series brought to so many columns, no more than there are values."""
    n = len(values)
    return [how(values[a:b]) for a, b in pairwise(i * n // columns for i in range(columns + 1))]


def _reached(recording: Recording) -> int:
    """Buckets that the run came to."""
    return max(1, min(recording.buckets, -(-recording.elapsed_ns // recording.bucket_ns)))


def _deepest(recording: Recording, s: Series, columns: int) -> list[int]:
    return columns_of(s.max[:_reached(recording)], columns, max)


def _total(recording: Recording, s: Series, columns: int) -> list[int]:
    return columns_of(s.sum[:_reached(recording)], columns, sum)


def line(values: Sequence[int], full: int) -> str:
    """A bar for each value, as a share of `full`; whatever is not nothing is seen."""
    top = len(BARS) - 1
    return "".join(BARS[0 if v <= 0 or full <= 0 else max(1, min(top, -(-v * top // full)))] for v in values)


# ---------------------------------------------------------------- what there is
def _levels(run: Outcome, recording: Recording, columns: int) -> list[Level]:
    rings = {f"queue {q.queue}" if not q.card else f"{q.card} queue {q.queue}": q.size for q in run.books.queues}
    sockets = {s.name or f"{s.proto} {s.address}:{s.port}": s.rcvbuf for s in run.books.sockets}
    limits: dict[str, Callable[[str], int]] = {
        "ring_fill": lambda of: rings.get(of, 0), "backlog": lambda of: _sysctl(run, "net.core.netdev_max_backlog"),
        "fragment_memory": lambda of: _sysctl(run, "net.ipv4.ipfrag_high_thresh"), "socket_memory": lambda of: sockets.get(of, 0)}
    words = {"ring_fill": "ring", "backlog": "backlog", "fragment_memory": "fragments", "socket_memory": "socket"}
    found = [Level(f"{words[s.name]} {s.of}" if s.of != "host" else words[s.name], s.unit, limits[s.name](s.of),
                   _deepest(recording, s, columns)) for s in recording.series if s.name in words]
    return sorted(found, key=lambda level: (-level.share, level.name))


def _sysctl(run: Outcome, name: str) -> int:
    value = run.host.sysctls().get(name, 0)
    return value if isinstance(value, int) else 0


def _block(title: str, levels: list[Level], columns: int) -> Group | None:
    if not levels:
        return None
    lines = [_row(level.name, line(level.deepest, level.limit or max(level.deepest)), _said(level),
                  "red" if level.limit and level.share > 0.99 else "") for level in levels[:MOST]]
    more = [Text(f"{len(levels) - MOST} more queues were less full.", "dim")] if len(levels) > MOST else []
    return titled(title, *lines, *more)


def _said(level: Level) -> str:
    deepest, limit = max(level.deepest), level.limit
    unit = " B" if level.unit == "bytes" else ""
    text = f"{deepest:,} of {limit:,}{unit}" if limit else f"{deepest:,}{unit}"
    if len(text) < SAID or not unit:
        return text
    return f"{deepest / (1 << 20):,.1f} of {limit / (1 << 20):,.1f} MiB" if limit else f"{deepest / (1 << 20):,.1f} MiB"


def _losses(run: Outcome, recording: Recording, columns: int) -> Group | None:
    rows = []
    for s in recording.of("dropped"):
        values = _total(recording, s, columns)
        lost = Drop[s.of].row.kind is Kind.LOST
        rows.append((not lost, -s.total(), _row(s.of, line(values, max(values)), f"{s.total():,}, {max(values):,}",
                                                "red" if lost else "")))
    delivered = [s for s in recording.of("delivered") if s.of == "RECEIVED"]
    for s in delivered:
        values = _total(recording, s, columns)
        rows.append((False, 1, _row("read by programs", line(values, max(values)), f"{s.total():,}, {max(values):,}", "green")))
    return titled("Frames, all and the most in one column", *(text for *_, text in sorted(rows, key=lambda row: row[:2]))) if rows else None


def _cpus(recording: Recording, columns: int) -> Group | None:
    """Busy of each CPU, as a share of the column."""
    owners = list(dict.fromkeys(s.of for s in recording.series if s.name in BUSY))
    if not owners:
        return None
    rows = []
    width = recording.elapsed_ns / columns
    for of in owners:
        parts = [_total(recording, s, columns) for s in recording.series if s.name in BUSY and s.of == of]
        busy = [sum(p[i] for p in parts) for i in range(columns)]
        rows.append((-sum(busy), _row(of.replace("cpu", "CPU"), line(busy, round(width)),
                                      f"{100 * sum(busy) / recording.elapsed_ns:.1f} %, {min(100.0, 100 * max(busy) / width):.0f} %")))
    shown = [text for _, text in sorted(rows, key=lambda row: row[0])[:MOST]]
    more = [Text(f"{len(rows) - MOST} more CPUs were less busy.", "dim")] if len(rows) > MOST else []
    return titled("CPU time, of the run and the most of one column", *shown, *more)


def _latency(recording: Recording, columns: int) -> Group | None:
    found = [(max(values), s.of, values) for s in recording.of("latency") if any(values := _deepest(recording, s, columns))]
    rows = [_row(of, line(values, most), f"{ns(most)} at most") for most, of, values in sorted(found, key=lambda f: (-f[0], f[1]))[:MOST]]
    return titled("Latency to the return of the call, the longest of each column", *rows) if rows else None


def _row(name: str, bars: str, said: str, style: str = "") -> Text:
    return Text.assemble(_cut(name, NAME - 1).ljust(NAME), (bars, style or "cyan"), " ", said[:SAID - 1])


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else name[:most - 1] + "…"


# ---------------------------------------------------------------- the chart
def _chart(run: Outcome, recording: Recording, columns: int) -> Group | None:
    """The queue nearest to its limit, with what was lost below it."""
    levels = [level for level in _levels(run, recording, columns) if level.limit]
    if not levels or levels[0].share < 0.5:
        return None
    level = levels[0]
    lost = [sum(v) for v in zip(*(_total(recording, s, columns) for s in recording.of("dropped")
                                  if Drop[s.of].row.kind is Kind.LOST), strict=True)] or [0] * columns
    unit = " bytes" if level.unit == "bytes" else f" {level.unit}"
    rows = [Text.assemble(label.rjust(NAME - 1) + " ", (bars, "cyan")) for label, bars in _drawn(level)]
    axis = Text(" " * NAME + "0 s".ljust(columns - len(end := ns(recording.elapsed_ns))) + end, "dim")
    marks = Text.assemble("lost".rjust(NAME - 1) + " ", ("".join("×" if n else "·" for n in lost), "red"))
    return titled(f"{level.name} against its limit of {level.limit:,}{unit}", *rows, marks, axis)


def _drawn(level: Level) -> Iterator[tuple[str, str]]:
    """Rows from the top; the first one ends at the limit."""
    eighths = [round(min(v, level.limit) * ROWS * 8 / level.limit) for v in level.deepest]
    for row in range(ROWS - 1, -1, -1):
        label = f"{level.limit:,} limit" if row == ROWS - 1 else f"{level.limit // 2:,}" if row == ROWS // 2 - 1 else ""
        yield label, "".join(BARS[max(0, min(8, n - row * 8))] for n in eighths)
