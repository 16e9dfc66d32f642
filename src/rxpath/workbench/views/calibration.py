"""A calibration for a person: what was measured, with its spread; what was not; how it differs from other profiles."""
from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath.vtime.calibrated import Errors
from rxpath.workbench.calibration.calibrate import Calibration
from rxpath.workbench.views.terminal import plain, table, titled
from rxpath.workbench.words import units
from rxpath.workbench.words.figures import ns

PER_BYTE = ("BYTE_COPY", "BYTE_CSUM")


def render(done: Calibration) -> Group:
    if done.interrupted:
        return Group()
    made = done.made
    parts: list[Any] = [Text(f"profile {done.name}" + (": the default of this machine from now on" if done.default else ""), "bold")]
    if made:
        parts.append(Text(f"{made.get('model') or 'CPUs of unknown model'}, Linux {made.get('kernel')}, {made.get('date')}; others had "
                          f"{made.get('others', 0):.1%} of the CPUs"))
    if done.file:
        parts.append(Text(done.file))
    parts += [Text(f"note: {note}", "yellow") for note in done.notes]
    if done.lines:
        parts += [Text(), _measured(done)]
    if done.halt or done.stalls:
        parts += [Text(), _waits(done)]
    if done.kept and done.lines:
        parts += [Text(), Text(f"{len(done.kept)} others cannot be measured here (cards, their interrupts, stations that no packet "
                               f"crossed): they are those of {done.base} times {done.factor:.2f} (--json names them)", "dim")]
    if done.beside:
        parts += [Text(), _beside(done)]
    if done.default and not done.errors:
        parts += [Text(), Text("rxpath validate says how well it predicts this kernel")]
    if done.errors:
        parts += [Text(), errors(done.errors)]
    return Group(*parts)


def _figure(stage: str, value: float) -> str:
    return f"{value:.3f} ns" if stage in PER_BYTE else ns(round(value))


def _measured(done: Calibration) -> Group:
    shown = table("station or event", "", "least", "most")
    for line in done.lines:
        if not line.stage.startswith("IDLE_EXIT_"):         # as IDLE_EXIT
            shown.add_row(line.stage, *(_figure(line.stage, value) for value in (line.ns, line.low, line.high)))
    return titled("Measured here (the file says by what)", shown)


def _waits(done: Calibration) -> Group:
    shown = table("", "", "", left=1)
    for halted, more in done.halt:
        shown.add_row(f"a wake-up after {ns(units.duration_ns(halted))} of idleness", f"+ {ns(round(more))}", "")
    if done.stalls is not None:
        shown.add_row("stalls", f"{done.stalls[0]:.1f} a second", f"of {ns(round(done.stalls[1]))} on average")
    return titled("Idle CPUs, and what the hypervisor takes", shown)


def _beside(done: Calibration) -> Group:
    shown = table("", *done.profiles)
    for row in done.beside:
        if row.stage.startswith("IDLE_EXIT_"):
            continue
        shown.add_row(row.stage, *("-" if value is None else _figure(row.stage, value) for value in row.ns))
    return titled("Beside other profiles", shown)


def errors(found: dict[str, Errors]) -> Group:
    """What a validation found."""
    shown = table("kind", "experiments", "mean error of loss", "largest", "of p50")
    for kind, e in found.items():
        shown.add_row(kind, f"{e.experiments}", f"{e.points:.1f} points", f"{e.worst:.1f}", "-" if e.p50 is None else f"{e.p50:.0%}")
    return titled("Errors against this machine's kernel (rxpath validate)", shown)


def listed(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "no calibration yet: rxpath calibrate\n"
    shown = table("profile", "made", "kernel", "others", "", left=3)
    shown.columns[4].justify = "left"
    for row in rows:
        state = [word for word, holds in (("default", row["default"]), ("validated", row["validated"]),
                                          ("another machine", not row["this_machine"])) if holds]
        others = "-" if row["others"] is None else f"{row['others']:.0%}"
        shown.add_row(row["name"], str(row["date"] or "")[:16], str(row["kernel"]), others, ", ".join(state))
    return plain(shown)
