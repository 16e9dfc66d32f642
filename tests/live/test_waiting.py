"""Who takes frames: a call that waits does it itself, and nobody else is woken; otherwise the back end's thread."""
import ipaddress
import signal
import socket
import threading
import time

import pytest

from rxpath.backends.pair import pair
from rxpath.live import Host, mac_of

from ..frames import eth, ip, udp
from .namespaces import OURS, THEIRS, Side, needs_root, until

pytestmark = needs_root


@pytest.fixture
def host():
    """Its back end notes which threads take frames: host.pulled."""
    with Side() as side:
        tap = side.tap()
        pulled, pull = set(), tap.pull

        def noted(batch):
            n = pull(batch)
            if n:
                pulled.add(threading.current_thread().name)
            return n
        tap.pull = noted
        with Host(tap, f"{OURS}/24") as made:
            made.side, made.pulled = side, pulled
            yield made


def reader(host, port, got, times=1):
    def read():
        with host.socket() as s:
            s.bind(("", port))
            got.append("bound")
            for _ in range(times):
                got.append(s.recv(100))
    thread = threading.Thread(target=read, name=f"reader-{port}")
    thread.start()
    until(lambda: got)
    time.sleep(0.1)                                  # it sleeps
    return thread


def test_a_call_that_waits_takes_the_frames_itself(host):
    got = []
    thread = reader(host, 5000, got, 20)
    host.pulled.clear()
    host.side.ping(times=5)
    with host.side.udp() as client:
        for k in range(20):
            client.sendto(b"%d" % k, (OURS, 5000))
            until(lambda k=k: len(got) == k + 2)
            time.sleep(0.01)
    thread.join()
    assert got == ["bound", *(b"%d" % k for k in range(20))]
    assert "reader-5000" in host.pulled
    host.pulled.clear()
    host.side.ping(times=2)
    assert host.pulled == {"rxpath-0"}, "nobody waits: it is the thread's again"


def test_it_wakes_others_whose_datagrams_it_has_found(host):
    first, second = [], []
    leads = reader(host, 5000, first)
    waits = reader(host, 5001, second)
    with host.side.udp() as client:
        client.sendto(b"yours", (OURS, 5001))
        waits.join(5)
        assert second == ["bound", b"yours"] and leads.is_alive() and "reader-5000" in host.pulled
        client.sendto(b"mine", (OURS, 5000))
        leads.join(5)
    assert first == ["bound", b"mine"]


def test_a_datagram_over_lo_wakes_who_waits_for_frames(host):
    got = []
    thread = reader(host, 5000, got)
    with host.socket() as s:
        s.sendto(b"lo", ("127.0.0.1", 5000))
    thread.join(5)
    assert got == ["bound", b"lo"]


def test_a_reader_that_is_busy_is_not_waited_for(host):
    """It has just read, and computes: others are answered after a moment."""
    with host.socket() as s, host.side.udp() as client:
        s.bind(("", 5000))
        for k in range(5):
            client.sendto(b"%d" % k, (OURS, 5000))
            assert s.recv(100) == b"%d" % k
            assert max(host.side.ping(times=1)) < 1


def test_an_interrupted_wait_leaves_the_host_served(host):
    def interrupt(*_):
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with host.socket() as s:
            s.bind(("", 5000))
            for _ in range(3):
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                with pytest.raises(KeyboardInterrupt):
                    s.recv(100)
                assert len(host.side.ping(times=2)) == 2
            s.settimeout(0.05)
            with pytest.raises(TimeoutError):
                s.recv(100)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_signal_handler_may_call_sockets_while_a_call_waits(host):
    with host.socket() as s, host.socket() as other:
        s.bind(("", 5000))
        other.bind(("", 5001))
        before = signal.signal(signal.SIGALRM, lambda *_: other.sendto(b"from a handler", ("127.0.0.1", 5000)))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            s.settimeout(5)
            assert s.recv(100) == b"from a handler"
        finally:
            signal.signal(signal.SIGALRM, before)


def test_closing_the_host_ends_a_call_that_waits(host):
    said = []

    def read():
        try:
            s.recv(100)
        except OSError as error:
            said.append(str(error))
    s = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", 5000))
    threads = [threading.Thread(target=read) for _ in range(3)]
    for t in threads:
        t.start()
    time.sleep(0.1)
    host.close()
    for t in threads:
        t.join(5)
    assert said == ["the live host is closed"] * 3


def test_in_a_flood_a_call_is_done_when_it_has_what_it_waits_for():
    """The back end has frames as long as it is asked."""
    ours, theirs = pair()
    mac = mac_of(ipaddress.IPv4Interface(f"{OURS}/24")).to_bytes(6)
    frame = eth(ip(udp(b"x", 40000, 5000, THEIRS, OURS), THEIRS, OURS), mac)
    flood, pull, got = threading.Event(), ours.pull, []

    def endless(batch):
        if not flood.is_set():
            return pull(batch)
        for k in range(batch.most):
            batch.views[k][:len(frame)] = frame
            batch.put(k, len(frame))
        return batch.most
    ours.pull = endless
    with Host(ours, f"{OURS}/24") as host:
        thread = reader(host, 5000, got)
        flood.set()
        theirs.transmit([frame])
        thread.join(10)
        flood.clear()
        assert got == ["bound", b"x"] and not thread.is_alive()
    theirs.close()
