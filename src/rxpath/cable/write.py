"""Write captures: for benches, tests, and whoever wants frames of a generator in a file.  pcap with nanoseconds, little-endian."""
import os
import struct
from collections.abc import Iterable

HEADER = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")


def write_pcap(path: str | os.PathLike[str], frames: Iterable[tuple[int, bytes]], *, linktype: int = 1, snaplen: int = 262144) -> int:
    """(ns since the epoch, frame) each; frames longer than snaplen are cut.  Returns how many."""
    n, parts, size = 0, [HEADER.pack(0xA1B23C4D, 2, 4, 0, 0, snaplen, linktype)], 0
    with open(path, "wb") as f:
        for t, frame in frames:
            data = frame[:snaplen]
            parts += (RECORD.pack(t // 1_000_000_000, t % 1_000_000_000, len(data), len(frame)), data)
            n, size = n + 1, size + len(data)
            if size > 1 << 20:
                f.write(b"".join(parts))
                parts, size = [], 0
        f.write(b"".join(parts))
    return n


def write_repeated(path: str | os.PathLike[str], frames: list[bytes], count: int, gap_ns: int, *, start_ns: int = 0) -> int:
    """`count` frames, those given in turn, gap_ns apart: a million in half a second.  Returns the file's size."""
    pack, heads = RECORD.pack, [(len(f), f) for f in frames]
    with open(path, "wb") as f:
        f.write(HEADER.pack(0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        t, i = start_ns, 0
        while i < count:
            parts = []
            for _ in range(min(8192, count - i)):
                n, frame = heads[i % len(heads)]
                parts.append(pack(t // 1_000_000_000, t % 1_000_000_000, n, n))
                parts.append(frame)
                t, i = t + gap_ns, i + 1
            f.write(b"".join(parts))
        return f.tell()
