"""The stream sockets of Python programs answer as Linux 6.18 does, in virtual and in real time: one script (stream_script.py), its answers
recorded on a real kernel (streams_6_18.json); and who waits in them, and when they are woken."""
import json
import pathlib

import pytest

from rxpath.abi.numbers import NEVER
from rxpath.vtime.driver import VirtualTime
from rxpath.vtime.program import Programs
from rxpath.walltime.program import Program as RealProgram

from ..time_driver.hosts import MS, Host
from .stream_script import PLAN, Peer, script

STEP = 200 * MS
RECORDED = dict(json.loads(pathlib.Path(__file__).with_name("streams_6_18.json").read_text()))


class Simulated:
    """A program's `s` with what the script asks for besides."""

    def __init__(self, s):
        self.s = s

    def __getattr__(self, name):
        return {"SO_PROTOCOL": 38}.get(name) or getattr(self.s, name)

    def fionread(self, x):
        return int.from_bytes(x.ioctl(self.s.FIONREAD, bytes(4)), "little")

    def masks(self, x):
        p = self.s.poll()
        p.register(x, 0xFFFF & ~32)
        return [mask for _, mask in p.poll(0)]


class Source:
    """The peer of a plan as a source of frames: at(t, step) says what it sends when."""

    def __init__(self, time):
        self.peer, self.due, self.time = Peer(), [], time

    def at(self, t, *steps):
        for k, step in enumerate(Peer.steps(steps)):
            self.due.append((t + k * MS, step))
        self.due.sort(key=lambda x: x[0])

    def wake_at(self):
        return self.due[0][0] if self.due else NEVER

    def woken(self, now):
        out = []
        while self.due and self.due[0][0] <= now:
            out.append((now + self.time.reaction_ns(), self.peer.frame(self.due.pop(0)[1])))
        return out

    def heard(self, sent):
        self.peer.heard(sent.data)
        return []


def asked(kind, plain):
    """The script's answers under one driver of time."""
    host, said = Host(kind, plain), []
    host.boot.netdev.name = "eth0"
    if kind == "virtual":
        host.time = VirtualTime(host.boot, Programs(host.boot))
    source = Source(host.time)
    host.time.add_source(source)
    for n, batch in enumerate(PLAN):
        source.at(STEP * (n + 1), *batch)

    def program(s):
        def deliver(n):
            s.sleep((STEP * (n + 1) + 50 * MS - s.time_ns()) / 1e9)
        said.extend(script(Simulated(s), deliver))
    if kind == "virtual":
        host.time.programs.add(program)
        host.time.run(STEP * (len(PLAN) + 3))
        host.time.programs.close()
    else:
        s = RealProgram(host.time)
        program(s)
        s.process.close()
    host.time.close()
    return dict(json.loads(json.dumps(said)))


@pytest.fixture(scope="module")
def answers():
    return {(kind, plain): asked(kind, plain) for kind in ("virtual", "real") for plain in (False, True)}


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind", ["virtual", "real"])
def test_as_linux_6_18(answers, kind, plain):
    got = answers[kind, plain]
    assert {label: got.get(label, "never asked") for label in RECORDED} == RECORDED
