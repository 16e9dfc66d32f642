"""A scenario as a page: the lesson, every run of it beside the others, and the report of the run as it is, with the latency before the cure
and after it."""
from __future__ import annotations

from rxpath.workbench.scenarios.scenario import Trial, measured
from rxpath.workbench.views.html import report
from rxpath.workbench.views.html.charts import bars
from rxpath.workbench.views.html.elements import figure, heading, key, numbers, table, text
from rxpath.workbench.views.html.page import document, made_by
from rxpath.workbench.views.scenario import WHAT, value_of, verdict
from rxpath.workbench.words.figures import ns

COLOURS = {"before": "loss", "cure": "read", "placebo": "other", "try": "used"}


def page(t: Trial, command: str = "") -> str:
    s = t.scenario
    title = f"{s.name} ({', '.join((s.rule, *s.also))}): {s.title}"
    look = f"<h2>What to look at</h2><ul>{''.join(f'<li>{text(line)}</li>' for line in s.look_at)}</ul>"
    lesson = f"<p>{text(s.story)}</p>{made_by(command)}{look}<h2>What to change</h2><p>{text(s.change)}</p>"
    after = ("with the cure", t.cure.run) if t.cure is not None else None
    return document(title, heading(title, verdict(t)) + lesson + attempts(t) + report.figures(t.before.run, None, after=after))


def attempts(t: Trial) -> str:
    """Every run: what the scenario measures, and what else there is."""
    every, name = t.attempts(), measured(t.scenario.measure)[0]
    most = max([a.value for a in every]) or 1
    drawn = [(f"{WHAT[a.what]}{': ' if a.settings else ''}{' '.join(a.settings)}",
              [(COLOURS[a.what], a.value, f"{' '.join(a.settings) or 'as it is'}: {value_of(t.scenario, a)}")], value_of(t.scenario, a))
             for a in every]
    rows = [(WHAT[a.what], " ".join(a.settings), value_of(t.scenario, a), f"{a.run.books.frames_dropped:,}", ns(a.run.latency_ns["p50"]),
             ns(a.run.latency_ns["p99"]), ns(int(a.cpu_ns_per_frame))) for a in every]
    head = ("", "settings", name, "ended before a program", "p50", "p99", "CPU for a frame")
    kinds = dict.fromkeys(a.what for a in every)
    return figure("attempts", "Before and after", f"Each bar is a run of its own: {name}.",
                  bars(drawn, most, f"{name}, run by run", "attempts"), key([(COLOURS[k], WHAT[k]) for k in kinds]),
                  numbers("The numbers", table(head, rows, words=2)))
