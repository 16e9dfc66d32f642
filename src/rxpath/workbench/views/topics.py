"""What `rxpath help TOPIC` says: a drop reason, a sysctl, a counter, a station, a driver, a kernel or a key of the host file, from the row
that the path itself reads; a rule of the advice, from rules.toml."""
from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from rxpath.abi import mib, reasons, sysctls
from rxpath.abi.kernels import BEHAVIOURS, KERNELS
from rxpath.drivers.rows import DRIVERS
from rxpath.path import STATIONS
from rxpath.workbench.advice import rules
from rxpath.workbench.host import text as hosttext
from rxpath.workbench.scenarios import scenario
from rxpath.workbench.views.terminal import titled

Line = tuple[str, str]                                      # a word before it, the text
SOURCES = {"[M]": "seen on Linux 6.18", "[V]": "read in", "[K]": "from memory of the kernel's history"}


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    kind: str
    lines: Callable[[], list[Line]]


def topics() -> Iterator[Topic]:
    """All that there are, commands left out."""
    for r in reasons.Drop:
        if r != reasons.Drop.NOT_DROPPED_YET:
            yield Topic(r.name, "how a frame ends", lambda r=r: _reason(r))      # type: ignore[misc]
    for row in sysctls.SYSCTLS:
        yield Topic(row.name, "sysctl", lambda row=row: _sysctl(row))            # type: ignore[misc]
    for counter in sorted(_counters()):
        yield Topic(counter, "counter", lambda counter=counter: _counter(counter))       # type: ignore[misc]
    for stage, station in STATIONS.items():
        yield Topic(stage.name, "station of the path", lambda stage=stage, station=station: _station(stage.name, station))   # type: ignore[misc]
    for name, driver in DRIVERS.items():
        yield Topic(name, "driver", lambda driver=driver: _driver(driver))                # type: ignore[misc]
    for name in KERNELS:
        yield Topic(f"kernel {name}", "kernel profile", lambda name=name: _kernel(name))     # type: ignore[misc]
    for key, model_field in hosttext.keys():
        yield Topic(key, "key of the host file", lambda model_field=model_field: _key(model_field))      # type: ignore[misc]
    for rule in rules.load().rule:
        yield Topic(rule.id, "rule of the advice", lambda rule=rule: _rule(rule))        # type: ignore[misc]


def render(name: str) -> Any | None:
    """Everything of that name, whatever its case; None: nothing has it."""
    found = [t for t in topics() if t.name.lower() == name.lower()]
    if not found:
        return None
    parts: list[Any] = []
    for t in found:
        parts += [*([Text()] if parts else []), titled(f"{t.name}: {t.kind}", *(_shown(*line) for line in t.lines()))]
    return Group(*parts)


def _shown(head: str, text: str) -> Any:
    return Padding(Text(f"{head}: {text}" if head else text), (0, 0, 0, 2))


def close_to(name: str, more: list[str]) -> list[str]:
    """Names like it, to ask whether they were meant."""
    names = {n.lower(): n for n in [*more, *(t.name for t in topics())]}
    part = [n for low, n in names.items() if len(name) > 3 and name.lower() in low]
    return (part or [names[low] for low in difflib.get_close_matches(name.lower(), names, 4)])[:6]


# ---------------------------------------------------------------- each kind
def _reason(r: reasons.Drop) -> list[Line]:
    row = r.row
    lines = [("", f"{row.meaning} ({row.kind.value})"),
             ("name", f"Linux {row.since} has it (SKB_DROP_REASON_{r.name})" if row.since else "ours: the kernel has none for it")]
    for station, place in row.places.items():
        counted = place.counters.replace(" ", ", ").replace("/", " or ") or "no counter moves"
        lines.append((f"at {station}", (f"{place.meaning}; " if place.meaning else "") + counted))
    return lines + ([("no setting that is tried saves them", row.verdict)] if row.verdict else [])


def _sysctl(row: sysctls.Row) -> list[Line]:
    history = "; ".join(f"{_value(value)}{f' since {since}' if since else ''}" for since, value in row.history)
    return [("", f"{row.doc} ({row.unit})" if row.unit else row.doc), ("default", history), ("allowed", row.allowed(250)),
            *([("read by", row.reader)] if row.reader else []), ("to try it", f"--set {row.name}=VALUE"), ("source", _source(row.source))]


def _source(text: str) -> str:
    for mark, words in SOURCES.items():
        text = text.replace(mark, words)
    return text


def _value(value: sysctls.Value) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _counters() -> set[str]:
    moved = {c for r in reasons.Drop for place in r.row.places.values() for text in (place.counters, (place.before or ("", ""))[1])
             for part in text.split() for c in part.split("/")}
    return moved | {m.text() for m in mib.Mib}


def _counter(name: str) -> list[Line]:
    places = [(r.name, station) for r in reasons.Drop for station, place in r.row.places.items()
              if name in place.counters.replace("/", " ").split()]
    since = mib.SINCE.get(name)
    return ([("since", f"Linux {since}")] if since else []) + \
        ([("moves with", ", ".join(f"{r} at {station}" for r, station in places))] if places else [("", "no loss moves it here")])


def _station(name: str, station: Any) -> list[Line]:
    return [("", station.what), ("room", station.room), ("context", station.context), ("kernel", station.twin)]


def _driver(row: Any) -> list[Line]:
    lines = [("", row.what), ("line rate", row.speed), ("models", ", ".join(f"{m} ({n} queues)" for m, n in row.models.items()))]
    if row.rx_ring is not None:
        lines.append(("receive ring", f"{row.rx_ring.default} descriptors; {row.rx_ring.allowed}"))
    return [*lines, ("to use it", f"--set nic.driver={row.name}, or rxpath host init --nic {row.name}")]


def _kernel(name: str) -> list[Line]:
    does = KERNELS[name].behaviours()
    return [("to use it", f"--set kernel={name}"), ("whose", KERNELS[name].whose or "today's"),
            ("compared", "with the real kernel, by rxpath judge" if KERNELS[name].verified else "with no real kernel: unverified"),
            ("behaviours", ", ".join(f"{b.name} {does[b]}" for b in BEHAVIOURS)),
            *(("not modelled", text) for text in KERNELS[name].not_modelled)]


def _rule(rule: rules.Rule) -> list[Line]:
    knobs = rules.load().knob
    lines = [("", rule.title), ("cause", rule.cause), ("told from others by", rule.discriminator.text)]
    lines += [("helps", "; ".join(knobs[k].title for k in rule.knobs))] if rule.knobs else []
    lines += [("does not help", "; ".join(knobs[k].title for k in rule.wont_help))] if rule.wont_help else []
    shown = [name for name in scenario.names() if rule.id in (scenario.load(name).rule, *scenario.load(name).also)]
    lines += [("scenario", f"rxpath scenario run {name}") for name in shown]
    return lines + ([("not modelled", rule.reason)] if rule.reason else [])


def _key(field: Any) -> list[Line]:
    extra = field.json_schema_extra
    return [("", field.description), ("allowed", extra["allowed"]), *([("source", _source(extra["source"]))] if extra["source"] else [])]
