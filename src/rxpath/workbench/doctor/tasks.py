"""How long threads ran and how long they waited for a CPU: of the programs that hold UDP sockets, and of ksoftirqd.

/proc/PID/task/TID/schedstat has both in nanoseconds (run, wait), /proc/PID/task/TID/stat the last CPU.  Where the kernel was built without
CONFIG_SCHED_INFO, stat's ticks stand in and the waiting is not known."""
from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from rxpath.workbench.doctor.evidence import Evidence, NotKnown
from rxpath.workbench.readings.records import Record

HERE = "rxpath doctor on the host itself"
THREADS = 512                                               # of a program; more are not looked at, and the busiest are rarely the last


@dataclass(frozen=True, slots=True)
class Task:
    """A thread.  run, wait: ns since it began; wait None: not known.  cpu: where it ran last."""

    pid: int
    tid: int
    name: str
    cpu: int
    run: int
    wait: int | None


@dataclass(frozen=True, slots=True)
class Tasks(Record):
    """Threads at a moment; time: of a clock in seconds."""

    tasks: tuple[Task, ...]
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Ran:
    """A thread between two readings: shares of the time."""

    task: Task
    run: float
    wait: float | None


def read(pids: Iterable[int]) -> Tasks:
    """The threads of these processes, as far as they may be read."""
    found: list[Task] = []
    for pid in pids:
        try:
            tids = sorted(map(int, os.listdir(f"/proc/{pid}/task")))[:THREADS]
        except OSError:                                     # it has ended
            continue
        found += [t for tid in tids if (t := _task(pid, tid)) is not None]
    return Tasks(tuple(found), time.monotonic())


def _task(pid: int, tid: int) -> Task | None:
    try:
        with open(f"/proc/{pid}/task/{tid}/stat", "rb") as file:
            stat = file.read()
        try:
            with open(f"/proc/{pid}/task/{tid}/schedstat", "rb") as file:
                schedstat = file.read()
        except OSError:
            schedstat = b""
    except OSError:
        return None
    return task_of(pid, tid, stat, schedstat)


def task_of(pid: int, tid: int, stat: bytes, schedstat: bytes) -> Task | None:
    """From the texts of its stat and schedstat (b"": there is none).  None: they are not as the kernel writes them."""
    text, words = stat.decode(errors="replace"), schedstat.split()
    begin, _, rest = text.rpartition(")")
    fields = rest.split()
    if len(fields) < 37 or not all(fields[i].isdigit() for i in (11, 12, 36)) or not all(w.isdigit() for w in words[:2]):
        return None
    ticks = int(fields[11]) + int(fields[12])
    run, wait = (int(words[0]), int(words[1])) if len(words) >= 2 else (ticks * 10_000_000, None)
    return Task(pid, tid, begin.partition("(")[2], int(fields[36]), run, wait)


def ksoftirqds() -> list[int]:
    """Their process numbers: kthreadd starts them early, so they are among the first."""
    found = []
    for name in sorted((n for n in os.listdir("/proc") if n.isdigit()), key=int):
        try:
            with open(f"/proc/{name}/comm", "rb") as file:
                if file.read().startswith(b"ksoftirqd/"):
                    found.append(int(name))
        except OSError:
            continue
        if int(name) > 20_000:
            break
    return found


def ran(e: Evidence) -> list[Ran]:
    """Every thread that both readings have."""
    a, b = e.readings[0].first(Tasks), e.readings[-1].first(Tasks)
    if a is None or b is None:
        raise NotKnown(HERE)
    before = {t.tid: t for t in a.tasks}
    whole = (b.time - a.time) * 1e9
    if whole <= 0:
        raise NotKnown(HERE)
    return [Ran(t, (t.run - was.run) / whole, None if t.wait is None or was.wait is None else (t.wait - was.wait) / whole)
            for t in b.tasks if (was := before.get(t.tid)) is not None]


def ksoftirqd_share(e: Evidence, cpu: int) -> float:
    found = [r.run for r in ran(e) if re.fullmatch(rf"ksoftirqd/{cpu}", r.task.name)]
    if not found:
        raise NotKnown(HERE)
    return found[0]


def busiest(e: Evidence, pids: Iterable[int]) -> Ran:
    """Of some programs' threads the one that ran most, or waited most for its CPU."""
    wanted = set(pids)
    found = [r for r in ran(e) if r.task.pid in wanted]
    if not found:
        raise NotKnown(f"{HERE}, as root: whose socket it is")
    return max(found, key=lambda r: (r.run + (r.wait or 0), -r.task.tid))
