"""`rxpath headroom`: how much faster the same traffic may come."""
from __future__ import annotations

from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.html import HtmlOption, check_html, write_html
from rxpath.workbench.cli.options import (
    CaptureArgument,
    HostOption,
    JobsOption,
    ListenOption,
    LocalOption,
    LoopOption,
    SchedulerOption,
    SeedOption,
    SetOption,
    checked_jobs,
)
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Interrupt, Spinner

EXAMPLES = examples(
    ("rxpath headroom first", "until the first frame is lost"),
    ("rxpath headroom first --loss 0.1%", "until more than that is lost"),
    ("rxpath headroom first --html headroom.html", "as curves, the limit that binds marked"),
    ("rxpath headroom first --p99 500us --limits 5", "until p99 is above that, and the next limits"),
)


def headroom(
    capture: CaptureArgument,
    host: HostOption = None,
    set_: SetOption = None,
    listen: ListenOption = None, local: LocalOption = None, loop: LoopOption = 1, seed: SeedOption = None,
    loss: Annotated[str | None, typer.Option("--loss", metavar="SHARE", help="Allow this share of the frames to be lost: 0.1%.")] = None,
    p99: Annotated[str | None, typer.Option(
        "--p99", metavar="TIME", help="99% must be finished within this time, such as 500us; lost ones never are.")] = None,
    limits: Annotated[int, typer.Option("--limits", metavar="N", help="How many limits to find; each is lifted to find the next.")] = 3,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N", help="How many seeds to search the first limit with: 5.")] = None,
    jobs: JobsOption = None, scheduler: SchedulerOption = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output: limits and curves.")] = False,
    html: HtmlOption = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress.")] = False
) -> None:
    """Find how much faster the same traffic may come, what gives way first, what lifts it, and what gives way next."""
    import json

    from rxpath.workbench.advice.goal import checked_seeds
    from rxpath.workbench.many import headroom as searching
    from rxpath.workbench.views import headroom as chart
    from rxpath.workbench.views import terminal

    check_html(html, capture, host)
    with Interrupt() as interrupt, Spinner(not no_progress) as say:
        room = searching.headroom(capture, host=host, overrides=set_ or [], listen=listen or [], local=local, loop=loop, seed=seed,
                                  loss=loss, p99=p99, steps=limits, seeds=checked_seeds(seeds), jobs=checked_jobs(jobs, scheduler), say=say,
                                  stop=interrupt)
    if html:
        from rxpath.workbench.views.html import headroom as page

        write_html(html, lambda command: page.page(room, command))
    if json_:
        print(json.dumps(room.to_dict(), indent=1))
    else:
        terminal.show(chart.render(room))
    raise typer.Exit(EXIT_INTERRUPTED if room.interrupted else 0)
