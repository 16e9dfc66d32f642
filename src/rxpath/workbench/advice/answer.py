"""What comes of a search: which knobs were tried, what each changed, how far each was taken, what was not tried and why."""
from __future__ import annotations

from dataclasses import dataclass

from rxpath.workbench.advice.sensitivity import Assumed
from rxpath.workbench.advice.sure import Sure
from rxpath.workbench.jobs.spread import Spread


@dataclass(frozen=True, slots=True)
class Tried:
    """A knob (or some together) and what it changed.  helped: yes, partly, no, worse.  lost: frames that some setting of the host could
    save.  memory_bytes: what its queues can hold more."""
    set: tuple[str, ...]
    title: str
    rule: str
    helped: str
    why: str
    commands: tuple[str, ...]
    lost_before: int
    lost_after: int
    saved: int                                              # lost or stuck before, and not any more
    queued_after: int                                       # unread, or under way, when the run ended
    dropped_after: dict[str, int]
    p99_us_before: float
    p99_us_after: float
    cpu_before: int                                         # ns, all CPUs, all contexts
    cpu_after: int
    memory_bytes: int
    effort: int                                             # 1: undone at once ... 5: not on this host (rules.toml)
    ended: str                                              # why no larger step was tried
    part: int = 1                                           # run on the first 1/part of the traffic; the figures are of that
    knobs: tuple[str, ...] = ()
    lasting: bool = True                                    # false: nobody can type it, or it only puts the loss off
    sure: Sure | None = None                                # the same with other seeds; None: it was not repeated


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer.  knobs: best first, then those that did not help.  says: what must be said beside them."""
    goal: str
    fired: tuple[tuple[str, str, str], ...]                 # (id, title, cause)
    knobs: tuple[Tried, ...]
    says: tuple[str, ...] = ()
    not_tried: tuple[tuple[str, str], ...] = ()             # (title, why)
    unfinished: tuple[str, ...] = ()                        # titles: the budget or Ctrl-C ended them
    settings: int = 0                                       # that were tried
    runs: int = 0
    packets: int = 0                                        # simulated in these runs
    part: int = 1                                           # candidates were tried on the first 1/part of the traffic before all of it
    budget: int = 0
    interrupted: bool = False
    sensitivity: tuple[Assumed, ...] = ()                   # how much hangs on what is assumed
    spread: Spread | None = None                            # of the host as it is, over seeds; None: the run alone
    seeds: int = 1                                          # that it was asked for
    seed: int = 1                                           # that knobs were tried with: not the shown run's where that loses nothing
    asked: bool = True                                      # false: nothing ended before its program, and no goal was given

    @property
    def recommended(self) -> Tried | None:
        return next((t for t in self.knobs if t.helped in ("yes", "partly") and t.lasting), None)
