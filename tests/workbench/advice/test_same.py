"""The same input gives the same bytes: whatever the number of workers, and however busy the machine is."""
import multiprocessing

import pytest

import rxpath
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.traffic import spec as trafficfile

SPEC = trafficfile.build({"traffic": [{"kind": "onoff", "burst": 800, "rate": "60kpps", "count": 24_000, "flows": 40}]})
HOST = {"cpus": 4, "nic": {"queues": 2}, "app": [{"name": "server", "cpu": 2, "service": "14us"}]}


def answer(jobs, traffic=SPEC, **asked):
    host = None if traffic == "first" else hostfile.build(HOST, "host")
    return rxpath.whatif(traffic, host, jobs=jobs, **asked).to_json()


def _burn(stop):
    while not stop.is_set():
        pass


@pytest.fixture
def busy():
    """Two more processes that want a CPU."""
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    others = [context.Process(target=_burn, args=(stop,), daemon=True) for _ in range(2)]
    for other in others:
        other.start()
    yield
    stop.set()
    for other in others:
        other.join()


@pytest.mark.parametrize("asked", [{}, {"budget": "150k"}, {"goal": "latency"}, {"traffic": "first", "budget": "60k"}])
def test_one_worker_and_three_on_a_busy_machine_say_the_same(asked, busy):
    assert answer(1, **asked) == answer(3, **asked)
