"""Who takes frames: a call that waits does it itself, and nobody else is woken; otherwise the back end's thread."""
import contextlib
import ipaddress
import signal
import socket
import threading
import time

import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.backends.pair import pair
from rxpath.live import Host, mac_of

from ..frames import eth, ip, udp
from .namespaces import OURS, THEIRS, Side, checksum, needs_root, until

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
        thread.join(5)                               # before close(), which gives the host a turn
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


def test_who_is_interrupted_before_it_takes_its_frames_leaves_them_to_the_thread(host):
    """Ctrl-C between the wake-up and the frames: the kernel wakes nobody else for them."""
    compiled = host.time._compiled
    sleep = compiled.sleep

    def interrupted(until):
        sleep(until)
        raise KeyboardInterrupt
    with host.socket() as s, host.side.udp() as client:
        s.bind(("", 5000))
        host.side.ping(times=1)                      # their ARP is over
        compiled.sleep = interrupted
        threading.Timer(0.1, client.sendto, (b"x", (OURS, 5000))).start()
        with pytest.raises(KeyboardInterrupt):
            s.recv(100)
        until(lambda: host.counters()["Ip.InDelivers"] == 2)
        compiled.sleep = sleep
        assert s.recv(100) == b"x"


def test_timers_that_a_call_has_armed_go_off_when_it_is_over(host):
    """The thread that sees to the timers sleeps for good, and the call that takes a fragment has all that it waits for."""
    with host.time.lock:
        host.boot.net.sysctl[Sysctl.ipfrag_time_ns] = 300_000_000
    host.side.ping(times=1)
    got, s = [], host.socket()
    s.bind(("", 5000))
    thread = threading.Thread(target=lambda: got.append(s.recv(100)))
    thread.start()
    time.sleep(0.1)                                  # it sleeps; after it there is no further call
    mac = mac_of(ipaddress.IPv4Interface(f"{OURS}/24")).to_bytes(6)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("tap0", 3))
        part = bytearray(ip(udp(bytes(64), 1, 2, THEIRS, OURS), THEIRS, OURS))
        part[6:8] = b"\x20\x00"                     # more fragments, which do not come
        part[10:12] = bytes(2)
        part[10:12] = checksum(bytes(part[:20])).to_bytes(2, "big")
        sender.send(eth(bytes(part), mac))
        sender.send(eth(ip(udp(b"x", 40000, 5000, THEIRS, OURS), THEIRS, OURS), mac))
        thread.join(5)
        assert got == [b"x"] and host.counters()["Ip.ReasmReqds"] == 1
        until(lambda: host.counters().get("Ip.ReasmTimeout") == 1)
    s.close()


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


def test_closing_the_host_waits_for_a_call_that_is_slow_to_leave(host):
    class Slow:
        def __init__(self, calls):
            self.calls = calls

        def poll(self, seconds):
            found = self.calls.poll(seconds)
            time.sleep(0.5)
            return found

        def close(self):
            self.calls.close()

    def read():
        with contextlib.suppress(OSError):
            s.recv(100)
    s = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    host.time._calls = Slow(host.time._calls)
    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    time.sleep(0.1)
    closing = threading.Thread(target=host.close, daemon=True)
    closing.start()
    closing.join(10)
    assert not closing.is_alive(), "it is told when the call has left"
    reading.join(5)
    assert not reading.is_alive()


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
