"""recv_many(): datagrams into memory of the program, compiled and plain."""
import array
import ipaddress
import socket
import subprocess
import threading
import time

import numpy as np
import pytest

from rxpath.live import Host, mac_of

from .namespaces import OURS, THEIRS, Side, needs_root, until

pytestmark = needs_root


@pytest.fixture(params=["compiled", "plain"])
def served(request):
    with Side() as side, Host(side.tap(), f"{OURS}/24", plain=request.param == "plain") as host, host.socket() as s, side.udp() as client:
        # known: what waits for an answer to ARP may be passed by what is sent after it
        mac = mac_of(ipaddress.IPv4Interface(f"{OURS}/24")).to_bytes(6).hex(":")
        subprocess.run(["ip", "neigh", "replace", OURS, "lladdr", mac, "dev", "tap0", "nud", "permanent"], check=True)
        s.bind(("", 5000))
        yield host, s, client


def test_into_numpy_arrays(served):
    host, s, client = served
    data, rows = np.zeros((16, 128), np.uint8), np.zeros((16, 4), np.int64)
    for k in range(10):
        client.sendto(b"%d" % k * (k + 1), (OURS, 5000))
    until(lambda: host.counters().get("Ip.InDelivers") == 10)
    assert s.recv_many(data, rows) == 10
    assert [bytes(data[k, :rows[k, 0]]) for k in range(10)] == [b"%d" % k * (k + 1) for k in range(10)]
    assert set(rows[:10, 1]) == {int(ipaddress.ip_address(THEIRS))} and set(rows[:10, 2]) == {client.getsockname()[1]}
    assert list(rows[:10, 3]) == sorted(rows[:10, 3]) and not rows[10:].any() and not data[10:].any()
    assert host.counters()["Udp.InDatagrams"] == 10


def test_into_other_memory_and_what_does_not_fit(served):
    host, s, client = served
    data, rows = bytearray(20), array.array("q", bytes(2 * 32))
    for k in range(3):
        client.sendto(bytes([65 + k]) * 15, (OURS, 5000))
    until(lambda: host.counters().get("Ip.InDelivers") == 3)
    assert s.recv_many(memoryview(data), rows) == 2 and data == b"A" * 10 + b"B" * 10 and rows[0] == rows[4] == 15
    assert s.recv(100) == b"C" * 15, "the call after it has its own buffer again"


def test_it_waits_as_recv_does(served):
    _, s, client = served
    data, rows = np.zeros((4, 64), np.uint8), np.zeros((4, 4), np.int64)
    threading.Timer(0.1, client.sendto, (b"hello", (OURS, 5000))).start()
    assert s.recv_many(data, rows) == 1
    s.settimeout(0.05)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        s.recv_many(data, rows)
    assert time.monotonic() - begun >= 0.05
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv_many(data, rows)


@pytest.mark.parametrize("waits", [False, True])
def test_a_socket_that_is_shut_down_to_read_is_not_waited_for(served, waits):
    """recv() returns nothing then; the rows that are there come first."""
    host, s, client = served
    data, rows = np.zeros((4, 64), np.uint8), np.zeros((4, 4), np.int64)
    said = []
    if waits:
        thread = threading.Thread(target=lambda: said.append(s.recv_many(data, rows)), daemon=True)
        thread.start()
        time.sleep(0.1)
    else:
        client.sendto(b"first", (OURS, 5000))
        until(lambda: host.counters().get("Ip.InDelivers") == 1)
    with pytest.raises(OSError, match="not connected"):
        s.shutdown(socket.SHUT_RD)
    if waits:
        thread.join(5)
        assert said == [0]
    else:
        assert s.recv_many(data, rows) == 1 and bytes(data[0, :5]) == b"first"
    assert s.recv_many(data, rows) == 0 and s.recv(10) == b""
    s.settimeout(0.1)
    with pytest.raises(TimeoutError):                # readable, but there is nothing for who does not wait; so on Linux
        s.recv(10)
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv_many(data, rows)


def test_within_a_time_it_takes_what_comes(served):
    """Of a back end whose frames Python pulls, too."""
    _, s, client = served
    data, rows = np.zeros((4, 64), np.uint8), np.zeros((4, 4), np.int64)
    client.sendto(b"0", (OURS, 5000))
    timers = [threading.Timer(0.05 * k, client.sendto, (b"%d" % k, (OURS, 5000))) for k in (1, 2)]
    for timer in timers:
        timer.start()
    assert s.recv_many(data, rows, within=0.5) == 3
    assert [bytes(data[k, :rows[k, 0]]) for k in range(3)] == [b"0", b"1", b"2"]


def test_what_cannot_be_is_said(served):
    host, s, _ = served
    rows = np.zeros((4, 4), np.int64)
    with pytest.raises(ValueError, match="a room"):
        s.recv_many(np.zeros((3, 64), np.uint8), rows)
    with pytest.raises(ValueError, match="a room"):
        s.recv_many(bytearray(10), bytearray(8))
    with pytest.raises(BufferError):
        s.recv_many(bytes(10), rows)
    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as stream, pytest.raises(OSError, match="not supported"):
        stream.recv_many(np.zeros((4, 64), np.uint8), rows)
