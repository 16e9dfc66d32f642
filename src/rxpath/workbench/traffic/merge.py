"""Captures merged by time into one, sped up, looped, each loop from other source addresses: `rxpath generate --merge`.

Each capture begins at 0, so that loads add up; mergecap merges by the clock.  Frames of cooked captures get an Ethernet header."""
from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterator

from rxpath.abi.capture import Scan
from rxpath.cable.capture import SPEED_UNIT
from rxpath.cable.reading import Reading
from rxpath.cable.receiver import infer_receiver
from rxpath.cable.scan import capture_next
from rxpath.cable.source import Source
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.pcap_out import EPOCH, write
from rxpath.workbench.words.mistakes import BadInput

RECORD = struct.Struct("<IIII")
PIECE = 1 << 20
FILES_MAX = 64


class File:
    """One capture, read `loop` times: (ns from the start, bytes, length on the wire) of each frame."""

    def __init__(self, path: str, speed: float, loop: int, fresh: bool) -> None:
        mac = infer_receiver(path).mac
        self.reading, self.path, self.loop, self.fresh = Reading(Source(path)), path, loop, fresh
        s = self.reading.s
        s.speed_num, s.speed_den, s.mac = round(speed * SPEED_UNIT), SPEED_UNIT, mac
        self.done = 0

    def frames(self) -> Iterator[tuple[int, bytes, int]]:
        r, s = self.reading, self.reading.s
        for n in range(self.loop):
            if n:
                s.clock += max(s.clock // max(s.rec - s.rec_base - 1, 1) // n, 1000)     # between readings: as between records
                r.again()
                s.fresh = n if self.fresh else 0
            while True:
                why = capture_next(s, r.addr)
                if why == Scan.RECORD:
                    yield s.clock, bytes(r.view[s.rec_at:s.rec_at + s.rec_caplen]), s.rec_len
                elif why != Scan.MORE or not r.more():
                    r.ended(why)
                    break
            self.done = n + 1
        self.close()

    def share(self) -> float:
        src = self.reading.source
        return min((self.done + (src.raw_bytes / src.total if src.total and self.done < self.loop else 0)) / self.loop, 1.0)

    def close(self) -> None:
        self.reading.close()


def check(files: list[str], speed: float, loop: int) -> None:
    if not 0.0001 <= speed <= 1_000_000:
        raise BadInput(f"--speed {speed:g}: from 0.0001 to 1000000")
    if not 1 <= loop <= 65535:
        raise BadInput(f"--loop {loop}: 1 to 65535")
    if len(files) > FILES_MAX:
        raise BadInput(f"--merge: {len(files)} captures: at most {FILES_MAX}")
    if "-" in files:
        raise BadInput("--merge -: standard input cannot be read twice, and its receiver has to be found: save it to a file")


def merge(files: list[str], out: str | None, *, speed: float = 1.0, loop: int = 1, fresh: bool = False,
          progress: Callable[[float, int], None] | None = None, stop: Callable[[], bool] | None = None) -> tuple[int, int, int]:
    """Write them; (frames, bytes, ns from the first to the last)."""
    check(files, speed, loop)
    opened = [File(traffic.find(name), speed, loop, fresh) for name in files]
    seen = {"frames": 0, "last": 0}

    def pieces() -> Iterator[bytes]:
        parts: list[bytes] = []
        size = 0
        for t, data, length in heapq.merge(*(f.frames() for f in opened), key=lambda item: item[0]):
            seen["frames"], seen["last"] = seen["frames"] + 1, t
            at = t + EPOCH
            parts += (RECORD.pack(at // 1_000_000_000, at % 1_000_000_000, len(data), length), data)
            size += 16 + len(data)
            if size > PIECE:
                yield b"".join(parts)
                parts, size = [], 0
                if progress is not None:
                    progress(sum(f.share() for f in opened) / len(opened), seen["frames"])
                if stop is not None and stop():
                    break
        yield b"".join(parts)

    try:
        written = write(out, pieces())
    finally:
        for file in opened:
            file.close()
    return seen["frames"], written, seen["last"]

