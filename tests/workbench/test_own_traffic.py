"""Traffic of the user's own that reacts, in rxpath.replay()."""
import pathlib
import re
import struct

import pytest

import rxpath
from tests.frames import eth, ip, udp, udp_frame

PAGE = (pathlib.Path(__file__).parents[2] / "docs/python.md").read_text()
MS = 1_000_000


class Echo(rxpath.Program):
    sockets = "udp:5000"

    def __init__(self):
        self.got = []

    def run(self, s):
        sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
        sock.bind(("0.0.0.0", 5000))
        while True:
            data, peer = sock.recvfrom(2048)
            self.got.append((s.time_ns(), data))
            s.work(20_000)
            sock.sendto(data, peer)


class Asks(rxpath.Source):
    """The next question goes when the last was answered, or a timeout has passed."""

    def __init__(self, questions=20, timeout=5 * MS):
        self.questions, self.timeout = questions, timeout

    def begin(self, cable):
        self.cable, self.left, self.at, self.answers = cable, self.questions, cable.begins_ns, []

    def ask(self, t):
        self.left -= 1
        self.at = t + self.timeout if self.left else None
        n = struct.pack(">I", self.left)
        return [(t, eth(ip(udp(n, 40000, 5000, "10.0.0.2", "10.0.0.1"), src="10.0.0.2"), dst=self.cable.mac))]

    def wake_at(self):
        return self.at

    def woken(self, now):
        return self.ask(now + self.cable.reaction_ns)

    def heard(self, sent):
        if sent.data[12:14] != b"\x08\x00":
            return []
        self.answers.append((sent.t, struct.unpack(">I", sent.data[42:46])[0]))
        return self.ask(sent.t + 100_000) if self.left else []


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "plain"])
def test_it_reacts_to_what_the_host_sends(plain):
    peer, echo = Asks(), Echo()
    run = rxpath.replay(peer, programs=[echo], plain=plain)
    assert [n for _, n in peer.answers] == list(range(19, -1, -1)) and len(echo.got) == 20
    assert run.traffic.name == "Asks" and run.traffic.records == 20 and run.delivered == run.offered == 21, "and one ARP reply"
    waits = [b[0] - a[0] for a, b in zip(peer.answers, peer.answers[1:], strict=False)]
    assert all(100_000 < w < MS for w in waits), "an answer, not the timeout, moved it on"
    again, told = Asks(), Echo()
    assert rxpath.replay(again, programs=[told], plain=plain).to_json() == run.to_json() and again.answers == peer.answers


def test_it_reacts_to_the_clock_where_nobody_answers():
    peer = Asks(questions=10)
    run = rxpath.replay(peer, listen="udp:5000")
    assert peer.answers == [] and run.offered == 10
    assert run.traffic.duration_ns == 9 * (5 * MS + peer.cable.reaction_ns) + peer.cable.reaction_ns


class Flood(rxpath.Source):
    """All at once, far more than the cable holds at a time, and out of order."""
    n = 5000

    def begin(self, cable):
        self.at = cable.begins_ns
        self.frame = udp_frame(bytes(18), dport=5000)

    def wake_at(self):
        return self.at

    def woken(self, now):
        self.at = None
        return [(now + MS - k % 7, self.frame) for k in range(self.n)]


def test_more_than_the_cable_holds_waits_and_keeps_apart_on_the_line():
    run = rxpath.replay(Flood(), {"nic": {"speed": "1Gbit"}}, listen="udp:5000")
    assert run.offered == 5000 and sum(run.dropped.values()) + run.delivered == 5000
    assert run.traffic.duration_ns - MS == pytest.approx(5000 * 84 * 8, rel=0.001), "84 bytes of line each at a gigabit"


def test_beside_a_capture():
    alone, peer = rxpath.replay("first"), Flood()
    run = rxpath.replay("first", sources=[peer])
    assert run.offered == alone.offered + 5000 and run.traffic.records == alone.traffic.records + 5000
    assert rxpath.replay("first", sources=[peer]).to_json() == run.to_json(), "begin() sets it back"
    assert rxpath.replay("first", sources=[]).to_json() == alone.to_json()


def changed(**what):
    peer = Flood()
    for name, value in what.items():
        setattr(peer, name, value)
    return peer


@pytest.mark.parametrize("call, line", [
    (lambda: rxpath.replay(changed(woken=lambda now: [(now, bytes(60))])), r"Flood: woken\(\): a frame at .* ns later at the earliest"),
    (lambda: rxpath.replay(changed(woken=lambda now: [])), r"after woken\(\d+\) wake_at\(\) says"),
    (lambda: rxpath.replay(changed(woken=lambda now: None)), "gives NoneType: a list of pairs"),
    (lambda: rxpath.replay(changed(woken=lambda now: [bytes(60)])), "must be a pair"),
    (lambda: rxpath.replay(changed(woken=lambda now: [(now + MS, bytes(13))])), "13 bytes is not allowed"),
    (lambda: rxpath.replay(changed(woken=lambda now: [(1e9, bytes(60))])), "time 1000000000.0 is not allowed"),
    (lambda: rxpath.replay(changed(wake_at=lambda: "soon")), "wake_at() says 'soon'"),
    (lambda: rxpath.replay(changed(card=1)), "card = 1 is not allowed: 0 to 0"),
    (lambda: rxpath.replay(Flood), r"give an object, Flood\(\)"),
    (lambda: rxpath.replay("first", sources=[Flood]), r"give an object, Flood\(\)"),
    (lambda: rxpath.replay("first", sources=Flood()), "must be a list of rxpath.Source"),
    (lambda: rxpath.replay("first", sources=[peer := Flood(), peer]), "Flood is given twice"),
    (lambda: rxpath.replay(7), "7 is not traffic"),
    (lambda: rxpath.replay(Flood(), speed=2), "speed: Flood is traffic of your own"),
    (lambda: rxpath.replay(Flood(), rate="1kpps"), "rate: Flood is traffic of your own"),
    (lambda: rxpath.replay(Flood(), overrides="traffic.0.rate=1kpps"), "traffic.0.rate: Flood is traffic of your own"),
    (lambda: rxpath.replay(Flood(), loop=2), "--loop is for captures"),
    (lambda: rxpath.replay(Flood(), trail="drops"), "sources of your own run once"),
], ids=range(18))
def test_mistakes_are_one_line(call, line):
    with pytest.raises(rxpath.BadInput) as error:
        call()
    assert re.search(line.replace("wake_at()", r"wake_at\(\)"), str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


def test_what_it_raises_goes_through():
    with pytest.raises(ZeroDivisionError):
        rxpath.replay(changed(woken=lambda now: [(now // 0, b"")]))


def test_the_example_of_the_page(capsys):
    code = next(c for c in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "rxpath.Source" in c)
    exec(compile(code, "python.md", "exec"), {})
    assert capsys.readouterr().out == "100 answers to 100\n"
