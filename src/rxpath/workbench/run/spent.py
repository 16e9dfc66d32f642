"""Where the time of the datagrams went, as data: what the path's tables say (rxpath/spent.py, vtime/latency.py)."""
from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from rxpath.abi.spent import NPLACE, NPROGRAM, NSPENT, Place
from rxpath.spent import spent_thread
from rxpath.workbench.run.frame_numbers import record
from rxpath.workbench.run.latency import Latency, counts, latency_of
from rxpath.workbench.run.machine import Machine


@dataclass(frozen=True, slots=True)
class Spent:
    """Of a program's datagrams and messages, those that it is done with: ns in each place, in their order.  The means add up to done's.
    A message has come the way of its last segment."""
    program: str
    done: Latency                                           # wire to the end of the program's work
    places: dict[str, Latency]                              # places where one of them was at all


@dataclass(frozen=True, slots=True)
class Sample:
    """A single datagram that a program is done with; ns add up to the time from `arrived` to then."""
    frame: int                                              # its number in the capture
    program: str
    thread: int
    arrived: int                                            # ns since the start of the run
    ns: dict[str, int]

    @property
    def to_return(self) -> int:
        return self.to_end - self.ns["batch"] - self.ns["work"]

    @property
    def to_end(self) -> int:
        return sum(self.ns.values())


def start(m: Machine) -> None:
    """From now on the run keeps it: a row for each program."""
    m.net.spends = 1
    rows = {app.name: _row(i) for i, app in enumerate(m.host.apps)}
    if not all(m.call(spent_thread)(m.net, t.index, rows[t.name]) for t in m.threads):
        m.notes.append(f"where the time went is not kept of all threads: their calls bring more than {NSPENT:,} datagrams together")


def _row(program: int) -> int:
    """Of a program of the host, by its number."""
    return min(program, NPROGRAM - 1)


def by_program(m: Machine, done: dict[str, Latency]) -> list[Spent]:
    """done: of each program, all its threads together."""
    if not m.net.spends:
        return []
    net = m.net
    rows: dict[int, list[str]] = {}
    for i, app in enumerate(m.host.apps):
        rows.setdefault(_row(i), []).append(app.name)
    return [_spent(net, i, " and ".join(names), Latency.sum([done[n] for n in names if n in done]))
            for i, names in rows.items() if any(done[n].count for n in names if n in done)]


def _spent(net: Any, i: int, name: str, done: Latency) -> Spent:
    places = {}
    for place in Place:
        histogram = counts(net.spent_hist[i][place], net.spent_max[i][place])
        if any(histogram):
            histogram[0] += done.count - sum(histogram)     # who was not there at all
            places[place.name.lower()] = latency_of(histogram, net.spent_sum[i][place], net.spent_max[i][place])
    return Spent(name, done, places)


@dataclass(frozen=True, slots=True)
class Kept:
    """Datagrams chosen by chance, as the path keeps them, and whose they are."""
    table: bytes
    threads: dict[int, tuple[str, int]]

    def samples(self) -> list[Sample]:
        """In the order of their arrival."""
        places = [p.name.lower() for p in Place]
        found = [Sample(record(frame), *self.threads[thread], arrived, dict(zip(places, ns, strict=True)))
                 for used, _, frame, thread, arrived, *ns in struct.iter_unpack(f"<{5 + NPLACE}q", self.table)
                 if used and thread in self.threads]
        return sorted(found, key=lambda s: (s.arrived, s.frame, s.program, s.thread))


def kept(m: Machine) -> Kept | None:
    """None: nobody asked for it."""
    table: Any = m.net.sample
    return Kept(bytes(table), {t.index: (t.name, t.number) for t in m.threads}) if m.net.spends else None
