"""Virtual time with sources that react: where a CPU has run ahead, an answer must not have been missed."""
import itertools
import struct

import pytest

from rxpath.abi.numbers import Out
from rxpath.link.setup import add_tap, set_rps

from ..frames import udp_frame
from ..time_driver.hosts import MS, Host
from ..time_driver.test_contract import Pinger, ping


class Talker(Pinger):
    """Each reply is answered by a burst of datagrams and another question, as soon as that can be."""

    def ask(self, now):
        t = now + self.driver.reaction_ns()
        for k in range(7):
            yield t + 150 * k, udp_frame(struct.pack("<q", k), src=f"10.0.0.{9 + k}")
        yield from super().ask(now + 1100)


def story(one_step=False, plain=False, rps=(), queues=2, n=3000):
    host = Host("virtual", plain, cpus=3, queues=queues, one_step=one_step)
    reader = host.reader(host.udp(5000), cpu=2)
    add_tap(host.boot)
    for q in range(queues if rps else 0):
        set_rps(host.boot, q, list(rps))
    host.time.add_source(Talker(host.time, more=60, clock=(MS + 333, 2 * MS)))
    for k in range(n):
        host.time.send(udp_frame(struct.pack("<q", k), src=f"10.0.0.{2 + k % 5}"), MS + 900 * k)
    host.time.run(8 * MS)
    assert host.net.made > 300 and len(host.sent(Out.TX)) > 50
    th = host.net.thread[reader]
    told = (host.ends(), th.received, th.latency_sum, th.latency_hash, [host.net.ring[q].packets for q in range(queues)],
            [(o.t, o.cpu, o.kind, o.data) for o in host.left])
    assert all(a.t <= b.t for a, b in itertools.pairwise(host.left))
    host.time.close()
    return told


@pytest.mark.parametrize("setup", [dict(), dict(rps=(1, 2)), dict(queues=1, rps=(1,))], ids=["2 queues", "RPS", "1 queue, RPS"])
def test_running_ahead_equals_one_step_when_sources_react(setup):
    assert story(**setup) == story(one_step=True, **setup)


def test_compiled_equals_plain_when_sources_react():
    assert story(rps=(1, 2), n=200) == story(rps=(1, 2), n=200, plain=True)


def test_a_driver_goes_on_with_python_programs():
    from rxpath.vtime.program import Programs
    host = Host("virtual", False, cpus=2)
    got = []

    def program(s):
        sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
        sock.bind(("0.0.0.0", 5000))
        got.append(sock.recv(100))
        got.append(s.time_ns())
    with Programs(host.boot) as programs:
        programs.add(program)
        host.time.programs = programs
        host.time.add_source(Pinger(host.time, more=3, after=50_000))
        host.time.send(ping(), MS)
        host.time.send(udp_frame(b"hello"), 2 * MS)
        host.time.run(4 * MS)
    assert got[0] == b"hello" and 2 * MS < got[1] < 3 * MS
    assert len(host.sent(Out.TX)) == 4
    host.time.close()


