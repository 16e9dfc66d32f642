"""A twin in the terminal, drawn anew with each window, and what is said at its end."""
from __future__ import annotations

import datetime
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rxpath.workbench.advice.expected_error import of_profile
from rxpath.workbench.case.classes import BY_KEY
from rxpath.workbench.twin.windows import Burst, Depth, Room, Total, Window
from rxpath.workbench.views.headroom import pps, times
from rxpath.workbench.views.terminal import table
from rxpath.workbench.words import figures

DEPTHS, CPUS, LOG, WIDE = 6, 8, 5, 16
EIGHTHS = " ▏▎▍▌▋▊▉█"


def render(w: Window, total: Total) -> Group:
    """What a terminal of 80 columns and 24 lines has room for."""
    parts: list[Any] = [
        Text(f"{total.device}   {figures.ns(total.took_ns)}   {pps(w.pps)}   {w.octets * 8e3 / max(w.took_ns, 1):,.1f} Mbit/s   "
             f"lost {_counted(total.lost)}", "bold"),
        Text(_burst(w.burst, w.frames, w.took_ns)), Text(_cpus(w))]
    if not w.whole:
        parts.append(Text(_missing(w.skipped, w.missed) + ": what follows is too low", "red"))
    shown = table("deepest in this window", "", "most", "of", "share", left=2)
    for d in w.depths[:DEPTHS]:
        shown.add_row(d.name, bar(d.share), f"{d.most:,}", f"{d.limit:,}", share(d.share))
    parts += [shown, Text(room(total.room), "bold" if total.room and not total.room.why else "")]
    parts += _log(total, LOG)
    if total.real is not None:
        parts.append(Text(beside(total.real, total.ours)))
    return Group(*parts)


def summary(total: Total) -> Group:
    """All of it, at the end."""
    head = (f"{total.device}: {total.frames:,} frames in {figures.ns(total.took_ns)}, {total.delivered:,} delivered, "
            f"lost {_counted(total.lost)}; {total.ended}")
    parts: list[Any] = [Text(head, "bold"), Text(f"kernel {total.kernel}, cost profile {total.profile}, seed {total.seed}")]
    parts += [Text(said) for said in (of_profile(total.profile), *total.said, *total.notes) if said]
    if total.queued:
        parts.append(Text(f"still queued: {total.queued:,}"))
    if total.other:
        parts.append(Text(f"ended otherwise: {_counted(total.other)}"))
    if total.burst.frames:
        parts.append(Text(_burst(total.burst, total.frames, total.took_ns) + f", {clock(total.burst.at_ns)}"))
    if total.not_whole:
        parts.append(Text(f"{_missing(total.skipped, total.missed)}: the figures of {total.not_whole} of {total.windows} windows are too "
                          "low", "red"))
    if total.nearest.log:
        parts += [Text(), *_log(total, len(total.nearest.log))]
    parts += [Text(), Text(room(total.room))] if total.room else []
    if total.least is not None and total.least is not total.room:
        parts.append(Text(f"least head-room, at {clock(total.least.at_ns)}: {room(total.least)}"))
    if total.real is not None:
        parts.append(Text(beside(total.real, total.ours)))
    if total.kept:
        parts.append(Text(total.kept))
    return Group(*parts)


def _log(total: Total, most: int) -> list[Any]:
    """The moments that came nearest."""
    if not total.nearest.log:
        return []
    shown = table("nearest to a limit", "when", "most", "of", "share", left=2)
    for d in total.nearest.log[:most]:
        shown.add_row(d.name, clock(d.at_ns), f"{d.most:,}", f"{d.limit:,} {d.unit}", share(d.share))
    return [shown]


def room(found: Room | None) -> str:
    if found is None:
        return "head-room: not known yet"
    of = f"of {found.frames:,} records in {found.seconds:.1f} s"
    if found.why:
        return f"head-room: not known: {found.why}"
    if not found.factor:
        return f"head-room: none, {found.place} gives way at any speed ({of})"
    if not found.place:
        return f"head-room: more than {times(found.factor)} this traffic; nothing gave way ({of})"
    return f"head-room: {times(found.factor)} this traffic; the first to give way is {found.place} ({of})"


def beside(real: Mapping[str, int], ours: Mapping[str, int]) -> str:
    """The kernel's counters and the twin's."""
    both = [f"{BY_KEY[key].title}: {n:,} (twin {ours.get(key, 0):,})" for key, n in real.items() if n or ours.get(key, 0)]
    return "the kernel's counters: " + ("; ".join(both) if both else "nothing lost, nor by the twin")


def _burst(burst: Burst, frames: int, took_ns: int) -> str:
    if not burst.frames:
        return "no frames"
    mean = frames * 1e6 / max(took_ns, 1)
    return f"busiest millisecond: {burst.frames:,} frames, {burst.octets:,} bytes; {mean:,.3g} on average"


def _cpus(w: Window) -> str:
    busiest = sorted(((share_, n) for n, share_ in enumerate(w.cpus)), key=lambda item: (-item[0], item[1]))[:CPUS]
    return "CPUs: " + ", ".join(f"{n} {share(busy)}" for busy, n in busiest) + f"; behind {figures.ns(w.behind_ns)}"


def _missing(skipped: int, missed: int) -> str:
    return " and ".join(text for n, text in ((skipped, f"{skipped:,} records skipped, being behind"),
                                             (missed, f"{missed:,} frames lost by the mirror's own ring")) if n)


def _counted(by: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in by.items()) or "0"


def share(value: float) -> str:
    return f"{value:.1%}" if value < 0.995 else f"{value:.0%}"


def bar(value: float) -> str:
    """A share of WIDE places."""
    eighths = round(min(max(value, 0.0), 1.0) * WIDE * 8)
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")


def clock(ns: int) -> str:
    """Time of day, UTC, with milliseconds."""
    return datetime.datetime.fromtimestamp(ns // 1_000_000 / 1000, datetime.UTC).strftime("%H:%M:%S.%f")[:-3]


class View:
    """The lower part of the terminal, from with to its end."""

    def __init__(self, total: Total) -> None:
        self.total = total
        self.live = Live(Text("waiting for frames"), console=Console(highlight=False), auto_refresh=False, vertical_overflow="crop",
                         transient=True)

    def show(self, w: Window) -> None:
        self.live.update(render(w, self.total), refresh=True)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()


__all__ = ["Depth", "View", "render", "summary"]
