"""Head-room as a page: what is delivered of what is offered, what is lost and how long it takes, over the speed, with the limit that binds
marked; what lifts each limit and how far that carries."""
from __future__ import annotations

from collections.abc import Sequence

from rxpath.workbench.many.headroom import Dot, Headroom, Step, kept_by_queues
from rxpath.workbench.many.limits import WORK
from rxpath.workbench.views.headroom import head, lasts, number, pps, times
from rxpath.workbench.views.html.axes import Axis, decades, linear, spread_out
from rxpath.workbench.views.html.charts import bars, short_ns
from rxpath.workbench.views.html.elements import figure, heading, key, numbers, table, text
from rxpath.workbench.views.html.page import document, made_by
from rxpath.workbench.views.html.panels import Line, Mark, beside, line_key, panel
from rxpath.workbench.words.figures import between, ns


def page(room: Headroom, command: str = "") -> str:
    said = [lasts(room.now)] if room.now is not None and room.now.lasts is False else []
    return document(head(room), heading(head(room), states=said) + made_by(command) + pictures(room) + limits(room) + _rests(room))


def pictures(room: Headroom) -> str:
    return "".join(_curve(i, room, settings, dots) for i, (settings, dots) in enumerate(room.curves))


def _curve(i: int, room: Headroom, settings: Sequence[str], dots: Sequence[Dot]) -> str:
    steps = [s for s in room.limits if s.settings == tuple(settings)]
    later = [s for s in room.limits if s.settings != tuple(settings)] if not settings else []
    low, high = min(d.speed for d in dots), max(d.speed for d in dots)
    marks = [Mark(s.factor, s.limit.place if s.limit else "nothing gives way") for s in steps if s.factor]
    marks += [Mark(s.factor, f"next: {s.limit.place if s.limit else ''}", "next") for s in later if low < s.factor < high]
    x = spread_out([d.speed for d in dots], number)
    rates = decades([v for d in dots for v in (d.offered_pps, d.delivered_pps)], lambda v: pps(round(v)))
    waits = decades([d.p99_ns for d in dots], lambda v: short_ns(round(v)))

    def line(name: str, style: str, values: Sequence[float], said: Sequence[str]) -> Line:
        return Line(name, style, [(d.speed, v if v > 0 or name == "lost" else None) for d, v in zip(dots, values, strict=True)],
                    [f"{times(d.speed)} the speed: {s}" for d, s in zip(dots, said, strict=True)])

    def drawn(title: str, y: Axis, *lines: Line, named: bool = False) -> str:
        return panel(title, x, y, lines, marks if named else [m._replace(name="") for m in marks], "times its speed")

    both = (line("offered", "s1", [d.offered_pps for d in dots], [f"{pps(d.offered_pps)} offered" for d in dots]),
            line("delivered", "s0", [d.delivered_pps for d in dots], [f"{pps(d.delivered_pps)} delivered" for d in dots]))
    lost = line("lost", "lostline", [100 * d.lost_share for d in dots], [f"{100 * d.lost_share:.1f}% lost" for d in dots])
    late = line("p99", "s2", [d.p99_ns for d in dots], [f"p99 {ns(d.p99_ns)}" for d in dots])
    panels = [drawn("Frames a second", rates, *both, named=True), drawn("Lost, % of the frames",
              linear([100 * d.lost_share for d in dots], lambda v: f"{v:g}%"), lost), drawn("99 % are done within", waits, late)]
    rows = [(number(d.speed), pps(d.offered_pps), pps(d.delivered_pps), f"{100 * d.lost_share:.1f}%", ns(d.p99_ns)) for d in dots]
    what = "as it is" if not settings else f"with {' '.join(settings)}"
    said = f"The same traffic faster and slower, {what}."
    if steps and steps[0].factor:
        said += f" The dashed red line is the limit that binds: {_binds(room, steps[0])}."
    return figure(f"curve{i}", f"How much it carries, {what}", said, beside(panels),
                  line_key([("s0", "delivered"), ("s1", "offered"), ("lostline", "lost"), ("s2", "99 % done within")]),
                  numbers("The numbers", table(("times its speed", "offered", "delivered", "lost", "p99"), rows)))


def _binds(room: Headroom, step: Step) -> str:
    if step.limit is not None and step.limit.reason == WORK:
        return f"beyond {times(step.factor)} its speed {step.limit.place} has more to do than the traffic lasts, and queues keep the " \
               "rest until the capture ends"
    return f"up to {times(step.factor)} its speed the goal holds ({room.goal.text()})"


def limits(room: Headroom) -> str:
    if not room.limits:
        return ""
    most = max([s.factor for s in room.limits] + [s.lift.factor for s in room.limits if s.lift is not None]) or 1
    drawn = []
    for n, s in enumerate(room.limits, 1):
        lift = s.lift
        further = max(0.0, lift.factor - s.factor) if lift is not None else 0.0
        parts = [("read", s.factor, f"holds up to {times(s.factor)} the speed")]
        parts += [("was", further, f"with {' '.join(lift.set)} up to {times(lift.factor)}")] if lift is not None and further else []
        drawn.append((f"{n}. {s.limit.place if s.limit else 'nothing gives way'}", parts,
                      times(s.factor) + (f", then {times(lift.factor)}" if lift is not None and further else "")))
    said = "Up to which speed each limit lets the goal hold, and how far what lifts it carries."
    return figure("limits", "What gives way, one after the other", said, bars(drawn, most, "Limits by speed", "limits"),
                  key([("read", "holds as it is, or with what was lifted before"), ("was", "with what lifts it")]),
                  *(_limit(n, s) for n, s in enumerate(room.limits, 1)))


def _limit(n: int, step: Step) -> str:
    if step.limit is None:
        return f"<p><b>{n}. Nothing gives way</b> up to {text(times(step.factor))} the speed.</p>"
    lines = [f"<p><b>{n}. {text(step.limit.place)}</b> at {text(times(step.factor))} the speed ({text(pps(step.pps))}): "
             f"{text(step.limit.says)}</p>"]
    if kept_by_queues(step):
        lines.append(f"<p>Beyond {text(times(step.lasting))} CPU {step.lasting_cpu} has more to do than the traffic lasts: queues keep the "
                     "rest until the capture ends, and longer traffic of this kind loses earlier.</p>")
    if step.lift is not None:
        lines.append(f"<p>Lifted by <code>{text(' '.join(step.lift.set))}</code>: carries to {text(times(step.lift.factor))}.</p>")
    if step.commands:
        lines.append(f"<pre>{text(chr(10).join(step.commands))}</pre>")
    lift = step.lift
    rows = [(" ".join(t.set), number(t.factor), number(t.lasting), f"{t.memory_bytes / (1 << 20):+.1f} MiB", "yes" if t is lift else "")
            for t in sorted(step.tried, key=lambda t: -t.factor)]
    return "".join(lines) + (numbers("Settings that were tried", table(("setting", "carries to", "lasting", "memory", "taken"), rows))
                             if rows else "")


def _rests(room: Headroom) -> str:
    lines = [f"kernel {room.kernel}, cost profile {room.profile}, seed {room.seed}; {room.runs:,} runs"]
    lines += [lasts(room.now)] if room.now is not None else []
    if room.factors:
        lines.append(f"with {len(room.factors)} seeds: {between(min(room.factors), max(room.factors), number)} times")
    lines += ["interrupted: what is here was found until then"] if room.interrupted else []
    return f'<section id="rests"><h2>On what this rests</h2><ul>{"".join(f"<li>{text(line)}</li>" for line in lines)}</ul></section>'
