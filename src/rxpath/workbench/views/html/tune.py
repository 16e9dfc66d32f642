"""A tuning as a page: the answer and what each of its knobs does, how the search went, and what nothing beats."""
from __future__ import annotations

import math
from collections.abc import Mapping

from rxpath.workbench.many.tune import Trial, Tune
from rxpath.workbench.many.tuning.target import NAMES
from rxpath.workbench.views import tune as words
from rxpath.workbench.views.html.axes import Axis, linear, places
from rxpath.workbench.views.html.elements import figure, heading, numbers, table, text
from rxpath.workbench.views.html.page import document, made_by
from rxpath.workbench.views.html.panels import Line, beside, line_key, panel

UNITS: Mapping[str, tuple[str, float]] = {"loss": ("Lost, % of the frames", 100), "p99": ("99 % are done within, ms", 1e-6),
                                          "cpu": ("Busy, % of the CPU time", 100), "memory": ("Memory, MiB", 1 / (1 << 20))}


def page(found: Tune, command: str = "") -> str:
    return document(title(found), heading(title(found), *saved(found)) + made_by(command) + answer(found) + pictures(found) + front(found))


def title(found: Tune) -> str:
    return words.head(found)


def saved(found: Tune) -> list[str]:
    said = ["Interrupted: what is here was found until then."] if found.interrupted else []
    if found.answer is not None:
        said.append(words.verdict(found) + (f": {' '.join(found.answer.set)}" if found.answer.set else "") + ".")
    checked = words.checked(found) if found.verified is not None else ""
    return said + ([f"{checked[0].upper()}{checked[1:]}."] if checked else [])


def answer(found: Tune) -> str:
    """Beside today's host, and without each of its knobs."""
    a = found.answer
    if a is None or found.today is None:
        return ""
    rows = [("today's host", *words.cells(found.today.figures))]
    if a.set:
        rows += [("with this", *words.cells(a.figures)), *((f"without {w.knob}", *words.cells(w.figures)) for w in a.matters)]
    commands = f"<pre>{text(chr(10).join(found.commands))}</pre>" if found.commands else ""
    idle = "".join(f"<p>{text(said)}: {text(', '.join(names))}.</p>" for said, names in (
        ("Set as well, each as far as it goes, these change nothing", a.nothing),
        ("These change figures, and are not needed", a.not_needed)) if names)
    idle += "".join(f"<p>{text(name)} exists only with {text(' or '.join(others))}.</p>" for name, others in a.not_there.items())
    return f'<section id="answer"><h2>What to set</h2>{commands}{table(("", *NAMES), rows)}{idle}</section>'


def pictures(found: Tune) -> str:
    """Each objective and each limit over the trials: every trial, and the best of those that had come until then."""
    good = [(n, t) for n, t in enumerate(found.trials) if t.figures is not None]
    if len(good) < 2:
        return ""
    x = places([f"{n + 1:,}" for n in range(len(found.trials))], 58)
    drawn = [_panel(found, name, good, x) for name in found.wanted.names]
    best = ", then ".join(found.wanted.objectives)
    until = f"that came nearest to {', '.join(limit.text for limit in found.wanted.limits)}, then lowest in {best}" \
        if found.wanted.limits else f"lowest in {best}"
    said = f"Each trial as a dot; the line is the trial {until}, of those until then." + \
        (" Where more than 1 % are lost there is no p99." if "p99" in found.wanted.names else "")
    return figure("trials", "How the search went", said, beside(drawn), line_key([("s0", "the best until then"), ("q", "a trial")]))


def _panel(found: Tune, name: str, good: list[tuple[int, Trial]], x: Axis) -> str:
    says, factor = UNITS[name]
    shown = [(n, t, t.figures[name] * factor) for n, t in good if t.figures is not None and not math.isinf(t.figures[name])]
    y = linear([value for _, _, value in shown], lambda v: f"{v:g}")
    dots = [Line("", "q", [(float(n), value)], [f"trial {n + 1}, {' '.join(t.set) or 'today'}: {value:.3g}"], 2.5) for n, t, value in shown]
    line = [(float(n), None if math.isinf(best[name]) else best[name] * factor) for n, best in enumerate(found.best_until())]
    return panel(says, x, y, [*dots, Line("best", "s0", line, (), 1.5)], under="trial")


def front(found: Tune) -> str:
    if not found.front:
        return ""
    rows = [("; ".join(t.set) or "today's host", *words.cells(t.figures)) for t in found.front]
    said = f"What no other trial beats in {', '.join(found.wanted.objectives)}"
    return numbers(said, table(("setting", *NAMES), rows), opened=len(rows) <= 40)
