"""--over-time: a run in the terminal as it went: a line for each queue against its limit, for each way in which frames ended, for each CPU;
and a chart of the queue that came nearest to its limit."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.text import Text

from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.over_time import Level, OverTime, over_time
from rxpath.workbench.views.terminal import titled
from rxpath.workbench.words.figures import ns

WIDTH = 80                                                  # of all of it: what every terminal has
NAME, SAID = 20, 23                                         # columns of the name before a line, of the figures behind it
ROWS = 8                                                    # of the chart
MOST = 8                                                    # lines of a kind
FULL = 0.99                                                 # of a limit: its line is red
NEAR = 0.5                                                  # of its limit: the fullest queue is worth a chart
BARS = " ▁▂▃▄▅▆▇█"


def render(run: Outcome, width: int = WIDTH) -> Group:
    """Of a run that was recorded."""
    seen = over_time(run, max(10, min(width, 200) - NAME - SAID))
    head = Text(f"Over time: {ns(seen.elapsed_ns)} in {seen.columns} columns of {ns(seen.column_ns)}", "bold")
    return Group(head, *[part for part in (_levels(seen), _counts(seen), _cpus(seen), _latency(seen), _chart(seen)) if part is not None])


def line(values: Sequence[int], full: int) -> str:
    """A bar for each value, as a share of `full`; whatever is not nothing is seen."""
    top = len(BARS) - 1
    return "".join(BARS[0 if v <= 0 or full <= 0 else max(1, min(top, -(-v * top // full)))] for v in values)


# ---------------------------------------------------------------- lines
def _levels(seen: OverTime) -> Group | None:
    rows = [_row(level.name, line(level.deepest, level.limit or level.most), _said(level), "red" if level.share > FULL else "cyan")
            for level in seen.levels]
    return _block("Queues, the deepest moment of each column", rows, "queues were less full")


def _said(level: Level) -> str:
    unit = " B" if level.unit == "bytes" else ""
    text = f"{level.most:,} of {level.limit:,}{unit}" if level.limit else f"{level.most:,}{unit}"
    if len(text) < SAID or not unit:
        return text
    return f"{level.most / (1 << 20):,.1f} of {level.limit / (1 << 20):,.1f} MiB" if level.limit else f"{level.most / (1 << 20):,.1f} MiB"


def _counts(seen: OverTime) -> Group | None:
    rows = [_row(c.name, line(c.each, c.most), f"{c.all:,}, {c.most:,}", "red" if c.lost else "green" if c.read else "cyan")
            for c in seen.counts]
    return _block("Frames, all and the most in one column", rows, "reasons had fewer")


def _cpus(seen: OverTime) -> Group | None:
    rows = [_row(c.name, line(c.each, seen.column_ns), f"{100 * c.all:.1f} %, {100 * c.most:.0f} %", "cyan") for c in seen.cpus]
    return _block("CPU time, of the run and the most of one column", rows, "CPUs were less busy")


def _latency(seen: OverTime) -> Group | None:
    rows = [_row(level.name, line(level.deepest, level.most), f"{ns(level.most)} at most", "cyan") for level in seen.latency]
    return _block("Latency to the return of the call, the longest of each column", rows, "threads had less")


def _block(title: str, rows: list[Text], others: str) -> Group | None:
    if not rows:
        return None
    return titled(title, *rows[:MOST], *([Text(f"{len(rows) - MOST} more {others}.", "dim")] if len(rows) > MOST else []))


def _row(name: str, bars: str, said: str, style: str) -> Text:
    return Text.assemble((name if len(name) < NAME else name[:NAME - 2] + "…").ljust(NAME), (bars, style), " ", said)


# ---------------------------------------------------------------- the chart
def _chart(seen: OverTime) -> Group | None:
    """The queue nearest to its limit, with what was lost below it."""
    if not seen.levels or seen.levels[0].share < NEAR:
        return None
    level = seen.levels[0]
    rows = [Text.assemble(label.rjust(NAME - 1) + " ", (bars, "cyan")) for label, bars in _drawn(level)]
    end = ns(seen.elapsed_ns)
    marks = Text.assemble("lost".rjust(NAME - 1) + " ", ("".join("×" if n else "·" for n in seen.lost), "red"))
    axis = Text(" " * NAME + "0 s".ljust(seen.columns - len(end)) + end, "dim")
    title = f"{level.name} against its limit of {level.limit:,} {level.unit}"
    return Group(Text(), titled(title, *rows, marks, axis))


def _drawn(level: Level) -> Iterator[tuple[str, str]]:
    """Rows from the top; the first one ends at the limit."""
    eighths = [round(min(v, level.limit) * ROWS * 8 / level.limit) for v in level.deepest]
    for row in range(ROWS - 1, -1, -1):
        label = f"{level.limit:,} limit" if row == ROWS - 1 else f"{level.limit // 2:,}" if row == ROWS // 2 - 1 else ""
        yield label, "".join(BARS[max(0, min(8, n - row * 8))] for n in eighths)
