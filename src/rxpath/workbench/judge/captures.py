"""The frames of a capture as cases: rewritten to the judge's receiver, one by one, in the capture's order, to both sides.

What the capture's receiver was sent goes to our one: its MAC and IP addresses are replaced, IP and transport checksums are right again
where lengths allow it.  What is wrong with a frame otherwise - lengths, options, fragments, cut records - stays wrong.  Sources stay as
they are, but those of the judge's own network, which are somebody else's here.  IPv6 is not modelled: such frames are left out,
and counted."""
from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rxpath import boot
from rxpath._compile import forget
from rxpath.abi.limits import NFEED
from rxpath.cable.capture import Capture
from rxpath.cable.receiver import Receiver, infer_receiver
from rxpath.cable.source import CaptureError
from rxpath.vtime import engine
from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Send
from rxpath.workbench.judge.generated import mend
from rxpath.workbench.judge.hosts import host
from rxpath.workbench.words.mistakes import BadInput

PORTS = 12                                          # UDP ports that are opened, those with most traffic first
LONGEST = 1514                                      # longer frames were put together by a card
LEAST = 14
IPV4, ARP, IPV6, VLAN = b"\x08\x00", b"\x08\x06", b"\x86\xdd", (b"\x81\x00", b"\x88\xa8")


@dataclass(slots=True)
class Taken:
    """What has been taken of the captures."""
    captures: int = 0
    frames: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)        # why -> captures

    def leave(self, why: str, n: int = 1) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + n

    def lines(self) -> list[str]:
        said = [f"{self.captures:,} captures, {self.frames:,} frames sent"]
        said += [f"{n:,} frames left out: {why}" for why, n in sorted(self.left_out.items())]
        return said + [f"{n:,} captures not read: {why}" for why, n in sorted(self.unreadable.items())]


def files(folder: str | os.PathLike[str]) -> list[Path]:
    """Every file below that folder, or the one file."""
    path = Path(folder)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BadInput(f"{path}: no such capture or folder (--captures)")
    return sorted(p for p in path.rglob("*") if p.is_file() and p.suffix in (".pcap", ".pcapng", ".cap", ".gz"))


def timed(path: str | os.PathLike[str], receiver: Receiver) -> Iterator[tuple[int, bytes]]:
    """(ns, Ethernet frame) of what the receiver was sent, as far as it was recorded, as our reader understands the file."""
    b = boot.Booted(nskb=64)
    b.call(engine.vtime_init)(b.net, 1, 1, False)
    ring = b.net.ring[0]
    try:
        with Capture(path, receiver=receiver) as capture:
            capture.attach(b.net)
            while capture.load():
                for i in range(ring.feed_head, ring.feed_tail):
                    a = b.net.feed[0][i & NFEED - 1]
                    yield int(a.t), bytes(capture.view[a.offset:a.offset + a.caplen])
                ring.feed_head = ring.feed_tail
    finally:
        forget(b.net.mem_addr)


def rewritten(frame: bytes, receiver: Receiver, taken: Taken) -> bytes | None:
    """For the judge's receiver; None: left out."""
    if not LEAST <= len(frame) <= LONGEST:
        taken.leave("longer than the MTU, or no Ethernet header")
        return None
    new = bytearray(frame)
    at = 16 if new[12:14] in VLAN else 12
    kind = bytes(new[at:at + 2])
    if kind == IPV6:
        taken.leave("IPv6")
        return None
    if not new[0] & 1:
        new[0:6] = f.MAC_US
    if bytes(new[6:12]) == f.MAC_US or new[6] & 1:
        new[6:12] = f.MAC_PEER
    ours = {f.ip4(a).to_bytes(4, "big") for a in receiver.addresses if ":" not in a}
    us = f.ip4(f.US).to_bytes(4, "big")
    if kind == IPV4 and len(new) >= at + 22:
        ip = at + 2
        if bytes(new[ip + 16:ip + 20]) in ours:
            new[ip + 16:ip + 20] = us
        if new[ip + 12:ip + 15] == us[:3]:
            new[ip + 14] = 9
        if at == 12 and new[ip] >> 4 == 4:
            mend(new, l4=True)
    elif kind == ARP and len(new) >= at + 30:
        if bytes(new[at + 26:at + 30]) in ours:
            new[at + 26:at + 30] = us
        if new[at + 16:at + 19] == us[:3]:
            new[at + 18] = 9
    return bytes(new)


def capture_host(receiver: Receiver) -> dict[str, Any]:
    """The judge's host with the capture's busiest UDP ports open, and a way back to any source."""
    ports = sorted(receiver.udp_ports, key=lambda p: -receiver.udp_ports[p])[:PORTS]
    return host([{"name": f"p{p}", "bind": f"*:{p}"} for p in ports if p], route=[{"dst": "default", "via": f.OTHER}])


def cases(path: Path, taken: Taken, most: int = 0) -> Iterator[Case]:
    """The frames of one capture; at most `most` of them, spread over it (0: all)."""
    try:
        receiver = infer_receiver(path)
        found = [frame for _, frame in timed(path, receiver)]
    except (CaptureError, BadInput, OSError) as error:
        why = str(error).removeprefix(f"{path}: ").split("; ")[0]
        taken.unreadable[why] = taken.unreadable.get(why, 0) + 1
        return
    described, every = capture_host(receiver), max(1, -(-len(found) // most)) if most else 1
    taken.captures += 1
    if every > 1:
        taken.leave("of the sample", len(found) - len(found[::every]))
    for number, frame in enumerate(found[::every]):
        new = rewritten(frame, receiver, taken)
        if new is not None:
            taken.frames += 1
            yield Case(f"{path.name} frame {1 + number * every}", "network", described, (Send((new,)),), "capture", shared=True)
