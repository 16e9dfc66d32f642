"""The machine of a Reading: kernel profile, cost profile, HZ, CPUs, [cpu], [sysctl]."""
from __future__ import annotations

import re

from rxpath.abi.kernels import KERNELS, nearest
from rxpath.abi.sysctls import BY_NAME, Row
from rxpath.vtime import calibrated
from rxpath.workbench.host import sysctls
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.snapshot.draft import Draft, Table
from rxpath.workbench.readings.records import Interrupts, Kernel, Lscpu, Mpstat, Reading, Softnet, Stat, Sysctls
from rxpath.workbench.readings.settings import Build, Idle, IdleState, Surroundings, Topology
from rxpath.workbench.toml_in.tables import CPUS_MAX
from rxpath.workbench.words import units

_HZ = (100, 250, 300, 1000)                                 # that a host file takes
_STEAL = 0.001                                              # a share of the time that is worth a line
_MISSING_MAX = 12                                           # sysctls that are named, of those that are not known
_BARE, _GUEST = "bm36", "vm"                                # cost profiles


def kernel(reading: Reading, top: Table) -> str:
    """The kernel profile; returns its name."""
    record, default = reading.first(Kernel), str(Host.model_fields["kernel"].default)
    release = record.release if record is not None else reading.sysctl("kernel.osrelease")
    if release is None:
        top.note("kernel: not known (uname -r); the newest profile is assumed")
        top.set("kernel", default)
        return default
    try:
        name, apart = nearest(release)
    except ValueError:
        top.set("kernel", default, f"{release} has no version that is understood")
        return default
    if apart:
        top.note(f"the host has {release}; the nearest profile may differ in {', '.join(b.name for b in apart)} (docs/kernels.md), "
                 "and a vendor may have brought later changes back")
    vendor = re.search(r"\.el(\d+)", release)
    if vendor is not None:
        top.note(f"{release} is RHEL {vendor[1]}'s, or of its kin: later changes were brought back to it, and which of these the profile "
                 "lacks is not known (docs/kernels.md)")
    top.set("kernel", name, f"the host has {release}" + ("" if KERNELS[name].verified else "; unverified"))
    return name


def is_guest(reading: Reading) -> bool | None:
    """On a hypervisor; None: not known."""
    around, lscpu = reading.first(Surroundings), reading.first(Lscpu)
    if around is not None and around.guest is not None:
        return around.guest
    if lscpu is not None and lscpu.values:
        return "Hypervisor vendor" in lscpu.values or "Virtualization type" in lscpu.values
    return None


def costs(reading: Reading, top: Table) -> None:
    guest, lscpu, around = is_guest(reading), reading.first(Lscpu), reading.first(Surroundings)
    model = lscpu.values.get("Model name", "") if lscpu is not None else around.model if around is not None else ""
    top.note("profile: nanoseconds of every station, of another machine: rates at which this host loses differ accordingly"
             + (f" ({model})" if model else ""))
    made = calibrated.made_on(calibrated.path_of(own)) if (own := calibrated.newest()) else {}
    if made and model and made.get("model") == model:
        top.note('profile = "here" would be what rxpath calibrate measured on the machine where this was written, which has such CPUs')
    top.set("profile", _GUEST if guest else _BARE,
            "the host is a guest" if guest else "whether the host is a guest is not known" if guest is None else "")
    stat = next((s for s in reading.of(Stat) if s.total is not None and s.total.total), None)
    stolen = stat.total.steal / stat.total.total if stat is not None and stat.total is not None else 0
    if stolen >= _STEAL:
        top.note(f"the hypervisor took {stolen:.1%} of the CPUs' time since boot (steal): [stalls] does so here, but its rate and length "
                 "cannot be read from that")


def ticks(reading: Reading, top: Table) -> None:
    build = reading.first(Build)
    if build is None or build.hz is None:
        top.note("hz: not known (grep CONFIG_HZ= /boot/config-*); the profile's default is assumed")
    elif build.hz in _HZ:
        top.set("hz", build.hz)
    else:
        top.not_here("hz", build.hz, f"{', '.join(map(str, _HZ))} here")
    if build is not None and build.small_head in (576, 704):
        top.set("small_head", build.small_head)


def online(reading: Reading) -> tuple[int, ...]:
    """CPUs that are online, from whatever says it; (): nothing does."""
    topology, lscpu = reading.first(Topology), reading.first(Lscpu)
    if topology is not None:
        return topology.online
    if lscpu is not None and lscpu.layout:
        return tuple(sorted(lscpu.layout))
    if lscpu is not None and (count := lscpu.number("CPU(s)")):
        return tuple(range(count))
    interrupts, stat, softnet = reading.first(Interrupts), reading.first(Stat), reading.first(Softnet)
    if stat is not None and stat.cpus:
        return tuple(sorted(stat.cpus))
    if interrupts is not None:
        return interrupts.cpus
    if softnet is not None:
        return tuple(row.cpu for row in softnet.rows)
    mpstat = next((m for m in reading.of(Mpstat) if m.cpu_count), None)
    return tuple(range(mpstat.cpu_count or 0)) if mpstat is not None else ()


def cpus(reading: Reading, top: Table) -> int:
    """Their number; returns it."""
    have = online(reading)
    if not have:
        top.note("cpus: not known (lscpu); the default here is assumed")
        return int(Host.model_fields["cpus"].default)
    count = max(have) + 1
    missing = sorted(set(range(count)) - set(have))
    note = f"CPU {', '.join(map(str, missing[:8]))} is offline on the host: it is idle here" if missing else ""
    if count > CPUS_MAX:
        note = f"the host has {len(have)}, of which the first {CPUS_MAX} are simulated"
    top.set("cpus", min(count, CPUS_MAX), note)
    return min(count, CPUS_MAX)


def topology(reading: Reading, count: int, table: Table) -> None:
    """[cpu]: siblings, nodes, idle states."""
    record, lscpu = reading.first(Topology), reading.first(Lscpu)
    siblings, nodes = (record.siblings, record.nodes) if record is not None else _layout(lscpu)
    kept = [[cpu for cpu in group if cpu < count] for group in siblings]
    kept = [group for group in kept if len(group) > 1]
    if kept:
        table.set("siblings", kept)
    if len(nodes) > 1:
        inside = [[cpu for cpu in group if cpu < count] for group in nodes]
        inside = [group for group in inside if group]
        homeless = sorted(set(range(count)) - {cpu for group in inside for cpu in group})
        if inside and homeless:
            inside[0] = sorted([*inside[0], *homeless])     # offline CPUs have no node; a host file wants one for each
        if len(inside) > 1:
            table.set("nodes", inside)
    if record is None and lscpu is None:
        table.note("siblings, nodes: not known (lscpu -p)")
    if record is not None and record.isolated:
        table.note(f"isolated CPUs: {', '.join(map(str, record.isolated))}; not modelled, no program is moved there unless its cpu says so")
    _idle(reading, table)


def _layout(lscpu: Lscpu | None) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """(siblings, nodes) of lscpu -p or its "NUMA node0 CPU(s)" lines; without -p, siblings are not known."""
    if lscpu is None:
        return (), ()
    cores: dict[tuple[int | None, int | None], list[int]] = {}
    nodes: dict[int, list[int]] = {}
    for cpu, (node, socket, core) in sorted(lscpu.layout.items()):
        if core is not None:
            cores.setdefault((socket, core), []).append(cpu)
        if node is not None:
            nodes.setdefault(node, []).append(cpu)
    if not nodes:
        for name, text in lscpu.values.items():
            match = re.fullmatch(r"NUMA node(\d+) CPU\(s\)", name)
            if match is not None:
                try:
                    nodes[int(match[1])] = list(units.cpu_list(text))
                except ValueError:
                    continue
    return (tuple(tuple(g) for g in cores.values() if len(g) > 1), tuple(tuple(nodes[n]) for n in sorted(nodes) if nodes[n]))


def _idle(reading: Reading, table: Table) -> None:
    """The deepest state that the governor may choose, by its name."""
    record, build = reading.first(Idle), reading.first(Build)
    words = build.command_line if build is not None else ()
    if "idle=poll" in words:
        table.set("idle", "poll", "idle=poll on the kernel's command line")
        return
    states: tuple[IdleState, ...] = record.states if record is not None else ()
    if record is not None and record.latency_us is not None:
        states = tuple(s for s in states if s.latency_us <= record.latency_us)
    allowed = [s for s in states if not s.disabled]
    if not allowed or not _named(allowed[-1].name):
        why = "a guest's CPU halts, and how deep is the hypervisor's affair" if is_guest(reading) else \
            "not known (cpupower idle-info, /sys/devices/system/cpu/cpu0/cpuidle)"
        table.note(f"idle: {why}; the default here is {Host.model_fields['cpu'].default.idle}")
        return
    asked = record.latency_us if record is not None else None
    table.set("idle", _named(allowed[-1].name), f"{allowed[-1].name}, {allowed[-1].latency_us} us to wake up"
              + ("" if asked is None else f"; /dev/cpu_dma_latency asks for {asked} us"))


def _named(name: str) -> str:
    """C6_ACPI, C6-SKX, C7s, C10: the state of a host file that is as deep."""
    if name.upper() == "POLL":
        return "poll"
    match = re.match(r"C(\d+)(E?)", name.upper())
    if match is None:
        return ""
    depth = int(match[1])
    return "C1E" if depth == 1 and match[2] else "C1" if depth <= 1 else "C3" if depth <= 3 else "C6"


def settings(reading: Reading, draft: Draft, profile: str, hz: int, cards: list[str]) -> None:
    """[sysctl]: those that the path reads, as they were read; what it does not take is a comment."""
    table = draft.table("sysctl")
    values: dict[str, str] = {}
    denied: set[str] = set()
    for record in reading.of(Sysctls, ""):
        values |= {name.replace("/", "."): text for name, text in record.values.items() if name not in values}
        denied |= set(record.denied)
    if not values:
        table.note("not known (sysctl -a): the defaults of the kernel profile are assumed")
        return
    missing = []
    for row in BY_NAME.values():
        for name in [row.name.replace("*", scope) for scope in ("all", "default", *cards)] if row.combine else [row.name]:
            if name in values:
                _sysctl(table, row, name, values[name], profile, hz)
            elif not row.combine and row.in_kernel(profile):
                missing.append(name)
    if missing:
        why = "of the machine's first network namespace, which is not this one" if set(missing) <= denied else "not known"
        more = f" and {len(missing) - _MISSING_MAX} more" if len(missing) > _MISSING_MAX else ""
        table.note(f"{why}: {', '.join(missing[:_MISSING_MAX])}{more}; the profile's defaults are assumed")


def _sysctl(table: Table, row: Row, name: str, text: str, profile: str, hz: int) -> None:
    """One of them: as a number, three numbers, or a mask."""
    value: object = text
    if row.kind not in ("cpumask", "triple"):
        if not re.fullmatch(r"-?\d{1,19}", text):
            table.not_here(name, text, "no number")
            return
        value = int(text)
    elif row.kind == "triple":
        value = " ".join(text.split())
    try:
        sysctls.check(row, value, profile, hz)
    except ValueError as error:
        table.not_here(name, value, str(error))
        return
    table.set(name, value)
