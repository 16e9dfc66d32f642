"""A sweep as a page: loss, latency, CPU and memory along the longest axis of its grid, a line for each combination of the others; and the
rows, best first."""
from __future__ import annotations

from collections.abc import Callable

from rxpath.workbench.jobs.spread import half_width
from rxpath.workbench.many.rows import Cell
from rxpath.workbench.many.sweep import Sweep
from rxpath.workbench.views.html.axes import Axis, linear, places
from rxpath.workbench.views.html.charts import short_ns
from rxpath.workbench.views.html.elements import figure, heading, numbers, table, text
from rxpath.workbench.views.html.page import document, made_by
from rxpath.workbench.views.html.panels import STYLES, Line, beside, line_key, panel
from rxpath.workbench.views.sweep import duration, left_out, stopped
from rxpath.workbench.words.figures import share

ROWS = 500                                                  # of the table
GREY = 60                                                   # lines that are drawn at most
MIB = 1 << 20
FIGURES: tuple[tuple[str, Callable[[Cell], float], Callable[[float], str]], ...] = (
    ("Lost, % of the frames", lambda c: 100 * c.lost_mean / max(c.offered, 1), lambda v: f"{v:g}%"),
    ("99 % are done within", lambda c: c.done_mean_ns, lambda v: short_ns(round(v))),
    ("Memory that the settings cost", lambda c: c.memory_bytes / MIB, lambda v: f"{v:g} MiB"),
    ("CPU time of everything", lambda c: c.busy_ns, lambda v: short_ns(round(v))))


def page(sweep: Sweep, command: str = "") -> str:
    return document(title(sweep), heading(title(sweep), *saved(sweep)) + made_by(command) + pictures(sweep) + rows(sweep))


def title(sweep: Sweep) -> str:
    return f"{sweep.title}: {len(sweep.rows):,} of {sweep.of:,} runs"


def saved(sweep: Sweep) -> list[str]:
    """What came out best."""
    best = sweep.best
    said = [] if sweep.complete else ["Interrupted: the grid is not complete."]
    if best is None or best.error is not None:
        return said
    return [*said, f"Best: {', '.join(f'{k}={v}' for k, v in best.settings.items())}: {round(best.lost_mean):,} of {best.offered:,} frames "
                   f"lost, 99 % done within {duration(best.done_mean_ns)}, {best.memory_bytes / MIB:,.1f} MiB."]


def pictures(sweep: Sweep) -> str:
    good = [cell for cell in sweep.cells if cell.error is None]
    if not good or not sweep.varying:
        return ""
    along, *others = sweep.varying
    lines = sweep.lines()
    x = places(along.values, 58)
    order = sorted(enumerate(lines[:GREY]), key=lambda item: item[0] < STYLES)           # grey ones below
    drawn = [panel(name, x, y, [_line(i, len(lines), settings, each, value, said) for i, (settings, each) in order],
                   under=along.key)
             for name, value, said in FIGURES for y in [_axis(good, value, said)]]
    said = f"Along {along.key}" + (f", a line for each of {', '.join(a.key for a in others)}" if others else "") + \
        (f"; the {min(STYLES, len(lines))} with the best rows are in colour" if len(lines) > STYLES else "") + \
        (f"; {len(lines) - GREY} more are in the table only" if len(lines) > GREY else "") + "."
    key = line_key([(f"s{i}", _named(settings)) for i, (settings, _) in enumerate(lines[:STYLES])]) if others else ""
    return figure("sweep", "What each setting came to", said, beside(drawn), key)


def _axis(good: list[Cell], value: Callable[[Cell], float], said: Callable[[float], str]) -> Axis:
    return linear([value(row) for row in good], said)


def _line(i: int, of: int, settings: dict[str, str], each: list[Cell | None], value: Callable[[Cell], float],
          said: Callable[[float], str]) -> Line:
    known = [cell if cell is not None and cell.error is None else None for cell in each]
    what = ["" if row is None else f"{_named(row.settings)}: {said(round(value(row), 3))}" for row in known]
    points = [(float(k), None if row is None else value(row)) for k, row in enumerate(known)]
    if i >= STYLES:
        return Line(_named(settings), "q", points, what, 1.5)
    return Line(_named(settings), f"s{i}", points, what, 3 + 0.6 * (min(STYLES, of) - 1 - i))


def _named(settings: dict[str, str]) -> str:
    return ", ".join(f"{k}={v}" for k, v in settings.items()) or "all"


def rows(sweep: Sweep) -> str:
    varying = [a.key for a in sweep.axes if len(a.values) > 1] or [a.key for a in sweep.axes]
    ranked = sweep.ranked
    several = sweep.seeds > 1
    head = (*varying, *(["seeds"] * several), "lost", *(["+-"] * several), "of offered", "p50", "p99", "p99 done", "CPU", "memory")
    found = [(*(row.settings[k] for k in varying), *([len(row.seeds)] * several), *_cells(row, several)) for row in ranked[:ROWS]]
    more = f"<p>{len(ranked) - ROWS:,} more: --csv has all.</p>" if len(ranked) > ROWS else ""
    said = [*sweep.notes, *left_out(sweep), *(["Lost is the mean of the seeds, +- its 99 % interval."] if several else []),
            *([f"Settings s{stopped(sweep)[1:]}."] if sweep.stopped else [])]
    notes = "".join(f"<p>{text(note)}</p>" for note in said)
    return numbers("The rows, best first", table(head, found, words=len(varying)) + more + notes, opened=len(ranked) <= 40)


def _cells(cell: Cell, several: bool) -> tuple[str, ...]:
    if cell.error is not None:
        return (f"impossible: {cell.error}", *[""] * (6 + several))
    lost = round(cell.lost_mean)
    return (f"{lost:,}", *([f"{half_width(cell.lost):,.0f}"] * several), share(lost, cell.offered), duration(cell.p50_ns),
            duration(cell.p99_ns), duration(cell.done_mean_ns),
            share(round(cell.busy_ns), round(cell.busy_ns + cell.idle_ns)), f"{cell.memory_bytes / MIB:,.1f} MiB")
