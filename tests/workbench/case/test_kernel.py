"""Cases of this kernel under real losses, in namespaces of our own: what it really lost beside the model, with errors that are held."""
import importlib.util
import os
from pathlib import Path

import pytest

from rxpath.workbench.case.beside import beside
from rxpath.workbench.host.given import case_text, of_case
from rxpath.workbench.readings.case import open_recorded

TOOL = Path(__file__).parents[3] / "tools" / "record_cases.py"
SECONDS = 2.0

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")]


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("record_cases", TOOL)
    tool = importlib.util.module_from_spec(spec)
    import sys
    sys.modules["record_cases"] = tool
    spec.loader.exec_module(tool)
    folder = tmp_path_factory.mktemp("cases")

    def made(kind):
        out = folder / f"{kind}.rxcase"
        try:
            tool.record(kind, out, SECONDS)
        except OSError as error:
            pytest.skip(f"no network namespaces here: {error}")
        return str(out)
    return made


def test_a_slow_readers_losses_are_predicted_from_its_cpu_time(record):
    path = record("slow-reader")
    b = beside(path, of_case(path))
    row = b.row("socket")
    assert row.real > 5000 and b.readers[0].reads > 1000 and not b.cannot_judge
    assert abs(row.ours - row.real) < 0.15 * row.real and row.together > 0.7, (row, b.explained)
    case = open_recorded(path)
    assert case.tap_lost == 0 and case.manifest["counters"]["cpu_s"] < 0.03 * SECONDS          # under 3 % of one CPU
    assert case.devices[0]["frames"] >= row.real


def test_a_small_backlogs_losses_are_seen_and_not_in_the_capture(record):
    path = record("small-backlog")
    b = beside(path, of_case(path))
    row = b.row("backlog")
    assert row.real > 1000 and "netdev_max_backlog = 20" in case_text(path)
    assert b.frames < 2 * row.real
