"""What whoever drives time owes to the path, and to those who put frames on its cable: the contract that vtime/driver.py (virtual time) and
walltime/driver.py (real time) keep.  tests/time_driver holds both to it.

A driver of time
  moves a clock              cpu.now of each CPU, ns from the start: fragment timers, ICMP credit and the age of what GRO holds stand by it;
  obeys every note           abi.numbers.Note: what a station cannot do itself (turn.tell_driver);
  lets timers go off         the wheel's and the high-resolution ones, those of threads too;
  brings frames              send(): each is pulled in by the NIC at its time, never before;
  hands on what leaves       sinks: copies of taps, frames sent, packets of LOG lines; watchers: the trail's marks; in the order of time;
  asks sources               whoever reacts: to the clock, and to the frames that this host sends.  The cable merges what they make with
                             what lies on it already; a frame is steered to its queue when it is put there."""
import heapq
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from . import outputs
from ._compile import forget, mem_at, pages, region
from .abi.limits import MADE_BYTES
from .abi.numbers import NEVER, Out
from .cable.feed import feed_consume
from .path import Stage

Sink = Callable[[outputs.Output], object]
Watcher = Callable[[outputs.Mark], object]
Frames = Iterable[tuple[int, bytes]]                 # (time of its last bit, the frame)
FEED_BYTES = 8 << 20
FEED_ROOM = 1024                                     # places on each queue's cable for frames of sources, if there are any
STEP_NS = 1000                                       # by how much a CPU may overshoot the time that it may run ahead to: a step of a poll


class Source(Protocol):
    """Something at the other end of the cable that reacts: a peer with timers, a sender that waits for acknowledgements."""

    def wake_at(self) -> int:
        """When it wants to be asked next, NEVER: only when something is heard."""

    def woken(self, now: int) -> Frames:
        """That time has come.  What it sends arrives no earlier than `now` and the driver's reaction_ns()."""

    def heard(self, sent: outputs.Output) -> Frames:
        """This host has sent a frame (at sent.t, by device sent.dev).  The answers arrive no earlier than reaction_ns() after it."""


class CableFull(RuntimeError):
    """More frames of sources are under way than the cable holds."""


class TimeDriver(ABC):
    """One booted host in time."""

    def __init__(self, boot: Any) -> None:
        self.boot, self.net, self.call = boot, boot.net, boot.call
        self.sinks: list[Sink] = []
        self.watchers: list[Watcher] = []
        self.sources: list[tuple[Source, int]] = []
        self.timeline: Callable[[Iterator[tuple[int, ...]]], object] | None = None       # is told what CPUs do (Trail.TIMELINE), and
        self.timeline_stride = 1                                             # of how many windows one (outputs.drain_timeline)
        self._drain = outputs.Drain(boot)
        self._kept: list[tuple[int, int, int, outputs.Output]] = []          # drained ahead of their time, for the sources
        self._order = 0
        self._memory: Any = None                     # of frames that were given to send()
        self._at = 0
        self._made, self._made_tail = 0, 0           # bytes of sources' frames, counted up; of those whose room may be used again
        self._under_way: deque[tuple[int, int]] = deque()                    # (where it ends, its time) of those that lie there
        self._reaction = 0                           # reaction_ns() of this run(); 0: to be worked out

    # ------------------------------------------------------------ what a driver is
    @abstractmethod
    def now(self) -> int:
        """ns since the start: nothing that is due before it has still to be done."""

    @abstractmethod
    def _advance(self, until: int) -> None:
        """Go on until then; collect() whenever a frame has left that a source must hear of, or a ring of outputs fills up.  After
        that a source may want to be asked sooner (_asked_next)."""

    @abstractmethod
    def _put(self, t: int, offset: int, length: int, caplen: int, card: int, made: bool) -> bool:
        """A frame, of which caplen bytes lie at that offset of feed memory, onto the card's cable; made: between those that are on it.
        False: it is full."""

    # ------------------------------------------------------------ what its user calls
    def run(self, until: int) -> None:
        """Time until `until`."""
        self._reaction = 0                                                   # costs may have been set since the last one
        while True:
            self._advance(min(until, self._asked_next()))
            self.collect()
            now = self.now()
            for s, card in self.sources:
                if s.wake_at() <= now:
                    self._make(s.woken(now), card, now)
            if self._stops() or now >= until:
                return

    def _asked_next(self) -> int:
        """When a source wants to be asked; what it hears may make that sooner."""
        return min((s.wake_at() for s, _ in self.sources), default=NEVER)

    def _stops(self) -> bool:
        """Has whoever waits for something got it?"""
        return False

    def send(self, frame: bytes, at: int, card: int = 0, wire: int = 0) -> None:
        """One frame whose last bit arrives at that card then, not before the last one's.  wire: its length there, if less was captured."""
        self._own_memory()
        if self._at + len(frame) > FEED_BYTES:
            self._all_pulled(at)
            self._at = 0
        self._memory[self._at:self._at + len(frame)] = frame
        while not self._put(at, self._at, wire or len(frame), len(frame), card, False):
            self._all_pulled(at)
        self._at += len(frame) + 15 & ~15

    def _all_pulled(self, t: int) -> None:
        self.run(t)
        self.call(feed_consume)(self.net, t)

    def add_sink(self, sink: Sink) -> None:
        """From now on it is told of everything that leaves."""
        outputs.listen(self.boot)
        self.sinks.append(sink)

    def add_watcher(self, watcher: Watcher) -> None:
        """From now on it is told of every mark that a frame's trail leaves; net.trail says which frames leave any."""
        self.watchers.append(watcher)

    def add_source(self, source: Source, card: int = 0) -> None:
        """From now on it is asked; it is at the other end of that card's cable.  Its frames merge with those of send(), or of a capture
        that was attached."""
        outputs.listen(self.boot)
        self.net.feed_room, self.net.sim.reacts = FEED_ROOM, 1
        self.sources.append((source, card))

    def reaction_ns(self) -> int:
        """How soon after a frame of this host an answer to it can arrive: in virtual time CPUs may have run ahead by so much."""
        return int(max(max(row[Stage.IPI_LATENCY], row[Stage.NIC_LATENCY]) for row in self.net.cost)) + STEP_NS

    # ------------------------------------------------------------ what leaves
    def collect(self, last: bool = False) -> None:
        """Sources hear at once of what was sent, sinks of everything in the order of time: of what nobody can be earlier than any more.
        last: of all that there is."""
        if self.timeline is not None:
            self.timeline(self._drain.timeline(self.timeline_stride, last))
        if self.watchers:
            for mark in self._drain.marks(last):
                for watcher in self.watchers:
                    watcher(mark)
        if not self.sources and not self.sinks:
            return
        if not self.sources:
            for out in self._drain.outputs(last):
                self._tell(out)
            return
        for out in self._drain.outputs(last=True):
            heapq.heappush(self._kept, (out.t, out.cpu, self._order, out))
            self._order += 1
            if out.kind == Out.TX:
                for s, card in self.sources:
                    self._make(s.heard(out), card, out.t)
        before = NEVER if last else self.now()
        while self._kept and self._kept[0][0] < before:
            self._tell(heapq.heappop(self._kept)[3])

    def _tell(self, out: outputs.Output) -> None:
        for sink in self.sinks:
            sink(out)

    def _make(self, frames: Frames, card: int, cause: int) -> None:
        """Frames of a source onto the cable."""
        for t, frame in frames:
            reaction = self._reaction = self._reaction or self.reaction_ns()
            if t < cause + reaction:
                raise ValueError(f"a source's frame at {t} ns, caused at {cause} ns: {reaction} ns later at the earliest")
            if not self._put(t, self.place(frame, t), len(frame), len(frame), card, True):
                raise CableFull(f"more than {FEED_ROOM} frames of sources are on their way to one queue")

    def _own_memory(self) -> None:
        """Feed memory, unless a capture or a generator has brought its own."""
        if self._memory is None:
            self._memory = pages(FEED_BYTES + MADE_BYTES)
            self.net.feed_addr, self.net.made_at = region(self._memory), FEED_BYTES

    def place(self, frame: bytes, t: int) -> int:
        """The bytes of a frame that arrives at t, into the ring of MADE_BYTES: their offset in feed memory."""
        if not self.net.made_at:
            self._own_memory()
        n = len(frame) + 15 & ~15
        if self._made % MADE_BYTES + n > MADE_BYTES:                         # not round the corner
            self._made += -self._made % MADE_BYTES
        if self._made + n - self._made_tail > MADE_BYTES:                    # over what has been pulled in by now
            now = self.now()
            self.call(feed_consume)(self.net, now - 1)
            while self._under_way and self._under_way[0][1] < now:
                self._made_tail = self._under_way.popleft()[0]
            if self._made + n - self._made_tail > MADE_BYTES:
                raise CableFull(f"more than {MADE_BYTES} bytes of sources' frames are on their way")
        offset = int(self.net.made_at + self._made % MADE_BYTES)
        mem_at(self.net.feed_addr)[offset:offset + len(frame)] = frame       # type: ignore[index]
        self._made += n
        self._under_way.append((self._made, t))
        return offset

    def close(self) -> None:
        """Give the memory back."""
        if self._memory is not None:
            forget(self.net.feed_addr)
            self._memory = None
