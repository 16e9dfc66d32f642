"""A twin while it runs: frames in, virtual time on, and a window said after the other.

Virtual time follows the mirrored traffic: whatever has come is played at once, and where a card is silent, time goes on LATE_NS behind
the clock, by when no frame can be older.  Every LOOK_NS of virtual time in which something happens the high-water marks of all queues
are read and begun anew.  Nothing that is kept grows with time."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rxpath._compile import forget, new, pages, region
from rxpath.abi.depths import BURST_NS, DEPTH_ROW, burst_t
from rxpath.abi.numbers import NEVER
from rxpath.abi.reasons import Drop, Kind
from rxpath.abi.record import Recorded
from rxpath.cable.capture import Capture
from rxpath.cable.source import CaptureError
from rxpath.path import Stage
from rxpath.vtime.depths import bursts_count, depths_take
from rxpath.vtime.queued import next_event
from rxpath.workbench.case.classes import CLASSES
from rxpath.workbench.case.ours import lost_of
from rxpath.workbench.run import books, left_open
from rxpath.workbench.run.books import Books, busy_ns
from rxpath.workbench.run.simulation import START_NS, Simulation
from rxpath.workbench.twin.lots import Lots
from rxpath.workbench.twin.mirror import CardMirror, PipeMirror, now_ns
from rxpath.workbench.twin.truth import Counters
from rxpath.workbench.twin.whom import Whom
from rxpath.workbench.twin.windows import Burst, Depth, Total, Window

LOOK_NS = 10_000_000
SETTLE_NS = 50_000_000                                      # after the last frame: who reads has read
LATE_NS = 100_000_000                                       # a block of the ring is handed over after 20 ms
WAIT_S = 0.05
ROWS = 4096                                                 # queues that are told apart
UNITS = {Recorded.RING_FILL: "descriptors", Recorded.BACKLOG: "packets", Recorded.FRAG_MEM: "bytes", Recorded.SOCK_MEM: "bytes"}


@dataclass(frozen=True)
class Wanted:
    """window_ns: how long a window is.  shed_ns: so far behind the clock, frames are skipped; 0: never.  seconds: ends after so long,
    None: with the traffic."""
    window_ns: int = 1_000_000_000
    shed_ns: int = 250_000_000
    seconds: float | None = None


@dataclass
class _Marks:
    """Totals at the beginning of a window."""
    t: int
    wall_ns: int
    books: Books
    own: int = 0
    skipped: int = 0
    missed: int = 0


class Twin:
    """run() until it ends; told: each window.  began: called once, when frames count from now on."""

    def __init__(self, whom: Whom, mirror: CardMirror | PipeMirror, wanted: Wanted, told: Callable[[Window], None],
                 stop: Callable[[], bool], began: Callable[[], None] | None = None, lots: Lots | None = None,
                 counters: Counters | None = None) -> None:
        self.whom, self.mirror, self.wanted, self.told, self.stop, self.began = whom, mirror, wanted, told, stop, began
        self.lots, self.counters = lots, counters
        self.total = Total(mirror.name, whom.host.kernel, whom.host.profile, whom.host.seed, whom.said)
        self.live = isinstance(mirror, CardMirror)
        self.shedding, self.behind_ns = False, 0
        self.depths: dict[str, Depth] = {}
        self.names: dict[tuple[int, int], str] = {}         # of queues and UDP sockets
        self.number, self.t = 0, 0                          # t: virtual time that has come


    # ------------------------------------------------------------ the run
    def run(self) -> Total:
        """Until the traffic ends, the time is over, or stop() says so."""
        host, who = self.whom.host, self.whom.receiver
        begins = START_NS + left_open.lead_ns(host)
        self.memory = pages(8 * DEPTH_ROW * ROWS)
        self.rows, self.rows_at = memoryview(self.memory).cast("B").cast("q"), region(self.memory)
        try:
            with Capture(self.mirror, receiver=who, start_ns=begins, line_rate=host.device.line_bps,
                         arrival_dice=left_open.arrival_dice(host)) as capture, Simulation(host, receiver=who) as sim:
                self.capture, self.sim, self.bursts = capture, sim, new(burst_t)
                sim.on_load = self._loaded
                _senders_cost_nothing(sim)
                sim.begin(capture)
                if self.lots is not None:
                    self.lots.began = begins
                sim.run(begins - 1)
                self._take_depths()
                self.depths.clear()
                self.marks = _Marks(sim.net.sim.now, 0, books.read(sim))
                self._loop()
                capture.reading.problem = "" if self.live else capture.reading.problem       # how it ended is said apart
                self.total.notes = (*capture.notes(), *sim.said())
        finally:
            self.rows.release()
            forget(self.rows_at)
        return self.total

    def _loop(self) -> None:
        mirror, sim, capture, why = self.mirror, self.sim, self.capture, ""
        if self.began is not None:
            self.began()
        if isinstance(mirror, CardMirror):
            mirror.begin()
            if self.counters is not None:
                self.counters.moved()
        began = time.monotonic()
        while not why:
            try:
                more = sim.piece(capture)
            except CaptureError:                            # nothing had come when the device went
                if not (self.live and mirror.problem):
                    raise
                more = False
            sim.call(bursts_count)(sim.net, self.bursts, sim.net.sim.now + 1)
            if not more:
                why = mirror.problem or "the traffic has ended"
            elif self.stop():
                why = "interrupted"
            elif self.wanted.seconds is not None and self._passed(began) >= self.wanted.seconds:
                why = f"--seconds {self.wanted.seconds:g}"
            self._behind()
            if mirror.dry and not why:
                self._silence()
            if sim.net.sim.now >= self.marks.t + self.wanted.window_ns:
                self._window()
            if mirror.dry and not why:
                mirror.wait(WAIT_S)
        if why != "interrupted":
            sim.go_on(sim.net.sim.now + SETTLE_NS)
        if sim.net.sim.now > self.marks.t and self.capture.clock[1]:
            self._window()
        self.total.ended, self.total.queued = why, self.marks.books.queued

    def _passed(self, began: float) -> float:
        """Seconds: of the clock for a card, of the traffic for what comes on standard input."""
        return time.monotonic() - began if self.live else (self.sim.net.sim.now - START_NS) / 1e9

    def _silence(self) -> None:
        """No frame is here: time goes on, to where none can come any more."""
        t, ts = self.capture.clock
        if self.live and ts:
            t += now_ns() - LATE_NS - ts
            if t > self.sim.net.sim.now:
                self.sim.go_on(t)
                self.capture.not_before(self.sim.net.sim.now)

    def _behind(self) -> None:
        """How far behind the clock: from so far on records are skipped until it is a quarter."""
        ts = self.capture.clock[1]
        if not self.live or not ts:
            return
        self.behind_ns = 0 if self.mirror.dry else max(now_ns() - ts, 0)
        if self.wanted.shed_ns and not self.shedding and self.behind_ns > self.wanted.shed_ns:
            self.shedding = True
        elif self.shedding and self.behind_ns <= self.wanted.shed_ns // 4:
            self.shedding = False
        self.capture.skip(self.shedding)

    # ------------------------------------------------------------ looks
    def _loaded(self, *_: object) -> None:
        """Frames have come onto the cable, and bytes of them into the lots."""
        sim, s = self.sim, self.capture.reading.s
        if self.lots is not None:
            self.lots.mark(int(s.last_t), s.at + s.file_at, s.rec)
        if not sim.stops:
            sim.stops.append((self._next_look(), self._look))

    def _next_look(self) -> int:
        now = self.sim.net.sim.now
        return int(now // LOOK_NS + 1) * LOOK_NS

    def _look(self) -> None:
        """Between two slices of the engine."""
        sim = self.sim
        self._take_depths()
        if sim.net.sim.now >= self.marks.t + self.wanted.window_ns:
            self._window()
        soonest = int(sim.call(next_event)(sim.net))
        if soonest < NEVER:                                 # else nothing happens until more is loaded
            sim.stops.append((max(self._next_look(), soonest // LOOK_NS * LOOK_NS), self._look))

    def _take_depths(self) -> None:
        """The high-water marks since the last look."""
        sim, now = self.sim, self._wall(self.sim.net.sim.now)
        n, rows = sim.call(depths_take)(sim.net, self.rows_at, ROWS), self.rows
        for at in range(0, n * DEPTH_ROW, DEPTH_ROW):
            kind, owner, most, limit = rows[at:at + DEPTH_ROW]
            name = self.names.get((kind, owner)) or self._name(kind, owner)
            known = self.depths.get(name)
            if known is None or most * max(known.limit, 1) > known.most * max(limit, 1):
                self.depths[name] = Depth(name, UNITS[Recorded(kind)], most, limit, now)

    def _name(self, kind: int, owner: int) -> str:
        """As head-room names places.  Connections of one port have one name, and come and go."""
        found = self._place(kind, owner)
        if kind != Recorded.SOCK_MEM or found.startswith("socket "):
            self.names[kind, owner] = found
        return found

    def _place(self, kind: int, owner: int) -> str:
        if kind == Recorded.RING_FILL:
            card = self.sim.boot.netdevs[self.sim.net.ring[owner].nic]
            return f"ring {card.name}/{owner - card.nic.first}" if self.sim.host.cards else f"ring {owner}"
        if kind == Recorded.BACKLOG:
            return f"backlog {owner}"
        if kind == Recorded.FRAG_MEM:
            return "fragments"
        named = [s.name for s in self.sim.sockets if s.index == owner]
        return f"socket {named[0]}" if named else f"connection tcp:{self.sim.net.socks[owner].port}"

    # ------------------------------------------------------------ windows
    def _wall(self, t: int) -> int:
        """Virtual time as ns since 1970."""
        at, ts = self.capture.clock
        return ts + t - at if ts else 0

    def _window(self) -> None:
        """One is over."""
        sim, marks = self.sim, self.marks
        self._take_depths()
        sim.call(bursts_count)(sim.net, self.bursts, sim.net.sim.now)
        now, read = sim.net.sim.now, books.read(sim)
        read.check()
        counts, wall = self.capture.counts(), self._wall(now)
        own, skipped, missed, took = counts["own"], counts["not_selected"], self.mirror.missed, now - marks.t
        b, ended = self.bursts, _moved(read.dropped, marks.books.dropped)
        lost = {name: n for name, n in ended.items() if Drop[name].row.kind is Kind.LOST}
        cpus = tuple(min(1.0, max(_busy(read, c) - _busy(marks.books, c), 0) / max(took, 1)) for c in range(sim.host.cpus))
        found = self.counters.moved() if self.counters is not None else None
        w = Window(self.number, wall, took, b.frames, b.frame_octets, own - marks.own, skipped - marks.skipped, missed - marks.missed,
                   self.behind_ns, Burst(b.most, b.most_octets, self._wall(b.most_bin * BURST_NS) if b.most else 0),
                   tuple(sorted(self.depths.values(), key=lambda d: (-d.share, d.name))), cpus, read.delivered - marks.books.delivered,
                   lost, {name: n for name, n in ended.items() if name not in lost},
                   found, {} if found is None else _by_class(read, marks.books, found))
        b.frames = b.frame_octets = b.most = b.most_octets = 0
        self.depths.clear()
        self.marks = _Marks(now, wall, read, own, skipped, missed)
        self.number, self.t = self.number + 1, now
        self.total.add(w)
        self.told(w)


def _moved(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0)}


def _busy(read: Books, cpu: int) -> int:
    """What a CPU did for the host's own receiving: without the task that stands for the other end of a veth."""
    mine = read.cpus[cpu]
    return busy_ns({name: getattr(mine, name) for name in books.CONTEXTS}) - sum(
        s.syscall_ns + s.application_ns for s in read.senders if s.cpu == cpu)


def _senders_cost_nothing(sim: Simulation) -> None:
    """Frames of a veth have been sent when they came, by whoever sent them: its system calls are not simulated."""
    for stage in (Stage.SENDER, Stage.SENDER_FRAGMENT) if sim.senders else ():
        for cpu in range(sim.host.cpus):
            sim.net.cost[cpu][stage] = 0


def _by_class(after: Books, before: Books, wanted: dict[str, int]) -> dict[str, int]:
    """What the twin lost, in the classes of the kernel's counters."""
    return {each.key: lost_of(each, after) - lost_of(each, before) for each in CLASSES if each.key in wanted}
