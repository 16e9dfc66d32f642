"""Live frames: real time on back ends (backends/), with threads.  A host that real kernels, ping and nc talk to.

    time = LiveTime(boot, [Tap("tap0")])
    time.start()                                     # a thread for each back end; boot's interfaces are up
    ...                                              # programs call from any thread: live_program.py
    time.close()

A back end's thread sleeps on its descriptor.  Woken, it polls as NAPI does: a batch of at most 64 frames goes into the path's memory,
then the host has a turn, again until nothing is left; after net.core.netdev_budget frames it lets others have the processor.  Reading and
writing descriptors and waiting for them needs nothing of the host; **everything else happens under one lock of the host**, which a turn
holds from its first interrupt to its last frame sent, and a call of a program from its beginning to its end but for the time in which it
sleeps.  So what the path sees is one sequence of turns and calls, as with the driver of one thread: no station, no table and no counter
is ever entered twice at a time (ARCHITECTURE.md, "Real time with threads")."""
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from .._compile import pages
from ..abi.kernels import Sysctl
from ..abi.numbers import NEVER, Out
from ..backends.face import WORDS, Backend, BackendError, Batch
from ..backends.packet import Packet
from ..outputs import Output, listen
from ..time_driver import FEED_BYTES
from .driver import RealTime, WallClock
from .engine import rt_feed_batch, rt_feed_ring

LOOK_MS = 1000                                       # a back end whose end is silent is looked at so often
BATCH = 64                                           # frames at a time: NAPI's weight
STATE_WORDS = 6                                      # of rt_feed_ring
ROOM = 2048                                          # of a frame in memory, unless the device's MTU wants more


class Broken(RuntimeError):
    """A thread of the host has failed: that is a bug in rxpath, and the host is of no use any more."""


class LiveTime(RealTime):
    """A booted host whose first card is at the other end of these back ends, one for each of its queues.  cpus: how many take turns.
    lock: see above; whoever looks into the host's state from outside takes it."""

    def __init__(self, boot: Any, backends: Sequence[Backend], cpus: int = 1, clock: WallClock | None = None) -> None:
        super().__init__(boot, cpus, clock or WallClock())
        self.lock = threading.RLock()
        self.backends = list(backends)
        self.gone: list[str] = []                    # what back ends said when their devices went
        self.turns = self.refused = 0                # turns of the host; frames that found no room on the cable
        self.ready: Callable[[], None] | None = None         # told after each turn: sockets that became readable (live_program.py)
        self._sleepers: dict[threading.Condition, Callable[[], bool]] = {}
        self._local = threading.local()
        self._failure: BaseException | None = None
        self._stopping = False
        self._kick = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._asleep_until = 0                       # the first thread's: it sees to the timers
        self._own_memory()
        view, at, self.batches = memoryview(self._memory), 0, []
        for backend in self.backends:
            room = max(ROOM, backend.capabilities.max_frame + 1 + 15 & ~15)
            most = min(BATCH, FEED_BYTES // len(self.backends) // room)
            self.batches.append(Batch(view, room, at, most, pages(8 * WORDS * BATCH)))
            at += most * room
        self._sent: list[list[bytes]] = [[] for _ in self.backends]
        self._any_sent = False
        self._device = int(boot.netdev.index)
        boot.net.neigh_resolve = 1                   # whoever is at the other end answers ARP
        listen(boot, cpus)
        self.add_sink(self._leaves)
        self._threads = [threading.Thread(target=self._thread, args=(k,), name=f"rxpath-{k}", daemon=True)
                         for k in range(len(self.backends))]

    # ------------------------------------------------------------ the host's turn, under the lock
    def step(self) -> int:
        """Everything that is due by now; what leaves is handed over, who was woken is told.  When the next turn is due.  The caller has the
        lock."""
        if self._failure is not None:
            raise Broken(f"a thread of the live host has failed: {self._failure!r}")
        now = self.net.sim.now = max(self.clock.now(), self.net.sim.now)
        due = self._turns(now)
        self.turns += 1
        self.collect(last=True)
        if self._any_sent:
            self._transmit()
        if self.ready is not None:
            self.ready()
        for condition, woken in self._sleepers.items():
            if woken():
                condition.notify()
        if due < self._asleep_until:                 # the thread that sees to timers sleeps too long
            self._asleep_until = due
            os.eventfd_write(self._kick, 1)
        return due

    def _leaves(self, out: Output) -> None:
        if out.kind == Out.TX and out.dev == self._device:
            self._sent[out.arg % len(self._sent)].append(out.data)           # by the back end of its queue: a TAP's flows follow answers
            self._any_sent = True

    def _transmit(self) -> None:
        self._any_sent = False
        for backend, frames in zip(self.backends, self._sent, strict=True):
            if frames:
                try:
                    backend.transmit(frames)
                except BackendError:                 # its thread hears of it, too
                    pass
                frames.clear()

    def run(self, until: int, woken: Callable[[], bool] | None = None) -> None:
        """A call of a program waits until then, or until woken() is true.  The caller has the lock, once: others get it meanwhile."""
        self.step()
        if until <= self.now() or (woken is not None and woken()):
            return
        condition = self._condition()
        self._sleepers[condition] = woken or (lambda: False)
        try:
            while not (woken is not None and woken()):
                left = until - self.clock.now()
                if left <= 0 or self._failure is not None or self._stopping:
                    break
                condition.wait(None if until >= NEVER else min(left / 1e9, threading.TIMEOUT_MAX))
        finally:
            del self._sleepers[condition]
        if self._stopping:
            raise Closed("the live host is closed")
        self.step()

    def _condition(self) -> threading.Condition:
        found = getattr(self._local, "condition", None)
        if found is None:
            found = self._local.condition = threading.Condition(self.lock)
        return found

    # ------------------------------------------------------------ threads
    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def _thread(self, k: int) -> None:
        try:
            self._serve(k)
        except BackendError as error:
            with self.lock:
                self.gone.append(str(error.strerror or error))
        except BaseException as error:
            with self.lock:
                if not self._stopping:
                    self._failure = error
                for condition in self._sleepers:
                    condition.notify()
            if not self._stopping:
                raise

    def _serve(self, k: int) -> None:
        """The back end's thread: asleep until there is something; then batch after batch."""
        backend, batch, poll = self.backends[k], self.batches[k], select.poll()
        poll.register(backend.fileno(), select.POLLIN)
        poll.register(self._kick, select.POLLIN)
        budget = max(int(self.net.sysctl[Sysctl.netdev_budget]), 1)
        feed, table = self.call(rt_feed_batch), batch.table.obj if not self.boot.plain else batch.table.cast("B")
        ring = backend if isinstance(backend, Packet) else None              # its frames are taken out of its ring by compiled code
        state, wait, polled = pages(8 * STATE_WORDS), 0.0, 0
        while not self._stopping:
            asleep = wait if k == 0 else -1
            if backend.silent_end and not 0 <= asleep < LOOK_MS:
                asleep = LOOK_MS
            for fd, events in poll.poll(asleep):
                if fd == self._kick:
                    if self._stopping:
                        return
                    if k == 0:
                        self._eat()
                elif events & ~select.POLLIN:
                    if ring is None:
                        backend.pull(batch)          # says what is wrong with it
                    else:
                        ring.is_it_there()
                    if events & select.POLLIN == 0:
                        time.sleep(0.1)              # down, not gone
            while True:
                n = backend.pull(batch) if ring is None else ring.left or int(ring.next_block())
                with self.lock:
                    if self._stopping:
                        return
                    if n:
                        now = max(self.clock.now(), self.now())
                        if ring is not None:
                            n = self._feed_ring(ring, batch, state, now)
                        else:
                            self.refused += n - feed(self.net, table, n, now, 0)
                    due = self.step()
                    if n == 0 and k == 0:
                        wait = -1 if due >= NEVER else max(due - self.clock.now(), 0) / 1e6
                        self._asleep_until = due
                if n == 0:
                    break
                polled += n
                if polled >= budget:                 # net_rx_action() would leave the rest to ksoftirqd
                    os.sched_yield()
                    polled = 0

    def _feed_ring(self, ring: Packet, batch: Batch, state: Any, now: int) -> int:
        """Up to a batch of the frames that its block still has."""
        words = memoryview(state).cast("q")
        words[0], words[1] = ring.at, ring.left
        mem = (memoryview(ring.ring), memoryview(state)) if self.boot.plain else (ring.ring, state)
        n = int(self.call(rt_feed_ring)(self.net, *mem, batch.at, batch.room, batch.most, now, 0))
        ring.at, ring.left = words[0], words[1]
        ring.counted.rx_frames += words[2]
        ring.counted.rx_bytes += words[3]
        ring.cut += words[4]
        self.refused += words[5]
        if ring.left == 0:
            ring.give_back()
        return n

    def _eat(self) -> None:
        try:
            os.eventfd_read(self._kick)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Threads end, calls that wait say so, back ends are closed, memory is given back."""
        with self.lock:
            if self._stopping:
                return
            self._stopping = True
            for condition in self._sleepers:
                condition.notify()
            os.eventfd_write(self._kick, 1)
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()
        for backend in self.backends:
            backend.close()
        os.close(self._kick)
        super().close()


class Closed(OSError):
    """The host is closed while a call waits."""
