"""`rxpath whatif`: what would have saved what a case lost, from its counters alone: under every law of traffic that they allow, as a
range."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rxpath.workbench.advice import ask
from rxpath.workbench.case.counted import Counted, counted
from rxpath.workbench.case.fit import serviced
from rxpath.workbench.case.laws import Law, families
from rxpath.workbench.case.reader import Reader, readers
from rxpath.workbench.case.truth import Truth, truth
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs.unit import Unit
from rxpath.workbench.jobs.where import Jobs
from rxpath.workbench.readings.case import Recorded, open_recorded
from rxpath.workbench.words.figures import ns


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting under the laws that survive.  title: of its smallest value; set: that; lost: share of what came that is lost with it, least
    and most; of: under how many laws it was tried."""

    title: str
    set: tuple[str, ...]
    least: float
    most: float
    of: int


@dataclass(frozen=True)
class Answer:
    """laws: all that were fitted.  knobs: best first, by the most that they leave.  same: the best knob is the same under every law that
    survives; None: there are not two of them.  decide: what would decide."""

    name: str
    counted: Counted
    measured: tuple[str, ...]
    laws: tuple[Law, ...]
    knobs: tuple[Knob, ...]
    best: tuple[tuple[str, str], ...]
    same: bool | None
    decide: str
    host: Host

    @property
    def surviving(self) -> list[Law]:
        return [law for law in self.laws if law.fits]


def whatif(path: str, host: Host, budget: int, *, jobs: Jobs = None, progress: Callable[[float, int], None] | None = None,
           stop: Callable[[], bool] | None = None) -> Answer:
    """BadInput: the case does not say enough."""
    case = open_recorded(path)
    found = truth(case)
    c = counted(case, host, found)
    host, app, measured, words = _programs(case, found, c, host)
    laws = families(c, host, app, measured, stop, None if progress is None else lambda share, n: progress(share / 2, n))
    surviving = [law for law in laws if law.fits]
    tried: dict[tuple[str, ...], list[tuple[float, str, tuple[str, ...]]]] = {}
    best = []
    for i, law in enumerate(surviving):
        if not any(law.lost.values()) or (stop is not None and stop()):
            continue
        answer = ask.answer(law.run, Unit(law.spec), law.host, None, budget, jobs=jobs, seeds=1, stop=stop,
                            progress=None if progress is None else
                            lambda share, n, i=i: progress(0.5 + (i + share) / (2 * len(surviving)), n))     # type: ignore[misc]
        knobs = [k for k in answer.knobs if k.part == 1 and k.lasting] if answer is not None else []
        for k in knobs:
            tried.setdefault(_about(k.set), []).append((k.lost_after / max(law.run.offered, 1), k.title, k.set))
        if answer is not None and (first := answer.recommended) is not None:
            best.append((law.title, first.title))
    made = [Knob(min(each)[1], min(each)[2], min(e[0] for e in each), max(e[0] for e in each), len(each)) for each in tried.values()]
    made.sort(key=lambda k: (-k.of, k.most, k.least))
    abouts = {title.split(" from ")[0].split(" = ")[0] for _, title in best}
    same = len(abouts) == 1 if len(best) > 1 else None
    return Answer(path, c, words, tuple(laws), tuple(made), tuple(best), same, _decide(found, surviving, same), host)


def _about(settings: tuple[str, ...]) -> tuple[str, ...]:
    """Which keys: their values differ from law to law."""
    return tuple(s.partition("=")[0] for s in settings)


def _programs(case: Recorded, found: Truth, c: Counted, host: Host) -> tuple[Host, int | None, bool, tuple[str, ...]]:
    """(the host with its reader as quick as the samples measured it, which program that is, whether it was measured, in words)"""
    known: list[Reader] = readers(case, found, host, {(c.address, c.port): float(c.offered)})
    mine = next((r for r in known if r.reads and r.cpu_ns is not None), None)
    app = mine.app if mine is not None else 0 if len(host.apps) == 1 else None
    if app is not None and (host.apps[app].service.constant or host.apps[app].service.constant is None):
        return host, app, True, ("how long the program works on a datagram is in the host file",)
    if mine is None or mine.cpu_ns is None:
        return host, app, False, ("how long the program works on a datagram is not known: under an even law it is fitted",)
    work = mine.cpu_ns + mine.waited_ns + mine.elsewhere_ns
    words: tuple[str, ...] = (f"{mine.name} needed {ns(round(work))} for each datagram that it read (CPU, waiting for it, asleep; its "
                              "calls included)",)
    quick = serviced(host, mine.app, work)
    if mine.pauses and not mine.never and (every := found.seconds / len(mine.pauses)) > (length := _mean(mine)):
        words += (f"{mine.name} stood still {len(mine.pauses)} times, {length:.2f} s each: it does so at even distances here",)
        quick = _standing_still(quick, mine.app, every, length)
    return quick, mine.app, True, words


def _mean(reader: Reader) -> float:
    return sum(length for _, length in reader.pauses) / len(reader.pauses)


def _standing_still(host: Host, app: int, every: float, length: float) -> Host:
    apps = [dict(a) for a in host._raw["app"]]
    apps[app]["pause"] = {"every": f"{round(every * 1e6)}us", "for": f"{max(round(length * 1e6), 1)}us"}
    return hostfile.revise(host, {"app": apps})


def _decide(found: Truth, surviving: list[Law], same: bool | None) -> str:
    """Which second of capture would."""
    if len(surviving) < 2 or same:
        return ""
    each = [sum(step) for step in zip(*(r.each for r in found.losses.values() if r.each), strict=False)]
    if not each or not any(each):
        return "a capture of one second in which it loses (rxpath record --seconds 5) decides between the laws"
    per = max(round((len(found.edges) - 1) / max(found.seconds, 1)), 1)
    at = max(range(len(each)), key=lambda i: sum(each[i:i + per]))
    return (f"a capture of one second in which it loses decides between the laws: here most was lost from "
            f"{found.edges[at] - found.edges[0]:.1f} s on, so a second like that one (rxpath record --seconds 5)")
