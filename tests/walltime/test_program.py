"""Python programs in real time: the same script, the same answers as Linux 6.18's and as in virtual time; and who waits, how long."""
import json
import struct
import time

import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.abi.numbers import NAPI_STATE_IN_BUSY_POLL, NAPI_STATE_SCHED
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


def test_a_file_keeps_its_socket_open():
    host = Host("real", False)
    s = Program(host.time)
    sock = s.socket()
    sock.bind(("", 5000))
    host.time.send(udp_frame(b"hello"), 20 * MS)
    with sock.makefile("rb", buffering=0) as file:
        sock.close()
        assert file.read(10) == b"hello" and sock.fileno() >= 0
    assert sock.fileno() == -1
    s.socket().bind(("", 5000))
    s.process.close()
    host.time.close()


# ---------------------------------------------------------------- busy polling
FRAMES, GAP = 20, MS


def read_all(how, plain=False, ll=0, busy_poll=0, wait=False):
    """FRAMES datagrams, GAP apart, read one by one: host, interrupts, ns between a datagram's arrival and its reading, at most."""
    host = Host("real", plain)
    host.net.sysctl[Sysctl.busy_read_ns], host.net.sysctl[Sysctl.busy_poll_ns] = ll, busy_poll
    s = Program(host.time)
    sock = s.socket()
    sock.bind(("", 5000))
    for k in range(FRAMES):
        host.time.send(udp_frame(bytes([k])), MS + GAP * k)
    ready = s.poll() if how == "poll" else s.epoll()
    ready.register(sock, s.POLLIN)
    got, late = [], 0
    while len(got) < FRAMES:
        if how == "spin":
            try:
                got.append(sock.recv(10, s.MSG_DONTWAIT)[0])
            except BlockingIOError:
                s.sleep(1e-5)
                continue
        else:
            if how in ("poll", "epoll"):
                assert ready.poll(1000 if how == "poll" else 1)
            got.append(sock.recv(10)[0])
        late = max(late, s.time_ns() - MS - GAP * got[-1])
    assert got == list(range(FRAMES)) and host.ends() == {"RECEIVED": FRAMES}
    napi = host.net.napi[0]
    assert napi.state & (NAPI_STATE_IN_BUSY_POLL | NAPI_STATE_SCHED) == 0, "let go at the end"
    s.process.close()
    host.time.close()
    return host, int(host.net.ring[0].irqs), late


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("how, more", [("recv", dict(ll=2 * MS)), ("epoll", dict(busy_poll=2 * MS)),
                                       ("poll", dict(ll=1000, busy_poll=2 * MS))])
def test_who_is_about_to_sleep_polls_first(how, more, plain):
    _, asleep, _ = read_all(how, plain)
    _, polled, late = read_all(how, plain, **more)
    assert asleep == FRAMES and late < 10_000
    assert polled <= 2, "the first datagram says which NAPI it is; the others are polled out of the ring"


@pytest.mark.parametrize("how, more", [("recv", dict(ll=GAP // 2)), ("epoll", dict(busy_poll=GAP // 2)),
                                       ("poll", dict(ll=1000, busy_poll=GAP // 2))])
def test_who_has_polled_in_vain_sleeps_and_an_interrupt_wakes_it(how, more):
    host, interrupts, _ = read_all(how, **more)
    assert interrupts == FRAMES
    assert host.net.napi[0].polls > 10 * FRAMES


def test_poll_asks_for_sockets_that_busy_poll():
    host, interrupts, _ = read_all("poll", busy_poll=2 * MS)
    assert interrupts == FRAMES and host.net.napi[0].polls <= 2 * FRAMES


def test_who_does_not_want_to_wait_polls_once():
    without, *_ = read_all("spin")
    host, *_ = read_all("spin", ll=50_000)
    assert without.net.napi[0].polls == FRAMES
    assert 1000 < host.net.napi[0].polls < 10_000, "twice for each of 2,000 calls: one poll, and the one that lets the NAPI go"
