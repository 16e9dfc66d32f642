"""What two or more readings of one host say together: differences of counters, shares of time, series of samples.

Everything is asked of an Evidence; what the readings do not have raises NotKnown, which names the reading that would tell.  Counters of
32 bit are subtracted modulo 2^32; one that shrank otherwise was reset: its difference is not known, and `resets`
keeps its name."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from rxpath.workbench.readings.records import (
    Conntrack,
    CpuTimes,
    DeviceRecord,
    EthtoolStats,
    Interrupts,
    Link,
    Mpstat,
    NetDev,
    Reading,
    Record,
    Rules,
    Snmp,
    Sockstat,
    Softirqs,
    Softnet,
    SoftnetRow,
    Stat,
)

R = TypeVar("R", bound=Record)
D = TypeVar("D", bound=DeviceRecord)
TEXTS: dict[type[Record], str] = {
    Softnet: "/proc/net/softnet_stat", Interrupts: "/proc/interrupts", Softirqs: "/proc/softirqs", Stat: "/proc/stat",
    Sockstat: "/proc/net/sockstat", Conntrack: "/proc/net/stat/nf_conntrack", Rules: "iptables-save -c",
}
GROUPS = {"Ip": "/proc/net/snmp", "Icmp": "/proc/net/snmp", "Udp": "/proc/net/snmp", "UdpLite": "/proc/net/snmp", "Tcp": "/proc/net/snmp",
          "TcpExt": "/proc/net/netstat", "IpExt": "/proc/net/netstat"}
WRAP = 1 << 32
BIN = 0.1                                                   # s: what a loss is looked for in, to tell a burst from a lasting one
BINS = 10                                                   # fewer say nothing of that


class NotKnown(Exception):
    """The readings do not say it.  reading: what would."""

    def __init__(self, reading: str) -> None:
        super().__init__(reading)
        self.reading = reading


@dataclass(frozen=True, slots=True)
class Moved:
    """A row of softnet_stat between two readings."""

    processed: int
    dropped: int
    time_squeeze: int
    received_rps: int | None
    flow_limit_count: int | None


class Evidence:
    """Readings of one host in the order of time.  seconds: between first and last, where their times are not known."""

    def __init__(self, readings: Sequence[Reading], seconds: float | None = None, latency: bool = False) -> None:
        self.readings = tuple(readings)
        self.latency = latency
        self.resets: dict[str, None] = {}
        self.memo: dict[object, Any] = {}                    # what cards and sockets worked out once
        self._seconds = seconds

    @property
    def last(self) -> Reading:
        return self.readings[-1]

    # ---------------------------------------------------------------- readings
    def pair(self, has: Callable[[Reading], R | None], text: str) -> tuple[R, R]:
        """The first and the last reading that have it."""
        found = [r for reading in self.readings if (r := has(reading)) is not None]
        if len(found) < 2:
            raise NotKnown(f"{text}, twice" if not found else f"a second reading of {text}")
        return found[0], found[-1]

    def both(self, kind: type[R]) -> tuple[R, R]:
        return self.pair(lambda r: r.first(kind), TEXTS[kind])

    def latest(self, kind: type[R], text: str) -> R:
        """Settings: of the last reading that has them."""
        found = self.setting(lambda r: r.first(kind))
        if found is None:
            raise NotKnown(text)
        return found

    def setting(self, has: Callable[[Reading], R | None]) -> R | None:
        return next((r for reading in reversed(self.readings) if (r := has(reading)) is not None), None)

    def sysctl(self, name: str) -> str:
        found = next((v for reading in reversed(self.readings) if (v := reading.sysctl(name)) is not None), None)
        if found is None:
            raise NotKnown(f"sysctl {name}")
        return found

    def number(self, name: str, which: int = 0) -> int:
        """A sysctl's number, or one of several."""
        words = self.sysctl(name).split()
        if len(words) <= which or not words[which].lstrip("-").isdigit():
            raise NotKnown(f"sysctl {name}")
        return int(words[which])

    @property
    def one(self) -> bool:
        """Only one moment: nothing moved."""
        return len(self.readings) < 2

    @cached_property
    def seconds(self) -> float:
        """Between the first and the last reading: their clocks, what was said, or the ticks of /proc/stat."""
        times = [r.time for r in self.readings if r.time is not None]
        if len(times) > 1 and times[-1] > times[0]:
            return times[-1] - times[0]
        if self._seconds is not None:
            return self._seconds
        try:
            a, b = self.both(Stat)
        except NotKnown:
            raise NotKnown("the time between the readings (--seconds)") from None
        ticks = [b.cpus[cpu].total - a.cpus[cpu].total for cpu in b.cpus if cpu in a.cpus]
        if not ticks or max(ticks) <= 0:
            raise NotKnown("the time between the readings (--seconds)")
        return max(ticks) / b.user_hz

    # ---------------------------------------------------------------- differences
    def minus(self, name: str, before: float, after: float, bits: int = 64) -> int:
        """after - before; a counter that shrank was reset, unless 32 bits wrapped."""
        if after >= before:
            return int(after - before)
        if bits == 32 and WRAP > before >= WRAP >> 1 > after >= 0:
            return int(after + WRAP - before)
        self.resets[name] = None
        raise NotKnown(f"two readings between which {name} is not reset")

    def snmp(self, group: str, name: str) -> int:
        """How far a counter of a protocol moved; one that this kernel does not have yet has not moved."""
        text = GROUPS.get(group, "/proc/net/snmp6")
        having = [r for r in self.readings if any(not s.increase and group in s.groups for s in r.of(Snmp, ""))]
        if len(having) < 2:
            since = [s for s in self.last.of(Snmp, "") if s.increase]
            if since:                                       # nstat without -a says itself what moved
                return since[0].get(group, name) or 0
            raise NotKnown(f"{text}, twice" if not having else f"a second reading of {text}")
        before, after = having[0].counter(group, name), having[-1].counter(group, name)
        return 0 if after is None else self.minus(f"{group}.{name}", before or 0, after)

    def has_snmp(self, group: str, name: str) -> bool:
        return any(r.counter(group, name) is not None for r in self.readings)

    @cached_property
    def softnet(self) -> dict[int, Moved]:
        a, b = self.both(Softnet)
        before = {row.cpu: row for row in a.rows}
        return {row.cpu: self._softnet(before[row.cpu], row) for row in b.rows if row.cpu in before}

    def _softnet(self, a: SoftnetRow, b: SoftnetRow) -> Moved:
        def moved(name: str) -> int:
            return self.minus(f"softnet_stat {name} of CPU {b.cpu}", getattr(a, name), getattr(b, name), 32)

        def known(name: str) -> int | None:
            return None if getattr(a, name) is None or getattr(b, name) is None else moved(name)

        return Moved(moved("processed"), moved("dropped"), moved("time_squeeze"), known("received_rps"), known("flow_limit_count"))

    def on(self, cpu: int) -> Moved:
        if cpu not in self.softnet:
            raise NotKnown(f"a row of CPU {cpu} in /proc/net/softnet_stat")
        return self.softnet[cpu]

    @cached_property
    def shares(self) -> dict[int, dict[str, float]]:
        """What each CPU did, of 1: idle (with iowait), hard, soft, steal; from /proc/stat, or an mpstat with an interval."""
        try:
            a, b = self.both(Stat)
            found = {cpu: share for cpu in b.cpus if cpu in a.cpus and (share := _shares(a.cpus[cpu], b.cpus[cpu])) is not None}
            if found:
                return found
        except NotKnown:
            pass
        mpstat = [m for r in self.readings for m in r.of(Mpstat, "") if not m.since_boot]
        if not mpstat:
            raise NotKnown("/proc/stat, twice, or mpstat -P ALL 1 5" if not any(list(r.of(Stat)) for r in self.readings)
                           else "a second reading of /proc/stat")
        chosen = next((m for m in mpstat if m.average), mpstat[-1])
        return {cpu: {"idle": (of.get("idle", 0) + of.get("iowait", 0)) / 100, "hard": of.get("irq", 0) / 100,
                      "soft": of.get("soft", 0) / 100, "steal": of.get("steal", 0) / 100}
                for cpu, of in chosen.percent.items() if cpu >= 0}

    def share(self, cpu: int, of: str) -> float:
        if cpu not in self.shares:
            raise NotKnown(f"CPU {cpu} in /proc/stat")
        return self.shares[cpu][of]

    @cached_property
    def net_rx(self) -> dict[int, int]:
        """NET_RX softirqs of each CPU."""
        a, b = self.both(Softirqs)
        before = dict(zip(a.cpus, a.counts.get("NET_RX", ()), strict=False))
        return {cpu: self.minus(f"NET_RX of CPU {cpu}", before[cpu], n, 32)
                for cpu, n in zip(b.cpus, b.counts.get("NET_RX", ()), strict=False) if cpu in before}

    def conntrack(self, name: str) -> int:
        a, b = self.both(Conntrack)
        return self.minus(f"nf_conntrack {name}", a.counters.get(name, 0), b.counters.get(name, 0), 32)

    def sockstat(self, protocol: str, name: str) -> int:
        for reading in reversed(self.readings):
            for record in reading.of(Sockstat, ""):
                if name in record.protocols.get(protocol, {}):
                    return record.protocols[protocol][name]
        raise NotKnown("/proc/net/sockstat")

    # ---------------------------------------------------------------- devices
    def of_device(self, reading: Reading, kind: type[D], device: str) -> D | None:
        """What a reading says of a device.  A text that names none is of the only card there is; where there are several it stands alone,
        as the device ""."""
        mine = [r for r in reading.of(kind, "") if r.device == device]
        if mine or not device:
            return mine[0] if mine else None
        unnamed = [r for r in reading.of(kind, "") if not r.device]
        return unnamed[0] if len(unnamed) == 1 and self.only_card == device else None

    def of_card(self, kind: type[D], device: str) -> D | None:
        """Settings of a card: of the last reading that has them."""
        return self.setting(lambda r: self.of_device(r, kind, device))

    @cached_property
    def only_card(self) -> str:
        """The one device that is no loopback; "" where there are several, or none is named."""
        named = [name for name in self._named if name and name != "lo"]
        return named[0] if len(named) == 1 else ""

    @cached_property
    def devices(self) -> list[str]:
        """Those with counters, in the order of the readings; "" is a card that no text names."""
        return [name for name in self._named if name or not self.only_card]

    @cached_property
    def _named(self) -> list[str]:
        found: dict[str, None] = {}
        for reading in self.readings:
            for link in reading.of(Link, ""):
                if link.stats:
                    found[link.device] = None
            for dev in reading.of(NetDev, ""):
                found.update(dict.fromkeys(dev.devices))
            for stats in reading.of(EthtoolStats, ""):
                found[stats.device] = None
        return list(found)

    def standard(self, device: str, name: str) -> int:
        """How far a standard counter moved: by its name in rtnl_link_stats64; /proc/net/dev has few of them apart."""
        def linked(r: Reading) -> Link | None:
            return next((x for x in r.of(Link, "") if x.device == device and name in x.stats), None)

        found = [x for r in self.readings if (x := linked(r)) is not None]
        if len(found) > 1:
            return self.minus(f"{name} of {device}", found[0].stats[name], found[-1].stats[name])
        short = {"rx_packets": "rx_packets", "rx_bytes": "rx_bytes", "rx_fifo_errors": "rx_fifo"}.get(name)
        devs = [d for r in self.readings for d in r.of(NetDev, "") if short and short in d.devices.get(device, {})]
        if short and len(devs) > 1:
            return self.minus(f"{name} of {device}", devs[0].devices[device][short], devs[-1].devices[device][short])
        raise NotKnown(f"ip -s -s link show {device}, twice" if not found else f"a second reading of ip -s -s link show {device}")

    # ---------------------------------------------------------------- samples
    def series(self, value: Callable[[Reading], float | None]) -> list[tuple[float, float]]:
        """(time, value) of each reading that has it."""
        return [(r.time, v) for r in self.readings if r.time is not None and (v := value(r)) is not None]

    def spread(self, value: Callable[[Reading], float | None]) -> float:
        """In which share of the stretches of BIN seconds a counter moved: near 0 a burst, near 1 all the time."""
        bins: list[bool] = []
        points = iter(self.series(value))
        start = next(points, None)
        if start is not None:
            for point in points:
                if point[0] - start[0] >= BIN * 0.9:
                    bins.append(point[1] > start[1])
                    start = point
        if len(bins) < BINS:
            raise NotKnown("samples a tenth of a second apart: rxpath doctor on the host itself")
        return sum(bins) / len(bins)

    def samples(self, kind: type[R]) -> Iterator[R]:
        return (record for reading in self.readings for record in reading.of(kind, ""))


def _shares(a: CpuTimes, b: CpuTimes) -> dict[str, float] | None:
    """A tick that goes backwards (iowait does) counts as none."""
    whole = b.total - a.total
    if whole <= 0:
        return None
    return {"idle": max(b.idle - a.idle + b.iowait - a.iowait, 0) / whole, "hard": max(b.irq - a.irq, 0) / whole,
            "soft": max(b.softirq - a.softirq, 0) / whole, "steal": max(b.steal - a.steal, 0) / whole}
