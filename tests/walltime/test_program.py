"""Python programs in real time: the same script, the same answers as Linux 6.18's and as in virtual time; and who waits, how long."""
import json
import struct
import time

import pytest

from rxpath.walltime.driver import WallClock
from rxpath.walltime.program import Program

from ..frames import udp_frame
from ..time_driver.hosts import MS, Host
from ..vtime.socket_script import PLAN, script
from ..vtime.test_sockets import ORDER, RECORDED, STEP, Simulated, frame


@pytest.fixture(scope="module")
def answers():
    found = {}
    for plain in (False, True):
        host = Host("real", plain)
        host.boot.netdev.name = "eth0"
        for place, n in enumerate(ORDER):
            for k, f in enumerate(PLAN[n]):
                host.time.send(frame(f), STEP * (place + 1) + 100_000 * k)
        s = Program(host.time)

        def deliver(batch, s=s):
            s.sleep((STEP * (ORDER.index(batch) + 1) + 50 * MS - s.time_ns()) / 1e9)
        found[plain] = {label: answer for label, answer in json.loads(json.dumps(script(Simulated(s), deliver)))}
        s.process.close()
        host.time.close()
    return found


@pytest.mark.parametrize("plain", [False, True])
def test_as_linux_6_18(answers, plain):
    assert answers[plain] == RECORDED


@pytest.mark.parametrize("how", ["recv", "poll", "select", "epoll", "selector", "timeout"])
def test_every_way_of_waiting_is_woken_by_a_datagram(how):
    host = Host("real", False)
    s = Program(host.time)
    sock = s.socket()
    sock.bind(("", 5000))
    host.time.send(udp_frame(b"hello"), 20 * MS)
    if how == "poll":
        p = s.poll()
        p.register(sock, s.POLLIN)
        assert p.poll(10) == [] and p.poll(100) == [(sock.fileno(), s.POLLIN)]
    elif how == "select":
        assert s.select([sock], [], [], 0.01) == ([], [], []) and s.select([sock], [], [], 0.1) == ([sock], [], [])
    elif how == "epoll":
        with s.epoll() as ep:
            ep.register(sock, s.EPOLLIN)
            assert ep.poll(0.01) == [] and ep.poll(0.1) == [(sock.fileno(), s.EPOLLIN)]
    elif how == "selector":
        with s.DefaultSelector() as selector:
            selector.register(sock, s.EVENT_READ)
            assert selector.select(0.01) == [] and len(selector.select(0.1)) == 1
    elif how == "timeout":
        sock.settimeout(0.01)
        with pytest.raises(TimeoutError):
            sock.recv(10)
        sock.settimeout(0.1)
    assert sock.recv(10) == b"hello" and 20 * MS <= s.time_ns() < 21 * MS
    sock.close()
    s.process.close()
    host.time.close()


def test_so_rcvtimeo_ends_a_call():
    host = Host("real", False)
    s = Program(host.time)
    sock = s.socket()
    sock.bind(("", 5000))
    sock.setsockopt(s.SOL_SOCKET, s.SO_RCVTIMEO, struct.pack("qq", 0, 9000))
    with pytest.raises(BlockingIOError):
        sock.recv(10)
    assert s.time_ns() == 12 * MS, "three jiffies of 4 ms"
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(10)
    assert s.time_ns() == 12 * MS
    s.process.close()
    host.time.close()


def test_by_the_clock_on_the_wall():
    host = Host("real", False, clock=WallClock())
    s = Program(host.time)
    sock = s.socket()
    sock.bind(("", 5000))
    began = time.monotonic_ns()
    host.time.send(udp_frame(b"late"), 30 * MS)
    assert sock.recv(10) == b"late"
    assert 30 * MS <= time.monotonic_ns() - began
    s.process.close()
    host.time.close()
