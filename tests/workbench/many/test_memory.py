"""A long run streams: its memory does not grow with the number of packets."""
import subprocess
import sys

import pytest

RUN = """
import resource, sys
from rxpath.workbench.jobs.unit import Unit, run
result = run(Unit("first", rate="1Mpps", loop=int(sys.argv[1])))
assert result.error is None and result.offered == result.delivered + result.queued + sum(result.dropped.values())
print(result.offered, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(loops: int) -> tuple[int, int]:
    """(frames offered, the most memory that the process ever had, KiB)"""
    done = subprocess.run([sys.executable, "-c", RUN, str(loops)], capture_output=True, text=True, timeout=600, check=True)
    frames, memory = done.stdout.split()
    return int(frames), int(memory)


@pytest.mark.slow
def test_three_million_packets_need_no_more_memory_than_a_tenth_of_them() -> None:
    one, memory = run(35)
    ten, more = run(343)
    assert one > 300_000 and ten > 3_000_000
    assert more < memory + 4096, f"{memory} KiB for {one:,} frames, {more} KiB for {ten:,}"
