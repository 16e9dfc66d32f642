"""Our own packetdrill scripts on the real kernel: what they expect of the simulated host is what Linux does."""
import subprocess
import sys
from pathlib import Path

import pytest

from rxpath.workbench.judge import run

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "tests" / "packetdrill" / "scripts").glob("*.pkt"))
pytestmark = pytest.mark.root


def test_linux_does_what_the_scripts_expect():
    why = run.cannot_judge() or run.other_kernel()
    if why:
        pytest.skip(why)
    left, told = [str(p) for p in SCRIPTS], ""
    for _ in range(3):                               # times are the machine's: who is busy with other things is late
        told = subprocess.run([sys.executable, "-m", "tests.packetdrill.linux", *left], cwd=ROOT, capture_output=True, text=True,
                              timeout=300).stdout
        left = [p for p in left if f"passed {Path(p).name}" not in told]
        if not left:
            return
    assert not left, told
