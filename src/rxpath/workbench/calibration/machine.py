"""The machine that is measured: who it is, which two CPUs, and how quiet it is meanwhile."""
from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rxpath.workbench.readings.live import machine as live
from rxpath.workbench.words.mistakes import BadInput

QUIET = 0.04                                                # share of the CPUs' time that others may have
WAIT_S, LOOK_S = 20, 0.2


@dataclass(frozen=True, slots=True)
class Cpus:
    """a: the sender's and the softirq's; b: the reader's, None where there is but one."""
    a: int
    b: int | None
    note: str = ""


def cpus(wanted: tuple[int, ...] = ()) -> Cpus:
    """Two CPUs that we may use: of one node, and no hyper-threads of one core where that can be had."""
    if not sys.platform.startswith("linux"):
        raise BadInput(f"this is {sys.platform}: only a Linux kernel can be measured")
    allowed = sorted(os.sched_getaffinity(0))
    if wanted:
        missing = [cpu for cpu in wanted if cpu not in allowed]
        if missing or len(wanted) > 2:
            raise BadInput(f"--cpus {','.join(map(str, wanted))}: one or two of {','.join(map(str, allowed[:16]))}")
        return Cpus(wanted[0], wanted[1] if len(wanted) > 1 and wanted[1] != wanted[0] else None)
    if len(allowed) == 1:
        return Cpus(allowed[0], None, "one CPU: nothing between CPUs can be measured")
    topology = live.topology()
    a = allowed[0]
    siblings = next((group for group in topology.siblings if a in group), (a,))
    node = next((group for group in topology.nodes if a in group), tuple(allowed))
    apart = [c for c in allowed[1:] if c not in siblings]
    if near := [c for c in apart if c in node]:
        return Cpus(a, near[0])
    if apart:
        return Cpus(a, apart[0], "the two CPUs are of two nodes")
    return Cpus(a, allowed[1], "the two CPUs are hyper-threads of one core: each is slower while the other works")


# ---------------------------------------------------------------- how quiet it is
@dataclass(frozen=True, slots=True)
class Busy:
    """Shares of the CPUs' time: what other tasks ran, and what the hypervisor took."""
    others: float
    steal: float

    @property
    def quiet(self) -> bool:
        return self.others <= QUIET and self.steal <= 0.01

    def said(self) -> str:
        return f"others had {self.others:.0%} of the CPUs" + (f", the hypervisor {self.steal:.0%}" if self.steal > 0.005 else "")


@dataclass(frozen=True, slots=True)
class Look:
    """At one moment: ns that each task of others has run, and seconds of steal of all CPUs."""
    at: float
    ran: dict[str, int]
    steal: float

    def until(self, later: Look) -> Busy:
        ncpu, passed = os.cpu_count() or 1, max(later.at - self.at, 1e-9)
        ran = sum(ns - self.ran.get(task, 0) for task, ns in later.ran.items())
        return Busy(max(0, ran) / 1e9 / passed / ncpu, max(0.0, later.steal - self.steal) / passed / ncpu)


def look() -> Look:
    """All but us and our children.  Tasks that have ended since are not seen; softirqs of our own traffic are nobody's."""
    own, ran = str(os.getpid()), {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/stat") as file:
                name, _, rest = file.read().partition("(")[2].rpartition(")")
            if pid == own or rest.split()[1] == own or name.startswith("ksoftirqd"):
                continue
            for task in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/task/{task}/schedstat") as file:
                    ran[task] = int(file.read().split()[0])
    steal = int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / os.sysconf("SC_CLK_TCK")
    return Look(time.monotonic(), ran, steal)


def wait_until_quiet(limit_s: float = WAIT_S) -> Busy:
    """Waits so long at most; what it was at last."""
    end = time.monotonic() + limit_s
    while True:
        before = look()
        time.sleep(LOOK_S)
        busy = before.until(look())
        if busy.quiet or time.monotonic() > end:
            return busy
