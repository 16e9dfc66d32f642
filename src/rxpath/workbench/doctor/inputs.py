"""Moments of a host from what people have: files, directories, archives, standard input; two readings in one file are two moments."""
from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from rxpath.cable.case_file import is_case
from rxpath.workbench.doctor import recorded
from rxpath.workbench.doctor.evidence import BOOT, Evidence
from rxpath.workbench.readings.archive import read_path, read_stdin
from rxpath.workbench.readings.records import (
    Conntrack,
    CpuTimes,
    EthtoolStats,
    Interrupts,
    Irq,
    Kernel,
    Link,
    NetDev,
    Reading,
    Record,
    Rules,
    Snmp,
    Softirqs,
    Softnet,
    Stat,
    UdpSockets,
    Value,
)
from rxpath.workbench.readings.sniff import moments as divide
from rxpath.workbench.words.mistakes import BadInput

SAME_BOOT = 5                                               # s: btime moves with the clock's corrections
# what has to be there twice
COUNTED = (Softnet, Snmp, NetDev, Link, EthtoolStats, UdpSockets, Interrupts, Softirqs, Stat, Conntrack, Rules)


def moments(paths: Sequence[str]) -> list[Reading]:
    """A reading for each path, in this order; a directory with `before` and `after` in it, or a file with everything twice, is two."""
    if len(paths) == 1 and all(os.path.exists(os.path.join(paths[0], part)) for part in ("before", "after")):
        paths = [os.path.join(paths[0], part) for part in ("before", "after")]
    if len(paths) == 1 and is_case(paths[0]):
        found = recorded.moments(paths[0])
        return _divided(found[0]) if len(found) == 1 else found
    if list(paths).count("-") > 1:
        raise BadInput("-: standard input can be read once; the other reading comes from a file")
    read = [_read(path) for path in paths]
    return _divided(read[0]) if len(read) == 1 else read


def _read(path: str) -> Reading:
    return read_stdin() if path == "-" else read_path(path)


def _divided(reading: Reading) -> list[Reading]:
    """A text in which most of what is counted stands twice is of two moments.  Files of a directory or an archive are of one: there the
    same twice is what two tools printed."""
    found = [r for r in divide(reading) if _counted(r)]
    one_text = len({r.source.file for r in reading.records}) <= 1
    if one_text and len(found) > 1 and 2 * len(_counted(found[1])) >= len(_counted(found[0])):
        return found
    return [reading]


def _counted(reading: Reading) -> set[type[Record]]:
    return {type(record) for record in reading.records if isinstance(record, COUNTED)}


def joined(paths: Sequence[str]) -> Reading:
    """Several files of one moment."""
    found = moments(paths[:1])[0] if len(paths) == 1 else Reading()
    for path in paths if len(paths) > 1 else ():
        found = found.together(_read(path))
    return found


def checked(readings: Sequence[Reading], seconds: float | None = None, latency: bool = False) -> Evidence:
    """Readings that can be compared: of one host and one boot, the older first."""
    if not any(r.records for r in readings):
        raise BadInput(_nothing(readings))
    hosts = {k.host for r in readings for k in r.of(Kernel) if k.host}
    if len(hosts) > 1:
        raise BadInput(f"the readings are of {' and '.join(sorted(hosts))}: two of one host are compared")
    boots = [s.btime for r in readings for s in r.of(Stat) if s.btime is not None]
    if boots and max(boots) - min(boots) > SAME_BOOT:
        raise BadInput("the readings are of two boots (btime in /proc/stat): their counters cannot be subtracted")
    times = [r.time for r in readings if r.time is not None]
    if any(b < a for a, b in pairwise(times)):
        raise BadInput("the second reading is older than the first (by their times): the older one comes first")
    stats = [s for r in readings if (s := r.first(Stat)) is not None and s.total is not None]
    for a, b in pairwise(stats):
        if a.total and b.total and b.total.total < a.total.total:
            raise BadInput("the second reading is older than the first (/proc/stat): the older one comes first")
    return Evidence(readings, seconds, latency)


def _nothing(readings: Sequence[Reading]) -> str:
    """Why there is nothing to look at: the names, and the first thing that was met."""
    names = " and ".join(dict.fromkeys(r.name for r in readings if r.name not in ("", BOOT))) or "the readings"
    met = next((u for r in readings for u in r.unread), None)
    line = f"line {met.line}: " if met is not None and met.line else ""
    first = f" ({line}{met.why})" if met is not None else ""
    return f"{names}: nothing in it that is known{first}; --show-readings lists what was met"


# ---------------------------------------------------------------- one reading
def zero(reading: Reading) -> Reading:
    """The same host as it was when its counters began."""
    made = []
    for record in reading.records:
        begun = _zero(record)
        if begun is not None:
            made.append(begun)
    return Reading(tuple(made), name=BOOT)


def _zero(record: Record) -> Record | None:
    r: Any = record
    if isinstance(record, Softnet):
        return replace(record, rows=tuple(replace(row, processed=0, dropped=0, time_squeeze=0, received_rps=_none(row.received_rps),
                                                  flow_limit_count=_none(row.flow_limit_count)) for row in record.rows))
    if isinstance(record, Snmp):
        return replace(record, groups={g: dict.fromkeys(names, 0) for g, names in record.groups.items()})
    if isinstance(record, NetDev):
        return replace(record, devices={d: dict.fromkeys(names, 0) for d, names in record.devices.items()})
    if isinstance(record, Link):
        return replace(record, stats=dict.fromkeys(record.stats, 0))
    if isinstance(record, EthtoolStats):
        return replace(record, values=tuple(Value(v.name, 0, v.block) for v in record.values))
    if isinstance(record, UdpSockets):
        return replace(record, sockets=tuple(replace(s, drops=_none(s.drops), skmem=s.skmem and replace(s.skmem, d=_none(s.skmem.d)))
                                             for s in record.sockets))
    if isinstance(record, Interrupts):
        return replace(record, rows=tuple(Irq(row.name, (0,) * len(row.counts), row.chip, row.actions) for row in record.rows))
    if isinstance(record, Softirqs):
        return replace(record, counts={name: (0,) * len(n) for name, n in record.counts.items()})
    if isinstance(record, Stat):
        return replace(record, cpus={cpu: CpuTimes(0, 0, 0, 0) for cpu in record.cpus}, total=None)
    if isinstance(record, Conntrack):
        return replace(record, counters=dict.fromkeys(record.counters, 0))
    if isinstance(record, Rules):
        return replace(record, rules=tuple(replace(rule, packets=_none(rule.packets)) for rule in r.rules))
    return None


def _none(value: int | None) -> int | None:
    return None if value is None else 0
