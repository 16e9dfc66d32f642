"""--over-time: lines and a chart in the terminal, bound to the recording's figures."""
import re

import pytest

import rxpath
from rxpath.workbench.run.over_time import columns_of
from rxpath.workbench.views import over_time, terminal

from .test_command import run


@pytest.fixture(scope="module")
def first() -> rxpath.Outcome:
    return rxpath.replay("first", record=True)


def text(outcome: rxpath.Outcome, width: int = 80) -> list[str]:
    return terminal.plain(over_time.render(outcome, width), width).splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_it_fits_the_terminal(first, width):
    assert max(map(len, text(first, width))) <= width


def test_the_figures_are_those_of_the_run(first):
    shown = "\n".join(text(first))
    assert "socket telemetry" in shown and "211,968 of 212,992 B" in shown
    lost = re.search(r"^SOCKET_RCVBUFF .* ([\d,]+), ([\d,]+)$", shown, re.MULTILINE)
    assert lost and int(lost[1].replace(",", "")) == first.dropped["SOCKET_RCVBUFF"]
    assert 0 < int(lost[2].replace(",", "")) <= first.dropped["SOCKET_RCVBUFF"]
    assert "12.7 ms at most" in shown and first.latency_ns["max"] == 12_746_700


def test_columns_keep_the_deepest_of_a_level_and_all_of_a_total():
    values = list(range(100))
    assert columns_of(values, 7, max)[-1] == 99 and sum(columns_of(values, 7, sum)) == sum(values)


def test_whatever_is_not_nothing_is_seen():
    assert over_time.line([0, 1, 500, 999, 1000, 2000], 1000) == " ▁▄███"
    assert over_time.line([0, 0], 0) == "  "


def test_the_chart_is_of_the_queue_that_is_full(first):
    lines = text(first)
    at = next(i for i, line in enumerate(lines) if line.startswith("socket telemetry against its limit of 212,992 bytes"))
    chart, marks = lines[at + 1:at + 9], lines[at + 9]
    full = [i for i, c in enumerate(chart[0]) if c == "█"]
    assert full and all(row[i] == "█" for row in chart for i in full)
    assert {i for i, c in enumerate(marks) if c == "×"} == set(full), "it lost where it was full"


def test_a_run_without_losses_has_no_chart():
    calm = rxpath.replay("first", record=True, overrides={"net.core.rmem_default": 8 << 20})
    assert not any("against its limit" in line for line in text(calm))


def test_the_command_shows_it_and_writes_the_recording_too(tmp_path, capsys):
    file = tmp_path / "run.json"
    code, out, err = run(capsys, "replay", "first", "--no-whatif", "--over-time", "--record", str(file))
    assert code == 0, err
    assert out.splitlines()[0].startswith("first.pcap") and "Over time: 9.81 s" in out and file.stat().st_size > 10_000
    code, out, err = run(capsys, "replay", "first", "--no-whatif", "--over-time", "--json")
    assert code == 0 and out.startswith("{") and "Over time" not in out
