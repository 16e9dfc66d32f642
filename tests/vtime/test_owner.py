"""A reader owns its connection for as long as its call copies: what comes meanwhile waits on the backlog, and is the reader's work."""
import pytest

from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.simulation import Simulation

from ..time_driver.hosts import MS
from .stream_script import ACK, SYN
from .test_streams import Source

US = MS // 1000
LIMIT = 64 * 1024                                    # beside twice the buffer and half of what is sent: tcp_add_backlog()


def run(app, segments, plain=False, one_step=False, rcvbuf=None, size=1000, gap=US, until=60, more=()):
    """A connection, then so many segments of `size` bytes; the connection's sock, the program's figures, the run's."""
    sock = {"name": "web", "proto": "tcp", "bind": "*:80", **({"rcvbuf": rcvbuf} if rcvbuf else {})}
    host = hostfile.build({
        "cpus": 2, "nic": {"addresses": ["10.0.0.1/24"], "mac": "02:00:00:00:00:01", "queues": 1}, "ethtool": {"gro": False},
        "neighbour": [{"ip": "10.0.0.2", "mac": "02:00:00:00:00:02"}], "socket": [sock],
        "app": [{"name": "server", "sockets": ["web"], "cpu": 1, **app}]}, "test")
    sim = Simulation(host, plain=plain, one_step=one_step)
    try:
        source = Source(sim.time)
        source.due = [(2 * MS, (7001, 80, SYN, 0, 0)), (3 * MS, (7001, 80, ACK, 1, 0))]
        source.due += [(5 * MS + k * gap, (7001, 80, ACK, 1 + size * k, size)) for k in range(segments)]
        source.due += [(t, step) for t, step in more]
        sim.time.add_source(source)
        sim.run(until * MS)
        books = sim.books()
        books.check()
        sk, th = sim.net.socks[1], sim.net.thread[sim.threads[0].index]
        held = (int(sk.backlog_max), int(sk.owned), int(sk.backlog_len), int(sk.drops), int(th.calls), int(th.latency_hash),
                int(th.read_bytes), int(th.ran_sys_ns))
        return held, books, (books.netstat, books.snmp, books.cpu_ns(), books.dropped, books.stations)
    finally:
        sim.close()


FAULTS = {"wait": "recv", "fault": "300us", "fault_every": 1}
SHAPES = {
    "it computes": {"wait": "recv", "service": "3us"},
    "on epoll": {"wait": "epoll", "service": "2us"},
    "its page is missing": FAULTS,
    "its page is missing, on epoll": FAULTS | {"wait": "epoll", "fault_every": 3},
    "beside the interrupt": {"wait": "recv", "cpu": 0},
    "short reads": {"wait": "recv", "buffer": 700},
    "pauses": FAULTS | {"pause": {"every": "1ms", "for": "100us"}, "fault": "50us"},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_running_ahead_equals_one_step_at_a_time_equals_plain(shape):
    ahead, step = (run(SHAPES[shape], 60, one_step=one) for one in (False, True))
    assert ahead[0] == step[0] and ahead[2] == step[2]
    assert ahead[0][6] == 60_000 and ahead[0][1] == -1
    plain = run(SHAPES[shape], 30, plain=True, until=12)
    compiled = run(SHAPES[shape], 30, until=12)
    assert plain[0] == compiled[0] and plain[2] == compiled[2]


def test_what_comes_while_it_copies_waits_on_the_backlog():
    (backlog, *_), books, _ = run({"wait": "recv"}, 60, gap=US // 2)
    assert backlog > 0 and not books.dropped
    assert books.stations["tcp_add_backlog"] >= books.stations["release_sock"] > 0           # some have joined others


def test_a_call_that_may_wait_reads_the_backlog_and_goes_on_a_nonblocking_one_returns():
    """40 segments come while the first read waits for its page: it returns with all that fits; on epoll with the first alone."""
    app = FAULTS | {"fault_every": 1000}
    (*_, calls, _, read, _), _, _ = run(app | {"fault_every": 1}, 41)
    assert read == 41_000
    assert calls <= 4                                # accept(), one read, one that waits
    (*_, more, _, read, _), _, _ = run(app | {"fault_every": 1, "wait": "epoll"}, 41)
    assert read == 41_000 and more > calls


@pytest.mark.parametrize("rcvbuf", [4096, 65536])
def test_the_backlog_has_its_limit(rcvbuf):
    """It is looked at before a segment is added, so one may stand there beyond the limit, and what joins that is not asked; the one that is
    being copied counts, too."""
    (backlog, _, left, *_), books, _ = run(FAULTS | {"fault": "30ms"}, 400, rcvbuf=rcvbuf, size=300)
    weight, sndbuf = 2304, 46080
    limit = 2 * 2 * rcvbuf + sndbuf // 2 + LIMIT
    assert limit < backlog + weight <= limit + 17 * weight
    assert books.netstat["TcpExt.TCPBacklogDrop"] == books.dropped["SOCKET_BACKLOG"] > 0
    assert left == 0


def test_a_pause_does_not_end_a_fault():
    """Nobody who sleeps for a page is woken by a signal: the pause begins when the call has returned."""
    pause = {"every": "10s", "for": "5ms", "start": "5100us"}
    (_, owned, *_), books, _ = run(FAULTS | {"fault": "2ms", "pause": pause}, 20)
    (app,) = books.apps
    assert owned == -1 and app.connections.bytes == 20_000
    assert app.pauses == 1
