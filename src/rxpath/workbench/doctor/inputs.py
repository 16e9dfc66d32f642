"""Moments of a host from what people have: files, directories, archives, standard input; two readings in one file are two moments."""
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import IO, Any

from rxpath.workbench.doctor.evidence import Evidence
from rxpath.workbench.readings.lines import decoded
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
from rxpath.workbench.readings.sniff import read_text
from rxpath.workbench.words.mistakes import BadInput

BYTES_MOST, FILES_MOST = 64 << 20, 2000
SAME_BOOT = 5                                               # s: btime moves with the clock's corrections
# what has to be there twice
COUNTED = (Softnet, Snmp, NetDev, Link, EthtoolStats, UdpSockets, Interrupts, Softirqs, Stat, Conntrack, Rules)


def moments(paths: Sequence[str]) -> list[Reading]:
    """A reading for each path, in this order; a directory with `before` and `after` in it, or a file with everything twice, is two."""
    if len(paths) == 1 and all(os.path.exists(os.path.join(paths[0], part)) for part in ("before", "after")):
        paths = [os.path.join(paths[0], part) for part in ("before", "after")]
    if list(paths).count("-") > 1:
        raise BadInput("-: standard input can be read once; the other reading comes from a file")
    read = [_read(path) for path in paths]
    return _divided(read[0]) if len(read) == 1 else read


def _read(path: str) -> Reading:
    """A file, a directory's files, or standard input."""
    if path == "-":
        return read_text(decoded(_bytes(sys.stdin.buffer, "standard input")))
    if os.path.isdir(path):
        found = Reading(name=path)
        for name in sorted(os.listdir(path))[:FILES_MOST]:
            inner = os.path.join(path, name)
            if os.path.isfile(inner) and not os.path.islink(inner):
                found = found.together(_file(inner, name))
        return found
    return _file(path, path)


def _file(path: str, name: str) -> Reading:
    if not os.path.isfile(path) and os.path.exists(path):
        raise BadInput(f"{path}: no regular file")
    with open(path, "rb") as file:
        return read_text(decoded(_bytes(file, path)), name)


def _bytes(file: IO[bytes], name: str) -> bytes:
    data = file.read(BYTES_MOST + 1)
    if len(data) > BYTES_MOST:
        raise BadInput(f"{name}: larger than {BYTES_MOST >> 20} MiB: counters of a host are some hundred kB")
    return data


def _divided(reading: Reading) -> list[Reading]:
    """The moments in which something was counted."""
    return [r for r in divide(reading) if any(isinstance(record, COUNTED) for record in r.records)] or [reading]


def joined(paths: Sequence[str]) -> Reading:
    """Several files of one moment."""
    found = moments(paths[:1])[0] if len(paths) == 1 else Reading()
    for path in paths if len(paths) > 1 else ():
        found = found.together(_read(path))
    return found


def checked(readings: Sequence[Reading], seconds: float | None = None, latency: bool = False) -> Evidence:
    """Readings that can be compared: of one host and one boot, the older first."""
    if not any(r.records for r in readings):
        raise BadInput("nothing in it that is known (--show-readings says what was met)")
    hosts = {k.host for r in readings for k in r.of(Kernel) if k.host}
    if len(hosts) > 1:
        raise BadInput(f"the readings are of {' and '.join(sorted(hosts))}: two of one host are compared")
    boots = [s.btime for r in readings for s in r.of(Stat) if s.btime is not None]
    if boots and max(boots) - min(boots) > SAME_BOOT:
        raise BadInput("the readings are of two boots (btime in /proc/stat): their counters cannot be subtracted")
    stats = [s for r in readings if (s := r.first(Stat)) is not None and s.total is not None]
    for a, b in pairwise(stats):
        if a.total and b.total and b.total.total < a.total.total:
            raise BadInput("the second reading is older than the first (/proc/stat): the older one comes first")
    return Evidence(readings, seconds, latency)


# ---------------------------------------------------------------- one reading
def zero(reading: Reading) -> Reading:
    """The same host as it was when its counters began."""
    made = []
    for record in reading.records:
        begun = _zero(record)
        if begun is not None:
            made.append(begun)
    return Reading(tuple(made), name="boot")


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
