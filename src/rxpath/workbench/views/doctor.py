"""What the doctor says, for a person: 80 columns, losses first; and as one JSON object."""
from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath.workbench.doctor.rules import LOSSES
from rxpath.workbench.doctor.verdict import CANNOT_TELL, Case, Open, Verdict
from rxpath.workbench.readings.records import Kernel, Reading
from rxpath.workbench.views.terminal import columns
from rxpath.workbench.words import figures

WIDTH, LEAST, LABEL = 80, 40, 15
HEADS = {"lost": ("LOST", "bold red"), "damaged": ("DAMAGED", "bold red"), "open": ("UNDECIDED", "bold yellow"),
         "refused": ("REFUSED", "bold yellow"),
         "elsewhere": ("ELSEWHERE", "bold yellow"), "busy": ("BUSY", "bold yellow"), "note": ("NO LOSS", "bold")}
PLACES = ("at ", "by ", "for ", "in ", "of ", "on ", "to ", "that ")
NOT_MOVED = "Of the counters of losses that were read, none has moved since boot."
REASONS = 10                                                # places, most packets first
UNREAD = 12                                                 # lines that could not be read, before the rest is only counted
MARKS = {"R": "How large: replay the traffic with rxpath replay --set, over a range of traffic.",
         "C": "Which ones: only a capture or a trace can tell.", "N": ""}


def render(verdict: Verdict, readings: Sequence[Reading]) -> Group:
    """The whole report."""
    parts: list[Text] = [Text(line) for line in _wrapped(head_line(verdict, readings))]
    parts += [Text(line, "dim") for note in verdict.notes for line in _wrapped(note)]
    for alike in verdict.alike():
        for found in alike.told:
            parts += [Text(), *_finding(found)]
        if alike.more:
            parts += [Text(line, "bold") for line in _wrapped(
                f"and {len(alike.more):,} more like the last, with {alike.count:,.0f} {found.unit} together (--json has all of them): "
                f"{', '.join(f.subject for f in alike.more[:8])}", "  ")]
    parts += _reasons(verdict)
    parts += _end(verdict)
    parts += _unread(readings)
    return Group(*parts)


def since_boot(verdict: Verdict, readings: Sequence[Reading]) -> Group:
    """One reading: what was counted at some time.  No cause is given: nothing says when it was."""
    uptime = f", {figures.ns(int(verdict.seconds * 1e9))} of uptime" if verdict.seconds else ""
    parts = [Text(line) for line in _wrapped(f"{of_host(readings)}: one reading{uptime}.")]
    parts += [Text(line, "bold") for line in _wrapped(
        "Counts since boot say what was lost at some time, not that something is lost now. A second reading some seconds later tells, and "
        "gives the causes: rxpath doctor FIRST SECOND.")]
    parts += [Text(line, "dim") for note in verdict.notes for line in _wrapped(note)]
    moved = [f for f in verdict.found if f.kind != "busy"]
    for kind, (head, style) in HEADS.items():
        mine = [f for f in moved if f.kind == kind]
        if mine:
            parts += [Text(), Text(f"{head.lower()} since boot", style)]
        for f in mine:
            parts += [Text(line) for line in _hung(f"  {f.count:>13,.0f}  ", counted(f))]
            for line in f.seen[:4]:
                parts += [Text(part, "dim") for part in _hung(" " * 17, line)]
    if not moved:
        parts += [Text(), Text(NOT_MOVED if verdict.looked else "No counter of losses is in this reading.")]
    parts += _reasons(verdict)
    parts += _not_looked(verdict, "Not in this reading, and what would show it")
    parts += _unread(readings)
    return Group(*parts)


def line(verdict: Verdict) -> str:
    """One line, for --watch."""
    if verdict.losses:
        return "; ".join(f"{amount(f)} {f.title}" + (f" [{f.causes[0].rule.id}]" if f.causes else "") for f in verdict.losses)
    return "nothing lost" if verdict.status != CANNOT_TELL else "cannot tell"


# ---------------------------------------------------------------- parts
def of_host(readings: Sequence[Reading]) -> str:
    """Whose readings they are."""
    kernel = next((k for r in readings for k in r.of(Kernel)), None)
    name = kernel.host if kernel is not None and kernel.host else "this host" if readings[-1].name == "this host" else "the host"
    return f"{name}, Linux {kernel.release}" if kernel is not None else name


def head_line(verdict: Verdict, readings: Sequence[Reading]) -> str:
    """Which readings, how far apart."""
    looks = len(readings) - 2
    time = f"{verdict.seconds:.1f} s" if verdict.seconds is not None else "an unknown time"
    between = f", {looks:,} looks at its queues between them" if looks > 0 else ""
    return f"{of_host(readings)}: two readings, {time} apart{between}."


def counted(f: Case) -> str:
    """What was counted: the unit in front of where it was, unless the title begins with it."""
    place, _, _ = f.title.partition(":")
    if f.title.startswith(PLACES):
        return f"{f.unit} {f.title}"
    return f.title if place.endswith(f.unit) and len(place.split()) <= 2 else f"{f.unit}: {f.title}"


def amount(f: Case) -> str:
    """A second, or in all."""
    rate = f"{f.rate:,.0f} {f.unit} a second" if f.rate is not None and f.rate >= 1 else f"{f.count:,.0f} {f.unit}"
    return rate


def _finding(f: Case) -> list[Text]:
    head, style = HEADS[f.kind]
    whole = f" ({f.count:,.0f} in all)" if f.rate is not None and f.rate >= 1 else ""
    out = [Text.assemble((head, style), "  ", (f"{amount(f)}{whole}", "bold"))] if f.kind != "busy" else [Text(head, style)]
    out += [Text(line, "bold") for line in _wrapped(f.title, "  ")]
    out += _labelled("seen in", [*f.seen, f.share])
    out += _labelled("means", [f.means])
    for i, cause in enumerate(f.causes):
        out += _labelled("cause" if i == 0 else "also", [f"{cause.cause} [{cause.rule.id}]"])
        out += _labelled("decided by", [cause.decided, *cause.supports])
        out += _labelled("against it", cause.against)
        out += _labelled("", [MARKS[cause.rule.mark]] if MARKS[cause.rule.mark] and f.kind in LOSSES else [])
    out += _labelled("not excluded" if f.causes else "cannot tell", [open_question(o) for o in f.open])
    out += _labelled("it is not", f.it_is_not)
    out += _labelled("look at", f.look)
    out += _labelled("change", f.change)
    out += _labelled("no help", f.no_help)
    return out


def open_question(o: Open) -> str:
    """What nobody can tell, and what would."""
    titles = [f"{r.title} [{r.id}]" for r in o.rules]
    return f"whether {'; or whether '.join(titles)}. This would tell: {o.reading}"


def _reasons(verdict: Verdict) -> list[Text]:
    """What a drop tool saw.  A full ring is never there: a packet without a buffer has no record in the kernel."""
    if not verdict.reasons:
        return []
    out = [Text(), Text("Packets that a drop tool saw end (losses of a ring are never among them):", "bold")]
    for r in verdict.reasons[:REASONS]:
        what = f"{r.reason or 'no reason given'} in {r.function or 'an unknown function'}"
        out += [Text(line) for line in _hung(f"  {r.count:>13,}  ", what + (f" ({r.meaning})" if r.meaning else ""))]
    if len(verdict.reasons) > REASONS:
        out.append(Text(f"  and {len(verdict.reasons) - REASONS} more", "dim"))
    return out


def _end(verdict: Verdict) -> list[Text]:
    out: list[Text] = []
    if verdict.status == CANNOT_TELL:
        why = "no counter of losses is in both readings" if not verdict.looked else "what is undecided above may be a loss"
        out += [Text(), Text(f"Cannot tell whether anything is lost: {why}.", "bold")]
    elif not verdict.losses:
        where = "where these readings look; what they leave out is listed below" if verdict.unknown else "here"
        out += [Text(), Text(f"Nothing is lost {where}.", "bold green")]
        out += [Text(line) for line in _wrapped(
            "None of the counters of losses that were read moved meanwhile. If somebody misses packets all the same: compare the "
            "sender's count with rx_packets (a switch, a hypervisor or pause frames may lose them before this host), look at the program's "
            "own discards, and take a longer reading.")]
    return out + _not_looked(verdict, "Not looked at, and what would show it")


def _not_looked(verdict: Verdict, head: str) -> list[Text]:
    if not verdict.unknown:
        return []
    together: dict[tuple[str, ...], list[str]] = {}
    for reading, what in verdict.unknown.items():
        together.setdefault(what, []).append(reading)
    out = [Text(), Text(f"{head}:", "bold")]
    for what, readings in together.items():
        out += [Text(line) for line in _hung("  ", f"{', '.join(readings)}: {', '.join(what)}", 6)]
    return out


def _unread(readings: Sequence[Reading]) -> list[Text]:
    lines = list(dict.fromkeys(str(u) for r in readings for u in r.unread))
    if not lines:
        return []
    out = [Text(), Text("Could not be read:", "bold")]
    for text in lines[:UNREAD]:
        out += [Text(line, "dim") for line in _wrapped(text, "  ")]
    if len(lines) > UNREAD:
        out.append(Text(f"  and {len(lines) - UNREAD} more (--show-readings lists them)", "dim"))
    return out


# ---------------------------------------------------------------- what was recognised
def readings_table(readings: Sequence[Reading]) -> Group:
    """--show-readings: each text that was recognised, with its place, then each line that was not."""
    out: list[Text] = []
    for i, reading in enumerate(readings):
        name = f" ({reading.name})" if reading.name else ""
        unread = f"{len(reading.unread)} line{'' if len(reading.unread) == 1 else 's'} not read"
        out += [Text(f"reading {i + 1}{name}: {len(reading.records)} recognised, {unread}", "bold")]
        for (what, where), n in _kinds(reading).items():
            out += [Text(line) for line in _hung(f"  {what:<28} ", where + (f" ({n} of them)" if n > 1 else ""), 31)]
        out += [Text(line, "dim") for u in reading.unread for line in _wrapped(f"not read: {_below(str(u), reading.name)}", "  ")]
    return Group(*out)


def _below(place: str, name: str) -> str:
    """A file is named where it is not the reading itself, and from the reading's folder on."""
    return place.removeprefix(f"{name}, ").removeprefix(f"{name.rstrip('/')}/") if name else place


def _kinds(reading: Reading) -> dict[tuple[str, str], int]:
    """(kind and device, place) and how many of them."""
    found: dict[tuple[str, str], int] = {}
    for r in reading.records:
        device = getattr(r, "device", "")
        what = type(r).__name__ + (f" {device}" if device else "") + (f" in {r.netns}" if r.netns else "")
        key = (what, _below(str(r.source), reading.name))
        found[key] = found.get(key, 0) + 1
    return found


# ---------------------------------------------------------------- text
def _width() -> int:
    """Of a line: in a narrow terminal what that has."""
    return max(LEAST, min(WIDTH, columns()))


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _width(), initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _hung(head: str, text: str, hang: int | None = None) -> list[str]:
    return textwrap.wrap(text, _width(), initial_indent=head, subsequent_indent=" " * (len(head) if hang is None else hang),
                         break_long_words=False, break_on_hyphens=False) or [head.rstrip()]


def _labelled(label: str, texts: Sequence[str]) -> list[Text]:
    out = []
    for i, text in enumerate(t for t in texts if t):
        for j, line in enumerate(_hung(" " * LABEL, text)):
            head = f"  {label}".ljust(LABEL) if i == j == 0 else " " * LABEL
            out.append(Text.assemble((head, "dim"), line[LABEL:]))
    return out


# ---------------------------------------------------------------- JSON
def as_json(verdict: Verdict, readings: Sequence[Reading], since_boot: bool) -> dict[str, Any]:
    """What --json prints."""
    kernel = next((k for r in readings for k in r.of(Kernel)), None)
    return {
        "status": CANNOT_TELL if since_boot else verdict.status, "since_boot": since_boot, "seconds": verdict.seconds,
        "readings": len(readings), "kernel": kernel.release if kernel is not None else None,
        "notes": list(verdict.notes), "findings": [_as_json(f, since_boot) for f in verdict.found],
        "not_looked_at": [{"reading": reading, "findings": list(what)} for reading, what in verdict.unknown.items()],
        "drop_reasons": [{"count": r.count, "reason": r.reason, "function": r.function, "meaning": r.meaning} for r in verdict.reasons],
        "unread": list(dict.fromkeys(str(u) for r in readings for u in r.unread)),
    }


def _as_json(f: Case, since_boot: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"finding": f.name, "kind": f.kind, "subject": f.subject or None, "title": f.title, "count": f.count,
                             "unit": f.unit, "means": f.means, "seen_in": list(f.seen)}
    if since_boot:
        return found
    return found | {
        "per_second": f.rate, "share": f.share or None,
        "causes": [{"rule": c.rule.id, "cause": c.cause, "decided_by": [c.decided, *c.supports], "against": list(c.against),
                    "mark": c.rule.mark} for c in f.causes],
        "cannot_tell": [{"rules": [{"rule": r.id, "title": r.title} for r in o.rules], "reading": o.reading} for o in f.open],
        "it_is_not": list(f.it_is_not), "look_at": list(f.look), "change": list(f.change), "no_help": list(f.no_help)}
