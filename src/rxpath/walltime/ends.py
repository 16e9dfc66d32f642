"""What a live host (live.py) has of each back end: the batch that its frames come in, where its thread sleeps, and, of a ring that the
kernel shares with us, the memory that compiled code (rings.py) takes frames from."""
import functools
import os
import select
import threading
from typing import Any

from .._compile import Mem, forget, pages, region
from ..backends.face import Backend, Batch
from ..backends.packet import BLOCK, Packet
from ..backends.xdp import CHUNK, RING, Xdp
from .rings import RING_WORDS, PacketWord, RingWord, XdpWord, rt_serve_packet, rt_serve_xdp

FRAMES, CUT = int(RingWord.FRAMES), int(RingWord.CUT)                      # BYTES between them


class Kick:
    """An eventfd: readable from up() to down()."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def up(self) -> None:
        os.eventfd_write(self.fd, 1)

    def down(self) -> None:
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass

    def close(self) -> None:
        os.close(self.fd)


class Ring:
    """The ring of a packet socket or of AF_XDP.  serve(now): the entry of rings.py; words: RingWord and what follows it."""

    def __init__(self, backend: Packet | Xdp, batch: Batch, boot: Any, cpus: int, budget: int) -> None:
        self.backend = backend
        state: Any = pages(8 * RING_WORDS)
        self.words = memoryview(state).cast("q")
        begin: dict[int, int] = {RingWord.INTO: batch.at, RingWord.ROOM: batch.room, RingWord.MOST: batch.most, RingWord.BUDGET: budget}
        if isinstance(backend, Packet):
            entry: Any = rt_serve_packet
            maps: tuple[Any, ...] = (backend.ring,)
            begin |= {PacketWord.BLOCK_BYTES: BLOCK, PacketWord.BLOCKS: backend.blocks}
        else:
            entry, maps, rx, fill = rt_serve_xdp, (backend.umem, backend.rx.map, backend.fill.map), backend.rx, backend.fill
            begin |= {
                XdpWord.ENTRIES: RING, XdpWord.CHUNK: CHUNK, XdpWord.RX_PRODUCER: 4 * rx.producer, XdpWord.RX_CONSUMER: 4 * rx.consumer,
                XdpWord.RX_DESC: rx.desc, XdpWord.FILL_PRODUCER: 4 * fill.producer, XdpWord.FILL_DESC: fill.desc}
        for word, value in begin.items():
            self.words[word] = value
        self._regions = [region(m) for m in (*maps, state)]
        self.serve = functools.partial(boot.call(entry), boot.net, *self._regions, cpus)

    def counted(self) -> int:
        """What compiled code has counted becomes the back end's.  How many frames there were since the last time."""
        counted, before = self.backend.counted, self.backend.counted.rx_frames
        counted.rx_frames, counted.rx_bytes, self.backend.cut = self.words[FRAMES:CUT + 1]
        return counted.rx_frames - before

    def close(self) -> None:
        """The ring's memory can be given back."""
        for address in self._regions:
            forget(address)
        self._regions = []


class End:
    """A back end, its batch and where its thread sleeps.  pulls: held by who takes its frames; again: the thread has left that to a call,
    and looks whether it has been done."""

    def __init__(self, backend: Backend, batch: Batch, calls: select.epoll, kick: Kick, boot: Any, cpus: int, budget: int) -> None:
        self.backend, self.batch, self.fd = backend, batch, backend.fileno()
        self.ring = Ring(backend, batch, boot, cpus, budget) if isinstance(backend, Packet | Xdp) else None
        self.pulls, self.again, self.gone = threading.Lock(), False, False
        self.table: Any = memoryview(batch.table).cast("B") if boot.plain else Mem.from_param(batch.table.obj)
        self.events = select.epoll()
        calls.register(self.fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)              # in this order: see live.py
        self.events.register(self.fd, select.EPOLLIN | select.EPOLLEXCLUSIVE | select.EPOLLET)
        self.events.register(kick.fd, select.EPOLLIN)

    def look(self) -> None:
        """BackendError: its device is gone."""
        if self.ring is None:
            self.backend.pull(self.batch)
        else:
            self.ring.backend.is_it_there()

    def leave(self, calls: select.epoll) -> None:
        """Nobody waits for it any more."""
        for instance in (calls, self.events):
            instance.unregister(self.fd)

    def close(self) -> None:
        self.events.close()
        if self.ring is not None:
            self.ring.close()
        self.backend.close()
