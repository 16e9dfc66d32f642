"""What a live host (live.py) has of each back end: the batch that its frames come in, where its thread sleeps, and, of a ring that the
kernel shares with us, the memory that compiled code (rings.py) takes frames from."""
import os
import select
import threading
from typing import Any

from .._compile import Mem, pages
from ..backends.face import Backend, Batch
from ..backends.packet import BLOCK, Packet
from ..backends.xdp import CHUNK, RING, Xdp
from .rings import RING_WORDS, PacketWord, RingWord, XdpWord, rt_serve_packet, rt_serve_xdp


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
    """The ring of a packet socket or of AF_XDP.  serve: the entry of rings.py; memory: what it is given of the ring; words, state: RingWord
    and what follows it, for us and for compiled code."""

    def __init__(self, backend: Packet | Xdp, batch: Batch, budget: int, plain: bool) -> None:
        self.backend = backend
        state: Any = pages(8 * RING_WORDS)
        self.words = memoryview(state).cast("q")
        begin: dict[int, int] = {RingWord.INTO: batch.at, RingWord.ROOM: batch.room, RingWord.MOST: batch.most, RingWord.BUDGET: budget}
        if isinstance(backend, Packet):
            self.serve: Any = rt_serve_packet
            maps: tuple[Any, ...] = (backend.ring,)
            begin |= {PacketWord.BLOCK_BYTES: BLOCK, PacketWord.BLOCKS: backend.blocks}
        else:
            self.serve, maps, rx, fill = rt_serve_xdp, (backend.umem, backend.rx.map, backend.fill.map), backend.rx, backend.fill
            begin |= {
                XdpWord.ENTRIES: RING, XdpWord.CHUNK: CHUNK, XdpWord.RX_PRODUCER: 4 * rx.producer, XdpWord.RX_CONSUMER: 4 * rx.consumer,
                XdpWord.RX_DESC: rx.desc, XdpWord.FILL_PRODUCER: 4 * fill.producer, XdpWord.FILL_DESC: fill.desc}
        for word, value in begin.items():
            self.words[word] = value
        self.state: Any = memoryview(state) if plain else Mem.from_param(state)
        self.memory: tuple[Any, ...] = tuple(memoryview(m) if plain else Mem.from_param(m) for m in maps)

    def counted(self) -> int:
        """What compiled code has counted becomes the back end's.  How many frames there were since the last time."""
        words, counted = self.words, self.backend.counted
        n = words[RingWord.FRAMES] - counted.rx_frames
        counted.rx_frames, counted.rx_bytes, self.backend.cut = words[RingWord.FRAMES], words[RingWord.BYTES], words[RingWord.CUT]
        return n


class End:
    """A back end, its batch and where its thread sleeps.  pulls: held by who takes its frames; again: the thread has left that to a call,
    and looks whether it has been done."""

    def __init__(self, backend: Backend, batch: Batch, calls: select.epoll, kick: Kick, budget: int, plain: bool) -> None:
        self.backend, self.batch, self.fd = backend, batch, backend.fileno()
        self.ring = Ring(backend, batch, budget, plain) if isinstance(backend, Packet | Xdp) else None
        self.pulls, self.again, self.gone = threading.Lock(), False, False
        self.table: Any = memoryview(batch.table).cast("B") if plain else Mem.from_param(batch.table.obj)
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
            self.ring.memory = ()                    # or the ring's memory could not be given back
        self.backend.close()
