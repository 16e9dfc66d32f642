"""Rounds of measurements on this machine: about 25 s in all.  What a round cannot do is told once, and the others go on.

Machines like ours have two speeds, a third apart, for seconds at a time (the other thread of a core, the clock): so each figure is taken
several times, and the value is that of the rounds at the better speed; all of them are its spread."""
from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rxpath.workbench.calibration import machine
from rxpath.workbench.calibration.machine import Busy, Cpus
from rxpath.workbench.calibration.program import NoNamespaces, Pair, Program, Space, lines
from rxpath.workbench.words.mistakes import BadInput

ROUNDS = 5
RPS_GAP = 5_000                                             # ns: interrupts nearly as dense as in a burst, where their cost decides
RULES, SATURATING = 1000, 2000                              # iptables rules: to count what one takes; to keep a softirq at work
NOISE_MS = 1000                                             # of each CPU, in each round
GRAIN, GRAIN_UNTIL = 4, 10_000                              # gaps below so many ns, so many times as often as ticks: in all that runs here
BETTER = 1.1                                                # a round whose p10 is within this of the lowest is at the better speed
DISTURBED, AT_LEAST = 5, 300_000                            # a wake-up whose median is so many times its p10, and so long, waited
HALTS = ("20us", "50us", "100us", "200us", "1ms", "5ms", "20ms")        # from one wake-up to the next; what the first leaves the CPU halts


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity of one round, ns."""
    n: int
    p10: float
    p50: float
    p90: float
    mean: float


@dataclass(frozen=True, slots=True)
class Value:
    """One quantity of all rounds, ns.  value: median of the rounds at the better speed; mean: the same of their means; p10: the lowest;
    low, high: of the rounds' medians.  slow: share of the rounds that were at another speed."""
    value: float
    mean: float
    p10: float
    low: float
    high: float
    slow: float

    @staticmethod
    def of(figures: list[Figure]) -> Value:
        lowest = min(f.p10 for f in figures)
        better = [f for f in figures if f.p10 <= lowest * BETTER]
        middle = [f.p50 for f in figures]
        return Value(statistics.median(f.p50 for f in better), statistics.median(f.mean for f in better), lowest, min(middle), max(middle),
                     1 - len(better) / len(figures))


@dataclass(frozen=True, slots=True)
class Noise:
    """What was taken from a CPU that looked at its clock: each ns value a share of the time or a length.  grain: in gaps so short and so
    frequent that all work has them, and all that is measured; small: in others below 200 us, the ticks among them; hz: ticks a second, 0
    where /proc/interrupts does not say; stalls: longer gaps, a second, and their mean in ns."""
    small: float
    hz: float
    stalls: float
    stall_ns: float
    grain: float = 0.0


@dataclass
class Measured:
    """cannot: what, and why.  busy: of each round."""
    cpus: Cpus
    values: dict[str, Value] = field(default_factory=dict)
    noise: Noise | None = None
    cannot: dict[str, str] = field(default_factory=dict)
    busy: list[Busy] = field(default_factory=list)
    seconds: float = 0.0
    rounds: int = 0
    interrupted: bool = False

    @property
    def others(self) -> float:
        """Share of the CPUs' time that others had in the quieter half of the rounds."""
        return statistics.median_low(b.others for b in self.busy) if self.busy else 0.0

    @property
    def steal(self) -> float:
        return statistics.fmean(b.steal for b in self.busy) if self.busy else 0.0

    @property
    def quiet(self) -> bool:
        return self.others <= machine.QUIET


def measure(cpus: Cpus, *, rounds: int = ROUNDS, stop: Callable[[], bool] = lambda: False,
            say: Callable[[str], None] = lambda text: None) -> Measured:
    """All rounds.  stop: asked between measurements; what was done until then is kept."""
    started = time.monotonic()
    found = Measured(cpus)
    figures: dict[str, list[Figure]] = {}
    noises: list[dict[str, Any]] = []
    with Program() as program:
        for number in range(rounds):
            before = machine.look()
            for title, part in _parts(program, cpus, found):
                if stop():
                    found.interrupted = True
                    break
                say(f"round {number + 1} of {rounds}: {title}")
                try:
                    for line in part():
                        if "name" in line:
                            figures.setdefault(line.pop("name"), []).append(Figure(**line))
                        else:
                            noises.append(line)
                except BadInput as error:
                    found.cannot.setdefault(title, str(error))
            if found.interrupted:
                break
            found.busy.append(before.until(machine.look()))
            found.rounds += 1
    for name, all_of in figures.items():
        if own := undisturbed(name, all_of):
            found.values[name] = Value.of(own)
        else:
            found.cannot[name] = "others had the CPU when it was to wake up"
    found.noise = noise_of(noises)
    found.seconds = time.monotonic() - started
    return found


def undisturbed(name: str, rounds: list[Figure]) -> list[Figure]:
    """Of wake-ups those that did not wait until others gave the CPU away."""
    return [f for f in rounds if not name.startswith("wake_") or f.p50 <= max(DISTURBED * f.p10, AT_LEAST)]


def _parts(program: Program, cpus: Cpus, found: Measured) -> Iterator[tuple[str, Callable[[], Iterator[dict[str, Any]]]]]:
    """(what, how) of one round."""
    yield "calls", lambda: lines(program.run("costs", "calls", f"a={cpus.a}"))
    yield "ticks and stalls", lambda: _noise(program, cpus)
    if "namespaces" in found.cannot:
        return
    try:
        pair = Pair(program)
    except NoNamespaces as error:
        found.cannot["namespaces"] = str(error)
        return
    try:
        both = f"a={cpus.a}", f"b={-1 if cpus.b is None else cpus.b}", f"to={pair.receiver.pid}"
        ours: Space = pair.sender
        yield "send, receive, wake up", lambda: lines(ours.measure("costs", "network", *both))
        if "iptables" not in found.cannot:
            def rules() -> Iterator[dict[str, Any]]:
                pair.rules(RULES)
                yield from lines(ours.measure("costs", "send", *both, "name=send_full_rules"))
            yield "iptables", rules
        if cpus.b is not None and "RPS" not in found.cannot:
            def steered() -> Iterator[dict[str, Any]]:
                mask = 1 << (cpus.b or 0)
                if "iptables" not in found.cannot:
                    pair.rules(SATURATING)
                    pair.rps(mask)
                    yield from lines(ours.measure("costs", "rps", *both, "name=saturated"))
                    pair.rules(0)
                pair.rps(mask)
                yield from lines(ours.measure("costs", "rps", *both, "name=each", f"gap={RPS_GAP}"))
            yield "RPS", steered
    finally:
        pair.close()


def _noise(program: Program, cpus: Cpus) -> Iterator[dict[str, Any]]:
    """Both CPUs at once: then a hypervisor takes most."""
    commands = [program.command("noise", f"cpu={cpu}", f"ms={NOISE_MS}") for cpu in (cpus.a, cpus.b) if cpu is not None]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) for command in commands]
    try:
        for process in running:
            yield json.loads(process.communicate(timeout=30)[0])
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


def noise_of(found: list[dict[str, Any]]) -> Noise | None:
    """The half of the looks from which least was taken: others have no part in it, the hypervisor has."""
    if not found:
        return None
    small_until = 200_000
    by_taken = sorted(found, key=lambda n: sum(n["sum"]) / n["ns"])
    kept = by_taken[:max(1, (len(by_taken) + 1) // 2)]
    ns, hz = sum(n["ns"] for n in kept), sum(n["ticks"] for n in kept) / sum(n["ns"] for n in kept) * 1e9
    grain = small = long = 0.0
    stalls = 0
    for limit, count, sum_ns in _classes(kept):
        if 0 < limit <= GRAIN_UNTIL and count / ns * 1e9 > GRAIN * max(hz, 100):
            grain += sum_ns
        elif 0 < limit <= small_until:
            small += sum_ns
        else:
            long, stalls = long + sum_ns, stalls + count
    return Noise(small / ns, hz, stalls / ns * 1e9, long / stalls if stalls else 0.0, grain / ns)


def _classes(looks: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    """(upper limit in ns, -1: none; how many gaps; ns of them) of each class of length."""
    return [(limit, sum(n["count"][i] for n in looks), sum(n["sum"][i] for n in looks)) for i, limit in enumerate(looks[0]["limits"])]
