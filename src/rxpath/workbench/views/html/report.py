"""A run as a page: where its frames went, how full its queues were over time, what its CPUs did, how long it took, what would have saved
what it lost, and on what all of that rests.  Made from results alone."""
from __future__ import annotations

from collections.abc import Sequence

from rxpath.abi.reasons import Kind
from rxpath.workbench.advice.answer import Tried, WhatIf
from rxpath.workbench.advice.states import states
from rxpath.workbench.case.result import Beside
from rxpath.workbench.host import text as hosttext
from rxpath.workbench.run.books import CONTEXTS
from rxpath.workbench.run.latency import Latency
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.over_time import Busy, OverTime, over_time
from rxpath.workbench.run.where_lost import by_class, steps
from rxpath.workbench.run.where_lost import losses as every_loss
from rxpath.workbench.views.html import case, charts
from rxpath.workbench.views.html.elements import LEFT, figure, heading, key, numbers, table, text
from rxpath.workbench.views.html.page import document, made_by
from rxpath.workbench.views.report import header, socket_name
from rxpath.workbench.views.spent import PLACES
from rxpath.workbench.words.figures import ns, share

After = tuple[str, Outcome]                                 # "with SO_RCVBUF", and the run
COLUMNS = 1000                                              # of the time axis
LINES, CPUS, ROWS, REASONS, PROGRAMS = 40, 4, 30, 12, 12                               # drawn at most; tables have more rows
FULL = 1000                                                 # a limit, in units of the chart of queues


def report(run: Outcome, answer: WhatIf | None = None, command: str = "", after: After | None = None, truth: Beside | None = None) -> str:
    """A recorded run as one HTML file.  answer: what was tried on the same traffic; after: the run with what it recommends.  command: that
    makes this page again.  truth: what the host of a case really lost."""
    best = answer.recommended if answer is not None else None
    saved = [] if best is None else [f"{best.title}: {best.lost_before:,} lost before, {best.lost_after:,} after."]
    typed = f"<pre>{text(chr(10).join(best.commands))}</pre>" if best is not None and best.commands else ""
    return document(title(run), heading(title(run), *saved, states=[state.text for state in states(run)]) + typed + made_by(command) +
                    figures(run, answer, after, truth))


def title(run: Outcome) -> str:
    lost = _lost(run)
    return f"{run.traffic.title()}: {share(lost, run.offered)} lost" if lost else f"{run.traffic.title()}: nothing lost"


def figures(run: Outcome, answer: WhatIf | None = None, after: After | None = None, truth: Beside | None = None) -> str:
    """All pictures of a recorded run, and on what they rest."""
    seen = over_time(run, COLUMNS)
    return "".join([case.pictures(truth) if truth is not None else "", funnel(run), losses(run), _queues(seen), _frames(seen),
                    _cpus(seen, run), latency(run, after), _where(run, after), knobs(answer), sockets(run), _flows(run), _rests(run)])


def _lost(run: Outcome) -> int:
    return by_class(run.books.lost_at).get(Kind.LOST.value, 0)


# ---------------------------------------------------------------- where they went
def funnel(run: Outcome) -> str:
    b, lost = run.books, _lost(run)
    rows: list[tuple[object, ...]] = []
    for step in steps(b):
        rows.append((step.name, "", f"{step.entered:,}", share(step.entered, b.offered), ""))
        rows += [("", loss.reason, f"{loss.n:,}", share(loss.n, b.offered), loss.meaning) for loss in step.losses]
        rows += [("", "by the kernel itself", f"{step.consumed:,}", share(step.consumed, b.offered), "")] if step.consumed else []
    rows.append(("programs", "", f"{b.received:,}", share(b.received, b.offered), ""))
    said = f"{b.offered:,} frames offered = {b.delivered:,} delivered + {b.queued:,} under way + {b.frames_dropped:,} that ended before " \
           f"their program, {lost:,} of them lost."
    return figure("funnel", "Where the frames went", said, charts.funnel(steps(b), b.offered, b.queued),
                  numbers("The numbers", table(("step", "left there", "frames", "of offered", "why"), rows, words=2, tail=1)))


def losses(run: Outcome) -> str:
    """By reason and place."""
    found = sorted(every_loss(run.books.lost_at), key=lambda loss: -loss.n)
    if not found:
        return ""
    lost = _lost(run)
    kinds = [("loss", "lost")] * (lost > 0) + [("other", "for another reason")] * (lost < run.books.frames_dropped)
    drawn = [(loss.reason, [("loss" if loss.kind is Kind.LOST else "other", loss.n, f"{loss.kind.value}: {loss.meaning}")],
              f"{loss.n:,} {loss.kind.value}, in {loss.station}") for loss in found[:REASONS]]
    rows = [(loss.reason, loss.kind.value, f"{loss.n:,}", share(loss.n, run.offered), loss.meaning, loss.where(run.host.kernel))
            for loss in found]
    return figure("losses", "Frames that ended before a program", "By the kernel's reason and the function where they ended.",
                  charts.bars(drawn, found[0].n, "Frames by reason", "losses"), key(kinds),
                  numbers("The numbers", table(("reason", "class", "frames", "of offered", "why", "where"), rows, words=2, tail=2)))


def _flows(run: Outcome) -> str:
    flows = run.lost_flows
    if flows is None or not flows.largest(1):
        return ""
    most = flows.largest(ROWS)
    drawn = [(flow, [("loss", n, f"{n:,} lost: {reason}")], f"{n:,}") for flow, reason, n in most[:10]]
    said = f"By flow and reason, of {'the first ' if flows.stopped else ''}{flows.told:,} lost frames."
    said += f" {flows.unknown:,} were lost so late that their headers were gone." if flows.unknown else ""
    said += f" {flows.beyond:,} are of further flows." if flows.beyond else ""
    return figure("flows", "Whose frames were lost", said, charts.bars(drawn, most[0][2], "Frames lost by flow", "flows"),
                  numbers("The numbers", table(("flow", "reason", "frames"), [(f, r, f"{n:,}") for f, r, n in most], words=2)))


def sockets(run: Outcome) -> str:
    found = sorted(run.books.sockets, key=lambda s: (-s.drops, -s.received, s.name))[:ROWS]
    if not found:
        return ""
    rows = [(socket_name(s), s.name, f"{s.received:,}", f"{s.drops:,}", f"{s.queued:,}", f"{s.queue_max:,}",
             f"{s.rmem_max:,}", f"{s.rcvbuf:,}") for s in found]
    most = max(s.received + s.drops for s in found) or 1
    drawn = [(socket_name(s), [("read", s.received, f"{s.received:,} read"), ("lost", s.drops, f"{s.drops:,} lost")],
              f"{s.received:,} read, {s.drops:,} lost") for s in found[:10]]
    return figure("sockets", "Sockets", "What each socket's programs read (a listener's: its connections), and what it had no room for.",
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
    label = f'<text class="limitt" x="{LEFT + 6}" y="{charts.TOP + 170 * (1 - FULL / most) - 3:.1f}">limit</text>'
    rows = [(level.name, f"{level.most:,}", f"{level.limit:,}", f"{100 * level.share:.1f}%", level.unit) for level in levels]
    return figure("queues", "How full the queues were", said,
                  charts.time_chart("queues", "Queues against their limits", span, most, body, label, label=lambda v: f"{v / 10:.0f}%"),
                  '<p class="status" role="status" aria-live="polite"></p>',
                  numbers("The numbers", table(("queue", "at most", "of", "share", "unit"), rows, tail=1)))


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
def latency(run: Outcome, after: After | None = None) -> str:
    whole, done = run.books.latency, run.books.done
    if not whole.count:
        return ""
    apps = [a for a in run.books.apps if a.latency.count]
    rows = [("all", f"{whole.count:,}", *(ns(v) for v in whole.quantiles.values()), ns(whole.max))]
    rows += [(f"{a.name} thread {a.thread}", f"{a.latency.count:,}", *(ns(v) for v in a.latency.quantiles.values()), ns(a.latency.max))
             for a in apps[:ROWS]]
    said = f"From the last bit on the wire to the return of the receiving call: half of the {whole.count:,} {run.books.unit} within " \
           f"{ns(whole.quantiles['p50'])}, 99 % within {ns(whole.quantiles['p99'])}; solid to the return, dashed to the end of the work."
    lines, words = [("before", _shares(whole))], [("before", "to the return of the call (solid)")]
    if done.count:
        lines.append(("done", _shares(done)))
        words.append(("done", "to the end of the program's work (dashed)"))
    if after is not None and after[1].books.done.count:
        setting, then = after[0], after[1].books.done
        lines.append(("after", _shares(then)))
        words.append(("after", f"the same {setting} (dotted)"))
        rows.append((f"all, to the end of the work, {setting}", f"{then.count:,}", *(ns(v) for v in then.quantiles.values()), ns(then.max)))
        said += f" {setting[0].upper()}{setting[1:]} {then.count:,} are read, 99 % of them done with within {ns(then.quantiles['p99'])}."
    return figure("latency", "How long it took", said, charts.distribution(lines, f"Share of the {run.books.unit} by latency"), key(words),
                  numbers("The numbers", table(("program", run.books.unit, *whole.quantiles, "max"), rows)))


def _shares(found: Latency) -> Sequence[tuple[int, float]]:
    return found.cumulative() or [(found.max, 1.0)]


def _where(run: Outcome, after: After | None) -> str:
    found = [s for s in run.books.spent if s.done.count][:PROGRAMS]
    if not found:
        return ""
    setting, run_after = after or ("", None)
    then = {s.program: s for s in run_after.books.spent if s.done.count} if run_after is not None else {}
    then = {s.program: then[s.program] for s in found if s.program in then and then[s.program].done != s.done}
    every = []
    for s in found:
        every += [(s.program, s)] + ([(f"{s.program}, {setting}", then[s.program])] if s.program in then else [])
    rows = [(name, *(ns(s.places[p].mean) if p in s.places else "-" for p in PLACES), ns(s.done.mean)) for name, s in every]
    drawn = [(name, [(f"c{i % 10}", s.places[p].mean, f"{words}: {ns(s.places[p].mean)}")
                     for i, (p, words) in enumerate(PLACES.items()) if p in s.places], ns(s.done.mean)) for name, s in every[:12]]
    here = [(i, words) for i, (p, words) in enumerate(PLACES.items()) if any(p in s.places for _, s in every)]
    return figure("where", "Where the time went", "Mean time of a datagram in each place, from the wire to the end of its program's work.",
                  charts.bars(drawn, max(s.done.mean for _, s in every[:12]), "Time by place and program", "where"),
                  key([(f"c{i % 10}", words) for i, words in here]),
                  numbers("The numbers", table(("program", *PLACES.values(), "in all"), rows)))


# ---------------------------------------------------------------- what would have saved them
def knobs(answer: WhatIf | None) -> str:
    if answer is None or not answer.knobs:
        return ""
    helped = [k for k in answer.knobs if k.helped in ("yes", "partly")]
    rows = [(k.title, k.helped, f"{k.lost_before:,}", f"{k.lost_after:,}", _in_seeds(k), ns(round(1000 * k.p99_us_after)), k.why)
            for k in answer.knobs]
    most = max([k.lost_before for k in answer.knobs] + [k.lost_after for k in answer.knobs]) or 1
    drawn = [(k.title, [("loss", k.lost_after, f"{k.lost_after:,} lost"), ("was", max(0, k.lost_before - k.lost_after), "saved")],
              f"{k.lost_after:,} of {k.lost_before:,}{_varies(k)}") for k in helped[:12]]
    said = f"Each setting was run on the same traffic: {answer.settings:,} settings in {answer.runs:,} runs. " + \
           ("Red: still lost; the rest of the bar was saved." if drawn else "None of them helped.")
    picture = ""
    if drawn:
        picture = charts.bars(drawn, most, "Frames lost with each setting", "knobs") + key([("loss", "still lost"), ("was", "saved")])
    return figure("knobs", "What would have saved them" if answer.goal == "loss" else "What would help", said, picture,
                  numbers("All settings that were tried", table(("setting", "helps", "lost before", "after", "over the seeds", "p99 after",
                                                                 "why not"), rows, words=2, tail=1)))


def _varies(knob: Tried) -> str:
    """Behind a bar: how far it reaches over the seeds, where they differ."""
    after = knob.sure.lost_after if knob.sure is not None else None
    return f" ({after.min:,} to {after.max:,} in {len(after.each)} seeds)" if after is not None and after.min < after.max else ""


def _in_seeds(knob: Tried) -> str:
    return "" if knob.sure is None else f"{knob.sure.lost_after.min:,} to {knob.sure.lost_after.max:,} in {len(knob.sure.lost_after.each)}"


# ---------------------------------------------------------------- on what it rests
def _rests(run: Outcome) -> str:
    lines = "".join(f"<li>{text(line)}</li>" for line in [*header(run)[1:], *run.notes])
    return f'<section id="rests"><h2>On what this rests</h2><ul>{lines}</ul></section>' + \
        numbers("The host", f"<pre>{text(hosttext.describe(run.host))}</pre>")
