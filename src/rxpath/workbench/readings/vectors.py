"""Which receive queue of which card an interrupt is, by the name that its driver gave it in /proc/interrupts.

eth0-TxRx-3, i40e-eth0-TxRx-3, eth0-Tx-Rx-3, eth0-rx-3, eth0-3, eth0-fp-3, mlx5_comp3@pci:0000:3b:00.0, virtio2-input.3, eth0."""
from __future__ import annotations

import re

from rxpath.workbench.readings.records import DriverInfo, Interrupts, Irq, Link, NetDev, Reading
from rxpath.workbench.readings.settings import Slot

_OTHER = re.compile(r"(output|config|async|mgmnt|mgmt|misc|other|fdir|aeq|ceq|ctrl|event|lsc|mbx|admin|pages|cmd)", re.I)
_SENDS = re.compile(r"(?<![a-z])tx(?![a-z]*-?rx)", re.I)    # tx alone; TxRx and Tx-Rx are both


def queue_of(action: str, *names: str) -> int | None:
    """The queue; None: not this card's, or not for receiving.  names: the card's, as a device and on its bus."""
    for name in names:
        rest, found = re.subn(rf"(?<![\w.]){re.escape(name)}(?![\w.:])", "", action.strip(), count=1) if name else ("", 0)
        if found:
            break
    else:
        return None
    rest = rest.split("@")[0]
    if _OTHER.search(rest) or _SENDS.search(rest):
        return None
    numbers = re.findall(r"\d+", rest)
    return int(numbers[-1]) if numbers else 0 if not rest.strip(" :-@.") else None


def vectors(reading: Reading, device: str) -> dict[int, Irq]:
    """Queue -> the row of its interrupt in /proc/interrupts."""
    info, slots = reading.device(DriverInfo, device), [s for s in reading.of(Slot) if s.device == device and s.name]
    names = [device, info.bus_info if info is not None else "", *(s.name for s in slots)]
    found: dict[int, Irq] = {}
    alone: Irq | None = None                                # of the card's name without a number: its only one, or its "other"
    for interrupts in reading.of(Interrupts):
        if not slots and (_is_alone(reading, device) if info is None else info.driver.startswith("virtio")):
            names += _only_guest_device(interrupts)
        for row in interrupts.rows:
            for action in row.actions:
                queue = queue_of(action, *names) if row.name.isdigit() else None
                if queue is not None and action.strip() in names:
                    alone = alone or row
                elif queue is not None:
                    found.setdefault(queue, row)
    return found or ({0: alone} if alone is not None else {})


def _is_alone(reading: Reading, device: str) -> bool:
    """No other card is named."""
    named = {link.device for link in reading.of(Link)} | {name for dev in reading.of(NetDev) for name in dev.devices}
    return named - {"lo"} <= {device}


def _only_guest_device(interrupts: Interrupts) -> list[str]:
    """virtio2 of virtio2-input.0, if there is one device of that kind: no text says which name on its bus a device has."""
    names = {match[1] for row in interrupts.rows for action in row.actions if (match := re.match(r"(virtio\d+)-input\.", action.strip()))}
    return list(names) if len(names) == 1 else []
