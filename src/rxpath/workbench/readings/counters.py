"""The difference of two readings: the same records, with what moved in between in place of what stood there.

Counters have widths (softnet_stat, interrupts, softirqs, drops of sockets: 32 bit; what a card feeds: sometimes 32 or 16) and are reset:
by a boot, a driver's reload, ethtool -L and -G, a socket's end.  A value that is smaller than before is a wrap where its width and its
size allow it, else a reset, and then the interval is worth nothing for it.  Both are said.  Gauges - lengths of queues, memory - and
settings are those of the second reading."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from rxpath.drivers.counters import COUNTERS

from .records import (
    Conntrack,
    CpuTimes,
    DeviceRecord,
    DriverInfo,
    EthtoolStats,
    Interrupts,
    Irq,
    Link,
    NetDev,
    Pause,
    R,
    Reading,
    Record,
    RuleCount,
    Rules,
    SchedRow,
    Schedstat,
    Snmp,
    Softirqs,
    Softnet,
    SoftnetRow,
    Stat,
    TcpSockets,
    UdpSocket,
    UdpSockets,
    Value,
)

U32 = 1 << 32
GAUGES = {("Tcp", "CurrEstab"), ("Tcp", "RtoAlgorithm"), ("Tcp", "RtoMin"), ("Tcp", "RtoMax"), ("Tcp", "MaxConn"), ("Ip", "Forwarding"),
          ("Ip", "DefaultTTL")}
K = TypeVar("K")


@dataclass(frozen=True)
class Difference:
    """reading: records whose counters are increases; seconds between the readings, None where their times are not known; said: wraps,
    resets, and what only one of the two shows."""

    reading: Reading
    seconds: float | None
    said: tuple[str, ...]


def moved(before: int, after: int, bits: int = 64) -> tuple[int | None, str]:
    """(increase, what happened): "" as it should be, "wrapped", or "reset", whose increase is not known (None)."""
    if after >= before:
        return after - before, ""
    for width in (16, 32) if bits == 16 else (32,) if bits == 32 or before < U32 else ():
        size = 1 << width
        # of 64 bits that are fed with 32: only from the upper half on, as a reset is likelier
        if before < size and (after - before) % size < size // 2 and (bits <= 32 or before >= size // 2):
            return (after - before) % size, "wrapped"
    return None, "reset"


class _Two:
    """Two readings while they are compared."""

    def __init__(self, before: Reading, after: Reading) -> None:
        self.before, self.after = before, after
        self.said: list[str] = []
        self.drivers = {d.device: d.driver for r in (before, after) for d in r.of(DriverInfo, None)}

    def say(self, text: str) -> None:
        if text not in self.said:
            self.said.append(text)

    def each(self, old: Mapping[K, int], new: Mapping[K, int], where: str, bits: Callable[[K], int] = lambda _: 64,
             name_of: Callable[[K], object] = str) -> dict[K, int] | None:
        """Increases of what both have; None: something was reset, so the interval is worth nothing.  where: words for people, {} for the
        counter's name."""
        result: dict[K, int] = {}
        resets = []
        for name, value in new.items():
            if name in old:
                increase, happened = moved(old[name], value, bits(name))
                said = where.replace("{}", str(name_of(name)), 1)
                if increase is None:
                    resets.append(said)
                else:
                    result[name] = increase
                if happened == "wrapped":
                    self.say(f"{said} wrapped")
        if resets:
            more = f" and {len(resets) - 1} more" if len(resets) > 1 else ""
            self.say(f"{resets[0]}{more} went backwards: reset in between, so this interval says nothing about it")
            return None
        return result

    def earlier(self, kind: type[R], record: R) -> R | None:
        """The record of the first reading to compare with."""
        same = [r for r in self.before.of(kind, record.netns)
                if not isinstance(record, DeviceRecord) or getattr(r, "device", "") == record.device]
        if not same:
            device = getattr(record, "device", "")
            self.say(f"{NAMES[kind]}{f' of {device}' if device else ''} is in the second reading only")
        return same[0] if same else None


# ---------------------------------------------------------------- the whole machine
SOFTNET = ("processed", "dropped", "time_squeeze", "cpu_collision", "received_rps", "flow_limit_count")


def _softnet(two: _Two, new: Softnet, old: Softnet) -> Softnet | None:
    if not new.cpu_known and len(new.rows) != len(old.rows):
        two.say("softnet_stat has another number of rows than before: a CPU came or went, and the rows do not say which")
        return None
    earlier = {row.cpu: row for row in old.rows}
    rows = []
    for row in new.rows:
        if row.cpu not in earlier:
            two.say(f"CPU {row.cpu} of softnet_stat is in the second reading only")
            continue
        values = {n: v for n in SOFTNET if (v := getattr(row, n)) is not None}
        base = {n: v for n in SOFTNET if (v := getattr(earlier[row.cpu], n)) is not None}
        changes = two.each(base, values, f"{{}} of CPU {row.cpu} in softnet_stat", lambda _: 32)
        if changes is not None:
            rows.append(SoftnetRow(row.cpu, changes["processed"], changes["dropped"], changes["time_squeeze"], changes["cpu_collision"],
                                   changes.get("received_rps"), changes.get("flow_limit_count"), row.backlog_len, row.input_qlen,
                                   row.process_qlen))
    return replace(new, rows=tuple(rows)) if rows else None


def _interrupts(two: _Two, new: Interrupts, old: Interrupts) -> Interrupts:
    """An interrupt that was requested anew has another number or another owner: it is no longer the same."""
    earlier = {(irq.name, irq.actions): irq for irq in old.rows}
    rows: list[Irq] = []
    for irq in new.rows:
        base = earlier.get((irq.name, irq.actions))
        if base is None:
            if any(irq.counts):
                two.say(f"interrupt {irq.name} ({', '.join(irq.actions)}) is in the second reading only")
            continue
        counts = dict(zip(old.cpus if len(base.counts) > 1 else (0,), base.counts, strict=False))
        now = dict(zip(new.cpus if len(irq.counts) > 1 else (0,), irq.counts, strict=False))
        changes = two.each(counts, now, f"interrupt {irq.name} on CPU {{}}", lambda _: 32)
        if changes is not None:
            rows.append(replace(irq, counts=tuple(changes.get(cpu, 0) for cpu in now)))
    return replace(new, rows=tuple(rows))


def _softirqs(two: _Two, new: Softirqs, old: Softirqs) -> Softirqs:
    counts = {}
    for name, row in new.counts.items():
        base = dict(zip(old.cpus, old.counts.get(name, ()), strict=False))
        now = dict(zip(new.cpus, row, strict=False))
        changes = two.each(base, now, f"{name} of CPU {{}} in softirqs", lambda _: 32)
        if changes is not None and base:
            counts[name] = tuple(changes.get(cpu, 0) for cpu in now)
    return replace(new, counts=counts)


def _times(new: CpuTimes, old: CpuTimes) -> CpuTimes:
    """idle and iowait may step back a little; nothing else does."""
    return CpuTimes(*[max(0.0, getattr(new, n) - getattr(old, n)) for n in CpuTimes.__dataclass_fields__])


def _stat(two: _Two, new: Stat, old: Stat) -> Stat:
    cpus = {cpu: _times(t, old.cpus[cpu]) for cpu, t in new.cpus.items() if cpu in old.cpus}
    total = _times(new.total, old.total) if new.total and old.total else None
    ctxt = None if new.ctxt is None or old.ctxt is None else max(0, new.ctxt - old.ctxt)
    return replace(new, cpus=cpus, total=total, ctxt=ctxt)


def _schedstat(two: _Two, new: Schedstat, old: Schedstat) -> Schedstat:
    rows = {cpu: SchedRow(max(0, s.run_ns - old.cpus[cpu].run_ns), max(0, s.wait_ns - old.cpus[cpu].wait_ns),
                          max(0, s.timeslices - old.cpus[cpu].timeslices)) for cpu, s in new.cpus.items() if cpu in old.cpus}
    return replace(new, cpus=rows)


# ---------------------------------------------------------------- of a namespace
def _of_protocols(reading: Reading, netns: str) -> dict[tuple[str, str], int]:
    """Whatever printed them; the first counts."""
    found: dict[tuple[str, str], int] = {}
    for snmp in reading.of(Snmp, netns):
        if not snmp.increase:
            for group, values in snmp.groups.items():
                for name, value in values.items():
                    found.setdefault((group, name), value)
    return found


def _snmp(two: _Two) -> Iterator[Snmp]:
    """One record for each namespace.  A group or name that begins to be printed with its first packet was 0 before."""
    for netns in dict.fromkeys(s.netns for s in two.after.of(Snmp, None) if not s.increase):
        old, new = _of_protocols(two.before, netns), _of_protocols(two.after, netns)
        if not old:
            two.say(f"{NAMES[Snmp]} are in the second reading only")
            continue
        groups_before = {group for group, _ in old}
        left_out = {g for s in two.before.of(Snmp, netns) if s.absent_is_zero for g in s.groups}
        for group, name in new:
            if (group == "IcmpMsg" and "Icmp" in groups_before) or group in left_out:
                old.setdefault((group, name), 0)
        groups: dict[str, dict[str, int]] = {}
        for group in dict.fromkeys(g for g, _ in new):
            names = {n: v for (g, n), v in new.items() if g == group and (g, n) not in GAUGES}
            base = {n: v for (g, n), v in old.items() if g == group}
            changes = two.each(base, names, f"{group}.{{}}")
            if changes:
                groups[group] = changes
        absent = all(s.absent_is_zero for s in two.after.of(Snmp, netns))
        yield Snmp(groups, absent_is_zero=absent, netns=netns)
    if any(s.increase for s in two.after.of(Snmp, None)):
        two.say("nstat without -a shows increases since its own last run: not used (nstat -az)")


def _net_dev(two: _Two, new: NetDev, old: NetDev) -> NetDev:
    devices = {}
    for device, values in new.devices.items():
        if device not in old.devices:
            two.say(f"device {device} is in the second reading only")
            continue
        changes = two.each(old.devices[device], values, f"{{}} of {device}", _bits_of(two, device))
        if changes is not None:
            devices[device] = changes
    return replace(new, devices=devices)


def _bits_of(two: _Two, device: str) -> Callable[[str], int]:
    """Widths of a device's counters by name."""
    row = COUNTERS.get(two.drivers.get(device, ""))
    return lambda name: row.narrow.get(name, 64) if row else 64


def _link(two: _Two, new: Link, old: Link) -> Link | None:
    if not new.stats:
        return new
    changes = two.each(old.stats, new.stats, f"{{}} of {new.device}", _bits_of(two, new.device))
    return None if changes is None else replace(new, stats=changes)


def _ethtool(two: _Two, new: EthtoolStats, old: EthtoolStats) -> EthtoolStats | None:
    bits = _bits_of(two, new.device)
    changes = two.each(_numbered(old), _numbered(new), f"{{}} of {new.device or 'a card'} in ethtool -S", lambda k: bits(k[1]),
                       lambda k: k[1])
    if changes is None:
        return None
    return replace(new, values=tuple(Value(name, increase, block) for (block, name, _), increase in changes.items()))


def _numbered(stats: EthtoolStats) -> dict[tuple[str, str, int], int]:
    """Values by block, name and the how manieth of that name it is, in order."""
    seen: dict[tuple[str, str], int] = {}
    result = {}
    for v in stats.values:
        n = seen.get((v.block, v.name), 0)
        seen[v.block, v.name] = n + 1
        result[v.block, v.name, n] = v.value
    return result


def _pause(two: _Two, new: Pause, old: Pause) -> Pause:
    changes = two.each(old.counters, new.counters, f"{{}} of {new.device}")
    return replace(new, counters=changes or {})


def _conntrack(two: _Two, new: Conntrack, old: Conntrack) -> Conntrack | None:
    changes = two.each(old.counters, new.counters, "{} of conntrack", lambda _: 32)
    return None if changes is None else replace(new, counters=changes)


def _rules(two: _Two) -> Iterator[Rules]:
    """Rules that are the same in place and words; a chain that changed has no differences."""
    old = {(r.tool, x.table, x.chain, x.number, _words(x)): x for r in two.before.of(Rules, None) for x in r.rules}
    for record in two.after.of(Rules, None):
        rules = []
        for x in record.rules:
            base = old.get((record.tool, x.table, x.chain, x.number, _words(x)))
            if base is None or base.packets is None or x.packets is None:
                rules.append(replace(x, packets=None, bytes=None))
                continue
            packets, happened = moved(base.packets, x.packets)
            octets, _ = moved(base.bytes or 0, x.bytes or 0)
            if happened == "reset":
                two.say(f"rule {x.number} of {x.chain} ({record.tool}) went backwards: the rules were loaded anew")
            rules.append(replace(x, packets=packets, bytes=octets))
        yield replace(record, rules=tuple(rules))


def _words(rule: RuleCount) -> str:
    """A rule without what it has counted."""
    return "" if rule.number == 0 else " ".join(w for w in rule.text.split() if not (w.startswith("[") and ":" in w) and not w.isdigit())


def _udp(two: _Two) -> Iterator[Record]:
    """drops are those of the interval; a new socket's are all its own.  Those of a socket that was closed are not known."""
    old: dict[tuple[object, ...], UdpSocket] = {s.key: s for r in two.before.of(UdpSockets, None) for s in r.sockets}
    seen = set()
    for record in two.after.of(UdpSockets, None):
        if not any(two.before.of(UdpSockets, None)):
            two.say("UDP sockets are in the second reading only")
            continue
        sockets = []
        for s in record.sockets:
            seen.add(s.key)
            base = old.get(s.key)
            if base is not None and base.drops is not None and s.drops is not None:
                drops, happened = moved(base.drops, s.drops, 32)
                if happened:
                    two.say(f"drops of the socket at {s.address}:{s.port} {'wrapped' if happened == 'wrapped' else 'went backwards'}")
                sockets.append(replace(s, drops=drops))
            else:
                sockets.append(s if base is None else replace(s, drops=None))
        yield replace(record, sockets=tuple(sockets))
    gone = [s for key, s in old.items() if key not in seen]
    if gone and seen:
        two.say(f"{len(gone)} UDP socket{'s were' if len(gone) > 1 else ' was'} closed in between: what they dropped in that time is in "
                "Udp.RcvbufErrors alone")


# ---------------------------------------------------------------- all of it
NAMES: dict[type[Record], str] = {
    Softnet: "softnet_stat", Interrupts: "/proc/interrupts", Softirqs: "/proc/softirqs", Stat: "/proc/stat", Schedstat: "/proc/schedstat",
    Snmp: "counters of protocols", NetDev: "/proc/net/dev", Link: "ip -s link", EthtoolStats: "ethtool -S", Pause: "ethtool -a",
    Conntrack: "counters of conntrack"}


def _paired(two: _Two, kind: type[R], make: Callable[[_Two, R, R], R | None]) -> Iterator[Record]:
    done = set()
    for record in two.after.of(kind, None):
        key = (record.netns, getattr(record, "device", ""))
        if key in done and kind is not Link:                # the same from a second tool
            continue
        done.add(key)
        old = two.earlier(kind, record)
        if old is not None and (found := make(two, record, old)) is not None:
            yield found


COMPARED = (Softnet, Interrupts, Softirqs, Stat, Schedstat, NetDev, Link, EthtoolStats, Pause, Conntrack, Snmp, UdpSockets, Rules)


def difference(before: Reading, after: Reading) -> Difference:
    """What moved between two readings.  Everything else is as the second shows it, settings that only the first has included."""
    two = _Two(before, after)
    boots = [s.btime for r in (before, after) if (s := next((s for s in r.of(Stat) if s.btime), None)) and s.btime is not None]
    if len(boots) == 2 and abs(boots[0] - boots[1]) > 2:          # btime is rounded
        two.say("the host was booted in between: no counter of the first reading can be compared")
        return Difference(Reading(tuple(r for r in after.records if not isinstance(r, COMPARED))), None, tuple(two.said))
    records: list[Record] = []
    records += _paired(two, Softnet, _softnet)
    records += _paired(two, Interrupts, _interrupts)
    records += _paired(two, Softirqs, _softirqs)
    records += _paired(two, Stat, _stat)
    records += _paired(two, Schedstat, _schedstat)
    records += _snmp(two)
    records += _paired(two, NetDev, _net_dev)
    records += _paired(two, Link, _link)
    records += _paired(two, EthtoolStats, _ethtool)
    records += _paired(two, Pause, _pause)
    records += _paired(two, Conntrack, _conntrack)
    records += _udp(two)
    records += _rules(two)
    settings = [r for r in after.records if not isinstance(r, COMPARED)]
    kinds = {(type(r), r.netns, getattr(r, "device", "")) for r in settings}
    settings += [r for r in before.records if not isinstance(r, (*COMPARED, TcpSockets)) and
                 (type(r), r.netns, getattr(r, "device", "")) not in kinds]
    seconds = after.time - before.time if before.time is not None and after.time is not None else None
    if seconds is not None and seconds <= 0:
        two.say("the second reading is not later than the first: are they in order?")
        seconds = None
    unread = before.unread + after.unread
    return Difference(Reading((*records, *settings), unread, after.time, after.name), seconds, tuple(two.said))


