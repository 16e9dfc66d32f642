"""`rxpath diff`: two runs, and what differs by more than the seeds do."""
from __future__ import annotations

import json
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.html import HtmlOption, check_html, write_html
from rxpath.workbench.cli.options import HostOption, JobsOption, SchedulerOption, SeedOption, checked_jobs
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt

EXIT_DIFFERENT = 1
EXAMPLES = examples(
    ("rxpath diff server.toml mine.toml --on first", "two host files, the same traffic"),
    ("rxpath diff first first --set-b ethtool.rx=4096", "a host, and the same with a setting changed"),
    ("rxpath diff before.json after.json", "two results of rxpath replay --json"),
    ("rxpath diff first first --set-b ethtool.rx=4096 --html diff.html", "both sides as pictures"),
    ("rxpath diff a.json b.json --json | jq .same", "for programs; exit status 0 same, 1 different, 2 trouble"),
)
Settings = list[str] | None


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A result of replay --json, a host file, a capture or a traffic spec.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same: what A is compared with.")],
    on: Annotated[str | None, typer.Option("--on", metavar="CAPTURE", help="The traffic, where A or B is a host file.")] = None,
    host: HostOption = None,
    set_: Annotated[Settings, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of both.")] = None,
    set_a: Annotated[Settings, typer.Option("--set-a", metavar="KEY=VALUE", help="Only of A.")] = None,
    set_b: Annotated[Settings, typer.Option("--set-b", metavar="KEY=VALUE", help="Only of B.")] = None,
    seed: SeedOption = None,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N", help="How many seeds each is run with: 5 if not given.")] = None,
    least: Annotated[str, typer.Option("--least", metavar="SHARE", help="What differs by less than that counts as the same: 2%.")] = "0%",
    jobs: JobsOption = None, scheduler: SchedulerOption = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    html: HtmlOption = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False
) -> None:
    """Compare two runs: what differs by more than the seeds do.  Exit status: 0 nothing, 1 something, 2 trouble."""
    from rxpath.workbench.advice.goal import checked_seeds
    from rxpath.workbench.many import diff as comparing
    from rxpath.workbench.views import diff as view
    from rxpath.workbench.views import terminal
    from rxpath.workbench.words import units
    from rxpath.workbench.words.mistakes import BadInput

    try:
        share = units.share(least)
    except ValueError as error:
        raise BadInput(f"--least {least}: must be {error}") from None
    check_html(html, a, b, on, host)
    with Interrupt() as interrupt, Bar(not no_progress, "running both") as bar:
        found = comparing.diff(a, b, on=on, host=host, overrides=set_ or (), overrides_a=set_a or (), overrides_b=set_b or (), seed=seed,
                               seeds=checked_seeds(seeds), least=share, jobs=checked_jobs(jobs, scheduler),
                               progress=lambda n, of: bar(n / of, n), stop=interrupt)
    if found is None:
        raise typer.Exit(EXIT_INTERRUPTED)
    if html:
        from rxpath.workbench.views.html import diff as page

        write_html(html, lambda command: page.page(found, command))
    if json_:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        terminal.show(view.render(found))
    raise typer.Exit(0 if found.same else EXIT_DIFFERENT)
