"""Cards in the readings: what their drivers' counters say (drivers/counters.py), their queues, their interrupts and the CPUs that poll.

One loss is often counted twice - by queue and in all, by the ring and by the port, in a counter of events - so a class is the larger of
what the names with a number and those without come to, and counters of events are shown but never added."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rxpath.drivers.counters import COUNTERS, Loss, classify
from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.readings.records import Channels, Coalesce, DriverInfo, EthtoolStats, Interrupts, Reading, Rings
from rxpath.workbench.readings.vectors import vectors as receive_vectors

# how often something happened, or bytes, or the good half of a pair: no packets that were lost
EVENTS = re.compile(r"no_buffer_count|rxbds_empty|lwm_thresh|writeq_full|buf_unav|fill_level|bytes|_xon\b|_xon_|_tx_xon", re.I)
# one queue's packets, in the drivers' spellings
QUEUE = re.compile(r"rx_queue_(\d+)_packets|rx-(\d+)\.(?:rx_)?packets|rx(\d+)_packets|\[(\d+)\]: rx_ucast_packets|queue_(\d+)_rx_cnt|"
                   r"rx_completed_desc\[(\d+)\]|Queue\[(\d+)\] InPackets|rxq(\d+): (?:frames|rx_pkts)|q(\d+)_rx_pkt_n|(\d+): rcv_pkts")


@dataclass(frozen=True, slots=True)
class Count:
    """A counter of a driver that moved.  loss: its class, "unclassified", or None; not_added: why it is shown and not added."""

    name: str
    block: str
    moved: int
    loss: Loss | str | None
    not_added: str = ""


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
    stats = next((s for r in reversed(e.readings) if (s := statistics(e, r, device)) is not None), None)
    return None if stats is None else guess(v.name for v in stats.values)


def guess(names: Iterable[str]) -> str | None:
    """The driver whose names of losses these are: it has more of them than any other, and one that no other has."""
    every = list(names)
    known = {name: {n for n in every if row.loss(n) is not None} for name, row in COUNTERS.items()}
    best, *others = sorted(known, key=lambda name: -len(known[name]))
    alone = known[best].difference(*(known[name] for name in others))
    return best if alone and len(known[best]) > len(known[others[0]]) else None


def counts(e: Evidence, device: str) -> list[Count]:
    """What moved in ethtool -S, in its order."""
    if ("counts", device) not in e.memo:
        e.memo["counts", device] = _counts(e, device)
    found: list[Count] = e.memo["counts", device]
    return found


def _counts(e: Evidence, device: str) -> list[Count]:
    if driver_or_none(e, device) in COUNTERS and not COUNTERS[driver(e, device)].names:
        return []
    a, b = e.pair(lambda r: statistics(e, r, device), f"ethtool -S {device}")
    seen: Counter[tuple[str, str]] = Counter()
    before: dict[tuple[str, str, int], int] = {}
    for v in a.values:
        before[v.block, v.name, seen[v.block, v.name]] = v.value
        seen[v.block, v.name] += 1
    name, seen, found = driver_or_none(e, device) or "", Counter(), []
    missed = any("rx_missed_errors" == v.name.strip() for v in b.values)
    for v in b.values:
        key = (v.block, v.name, seen[v.block, v.name])
        seen[v.block, v.name] += 1
        if key not in before:
            continue
        try:
            moved = e.minus(f"{v.name.strip()} of {device}", before[key], v.value)
        except NotKnown:
            continue                                        # it stands among the resets
        if moved:
            loss = classify(name, v.name)
            if missed and loss is Loss.RING and v.name.strip() == "rx_dropped":
                loss = Loss.LEN                             # since the two stand apart (6.7), this one is the card's other errors
            why = "how often, not how many" if EVENTS.search(v.name) else "a sum of others" if _is_sum(name, v.name.strip(), b) else ""
            found.append(Count(v.name.strip(), v.block, moved, loss, why))
    return found


def _is_sum(driver_name: str, counter: str, stats: EthtoolStats) -> bool:
    """A standard counter among the driver's own, which has what others of them have already: igb's rx_fifo_errors."""
    row = COUNTERS.get(driver_name)
    fed = row.rtnl.get(counter, "") if row is not None else ""
    return any(v.name.strip() != counter and mentions(fed, v.name) for v in stats.values)


def mentions(text: str, counter: str) -> bool:
    """Does a row's text name this counter?  N stands for a number, _ for a blank."""
    name = counter.strip().replace(" ", "_")
    return any(re.fullmatch(re.escape(word).replace("N", r"\d+"), name) for word in re.split(r"[\s,;]+", text) if word)


def statistics(e: Evidence, reading: Reading, device: str) -> EthtoolStats | None:
    """ethtool -S and the kernel's own counters of its queues, which have each name once."""
    first = e.of_device(reading, EthtoolStats, device)
    if first is None:
        return None
    seen, values = {v.name for v in first.values}, list(first.values)
    for more in reading.of(EthtoolStats, ""):
        if more is not first and more.device == first.device:
            values += [v for v in more.values if v.name not in seen]
    return EthtoolStats(device=device, values=tuple(values))


def driver_or_none(e: Evidence, device: str) -> str | None:
    try:
        return driver(e, device)
    except NotKnown:
        return None


def of_class(e: Evidence, device: str, loss: Loss | str) -> list[Count]:
    return [c for c in counts(e, device) if c.loss == loss]


def lost(e: Evidence, device: str, loss: Loss | str) -> int:
    """How far a class moved, nothing twice: the larger of the sums of the names with and without a number, without sums of others."""
    found = [c for c in of_class(e, device, loss) if not c.not_added]
    numbered = sum(c.moved for c in found if re.search(r"\d", c.name) or c.block)
    others = [c for c in found if not (re.search(r"\d", c.name) or c.block)]
    whole = sum(c.moved for c in others if not c.name.endswith(".nic"))
    port = sum(c.moved for c in others if c.name.endswith(".nic"))
    if loss is Loss.PKTBUF and port:                        # a port's count has its rings' losses, too
        port = max(port - lost(e, device, Loss.RING), 0)
    return max(numbered, whole + port)


def queue_packets(e: Evidence, device: str) -> dict[int, int]:
    """Packets of each receive queue."""
    found: Counter[int] = Counter()
    for c in counts(e, device):
        match = QUEUE.fullmatch(c.name)
        if match:
            found[int(next(g for g in match.groups() if g is not None))] += c.moved
        elif c.block and c.name == "ucast pkts rx" and (number := re.search(r"Rx Queue#:\s*(\d+)", c.block)):
            found[int(number.group(1))] += c.moved
    if not found:
        raise NotKnown(f"packets of each queue of {device} (its driver does not print them)")
    return dict(found)


def lossy_queue(e: Evidence, device: str) -> int | None:
    """The queue that lost most, where the driver counts by queue."""
    found: Counter[int] = Counter()
    for c in of_class(e, device, Loss.RING):
        if (number := re.search(r"\d+", c.block or c.name)) and not c.not_added:
            found[int(number.group())] += c.moved
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
    a, b = e.both(Interrupts)
    before = {row.name: dict(zip(a.cpus, row.counts, strict=False)) for row in a.rows}
    found = []
    for queue, row in receive_vectors(next(r for r in reversed(e.readings) if r.first(Interrupts) is b), device).items():
        ever, was = dict(zip(b.cpus, row.counts, strict=False)), before.get(row.name, {})
        found.append(Vector(row.name, queue, {
            cpu: e.minus(f"interrupt {row.name} on CPU {cpu}", was.get(cpu, 0), n, 32) for cpu, n in ever.items()}, ever))
    return found


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
        counts(e, device)
    except NotKnown:
        return False
    return True


def napis_on(e: Evidence, cpu: int) -> int:
    """Receive vectors of all cards whose interrupts went to that CPU."""
    return sum(v.cpu == cpu and sum(v.moved.values()) > 0 for device in e.devices for v in vectors(e, device))
