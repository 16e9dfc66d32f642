"""An active open: SYN, its answers, its retransmissions; and what keeps an idle connection alive.  The answers are Linux 6.18's."""
import errno

import pytest

from rxpath.abi.numbers import IPPROTO, TCP
from rxpath.transport.tcp_retransmit import inet_csk_reset_keepalive_timer
from rxpath.user import socket as sockets
from rxpath.vtime import waiting

from ..frames import PEER, arp, ip4
from ..tcp_peer import MS, Moved, Peer, connection, now, told


def connecting(lab, **peer):
    """socket(), connect(): the SYN is out."""
    host = lab()
    host.send(arp()).run()                           # the neighbour is known
    sk = sockets.create(host.boot, IPPROTO.TCP)
    sockets.bind(host.boot, sk, 0, 50000)
    other = Peer(host, dport=50000, sport=80, **peer)
    now(host)
    with pytest.raises(BlockingIOError):
        sockets.connect(host.boot, sk, ip4(PEER), 80)
    told(host)
    return host, sk, other


def test_connect_sends_a_syn_and_its_answer_makes_a_connection(lab):
    host, sk, peer = connecting(lab)
    assert peer.replies() == ["S seq -1 win 64240 mss=1460 sackOK ws=10"]
    assert host.mib()["Tcp.ActiveOpens"] == 1
    moved = Moved(host)
    assert peer.syn(flags="SA") == [". seq 0 ack 0 win 64512"]
    assert host.net.socks[sk].state == TCP.ESTABLISHED
    assert moved.counters()["CurrEstab"] == 1
    assert peer.data(100) == [". seq 0 ack 100 win 64512"]


def test_an_unacceptable_ack_is_reset(lab):
    host, sk, peer = connecting(lab)
    peer.replies()
    moved = Moved(host)
    assert peer.ack(ack=5) == ["R seq 5 win 0"]
    assert (moved.counters(), moved.ends()) == ({"OutRsts": 1}, {"TCP_INVALID_ACK_SEQUENCE": 1})
    assert peer.send("P", data=b"x") == []
    assert moved.ends() == {"TCP_FLAGS": 1}
    assert host.net.socks[sk].state == TCP.SYN_SENT


def test_a_reset_that_acknowledges_the_syn_refuses(lab):
    host, sk, peer = connecting(lab)
    peer.replies()
    moved = Moved(host)
    assert peer.send("R") == [] and moved.ends() == {"TCP_RESET": 1}, "one without ACK does not"
    peer.send("RA", ack=0)
    assert moved.counters() == {"AttemptFails": 1}
    assert (host.net.socks[sk].err, host.net.socks[sk].state) == (errno.ECONNREFUSED, TCP.CLOSE)


def test_both_ends_at_once(lab):
    host, sk, peer = connecting(lab)
    peer.replies()
    assert peer.syn() == ["S. seq -1 ack 0 win 64240 mss=1460 sackOK ws=10"]
    moved = Moved(host)
    peer.ack()
    assert moved.counters() == {"CurrEstab": 1, "TCPPureAcks": 1, "TCPDelivered": 1}
    assert host.net.socks[sk].state == TCP.ESTABLISHED


def test_a_syn_goes_out_again_four_times_a_second_apart_then_doubled(lab):
    host, sk, peer = connecting(lab)
    begin, times = host.t, []
    peer.segments()
    for _ in range(75):
        host.run(host.t + 1000 * MS)
        times += [(s.time - begin) / 1e9 for s in peer.segments()]
    assert [round(t) for t in times[:7]] == [1, 2, 3, 4, 5, 7, 11] and len(times) == 10
    assert host.mib()["TcpExt.TCPSynRetrans"] == 10
    host.run(host.t + 120_000 * MS)
    assert (host.net.socks[sk].err, host.mib()["TcpExt.TCPAbortOnTimeout"]) == (errno.ETIMEDOUT, 1)


def test_what_connect_refuses(lab):
    host, sk, peer = connecting(lab)
    for state, expected in ((TCP.SYN_SENT, errno.EALREADY), (TCP.ESTABLISHED, errno.EISCONN)):
        if state == TCP.ESTABLISHED:
            peer.replies()
            peer.syn(flags="SA")
        with pytest.raises(OSError) as e:
            sockets.connect(host.boot, sk, ip4(PEER), 80)
        assert e.value.errno == expected


def test_disconnect_resets(lab):
    host = lab()
    sk, peer = connection(host)
    now(host)
    sockets.disconnect(host.boot, sk)
    told(host)
    assert peer.replies() == ["R. seq 0 ack 0 win 65536"]
    assert host.net.socks[sk].state == TCP.CLOSE


# ---------------------------------------------------------------- keepalive, user timeout
def alive(lab):
    host = lab()
    sk, peer = connection(host)
    tp = host.net.tcp[sk]
    tp.keepopen, tp.keepalive_time_ns, tp.keepalive_intvl_ns, tp.keepalive_probes = 1, 1000 * MS, 1000 * MS, 3
    now(host)
    inet_csk_reset_keepalive_timer(host.net, 0, host.net.socks[sk], 250)
    host.call(waiting.host_wakes)(host.net, 0)
    return host, sk, peer, Moved(host)


def test_keepalive_asks_and_gives_up(lab):
    host, sk, peer, moved = alive(lab)
    assert peer.wait(6000 * MS) == [". seq -1 ack 0 win 65536"] * 3 + ["R. seq 0 ack 0 win 65536"]
    assert moved.counters() == {"TCPKeepAlive": 3, "TCPAbortOnTimeout": 1, "OutRsts": 1, "EstabResets": 1, "CurrEstab": -1}
    assert host.net.socks[sk].err == errno.ETIMEDOUT


def test_an_answer_keeps_it_alive(lab):
    host, sk, peer, _ = alive(lab)
    for _ in range(5):
        assert 1 <= len(peer.wait(2200 * MS)) <= 2
        peer.ack()
    assert host.net.socks[sk].state == TCP.ESTABLISHED
