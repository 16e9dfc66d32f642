"""Settings that stand in files of /proc and /sys, by their places: a file itself, whose path its name is, or lines `path:value` as
`grep . /sys/class/net/eth0/queues/*/*` prints them.  Also lspci, which says which card a driver drives, and the kernel's .config."""
from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import fields, replace

from .lines import Block, Line, cpu_list, number
from .records import Record
from .settings import Affinities, Affinity, Build, Memberships, Napi, SendSteering, Slot, Steering

IRQ = r"proc/irq/(\d{1,7})/((?:smp|effective)_affinity(?:_list)?)"
NET = r"sys/(?:class/net|devices/\S*/net)/([^/\s]+)/(?:queues/([rt])x-(\d{1,4})/)?([a-z_]+|device/(?:numa_node|vendor|device))"
PLACE = re.compile(rf"(?:^|/)(?:{IRQ}|{NET})$")
PAIR = re.compile(r"\s*(/(?:proc/irq|sys)/[^\s:]+|/sys/\S+?):\s*(.*)$")
ETHERNET = re.compile(r"\s*((?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.\d) (?:Ethernet|Network) controller.*?"
                      r"\[([0-9a-f]{4}):([0-9a-f]{4})\]")


def places(block: Block) -> list[Record]:
    """One file, or lines of several."""
    affinities: dict[int, Affinity] = {}
    made: list[Record] = []
    for line, path, value in _pairs(block):
        match = PLACE.search(path)
        record = _one(match, value) if match is not None else None
        if match is None or record is None:
            block.odd(line)
        elif isinstance(record, Affinity):
            affinities[int(match[1])] = merged(affinities.get(int(match[1])), record)
        else:
            made.append(replace(record, source=block.source_of([line])))
    if affinities:
        made.append(Affinities(affinities, source=block.source))
    return made


def _pairs(block: Block) -> Iterator[tuple[Line, str, str]]:
    """(line, path, value)."""
    for line in block:
        if match := PAIR.match(line.text):
            yield line, match[1], match[2].strip()
        else:
            yield line, block.command or block.file, line.text.strip()


def merged(have: Affinity | None, more: Affinity) -> Affinity:
    """What two files say of one interrupt."""
    return more if have is None else Affinity(more.asked or have.asked, more.effective or have.effective)


def said_by(record: Record) -> tuple[object, ...]:
    """What a record of a place is about: several files make several records of one device, which are no several moments."""
    if not isinstance(record, (Steering, SendSteering, Napi, Slot, Affinities, Build)):
        return ()
    about = tuple(sorted(record.irqs)) if isinstance(record, Affinities) else (record.queue,) if not isinstance(
        record, (Slot, Build)) else (record.name,) if isinstance(record, Slot) else ()
    return about + tuple(f.name for f in fields(record) if f.name != "source" and getattr(record, f.name) not in (None, (), ""))


def _mask(text: str) -> tuple[int, ...] | None:
    """00000000,0000000f."""
    plain = text.replace(",", "")
    if not re.fullmatch(r"[0-9a-fA-F]{1,2048}", plain):
        return None
    bits = int(plain, 16)
    return tuple(cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1)


def _one(match: re.Match[str], value: str) -> Record | Affinity | None:
    """The record of one file; None: not one that is read, or not as the kernel writes it."""
    _, affinity, device, side, queue, name = match.groups()
    if affinity:
        cpus = cpu_list(value) if affinity.endswith("_list") else _mask(value)
        return None if not cpus else Affinity(asked=cpus) if affinity.startswith("smp") else Affinity(effective=cpus)
    count = number(value)
    if side == "r" and name == "rps_cpus" and (mask := _mask(value)) is not None:
        return Steering(device=device, queue=int(queue), rps_cpus=mask)
    if side == "r" and name == "rps_flow_cnt" and count is not None:
        return Steering(device=device, queue=int(queue), rps_flow_cnt=count)
    if side == "t" and name == "xps_cpus" and (mask := _mask(value)) is not None:
        return SendSteering(device=device, queue=int(queue), xps_cpus=mask)
    if side is None and count is not None and name in ("threaded", "napi_defer_hard_irqs", "gro_flush_timeout"):
        return Napi(device=device, threaded=bool(count) if name == "threaded" else None,
                    defer_hard_irqs=count if name == "napi_defer_hard_irqs" else None,
                    gro_flush_timeout=count if name == "gro_flush_timeout" else None)
    if side is None and name == "device/numa_node" and count is not None:
        return Slot(device=device, node=count)
    if side is None and name in ("device/vendor", "device/device") and re.fullmatch(r"0x[0-9a-f]{4}", value):
        return Slot(device=device, vendor=int(value, 16)) if name == "device/vendor" else Slot(device=device, id=int(value, 16))
    return None


def lspci(block: Block) -> list[Record]:
    """lspci -nn: the network cards among the devices."""
    found = []
    for line in block:
        if match := ETHERNET.match(line.text):
            bus = match[1] if match[1].count(":") == 2 else f"0000:{match[1]}"
            found.append(Slot(name=bus, vendor=int(match[2], 16), id=int(match[3], 16), source=block.source_of([line])))
    return [*found]


def command_line(block: Block) -> list[Record]:
    """/proc/cmdline."""
    line, *rest = [*block] or [None]
    for other in rest:
        block.odd(other)
    return [Build(command_line=tuple(line.text.split()), source=block.source_of([line]))] if line is not None else []


def config(block: Block) -> list[Record]:
    """CONFIG_HZ of the kernel's .config; the rest is not needed."""
    for line in block:
        if match := re.match(r"\s*CONFIG_HZ=(\d{2,4})\s*$", line.text):
            return [Build(hz=int(match[1]), source=block.source_of([line]))]
    return []


def igmp(block: Block) -> list[Record]:
    """/proc/net/igmp: a line for each device, then one for each of its groups, in hexadecimal as the machine stores it (little-endian,
    where it is another's)."""
    groups: list[tuple[str, str]] = []
    device = ""
    for line in block:
        if match := re.match(r"\d+\s+(\S+)\s*:\s+\d+\s+V\d", line.text):
            device = match[1]
        elif (match := re.match(r"\s+([0-9A-F]{8})\s+\d+ \d:", line.text)) and device:
            groups.append((device, socket.inet_ntoa(int(match[1], 16).to_bytes(4, sys.byteorder))))
        elif not line.text.startswith("Idx"):
            block.odd(line)
    return [Memberships(tuple(groups), source=block.source)] if device else []
