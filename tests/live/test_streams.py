"""The receiving side of TCP on a live host: real connections of the kernel's."""
import select
import socket
import threading
import time

import pytest

from rxpath.live import Host

from .namespaces import OURS, THEIRS, Side, needs_root, until

pytestmark = needs_root


@pytest.fixture
def listening():
    with Side() as side, Host(side.tap(), f"{OURS}/24") as host, host.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("", 8000))
        listener.listen()
        yield host, listener


def test_a_connection_is_accepted_and_read_to_its_end(listening):
    _, listener = listening
    data = bytes(range(256)) * 1000
    with socket.socket() as client:
        client.settimeout(20)
        client.connect((OURS, 8000))
        connection, (who, port) = listener.accept()
        assert (who, port) == (THEIRS, client.getsockname()[1]) == connection.getpeername()
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        connection.settimeout(20)
        got = b""
        while part := connection.recv(65536):
            got += part
        sender.join()
        assert got == data
        connection.close()


def test_accept_sleeps_until_somebody_connects(listening):
    _, listener = listening
    came = []
    thread = threading.Thread(target=lambda: came.append(listener.accept()[1][0]), daemon=True)
    thread.start()
    time.sleep(0.1)                                  # it sleeps
    with socket.socket() as client:
        client.settimeout(20)
        client.connect((OURS, 8000))
        thread.join(5)
    assert came == [THEIRS]


def test_a_listener_and_a_connection_are_readable_by_select(listening):
    _, listener = listening
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert select.select([listener], [], [], 0.02)[0] == []
    with socket.socket() as client:
        client.settimeout(20)
        client.connect((OURS, 8000))
        assert select.select([listener], [], [], 20)[0] == [listener]
        connection, _ = listener.accept()
        assert select.select([listener, connection], [], [], 0.02)[0] == []
        client.sendall(b"line\n")
        assert select.select([connection], [], [], 20)[0] == [connection]
        assert connection.makefile("rb").readline() == b"line\n"
        assert select.select([connection], [], [], 0.02)[0] == []
    assert select.select([connection], [], [], 20)[0] == [connection], "its end"
    assert connection.recv(10) == b""
    connection.close()


def test_a_flood_is_shed_with_counts_and_all_is_well_afterwards():
    """More than anybody reads: what came is read, unread, or lost with a reason; then ping is answered as before."""
    with Side() as side, Host(side.tap(), f"{OURS}/24") as host, host.socket() as s, side.udp() as client:
        s.bind(("", 5000))
        for n in range(20000):
            client.sendto(b"%d" % n, (OURS, 5000))

        def all_there():
            frames = host.time.backends[0].statistics()
            return frames.rx_frames + frames.lost["tx_dropped"] >= 20001     # ARP's among them
        until(all_there, 30)
        side.ping(times=3)
        drops, frames = host.drops(), host.time.backends[0].statistics()
        s.setblocking(False)
        read = 0
        with pytest.raises(BlockingIOError):
            while True:
                s.recv(100)
                read += 1
        assert drops["SOCKET_RCVBUFF"] > 0 and read + host.drops()["SOCKET_RCVBUFF"] + frames.lost["tx_dropped"] == 20000
        until(lambda: host.counters()["Udp.InDatagrams"] == read)
        assert host.time.refused == 0
