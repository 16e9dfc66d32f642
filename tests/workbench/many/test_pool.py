"""Units of work, and many of them on all cores."""
import gc
import os
import pickle
import time

import pytest

import rxpath
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.jobs import pool
from rxpath.workbench.jobs.pool import Pool, Workers, run_all
from rxpath.workbench.jobs.unit import Result, Unit, run

RINGS = [Unit("first", overrides=(f"ethtool.rx={rx}", f"net.core.rmem_default={rmem}"))
         for rx in (80, 256, 4096) for rmem in (4608, 8 << 20)]


def children() -> set[int]:
    """Processes whose parent we are."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                        found.add(int(name))
            except OSError:
                pass
    return found


def test_a_unit_says_what_replay_says() -> None:
    result, outcome = run(Unit("first", overrides=("ethtool.rx=80",), seed=3, speed=5)), \
        rxpath.replay("first", overrides=["ethtool.rx=80"], seed=3, speed=5)
    assert result.error is None
    assert (result.offered, result.delivered, result.queued, result.dropped) == \
        (outcome.offered, outcome.delivered, outcome.queued, outcome.dropped)
    assert result.offered == result.delivered + result.queued + sum(result.dropped.values())
    assert result.dropped_at["socket udp 0.0.0.0:8125"] > 0
    assert sum(n for place, n in result.dropped_at.items() if place.startswith("socket")) == result.dropped["SOCKET_RCVBUFF"]
    assert result.lost_to_load == result.lost == result.dropped["SOCKET_RCVBUFF"] < sum(result.dropped.values())
    assert result.latency_ns["p99"] == outcome.latency_ns["p99"]
    assert result.cpu_ns == outcome.cpu_ns


def test_memory_is_what_the_knobs_cost() -> None:
    small, large = run(RINGS[0]), run(RINGS[-1])
    assert large.memory["rings"] - small.memory["rings"] == 2 * (4096 - 80) * (2048 + 16)
    assert large.memory["sockets"] - small.memory["sockets"] == 3 * ((8 << 20) - 4608)
    assert small.memory["backlog"] == 0 < run(Unit("first", overrides=("nic.driver=veth",))).memory["backlog"]


def test_results_are_the_same_in_any_process_and_number_of_jobs() -> None:
    alone, together = dict(run_all(RINGS, jobs=1)), dict(run_all(RINGS, jobs=2))
    assert alone == together
    assert len({(r.lost, r.memory_bytes) for r in alone.values()}) == len(RINGS)


def test_units_and_results_are_small_and_can_be_sent() -> None:
    unit = Unit("first", host=hostfile.default(), overrides=("ethtool.rx=512",))
    assert run(pickle.loads(pickle.dumps(unit))) == run(unit)
    assert len(pickle.dumps(run(unit))) < 20_000


def test_a_host_may_be_given_as_tables() -> None:
    assert run(Unit("first", host={"ethtool": {"rx": 512}})).peaks["ring 0"][1] == 512


def test_bad_input_is_a_line_in_the_result() -> None:
    bad = [Unit("first", overrides=("ethtool.rx=3",)), Unit("no-such-capture"), Unit("first", host={"cpus": 0}), Unit("-"),
           Unit("first", speed=-1), Unit("first", listen=("sctp:1:1",)), Unit("first")]
    results = dict(run_all(bad, jobs=2))
    errors = [results[i].error for i in range(len(bad))]
    assert errors[0] == "--set ethtool.rx=3: 3 is not allowed: 64 to 4096 for igb"
    assert all(e and "bug" not in e and "\n" not in e for e in errors[:-1]), errors
    assert errors[-1] is None


def test_a_host_that_writes_files_writes_none(tmp_path) -> None:                   # type: ignore[no-untyped-def]
    host = {"tap": [{"file": str(tmp_path / "tap.pcap")}], "tx": {"pcap": str(tmp_path / "tx.pcap")}}
    assert run(Unit("first", host=host)).error is None
    assert list(tmp_path.iterdir()) == []


def test_stopping_keeps_what_is_done_and_leaves_nothing_behind() -> None:
    before, done = children(), []
    for index, result in run_all([Unit("first")] * 4 + [Unit("first", loop=1_000_000)] * 2, jobs=2, stop=lambda: len(done) >= 4):
        done.append(index)
        assert result.error is None
    assert sorted(done) == [0, 1, 2, 3]
    assert children() == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_deadline_ends_runs_that_are_under_way(jobs: int) -> None:
    before, started = children(), time.monotonic()
    assert list(run_all([Unit("first", loop=1_000_000)] * 2, jobs=jobs, deadline=started + 0.3)) == []
    assert time.monotonic() - started < 30
    assert children() == before


def test_a_caller_who_stops_reading_leaves_nothing_behind() -> None:
    before = children()
    for _ in run_all(RINGS, jobs=2):
        break
    assert children() == before


def test_a_pool_is_used_again() -> None:
    with Pool(2) as workers:
        first = dict(workers.run_all(RINGS[:3]))
        mine = children()
        assert dict(workers.run_all(RINGS[:3])) == first
        assert children() == mine


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_what_was_begun_before_it_is_asked_for_comes_out_the_same(jobs: int) -> None:
    """In whatever rounds it is asked for, beside others, before others that were begun, or never."""
    alone, before = dict(run_all(RINGS, jobs=1)), children()
    with Pool(jobs) as workers:
        begun = list(RINGS[:5])
        workers.begin(begun)
        first = dict(workers.run_all([RINGS[5], begun[3]]))
        second = dict(workers.run_all([begun[1]]))
        third = dict(workers.run_all([begun[0], begun[2]]))
        again = dict(workers.run_all([begun[0]]))
        assert workers.jobs == 1 or len(children() - before) <= jobs
    assert [first[0], second[0], first[1]] == [alone[5], alone[1], alone[3]]
    assert [third[0], third[1], again[0]] == [alone[0], alone[2], alone[0]]
    assert children() == before


def test_what_was_begun_survives_a_worker_that_dies_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit that kills is tried once more, when it is asked for; what the worker had before it is done by others."""
    def fragile(unit: Unit, over: object) -> Result:
        if unit.seed == 13:
            os.kill(os.getpid(), 9)
        return run(unit)

    monkeypatch.setattr(pool.units, "run", fragile)
    units = [Unit("first", seed=s) for s in (13, 1, 2, 3, 4)]
    with Pool(2) as workers:
        workers.begin(units)
        results = dict(workers.run_all(units))
    assert [results[i].error is None for i in range(5)] == [False, True, True, True, True]
    assert "-9" in str(results[0].error)


def test_stopping_ends_what_was_begun() -> None:
    before = children()
    with Pool(2) as workers:
        endless = [Unit("first", loop=1_000_000), Unit("first", loop=1_000_001)]
        workers.begin(endless)
        assert list(workers.run_all(endless, deadline=time.monotonic() + 0.2)) == []
    assert children() == before


def test_a_worker_that_dies_is_an_error_of_its_unit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fragile(unit: Unit, over: object) -> Result:
        if unit.seed == 13:
            os.kill(os.getpid(), 9)
        return run(unit)

    monkeypatch.setattr(pool.units, "run", fragile)
    results = dict(run_all([Unit("first", seed=s) for s in (1, 13, 2, 3)], jobs=2))
    assert [results[i].error is None for i in range(4)] == [True, False, True, True]
    assert "-9" in str(results[1].error)


def test_progress_counts_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    list(run_all(RINGS[:3], jobs=2, progress=lambda n, of: seen.append((n, of))))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_collection_in_a_worker_leaves_alone_what_it_inherited() -> None:
    before = gc.get_freeze_count()
    with Workers(2, lambda item, over: len(gc.get_objects()), lambda status: -1, lambda work: None) as workers:
        collected = [n for _, n in workers.run_all(["a", "b"])]
    assert all(0 <= n < 10_000 for n in collected) and len(gc.get_objects()) > 50_000
    assert gc.get_freeze_count() == before
