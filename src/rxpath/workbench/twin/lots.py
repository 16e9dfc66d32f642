"""The last seconds of the mirrored traffic as bytes of a capture: what head-room is tried on and what a case of the worst seconds holds.

The mirror hands over every byte that it gives to the reader; the reader says after each load where a record ends and when it came.  Never
more than MOST bytes are kept."""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MOST = 16 << 20
HEAD_MOST = 1 << 20                                         # of a capture: what stands before its first record
GAP_NS = 20_000_000                                         # between two places at which a lot may begin
MARKS = 4096
SHB, PACKETS = 0x0A0D0D0A, (2, 3, 6)                        # of pcapng: a section's head; blocks with a packet
PCAP_HEAD = 24


@dataclass(frozen=True, slots=True)
class Lot:
    """A capture.  began, ended: virtual time of what it holds; records: in it."""
    data: bytes
    records: int
    began: int
    ended: int

    @property
    def seconds(self) -> float:
        return (self.ended - self.began) / 1e9


class Lots:
    """take() every byte, mark() where records end, cut() a lot."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.chunks: deque[tuple[int, bytes]] = deque()     # (where it begins in the stream, its bytes)
        self.kept, self.end = 0, 0
        self.marks: deque[tuple[int, int, int]] = deque(maxlen=MARKS)       # (virtual time, where, records before)
        self.first = bytearray()                            # of the stream, until its head is known
        self.head: bytes | None = None
        self.began = 0                                      # virtual time of the first record

    def take(self, data: memoryview) -> None:
        piece = bytes(data)
        if self.head is None and len(self.first) < HEAD_MOST:
            self.first += piece[:HEAD_MOST - len(self.first)]
        self.chunks.append((self.end, piece))
        self.end += len(piece)
        self.kept += len(piece)
        while self.kept > self.most and len(self.chunks) > 1:
            self.kept -= len(self.chunks.popleft()[1])

    def mark(self, t: int, at: int, records: int) -> None:
        """The reader has come to `at` of the stream: all before is of frames up to t."""
        if self.head is None:
            self.head = head_of(self.first)
            self.first = bytearray()
            self.marks.append((self.began, len(self.head), 0))
        if len(self.marks) > 1 and t - self.marks[-2][0] < GAP_NS:
            self.marks[-1] = t, at, records
        elif at > self.marks[-1][1]:
            self.marks.append((t, at, records))

    def cut(self, since: int, records: int) -> Lot | None:
        """From that virtual time on, but no more than so many records; None: there is nothing."""
        if not self.chunks or len(self.marks) < 2 or not self.head:
            return None
        oldest, (ended, end, last) = max(self.chunks[0][0], len(self.head)), self.marks[-1]
        found = next((mark for mark in self.marks if mark[0] >= since and mark[1] >= oldest and last - mark[2] <= records), None)
        if found is None or found[2] >= last:
            return None
        began, at, n = found
        parts = [self.head]
        for begin, piece in self.chunks:
            if begin + len(piece) > at and begin < end:
                parts.append(piece[max(at - begin, 0):end - begin])
        return Lot(b"".join(parts), last - n, began, ended)


def head_of(data: bytes | bytearray) -> bytes:
    """What stands before the first record of a capture."""
    if int.from_bytes(data[:4], "little") != SHB:
        return bytes(data[:PCAP_HEAD])
    order = "big" if int.from_bytes(data[8:12], "big") == 0x1A2B3C4D else "little"
    at = 0
    while at + 8 <= len(data):
        kind, size = (int.from_bytes(data[at + k:at + k + 4], order) for k in (0, 4))   # type: ignore[arg-type]
        if kind in PACKETS or size < 12:
            break
        at += size
    return bytes(data[:at])
