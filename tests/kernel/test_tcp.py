"""Conversations over TCP: this machine's kernel does what is written down of 6.18 in tests/golden/tcp.

    RXPATH_GOLDEN=write pytest tests/kernel/test_tcp.py    writes it anew, as `rxpath judge --transcript` tells it: the diff is reviewed."""
import os
from pathlib import Path

import pytest

from rxpath.workbench.judge import run
from rxpath.workbench.judge.tcp import transcript

GOLDEN = Path(__file__).parents[1] / "golden" / "tcp"
FAMILIES = sorted(name for name in run.families() if name.startswith("tcp_"))
AGAIN = 4                           # of a conversation that a busy machine has delayed


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernel_does_what_is_written_down(judge, family):
    told = []
    expected = [] if os.environ.get("RXPATH_GOLDEN") else (GOLDEN / f"{family}.txt").read_text().splitlines()[2:]
    for case in run.families()[family]():
        for _ in range(1 + AGAIN):
            lines = list(transcript.lines(case, judge.kernel.one(case, run.host_of(case))))
            if lines == expected[len(told):len(told) + len(lines)] or not expected:
                break
        told += lines
    if not expected:
        (GOLDEN / f"{family}.txt").write_text(f"Linux {run.kernel_release()}\n\n" + "\n".join(told) + "\n")
    else:
        assert told == expected
