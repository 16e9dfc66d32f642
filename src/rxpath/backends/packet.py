"""AF_PACKET with a ring, TPACKET_V3: net/packet/af_packet.c, Documentation/networking/packet_mmap.rst.  Frames of a device that exists
already, block by block from memory that the kernel shares with us.

    with Packet("eth1") as device:
        device.wait()
        for frame in batch.frames(device.pull(batch)):
            ...

The kernel goes on seeing the same frames.  It answers none that are for a MAC address other than the device's (they are OTHERHOST to it),
so a live host on a packet socket has a MAC address of its own, and the socket makes the device promiscuous; both end with the socket,
however the process ends.  The kernel has taken VLAN tags out of frames: they are put back.  A frame that its sender left to a device to
finish (veth, tap) comes with CSUM_NOT_READY; one that was merged or never divided (GRO, TSO) and is longer than the batch's room is cut,
and counted."""
import ctypes
import errno
import mmap
import os
import socket
import struct
from collections.abc import Iterable

from .face import CSUM_NOT_READY, CSUM_VALID, Backend, BackendError, Batch, Capabilities, Statistics
from .tap import mtu_of

SOL_PACKET, ETH_P_ALL = 263, 3
PACKET_ADD_MEMBERSHIP, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION, PACKET_FANOUT, PACKET_IGNORE_OUTGOING = 1, 5, 6, 10, 18, 23
PACKET_MR_PROMISC, TPACKET_V3, PACKET_FANOUT_HASH = 1, 2, 0
SO_ATTACH_FILTER, SO_TIMESTAMPNS, BPF_RET = 26, 35, 6
BLOCK, BLOCKS, FRAME, RETIRE_MS = 1 << 18, 32, 2048, 1
STATUS, NUM_PKTS, FIRST, LENGTH = 8, 12, 16, 20      # of struct tpacket_block_desc
TP_STATUS_USER, TP_STATUS_CSUMNOTREADY, TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID, TP_STATUS_CSUM_VALID = 1, 8, 16, 64, 128
HEADER = struct.Struct("=IIIIIIHHIIH")               # struct tpacket3_hdr: next, s, ns, snaplen, len, status, mac, net, hash, tci, tpid
ETH_P_8021Q, MACS = 0x8100, 12


class Packet(Backend):
    """One packet socket on `name`.  promiscuous: frames for other MAC addresses, too.  fanout: the number of a group of sockets over which
    the kernel spreads flows; open_queues() makes one.  mirror: who only looks: the first so many bytes of each frame, what the host sends
    as well, stamped when the stack got it; take_block() is then the way to them.  blocks, retire_ms: of the ring, each 256 KiB; one that
    is not full is handed over after so long."""

    def __init__(self, name: str, promiscuous: bool = True, fanout: int | None = None, mirror: int | None = None, blocks: int = BLOCKS,
                 retire_ms: int = RETIRE_MS) -> None:
        super().__init__()
        self.name, self.blocks = name, blocks
        try:
            self.index = socket.if_nametoindex(name)
        except OSError:
            raise BackendError(errno.ENODEV, f"{name}: no such device") from None
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError:
            raise BackendError(errno.EPERM, f"{name}: CAP_NET_RAW is missing (sudo)") from None
        try:
            self._set_up(promiscuous, fanout, mirror, retire_ms)
        except OSError as error:
            self.socket.close()
            raise BackendError(error.errno, f"{name}: {error.strerror}") from None
        self.ring = mmap.mmap(self.socket.fileno(), BLOCK * blocks)
        self.words, self.bytes = memoryview(self.ring).cast("I"), memoryview(self.ring)
        self.block, self.at, self.left = 0, 0, 0     # the block that is read, where in it, how many frames are left there
        self._drops, self.cut, self.down = 0, 0, False       # down: the kernel has said so since

    def _set_up(self, promiscuous: bool, fanout: int | None, mirror: int | None, retire_ms: int) -> None:
        s = self.socket
        s.setblocking(False)
        self.mtu = mtu_of(self.name)
        s.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        frames = BLOCK * self.blocks // FRAME
        s.setsockopt(SOL_PACKET, PACKET_RX_RING, struct.pack("=7I", BLOCK, self.blocks, FRAME, frames, retire_ms, 0, 0))
        if mirror is None:
            s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        else:
            s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            cut = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RET, 0, 0, mirror))
            s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(cut)))
        if promiscuous:
            s.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("=iHH8x", self.index, PACKET_MR_PROMISC, 0))
        s.bind((self.name, ETH_P_ALL))
        if fanout is not None:
            s.setsockopt(SOL_PACKET, PACKET_FANOUT, fanout & 0xFFFF | PACKET_FANOUT_HASH << 16)

    @classmethod
    def open_queues(cls, name: str, n: int, promiscuous: bool = True) -> list["Packet"]:
        """n sockets of one fanout group: a flow stays with one of them."""
        group = None if n == 1 else os.getpid() & 0xFFFF
        return [cls(name, promiscuous, group) for _ in range(n)]

    def fileno(self) -> int:
        return self.socket.fileno()

    def pull(self, batch: Batch) -> int:
        n, total, most = 0, 0, batch.most
        while n < most:
            if self.left == 0 and not self.next_block():
                break
            length = self._frame(batch, n)
            if length:
                total += length
                n += 1
        self.counted.rx_frames += n
        self.counted.rx_bytes += total
        if n == 0:
            self.is_it_there()
        return n

    def next_block(self) -> bool:
        """The kernel has given the next block to us, and it has frames: `left` of them, the first at `at`."""
        while self.words[(self.block * BLOCK + STATUS) >> 2] & TP_STATUS_USER:
            base = self.block * BLOCK
            self.left = self.words[(base + NUM_PKTS) >> 2]
            self.at = base + self.words[(base + FIRST) >> 2]
            if self.left:
                return True
            self.give_back()
        return False

    def give_back(self) -> None:
        """The block is the kernel's again."""
        self.words[(self.block * BLOCK + STATUS) >> 2] = 0
        self.block = (self.block + 1) % self.blocks

    def take_block(self) -> memoryview | None:
        """The bytes of the next block, struct tpacket_block_desc and what follows, until give_back(); None: there is none."""
        if not self.next_block():
            self.is_it_there()
            return None
        base = self.block * BLOCK
        self.counted.rx_frames, self.left = self.counted.rx_frames + self.left, 0
        return self.bytes[base:base + self.words[(base + LENGTH) >> 2]]

    def _frame(self, batch: Batch, k: int) -> int:
        """The next frame of the block into the batch; its length, 0: it did not fit."""
        step, _, _, snaplen, length, status, mac, _, _, tci, tpid = HEADER.unpack_from(self.ring, self.at)
        begin, view, tag = self.at + mac, batch.views[k], 4 if status & TP_STATUS_VLAN_VALID else 0
        self.left -= 1
        self.at += step
        fits = snaplen + tag <= batch.room and snaplen == length
        if not fits:
            self.cut += 1
        elif tag:
            view[:MACS] = self.bytes[begin:begin + MACS]
            view[MACS:MACS + 4] = struct.pack(">HH", tpid if status & TP_STATUS_VLAN_TPID_VALID else ETH_P_8021Q, tci & 0xFFFF)
            view[MACS + 4:snaplen + 4] = self.bytes[begin + MACS:begin + snaplen]
        else:
            view[:snaplen] = self.bytes[begin:begin + snaplen]
        if self.left == 0:
            self.give_back()
        if not fits:
            return 0
        flags = CSUM_NOT_READY if status & TP_STATUS_CSUMNOTREADY else CSUM_VALID if status & TP_STATUS_CSUM_VALID else 0
        batch.put(k, snaplen + tag, flags)
        return int(snaplen + tag)

    def is_it_there(self) -> None:
        """BackendError: no."""
        if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.down = error == errno.ENETDOWN
            try:
                socket.if_indextoname(self.index)
            except OSError:
                raise BackendError(errno.ENODEV, f"{self.name}: the device is gone") from None

    def transmit(self, frames: Iterable[bytes]) -> int:
        """A device that is down refuses, and so does one whose queue is full."""
        return self._send(frames, self.socket.send)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.mtu + 18)

    def statistics(self) -> Statistics:
        """lost["tp_drops"]: frames for which the ring had no room; lost["cut"]: longer than the room of a frame in the batch."""
        packets_drops = struct.unpack("=3I", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))     # reading sets them to 0
        self._drops += packets_drops[1]
        counted = self.counted
        counted.lost = {"tp_drops": self._drops, "cut": self.cut}
        return counted

    def close(self) -> None:
        if not self.ring.closed:
            self.words.release()
            self.bytes.release()
            self.ring.close()
            self.socket.close()
