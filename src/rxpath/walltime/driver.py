"""Real time as a driver of time (time_driver.py): the CPUs of a host take turns in one thread, by a clock on the wall."""
import time
from collections.abc import Callable
from typing import Any, Protocol

from ..time_driver import TimeDriver
from .engine import rt_feed, rt_init, rt_turns


class Clock(Protocol):
    """ns since some moment."""

    def now(self) -> int: ...

    def wait(self, until: int) -> None:
        """Until then, or for a shorter time."""

    def spin(self) -> None:
        """Somebody looks again and again: a moment passes by itself, unless the clock stands still until it is moved."""


class WallClock:
    """The machine's, from when it is first asked."""

    def __init__(self) -> None:
        self.start = 0

    def now(self) -> int:
        self.start = self.start or time.monotonic_ns()
        return time.monotonic_ns() - self.start

    def wait(self, until: int) -> None:
        time.sleep(max(0, until - self.now()) / 1e9)

    def spin(self) -> None:
        pass


class RealTime(TimeDriver):
    """A host whose interfaces are up.  cpus: how many take turns.  clock: for tests, one that does not wait."""

    def __init__(self, boot: Any, cpus: int = 1, clock: Clock | None = None) -> None:
        super().__init__(boot)
        self.cpus, self.clock = cpus, clock or WallClock()
        self._woken: Callable[[], bool] | None = None
        for cpu in range(cpus):
            self.call(rt_init)(self.net, cpu, 0)

    def now(self) -> int:
        return int(self.net.sim.now)

    def now_or_later(self) -> int:
        """What the clock says."""
        return max(self.clock.now(), self.now())

    def run(self, until: int, woken: Callable[[], bool] | None = None) -> None:
        """woken: come back as soon as it is true."""
        self._woken = woken
        super().run(until)
        self._woken = None

    def _stops(self) -> bool:
        return self._woken is not None and self._woken()

    def _advance(self, until: int) -> None:
        net, made = self.net, self.net.made
        while True:
            net.sim.now = max(min(self.clock.now(), until), net.sim.now)
            due = self._turns(net.sim.now)
            self.collect()
            until = min(until, self._asked_next())
            if net.sim.now >= until or self._stops():
                return
            if net.made != made:                     # a source has answered: that may be the next thing to happen
                made = net.made
            elif due > self.clock.now():
                self.clock.wait(min(due, until))

    def _turns(self, now: int) -> int:
        """Every CPU's turn; when the next is due."""
        return int(self.call(rt_turns)(self.net, self.cpus, now))

    def _put(self, t: int, offset: int, length: int, caplen: int, card: int, made: bool) -> bool:
        return bool(self.call(rt_feed)(self.net, t, offset, length, caplen, 0, card, int(made)))
