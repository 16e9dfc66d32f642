"""MSG_MORE and UDP_CORK: the same calls on the kernel's sockets and on a live host's, over lo."""
import errno
import socket as std

import pytest

from rxpath import live
from rxpath import socket as ours
from rxpath.backends.pair import pair

SOL_UDP, UDP_CORK = 17, 1
MORE = std.MSG_MORE


@pytest.fixture(params=["kernel", "ours", "plain"])
def net(request):
    """The module socket."""
    if request.param == "kernel":
        yield std
        return
    near, far = pair()
    with live.Host(near, "10.9.0.2/24", plain=request.param == "plain") as host:
        ours.use(host)
        yield ours
    ours.use(None)
    far.close()


@pytest.fixture
def ends(net):
    """Who sends, who receives."""
    with net.socket(std.AF_INET, std.SOCK_DGRAM) as a, net.socket(std.AF_INET, std.SOCK_DGRAM) as b:
        b.bind(("127.0.0.1", 0))
        b.settimeout(5)
        yield a, b


def nothing(s):
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv(1 << 16)
    s.settimeout(5)


def test_parts_become_one_datagram(ends):
    a, b = ends
    to = b.getsockname()
    assert (a.sendto(b"one", MORE, to), a.sendto(b"two", MORE, to)) == (3, 3)
    nothing(b)
    assert a.sendto(b"three", to) == 5 and b.recv(100) == b"onetwothree"
    assert a.sendto(b"", MORE, to) == 0 and a.sendto(b"", to) == 0 and b.recv(100) == b""
    assert a.sendto(b"alone", to) == 5 and b.recv(100) == b"alone"


def test_the_first_part_says_to_whom(ends, net):
    a, b = ends
    with net.socket(std.AF_INET, std.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        a.sendto(b"one", MORE, b.getsockname())
        a.sendto(b"two", other.getsockname())
        assert b.recv(100) == b"onetwo"
        nothing(other)
        a.connect(b.getsockname())
        a.send(b"one", MORE)
        a.connect(other.getsockname())
        a.send(b"two")
        assert other.recv(100) == b"onetwo", "connect() writes the flow that it waits with"
        a.connect(b.getsockname())
        a.send(b"x" * 3, MORE)
        a.sendto(b"y", other.getsockname())
        assert b.recv(100) == b"xxxy"
        nothing(other)


def test_of_a_socket_with_a_peer(ends):
    a, b = ends
    a.connect(b.getsockname())
    a.send(b"one", MORE)
    assert a.send(b"two") == 3 and b.recv(100) == b"onetwo"
    assert a.sendmsg([b"a", b"b"], [], MORE) == 2 and a.sendmsg([b"c"]) == 1 and b.recv(100) == b"abc"


def test_udp_cork_sends_when_it_is_taken_away(ends):
    a, b = ends
    a.connect(b.getsockname())
    assert a.getsockopt(SOL_UDP, UDP_CORK) == 0
    a.setsockopt(SOL_UDP, UDP_CORK, 5)
    assert a.getsockopt(SOL_UDP, UDP_CORK) == 1
    a.send(b"one")
    a.send(b"two")
    nothing(b)
    a.setsockopt(SOL_UDP, UDP_CORK, 0)
    assert b.recv(100) == b"onetwo"
    a.setsockopt(SOL_UDP, UDP_CORK, 1)
    a.send(b"never")
    a.close()
    nothing(b)


def test_a_part_that_is_refused_takes_the_others_with_it(ends):
    a, b = ends
    to = b.getsockname()
    a.sendto(bytes(65000), MORE, to)
    with pytest.raises(OSError) as said:
        a.sendto(bytes(508), MORE, to)
    assert said.value.errno == errno.EMSGSIZE
    assert a.sendto(b"next", to) == 4 and b.recv(100) == b"next"
    a.sendto(bytes(65000), MORE, to)
    assert a.sendto(bytes(507), to) == 507 and len(b.recv(1 << 16)) == 65507


def test_the_first_part_is_refused_as_a_datagram_is(ends, net):
    a, b = ends
    broadcast = "10.9.0.255" if net is ours else "127.255.255.255"
    for call, number in ((lambda: a.send(b"x", MORE), errno.EDESTADDRREQ),
                         (lambda: a.sendto(b"x", MORE, (broadcast, 9)), errno.EACCES),
                         (lambda: a.sendto(b"x", MORE, ("127.0.0.1", 0)), errno.EINVAL),
                         (lambda: a.sendto(b"x", MORE | std.MSG_OOB, b.getsockname()), errno.EOPNOTSUPP)):
        with pytest.raises(OSError) as said:
            call()
        assert said.value.errno == number
    a.sendto(b"kept", MORE, b.getsockname())
    with pytest.raises(OSError, match="not supported"):
        a.sendto(b"x", std.MSG_OOB, b.getsockname())
    a.sendto(b"", b.getsockname())
    assert b.recv(100) == b"kept"


def test_ancillary_data_is_the_first_parts(ends):
    a, b = ends
    b.setsockopt(std.IPPROTO_IP, std.IP_RECVTOS, 1)
    a.connect(b.getsockname())
    a.sendmsg([b"one"], [(std.IPPROTO_IP, std.IP_TOS, b"\x10")], MORE)
    a.sendmsg([b"two"], [(std.IPPROTO_IP, std.IP_TOS, b"\x20")])
    data, messages, _, _ = b.recvmsg(100, 100)
    assert data == b"onetwo" and messages == [(std.IPPROTO_IP, std.IP_TOS, b"\x10")]


def test_a_stream_has_no_udp_cork(net):
    with net.socket() as s:
        for call, number in ((lambda: s.setsockopt(SOL_UDP, UDP_CORK, 1), errno.ENOPROTOOPT),
                             (lambda: s.getsockopt(SOL_UDP, UDP_CORK), errno.EOPNOTSUPP)):
            with pytest.raises(OSError) as said:
                call()
            assert said.value.errno == number
