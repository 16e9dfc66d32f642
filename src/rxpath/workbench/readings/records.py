"""What the texts of a host say, free of how they looked: one frozen dataclass for each kind of knowledge, and the Reading that holds all of
one moment.  Whoever makes them - the readers of texts, the live reading - and whoever asks (doctor, snapshot, counters) meet here.

Names are the kernel's: /proc/net/snmp's for the counters of protocols, rtnl_link_stats64's for devices, ethtool's for cards.  None means
that the text does not say it; 0 is a zero that was printed."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record was read: file ("" where it was pasted, a path, or a command for a live one) and lines, counted from 1."""

    file: str = ""
    first: int = 0
    last: int = 0

    def __str__(self) -> str:
        if not self.first:
            return self.file
        lines = f"line {self.first}" if self.first == self.last else f"lines {self.first}-{self.last}"
        return f"{self.file}, {lines}" if self.file else lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """netns: name of the network namespace, "" for the one that was asked."""

    source: Source = field(default=Source(), compare=False)
    netns: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord(Record):
    """What is of one device; "" where the text does not name it."""

    device: str = ""


# ---------------------------------------------------------------- the whole machine: softnet_stat, interrupts, softirqs, stat
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


# ---------------------------------------------------------------- of one network namespace: counters
@dataclass(frozen=True, slots=True)
class Snmp(Record):
    """Counters of protocols: group (Ip, Udp, TcpExt, Udp6, ...) -> name -> value, whatever printed them: /proc/net/snmp, netstat, snmp6,
    nstat, netstat -s (tool says which).  64 bit on 64-bit kernels.  absent_is_zero: the tool leaves zeros out; increase: values are since
    the tool's last run (nstat without -a)."""

    groups: Mapping[str, Mapping[str, int]]
    absent_is_zero: bool = False
    increase: bool = False
    tool: str = ""

    def get(self, group: str, name: str) -> int | None:
        value = self.groups.get(group, {}).get(name)
        return 0 if value is None and self.absent_is_zero else value


@dataclass(frozen=True, slots=True)
class NetDev(Record):
    """/proc/net/dev, ifconfig, netstat -i: device -> name (rx_bytes, rx_packets, rx_errs, rx_drop, rx_fifo, rx_frame, rx_compressed,
    rx_multicast, tx_bytes, ...).  rx_drop is rx_dropped + rx_missed_errors, rx_frame is length + over + crc + frame."""

    devices: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Link(DeviceRecord):
    """ip -s link of one device.  stats: names of rtnl_link_stats64 with rx_ or tx_ (rx_bytes, rx_missed_errors, rx_over_errors,
    rx_nohandler, tx_carrier_changes, ...).  parent: what stands behind @; kind: vlan, bond, veth, ... by -d; details: words of -d."""

    index: int = 0
    flags: tuple[str, ...] = ()
    mtu: int | None = None
    state: str = ""
    qdisc: str = ""
    qlen: int | None = None
    master: str = ""
    parent: str = ""
    kind: str = ""
    address: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    stats: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Address(DeviceRecord):
    """ip addr: address with its prefix length."""

    address: str = ""
    prefix: int = 32
    scope: str = ""
    family: int = 4


@dataclass(frozen=True, slots=True)
class Route(DeviceRecord):
    """ip route: kind (unicast, local, broadcast, ...), destination with prefix length or "default"."""

    destination: str = ""
    kind: str = "unicast"
    gateway: str = ""
    source_address: str = ""
    metric: int = 0
    table: str = "main"
    scope: str = ""
    family: int = 4


@dataclass(frozen=True, slots=True)
class Neighbour(DeviceRecord):
    """ip neigh, /proc/net/arp."""

    address: str = ""
    mac: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Sockstat(Record):
    """/proc/net/sockstat and sockstat6: protocol (sockets, TCP, UDP, FRAG, ...) -> name -> value; mem is in pages."""

    protocols: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Conntrack(Record):
    """/proc/net/stat/nf_conntrack, conntrack -S: counters (drop, insert_failed, early_drop, ...) summed over CPUs, 32 bit each; entries and
    most where they are known."""

    counters: Mapping[str, int]
    entries: int | None = None
    most: int | None = None


# ---------------------------------------------------------------- sockets
@dataclass(frozen=True, slots=True)
class Skmem:
    """ss -m, bytes: r receive memory allocated (truesize), rb its limit (doubled SO_RCVBUF), t, tb the same to send, f forward allocated,
    w queued to send, o options, bl backlog, d drops (None before 4.13)."""

    r: int
    rb: int
    t: int = 0
    tb: int = 0
    f: int = 0
    w: int = 0
    o: int = 0
    bl: int | None = None
    d: int | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """Who holds a socket."""

    name: str
    pid: int | None = None
    fd: int | None = None


@dataclass(frozen=True, slots=True)
class UdpSocket:
    """A UDP socket.  recv_q is memory (truesize), in ss as in /proc/net/udp, without what was read and not given back yet, which skmem.r
    has.  drops: unsigned 32 bit; of the filter, of checksums and of memory too.  bound_device: SO_BINDTODEVICE.  v6only None: not said; a
    [::] socket takes IPv4 too unless it is true."""

    family: int
    address: str
    port: int
    peer: str = ""
    peer_port: int = 0
    state: str = ""
    recv_q: int = 0
    send_q: int = 0
    drops: int | None = None
    skmem: Skmem | None = None
    uid: int | None = None
    inode: int | None = None
    programs: tuple[Program, ...] = ()
    bound_device: str = ""
    v6only: bool | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """The same socket in two readings: by its inode, else by its addresses."""
        return (self.inode,) if self.inode else (self.family, self.address, self.port, self.peer, self.peer_port, self.bound_device)


@dataclass(frozen=True, slots=True)
class TcpSocket(UdpSocket):
    """A TCP socket.  recv_q is payload; of a listener recv_q is the length of its accept queue, send_q the limit.  info: words of ss -i."""

    info: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UdpSockets(Record):
    """All UDP sockets that one text shows."""

    sockets: tuple[UdpSocket, ...]


@dataclass(frozen=True, slots=True)
class TcpSockets(Record):
    """All TCP sockets that one text shows."""

    sockets: tuple[TcpSocket, ...]


@dataclass(frozen=True, slots=True)
class PacketSocket:
    """A packet socket: type (3 raw, 2 dgram), protocol (0x0003: all, a tap), device by index, 0 for all."""

    kind: int
    protocol: int
    index: int
    rmem: int
    uid: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True)
class Packet(Record):
    """/proc/net/packet: who taps."""

    sockets: tuple[PacketSocket, ...]


# ---------------------------------------------------------------- cards: ethtool
@dataclass(frozen=True, slots=True)
class Value:
    """One line of ethtool -S.  block: the heading above it ("Rx Queue#: 0" of vmxnet3), where names repeat."""

    name: str
    value: int
    block: str = ""


@dataclass(frozen=True, slots=True)
class EthtoolStats(DeviceRecord):
    """ethtool -S, in its order, with names that repeat."""

    values: tuple[Value, ...] = ()

    def get(self, name: str) -> int | None:
        """The first of that name."""
        return next((v.value for v in self.values if v.name == name), None)


@dataclass(frozen=True, slots=True)
class Rings(DeviceRecord):
    """ethtool -g: rx, tx, rx_mini, rx_jumbo -> descriptors, None for n/a; other: lines since 5.18 as they are."""

    current: Mapping[str, int | None] = field(default_factory=dict)
    maximum: Mapping[str, int | None] = field(default_factory=dict)
    other: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Channels(DeviceRecord):
    """ethtool -l: rx, tx, other, combined; None for n/a."""

    current: Mapping[str, int | None] = field(default_factory=dict)
    maximum: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def rx_queues(self) -> int | None:
        """Receive queues: rx + combined."""
        if self.current.get("rx") is None and self.current.get("combined") is None:
            return None
        return (self.current.get("rx") or 0) + (self.current.get("combined") or 0)


@dataclass(frozen=True, slots=True)
class Coalesce(DeviceRecord):
    """ethtool -c: numbers by name (rx-usecs, rx-frames, ...), None for n/a; words: adaptive-rx, adaptive-tx, cqe-mode-rx, ... on or off."""

    values: Mapping[str, int | None] = field(default_factory=dict)
    words: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feature:
    """fixed: the driver lets nobody change it; requested: what was asked where that differs."""

    on: bool
    fixed: bool = False
    requested: bool | None = None


@dataclass(frozen=True, slots=True)
class Features(DeviceRecord):
    """ethtool -k by long name (generic-receive-offload, ...)."""

    features: Mapping[str, Feature] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriverInfo(DeviceRecord):
    """ethtool -i."""

    driver: str = ""
    version: str = ""
    firmware: str = ""
    bus_info: str = ""


@dataclass(frozen=True, slots=True)
class Indirection(DeviceRecord):
    """ethtool -x: the table (empty: not supported), the key, the function that is on."""

    table: tuple[int, ...] = ()
    rings: int | None = None
    key: bytes | None = None
    function: str = ""


@dataclass(frozen=True, slots=True)
class Pause(DeviceRecord):
    """ethtool -a; counters by -I."""

    autoneg: bool | None = None
    rx: bool | None = None
    tx: bool | None = None
    rx_negotiated: bool | None = None
    tx_negotiated: bool | None = None
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlowHash(DeviceRecord):
    """ethtool -n DEV rx-flow-hash FLOW: the fields by their letters (sd: addresses, fn: ports), "" for none."""

    flow: str = ""
    letters: str = ""


@dataclass(frozen=True, slots=True)
class FlowRule:
    """A rule of ethtool -n: its lines by name, the queue (-1: drop; None: something else)."""

    number: int
    values: Mapping[str, str]
    queue: int | None = None


@dataclass(frozen=True, slots=True)
class FlowRules(DeviceRecord):
    """ethtool -n: filters of the card."""

    rings: int | None = None
    rules: tuple[FlowRule, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkSettings(DeviceRecord):
    """ethtool without option: speed in Mbit/s, link, every line by its name."""

    speed: int | None = None
    link: bool | None = None
    values: Mapping[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- settings and rules
@dataclass(frozen=True, slots=True)
class Sysctls(Record):
    """sysctl -a, sysctl.conf, files of /proc/sys: full name -> value as written (blanks between several numbers).  denied: names that could
    not be read."""

    values: Mapping[str, str]
    denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleCount:
    """A rule, or a chain's policy (number 0), with what it has counted; None where the text has no counters."""

    table: str
    chain: str
    number: int
    target: str
    text: str
    packets: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Rules(Record):
    """Firewall rules.  tool: iptables-save, iptables (-nvL), ip6tables-save, nft; text: as iptables-restore takes it, "" where the tool's
    print cannot be restored."""

    tool: str
    rules: tuple[RuleCount, ...]
    text: str = ""
    family: int = 4


# ---------------------------------------------------------------- drop tools, exporters
@dataclass(frozen=True, slots=True)
class Drop:
    """Packets that a tool saw end at one place: function ("udp_queue_rcv_one_skb"), reason by name ("" where there is none), how many."""

    function: str
    reason: str = ""
    count: int = 1
    protocol: int | None = None
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Drops(Record):
    """perf script, perf trace, dropwatch, retis, pwru.  Losses of a ring have no skb and are never here."""

    tool: str
    drops: tuple[Drop, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of an exporter: name, labels, value."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Exporter(Record):
    """node_exporter's samples that have no record of their own (the others became Softnet, Snmp, NetDev, ...).  Which counters it leaves
    out: docs/host-readings.md."""

    samples: tuple[Sample, ...]


# ---------------------------------------------------------------- all of one moment
@dataclass(frozen=True, slots=True)
class Unread:
    """A line that was not read, and why."""

    source: str
    line: int
    text: str
    why: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.source and self.line else self.source or f"line {self.line}"
        return f"{where}: {self.why}" + (f": {self.text.strip()[:120]}" if self.line else "")


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was read of one moment.  time: seconds since 1970 (or of any clock that the readings share), None if unknown."""

    records: tuple[Record, ...] = ()
    unread: tuple[Unread, ...] = ()
    time: float | None = None
    name: str = ""

    def of(self, kind: type[R], netns: str | None = None) -> Iterator[R]:
        """Records of a kind, in the order in which they were read; netns None: of all namespaces."""
        return (r for r in self.records if isinstance(r, kind) and (netns is None or r.netns == netns))

    def first(self, kind: type[R], netns: str | None = "") -> R | None:
        return next(self.of(kind, netns), None)

    def device(self, kind: type[R], device: str, netns: str | None = "") -> R | None:
        """What is known of one device; of a text that names none, if it is the only one of its kind."""
        every = list(self.of(kind, netns))
        named = [r for r in every if getattr(r, "device", None) == device]
        if named:
            return next((r for r in named if getattr(r, "stats", True)), named[0])       # ip addr shows links without counters
        return every[0] if len(every) == 1 and getattr(every[0], "device", None) == "" else None

    def counter(self, group: str, name: str, netns: str = "") -> int | None:
        """A counter of a protocol, of whichever text has it; a text of increases is not asked."""
        found = [v for s in self.of(Snmp, netns) if not s.increase and (v := s.groups.get(group, {}).get(name)) is not None]
        if found:
            return found[0]
        return 0 if any(s.absent_is_zero and group in s.groups for s in self.of(Snmp, netns)) else None

    def udp_sockets(self, netns: str = "") -> tuple[UdpSocket, ...]:
        """Of the text that says most of them, as several show the same ones."""
        shown = sorted(self.of(UdpSockets, netns), key=lambda r: -sum((s.skmem is not None) * 2 + (s.drops is not None) for s in r.sockets))
        return shown[0].sockets if shown else ()

    def sysctl(self, name: str, netns: str = "") -> str | None:
        return next((s.values[name] for s in self.of(Sysctls, netns) if name in s.values), None)

    def together(self, other: Reading) -> Reading:
        """Both, as of one moment."""
        return replace(self, records=self.records + other.records, unread=self.unread + other.unread,
                       time=self.time if self.time is not None else other.time, name=self.name or other.name)
