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
is ever entered twice at a time (ARCHITECTURE.md, "Real time with threads").

A call that waits does the threads' work itself meanwhile, so that a datagram wakes its reader and nobody else.  It sleeps in an epoll
instance of its own that has all back ends; theirs have one each.  All wait exclusively (EPOLLEXCLUSIVE), and the calls' instance comes
first in each descriptor's queue: the kernel wakes who waits there, and a thread only if nobody does.  One call leads in this way, until it
has what it waits for (a flood has no end); others that wait sleep on a condition.  Between two calls of a reader its frames wait in the
device's ring: a thread leaves them there for GRACE_NS after a leader has left, unless others wait, so that a reader and a thread do not
take the lock from each other."""
import select
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .._compile import pages
from ..abi.kernels import Sysctl
from ..abi.numbers import NEVER, Out
from ..backends.face import WORDS, Backend, BackendError, Batch
from ..outputs import Output, listen
from ..time_driver import FEED_BYTES
from .driver import RealTime, WallClock
from .ends import End, Kick, Ring
from .engine import rt_feed_batch
from .rings import RingWord

LOOK_S = 1.0                                         # a back end whose end is silent is looked at so often
BATCH = 64                                           # frames at a time: NAPI's weight
GRACE_NS = 2_000_000                                 # in which a reader comes back
YIELD_S = 20e-6                                      # longer than a turn of the scheduler: who waits for the lock gets it
REFUSED, MORE, SENDS = int(RingWord.REFUSED), int(RingWord.MORE), int(RingWord.SENDS)
DOWN_S = 0.1                                         # between two looks at a device that is down
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
        self._leader: _Leader | None = None          # the call that waits for frames
        self._left = threading.Condition(self.lock)  # told when it leaves
        self._wake, self._kick = Kick(), Kick()      # the leader, the threads
        self._calls, self._kicks = select.epoll(), select.epoll()
        self._calls.register(self._wake.fd, select.EPOLLIN)
        self._kicks.register(self._kick.fd, select.EPOLLIN)
        self._led_at = -GRACE_NS                     # when the last leader left
        self._due = NEVER                            # when the next turn is, if nothing happens
        self._asleep: dict[int, int] = {}            # threads that see to the timers: until when they sleep
        self._cpus, self._sds = [boot.net.cpu[cpu] for cpu in range(cpus)], [boot.net.sd[cpu] for cpu in range(cpus)]
        self._sim, self._budget = boot.net.sim, max(int(boot.net.sysctl[Sysctl.netdev_budget]), 1)
        self._own_memory()
        view, at, self.ends = memoryview(self._memory), 0, list[End]()
        for backend in self.backends:
            room = max(ROOM, backend.capabilities.max_frame + 1 + 15 & ~15)
            most = min(BATCH, FEED_BYTES // len(self.backends) // room)
            batch = Batch(view, room, at, most, pages(8 * WORDS * BATCH))
            self.ends.append(End(backend, batch, self._calls, self._kick, boot, cpus, self._budget))
            at += most * room
        self._by_fd = {end.fd: end for end in self.ends}
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
        now = self._sim.now = max(self.clock.now(), self._sim.now)
        due = self._turns(now)
        self._done(due, self._sends())
        return self._due

    def _done(self, due: int, sends: int) -> None:
        """After a turn.  sends: something leaves."""
        self._due = due
        self.turns += 1
        if sends or self.watchers or self.sources or self.timeline is not None:
            self.collect(last=True)
            if self._any_sent:
                self._transmit()
        if self.ready is not None:
            self.ready()
        if self._sleepers:
            for condition, woken in self._sleepers.items():
                if woken():
                    condition.notify()
        leader = self._leader
        if leader is None or leader.thread != threading.get_ident():
            if leader is not None and not leader.told and leader.woken():
                leader.told = True
                self._wake.up()
            self._in_time()

    def _sends(self) -> bool:
        for cpu in self._cpus:
            if cpu.out_head != cpu.out_tail:
                return True
        return False

    def _in_time(self) -> None:
        """Those who see to the timers sleep too long: one of them looks again."""
        if self._asleep and self._due < min(self._asleep.values()):
            self._kick.up()

    def _left_word(self) -> bool:
        """Has a call left something for the next turn?"""
        for sd in self._sds:
            if sd.pending or sd.note_head != sd.note_tail:
                return True
        return False

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
        """A call of a program waits until then, or until woken() is true.  The caller has the lock: others get it meanwhile."""
        now = self.clock.now()
        leads = woken is not None and self._leader is None and until > now
        if not leads or self._due <= now or self._left_word():
            self.step()
            if woken is not None and woken():
                return
        if leads and woken is not None:
            self._lead(until, woken, now)
        elif until > self.now():
            self._sleep(until, woken or (lambda: False))
            self.step()
        if self._stopping:
            raise Closed("the live host is closed")

    def _sleep(self, until: int, woken: Callable[[], bool]) -> None:
        condition = self._condition()
        self._sleepers[condition] = woken
        try:
            while not woken():
                left = until - self.clock.now()
                if left <= 0 or self._failure is not None or self._stopping:
                    break
                condition.wait(None if until >= NEVER else min(left / 1e9, threading.TIMEOUT_MAX))
        finally:
            del self._sleepers[condition]

    def _lead(self, until: int, woken: Callable[[], bool], now: int) -> None:
        """Wait for frames and serve them, until this call has what it waits for.

        What this does for each wake-up has left the caches since the last one, and costs five times what it takes when repeated: no call
        of a function, no look at the clock that is not needed."""
        me, lock, asleep, clock_now = threading.get_ident(), self.lock, self._asleep, self.clock.now
        leader, served, more = _Leader(me, woken), True, False
        self._leader = leader
        try:
            while now < until and self._failure is None and not self._stopping:
                sleeps = asleep[me] = min(until, self._due)
                served = False
                for end in self.ends:
                    end.again = False
                rings = []
                held = lock._release_save()          # type: ignore[attr-defined]   # however often, as a condition does
                try:
                    if more:                         # the budget was spent: others are to have the processor
                        time.sleep(YIELD_S)
                    for fd, what in self._calls.poll(-1 if sleeps >= NEVER else max(sleeps - now, 0) / 1e9):
                        if fd == self._wake.fd:
                            self._wake.down()
                            continue
                        end = self._by_fd[fd]
                        if end.ring is None or what != select.EPOLLIN:
                            self._pull(end, what, woken)
                        else:
                            rings.append(end.ring)
                finally:
                    lock._acquire_restore(held)      # type: ignore[attr-defined]
                now, more = clock_now(), False
                for ring in rings:
                    if not self._stopping and self._serve_ring(ring, max(now, self._sim.now)):
                        more = True
                leader.told, served = False, True
                del asleep[me]
                if woken():
                    break
                if self._due <= now and not self._stopping:
                    self.step()
                    if woken():
                        break
        finally:
            self._leader, self._led_at = None, now
            asleep.pop(me, None)
            if self._stopping:
                self._left.notify_all()
            if not served:                           # Ctrl-C, say, before it took what it was told of
                self._led_at = -GRACE_NS
                self._kick.up()
            elif self._sleepers and any(end.again for end in self.ends):
                self._kick.up()
            elif asleep and self._due < min(asleep.values()):
                self._kick.up()                      # who sees to the timers looks again
        if self._failure is not None:
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
        except BaseException as error:
            with self.lock:
                if not self._stopping:
                    self._failure = error
                self._all_look()
            if not self._stopping:
                raise

    def _serve(self, k: int) -> None:
        """The back end's thread: asleep until there is something; then batch after batch.  The first one sees to the timers."""
        end, me = self.ends[k], threading.get_ident()
        while True:
            with self.lock:
                if self._stopping:
                    return
                wait = self._sleeps(me, NEVER) if k == 0 else -1
                where = self._kicks if end.again else end.events
                if end.again and not 0 <= wait < GRACE_NS / 1e9:
                    wait = GRACE_NS / 1e9
                elif end.backend.silent_end and not 0 <= wait < LOOK_S:
                    wait = LOOK_S
            what, kicked = 0, False
            for fd, event in where.poll(wait):
                if fd != self._kick.fd:
                    what |= event
                else:
                    kicked = True
                    if k == 0 and not self._stopping:
                        self._kick.down()
            with self.lock:
                ours = self._is_ours(end, kicked or what != 0)
            if ours:
                self._pull(end, what)
            if k == 0:
                with self.lock:
                    self._awake(me)

    def _is_ours(self, end: End, told: bool) -> bool:
        """Does the thread serve its back end now?  Not while a call leads, and for a moment after that: the next one will."""
        end.again = (told or end.again) and not self._stopping and (
            self._leader is not None or (not self._sleepers and self.clock.now() - self._led_at < GRACE_NS))
        return not end.again

    def _sleeps(self, me: int, until: int) -> float:
        """For how many seconds."""
        until = self._asleep[me] = min(until, self._due)
        return -1 if until >= NEVER else max(until - self.clock.now(), 0) / 1e9

    def _awake(self, me: int) -> None:
        del self._asleep[me]
        if self._due <= self.clock.now() and not self._stopping:
            self.step()

    def _pull(self, end: End, what: int, woken: Callable[[], bool] | None = None) -> None:
        """Batch after batch, as long as it has frames, or until woken().  what: its events.  Without the lock."""
        with end.pulls:                              # one thread at a time; who comes second looks once more
            if end.gone:
                return
            try:
                if what & ~select.EPOLLIN:           # down, or gone
                    end.look()
                    if what & select.EPOLLIN == 0:
                        time.sleep(DOWN_S)
                elif what == 0 and end.backend.silent_end:
                    end.look()
                self._batches(end, woken)
            except BackendError as error:
                with self.lock:
                    self.gone.append(str(error.strerror or error))
                    end.leave(self._calls)
                    end.gone = True

    def _batches(self, end: End, woken: Callable[[], bool] | None) -> None:
        polled, ring = 0, end.ring
        while True:
            n = end.backend.pull(end.batch) if ring is None else 0
            with self.lock:
                if self._stopping:
                    return
                now = max(self.clock.now(), self._sim.now)
                if ring is not None:
                    n = self._serve_ring(ring, now)
                elif n:
                    self.refused += n - self.call(rt_feed_batch)(self.net, end.table, n, now, 0)
                    self.step()
                enough = woken is not None and woken()       # in a flood there is no end of frames
            if n == 0 or enough:
                return
            polled += n
            if polled >= self._budget:               # net_rx_action() would leave the rest to ksoftirqd
                time.sleep(YIELD_S)
                polled = 0

    def _serve_ring(self, ring: Ring, now: int) -> int:
        """Frames of its blocks, and turns, up to the budget.  How many; 0: there are no more."""
        if self._failure is not None:
            return 0
        due = ring.serve(now)
        if due < 0:
            return 0
        words, n = ring.words, ring.counted()
        if words[REFUSED]:
            self.refused += words[REFUSED]
            words[REFUSED] = 0
        self._done(due, words[SENDS])
        return max(n, 1) if words[MORE] else 0

    def _all_look(self) -> None:
        """Whoever sleeps looks again."""
        for condition in self._sleepers:
            condition.notify()
        if self._leader is not None:
            self._leader.told = True
        self._wake.up()
        self._kick.up()

    def close(self) -> None:
        """Threads end, calls that wait say so, back ends are closed, memory is given back."""
        with self.lock:
            if self._stopping:
                return
            self._stopping = True
            self._all_look()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()
        with self.lock:
            if self._leader is not None and self._leader.thread != threading.get_ident():
                self._left.wait_for(lambda: self._leader is None)
        self._calls.close()
        self._kicks.close()
        for end in self.ends:
            end.close()
        self._wake.close()
        self._kick.close()
        super().close()


@dataclass
class _Leader:
    """A call that waits and serves frames meanwhile.  told: it has been woken by somebody else, or is to look."""
    thread: int
    woken: Callable[[], bool]
    told: bool = False


class Closed(OSError):
    """The host is closed while a call waits."""
