"""A capture, record by record, as a pcapng of frames that are hidden (frames.py).  Comments, names that were resolved, keys of TLS and
whatever else a pcapng may hold beside packets are not written."""
from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from rxpath.abi.capture import NAME_BYTES, NAME_WORDS, Link, Scan, Way, interface_t
from rxpath.cable.pcapng import BYTE_ORDER_MAGIC, EPB, EPB_FLAGS, EPB_STEER, IDB, IF_IPV4, IF_MAC, IF_NAME, IF_TSRESOL, SHB, STEER_MAGIC
from rxpath.cable.reading import Reading
from rxpath.cable.scan import capture_record
from rxpath.cable.source import Source
from rxpath.workbench.case.hiding.addresses import Pseudonyms
from rxpath.workbench.case.hiding.frames import IPV4, IPV6, VLANS, Frames, word
from rxpath.workbench.case.hiding.steering import Steering

PIECE = 1 << 20
HEAD, FLAGS = struct.Struct("<IIIIIII"), struct.Struct("<HHI")
STEER = struct.Struct("<HH4sI")
SECTION = struct.pack("<IIIHHqI", SHB, 28, BYTE_ORDER_MAGIC, 1, 0, -1, 28)


def block(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _name(face: interface_t) -> str:
    words = (int(face.name[i]).to_bytes(NAME_BYTES, "big") for i in range(NAME_WORDS))
    return b"".join(words).rstrip(b"\0").decode("utf-8", "replace")


def _addresses(frame: bytearray) -> slice | None:
    """Where source and destination of IP lie in an Ethernet frame."""
    at = 12
    while len(frame) >= at + 6 and word(frame, at) in VLANS:
        at += 4
    kind = word(frame, at) if len(frame) >= at + 2 else 0
    start, size = (at + 14, 8) if kind == IPV4 else (at + 10, 32)
    return slice(start, start + size) if kind in (IPV4, IPV6) and len(frame) >= start + size else None


class Hidden:
    """records, problem: how many there were, and how the capture ended badly."""

    def __init__(self, made: Pseudonyms, words: Callable[[str], str], steering: Steering | None = None) -> None:
        self.made, self.words, self.frames, self.steering = made, words, Frames(made), steering
        self.records, self.problem = 0, ""
        self.faces: dict[tuple[object, ...], int] = {}

    def _face(self, at: int, face: interface_t, parts: list[bytes]) -> int:
        """Its number among those that were written."""
        key = (at, face.linktype, face.mac, face.ip, _name(face))
        if key not in self.faces:
            self.faces[key] = len(self.faces)
            options = option(IF_TSRESOL, b"\x09")
            if name := _name(face):
                options += option(IF_NAME, self.words(name).encode()[:15])
            if face.mac:
                options += option(IF_MAC, self.made.mac(face.mac).to_bytes(6, "big"))
            if face.ip:
                options += option(IF_IPV4, self.made.v4(face.ip).to_bytes(4, "big") + b"\xff\xff\xff\xff")
            parts.append(block(IDB, struct.pack("<HHI", face.linktype, 0, 0) + options + bytes(4)))
        return self.faces[key]

    def _hide(self, data: bytearray, link: int, length: int) -> int:
        """What it changes in the hash by which the card steers."""
        at = _addresses(data) if self.steering is not None and link == Link.ETHERNET else None
        before = bytes(data[at]) if at is not None else b""
        self.frames.hide(data, link, length)
        return self.steering(before, bytes(data[at])) if at is not None and self.steering is not None else 0

    def pieces(self, path: str) -> Iterator[bytes]:
        """Of the pcapng.  path: a capture or a case with one."""
        reading = Reading(Source(path))
        try:
            yield from self._pieces(reading)
            self.problem = reading.problem
        finally:
            reading.close()

    def _pieces(self, reading: Reading) -> Iterator[bytes]:
        s = reading.s
        parts, size, last = [SECTION], 0, 0
        while True:
            why = capture_record(s, reading.addr)
            if why != Scan.RECORD:
                if why == Scan.MORE and reading.more():
                    continue
                reading.ended(why)
                break
            if s.rec_if >= s.ninterface:
                continue
            face = s.interfaces[s.rec_if]
            data = bytearray(reading.view[s.rec_at:s.rec_at + s.rec_caplen])
            length, fcs = int(s.rec_len), int(face.fcs)
            if fcs:
                length -= fcs
                del data[max(length, 0):]
            steer = self._hide(data, face.link, length)
            last = s.rec_ts if s.rec_has_ts else last
            flags = 1 if s.rec_way == Way.IN else 2 if s.rec_way == Way.OUT else 0
            n = self._face(s.rec_if, face, parts)
            tail = STEER.pack(EPB_STEER, 8, STEER_MAGIC.to_bytes(4, "big"), steer) if steer else b""
            tail += FLAGS.pack(EPB_FLAGS, 4, flags) if flags else b""
            tail += bytes(4) if tail else b""
            body = -len(data) % 4
            whole = 32 + len(data) + body + len(tail)
            head = HEAD.pack(EPB, whole, n, last >> 32 & 0xFFFFFFFF, last & 0xFFFFFFFF, len(data), max(length, 0))
            parts += (head, bytes(data), bytes(body), tail, struct.pack("<I", whole))
            self.records += 1
            size += whole
            if size > PIECE:
                yield b"".join(parts)
                parts, size = [], 0
        yield b"".join(parts)
