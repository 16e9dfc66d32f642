"""rxpath.write_capture(): traffic that Python code makes, as a capture for every function and command."""
from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from rxpath.workbench.traffic import pcap_out
from rxpath.workbench.words.mistakes import BadInput

SNAPLEN = 262144                                            # bytes of a frame that readers of pcap take
LAST_NS = (1 << 32) * 1_000_000_000 - pcap_out.EPOCH        # seconds in a pcap have 32 bits
RECORD = struct.Struct("<IIII")


def write_capture(path: str | Path, frames: Iterable[tuple[int, bytes]]) -> int:
    """Write frames as a pcap file with timestamps in ns; returns how many.

    frames  (ns since the first moment, bytes of an Ethernet frame without FCS), in the order of time; a generator is taken one at a time
    A file of that name is replaced when all are written, and stays as it is if something fails.
    Raises BadInput for frames that are out of order or not Ethernet's, and for a file that cannot be written; what a generator raises goes
    through."""
    file = Path(path)
    if not file.name or (file.exists() and not file.is_file()):
        raise BadInput(f"{path}: is not a regular file: give the name of a new one")
    part, counted = f"{file}.{os.getpid()}.part", _Counted()
    try:
        pcap_out.write(part, counted.records(frames))
        os.replace(part, file)
    except OSError as error:                                # of a generator, too: it keeps its kind
        if error.filename != part:
            raise
        raise BadInput(f"{path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)
    return counted.n


class _Counted:
    def __init__(self) -> None:
        self.n, self.last = 0, 0

    def records(self, frames: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
        """A pcap record for each."""
        for item in frames:
            which = f"frame {self.n + 1}"
            if not isinstance(item, (tuple, list)) or len(item) != 2:
                raise BadInput(f"{which}: must be a pair (ns, bytes)")
            t, frame = item
            if not isinstance(t, int) or isinstance(t, bool) or not 0 <= t < LAST_NS:
                raise BadInput(f"{which}: time {t!r} is not allowed: whole ns, 0 to {LAST_NS - 1:,}")
            if t < self.last:
                raise BadInput(f"{which}: time {t:,} ns is before the last frame's {self.last:,} ns: sort them")
            if not isinstance(frame, (bytes, bytearray, memoryview)) or not 14 <= len(frame) <= SNAPLEN:
                what = f"{len(frame):,} bytes" if isinstance(frame, (bytes, bytearray, memoryview)) else type(frame).__name__
                raise BadInput(f"{which}: {what} is not allowed: bytes of an Ethernet frame, 14 to {SNAPLEN:,}")
            s, ns = divmod(pcap_out.EPOCH + t, 1_000_000_000)
            self.n, self.last = self.n + 1, t
            yield RECORD.pack(s, ns, len(frame), len(frame)) + bytes(frame)
