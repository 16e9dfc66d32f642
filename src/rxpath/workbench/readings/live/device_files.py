"""What only /sys says of devices: RPS, RFS, XPS, NAPI settings before 6.13, PCI slots.

/sys shows the network namespace of whoever mounted it, which need not be ours (unshare -n keeps the old one): a device is read only if
its number there is the one that netlink gave."""
from __future__ import annotations

import os

from rxpath.workbench.readings.live import files
from rxpath.workbench.readings.records import Link, Record, Source
from rxpath.workbench.readings.settings import Napi, SendSteering, Slot, Steering

_NET = "/sys/class/net"


def is_ours(link: Link) -> bool:
    """Whether /sys shows this device."""
    place = f"{_NET}/{link.device}"
    return files.number(f"{place}/ifindex") == link.index and files.content(f"{place}/address") == (link.address or "00:00:00:00:00:00")


def of_device(device: str) -> list[Record]:
    """Slot, steering and NAPI settings of a device."""
    place = f"{_NET}/{device}"
    found: list[Record] = []
    if os.path.exists(f"{place}/device"):
        found.append(_slot(device, place))
    for name in files.names(f"{place}/queues"):
        kind, _, queue = name.partition("-")
        where = f"{place}/queues/{name}"
        if kind == "rx" and queue.isdigit():
            found.append(Steering(source=Source(where), device=device, queue=int(queue), rps_cpus=files.cpu_mask(f"{where}/rps_cpus"),
                                  rps_flow_cnt=files.number(f"{where}/rps_flow_cnt")))
        elif kind == "tx" and queue.isdigit() and (cpus := files.cpu_mask(f"{where}/xps_cpus")):
            found.append(SendSteering(source=Source(where), device=device, queue=int(queue), xps_cpus=cpus))
    threaded = files.content(f"{place}/threaded")
    found.append(Napi(source=Source(place), device=device, threaded=None if threaded is None else threaded != "0",
                      defer_hard_irqs=files.number(f"{place}/napi_defer_hard_irqs"),
                      gro_flush_timeout=files.number(f"{place}/gro_flush_timeout")))
    return found


def _slot(device: str, place: str) -> Slot:
    """The card's own directory; a virtio device's interrupts are its PCI parent's."""
    own = os.path.realpath(f"{place}/device")
    irqs: list[str] = []
    for directory in (own, os.path.dirname(own)):
        irqs = irqs or files.names(f"{directory}/msi_irqs")
    return Slot(source=Source(own), device=device, name=os.path.basename(own), vendor=files.number(f"{own}/vendor", 16),
                id=files.number(f"{own}/device", 16), node=files.number(f"{own}/numa_node"),
                irqs=tuple(int(irq) for irq in irqs if irq.isdigit()))
