"""The records of one moment together, and how to ask them."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from .base import Record, Unread
from .network import Snmp
from .rules import Sysctls
from .sockets import UdpSocket, UdpSockets

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was read of one moment.  time: seconds since 1970 (or of any clock that the readings share), None if unknown."""

    records: tuple[Record, ...] = ()
    unread: tuple[Unread, ...] = ()
    time: float | None = None
    name: str = ""

    def of(self, kind: type[R], netns: str | None = None) -> Iterator[R]:
        """Records of a kind, in the order in which they were read; netns None: of all namespaces."""
        return (r for r in self.records if isinstance(r, kind) and (netns is None or r.netns == netns))

    def first(self, kind: type[R], netns: str | None = "") -> R | None:
        return next(self.of(kind, netns), None)

    def device(self, kind: type[R], device: str, netns: str | None = "") -> R | None:
        """What is known of one device; of a text that names none, if it is the only one of its kind."""
        every = list(self.of(kind, netns))
        named = [r for r in every if getattr(r, "device", None) == device]
        if named:
            return next((r for r in named if getattr(r, "stats", True)), named[0])       # ip addr shows links without counters
        return every[0] if len(every) == 1 and getattr(every[0], "device", None) == "" else None

    def counter(self, group: str, name: str, netns: str = "") -> int | None:
        """A counter of a protocol, of whichever text has it; a text of increases is not asked."""
        found = [v for s in self.of(Snmp, netns) if not s.increase and (v := s.groups.get(group, {}).get(name)) is not None]
        if found:
            return found[0]
        return 0 if any(s.absent_is_zero and group in s.groups for s in self.of(Snmp, netns)) else None

    def udp_sockets(self, netns: str = "") -> tuple[UdpSocket, ...]:
        """Of the text that says most of them, as several show the same ones."""
        shown = sorted(self.of(UdpSockets, netns), key=lambda r: -sum((s.skmem is not None) * 2 + (s.drops is not None) for s in r.sockets))
        return shown[0].sockets if shown else ()

    def sysctl(self, name: str, netns: str = "") -> str | None:
        return next((s.values[name] for s in self.of(Sysctls, netns) if name in s.values), None)

    def together(self, other: Reading) -> Reading:
        """Both, as of one moment."""
        return replace(self, records=self.records + other.records, unread=self.unread + other.unread,
                       time=self.time if self.time is not None else other.time, name=self.name or other.name)
