"""Programs of the user's own in rxpath.replay()."""
import pathlib
import re
import threading

import pytest

import rxpath
from rxpath.workbench.advice.facts import Seen

PAGE = (pathlib.Path(__file__).parents[2] / "docs/python.md").read_text()


class Statsd(rxpath.Program):
    sockets = "udp:8125"
    cpu = 1
    work = 20_000

    def __init__(self):
        self.got = []

    def run(self, s):
        sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
        sock.bind(("0.0.0.0", 8125))
        while True:
            data, _ = sock.recvfrom(8192)
            self.got.append((s.time_ns(), data))
            s.work(self.work)


def books_of(run, port, proto="udp"):
    return next(s for s in run.books.sockets if (s.proto, s.port) == (proto, port))


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
def test_it_reads_in_place_of_the_hosts_application(plain):
    mine = Statsd()
    run = rxpath.replay("first", programs=[mine], plain=plain, last=3000 if plain else None)
    sock = books_of(run, 8125)
    assert len(mine.got) == sock.received > 0 and sock.drops == run.dropped.get("SOCKET_RCVBUFF", 0)
    assert {a.name: a.received for a in run.books.apps}["Statsd"] == len(mine.got)
    assert "slow-reader" not in {a.name for a in run.books.apps}, "its socket is the program's"
    text = " ".join(str(run).split())
    assert "no program reads" not in text and "Statsd is a program in Python: only its calls and its work() take time" in text


def test_the_same_bytes_each_time_and_none_without_programs():
    first, second = (rxpath.replay("first", programs=[Statsd()]) for _ in range(2))
    assert first.to_json() == second.to_json()
    assert rxpath.replay("first", programs=()).to_json() == rxpath.replay("first").to_json()


def test_a_faster_program_loses_nothing():
    quick = Statsd()
    quick.work = 100
    assert "SOCKET_RCVBUFF" not in rxpath.replay("first", programs=[quick]).dropped


def test_beside_the_default_hosts_application():
    run = rxpath.replay("first", {"cpus": 2}, programs=[Statsd()])
    names = {a.name: a.received for a in run.books.apps}
    assert names["Statsd"] > 0 and len(names) == 2 and books_of(run, 5201).received > 0
    seen, app = Seen(run), run.host.apps[0]
    assert seen.reads(app, books_of(run, 5201)) and not seen.reads(app, books_of(run, 8125))


def test_connections():
    class Server(rxpath.Program):
        sockets = ("tcp:5201",)
        octets = 0

        def run(self, s):
            listener = s.socket(s.AF_INET, s.SOCK_STREAM)
            listener.bind(("0.0.0.0", 5201))
            listener.listen(16)
            while True:
                conn, _ = listener.accept()
                while data := conn.recv(65536):
                    self.octets += len(data)
                conn.close()

    mine = Server()
    run = rxpath.replay("first", programs=[mine])
    assert mine.octets > 10_000 and books_of(run, 5201, "tcp").connections > 0


def test_a_port_that_nobody_binds_is_said():
    class Idle(rxpath.Program):
        sockets = "udp:8125"

        def run(self, s):
            return

    run = rxpath.replay("first", programs=[Idle()])
    assert "no program has a socket at udp:8125 at the end, though one says that it binds it" in run.notes
    assert run.dropped["NO_SOCKET"] > 5000


def changed(**values):
    mine = Statsd()
    for name, value in values.items():
        setattr(mine, name, value)
    return mine


@pytest.mark.parametrize("programs, line", [
    ([changed(cpu=2)], "program Statsd: cpu = 2 is not allowed: 0 to 1 on this host"),
    ([changed(cpu=True)], "cpu = True is not allowed"),
    ([changed(nice=20)], "program Statsd: nice = 20 is not allowed: -20 to 19"),
    ([changed(sockets="8125x")], "program Statsd: sockets = '8125x' is not allowed: must be like"),
    ([changed(sockets=8125)], "sockets = 8125 is not allowed"),
    ([Statsd], "give an object, Statsd()"),
    ([lambda s: None], "is not an rxpath.Program"),
    ([Statsd(), Statsd()], "two are called Statsd"),
    ([Statsd(), changed(name="other")], "program other: udp:8125 is Statsd's already"),
    ([changed(name="dnsmasq")], "dnsmasq is also an application of the host"),
    (Statsd(), "programs: must be a list"),
], ids=range(11))
def test_mistakes_are_one_line(programs, line):
    with pytest.raises(rxpath.BadInput) as error:
        rxpath.replay("first", programs=programs)
    assert line in str(error.value) and "\n" not in str(error.value)


def test_two_runs_are_refused():
    with pytest.raises(rxpath.BadInput, match="takes two runs"):
        rxpath.replay("first", programs=[Statsd()], trail="drops")


def test_what_it_raises_ends_the_run_and_leaves_no_thread():
    class Broken(rxpath.Program):
        sockets = "udp:8125"

        def run(self, s):
            sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
            sock.bind(("0.0.0.0", 8125))
            raise KeyError(sock.recvfrom(100)[0][:3])

    before = threading.active_count()
    with pytest.raises(rxpath.ProgramError, match=r"program 'Broken' at .* s: KeyError") as error:
        rxpath.replay("first", programs=[Broken()])
    assert isinstance(error.value.__cause__, KeyError) and threading.active_count() == before
    taken = changed(sockets=())
    with pytest.raises(rxpath.ProgramError, match="Address already in use"):
        rxpath.replay("first", programs=[taken])
    assert threading.active_count() == before


def test_the_example_of_the_page(capsys):
    code = next(c for c in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "rxpath.Program" in c)
    exec(compile(code, "python.md", "exec"), {})
    assert "counters" in capsys.readouterr().out
