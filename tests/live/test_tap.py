"""A live host on a TAP: what the real kernel's sockets see of it, compiled and plain."""
import contextlib
import os
import select
import socket
import threading
import time

import pytest

from rxpath.backends.tap import configure
from rxpath.live import Host

from .namespaces import OURS, THEIRS, Side, needs_root, until

pytestmark = needs_root


@pytest.fixture(params=["compiled", "plain"])
def both(request):
    """The kernel's side and our host."""
    with Side() as side, Host(side.tap(), f"{OURS}/24", plain=request.param == "plain") as host:
        yield side, host


@pytest.fixture
def live():
    with Side() as side, Host(side.tap(), f"{OURS}/24") as host:
        yield side, host


def test_arp_and_ping_are_answered(both):
    side, host = both
    side.ping()
    assert host.counters()["Icmp.OutEchoReps"] == 3 and host.drops() == {"CONSUMED": 4}, "three requests and ARP's"


def test_what_the_card_filters_is_counted(live):
    """A frame for another address: all that came in has an end."""
    side, host = live
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind(("tap0", 3))
        s.send(b"\x02\0\0\0\0\x77" + bytes(6) + b"\x88\xb5" + bytes(46))
        until(lambda: host.drops() == {"NIC_FILTER": 1})
    side.ping(times=1)
    assert sum(host.drops().values()) == host.time.backends[0].counted.rx_frames == 3


def test_a_large_ping_is_put_together_and_answered_in_fragments(both):
    side, host = both
    side.ping(size=20000, times=2)
    counted = host.counters()
    assert (counted["Ip.ReasmOKs"], counted["Ip.ReasmReqds"]) == (2, 28)


def test_a_call_sleeps_until_a_datagram_comes(both):
    side, host = both
    with host.socket() as s, side.udp() as client:
        s.bind(("", 5000))
        threading.Timer(0.1, client.sendto, (b"hello", (OURS, 5000))).start()
        data, who = s.recvfrom(2048)
        assert data == b"hello" and who[0] == THEIRS
        client.sendto(bytes(9000), (OURS, 5000))
        assert s.recv(10000) == bytes(9000), "seven fragments"


def test_nobody_listens_and_the_sender_hears(both):
    side, _ = both
    with side.udp() as client:
        client.connect((OURS, 99))
        client.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            client.recv(10)


def test_a_connection_to_a_closed_port_is_reset(live):
    with pytest.raises(ConnectionRefusedError), socket.socket() as s:
        s.settimeout(5)
        s.connect((OURS, 80))


def test_time_outs_and_calls_that_do_not_wait(live):
    side, host = live
    with host.socket() as s, side.udp() as client:
        s.bind(("", 5000))
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(10)
        s.settimeout(0.05)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            s.recv(10)
        assert 0.05 <= time.monotonic() - begun < 3
        s.settimeout(5)
        client.sendto(b"x", (OURS, 5000))
        assert s.recv(10) == b"x"


def test_timers_go_off_while_nothing_comes(live):
    """ip_frag_time: a datagram that is never whole."""
    _, host = live
    from rxpath.abi.kernels import Sysctl
    with host.time.lock:
        host.boot.net.sysctl[Sysctl.ipfrag_time_ns] = 200_000_000
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        header = bytes.fromhex("4500001c1234200040110000") + socket.inet_aton(THEIRS) + socket.inet_aton(OURS)
        s.sendto(header + bytes(8), (OURS, 0))
        until(lambda: host.counters().get("Ip.ReasmReqds") == 1)
        until(lambda: host.counters().get("Ip.ReasmTimeout") == 1)


def test_a_call_that_arms_a_timer_wakes_the_thread_that_keeps_them(live):
    """ARP for nobody: asked three times, a second apart, then there is no such host.  Nothing comes in
    meanwhile."""
    _, host = live
    time.sleep(0.2)                                  # the thread is asleep for good
    with host.socket() as s:
        s.sendto(b"x", ("10.9.0.77", 9))
        until(lambda: host.counters().get("Icmp.OutDestUnreachs") == 1, 20)
    assert host.time.backends[0].counted.tx_frames == 3


def test_an_idle_host_sleeps(live):
    side, host = live
    side.ping(times=1)
    time.sleep(0.3)
    host.time._kick.up()                             # somebody has told its thread to look
    before, used = host.time.turns, time.process_time()
    time.sleep(0.5)
    assert host.time.turns == before and time.process_time() - used < 0.2, "s of CPU time"


def test_many_threads_read_one_socket(live):
    """None is lost, none comes twice; each call has its own buffer."""
    side, host = live
    got, lock = [], threading.Lock()
    with host.socket() as s, side.udp() as client:
        s.bind(("", 5000))
        s.settimeout(1.0)

        def read():
            try:
                while True:
                    data = s.recv(100)
                    with lock:
                        got.append(int(data))
            except TimeoutError:
                pass
        readers = [threading.Thread(target=read) for _ in range(8)]
        for r in readers:
            r.start()
        for n in range(2000):
            client.sendto(b"%d" % n, (OURS, 5000))
            if n % 50 == 49:
                until(lambda n=n: len(got) + sum(host.drops().get(k, 0) for k in ("SOCKET_RCVBUFF", "RX_MISSED")) > n)
        for r in readers:
            r.join()
    assert sorted(got) == list(range(2000))


def test_several_queues_with_a_thread_each():
    """Flows are spread by the kernel; readers in threads; every datagram once."""
    with Side() as side, Host(side.tap(queues=2), f"{OURS}/24") as host, contextlib.ExitStack() as at_end:
        sockets = [host.socket() for _ in range(16)]      # so many flows that a hash leaves no queue empty
        for k, s in enumerate(sockets):
            s.bind(("", 6000 + k))
            s.settimeout(1.0)
        got = [[] for _ in sockets]

        def read(k):
            try:
                while True:
                    got[k].append(int(sockets[k].recv(100)))
            except TimeoutError:
                pass
        readers = [threading.Thread(target=read, args=(k,)) for k in range(16)]
        for r in readers:
            r.start()
        side.ping(times=1)                               # else the first datagrams wait for ARP in the sender, and later ones overtake them
        clients = [at_end.enter_context(side.udp()) for _ in range(16)]
        for n in range(120):
            for k, c in enumerate(clients):
                c.sendto(b"%d" % n, (OURS, 6000 + k))
            if n % 5 == 4:
                until(lambda n=n: min(len(g) for g in got) == n + 1)
        side.ping(times=20)
        for r in readers:
            r.join()
        assert all(g == list(range(120)) for g in got), "in order, each once"
        assert min(b.counted.rx_frames for b in host.time.backends) > 0, "both queues had some"
        for s in sockets:
            s.close()


# ---------------------------------------------------------------- descriptors
def test_real_select_poll_and_epoll_wait_on_its_descriptor(live):
    side, host = live
    with host.socket() as s, side.udp() as client:
        s.bind(("", 5000))
        ep, p = select.epoll(), select.poll()
        ep.register(s.fileno(), select.EPOLLIN)
        p.register(s, select.POLLIN)
        assert select.select([s], [], [], 0.02) == ([], [], []) and p.poll(20) == [] and ep.poll(0.02) == []
        for k in range(3):
            client.sendto(b"%d" % k, (OURS, 5000))
        assert select.select([s], [], [], 5)[0] == [s] and p.poll(5000) == [(s.fileno(), select.POLLIN)]
        assert ep.poll(5) == [(s.fileno(), select.EPOLLIN)]
        until(lambda: host.drops().get("CONSUMED") is not None)
        assert [s.recv(10) for _ in range(3)] == [b"0", b"1", b"2"]
        assert p.poll(0) == [] and ep.poll(0) == [], "empty again"
        ep.close()
    assert s.fileno() == -1


def test_a_socket_that_nobody_holds_is_closed(live):
    _, host = live
    s = host.socket()
    s.bind(("", 5000))
    fd = s.fileno()
    s.close()
    with pytest.raises(OSError):
        os.fstat(fd)
    with host.socket() as again:
        again.bind(("", 5000))


# ---------------------------------------------------------------- the end
def test_a_call_that_waits_ends_when_the_host_does():
    with Side() as side:
        host = Host(side.tap(), f"{OURS}/24")
        s = host.socket()
        said = []

        def wait():
            try:
                s.recv(10)
            except OSError as error:
                said.append(error)
        t = threading.Thread(target=wait)
        t.start()
        time.sleep(0.1)
        host.close()
        t.join(5)
        assert len(said) == 1 and "closed" in str(said[0])


def test_a_device_that_goes_down_and_up_again(live):
    side, host = live
    side.ping(times=1)
    configure("tap0", up=False)
    time.sleep(0.2)
    configure("tap0", f"{THEIRS}/24")
    side.ping(times=1)
    assert host.time.gone == []
