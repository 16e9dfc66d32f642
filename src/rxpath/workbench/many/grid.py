"""The grid of a sweep: what one --set may say, and every combination of them.

    KEY=V                       one value, in every run
    KEY=V1,V2,V3                these
    KEY=A..B                    from A, doubled, up to B (B itself is the last)
    KEY=A..B*F                  multiplied by F instead
    KEY=A..B/N                  N values at equal distances

A and B are numbers, with the unit that the key takes (4KiB..8MiB, 10us..1ms, 100kpps..2Mpps); lists and ranges may be mixed.  Keys are
those of replay's --set (of a traffic spec also traffic.0.rate=100kpps..400kpps), and speed, rate and loop, which are the traffic's."""
from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from rxpath.workbench.jobs.unit import Unit
from rxpath.workbench.traffic.settings import Settings, split, written
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

POINTS_MAX, VALUES_MAX = 1_000_000, 100_000
ALLOWED = "KEY=V, KEY=V1,V2, KEY=A..B (doubling), KEY=A..B*FACTOR or KEY=A..B/STEPS, with 0 < A < B"
TRAFFIC_KEYS = ("speed", "rate", "loop")
_RANGE = re.compile(r"(?P<a>[0-9][^,]*?)\.\.(?P<b>[^/*]*)(?:(?P<how>[/*])(?P<by>.*))?\Z")
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµμ/]*)\Z")

Point = dict[str, str]                                      # one combination: key -> value, as written


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
    key: str
    values: tuple[str, ...]


def parse(text: str) -> Axis:
    """One --set of a sweep."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key or not value.strip():
        raise BadInput(f"--set {text}: must be {ALLOWED}")
    values: list[str] = []
    for part in _split(value.strip()):
        values += _range(part, text) if part[0].isdigit() and ".." in part else [part]
        if len(values) > VALUES_MAX:
            raise BadInput(f"--set {text}: more than {VALUES_MAX:,} values")
    return Axis(key, tuple(dict.fromkeys(values)))


def axis(key: str, values: object) -> Axis:
    """The same from Python: a text with commas and ranges, a number, or values to take as they are."""
    if isinstance(values, str):
        return parse(f"{key}={values}")
    listed = list(values) if isinstance(values, Iterable) else [values]
    if not listed:
        raise BadInput(f"{key}: no values")
    return Axis(key, tuple(dict.fromkeys(str(v).lower() if isinstance(v, bool) else str(v) for v in listed)))


def axes(given: Settings) -> tuple[Axis, ...]:
    """All of a sweep.  A key stands once."""
    found = [axis(k, v) for k, v in given.items()] if isinstance(given, Mapping) else [parse(text) for text in written(given)]
    for i, one in enumerate(found):
        if one.key in [other.key for other in found[:i]]:
            raise BadInput(f"--set {one.key} is given twice: write all its values in one, {one.key}=V1,V2")
    if math.prod(len(a.values) for a in found) > POINTS_MAX:
        raise BadInput(f"the grid has {size_text(found)} runs: at most {POINTS_MAX:,}")
    return tuple(found)


def size_text(found: Sequence[Axis], *more: int) -> str:
    """"6 x 3 = 18"; more: captures, seeds."""
    counts = [len(a.values) for a in found if len(a.values) > 1] + list(more)
    return (" x ".join(f"{n:,}" for n in counts) + " = " if len(counts) > 1 else "") + f"{math.prod(counts):,}"


def points(found: Sequence[Axis]) -> Iterator[Point]:
    """Every combination, the last axis changing fastest."""
    for values in itertools.product(*(a.values for a in found)):
        yield {a.key: v for a, v in zip(found, values, strict=True)}


def at(base: Unit, point: Point) -> Unit:
    """The unit of one point."""
    changes: dict[str, Any] = {}
    if "speed" in point:
        changes["speed"] = _traffic(point, "speed", float)
    if "loop" in point:
        changes["loop"] = _traffic(point, "loop", int)
    if "rate" in point:
        changes["rate"] = point["rate"]
    of_traffic, settings = split(f"{k}={v}" for k, v in point.items() if k not in TRAFFIC_KEYS)
    return dataclasses.replace(base, overrides=base.overrides + settings, traffic=base.traffic + of_traffic, **changes)


def _traffic(point: Point, key: str, kind: type[int] | type[float]) -> float:
    try:
        return kind(point[key])
    except ValueError:
        raise BadInput(f"--set {key}={point[key]}: must be a {'whole ' if kind is int else ''}number") from None


# ---------------------------------------------------------------- lists and ranges
def _split(text: str) -> list[str]:
    """At the commas that are not inside brackets or quotes: app.0.service={list=["1us","2us"]} is one value."""
    out, depth, quote, start = [], 0, "", 0
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c in "[{":
            depth += 1
        elif c in "]}":
            depth -= 1
        elif c == "," and depth == 0:
            out.append(text[start:i].strip())
            start = i + 1
    out.append(text[start:].strip())
    if "" in out:
        raise BadInput(f"{text}: an empty value between commas")
    return out


def _range(part: str, text: str) -> list[str]:
    """The values of A..B, A..B*F, A..B/N."""
    def wrong(why: str) -> BadInput:
        return BadInput(f"--set {text}: range {part}: {why}; allowed are {ALLOWED}")

    match = _RANGE.match(part)
    if match is None:
        raise wrong("cannot be read")
    low, low_unit = _number(match["a"], wrong)
    high, high_unit = _number(match["b"], wrong)
    unit = high_unit
    if low_unit != high_unit and low:                               # 4KiB..8MiB, 10us..1ms: in the smallest unit of their kind
        low, high, unit = _common(match["a"], match["b"], text.partition("=")[0].strip().endswith(("rate", "peak")), wrong)
    if low >= high:
        raise wrong("it must go up")
    whole = low.denominator == high.denominator == 1
    if match["how"] == "/":
        steps, _ = _number(match["by"], wrong)
        if steps.denominator != 1 or not 2 <= steps <= VALUES_MAX:
            raise wrong(f"STEPS is a whole number from 2 to {VALUES_MAX:,}")
        found = [low + (high - low) * i / (steps - 1) for i in range(int(steps))]
        whole = whole and (high - low) >= steps - 1
    else:
        factor = _number(match["by"], wrong)[0] if match["how"] else Fraction(2)
        if factor <= 1:
            raise wrong("FACTOR must be above 1")
        if low <= 0:
            raise wrong("nothing grows from 0 by a factor: write 0,1..B")
        if math.log(high / low) > VALUES_MAX * math.log(factor):
            raise wrong(f"more than {VALUES_MAX:,} values")
        found = []
        while low < high:
            found.append(low)
            low *= factor
        found.append(high)
    return [_text(round(x) if whole else x, unit) for x in found]


def _number(text: str, wrong: Any) -> tuple[Fraction, str]:
    match = _NUMBER.match(text.strip())
    if match is None or len(text) > 40:
        raise wrong(f"{text.strip() or 'an end that is missing'} is not a number")
    return Fraction(match[1]), match[2]


def _common(a: str, b: str, rate: bool, wrong: Any) -> tuple[Fraction, Fraction, str]:
    """Two ends with different units, in ns, bytes or packets a second."""
    for convert, unit in ((units.duration_ns, "ns"), (units.size_bytes, ""), (units.rate_pps, "pps"))[2 if rate else 0:]:
        try:
            return Fraction(convert(a.strip())), Fraction(convert(b.strip())), unit
        except ValueError:
            pass
    raise wrong(f"{a} and {b} have units of different kinds")


def _text(x: Fraction | int, unit: str) -> str:
    if isinstance(x, int) or x.denominator == 1:
        return f"{int(x)}{unit}"
    return f"{float(x):.6g}{unit}"
