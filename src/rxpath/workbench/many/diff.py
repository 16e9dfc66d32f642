"""rxpath.diff(): two runs, what of their figures differs by more than the seeds do.

    found = rxpath.diff("server.toml", "mine.toml", on="first")
    found.same, found.different[0].name, print(found)

A side is a result of `rxpath replay --json` (with its spread, where it has one), a host file (with `on`, the traffic of both), a capture or
a traffic spec; from Python also a Host or an Outcome.  What is run is run with the same seeds on both sides, which are compared in pairs
(jobs/spread.py)."""
from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rxpath.files import read_file
from rxpath.workbench.advice.goal import SEEDS, checked_seeds
from rxpath.workbench.host.file import FILE_MAX
from rxpath.workbench.host.given import GivenHost
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs import spread, unit
from rxpath.workbench.jobs.pool import Progress, Stop
from rxpath.workbench.jobs.spread import LATENCY, Range, Spread, told_apart
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.jobs.where import Jobs, the_pool
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.settings import Settings, split, written
from rxpath.workbench.traffic.spec import Spec
from rxpath.workbench.words.mistakes import BadInput

SCHEMA_VERSION = 1
SCHEMAS = (2, 3)                                            # of results that can be read: before 3 there was no spread
LARGEST_RESULT = 1 << 28                                    # bytes of a result's file
A = Mapping[str, Any] | Outcome | Host | Spec | str | Path         # a side, as it is given
GROUPS = {"sockets": "", "apps": "", "cpus": "CPU ", "dropped": "lost to ", "latency_ns": "latency ",
          "done_ns": "latency to the end of the work, ", "cpu_ns": "CPU time, "}


@dataclass(frozen=True, slots=True)
class Side:
    """title: of what.  memory_bytes: what its host's queues can hold; None: the result does not say."""
    title: str
    spread: Spread
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both sides.  path: as in Spread.figures."""
    path: tuple[str, ...]
    a: Range
    b: Range

    @property
    def name(self) -> str:
        """As a person calls it: "udp 0.0.0.0:53 drops", "latency p99", "CPU 0 busy"."""
        group, *rest = self.path if len(self.path) > 1 else ("", *self.path)
        return GROUPS.get(group, "") + " ".join(rest).removesuffix("_ns")

    @property
    def is_time(self) -> bool:
        return self.path[0].endswith("_ns") or self.path[-1].endswith("_ns") or (self.path[0] == "apps" and self.path[-1] != "count")

    @property
    def change(self) -> float:
        """Of the medians, as a share of the larger one: -1 to 1."""
        return (self.b.median - self.a.median) / (max(abs(self.a.median), abs(self.b.median)) or 1)

    def differs(self, least: float = 0.0) -> bool:
        """By more than the seeds do, and by that share at least."""
        one, other = self.a.each, self.b.each
        if len(one) == 1 < len(other) or len(other) == 1 < len(one):        # one run beside a spread: is it outside?
            apart = self.a.max < self.b.min or self.b.max < self.a.min
        else:
            apart = told_apart(one, other)
        return apart and abs(self.change) >= least


@dataclass(frozen=True, slots=True)
class Diff:
    """different: in the order of a run's figures; compared: how many figures there are."""
    a: Side
    b: Side
    different: tuple[Figure, ...]
    compared: int

    @property
    def same(self) -> bool:
        return not self.different

    @property
    def seeds(self) -> int:
        """How many tell chance from difference: 1 is none."""
        return max(len(self.a.spread.seeds), len(self.b.spread.seeds))

    def to_dict(self) -> dict[str, Any]:
        sides = {k: {"title": s.title, "seeds": list(s.spread.seeds)} | ({} if s.memory_bytes is None else {"memory_bytes": s.memory_bytes})
                 for k, s in (("a", self.a), ("b", self.b))}
        return {"schema": SCHEMA_VERSION, **sides, "same": self.same, "compared": self.compared,
                "different": [{"figure": list(f.path), "name": f.name, "a": f.a.to_dict(), "b": f.b.to_dict(), "change": round(f.change, 6)}
                              for f in self.different]}


def diff(a: A, b: A, *, on: str | Path | Spec | None = None, host: GivenHost = None, overrides: Settings = (),
         overrides_a: Settings = (), overrides_b: Settings = (), seed: int | None = None, seeds: int = SEEDS,
         least: float = 0.0, jobs: Jobs = None, progress: Progress | None = None, stop: Stop | None = None) -> Diff | None:
    """What differs between two runs by more than the seeds do.

    on           the traffic of sides that are hosts; host: of sides that are captures or specs
    overrides    settings of both sides that are run, overrides_a and overrides_b of one
    seeds        how many each side is run with
    least        the share by which a figure must differ at least
    None: it was stopped.  Raises BadInput, HostError, CaptureError."""
    checked_seeds(seeds)
    both, own_a, own_b = written(overrides), written(overrides_a), written(overrides_b)
    known: dict[int, Side] = {}
    units: dict[int, tuple[str, Unit]] = {}
    for i, (given, own) in enumerate(((a, own_a), (b, own_b))):
        ready = _ready(given)
        if ready is not None:
            if own:
                raise BadInput(f"--set-{'ab'[i]} {own[0]}: {ready.title} is a result and is not run again")
            known[i] = ready
        else:
            units[i] = _unit(given, on, host, (*both, *own), seed)     # type: ignore[arg-type]
    if not units and both:
        raise BadInput(f"--set {both[0]}: both are results and are not run again")
    made = _run(units, seeds, jobs, progress, stop)
    if made is None:
        return None
    one, other = (known.get(i) or made[i] for i in (0, 1))
    paths = list(dict.fromkeys([*one.spread.figures, *other.spread.figures]))
    found = [Figure(p, one.spread[p], other.spread[p]) for p in paths]
    return Diff(one, other, tuple(f for f in found if f.differs(least)), len(found))


def _run(units: Mapping[int, tuple[str, Unit]], seeds: int, jobs: Jobs, progress: Progress | None, stop: Stop | None) \
        -> dict[int, Side] | None:
    """Every side with every seed, all in one round."""
    work: list[tuple[int, int, Unit]] = []
    hosts: dict[int, Host] = {}
    for i, (_, one) in units.items():
        host = hosts[i] = unit.the_host(one)
        spec = traffic.changed_spec(one.capture, one.traffic, one.seed)
        work += [(i, k, spread.reseeded(one, host, spec, k)) for k in range(seeds)]
    done: dict[tuple[int, int], Result] = {}
    with the_pool(jobs) as pool:
        for n, result in pool.run_all([w[2] for w in work], progress, stop=stop):
            done[work[n][:2]] = result
    for _, result in sorted(done.items()):
        if result.error is not None:
            raise BadInput(result.error)
    if len(done) < len(work):
        return None
    return {i: Side(title, spread.spread([spread.seed_of(hosts[i], k) for k in range(seeds)], [done[i, k] for k in range(seeds)]),
                    done[i, 0].memory_bytes) for i, (title, _) in units.items()}


# ---------------------------------------------------------------- sides
def _ready(given: A) -> Side | None:
    """One that is a result already."""
    if isinstance(given, Outcome):
        answer = getattr(given, "spread", None)
        title = f"{given.traffic.title()}, kernel {given.host.kernel}, cost profile {given.host.profile}"
        alone = unit.of(given)
        return Side(title, answer or spread.spread([given.host.seed], [alone]), alone.memory_bytes)
    if isinstance(given, Mapping):
        return from_json(given, "the result")
    if isinstance(given, (str, Path)) and str(given).endswith(".json"):
        return from_json(_read(Path(given)), str(given))
    return None


def _unit(given: Host | Spec | str | Path, on: str | Path | Spec | None, host: GivenHost, settings: Sequence[str],
          seed: int | None) -> tuple[str, Unit]:
    of_traffic, of_host = split(settings)
    machine: GivenHost
    capture: str | Path | Spec
    if isinstance(given, Host) or (not isinstance(given, Spec) and _is_host_file(str(given))):
        title = "host" if isinstance(given, Host) else Path(given).name
        if on is None:
            raise BadInput(f"{title} is a host: --on CAPTURE says which traffic it gets")
        if host is not None:
            raise BadInput(f"--host: {title} is a host itself")
        machine, capture = given, on
    else:
        machine, capture, title = host, given, traffic.title(given)
    made = Unit(str(capture) if isinstance(capture, Path) else capture, str(machine) if isinstance(machine, Path) else machine, of_host,
                seed, traffic=of_traffic)
    return " ".join([title, *settings]), made


def _is_host_file(name: str) -> bool:
    """A TOML file without traffic."""
    if not name.endswith(".toml"):
        return False
    try:
        return "traffic" not in tomllib.loads(read_file(name, FILE_MAX).decode())
    except OSError as error:
        raise BadInput(f"{name}: {error.strerror or error}") from None
    except ValueError as error:                                     # not TOML, not UTF-8
        raise BadInput(f"{name}: {error}") from None


def _read(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        raise BadInput(f"{file}: no such file")
    if file.stat().st_size > LARGEST_RESULT:
        raise BadInput(f"{file}: too large for a result of rxpath replay --json")
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        raise BadInput(f"{file}: not JSON: a result of rxpath replay --json is one object") from None
    if not isinstance(found, dict):
        raise BadInput(f"{file}: a result of rxpath replay --json is one object")
    return found


def from_json(whole: Mapping[str, Any], place: str) -> Side:
    """A result of `rxpath replay --json`."""
    if whole.get("schema") not in SCHEMAS:
        raise BadInput(f"{place}: not a result of rxpath replay --json of this version: schema {whole.get('schema')}, known are "
                       + " and ".join(map(str, SCHEMAS)))
    try:
        title = f"{Path(place).name}: {whole['capture']['file']}, kernel {whole['kernel']}, cost profile {whole['profile']}"
        return Side(title, _spread_of(whole["spread"]) if "spread" in whole else _alone(whole))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"{place}: not a whole result of rxpath replay --json: {type(error).__name__} {error}") from None


def _spread_of(data: Mapping[str, Any]) -> Spread:
    figures: dict[tuple[str, ...], Range] = {}

    def walk(node: Mapping[str, Any], above: tuple[str, ...]) -> None:
        for name, inner in node.items():
            if "each" in inner:
                figures[*above, name] = Range(tuple(int(n) for n in inner["each"]))
            else:
                walk(inner, (*above, name))
    walk({k: v for k, v in data.items() if k not in ("seeds", "part")}, ())
    seeds = tuple(int(n) for n in data["seeds"])
    if not seeds or any(len(r.each) != len(seeds) for r in figures.values()):
        raise ValueError("a figure without a value for each seed")
    return Spread(seeds, figures, int(data["part"]))


def _alone(whole: Mapping[str, Any]) -> Spread:
    """One run: the figures that its spread would have."""
    latency, done = ({k: int(whole[of][k]) for k in LATENCY if of in whole} for of in ("latency_ns", "done_ns"))
    result = Result(
        offered=whole["offered"], delivered=whole["delivered"], received=whole["received"], queued=whole["queued"],
        dropped=dict(whole["dropped"]), ended=dict(whole["ended"]), latency_ns=latency, done_ns=done, cpu_ns=dict(whole["cpu_ns"]),
        apps={f"{a['name']}/{a['thread']}": dict(a["latency_ns"]) for a in whole["apps"]},
        sockets=unit.by_name((f"{s['proto']} {s['address']}:{s['port']}", {k: s[k] for k in unit.OF_A_SOCKET}) for s in whole["sockets"]),
        cpus=tuple(dict(c) for c in whole["cpus"]))
    return spread.spread([whole["seed"]], [result])
