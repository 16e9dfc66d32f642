"""`rxpath validate`: what the model predicts beside what this machine's kernel does."""
from __future__ import annotations

import sys
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Ended, Interrupt, Spinner

EXAMPLES = examples(
    ("rxpath validate", "45 experiments on this kernel and in the model, some 8 minutes"),
    ("rxpath validate --short", "three of them, once each: a first look, some 10 s"),
    ("rxpath validate --only bursts", "one kind; or a name: --only 'rps-*'; --list has them"),
    ("rxpath validate --no-run --profile vm", "another profile on the runs that were kept"),
    ("rxpath validate -o page", "a page and pictures there (needs rxpath[shapes])"),
)


def validate(
    only: Annotated[list[str] | None, typer.Option(
        "--only", metavar="PATTERN", help="Experiments whose name or kind fits (* and ?). May be given several times.")] = None,
    short: Annotated[bool, typer.Option("--short", help="Three experiments, once each, even on a busy machine.")] = False,
    runs: Annotated[int | None, typer.Option(
        "--runs", metavar="N", min=1, max=100, help="Undisturbed repetitions of each experiment; 5.")] = None,
    profile: Annotated[str, typer.Option("--profile", metavar="NAME", help="Cost profile: a name or a file.")] = "here",
    folder: Annotated[str | None, typer.Option("--folder", metavar="DIR", help="Where runs are kept, to go on later; else one for this "
                                                                               "machine and kernel.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Discard the runs that were kept and start over.")] = False,
    no_run: Annotated[bool, typer.Option("--no-run", help="Run nothing on the kernel; compare with the runs that were kept.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Keep disturbed repetitions too; they are marked noisy.")] = False,
    cpus: Annotated[str | None, typer.Option("--cpus", metavar="A,B", help="CPUs of sender and reader; two that fit if not given.")] = None,
    idle: Annotated[str, typer.Option("--idle", metavar="STATE", help="The host file's cpu.idle; for profiles without \\[halt].")] = "C1",
    out: Annotated[str | None, typer.Option("-o", "--output", metavar="DIR", help="Write a page and its pictures there.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the experiments and stop.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress.")] = False
) -> None:
    """Run experiments on this kernel and in the model, and say how far they are apart. Needs no root, but for two of them."""
    import json
    from pathlib import Path

    from rxpath.workbench.calibration import experiments
    from rxpath.workbench.calibration import validate as work
    from rxpath.workbench.calibration.calibrate import cpus_of
    from rxpath.workbench.views import pictures, terminal
    from rxpath.workbench.views import validation as view
    from rxpath.workbench.words.mistakes import BadInput

    if short and (only or runs):
        raise BadInput("--short says which and how often: not with --only and --runs")
    wanted = experiments.chosen(list(experiments.SHORT) if short else only or [])
    if listing:
        for name, e in wanted.items():
            print(f"{name:16} {e.kind:10} {e.what}")
        return
    if out:
        pictures.matplotlib()                                   # before the work, not after it
    with Ended(), Interrupt() as interrupt, Spinner(not no_progress, "validating") as say:
        found = work.validate(wanted, profile=profile, folder=folder, fresh=fresh, run=not no_run, runs=1 if short else runs or work.RUNS,
                              anyway=anyway or short, cpus=cpus_of(cpus), idle=idle, stop=interrupt, say=say)
    if json_:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        terminal.show(view.render(found))
    if out and found.rows and not found.interrupted:
        files = view.write(found, Path(out))
        print(f"wrote {files[0]} and {len(files) - 1} pictures", file=sys.stderr)
    if found.interrupted:
        print("rxpath: interrupted: finished runs are kept; the same command continues", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED)
