"""One run: a host, booted; a capture on its cable; virtual time until everything has come to an end.

    with Simulation(host, receiver) as sim:
        sim.replay(traffic)
        books = sim.books()

A Simulation owns its state and its memory; many live beside each other in one process.  Everything between two slices of the engine
happens here; within a slice only the path runs, for at most some 50 ms of real time, so that Ctrl-C and progress work."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rxpath import boot
from rxpath._compile import options
from rxpath.abi.limits import NQ
from rxpath.abi.numbers import DRAIN
from rxpath.vtime import engine, feed, queued

if TYPE_CHECKING:
    from rxpath.workbench.books import Books
    from rxpath.workbench.host import Host
    from rxpath.workbench.traffic import Receiver, Source
    from rxpath.workbench.trail import Arrival

START_NS = 1_000_000                    # the first frame's last bit: programs have reached their receiving calls by then
DRAIN_LIMIT_NS = 60_000_000_000         # after the last frame: longer than ipfrag_time, so that every reassembly ends
FEED_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Opened:
    """A socket of the run."""
    index: int
    name: str
    proto: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Thread:
    """An application thread of the run."""
    index: int
    name: str
    cpu: int


class Simulation:
    """host: what receives.  receiver: as traffic.infer() found it, for what the host leaves to the capture.  listen: sockets to open
    beside the host's own.  plain: run the path as Python.  one_step: the exact engine, slow, the judge of running ahead."""

    def __init__(self, host: Host, *, receiver: Receiver | None = None, listen: Sequence[tuple[str, int, int]] = (), plain: bool | None = None,
                 one_step: bool = False, skip_unsupported: bool | None = None, packets: int = 32768) -> None:
        self.host, self.receiver, self.listen, self.skip_unsupported = host, receiver, listen, skip_unsupported
        self.stop: Callable[[], bool] | None = None
        self.on_slice: Callable[[], None] | None = None         # whenever the engine has returned
        self.on_chunk: Callable[[Sequence[Arrival]], None] | None = None     # frames that were put on the cable
        self.boot = boot.Booted(kernel=host.kernel, nskb=packets, hz=host.ticks, plain=options.PLAIN if plain is None else plain)
        self.net, self.call = self.boot.net, self.boot.call
        self.queues = host.queue_count
        self.sockets: list[Opened] = []
        self.threads: list[Thread] = []
        self.notes: list[str] = []
        self.kept: list[object] = []                            # memory that the path has the address of
        self.t = START_NS
        self.memory, self.net.feed_addr = boot.buffer(FEED_BYTES)
        self._at = 0
        self.stopped = False
        from rxpath.workbench import assemble

        assemble.assemble(self, one_step)

    # ------------------------------------------------------------ the cable
    def send(self, frame: bytes, at: int | None = None, wire: int | None = None) -> None:
        """One frame; `at` is when its last bit arrives (ns, never before the last one's)."""
        self.t = max(self.t, self.t + 1000 if at is None else at)
        if self._at + len(frame) > FEED_BYTES:
            self.run(self.t)
            self._at = 0
        self.memory[self._at:self._at + len(frame)] = frame                 # type: ignore[index]
        if self.on_chunk:
            from rxpath.workbench.trail import Arrival

            self.on_chunk([Arrival(self.net.offered, self.t, frame, wire or len(frame))])
        while not self.call(feed.feed_frame)(self.net, self.t, self._at, wire or len(frame), len(frame), 0):
            self.run(self.t)
        self._at += len(frame) + 15 & ~15

    def replay(self, source: Source, progress: Callable[[int, int], None] | None = None) -> None:
        """Every frame of the capture that is not the receiver's own, then until nothing is under way."""
        from rxpath.workbench import traffic, units

        own = units.ipv4(self.receiver.address).to_bytes(4, "big") if self.receiver else b""
        total, before = source.path.stat().st_size, 0
        for turn in range(source.loop):
            first = last = None
            for n, (t, data, wire) in enumerate(traffic.records(source.path)):
                first = t if first is None else first
                last = t
                if own and data[12:14] == b"\x08\x00" and data[26:30] == own:
                    source.not_offered["sent by the receiver"] += 1
                    continue
                at = before + int((t - first) / source.speed)
                if source.rate_pps:
                    at = source.frames * 1_000_000_000 // source.rate_pps
                source.frames += 1
                self.send(data, START_NS + at, wire)
                if n & 1023 == 0:
                    if progress:
                        progress(turn * total + n, total * source.loop)
                    if self.stop and self.stop():
                        self.stopped = True
                        return
            if first is not None and last is not None:
                before += int((last - first) / source.speed) + 1_000_000
        source.duration_ns = self.t - START_NS
        self.run(self.t)
        self.drain()

    # ------------------------------------------------------------ time
    def run(self, until: int) -> None:
        """Virtual time until `until`."""
        while True:
            why = self.call(engine.run)(self.net, until, 0)
            if self.on_slice:
                self.on_slice()
            if why != DRAIN:
                break
        if self.call(queued.frames_on_cable)(self.net):
            self.call(feed.feed_consume)(self.net, until)

    def drain(self) -> None:
        """After the last frame: until nothing is under way, or nothing moves any more."""
        step, end = 1_000_000, self.t + DRAIN_LIMIT_NS
        while self.t < end and not self.stopped:
            self.t += step
            self.run(self.t)
            if self.frames_queued() == 0:
                break
            step = min(step * 2, 1_000_000_000)
        self.t += 1_000_000                                # the last call returns
        self.run(self.t)

    # ------------------------------------------------------------ what came of it
    def frames_queued(self) -> int:
        """Frames under way."""
        return int(self.call(queued.frames_queued)(self.net))

    def sent_frames(self) -> int:
        return sum(self.net.tx[q].packets for q in range(NQ))

    @property
    def backlog_limit(self) -> int:
        return int(self.host.sysctls()["net.core.netdev_max_backlog"])      # type: ignore[arg-type]

    @property
    def fragment_limit(self) -> int:
        return int(self.host.sysctls()["net.ipv4.ipfrag_high_thresh"])      # type: ignore[arg-type]

    def fragment_memory_max(self) -> int:
        return getattr(self.net, "frag_mem_max", 0)

    def books(self) -> Books:
        """What the state says now; raises Imbalance if it does not add up."""
        from rxpath.workbench import books

        read = books.read(self)
        read.check()
        return read

    # ------------------------------------------------------------ its life
    def close(self) -> None:
        """Give the memory back."""
        from rxpath._compile import forget

        for address in (self.net.mem_addr, self.net.feed_addr):
            forget(address)
        del self.net, self.boot, self.memory

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
