"""`rxpath whatif`: what would have saved what a case lost, from its counters alone."""
from __future__ import annotations

import json
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.html import HtmlOption, check_html, write_html
from rxpath.workbench.cli.options import HostOption, JobsOption, SchedulerOption, SeedOption, SetOption, checked_jobs
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt

EXAMPLES = examples(
    ("rxpath whatif web1.rxcase", "a case without a capture: laws of traffic are fitted to what was lost"),
    ("rxpath whatif web1.rxcase --host server.toml", "on a host file of your own"),
    ("rxpath whatif web1.rxcase --set app.0.service=20us", "where it is known how long the program works"),
    ("rxpath whatif web1.rxcase --html whatif.html", "each setting as a range, in pictures"),
)


def whatif(
    case: Annotated[str, typer.Argument(metavar="CASE", help="A case: rxpath record or rxpath case make one.")],
    host: HostOption = None,
    set_: SetOption = None,
    seed: SeedOption = None,
    budget: Annotated[str | None, typer.Option(
        "--budget", metavar="PACKETS", help="How many packets to simulate for the settings, under each law: 5M if not given.")] = None,
    jobs: JobsOption = None, scheduler: SchedulerOption = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output; docs/case.md.")] = False,
    html: HtmlOption = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False
) -> None:
    """Say what would have saved what a host lost, from its counters alone, as a range over the traffic that they allow."""
    from rxpath.cable.case_file import is_case
    from rxpath.workbench.advice.goal import checked_budget
    from rxpath.workbench.case.whatif import whatif as ask
    from rxpath.workbench.host import given
    from rxpath.workbench.views import laws, terminal
    from rxpath.workbench.words.mistakes import BadInput

    if not is_case(case):
        raise BadInput(f"{case}: not a case; rxpath replay says what would have saved the frames of a capture or a traffic spec")
    check_html(html, case, host)
    packets = checked_budget(budget or "5M")
    chosen = given.the_host(host or case, set_ or [], seed)
    with Interrupt() as interrupt, Bar(not no_progress, f"laws of traffic for {case}") as bar:
        answer = ask(case, chosen, packets, jobs=checked_jobs(jobs, scheduler), progress=bar, stop=interrupt)
    if html:
        from rxpath.workbench.views.html import case as page

        write_html(html, lambda command: page.page(answer, command))
    if json_:
        print(json.dumps(laws.as_json(answer), indent=1))
    else:
        terminal.show(laws.render(answer))
    if interrupt.asked:
        raise typer.Exit(EXIT_INTERRUPTED)
