"""Many cases, on both sides, and what came of them: the runner behind `rxpath judge` and tests/kernel.

Families are modules of cases/ with a function cases(); generated cases come from generated.py by a seed.  A host's cases that may share a
machine run on one, in their order."""
from __future__ import annotations

import importlib
import json
import os
import pkgutil
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.judge import captures, cases, generated
from rxpath.workbench.judge.case import Case, Observation, Step
from rxpath.workbench.judge.compare import Deviations, Difference, differences, spreads, views, within, without_merged
from rxpath.workbench.judge.kernel import requirements
from rxpath.workbench.judge.kernel.machine import Kernel
from rxpath.workbench.judge.ours.machine import Ours
from rxpath.workbench.judge.tcp import generated as tcp_generated
from rxpath.workbench.judge.tcp.steps import Handshake, Segment
from rxpath.workbench.words.mistakes import BadInput

STATIONS = ("drivers", "irq", "link", "network", "transport", "user")
REPEATS = 4                                         # of a case that differs, on the kernel
KEPT = 200                                          # differences shown at most
JUDGED_KERNEL = "6.18"


def kernel_release() -> str:
    return os.uname().release


def cannot_judge() -> str:
    """Why nothing can be judged here, "" when it can."""
    return next(iter(requirements.missing()), "")


def other_kernel() -> str:
    """What a kernel of another version cannot say; "" on 6.18."""
    release = kernel_release()
    if release.split("-")[0].split(".")[:2] == JUDGED_KERNEL.split("."):
        return ""
    return (f"this kernel is {release}: drop reasons, their places, UDP memory, ICMP limits and martians are rules of {JUDGED_KERNEL}, "
            "and what differs here may be the version")


@dataclass(slots=True)
class Judged:
    """One case after the comparison."""
    case: Case
    left: list[Difference]
    met: list[str]
    notes: list[str]
    spread: str = ""
    varied: list[Difference] = field(default_factory=list)      # by no more than the kernel from run to run


@dataclass(slots=True)
class Tally:
    cases: int = 0
    frames: int = 0
    agree: int = 0
    deviate: int = 0
    differ: int = 0


def frames_of(step: Step) -> int:
    """How many frames it sends; a handshake two."""
    return 2 if isinstance(step, Handshake) else step.count if isinstance(step, Segment) else len(getattr(step, "frames", ()))


@dataclass(slots=True)
class Report:
    """What a run has found."""
    stations: dict[str, Tally] = field(default_factory=dict)
    different: list[Judged] = field(default_factory=list)
    not_built: list[Case] = field(default_factory=list)
    met: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    spreads: dict[str, str] = field(default_factory=dict)       # case -> both sides' mean, deviation and range
    varied: list[Judged] = field(default_factory=list)          # what the kernel itself does differently from run to run
    seconds: float = 0.0
    stopped: bool = False

    def add(self, judged: Judged) -> None:
        tally = self.stations.setdefault(judged.case.station, Tally())
        tally.cases += 1
        tally.frames += sum(map(frames_of, judged.case.steps))
        if judged.left:
            tally.differ += 1
            if len(self.different) < KEPT:
                self.different.append(judged)
        elif judged.met:
            tally.deviate += 1
        else:
            tally.agree += 1
        if judged.varied:
            self.varied.append(judged)
        if judged.spread:
            self.spreads[judged.case.name] = judged.spread
        for name in set(judged.met):
            self.met[name] = self.met.get(name, 0) + 1

    @property
    def total(self) -> Tally:
        rows = self.stations.values()
        return Tally(*(sum(getattr(t, f) for t in rows) for f in ("cases", "frames", "agree", "deviate", "differ")))


def families() -> dict[str, Callable[[], list[Case]]]:
    """Name -> its function: every module of cases/."""
    names = sorted(module.name for module in pkgutil.iter_modules(cases.__path__))
    return {name: importlib.import_module(f"{cases.__name__}.{name}").cases for name in names}


def chosen(only: Sequence[str] = ()) -> list[tuple[str, Case]]:
    """(family, case) of all cases, or of those whose family, name or station one of the patterns fits."""
    result = []
    for family, function in families().items():
        for case in function():
            if not only or any(fnmatchcase(text, p) for p in only for text in (family, case.name, case.station, f"{family}/{case.name}")):
                result.append((family, case))
    return result


def host_of(case: Case) -> Host:
    """The host that a case describes."""
    place = f"host of {case.name}"
    return hostfile.loads(case.host, place) if isinstance(case.host, str) else hostfile.build(dict(case.host), place)


def first_step(found: list[Difference]) -> list[Difference]:
    """Of a conversation's differences those of the first step that has any: what follows from them would be told again and again."""
    steps = [int(d.what.split()[1]) for d in found if d.what.startswith("answer ")]
    return [d for d in found if not d.what.startswith("answer ") or int(d.what.split()[1]) == min(steps)]


class Judge:
    """Both sides and the list of deviations."""

    def __init__(self, deviations: Deviations | None = None, plain: bool = False) -> None:
        self.deviations = deviations or Deviations()
        self.kernel, self.ours = Kernel(), Ours(plain)
        self.hosts: dict[str, Host] = {}

    def host(self, case: Case) -> Host:
        """The host of a case; the same object for the same description."""
        key = case.host if isinstance(case.host, str) else json.dumps(case.host, sort_keys=True)
        if key not in self.hosts:
            self.hosts[key] = host_of(case)
        return self.hosts[key]

    def one(self, case: Case, fresh: bool = False) -> Judged:
        """What time can change - wake-ups, timers, rate limits, a busy machine - is no difference: a case that differs is repeated; what
        the kernel itself does differently from run to run is not held against us."""
        host = self.host(case)
        kernel = self.kernel.one(case, host, fresh)
        ours = self.ours.one(case, host, fresh)
        left, met, said = self.compared(case, ours, kernel)
        if not left:
            return Judged(case, left, met, kernel.notes, said)
        still, runs = left, []
        for _ in range(REPEATS):
            runs.append(self.compared(case, ours, self.kernel.again())[0])
            still = within(left, runs)
            if not still:
                break
        return Judged(case, first_step(still) if case.by_step else still, met, kernel.notes, said, [] if still else left)

    def compared(self, case: Case, ours: Observation, kernel: Observation) -> tuple[list[Difference], list[str], str]:
        """(what nobody explains, names of the deviations that were met, a line about random numbers)."""
        said = ""
        if case.spread is not None:
            found, said = spreads(case.spread(ours), case.spread(kernel))
        elif case.view is not None:
            found = views(case.view(ours), case.view(kernel))
        else:
            found = differences(ours, kernel)
            if case.by_step:
                found = without_merged(found, kernel)
        left, met = self.deviations.explain(case, found)
        return left, met, said

    def run(self, items: Iterable[Case], report: Report, stop: Callable[[], bool] | None = None,
            progress: Callable[[int], None] | None = None) -> Iterator[Judged]:
        started = time.monotonic()
        for done, case in enumerate(items):
            if stop is not None and stop():
                report.stopped = True
                break
            if case.not_built:
                report.not_built.append(case)
                continue
            judged = self.one(case)
            report.add(judged)
            if progress is not None:
                progress(done + 1)
            yield judged
        report.seconds += time.monotonic() - started

    def close(self) -> None:
        self.ours.close()
        self.kernel.close()

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def new_seed(state: str | None) -> int:
    """Of a run that was given none: that of its state file, else a new one."""
    kept = _state(Path(state)) if state else None
    return kept[0] if kept is not None else secrets.randbelow(1 << 31)


def _state(path: Path) -> tuple[int, int] | None:
    """(seed, blocks that are done); None: there is no such file yet."""
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_text())
        return int(kept["seed"]), int(kept["blocks"])
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path}: not the state of a judge (--state)") from None


def generated_frames(both: Judge, report: Report, seed: int, examples: int, state: str | None, stop: Any,
                     say: Callable[[str], None] | None = None) -> None:
    """Generated frames, block by block; with a state file from where an earlier run of the same seed stopped."""
    _blocks(block, generated.BLOCK, both, report, seed, examples, state, stop, say)


def conversations(both: Judge, report: Report, seed: int, segments: int, state: str | None, stop: Any,
                  say: Callable[[str], None] | None = None) -> None:
    """Generated conversations over TCP until they have about so many segments, in the same way."""
    _blocks(conversation_block, tcp_generated.SEGMENTS, both, report, seed, segments, state, stop, say)


def _blocks(one: Callable[..., None], size: int, both: Judge, report: Report, seed: int, wanted: int, state: str | None, stop: Any,
            say: Callable[[str], None] | None) -> None:
    path = Path(state) if state else None
    first = 0
    if path is not None and (kept := _state(path)) is not None:
        first = kept[1] if kept[0] == seed else 0
        if first:
            report.notes.append(f"taken up at {'segment' if one is conversation_block else 'frame'} {first * size:,} of seed {seed}")
    blocks = -(-wanted // size)
    for number in range(first, blocks):
        count = min(size, wanted - number * size)
        one(both, report, seed, number, count, stop)
        if report.stopped:
            return
        if path is not None:
            beside = path.with_name(path.name + ".new")
            beside.write_text(json.dumps({"seed": seed, "blocks": number + 1 if count == size else number}))
            os.replace(beside, path)
        if say is not None:
            say(f"{number + 1:,} of {blocks:,} blocks, {report.total.differ:,} differ")


def block(both: Judge, report: Report, seed: int, number: int, count: int = generated.BLOCK, stop: Any = None) -> None:
    """One block on fresh hosts.  After a difference both sides begin anew: what follows from it would differ too."""
    judge_each(both, report, generated.block(seed, number, count), stop)


def conversation_block(both: Judge, report: Report, seed: int, number: int, segments: int = tcp_generated.SEGMENTS,
                       stop: Any = None) -> None:
    """One block of conversations, likewise."""
    judge_each(both, report, tcp_generated.block(seed, number, segments), stop)


def judge_each(both: Judge, report: Report, cases: Iterable[Case], stop: Any = None) -> None:
    """On one host, fresh at first and after each difference."""
    started, fresh = time.monotonic(), True
    for case in cases:
        if stop is not None and stop():
            report.stopped = True
            break
        judged = both.one(case, fresh)
        fresh = bool(judged.left)
        report.add(judged)
    report.seconds += time.monotonic() - started


def captured(both: Judge, report: Report, paths: Sequence[Path], most: int = 0, stop: Any = None) -> captures.Taken:
    """The frames of captures, at most `most` of each (0: all), each capture on a fresh host."""
    taken = captures.Taken()
    for path in paths:
        judge_each(both, report, captures.cases(path, taken, most), stop)
        if report.stopped:
            break
    report.notes += taken.lines()
    return taken


def as_json(report: Report, **more: Any) -> dict[str, Any]:
    """The report for programs."""
    return more | {
        "stations": {name: {f: getattr(t, f) for f in ("cases", "frames", "agree", "deviate", "differ")}
                     for name, t in sorted(report.stations.items())},
        "deviations": dict(sorted(report.met.items())),
        "spreads": report.spreads,
        "not_built": [{"case": c.name, "why": c.not_built} for c in report.not_built],
        "differences": [{"case": j.case.name, "station": j.case.station, "source": j.case.source,
                         "differences": [str(d) for d in j.left]} for j in report.different],
        "varied": [{"case": j.case.name, "station": j.case.station, "differences": [str(d) for d in j.varied]} for j in report.varied],
        "seconds": round(report.seconds, 2), "stopped": report.stopped,
    }
