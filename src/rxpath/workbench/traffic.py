"""A capture on its way to the cable: which file, whose traffic, how fast, how often.

(First form: records one at a time from Python; the compiled reader of cable/ takes this over.)"""
from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rxpath.workbench import units
from rxpath.workbench.mistakes import BadInput


def find(name: str) -> Path:
    """A file, or the name of a bundled capture."""
    path = Path(name)
    if path.exists() or "/" in name or "." in name:
        return path
    return bundled(name)


def bundled(name: str) -> Path:
    """The file of a bundled capture."""
    from rxpath import examples

    try:
        return examples.path(name)
    except FileNotFoundError as error:
        raise BadInput(f"{name}: no such file, and {error}") from None


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who receives, as the capture tells: addresses, MAC, and the sockets that its traffic goes to."""
    address: str
    mac: int
    udp: tuple[tuple[int, int], ...]
    tcp: tuple[tuple[int, int], ...]
    why: str

    def describe(self) -> dict[str, Any]:
        return {"address": self.address, "mac": units.mac_text(self.mac), "why": self.why,
                "udp": [f"{units.ipv4_text(a)}:{p}" for a, p in self.udp], "tcp": [f"{units.ipv4_text(a)}:{p}" for a, p in self.tcp]}


@dataclass
class Source:
    """What is put on the cable."""
    path: Path
    speed: float = 1.0
    rate_pps: int = 0
    loop: int = 1
    frames: int = 0
    duration_ns: int = 0
    not_offered: Counter[str] = field(default_factory=Counter)

    def title(self) -> str:
        how = [f"at {self.speed:g} times its speed"] if self.speed != 1 else []
        how += [f"at {self.rate_pps:,} packets a second"] if self.rate_pps else []
        how += [f"{self.loop} times"] if self.loop != 1 else []
        return f"{self.path.name}{' ' if how else ''}{', '.join(how)}"

    def describe(self) -> dict[str, Any]:
        return {"file": self.path.name, "frames": self.frames, "duration_ns": self.duration_ns, "speed": self.speed, "rate_pps": self.rate_pps,
                "loop": self.loop}


def records(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """(time ns, bytes, length on the wire)."""
    data = path.read_bytes()
    if data[:4] not in (b"\x4d\x3c\xb2\xa1", b"\xd4\xc3\xb2\xa1"):
        raise BadInput(f"{path}: not a capture that this version reads")
    scale = 1 if data[:4] == b"\x4d\x3c\xb2\xa1" else 1000
    at = 24
    while at + 16 <= len(data):
        s, ns, cap, wire = struct.unpack_from("<IIII", data, at)
        if at + 16 + cap > len(data):
            break
        yield s * 1_000_000_000 + ns * scale, data[at + 16:at + 16 + cap], wire
        at += 16 + cap


def infer(path: Path, local: str | None = None) -> Receiver:
    """The address to which most frames go; its MAC; the ports to which its traffic goes."""
    to, macs, udp, tcp = Counter[bytes](), {}, Counter[tuple[bytes, int]](), set()
    for _, d, _ in records(path):
        if len(d) >= 34 and d[12:14] == b"\x08\x00":
            to[d[30:34]] += 1
            macs[d[30:34]] = d[:6]
            if d[23] == 17 and not int.from_bytes(d[20:22], "big") & 0x1FFF:
                udp[d[30:34], int.from_bytes(d[36:38], "big")] += 1
            if d[23] == 6 and len(d) > 47 and d[47] & 0x12 == 2:
                tcp.add((d[30:34], int.from_bytes(d[36:38], "big")))
    if not to:
        raise BadInput(f"{path}: no IPv4 traffic; say who receives with --local ADDR")
    me = bytes(units.ipv4(local).to_bytes(4, "big")) if local else to.most_common(1)[0][0]
    return Receiver(units.ipv4_text(int.from_bytes(me, "big")), int.from_bytes(macs.get(me, b"\x02\0\0\0\0\1"), "big"),
                    tuple(sorted((0, p) for a, p in udp if a == me and p < 30000)), tuple(sorted((0, p) for a, p in tcp if a == me)),
                    "--local" if local else f"{to[me]:,} of {sum(to.values()):,} IPv4 frames go to it")
