"""The model loses what a real kernel lost on the same schedules, within stated points (docs/calibration.md has all of them).

What the kernel did is recorded in tests/data/against_kernel.json: least and most of two machines of one kind.  Nothing is timed here: the
sender's times are the schedule's."""
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNEL = json.loads((ROOT / "tests/data/against_kernel.json").read_text())


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("against_kernel", ROOT / "tools/against_kernel.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["against_kernel"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", KERNEL["lost"])
def test_the_model_loses_what_the_kernel_lost(tool, tmp_path, name):
    e, (least, most, within) = tool.EXPERIMENTS[name], KERNEL["lost"][name]
    tool.write_pcap(tmp_path / "x.pcap", e, e.times)
    assert least - within <= tool.model_loss(tmp_path / "x.pcap", e, "vm") <= most + within


def test_fragments_of_the_tool_are_one_good_datagram(tool):
    parts = tool.frames(7, 4000)
    assert [len(p) for p in parts] == [1514, 1514, 14 + 20 + 4008 - 2 * 1480]
    assert all(tool.checksum(p[14:34]) == 0 for p in parts)
    datagram = b"".join(p[34:] for p in parts)
    pseudo = parts[0][26:34] + bytes([0, 17]) + len(datagram).to_bytes(2, "big")
    assert tool.checksum(pseudo + datagram) == 0 and datagram[8:12] == bytes([7, 0, 0, 0])


def test_the_senders_and_readers_source_compiles_without_a_warning(tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    source = ROOT / "tools/against_kernel.c"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(tmp_path / "x"), str(source)], check=True)


def test_run_without_root_and_compare_without_runs_say_what_is_missing(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="needs root"):
        tool.run(tmp_path, [], 1, 0.04)
    with pytest.raises(SystemExit, match="no repetition that `run` has kept"):
        tool.compare(tmp_path, ["idle-100k"], "vm", "C1", False)
