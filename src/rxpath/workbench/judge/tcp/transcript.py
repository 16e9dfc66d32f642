"""What came of a conversation, as text: a block for each cause, a line for each thing that moved.  For people, and to compare two kernels
with `diff`; the counters of IP and of segments in and out are left out (the judge compares them)."""
from __future__ import annotations

from collections.abc import Iterator

from rxpath.workbench.judge.case import Case, Observation, Open, Sysctl
from rxpath.workbench.judge.tcp.steps import Cause

LEFT_OUT = ("counters Ip.", "counters IpExt.", "counters Tcp.InSegs", "counters Tcp.OutSegs")


def lines(case: Case, seen: Observation) -> Iterator[str]:
    """Of one case: "== name", then "# cause" and its answers, each with the number of its step."""
    yield f"== {case.name}"
    told: dict[int, list[str]] = {}
    for key, value in seen.answers:
        number, _, what = key.partition(" ")
        routine = isinstance(case.steps[int(number)], (Open, Sysctl)) and value == ""
        if not what.startswith(LEFT_OUT) and not routine:
            told.setdefault(int(number), []).append(f"  {number:>2} {what}: {value}".rstrip())
    for i, step in enumerate(case.steps):
        if isinstance(step, Cause):
            yield f"# {step.text}"
        yield from told.get(i, ())
    yield ""
