"""What a host is made of and set to, where no common command prints it: slots, steering, NAPI settings, affinities, CPUs, processes.

Filled by live/ from the running kernel, and from files of /proc and /sys that an archive has; records/ has what commands print.  None:
not known, which is not the same as off."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rxpath.workbench.readings.records import DeviceRecord, Record


@dataclass(frozen=True, slots=True)
class Slot(DeviceRecord):
    """Where a card sits: /sys/class/net/DEVICE/device.  name: on its bus (0000:03:00.0, virtio2); irqs: numbers of its message-signalled
    interrupts."""

    name: str = ""
    vendor: int | None = None                               # PCI ids
    id: int | None = None
    node: int | None = None
    irqs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Steering(DeviceRecord):
    """A receive queue's rps_cpus and rps_flow_cnt."""

    queue: int = 0
    rps_cpus: tuple[int, ...] | None = None
    rps_flow_cnt: int | None = None


@dataclass(frozen=True, slots=True)
class SendSteering(DeviceRecord):
    """A transmit queue's xps_cpus: the CPUs that send by it."""

    queue: int = 0
    xps_cpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Napi(DeviceRecord):
    """One NAPI of a device, or with id None what is set for all of the device's.  Times in ns.  thread_cpus: where its thread may run."""

    id: int | None = None
    queue: int | None = None
    irq: int | None = None
    threaded: bool | None = None
    thread_cpus: tuple[int, ...] | None = None
    defer_hard_irqs: int | None = None
    gro_flush_timeout: int | None = None
    irq_suspend_timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Affinity:
    """/proc/irq/N: smp_affinity_list, and effective_affinity_list, which counts."""

    asked: tuple[int, ...] | None = None
    effective: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Affinities(Record):
    """By number of the interrupt."""

    irqs: Mapping[int, Affinity]


@dataclass(frozen=True, slots=True)
class Topology(Record):
    """CPUs by their numbers: /sys/devices/system/{cpu,node}."""

    online: tuple[int, ...]
    isolated: tuple[int, ...] = ()
    siblings: tuple[tuple[int, ...], ...] = ()
    nodes: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class IdleState:
    name: str
    latency_us: int
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Idle(Record):
    """Idle states of the first CPU.  latency_us: the wish of /dev/cpu_dma_latency, below which no CPU sleeps; None: none, or not known."""

    driver: str
    states: tuple[IdleState, ...]
    latency_us: int | None = None


@dataclass(frozen=True, slots=True)
class Build(Record):
    """How the kernel was built and started.  small_head: bytes of an object of skbuff_small_head; command_line: its words."""

    hz: int | None = None
    small_head: int | None = None
    command_line: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings(Record):
    """What the kernel runs in and beside.  guest: on a hypervisor; container: the namespace is not the machine's first, so that interrupts
    and softnet_stat are of a machine whose cards cannot be seen; irqbalance: it runs; model: of the CPUs."""

    guest: bool | None = None
    container: bool | None = None
    irqbalance: bool | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Memberships(Record):
    """Groups that somebody on the host has joined, as (device, group): /proc/net/igmp."""

    groups: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PolicyRules(Record):
    """`ip rule`: how many there are beside the three that every host has."""

    extra: int


@dataclass(frozen=True, slots=True)
class OtherFirewall(Record):
    """Rules that iptables-save does not print: names of nftables' tables; active: there are some, though their text is not known."""

    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """The system call in which a thread waits: /proc/PID/task/TID/syscall.  fd: of the socket, or of the epoll instance; batch: recvmmsg's
    vlen; size: recvfrom's length; watched: descriptors of an epoll instance with their events."""

    name: str
    fd: int | None = None
    batch: int | None = None
    size: int | None = None
    flags: int = 0
    watched: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Thread:
    """cpus: where it may run; cpu: where it ran last; priority: of a real-time policy."""

    id: int
    name: str = ""
    cpus: tuple[int, ...] | None = None
    cpu: int | None = None
    nice: int = 0
    policy: str = "SCHED_OTHER"
    priority: int = 0
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """One that holds sockets, as (descriptor, inode)."""

    name: str
    pid: int
    sockets: tuple[tuple[int, int], ...] = ()
    threads: tuple[Thread, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class SocketOptions(Record):
    """What getsockopt() says of the socket of that inode, under the names of a host file: flags as 0 and 1, busy_poll in us, timeout in
    ns (0: none); groups: those that it has joined."""

    inode: int
    values: Mapping[str, int]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Processes(Record):
    """Those that hold sockets.  hidden: processes whose descriptors may not be read."""

    processes: tuple[Process, ...]
    hidden: int = 0
