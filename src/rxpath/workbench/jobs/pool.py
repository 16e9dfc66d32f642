"""Many pieces of work on all cores: Workers do anything, a Pool does units, run_all() has one for a single round.

Workers are forked processes.  Threads were measured too: the path itself runs without Python's lock, but booting a host and reading its
books are Python, 6 ms of a short run's 9, and two threads did only 1.1 to 1.7 times as much as one; two processes do 1.9 times and more.
A worker inherits the linked path and who the receivers are, so that it starts within milliseconds, and holds nothing but memory: it can be
killed at any moment.  It ends when its pipe does."""
from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Self, TypeVar

from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.unit import Result, Unit

POLL_S = 0.05                                               # how soon Ctrl-C and a deadline are noticed
LOST = "its process ended"                                  # how the error of a unit begins whose worker went: it says nothing of the unit
Progress = Callable[[int, int], None]                       # (done, of)
Stop = Callable[[], bool]
Work = TypeVar("Work")
Done = TypeVar("Done")


def cores() -> int:
    """CPUs that we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(work: Sequence[Unit], jobs: int | None = None, progress: Progress | None = None, deadline: float | None = None,
            stop: Stop | None = None) -> Iterator[tuple[int, Result]]:
    """(index, result) of every unit, as they are done.  jobs: how many at a time, all cores if not given.  deadline: a value of
    time.monotonic() after which nothing more comes; stop: asked twenty times a second, true is the same.  What was done until then has been
    given; what was under way is not."""
    with Pool(jobs if jobs is not None else min(cores(), len(work))) as pool:
        yield from pool.run_all(work, progress, deadline, stop)


class Workers(Generic[Work, Done]):
    """Forked processes that stay for several rounds of run_all().  One job at a time needs no worker: it runs here.

    do: one piece of work; the function that it may ask says whether to stop, and None is what came of one that was stopped.  lost: what
    stands for a piece whose process ended, with that status.  warm: what every worker would do for itself, done once before they start."""

    def __init__(self, jobs: int | None, do: Callable[[Work, Stop], Done | None], lost: Callable[[int], Done],
                 warm: Callable[[Sequence[Work]], None]) -> None:
        self.jobs = max(1, jobs if jobs is not None else cores())
        self.do, self.lost, self.warm = do, lost, warm
        self._workers: dict[Connection, Any] = {}
        self._begun: dict[int, Work] = {}                   # by id
        self._early: dict[int, Done] = {}                   # what came of those that are done
        self._ahead: dict[Connection, deque[int]] = {}      # those that a worker still has before it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every worker, whatever it is at."""
        for pipe in list(self._workers):
            self._end(pipe)

    def begin(self, work: Sequence[Work]) -> None:
        """Begin what a later run_all() will be asked for, with these very objects: until then this process goes on with something else.
        With one job at a time nothing begins before it is asked for."""
        if self.jobs == 1 or not work:
            return
        self._start(min(self.jobs, len(work)), work)
        for n, pipe in enumerate(list(self._workers)):
            with contextlib.suppress(OSError):              # a worker that has died begins nothing more: run_all() sees to it
                for item in work[n::len(self._workers)]:
                    pipe.send(item)
                    self._begun[id(item)] = item
                    self._ahead.setdefault(pipe, deque()).append(id(item))

    def run_all(self, work: Sequence[Work], progress: Progress | None = None, deadline: float | None = None,
                stop: Stop | None = None) -> Iterator[tuple[int, Done]]:
        """As the function of that name."""
        def over() -> bool:
            return (stop is not None and stop()) or (deadline is not None and time.monotonic() >= deadline)

        done = self._here(work, over) if self.jobs == 1 or (len(work) == 1 and not self._workers) else self._there(work, over)
        for n, (index, result) in enumerate(done, 1):
            if progress:
                progress(n, len(work))
            yield index, result

    def _here(self, work: Sequence[Work], over: Stop) -> Iterator[tuple[int, Done]]:
        for index, item in enumerate(work):
            if over():
                return
            result = self.do(item, over)
            if result is None:
                return
            yield index, result

    def _there(self, work: Sequence[Work], over: Stop) -> Iterator[tuple[int, Done]]:
        self._start(min(self.jobs, len(work)), work)
        early = {id(item): index for index, item in enumerate(work) if id(item) in self._begun}
        todo = deque(index for index, item in enumerate(work) if id(item) not in early)
        under_way: dict[Connection, int] = {}
        try:
            for pipe in list(self._workers):
                self._hand_out(pipe, work, todo, under_way)
            yield from self._done_early(early)
            while (under_way or early or todo) and not over():
                for ready in wait([*under_way, *self._ahead], POLL_S):
                    assert isinstance(ready, Connection)
                    pipe, index = ready, under_way.pop(ready, None)
                    try:
                        result = pipe.recv()
                    except (EOFError, OSError):             # out of memory, or killed by somebody: the others go on
                        for one in self._ahead.pop(pipe, ()):
                            del self._begun[one]
                            todo += [early.pop(one)] if one in early else []
                        result = self.lost(self._end(pipe))
                        pipe = self._fork()
                    else:
                        if index is None:
                            self._early[self._next_ahead(pipe)] = result
                    self._hand_out(pipe, work, todo, under_way)
                    yield from [(index, result)] if index is not None else self._done_early(early)
        finally:                                            # stopped, or nobody wants more: what is under way is given up
            for pipe in under_way:
                self._end(pipe)

    def _hand_out(self, pipe: Connection, work: Sequence[Work], todo: deque[int], under_way: dict[Connection, int]) -> None:
        if todo and pipe not in self._ahead:
            under_way[pipe] = todo.popleft()
            pipe.send(work[under_way[pipe]])

    def _next_ahead(self, pipe: Connection) -> int:
        """Which of those that were begun this worker has done now: it does them in their order."""
        one = self._ahead[pipe].popleft()
        if not self._ahead[pipe]:
            del self._ahead[pipe]
        return one

    def _done_early(self, early: dict[int, int]) -> Iterator[tuple[int, Done]]:
        """Of those that are asked for now, what came of each that is done."""
        for one in [one for one in early if one in self._early]:
            del self._begun[one]
            yield early.pop(one), self._early.pop(one)

    # ------------------------------------------------------------ workers
    def _start(self, wanted: int, work: Sequence[Work]) -> None:
        if not self._workers:
            self.warm(work)
        while len(self._workers) < wanted:
            self._fork()

    def _fork(self) -> Connection:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=_worker, args=(self.do, theirs, [*self._workers, ours]), daemon=True)
        with warnings.catch_warnings():                     # 3.12 warns of threads: a worker takes no lock that another thread may hold
            warnings.simplefilter("ignore", DeprecationWarning)
            with _frozen():
                process.start()
        theirs.close()
        self._workers[ours] = process
        return ours

    def _end(self, pipe: Connection) -> int:
        process = self._workers.pop(pipe, None)
        self._ahead.pop(pipe, None)
        if process is None:
            return 0
        pipe.close()
        process.kill()
        process.join()
        code = int(process.exitcode or 0)
        process.close()
        return code


@contextlib.contextmanager
def _frozen() -> Iterator[None]:
    """What a child inherits is no matter of its garbage collections: each would write to all of it, which copies the memory."""
    if gc.get_freeze_count():                               # whoever uses us does it already
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _worker(do: Callable[[Work, Stop], Done | None], pipe: Connection, others: list[Connection]) -> None:
    """Work in, what came of it out, until the pipe ends.  The inherited ends of other workers' pipes are closed: they would keep them
    open."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)            # Ctrl-C reaches the whole group; the parent decides
    for other in others:
        other.close()
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(do(pipe.recv(), lambda: False))


# ---------------------------------------------------------------- units
class Pool(Workers[Unit, Result]):
    """Of units."""

    def __init__(self, jobs: int | None = None) -> None:
        super().__init__(jobs, _unit, lambda status: Result(error=f"{LOST} with status {status}"), _warm)


def _unit(item: Unit, over: Stop) -> Result | None:
    result = units.run(item, over)
    return None if result.interrupted else result


def _warm(work: Sequence[Unit]) -> None:
    """Find the receivers (the path is linked).  Mistakes are left to the units that make them."""
    seen: set[tuple[object, str | None, int]] = set()
    for item in work:
        key = (item.capture, item.local, id(item.host))
        if key not in seen and len(seen) < units.RECEIVERS_KEPT:
            seen.add(key)
            with contextlib.suppress(Exception):
                units.receiver(item, units.the_host(item))
