"""rxpath.pytest: the examples of its page as a user has them, and what a host under test does."""
import importlib.metadata
import re
import socket
import subprocess
import sys
import time
import types
from pathlib import Path
from time import sleep

import pytest

from rxpath.vtime.program import ProgramError
from rxpath.workbench.judge.frames import udp_frame
from rxpath.workbench.testing.host import HostUnderTest
from rxpath.workbench.words.mistakes import BadInput

PAGE = Path(__file__).parents[3] / "docs" / "testing.md"
INSTALLED = any(e.name == "rxpath" for e in importlib.metadata.entry_points(group="pytest11"))
PLUGIN = [] if INSTALLED else ["-p", "rxpath.pytest"]                    # pytest finds it by itself where rxpath was installed with it
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)


def echo_lines(s, got):
    listener = s.socket(s.AF_INET, s.SOCK_STREAM)
    listener.bind(("0.0.0.0", 7))
    listener.listen(5)
    while True:
        conn, _ = listener.accept()
        with conn:
            while data := conn.recv(4096):
                got.append((s.time_ns(), data))


def reader(s, got, port=53):
    sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
    sock.bind(("0.0.0.0", port))
    while True:
        got.append((s.time_ns(), *sock.recvfrom(65536)))


# ---------------------------------------------------------------- the page
def test_the_examples_of_the_page_pass_as_they_stand(tmp_path):
    tests = 0
    for n, block in enumerate(BLOCKS):
        name = "statsd.py" if block.startswith("import socket\n") else f"test_{n}.py"
        tests += block.count("def test_")
        (tmp_path / name).write_text(block)
    ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *PLUGIN, "--strict-markers", "."],
                         cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert f"{tests} passed" in ran.stdout and tests >= 4, ran.stdout + ran.stderr


def test_pytest_finds_the_plugin_and_loads_nothing_of_rxpath():
    loaded = "import sys, rxpath.pytest; print(sorted(m for m in sys.modules if m.startswith('rxpath')))"
    ran = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['rxpath', 'rxpath.pytest']"


# ---------------------------------------------------------------- UDP
def test_a_datagram_in_fragments_and_one_that_nobody_wants():
    got = []
    with HostUnderTest() as host:
        host.program(lambda s: reader(s, got))
        host.datagram(b"x" * 5000, 53)
        host.datagram(b"y", 54, after="1ms")
        host.run("10ms")
        assert [(data, peer) for _, data, peer in got] == [(b"x" * 5000, ("10.0.0.2", 40000))]
        assert host.dropped == {"NO_SOCKET": 1} and host.books().offered == 5


def test_an_answer_that_does_not_come_says_what_was_dropped():
    with HostUnderTest() as host, pytest.raises(TimeoutError, match=r"UDP 9 to 10\.0\.0\.2:40000 within 5ms; frames dropped: 1 NO_SOCKET"):
        host.ask(b"?", 9, limit="5ms")


def test_a_frame_of_any_bytes():
    got = []
    with HostUnderTest() as host:
        host.program(lambda s: reader(s, got))
        host.run("1ms")
        host.send(udp_frame(b"one", dport=53, mac=host.mac))
        host.send(b"\xff" * 60, after="1us")
        host.settle()
        assert [data for _, data, _ in got] == [b"one"]
        assert host.books().offered == 2


# ---------------------------------------------------------------- TCP
def test_a_client_sends_as_much_as_the_window_takes_and_the_rest_when_it_opens():
    got = []

    def slow(s):
        listener = s.socket(s.AF_INET, s.SOCK_STREAM)
        listener.bind(("0.0.0.0", 7))
        listener.listen(1)
        conn, _ = listener.accept()
        s.sleep(1)
        while data := conn.recv(65536):
            got.append(data)

    with HostUnderTest() as host:
        host.program(slow)
        client = host.connect(7)
        client.send(b"0123456789" * 30_000)
        host.run("900ms")
        assert not client.acked and not got
        client.close()
        host.run("20s")
        assert b"".join(got) == b"0123456789" * 30_000
        assert client.acked
        assert "RCVQ" not in str(host.dropped), "it sent beyond the window"


def test_a_segment_that_the_host_lost_is_sent_again():
    got = []
    with HostUnderTest() as host:
        host.program(lambda s: echo_lines(s, got))
        client = host.connect(7)
        heard, lost = client.heard, []
        client.heard = lambda s: [] if not lost and not lost.append(s) else heard(s)       # the first ACK does not arrive
        client.send(b"once")
        host.run("1s")
        assert b"".join(data for _, data in got) == b"once" and client.acked and lost
        assert host.dropped, "the copy that was not needed"


def test_a_segment_that_the_network_lost_is_sent_again():
    got = []
    with HostUnderTest() as host:
        host.program(lambda s: echo_lines(s, got))
        client = host.connect(7)
        woken, lost = client.woken, []
        client.woken = lambda now: lost.append(woken(now)) or [] if not lost else woken(now)         # the first does not arrive
        client.send(b"once")
        began = host.now_ns
        host.run("150ms")
        assert lost[0] and not got and not client.acked
        host.run("1s")
        assert [data for _, data in got] == [b"once"] and client.acked and 200_000_000 <= got[0][0] - began < 300_000_000


def test_refused_and_no_answer():
    with HostUnderTest() as host:
        with pytest.raises(ConnectionRefusedError, match=r"10\.0\.0\.1:99 answered with RST"):
            host.connect(99)
        with pytest.raises(TimeoutError, match="does not answer within 1ms"):
            host.program(lambda s: s.sleep(100))
            host.address = "10.0.0.9"
            host.connect(99, limit="1ms")
        with pytest.raises(ValueError, match="another source port"):
            host.connect(99)


def test_the_kernel_s_end_of_a_connection_is_seen():
    def hang_up(s):
        listener = s.socket(s.AF_INET, s.SOCK_STREAM)
        listener.bind(("0.0.0.0", 7))
        listener.listen(1)
        listener.accept()[0].close()

    with HostUnderTest() as host:
        host.program(hang_up)
        client = host.connect(7)
        host.run("10ms")
        assert client.eof and client.received() == b""
        client.close()
        with pytest.raises(BrokenPipeError):
            client.send(b"more")


# ---------------------------------------------------------------- programs
def test_the_same_calls_give_the_same_bytes_at_the_same_times():
    def once():
        got, more = [], []
        with HostUnderTest() as host:
            host.program(lambda s: echo_lines(s, got))
            host.program(lambda s: reader(s, more), cpu=1)
            client = host.connect(7)
            for n in range(20):
                client.send(b"x" * n * 100)
                host.datagram(bytes(n), 53, after="30us")
                host.run("70us")
            host.run("50ms")
            return got, more, host.sent, host.now_ns, host.books().dropped
    first = once()
    assert first == once() and len(first[0]) > 5 and len(first[1]) == 20


def test_an_exception_in_a_program_is_the_test_s():
    def broken(s):
        raise KeyError("nobody")
    with HostUnderTest() as host:
        with pytest.raises(ProgramError, match="KeyError"):
            host.program(broken)


def test_modules_get_the_host_s_sockets_and_their_own_back():
    module = types.ModuleType("under_test")
    module.net, module.nap, module.clock, module.other = socket, sleep, time.monotonic, 7
    seen = []

    def program(s):
        sock = module.net.socket(module.net.AF_INET, module.net.SOCK_DGRAM)
        sock.bind(("0.0.0.0", 53))
        before = module.clock()
        module.nap(2)
        seen.append((module.clock() - before, sock.recv(100)))

    with HostUnderTest() as host:
        host.program(program, modules=[module])
        host.datagram(b"hello", 53)
        host.run("3s")
    assert [data for _, data in seen] == [b"hello"] and 2 <= seen[0][0] < 2.01
    assert module.net is socket and module.nap is sleep and module.clock is time.monotonic and module.other == 7


@pytest.mark.parametrize("call, line", [
    (lambda: HostUnderTest({"cpus": 1}), "nic.addresses"),
    (lambda: HostUnderTest(overrides="cpus=0"), "cpus"),
    (lambda: HostUnderTest().run("soon"), "a time such as"),
])
def test_what_cannot_be_used_is_one_line(call, line):
    with pytest.raises(Exception, match=line) as e:
        call()
    assert "\n" not in str(e.value) and isinstance(e.value, BadInput | ValueError)
