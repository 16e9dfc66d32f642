"""A call that waits over a ring sleeps and serves in compiled code (walltime/lead.py): what it waits for, and all that may end the wait."""
import ipaddress
import os
import signal
import socket
import subprocess
import threading
import time

import numpy as np
import pytest

from rxpath.backends.packet import Packet
from rxpath.backends.xdp import Xdp
from rxpath.live import Host, mac_of

from .namespaces import OURS, Side, needs_root, tx_checksums_off, until

pytestmark = needs_root
KINDS = {"packet": (Packet, False), "packet plain": (Packet, True), "xdp": (Xdp, False), "xdp plain": (Xdp, True)}


@pytest.fixture(params=KINDS)
def host(request):
    kind, plain = KINDS[request.param]
    with Side() as side:
        side.veth()
        if kind is Xdp:
            tx_checksums_off("va")
        # known: what waits for an answer to ARP may be passed by what is sent after it
        mac = mac_of(ipaddress.IPv4Interface(f"{OURS}/24")).to_bytes(6).hex(":")
        subprocess.run(["ip", "neigh", "replace", OURS, "lladdr", mac, "dev", "va", "nud", "permanent"], check=True)
        with Host(kind("vb"), f"{OURS}/24", plain=plain) as made:
            made.side = side
            yield made


@pytest.fixture
def s(host):
    with host.socket() as made:
        made.bind(("", 5000))
        yield made


@pytest.fixture
def client(host):
    with host.side.udp() as made:
        yield made


def memory(n=64):
    return np.zeros((n, 64), np.uint8), np.zeros((n, 4), np.int64)


def served_by(host):
    """The threads that serve the ring, from now on: a set that grows."""
    names, end = set(), host.time.ends[0]
    lead, serve = host.time._compiled.lead, end.ring.serve

    def noted(f):
        def call(*arguments):
            before = end.ring.words[4]               # RingWord.FRAMES
            got = f(*arguments)
            if end.ring.words[4] != before:
                names.add(threading.current_thread().name)
            return got
        return call
    host.time._compiled.lead, end.ring.serve = noted(lead), noted(serve)
    return names


def in_thread(work, *arguments):
    thread = threading.Thread(target=work, args=arguments, name="reader")
    thread.start()
    time.sleep(0.1)                                  # it sleeps
    return thread


@pytest.mark.parametrize("call", ["recvfrom", "recv_many"])
def test_the_reader_serves_the_ring(host, s, client, call):
    got, (data, rows) = [], memory()

    def read():
        for _ in range(20):
            if call == "recvfrom":
                got.append(s.recvfrom(100)[0])
            else:
                assert s.recv_many(data, rows) == 1
                got.append(bytes(data[0, :rows[0, 0]]))
    names = served_by(host)
    thread = in_thread(read)
    for k in range(20):
        client.sendto(b"%d" % k, (OURS, 5000))
        until(lambda k=k: len(got) == k + 1)
        time.sleep(0.002)
    thread.join(5)
    assert got == [b"%d" % k for k in range(20)] and "reader" in names
    time.sleep(0.1)
    names.clear()
    assert max(host.side.ping(times=3)) < 1 and names == {"rxpath-0"}, "nobody waits: it is the thread's again"


def test_frames_for_others_do_not_end_the_wait(host, s, client):
    """ARP, pings and datagrams of another socket, whose reader is woken."""
    first, second = [], []
    with host.socket() as other:
        other.bind(("", 5001))
        leads, waits = in_thread(lambda: first.append(s.recv(100))), in_thread(lambda: second.append(other.recv(100)))
        host.side.ping(times=3)
        client.sendto(b"yours", (OURS, 5001))
        waits.join(5)
        assert second == [b"yours"] and first == [] and leads.is_alive()
        client.sendto(b"mine", (OURS, 5000))
        leads.join(5)
    assert first == [b"mine"]


def test_a_time_out_and_a_socket_that_does_not_wait(s):
    data, rows = memory()
    s.settimeout(0.05)
    for call in (lambda: s.recv(100), lambda: s.recv_many(data, rows)):
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            call()
        assert 0.05 <= time.monotonic() - begun < 1
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv_many(data, rows, 5)


def test_a_signal_handler_runs_and_may_end_the_wait(host, s, client):
    """Also while frames for somebody else keep the call busy.  (An exception amid a turn of plain Python leaves half of one.)"""
    if host.boot.plain:
        pytest.skip("compiled code only")

    def interrupt(*_):
        raise KeyboardInterrupt
    data, rows, other = *memory(), host.socket()
    other.bind(("", 5001))
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for call in (lambda: s.recv(100), lambda: s.recv_many(data, rows)):
            for busy in (False, True):
                done = threading.Event()

                def others(busy=busy, done=done):
                    while busy and not done.wait(0.0005):
                        client.sendto(b"for others", (OURS, 5001))
                thread = threading.Thread(target=others)
                thread.start()
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                begun = time.monotonic()
                with pytest.raises(KeyboardInterrupt):
                    call()
                done.set()
                thread.join()
                assert time.monotonic() - begun < 2 and len(host.side.ping(times=2)) == 2
        client.sendto(b"after", (OURS, 5000))
        s.settimeout(5)
        assert s.recv(100) == b"after"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        other.close()


def test_others_end_the_wait(host, s):
    """shutdown() by another thread, a datagram over lo, the end of the host."""
    said = []

    def read():
        try:
            said.append(s.recv(100))
        except OSError as error:
            said.append(str(error))
    thread = in_thread(read)
    with host.socket() as other:
        other.sendto(b"lo", ("127.0.0.1", 5000))
    thread.join(5)
    thread = in_thread(read)
    with pytest.raises(OSError, match="not connected"):
        s.shutdown(socket.SHUT_RD)
    thread.join(5)
    assert said == [b"lo", b""]
    with host.socket() as last:
        last.bind(("", 5001))
        data, rows = memory()

        def many():
            try:
                last.recv_many(data, rows)
            except OSError as error:
                said.append(str(error))
        threads = [in_thread(many) for _ in range(3)]
        host.close()
        for thread in threads:
            thread.join(5)
    assert said[2:] == ["the live host is closed"] * 3


def test_a_device_that_goes_down_and_comes_back_and_goes(host, s, client):
    got = []
    thread = in_thread(lambda: got.append(s.recv(100)))
    subprocess.run(["ip", "link", "set", "vb", "down"], check=True)
    time.sleep(0.2)
    subprocess.run(["ip", "link", "set", "vb", "up"], check=True)

    def answered():
        client.sendto(b"again", (OURS, 5000))
        time.sleep(0.05)
        return got
    until(answered)
    thread.join(5)
    assert got[0] == b"again" and not host.time.gone
    s.settimeout(3)
    subprocess.run(["ip", "link", "del", "va"], check=True)
    with pytest.raises(TimeoutError):
        while True:
            s.recv(100)
    until(lambda: host.time.gone)
    assert "gone" in host.time.gone[0]


def test_within_takes_what_comes_in_that_time(host, s, client):
    """It sleeps once; a call that finds its rows full does not."""
    data, rows = memory(8)
    assert s.recv_many(*memory(1), within=0) == 1 if client.sendto(b"0", (OURS, 5000)) else None
    sender = threading.Thread(target=lambda: [(time.sleep(0.02), client.sendto(b"%d" % k, (OURS, 5000))) for k in range(5)])
    sender.start()
    begun = time.monotonic()
    assert s.recv_many(data, rows, within=0.4) == 5
    assert 0.4 <= time.monotonic() - begun < 2
    sender.join()
    assert [bytes(data[k, :rows[k, 0]]) for k in range(5)] == [b"%d" % k for k in range(5)]
    for k in range(9):
        client.sendto(b"%d" % k, (OURS, 5000))
    until(lambda: host.counters().get("Udp.InDatagrams", 0) >= 6 and s.ioctl(0x541B))
    time.sleep(0.1)
    begun = time.monotonic()
    assert s.recv_many(data, rows, within=5) == 8 and time.monotonic() - begun < 2
    with pytest.raises(ValueError, match="within"):
        s.recv_many(data, rows, within=-1)
    with pytest.raises(TypeError):
        s.recv_many(data, rows, within="soon")


def test_within_ends_when_another_call_waits_and_when_the_host_ends(host, s, client):
    data, rows = memory()
    got = []
    client.sendto(b"first", (OURS, 5000))
    naps = in_thread(lambda: got.append(s.recv_many(data, rows, within=60)))
    with host.socket() as other:
        other.bind(("", 5001))
        waits = in_thread(lambda: got.append(other.recv(100)))
        client.sendto(b"yours", (OURS, 5001))
        waits.join(5)
        naps.join(5)
    assert sorted(got, key=str) == [1, b"yours"]
    client.sendto(b"second", (OURS, 5000))
    naps = in_thread(lambda: got.append(s.recv_many(data, rows, within=60)))
    host.close()
    naps.join(5)
    assert got[2:] == [1]


@pytest.mark.parametrize("host", ["packet"], indirect=True)
def test_within_in_a_flood_naps_only_when_the_ring_is_empty(host, s, client):
    """More frames have come than one turn may poll (netdev_budget, 300): it goes on with them instead of sleeping."""
    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)                     # SO_RCVBUFFORCE
    s.settimeout(5)
    (data, rows), n, got = memory(), 2500, []

    class Naps:
        """In place of the epoll instance in which a call naps: all come in the first one."""
        taken = 0

        def poll(self, seconds):
            for k in range(0 if self.taken else n):
                client.sendto(b"%d" % k, (OURS, 5000))
            self.taken += 1
            time.sleep(seconds)

        def close(self):
            pass
    host.time._naps.close()
    host.time._naps = naps = Naps()
    client.sendto(b"first", (OURS, 5000))
    while len(got) < n + 1:
        found = s.recv_many(data, rows, within=0.01)
        got += [bytes(data[k, :rows[k, 0]]) for k in range(found)]
    assert got == [b"first", *(b"%d" % k for k in range(n))], "in order, each once"
    assert naps.taken <= 3


def test_many_threads_and_sockets(host):
    """Whoever leads, every datagram comes to its reader, once."""
    readers, each = 6, 300
    got = [[] for _ in range(readers)]
    sockets = [host.socket() for _ in range(readers)]

    def read(k):
        data, rows = memory(16)
        while len(got[k]) < each:
            if k % 2:
                got[k].append(int(sockets[k].recv(100)))
            else:
                n = sockets[k].recv_many(data, rows, within=0.001 * (k % 3))
                got[k] += [int(bytes(data[i, :rows[i, 0]])) for i in range(n)]
    for k, each_socket in enumerate(sockets):
        each_socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        each_socket.bind(("", 5000 + k))
        each_socket.settimeout(10)
    threads = [threading.Thread(target=read, args=(k,)) for k in range(readers)]
    for t in threads:
        t.start()
    clients = [host.side.udp() for _ in range(readers)]
    for n in range(each):
        for k, c in enumerate(clients):
            c.sendto(b"%d" % n, (OURS, 5000 + k))
        if n % 25 == 0:
            time.sleep(0.01)
    for t in threads:
        t.join(20)
    assert got == [list(range(each))] * readers
    for c in (*clients, *sockets):
        c.close()


def test_a_forked_child_has_no_host_and_the_parent_goes_on(host, s, client):
    thread_got = []
    thread = in_thread(lambda: thread_got.append(s.recv(100)))
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    client.sendto(b"parent", (OURS, 5000))
    thread.join(5)
    assert thread_got == [b"parent"]
