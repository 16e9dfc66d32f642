"""`rxpath judge`: the real kernel judges."""
from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Ended, Interrupt, Spinner

EXIT_DIFFERENT = 1
EXAMPLES = examples(
    ("sudo rxpath judge", "every listed case, on this machine's kernel"),
    ("sudo rxpath judge --only causes", "one family; also a station or a name: --only 'martian*'"),
    ("sudo rxpath judge --examples 100000", "and so many generated frames, of a new seed, which is printed"),
    ("sudo rxpath judge --examples 100000 --seed 7", "the same ones again"),
    ("sudo rxpath judge --examples 1000000 --seed 7 --state judge.json", "to be taken up where it stopped"),
    ("sudo rxpath judge --only 'tcp_*' --segments 100000", "conversations over TCP from a seed"),
    ("sudo rxpath judge --captures DIR", "the frames of captures"),
    ("sudo rxpath judge --order", "our stations beside the kernel's order of functions"),
    ("sudo rxpath judge --load", "a slow reader, wake-ups, sleeper against hog: ours and the kernel's spread"),
    ("sudo rxpath judge --only 'tcp_*' --transcript", "what this kernel does in conversations over TCP, step by step"),
    ("rxpath judge --list", "the cases; needs no root"),
)


def judge(
    only: Annotated[list[str] | None, typer.Option(
        "--only", metavar="PATTERN", help="Only cases whose family, station or name fits (* and ?). May be given several times.")] = None,
    examples: Annotated[int, typer.Option("--examples", metavar="N", min=0, help="Also run this many generated frames.")] = 0,
    segments: Annotated[int, typer.Option(
        "--segments", metavar="N", min=0, help="Also run generated TCP conversations with about this many segments.")] = 0,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of what is generated; none: a new one, printed.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the cases and stop.")] = False,
    state: Annotated[str | None, typer.Option("--state", metavar="FILE", help="Where a run of generated frames keeps its place.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Run the path as plain Python: slow, the same bytes.")] = False,
    captures: Annotated[str | None, typer.Option(
        "--captures", metavar="DIR", help="Instead of the cases: the frames of every capture there, rewritten to the receiver.")] = None,
    order: Annotated[bool, typer.Option("--order", help="Instead of the cases: our stations beside the kernel's functions.")] = False,
    load: Annotated[bool, typer.Option("--load", help="Instead of the cases: what depends on time, with the kernel's spread.")] = False,
    transcript: Annotated[bool, typer.Option(
        "--transcript", help="Instead of comparing: what this kernel does in conversations over TCP, step by step.")] = False
) -> None:
    """Send the same frames into this machine's kernel and into the path, and say what differs (Linux 6.18, root)."""
    from rxpath.workbench.judge import run
    from rxpath.workbench.judge.kernel import requirements
    from rxpath.workbench.words.mistakes import BadInput

    if listing and not (order or load):
        for family, case in run.chosen(only or []):
            print(f"{family:12} {case.station:10} {case.name}" + (f"   (not built: {case.not_built})" if case.not_built else ""))
        return
    lacks = requirements.missing()
    for line in lacks[:-1]:
        print(f"rxpath: the kernel cannot be asked here: {line}", file=sys.stderr)
    if lacks:
        raise BadInput(f"the kernel cannot be asked here: {lacks[-1]}")
    with Ended():
        if order:
            agrees = _order(json_, plain)
        elif load:
            agrees = _load(json_)
        elif transcript:
            agrees = _transcript(only or [], json_)
        else:
            agrees = _cases(only or [], examples, segments, run.new_seed(state) if seed is None else seed, json_, state, plain, captures)
    if not agrees:
        raise typer.Exit(EXIT_DIFFERENT)


def _cases(only: list[str], examples: int, segments: int, seed: int, as_json: bool, state: str | None, plain: bool,
           folder: str | None) -> bool:
    """Does nothing differ that is not explained?"""
    from rxpath.workbench.judge import captures, run
    from rxpath.workbench.views import judge as view
    from rxpath.workbench.words.mistakes import BadInput, check_writable

    chosen = [] if folder is not None and not only else [case for _, case in run.chosen(only)]
    if not chosen and not examples and not segments and folder is None:
        raise BadInput(f"no case fits {', '.join(only)}; rxpath judge --list names them")
    files = captures.files(folder) if folder is not None else []
    check_writable("--state", state)
    report, whole = run.Report(), not only and folder is None
    with Interrupt() as interrupt, run.Judge(plain=plain) as both:
        for line in both.kernel.recovered:
            report.notes.append(f"left by a judge that was killed: {line}")
        for _ in both.run(chosen, report, interrupt):
            pass
        if examples and not report.stopped:
            print(f"rxpath: {examples:,} generated frames, --seed {seed}", file=sys.stderr)
            with Spinner(True, "generated frames") as say:
                run.generated_frames(both, report, seed, examples, state, interrupt, say)
        if segments and not report.stopped:
            print(f"rxpath: conversations of {segments:,} generated segments, --seed {seed}", file=sys.stderr)
            with Spinner(True, "generated conversations") as say:
                run.conversations(both, report, seed, segments, None if examples else state, interrupt, say)
        if folder is not None and not report.stopped:
            run.captured(both, report, files, stop=interrupt)
        missing = both.deviations.missing() if whole and not report.stopped else []
    said = run.other_kernel()
    if said:
        report.notes.append(said)
    if as_json:
        print(json.dumps(run.as_json(report, kernel=run.kernel_release(), seed=seed, examples=examples, missing=missing), indent=1))
    else:
        print(view.text(report, seed, examples, missing), end="")
    if report.stopped:
        raise typer.Exit(EXIT_INTERRUPTED)
    return not report.total.differ and not missing


def _transcript(only: list[str], as_json: bool) -> bool:
    from rxpath.workbench.judge import run
    from rxpath.workbench.judge.kernel.machine import Kernel
    from rxpath.workbench.judge.tcp import transcript
    from rxpath.workbench.words.mistakes import BadInput

    chosen = [case for _, case in run.chosen(only) if case.by_step]
    if not chosen:
        raise BadInput(f"no conversation over TCP fits {', '.join(only)}; rxpath judge --list --only 'tcp_*' names them")
    told = {}
    with Interrupt() as interrupt, Kernel() as kernel:
        for case in chosen:
            if interrupt():
                raise typer.Exit(EXIT_INTERRUPTED)
            told[case.name] = list(transcript.lines(case, kernel.one(case, run.host_of(case))))
            if not as_json:
                print("\n".join(told[case.name]), flush=True)
    if as_json:
        print(json.dumps({"kernel": run.kernel_release(), "conversations": told}, indent=1))
    return True


def _order(as_json: bool, plain: bool) -> bool:
    from rxpath.workbench.judge import order
    from rxpath.workbench.judge.kernel.machine import Kernel
    from rxpath.workbench.judge.run import kernel_release
    from rxpath.workbench.views import judge as view

    with Kernel() as kernel:
        found = list(order.judged(kernel, plain))
    if as_json:
        print(json.dumps({"kernel": kernel_release(), "no_function_tracer": order.why_no_tracer(), "packets": [
            {"packet": o.name, "agrees": o.agrees, "kernel": o.both, "ours": o.ours, "missing": o.missing} for o in found]}, indent=1))
    else:
        print(view.order_text(found), end="")
    return all(o.agrees for o in found)


def _load(as_json: bool, runs: int = 3) -> bool:
    from rxpath.workbench.judge import load
    from rxpath.workbench.judge.kernel.machine import Kernel
    from rxpath.workbench.judge.run import kernel_release
    from rxpath.workbench.views import judge as view

    with Kernel() as kernel:
        found = load.tables(kernel, runs)
    if as_json:
        print(json.dumps({"kernel": kernel_release(), **{title: [asdict(r) for r in rows] for title, rows in found.items()}}, indent=1))
    else:
        print(view.load_text(found), end="")
    return all(r.agrees for rows in found.values() for r in rows)
