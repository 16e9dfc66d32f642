"""`rxpath calibrate`: what this machine's own kernel work costs."""
from __future__ import annotations

import sys
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Ended, Interrupt, Spinner

EXAMPLES = examples(
    ("rxpath calibrate", "measure this machine, some 30 s; its profile is the default from then on"),
    ("rxpath calibrate --compare vm", "and set it beside a shipped one; all: beside every one"),
    ("rxpath calibrate --list", "calibrations that there are; nothing is measured"),
    ("rxpath calibrate -o here.toml", "into a file instead; --set profile=./here.toml"),
)


def calibrate(
    compare: Annotated[list[str] | None, typer.Option(
        "--compare", metavar="PROFILE", help="Compare with this profile: a shipped name, an earlier calibration, a file, or all. May be "
        "given "
                                             "several times.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the calibrations of this machine and stop.")] = False,
    show: Annotated[str | None, typer.Option(
        "--show", metavar="PROFILE", help="Measure nothing: show this one (here, or a name of --list), and what --compare names.")] = None,
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", min=1, max=20, help="How many rounds, about 5 s each.")] = 5,
    cpus: Annotated[str | None, typer.Option("--cpus", metavar="A,B", help="CPUs to measure on; two quiet ones if not given.")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Make it the default even if other work disturbed the measurement.")] = False,
    out: Annotated[str | None, typer.Option(
        "-o", "--output", metavar="FILE", help="Write the profile there; the default stays as it is.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress.")] = False
) -> None:
    """Measure what this machine's kernel work costs, and make that the cost profile of all commands here. Needs no root."""
    import json

    from rxpath.workbench.calibration import calibrate as work
    from rxpath.workbench.views import calibration as view
    from rxpath.workbench.views import terminal
    from rxpath.workbench.words.mistakes import check_writable

    if listing:
        listed = work.listed()
        print(json.dumps(listed, indent=1) if json_ else view.listed(listed), end="\n" if json_ else "")
        return
    check_writable("-o", out)
    wanted = [name for item in compare or [] for name in item.split(",")]
    if show is not None:
        done = work.shown(show, wanted)
    else:
        pair = work.cpus_of(cpus)
        with Ended(), Interrupt() as interrupt, Spinner(not no_progress, "measuring") as say:
            done = work.calibrate(pair, rounds=rounds, anyway=anyway, out=out, compare=wanted, stop=interrupt, say=say)
    if json_:
        print(json.dumps(done.to_dict(), indent=1))
    else:
        terminal.show(view.render(done))
    if done.interrupted:
        print("rxpath: interrupted: no profile was written", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED)
