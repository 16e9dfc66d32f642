"""Virtual time as a driver of time (time_driver.py): the loop round the engine, and the Python programs of a run if there are any."""
from collections.abc import Callable
from typing import Any

from ..abi.numbers import DRAIN, NO_THREAD
from ..time_driver import TimeDriver
from . import engine
from .feed import feed_frame, feed_put
from .queued import next_event

SLICE_NS = 100_000_000                  # of virtual time: a busy CPU simulates that in some milliseconds, an idle one in none


def advance(boot: Any, until: int, collect: Callable[[], int], resume: Callable[[int], int] | None = None) -> None:
    """Virtual time until `until`.  collect: the rings of outputs want to be emptied; returns when to stop, if that is sooner.  resume:
    thread n, a Python program, has its turn; returns the ns that it worked."""
    run, net, worked = boot.call(engine.run), boot.net, 0
    while (r := run(net, until, worked)) != NO_THREAD:
        worked = 0
        if r == DRAIN:
            until = min(until, collect())
        elif resume is not None:
            worked = resume(r)


class VirtualTime(TimeDriver):
    """A host whose clocks, costs and threads are set up (engine.vtime_init() and what follows).  programs: a Programs, or none.

    stop: asked between two slices of at most some 50 ms of real time, so that Ctrl-C is heard; true ends the run there, for good.  Where
    slices end changes nothing."""

    def __init__(self, boot: Any, programs: Any = None) -> None:
        super().__init__(boot)
        self.programs = programs
        self.stop: Callable[[], bool] | None = None
        self.stopped = False

    def now(self) -> int:
        return int(self.net.sim.now)

    def _stops(self) -> bool:
        self.stopped = self.stopped or (self.stop is not None and self.stop())
        return self.stopped

    def _advance(self, until: int) -> None:
        slice_ends = max(self.now(), self.call(next_event)(self.net)) + SLICE_NS            # a time in which nothing happens costs nothing
        advance(self.boot, min(until, slice_ends), self._collected, self.programs.resume if self.programs is not None else None)

    def _collected(self) -> int:
        self.collect()
        return self._asked_next()

    def _put(self, t: int, offset: int, length: int, caplen: int, card: int, made: bool) -> bool:
        return bool(self.call(feed_put if made else feed_frame)(self.net, t, offset, length, caplen, 0, card))
