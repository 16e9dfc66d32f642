"""UDP ports that open and close while a capture goes on, as its port unreachables say (cable/census_refused.py).  As restarts.py does it,
sockets are closed and opened between two slices of the engine."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rxpath.user.errors import check
from rxpath.user.socket import inet_restart, inet_stop
from rxpath.workbench.run.machine import Machine, Opened
from rxpath.workbench.words import units

if TYPE_CHECKING:
    from rxpath.cable.capture import Capture
    from rxpath.cable.generate import Generated


class Ports:
    """The sockets that change, and when."""

    def __init__(self, m: Machine, sockets: dict[int, Opened]) -> None:
        assert m.receiver is not None
        self.m, self.sockets = m, sockets
        self.left = [c for c in m.receiver.changes if c.port in sockets]
        for c in [c for c in self.left if not c.record]:
            m.call(inet_stop)(m.net, 0, sockets[c.port].index)

    def change(self, record: int, t: int, run: Callable[[int], None]) -> None:
        """That record comes at t, and nothing later is on the cable: what closes closes just before it, what opens opens just after.
        run: virtual time until then."""
        m = self.m
        for c in [c for c in self.left if c.record == record]:
            run(t if c.opens else t - 1)
            s = self.sockets[c.port]
            if c.opens:
                check(m.call(inet_restart)(m.net, s.index, units.ipv4(s.address), s.port), f"bind port {s.port}")
            else:
                m.call(inet_stop)(m.net, 0, s.index)


def of(m: Machine, capture: Capture | Generated) -> Ports | None:
    """None: no port changes."""
    if m.receiver is None or not m.receiver.changes or m.listen or not m.host.opens_from_capture:
        return None
    changing = {c.port for c in m.receiver.changes}
    sockets = {s.port: s for s in m.sockets if s.proto == "udp" and s.listed < 0 and s.port in changing}
    if capture.loop > 1:
        m.notes.append("ports that open and close in the capture are open all the time: with --loop it goes on from its end")
        return None
    joined = [port for port, s in sockets.items() if m.net.socks[s.index].mc_list >= 0]
    for port in joined:                                     # its groups would be lost
        del sockets[port]
    if joined:
        m.notes.append(f"UDP {joined[0]} is open all the time, though it was not in the capture: it has joined groups, and no other could")
    return Ports(m, sockets) if sockets else None
