"""Buffers help only when the mean load is below capacity, whatever the host: kernel, costs, program, which buffer, how large.

Above capacity a buffer of any size is full: one that is larger saves what fits into it once, and all that is read has waited longer.  Below
capacity bursts that overflow a small one are saved, all of them, by one that holds a burst."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.abi.generate import Arrivals
from rxpath.cable.generate import ONE, Generated, Stream
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.simulation import START_NS, Simulation
from rxpath.workbench.shapes.measure import BASE, MAC, measure
from rxpath.workbench.shapes.shape import host

TRUESIZE = 2304                                              # of a small datagram from igb
EXAMPLES = 12


@dataclass(frozen=True)
class Machine:
    """One queue, its reader on another CPU; the buffer in question holds `slots` datagrams."""
    kernel: str
    profile: str
    buffer: str
    service: int
    slots: int

    def host(self, times: int = 1) -> dict[str, Any]:
        """With the buffer so many times as large; the other one is out of the way."""
        ring = self.buffer == "ring"
        h = host(self.kernel, self.profile, app=1, rx=self.slots * times if ring else 4096)
        h["nic"] = BASE | h["nic"]
        h["socket"][0]["rcvbufforce"] = (8 << 20) if ring else self.slots * times * TRUESIZE // 2
        h["app"][0]["service"] = 0 if ring else self.service
        return h

    def capacity(self) -> float:
        """Datagrams a second that are read when far more come."""
        return measure(self.host(), 4e6 if self.buffer == "ring" else 150e3, 10).read


machines = st.builds(Machine, kernel=st.sampled_from(["3.10", "6.18"]), profile=st.sampled_from(["bm36", "xeon2g_2015", "vm"]),
                     buffer=st.sampled_from(["ring", "socket"]), service=st.integers(16_000, 60_000),
                     slots=st.integers(16, 64).map(lambda n: 8 * n))


def run(machine: dict[str, Any], stream: Stream, seed: int) -> tuple[int, float]:
    """Frames lost, mean latency in ns."""
    with (Simulation(hostfile.build(machine, "a random host")) as sim,
          Generated((stream,), seed=seed, start_ns=START_NS, mac=MAC) as traffic):
        sim.replay(traffic)
        books = sim.books()
        return books.offered - books.received, books.latency.mean


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(machine=machines, times=st.sampled_from([2, 4, 8]), load=st.floats(1.2, 3), seed=st.integers(1, 99))
def test_above_capacity_a_larger_buffer_saves_what_it_holds_once_and_all_that_is_read_waits_longer(machine, times, load, seed):
    times = min(times, 4096 // machine.slots)
    capacity = machine.capacity()
    count = 20 * machine.slots * times
    stream = Stream(kind=Arrivals.POISSON, gap=round(1e9 / (load * capacity) * ONE), left=count)
    lost, delay = run(machine.host(), stream, seed)
    lost_larger, delay_larger = run(machine.host(times), stream, seed)
    saved = (times - 1) * machine.slots
    assert lost > 0.1 * count
    assert 0 <= lost - lost_larger <= 1.1 * saved + 0.01 * count
    assert delay_larger > (1 + (times - 1) / 2) * delay


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(machine=machines, load=st.floats(0.2, 0.7), seed=st.integers(1, 99))
def test_below_capacity_a_buffer_that_holds_a_burst_saves_all_of_them(machine, load, seed):
    """Bursts of twice the buffer come four times as fast as they are read, and pauses in which they could be."""
    capacity, burst = machine.capacity(), 2 * machine.slots
    within = 1e9 / (4 * capacity)
    pause = burst * 1e9 / (load * capacity) - (burst - 1) * within
    stream = Stream(kind=Arrivals.ONOFF, gap=round(within * ONE), pause=round(pause * ONE), burst=burst, left=10 * burst)
    lost, _ = run(machine.host(), stream, seed)
    lost_larger, _ = run(machine.host(4), stream, seed)
    assert lost > 0.1 * 10 * burst and lost_larger == 0
