"""What rxpath headroom found, for a person: the limits one after the other, and delivered against offered as bars."""
from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath.workbench.advice.expected_error import of_profile
from rxpath.workbench.many.headroom import Dot, Headroom, Now, Step, Tried, kept_by_queues
from rxpath.workbench.many.limits import WORK
from rxpath.workbench.views.terminal import columns, titled
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.words.figures import between, ns, share

WIDE, LEAST, BESIDE = 32, 8, 47                             # of the longest bar; in a narrow terminal; columns of the figures before it
EIGHTHS = " ▏▎▍▌▋▊▉█"


def render(room: Headroom) -> Group:
    """The whole answer."""
    parts: list[Any] = [Text(head(room), "bold"),
                        Text(f"kernel {room.kernel}, cost profile {room.profile}, seed {room.seed}; {room.runs:,} runs")]
    parts += [Text(said)] if (said := of_profile(room.profile)) else []
    if room.now is not None:
        parts.append(Text(lasts(room.now), "bold red" if room.now.lasts is False else ""))
    if room.factors:
        parts.append(Text(f"with {len(room.factors)} seeds: {between(min(room.factors), max(room.factors), number)} times; what follows is "
                          f"of seed {room.seed} alone"))
    if room.interrupted:
        parts.append(Text("INTERRUPTED: what follows is what was found until then"))
    for n, step in enumerate(room.limits, 1):
        parts += [Text(), *_limit(n, step, len(room.limits))]
    for setting, dots in room.curves:
        parts += [Text(), _curve(setting, dots)]
    return Group(*parts)


def number(factor: float) -> str:
    return f"{factor:,.0f}" if factor >= 1000 else f"{factor:.3g}"


def times(factor: float) -> str:
    return f"{number(factor)} times"


def pps(rate: int) -> str:
    for unit, size in (("Mpps", 1_000_000), ("kpps", 1_000)):
        if rate >= size:
            return f"{rate / size:.3g} {unit}"
    return f"{rate} pps"


def lasts(now: Now) -> str:
    """Can it take the traffic as it is for good?"""
    known = {True: "as it is it can last", False: "as it is it cannot last", None: "whether it can last is not known"}[now.lasts]
    return f"{known}: {now.says}"


def head(room: Headroom) -> str:
    """How much faster, in one line."""
    goal = room.goal.text()
    if not room.limits:
        return f"{room.capture}: not known yet ({goal})"
    step = room.limits[0]
    if step.factor == 0:
        return f"{room.capture}: no head-room: the goal ({goal}) does not hold at any speed"
    if room.now is not None and room.now.lasts is False and step.factor >= 1:
        return (f"{room.capture}: cannot last as it is; until this traffic ends the goal ({goal}) holds up to {times(step.factor)} its "
                f"speed, {pps(step.pps)} on average")
    if step.factor < 1:
        return f"{room.capture}: too fast already: the goal ({goal}) holds up to {times(step.factor)} its speed, {pps(step.pps)} on average"
    return f"{room.capture}: may come {times(step.factor)} as fast, {pps(step.pps)} on average ({goal})"


def _limit(n: int, step: Step, of: int) -> list[Any]:
    lines: list[Any] = []
    speed = f"{times(step.factor)} the speed ({pps(step.pps)})" if step.factor else "any speed"
    if step.limit is None:
        return [Text(f"{n}. nothing gives way up to {speed}", "bold")]
    lines.append(Text.assemble((f"{n}. at {speed}: ", "bold"), (step.limit.place, "bold red"), f" - {step.limit.says}"))
    if step.bad is not None and step.lost and step.limit.reason != WORK:
        lines.append(Text(f"   at {times(step.bad)} {step.lost:,} of {step.offered:,} frames {'is' if step.lost == 1 else 'are'} lost: "
                          f"{step.limit.reason}", "dim"))
    if kept_by_queues(step):
        lines.append(Text(f"   beyond {times(step.lasting)} CPU {step.lasting_cpu} has more to do than the traffic lasts: queues keep the "
                          "rest until the traffic ends; longer traffic of this kind loses earlier", "yellow"))
    lift = step.lift
    others = [t for t in step.tried if t is not lift]
    if lift is not None:
        cost = f", {lift.memory_bytes / (1 << 20):+.1f} MiB" if lift.memory_bytes else ""
        far = f"{times(lift.factor)}{_lasting(lift)}"
        lines.append(Text(f"   lifted by {' '.join(f'--set {s}' for s in lift.set)}: then holds up to {far}{cost}", "green"))
        lines += [Text(f"      {command}", "cyan") for command in step.commands]
    elif n < of or others:
        lines.append(Text("   nothing that was tried lifts it", "yellow"))
    if others:
        others.sort(key=lambda t: -t.factor)
        each = [f"{' '.join(t.set)}: {number(t.factor)}{_lasting(t)}" for t in others]
        lines.append(Text(f"   tried too: {'; '.join(each)}", "dim"))
    return lines


def _lasting(at: Tried) -> str:
    return f" (lasting {number(at.lasting)})" if kept_by_queues(at) else ""


def _curve(setting: tuple[str, ...], dots: tuple[Dot, ...]) -> Group:
    """A bar for each speed: what was delivered, and what was lost of the offered."""
    table = table_of("speed", "offered", "delivered", "lost", "p99", "")
    for column in table.columns[:1]:
        column.justify = "right"
    table.columns[5].justify = "left"
    wide = max(LEAST, min(WIDE, columns() - BESIDE))
    top = max((d.offered_pps for d in dots), default=0) or 1
    for d in dots:
        bar, rest = _bar(d.delivered_pps / top, wide), round(wide * d.offered_pps / top)
        table.add_row(number(d.speed), pps(d.offered_pps), pps(d.delivered_pps), share(round(d.lost_share * 1_000_000), 1_000_000),
                      ns(d.p99_ns), Text.assemble((bar, "green"), ("░" * max(0, rest - len(bar)), "red")))
    what = "as it is" if not setting else "with " + " ".join(setting)
    return titled(f"Delivered of what is offered, {what} (bars: delivered █, lost ░)", table)


def _bar(share: float, wide: int) -> str:
    """A bar in eighths of a character."""
    eighths = round(share * wide * 8)
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
