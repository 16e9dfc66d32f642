"""node_exporter's text: one scrape is one reading.  Its samples become the records that the kernel's own files give, where they say the
same; the others stay samples.

What it leaves out or puts together: node_network_receive_drop is rx_dropped + rx_missed_errors, receive_frame is length + over + crc +
frame, and by default its netstat has no MemErrors, InCsumErrors, TCPBacklogDrop, IPReversePathFilter and Reasm* (its
netdev_common.go, netstat_linux.go)."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from .lines import Block, number
from .proc_net import group_and_name
from .records import (
    Conntrack,
    CpuTimes,
    DriverInfo,
    EthtoolStats,
    Exporter,
    Interrupts,
    Irq,
    Kernel,
    Moment,
    NetDev,
    Record,
    Sample,
    SchedRow,
    Schedstat,
    Snmp,
    Sockstat,
    Softirqs,
    Softnet,
    SoftnetRow,
    Stat,
    Value,
)

SAMPLE = re.compile(r"\s*([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+"
                    r"([-+]?(?:\d{1,400}(?:\.\d{0,400})?(?:[eE][-+]?\d{1,4})?|Inf|NaN))(?:\s+-?\d+)?\s*$")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


def samples(block: Block) -> list[Sample]:
    result = []
    for line in block:
        match = SAMPLE.match(line.text)
        if match:
            labels = {name: re.sub(r"\\(.)", r"\1", value) for name, value in LABEL.findall(match[2] or "")}
            result.append(Sample(match[1], labels, float(match[3])))
        elif not line.text.lstrip().startswith("#"):
            block.odd(line)
    return result


def node_exporter(block: Block) -> list[Record]:
    left: list[Sample] = []
    groups: dict[str, list[Sample]] = {}
    for sample in samples(block):
        name = next((p for p in PREFIXES if sample.name.startswith(p)), None)
        whole = sample.value == sample.value and abs(sample.value) < 2 ** 63
        (groups.setdefault(name, []) if name and whole else left).append(sample)
    result: list[Record] = []
    for prefix, some in groups.items():
        made, unused = PREFIXES[prefix](prefix, some, block)
        result += made
        left += unused
    if left:
        result.append(Exporter(tuple(left), source=block.source))
    return result


Made = tuple[list[Record], list[Sample]]


def _table(prefix: str, some: Iterable[Sample], label: str) -> tuple[dict[str, dict[str, int]], list[Sample]]:
    """label's value -> name without prefix and _total -> value."""
    result: dict[str, dict[str, int]] = {}
    left = []
    for s in some:
        if label in s.labels:
            result.setdefault(s.labels[label], {})[s.name[len(prefix):].removesuffix("_total")] = int(s.value)
        else:
            left.append(s)
    return result, left


def _softnet(prefix: str, some: list[Sample], block: Block) -> Made:
    by_cpu, left = _table(prefix, some, "cpu")
    rows = []
    for cpu, v in sorted(((int(c), v) for c, v in by_cpu.items() if number(c) is not None)):
        rows.append(SoftnetRow(cpu, v.get("processed", 0), v.get("dropped", 0), v.get("times_squeezed", 0), v.get("cpu_collision", 0),
                               v.get("received_rps"), v.get("flow_limit_count"), v.get("backlog_len")))
    return [Softnet(tuple(rows), True, source=block.source)] if rows else [], left


def _netstat(prefix: str, some: list[Sample], block: Block) -> Made:
    groups: dict[str, dict[str, int]] = {}
    left = []
    for s in some:
        group, _, name = s.name[len(prefix):].partition("_")
        if name and group_and_name(group + name):
            groups.setdefault(group, {})[name] = int(s.value)
        else:
            left.append(s)
    return [Snmp(groups, tool="node_exporter", source=block.source)] if groups else [], left


NET_DEV = re.compile(r"(receive|transmit)_(bytes|packets|errs|drop|fifo|frame|compressed|multicast|colls|carrier|nohandler)(?:_total)?")


def _net_dev(prefix: str, some: list[Sample], block: Block) -> Made:
    """Other names than these (--collector.netdev.enable-detailed-metrics) stay samples."""
    devices: dict[str, dict[str, int]] = {}
    left = []
    for s in some:
        match = NET_DEV.fullmatch(s.name[len(prefix):])
        if match and "device" in s.labels:
            name = f"{'rx' if match[1] == 'receive' else 'tx'}_{match[2]}"
            devices.setdefault(s.labels["device"], {})[name] = int(s.value)
        else:
            left.append(s)
    return [NetDev(devices, source=block.source)] if devices else [], left


def _cpu(prefix: str, some: list[Sample], block: Block) -> Made:
    modes: dict[int, dict[str, float]] = {}
    for s in some:
        if number(s.labels.get("cpu", "")) is not None and "mode" in s.labels:
            modes.setdefault(int(s.labels["cpu"]), {})[s.labels["mode"]] = s.value
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    cpus = {cpu: CpuTimes(*[v.get(n, 0.0) for n in names]) for cpu, v in modes.items()}
    return [Stat(cpus, user_hz=1, source=block.source)] if cpus else [], []


def _interrupts(prefix: str, some: list[Sample], block: Block) -> Made:
    rows: dict[tuple[str, str, str], dict[int, int]] = {}
    for s in some:
        if number(s.labels.get("cpu", "")) is not None and "type" in s.labels:
            key = (s.labels["type"], s.labels.get("info", ""), s.labels.get("devices", ""))
            rows.setdefault(key, {})[int(s.labels["cpu"])] = int(s.value)
    cpus = tuple(sorted({cpu for counts in rows.values() for cpu in counts}))
    irqs = tuple(Irq(name, tuple(counts.get(c, 0) for c in cpus), info, tuple(filter(None, (d.strip() for d in devices.split(",")))))
                 for (name, info, devices), counts in rows.items())
    return [Interrupts(cpus, irqs, source=block.source)] if irqs else [], []


def _softirqs(prefix: str, some: list[Sample], block: Block) -> Made:
    counts: dict[str, dict[int, int]] = {}
    for s in some:
        kind = s.labels.get("type", "")
        if number(s.labels.get("cpu", "")) is not None and kind:
            counts.setdefault(kind, {})[int(s.labels["cpu"])] = int(s.value)
    cpus = tuple(sorted({cpu for row in counts.values() for cpu in row}))
    made = {kind: tuple(row.get(c, 0) for c in cpus) for kind, row in counts.items()}
    return [Softirqs(cpus, made, source=block.source)] if made else [], [s for s in some if "type" not in s.labels]


def _sockstat(prefix: str, some: list[Sample], block: Block) -> Made:
    protocols: dict[str, dict[str, int]] = {}
    for s in some:
        protocol, _, name = s.name[len(prefix):].partition("_")
        if name and name != "mem_bytes":
            protocols.setdefault(protocol, {})[name] = int(s.value)
    return [Sockstat(protocols, source=block.source)] if protocols else [], []


def _schedstat(prefix: str, some: list[Sample], block: Block) -> Made:
    cpus: dict[int, dict[str, float]] = {}
    for s in some:
        if number(s.labels.get("cpu", "")) is not None:
            cpus.setdefault(int(s.labels["cpu"]), {})[s.name[len(prefix):]] = s.value
    rows = {c: SchedRow(round(v.get("running_seconds_total", 0) * 1e9), round(v.get("waiting_seconds_total", 0) * 1e9),
                        int(v.get("timeslices_total", 0))) for c, v in cpus.items()}
    return [Schedstat(rows, source=block.source)] if rows else [], []


def _conntrack(prefix: str, some: list[Sample], block: Block) -> Made:
    values = {s.name[len(prefix):]: int(s.value) for s in some}
    counters = {n.removeprefix("stat_"): v for n, v in values.items() if n.startswith("stat_")}
    return [Conntrack(counters, values.get("entries"), values.get("entries_limit"), source=block.source)], []


def _ethtool(prefix: str, some: list[Sample], block: Block) -> Made:
    """Names are lower-case there and say received and transmitted for rx and tx."""
    devices: dict[str, list[Value]] = {}
    result: list[Record] = []
    for s in some:
        name = s.name[len(prefix):]
        device = s.labels.get("device", "")
        if name == "info":
            result.append(DriverInfo(device=device, driver=s.labels.get("driver", ""), version=s.labels.get("version", ""),
                                     firmware=s.labels.get("firmware_version", ""), bus_info=s.labels.get("bus_info", ""),
                                     source=block.source))
            continue
        name = re.sub(r"(?<![a-z])received(?![a-z])", "rx", re.sub(r"(?<![a-z])transmitted(?![a-z])", "tx", name))
        devices.setdefault(device, []).append(Value(name, int(s.value)))
    result += [EthtoolStats(device=d, values=tuple(v), source=block.source) for d, v in devices.items()]
    return result, []


def _one(prefix: str, some: list[Sample], block: Block) -> Made:
    s = some[0]
    if prefix == "node_boot_time_seconds":
        return [Stat({}, btime=int(s.value), source=block.source)], []
    if prefix == "node_uname_info":
        return [Kernel(s.labels.get("release", ""), s.labels.get("machine", ""), s.labels.get("nodename", ""), source=block.source)], []
    return [Moment(time=s.value, source=block.source)], []


PREFIXES: dict[str, Callable[[str, list[Sample], Block], Made]] = {
    "node_softnet_": _softnet, "node_netstat_": _netstat, "node_network_": _net_dev,
    "node_cpu_seconds_total": _cpu, "node_interrupts_total": _interrupts, "node_softirqs_functions_total": _softirqs,
    "node_sockstat_": _sockstat, "node_schedstat_": _schedstat, "node_nf_conntrack_": _conntrack, "node_ethtool_": _ethtool,
    "node_boot_time_seconds": _one, "node_uname_info": _one, "node_time_seconds": _one,
}
