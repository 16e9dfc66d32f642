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
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    first = next(n for n, c in enumerate(blocks) if "rxpath.Program" in c)
    names: dict[str, object] = {}
    for code in blocks[first:first + 3]:                    # the program, the same in many runs, a view of its run
        exec(compile(code, "python.md", "exec"), names)
    out = capsys.readouterr().out
    assert "counters" in out and "times as fast" in out and "What each socket lost\nsocket" in out


# ---------------------------------------------------------------- in many runs
class Paced(Statsd):
    """As slow as the host's own slow reader; where it is read more than that, a copy was not one."""
    work = 70_000
    most = 0

    def run(self, s):
        self.got.append("begun")
        assert len(self.got) == 1, "what another run has left in it"
        super().run(s)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_run_has_copies_and_the_given_one_stays_as_it_is(jobs):
    class Local(Paced):
        """Of a class that no module has, as in a notebook or a function."""

    mine, room = Local(), {"net.core.rmem_default": [212992, 8388608]}
    table = rxpath.sweep("first", room, programs=[mine], jobs=jobs)
    assert mine.got == [] and [row.result.error for row in table.rows] == [None, None]
    lost = [row.result.dropped.get("SOCKET_RCVBUFF", 0) for row in table.rows]
    alone = rxpath.replay("first", programs=[Paced()])
    assert lost[0] == alone.dropped["SOCKET_RCVBUFF"] > lost[1], "its socket has the host's default"
    assert lost != [row.result.dropped.get("SOCKET_RCVBUFF", 0) for row in rxpath.sweep("first", room, jobs=jobs).rows]


def test_whatif_tries_knobs_under_the_program():
    mine = Paced()
    run = rxpath.whatif("first", programs=[mine], budget="400k", seeds=2, jobs=2)
    assert len(mine.got) > 1000 and run.dropped["SOCKET_RCVBUFF"] > 0, "the run itself has the one that was given"
    assert run.whatif is not None and run.whatif.recommended is not None
    assert all("slow-reader" not in text for tried in run.knobs for text in tried.set), "which does not run"
    assert run.spread is not None and run.spread["offered"].min > 0


def test_headroom_ends_where_the_program_cannot_go_on():
    slow, quick = Statsd(), Statsd()
    slow.work, quick.work = 1_000_000, 400_000
    ends = [rxpath.headroom("first", loss="0.1%", steps=1, seeds=1, jobs=2, curve=False, programs=[p],
                            overrides={"net.core.rmem_default": 8388608}).factor for p in (slow, quick)]
    assert 0 < ends[0] < ends[1]


def test_tune_finds_what_the_program_needs():
    pytest.importorskip("optuna")
    found = rxpath.tune("first", target="loss<1%", knobs=["net.core.rmem_default=425984,8388608,33554432"], trials=4, seeds=1, jobs=2,
                        programs=[Paced()])
    assert found.answer is not None and found.answer.met and found.today.figures["loss"] > 0.01


@pytest.mark.parametrize("call", [
    lambda p: rxpath.sweep("first", {"ethtool.rx": [256]}, jobs=1, programs=p), lambda p: rxpath.headroom("first", programs=p, jobs=1),
    lambda p: rxpath.whatif("first", programs=p, jobs=1)], ids=["sweep", "headroom", "whatif"])
def test_mistakes_in_many_runs_are_one_line(call, tmp_path):
    class Broken(Statsd):
        def run(self, s):
            raise KeyError("x")

    for programs, line in (([changed(cpu=9)], "cpu = 9 is not allowed"), ([Statsd], "give an object, Statsd()"),
                           ([changed(got=threading.Lock())], "program Statsd: cannot be copied, and each run needs its own copy"),
                           (Statsd(), "must be a list"), ([Broken()], "program 'Broken' at .* KeyError")):
        with pytest.raises((rxpath.BadInput, rxpath.ProgramError), match=re.escape(line).replace(r"\.\*", ".*")) as error:
            call(programs)
        assert "\n" not in str(error.value)


def test_a_journal_is_refused(tmp_path):
    with pytest.raises(rxpath.BadInput, match="leave the journal out"):
        rxpath.sweep("first", {"ethtool.rx": [256]}, journal=tmp_path / "j", programs=[Statsd()])


def test_a_cluster_is_refused():
    with pytest.raises(rxpath.BadInput, match="do not have programs of your own"):
        rxpath.sweep("first", {"ethtool.rx": [256]}, jobs="tcp://127.0.0.1:1", programs=[Statsd()])
