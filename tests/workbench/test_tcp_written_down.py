"""Conversations over TCP on our host: to the byte, counter and reason what is written down of Linux 6.18 in tests/golden/tcp, without root.

A line of those files that changes is a change of the kernel (tests/kernel/test_tcp.py), never of ours."""
from pathlib import Path

import pytest

from rxpath.workbench.judge import run
from rxpath.workbench.judge.compare import unfolded
from rxpath.workbench.judge.ours.machine import Ours
from rxpath.workbench.judge.tcp import transcript
from rxpath.workbench.judge.tcp.build import NOT_BUILT

GOLDEN = Path(__file__).parents[1] / "golden" / "tcp"
CASES = [(family, case) for family, cases in run.families().items() if family.startswith("tcp_") for case in cases()]


def written_down(family: str) -> dict[str, list[str]]:
    """Name -> the lines of that conversation."""
    found: dict[str, list[str]] = {}
    for line in (GOLDEN / f"{family}.txt").read_text().splitlines()[2:]:
        if line.startswith("== "):
            lines = found.setdefault(line[3:], [])
        lines.append(line)
    return found


@pytest.mark.parametrize(("family", "case"), [pytest.param(f, c, id=f"{f}: {c.name}") for f, c in CASES if not c.not_built])
def test_ours_does_what_is_written_down_of_the_kernel(family, case):
    with Ours() as ours:
        told = list(transcript.lines(case, ours.one(case, run.host_of(case))))
    assert list(map(unfolded, told)) == list(map(unfolded, written_down(family)[case.name]))


def test_every_conversation_is_written_down_and_every_exception_is_one():
    for family in {f for f, _ in CASES}:
        assert list(written_down(family)) == [c.name for f, c in CASES if f == family]
    whys = {case.not_built for _, case in CASES}
    assert all(why in whys for why in NOT_BUILT.values())


PLAIN = ("in order, old, out of order, holes filled", "out-of-order data over the limit", "an owner holds the socket")


@pytest.mark.parametrize("name", PLAIN)
def test_plain_does_the_same(name):
    family, case = next((f, c) for f, c in CASES if c.name == name)
    with Ours(plain=True) as ours:
        told = list(transcript.lines(case, ours.one(case, run.host_of(case))))
    assert list(map(unfolded, told)) == list(map(unfolded, written_down(family)[name]))
