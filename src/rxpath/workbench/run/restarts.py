"""Programs that end and start again (`restart` of an [[app]]): their sockets are closed meanwhile, so that what comes finds no socket.

The threads stand still by a timer of their own (vtime/pauses.py).  The sockets are closed and opened in between two slices of the engine,
where nobody has begun anything at or after that moment."""
from __future__ import annotations

from collections.abc import Iterator

from rxpath import outputs
from rxpath.abi.numbers import NEVER
from rxpath.time_driver import Frames
from rxpath.user.errors import check
from rxpath.user.socket import inet_restart, inet_stop
from rxpath.workbench.host import tables as hosttables
from rxpath.workbench.host.file import pauses_ns
from rxpath.workbench.host.model.programs import App
from rxpath.workbench.run import left_open
from rxpath.workbench.run.machine import Machine, Opened
from rxpath.workbench.run.sockets import attach
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput


class Restarts:
    """A source (time_driver.Source) that sends nothing: it closes and opens the sockets of one program."""

    def __init__(self, m: Machine, app: App, sockets: list[Opened]) -> None:
        self.m, self.sockets, self.closed = m, sockets, False
        self.listed = hosttables.open_sockets(m.host)
        self.when = _when(m, app)
        self.next = next(self.when, None)

    def wake_at(self) -> int:
        if self.next is None:
            return NEVER
        begin, length = self.next
        return begin + length if self.closed else begin

    def woken(self, now: int) -> Frames:
        m = self.m
        for s in self.sockets:
            if self.closed:
                check(m.call(inet_restart)(m.net, s.index, units.ipv4(s.address), s.port), f"bind port {s.port}")
                if s.listed >= 0:
                    attach(m, s.index, self.listed[s.listed])
            else:
                m.call(inet_stop)(m.net, 0, s.index)
        if self.closed:
            self.next = next(self.when, None)
        self.closed = not self.closed
        return ()

    def heard(self, sent: outputs.Output) -> Frames:
        return ()


def of(m: Machine) -> list[Restarts]:
    """One for each program that ends and starts again, when all have been started."""
    found = []
    for app in m.host.apps:
        if app.restart is None:
            continue
        mine = _read_by(m, app)
        sockets = [s for s in m.sockets if s.index in mine]
        for s in sockets:
            sk = m.net.socks[s.index]
            why = [f"{other.name} reads it too" for other in m.host.apps if other.name != app.name and s.index in _read_by(m, other)]
            why += ["it is connected"] * (sk.dport > 0) + ["it has joined a group"] * (sk.mc_list >= 0)
            if why:
                raise BadInput(f"app {app.name}: restart closes its sockets, but not {s.name}: {why[0]}; pause leaves them open")
        found.append(Restarts(m, app, sockets))
    return found


def _read_by(m: Machine, app: App) -> set[int]:
    """The sockets that a program's threads read."""
    plans = [plan for plan in hosttables.threads(m.host) if plan.app.name == app.name]
    return {s.index for plan in plans for s in m.sockets
            if s.proto == "udp" and (s.listed in plan.sockets or (plan.reads_all and s.listed < 0))}


def _when(m: Machine, app: App) -> Iterator[tuple[int, int]]:
    """(begin, length) of each, as the program's threads have them (vtime/pauses.py)."""
    assert app.restart is not None
    threads = [m.net.thread[t.index] for t in m.threads if t.name == app.name]
    if not threads:
        return
    begin, length = int(threads[0].pause_from), int(threads[0].pause_ns)
    if app.restart.file is not None:
        yield begin, length
        yield from pauses_ns(app.restart.file, later=left_open.lead_ns(m.host))[1:]
        return
    while True:
        yield begin, length
        begin += int(threads[0].pause_every)
