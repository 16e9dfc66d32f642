"""How much hangs on what is assumed: the program's work for each datagram halved and doubled, and the other cost profiles; each a run of
its own.  A program without work is tried with 1, 3 and 5 us."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from rxpath.workbench.advice.runs import Runs
from rxpath.workbench.advice.settings import Set
from rxpath.workbench.host.model.host import PROFILES, Host
from rxpath.workbench.host.model.programs import App
from rxpath.workbench.host.text import with_work
from rxpath.workbench.words.doc import doc

WORK_US = (1, 3, 5)                                         # tried for a program that does no work


@dataclass(frozen=True, slots=True)
class Assumed:
    """An assumption changed: what came of it."""
    what: str
    set: Annotated[Set, doc("as --set takes them")]
    lost: Annotated[int, doc("frames of the class lost")]
    delivered: int
    p99_us: Annotated[float, doc("latency")]


def changes(host: Host) -> list[tuple[str, Set]]:
    """What is assumed, otherwise."""
    out: list[tuple[str, Set]] = []
    if all(_works(a, 2, 1) for a in host.apps):
        for word, times, by in (("half the work", 1, 2), ("twice the work", 2, 1)):
            out.append((word, tuple(_works(a, times, by) for a in host.apps)))
    elif all(a.service.constant == 0 for a in host.apps):
        out += [(f"{us} us of work", tuple(f"app.{a.name}.service={us}us" for a in host.apps)) for us in WORK_US]
    return out + [(f"profile {name}", (f"profile={name}",)) for name in PROFILES if name != host.profile]


def _works(app: App, times: int, by: int) -> str:
    """"" where its work is nothing, or a list."""
    service = with_work(app.service, times, by)
    return f"app.{app.name}.service={service}" if service else ""


def sensitivity(runs: Runs) -> list[Assumed]:
    """As many of them as the budget allows."""
    wanted: Sequence[tuple[str, Set]] = changes(runs.host)
    found = runs.do([s for _, s in wanted])
    return [Assumed(what, s, r.lost, r.delivered, r.p99_ns / 1000)
            for (what, s), r in zip(wanted, found, strict=True) if r is not None]
