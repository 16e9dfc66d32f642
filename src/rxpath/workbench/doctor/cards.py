"""Cards in the readings: what their drivers' counters say (drivers/counters.py), their queues, their interrupts and the CPUs that poll.

readings/losses.py adds the counters of a class, each packet once; here they are differences of a card's readings."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rxpath.drivers.counters import COUNTERS, Loss
from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.readings.losses import Found, losses
from rxpath.workbench.readings.records import Channels, Coalesce, DriverInfo, EthtoolStats, Interrupts, Rings
from rxpath.workbench.readings.settings import Slot
from rxpath.workbench.readings.vectors import vectors as receive_vectors

BY_BUS = "virtio"                                           # whose vectors may be named for a bus that no text names
SPLIT = ("rx_missed_errors", "rx_dropped")                   # i40e since 6.7: where both stand, the second is the card's other errors
# one queue's packets, in the drivers' spellings
QUEUE = re.compile(r"rx_queue_(\d+)_packets|rx-(\d+)\.(?:rx_)?packets|rx(\d+)_packets|\[(\d+)\]: rx_ucast_packets|queue_(\d+)_rx_cnt|"
                   r"rx_completed_desc\[(\d+)\]|Queue\[(\d+)\] InPackets|rxq(\d+): (?:frames|rx_pkts)|q(\d+)_rx_pkt_n|(\d+): rcv_pkts")


def driver(e: Evidence, device: str) -> str:
    """By ethtool -i; where nobody asked, by the names of its counters, if they are one driver's."""
    if ("driver", device) not in e.memo:
        e.memo["driver", device] = _driver(e, device)
    name: str | None = e.memo["driver", device]
    if name is None:
        raise NotKnown(f"ethtool -i {device}")
    return name


def _driver(e: Evidence, device: str) -> str | None:
    info = e.of_card(DriverInfo, device)
    if info is not None and info.driver:
        return info.driver
    if device in COUNTERS:                                  # lo has no card
        return device
    seen = e.of_card(EthtoolStats, device)
    return None if seen is None else guess(v.name for v in seen.values)


def guess(names: Iterable[str]) -> str | None:
    """The driver whose names of losses these are: it has more of them than any other, and one that no other has."""
    every = list(names)
    known = {name: {n for n in every if row.loss(n) is not None} for name, row in COUNTERS.items()}
    best, *others = sorted(known, key=lambda name: -len(known[name]))
    alone = known[best].difference(*(known[name] for name in others))
    return best if alone and len(known[best]) > len(known[others[0]]) else None


def driver_or_none(e: Evidence, device: str) -> str | None:
    try:
        return driver(e, device)
    except NotKnown:
        return None


def stats(e: Evidence, device: str) -> EthtoolStats:
    """What moved in ethtool -S; a card that has none by nature has moved nothing."""
    name = driver_or_none(e, device)
    if name is not None and name in COUNTERS and not COUNTERS[name].names:
        return EthtoolStats(device=device)
    return e.between(lambda r: e.of_device(r, EthtoolStats, device), f"ethtool -S {device}")


def classes(e: Evidence, device: str) -> dict[Loss | str, Found]:
    """What moved, by class."""
    if ("classes", device) not in e.memo:
        name, moved = driver_or_none(e, device) or "", stats(e, device)
        row, names = COUNTERS.get(name), {v.name.strip() for v in moved.values}
        if row is not None and set(SPLIT) <= names and row.loss(SPLIT[0]) is row.loss(SPLIT[1]) is Loss.RING:
            moved = EthtoolStats(device=device, values=tuple(v for v in moved.values if v.name.strip() != SPLIT[1]))
        e.memo["classes", device] = losses(name, moved)
    found: dict[Loss | str, Found] = e.memo["classes", device]
    return found


def lost(e: Evidence, device: str, loss: Loss | str) -> int:
    """How far a class moved: packets, each once; of what only counts occasions (failed allocations, pause frames), those."""
    found = classes(e, device).get(loss, Found())
    if loss in (Loss.ALLOC, Loss.PAUSE):
        return found.packets + sum(n for name, n in found.events.items() if not re.search(r"_xon\b", name))
    return found.packets


def mentions(text: str, counter: str) -> bool:
    """Does a row's text name this counter?  N stands for a number, _ for a blank."""
    name = counter.strip().replace(" ", "_")
    return any(re.fullmatch(re.escape(word).replace("N", r"\d+"), name) for word in re.split(r"[\s,;:]+", text.split(" (")[0]) if word)


def queue_packets(e: Evidence, device: str) -> dict[int, int]:
    """Packets of each receive queue."""
    found: Counter[int] = Counter()
    for v in stats(e, device).values:
        name = v.name.strip()
        match = QUEUE.fullmatch(name)
        if match and v.value:
            found[int(next(g for g in match.groups() if g is not None))] += v.value
        elif v.block and name == "ucast pkts rx" and (number := re.search(r"Rx Queue#:\s*(\d+)", v.block)):
            found[int(number.group(1))] += v.value
    if not found:
        raise NotKnown(f"packets of each queue of {device} (its driver does not print them)")
    return dict(found)


def lossy_queue(e: Evidence, device: str) -> int | None:
    """The queue that lost most, where the driver counts by queue."""
    found: Counter[int] = Counter()
    row = COUNTERS.get(driver_or_none(e, device) or "")
    for v in stats(e, device).values:
        if row is not None and row.loss(v.name) is Loss.RING and not row.is_event(v.name) and v.value:
            if number := re.search(r"\d+", v.block or v.name):
                found[int(number.group())] += v.value
    return found.most_common(1)[0][0] if found else None


# ---------------------------------------------------------------- settings
def ring(e: Evidence, device: str, most: bool = False) -> int:
    rings = e.of_card(Rings, device)
    value = None if rings is None else (rings.maximum if most else rings.current).get("rx")
    if not value:
        raise NotKnown(f"ethtool -g {device}")
    return value


def queues(e: Evidence, device: str) -> int:
    channels = e.of_card(Channels, device)
    if channels is not None and channels.rx_queues:
        return channels.rx_queues
    try:
        return len(queue_packets(e, device))
    except NotKnown:
        pass
    try:
        found = len(vectors(e, device))
    except NotKnown:
        found = 0
    if not found:
        raise NotKnown(f"ethtool -l {device}")
    return found


def usecs(e: Evidence, device: str) -> int:
    coalesce = e.of_card(Coalesce, device)
    value = None if coalesce is None else coalesce.values.get("rx-usecs")
    if value is None or coalesce is None:
        raise NotKnown(f"ethtool -c {device}")
    if coalesce.words.get("adaptive-rx"):
        raise NotKnown(f"the present rx-usecs of {device}, which adaptive-rx sets")
    return value


# ---------------------------------------------------------------- interrupts
@dataclass(frozen=True, slots=True)
class Vector:
    """A receive vector of a card: its queue, interrupts by CPU between the readings and since boot."""

    name: str
    queue: int
    moved: dict[int, int]
    ever: dict[int, int]

    @property
    def cpu(self) -> int:
        """Where it goes: where most of them went."""
        return max(self.ever, key=lambda cpu: (self.moved.get(cpu, 0), self.ever[cpu], -cpu))


def vectors(e: Evidence, device: str) -> list[Vector]:
    """Its receive vectors, by /sys or by the names that drivers give them."""
    if ("vectors", device) not in e.memo:
        e.memo["vectors", device] = _vectors(e, device)
    found: list[Vector] = e.memo["vectors", device]
    return found


def _vectors(e: Evidence, device: str) -> list[Vector]:
    moved = e.of(Interrupts)
    if "actions" not in e.memo:
        e.memo["actions"] = "\n".join(action for row in moved.rows for action in row.actions)
    info, slot = e.of_card(DriverInfo, device), e.of_card(Slot, device)
    names = [device, info.bus_info if info is not None else "", slot.name if slot is not None else "", BY_BUS]
    if not any(name and name in e.memo["actions"] for name in names):
        return []                                           # a thousand devices of containers have none, and none is looked for twice
    counts = {row.name: dict(zip(moved.cpus, row.counts, strict=False)) for row in moved.rows}
    last = next(r for r in reversed(e.readings) if r.first(Interrupts) is not None)
    ever = last.first(Interrupts)
    cpus = ever.cpus if ever is not None else ()
    return [Vector(row.name, queue, counts.get(row.name, {}), dict(zip(cpus, row.counts, strict=False)))
            for queue, row in receive_vectors(last, device).items()]


def poll_cpu(e: Evidence, device: str) -> int:
    """The CPU that polls the queue that lost most; where nobody counts by queue, of those with its interrupts the one with most to do.
    A saturated CPU polls without interrupts, so their number alone would mislead."""
    every = vectors(e, device)
    if not every:
        raise NotKnown(f"/proc/interrupts with the vectors of {device}")
    queue = lossy_queue(e, device) if _has_stats(e, device) else None
    mine = [v for v in every if queue is not None and v.queue == queue] or every
    cpus = {v.cpu for v in mine if v.ever}
    try:
        return max(cpus, key=lambda cpu: (e.share(cpu, "soft") + e.share(cpu, "hard"), -cpu))
    except NotKnown:
        return max(cpus, key=lambda cpu: (sum(v.moved.get(cpu, 0) for v in mine), -cpu))


def _has_stats(e: Evidence, device: str) -> bool:
    try:
        stats(e, device)
    except NotKnown:
        return False
    return True


def napis_on(e: Evidence, cpu: int) -> int:
    """Receive vectors of all cards whose interrupts went to that CPU."""
    return sum(v.cpu == cpu and sum(v.moved.values()) > 0 for device in e.devices for v in vectors(e, device))
