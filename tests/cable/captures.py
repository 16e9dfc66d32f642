"""Captures built byte by byte, the shared ones, and what the reader made of one."""
import itertools
import os
import pathlib
import struct
from typing import Any

import pytest

from rxpath import boot
from rxpath._compile import mem_at
from rxpath.abi.limits import NFEED
from rxpath.cable.capture import Capture
from rxpath.vtime import engine


def shared_folder() -> pathlib.Path | None:
    """shared/data/captures: RXPATH_SHARED, or `shared` beside the checkout or one of the folders above it."""
    for d in [os.environ.get("RXPATH_SHARED", ""), *(str(p / "shared") for p in pathlib.Path(__file__).resolve().parents)]:
        folder = pathlib.Path(d) / "data" / "captures"
        if d and folder.is_dir():
            return folder
    return None


def shared_captures(*kinds: str) -> list[pathlib.Path]:
    """Every file of these kinds there, without kinds real and odd ones."""
    folder = shared_folder()
    return sorted(f for kind in kinds or ("real", "odd") if folder for f in (folder / kind).iterdir())


def shared_capture(name: str) -> pathlib.Path:
    """One of the captures in which a fault was seen; skips where they are not."""
    found = next((p for p in shared_captures("faults") if p.name == name), None)
    return found or pytest.skip("no shared/data/captures/faults above this checkout, and RXPATH_SHARED is not set")


needs_shared = pytest.mark.skipif(not shared_captures(), reason="no shared/data/captures above this checkout, and RXPATH_SHARED is not set")


# ---------------------------------------------------------------- writers
def pcap(records: list[tuple[float | int, bytes, int]], linktype: int = 1, order: str = "<", nano: bool = True, magic: int | None = None,
         version: tuple[int, int] = (2, 4)) -> bytes:
    """(ns, bytes, length on the wire) each."""
    m = magic or (0xA1B23C4D if nano else 0xA1B2C3D4)
    out = bytearray(struct.pack(order + "IHHiIII", m, *version, 0, 0, 65535, linktype))
    for t, data, length in records:
        t = int(t)
        frac = t % 10**9 // (1 if nano else 1000)
        out += struct.pack(order + "IIII", t // 10**9, frac, len(data), length)
        if m == 0xA1B2CD34:
            out += struct.pack(order + "IHBB", 1, 0x0800, 0, 0)
        out += data
    return bytes(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    n = len(body) + 12
    return struct.pack(order + "II", kind, n) + body + struct.pack(order + "I", n)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def shb(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def idb(linktype: int = 1, snaplen: int = 0, options: bytes = b"", order: str = "<") -> bytes:
    return block(1, struct.pack(order + "HHI", linktype, 0, snaplen) + options, order)


def epb(ticks: int, data: bytes, length: int | None = None, face: int = 0, options: bytes = b"", order: str = "<") -> bytes:
    head = struct.pack(order + "IIIII", face, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data) if length is None else length)
    return block(6, head + data + bytes(-len(data) % 4) + options, order)


# ---------------------------------------------------------------- reading
class Read:
    """What came onto the cable: (t, bytes, length, frame id, flags) of each frame; counts; notes."""

    def __init__(self, path: Any, plain: bool = False, **options: Any) -> None:
        b = boot.Booted(nskb=64, plain=plain)
        b.call(engine.vtime_init)(b.net, 1, 1, 0)
        ring = b.net.ring[0]
        self.frames: list[tuple[int, bytes, int, int, int]] = []
        capture = Capture(path, plain=plain, **options)
        self.progress: list[float] = []
        try:
            capture.attach(b.net)
            mem: Any = mem_at(b.net.feed_addr)
            rounds = 0
            while capture.load():
                for i in range(ring.feed_head, ring.feed_tail):
                    a = b.net.feed[0][i & NFEED - 1]
                    assert a.t < capture.until
                    self.frames.append((a.t, bytes(mem[a.offset:a.offset + a.caplen]), a.len, a.frame, a.flags))
                ring.feed_head = ring.feed_tail
                self.progress.append(capture.progress()[0])
                rounds += 1
                assert rounds < 10_000
            self.counts, self.notes = capture.counts(), capture.notes()
            self.capture = capture
        finally:
            capture.close()
        assert self.counts["records"] - self.counts["merged"] + self.counts["segments"] \
            == self.counts["offered"] + self.counts["not_offered"], self.counts
        assert len(self.frames) == self.counts["offered"] == b.net.offered
        times = [f[0] for f in self.frames]
        assert all(x < y for x, y in itertools.pairwise(times)), "times only grow"
