"""Two runs beside each other as a page: loss, latency, CPU time and memory of each side, every seed a dot; what differs, and by how
much."""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rxpath.workbench.jobs.spread import Range
from rxpath.workbench.many.diff import Diff
from rxpath.workbench.views.diff import change, conclusion, in_words, of_seeds
from rxpath.workbench.views.html.axes import linear
from rxpath.workbench.views.html.charts import balance, short_ns
from rxpath.workbench.views.html.elements import figure, heading, key, numbers, table, text
from rxpath.workbench.views.html.page import document, made_by
from rxpath.workbench.views.html.panels import beside, columns
from rxpath.workbench.words.figures import between, count, ns

MIB = 1 << 20
DRAWN = 24                                                  # of the figures that differ


class _Shown(NamedTuple):
    """label: along an axis, where the figure is so many `of`; words: exactly."""
    title: str
    a: Range
    b: Range
    label: Callable[[float], str]
    words: Callable[[int], str]
    of: int = 1


def page(found: Diff, command: str = "") -> str:
    title = conclusion(found)
    sides = "".join(f"<li>{name}: {text(side.title)}; {text(of_seeds(side.spread.seeds))}</li>"
                    for name, side in (("A", found.a), ("B", found.b)))
    return document(title, heading(title) + f"<ul>{sides}</ul>" + made_by(command) + pictures(found) + different(found))


def pictures(found: Diff) -> str:
    """Both sides of what matters most, whether it differs or not."""
    shown = _shown(found)
    drawn = []
    for s in shown:
        sides = [(name, style, [v / s.of for v in r.each], r.median / s.of) for name, style, r in (("A", "s0", s.a), ("B", "s1", s.b))]
        drawn.append(columns(s.title, linear([v for side in sides for v in side[2]], s.label), sides))
    rows = [(s.title, *(f"{s.words(r.median)} ({between(r.min, r.max, s.words)})" for r in (s.a, s.b))) for s in shown]
    said = "A dot for each seed, a bar at the median." if found.seeds > 1 else "One seed on each side: nothing says how much is chance."
    return figure("sides", "Both runs", said, beside(drawn, "columns"), numbers("The numbers", table(("", "A", "B"), rows)))


def _shown(found: Diff) -> list[_Shown]:
    one, other = found.a.spread, found.b.spread

    def time(v: float) -> str:
        return short_ns(round(v))

    out = [_Shown("Frames lost", one["lost"], other["lost"], lambda v: f"{v:,.0f}", count),
           _Shown("Delivered", one["delivered"], other["delivered"], lambda v: f"{v:,.0f}", count)]
    out += [_Shown(f"Latency, {q}", one["latency_ns", q], other["latency_ns", q], time, ns) for q in ("p50", "p99")]
    out += [_Shown("p99 to the end of the work", one["done_ns", "p99"], other["done_ns", "p99"], time, ns),
            _Shown("CPU time", one.busy_ns, other.busy_ns, time, ns)]
    if found.a.memory_bytes is not None and found.b.memory_bytes is not None:
        out.append(_Shown("Memory that queues may take", Range((found.a.memory_bytes,)), Range((found.b.memory_bytes,)),
                          lambda v: f"{v:,g} MiB", lambda v: f"{v / MIB:,.1f} MiB", MIB))
    return out


def different(found: Diff) -> str:
    if not found.different:
        return ""
    most = sorted(found.different, key=lambda f: -abs(f.change))[:DRAWN]
    drawn = balance([(f.name, f.change, change(f)) for f in most], "Change from A to B")
    rows = [(f.name, in_words(f, f.a), in_words(f, f.b), change(f)) for f in found.different]
    more = f" The {DRAWN} largest are drawn." if len(found.different) > DRAWN else ""
    what = f"From A to B: bars as a share of the larger of both medians, figures as the change from A.{more}"
    return figure("different", "What differs", what, drawn,
                  key([("less", "less in B"), ("more", "more in B")]),
                  numbers("All that differ", table(("", "A", "B", "change"), rows), opened=len(rows) <= 30))


