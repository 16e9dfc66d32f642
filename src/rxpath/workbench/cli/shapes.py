"""`rxpath shapes`: what others published of the receive path, ours beside it."""
from __future__ import annotations

import sys
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.options import JobsOption, checked_jobs
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt

EXIT_DOES_NOT_HOLD = 1                                      # a property of a shape

EXAMPLES = examples(
    ("rxpath shapes", "all of them, ours beside the published"),
    ("rxpath shapes --only Q3 --only Q7", "two of them; --list has the names"),
    ("rxpath shapes -o docs", "docs/shapes.md and its pictures (needs rxpath[shapes])"),
)


def shapes(
    only: Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help="Only this one. May be given several times.")] = None,
    out: Annotated[str | None, typer.Option("-o", "--output", metavar="DIR", help="Write the page and its pictures there.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the shapes and stop.")] = False,
    jobs: JobsOption = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False
) -> None:
    """Run what others published of the receive path - livelock, interrupt rates, costs - and show ours beside it."""
    from pathlib import Path

    from rxpath.workbench.jobs.pool import cores
    from rxpath.workbench.shapes import run
    from rxpath.workbench.views import pictures, terminal
    from rxpath.workbench.views import shapes as page
    from rxpath.workbench.words.mistakes import BadInput

    wanted = run.chosen(only or [])
    checked_jobs(jobs)
    if listing:
        for s in wanted:
            print(f"{s.key:<7} {s.title}  ({s.profile}, {s.kernel}; {s.source})")
        return
    if out:
        if only:
            raise BadInput("-o writes the whole page: not with --only")
        pictures.matplotlib()                                   # before the work, not after it
    with Interrupt() as interrupt, Bar(not no_progress, "shapes") as bar:
        found = run.run(wanted, jobs=jobs or cores(), progress=lambda n, of: bar(n / of, n), stop=interrupt)
    complete = len(found) == len(wanted)
    if out and complete:
        files = page.write(found, Path(out))
        print(f"wrote {files[0]} and {len(files) - 1} pictures", file=sys.stderr)
    if json_:
        print(page.described(found))
    elif not out or not complete:
        terminal.show(page.shown(found))
    if not complete:
        print(f"rxpath: interrupted: {len(found)} of {len(wanted)} shapes" + (f"; {out} was not written" if out else ""), file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED)
    if not all(c.holds for f in found.values() for c in f.claims):
        raise typer.Exit(EXIT_DOES_NOT_HOLD)
