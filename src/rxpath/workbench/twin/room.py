"""Head-room while a twin runs: the last seconds are searched by many/headroom.py in a process of its own, with the lowest priority, one
search at a time, and no more CPU time than CPU_S."""
from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import tempfile
import time
from multiprocessing.connection import Connection
from typing import Any

from rxpath.workbench.host.model.host import Host
from rxpath.workbench.many.headroom import headroom
from rxpath.workbench.twin.lots import Lot, Lots
from rxpath.workbench.twin.windows import Room
from rxpath.workbench.words.mistakes import is_bad_input, one_line

LOT_NS = 5_000_000_000
RECORDS = 100_000                                           # of a lot
FEWEST = 100
CPU_S, NICE = 60, 19


class Rooms:
    """look() from time to time: begins a search every `every` seconds of the clock, and returns what one has found."""

    def __init__(self, lots: Lots, host: Host, every: float) -> None:
        self.lots, self.host, self.every = lots, host, every
        self.due = time.monotonic() + min(every, 2.0)
        self.process: Any = None
        self.lot: Lot | None = None
        self.folder = tempfile.TemporaryDirectory(prefix="rxpath-twin-")
        self.at_ns = 0

    def look(self, t: int, wall_ns: int) -> Room | None:
        """t: virtual time by now."""
        if self.process is not None:
            return self._ended()
        if time.monotonic() < self.due:
            return None
        self.due = time.monotonic() + self.every
        lot = self.lots.cut(t - LOT_NS, RECORDS)
        if lot is not None and lot.records >= FEWEST:
            self._begin(lot, wall_ns)
        return None

    def last(self, t: int, wall_ns: int, patience: float) -> Room | None:
        """At the end: of a search that is under way, or of one more if there was none; waited for so long."""
        if self.process is None:
            self.due = 0.0
            self.look(t, wall_ns)
        if self.process is None:
            return None
        self.pipe.poll(patience)
        return self._ended()

    def _begin(self, lot: Lot, wall_ns: int) -> None:
        path = os.path.join(self.folder.name, "lot")
        with open(path, "wb") as file:
            file.write(lot.data)
        self.lot, self.at_ns = lot, wall_ns
        context = multiprocessing.get_context("fork")
        self.pipe, child = context.Pipe(False)
        self.process = context.Process(target=_search, args=(child, path, self.host), daemon=True)
        self.process.start()
        child.close()

    def _ended(self) -> Room | None:
        if not self.pipe.poll():
            return None
        assert self.lot is not None
        try:
            found = self.pipe.recv()
        except EOFError:
            found = {"why": f"the search took more than {CPU_S} s of CPU time"}
        self._forget()
        return Room(frames=self.lot.records, seconds=self.lot.seconds, at_ns=self.at_ns, **found)

    def _forget(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
        self.process = None

    def close(self) -> None:
        if self.process is not None:
            self._forget()
        self.folder.cleanup()


def _search(pipe: Connection, path: str, host: Host) -> None:
    """In the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    try:
        found = headroom(path, host, steps=1, seeds=1, jobs=1, curve=False)
        limit = found.limits[0].limit if found.limits else None
        pipe.send({"factor": found.factor, "place": limit.place if limit else "", "says": limit.says if limit else ""})
    except Exception as error:
        if not is_bad_input(error):
            raise
        pipe.send({"why": one_line(error)})
    finally:
        pipe.close()
        os._exit(0)                                         # nothing of the parent's is closed or printed here
