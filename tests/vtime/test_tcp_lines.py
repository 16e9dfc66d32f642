"""What segments cost between CPUs: lines for each sk_buff, pages for each frame, whoever has joined it with others."""
import pytest

from rxpath.path import Stage
from rxpath.vtime.costs import load_profile
from rxpath.workbench.run.replay import replay
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.traffic import spec as trafficfile

EVENTS = ("BOUNCE", "BOUNCE_NODE", "TCP_BOUNCE", "TCP_BOUNCE_NODE", "PAGE")


@pytest.fixture
def counts(monkeypatch):
    """counts(...): (segments with data, how often each of EVENTS was charged, stations) of a connection that brings `size`."""
    seen, close = {}, Simulation.close

    def count_and_close(sim):
        seen.update({e: sum(sim.net.stage_count[c][Stage[e]] for c in range(2)) for e in EVENTS})
        close(sim)

    monkeypatch.setattr(Simulation, "close", count_and_close)

    def count(cpu=1, gro=False, mtu=1500, nodes=(), size="200KiB"):
        host = {"cpus": 2, "profile": "bm36", "nic": {"queues": 1, "speed": "100Gbit", "mtu": mtu, "node": 0}, "irq": {"0": 0},
                "ethtool": {"gro": gro}, "cpu": {"nodes": nodes} if nodes else {},
                "socket": [{"name": "in", "proto": "tcp", "bind": "*:80"}],
                "app": [{"name": "r", "sockets": ["in"], "cpu": cpu, "wait": "recv"}]}
        client = {"size": size, "mss": mtu - 40, "rtt": "100us", "duration": "50ms"}
        books = replay(trafficfile.build({"client": [client]}), host, spends=False).books
        books.check()
        octets = sum(a.connections.bytes for a in books.apps)
        return -(-octets // (mtu - 52)), dict(seen), books.stations

    return count


@pytest.mark.parametrize(("mtu", "pages"), [(1500, 1), (9000, 3)])
@pytest.mark.parametrize("gro", [False, True])
def test_a_page_of_each_frame_goes_both_ways_merged_or_not(counts, gro, mtu, pages):
    segments, seen, stations = counts(gro=gro, mtu=mtu)
    assert segments > 20 and (stations["skb_gro_receive"] > 0 if gro else "skb_gro_receive" not in stations)
    assert segments * pages - 3 <= seen["PAGE"] <= segments * pages            # the last one is shorter
    assert 2 * seen["PAGE"] - 10 * pages <= seen["BOUNCE"] <= 2 * seen["PAGE"]   # before the first read none has come back: ten segments


def test_a_merged_segment_takes_its_lines_once(counts):
    merged, unmerged = counts(gro=True)[1], counts(gro=False)[1]
    assert 0 < merged["TCP_BOUNCE"] < unmerged["TCP_BOUNCE"] / 3
    assert merged["PAGE"] == unmerged["PAGE"]


def test_on_one_cpu_nothing_crosses_and_pages_go_back_all_the_same(counts):
    segments, seen, _ = counts(cpu=0)
    assert seen["PAGE"] == segments
    assert [seen[e] for e in EVENTS[:4]] == [0, 0, 0, 0]


def test_lines_of_another_node_cost_what_those_cost(counts):
    near, far = counts()[1], counts(nodes=[[0], [1]])[1]
    assert far["BOUNCE"] == far["TCP_BOUNCE"] == 0 and near["BOUNCE_NODE"] == near["TCP_BOUNCE_NODE"] == 0
    assert far["BOUNCE_NODE"] > 0 and far["TCP_BOUNCE_NODE"] > 0 and far["PAGE"] == near["PAGE"]


def test_what_the_reader_has_not_touched_stays_with_the_softirq(counts):
    """An sk_buff crosses once, to the reader; its connection only where the reader has been at it since the last one."""
    segments, seen, stations = counts()
    assert segments <= stations["tcp_v4_rcv"] and 0 < seen["TCP_BOUNCE"] < 2 * segments


def test_a_profile_without_these_rows_has_them_cost_nothing(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text('name = "old"\n[events]\nBOUNCE = { ns = 1, source = "[K]" }\n')
    assert not {stage.name for stage in load_profile(str(path)).ns} & set(EVENTS[2:])
