"""--pcapng: every frame with what became of it, as its comment, for Wireshark, on an interface for each hook: where its way ended, what was
sent, what a tap saw.  Blocks as draft-ietf-opsawg-pcapng has them; docs/pcapng.md says what the words of a comment mean."""
from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO

from rxpath._version import __version__
from rxpath.abi.nic import FIRST_MADE
from rxpath.abi.numbers import Out
from rxpath.outputs import Output
from rxpath.workbench.run.fates import Fate
from rxpath.workbench.run.frame_numbers import numbers, segment
from rxpath.workbench.words.mistakes import writing

SHB, IDB, ISB, EPB = 0x0A0D0D0A, 1, 5, 6
COMMENT, SHB_OS, SHB_USERAPPL, IF_NAME, IF_DESCRIPTION, IF_TSRESOL, EPB_PACKETID = 1, 3, 4, 2, 3, 9, 5
END_OF_OPTIONS = bytes(4)
ENDED = {"wire": "frames that have no end yet", "kernel": "frames that were for the kernel itself",
         "application": "frames that a program read", "ring": "frames that found no descriptor"}
MOST = 60_000                                               # octets of an option, whose length has 16 bits


def option(code: int, value: bytes) -> bytes:
    value = value[:MOST]
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def text(code: int, words: str) -> bytes:
    return option(code, words.encode("utf-8", "replace"))


def block(kind: int, body: bytes) -> bytes:
    n = len(body) + 12
    return struct.pack("<II", kind, n) + body + struct.pack("<I", n)


def numbered(frame: int) -> list[str]:
    """frame=17, and of a merged frame that was split segment=2."""
    return [f"{name}={n}" for name, n in numbers(frame).items()]


def comment(f: Fate) -> str:
    """fate=lost reason=SOCKET_RCVBUFF at=__udp_enqueue_schedule_skb cpu=0 after_ns=5310 wire_ns=.. end_ns=..: words without spaces."""
    words = [f"fate={f.kind.replace(' ', '-')}", *numbered(f.number), f"wire_ns={f.t}"]
    if f.end_ns:
        words += [f"reason={f.reason.name}", f"at={f.station}", f"cpu={f.cpu}", f"end_ns={f.end_ns}", f"after_ns={f.end_ns - f.t}"]
    if f.socket:
        words.append(f"socket={f.socket}")
    if f.ahead >= 0:
        words += [f"ahead={f.ahead}", f"ahead_bytes={f.ahead_bytes}"]
    if f.spent:
        words.append("spent_ns=" + ",".join(f"{place}:{ns}" for place, ns in f.spent.items() if ns))
    return " ".join(words)


class Writer:
    """A run.fates.Sink: writes as it is told.  command: how it was called, for the section's comment;
    name: of the file, for mistakes."""

    def __init__(self, file: BinaryIO, command: str, name: str = "") -> None:
        self.file, self.command, self.name, self.last_ns = file, command, name or getattr(file, "name", ""), 0
        self.cards: Sequence[str] = ()
        self.faces: dict[tuple[int, str], int] = {}         # (card, hook): its interface

    def _write(self, data: bytes) -> None:
        with writing(self.name):
            self.file.write(data)

    def begin(self, interfaces: Sequence[str], host: str) -> None:
        self._write(block(SHB, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + text(COMMENT, self.command) + text(SHB_OS, host)
                          + text(SHB_USERAPPL, f"rxpath {__version__}") + END_OF_OPTIONS))
        self.cards = interfaces

    def _face(self, card: int, hook: str, what: str) -> int:
        """The interface of that hook, which its first frame brings."""
        if (card, hook) not in self.faces:
            name = self.cards[card]
            self._write(block(IDB, struct.pack("<HHI", 1, 0, 0) + text(IF_NAME, f"{name}:{hook}")
                              + text(IF_DESCRIPTION, f"{name}, simulated: {what}") + option(IF_TSRESOL, b"\x09") + END_OF_OPTIONS))
            self.faces[card, hook] = len(self.faces)
        return self.faces[card, hook]

    def _packet(self, face: int, t: int, data: bytes, length: int, said: str, packet: int) -> None:
        self.last_ns = ns = max(0, t)
        self._write(block(EPB, struct.pack("<IIIII", face, ns >> 32, ns & 0xFFFFFFFF, len(data), length) + data
                          + bytes(-len(data) % 4) + text(COMMENT, said)
                          + (option(EPB_PACKETID, struct.pack("<Q", packet)) if packet else b"") + END_OF_OPTIONS))

    def frame(self, fate: Fate, epoch_ns: int) -> None:
        face = self._face(fate.card, fate.hook, ENDED.get(fate.hook, f"frames whose way ended there ({fate.hook})"))
        self._packet(face, fate.t + epoch_ns, fate.data, fate.length, comment(fate),
                     0 if segment(fate.number) else fate.number)

    def left(self, out: Output, card: int, epoch_ns: int) -> None:
        """fate=sent or fate=tapped, with the frame that it answers or copies."""
        sent = out.kind == Out.TX
        what = "frames that the host sent" if sent else "copies that a packet socket took"
        face = self._face(card, "tx" if sent else f"tap{out.arg}", what)
        frame = -1 - out.frame if out.frame < 0 else out.frame                 # below 0: an answer to it
        words = [f"fate={'sent' if sent else 'tapped'}", *(numbered(frame) if 0 < frame < FIRST_MADE else []), f"t_ns={out.t}",
                 f"cpu={out.cpu}"]
        self._packet(face, out.t + epoch_ns, out.data, out.length, " ".join(words), 0)

    def end(self, said: str) -> None:
        """What the file lacks is the comment of the first interface's statistics."""
        if said and self.faces:
            self._write(block(ISB, struct.pack("<III", 0, self.last_ns >> 32, self.last_ns & 0xFFFFFFFF) + text(COMMENT, said)
                              + END_OF_OPTIONS))
