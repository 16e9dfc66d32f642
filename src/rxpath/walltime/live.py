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
has what it waits for (a flood has no end); others that wait sleep on a condition.  For each wake-up it makes two calls of compiled code
(lead.py): it sleeps without the lock and without the GIL, then, under the lock, serves the rings, has turns and receives.  After each it
is back here, so that a signal, a time-out, a closed host or a wake-up by somebody else ends any wait.  Between two calls of a reader its
frames wait in the device's ring: a thread leaves them there for GRACE_NS after a leader has left, unless others wait, so that a reader and
a thread do not take the lock from each other.  As long as calls keep coming it looks less and less often, every GRACE_MOST_NS at last."""
import errno
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .._compile import pages
from ..abi.kernels import Sysctl
from ..abi.numbers import EAGAIN, NEVER, Out
from ..backends.face import WORDS, Backend, BackendError, Batch
from ..outputs import Output, listen
from ..time_driver import FEED_BYTES
from .driver import RealTime, WallClock
from .ends import End, Kick, Lead, Ring
from .engine import rt_feed_batch
from .lead import BUDGET_SPENT, TAKE_NOTHING, LeadWord
from .rings import RingWord

LOOK_S = 1.0                                         # a back end whose end is silent is looked at so often
BATCH = 64                                           # frames at a time: NAPI's weight
GRACE_NS, GRACE_MOST_NS = 2_000_000, 16_000_000      # in which a reader comes back; between two looks of a thread whether it still does
YIELD_S = 20e-6                                      # longer than a turn of the scheduler: who waits for the lock gets it
FRAMES, MORE, SENDS = int(RingWord.FRAMES), int(RingWord.MORE), int(RingWord.SENDS)
LEAD_NOW, LEAD_DUE, LEAD_TURNS, LEAD_SENDS, LEAD_MORE, LEAD_TELLS, HOST_EPOLL = (
    int(w) for w in (LeadWord.NOW, LeadWord.DUE, LeadWord.TURNS, LeadWord.SENDS, LeadWord.MORE, LeadWord.TELLS, LeadWord.HOST_EPOLL))
NOTHING = (TAKE_NOTHING, 0, 0, 0, 0, 0, 0)           # what rt_lead() is to take for a call: nothing
DOWN_S = 0.1                                         # between two looks at a device that is down
ROOM = 2048                                          # of a frame in memory, unless the device's MTU wants more


class Broken(RuntimeError):
    """A thread of the host has failed: that is a bug in rxpath, and the host is of no use any more."""


class LiveTime(RealTime):
    """A booted host whose first card is at the other end of these back ends, one for each of its queues.  cpus: how many take turns.
    lock: see above; whoever looks into the host's state from outside takes it."""

    def __init__(self, boot: Any, backends: Sequence[Backend], cpus: int = 1, clock: WallClock | None = None) -> None:
        wall = clock or WallClock()
        super().__init__(boot, cpus, wall)
        self.lock = threading.RLock()
        self.backends = list(backends)
        self.gone: list[str] = []                    # what back ends said when their devices went
        self.turns = self._refused = 0               # turns of the host; frames of pull() that found no room on the cable
        self.ready: Callable[[], None] | None = None         # told after each turn: sockets that became readable (live_program.py)
        self._sleepers: dict[threading.Condition, Callable[[], bool]] = {}
        self._local = threading.local()
        self._failure: BaseException | None = None
        self._stopping = False
        self._leader: _Leader | None = None          # the call that waits for frames
        self._left = threading.Condition(self.lock)  # told when it leaves
        self._wake, self._kick = Kick(), Kick()      # the leader, the threads
        self._calls, self._kicks, self._naps = select.epoll(), select.epoll(), select.epoll()
        self._calls.register(self._wake.fd, select.EPOLLIN)
        self._naps.register(self._wake.fd, select.EPOLLIN)
        self._kicks.register(self._kick.fd, select.EPOLLIN)
        self._led_at = -GRACE_NS                     # when the last leader left
        self._due = NEVER                            # when the next turn is, if nothing happens
        self._asleep: dict[int, int] = {}            # threads that see to the timers: until when they sleep
        self._cpus = [boot.net.cpu[cpu] for cpu in range(cpus)]
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
        wall.now()                                   # it begins
        self._compiled = Lead(self.ends, self._calls, boot, cpus, wall.start)
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

    def tells(self, ready: Callable[[], None], epoll: int) -> None:
        """Call ready() after a turn that makes sockets ready of which the host's epoll instance tells."""
        self.ready, self._compiled.words[HOST_EPOLL] = ready, epoll

    def _sends(self) -> bool:
        for cpu in self._cpus:
            if cpu.out_head != cpu.out_tail:
                return True
        return False

    def _in_time(self) -> None:
        """Those who see to the timers sleep too long: one of them looks again."""
        if self._asleep and self._due < min(self._asleep.values()):
            self._kick.up()

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
        if not leads or self._due <= now or self._compiled.left_word():
            self.step()
            if woken is not None and woken():
                return
        if leads and woken is not None:
            self._lead(until, woken)
        elif until > self.now():
            self._sleep(until, woken or (lambda: False))
            self.step()
        if self._stopping:
            raise Closed("the live host is closed")

    def receive(self, until: int, woken: Callable[[], bool], look: Callable[[], int], t: int, take: tuple[int, ...]) -> int:
        """run() for thread t, which has looked in vain, then look(), until that finds something or the time is up: what it has found.
        take: look() for rt_lead()."""
        while True:
            if self._leader is None and not self._stopping:
                got = self._lead(until, woken, t, take)
                if self._stopping:
                    raise Closed("the live host is closed")
            else:
                self.run(until, woken)
                got = EAGAIN
            if got == EAGAIN:
                got = look()
            if got != EAGAIN or (until < NEVER and self.clock.now() >= until):
                return got

    def _sleep(self, until: int, woken: Callable[[], bool]) -> None:
        condition = self._condition()
        self._sleepers[condition] = woken
        if self._leader is not None and self._leader.pauses:
            self._wake.up()
        try:
            while not woken():
                left = until - self.clock.now()
                if left <= 0 or self._failure is not None or self._stopping:
                    break
                condition.wait(None if until >= NEVER else min(left / 1e9, threading.TIMEOUT_MAX))
        finally:
            del self._sleepers[condition]

    def _lead(self, until: int, woken: Callable[[], bool], t: int = 0, take: tuple[int, ...] = NOTHING) -> int:
        """Wait for frames and serve them, until this call has what it waits for.  What thread t has got of take (rt_lead()), or EAGAIN.

        What this does for each wake-up has left the caches since the last one, and costs five times what it takes when repeated: no call
        of a function that is not needed."""
        me, lock, asleep, compiled, words = threading.get_ident(), self.lock, self._asleep, self._compiled, self._compiled.words
        leader, served, more, got, now = _Leader(me, woken), True, 0, EAGAIN, 0
        self._leader = leader
        try:
            while now < until and self._failure is None and not self._stopping:
                sleeps = asleep[me] = min(until, self._due)
                served = False
                held = lock._release_save()          # type: ignore[attr-defined]   # however often, as a condition does
                try:
                    if more == BUDGET_SPENT:         # others are to have the processor
                        time.sleep(YIELD_S)
                    others = compiled.sleep(sleeps)
                    if others:
                        self._others(others, woken)
                finally:
                    lock._acquire_restore(held)      # type: ignore[attr-defined]
                if self._stopping or self._failure is not None:
                    break
                got = compiled.lead(t, self._due, *take)
                now, more = words[LEAD_NOW], words[LEAD_MORE]
                if words[LEAD_TURNS]:
                    if (words[LEAD_SENDS] or words[LEAD_TELLS] or self._sleepers or self.watchers or self.sources
                            or self.timeline is not None):
                        self._done(words[LEAD_DUE], words[LEAD_SENDS])
                    else:
                        self._due = words[LEAD_DUE]
                        self.turns += 1
                leader.told, served = False, True
                del asleep[me]
                if got != EAGAIN or woken():
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
            elif more and not all(end.again for end in self.ends):
                self._kick.up()                      # frames lie there that no thread knows of
            elif asleep and self._due < min(asleep.values()):
                self._kick.up()                      # who sees to the timers looks again
        if self._failure is not None:
            self.step()
        return got

    def receive_more(self, ns: int, t: int, take: tuple[int, ...]) -> int:
        """Thread t has something, and waits so long for more: in one sleep, for which frames stay in their devices' rings.  What it has got
        of take, or EAGAIN.  The caller has the lock.  Not while another call waits, which ends the sleep as well."""
        if self._leader is not None or self._sleepers or self._stopping:
            return EAGAIN
        if self._compiled.words[LEAD_MORE]:          # they have come
            return self._lead(self.clock.now(), _never, t, take)
        self._leader = _Leader(threading.get_ident(), _never, pauses=True)
        held = self.lock._release_save()             # type: ignore[attr-defined]
        try:
            if self._naps.poll(ns / 1e9):
                self._wake.down()
        finally:
            self.lock._acquire_restore(held)         # type: ignore[attr-defined]
            self._leader, self._led_at = None, self.clock.now()
            if self._stopping:
                self._left.notify_all()
            elif self._sleepers:                     # if this is Ctrl-C
                self._kick.up()
        return EAGAIN if self._stopping else self._lead(self.clock.now(), _never, t, take)

    def _others(self, n: int, woken: Callable[[], bool]) -> None:
        """What has woken the leader beside frames in rings.  Without the lock.  n: how many such events, or an errno below 0."""
        if n < 0:
            if n != -errno.EINTR:
                raise OSError(-n, os.strerror(-n))
            return
        for fd, what in list(self._compiled.others()):
            if fd == self._wake.fd:
                self._wake.down()
            else:
                self._pull(self._by_fd[fd], what, woken)

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
                if end.again and not 0 <= wait < end.grace_ns / 1e9:
                    wait = end.grace_ns / 1e9
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
        now, wanted = self.clock.now(), told or end.again
        again = wanted and not self._stopping and (
            self._leader is not None or (not self._sleepers and now - self._led_at < GRACE_NS))
        end.grace_ns = min(2 * end.grace_ns, GRACE_MOST_NS) if again and end.again else GRACE_NS
        end.again = again
        if end.backend.silent_end and now >= end.look_at:
            end.look_at = now + round(LOOK_S * 1e9)
            return True
        return wanted and not again

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
                    self._refused += n - self.call(rt_feed_batch)(self.net, end.table, n, now, 0)
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
        words = ring.words
        before, due = words[FRAMES], ring.serve(now)
        if due < 0:
            return 0
        self._done(due, words[SENDS])
        return max(words[FRAMES] - before, 1) if words[MORE] else 0

    @property
    def refused(self) -> int:
        """Frames that found no room on the cable."""
        return self._refused + sum(end.ring.refused() for end in self.ends if end.ring is not None)

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
        self._naps.close()
        self._compiled.close()
        for end in self.ends:
            end.close()
        self._wake.close()
        self._kick.close()
        super().close()


@dataclass
class _Leader:
    """A call that waits and serves frames meanwhile.  told: it has been woken by somebody else, or is to look.  pauses: it serves none
    now."""
    thread: int
    woken: Callable[[], bool]
    told: bool = False
    pauses: bool = False


def _never() -> bool:
    return False


class Closed(OSError):
    """The host is closed while a call waits."""
