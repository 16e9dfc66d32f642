"""What no file of a case says is found from what was lost: how long a program works on a datagram.

It is fitted to the losses of the first half of the recording alone, so that those of the second half test it."""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host

RUNS = 14                                                   # of a search
CLOSE = 0.02                                                # of the losses: near enough
LEAST, MOST = 100.0, 1e9                                    # ns


@dataclass(frozen=True, slots=True)
class Fitted:
    """app: its name.  what: work or sleep; before, ns: what was meant before, and what it is now, for each datagram.  runs: replays that
    it took."""

    app: str
    what: str
    before: float
    ns: float
    runs: int
    host: Host


def serviced(host: Host, app: int, work_ns: float, sleep_ns: float = 0.0, pauses: str = "") -> Host:
    """The host with that program's service; pauses: a file of them."""
    apps = [dict(a) for a in host._raw["app"]]
    service: dict[str, object] = {"constant": round(work_ns)}
    if sleep_ns:
        service["sleep"] = {"constant": round(sleep_ns)}
    apps[app]["service"] = service
    if pauses:
        apps[app]["pause"] = {"file": pauses}
    return hostfile.revise(host, {"app": apps})


def fit(host: Host, app: int, name: str, work_ns: float, sleep_ns: float, wanted: int, lost: Callable[[Host], int], pauses: str) \
        -> Fitted | None:
    """The time at which `lost` (a replay of the first half) is `wanted`: the sleep where there is one, else the work.  None: no time makes
    it so."""
    what, before = ("sleep", sleep_ns) if sleep_ns else ("work", work_ns)

    def made(ns: float) -> Host:
        return serviced(host, app, work_ns, ns, pauses) if what == "sleep" else serviced(host, app, ns, 0.0, pauses)

    low, high = math.log(LEAST), math.log(MOST)
    x = math.log(min(max(before, LEAST), MOST)) if before else math.log(10_000)
    step, runs, best = math.log(2), 0, (math.inf, x)
    while runs < RUNS:
        n = lost(made(math.exp(x)))
        runs += 1
        off: float = n - wanted
        best = min(best, (abs(off), x))
        if abs(off) <= max(CLOSE * wanted, 2):
            break
        if off < 0:                                         # too quick
            low = x
        else:
            high = x
        bracketed = low > math.log(LEAST) and high < math.log(MOST)
        x = (low + high) / 2 if bracketed else min(max(x + (step if off < 0 else -step), math.log(LEAST)), math.log(MOST))
        step *= 2
        if high - low < 0.003 or (x in (low, high) and not bracketed):
            break
    off, x = best
    if off > max(0.25 * wanted, 20):
        return None
    ns = math.exp(x)
    return Fitted(name, what, before, ns, runs, made(ns))
