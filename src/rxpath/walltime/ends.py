"""What a live host (live.py) has of each back end: the batch that its frames come in, where its thread sleeps, and, of a ring that the
kernel shares with us, the memory that compiled code (rings.py) takes frames from."""
import functools
import os
import select
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from .._compile import Mem, forget, pages, region
from ..backends.face import Backend, Batch, Statistics
from ..backends.packet import BLOCK, Packet
from ..backends.xdp import CHUNK, RING, Xdp
from .lead import EVENT_BYTES, EVENT_DATA, NO_RING, PACKET, ROW_WORDS, XDP, LeadWord, rt_lead, rt_left_word, rt_sleep
from .rings import RING_WORDS, PacketWord, RingWord, XdpWord, rt_serve_packet, rt_serve_xdp

FRAMES, CUT, REFUSED = int(RingWord.FRAMES), int(RingWord.CUT), int(RingWord.REFUSED)       # BYTES between the first two


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
        backend.counts = self.counts
        self.serve = functools.partial(boot.call(entry), boot.net, *self._regions, cpus)
        self.row = (backend.fileno(), PACKET if isinstance(backend, Packet) else XDP, self._regions[-1], *self._regions[:-1])

    def counts(self, counted: Statistics) -> None:
        """What compiled code has counted becomes the back end's."""
        counted.rx_frames, counted.rx_bytes, self.backend.cut = self.words[FRAMES:CUT + 1]

    def refused(self) -> int:
        """Frames that found no room on the cable since the last time."""
        n, self.words[REFUSED] = self.words[REFUSED], 0
        return n

    def close(self) -> None:
        """The ring's memory can be given back."""
        self.counts(self.backend.counted)
        self.backend.counts = None
        for address in self._regions:
            forget(address)
        self._regions = []


class End:
    """A back end, its batch and where its thread sleeps.  pulls: held by who takes its frames; again: the thread has left that to calls,
    and looks every grace_ns whether they still come; look_at: when it asks next whether the device is there."""

    def __init__(self, backend: Backend, batch: Batch, calls: select.epoll, kick: Kick, boot: Any, cpus: int, budget: int) -> None:
        self.backend, self.batch, self.fd = backend, batch, backend.fileno()
        self.ring = Ring(backend, batch, boot, cpus, budget) if isinstance(backend, Packet | Xdp) else None
        self.pulls, self.again, self.gone = threading.Lock(), False, False
        self.grace_ns = self.look_at = 0
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


class Lead:
    """What compiled code (lead.py) wants for a call that leads.  calls: the epoll instance in which it sleeps; start: when the host's clock
    began, as CLOCK_MONOTONIC says.  sleep(until), lead(t, due, *what), left_word(): the entries; words: LeadWord."""

    def __init__(self, ends: Sequence[End], calls: select.epoll, boot: Any, cpus: int, start: int) -> None:
        most = len(ends) + 1
        state, events = pages(8 * (LeadWord.ROWS + ROW_WORDS * len(ends))), pages(EVENT_BYTES * most)
        self.words, self._events = memoryview(state).cast("q"), memoryview(events)
        self._regions = [region(state), region(events)]
        begin: dict[int, int] = {
            LeadWord.EPOLL: calls.fileno(), LeadWord.EVENTS: self._regions[1], LeadWord.MOST: most, LeadWord.ENDS: len(ends),
            LeadWord.CPUS: cpus, LeadWord.START: start, LeadWord.HOST_EPOLL: -1}
        for k, end in enumerate(ends):
            row = (end.fd, NO_RING) if end.ring is None else end.ring.row
            begin |= {LeadWord.ROWS + k * ROW_WORDS + i: value for i, value in enumerate(row)}
        for word, value in begin.items():
            self.words[word] = value
        self.left_word = functools.partial(boot.call(rt_left_word), boot.net, cpus)
        self.rings = {end.fd for end in ends if end.ring is not None}
        self.sleep = functools.partial(boot.call(rt_sleep), boot.net, self._regions[0])
        self.lead = functools.partial(boot.call(rt_lead), boot.net, self._regions[0])

    def others(self) -> Iterator[tuple[int, int]]:
        """Of the events that came, those that are not of a ring that has frames: descriptor, what."""
        for i in range(self.words[LeadWord.READY]):
            what = struct.unpack_from("=I", self._events, i * EVENT_BYTES)[0]
            fd = struct.unpack_from("=i", self._events, i * EVENT_BYTES + EVENT_DATA)[0]
            if what != select.EPOLLIN or fd not in self.rings:
                yield fd, what

    def close(self) -> None:
        for address in self._regions:
            forget(address)
        self._regions = []
