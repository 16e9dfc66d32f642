"""What `rxpath shapes` does."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rxpath.workbench.cli.replay import Bar, Interrupt
from rxpath.workbench.words.mistakes import BadInput

EXIT_DOES_NOT_HOLD, EXIT_INTERRUPTED = 1, 130


def shapes(only: Sequence[str], out: str | None, as_json: bool, listing: bool, jobs: int | None, show_progress: bool) -> int:
    """The command; its exit status: 1 when a property of a shape does not hold."""
    from rxpath.workbench.views import pictures, report
    from rxpath.workbench.views import shapes as page
    from rxpath.workbench.work.pool import cores

    wanted = page.chosen(only)
    if jobs is not None and not 1 <= jobs <= 1024:
        raise BadInput(f"--jobs {jobs}: 1 to 1024")
    if listing:
        for s in wanted:
            print(f"{s.key:<7} {s.title}  ({s.profile}, {s.kernel}; {s.source})")
        return 0
    if out:
        if only:
            raise BadInput("-o writes the whole page: not with --only")
        pictures.matplotlib()                                   # before the work, not after it
    bar = Bar(show_progress, "shapes")
    with Interrupt() as interrupt:
        try:
            found = page.run(wanted, jobs=jobs or cores(), progress=lambda n, of: bar(n / of, n), stop=interrupt)
        finally:
            bar.close()
    complete = len(found) == len(wanted)
    if out and complete:
        files = page.write(found, Path(out))
        print(f"wrote {files[0]} and {len(files) - 1} pictures", file=sys.stderr)
    if as_json:
        print(page.described(found))
    elif not out or not complete:
        report.show(page.shown(found))
    if not complete:
        print(f"rxpath: interrupted: {len(found)} of {len(wanted)} shapes" + (f"; {out} was not written" if out else ""), file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0 if all(c.holds for f in found.values() for c in f.claims) else EXIT_DOES_NOT_HOLD
