"""What a recording leaves open is drawn by the seed; seed 1 draws none of it."""
import dataclasses

import pytest

import rxpath
from rxpath.abi.net import Net
from rxpath.abi.numbers import Secret
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run import left_open
from rxpath.workbench.run.simulation import START_NS, Simulation
from rxpath.workbench.traffic import spec as trafficfile

JIFFY = 4_000_000
LOADED = {"cpus": 2, "app": [{"name": "one", "cpu": 1}, {"name": "late", "cpu": 0, "start": "3ms", "sockets": ["b"]}],
          "socket": [{"name": "a", "bind": "*:5000"}, {"name": "b", "bind": "*:5001"}],
          "load": [{"cpu": [0], "share": 10}, {"cpu": [1], "start": "2ms", "share": 10}],
          "softirq": [{"type": "BLOCK", "cpu": [0], "every": "1ms", "cost": "1us"}]}


def host(seed: int, **changes: object) -> Host:
    return hostfile.build({"seed": seed, **changes}, "host")


def secrets(net: Net) -> set[int]:
    return {net.hash_key, net.udp_hash_seed, net.icmp_rng, *(tuple(key) for key in net.siphash_key)}


def starts(h: Host) -> list[int]:
    with Simulation(h) as sim:
        net: Net = sim.net
        return [net.thread[i].start for i in range(64, 68)]


def test_the_shown_seed_draws_nothing() -> None:
    h = host(1, **LOADED)
    assert left_open.lead_ns(h) == left_open.arrival_dice(h) == 0
    assert starts(h) == [0, 3_000_000, 0, 2_000_000]
    with Simulation(h) as sim, Simulation(host(1)) as other:
        assert secrets(sim.net) == secrets(other.net) and sim.net.hash_key == 0x5DEECE66D


def test_the_traffic_begins_anywhere_between_two_ticks_and_programs_before_it() -> None:
    leads = [left_open.lead_ns(host(seed)) for seed in range(2, 400)]
    assert all(JIFFY <= n < 2 * JIFFY for n in leads)
    assert 1.45 * JIFFY < sum(leads) / len(leads) < 1.55 * JIFFY
    begun = [left_open.program_start(host(seed), 64, 0) for seed in range(2, 400)]
    assert all(0 <= n < JIFFY for n in begun) and 0.45 * JIFFY < sum(begun) / len(begun) < 0.55 * JIFFY


def test_what_the_host_file_gives_a_time_keeps_its_distance_to_the_traffic() -> None:
    h = host(7, **LOADED)
    lead = left_open.lead_ns(h)
    free, late, load, given = starts(h)
    assert late == 3_000_000 + lead and given == 2_000_000 + lead
    assert free < JIFFY and load < 10_000_000


def test_pauses_keep_their_distance_to_the_traffic(tmp_path) -> None:
    (tmp_path / "pauses.csv").write_text("2ms,1ms\n9ms,1ms\n")
    for pause in ({"every": "10ms", "for": "1ms", "start": "2ms"}, {"file": str(tmp_path / "pauses.csv")}):
        first = {}
        for seed in (1, 5):
            h = host(seed, socket=[{"bind": "*:5000"}], app=[{"name": "a", "pause": pause}])
            with Simulation(h) as sim:
                first[seed] = sim.net.thread[64].pause_from
        assert first[5] - first[1] == left_open.lead_ns(host(5)), pause


def test_the_kernels_secrets_are_drawn() -> None:
    met = set()
    for seed in (1, 2, 3):
        with Simulation(host(seed)) as sim:
            met |= secrets(sim.net)
    assert len(met) == 3 * 3 + 1 + 2 * len(Secret)


@pytest.mark.parametrize(("kernel", "given", "drawn"), [("6.18", {}, True), ("3.10", {}, False), ("6.18", {"hkey": "01" * 40}, False)])
def test_the_rss_key_is_drawn_where_the_kernel_does_and_the_file_has_none(kernel: str, given: dict[str, str], drawn: bool) -> None:
    h = host(2, kernel=kernel, ethtool=given)
    key = left_open.rss_key(h, h.device)
    assert (key != h.device.rss_key) is drawn and len(key) == 40
    assert left_open.rss_key(host(1), host(1).device) == host(1).device.rss_key
    assert not drawn or key != left_open.rss_key(host(3), host(3).device)


def test_flows_fall_on_other_queues_and_sockets_with_another_seed() -> None:
    spec = trafficfile.build({"traffic": [{"rate": "50kpps", "count": 4000, "flows": 8}]})
    h = hostfile.build({"cpus": 4, "nic": {"queues": 4}, "socket": [{"bind": "*:5000", "reuseport": True}],
                        "app": [{"name": "a", "threads": 4, "own_sockets": True}]}, "host")
    found = [rxpath.replay(spec, hostfile.apply_overrides(h, [f"seed={seed}"])) for seed in (1, 2, 3, 4)]
    assert len({tuple(q.frames for q in run.books.queues) for run in found}) > 1
    assert len({tuple(s.received for s in run.books.sockets) for run in found}) > 2


def test_the_same_seed_gives_the_same_run_running_ahead_and_step_by_step() -> None:
    h = hostfile.build({"cpus": 2, "seed": 9, **{k: v for k, v in LOADED.items() if k != "cpus"}}, "host")
    books = []
    for one_step in (False, True):
        with Simulation(h, one_step=one_step) as sim:
            for i in range(300):
                sim.send(bytes(60), at=START_NS + left_open.lead_ns(h) + 3000 * i)
            sim.drain()
            books.append(dataclasses.asdict(sim.books()))
    assert books[0] == books[1]
