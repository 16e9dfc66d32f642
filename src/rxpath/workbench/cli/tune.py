"""`rxpath tune`: the smallest change to a host that meets a target."""
from __future__ import annotations

import sys
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.html import HtmlOption, check_html, write_html
from rxpath.workbench.cli.options import (
    HostOption,
    JobsOption,
    ListenOption,
    LocalOption,
    LoopOption,
    SchedulerOption,
    SeedOption,
    SetOption,
    SpeedOption,
    checked_jobs,
)
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt

EXAMPLES = examples(
    ("rxpath tune first --target 'loss<0.1%,p99<80ms'", "over all knobs that the host has"),
    ("rxpath tune dump.pcap --host server.toml --target 'loss<0.01%' --resume tune.jsonl", "goes on where it was stopped"),
    ("rxpath tune first --objective loss,memory --knob ethtool.rx=64..4096 --knob net.core.rmem_default=212992..8388608", "over two"),
    more="Needs pip install 'rxpath[tune]'. A grid of 200 runs or fewer: rxpath sweep runs all of it.",
)


def tune(
    captures: Annotated[list[str], typer.Argument(metavar="CAPTURE", help="pcap or pcapng files, cases, specs, a pattern, or first. Of "
                                                  "several the worst counts.")],
    objective: Annotated[str, typer.Option("--objective", metavar="NAMES", help="What to lower, the most important first: of loss, p99, "
                                           "cpu, memory.")] = "loss,p99",
    target: Annotated[str | None, typer.Option("--target", metavar="LIMITS", help="What must hold: 'loss<0.01%,p99<200us'; also "
                                               "cpu<30%, memory<=8MiB.")] = None,
    knob: Annotated[list[str] | None, typer.Option("--knob", metavar="KEY=RANGE", help="Set only this, as --set of sweep: KEY=V1,V2 or "
                                                   "KEY=A..B. Several times: all of them.")] = None,
    trials: Annotated[int, typer.Option("--trials", metavar="N", help="Settings to try.")] = 64,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="How many seeds each is run with.")] = 3,
    host: HostOption = None, set_: SetOption = None,
    listen: ListenOption = None, local: LocalOption = None, speed: SpeedOption = 1.0, loop: LoopOption = 1,
    seed: SeedOption = None,
    jobs: JobsOption = None, scheduler: SchedulerOption = None,
    resume: Annotated[str | None, typer.Option(
        "--resume", metavar="FILE", help="Keep what was asked and every run there, and go on from it.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    html: HtmlOption = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False
) -> None:
    """Search the host's settings for the smallest change that meets a target."""
    from rxpath.workbench.many import tune as tuning
    from rxpath.workbench.traffic.capture import several
    from rxpath.workbench.views import terminal
    from rxpath.workbench.views import tune as view
    from rxpath.workbench.words.mistakes import apart

    files = [one for one in several(captures) if isinstance(one, str)]
    for file in (*files, host):
        apart("--resume", resume, file)
    check_html(html, *files, host, resume)
    with Interrupt() as interrupt, Bar(not no_progress, f"tuning for {captures[0]}") as bar:
        found = tuning.tune(captures, host, objective=objective, target=target, knobs=knob or (), trials=trials, seeds=seeds,
                            overrides=set_ or (), seed=seed, listen=listen or (), local=local, speed=speed, loop=loop,
                            jobs=checked_jobs(jobs, scheduler), journal=resume, progress=bar, stop=interrupt)
    if html:
        from rxpath.workbench.views.html import tune as page

        write_html(html, lambda command: page.page(found, command))
    if json_:
        sys.stdout.write(tuning.line(found))
    else:
        terminal.show(view.render(found))
    raise typer.Exit(EXIT_INTERRUPTED if found.interrupted else 0)
