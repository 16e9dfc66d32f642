"""The machine itself from /proc and /sys: kernel, CPUs, idle states, interrupts' affinities, what the kernel runs in."""
from __future__ import annotations

import os
import struct
import time

from rxpath.workbench.readings.live import files
from rxpath.workbench.readings.records import Kernel, Record, Source, Unread
from rxpath.workbench.readings.settings import Affinities, Affinity, Build, Idle, IdleState, Surroundings, Topology

_CPU, _NODE = "/sys/devices/system/cpu", "/sys/devices/system/node"
_LATENCY, _SMALL_HEAD = "/dev/cpu_dma_latency", "/sys/kernel/slab/skbuff_small_head/object_size"
_CLOCK_MONOTONIC_COARSE = 6                                 # its resolution is a tick
_NO_WISH = 2_000_000_000                                    # PM_QOS_CPU_LATENCY_DEFAULT_VALUE in us


def kernel() -> Kernel:
    name = os.uname()
    return Kernel(source=Source("uname -a"), release=name.release, machine=name.machine, host="")


def build() -> Build:
    """HZ, what the kernel was started with, and the size of small heads (root)."""
    words = tuple((files.content("/proc/cmdline") or "").split())
    return Build(source=Source("/proc/cmdline"), hz=round(1 / time.clock_getres(_CLOCK_MONOTONIC_COARSE)), command_line=words,
                 small_head=files.number(_SMALL_HEAD))


def topology() -> Topology:
    """CPUs that are online, with their siblings and nodes."""
    online = files.cpus(f"{_CPU}/online") or tuple(range(os.cpu_count() or 1))
    siblings: list[tuple[int, ...]] = []
    for cpu in online:
        place = f"{_CPU}/cpu{cpu}/topology"
        group: tuple[int, ...] = files.cpus(f"{place}/thread_siblings_list") or files.cpus(f"{place}/core_cpus_list") or ()
        if len(group) > 1 and group not in siblings:
            siblings.append(group)
    nodes = [cpus for name in files.names(_NODE) if name.startswith("node") and name[4:].isdigit()
             and (cpus := files.cpus(f"{_NODE}/{name}/cpulist"))]
    return Topology(source=Source(_CPU), online=online, isolated=files.cpus(f"{_CPU}/isolated") or (), siblings=tuple(siblings),
                    nodes=tuple(nodes))


def idle() -> Idle | None:
    """Idle states of the first CPU that has any."""
    place = f"{_CPU}/cpu0/cpuidle"
    states = tuple(
        IdleState(files.content(f"{place}/{name}/name") or name, files.number(f"{place}/{name}/latency") or 0,
                  files.content(f"{place}/{name}/disable") not in ("0", None))
        for name in files.names(place) if name.startswith("state"))
    driver = files.content(f"{_CPU}/cpuidle/current_driver") or ""
    wish = None
    try:
        with open(_LATENCY, "rb", buffering=0) as file:     # reading it asks for nothing
            said = struct.unpack("=i", file.read(4))[0]
        wish = None if said >= _NO_WISH else said
    except (OSError, struct.error):
        pass
    return Idle(source=Source(place), driver=driver, states=states, latency_us=wish) if states or wish is not None else None


def for_root() -> list[Unread]:
    """Files that are there and that only root may read."""
    return [Unread(path, 0, "", "Permission denied") for path in (_LATENCY, _SMALL_HEAD)
            if os.path.exists(path) and not os.access(path, os.R_OK)]


def affinities(irqs: list[int]) -> Affinities:
    """Of these interrupts."""
    found = {irq: Affinity(files.cpus(f"/proc/irq/{irq}/smp_affinity_list"), files.cpus(f"/proc/irq/{irq}/effective_affinity_list"))
             for irq in irqs}
    return Affinities(source=Source("/proc/irq"), irqs={irq: one for irq, one in found.items() if one != Affinity()})


def surroundings() -> Surroundings:
    """A hypervisor's flag, a namespace's sign, irqbalance.  netdev_budget is of the first namespace alone: where it is missing we are in
    another one (/proc/1/ns/net may be hidden even from root)."""
    lines = (files.content("/proc/cpuinfo") or "").splitlines()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    guest = "hypervisor" in flags.split() if flags else None
    container = not os.path.exists("/proc/sys/net/core/netdev_budget")
    balanced = any(files.content(f"/proc/{pid}/comm") == "irqbalance" for pid in os.listdir("/proc") if pid.isdigit())
    return Surroundings(source=Source("/proc"), guest=guest, container=container, irqbalance=balanced, model=model)


def all_of_it() -> list[Record]:
    """Everything but the affinities, which depend on the cards."""
    return [r for r in (kernel(), build(), topology(), idle(), surroundings()) if r is not None]
