"""A calibration from end to end: measure, derive, write, compare.  The command and Python come through here."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rxpath.path import Stage
from rxpath.vtime import calibrated
from rxpath.vtime.costs import Profile, load_profile
from rxpath.workbench.calibration import machine, profile
from rxpath.workbench.calibration.derive import BASE, Derived, derive
from rxpath.workbench.calibration.machine import Cpus
from rxpath.workbench.calibration.measure import ROUNDS, Measured, measure
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

SLOW = 0.4                                                  # share of the rounds at another speed that is worth a line


@dataclass(frozen=True, slots=True)
class Line:
    """ns of a stage, what they were measured by, and their spread; a byte's have decimals."""
    stage: str
    ns: float
    low: float
    high: float
    source: str


@dataclass
class Calibration:
    """name: of the profile; file: where it lies, "" where nothing was written; default: it is this machine's own.  kept: stages that could
    not be measured and are the base's times the factor.  notes: what a reader must know.  beside: (stage, ns in each of `profiles`)."""
    name: str
    file: str = ""
    default: bool = False
    lines: list[Line] = field(default_factory=list)
    halt: list[tuple[str, float]] = field(default_factory=list)
    stalls: tuple[float, float] | None = None
    base: str = BASE
    factor: float = 1.0
    kept: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)
    beside: list[profile.Beside] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, calibrated.Errors] = field(default_factory=dict)
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "file": self.file, "default": self.default, "calibration": self.made, "factor": self.factor,
                "stages": [asdict(line) for line in self.lines], "halt_ns": dict(self.halt),
                "stalls": None if self.stalls is None else {"per_second": self.stalls[0], "mean_ns": self.stalls[1]},
                "not_measured": self.kept, "notes": self.notes, "errors": {kind: e._asdict() for kind, e in self.errors.items()},
                "compared": {"profiles": self.profiles, "stages": {b.stage: list(b.ns) for b in self.beside}}}


def cpus_of(text: str | None) -> Cpus:
    """--cpus, or two that fit."""
    if text is None:
        return machine.cpus()
    try:
        return machine.cpus(tuple(int(part) for part in text.split(",")))
    except ValueError as error:
        raise error if isinstance(error, BadInput) else BadInput(f"--cpus {text}: one or two numbers of CPUs, such as 0,1") from None


def calibrate(cpus: Cpus, *, rounds: int = ROUNDS, anyway: bool = False, out: str | None = None, compare: Sequence[str] = (),
              stop: Callable[[], bool] = lambda: False, say: Callable[[str], None] = lambda text: None) -> Calibration:
    """Measure this machine and write its profile.  compare: names to set beside it, "all" for every one."""
    beside = profile.others([n for n in compare if n != "all"]) if compare else []
    name = profile.new_name()
    say("waiting for a quiet moment")
    machine.wait_until_quiet()
    found = measure(cpus, rounds=rounds, stop=stop, say=say)
    if found.interrupted:
        return Calibration(name, interrupted=True)
    derived = derive(found)
    why = _unfit(found, derived)
    default = (not why or anyway) and not out
    path = profile.save(profile.text(name, derived, found, default), name, out)
    done = _described(load_profile(str(path)), name, beside)
    done.file, done.default = str(path), default
    done.notes = [*_notes(found), *done.notes]
    if not default and not out:
        done.notes.append(f"it is not the default: {why}; --anyway makes it so")
    return done


def shown(name: str, compare: Sequence[str] = ()) -> Calibration:
    """A profile that there is."""
    try:
        chosen = load_profile(name)
    except ValueError as error:
        raise BadInput(f"--show {name}: {error}") from None
    full = calibrated.newest() or name if name == calibrated.HERE else name
    beside = profile.others([n for n in compare if n != "all"]) if compare else []
    done = _described(chosen, full, [n for n in beside if n != full])
    done.default = full == calibrated.newest()
    done.file = str(calibrated.path_of(full)) if calibrated.is_calibrated(full) else ""
    done.errors = calibrated.errors(full)
    return done


def listed() -> list[dict[str, Any]]:
    """Calibrations of this user, the newest last."""
    own = calibrated.newest()
    return [{"name": name, "default": name == own, "this_machine": made.get("machine") == calibrated.machine_id(),
             "validated": bool(calibrated.errors(name)), **{k: made.get(k) for k in ("date", "kernel", "model", "others")}}
            for name in calibrated.names() for made in [calibrated.made_on(calibrated.path_of(name))]]


def _described(of: Profile, name: str, beside: Sequence[str]) -> Calibration:
    lines = [Line(b.stage, b.ns[0] or 0.0, *of.spread[Stage[b.stage]], of.source[Stage[b.stage]])
             for b in profile.beside([of], of) if of.spread]
    profiles = [of, *(load_profile(n) for n in beside)] if beside else []
    kept = [s.name for s in Stage if of.ns.get(s) and s not in of.spread]
    rows = profile.beside(profiles, of) if beside else []
    return Calibration(name, lines=lines, halt=[(units.duration_text(t), float(ns)) for t, ns in of.halt], stalls=of.stalls, kept=kept,
                       profiles=[name, *beside] if beside else [], beside=rows, made=dict(of.made),
                       factor=of.made.get("factor", 1.0))


def _unfit(found: Measured, derived: Derived) -> str:
    """Why it should not be the machine's own; "": it may."""
    if missing := [stage.name for stage in (Stage.SENDER, Stage.udp_recvmsg) if stage not in derived.costs]:
        return f"too little could be measured ({' and '.join(missing)} not)"
    if not found.quiet:
        return f"{machine.Busy(found.others, found.steal).said()} meanwhile, and its figures hold that. Again on a quiet machine"
    return ""


def _notes(found: Measured) -> list[str]:
    notes = [found.cpus.note] if found.cpus.note else []
    for why in dict.fromkeys(found.cannot.values()):
        what = ["whatever needs a network" if n == "namespaces" else n for n, said in found.cannot.items() if said == why]
        notes.append(f"not measured: {', '.join(what)}: {why}")
    slow = max((v.slow for v in found.values.values()), default=0.0)
    if slow >= SLOW:
        notes.append(f"in {slow:.0%} of the rounds some figure was at another speed of this machine; the better one was taken")
    if found.steal > 0.005:
        notes.append(f"the hypervisor took {found.steal:.1%} of the CPUs meanwhile")
    return notes
