"""Frames of somebody who reacts (time_driver.Source), until they go onto the cable: in the order of time, and never more than it holds."""
from __future__ import annotations

import heapq
from itertools import count

from rxpath.abi.numbers import NEVER
from rxpath.time_driver import Frames

ON_CABLE, BYTES_ON_CABLE, AHEAD_NS = 384, 500_000, 1_000_000                # frames that lie on the cable ahead of their time
CABLE_MOST, BYTES_MOST = 960, 900_000                       # below FEED_ROOM and MADE_BYTES
PREAMBLE = 24                                               # preamble, FCS and gap of a frame on the line


class Outbox:
    """reaction_ns: of the driver of time.  begins: when there has been no frame yet.  byte_ns: of the line on which frames come no closer
    than they fit; 0: there is none, or whoever puts them in has seen to it.  offered, octets: of all frames that were put in."""

    def __init__(self, reaction_ns: int, begins: int, byte_ns: float = 0.0) -> None:
        self.reaction, self.byte_ns, self.line_free = reaction_ns, byte_ns, 0
        self.waiting: list[tuple[int, int, bytes]] = []     # frames by the time of their last bit at the receiver
        self.ahead: list[tuple[int, int]] = []              # (time, bytes) of those on the cable: a heap too
        self.bytes_ahead = self.offered = self.octets = 0
        self.last_t = begins
        self._order = count()

    def put(self, arrives: int, frame: bytes) -> None:
        """Its last bit is to arrive then."""
        heapq.heappush(self.waiting, (arrives, next(self._order), frame))
        self.offered += 1
        self.octets += len(frame)

    def wake_at(self) -> int:
        """When the next must go onto the cable; a full one is asked again when its first frame has been taken from it."""
        if not self.waiting:
            return NEVER
        at = self._next() - self.reaction
        return max(at, self.ahead[0][0] + 1) if self._full() else at

    def _next(self) -> int:
        """When the next can be here: not before the line has carried the last one."""
        return max(self.waiting[0][0], self.line_free)

    def _full(self) -> bool:
        return len(self.ahead) >= CABLE_MOST or self.bytes_ahead >= BYTES_MOST

    def release(self, now: int) -> Frames:
        """What is due, and beyond that as many as make it worth while."""
        while self.ahead and self.ahead[0][0] < now:
            self.bytes_ahead -= heapq.heappop(self.ahead)[1]
        if not self.waiting or self._next() > now + 2 * self.reaction:
            return []
        out = []
        while self.waiting and self._room(self._next(), now):
            t, _, frame = heapq.heappop(self.waiting)
            t = max(t, now + self.reaction)
            if self.byte_ns:
                t = self.line_free = max(t, self.line_free + round((max(len(frame), 60) + PREAMBLE) * self.byte_ns))
            out.append((t, frame))
            heapq.heappush(self.ahead, (t, len(frame)))
            self.bytes_ahead += len(frame)
            self.last_t = max(self.last_t, t)
        return out

    def _room(self, t: int, now: int) -> bool:
        """For a frame of that time."""
        if t <= now + 2 * self.reaction:
            return not self._full()
        return t < now + AHEAD_NS and len(self.ahead) < ON_CABLE and self.bytes_ahead < BYTES_ON_CABLE
