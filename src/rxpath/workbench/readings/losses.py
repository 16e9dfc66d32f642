"""What a card's counters say, in the classes of drivers/counters.py, each packet once.

Drivers print the same loss several times: by queue and in total, in ethtool -S and in a standard counter.  A sum counts only what its parts
do not have; occasions and bytes are shown and not added; a standard counter is asked only where ethtool -S is silent."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rxpath.drivers.counters import COUNTERS, UNCLASSIFIED, Loss, classify

from .records import EthtoolStats, Link

NO_LOSS = frozenset({Loss.PAUSE, Loss.CSUM, Loss.FILTER, Loss.CLOUD})       # something happened; no packet need be lost here


@dataclass(frozen=True)
class Found:
    """A class: packets, without what counts twice; what was counted, by its name as printed, nothing that is 0; events: occasions, and
    bytes, that are no packets."""

    packets: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)


def losses(driver: str, stats: EthtoolStats) -> dict[Loss | str, Found]:
    """By class, of counters as they stand or of their increases.  driver: its name, "" if it is not known."""
    row = COUNTERS.get(driver)
    values: dict[str, int] = {}
    for v in stats.values:                          # names repeat by block of a queue: their sum
        values[v.name] = values.get(v.name, 0) + v.value
    counted = dict(values)
    for total, parts in row.families() if row else ():
        inside = sum(v for n, v in values.items() if parts.fullmatch(_key(n)))
        for name in [n for n in values if total.fullmatch(_key(n))]:
            covered = min(counted[name], inside)
            counted[name] -= covered
            inside -= covered
    found: dict[Loss | str, Found] = {}
    for name, value in values.items():
        loss = classify(driver, name)
        if loss is None or value == 0:
            continue
        so_far = found.get(loss, Found())
        if row is not None and row.is_event(name):
            found[loss] = Found(so_far.packets, so_far.counters, {**so_far.events, name: value})
        else:
            found[loss] = Found(so_far.packets + counted[name], {**so_far.counters, name: value}, so_far.events)
    return found


def _key(name: str) -> str:
    """A name as the rows write it."""
    return name.strip().replace(" ", "_")


STANDARD = ("rx_missed_errors", "rx_dropped", "rx_fifo_errors", "rx_over_errors", "rx_length_errors", "rx_crc_errors", "rx_frame_errors")


def standard(driver: str, link: Link) -> dict[Loss | str, Found]:
    """The same of ip -s link, where ethtool -S is not known: what feeds a standard counter says its class; where it is fed by several, or
    the driver has no row, it is unclassified.  rx_dropped has the stack's own drops too (backlog, protocols that nobody takes)."""
    row = COUNTERS.get(driver)
    found: dict[Loss | str, Found] = {}
    for name in STANDARD:
        value = link.stats.get(name, 0)
        if not value:
            continue
        fed = row.rtnl.get(name, "").split(" (")[0] if row else ""
        loss: Loss | str | None = (Loss.PHY if name in ("rx_crc_errors", "rx_frame_errors") else Loss.LEN if name == "rx_length_errors" else
                                   row.loss(fed) if row and fed else None)
        kind = loss if loss is not None else UNCLASSIFIED
        so_far = found.get(kind, Found())
        found[kind] = Found(so_far.packets + value, {**so_far.counters, name: value})
    return found
