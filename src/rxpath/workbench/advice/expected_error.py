"""How far a run's figures are from this machine's kernel: the errors that `rxpath validate` found for its kinds of load, where the cost
profile is one that was measured here and validated.  A line of the report's header; JSON's expected_error."""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated

from rxpath.vtime import calibrated
from rxpath.vtime.calibrated import ALL, Errors
from rxpath.workbench.advice.facts import BUFFER_LOSSES
from rxpath.workbench.advice.states import states
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.words.doc import doc


@dataclass(frozen=True, slots=True)
class Expected:
    """Of one kind of load that the run is of."""
    kind: Annotated[str, doc("steady, overload, bursts, rps, fragments, shared")]
    points: Annotated[float, doc("mean absolute error of the loss, in points of per cent of the datagrams")]
    worst: Annotated[float, doc("the largest of these")]
    p50: Annotated[float, doc("mean error of the median latency, as a share, where the kernel lost; 0: it lost nowhere")]
    experiments: Annotated[int, doc("undisturbed experiments over a veth that this is of")]


def kinds_of(run: Outcome) -> list[str]:
    """What decides in this run, as calibrated.KINDS names it."""
    b, host = run.books, run.host
    out = []
    if any(s.kind == "overload" for s in states(run)):
        out.append("overload")
    elif any(b.dropped.get(reason) for reason in BUFFER_LOSSES):
        out.append("bursts")
    if b.softnet_sum("received_rps"):
        out.append("rps")
    if b.copies["fragments"]:
        out.append("fragments")
    works = Counter(a.cpu for a in b.apps if a.received)
    others = {s.cpu for s in b.senders} | {cpu for load in host.loads for cpu in load.cpu}
    if others & set(works) or any(n > 1 for n in works.values()):
        out.append("shared")
    return out or ["steady"]


def expected_error(run: Outcome) -> list[Expected]:
    """[]: the profile was not measured here, or not validated.  A kind without experiments has the error of all of them."""
    found = calibrated.errors(run.host.profile)
    if not found:
        return []
    return [_expected(kind, found.get(kind) or found[ALL]) for kind in kinds_of(run) if kind in found or ALL in found]


def _expected(kind: str, e: Errors) -> Expected:
    return Expected(kind, e.points, e.worst, e.p50 or 0.0, e.experiments)


def in_words(found: list[Expected]) -> str:
    """"" for none."""
    said = [f"{e.kind} {e.points:.1f} points of loss on average, {e.worst:.1f} at most" + (f", {e.p50:.0%} of p50" if e.p50 else "")
            + f" ({e.experiments} experiments)" for e in found]
    return f"error against this machine's kernel: {'; '.join(said)}" if said else ""


def of_profile(name: str) -> str:
    """The same for figures of many runs: of all experiments."""
    found = calibrated.errors(name)
    return in_words([_expected("all kinds", found[ALL])]) if ALL in found else ""
