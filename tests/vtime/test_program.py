"""Python programs in virtual time: a socket like the standard library's, strictly one at a time."""
import socket

import pytest

from rxpath.examples import seed_program
from rxpath.vtime.program import ProgramError, Programs

from ..frames import udp_frame

MS = 1_000_000


@pytest.fixture
def programs(lab):
    made = []

    def make(**options):
        host = lab(**options)
        made.append(Programs(host.boot))
        return host, made[-1]
    yield make
    for p in made:
        p.close()


def run(host, programs, until=50 * MS):
    programs.run(until)
    host.t = until


def test_the_seeds_program_receives_and_prints(programs, capsys):
    host, ps = programs()
    ps.add(seed_program.program)
    run(host, ps, 10_000)
    host.send(udp_frame(b"hello"), udp_frame(b"world"), at=20_000)
    run(host, ps)
    assert capsys.readouterr().out == "5 bytes from 10.0.0.2:40000: b'hello'\n5 bytes from 10.0.0.2:40000: b'world'\n"
    assert host.ends() == {"RECEIVED": 2}


def test_sleep_and_work_take_virtual_time(programs):
    host, ps = programs(costs={})
    seen = []

    def program(s):
        seen.append(s.time_ns())
        s.sleep(0.002)
        seen.append(s.time_ns())
        s.work(5000)
        seen.append(s.time_ns())
    ps.add(program, start=1000)
    run(host, ps)
    assert seen == [1000, 1000 + 2 * MS, 1000 + 2 * MS + 5000]
    assert host.net.cpu[0].app_ns == 5000


def test_a_program_is_done_with_a_datagram_when_it_asks_for_more(programs):
    host, ps = programs(costs={})

    def program(s):
        sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
        sock.bind(("0.0.0.0", 5000))
        for _ in range(2):
            sock.recvfrom(2048)
            s.work(2000)
            s.work(500)
    p = ps.add(program)
    run(host, ps, 10_000)
    host.send(udp_frame(), udp_frame(), at=20_000, gap=10_000)
    run(host, ps)
    th = host.net.thread[p.n]
    assert (th.received, th.served, th.latency_max, th.served_sum) == (2, 2, 0, 5000)


def test_timeouts_and_nonblocking_sockets_raise_as_the_standard_librarys_do(programs):
    host, ps = programs()
    said = []

    def program(s):
        sock = s.socket()
        sock.bind(("", 5000))
        sock.settimeout(0.001)
        t = s.time_ns()
        with pytest.raises(socket.timeout):
            sock.recv(100)
        said.append((s.time_ns() - t) // 100_000)
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(100)
        sock.setblocking(True)
        with pytest.raises(BlockingIOError):
            sock.recv(100, s.MSG_DONTWAIT)
        said.append("done")
    ps.add(program)
    run(host, ps)
    assert said == [10, "done"]


def test_receive_buffer_rule(programs):
    host, ps = programs()
    said = []

    def program(s):
        sock = s.socket()
        sock.setsockopt(s.SOL_SOCKET, s.SO_RCVBUF, 5000)
        sock.bind(("10.0.0.1", 5000))
        said.append(sock.getsockopt(s.SOL_SOCKET, s.SO_RCVBUF))
        sock.setsockopt(s.SOL_SOCKET, s.SO_RCVBUF, 0)
        said.append(host.net.socks[sock.sk].rcvbuf)
    ps.add(program)
    run(host, ps)
    assert said == [10000, 2304]


def test_truncated_datagrams_say_so(programs):
    host, ps = programs()
    said = []

    def program(s):
        sock = s.socket()
        sock.bind(("", 5000))
        said.append(sock.recvmsg(3))
        buf = bytearray(10)
        said.append((sock.recv_into(buf), bytes(buf)))
    ps.add(program)
    run(host, ps, 10_000)
    host.send(udp_frame(b"abcdef"), udp_frame(b"xyz"), at=20_000)
    run(host, ps)
    assert said == [(b"abc", [], socket.MSG_TRUNC, ("10.0.0.2", 40000)), (3, b"xyz" + bytes(7))]


def test_an_exception_in_a_program_names_it_and_the_time(programs):
    host, ps = programs()

    def faulty(s):
        s.sleep(0.001)
        raise KeyError("x")
    ps.add(faulty)
    with pytest.raises(ProgramError, match=r"program 'faulty' at 0\.001.* KeyError"):
        run(host, ps)


def test_unfinished_programs_are_ended_and_their_finally_blocks_run(programs):
    host, ps = programs()
    said = []

    def program(s):
        sock = s.socket()
        sock.bind(("", 5000))
        try:
            sock.recv(10)
        finally:
            said.append("ended")
    ps.add(program)
    run(host, ps)
    ps.close()
    assert said == ["ended"]


def test_two_programs_are_deterministic(lab):
    def once():
        host = lab()
        with Programs(host.boot) as ps:
            seen = []

            def reader(port, work):
                def program(s):
                    sock = s.socket()
                    sock.bind(("", port))
                    while True:
                        seen.append((port, sock.recv(100), s.time_ns()))
                        s.work(work)
                return program
            ps.add(reader(5000, 900), cpu=0)
            ps.add(reader(5001, 700), cpu=1)
            run(host, ps, 10_000)
            host.send(*[udp_frame(b"%d" % i, dport=5000 + i % 2) for i in range(60)], gap=800, at=20_000)
            run(host, ps)
        return seen
    first = once()
    assert len(first) == 60
    assert first == once()
