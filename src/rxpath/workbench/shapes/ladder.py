"""Cloudflare's ladder, "How to receive a million packets per second" (2015): eleven configurations of one machine, each with its rate and
the counter that moves.  Ours come from the cost profile xeon2g_2015 and kernel 3.10.

The profile was fitted to four of the eleven rates (its head says which and how); the others, and every direction, come out.  What the
article does not say and we chose: rings of 1024 and 20 us of interrupt moderation, default buffers, Poisson arrivals, an offered load of
365 kpps on each queue (C8: what it says was received and lost).  C1's size hangs on what else the machine does, which nobody wrote down:
10 % on each CPU here; without any, the roaming receiver loses 1 % against the pinned one, and 5 % at 420 kpps."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rxpath.workbench.shapes.measure import Measured, measure

SENDER = 365e3                  # one sender of the article: a little more than one queue can take
PORTS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """low to high: the published rate, kpps.  ours: kpps.  by: how far outside of the published range, 0.05 = 5 % too high."""
    step: str
    what: str
    low: float
    high: float
    ours: float
    told: str                   # the counter that moves, ours
    source: str

    @property
    def by(self) -> float:
        return self.ours / self.high - 1 if self.ours > self.high else self.ours / self.low - 1 if self.ours < self.low else 0.0


def host(irq: Sequence[int], apps: Sequence[int | str], *, ports: int = 1, reuseport: bool = False, **more: Any) -> dict[str, Any]:
    """Queue i interrupts CPU irq[i]; a reader on each of `apps`: of one socket, of ports that are its own, or of a reuseport member."""
    each = ports > 1 or reuseport
    sockets = [{"name": f"s{i}", "bind": f"0.0.0.0:{5000 + (0 if reuseport else i)}", "reuseport": reuseport}
               for i in range(len(apps) if each else 1)]
    readers = [{"name": f"a{i}", "sockets": [f"s{i if each else 0}"], "cpu": cpu, "batch": 1024} for i, cpu in enumerate(apps)]
    return {"kernel": "3.10", "profile": "xeon2g_2015", "cpus": 8, "nic": {"queues": len(irq)},
            "ethtool": {"rx": 1024, "rx-usecs": 20, "adaptive-rx": False}, "irq": {str(q): c for q, c in enumerate(irq)},
            "socket": sockets, "app": readers, **more}


NODES: dict[str, Any] = {"cpu": {"nodes": [[0, 1, 2, 3], [4, 5, 6, 7]]}}
NOISE: dict[str, Any] = {"load": [{"cpu": "0-7", "share": "10%", "slice": "1ms"}]}


def _row(step: str, what: str, low: float, high: float, m: Measured) -> Row:
    drops = ", ".join(f"{k} {v / 1e3:.0f} k/s" for k, v in sorted(m.dropped.items(), key=lambda kv: -kv[1])) or "no loss"
    return Row(step, what, low, high, m.read / 1e3, drops, "Cloudflare 2015")


def c4_peak(ms: int = 80) -> tuple[float, Measured]:
    """The receiver on the queue's CPU: the best of several loads, kpps."""
    runs = [(rate, measure(host([0], [0]), rate * 1e3, ms)) for rate in (350, 380, 400, 420, 440)]
    rate, best = max(runs, key=lambda r: r[1].read)
    return rate, best


STEPS: dict[str, tuple[str, float, float, Callable[[int], Measured]]] = {
    "C1": ("1 receiver, not pinned, a machine that does a little else", 197, 350,
           lambda ms: measure(host([0], ["any"], **NOISE), SENDER, ms)),
    "C2": ("pinned, another CPU of the same node", 360, 370, lambda ms: measure(host([0], [1]), SENDER, ms)),
    "C3": ("twice the senders", 350, 350, lambda ms: measure(host([0], [1]), 2 * SENDER, ms)),
    "C4": ("receiver on the queue's CPU, its peak", 430, 430, lambda ms: c4_peak(ms)[1]),
    "C4 overload": ("the same at twice the load: livelock", 0, 4, lambda ms: measure(host([0], [0]), 2 * SENDER, ms)),
    "C5": ("receiver on the hyper-thread beside", 200, 200, lambda ms: measure(host([0], [1], cpu={"siblings": [[0, 1]]}), SENDER, ms)),
    "C6": ("receiver on the other node", 250, 330, lambda ms: measure(host([0], [4], **NODES), SENDER, ms)),
    "C7": ("2 queues, 1 receiver", 609, 657, lambda ms: measure(host([0, 2], [1]), SENDER, ms)),
    "C8": ("4 queues, 1 receiver", 437, 437, lambda ms: measure(host([0, 2, 3, 4], [1]), (437e3 + 387e3) / 4, ms)),
    "C9": ("2 queues, 2 threads on 1 socket", 461, 495, lambda ms: measure(host([0, 2], [1, 3]), SENDER, ms)),
    "C10": ("SO_REUSEPORT, 4 threads; flows collide", 1114, 1147,
            lambda ms: measure(host([0, 1, 2, 3], [4, 5, 6, 7], reuseport=True), SENDER, ms)),
    "C11": ("aligned, one node", 1400, 1400, lambda ms: measure(host([0, 1, 2, 3], [4, 5, 6, 7], ports=PORTS), SENDER, ms, PORTS)),
    "C11 crossed": ("aligned, receivers on the other node", 1000, 1000,
                    lambda ms: measure(host([0, 1, 2, 3], [4, 5, 6, 7], ports=PORTS, **NODES), SENDER, ms, PORTS)),
}


def ladder(ms: int = 80, steps: Sequence[str] = tuple(STEPS)) -> list[Row]:
    """Every step, in the article's order."""
    return [_row(step, STEPS[step][0], STEPS[step][1], STEPS[step][2], STEPS[step][3](ms)) for step in steps]


# ---------------------------------------------------------------- the overload curve of one CPU
OVERLOAD = (100, 200, 300, 350, 400, 450, 500, 550, 600, 700, 1000)


def overload_host(profile: str = "vm_xeon", kernel: str = "6.18") -> dict[str, Any]:
    """Queue and reader on one CPU, a recvfrom for each datagram, default buffers."""
    return {"kernel": kernel, "profile": profile, "cpus": 2, "nic": {"queues": 1}, "irq": {"0": 1},
            "ethtool": {"rx": 1024, "rx-usecs": 20, "adaptive-rx": False},
            "socket": [{"name": "s", "bind": "0.0.0.0:5000"}], "app": [{"name": "a", "sockets": ["s"], "cpu": 1}]}


def overload_curve(rates: Sequence[float] = OVERLOAD, ms: int = 80, profile: str = "vm_xeon",
                   kernel: str = "6.18") -> list[tuple[float, float]]:
    """(offered, read) in kpps.  Measured on a 6.18 guest: a peak of about 320 at 400 offered, half of it at 460, 1.5 at 1070."""
    return [(rate, measure(overload_host(profile, kernel), rate * 1e3, ms).read / 1e3) for rate in rates]


def table(rows: Sequence[Row]) -> str:
    """For a terminal."""
    lines = [f"{'step':<12} {'published':>11} {'ours':>6} {'off':>5}  what; what is lost, ours"]
    for r in rows:
        published = f"{r.low:.0f}" if r.low == r.high else f"{r.low:.0f}-{r.high:.0f}"
        lines.append(f"{r.step:<12} {published:>11} {r.ours:>6.0f} {r.by:>+5.0%}  {r.what}; {r.told}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(ladder()))
    for offered, read in overload_curve():
        print(f"one CPU, vm_xeon, 6.18: offered {offered:.0f} kpps, read {read:.0f}")
