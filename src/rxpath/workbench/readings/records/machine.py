"""Of the whole machine, in any network namespace: CPUs, interrupts, softirqs, the kernel, and when it was looked."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .base import Record


@dataclass(frozen=True, slots=True)
class SoftnetRow:
    """A CPU's row.  The last three are queue lengths at that moment, no counters."""

    cpu: int
    processed: int
    dropped: int
    time_squeeze: int
    cpu_collision: int = 0
    received_rps: int | None = None
    flow_limit_count: int | None = None
    backlog_len: int | None = None
    input_qlen: int | None = None
    process_qlen: int | None = None


@dataclass(frozen=True, slots=True)
class Softnet(Record):
    """/proc/net/softnet_stat, of the whole machine in any namespace; unsigned 32 bit.  cpu_known: the rows name their CPUs (13 columns and
    more); else row i is the i-th CPU that is online."""

    rows: tuple[SoftnetRow, ...]
    cpu_known: bool = False


@dataclass(frozen=True, slots=True)
class Irq:
    """A row of /proc/interrupts: its number or short name, counts in the order of Interrupts.cpus, chip and trigger, who asked for it."""

    name: str
    counts: tuple[int, ...]
    chip: str = ""
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interrupts(Record):
    """/proc/interrupts; unsigned 32 bit for each CPU.  CPUs that are offline have no column."""

    cpus: tuple[int, ...]
    rows: tuple[Irq, ...]


@dataclass(frozen=True, slots=True)
class Softirqs(Record):
    """/proc/softirqs: counts by vector (NET_RX, ...) in the order of cpus; unsigned 32 bit."""

    cpus: tuple[int, ...]
    counts: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """A CPU's time since boot, in ticks (USER_HZ, 100 a second), or in seconds where Stat says so."""

    user: float
    nice: float
    system: float
    idle: float
    iowait: float = 0
    irq: float = 0
    softirq: float = 0
    steal: float = 0

    @property
    def total(self) -> float:
        """guest and guest_nice are inside user and nice."""
        return self.user + self.nice + self.system + self.idle + self.iowait + self.irq + self.softirq + self.steal


@dataclass(frozen=True, slots=True)
class Stat(Record):
    """/proc/stat.  total is the row "cpu"; btime is when the host booted, seconds since 1970; user_hz: 1 where times are seconds."""

    cpus: Mapping[int, CpuTimes]
    total: CpuTimes | None = None
    btime: int | None = None
    ctxt: int | None = None
    user_hz: int = 100


@dataclass(frozen=True, slots=True)
class SchedRow:
    """Nanoseconds that tasks ran and waited on a CPU, and how often they were put on it."""

    run_ns: int
    wait_ns: int
    timeslices: int


@dataclass(frozen=True, slots=True)
class Schedstat(Record):
    """/proc/schedstat by CPU."""

    cpus: Mapping[int, SchedRow]
    version: int = 0


@dataclass(frozen=True, slots=True)
class Mpstat(Record):
    """mpstat: percent by CPU (-1: all) and column (usr, sys, irq, soft, steal, idle, ...), a mean over an interval.  since_boot: the report
    has no interval, so it says nothing about now."""

    percent: Mapping[int, Mapping[str, float]]
    since_boot: bool = False
    average: bool = False
    cpu_count: int | None = None


@dataclass(frozen=True, slots=True)
class Lscpu(Record):
    """lscpu.  values: every line by its name; layout: CPU -> (node, socket, core), None where not said."""

    values: Mapping[str, str] = field(default_factory=dict)
    layout: Mapping[int, tuple[int | None, int | None, int | None]] = field(default_factory=dict)

    def number(self, name: str) -> int | None:
        text = self.values.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


@dataclass(frozen=True, slots=True)
class Kernel(Record):
    """uname, or a line that holds it: release ("5.14.0-70.el9.x86_64"), machine, host name."""

    release: str
    machine: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Moment(Record):
    """When the text was made (seconds since 1970, zones other than UTC taken as UTC), or how long the host had been up (seconds)."""

    time: float | None = None
    uptime: float | None = None
