"""`rxpath sweep`: a grid of settings on one capture."""
from __future__ import annotations

import sys
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
    RateOption,
    SeedOption,
    SpeedOption,
    checked_jobs,
)
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt

EXAMPLES = examples(
    ("rxpath sweep first --set net.core.rmem_default=212992..8388608", "doubled from 212992 up to 8388608"),
    ("rxpath sweep first --set ethtool.rx=256,1024,4096 --set speed=1..16", "every combination"),
    "rxpath sweep first --set ethtool.rx=64..4096/9 --resume rows.jsonl --csv rows.csv",
    ("rxpath sweep first --set ethtool.rx=64..4096 --html sweep.html", "loss, latency and memory as pictures"),
    more="Ranges: A..B doubles, A..B*F multiplies by F, A..B/N is N values at equal distances.",
)


def sweep(
    capture: CaptureArgument,
    set_: Annotated[list[str] | None, typer.Option(
        "--set", metavar="KEY=VALUES", help="What varies: KEY=V1,V2 or KEY=A..B. Keys as in replay --set, and speed, rate, loop. Several "
        "times: every combination.")] = None,
    host: HostOption = None,
    listen: ListenOption = None, local: LocalOption = None, speed: SpeedOption = 1.0, rate: RateOption = None, loop: LoopOption = 1,
    seed: SeedOption = None,
    jobs: JobsOption = None,
    resume: Annotated[str | None, typer.Option(
        "--resume", metavar="FILE", help="Keep every row there as it is done; rows that it has are not run again.")] = None,
    csv: Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write the rows as CSV; - is standard output.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="JSON lines on standard output: one object for each run.")] = False,
    parquet: Annotated[str | None, typer.Option(
        "--parquet", metavar="FILE", help="Write the rows as Parquet (needs rxpath[parquet]).")] = None,
    html: HtmlOption = None,
    top: Annotated[int, typer.Option("--top", metavar="N", help="The table shows the best N.")] = 40,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False
) -> None:
    """Run a grid of settings on one capture, on all cores, and rank what each came to."""
    from rxpath.workbench.many import sweep as sweeping
    from rxpath.workbench.views import arrow, terminal
    from rxpath.workbench.views import sweep as table
    from rxpath.workbench.words.mistakes import BadInput, apart, check_writable

    if not set_:
        raise BadInput("nothing to vary: --set KEY=VALUES, such as --set ethtool.rx=256,1024,4096")
    if top < 1:
        raise BadInput(f"--top {top}: 1 or more")
    if csv == "-" and json_:
        raise BadInput("--csv - and --json: both would go to standard output")
    apart("--csv", csv, capture, host, resume, parquet)
    apart("--parquet", parquet, capture, host, resume)
    check_html(html, capture, host, resume, csv, parquet)
    check_writable("--csv", csv)
    check_writable("--parquet", parquet)
    if parquet:
        arrow.pyarrow("--parquet")                             # before the work, not after it
    with Interrupt() as interrupt, Bar(not no_progress, f"sweeping {capture}") as bar:
        found = sweeping.sweep(capture, set_, host=host, listen=listen or [], local=local, speed=speed, rate=rate, loop=loop, seed=seed,
                               jobs=checked_jobs(jobs), journal=resume, progress=lambda n, of: bar(n / of, n), stop=interrupt,
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
