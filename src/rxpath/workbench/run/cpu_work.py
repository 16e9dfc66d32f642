"""What the CPUs of a run worked on: their time by context and station, exactly.  --folded writes it as stacks, as a flame graph.

Every mark of every packet says what its station cost, on which CPU and in which context.  What a context has beyond the stations of packets
is the machine's: entering interrupts and softirqs, polls, wake-ups, switches, locks, copying by the byte.  An application's own time is its
program's.  The sum is the CPU time of the books without what was idle, to the ns."""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rxpath.abi.numbers import Trail as Marks
from rxpath.outputs import Mark
from rxpath.path import STATIONS, Stage
from rxpath.workbench.run import books
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.run.trail import context

MACHINE = "entry, wake-ups, locks, bytes"                   # of a context, what no packet's station has cost


@dataclass(frozen=True, slots=True)
class Work:
    """ns of one CPU: a context, then the room and the station; or a program."""
    cpu: int
    stack: tuple[str, ...]
    ns: int


class CpuWork:
    """Collects; replay() attaches it before the first frame."""

    def __init__(self) -> None:
        self.found: list[Work] = []
        self._cost: Counter[tuple[int, str, int]] = Counter()
        self.lost_marks = 0

    def attach(self, m: Machine) -> None:
        m.take_trail(Marks.ALL)
        self.machine = m
        m.time.add_watcher(self.marked)

    def marked(self, mark: Mark) -> None:
        if mark.cost and mark.stage != Stage.SPENT:
            self._cost[mark.cpu, context(mark), mark.stage] += mark.cost

    def finish(self) -> None:
        """The run is over.  A mark that found no room is in the machine's part."""
        m = self.machine
        self.lost_marks = sum(m.net.cpu[c].trail_lost for c in range(m.host.cpus))
        for c in books.read(m).cpus:
            for name, ns in (("hardirq", c.hardirq), ("softirq", c.softirq), ("syscall", c.syscall)):
                rest = ns
                for (cpu, where, stage), cost in sorted(self._cost.items()):
                    if cpu == c.cpu and _of(where) == name:
                        self.found.append(Work(cpu, (name, *_names(Stage(stage))), cost))
                        rest -= cost
                if rest:
                    self.found.append(Work(c.cpu, (name, MACHINE), rest))
        self.found += self._applications()
        del self.machine

    def _applications(self) -> list[Work]:
        """By program; what is no program's of the host file (senders on lo and veth, background loads) together.  Where a thread has
        roamed its time is not known by CPU: all programs of a CPU together."""
        m = self.machine
        cpus = books.read(m).cpus
        threads = [Work(m.net.thread[t.index].cpu, ("application", t.name), m.net.thread[t.index].ran_app_ns) for t in m.threads]
        rest = {c.cpu: c.application - sum(w.ns for w in threads if w.cpu == c.cpu) for c in cpus}
        if min(rest.values()) < 0:
            return [Work(c.cpu, ("application", "programs"), c.application) for c in cpus if c.application]
        return [w for w in threads if w.ns] + [Work(cpu, ("application", "other threads"), ns) for cpu, ns in rest.items() if ns]


def _of(where: str) -> str:
    return {"syscall": "syscall", "task": "syscall", "softirq": "softirq"}.get(where, "hardirq")


def _names(stage: Stage) -> tuple[str, ...]:
    station = STATIONS.get(stage)
    return (station.room, stage.name) if station is not None else (stage.name,)
