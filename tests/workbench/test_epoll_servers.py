"""Servers on epoll: one instance or one each, level or edge, exclusive; who is woken was measured on 6.18 (one datagram a millisecond)."""

import pytest

from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.shapes.measure import datagram

N = 200


def run(threads, sockets=1, **app):
    """N datagrams a millisecond apart, threads on CPU 1; wake-ups of all threads, and each thread's datagrams."""
    host = {"cpus": 2, "nic": {"addresses": ["10.0.0.1/24"], "mac": "02:00:00:00:00:01", "queues": 1}, "irq": {"0": 0},
            "socket": [{"name": f"s{i}", "bind": f"*:{5000 + i}"} for i in range(sockets)],
            "app": [{"name": "server", "threads": threads, "cpu": 1, "service": "1us", **app}]}
    with Simulation(hostfile.build(host, "a host")) as sim:
        for i in range(N):
            sim.send(datagram(4000, 5000 + i % sockets), at=1_000_000 * (i + 1))
        sim.drain()
        books = sim.books()
        assert books.received == N
        return sum(a.wakeups for a in books.apps) - threads, [a.received for a in books.apps]


@pytest.mark.parametrize(("app", "low", "high"), [
    ({"threads": 1}, 0.95, 1.0),                                                        # 990 of 1,000
    ({"threads": 2, "shared_epoll": True}, 1.8, 2.1),                                   # 1,941: the second finds nothing
    ({"threads": 2, "shared_epoll": True, "epoll": ["edge"]}, 0.95, 1.05),              # 998
    ({"threads": 2}, 1.9, 2.0),                                                         # 1,989: the herd
    ({"threads": 4}, 3.9, 4.0),                                                         # 3,989
    ({"threads": 2, "epoll": ["exclusive"]}, 0.95, 1.05),                               # 1,002
    ({"threads": 4, "epoll": ["exclusive"]}, 0.95, 1.05),                               # 1,007
])
def test_wake_ups_are_those_of_linux(app, low, high):
    wakes, _ = run(wait="epoll", **app)
    assert low <= wakes / N <= high, wakes


def test_exclusive_wakes_nearly_always_the_same_one():
    assert max(run(wait="epoll", threads=4, epoll=["exclusive"])[1]) > 0.9 * N


def test_edge_and_level_serve_several_sockets_of_a_shared_instance_alike():
    for events in ([], ["edge"]):
        assert sum(run(wait="epoll", threads=2, sockets=3, shared_epoll=True, epoll=events)[1]) == N


@pytest.mark.parametrize(("app", "text"), [
    ({"epoll": ["edge"]}, "app.0.epoll: this application does not wait in epoll"),
    ({"shared_epoll": True, "wait": "poll"}, "app.0.shared_epoll: this application does not wait in epoll"),
    ({"epoll": ["oneshot"], "wait": "epoll"}, "edge, exclusive"),
])
def test_what_cannot_be_is_one_line(app, text):
    with pytest.raises(hostfile.HostError, match=text):
        hostfile.build({"socket": [{"bind": "*:5000"}], "app": [{**app}]}, "a.toml")
