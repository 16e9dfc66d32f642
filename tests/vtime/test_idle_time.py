"""A time in which nothing happens is one step of the simulation, however long, and leaves the state that many small steps leave."""
import hashlib
from typing import Any

import pytest

from rxpath.abi.limits import NCUT
from rxpath.record import FIRST_SHIFT
from rxpath.vtime import driver
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.judge import frames as f
from rxpath.workbench.run import recording
from rxpath.workbench.run.simulation import Simulation

SECOND = 1_000_000_000
HOSTS: dict[str, dict[str, Any]] = {
    "as it is": {}, "hyper-threads": {"cpus": 4, "cpu": {"siblings": [[0, 2], [1, 3]]}},
    "deep idle states, 3.10": {"kernel": "3.10", "cpu": {"idle": "C6"}},
}
SOCKET = {"socket": [{"name": "a", "bind": "0.0.0.0:5000"}], "app": [{"cpu": 1, "service": "5us"}],
          "nic": {"addresses": ["10.0.0.1/24"], "mac": "02:00:00:00:00:01"}}


def state(sim: Simulation) -> str:
    """sha256 of clocks, epochs, cuts and recording."""
    h = hashlib.sha256()
    for c in range(sim.host.cpus):
        h.update(bytes(sim.net.cpu[c]))
    h.update(repr((sim.net.sim.now, sim.net.sim.epoch, sim.net.sim.cut, sim.books(), sim.recording())).encode())
    return h.hexdigest()


def silent(host: dict[str, Any], step: int, silence: int, plain: bool = False) -> str:
    """A burst, silence, a burst.  Time goes in steps of so much."""
    with Simulation(hostfile.build({**SOCKET, **host}, "h"), record=True, plain=plain) as sim:
        for begin in (2_000_000, 2_000_000 + silence):
            for i in range(20):
                sim.send(f.udp_frame(b"x" * 100), begin + 300 * i)
            while sim.t < begin + silence // 2:
                sim.run(min(sim.t + step, begin + silence // 2))
        assert sim.books().received == 40
        return state(sim)


@pytest.mark.parametrize("name", HOSTS)
def test_one_step_over_silence_is_as_many_small_ones(name: str) -> None:
    whole = silent(HOSTS[name], 10 * SECOND, SECOND)
    assert whole == silent(HOSTS[name], 700_001, SECOND) == silent(HOSTS[name], 33_000_000, SECOND)
    assert whole != silent(HOSTS[name], 10 * SECOND, SECOND + 1)


@pytest.mark.parametrize("name", HOSTS)
def test_compiled_equals_plain_over_silence(name: str) -> None:
    assert silent(HOSTS[name], 3600 * SECOND, 3600 * SECOND) == silent(HOSTS[name], 3600 * SECOND, 3600 * SECOND, plain=True)


def test_an_hour_of_silence_asks_the_engine_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, advance = [], driver.advance
    monkeypatch.setattr(driver, "advance", lambda boot, until, *rest: asked.append(until) or advance(boot, until, *rest))
    with Simulation(hostfile.build(SOCKET, "h")) as sim:
        sim.run(3600 * SECOND)
        sim.send(f.udp_frame(), 7200 * SECOND)
        sim.run(7200 * SECOND + 1_000_000)
        assert sim.books().received == 1 and 2 <= len(asked) < 20


def test_a_table_of_cuts_is_as_fine_as_ever_after_silence() -> None:
    """At least half of its rows are in use, and each is the sum of what was before it."""
    with Simulation(hostfile.build({**SOCKET, "cpus": 2}, "h"), record=True) as sim:
        sim.run(3600 * SECOND)
        rec = sim.net.recording
        assert NCUT // 2 <= rec.ncut < NCUT and rec.ncut << rec.cut_shift >= 3600 * SECOND
        found = recording.read(sim)
        assert found.get("cpu_idle", "cpu 0").total() + sum(
            found.get(f"cpu_{k}", "cpu 0").total() for k in ("hardirq", "softirq", "syscall", "application")) == 3600 * SECOND


@pytest.mark.parametrize("step", [100_000, 1 << 40])
def test_a_table_of_cuts_halves_when_its_last_row_is_due(step: int) -> None:
    with Simulation(hostfile.build({**SOCKET, "cpus": 2}, "h"), record=True) as sim:
        due = NCUT - 1 << FIRST_SHIFT
        for until, rows, shift in ((due, NCUT - 1, FIRST_SHIFT), (due + 1, NCUT >> 1, FIRST_SHIFT + 1)):
            while sim.t < until:
                sim.run(min(sim.t + step, until))
            assert (sim.net.recording.ncut, sim.net.recording.cut_shift) == (rows, shift)
