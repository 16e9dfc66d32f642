"""--perfetto: what every CPU did and when, as nested slices, and the ways of frames through them.

The path writes marks where slices begin and end (turn/timeline.py); here each CPU's are put together as the run goes on: who runs, in which
call, what interrupts it.  A run may be long: the frames whose stations are told become one of 2, of 4, ... and then the times, a
window of each 2, 4, ..., until no more than `most` events are kept.  What a CPU was in the middle of when a window begins is known."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from rxpath.abi.limits import NQ, NTRAILMAP
from rxpath.abi.numbers import Idle, Kthread, Softirq, WaitBy
from rxpath.abi.numbers import Trail as Marks
from rxpath.abi.reasons import DELIVERED, Drop
from rxpath.abi.timeline import DEVICE, FUNCTION_CALL, LOCAL_TIMER, RESCHEDULE, TICK, WINDOW_SHIFT, Slice
from rxpath.outputs import Mark
from rxpath.path import STATIONS, Stage
from rxpath.vtime.apps import Phase
from rxpath.workbench.run.frame_numbers import called
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.run.where_lost import Loss

MOST = 500_000                                              # events
THINNEST = 1024                                             # of so many frames one is told at least
IRQS = {RESCHEDULE: "IPI: reschedule", FUNCTION_CALL: "IPI: RPS", LOCAL_TIMER: "timer", TICK: "tick", DEVICE: "another device"}
BH = {Kthread.NONE: "softirqs", Kthread.KSOFTIRQD: "softirqs", Kthread.NAPI: "napi_threaded_poll", Kthread.BUSY: "napi_busy_loop"}
CALLS = {Phase.OWN: "setsockopt", Phase.DISOWN: "setsockopt", Phase.SERVE: "nanosleep", Phase.DOZE: "nanosleep", Phase.NAP: "nanosleep",
         Phase.POLLING: "poll", Phase.EPOLLING: "epoll_wait", Phase.SEND: "send", Phase.XMIT: "send", Phase.SENDTO: "sendto",
         Phase.ACCEPT: "accept", Phase.RETURN: "system call", Phase.ASK: "system call"}
FIRST = {int(s) for s, station in STATIONS.items() if station.room == "drivers"} | {Stage.netif_rx, Stage.process_backlog}
BEGIN, FINISH, INSTANT = 1, 2, 3
_STATION, _CALL, _TASK, _POLL = Slice.STATION, Slice.CALL, Slice.TASK, Slice.POLL
_Raw = tuple[int, int, int, int, int, bool]                 # an event before it has words: t, kind, what (Slice), arg, frame, flows


class Event(NamedTuple):
    """Of one track: a slice begins, the innermost ends, or something happens.  frame: whose, -1 none; flows: an arrow goes through it."""
    t: int
    kind: int
    name: str
    frame: int = -1
    flows: bool = False
    facts: tuple[tuple[str, int | str], ...] = ()


@dataclass(slots=True)
class _Part:
    """A CPU's events of one window, and what it was in the middle of when that began.  events None: of a window that is left out, the first
    with marks after one that is told and has none: what was open is the same."""
    window: int
    open: tuple[tuple[int, int], ...]
    events: list[_Raw] | None = field(default_factory=list)


def _nowhere(event: _Raw) -> None:
    """Of a window that is left out."""


@dataclass(slots=True)
class _Line:
    """One CPU."""
    open: list[tuple[int, int]] = field(default_factory=list)
    parts: list[_Part] = field(default_factory=list)
    put: Callable[[_Raw], None] = _nowhere                  # an event of the last part
    t: int = 0

    def begin(self, window: int) -> None:
        events: list[_Raw] = []
        self.parts.append(_Part(window, tuple(self.open), events))
        self.put = events.append


class Timeline:
    """Collects; replay() attaches it before the first frame.  After the run cpus has each CPU's events, wire by queue when the frames that
    are told came from the wire, card the frames that a card lost; points the number of events that a frame's arrow goes through."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.every, self.stride = 1, 1                      # frames whose stations are told: one of; windows: one of
        self.cut_ns = 0                                     # nothing is told after that; 0: all is
        self.lost_marks = 0
        self.cpus: dict[str, list[Event]] = {}
        self.wire: dict[str, list[Event]] = {}
        self.card: list[Event] = []
        self.points: dict[int, int] = {}
        self._lines: list[_Line] = []
        self._at: dict[int, int] = {}                       # frames under way: the CPU that has them, -1 none yet
        self._wire: list[tuple[int, int, int]] = []         # (t, NAPI, frame)
        self._lost: list[tuple[int, int, int]] = []         # (t, frame, how it ended)
        self._kept = self._of_frames = 0

    def attach(self, m: Machine) -> None:
        m.take_trail(Marks.TIMELINE)
        self.machine = m
        self._lines = [_Line() for _ in range(m.host.cpus)]
        self._choose()
        m.time.timeline = self.marked
        m.time.add_watcher(self.lost)

    def _choose(self) -> None:
        """The bits of the frames that are told."""
        word = sum(1 << i for i in range(0, 32, self.every))
        for w in range(NTRAILMAP):
            self.machine.net.trail_map[w] = word if w * 32 % self.every == 0 else 0

    # ------------------------------------------------------------ told during the run
    def lost(self, mark: Mark) -> None:
        """A frame was lost; here: by its card, before a CPU saw it."""
        if mark.skb < 0 and mark.stage == Stage.kfree_skb and not self.cut_ns and not (mark.t >> WINDOW_SHIFT) % self.stride:
            self._lost.append((mark.t, mark.frame, mark.arg))
            self._kept += 1

    def marked(self, marks: Iterator[tuple[int, ...]]) -> None:
        """Marks (t, CPU, kind, arg, frame) in the order of time, of windows that are told.  A long run has many millions: what is common is
        done here, and in few steps."""
        lines, at, kept, of_frames = self._lines, self._at, 0, 0
        for t, cpu, kind, arg, frame in marks:
            line, what = lines[cpu], kind >> 1 & 127
            opened, put = line.open, line.put
            if kind & 1:
                if opened and opened[-1][0] == what:
                    inner, of = opened.pop()
                    put((t, FINISH, what, arg if what == _POLL else of, frame if what == _STATION else -1, False))
                    kept += 1
                    of_frames += what == _STATION
                elif any(w == what for w, _ in opened):
                    inner = -1
                    while inner != what:
                        inner, of = opened.pop()
                        put((t, FINISH, inner, arg if inner == _POLL else of, frame if inner == _STATION else -1, False))
                        kept += 1
                        of_frames += inner == _STATION
            elif what == _STATION:
                stage, before = kind >> 8, at.get(frame)
                if before is None and stage in FIRST:
                    self._from_wire(line, arg, frame)
                flows = False
                if before is not None or stage in FIRST:    # else it has ended, and its last station is still to be left
                    flows = before != cpu
                    at[frame] = cpu
                opened.append((what, stage))
                put((t, BEGIN, what, stage, frame, flows))
                kept += 1
                of_frames += 1
            elif what == Slice.END:
                flows = at.pop(frame, None) is not None
                put((t, INSTANT, what, arg, frame, flows))
                kept += 1
                of_frames += flows
            elif what == Slice.OPEN:
                opened[:] = []
                for _, _, of_kind, of, _ in islice(marks, arg):
                    opened.append(_slice(opened, of_kind, of))
                line.begin(t >> WINDOW_SHIFT)
            else:
                opened.append(_slice(opened, kind, arg))
                put((t, BEGIN, *opened[-1], frame, False))
                kept += 1
            line.t = t
        self._kept += kept
        self._of_frames += of_frames
        self._fit()

    def _from_wire(self, line: _Line, t: int, frame: int) -> None:
        if not (t >> WINDOW_SHIFT) % self.stride:
            napi = next((arg for what, arg in reversed(line.open) if what == _POLL), NQ)
            self._wire.append((t, napi, frame))
            self._kept += 1
            self._of_frames += 1

    # ------------------------------------------------------------ no more than is wanted
    def _fit(self) -> None:
        while self._kept > self.most and not self.cut_ns:
            if self.every < THINNEST and 2 * self._of_frames > self._kept:
                self.every *= 2
                self._choose()
            elif any(p.events for line in self._lines for p in line.parts if p.window > 0):
                self.stride *= 2
                self.machine.time.timeline_stride = self.stride
            else:                                           # all in the first window
                self.cut_ns = max(line.t for line in self._lines)
                self.machine.time.timeline_stride = 0
                break
            self._leave_out()

    def _leave_out(self) -> None:
        for line in self._lines:
            kept: list[_Part] = []
            for p in line.parts:
                if p.window % self.stride:
                    p.events = None
                if kept and p.window // self.stride == kept[-1].window // self.stride:
                    continue
                if p.events is not None:
                    p.events = [e for e in p.events if self._told(e)]
                kept.append(p)
            line.parts = kept
            line.put = kept[-1].events.append if kept and kept[-1].events is not None else _nowhere
        self._wire = [w for w in self._wire if w[2] % self.every == 0 and not (w[0] >> WINDOW_SHIFT) % self.stride]
        self._lost = [w for w in self._lost if not (w[0] >> WINDOW_SHIFT) % self.stride]
        events = [e for line in self._lines for p in line.parts for e in p.events or ()]
        self._of_frames = len(self._wire) + sum(what == _STATION or flows for _, _, what, _, _, flows in events)
        self._kept = len(events) + len(self._wire) + len(self._lost)

    def _told(self, e: _Raw) -> bool:
        _, _, what, arg, frame, _ = e
        return frame < 0 or frame % self.every == 0 or (what == Slice.END and arg & 0xFF > Drop.CONSUMED)

    # ------------------------------------------------------------ words
    def finish(self) -> None:
        """The run is over, its state about to go."""
        m, now = self.machine, self.machine.net.sim.now
        self.lost_marks = sum(m.net.timeline[c].lost for c in range(m.host.cpus))
        words = _Words(m)
        for cpu, line in enumerate(self._lines):
            self.cpus[f"CPU {cpu}"] = [words.event(raw) for raw in self._whole(line, max(now, line.t))]
        for t, napi, frame in sorted(self._wire):
            self.wire.setdefault(words.queue(napi), []).append(Event(t, INSTANT, called(frame), frame, True))
        self.card = [words.event((t, INSTANT, Slice.END, arg, frame, False)) for t, frame, arg in sorted(self._lost)]
        for events in (*self.cpus.values(), *self.wire.values()):
            for e in events:
                if e.flows:
                    self.points[e.frame] = self.points.get(e.frame, 0) + 1
        if said := self.said():
            m.notes.append(said)
        m.time.timeline = None
        self._lines, self._wire, self._lost = [], [], []
        del self.machine

    def windows(self) -> Iterator[tuple[int, int]]:
        """Begin and end of each that is told, if some are not."""
        if self.stride > 1:
            found = sorted({e.t >> WINDOW_SHIFT for events in self.cpus.values() for e in events})
            for w in (w for w in found if w % self.stride == 0):
                yield w << WINDOW_SHIFT, w + 1 << WINDOW_SHIFT

    def said(self) -> str:
        """What is left out; "": nothing."""
        said = []
        if self.every > 1:
            said.append(f"the stations of one frame in {self.every:,}")
        if self.stride > 1:
            said.append(f"one of every {self.stride:,} windows of {(1 << WINDOW_SHIFT) / 1e6:.2f} ms")
        if self.cut_ns:
            said.append(f"nothing after {self.cut_ns / 1e6:.3f} ms")
        text = f"the timeline holds {' and '.join(said)}: no more than {self.most:,} events are kept (--perfetto-events)" if said else ""
        if self.lost_marks:
            text += f"{'; ' if text else ''}{self.lost_marks:,} marks of the timeline found no room"
        return text

    def _whole(self, line: _Line, end: int) -> Iterator[_Raw]:
        """A CPU's events, with slices closed where what follows is left out, and opened again where it begins."""
        opened: list[tuple[int, int]] = []
        parts = line.parts
        if self.stride == 1:
            for p in parts:
                for e in p.events or ():
                    yield e
                    _follow(opened, e)
            yield from _closed(opened, self.cut_ns or end)
            return
        last = max((p.window for p in parts), default=0)
        k = 0
        for window in range(0, last + 1, self.stride):
            while k < len(parts) and parts[k].window < window:
                k += 1
            if k == len(parts):
                return
            p = parts[k]
            here = p.window == window and p.events is not None
            opened = list(p.open)
            if not here and not opened:
                continue
            for what, arg in opened:
                yield window << WINDOW_SHIFT, BEGIN, what, arg, -1, False
            for e in p.events or () if here else ():
                yield e
                _follow(opened, e)
            yield from _closed(opened, min(window + 1 << WINDOW_SHIFT, end))


def _slice(opened: list[tuple[int, int]], kind: int, arg: int) -> tuple[int, int]:
    """What begins: a station of that stage, a call of the thread that runs, or as it is marked."""
    what = kind >> 1 & 127
    if what == _STATION:
        return what, kind >> 8
    if what == _CALL:
        return what, arg | next((of for w, of in reversed(opened) if w == _TASK), 0) << 8
    return what, arg


def _follow(opened: list[tuple[int, int]], e: _Raw) -> None:
    _, kind, what, arg, _, _ = e
    if kind == BEGIN:
        opened.append((what, arg))
    elif kind == FINISH:
        opened.pop()


def _closed(opened: list[tuple[int, int]], t: int) -> Iterator[_Raw]:
    while opened:
        yield (t, FINISH, *opened.pop(), -1, False)


class _Words:
    """Names of what is told, while the machine is there."""

    def __init__(self, m: Machine) -> None:
        self.machine = m
        self.threads = {t.index: f"{t.name}/{t.number}" for t in m.threads} | {thread: f"sender on {dev}" for dev, _, thread in m.senders}
        self._names: dict[tuple[int, int], str] = {}

    def event(self, e: _Raw) -> Event:
        t, kind, what, arg, frame, flows = e
        if what == Slice.END:
            reason, where = Drop(arg & 0xFF), Stage(arg >> 8)
            if reason in DELIVERED:
                return Event(t, INSTANT, f"{called(frame)} {'read' if reason == Drop.RECEIVED else 'consumed'}", frame, flows)
            return Event(t, INSTANT, f"{Loss(reason.name, where.name, 1).kind.value}: {reason.name}", frame, flows,
                         (("frame", called(frame)), ("at", where.name)))
        if kind == FINISH:
            return Event(t, FINISH, "", -1, False, (("packets", arg),) if what == _POLL and arg >= 0 else ())
        key = what, arg
        if key not in self._names:
            self._names[key] = self._name(*key)
        return Event(t, kind, self._names[key], frame, flows, (("frame", called(frame)),) if frame >= 0 else ())

    def _name(self, what: int, arg: int) -> str:
        if what == Slice.HARDIRQ:
            return f"IRQ {self.vector(arg)}" if arg >= 0 else IRQS[arg]
        if what == Slice.POLL:
            return f"poll {self.queue(arg)}" if arg < NQ else "process_backlog"
        if what == Slice.TASK:
            return self.thread(arg)
        if what == Slice.CALL:
            return self.call(arg >> 8, arg & 255)
        if what == Slice.IDLE_EXIT:
            return f"leaves {Idle(arg).name}"
        if what == Slice.SOFTIRQ:
            return BH[Kthread(arg)]
        if what == Slice.ACTION:
            return Softirq(arg).name
        return {Slice.STALL: "stalled: the hypervisor has the CPU", Slice.SWITCH: "context_switch"}.get(Slice(what)) or Stage(arg).name

    def queue(self, napi: int) -> str:
        if napi >= NQ:
            return "lo"
        card = self.machine.boot.netdevs[self.machine.net.ring[napi].nic]
        return f"{card.name} queue {napi - card.nic.first}"

    def vector(self, q: int) -> str:
        card = self.machine.boot.netdevs[self.machine.net.ring[q].nic]
        return str(card.vector(q - card.nic.first))

    def thread(self, n: int) -> str:
        if n < self.machine.host.cpus:
            return f"ksoftirqd/{n}"
        if n in self.threads:
            return self.threads[n]
        napi = self.machine.net.thread[n].napi
        return f"napi/{self.queue(napi)}" if self.machine.net.napi[napi].thread == n else f"thread {n}"

    def call(self, n: int, phase: int) -> str:
        th = self.machine.net.thread[n]
        if phase == Phase.WAIT:
            return "poll" if th.wait_by == WaitBy.POLL else "epoll_wait"
        return CALLS.get(Phase(phase), "recvmmsg" if th.batch > 1 else "recvfrom")
