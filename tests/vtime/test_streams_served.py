"""Application models that serve TCP: on epoll, or one connection after the other; messages, work for bytes, threads, SO_REUSEPORT."""
import pytest

from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.file import HostError
from rxpath.workbench.run.simulation import Simulation

from .stream_script import ACK, FIN, RST
from .test_streams import MS, Source


@pytest.fixture
def serve():
    """serve(app, steps...): each step is (ms, segment), from a peer at 10.0.0.2; the threads' figures, the run."""
    made = []

    def go(app, *steps, plain=False, until=300, cpus=2, sockets=None):
        host = hostfile.build({
            "cpus": cpus, "nic": {"addresses": ["10.0.0.1/24"], "mac": "02:00:00:00:00:01"},
            "neighbour": [{"ip": "10.0.0.2", "mac": "02:00:00:00:00:02"}],
            "socket": sockets or [{"name": "web", "proto": "tcp", "bind": "*:80"}], "app": [{"name": "server", **app}]}, "test")
        sim = Simulation(host, plain=plain)
        made.append(sim)
        source = Source(sim.time)
        sim.time.add_source(source)
        for ms, step in steps:
            source.at(round(ms * MS), step)
        sim.run(until * MS)
        books = sim.books()
        return books.apps, sim
    yield go
    for sim in made:
        sim.close()


def conversation(port, at=2, n=1000, dport=80, end=ACK | FIN, step=1):
    """Opens, n bytes in segments of 500, then the end; `step` ms between two segments."""
    out = [(at, (port, dport, "opens", 0, 0))]
    out += [(at + (3 + k) * step, (port, dport, ACK, 1 + 500 * k, min(500, n - 500 * k))) for k in range((n + 499) // 500)]
    return [*out, (at + 10 * step, (port, dport, end, 1 + n, 0))]


WEB = {"sockets": ["web"], "service": "10us"}


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
@pytest.mark.parametrize("wait", ["epoll", "recv", "busy"])
def test_a_connection_is_accepted_read_to_its_end_and_closed(serve, wait, plain):
    """Spinning is long in plain Python: there all of it is over in 7 ms."""
    step, second, until = (0.2, 4, 7) if plain else (1, 40, 300)
    both = *conversation(7001, 1, step=step), *conversation(7002, second, step=step)
    (a,), _ = serve({**WEB, "wait": wait}, *both, plain=plain, until=until)
    c = a.connections
    assert (c.accepted, c.closed, c.reset, c.bytes) == (2, 2, 0, 2000)
    assert a.received == 4 and a.app_ns >= 4 * 10_000 and a.done.count == 4
    assert a.done.mean >= a.latency.mean + 9_000


def test_a_message_is_complete_after_so_many_bytes_of_its_connection(serve):
    (a,), _ = serve({**WEB, "message": "300"}, *conversation(7001, n=1000), *conversation(7002, 3, n=500))
    assert a.connections.bytes == 1500 and a.received == 3 + 1
    assert a.app_ns == 4 * 10_000


def test_bytes_cost_work_beside_messages(serve):
    (a,), _ = serve({**WEB, "service": "0us", "per_kib": "10us"}, *conversation(7001, n=1000))
    assert a.app_ns == 2 * (500 * 10_000 >> 10)


def test_a_reset_ends_a_connection(serve):
    (a,), _ = serve(WEB, *conversation(7001, end=RST | ACK))
    assert (a.connections.accepted, a.connections.closed, a.connections.reset, a.connections.bytes) == (1, 1, 1, 1000)


def test_one_after_the_other_keeps_the_next_one_waiting(serve):
    """7002 is complete long before 7001 ends; it is read only then."""
    late = [(100, (7001, 80, ACK | FIN, 501, 0))]
    (a,), _ = serve({**WEB, "wait": "recv"}, *conversation(7001, n=500)[:-1], *conversation(7002, 3, n=500), *late)
    assert a.connections.accepted == 2 and a.latency.max > 80 * MS
    (a,), _ = serve({**WEB, "wait": "epoll"}, *conversation(7001, n=500)[:-1], *conversation(7002, 3, n=500), *late)
    assert a.connections.accepted == 2 and a.latency.max < 1 * MS


def test_threads_share_a_listener(serve):
    apps, _ = serve({**WEB, "wait": "recv", "threads": 3}, *[s for k in range(6) for s in conversation(7001 + k, 2 + k)])
    assert sum(a.connections.accepted for a in apps) == 6 and all(a.connections.accepted for a in apps)


def test_many_connections_reuse_their_places_in_epoll(serve):
    (a,), sim = serve({**WEB, "service": "1us"}, *[s for k in range(40) for s in conversation(7001 + k, 2 + 20 * k, n=100)], until=1000)
    assert (a.connections.accepted, a.connections.closed) == (40, 40)
    assert sim.net.nwait <= 4


def test_a_program_that_reads_everything_serves_listeners_in_a_thread_of_its_own(serve):
    both = [{"name": "web", "proto": "tcp", "bind": "*:80"}, {"name": "dns", "bind": "*:53"}]
    apps, _ = serve({"sockets": ["*"], "service": "1us"}, *conversation(7001), sockets=both)
    assert [(a.thread, a.connections.accepted if a.connections else None) for a in apps] == [(0, None), (1, 1)]


def test_a_program_may_have_both_kinds_of_sockets(serve):
    both = [{"name": "web", "proto": "tcp", "bind": "*:80"}, {"name": "dns", "bind": "*:53"}]
    apps, _ = serve({"sockets": ["web", "dns"], "service": "1us"}, *conversation(7001), sockets=both)
    assert len(apps) == 1 and apps[0].connections.bytes == 1000


@pytest.mark.parametrize("setting", [{"batch": 4}, {"wait": "poll"}, {"flags": ["MSG_PEEK"]}, {"shared_epoll": True, "wait": "epoll"},
                                     {"restart": {"every": "1s", "for": "1ms"}}])
def test_what_a_server_of_tcp_cannot_be_is_refused(serve, setting):
    with pytest.raises(HostError, match="is a TCP listener"):
        serve({**WEB, **setting})
