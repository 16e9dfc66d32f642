"""--perfetto: a run as a trace that ui.perfetto.dev shows: what every CPU did, the ways of frames as arrows, losses, queues over time.

The wire format of protobuf, written by hand: a library would only write these bytes, and a test reads them with the classes of the perfetto
package.  Field numbers are those of perfetto_trace.proto; docs/perfetto.md says what the tracks are."""
from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from typing import NamedTuple

from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.recording import Series
from rxpath.workbench.run.timeline import BEGIN, FINISH, Event, Timeline
from rxpath.workbench.words.mistakes import BadInput, check_writable, new_file

SEQUENCE, CLEARED, NEEDS = 1, 1, 2                          # the one packet sequence, and its flags
EXPLICIT = 3                                                # child_ordering: by rank
COUNT = 4                                                   # TrackEvent.Type beside those of Event: a counter's value
LEVELS = ("ring_fill", "backlog", "process_queue", "socket_memory", "socket_queue", "fragment_memory")
UNITS = {"bytes": "B"}


# ---------------------------------------------------------------- protobuf
def varint(n: int) -> bytes:
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field: int, n: int) -> bytes:
    return varint(field << 3) + varint(n)


def message(field: int, body: bytes | str) -> bytes:
    data = body.encode("utf-8", "replace") if isinstance(body, str) else body
    return varint(field << 3 | 2) + varint(len(data)) + data


# what events are made of
_VARINTS = [varint(n) for n in range(128)]
_LOW = [bytes((n & 127 | 128, n >> 7 | 128)) for n in range(1 << 14)]       # the first 14 bits of a longer varint
_fixed64 = struct.Struct("<Q").pack
_PACKET, _EVENT, _FACT = varint(1 << 3 | 2), varint(11 << 3 | 2), varint(4 << 3 | 2)
_STARTS, _ENDS = varint(47 << 3 | 1), varint(48 << 3 | 1)
_SEQUENCE, _NEEDS = number(10, SEQUENCE) + varint(8 << 3), number(13, NEEDS)


class Track(NamedTuple):
    """parent: 0 is the run itself; unit: of a counter."""
    name: str
    parent: int = 0
    counter: bool = False
    unit: str = ""


class _Trace:
    """Packets of one sequence: tracks first, then events, whose names and annotations are told once."""

    def __init__(self, title: str) -> None:
        self.out = bytearray()
        self.names: dict[tuple[int, str], int] = {}
        self.said: dict[tuple[int, int, str], tuple[bytes, bytes]] = {}
        self.facts: dict[str, bytes] = {}
        self.high, self.high_bytes = -1, b""                # of the time of the event before
        self.tracks = 1
        process = number(1, 1) + message(6, title)
        self._packet(number(13, CLEARED) + message(60, number(1, 1) + message(2, title) + message(3, process) + number(11, EXPLICIT)))

    def _packet(self, body: bytes) -> None:
        self.out += message(1, number(10, SEQUENCE) + body)

    def track(self, t: Track) -> int:
        """Its number."""
        self.tracks += 1
        said = number(1, self.tracks) + message(2, t.name) + number(5, t.parent or 1)
        if t.counter:
            said += message(8, message(6, t.unit) if t.unit else b"")
        self._packet(message(60, said + number(11, EXPLICIT) + number(12, self.tracks)))
        return self.tracks

    def _interned(self, kind: int, name: str, told: bytearray) -> int:
        """kind: 2 event_names, 3 debug_annotation_names."""
        iid = self.names.get((kind, name))
        if iid is None:
            iid = self.names[kind, name] = len(self.names) + 1
            told += message(kind, number(1, iid) + message(2, name))
        return iid

    def event(self, track: int, e: Event, starts: int = -1, ends: int = -1) -> None:
        """starts, ends: the arrow that goes on, or ends, here."""
        t, kind, name, _, _, facts = e
        said, told = self.said.get((track, kind, name)) or self._first(track, kind, name)
        if starts >= 0:
            said += _STARTS + _fixed64(starts)
        if ends >= 0:
            said += _ENDS + _fixed64(ends)
        for fact, value in facts:
            iid = self.facts.get(fact)
            if iid is None:
                iid = self.facts[fact] = number(1, self._interned(3, fact, new := bytearray()))
                told += new
            body = iid + (number(4, value) if isinstance(value, int) else message(6, value))
            said += _FACT + (_VARINTS[len(body)] if len(body) < 128 else varint(len(body))) + body
        high = t >> 14                                      # most events have it in common with the one before
        if high != self.high:
            self.high, self.high_bytes = high, varint(high)
        when = _LOW[t & 0x3FFF] + self.high_bytes if high else varint(t)
        body = _SEQUENCE + when + _NEEDS + (message(12, told) if told else b"") + _EVENT + \
            (_VARINTS[len(said)] if len(said) < 128 else varint(len(said))) + said
        self.out += _PACKET + (_VARINTS[len(body)] if len(body) < 128 else varint(len(body))) + body

    def _first(self, track: int, kind: int, name: str) -> tuple[bytes, bytes]:
        """What all events of a track, kind and name have in common, and what is told with the first of that name."""
        told = bytearray()
        said = number(9, kind) + number(11, track)
        if kind != FINISH:
            said += number(10, self._interned(2, name, told))
        self.said[track, kind, name] = said, b""
        return said, bytes(told)

    def count(self, track: int, t: int, value: int) -> None:
        self._packet(number(8, t) + number(13, NEEDS) + message(11, number(9, COUNT) + number(11, track) + number(30, value)))


# ---------------------------------------------------------------- a run
def check(file: str) -> None:
    """Before the run, not after it."""
    if file == "-":
        raise BadInput("--perfetto -: the report goes to standard output; give a file name (./- for a file named -)")
    check_writable("--perfetto", file)


def trace(line: Timeline, run: Outcome) -> bytes:
    """The whole file.  The run was recorded."""
    out = _Trace(f"{run.traffic.name}: kernel {run.host.kernel}, cost profile {run.host.profile}")
    found: list[tuple[int, Iterable[Event]]] = []
    wire = out.track(Track("wire"))
    for queue, events in sorted(line.wire.items()):
        found.append((out.track(Track(f"from the wire to {queue}", wire)), events))
    if line.card:
        found.append((out.track(Track("lost by the card", wire)), line.card))
    for name, events in line.cpus.items():
        found.append((out.track(Track(name)), events))
    if windows := list(line.windows()):
        found.append((out.track(Track("told here (the rest is left out)")), _told(windows)))
    _events(out, found, line.points)
    _counters(out, run)
    return bytes(out.out)


def _told(windows: Iterable[tuple[int, int]]) -> Iterator[Event]:
    for begin, end in windows:
        yield Event(begin, BEGIN, "told")
        yield Event(end, FINISH, "")


def _events(out: _Trace, found: list[tuple[int, Iterable[Event]]], points: Mapping[int, int]) -> None:
    """All in the order of time.  A frame's arrow begins with the first of its events and ends with its last; one alone has none."""
    def of(track: int, events: Iterable[Event]) -> Iterator[tuple[int, int, Event]]:
        for e in events:
            yield e.t, track, e

    left = dict(points)
    for _, track, e in merge(*(of(track, events) for track, events in found), key=lambda one: one[:2]):
        if not e.flows or points[e.frame] < 2:
            out.event(track, e)
            continue
        left[e.frame] -= 1
        if left[e.frame]:
            out.event(track, e, starts=e.frame)
        else:
            out.event(track, e, ends=e.frame)


def _counters(out: _Trace, run: Outcome) -> None:
    """What is recorded over time: of each stretch the most.  What was lost in it is told as a number of frames."""
    recording = run.recording
    assert recording is not None
    for s in [s for name in LEVELS for s in recording.of(name)]:
        track = out.track(Track(f"{s.name.replace('_', ' ')} {s.of}", 0, True, UNITS.get(s.unit, s.unit)))
        for t, value in _changes(s, recording.bucket_ns):
            out.count(track, t, value)


def _changes(s: Series, width: int) -> Iterator[tuple[int, int]]:
    before = -1
    for i, value in enumerate(s.max):
        if value != before:
            yield i * width, value
            before = value


def write(line: Timeline, run: Outcome, file: str) -> int:
    """Into a file; how many octets."""
    with new_file(file) as out:
        return out.write(trace(line, run))
