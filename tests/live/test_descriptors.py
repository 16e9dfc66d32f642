"""Several descriptors and objects of one socket: the same calls on the kernel's sockets and on a live host's."""
import os
import select
import socket as std
import threading
import time

import pytest

from rxpath import live
from rxpath import socket as ours
from rxpath.backends.pair import pair

from .namespaces import until


@pytest.fixture(params=["kernel", "ours"])
def net(request):
    """The module socket."""
    if request.param == "kernel":
        yield std
        return
    near, far = pair()
    with live.Host(near, "10.9.0.2/24") as host:
        ours.use(host)
        yield ours
    ours.use(None)
    far.close()


def bound(net):
    s = net.socket(std.AF_INET, std.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    s.settimeout(5)
    return s


def send(net, s, data=b"one"):
    with net.socket(std.AF_INET, std.SOCK_DGRAM) as client:
        client.sendto(data, s.getsockname())


def port_is_free(net, address):
    try:
        with net.socket(std.AF_INET, std.SOCK_DGRAM) as s:
            s.bind(address)
            return True
    except OSError:
        return False


def test_dup_has_the_same_queue_options_and_name(net):
    with bound(net) as s, s.dup() as other:
        assert other.fileno() != s.fileno() and other.getsockname() == s.getsockname() and other.gettimeout() == 5
        assert type(other) is type(s) and not other.get_inheritable()
        for k in range(4):
            send(net, s, b"%d" % k)
        assert [x.recv(10) for x in (s, other, other, s)] == [b"0", b"1", b"2", b"3"]
        other.setsockopt(std.IPPROTO_IP, std.IP_TTL, 7)
        assert s.getsockopt(std.IPPROTO_IP, std.IP_TTL) == 7
        other.connect(("127.0.0.1", 9))
        assert s.getpeername() == ("127.0.0.1", 9)


def test_the_socket_lives_until_its_last_descriptor_is_closed(net):
    s = bound(net)
    other, third, address = s.dup(), s.dup(), s.getsockname()
    s.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        s.recv(10)
    send(net, other)
    assert other.recv(10) == b"one"
    other.close()
    assert not port_is_free(net, address)
    third.close()
    assert port_is_free(net, address)


def test_every_descriptor_becomes_readable(net):
    with bound(net) as s, s.dup() as other:
        fds = [s.fileno(), other.fileno()]
        assert select.select(fds, [], [], 0)[0] == []
        send(net, s)
        assert select.select(fds, [], [], 5)[0] and select.select(fds, [], [], 0)[0] == fds
        other.recv(10)
        assert select.select(fds, [], [], 0)[0] == []
        s.close()
        send(net, other)
        assert select.select(fds[1:], [], [], 5)[0] == fds[1:]


def test_whether_calls_wait_is_of_all_descriptors(net):
    """O_NONBLOCK is of the open file; a time-out of the object."""
    with bound(net) as s, s.dup() as other:
        other.setblocking(False)
        assert not os.get_blocking(s.fileno())
        with pytest.raises(BlockingIOError):
            other.recv(10)


def test_a_second_object_of_a_descriptor(net):
    s = bound(net)
    other = net.socket(fileno=s.fileno())
    other.settimeout(5)
    send(net, s)
    assert other.recv(10) == b"one" and other.fileno() == s.fileno()
    address = s.getsockname()
    s.close()
    for call in (lambda: other.recv(10), other.getsockname, lambda: other.setblocking(False), other.close):
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()
    assert port_is_free(net, address)


def test_detached_beside_a_second_object(net):
    s = bound(net)
    fd = s.fileno()
    other = net.socket(fileno=fd)
    other.settimeout(5)
    address = s.getsockname()
    assert s.detach() == fd
    send(net, other)
    assert other.recv(10) == b"one"
    other.close()
    assert port_is_free(net, address)


def test_fromfd_and_dup_of_the_module(net):
    with bound(net) as s, net.fromfd(s.fileno(), s.family, s.type) as other:
        assert other.getsockname() == s.getsockname() and other.fileno() != s.fileno() and other.gettimeout() is None
        with net.socket(fileno=net.dup(other.fileno())) as third:
            send(net, third)
            assert third.recv(10) == b"one"
    with pytest.raises(OSError, match="Bad file descriptor"):
        s.dup()
    with pytest.raises(OSError, match="Bad file descriptor"):
        net.dup(-1)


def test_a_call_that_waits_in_a_closed_duplicate_is_done(net):
    s = bound(net)
    other, got = s.dup(), []
    thread = threading.Thread(target=lambda: got.append(s.recv(10)))
    thread.start()
    time.sleep(0.1)
    other.close()
    send(net, s)
    thread.join(5)
    assert got == [b"one"]
    s.close()


def test_a_call_keeps_the_socket_that_its_last_descriptor_has_left(net):
    """Both objects are closed while one of them has a call: it is still bound, and its datagram comes."""
    s = bound(net)
    s.settimeout(None)                               # with a time-out the standard library polls a descriptor that is closed
    address, other, got = s.getsockname(), s.dup(), []
    thread = threading.Thread(target=lambda: got.append(s.recv(10)), daemon=True)
    thread.start()
    time.sleep(0.1)
    s.close()
    other.close()
    assert not port_is_free(net, address)
    with net.socket(std.AF_INET, std.SOCK_DGRAM) as client:
        client.sendto(b"one", address)
        thread.join(5)
    assert got == [b"one"] and port_is_free(net, address)


def test_a_listener_is_accepted_from_by_each(net):
    with net.create_server(("127.0.0.1", 0)) as s, s.dup() as other:
        with net.socket() as client:
            client.connect(s.getsockname())
            s.close()
            other.settimeout(5)
            with other.accept()[0] as made, made.dup() as twice:
                assert made.getpeername() == twice.getpeername() == client.getsockname()


def test_none_is_left(net):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        with bound(net) as s, s.dup() as other, net.socket(fileno=net.dup(other.fileno())):
            s.fileno()
    until(lambda: len(os.listdir("/proc/self/fd")) == before)
