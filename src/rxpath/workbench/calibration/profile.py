"""A profile of what was measured: as a file, as this machine's own, and beside others."""
from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rxpath._version import __version__
from rxpath.path import STATIONS, Stage
from rxpath.vtime import calibrated
from rxpath.vtime.costs import BYTE_STAGES, SHIFT, Profile, load_profile
from rxpath.workbench.calibration.derive import BASE, Derived
from rxpath.workbench.calibration.measure import Measured
from rxpath.workbench.host.model.host import PROFILES
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput, writing


def new_name() -> str:
    return f"{calibrated.HERE}-{time.strftime('%Y%m%d-%H%M%S')}"


def text(name: str, found: Derived, measured: Measured, default: bool) -> str:
    """The file.  default: it may be this machine's own."""
    model, when = calibrated.cpu_model(), time.strftime("%d %B %Y, %H:%M")
    lines = [f"# Measured by rxpath {__version__} in {measured.seconds:.0f} s, {measured.rounds} rounds.  ns is the median of the rounds",
             "# at the machine's better speed; low and high are the least and the largest median of a round.",
             f"name = {_quoted(name)}", f"about = {_quoted(f'measured on this machine ({model or os.uname().machine}), {when}')}",
             f"base = {_quoted(BASE)}", f"factor = {found.factor:.4f}", f"factor_source = {_quoted(found.factor_source)}", "",
             "[calibration]", f"date = {_quoted(time.strftime('%Y-%m-%dT%H:%M:%S%z'))}", f"machine = {_quoted(calibrated.machine_id())}",
             f"kernel = {_quoted(os.uname().release)}", f"model = {_quoted(model)}", f"cpus = {os.cpu_count() or 1}",
             f"measured_on = {[c for c in (measured.cpus.a, measured.cpus.b) if c is not None]}", f"hz = {found.hz}",
             f"factor = {found.factor:.4f}",
             f"others = {measured.others:.4f}", f"steal = {measured.steal:.4f}",
             f"slow = {max((v.slow for v in measured.values.values()), default=0.0):.2f}", f"default = {str(default).lower()}"]
    for table in ("stations", "events", "bytes"):
        rows = [(stage, cost) for stage, cost in found.costs.items() if _table(stage) == table]
        if rows:
            lines += ["", f"[{table}]"]
        for stage, cost in rows:
            form = ".4f" if table == "bytes" else ".1f"
            lines.append(f"{stage.name} = {{ ns = {cost.ns:{form}}, low = {cost.low:{form}}, high = {cost.high:{form}}, "
                         f"source = {_quoted(cost.source)} }}")
    if found.halt:
        lines += ["", "# What a wake-up takes more than IDLE_EXIT after so long a halt.", "[halt]"]
        lines += [f"{units.duration_text(halted)} = {{ ns = {cost.ns:.0f}, source = {_quoted(cost.source)} }}"
                  for halted, cost in found.halt]
    if found.stalls is not None:
        rate, length, source = found.stalls
        lines += ["", "[stalls]", f"per_second = {rate:.3f}", f"mean_ns = {max(length, 1000):.0f}", f"source = {_quoted(source)}"]
    return "\n".join(lines) + "\n"


def _table(stage: Stage) -> str:
    return "stations" if stage in STATIONS else "bytes" if stage in BYTE_STAGES else "events"


def _quoted(value: str) -> str:
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else "'" if c == '"' else " " for c in value) + '"'


def save(content: str, name: str, out: str | None = None) -> Path:
    """Into the calibrations of this user, or `out`.  Under sudo it belongs to who called it."""
    path = Path(out) if out else calibrated.path_of(name)
    with writing(path):
        made = [p for p in (path.parent, *path.parent.parents) if not p.exists()]
        if not out:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        owner, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
        if os.geteuid() == 0 and owner.isdigit() and group.isdigit() and not out:
            for item in (path, *made):
                os.chown(item, int(owner), int(group))
    return path


# ---------------------------------------------------------------- beside others
@dataclass(frozen=True, slots=True)
class Beside:
    """ns of one stage in several profiles, in their order; None: it costs nothing there."""
    stage: str
    ns: tuple[float | None, ...]


def others(wanted: Sequence[str]) -> list[str]:
    """Names of profiles to set beside: all shipped ones and all earlier calibrations, or those that are wanted."""
    if not wanted:
        return [*PROFILES, *calibrated.names()]
    for name in wanted:
        try:
            load_profile(name)
        except ValueError as error:
            raise BadInput(f"--compare {name}: {error}") from None
    return list(wanted)


def beside(profiles: Sequence[Profile], of: Profile) -> list[Beside]:
    """The stages that were measured for `of`, in every profile; of a shipped one all that it has."""
    return [Beside(stage.name, tuple(_ns(p, stage) for p in profiles)) for stage in Stage if stage in (of.spread or of.ns)]


def _ns(profile: Profile, stage: Stage) -> float | None:
    if stage not in profile.ns:
        return None
    return profile.ns[stage] / (1 << SHIFT) if stage in BYTE_STAGES else float(profile.ns[stage])
