"""Where a twin's frames come from: a card, by a packet socket that only looks, or a capture on standard input that is still being written.

Both are what cable/source.py calls a source, with two differences: it may be dry - nothing more for now, which is not the end - and one
can wait for it."""
from __future__ import annotations

import fcntl
import os
import select
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable

from rxpath.backends.face import BackendError
from rxpath.backends.packet import Packet
from rxpath.cable.ring_source import Blocks
from rxpath.cable.source import CaptureError, Source
from rxpath.workbench.readings.live.recorder import LINKTYPES
from rxpath.workbench.words.mistakes import BadInput

BLOCKS, RETIRE_MS = 64, 20                                  # 16 MiB: half a second of 200,000 frames a second
SNAP = 128                                                  # bytes of each frame: all headers, and RSS needs no more
WAIT_S = 0.2                                                # between two looks at Ctrl-C
SIOCGIFHWADDR = 0x8927
Copied = Callable[[memoryview], None] | None                # told of every byte that is read


class CardMirror(Source):
    """A device's frames, and those that the host sends, as a pcapng.  Nothing of the device is changed: it is not made promiscuous."""

    def __init__(self, device: str, snap: int = SNAP) -> None:
        try:
            self.packet = Packet(device, promiscuous=False, mirror=snap, blocks=BLOCKS, retire_ms=RETIRE_MS)
        except BackendError as error:
            raise BadInput(error.strerror or str(error)) from None
        self.name, self.problem, self.raw_bytes, self.total, self.seekable, self.kept_all = device, "", 0, 0, False, False
        self.dry = False
        self.copied: Copied = None
        self.missed_before = 0
        kind, self.mac = _hardware(device)
        said = {"name": device, "linktype": LINKTYPES.get(kind, 0), "mac": self.mac}
        try:
            self.blocks = Blocks({"devices": [said]}, device)
        except CaptureError as error:
            self.packet.close()
            raise BadInput(str(error)) from None

    def read_into(self, view: memoryview) -> int:
        self.dry = False
        n = self.blocks.give(view)
        while n == 0:
            try:
                block = self.packet.take_block()
            except BackendError as error:
                self.problem = (error.strerror or str(error)).removeprefix(f"{self.name}: ")
                return 0
            if block is None:
                self.problem = "the device went down" if self.packet.down else ""
                self.dry = not self.problem
                return 0
            self.blocks.memory_view[:len(block)] = block
            self.blocks.take(len(block), 0)
            self.packet.give_back()
            n = self.blocks.give(view)
        self.raw_bytes += n
        if self.copied is not None:
            self.copied(view[:n])
        return n

    def begin(self) -> None:
        """What has come until now is left out."""
        while self.packet.take_block() is not None:
            self.packet.give_back()
        self.missed_before = self.packet.statistics().lost["tp_drops"]

    def wait(self, seconds: float) -> None:
        """Until there are frames, or so long."""
        if self.blocks.begin == self.blocks.end and not self.blocks.r.left:
            self.packet.wait(seconds)

    @property
    def missed(self) -> int:
        """Frames for which the mirror's own ring had no room."""
        return self.packet.statistics().lost["tp_drops"] - self.missed_before

    def rewind(self) -> bool:
        return False

    def close(self) -> None:
        self.blocks.close()
        self.packet.close()


class PipeMirror(Source):
    """A capture on standard input: what `tcpdump -U -w -` writes, or a file.  It is read like any other and can be given back once, so that
    the receiver can be found by what comes until `until`; after live() nobody waits in read_into().  stop: asked while somebody waits."""

    missed = 0

    def __init__(self, stop: Callable[[], bool]) -> None:
        self.stop, self.goes_on, self.until = stop, False, 0.0
        self.copied: Copied = None
        try:
            self.descriptor = sys.stdin.fileno()
            terminal = os.isatty(self.descriptor)
        except (AttributeError, OSError, ValueError):
            raise BadInput("twin -: standard input is closed") from None
        if terminal:
            raise BadInput("twin -: standard input is a terminal: ssh web1 tcpdump -i eth0 -U -s 128 -w - | rxpath twin -")
        super().__init__(f"/proc/self/fd/{self.descriptor}" if stat.S_ISREG(os.fstat(self.descriptor).st_mode) else "-")
        self.name = "standard input"

    def live(self) -> None:
        """From now on it is read for good."""
        self.goes_on = True
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _raw(self, n: int) -> bytes:
        if self.goes_on:
            self.dry = not self._ready(0)
        else:
            while not (ready := self._ready(WAIT_S)) and (not self.until or time.monotonic() < self.until):
                if self.stop():
                    raise KeyboardInterrupt
            self.dry = not ready
        return b"" if self.dry else super()._raw(n)

    def read_into(self, view: memoryview) -> int:
        self.dry = False
        n = super().read_into(view)
        if n:
            self.dry = False
            if self.copied is not None and self.goes_on:
                self.copied(view[:n])
        elif self.dry:                                      # the middle of a gzip file is not its end
            self.problem = ""
        return n

    def _ready(self, seconds: float) -> bool:
        """Would a read return at once?  read1() leaves nothing in Python's own buffer, so that the descriptor knows."""
        kept = getattr(self._file, "spool", None)
        if kept is not None:                                # what was given back
            at = kept.tell()
            more = bool(kept.read(1))
            kept.seek(at)
            if more:
                return True
        return bool(select.select([self.descriptor], [], [], seconds)[0])

    def wait(self, seconds: float) -> None:
        """Until there are bytes, or so long."""
        if not self._head and not self._packed:
            self._ready(seconds)


def _hardware(device: str) -> tuple[int, str]:
    """(ARPHRD_..., MAC) of a device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            answer = fcntl.ioctl(s, SIOCGIFHWADDR, struct.pack("16s24x", device.encode()))
        except OSError as error:
            raise BadInput(f"{device}: {error.strerror}") from None
    return struct.unpack_from("H", answer, 16)[0], answer[18:24].hex(":")


def now_ns() -> int:
    """CLOCK_REALTIME, which stamps frames."""
    return time.time_ns()
