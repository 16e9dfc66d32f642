"""A run as a page: where its frames went, how full its queues were over time, what its CPUs did, how long it took, what would have saved
what it lost, and on what all of that rests.  Made from results alone."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

from rxpath.abi.reasons import Kind
from rxpath.workbench.advice.answer import Tried, WhatIf
from rxpath.workbench.advice.states import states
from rxpath.workbench.host import text as hosttext
from rxpath.workbench.run.books import CONTEXTS
from rxpath.workbench.run.latency import Latency
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.over_time import Busy, OverTime, over_time
from rxpath.workbench.run.where_lost import by_class, steps
from rxpath.workbench.views.html import charts
from rxpath.workbench.views.html.elements import LEFT, figure, key, numbers, table, text
from rxpath.workbench.views.html.page import document
from rxpath.workbench.views.report import header
from rxpath.workbench.views.spent import PLACES
from rxpath.workbench.words.figures import ns, share

COLUMNS = 1000                                              # of the time axis
LINES, CPUS, ROWS = 40, 4, 30                               # drawn at most; tables have more rows
FULL = 1000                                                 # a limit, in units of the chart of queues


def report(run: Outcome, answer: WhatIf | None = None, command: str = "") -> str:
    """A recorded run as one HTML file.  answer: what was tried on the same traffic.  command: that makes this page again."""
    seen = over_time(run, COLUMNS)
    lost = by_class(run.books.lost_at).get(Kind.LOST.value, 0)
    title = f"{run.traffic.title()}: {share(lost, run.offered)} lost" if lost else f"{run.traffic.title()}: nothing lost"
    parts = [f"<h1>{text(title)}</h1>", *(f'<p class="state">{text(state.text)}</p>' for state in states(run)),
             *_saved(answer), *([f"<p>Made by <code>{text(command)}</code></p>"] if command else []),
             _funnel(run, lost), _queues(seen), _frames(seen), _cpus(seen, run), _latency(run), _where(run),
             _knobs(run, answer), _sockets(run), _rests(run)]
    return document(title, "".join(parts))


def _saved(answer: WhatIf | None) -> Iterator[str]:
    best = answer.recommended if answer is not None else None
    if best is not None:
        yield f'<p class="saved">{text(best.title)}: {best.lost_before:,} lost before, {best.lost_after:,} after.</p>'
        yield f"<pre>{text(chr(10).join(best.commands))}</pre>" if best.commands else ""


# ---------------------------------------------------------------- where they went
def _funnel(run: Outcome, lost: int) -> str:
    b = run.books
    rows: list[tuple[object, ...]] = []
    for step in steps(b):
        rows.append((step.name, "", f"{step.entered:,}", share(step.entered, b.offered), ""))
        rows += [("", loss.reason, f"{loss.n:,}", share(loss.n, b.offered), loss.meaning) for loss in step.losses]
        rows += [("", "by the kernel itself", f"{step.consumed:,}", share(step.consumed, b.offered), "")] if step.consumed else []
    rows.append(("programs", "", f"{b.received:,}", share(b.received, b.offered), ""))
    said = f"{b.offered:,} frames offered = {b.delivered:,} delivered + {b.queued:,} under way + {b.frames_dropped:,} that ended before " \
           f"their program, {lost:,} of them lost."
    return figure("funnel", "Where the frames went", said, charts.funnel(steps(b), b.offered, b.queued),
                  numbers("The numbers", table(("step", "left there", "frames", "of offered", "why"), rows, words=2)))


def _sockets(run: Outcome) -> str:
    found = sorted(run.books.sockets, key=lambda s: (-s.drops, -s.received, s.name))[:ROWS]
    if not found:
        return ""
    rows = [(f"{s.proto} {s.address}:{s.port}", s.name, f"{s.received:,}", f"{s.drops:,}", f"{s.queued:,}", f"{s.queue_max:,}",
             f"{s.rmem_max:,}", f"{s.rcvbuf:,}") for s in found]
    most = max(s.received + s.drops for s in found) or 1
    drawn = [(f"{s.proto} {s.address}:{s.port}", [("read", s.received, f"{s.received:,} read"), ("lost", s.drops, f"{s.drops:,} lost")],
              f"{s.received:,} read, {s.drops:,} lost") for s in found[:10]]
    return figure("sockets", "Sockets", "Datagrams that each socket's programs read, and that it had no room for.",
                  charts.bars(drawn, most, "Datagrams read and lost by socket", "sockets"), key([("read", "read"), ("lost", "lost")]),
                  numbers("The numbers", table(("socket", "name", "received", "drops", "unread", "longest queue", "memory at most",
                                                "rcvbuf"), rows, words=2)))


# ---------------------------------------------------------------- over time
def _axis(seen: OverTime) -> tuple[int, int]:
    """us of a column, and of the whole axis."""
    step = max(1, round(seen.elapsed_ns / seen.columns / 1000))
    return step, step * max(1, seen.columns - 1)


def _queues(seen: OverTime) -> str:
    levels = [level for level in seen.levels if level.limit]
    if not levels:
        return ""
    step, span = _axis(seen)
    most = round(FULL * 1.15)
    drawn = [f'<path class="q q{min(i, 1)}" data-name="{text(level.name)}" '
             f'd="{charts.points([min(FULL * v // level.limit, most) for v in level.deepest], step)}">'
             f"<title>{text(level.name)}</title></path>" for i, level in reversed(list(enumerate(levels[:LINES])))]
    body = "".join(drawn) + f'<path class="limit" d="M0-{FULL}h{span}"/>' + charts.marks(seen.stretches(), step, most)
    first = levels[0]
    said = f"Each queue as a share of its limit, the deepest moment of each {ns(seen.column_ns)}; red at the top: frames were lost. " \
           f"Nearest to its limit: {first.name}, {first.most:,} of {first.limit:,} {first.unit}."
    label = f'<text class="limitt" x="{LEFT + 6}" y="{charts.TOP + 170 * (1 - FULL / most) - 6:.1f}">limit</text>'
    rows = [(level.name, f"{level.most:,}", f"{level.limit:,}", f"{100 * level.share:.1f}%", level.unit) for level in levels]
    return figure("queues", "How full the queues were", said,
                  charts.time_chart("queues", "Queues against their limits", span, most, body, label, label=lambda v: f"{v / 10:.0f}%"),
                  '<p class="status" role="status" aria-live="polite"></p>',
                  numbers("The numbers", table(("queue", "at most", "of", "share", "unit"), rows)))


def _frames(seen: OverTime) -> str:
    counts = [c for c in seen.counts if c.read or c.lost]
    if not counts:
        return ""
    step, span = _axis(seen)
    read = [c for c in counts if c.read]
    most = max(1, max([*seen.lost, *(c.most for c in read)]))
    body = "".join(f'<path class="read" d="{charts.points(c.each, step)}"/>' for c in read)
    body += f'<path class="lost" d="{charts.points(seen.lost, step)}"/>' if any(seen.lost) else ""
    rows = [(c.name, "lost" if c.lost else "read" if c.read else "other", f"{c.all:,}", f"{c.most:,}") for c in seen.counts]
    return figure("frames", "Frames read and lost", f"Frames in each {ns(seen.column_ns)}.",
                  charts.time_chart("frames", "Frames read and lost", span, most, body, height=200),
                  key([("read", "read by programs"), ("lost", "lost (dashed)")]),
                  numbers("The numbers", table(("how they ended", "class", "frames", "most in one column"), rows, words=2)))


def _cpus(seen: OverTime, run: Outcome) -> str:
    step, span = _axis(seen)
    busy = [c for c in seen.cpus if c.all > 0]
    if not busy:
        return ""
    parts = []
    for cpu in busy[:CPUS]:
        parts.append(charts.time_chart("cpus", f"{cpu.name} by context", span, FULL, _stack(cpu, seen, step), _named(cpu), height=150,
                                       label=lambda v: f"{v / 10:.0f}%"))
    kinds = CONTEXTS[:-1]
    rows = [(f"CPU {c.cpu}", *(ns(getattr(c, k)) for k in kinds), share(c.idle, run.books.elapsed_ns)) for c in run.books.cpus[:ROWS]]
    more = f" The {CPUS} busiest of {len(busy)} are drawn." if len(busy) > CPUS else ""
    said = f"Share of each {ns(seen.column_ns)} in each context, cost profile {run.host.profile}.{more}"
    return figure("cpus", "What the CPUs did", said,
                  *parts, key([(f"c{i}", k) for i, k in enumerate(kinds)]),
                  numbers("The numbers", table(("CPU", *kinds, "idle"), rows)))


def _named(cpu: Busy) -> str:
    return f'<text class="b" x="{LEFT + 6}" y="{charts.TOP + 14}">{text(cpu.name)}</text>'


def _stack(cpu: Busy, seen: OverTime, step: int) -> str:
    low, out = [0] * seen.columns, []
    for i, (name, each) in enumerate(cpu.contexts.items()):
        high = [a + min(FULL, FULL * v // max(1, seen.column_ns)) for a, v in zip(low, each, strict=True)]
        out.append(f'<path class="c{i}" d="{charts.area(low, high, step)}"><title>{text(cpu.name)} {text(name)}</title></path>')
        low = high
    return "".join(out)


# ---------------------------------------------------------------- latency
def _latency(run: Outcome) -> str:
    whole = run.books.latency
    if not whole.count:
        return ""
    apps = [a for a in run.books.apps if a.latency.count]
    rows = [("all", f"{whole.count:,}", *(ns(v) for v in whole.quantiles.values()), ns(whole.max))]
    rows += [(f"{a.name} thread {a.thread}", f"{a.latency.count:,}", *(ns(v) for v in a.latency.quantiles.values()), ns(a.latency.max))
             for a in apps[:ROWS]]
    said = f"From the last bit on the wire to the return of the receiving call: half of the {whole.count:,} datagrams within " \
           f"{ns(whole.quantiles['p50'])}, 99 % within {ns(whole.quantiles['p99'])}; solid to the return, dashed to the end of the work."
    lines = [("before", _shares(whole))] + ([("after", _shares(run.books.done))] if run.books.done.count else [])
    return figure("latency", "How long it took", said, charts.distribution(lines, "Share of the datagrams by latency"),
                  key([("before", "to the return of the call (solid)"), ("after", "to the end of the program's work (dashed)")]),
                  numbers("The numbers", table(("program", "datagrams", *whole.quantiles, "max"), rows)))


def _shares(latency: Latency) -> Sequence[tuple[int, float]]:
    return latency.cumulative() or [(latency.max, 1.0)]


def _where(run: Outcome) -> str:
    found = [s for s in run.books.spent if s.done.count]
    if not found:
        return ""
    rows = [(s.program, *(ns(s.places[p].mean) if p in s.places else "-" for p in PLACES)) for s in found[:ROWS]]
    drawn = [(s.program, [(f"c{i % 10}", s.places[p].mean, f"{words}: {ns(s.places[p].mean)}")
                          for i, (p, words) in enumerate(PLACES.items()) if p in s.places], ns(s.done.mean)) for s in found[:10]]
    return figure("where", "Where the time went", "Mean time of a datagram in each place, from the wire to the end of its program's work.",
                  charts.bars(drawn, max(s.done.mean for s in found), "Time by place and program", "where"),
                  key([(f"c{i % 10}", words) for i, words in enumerate(PLACES.values())]),
                  numbers("The numbers", table(("program", *PLACES.values()), rows)))


# ---------------------------------------------------------------- what would have saved them
def _knobs(run: Outcome, answer: WhatIf | None) -> str:
    if answer is None or not answer.knobs:
        return ""
    helped = [k for k in answer.knobs if k.helped in ("yes", "partly")]
    rows = [(k.title, k.helped, f"{k.lost_before:,}", f"{k.lost_after:,}", _in_seeds(k), f"{k.p99_us_after:,.1f} us", k.why)
            for k in answer.knobs]
    most = max([k.lost_before for k in answer.knobs] + [k.lost_after for k in answer.knobs]) or 1
    drawn = [(k.title, [("loss", k.lost_after, f"{k.lost_after:,} lost"), ("was", max(0, k.lost_before - k.lost_after), "saved")],
              f"{k.lost_after:,} of {k.lost_before:,}") for k in helped[:12]]
    said = f"Each setting was run on the same traffic: {answer.settings:,} settings in {answer.runs:,} runs. " + \
           ("Red: still lost; the rest of the bar was saved." if drawn else "None of them helped.")
    picture = ""
    if drawn:
        picture = charts.bars(drawn, most, "Frames lost with each setting", "knobs") + key([("loss", "still lost"), ("was", "saved")])
    return figure("knobs", "What would have saved them" if answer.goal == "loss" else "What would help", said, picture,
                  numbers("All settings that were tried", table(("setting", "helps", "lost before", "after", "over the seeds", "p99 after",
                                                                 "why not"), rows, words=2)))


def _in_seeds(knob: Tried) -> str:
    return "" if knob.sure is None else f"{knob.sure.lost_after.min:,} to {knob.sure.lost_after.max:,} in {len(knob.sure.lost_after.each)}"


# ---------------------------------------------------------------- on what it rests
def _rests(run: Outcome) -> str:
    lines = "".join(f"<li>{text(line)}</li>" for line in [*header(run)[1:], *run.notes])
    return f'<section id="rests"><h2>On what this rests</h2><ul>{lines}</ul></section>' + \
        numbers("The host", f"<pre>{text(hosttext.describe(run.host))}</pre>")
