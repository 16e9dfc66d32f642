"""A case in `rxpath replay`: what its host really lost, shown before the run's own story."""
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rxpath.workbench.cli.progress import Bar, Interrupt

if TYPE_CHECKING:
    from rxpath.workbench.case.result import Beside
    from rxpath.workbench.host.model.host import Host


def as_recorded(capture: str, speed: float, rate: str | None, loop: int, *changed: object) -> bool:
    """A case, replayed as it happened: else what its host lost says nothing of the run."""
    from rxpath.cable.case_file import is_case

    return is_case(capture) and speed == 1 and rate is None and loop == 1 and not any(changed)


def beside_truth(capture: str, host: Host, seed: int | None, show: bool, progress: bool, interrupt: Interrupt) \
        -> tuple[Host, Beside | None]:
    """The host with what the case measured of its programs, and the comparison; None: it was interrupted, or the case has no samples."""
    from rxpath.workbench.case.beside import beside
    from rxpath.workbench.readings.case import open_recorded

    if not open_recorded(capture).samples:
        return host, None
    with Bar(progress, f"{capture} beside what was lost") as bar:
        found = beside(capture, host, seed=seed, progress=bar, stop=interrupt)
    if interrupt.asked:
        return host, None
    if show:
        from rxpath.workbench.views import case, terminal

        terminal.show(case.render(found))
        sys.stdout.flush()
    return found.host, found
