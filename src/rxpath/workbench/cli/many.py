"""What `rxpath sweep` and `rxpath headroom` do."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rxpath.workbench.cli.replay import Bar, Interrupt
from rxpath.workbench.words.mistakes import BadInput, apart, check_writable

EXIT_INTERRUPTED = 130


def _jobs(jobs: int | None) -> int | None:
    if jobs is not None and not 1 <= jobs <= 1024:
        raise BadInput(f"--jobs {jobs}: 1 to 1024")
    return jobs


def headroom(capture: str, *, host: str | None, settings: Sequence[str], listen: Sequence[str], local: str | None, loop: int,
             seed: int | None, loss: str | None, p99: str | None, limits: int, jobs: int | None, as_json: bool, show_progress: bool) -> int:
    """`rxpath headroom`; the exit status."""
    import json

    from rxpath.workbench.many import headroom as searching
    from rxpath.workbench.views import headroom as chart
    from rxpath.workbench.views import report

    with Interrupt() as interrupt, Spinner(show_progress) as say:
        room = searching.headroom(capture, host=host, overrides=settings, listen=listen, local=local, loop=loop, seed=seed, loss=loss,
                                  p99=p99, steps=limits, jobs=_jobs(jobs), say=say, stop=interrupt)
    if as_json:
        print(json.dumps(room.to_dict(), indent=1))
    else:
        report.show(chart.render(room))
    return EXIT_INTERRUPTED if room.interrupted else 0


class Spinner:
    """What is being searched, on stderr, where it is a terminal: nobody knows beforehand how many runs a search takes."""

    def __init__(self, wanted: bool) -> None:
        self.on = wanted and sys.stderr.isatty()
        self.status: Any = None

    def __enter__(self) -> Spinner:
        if self.on:
            from rich.console import Console

            self.status = Console(file=sys.stderr).status("searching")
            self.status.start()
        return self

    def __call__(self, text: str) -> None:
        if self.status is not None:
            self.status.update(text)

    def __exit__(self, *_: object) -> None:
        if self.status is not None:
            self.status.stop()


def sweep(capture: str, *, settings: Sequence[str], host: str | None, listen: Sequence[str], local: str | None, speed: float,
          rate: str | None, loop: int, seed: int | None, jobs: int | None, resume: str | None, csv: str | None, as_json: bool,
          parquet: str | None, top: int, show_progress: bool) -> int:
    """`rxpath sweep`; the exit status."""
    from rxpath.workbench.many import sweep as sweeping
    from rxpath.workbench.views import report
    from rxpath.workbench.views import sweep as table

    if not settings:
        raise BadInput("nothing to vary: --set KEY=VALUES, such as --set ethtool.rx=256,1024,4096")
    if top < 1:
        raise BadInput(f"--top {top}: 1 or more")
    if csv == "-" and as_json:
        raise BadInput("--csv - and --json: both would go to standard output")
    apart("--csv", csv, capture, host, resume, parquet)
    apart("--parquet", parquet, capture, host, resume)
    check_writable("--csv", csv)
    check_writable("--parquet", parquet)
    if parquet:
        table.parquet_library()                             # before the work, not after it
    bar = Bar(show_progress, f"sweeping {capture}")
    with Interrupt() as interrupt:
        try:
            found = sweeping.sweep(capture, settings, host=host, listen=listen, local=local, speed=speed, rate=rate, loop=loop, seed=seed,
                                   jobs=_jobs(jobs), journal=resume, progress=lambda n, of: bar(n / of, n), stop=interrupt,
                                   warn=lambda text: print(f"rxpath: {text}", file=sys.stderr))
        finally:
            bar.close()
    if parquet:
        table.parquet(found, parquet)
    if csv:
        table.write(table.csv_text(found), csv)
    if as_json:
        table.write(table.lines(found), "-")
    elif csv != "-":
        report.show(table.render(found, top))
    return 0 if found.complete else EXIT_INTERRUPTED
