"""tools/mutate_path.py takes too long for a test; that each of its rows still fits the source is one."""
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "mutate_path.py"


def test_every_mutation_fits_the_source():
    done = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
