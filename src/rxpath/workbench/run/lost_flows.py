"""Whose frames were lost, by flow and reason, told while the run goes on.  Nothing is done for a frame that is not lost; of the first
LOOKED_AT that are, the headers are looked up among what was put on the cable last, and then the path is no longer watched."""
from __future__ import annotations

from collections import Counter, deque
from functools import cache
from typing import Any

from rxpath.abi.limits import NFEED
from rxpath.abi.numbers import Trail as Marks
from rxpath.abi.reasons import Drop, Kind
from rxpath.outputs import Mark
from rxpath.path import Stage
from rxpath.workbench.run.headers import Headers, headers
from rxpath.workbench.run.machine import HEADERS, Machine
from rxpath.workbench.run.where_lost import Loss

REASONS = {int(reason): reason.name for reason in Drop}
LOOKED_AT = 100_000                                         # lost frames
FLOWS = 10_000                                              # that are told apart
LOADS = 4                                                   # times that frames are put on the cable before the first of them are forgotten


class LostFlows:
    """attach() before the first frame.  told: lost frames that were looked at; of these, unknown: lost so late that their headers were
    gone, beyond: of more flows than are told apart.  stopped: more were lost than are looked at."""

    def __init__(self) -> None:
        self.told = self.unknown = self.beyond = 0
        self.stopped = False
        self._count: Counter[tuple[Headers, str]] = Counter()
        self._loads: deque[_Load] = deque(maxlen=LOADS)

    def largest(self, most: int) -> list[tuple[str, str, int]]:
        """(flow, reason, frames), most first."""
        found = sorted((-n, str(h), reason) for (h, reason), n in self._count.items())
        return [(flow, reason, -n) for n, flow, reason in found[:most]]

    def attach(self, m: Machine) -> None:
        self.machine = m
        if m.net.trail == Marks.OFF:                        # else ends are watched already
            m.net.trail = Marks.LOST
        m.on_load = self.loaded
        m.time.add_watcher(self.marked)

    def loaded(self, view: memoryview, places: list[tuple[int, int, int]]) -> None:
        """Frames were put on the cable.  places: (queue, from, to) of its arrivals; their bytes lie in view, which is used again."""
        if not self.stopped:
            self._loads.append(_Load(self.machine.net, bytes(view), places))

    def marked(self, mark: Mark) -> None:
        if mark.stage != Stage.kfree_skb or mark.end() <= Drop.CONSUMED or self.stopped or not _lost(mark.end(), mark.where()):
            return
        self.told += 1
        data = next((found for load in reversed(self._loads) if (found := load.find(mark.frame)) is not None), None)
        if data is None:
            self.unknown += 1
        else:
            key = headers(data), REASONS[mark.end()]
            if key in self._count or len(self._count) < FLOWS:
                self._count[key] += 1
            else:
                self.beyond += 1
        if self.told == LOOKED_AT:
            self.stopped = True
            self._loads.clear()
            if self.machine.net.trail == Marks.LOST:
                self.machine.net.trail = Marks.OFF

    def finish(self) -> None:
        """The run is over, its state about to go."""
        self._loads.clear()
        del self.machine


class _Load:
    def __init__(self, net: Any, region: bytes, places: list[tuple[int, int, int]]) -> None:
        self.net, self.region, self.places = net, region, places
        self.at: dict[int, tuple[int, int]] | None = None  # frame -> (offset, bytes), made for the first that is looked for

    def find(self, frame: int) -> bytes | None:
        """The beginning of a frame; None: it is not of this load, or was overwritten."""
        if self.at is None:
            self.at = {}
            for q, begin, end in self.places:
                for i in range(max(begin, self.net.ring[q].feed_tail - NFEED), end):
                    a = self.net.feed[q][i % NFEED]
                    self.at[a.frame] = a.offset, min(a.caplen, HEADERS)
        if frame not in self.at:
            return None
        offset, n = self.at[frame]
        return self.region[offset:offset + n] if offset + n <= len(self.region) else None


@cache
def _lost(reason: int, station: int) -> bool:
    return Loss(Drop(reason).name, Stage(station).name, 1).kind is Kind.LOST
