"""What every back end has: a batch of frames is pulled into memory of the caller, frames are transmitted, and its own losses are counted.

    batch = Batch(memoryview(bytearray(64 * 2048)), room=2048)
    with Tap("tap0") as tap:
        while tap.wait():
            for frame in batch.frames(tap.pull(batch)):
                ...

Called by walltime/live.py, which lends the path's memory, and by who uses a back end alone."""
import select
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

CSUM_NOT_READY, CSUM_VALID = 1, 2                    # flags of a frame: see Batch
WORDS = 3                                            # of a row of Batch.table


class Batch:
    """Room for frames.  memory: writable bytes; room: what each frame has of them; table: rows of three 64-bit words for each frame that
    pull() has brought - offset in memory, bytes, flags: CSUM_NOT_READY (its sender left the checksum to a device that was never there),
    CSUM_VALID (somebody has verified it)."""

    def __init__(self, memory: memoryview, room: int, at: int = 0, most: int | None = None, table: Any = None) -> None:
        self.memory, self.room, self.at = memory, room, at
        self.most = (len(memory) - at) // room if most is None else most
        if room < 64 or self.most < 1 or at + self.most * room > len(memory):
            raise ValueError(f"{len(memory):,} bytes of memory from {at:,} on do not hold {max(self.most, 1)} frames of {room:,} bytes")
        self.table = memoryview(bytearray(8 * WORDS * self.most) if table is None else table).cast("B").cast("q")
        self.views = [memory[at + k * room:at + (k + 1) * room] for k in range(self.most)]

    def put(self, k: int, length: int, flags: int = 0) -> None:
        """Frame k lies in views[k]."""
        i = WORDS * k
        self.table[i], self.table[i + 1], self.table[i + 2] = self.at + k * self.room, length, flags

    def frames(self, n: int) -> Iterator[memoryview]:
        """The first n frames: views, which the next pull() writes over."""
        for i in range(0, WORDS * n, WORDS):
            yield self.memory[self.table[i]:self.table[i] + self.table[i + 1]]


@dataclass(frozen=True)
class Capabilities:
    """What a back end can.  max_frame: bytes of the longest frame it brings; queues: of the device, as far as it says; ethernet: frames
    have a header of 14 bytes; zero_copy: the device writes into memory that the program sees."""
    max_frame: int
    queues: int = 1
    ethernet: bool = True
    zero_copy: bool = False


@dataclass
class Statistics:
    """Frames and bytes in either direction since the back end was opened.  tx_refused: frames that transmit() could not hand over.  lost:
    what was lost before pull() could see it, by the name of its counter."""
    rx_frames: int = 0
    rx_bytes: int = 0
    tx_frames: int = 0
    tx_bytes: int = 0
    tx_refused: int = 0
    lost: dict[str, int] = field(default_factory=dict)


class BackendError(OSError):
    """A back end cannot be opened, or its device is gone; the text says what is missing."""


class Backend(ABC):
    """One queue of one device.  silent_end: its descriptor does not wake who sleeps on it when the device goes; pull() says it."""
    silent_end = False

    def __init__(self) -> None:
        self._counted = Statistics()
        self.counts: Callable[[Statistics], None] | None = None              # of who takes its frames by other means than pull()

    @property
    def counted(self) -> Statistics:
        """What has come and gone, without what was lost."""
        if self.counts is not None:
            self.counts(self._counted)
        return self._counted

    @abstractmethod
    def fileno(self) -> int:
        """Readable when there is a frame."""

    @abstractmethod
    def pull(self, batch: Batch) -> int:
        """Frames into the batch, without waiting; how many.  BackendError: the device is gone."""

    @abstractmethod
    def transmit(self, frames: Iterable[bytes]) -> int:
        """How many were handed over; the others are counted as tx_refused.  BackendError: the device is gone."""

    def _send(self, frames: Iterable[bytes], send: Callable[[bytes], int], failed: Callable[[OSError], None] | None = None) -> int:
        """transmit() of a descriptor that takes a frame a call.  failed: raises BackendError where an error says that the device is gone;
        any other refuses the frame."""
        n, c = 0, self.counted
        for frame in frames:
            try:
                c.tx_bytes += send(frame)
                n += 1
            except OSError as error:
                if failed is not None:
                    failed(error)
                c.tx_refused += 1
        c.tx_frames += n
        return n

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @abstractmethod
    def statistics(self) -> Statistics: ...

    @abstractmethod
    def close(self) -> None: ...

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until there is a frame, or so long.  Is there one?"""
        p = select.poll()
        p.register(self.fileno(), select.POLLIN)
        return bool(p.poll(None if seconds is None else seconds * 1000))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
