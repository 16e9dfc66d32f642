"""Scenarios: a host, its traffic, what goes wrong, what cures it and what does not - each one TOML file of src/rxpath/scenarios.

    s = load("ring-burst")
    trial = run(s)                              # as it is, with the cure, with each placebo; every one a run of its own
    trial.cured, trial.placebos_fail

Nothing is scripted: a file says what is sent to what host, and the path does the rest.  A test runs every file: its rule fires, the cure
cures, no placebo does."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PrivateAttr, ValidationError, field_validator

from rxpath.abi.mib import Mib
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run import replay
from rxpath.workbench.run.books import busy_ns, per_frame
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.toml_in.tables import Part, key
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.traffic.settings import split
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

FOLDER = Path(__file__).parents[2] / "scenarios"
RULES = (*(f"R{i}" for i in range(1, 41) if i not in (29, 30)), "R7b", *(f"T{i}" for i in range(1, 18)))

# What a cure makes smaller.  name: (what it is, its unit, of a run)
MEASURES: dict[str, tuple[str, str, Callable[[Outcome], float]]] = {
    "lost": ("frames lost", "frames", lambda r: float(r.books.frames_dropped)),
    "p50": ("median latency", "us", lambda r: r.latency_ns["p50"] / 1000),
    "p99": ("99th percentile of latency", "us", lambda r: r.latency_ns["p99"] / 1000),
    "cpu": ("CPU time of interrupts and softirqs for a frame", "ns",
            lambda r: per_frame(r.cpu_ns["hardirq"] + r.cpu_ns["softirq"], r.offered)),
    "all-cpu": ("CPU time of everything for a frame", "ns", lambda r: per_frame(busy_ns(r.cpu_ns), r.offered)),
    "connect": ("99th percentile of connecting", "ms", lambda r: r.clients.connect_ns["p99"] / 1e6 if r.clients is not None else 0.0),
    "transfer": ("longest transfer", "ms", lambda r: r.clients.transfer_ns["max"] / 1e6 if r.clients is not None else 0.0),
}
COUNTER = "TcpExt."
COUNTERS = {m.text() for m in Mib if m.text().startswith(COUNTER)}


def measured(name: str) -> tuple[str, str, Callable[[Outcome], float]]:
    """A row of MEASURES, or a counter of nstat."""
    return MEASURES.get(name) or (name, "", lambda r: float(r.books.netstat[name]))


def _settings(value: object) -> object:
    """["KEY=VALUE", ...]"""
    if isinstance(value, str):
        return (value,)
    return value


def _rows(value: object) -> object:
    return tuple(_settings(v) for v in value) if isinstance(value, (list, tuple)) else value


Settings = Annotated[tuple[str, ...], BeforeValidator(_settings)]


class Scenario(Part):
    """One lesson."""

    title: str = key(..., "one line", "text", min_length=1)
    rule: str = key(..., "the rule that fires, of facts and of `rxpath replay`'s advice", "R1 to R40, R7b, T1 to T17")
    also: tuple[str, ...] = key((), "rules that this shows too", "a list of rules")
    story: str = key(..., "what happens", "text", min_length=1)
    look_at: tuple[str, ...] = key(..., "counters and figures that tell it from its look-alikes", "a list of sentences", min_length=1)
    change: str = key(..., "what to change, and why that", "text", min_length=1)
    measure: str = key("lost", "what the cure makes smaller", f"{', '.join(MEASURES)}, or a counter such as {COUNTER}ListenOverflows")
    cure: Settings = key((), "settings that cure it, as for --set; none: nothing is wrong", 'a list such as ["ethtool.rx=4096"]')
    cured: float = key(0.05, "of the measure, what may be left after the cure", "0 to 1", ge=0, le=1)
    placebo: Annotated[tuple[Settings, ...], BeforeValidator(_rows)] = key(
        (), "settings that do not help, each tried alone", 'a list of lists such as [["net.core.rmem_default=8388608"]]')
    kept: float = key(0.9, "of the measure, what is left at least after a placebo", "0 to 1", ge=0, le=1)
    host: dict[str, Any] = key({}, "as a host file", "a table")
    seed: int = key(1, "seed of the traffic", "0 to 140737488355327", ge=0, le=(1 << 47) - 1)
    traffic: tuple[dict[str, Any], ...] = key((), "as a traffic spec", "tables [[traffic]]")
    client: tuple[dict[str, Any], ...] = key((), "as a traffic spec", "tables [[client]]")

    _name: str = PrivateAttr(default="scenario")
    _folder: Path = PrivateAttr(default=Path())
    _host: Host = PrivateAttr(default_factory=Host)

    @field_validator("rule")
    @classmethod
    def _rule(cls, value: str) -> str:
        if value not in RULES:
            raise ValueError("")
        return value

    @field_validator("measure")
    @classmethod
    def _measure(cls, value: str) -> str:
        if value not in MEASURES and value not in COUNTERS:
            raise ValueError("")
        return value

    @property
    def name(self) -> str:
        return self._name

    @property
    def tables(self) -> dict[str, Any]:
        """The traffic spec."""
        return {"seed": self.seed, "traffic": list(self.traffic), "client": list(self.client)}

    def the_host(self, settings: tuple[str, ...] = ()) -> Host:
        """With settings as for --set; files that they name lie beside the scenario."""
        wanted = [f"iptables={self._folder / s.removeprefix('iptables=')}" if s.startswith("iptables=") else s
                  for s in split(settings)[1]]
        return hostfile.apply_overrides(self._host, wanted) if wanted else self._host

    def the_spec(self, settings: tuple[str, ...] = ()) -> trafficfile.Spec:
        """`traffic.0.flows=64` changes the sender: where the host can do nothing."""
        spec = trafficfile.build(self.tables, self._name)
        return trafficfile.revise(spec, split(settings)[0])


def loads(content: str | bytes, place: str, name: str = "scenario", folder: Path | None = None) -> Scenario:
    """Read and check: the host, the traffic, every setting of cure and placebos.  Paths in it are relative to `folder`."""
    data = hostfile.tables(content, place)
    try:
        found = Scenario.model_validate(data)
    except ValidationError as error:
        items = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")     # a typo explains what is missing
        raise hostfile.HostError(place, *hostfile.read_error(items[0], Scenario), len(items) - 1) from None
    found._name, found._folder = name, folder or Path()
    tables = {"profile": Host.model_fields["profile"].default, **found.host}       # its figures are of that, whatever was measured here
    hostfile.anchor(tables, found._folder)
    found._host = hostfile.build(tables, f"{place}: host")
    trafficfile.build(found.tables, place)
    for where, settings in (("cure", found.cure), *((f"placebo.{i}", p) for i, p in enumerate(found.placebo))):
        try:
            found.the_host(settings)
            found.the_spec(settings)
        except hostfile.HostError as error:
            raise hostfile.HostError(place, where, str(error)) from None
    return found


def names() -> list[str]:
    """All scenarios, in the order of their rules."""
    def order(name: str) -> tuple[int, str]:
        rule = load(name).rule
        return 1000 * (rule[0] == "T") + int(rule[1:].rstrip("b")) * 2 + rule.endswith("b"), name

    return sorted((p.stem for p in FOLDER.glob("*.toml")), key=order)


@cache
def _bundled(name: str) -> Scenario:
    file = FOLDER / f"{name}.toml"
    return loads(file.read_bytes(), file.name, name, FOLDER)


def load(name: str | Path) -> Scenario:
    """By name, by rule ("R14"), or from a file of one's own (.toml)."""
    text = str(name)
    if text.endswith(".toml"):
        return loads(hostfile.read_file(text, "scenario"), text, Path(text).stem, Path(text).parent)
    stems = [p.stem for p in FOLDER.glob("*.toml")]
    if text not in stems and text in RULES:
        text = next((n for n in names() if load(n).rule == text), text)
    if text not in stems:
        if text in RULES:
            raise BadInput(f"{text}: no scenario shows this rule; docs/rules.md says why")
        near = units.nearest(text, stems)
        raise BadInput(f"{text}: no such scenario" + (f"; did you mean {near}?" if near else "; rxpath scenario list shows all"))
    return _bundled(text)


# ---------------------------------------------------------------- running
@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a scenario: as it is ("before"), with its "cure", with a "placebo", with settings to "try"."""
    what: str
    settings: tuple[str, ...]
    run: Outcome
    value: float

    @property
    def cpu_ns_per_frame(self) -> float:
        """Of everything."""
        return MEASURES["all-cpu"][2](self.run)


@dataclass(frozen=True, slots=True)
class Trial:
    scenario: Scenario
    before: Attempt
    cure: Attempt | None
    placebos: tuple[Attempt, ...]
    tried: Attempt | None = None

    def attempts(self) -> list[Attempt]:
        return [a for a in (self.before, self.cure, *self.placebos, self.tried) if a is not None]

    def change(self, attempt: Attempt) -> float | None:
        """What an attempt changed of the measure, a share of what it was; None: this is the first, or there was nothing to change."""
        return attempt.value / self.before.value - 1 if attempt is not self.before and self.before.value else None

    @property
    def cured(self) -> bool:
        """The cure leaves no more than it says.  Without one: there was nothing to cure."""
        s = self.scenario
        if self.cure is None:
            return not self.before.run.dropped
        return self.before.value > 0 and self.cure.value <= s.cured * self.before.value

    def fails(self, attempt: Attempt) -> bool:
        """A placebo that is one.  Where nothing is wrong it may not make anything better either."""
        return attempt.value >= self.scenario.kept * self.before.value

    @property
    def placebos_fail(self) -> bool:
        return all(self.fails(p) for p in self.placebos)


def run(s: Scenario, settings: tuple[str, ...] = (), *, progress: Callable[[float, int], None] | None = None,
        stop: Callable[[], bool] | None = None, record: bool = False) -> Trial:
    """All runs of a scenario; `settings`: one more, with these.  record: keep the first over time."""
    wanted = [("before", ()), *([("cure", s.cure)] if s.cure else []), *(("placebo", p) for p in s.placebo),
              *([("try", settings)] if settings else [])]
    done: list[Attempt] = []
    for what, changed in wanted:
        share = len(done) / len(wanted)

        def tell(x: float, frames: int, share: float = share) -> None:
            if progress is not None:
                progress(share + x / len(wanted), frames)

        outcome = replay.replay(s.the_spec(changed), s.the_host(changed), stop=stop, progress=tell,
                                record=record and not done)
        done.append(Attempt(what, changed, outcome, measured(s.measure)[2](outcome)))
        if outcome.interrupted:
            raise KeyboardInterrupt
    def of(what: str) -> Attempt | None:
        return next((a for a in done if a.what == what), None)

    return Trial(s, done[0], of("cure"), tuple(a for a in done if a.what == "placebo"), of("try"))
