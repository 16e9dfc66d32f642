"""What the host of a case really lost: by class between the first and the last sample, and in each interval between two samples."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from rxpath.workbench.case.classes import CLASSES, LossClass
from rxpath.workbench.doctor import cards, inputs, sockets
from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.readings.case import Recorded, Sample
from rxpath.workbench.readings.counters import moved
from rxpath.workbench.readings.records import Snmp, UdpSocket, UdpSockets
from rxpath.workbench.words.mistakes import BadInput

UDP = ("/proc/net/udp", "/proc/net/udp6")


@dataclass(frozen=True, slots=True)
class Real:
    """total None: not known, and why.  each: in each interval; (): samples do not have it."""

    total: int | None
    each: tuple[int, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Truth:
    """edges: moments of the samples in s of the monotonic clock; walls: the same of the wall clock.  sockets: drops of each that
    had any.  ends: of the wall clock, when what only commands print was read; (): not known."""

    edges: tuple[float, ...]
    walls: tuple[float, ...]
    losses: dict[str, Real]
    sockets: dict[str, int]
    ends: tuple[float, ...]
    evidence: Evidence
    said: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return self.edges[-1] - self.edges[0] if self.edges else self.evidence.seconds

    def lost(self, key: str) -> int:
        """0 where it is not known."""
        return self.losses[key].total or 0

    @property
    def lost_in_all(self) -> int:
        return sum(self.lost(c.key) for c in CLASSES if c.loss)


def truth(case: Recorded) -> Truth:
    """BadInput: the case has no two moments."""
    readings = case.readings()
    if len(readings) < 2:
        raise BadInput(f"{case.name}: counters of one moment: what was lost between two moments cannot be told")
    e = inputs.checked([readings[0], readings[-1]])
    device = str(case.devices[0].get("name", "")) if case.devices else e.only_card
    driver = cards.driver_or_none(e, device) or ""
    losses: dict[str, Real] = {}
    for each in CLASSES:
        losses[each.key] = _real(each, e, case, device, driver)
    try:
        drops = {name: s.drops for name, s in sockets.seen(e).items() if s.drops}
    except NotKnown:
        drops = {}
    resets = [f"{text} went backwards: it was reset, and nothing is said of it" for text in e.resets]
    return Truth(tuple(s.monotonic for s in case.samples), tuple(s.realtime for s in case.samples), losses, drops, _ends(case), e,
                 (*resets, *(t for t in e.said if "wrapped" in t)))


def _ends(case: Recorded) -> tuple[float, ...]:
    said = case.manifest.get("clocks")
    clocks = [c.get("realtime_ns") for c in said if isinstance(c, dict)] if isinstance(said, list) else []
    walls = [c / 1e9 for c in clocks if isinstance(c, int)]
    return tuple(walls) if len(walls) == 2 and walls[0] < walls[1] else ()


def _real(each: LossClass, e: Evidence, case: Recorded, device: str, driver: str) -> Real:
    steps = intervals(case.samples, lambda s: each.at(s, device, driver))
    if steps is None:
        return Real(None, why=f"{each.counters} went backwards within the recording: it was reset")
    try:
        return Real(each.total(e, device), steps)
    except NotKnown as missing:
        if steps:
            return Real(sum(steps), steps)
        return Real(None, why=f"not in the case: {missing.reading}")


def intervals(samples: tuple[Sample, ...], value: Callable[[Sample], int | None]) -> tuple[int, ...] | None:
    """By how much a counter moved between samples; (): not every sample has it.  None: it was reset."""
    found = []
    for a, b in pairwise([value(s) for s in samples]):
        if a is None or b is None:
            return ()
        step = moved(a, b, 32)[0]                           # softnet_stat's are 32 bit, the others grow beyond that
        if step is None:
            return None
        found.append(step)
    return tuple(found)


def counter(sample: Sample, group: str, name: str) -> int | None:
    """Of a protocol."""
    for record in sample.reading("/proc/net/snmp").of(Snmp):
        if name in record.groups.get(group, {}):
            return record.groups[group][name]
    return None


def udp_socket(sample: Sample, inode: int) -> UdpSocket | None:
    """A socket in a sample: its queue and its drops."""
    for record in sample.reading(*UDP).of(UdpSockets):
        for s in record.sockets:
            if s.inode == inode:
                return s
    return None
