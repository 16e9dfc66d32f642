"""What `rxpath replay` writes of a run while it goes on, or at a moment of it: each frame's fate, /proc, what the CPUs
worked on and when."""
from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxpath.workbench.run.outcome import Outcome
    from rxpath.workbench.run.replay import Watching

LEAST_EVENTS = 1000                                         # of --perfetto-events


@dataclass(frozen=True, slots=True)
class Files:
    """As the options have them."""
    pcapng: str | None
    proc: str | None
    at: str | None
    folded: str | None
    perfetto: str | None = None
    perfetto_events: int | None = None                      # at most

    def check(self, trail: bool) -> None:
        """Before the run, not after it."""
        from rxpath.workbench.words.mistakes import BadInput

        if trail + sum(file is not None for file in (self.pcapng, self.folded, self.perfetto)) > 1:
            from rxpath.workbench.run.machine import ONE_TRAIL

            raise BadInput(ONE_TRAIL)
        if self.folded is not None:
            from rxpath.workbench.views import folded

            folded.check(self.folded)
        if self.perfetto is not None:
            from rxpath.workbench.views import perfetto

            perfetto.check(self.perfetto)
        if self.perfetto_events is not None and (self.perfetto is None or self.perfetto_events < LEAST_EVENTS):
            raise BadInput(f"--perfetto-events {self.perfetto_events}: " + ("of --perfetto FILE, which is not given"
                           if self.perfetto is None else f"{LEAST_EVENTS:,} or more"))
        if self.proc is not None:
            from rxpath.workbench.views.proc import tree

            tree.check(self.proc)
        elif self.at is not None:
            raise BadInput("--at: says when for --proc DIR, which is not asked for; rxpath show prints single files")

    @contextmanager
    def watching(self) -> Iterator[list[Watching]]:
        """Who is told of the run; afterwards it is in the files."""
        from rxpath.workbench.words.mistakes import new_file

        told: list[Watching] = []
        if self.proc is not None:
            from rxpath.workbench.run.moment import Moments, checked_at

            told.append(moments := Moments(checked_at(self.at)))
        if self.folded is not None:
            from rxpath.workbench.run.cpu_work import CpuWork

            told.append(work := CpuWork())
        if self.perfetto is not None:
            from rxpath.workbench.run.timeline import MOST, Timeline

            told.append(Timeline(self.perfetto_events or MOST))
        if self.pcapng is None:
            yield told
        else:
            from rxpath.workbench.run.fates import Fates
            from rxpath.workbench.views.pcapng import Writer

            with new_file(self.pcapng) as out:
                yield [*told, Fates(Writer(out, shlex.join(["rxpath", *sys.argv[1:]]), self.pcapng))]
        if self.proc is not None and moments.found:
            from rxpath.workbench.views.proc import tree

            tree.write(moments.found[0], self.proc)
        if self.folded is not None and work.found:
            from rxpath.workbench.views import folded

            folded.write(work.found, self.folded, "CPU time of " + shlex.join(["rxpath", *sys.argv[1:]]))

    def written(self, told: Sequence[Watching], outcome: Outcome) -> None:
        """What needs the whole run, with what was recorded of it."""
        if self.perfetto is not None:
            from rxpath.workbench.run.timeline import Timeline
            from rxpath.workbench.views import perfetto

            for line in told:
                if isinstance(line, Timeline):
                    perfetto.write(line, outcome, self.perfetto)
