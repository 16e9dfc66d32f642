"""A judge that ends before its time leaves nothing behind.  In a file of its own: other files hold the locks that these wait for."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rxpath.workbench.judge import run
from rxpath.workbench.judge.kernel.undo import TRACEFS, start_time


def test_a_judge_that_is_told_to_end_puts_everything_back():
    """SIGTERM: as after Ctrl-C, nothing is left, and no lock."""
    if run.cannot_judge():
        pytest.skip(run.cannot_judge())
    with subprocess.Popen([sys.executable, "-m", "rxpath.workbench.cli", "judge", "--only", "ratelimit 1 s*", "--examples", "100000"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        made = f"rxj{child.pid}-"
        for _ in range(6000):                                   # 300 s: it may have to compile first, or wait for another judge
            if any(p.name.startswith(made) for p in Path("/run/netns").glob("*")) or child.poll() is not None:
                break
            time.sleep(0.05)
        child.terminate()
        _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    assert not any(p.name.startswith(made) for p in Path("/run/netns").glob("*"))
    assert not (TRACEFS / "instances" / f"rxj{child.pid}").exists()
    assert not Path(f"/run/rxpath/judge/{child.pid}.json").exists()


def test_a_reader_ends_with_its_judge():
    """It has copies of the judge's locks: nobody may wait for a reader whose judge was killed."""
    script = ("import time; from rxpath.workbench.judge.load import forked\n"
              "with forked(lambda: time.sleep(25), 0) as result:\n    print(result.pid, flush=True); time.sleep(60)")
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    reader = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    for _ in range(200):
        if start_time(reader) == "":
            break
        time.sleep(0.05)
    assert start_time(reader) == ""
