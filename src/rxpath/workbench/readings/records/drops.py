"""What drop tools saw, and what an exporter says that no other record holds."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .base import Record


@dataclass(frozen=True, slots=True)
class Drop:
    """Packets that a tool saw end at one place: function ("udp_queue_rcv_one_skb"), reason by name ("" where there is none), how many."""

    function: str
    reason: str = ""
    count: int = 1
    protocol: int | None = None
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Drops(Record):
    """perf script, perf trace, dropwatch, retis, pwru.  Losses of a ring have no skb and are never here."""

    tool: str
    drops: tuple[Drop, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of an exporter: name, labels, value."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Exporter(Record):
    """node_exporter's samples that have no record of their own (the others became Softnet, Snmp, NetDev, ...).  Which counters it leaves
    out: docs/host-readings.md."""

    samples: tuple[Sample, ...]
