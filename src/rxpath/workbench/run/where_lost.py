"""Where frames were lost: what a run says (net.drop_at: a reason and a station), with what abi/reasons.py says of it and the step of the
funnel where the station lies."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rxpath.abi.kernels import version
from rxpath.abi.reasons import Drop, Kind
from rxpath.path import FORMERLY, STATIONS, Stage, inet_protocol
from rxpath.workbench.run.books import Books

STEPS = ("NIC", "link", "IP", "transport", "socket", "application")         # in the packet's order
STEP_TITLE = {
    "NIC": "NIC and its ring", "link": "netif_receive_skb", "IP": "ip_rcv", "transport": "UDP, TCP, ICMP",
    "socket": "socket queue", "application": "application",
}
OURS = Drop.RX_ALLOC_FAILED.name                                             # the simulation's own limit: says nothing of the host
ABOVE_IP = ("ip_protocol_deliver_rcu", "ping_rcv")                           # of network/, beside the handlers of inet_protos


class Loss(NamedTuple):
    """n frames that ended for a reason at a station."""
    reason: str
    station: str
    n: int

    @property
    def step(self) -> str:
        """Of the funnel, from the room of the station."""
        station = STATIONS[Stage[self.station]]
        if station.room == "network":
            handlers = (f.__name__ for _, f in inet_protocol.handlers)
            return "transport" if self.station in ABOVE_IP or self.station in handlers else "IP"
        return {"drivers": "NIC", "irq": "link", "link": "link", "transport": "transport", "skb": "NIC",
                "user": "application" if station.context == "syscall" else "socket"}[station.room]

    @property
    def kind(self) -> Kind:
        row = Drop[self.reason].row
        return row.places[self.station].kind or row.kind

    @property
    def meaning(self) -> str:
        row = Drop[self.reason].row
        return row.places[self.station].meaning or row.meaning

    def where(self, kernel: str) -> str:
        """The station, and the counters under which that kernel shows it."""
        place = Drop[self.reason].row.places[self.station]
        counted = place.counted(kernel)
        text = f"in {self._function(kernel)}; counters: {', '.join(counted).replace('/', ' or ') or 'none'}"
        if place.before is not None and version(kernel) < version(place.before[0]):
            more = [c for c in place.counters.split() if c not in counted]
            text += f" (from {place.before[0]} on {' and '.join(more)}, too; a vendor's kernel may have it earlier)" if more else ""
        return text

    def _function(self, kernel: str) -> str:
        """What that kernel calls the station."""
        before, name = FORMERLY.get(Stage[self.station], ("0", ""))
        return name if version(kernel) < version(before) else self.station


def losses(lost_at: Mapping[str, Mapping[str, int]]) -> Iterator[Loss]:
    """From the books."""
    for reason, places in lost_at.items():
        for station, n in places.items():
            yield Loss(reason, station, n)


def by_class(lost_at: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Frames that ended before their program, by what became of them: lost, refused, not for this host, not modelled, ..."""
    out: dict[str, int] = {}
    for loss in losses(lost_at):
        out[loss.kind.value] = out.get(loss.kind.value, 0) + loss.n
    return out


def by_load(lost_at: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Of the books, the losses that slower traffic would not have had: of the class lost where they happened, and of the host."""
    out: dict[str, dict[str, int]] = {}
    for loss in losses(lost_at):
        if loss.kind is Kind.LOST and loss.reason != OURS and loss.n:
            out.setdefault(loss.reason, {})[loss.station] = loss.n
    return out


def by_step(lost_at: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for loss in losses(lost_at):
        out[loss.step] = out.get(loss.step, 0) + loss.n
    return out


class Step(NamedTuple):
    """Of the funnel: how many frames entered it, and those that left the way to the application there."""
    name: str
    entered: int
    losses: list[Loss]                                      # most first
    consumed: int                                           # the kernel itself was their end


def exits(step: Step, most: int) -> list[tuple[str, int, bool]]:
    """(reason, frames, of the class lost) of a step, the first ones; beyond `most` of them together."""
    found = [(loss.reason, loss.n, loss.kind is Kind.LOST) for loss in step.losses]
    if len(found) <= most:
        return found
    rest = found[most - 1:]
    return [*found[:most - 1], (f"{len(rest)} other reasons", sum(n for _, n, _ in rest), any(lost for *_, lost in rest))]


def steps(b: Books) -> list[Step]:
    """From the wire to the application: of whatever enters a step and does not leave there, the next one is entered."""
    left, out = b.offered, []
    for name in STEPS:
        here = sorted((loss for loss in losses(b.lost_at) if loss.step == name), key=lambda loss: -loss.n)
        consumed = {"link": b.arp, "transport": b.consumed - b.arp}.get(name, 0)
        out.append(Step(name, left, here, consumed))
        left -= sum(loss.n for loss in here) + consumed
    return out
