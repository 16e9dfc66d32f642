"""UDP ports that open and close while a capture goes on, as its port unreachables say (cable/census_refused.py).  As restarts.py does it,
sockets are closed and opened between two slices of the engine."""
from __future__ import annotations

from collections.abc import Callable

from rxpath.user.errors import check
from rxpath.user.socket import inet_restart, inet_stop
from rxpath.workbench.run.machine import Machine, Opened
from rxpath.workbench.words import units


class Ports:
    """The sockets that change, and when."""

    def __init__(self, m: Machine, sockets: dict[int, Opened]) -> None:
        assert m.receiver is not None
        self.m, self.sockets = m, sockets
        self.changes = [c for c in m.receiver.changes if c.port in sockets]
        self.first = {c.port: not c.opens and c.record > 0 for c in reversed(self.changes)}        # open when a reading begins
        self.open = dict.fromkeys(self.first, True)
        self._begins()

    def _begins(self) -> None:
        for port, opens in self.first.items():
            self._set(port, opens)

    def _set(self, port: int, opens: bool) -> None:
        if self.open[port] == opens:
            return
        m, s = self.m, self.sockets[port]
        self.open[port] = opens
        if opens:
            check(m.call(inet_restart)(m.net, s.index, units.ipv4(s.address), s.port), f"bind port {s.port}")
        else:
            m.call(inet_stop)(m.net, 0, s.index)

    def change(self, record: int, t: int, run: Callable[[int], None]) -> None:
        """That record of a reading comes at t, and nothing later is on the cable: what closes closes just before it, what opens opens just
        after.  Before the first record of a reading all is as it was before that of the first.  run: virtual time until then."""
        if record == 1:
            run(t - 1)
            self._begins()
        for c in [c for c in self.changes if c.record == record]:
            run(t if c.opens else t - 1)
            self._set(c.port, c.opens)


def of(m: Machine) -> Ports | None:
    """None: no port changes."""
    if m.receiver is None or not m.receiver.changes or m.listen or not m.host.opens_from_capture:
        return None
    changing = {c.port for c in m.receiver.changes}
    sockets = {s.port: s for s in m.sockets if s.proto == "udp" and s.listed < 0 and s.port in changing}
    joined = [port for port, s in sockets.items() if m.net.socks[s.index].mc_list >= 0]
    for port in joined:                                     # its groups would be lost
        del sockets[port]
    if joined:
        m.notes.append(f"UDP {joined[0]} is open all the time, though it was not in the capture: it has joined groups, and no other could")
    return Ports(m, sockets) if sockets else None
