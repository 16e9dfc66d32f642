"""`rxpath judge`: the real kernel judges.  What the command of cli/app.py does."""
from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rxpath.workbench.judge import captures, generated, load, order, run
from rxpath.workbench.judge.case import Case
from rxpath.workbench.judge.kernel import netns
from rxpath.workbench.judge.kernel.machine import Kernel
from rxpath.workbench.judge.run import STATIONS, Judge, Report
from rxpath.workbench.words.mistakes import BadInput, check_writable

JUDGED_KERNEL = "6.18"
SHOWN = 20                                          # cases with differences that the report prints in full


def kernel_release() -> str:
    return os.uname().release


def cannot_judge() -> str:
    """Why nothing can be judged here, "" when it can."""
    return netns.why_not()


def other_kernel() -> str:
    """What a kernel of another version cannot say; "" on 6.18."""
    release = kernel_release()
    if release.split("-")[0].split(".")[:2] == JUDGED_KERNEL.split("."):
        return ""
    return (f"this kernel is {release}: drop reasons, their places, UDP memory, ICMP limits and martians are rules of {JUDGED_KERNEL}, "
            "and what differs here may be the version")


def judge(only: Sequence[str], examples: int, seed: int | None, as_json: bool, listing: bool, state: str | None, plain: bool,
          stop: Any, folder: str | None = None) -> int:
    """The exit status: 0 no unexplained difference, 1 there are, 2 bad input."""
    if listing:
        for family, case in run.chosen(only):
            print(f"{family:12} {case.station:10} {case.name}" + (f"   (not built: {case.not_built})" if case.not_built else ""))
        return 0
    reason = cannot_judge()
    if reason:
        raise BadInput(f"the kernel cannot be asked here: {reason}")
    seed = int(time.time()) if seed is None else seed
    chosen = [] if folder is not None and not only else [case for _, case in run.chosen(only)]
    if not chosen and not examples and folder is None:
        raise BadInput(f"no case fits {', '.join(only)}; rxpath judge --list names them")
    files = captures.files(folder) if folder is not None else []
    check_writable("--state", state)
    report, whole = Report(), not only and folder is None
    with Judge(plain=plain) as both:
        for line in both.kernel.recovered:
            report.notes.append(f"left by a judge that was killed: {line}")
        for _ in both.run(chosen, report, stop):
            pass
        if examples and not report.stopped:
            _generated(both, report, seed, examples, state, stop)
        if folder is not None and not report.stopped:
            captured(both, report, files, stop=stop)
        missing = both.deviations.missing() if whole and not report.stopped else []
    said = other_kernel()
    if said:
        report.notes.append(said)
    if as_json:
        print(json.dumps(run.as_json(report, kernel=kernel_release(), seed=seed, examples=examples, missing=missing), indent=1))
    else:
        print(text(report, seed, examples, missing), end="")
    if report.stopped:
        return 130
    return 1 if report.total.differ or missing else 0


def order_of_stations(as_json: bool, plain: bool) -> int:
    """`rxpath judge --order`."""
    if reason := cannot_judge():
        raise BadInput(f"the kernel cannot be asked here: {reason}")
    with Kernel() as kernel:
        found = list(order.judged(kernel, plain))
    if as_json:
        print(json.dumps({"kernel": kernel_release(), "no_function_tracer": order.why_no_tracer(), "packets": [
            {"packet": o.name, "agrees": o.agrees, "kernel": o.both, "ours": o.ours, "missing": o.missing} for o in found]}, indent=1))
    else:
        print(order.text(found), end="")
    return 0 if all(o.agrees for o in found) else 1


def under_load(as_json: bool, runs: int = 3) -> int:
    """`rxpath judge --load`."""
    if reason := cannot_judge():
        raise BadInput(f"the kernel cannot be asked here: {reason}")
    with Kernel() as kernel:
        found = load.tables(kernel, runs)
    if as_json:
        print(json.dumps({"kernel": kernel_release(), **{title: [asdict(r) for r in rows] for title, rows in found.items()}}, indent=1))
    else:
        print(load.text(found), end="")
    return 0 if all(r.agrees for rows in found.values() for r in rows) else 1


def _generated(both: Judge, report: Report, seed: int, examples: int, state: str | None, stop: Any) -> None:
    """Generated frames, block by block; with a state file from where an earlier run of the same seed stopped."""
    path = Path(state) if state else None
    first = 0
    if path is not None and path.exists():
        try:
            kept = json.loads(path.read_text())
            first = int(kept["blocks"]) if kept["seed"] == seed else 0
        except (ValueError, KeyError, TypeError):
            raise BadInput(f"{path}: not the state of a judge (--state)") from None
        if first:
            report.notes.append(f"taken up at frame {first * generated.BLOCK:,} of seed {seed}")
    blocks = -(-examples // generated.BLOCK)
    for number in range(first, blocks):
        count = min(generated.BLOCK, examples - number * generated.BLOCK)
        block(both, report, seed, number, count, stop)
        if report.stopped:
            return
        if path is not None:
            beside = path.with_name(path.name + ".new")
            beside.write_text(json.dumps({"seed": seed, "blocks": number + 1 if count == generated.BLOCK else number}))
            os.replace(beside, path)
        if sys.stderr.isatty():
            print(f"\r{number + 1:,} of {blocks:,} blocks, {report.total.differ:,} differ", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def block(both: Judge, report: Report, seed: int, number: int, count: int = generated.BLOCK, stop: Any = None) -> None:
    """One block on fresh hosts.  After a difference both sides begin anew: what follows from it would differ too."""
    judge_each(both, report, generated.block(seed, number, count), stop)


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


def text(report: Report, seed: int, examples: int, missing: Sequence[str]) -> str:
    """The report for people."""
    total = report.total
    lines = [f"kernel {kernel_release()} against the path's profile {JUDGED_KERNEL}"
             + (f"; generated frames: seed {seed}, {examples:,}" if examples else ""), ""]
    lines.append(f"{'station':12}{'cases':>10}{'frames':>10}{'agree':>10}{'deviate':>10}{'differ':>10}")
    for name in [*STATIONS, *sorted(set(report.stations) - set(STATIONS))]:
        if name in report.stations:
            t = report.stations[name]
            lines.append(f"{name:12}{t.cases:>10,}{t.frames:>10,}{t.agree:>10,}{t.deviate:>10,}{t.differ:>10,}")
    lines.append(f"{'all':12}{total.cases:>10,}{total.frames:>10,}{total.agree:>10,}{total.deviate:>10,}{total.differ:>10,}")
    if report.met:
        lines += ["", "listed deviations that were met (deviations.toml)"]
        lines += [f"  {n:>8,}  {name}" for name, n in sorted(report.met.items())]
    if missing:
        lines += ["", "listed deviations that no longer occur"] + [f"  {name}" for name in missing]
    if report.spreads:
        lines += ["", "random on both sides: mean, standard deviation, range"] + [f"  {n}: {said}" for n, said in report.spreads.items()]
    if report.not_built:
        lines += ["", "not built, not judged"] + [f"  {c.name}: {c.not_built}" for c in report.not_built]
    if report.different:
        lines += ["", "differences that nothing explains"]
        for judged in report.different[:SHOWN]:
            lines.append(f"  {judged.case.name} ({judged.case.station}{', ' + judged.case.source if judged.case.source else ''})")
            lines += [f"      {d}" for d in judged.left[:12]]
            lines += _frames(judged.case)
        if total.differ > SHOWN:
            lines.append(f"  and {total.differ - SHOWN:,} more")
    lines += ["", *(f"note: {note}" for note in report.notes)]
    lines.append(f"{total.cases:,} cases in {report.seconds:.1f} s")
    return "\n".join(lines) + "\n"


def _frames(case: Case) -> list[str]:
    """The frame of a case of one frame, so that it can be tried again."""
    frames = [frame for step in case.steps for frame in getattr(step, "frames", ())]
    return [f"      frame {frames[0].hex()}"] if len(frames) == 1 else []
