"""Virtual time as a driver of time (time_driver.py): the engine, and the Python programs of a run if there are any."""
from typing import Any

from ..abi.numbers import DRAIN
from ..time_driver import TimeDriver
from . import engine
from .feed import feed_frame, feed_put


class VirtualTime(TimeDriver):
    """A host whose clocks, costs and threads are set up (engine.vtime_init() and what follows).  programs: a Programs, or none."""

    def __init__(self, boot: Any, programs: Any = None) -> None:
        super().__init__(boot)
        self.programs = programs

    def now(self) -> int:
        return int(self.net.sim.now)

    def _advance(self, until: int) -> None:
        if self.programs is not None:
            self.programs.run(until, self.collect)
            return
        while self.call(engine.run)(self.net, until, 0) == DRAIN:
            self.collect()

    def _put(self, t: int, offset: int, length: int, card: int, made: bool) -> bool:
        return bool(self.call(feed_put if made else feed_frame)(self.net, t, offset, length, length, 0, card))
