"""tools/mutate_path.py takes too long for a test; that each of its rows still fits the source is one."""
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "mutate_path.py"


def test_every_mutation_fits_the_source():
    done = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_tool_that_is_told_to_end_takes_its_copy_of_the_tree_with_it(tmp_path):
    there = os.environ | {"TMPDIR": str(tmp_path)}
    tool = subprocess.Popen([sys.executable, TOOL, "--only", "route"], env=there, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("rxpath-mutate-*/pyproject.toml")) and time.monotonic() < until:
        time.sleep(0.02)
    tool.terminate()
    assert tool.wait(timeout=60) == 143 and not list(tmp_path.iterdir())


def test_the_table_says_what_survives_and_of_which_source_each_result_is(monkeypatch):
    monkeypatch.syspath_prepend(TOOL.parent)
    tool = importlib.import_module("mutate_path")
    m = tool.Mutation("a.py", "f", "x | y", "x", survives="no input tells")
    page = tool.table([tool.Result(m, case, "ours 1", 1.0, commit) for case, commit in (("a", "abc"), ("", "def"), ("b", "abc"))])
    assert "3 mutations" in page and "1 survive, the reason in the last column" in page and "abc (2), def (1)" in page
    assert r"| a.py: f | `x \| y` | `x` | **none: survives** | no input tells |" in page
