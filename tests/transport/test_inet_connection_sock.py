"""Listeners as sockets: bind(), listen(), close() of TCP, with Linux 6.18's answers; and what each protocol has registered."""
import errno
import itertools

import pytest

from rxpath import path
from rxpath.abi.numbers import IPPROTO, POLLHUP, POLLOUT, POLLWRNORM, TCP
from rxpath.user import sock
from rxpath.user import socket as sockets
from rxpath.user.wait import sock_poll

from ..frames import US, eth, ip, ip4, tcp

ANY, LO, LO2 = 0, ip4("127.0.0.1"), ip4("127.0.0.2")
# Two sockets of one port, the first on 127.0.0.1: (its SO_REUSEADDR, SO_REUSEPORT, does it listen when the second is bound?), then for the
# second's (0, 0), (0, 1), (1, 0), (1, 1), on 127.0.0.1 as on 0.0.0.0: L both listen, f the first one cannot any more, - bind() is refused.
# Asked of Linux 6.18.
LINUX = {
    (0, 0, 0): "----", (0, 0, 1): "----", (0, 1, 0): "-L-L", (0, 1, 1): "-L-L",
    (1, 0, 0): "--ff", (1, 0, 1): "----", (1, 1, 0): "-LfL", (1, 1, 1): "-L-L",
}


def opened(host, addr, port, reuse=0, reuseport=0):
    i = sockets.create(host.boot, IPPROTO.TCP)
    sock.setsockopt(host.boot, i, "SO_REUSEADDR", reuse)
    sock.setsockopt(host.boot, i, "SO_REUSEPORT", reuseport)
    sockets.bind(host.boot, i, addr, port)
    return i


def outcome(host, first, listens, second, addr):
    a = opened(host, LO, 80, *first)
    b = None
    try:
        if listens:
            sockets.listen(host.boot, a)
        try:
            b = opened(host, addr, 80, *second)
        except OSError as e:
            assert e.errno == errno.EADDRINUSE
            return "-"
        sockets.listen(host.boot, b)
        try:
            sockets.listen(host.boot, a)
        except OSError as e:
            assert e.errno == errno.EADDRINUSE
            return "f"
        return "L"
    finally:
        for i in range(host.net.nsock):
            if host.net.socks[i].in_use:
                sockets.close(host.boot, i)


def test_who_may_share_a_port_with_a_listener_is_as_on_linux(lab):
    host = lab()
    flags = list(itertools.product((0, 1), (0, 1)))
    for (reuse, reuseport, listens), row in LINUX.items():
        for addr in (LO, ANY):
            assert "".join(outcome(host, (reuse, reuseport), listens, second, addr) for second in flags) == row
        assert {outcome(host, (reuse, reuseport), listens, second, LO2) for second in flags} == {"L"}, "another address is another port"


def test_a_listener_hears_from_listen_on_and_until_it_is_closed(lab):
    host = lab()
    syn = eth(ip(tcp(dport=80), proto=6))
    i = opened(host, ip4(US), 80)
    assert host.net.socks[i].state == TCP.CLOSE
    host.send(syn).run()
    sockets.listen(host.boot, i)
    sockets.listen(host.boot, i)                     # again: nothing happens
    assert host.net.socks[i].state == TCP.LISTEN
    host.send(syn).run()
    sockets.disconnect(host.boot, i)                 # connect(AF_UNSPEC)
    assert (host.net.socks[i].state, host.net.socks[i].port) == (TCP.CLOSE, 80)
    host.send(syn).run()
    sockets.listen(host.boot, i)
    sockets.close(host.boot, i)
    host.send(syn).run()
    assert host.ends() == {"NO_SOCKET": 3, "CONSUMED": 1}


def test_a_listener_in_the_middle_of_its_chain_leaves_the_others(lab):
    host = lab()
    many = [host.boot.tcp_listener(0, 80 + 4096 * k) for k in range(3)]
    sockets.close(host.boot, many[1])
    assert host.boot.tcp_listener(0, 80 + 4096) == many[1], "its slot is used again"
    for k in range(3):
        host.send(eth(ip(tcp(dport=80 + 4096 * k), proto=6)))
    host.run()
    assert host.ends() == {"CONSUMED": 3}


def test_port_0_of_tcp_is_any_free_port_and_its_own(lab):
    host = lab()
    one, two = opened(host, 0, 0), opened(host, 0, 0)
    ports = [host.net.socks[i].port for i in (one, two)]
    assert all(32768 <= p <= 60999 for p in ports) and ports[0] != ports[1]
    udp = sockets.create(host.boot)
    assert sockets.bind(host.boot, udp, 0, ports[0]) == ports[0], "UDP's ports are others"


def test_calls_that_a_protocol_does_not_have(lab):
    host = lab()
    listener, fresh, udp = host.boot.tcp_listener(0, 80), sockets.create(host.boot, IPPROTO.TCP), host.udp(80)

    def refused(f, *args):
        with pytest.raises(OSError) as e:
            f(host.boot, *args)
        return e.value.errno
    assert refused(sockets.create, IPPROTO.PIM) == errno.EPROTONOSUPPORT
    assert refused(sockets.listen, udp) == errno.EOPNOTSUPP
    assert refused(sockets.bind, listener, 0, 81) == errno.EINVAL
    assert refused(sockets.connect, listener, LO, 1) == errno.EISCONN
    assert refused(sockets.connect, sockets.create(host.boot, IPPROTO.TCP), LO, 1) == errno.EINPROGRESS
    sockets.bind(host.boot, fresh, 0, 81)
    t = host.net.thread[900]
    for i in (listener, fresh):
        t.sock = i
        assert refused(sockets.recv, 900) == errno.ENOTCONN
    poll = sock_poll
    assert poll(host.net, 0, host.net.socks[listener]) == 0
    assert poll(host.net, 0, host.net.socks[fresh]) == POLLOUT | POLLWRNORM | POLLHUP
    sockets.close(host.boot, fresh)
    assert refused(sockets.close, fresh) == errno.EBADF


def test_every_protocol_has_what_sockets_call():
    """A new protocol registers these, and nothing in user/ changes."""
    everyone = (path.proto_get_port, path.proto_unhash, path.proto_connect, path.proto_disconnect, path.proto_close, path.proto_recvmsg,
                path.proto_backlog_rcv, path.proto_poll)
    protocols = {int(key) for key, _ in path.proto_init.handlers}
    assert protocols == {IPPROTO.UDP, IPPROTO.TCP}
    for operation in everyone:
        assert {int(key) for key, _ in operation.handlers} == protocols, operation.name
    assert {int(key) for key, _ in path.proto_hash.handlers} == {IPPROTO.TCP}, "who can listen"
