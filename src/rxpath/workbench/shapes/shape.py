"""What a shape is: a function that runs hosts and returns figures, what must hold of them, and pictures.

    @shape("Q5", "Cost of a packet against load", kernel="3.10, 6.18", profile="bm36", source="XDP paper")
    def cost_against_load(ms: int) -> Found: ...

`ms` is how long each run is counted, ms of virtual time; the page takes MS, tests less.  A shape is found by its key in SHAPES (run.py
loads every module that has some); tests hold its claims, the page shows them beside the same rows."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

MS = 80                                                     # of virtual time, counted after 20 ms of settling
Cell = float | int | str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A property that must hold, in a sentence."""
    text: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A curve, or a group of bars.  published: somebody else's figures.  ranges: of bars, least and most of what was measured."""
    name: str
    points: Sequence[tuple[float | str, float]]
    published: bool = False
    ranges: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """name: of the file, without .svg.  bars: x is text."""
    name: str
    x: str
    y: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False
    bars: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """columns: (title, format of its figures).  note: what does not hold, and why; what was chosen."""
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Cell]]
    claims: Sequence[Claim]
    charts: Sequence[Chart] = ()
    note: str = ""

    @property
    def holding(self) -> int:
        """Claims that hold."""
        return sum(c.holds for c in self.claims)


@dataclass(frozen=True, slots=True)
class Shape:
    key: str
    title: str
    kernel: str
    profile: str
    source: str
    run: Callable[[int], Found] = field(repr=False)

    @property
    def about(self) -> str:
        """What must come out, from the function's docstring."""
        return " ".join((self.run.__doc__ or "").split())


SHAPES: dict[str, Shape] = {}


def shape(key: str, title: str, *, kernel: str, profile: str, source: str) -> Callable[[Callable[[int], Found]], Callable[[int], Found]]:
    """Register the function below as a shape."""
    def registered(run: Callable[[int], Found]) -> Callable[[int], Found]:
        assert key not in SHAPES, key
        SHAPES[key] = Shape(key, title, kernel, profile, source, run)
        return run
    return registered


def host(kernel: str, profile: str, *, app: int | None = None, batch: int = 1, rx: int = 1024, usecs: int = 0, rules: str = "",
         napi: str = "softirq", cpus: int = 2, **more: Any) -> dict[str, Any]:
    """One queue on CPU 0, one socket; `app`: the CPU of its reader, none without."""
    out: dict[str, Any] = {
        "kernel": kernel, "profile": profile, "cpus": cpus, "nic": {"queues": 1, "napi": napi}, "irq": {"0": 0},
        "ethtool": {"rx": rx, "rx-usecs": usecs}, "socket": [{"name": "s", "bind": "0.0.0.0:5000"}],
        "app": [] if app is None else [{"name": "a", "sockets": ["s"], "cpu": app, "batch": batch}], **more}
    if rules:
        out["iptables"] = {"text": rules}
    return out


def curve(name: str, rows: Sequence[Sequence[Any]], x: int, y: int, published: bool = False) -> Line:
    """Two columns of the rows as a line."""
    return Line(name, [(row[x], row[y]) for row in rows], published)


def off(ours: float, published: float) -> float:
    """How far from what was published: 0.1 = 10 % above."""
    return ours / published - 1


def text(value: Cell, form: str) -> str:
    """A cell as the page and the terminal show it."""
    return "" if value is None else value if isinstance(value, str) else format(value, form)
