"""What would have saved them: the cure cures, the placebo does not, and where nothing helps that is said."""
import json
import os
import threading

import jsonschema
import pytest

import rxpath
from rxpath.workbench.advice import ask, runs
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.traffic import spec as trafficfile

from ...cable.captures import pcap
from ...frames import udp_frame
from ..test_command import SCHEMA
from .said import wrong


def tried(run, knob):
    return next(t for t in run.knobs if t.knobs == (knob,))


@pytest.fixture(scope="module")
def first():
    return rxpath.whatif("first", jobs=1)


def test_the_bundled_captures_recommendation_is_true_when_it_is_followed(first):
    best = first.whatif.recommended
    assert best.set[0].startswith("socket.telemetry.rcvbuf=") and best.rule == "R14" and best.helped == "yes"
    again = rxpath.replay("first", overrides=best.set)
    assert again.dropped == best.dropped_after and "SOCKET_RCVBUFF" not in again.dropped and best.lost_after == 0
    assert again.delivered - first.delivered == best.saved == first.dropped["SOCKET_RCVBUFF"]
    assert again.latency_ns["p99"] / 1000 == best.p99_us_after
    assert sum(n for k, n in again.cpu_ns.items() if k != "idle") == best.cpu_after
    assert "SOCKET_RCVBUFF" not in again.dropped
    assert any("SO_RCVBUF" in line for line in best.commands)


def test_the_smallest_step_that_does_it_stands_for_the_knob(first):
    value = int(tried(first, "rcvbuf").set[0].split("=")[1])
    half = rxpath.replay("first", overrides=[f"socket.telemetry.rcvbuf={value // 2}"])
    assert half.dropped["SOCKET_RCVBUFF"] > 0.01 * first.dropped["SOCKET_RCVBUFF"]


@pytest.mark.parametrize("knob", ["rmem_max", "ring", "backlog", "budget"])
def test_popular_advice_that_does_not_help_is_shown_with_its_reason(first, knob):
    row = tried(first, knob)
    assert row.helped == "no" and row.lost_after == row.lost_before == first.dropped["SOCKET_RCVBUFF"] and row.why
    assert row.why in str(first).replace("\n", " ") or " ".join(row.why.split()[:4]) in " ".join(str(first).split())


def test_losses_that_no_knob_saves_are_named(first):
    assert any("NO_SOCKET" in said for said in first.whatif.says)
    assert [i for i, *_ in first.whatif.fired] == ["R14", "R26", "T11"]


def test_best_comes_first_and_helpless_last(first):
    order = {"yes": 0, "partly": 0, "no": 1, "worse": 2}
    assert [order[t.helped] for t in first.knobs] == sorted(order[t.helped] for t in first.knobs)


def test_lasting_overload_is_told_from_a_burst_and_no_buffer_is_recommended():
    run = rxpath.whatif("first", loop=12, rate="300kpps", jobs=1)
    assert "R16" in [i for i, *_ in run.whatif.fired] and "R14" not in [i for i, *_ in run.whatif.fired]
    best = run.whatif.recommended
    assert best is None or not any("rcvbuf" in s or "rmem" in s for s in best.set)
    assert any("times what it can read" in said for said in run.whatif.says)
    assert all(not t.lasting for t in run.knobs if t.knobs in (("rcvbuf",), ("rmem_default",)) and t.helped == "partly")


def test_a_ring_that_is_too_small_for_a_burst_wants_a_larger_ring():
    run = rxpath.whatif("first", overrides=["ethtool.rx=80", "ethtool.rx-usecs=8191", "socket.telemetry.rcvbuf=8MiB",
                                            "net.core.rmem_max=8388608"], speed=60, jobs=1)
    assert run.dropped["RX_MISSED"] > 50
    assert {"R1", "R3"} & {i for i, *_ in run.whatif.fired}
    ring = tried(run, "ring")
    assert ring.dropped_after.get("RX_MISSED", 0) < 0.5 * run.dropped["RX_MISSED"]
    assert any(line.startswith("ethtool -G eth0 rx ") for line in ring.commands)


def test_two_places_in_a_row_that_are_too_slow_need_two_knobs():
    """One queue's CPU and one reader: RPS alone moves the loss to the socket, more readers alone leave it in the ring."""
    spec = trafficfile.build({"traffic": [{"rate": "520kpps", "flows": 256, "count": 40000}]})
    host = hostfile.build({"profile": "xeon2g_2015", "cpus": 4, "nic": {"queues": 1}, "socket": [{"name": "in", "bind": "*:5000"}],
                           "app": [{"name": "server", "cpu": 3, "service": "2us"}]}, "host")
    run = rxpath.whatif(spec, host, jobs=1)
    best = run.whatif.recommended
    assert len(best.knobs) > 1 and best.lost_after < 0.2 * best.lost_before
    alone = [t for t in run.knobs if len(t.knobs) == 1 and t.knobs[0] in best.knobs]
    assert len(alone) >= 2 and all(t.lost_after > 0.5 * t.lost_before for t in alone)


@pytest.fixture
def quiet(tmp_path):
    """Twenty datagrams, a millisecond apart."""
    file = tmp_path / "quiet.pcap"
    file.write_bytes(pcap([(i * 1_000_000, f := udp_frame(ident=i), len(f)) for i in range(20)]))
    return str(file)


def test_traffic_without_loss_gets_no_answer(quiet, capsys):
    run = rxpath.whatif(quiet, jobs=1)
    assert run.offered == 20 and run.dropped == {} and not run.whatif.asked and run.knobs == ()
    assert [a.what for a in run.whatif.sensitivity][:3] == ["1 us of work", "3 us of work", "5 us of work"]      # 0 us is never silent
    assert "spends no time on a datagram (0 us)" in str(run) and "nothing is lost with 1 us of work" in str(run)
    assert cli.run(["replay", quiet]) == 0
    assert "What would" not in capsys.readouterr().out
    assert cli.run(["replay", quiet, "--json"]) == 0
    assert "knobs" not in json.loads(capsys.readouterr().out)


def test_losses_that_no_knob_saves_cost_no_run():
    run = rxpath.whatif("first", overrides=["socket.telemetry.rcvbuf=4MiB"], jobs=1)
    assert run.knobs == () and run.whatif.recommended is None
    assert set(run.dropped) == {"NO_SOCKET"} and len(run.whatif.says) == 1 and "NO_SOCKET" in run.whatif.says[0]
    assert run.whatif.runs == len(run.whatif.sensitivity) + len(run.spread.seeds) - 1


def test_goals_other_than_loss_are_answered_for_traffic_without_loss():
    fast = ["app.slow-reader.service=1us"]
    run = rxpath.whatif("first", overrides=fast, goal="latency", jobs=1)
    best = run.whatif.recommended
    assert best is not None and best.p99_us_after < 0.9 * best.p99_us_before and best.lost_after <= best.lost_before
    cpu = rxpath.whatif("first", overrides=fast, goal="cpu", jobs=1).whatif.recommended
    assert cpu is not None and cpu.cpu_after < 0.9 * cpu.cpu_before


def test_the_budget_bounds_the_search_and_what_is_left_out_is_said():
    run = rxpath.whatif("first", budget=0, jobs=1)
    assert run.knobs == () and run.whatif.packets == 0 and len(run.whatif.unfinished) > 5 and "--budget" in str(run)
    run = rxpath.whatif("first", budget=50_000, jobs=1)
    assert 0 < len(run.knobs) < 8 and run.whatif.packets == 5 * run.offered and run.whatif.unfinished and "--budget" in str(run)


def test_what_was_done_until_ctrl_c_is_kept():
    count = []

    def stop():
        count.append(1)
        return len(count) > 40

    run = rxpath.whatif("first", jobs=1)
    before = rxpath.replay("first")
    part = ask.answer(before, ask.Unit("first"), _host(), None, 20_000_000, jobs=1, stop=stop)
    assert part.interrupted and len(part.knobs) < len(run.knobs)
    assert "INTERRUPTED" in str(rxpath.Outcome.of(before, part))


@pytest.mark.parametrize("goal", [None, "loss"])
def test_where_the_shown_seed_loses_nothing_knobs_are_tried_with_the_one_that_loses_most(goal):
    host = hostfile.build({"cpus": 2, "nic": {"addresses": ["10.0.0.1/24"]}, "socket": [{"name": "s", "bind": "*:5000", "rcvbuf": 40000}],
                           "app": [{"name": "server", "sockets": ["s"], "service": "8us", "cpu": 1}]}, "host")
    spec = trafficfile.build({"seed": 8, "traffic": [{"kind": "poisson", "rate": "106kpps", "count": 3000, "dport": 5000}]})
    each = [rxpath.replay(spec, host, overrides=[f"seed={1 + k}", f"traffic.seed={8 + k}"]).dropped.get("SOCKET_RCVBUFF", 0)
            for k in range(5)]
    assert each == [0, 0, 2, 0, 13]
    run = rxpath.whatif(spec, host, goal=goal, jobs=1)
    assert run.dropped == {}
    assert run.whatif.seed == 5 and run.whatif.spread.seeds == (5, 1, 2, 3, 4) and run.whatif.spread["lost"].each == (13, 0, 0, 2, 0)
    assert run.knobs[0].set == ("socket.s.rcvbuf=80000",) and run.knobs[0].lost_before == 13 and run.knobs[0].sure.cures
    text = str(run)
    assert "nothing is lost with seed 1; knobs are tried with seed 5, which loses most: 13" in text
    assert "run again with seed 5" in text and "(seed 5 alone, where" in text and "as assumed 13;" in text.replace("\n", " ")
    assert wrong(run, lambda k: rxpath.replay(spec, host, overrides=[f"seed={1 + k}", f"traffic.seed={8 + k}"])) == []
    assert rxpath.whatif(spec, host, goal=goal, jobs=1, seeds=1).knobs == ()


def test_what_begins_before_it_is_asked_for_changes_nothing(monkeypatch):
    """Other seeds and assumptions begin on other CPUs, as far as the budget allows."""
    begun = []
    monkeypatch.setattr(runs.Pool, "begin", lambda self, work: begun.append(len(work)))
    rxpath.whatif("first", budget=0, jobs=2)
    assert begun == []
    never = rxpath.whatif("first", jobs=2)
    assert begun == [4 + len(never.whatif.sensitivity)]
    monkeypatch.undo()
    assert rxpath.whatif("first", jobs=2).to_json() == never.to_json() == rxpath.whatif("first", jobs=1).to_json()


def _host():
    from rxpath.workbench.host import given
    from rxpath.workbench.traffic import capture as traffic

    return given.the_host(traffic.bundled_host("first"))


def test_json_has_the_knobs_and_follows_its_schema(capsys):
    assert cli.run(["replay", "first", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    jsonschema.validate(run, SCHEMA)
    assert run["whatif"]["recommended"] == run["knobs"][0]["set"] and run["whatif"]["commands"]
    assert cli.run(["replay", "first", "--json", "--no-whatif"]) == 0
    assert "knobs" not in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("args, said", [
    (["--goal", "latncy"], "--goal latncy: must be loss, latency or cpu; did you mean latency?"),
    (["--budget", "soon"], "--budget soon: must be a number of simulated packets"), (["--budget", "2days"], "--budget"),
    (["--budget", "10s"], "that time is about --budget 20M"), (["--budget", "2000G"], "--budget"), (["--budget", "-1"], "--budget"),
])
def test_mistakes_are_one_line(args, said, capsys):
    assert cli.run(["replay", "first", *args]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.count("\n") == 1


def test_a_hundred_thousand_packets_are_answered_in_seconds():
    before = sum(os.times()[:4])
    run = rxpath.whatif("first", loop=12, rate="300kpps")
    assert run.offered > 100_000 and run.knobs
    assert sum(os.times()[:4]) - before < 15                # of CPU time, its workers' too, which is 2 s: whatever else the machine does
    assert threading.active_count() == 1


def test_of_one_seed_everything_is_said_to_be_of_that_one():
    for seed in (1, 3):
        one = str(rxpath.whatif("first", seed=seed, seeds=1, budget="200k", jobs=1))
        assert f"(each knob: the same traffic and host run again with seed {seed} alone, cost profile" in " ".join(one.split())
    assert "run again, cost profile" in " ".join(str(rxpath.whatif("first", seeds=3, budget="400k", jobs=1)).split())
