"""AF_XDP: net/xdp/xsk.c, Documentation/networking/af_xdp.rst.  Frames of one queue of a device, before the kernel's stack sees them.

    with Xdp("veth0") as device:
        device.wait()
        for frame in batch.frames(device.pull(batch)):
            ...

The program that hands the queue's frames to the socket is built in memory (bpf.py) and attached as a link: it goes with the process.  All
frames of the queue come to us and none to the kernel.  UMEM: 4096 chunks of 4096 bytes, half of them for receiving.  Without a driver
that can, frames are copied (XDP_COPY), whatever was asked for.

Nothing says that a sender left a checksum to its device: what a veth brings from the same machine has only the sum of the pseudo header,
unless its other end computes it (`ethtool -K veth1 tx off`).  The order of loads and stores is x86's."""
import ctypes
import errno
import mmap
import os
import socket
import struct
import time
from collections.abc import Iterable

from . import bpf
from .face import Backend, BackendError, Batch, Capabilities, Statistics
from .tap import mtu_of

AF_XDP, SOL_XDP = 44, 283
XDP_MMAP_OFFSETS, XDP_RX_RING, XDP_TX_RING, XDP_UMEM_REG, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_STATISTICS = 1, 2, 3, 4, 5, 6, 7
PGOFF_RX, PGOFF_TX, PGOFF_FILL, PGOFF_COMPLETION = 0, 0x80000000, 0x100000000, 0x180000000
XDP_COPY, XDP_ZEROCOPY = 2, 4
CHUNK, CHUNKS, RING = 4096, 4096, 2048
DESC = struct.Struct("=QII")                         # struct xdp_desc: address in the UMEM, bytes, options
QUEUES_MOST = 64
FREED_AFTER = 1.0                                    # seconds, at most
COUNTERS = ("rx_dropped", "rx_invalid_descs", "tx_invalid_descs", "rx_ring_full", "rx_fill_ring_empty_descs", "tx_ring_empty_descs")
LOSSES = (0, 1, 3)                                   # of them: frames; the others are descriptors and moments
WHY = {errno.EPERM: "CAP_NET_RAW, CAP_BPF and CAP_NET_ADMIN are needed (sudo)", errno.EBUSY: "another program or socket has that queue",
       errno.EAFNOSUPPORT: "this kernel has no AF_XDP", errno.EINVAL: "there is no such queue",
       errno.ENOBUFS: "locked memory is short (ulimit -l)"}


class Ring:
    """One of the four rings.  units: words of an entry, 8 bytes each."""

    def __init__(self, fd: int, offset: int, said: tuple[int, ...], entry: int) -> None:
        producer, consumer, self.desc, _ = said
        self.map = mmap.mmap(fd, self.desc + RING * entry, offset=offset)
        self.words, self.longs = memoryview(self.map).cast("I"), memoryview(self.map).cast("Q")
        self.producer, self.consumer = producer >> 2, consumer >> 2
        self.entry = entry

    def close(self) -> None:
        self.words.release()
        self.longs.release()
        self.map.close()


class Attached:
    """The program and its map on one device: they live as long as one of its sockets."""

    def __init__(self, name: str, index: int) -> None:
        self.users, self.fds = 0, []
        try:
            self.map = bpf.xskmap(QUEUES_MOST)
            self.fds.append(self.map)
            program = bpf.redirect_program(self.map)
            self.fds.append(program)
            link, self.in_driver = bpf.attach(program, index)
            self.fds.append(link)
        except OSError as error:
            self.close()
            raise BackendError(error.errno, f"{name}: an XDP program: {WHY.get(error.errno or 0, error.strerror)}") from None

    def close(self) -> None:
        for fd in reversed(self.fds):
            os.close(fd)
        self.fds = []


class Xdp(Backend):
    """One queue of a device.  zero_copy: ask for it; capabilities says what came of it."""
    silent_end = True                                # xsk_poll() has no EPOLLERR

    def __init__(self, name: str, queue: int = 0, zero_copy: bool = False, attached: Attached | None = None) -> None:
        super().__init__()
        self.name, self.queue = name, queue
        try:
            self.index = socket.if_nametoindex(name)
        except OSError:
            raise BackendError(errno.ENODEV, f"{name}: no such device") from None
        self.mtu = mtu_of(name)
        if self.mtu + 18 > CHUNK - 256:
            raise BackendError(errno.EINVAL, f"{name}: an MTU of {self.mtu:,} does not fit a chunk of {CHUNK:,} bytes")
        try:
            self.socket = socket.socket(AF_XDP, socket.SOCK_RAW, 0)
        except OSError as error:
            raise BackendError(error.errno, f"{name}: {WHY.get(error.errno or 0, error.strerror)}") from None
        self.rings: list[Ring] = []
        self.cut = 0                                 # frames longer than the room that the batch has for one
        try:
            self._set_up(zero_copy)
            self.attached = Attached(name, self.index) if attached is None else attached
            bpf.map_update(self.attached.map, queue, self.socket.fileno())
        except BackendError:
            self._close()
            raise
        except OSError as error:
            self._close()
            raise BackendError(error.errno, f"{name}, queue {queue}: {WHY.get(error.errno or 0, error.strerror)}") from None
        self.attached.users += 1

    @classmethod
    def open_queues(cls, name: str, n: int, zero_copy: bool = False) -> list["Xdp"]:
        """Queues 0 to n - 1, under one program."""
        first = cls(name, 0, zero_copy)
        return [first, *(cls(name, q, zero_copy, first.attached) for q in range(1, n))]

    def _set_up(self, zero_copy: bool) -> None:
        s = self.socket
        self.umem = mmap.mmap(-1, CHUNK * CHUNKS)
        self.bytes = memoryview(self.umem)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.umem))
        s.setsockopt(SOL_XDP, XDP_UMEM_REG, struct.pack("=QQIIII", address, CHUNK * CHUNKS, CHUNK, 0, 0, 0))
        for ring in (XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING):
            s.setsockopt(SOL_XDP, ring, RING)
        said = struct.unpack("=16Q", s.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
        fd = s.fileno()
        self.rx, self.tx = Ring(fd, PGOFF_RX, said[0:4], 16), Ring(fd, PGOFF_TX, said[4:8], 16)
        self.fill, self.completion = Ring(fd, PGOFF_FILL, said[8:12], 8), Ring(fd, PGOFF_COMPLETION, said[12:16], 8)
        self.rings = [self.rx, self.tx, self.fill, self.completion]
        for k in range(RING):
            self.fill.longs[(self.fill.desc >> 3) + k] = k * CHUNK
        self.fill.words[self.fill.producer] = RING
        self.free = [k * CHUNK for k in range(RING, CHUNKS)]     # chunks to send from
        self.zero_copy = zero_copy and self._bind(XDP_ZEROCOPY)
        if not self.zero_copy and not self._bind(XDP_COPY):
            raise OSError(errno.EOPNOTSUPP, "the device can do no AF_XDP")

    def _bind(self, flags: int) -> bool:
        """False: the driver cannot do that.  The kernel frees the queue of a closed socket a moment after close(): EBUSY until then."""
        address = struct.pack("=HHIII", AF_XDP, flags, self.index, self.queue, 0)
        until = time.monotonic() + FREED_AFTER
        while bpf.libc.bind(self.socket.fileno(), address, len(address)):
            number = ctypes.get_errno()
            if number != errno.EBUSY or time.monotonic() > until:
                break
            time.sleep(0.01)
        else:
            return True
        if number == errno.EOPNOTSUPP:
            return False
        raise OSError(number, os.strerror(number))

    def fileno(self) -> int:
        return self.socket.fileno()

    def pull(self, batch: Batch) -> int:
        rx, fill = self.rx, self.fill
        at, end, refill = rx.words[rx.consumer], rx.words[rx.producer], fill.words[fill.producer]
        n, total, room = min(end - at & 0xFFFFFFFF, batch.most), 0, batch.room
        put = 0
        for k in range(n):
            address, length, _ = DESC.unpack_from(rx.map, rx.desc + 16 * (at + k & RING - 1))
            if length <= room:
                batch.views[put][:length] = self.bytes[address:address + length]
                batch.put(put, length)
                put += 1
                total += length
            else:
                self.cut += 1
            fill.longs[(fill.desc >> 3) + (refill + k & RING - 1)] = address & ~(CHUNK - 1)
        if n:
            rx.words[rx.consumer] = at + n & 0xFFFFFFFF
            fill.words[fill.producer] = refill + n & 0xFFFFFFFF
        else:
            self.is_it_there()
        self.counted.rx_frames += put
        self.counted.rx_bytes += total
        return put

    def is_it_there(self) -> None:
        """BackendError: no."""
        if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise BackendError(errno.ENODEV, f"{self.name}: the device is gone")

    def transmit(self, frames: Iterable[bytes]) -> int:
        """Frames wait in chunks of the UMEM until the device has sent them; without a free one they are refused."""
        tx, done, c, n = self.tx, self.completion, self.counted, 0
        at, end = done.words[done.consumer], done.words[done.producer]
        while at != end:
            self.free.append(done.longs[(done.desc >> 3) + (at & RING - 1)])
            at = at + 1 & 0xFFFFFFFF
        done.words[done.consumer] = at
        to = tx.words[tx.producer]
        for frame in frames:
            if not self.free or to - tx.words[tx.consumer] & 0xFFFFFFFF >= RING or len(frame) > CHUNK:
                c.tx_refused += 1
                continue
            address = self.free.pop()
            self.bytes[address:address + len(frame)] = frame
            DESC.pack_into(tx.map, tx.desc + 16 * (to & RING - 1), address, len(frame), 0)
            to = to + 1 & 0xFFFFFFFF
            n += 1
            c.tx_bytes += len(frame)
        tx.words[tx.producer] = to
        c.tx_frames += n
        self._kick()
        return n

    def _kick(self) -> None:
        """sendto() without anything: the kernel looks at the ring, 32 frames a call."""
        while self.tx.words[self.tx.consumer] != self.tx.words[self.tx.producer]:
            before = self.tx.words[self.tx.consumer]
            try:
                self.socket.send(b"", socket.MSG_DONTWAIT)
            except OSError as error:
                if error.errno in (errno.ENXIO, errno.ENODEV):
                    raise BackendError(error.errno, f"{self.name}: the device is gone") from None
                if error.errno not in (errno.EAGAIN, errno.EBUSY):
                    return                           # down, or short of memory: the next call tries again
            if self.tx.words[self.tx.consumer] == before:
                return

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.mtu + 18, zero_copy=self.zero_copy)

    def statistics(self) -> Statistics:
        """lost: rx_dropped (no chunk was free, or the frame was too long), rx_invalid_descs, rx_ring_full; cut: longer than the room of a
        frame in the batch."""
        said = struct.unpack("=6Q", self.socket.getsockopt(SOL_XDP, XDP_STATISTICS, 48))
        counted = self.counted
        counted.lost = {COUNTERS[k]: said[k] for k in LOSSES} | {"cut": self.cut}
        return counted

    def close(self) -> None:
        if self.socket.fileno() >= 0:
            self._close()
            self.attached.users -= 1
            if self.attached.users == 0:
                self.attached.close()

    def _close(self) -> None:
        """Ring memory that is mapped holds the queue: it goes first."""
        for ring in self.rings:
            ring.close()
        self.socket.close()
