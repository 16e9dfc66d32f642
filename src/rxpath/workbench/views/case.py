"""A case beside what its host really lost: the table of classes, the same over time, what was measured and what was fitted."""
from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rxpath.workbench.case.classes import BY_KEY
from rxpath.workbench.case.result import Beside, Row
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.views.terminal import titled


def render(b: Beside) -> Group:
    parts: list[Any] = [Text(f"{b.name}: {b.seconds:.1f} s of counters, {b.frames:,} frames of the capture within them")]
    parts += [Text(f"measured  {line}") for line in b.measured]
    if b.cannot_judge:
        parts.append(Text(f"Cannot judge: {b.cannot_judge}", "bold"))
    losses = [r for r in b.rows if BY_KEY[r.key].loss]
    others = [r for r in b.rows if not BY_KEY[r.key].loss]
    if losses:
        parts += [Text(), titled("What the host really lost, and the model", _classes(losses, b))]
    else:
        parts += [Text(), Text("The host lost nothing that its counters show, and the model loses nothing.")]
    if others:
        parts += [Text(), titled("No loss, and counted by both", _classes(others, b))]
    if b.fitted is not None:
        parts += [Text(), Text(fitted_text(b))]
    if b.stretches:
        parts += [Text(), titled("The same over time: really lost, and here" + (" (with what was fitted)" if b.fitted else ""), _time(b))]
    if b.explained:
        parts += [Text(), Text("Where they differ", "bold"), *(Text(line) for line in b.explained)]
    elif losses and not b.cannot_judge:
        parts += [Text(), Text(f"{'With what was fitted they' if b.fitted else 'They'} agree: within 5 % of the losses, or 20 packets.")]
    parts += [Text(f"note: {line}", "dim") for line in b.said]
    return Group(*parts, Text())


def _classes(rows: list[Row], b: Beside) -> Table:
    fitted = b.fitted is not None
    table = table_of("", "really", "predicted", *(["fitted"] if fitted else []), "error", "at the same time")
    for r in rows:
        table.add_row(r.title, "?" if r.real is None else f"{r.real:,}", f"{r.predicted:,}",
                      *([f"{r.fitted:,}" if r.fitted is not None else ""] if fitted else []), error(r),
                      "" if r.together is None or not r.judged else f"{100 * r.together:.0f} %")
    return table


def error(r: Row) -> str:
    """Of the prediction, of what was really lost."""
    if r.real is None:
        return "not known"
    if not r.judged:
        return "not judged"
    if not r.real:
        return f"{r.predicted:+,}" if r.predicted else "0"
    return f"{100 * (r.predicted - r.real) / r.real:+.1f} %"


def fitted_text(b: Beside) -> str:
    """What was fitted, and what the second half says of it."""
    f = b.fitted
    assert f is not None
    text = (f"fitted    {f.app}: {f.ns / 1000:,.1f} us of {f.what} for each datagram, to the losses of the first half "
            f"(before: {f.before / 1000:,.1f} us; {f.runs} replays)")
    if b.second_half is not None:
        real, ours = b.second_half
        text += f"; in the second half {real:,} were really lost and {ours:,} here"
        text += f", {100 * (ours - real) / real:+.1f} %" if real else ""
    return text


def _time(b: Beside) -> Table:
    keys = list(b.stretches[0].losses)
    table = table_of("from the first sample", *(text for key in keys for text in (f"{key}, really", f"{key}, here")))
    for s in b.stretches:
        table.add_row(f"{s.begin:.1f} to {s.end:.1f} s", *(f"{n:,}" for key in keys for n in s.losses[key]))
    return table


def as_json(b: Beside) -> dict[str, Any]:
    """For --json; docs/json.md."""
    def some(**values: Any) -> dict[str, Any]:
        return {k: v for k, v in values.items() if v is not None}

    f = b.fitted
    fitted = None if f is None else {"app": f.app, "what": f.what, "before_ns": round(f.before), "ns": round(f.ns),
                                     "second_half": list(b.second_half or ())}
    return some(
        seconds=round(b.seconds, 3), frames=b.frames,
        classes=[some(name=r.key, counters=r.counters, real=r.real, predicted=r.predicted, fitted=r.fitted,
                      together=None if r.together is None else round(r.together, 3), judged=r.judged) for r in b.rows],
        over_time=[{"begin": round(s.begin, 3), "end": round(s.end, 3),
                    "losses": [{"name": k, "real": a, "here": n} for k, (a, n) in s.losses.items()]} for s in b.stretches],
        measured=list(b.measured), fitted=fitted, cannot_judge=b.cannot_judge, explained=list(b.explained), notes=list(b.said),
        tap_lost=b.tap_lost)
