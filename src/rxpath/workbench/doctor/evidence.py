"""What two or more readings of one host say together: differences of counters, shares of time, series of samples.

Everything is asked of an Evidence; what the readings do not have raises NotKnown, which names the reading that would tell.
readings/counters.py subtracts; a counter that was reset is in no difference, and `resets` keeps its name."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

from rxpath.workbench.readings.counters import difference
from rxpath.workbench.readings.records import (
    Conntrack,
    CpuTimes,
    DeviceRecord,
    EthtoolStats,
    Interrupts,
    Link,
    Moment,
    Mpstat,
    NetDev,
    Reading,
    Record,
    Rules,
    Snmp,
    Sockstat,
    Softnet,
    SoftnetRow,
    Stat,
)

R = TypeVar("R", bound=Record)
D = TypeVar("D", bound=DeviceRecord)
TEXTS: dict[type[Record], str] = {
    Softnet: "/proc/net/softnet_stat", Interrupts: "/proc/interrupts", Stat: "/proc/stat",
    Sockstat: "/proc/net/sockstat", Conntrack: "/proc/net/stat/nf_conntrack", Rules: "iptables-save -c",
}
GROUPS = {"Ip": "/proc/net/snmp", "Icmp": "/proc/net/snmp", "Udp": "/proc/net/snmp", "UdpLite": "/proc/net/snmp", "Tcp": "/proc/net/snmp",
          "TcpExt": "/proc/net/netstat", "IpExt": "/proc/net/netstat"}
BOOT = "boot"                                               # name of the reading that one reading is held against
BACKWARDS = " went backwards"                               # readings/counters.py says it of what was reset
BIN = 0.1                                                   # s: what a loss is looked for in, to tell a burst from a lasting one
BINS = 10                                                   # fewer say nothing of that


class NotKnown(Exception):
    """The readings do not say it.  reading: what would."""

    def __init__(self, reading: str) -> None:
        super().__init__(reading)
        self.reading = reading


class Evidence:
    """Readings of one host in the order of time.  seconds: between first and last, where their times are not known."""

    def __init__(self, readings: Sequence[Reading], seconds: float | None = None, latency: bool = False) -> None:
        self.readings = tuple(readings)
        self.latency = latency
        self.memo: dict[object, Any] = {}                    # what cards and sockets worked out once
        self._seconds = seconds
        found = difference(self.readings[0], self.readings[-1])
        self.moved = found.reading
        self.resets = tuple(text.partition(BACKWARDS)[0] for text in found.said if BACKWARDS in text)
        one = self.readings[0].name == BOOT                  # made, not read: what it lacks says nothing
        self.said = () if one else tuple(text for text in found.said if BACKWARDS not in text)

    # ---------------------------------------------------------------- readings
    def between(self, has: Callable[[Reading], R | None], text: str) -> R:
        """What moved between the first and the last reading.  text: which reading would have it."""
        found = has(self.moved)
        if found is None:
            text = text.rstrip()                            # a card that no text names has no name here
            having = sum(has(reading) is not None for reading in (self.readings[0], self.readings[-1]))
            raise NotKnown((f"{text}, twice", f"a second reading of {text}", f"two readings between which {text} is not reset")[having])
        return found

    def of(self, kind: type[R]) -> R:
        return self.between(lambda r: r.first(kind), TEXTS[kind])

    def setting(self, has: Callable[[Reading], R | None]) -> R | None:
        """Of the last reading that has it."""
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

    @cached_property
    def seconds(self) -> float:
        """Between the first and the last reading: their clocks, what was said, or the ticks of /proc/stat."""
        times = [r.time for r in (self.readings[0], self.readings[-1]) if r.time is not None]
        if len(times) == 2 and times[1] > times[0]:
            return times[1] - times[0]
        if self._seconds is not None:
            return self._seconds
        up = self.readings[-1].first(Moment)
        if self.readings[0].name == BOOT and up is not None and up.uptime is not None and up.uptime % 60:
            return up.uptime                                # /proc/uptime; `uptime` tells whole minutes
        stat = self.moved.first(Stat)
        ticks = max((times.total for times in stat.cpus.values()), default=0.0) if stat is not None else 0.0
        if stat is None or ticks <= 0:
            raise NotKnown("the time between the readings (--seconds)")
        return ticks / stat.user_hz

    # ---------------------------------------------------------------- differences
    def snmp(self, group: str, name: str) -> int:
        """How far a counter of a protocol moved; one that this kernel does not have yet has not moved."""
        found = self.moved.counter(group, name)
        if found is not None:
            return found
        if any(group in s.groups for s in self.moved.of(Snmp, "")):
            return 0
        since = [s for s in self.readings[-1].of(Snmp, "") if s.increase]
        if since:                                           # nstat without -a says itself what moved
            return since[0].get(group, name) or 0
        return self.between(lambda r: next((s for s in r.of(Snmp, "") if group in s.groups), None),
                            GROUPS.get(group, "/proc/net/snmp6")).groups[group].get(name, 0)

    def has_snmp(self, group: str, name: str) -> bool:
        return any(r.counter(group, name) is not None for r in self.readings)

    @cached_property
    def softnet(self) -> dict[int, SoftnetRow]:
        """What moved in the row of each CPU."""
        return {row.cpu: row for row in self.of(Softnet).rows}

    def on(self, cpu: int) -> SoftnetRow:
        if cpu not in self.softnet:
            raise NotKnown(f"a row of CPU {cpu} in /proc/net/softnet_stat")
        return self.softnet[cpu]

    @cached_property
    def shares(self) -> dict[int, dict[str, float]]:
        """What each CPU did, of 1: idle (with iowait), hard, soft, steal; from /proc/stat, or an mpstat with an interval."""
        stat = self.moved.first(Stat)
        found = {cpu: _shares(times) for cpu, times in stat.cpus.items() if times.total > 0} if stat is not None else {}
        if found:
            return found
        mpstat = [m for r in self.readings for m in r.of(Mpstat, "") if not m.since_boot]
        if not mpstat:
            self.of(Stat)
            raise NotKnown("/proc/stat, twice, or mpstat -P ALL 1 5")
        chosen = next((m for m in mpstat if m.average), mpstat[-1])
        return {cpu: {"idle": (of.get("idle", 0) + of.get("iowait", 0)) / 100, "hard": of.get("irq", 0) / 100,
                      "soft": of.get("soft", 0) / 100, "steal": of.get("steal", 0) / 100}
                for cpu, of in chosen.percent.items() if cpu >= 0}

    def share(self, cpu: int, of: str) -> float:
        if cpu not in self.shares:
            raise NotKnown(f"CPU {cpu} in /proc/stat")
        return self.shares[cpu][of]

    def conntrack(self, name: str) -> int:
        return self.of(Conntrack).counters.get(name, 0)

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
        by_device = self._of_kind(reading, kind)
        if device in by_device or not device:
            return by_device.get(device, [None])[0]
        unnamed = by_device.get("", [])
        return unnamed[0] if len(unnamed) == 1 and self.only_card == device else None

    def _of_kind(self, reading: Reading, kind: type[D]) -> dict[str, list[D]]:
        """Records of a kind by their devices: hosts of containers have thousands."""
        key = (id(reading), kind)
        if key not in self.memo:
            made: dict[str, list[D]] = {}
            for record in reading.of(kind, ""):
                made.setdefault(record.device, []).append(record)
            self.memo[key] = made
        found: dict[str, list[D]] = self.memo[key]
        return found

    def link(self, reading: Reading, device: str, name: str) -> Link | None:
        """The record of a device that has this counter."""
        return next((x for x in self._of_kind(reading, Link).get(device, []) if name in x.stats), None)

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
        short = {"rx_packets": "rx_packets", "rx_bytes": "rx_bytes", "rx_fifo_errors": "rx_fifo"}.get(name, "")
        for dev in self.moved.of(NetDev, ""):
            if short in dev.devices.get(device, {}) and self.link(self.moved, device, name) is None:
                return dev.devices[device][short]
        return self.between(lambda r: self.link(r, device, name),
                            f"ip -s -s link show {device}").stats[name]

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


def _shares(moved: CpuTimes) -> dict[str, float]:
    whole = moved.total
    return {"idle": (moved.idle + moved.iowait) / whole, "hard": moved.irq / whole, "soft": moved.softirq / whole,
            "steal": moved.steal / whole}
