"""A case beside what its host really lost: prediction beside truth, by class and over time; and what its counters alone allow."""
from __future__ import annotations

from collections.abc import Sequence

from rxpath.workbench.case.classes import BY_KEY
from rxpath.workbench.case.result import Beside, Row
from rxpath.workbench.case.whatif import Answer
from rxpath.workbench.views.case import error, fitted_text
from rxpath.workbench.views.html.axes import linear
from rxpath.workbench.views.html.charts import bars, ranges
from rxpath.workbench.views.html.elements import figure, heading, key, numbers, table, text
from rxpath.workbench.views.html.page import document, made_by
from rxpath.workbench.views.html.panels import Line, beside, line_key, panel
from rxpath.workbench.views.laws import conclusion, summary

PANELS = 6


# ---------------------------------------------------------------- a capture, samples
def pictures(b: Beside) -> str:
    """In the page of the case's run: the classes, and the same over time."""
    found = [r for r in b.rows if BY_KEY[r.key].loss]
    said = [*b.measured, *([fitted_text(b)] if b.fitted is not None else []),
            *([f"Cannot judge: {b.cannot_judge}"] if b.cannot_judge else []), *b.explained, *(f"note: {line}" for line in b.said)]
    words = f"<ul>{''.join(f'<li>{text(line)}</li>' for line in said)}</ul>" if said else ""
    head = f"{b.seconds:.1f} s of counters, {b.frames:,} frames of the capture within them."
    if not found:
        head += " The host lost nothing that its counters show, and the model loses nothing."
        return figure("truth", "Prediction beside truth", head, words)
    rows = [(r.title, r.counters, "?" if r.real is None else f"{r.real:,}", f"{r.predicted:,}", "" if r.fitted is None else f"{r.fitted:,}",
             error(r), "" if r.together is None or not r.judged else f"{100 * r.together:.0f} %") for r in b.rows]
    return figure("truth", "Prediction beside truth", head, _classes(found), words,
                  numbers("The numbers", table(("class", "counters", "really", "predicted", "fitted", "error", "at the same time"), rows,
                                               words=2), opened=True)) + _over_time(b)


def _classes(found: Sequence[Row]) -> str:
    drawn = []
    for r in found:
        if r.real is not None:
            drawn.append((f"{r.title}: really", [("s0", float(r.real), f"{r.real:,} really lost")], f"{r.real:,}"))
        drawn.append(("predicted" if r.real is not None else f"{r.title}: predicted",
                      [("s1", float(r.predicted), f"{r.predicted:,} predicted")], f"{r.predicted:,} ({error(r)})"))
        if r.fitted is not None:
            drawn.append(("with what was fitted", [("s2", float(r.fitted), f"{r.fitted:,}")], f"{r.fitted:,}"))
    most = max([1.0, *(length for _, parts, _ in drawn for _, length, _ in parts)])
    fitted = [("s2", "predicted with what was fitted")] if any(r.fitted is not None for r in found) else []
    return bars(drawn, most, "Frames really lost, and predicted", "truth") + key([("s0", "really lost"), ("s1", "predicted"), *fitted])


def _over_time(b: Beside) -> str:
    if not b.stretches:
        return ""
    names = list(b.stretches[0].losses)
    x = linear([b.stretches[-1].end], lambda v: f"{v:g} s")
    drawn = []
    for name in names[:PANELS]:
        pairs = [s.losses[name] for s in b.stretches]
        middle = [(s.begin + s.end) / 2 for s in b.stretches]
        lines = [Line(said, style, [(t, float(p[i])) for t, p in zip(middle, pairs, strict=True)],
                      [f"{s.begin:.1f} to {s.end:.1f} s: {p[i]:,} {said}" for s, p in zip(b.stretches, pairs, strict=True)])
                 for i, (said, style) in enumerate((("really lost", "s0"), ("lost here", "s1")))]
        drawn.append(panel(name, x, linear([n for p in pairs for n in p], lambda v: f"{v:,.0f}"), lines, under="from the first sample"))
    rows = [(f"{s.begin:.1f} to {s.end:.1f} s", *(f"{n:,}" for name in names for n in s.losses[name])) for s in b.stretches]
    head = ("time", *(f"{name}, {side}" for name in names for side in ("really", "here")))
    more = " with what was fitted" if b.fitted is not None else ""
    return figure("truthtime", "The same over time", f"Frames lost in each stretch of time, really and here{more}.", beside(drawn),
                  line_key([("s0", "really lost"), ("s1", "lost here")]), numbers("The numbers", table(head, rows)))


# ---------------------------------------------------------------- counters alone
def page(a: Answer, command: str = "") -> str:
    title = f"{a.name}: what would have saved them, from counters alone"
    assumed = "".join(f"<li>{text(line)}</li>" for line in (*a.counted.said, *a.measured))
    rests = f'<section id="rests"><h2>What is assumed</h2><ul>{assumed}</ul></section>' if assumed else ""
    said = "".join(f"<p>{text(line)}</p>" for line in conclusion(a))
    return document(title, heading(title) + f"<p>{text(summary(a))}</p>" + made_by(command) + knobs(a) + said + _laws(a) + rests)


def knobs(a: Answer) -> str:
    """Each setting as a range over the laws."""
    if not a.knobs:
        return ""
    rows = [(k.title, f"{100 * k.least:.1f}%", f"{100 * k.most:.1f}%", f"{k.of} of {len(a.surviving)}") for k in a.knobs]
    was = [max(law.lost.values(), default=0.0) for law in a.surviving]
    drawn = [("as it is", min(was, default=0.0), max(was, default=0.0))] + [(k.title, k.least, k.most) for k in a.knobs[:16]]
    picture = ranges([(name, low, high, _span(low, high)) for name, low, high in drawn], "Share lost with each setting")
    return figure("knobs", "What would have saved them", "Lost with each setting, of what came: from the law that leaves least to the one "
                  "that leaves most.", picture,
                  numbers("The numbers", table(("setting (its least value)", "lost, least", "most", "laws"), rows)))


def _span(low: float, high: float) -> str:
    one, other = f"{100 * low:.1f}%", f"{100 * high:.1f}%"
    return one if one == other else f"{one} to {other}"


def _laws(a: Answer) -> str:
    drawn = [(law.title, [("loss" if law.fits else "other", max(law.lost.values(), default=0.0), "fits" if law.fits else law.why)],
              f"{100 * max(law.lost.values(), default=0.0):.1f}%" + ("" if law.fits else ", does not fit")) for law in a.laws]
    most = max([*(max(law.lost.values(), default=0.0) for law in a.laws), 1e-9])
    rows = [(law.title, f"{100 * max(law.lost.values(), default=0.0):.1f}%", "yes" if law.fits else law.why) for law in a.laws]
    return figure("laws", "Laws of traffic, each fitted to what was lost", "The share that is lost here under each.",
                  bars(drawn, most, "Share lost under each law", "laws"), key([("loss", "fits what was lost"), ("other", "does not")]),
                  numbers("The numbers", table(("how it came", "lost here", "fits"), rows, tail=1)))
