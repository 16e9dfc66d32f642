"""The capture of a case as a stream of bytes that source.py reads like a file: a pcap or pcapng member as it is, or the blocks of packet
sockets' rings (tpacket.py) as a pcapng that is made on the way, block by block.  Memory does not depend on its length."""
import os
import struct
import zipfile
import zlib
from typing import IO, Any

from .._compile import forget, new, pages, region
from ..abi.tpacket import ring_block_t
from .case_file import CaseFile
from .errors import CaptureError
from .pcapng import BYTE_ORDER_MAGIC, IDB, IF_MAC, IF_NAME, IF_TSRESOL, SHB
from .tpacket import ring_block, ring_records

BLOCKS_NAME = ".blocks"                         # how a member ends that has blocks of rings
HEAD = struct.Struct("<4sHHI")                  # b"RXBK", number of the device, 0, bytes that follow
MAGIC = b"RXBK"
BLOCK_MOST = 4 << 20
_RIGHT: set[tuple[object, ...]] = set()         # stored captures that were read whole, and have the sum that the zip says
OUT = 4 << 20                                   # bytes of records at a time


class CaseCapture:
    """readinto(view): 0 at its end; `problem` says if that was too early.  total: bytes of the member; done: those that were read."""

    def __init__(self, case: CaseFile) -> None:
        said = case.manifest.get("capture")
        name = said.get("file") if isinstance(said, dict) else None
        if not isinstance(name, str) or not isinstance(said, dict):
            why = case.manifest.get("no_capture")
            raise CaptureError(f"{case.name}: a case without a capture" + (f" ({why[:200]})" if isinstance(why, str) and why else "")
                               + ": rxpath whatif answers from its counters, rxpath doctor says what was lost")
        if name not in case.infos:
            raise CaptureError(f"{case.name}: its capture {name[:80]} is not in it")
        self.problem, self.done = "", 0
        self.head = memoryview(bytearray(HEAD.size))
        self.total = case.infos[name].file_size
        self.stored = case.stored(name)
        self.left, self.crc, self.right = self.total, 0, case.infos[name].CRC       # of a stored member
        self.known: tuple[object, ...] = ()
        if self.stored is not None:
            state = os.fstat(self.stored.fileno())
            self.known = (state.st_dev, state.st_ino, state.st_mtime_ns, name, self.right)
        self.stream: IO[bytes] = self.stored or case.stream(name)
        self.blocks = Blocks(said, case.name) if name.endswith(BLOCKS_NAME) else None

    def readinto(self, view: memoryview) -> int:
        try:
            n = self._plain(view) if self.blocks is None else self._of_blocks(self.blocks, view)
        except (zipfile.BadZipFile, EOFError, zlib.error, ValueError, OSError, RuntimeError) as error:      # zipfile's, of damaged data
            self.problem = f"the case is damaged: {' '.join(str(error).split())[:160]}"
            return 0
        return n

    def _plain(self, view: memoryview) -> int:
        return self._read_into(view)

    def _read_into(self, view: memoryview) -> int:
        """As much as there is, up to all of view."""
        n = 0
        if self.stored is not None:
            view = view[:self.left]
            while n < len(view) and (got := self.stored.readinto(view[n:])):       # type: ignore[attr-defined]
                n += got
            self.left -= n
            if self.known not in _RIGHT:                    # a run reads it twice: summed up once
                self.crc = zlib.crc32(view[:n], self.crc)
                if self.left == 0 and self.crc == self.right:
                    _RIGHT.add(self.known)
                elif self.left == 0 or n < len(view):
                    why = "it ends early" if self.left else "bytes of the capture are not those that were recorded (CRC-32)"
                    self.problem = f"the case is damaged: {why}"
        else:
            while n < len(view) and (data := self.stream.read(len(view) - n)):
                view[n:n + len(data)] = data
                n += len(data)
        self.done += n
        return n

    def _of_blocks(self, blocks: "Blocks", view: memoryview) -> int:
        """Fills the view, but for what a block brings too much, so that the reader is called once for many blocks."""
        filled = 0
        while filled < len(view):
            n = blocks.give(view[filled:])
            filled += n
            if n:
                continue
            if self.problem:
                break
            got = self._read_into(self.head)
            if got < HEAD.size:
                self.problem = "the recording ends in the middle of a block" if got else blocks.problem()
                break
            magic, face, _, length = HEAD.unpack(self.head)
            if magic != MAGIC or length > BLOCK_MOST:
                self.problem = "what follows is no block of a packet ring"
                break
            got = self._read_into(blocks.memory_view[:length])
            if got < length:
                self.problem = "the recording ends in the middle of a block"
            blocks.take(got, face)
        return filled

    def close(self) -> None:
        self.stream.close()
        if self.blocks is not None:
            self.blocks.close()


class Blocks:
    """One block, and the records that are made of it."""

    def __init__(self, said: dict[str, Any], name: str) -> None:
        """said: a manifest's `capture`, which describes the devices."""
        self.memory, self.made = pages(BLOCK_MOST), pages(OUT)
        self.at, self.into = region(self.memory), region(self.made)
        self.out, self.memory_view = memoryview(self.made), memoryview(self.memory)
        self.r = new(ring_block_t)
        head = header(said, name)
        self.out[:len(head)] = head
        self.begin, self.end = 0, len(head)

    def take(self, length: int, face: int) -> None:
        """The block whose bytes are in memory_view."""
        self.r.face = face
        ring_block(self.r, self.at, length)

    def give(self, view: memoryview) -> int:
        """Bytes of records; 0: a further block is needed."""
        if self.begin == self.end:
            if not self.r.left:
                return 0
            ring_records(self.r, self.at, self.into, OUT)
            self.begin, self.end = 0, self.r.out
        n = min(self.end - self.begin, len(view))
        view[:n] = self.out[self.begin:self.begin + n]
        self.begin += n
        return n

    def problem(self) -> str:
        return f"{self.r.bad:,} blocks of the recording are damaged: their other packets are left out" if self.r.bad else ""

    def close(self) -> None:
        self.out.release()
        self.memory_view.release()
        forget(self.at)
        forget(self.into)


def header(said: dict[str, Any], name: str) -> bytes:
    """Section and interfaces, as the manifest's `capture` describes the devices."""
    devices = said.get("devices")
    if not isinstance(devices, list) or not 0 < len(devices) <= 64 or not all(isinstance(d, dict) for d in devices):
        raise CaptureError(f"{name}: the manifest does not say of which devices the capture is")
    blocks = [struct.pack("<IIIHHqI", SHB, 28, BYTE_ORDER_MAGIC, 1, 0, -1, 28)]
    for device in devices:
        linktype = device.get("linktype")
        if not isinstance(linktype, int) or not 0 < linktype < 1 << 16:
            raise CaptureError(f"{name}: {str(device.get('name', 'a device'))[:32]} has frames of a kind that is not known here")
        options = [(IF_NAME, str(device.get("name", "")).encode()[:15]), (IF_TSRESOL, b"\x09")]
        mac = str(device.get("mac", "")).replace(":", "")
        if len(mac) == 12 and all(c in "0123456789abcdef" for c in mac) and int(mac, 16):
            options.insert(1, (IF_MAC, bytes.fromhex(mac)))
        body = struct.pack("<HHI", linktype, 0, 0)
        for code, value in options:
            body += struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
        body += bytes(4)
        blocks.append(struct.pack("<II", IDB, len(body) + 12) + body + struct.pack("<I", len(body) + 12))
    return b"".join(blocks)
