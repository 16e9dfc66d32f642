"""Traffic from counters: a family of laws, each with one parameter that is fitted to what was lost; those that do not fit are dropped.

A mean rate says nothing about loss: the same rate evenly and in bursts of 4,096 loses nothing and more than half.  What was lost says how
long the bursts were, if there were any; a program that is too slow for the mean explains it without bursts."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rxpath.workbench.case.counted import Counted
from rxpath.workbench.case.fit import serviced
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.replay import replay
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.traffic.spec import Spec

REASONS = {"ring": "RX_MISSED", "backlog": "CPU_BACKLOG", "socket": "SOCKET_RCVBUFF"}
PACKETS, SHORTEST, LONGEST = 200_000, 0.5, 5.0              # of a run, and s
BURST_MOST, LONGEST_PAUSE = 1 << 16, 1.0                    # s between two bursts
RUNS = 14
NEAR, NEARLY = 0.20, 0.002                                  # of what was lost, and of what came: a law fits
ENOUGH = 10                                                 # packets that a run would lose: a law that loses none is another one
SPREAD_APART = 0.35                                         # of the intervals with losses
BIN = 0.1                                                   # s


@dataclass(frozen=True)
class Law:
    """kind: as a traffic spec names it.  what: the parameter's name, value: it; "": none.  lost: share of what came, by class; spread: in
    which share of the tenths of a second anything was lost, None: not enough of them.  fits: it survives; why: why not."""

    kind: str
    what: str
    value: float
    spec: Spec
    host: Host
    lost: dict[str, float]
    spread: float | None
    fits: bool
    why: str
    run: Outcome

    @property
    def title(self) -> str:
        words = {"constant": "evenly", "poisson": "at random", "onoff": "in bursts of one length", "pareto": "in bursts with a heavy tail"}
        value = {"": "", "burst": f", {self.value:,.0f}" + (" on average" if self.kind == "pareto" else ""),
                 "work": f", {self.value / 1000:,.1f} us of work for each"}
        return words[self.kind] + value[self.what]


def families(c: Counted, host: Host, app: int | None, measured: bool, stop: Callable[[], bool] | None = None,
             tell: Callable[[float, int], None] | None = None) -> list[Law]:
    """Each law, fitted.  app: the program whose time of work is fitted under an even law, where it was not measured."""
    main = max(c.lost, key=lambda k: c.lost[k], default="socket")
    found: list[Law] = []
    for i, kind in enumerate(("constant", "poisson", "onoff", "pareto")):
        if tell is not None:
            tell(i / 4, 0)
        if stop is not None and stop():
            break
        if kind in ("onoff", "pareto"):
            found.append(_in_bursts(kind, c, host, main))
        elif measured or app is None or main != "socket" or not c.lost.get("socket"):
            found.append(_law(kind, "", 0.0, c, host))
        else:
            found.append(_slow(kind, c, host, app))
    return found


def traffic(c: Counted, kind: str, burst: int = 0) -> Spec:
    """The spec of one law at the mean rate that was seen."""
    length = min(max(PACKETS / c.rate, SHORTEST), LONGEST, max(c.seconds, SHORTEST))
    flow: dict[str, Any] = {"kind": kind, "rate": f"{max(c.rate, 1):.0f}pps", "duration": f"{round(length * 1e6)}us", "size": c.size,
                            "dport": c.port, "src": "10.254.0.2-10.254.0.17"}
    if c.address not in ("0.0.0.0", ""):
        flow["dst"] = c.address
    if burst:
        flow["burst"] = burst
    return trafficfile.build({"traffic": [flow]})


def _law(kind: str, what: str, value: float, c: Counted, host: Host, burst: int = 0) -> Law:
    spec = traffic(c, kind, burst)
    run = replay(spec, host, record=True, spends=False)
    lost = {k: run.books.dropped.get(reason, 0) / max(run.offered, 1) for k, reason in REASONS.items()}
    spread = _spread(run)
    law = Law(kind, what, value, spec, host, lost, spread, True, "", run)
    why = _unlike(law, c)
    return replace(law, fits=not why, why=why)


def _unlike(law: Law, c: Counted) -> str:
    """Which of the counters it contradicts; "": none."""
    for key in c.lost:
        real, ours = c.share(key), law.lost[key]
        if abs(ours - real) > max(NEAR * real, NEARLY):
            return f"{key}: {100 * real:.1f} % were lost, under this law {100 * ours:.1f} %"
        if not ours and real * law.run.offered >= ENOUGH:
            return f"{key}: {100 * real:.2g} % were lost, under this law none"
    if c.spread is not None and law.spread is not None and any(c.lost.values()) and abs(c.spread - law.spread) > SPREAD_APART:
        return f"losses in {100 * c.spread:.0f} % of the tenths of a second, under this law in {100 * law.spread:.0f} %"
    return ""


def _spread(run: Outcome) -> float | None:
    if run.recording is None or run.traffic.duration_ns < 10 * BIN * 1e9:
        return None
    bins = int(run.traffic.duration_ns / (BIN * 1e9))
    seen = set()
    for series in run.recording.of("dropped"):
        if series.of in REASONS.values():
            seen |= {int(i * run.recording.bucket_ns / (BIN * 1e9)) for i, n in enumerate(series.sum) if n}
    return len([b for b in seen if b < bins]) / bins


def _in_bursts(kind: str, c: Counted, host: Host, main: str) -> Law:
    """The shortest bursts that lose as much as was lost.  Nothing was lost: the longest that lose nothing."""
    wanted = c.share(main)
    low, high, best = 1, max(min(BURST_MOST, int(c.rate * LONGEST_PAUSE)), 4), None
    off = 1.0
    for _ in range(RUNS):
        if high - low <= max(low // 32, 1):
            break
        middle = max(int((low * high) ** 0.5), low + 1)
        law = _law(kind, "burst", middle, c, host, middle)
        lost = law.lost[main] if wanted else max(law.lost.values())
        if best is None or abs(lost - wanted) <= off:
            best, off = law, abs(lost - wanted)
        low, high = (low, middle) if lost > wanted else (middle, high)
    assert best is not None
    return best


def _slow(kind: str, c: Counted, host: Host, app: int) -> Law:
    """The time of work that loses as much."""
    wanted = c.share("socket")
    low, high = 100.0, 1e8
    best = None
    for _ in range(RUNS):
        middle = (low * high) ** 0.5
        law = _law(kind, "work", middle, c, serviced(host, app, middle))
        if best is None or abs(law.lost["socket"] - wanted) < abs(best.lost["socket"] - wanted):
            best = law
        if abs(law.lost["socket"] - wanted) <= 0.02 * wanted:
            break
        low, high = (middle, high) if law.lost["socket"] < wanted else (low, middle)
    assert best is not None
    return best
