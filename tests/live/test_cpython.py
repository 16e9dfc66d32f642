"""CPython's own tests of UDP sockets pass on rxpath.socket, and what they do not ask of its objects."""
import contextlib
import importlib.util
import os
import re
import select
import socket as std
import subprocess
import sys
from pathlib import Path

import pytest

from rxpath import live
from rxpath import socket as ours
from rxpath.backends.pair import pair

TOOL = Path(__file__).parents[2] / "tools" / "cpython_sockets.py"


def has_tests():
    with contextlib.suppress(ImportError):
        return importlib.util.find_spec("test.test_socket") is not None
    return False


@pytest.mark.skipif(not has_tests(), reason="this Python was installed without its own tests (Lib/test)")
def test_cpythons_own_tests_pass():
    ran = subprocess.run([sys.executable, TOOL], capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    run, of, share, passed = map(int, re.search(r"(\d+) of (\d+) tests run \((\d+) %\), (\d+) pass", ran.stdout).groups())
    assert run == passed and share >= 80 and of >= 130
    assert int(re.search(r"received (\d+) datagrams", ran.stdout)[1]) >= 30, "those of the live host, not the kernel's"


@pytest.fixture
def host():
    near, far = pair()
    with live.Host(near, "10.9.0.2/24") as made:
        ours.use(made)
        yield made
    ours.use(None)
    far.close()


def bound(port=5000):
    s = ours.socket(std.AF_INET, std.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    s.settimeout(5)
    return s


def send(data, port=5000):
    with ours.socket(std.AF_INET, std.SOCK_DGRAM) as s:
        s.sendto(data, ("127.0.0.1", port))


def test_a_detached_socket_lives_on_in_its_descriptor(host):
    s = bound()
    s.connect(("127.0.0.1", 6000))
    s.disconnect()
    fd = s.detach()
    assert s.fileno() == s.detach() == -1 and "[closed]" in repr(s)
    del s
    assert select.select([fd], [], [], 0) == ([], [], [])
    send(b"one")
    again = ours.socket(fileno=fd)
    assert (again.family, again.type, again.fileno()) == (std.AF_INET, std.SOCK_DGRAM, fd) and again.gettimeout() is None
    assert select.select([again], [], [], 5)[0] == [again] and again.recv(10) == b"one"
    assert select.select([again], [], [], 0) == ([], [], []), "its descriptor is this object's"
    again.close()
    bound().close()


def test_who_waits_for_a_detached_descriptor_is_told(host):
    s = bound()
    s.fileno()
    fd = s.detach()
    send(b"one")
    assert select.select([fd], [], [], 5)[0] == [fd]
    with ours.socket(fileno=fd) as s:
        assert s.recv(10) == b"one"


def test_a_detached_descriptor_that_is_closed_gives_its_port_back_when_its_number_is_used_again(host):
    fd = bound().detach()
    os.close(fd)
    with ours.socket(std.AF_INET, std.SOCK_DGRAM) as s:
        assert s.fd == fd
        s.bind(("127.0.0.1", 5000))


def test_a_descriptor_closed_behind_a_socket_is_said_once(host):
    s = bound()
    os.close(s.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        s.close()
    s.close()
    bound().close()


def test_a_file_keeps_its_socket_open(host):
    s = bound()
    file = s.makefile("rb", buffering=0)
    fd = file.fileno()
    s.close()
    send(b"one")
    assert select.select([fd], [], [], 5)[0] == [fd]
    assert file.read(10) == b"one" and s.fileno() >= 0
    file.close()
    assert s.fileno() == -1
    bound().close()


def test_a_file_of_a_datagram_socket_sends(host):
    with bound() as s, ours.socket(std.AF_INET, std.SOCK_DGRAM) as other:
        other.connect(s.getsockname())
        with other.makefile("w") as file:
            print("one", file=file)
        assert s.recv(10) == b"one\n"


@pytest.mark.parametrize("call", [lambda s: s.recv_into(bytes(10)), lambda s: s.recvfrom_into(bytes(10)),
                                  lambda s: s.recvmsg_into([bytes(10)]), lambda s: s.recvmsg(10, 0, "x"),
                                  lambda s: s.recvmsg(10, -1), lambda s: s.recv("x")])
def test_a_wrong_argument_costs_no_datagram(host, call):
    with bound() as s:
        send(b"one")
        with pytest.raises((TypeError, ValueError)):
            call(s)
        assert s.recv(10) == b"one"


@pytest.mark.parametrize("item, error", [([0, 0, b""], OSError), ((0, 0), TypeError), ("abc", TypeError), (5, TypeError),
                                         ((0, 0, "x"), TypeError)])
def test_a_wrong_item_of_ancillary_data_sends_nothing(host, item, error):
    with bound() as s:
        with pytest.raises(error):
            s.sendmsg([b"x"], [item], 0, s.getsockname())
        s.sendmsg([b"one"], [[std.IPPROTO_IP, std.IP_TTL, b"\5\0\0\0"]], 0, s.getsockname())
        assert s.recv(10) == b"one"


def test_o_nonblock_says_whether_calls_wait_and_the_descriptor_works_either_way(host):
    with bound() as s:
        for seconds in (None, 0.0, 5, None):
            s.settimeout(seconds)
            assert os.get_blocking(s.fileno()) == (seconds is None)
            assert select.select([s], [], [], 0)[0] == []
            send(b"one")
            assert select.select([s], [], [], 5)[0] == [s] and s.recv(10) == b"one"
