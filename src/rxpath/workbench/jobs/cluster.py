"""A pool whose workers are those of a Dask cluster: any number of machines, which may come and go.

Units travel in lots of about a second, since a task costs the scheduler and this side some 30 ms of CPU time, and two lots wait at each
worker; what they read goes along by content (parcel.py).  A result is known by its place in the work, so that neither the order in which
lots come back nor who did them changes a byte.  A worker that dies takes nothing along: the scheduler gives its lot to another.  A lot that
took four workers with it is halved, until the unit that does so is alone; that one's error then says so, as the pool's does.

Threads: what Dask calls from threads of its own only puts things into a queue.  Everything else is the caller's thread."""
from __future__ import annotations

import logging
import queue
import re
import socket
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from rxpath.workbench.jobs import parcel
from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.parcel import Identity, Missing, Packer, Parcel
from rxpath.workbench.jobs.pool import LOST, POLL_S, Pool, Progress, Stop
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.words.mistakes import BadInput, is_bad_input, one_line

ADDRESS = re.compile(r"(tcp|tls)://[^\s/:]+:\d{1,5}/?|(tcp|tls)://\[[0-9a-fA-F:.%\w]+\]:\d{1,5}/?")
CONNECT_S = 5.0                                             # that a scheduler may take to answer
WORKER_S = 30.0                                             # that the first worker, or another one when all are gone, may take to come
LOT_S = 1.0                                                 # of work
LOT_MOST = 256                                              # units
AHEAD = 2                                                   # lots at each worker: one that it does, and the next
COUNT_S = 3.0                                               # how often workers are counted
ATTEMPTS = 3                                                # of a unit that is its lot and whose workers died, four each time


def dask() -> Any:
    """Dask's distributed, or one line that says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import distributed
    except ImportError:
        raise BadInput("--scheduler needs Dask's distributed, which is not installed: pip install 'rxpath[cluster]'") from None
    return distributed


class Cluster(Pool):
    """As a Pool.  address: of the scheduler.  Raises BadInput where there is none, or not one of this rxpath."""

    def __init__(self, address: str) -> None:
        super().__init__(1)
        if ADDRESS.fullmatch(address) is None:
            raise BadInput(f"--scheduler {address or '(empty)'}: must be tcp://HOST:PORT, such as tcp://127.0.0.1:8786, or tls://HOST:PORT")
        self.address, self.packer = address, Packer()
        self.seconds = 0.0                                  # of a unit, as far as is known
        self.client = self._connected(dask())
        try:
            self._check_workers()
        except BaseException:
            self.close()
            raise

    def _connected(self, distributed: Any) -> Any:
        for name in ("distributed", "distributed.client", "distributed.comm", "distributed.core", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)      # what matters is said in one line of ours
        try:
            host, _, port = self.address.partition("://")[2].rstrip("/").rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()         # Dask itself would try for long
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")             # that versions differ: _check_workers() says which
                return distributed.Client(self.address, timeout=CONNECT_S, set_as_default=False, name="rxpath")
        except Exception as error:
            why = f"nothing answers ({one_line(error)})" if isinstance(error, (OSError, OverflowError)) else \
                f"{type(error).__name__}: {one_line(error)}"
            raise BadInput(f"--scheduler {self.address}: {why}: is dask scheduler running there?") from None

    def _check_workers(self) -> None:
        """Every worker is of this very rxpath."""
        self._wait_for_workers()
        try:
            found = self.client.run(parcel.identity, on_error="return")
        except Exception as error:
            raise self._gone(error) from None
        for worker, other in sorted(found.items()):
            self._check(worker, other)

    def _check(self, worker: str, other: object) -> None:
        why = parcel.identity().differs(other) if isinstance(other, Identity) else f"no rxpath that can be used ({one_line(other)})" \
            if isinstance(other, BaseException) else f"another rxpath ({type(other).__name__})"
        if why:
            raise BadInput(f"--scheduler {self.address}: the worker {worker} has {why}: install the same rxpath on every machine")

    def _wait_for_workers(self) -> int:
        """How many there are, in threads."""
        end = time.monotonic() + WORKER_S
        while not (n := self._threads()):
            if time.monotonic() >= end:
                raise BadInput(f"--scheduler {self.address}: no worker within {WORKER_S:.0f} s: dask worker {self.address} starts some")
            time.sleep(0.2)
        return n

    def _threads(self) -> int:
        try:
            return sum(self.client.nthreads().values())
        except Exception as error:
            raise self._gone(error) from None

    def _gone(self, error: BaseException) -> BadInput:
        return BadInput(f"--scheduler {self.address}: the scheduler is gone ({type(error).__name__}); --resume FILE keeps what was done")

    def close(self) -> None:
        """Nothing that was asked for goes on."""
        client = getattr(self, "client", None)
        if client is not None:
            self.client = None
            client.close()

    def begin(self, work: Sequence[Unit]) -> None:
        """Nothing is done ahead: a cluster has its own queue."""

    def run_all(self, work: Sequence[Unit], progress: Progress | None = None, deadline: float | None = None,
                stop: Stop | None = None) -> Iterator[tuple[int, Result]]:
        """As the function of that name."""
        for n, (index, result) in enumerate(_Round(self, work).results(deadline, stop), 1):
            if progress:
                progress(n, len(work))
            yield index, result


class _Round:
    """One run_all(): the lots that wait, and those that are under way."""

    def __init__(self, cluster: Cluster, work: Sequence[Unit]) -> None:
        self.cluster, self.client, self.work = cluster, cluster.client, work
        self.todo = deque(range(len(work)))
        self.again: deque[list[int]] = deque()              # lots whose workers died
        self.died = dict[int, int]()                        # how often, of a unit that was its lot
        self.suspects: deque[int] = deque()                 # units whose last attempt it is: what is with them on a worker dies, too
        self.parcels = dict[int, Parcel]()
        self.under_way = dict[Any, list[int]]()             # future -> its units
        self.back: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.threads, self.counted = 0, -COUNT_S

    def results(self, deadline: float | None, stop: Stop | None) -> Iterator[tuple[int, Result]]:
        """(index, result), as they come."""
        try:
            while self.todo or self.again or self.suspects or self.under_way:
                if (stop is not None and stop()) or (deadline is not None and time.monotonic() >= deadline):
                    return
                yield from self._send()
                try:
                    future = self.back.get(timeout=POLL_S)
                except queue.Empty:
                    continue
                yield from self._came(future)
        finally:
            if self.under_way and self.cluster.client is not None:
                self.client.cancel(list(self.under_way), force=True)

    # ------------------------------------------------------------ out
    def _send(self) -> Iterator[tuple[int, Result]]:
        """As many lots as the workers want; what cannot be packed has its error now."""
        if time.monotonic() - self.counted >= COUNT_S:
            self.threads, self.counted = self.cluster._threads(), time.monotonic()
            if not self.threads:
                self.threads = self.cluster._wait_for_workers()
        if self.suspects and not (self.todo or self.again or self.under_way):       # alone in the cluster: a death is its own doing
            self.again.append([self.suspects.popleft()])
        while (self.todo or self.again) and len(self.under_way) < AHEAD * self.threads:
            lot = self.again.popleft() if self.again else [self.todo.popleft() for _ in range(self._size())]
            ready = []
            for index in lot:
                try:
                    if index not in self.parcels:
                        self.parcels[index] = self.cluster.packer.pack(self.work[index])
                    ready.append(index)
                except Exception as error:
                    if not is_bad_input(error):
                        raise
                    yield index, units.run(self.work[index])            # the mistake in its own words
            if ready:
                self._submit(ready, {})

    def _size(self) -> int:
        """Units of the next lot: a second of work, and towards the end half of what is left, shared out: all end together."""
        wanted = max(1, min(LOT_MOST, round(LOT_S / self.cluster.seconds))) if self.cluster.seconds else 1
        return min(wanted, -(-len(self.todo) // (2 * max(self.threads, 1))))

    def _submit(self, lot: list[int], files: dict[str, bytes], worker: str | None = None) -> None:
        where = {"workers": [worker], "allow_other_workers": True} if worker else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                 # that a graph is large: a capture
            future = self.client.submit(parcel.do, [self.parcels[i] for i in lot], files, pure=False, **where)
        self.under_way[future] = lot
        future.add_done_callback(self.back.put)

    # ------------------------------------------------------------ back
    def _came(self, future: Any) -> Iterator[tuple[int, Result]]:
        lot = self.under_way.pop(future)
        if future.status == "error":
            yield from self._failed(lot, future.exception())
            return
        try:
            worker, other, done, seconds = future.result()
        except Exception as error:                          # cancelled: the scheduler does not know it any more
            raise self.cluster._gone(error) from None
        self.cluster._check(worker, other)
        if isinstance(done, Missing):
            self._submit(lot, self.cluster.packer.content(done.digests), worker)
            return
        each = seconds / len(lot)
        self.cluster.seconds = (self.cluster.seconds + each) / 2 if self.cluster.seconds else each
        for index, result in zip(lot, done, strict=True):
            self.parcels.pop(index, None)
            yield index, self.cluster.packer.named_here(result)

    def _failed(self, lot: list[int], error: BaseException) -> Iterator[tuple[int, Result]]:
        """A lot whose workers died, four of them; anything else is not a unit's doing."""
        if type(error).__name__ != "KilledWorker":
            raise BadInput(f"--scheduler {self.cluster.address}: a worker cannot do its work: {one_line(error)}")
        if len(lot) > 1:
            self.again += [lot[:len(lot) // 2], lot[len(lot) // 2:]]
            return
        index = lot[0]
        self.died[index] = self.died.get(index, 0) + 1
        if self.died[index] < ATTEMPTS - 1:
            self.again.append(lot)
        elif self.died[index] == ATTEMPTS - 1:
            self.suspects.append(index)
        else:
            yield index, Result(error=f"{LOST} on every worker that tried it")
