"""`rxpath sweep`: a grid of settings on captures."""
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
    RateOption,
    SchedulerOption,
    SeedOption,
    SpeedOption,
    checked_jobs,
)
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt

EXAMPLES = examples(
    ("rxpath sweep first --set net.core.rmem_default=212992..8388608", "doubled from 212992 up to 8388608"),
    ("rxpath sweep first --set ethtool.rx=256,1024,4096 --set speed=1..16", "every combination"),
    "rxpath sweep first --set ethtool.rx=64..4096/9 --resume rows.jsonl --csv rows.csv",
    ("rxpath sweep 'captures/*.pcap' --set ethtool.rx=256,4096", "on all of these files, with a table by capture"),
    ("rxpath sweep first --set ethtool.rx=64..4096 --html sweep.html", "loss, latency and memory as pictures"),
    more="Ranges: A..B doubles, A..B*F multiplies by F, A..B/N is N values at equal distances.",
)


def sweep(
    captures: Annotated[list[str], typer.Argument(metavar="CAPTURE", help="pcap or pcapng files, cases, specs, a pattern such as "
                                                  "'captures/*.pcap', or first.")],
    set_: Annotated[list[str] | None, typer.Option(
        "--set", metavar="KEY=VALUES", help="What varies: KEY=V1,V2 or KEY=A..B. Keys as in replay --set, and speed, rate, loop. Several "
        "times: every combination. Of several captures it may be none.")] = None,
    host: HostOption = None,
    listen: ListenOption = None, local: LocalOption = None, speed: SpeedOption = 1.0, rate: RateOption = None, loop: LoopOption = 1,
    seed: SeedOption = None,
    seeds: Annotated[str, typer.Option("--seeds", metavar="N", help="How many seeds every setting is run with, the same for all; "
                                       "10..60: up to 60 until the best is told apart.")] = "1",
    halve: Annotated[bool, typer.Option("--halve", help="With --seeds 3..24: each time the better half of the settings goes on, with "
                                        "twice the seeds.")] = False,
    jobs: JobsOption = None, scheduler: SchedulerOption = None,
    resume: Annotated[str | None, typer.Option(
        "--resume", metavar="FILE", help="Keep every row there as it is done; rows that it has are not run again.")] = None,
    csv: Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write the rows as CSV; - is standard output.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="JSON lines on standard output: one object for each run.")] = False,
    parquet: Annotated[str | None, typer.Option(
        "--parquet", metavar="FILE", help="Write the rows as Parquet (needs rxpath\\[parquet]); DIR/ adds them to a data set.")] = None,
    html: HtmlOption = None,
    top: Annotated[int, typer.Option("--top", metavar="N", help="The table shows the best N.")] = 40,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False
) -> None:
    """Run a grid of settings on captures, on all cores or a cluster, and rank what each came to."""
    from rxpath.workbench.many import sweep as sweeping
    from rxpath.workbench.traffic.capture import several
    from rxpath.workbench.views import arrow, terminal
    from rxpath.workbench.views import sweep as table
    from rxpath.workbench.words.mistakes import BadInput, apart, check_writable

    given = several(captures)
    files = [one for one in given if isinstance(one, str)]
    if not set_ and len(given) == 1:
        raise BadInput("nothing to vary: --set KEY=VALUES, such as --set ethtool.rx=256,1024,4096")
    if top < 1:
        raise BadInput(f"--top {top}: 1 or more")
    if csv == "-" and json_:
        raise BadInput("--csv - and --json: both would go to standard output")
    apart("--csv", csv, *files, host, resume, parquet)
    apart("--parquet", parquet, *files, host, resume)
    check_html(html, *files, host, resume, csv, parquet)
    check_writable("--csv", csv)
    if parquet:
        table.check_parquet(parquet)
    if parquet:
        arrow.pyarrow("--parquet")                             # before the work, not after it
    what = captures[0] if len(given) == 1 else f"{len(given):,} captures"
    with Interrupt() as interrupt, Bar(not no_progress, f"sweeping {what}") as bar:
        found = sweeping.sweep(given, set_ or (), host=host, listen=listen or [], local=local, speed=speed, rate=rate, loop=loop, seed=seed,
                               seeds=seeds, halve=halve, jobs=checked_jobs(jobs, scheduler), journal=resume,
                               progress=lambda n, of: bar(n / of, n), stop=interrupt,
                               warn=lambda text: print(f"rxpath: {text}", file=sys.stderr))
    if parquet:
        table.parquet(found, parquet)
    if csv:
        table.write(table.csv_text(found), csv)
    if html:
        from rxpath.workbench.views.html import sweep as page

        write_html(html, lambda command: page.page(found, command))
    if json_:
        table.write(table.lines(found), "-")
    elif csv != "-":
        terminal.show(table.render(found, top))
    raise typer.Exit(0 if found.complete else EXIT_INTERRUPTED)
