"""A sweep as a page: loss, latency, CPU and memory along the longest axis of its grid, a line for each combination of the others; and the
rows, best first."""
from __future__ import annotations

from collections.abc import Callable

from rxpath.workbench.many.sweep import Row, Sweep
from rxpath.workbench.views.html.axes import Axis, linear, places
from rxpath.workbench.views.html.charts import short_ns
from rxpath.workbench.views.html.elements import figure, heading, numbers, table, text
from rxpath.workbench.views.html.page import document, made_by
from rxpath.workbench.views.html.panels import STYLES, Line, beside, line_key, panel
from rxpath.workbench.words.figures import ns, share

ROWS = 500                                                  # of the table
GREY = 60                                                   # lines that are drawn at most
MIB = 1 << 20
FIGURES: tuple[tuple[str, Callable[[Row], float], Callable[[float], str]], ...] = (
    ("Lost, % of the frames", lambda r: 100 * r.result.lost / max(r.result.offered, 1), lambda v: f"{v:g}%"),
    ("99 % are done within", lambda r: float(r.result.p99_ns), lambda v: short_ns(round(v))),
    ("Memory that the settings cost", lambda r: r.result.memory_bytes / MIB, lambda v: f"{v:g} MiB"),
    ("CPU time of everything", lambda r: float(r.result.busy_ns), lambda v: short_ns(round(v))))


def page(sweep: Sweep, command: str = "") -> str:
    return document(title(sweep), heading(title(sweep), *saved(sweep)) + made_by(command) + pictures(sweep) + rows(sweep))


def title(sweep: Sweep) -> str:
    return f"{sweep.capture}: {len(sweep.rows):,} of {sweep.of:,} runs"


def saved(sweep: Sweep) -> list[str]:
    """What came out best."""
    best = sweep.best
    said = [] if sweep.complete else ["Interrupted: the grid is not complete."]
    if best is None or best.result.error is not None:
        return said
    r = best.result
    return [*said, f"Best: {', '.join(f'{k}={v}' for k, v in best.settings.items())}: {r.lost:,} of {r.offered:,} frames lost, 99 % done "
                   f"within {ns(r.p99_ns)}, {r.memory_bytes / MIB:,.1f} MiB."]


def pictures(sweep: Sweep) -> str:
    good = [row for row in sweep.rows if row.result.error is None]
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


def _axis(good: list[Row], value: Callable[[Row], float], said: Callable[[float], str]) -> Axis:
    return linear([value(row) for row in good], said)


def _line(i: int, of: int, settings: dict[str, str], each: list[Row | None], value: Callable[[Row], float],
          said: Callable[[float], str]) -> Line:
    known = [row if row is not None and row.result.error is None else None for row in each]
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
    head = (*varying, "lost", "of offered", "p50", "p99", "p99 done", "CPU", "memory")
    found = [(*(row.settings[k] for k in varying), *_cells(row)) for row in ranked[:ROWS]]
    more = f"<p>{len(ranked) - ROWS:,} more: --csv has all.</p>" if len(ranked) > ROWS else ""
    notes = "".join(f"<p>{text(note)}</p>" for note in sweep.notes)
    return numbers("The rows, best first", table(head, found, words=len(varying)) + more + notes, opened=len(ranked) <= 40)


def _cells(row: Row) -> tuple[str, ...]:
    r = row.result
    if r.error is not None:
        return (f"impossible: {r.error}", *[""] * 6)
    q = r.latency_ns
    return (f"{r.lost:,}", share(r.lost, r.offered), ns(q["p50"]), ns(q["p99"]), ns(r.p99_ns),
            share(r.busy_ns, r.busy_ns + r.cpu_ns["idle"]), f"{r.memory_bytes / MIB:,.1f} MiB")
