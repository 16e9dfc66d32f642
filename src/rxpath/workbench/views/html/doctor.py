"""What the doctor says as a page: what is lost and how much of it, then each finding with what decides it, what to change and what does not
help."""
from __future__ import annotations

from collections.abc import Sequence

from rxpath.workbench.doctor.rules import LOSSES
from rxpath.workbench.doctor.verdict import CANNOT_TELL, Case, Verdict
from rxpath.workbench.readings.records import Reading
from rxpath.workbench.views.doctor import HEADS, MARKS, NOT_MOVED, amount, counted, head_line, of_host, open_question
from rxpath.workbench.views.html.charts import bars
from rxpath.workbench.views.html.elements import figure, heading, key, numbers, table, text
from rxpath.workbench.views.html.page import document, made_by

DRAWN, REASONS, UNREAD = 16, 16, 200
COLOURS = {"lost": "loss", "damaged": "loss", "open": "other", "refused": "other", "elsewhere": "other", "note": "was"}

MEANS = {"loss": "lost or damaged", "other": "refused, elsewhere, or undecided", "was": "no loss"}


def page(verdict: Verdict, readings: Sequence[Reading], since_boot: bool, command: str = "") -> str:
    said = title(verdict, readings, since_boot)
    return document(said, heading(said) + made_by(command) + body(verdict, readings, since_boot))


def body(verdict: Verdict, readings: Sequence[Reading], since_boot: bool) -> str:
    """All below the heading."""
    when = f"{of_host(readings)}: one reading." if since_boot else head_line(verdict, readings)
    notes = "".join(f"<p>{text(note)}</p>" for note in verdict.notes)
    return f"<p>{text(when)}</p>{notes}{found(verdict, since_boot)}{'' if since_boot else _told(verdict)}{_reasons(verdict)}" \
           f"{_not_looked(verdict)}{_unread(readings)}"


def title(verdict: Verdict, readings: Sequence[Reading], since_boot: bool) -> str:
    """The verdict, in one line."""
    host = of_host(readings)
    if since_boot:
        return f"{host}: what was counted since boot"
    if verdict.losses:
        first, more = verdict.losses[0], len(verdict.losses) - 1
        return f"{host}: {amount(first)} {first.title}" + (f", and {more} more" if more else "")
    return f"{host}: " + ("cannot tell" if verdict.status == CANNOT_TELL else "nothing is lost")


def found(verdict: Verdict, since_boot: bool) -> str:
    cases = [f for f in verdict.found if f.kind != "busy"]
    if not cases:
        return f"<p>{text(NOT_MOVED if verdict.looked else 'No counter of losses is in these readings.')}</p>"
    timed = not since_boot and all(f.rate is not None for f in cases)
    drawn = sorted(cases, key=lambda f: -_long(f, timed))[:DRAWN]
    rows = [(HEADS[f.kind][0].lower(), f"{f.count:,.0f}", "" if f.rate is None else f"{f.rate:,.1f}", counted(f), "; ".join(f.seen))
            for f in cases]
    picture = bars([(f"{HEADS[f.kind][0].lower()}: {f.subject or counted(f)}", [(COLOURS.get(f.kind, "was"), _long(f, timed), counted(f))],
                     amount(f) if timed else f"{f.count:,.0f} {f.unit}") for f in drawn],
                   max(_long(f, timed) for f in drawn), "What was counted", "found")
    said = "Counts since boot say what was lost at some time, not that something is lost now." if since_boot else \
        "Between the readings: how many a second, or in all where that is less than one." if timed else "Between the readings."
    return figure("found", "What was counted", said, picture,
                  key([(c, what) for c, what in MEANS.items() if any(COLOURS.get(f.kind, "was") == c for f in cases)]),
                  numbers("The numbers", table(("kind", "count", "a second", "what", "seen in"), rows, tail=2)))


def _long(f: Case, timed: bool) -> float:
    return f.rate if timed and f.rate is not None else f.count


def _told(verdict: Verdict) -> str:
    out = []
    for alike in verdict.alike():
        out += [_finding(f) for f in alike.told]
        if alike.more:
            out.append(f"<p>and {len(alike.more):,} more like the last: {text(', '.join(f.subject for f in alike.more))}</p>")
    return "".join(out)


def _finding(f: Case) -> str:
    head, _ = HEADS[f.kind]
    how = "" if f.kind == "busy" else f" {amount(f)}"
    rows = _row("seen in", [*f.seen, f.share]) + _row("means", [f.means])
    for i, cause in enumerate(f.causes):
        rows += _row("cause" if i == 0 else "also", [f"{cause.cause} [{cause.rule.id}]"])
        rows += _row("decided by", [cause.decided, *cause.supports]) + _row("against it", cause.against)
        rows += _row("", [MARKS[cause.rule.mark]] if f.kind in LOSSES else [])
    rows += _row("not excluded" if f.causes else "cannot tell", [open_question(o) for o in f.open])
    rows += _row("it is not", f.it_is_not) + _row("look at", f.look) + _row("change", f.change) + _row("no help", f.no_help)
    style = "state" if COLOURS.get(f.kind) == "loss" else "saved"
    return f'<section><h2><span class="{style}">{text(head)}</span>{text(how)}: {text(f.title)}</h2><dl>{rows}</dl></section>'


def _row(name: str, lines: Sequence[str]) -> str:
    said = [line for line in lines if line]
    return f"<dt>{text(name)}</dt>" + "".join(f"<dd>{text(line)}</dd>" for line in said) if said else ""


def _reasons(verdict: Verdict) -> str:
    if not verdict.reasons:
        return ""
    most = verdict.reasons[:REASONS]
    drawn = bars([(r.reason or "no reason given", [("loss" if r.meaning.startswith("lost") else "other", r.count, r.meaning)],
                   f"{r.count:,} in {r.function or 'an unknown function'}") for r in most], max(r.count for r in most),
                 "Packets by the kernel's drop reason", "reasons")
    rows = [(r.reason, r.function, f"{r.count:,}", r.meaning) for r in verdict.reasons]
    return figure("reasons", "What a drop tool saw", "Packets by the kernel's reason; losses of a ring are never among them.", drawn,
                  numbers("The numbers", table(("reason", "function", "packets", "meaning"), rows, words=2, tail=1)))


def _not_looked(verdict: Verdict) -> str:
    if not verdict.unknown:
        return ""
    rows = [(reading, ", ".join(what)) for reading, what in verdict.unknown.items()]
    return numbers("Not looked at, and what would show it", table(("reading", "findings"), rows, words=2))


def _unread(readings: Sequence[Reading]) -> str:
    lines = list(dict.fromkeys(str(u) for r in readings for u in r.unread))
    more = f"\n... and {len(lines) - UNREAD} more: --show-readings" if len(lines) > UNREAD else ""
    return numbers(f"Could not be read: {len(lines):,} lines", f"<pre>{text(chr(10).join(lines[:UNREAD]) + more)}</pre>") if lines else ""
