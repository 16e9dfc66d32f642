"""NAPIs, queues and canonical counters by the netdev family of generic netlink (6.8; settings since 6.13): no privilege is needed.

Twins: net/core/netdev-genl.c, Documentation/netlink/specs/netdev.yaml."""
from __future__ import annotations

import os
import struct

from rxpath.workbench.readings.live.netlink import Generic, attribute, number
from rxpath.workbench.readings.records import EthtoolStats, Source, Value
from rxpath.workbench.readings.settings import Napi

_QUEUE_GET, _NAPI_GET, _QSTATS_GET = 10, 11, 12
_RX = 0
_QSTATS = {8: "rx_packets", 9: "rx_bytes", 10: "tx_packets", 11: "tx_bytes", 12: "rx_alloc_fail", 13: "rx_hw_drops",
           14: "rx_hw_drop_overruns", 23: "rx_hw_drop_ratelimits"}


def napis(netlink: Generic, names: dict[int, str]) -> list[Napi]:
    """Every NAPI of the namespace's devices; `names` are the devices' by number.  A driver that does not tell its interrupts (virtio_net)
    leaves irq None."""
    queues: dict[int, int] = {}
    for answer in netlink.get("netdev", _QUEUE_GET, dump=True):
        has = dict(answer)
        if number(has.get(3, b"")) == _RX and 4 in has:
            queues[number(has[4])] = number(has.get(1, b""))
    found = []
    for answer in netlink.get("netdev", _NAPI_GET, dump=True):
        said = {kind: number(value) for kind, value in answer}
        found.append(Napi(
            source=Source("netdev napi-get"), device=names.get(said.get(1, 0), ""), id=said.get(2), queue=queues.get(said.get(2, 0)),
            irq=said.get(3), threaded=bool(said[8]) if 8 in said else None, defer_hard_irqs=said.get(5), gro_flush_timeout=said.get(6),
            irq_suspend_timeout=said.get(7), thread_cpus=thread_cpus(said.get(4))))
    return [napi for napi in found if napi.device]


def thread_cpus(pid: int | None) -> tuple[int, ...] | None:
    """Where a NAPI's thread may run."""
    try:
        return tuple(sorted(os.sched_getaffinity(pid))) if pid else None
    except OSError:
        return None


def queue_counters(netlink: Generic, names: dict[int, str]) -> list[EthtoolStats]:
    """Counters of each queue under the kernel's own names, where the driver fills them: one record for each device."""
    found: dict[str, list[Value]] = {}
    for answer in netlink.get("netdev", _QSTATS_GET, attribute(4, struct.pack("=Q", 1)), dump=True):       # scope: queue
        has = {kind: number(value) for kind, value in answer}
        kind, queue, device = has.get(2, 0), has.get(3, 0), names.get(has.get(1, 0), "")
        found.setdefault(device, []).extend(
            Value(f"{'rx' if kind == _RX else 'tx'}{queue}_{name.partition('_')[2]}", has[at], "qstats")
            for at, name in _QSTATS.items() if at in has)
    return [EthtoolStats(source=Source("netdev qstats-get"), device=device, values=tuple(values))
            for device, values in found.items() if device]
