"""A case replayed beside what its host really lost.

    found = beside("web1.rxcase", host)
    found.rows[0].real, found.rows[0].predicted, found.rows[0].fitted, found.host

First the prediction: the host as it is set, its programs as quick as the case's samples measured them.  Where the socket's losses differ,
what no file says is fitted to the first half, and the second half tells the error (fit.py)."""
from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace

from rxpath.workbench.case.classes import BY_KEY, CLASSES, LossClass
from rxpath.workbench.case.explain import explain
from rxpath.workbench.case.fit import Fitted, fit, serviced
from rxpath.workbench.case.ours import Ours, edges_of, ours
from rxpath.workbench.case.reader import SLACK_NS, Reader, arrivals, readers
from rxpath.workbench.case.result import AGREES, FEW, Beside, Row, Stretch
from rxpath.workbench.case.truth import Real, Truth, truth
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.readings.case import Recorded, open_recorded
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.replay import replay
from rxpath.workbench.words.figures import ns
from rxpath.workbench.words.mistakes import BadInput

ROWS_OF_TIME = 10
Progress = Callable[[float, int], None]


def beside(path: str, host: Host, *, seed: int | None = None, progress: Progress | None = None,
           stop: Callable[[], bool] | None = None, fitting: bool = True) -> Beside:
    """BadInput, CaptureError: the case cannot be replayed.  host: of the case, or another that the user names."""
    case = open_recorded(path)
    found = truth(case)
    if not case.samples:
        raise BadInput(f"{path}: two moments and no samples between them: rxpath doctor tells what was lost")
    jumped = case.clock.jumps if case.clock is not None else ()
    walls = found.walls if not jumped else ()

    def run(one: Host, at: float) -> Outcome:
        done = replay(path, one, seed=seed, stop=stop, record=True, spends=False,
                      progress=None if progress is None else lambda share, n: progress(min(at + share / RUNS_EXPECTED, 0.99), n))
        return done

    first = run(host, 0.0)
    measured = readers(case, found, first.host, arrivals(first, found))
    known, words = _measured(first, measured, walls)
    best = first if known is None else run(known, 1 / RUNS_EXPECTED)
    predicted = ours(best, found, walls)
    fitted, after, half = None, None, None
    real = found.losses["socket"]
    who = max((r for r in measured if not r.never), key=lambda r: r.drops, default=None)
    target = who.app if who is not None else 0 if len(first.host.apps) == 1 and not measured else None
    lost = real.total or 0
    off = abs(predicted["socket"].total - lost)
    if (fitting and lost >= WORTH_FITTING and walls and real.each and target is not None and not case.tap_lost
            and _free(first.host, target) and off > max(AGREES * lost, FEW)):
        fitted, after = _fit(target, first.host if known is None else known, found, walls, run)
    if fitted is not None and after is not None:
        middle = len(real.each) // 2
        half = (sum(real.each[middle:]), sum(after["socket"].each[middle:]))
    rows = tuple(r for each in CLASSES if (r := _row(each, found.losses[each.key], predicted[each.key],
                                                     after[each.key] if after is not None else None)) is not None)
    shown = after or predicted
    offered = round(first.offered * min(found.seconds * 1e9 / max(first.traffic.duration_ns, 1), 1.0))
    reset = [f"{real.why}: nothing is said of it" for real in found.losses.values() if "reset" in real.why]
    said = (*case.problems, *found.said, *reset, *_clock_words(jumped))
    used = fitted.host if fitted is not None else known or host
    result = Beside(path, found.seconds, offered, rows, _stretches(found, shown) if walls else (), words, fitted, half,
                    _cannot_judge(case, found), (), said, used, case.tap_lost, found.seconds / max(len(found.edges) - 1, 1),
                    tuple(measured))
    return replace(result, explained=tuple(explain(case, found, result)))


RUNS_EXPECTED = 6
WORTH_FITTING = 200                                         # lost datagrams: of fewer each half has too few


def _free(host: Host, app: int) -> bool:
    """Whether the host file leaves open how long the program works."""
    service = host.apps[app].service
    named = (service.exponential, service.list, service.file, service.capture, service.sleep)
    return not service.constant and all(way is None for way in named)


def _measured(run: Outcome, found: list[Reader], walls: tuple[float, ...]) -> tuple[Host | None, tuple[str, ...]]:
    """The host with its programs as quick as they were, and sentences that say so.  None: nothing was measured."""
    host, words = run.host, []
    changed = False
    for r in found:
        pauses = ""
        if r.pauses and walls:
            pauses = _pauses_file(run, r, walls)
            length = sum(length for _, length in r.pauses)
            words.append(f"{r.name} read nothing at all, though something was queued: it stands still in the replay" if r.never else
                         f"{r.name} stood still {len(r.pauses)} times, {length:.2f} s in all: nothing was read, though something was "
                         "queued (where in their first and last interval is told from what was lost there)")
        if not _free(run.host, r.app):
            continue
        if r.cpu_ns is None or r.never:
            if pauses:
                host, changed = serviced(host, r.app, 0.0, 0.0, pauses), True
            continue
        own = _call_ns(run, r.name)
        work = max(r.cpu_ns + r.waited_ns - own, 0.0)
        sleep = max(r.elsewhere_ns - SLACK_NS, 0.0) if r.elsewhere_ns else 0.0
        text = f"{r.name}: {ns(round(r.cpu_ns))} of CPU time for each of {r.reads:,} datagrams that it read"
        if r.waited_ns > 0.05 * r.cpu_ns:
            text += f", and {ns(round(r.waited_ns))} of waiting for a CPU, which others had"
        if r.elsewhere_ns:
            text += f", and {ns(round(r.elsewhere_ns))} asleep though something was queued"
        words.append(text)
        host, changed = serviced(host, r.app, work, sleep, pauses), True
    return (host if changed else None), tuple(words)


def _call_ns(run: Outcome, name: str) -> float:
    """What the model itself charges for a datagram's calls."""
    mine = [a for a in run.books.apps if a.name == name]
    received = sum(a.received for a in mine)
    return sum(a.syscall_ns for a in mine) / received if received else 0.0


_folder: list[str] = []


def _pauses_file(run: Outcome, r: Reader, walls: tuple[float, ...]) -> str:
    """A file of pauses as host files name them; it goes with the process."""
    if not _folder:
        _folder.append(tempfile.mkdtemp(prefix="rxpath-case-"))
        atexit.register(shutil.rmtree, _folder[0], True)
    start = edges_of(run, walls[:1])[0]
    path = os.path.join(_folder[0], f"{os.getpid()}-{len(os.listdir(_folder[0]))}-{r.name}.csv")
    lines, end = [], 0
    for begin, length in r.pauses:
        at = max(round(start + (begin - r.begin) * 1e9), end)
        lines.append(f"{at}ns,{max(round(length * 1e9), 1)}ns\n")
        end = at + max(round(length * 1e9), 1)
    with open(path, "w") as file:
        file.writelines(lines)
    return path


def _fit(target: int, host: Host, found: Truth, walls: tuple[float, ...], run: Callable[[Host, float], Outcome]) \
        -> tuple[Fitted | None, dict[str, Ours] | None]:
    """Of the host's program that lost most."""
    service = host.apps[target].service
    work = float(service.constant or 0)
    sleep = float(service.sleep.constant or 0) if service.sleep is not None else 0.0
    pause = host.apps[target].pause
    each = found.losses["socket"].each
    middle = len(each) // 2
    def lost(one: Host) -> int:
        return sum(ours(run(one, 3 / RUNS_EXPECTED), found, walls)["socket"].each[:middle])

    made = fit(host, target, host.apps[target].name, work, sleep, sum(each[:middle]), lost, pause.file or "" if pause is not None else "")
    if made is None:
        return None, None
    return made, ours(run(made.host, 5 / RUNS_EXPECTED), found, walls)


def _row(each: LossClass, real: Real, predicted: Ours, after: Ours | None) -> Row | None:
    """None: nothing there, neither really nor here."""
    shown = after or predicted
    if not real.total and not predicted.total and not shown.total and not (real.total is None and predicted.whole):
        return None
    together = None
    if real.each and shown.each and (most := max(sum(real.each), sum(shown.each))):
        together = sum(min(a, b) for a, b in zip(real.each, shown.each, strict=True)) / most
    return Row(each.key, each.title, each.counters, real.total, predicted.total, after.total if after is not None else None, together,
               real.why)


def _stretches(found: Truth, shown: dict[str, Ours]) -> tuple[Stretch, ...]:
    keys = [k for k, real in found.losses.items() if BY_KEY[k].loss and real.each and shown[k].each
            and (any(real.each) or any(shown[k].each))]
    n = len(found.edges) - 1
    if not keys or n < 1:
        return ()
    size = -(-n // ROWS_OF_TIME)
    origin = found.edges[0]
    return tuple(
        Stretch(found.edges[i] - origin, found.edges[min(i + size, n)] - origin,
                {k: (sum(found.losses[k].each[i:i + size]), sum(shown[k].each[i:i + size])) for k in keys})
        for i in range(0, n, size))


def _cannot_judge(case: Recorded, found: Truth) -> str:
    if case.tap_lost and case.tap_lost >= max(found.lost_in_all, 1):
        return (f"the capture itself lost {case.tap_lost:,} frames, the host {found.lost_in_all:,}: what the model loses less may have "
                "been in what it did not see (a larger --most, a smaller --snap, or counters alone: rxpath whatif)")
    stopped = (case.capture or {}).get("stopped")
    if isinstance(stopped, str) and stopped:
        return f"the capture ended before the counters did ({stopped[:80]}): the model has not seen the rest of the traffic"
    return ""


def _clock_words(jumps: tuple[tuple[float, float], ...]) -> list[str]:
    return [f"the clock was set by {by:+.3f} s during the recording: the capture's times and the counters' cannot be laid side by side, "
            "only whole runs are compared" for _, by in jumps[:1]]
