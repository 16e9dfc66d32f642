"""Conversations over TCP: this machine's kernel does what is written down of 6.18 in tests/golden/tcp.

    RXPATH_GOLDEN=write pytest tests/kernel/test_tcp.py    writes it anew, as `rxpath judge --transcript` tells it: the diff is reviewed."""
import os
import time
from pathlib import Path

import pytest

from rxpath.workbench.judge import compare, run
from rxpath.workbench.judge.tcp import generated, transcript
from rxpath.workbench.views import judge as view

GOLDEN = Path(__file__).parents[1] / "golden" / "tcp"
FAMILIES = sorted(name for name in run.families() if name.startswith("tcp_"))
SEED, BLOCKS = 618, 8
AGAIN = 12                          # of a conversation that a busy machine has delayed, each time after a longer pause


def same(lines):
    """Builds of one release differ in what was inlined."""
    return list(map(compare.unfolded, lines))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernel_does_what_is_written_down(judge, family):
    told = []
    expected = [] if os.environ.get("RXPATH_GOLDEN") else (GOLDEN / f"{family}.txt").read_text().splitlines()[2:]
    for case in run.families()[family]():
        for k in range(1 + AGAIN):
            time.sleep(0.03 * k)
            lines = list(transcript.lines(case, judge.kernel.one(case, run.host_of(case))))
            if not expected or same(lines) == same(expected[len(told):len(told) + len(lines)]):
                break
        told += lines
    if not expected:
        (GOLDEN / f"{family}.txt").write_text(f"Linux {run.kernel_release()}\n\n" + "\n".join(told) + "\n")
    else:
        assert same(told) == same(expected)


@pytest.mark.parametrize("number", range(BLOCKS))
def test_the_kernel_does_the_same_again_in_generated_conversations(judge, number):
    """What they are made of depends on nothing but the seed: no clock, no random number of the host's is in what is compared."""
    first, again = ([list(transcript.lines(case, judge.kernel.one(case, run.host_of(case), i == 0)))
                     for i, case in enumerate(generated.block(SEED, number))] for _ in range(2))
    assert sum(a != b for a, b in zip(first, again, strict=True)) <= 1          # of 20: that a busy machine has delayed


def test_generated_conversations_agree_with_linux(judge):
    report = run.Report()
    for number in range(BLOCKS // 2):
        run.conversation_block(judge, report, SEED, number)
    assert report.total.frames > 2000 and report.total.agree == report.total.cases, view.text(report, SEED, 0, [])
