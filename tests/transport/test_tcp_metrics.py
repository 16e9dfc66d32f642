"""What a connection leaves behind of its peer."""
import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.transport.tcp_metrics import WAYS, tcp_get_metrics

from ..tcp_peer import MS, Peer, accept, close, connection, listener


def comes_and_goes(host, sk, trip=0, **peer):
    """A connection that its peer ends first; trip: ns until it answers our SYN-ACK."""
    p = Peer(host, **peer)
    p.syn()
    p.wait(trip)
    p.ack()
    child = accept(host, sk)
    p.fin()
    close(host, child)
    p.ack(seq=1, ack=1)


@pytest.mark.parametrize("save, goes, src, answered", [
    (1, True, "10.0.0.2", 24), (1, False, "10.0.0.2", 13), (1, True, "10.0.0.3", 13), (0, True, "10.0.0.2", 13)])
def test_a_peer_whose_connection_has_ended_in_order_is_proven(lab, save, goes, src, answered):
    host = lab()
    for sysctl, value in ((Sysctl.tcp_syncookies, 0), (Sysctl.tcp_max_syn_backlog, 16), (Sysctl.tcp_no_metrics_save, not save)):
        host.net.sysctl[sysctl] = value
    sk = listener(host, backlog=128)
    if goes:
        comes_and_goes(host, sk, src=src)
    assert sum(bool(Peer(host, sport=1000 + i).syn()) for i in range(24)) == answered


def test_the_first_time_out_is_by_the_longest_round_trip(lab):
    host = lab()
    sk = listener(host)
    comes_and_goes(host, sk, trip=300 * MS, sport=1000, ts=False)
    peer = Peer(host, ts=False, sack=False)
    peer.syn()
    peer.ack()
    close(host, accept(host, sk))
    peer.replies()
    assert not peer.wait(850 * MS)
    assert len(peer.wait(100 * MS)) == 1


def test_shorter_round_trips_count_by_an_eighth(lab):
    host = lab()
    sk = listener(host)
    comes_and_goes(host, sk, trip=80 * MS, sport=1000, ts=False)
    known = [t.rtt_us for t in host.net.tcp_metrics if t.in_use]
    comes_and_goes(host, sk, sport=1001, ts=False)
    now = [t.rtt_us for t in host.net.tcp_metrics if t.in_use]
    assert len(known) == len(now) == 1
    assert known[0] >= 80_000 << 3
    assert 0.87 < now[0] / known[0] < 0.88


def test_after_an_hour_it_is_forgotten_and_a_full_bucket_loses_its_oldest(lab):
    host = lab()
    net, ours = host.net, 0x0A000001
    row = tcp_get_metrics(net, 0, ours, 0x0A000002, True)
    assert row == tcp_get_metrics(net, 0, ours, 0x0A000002, False)
    first = row - row % WAYS
    for i in range(first, first + WAYS):
        tm = net.tcp_metrics[i]
        tm.in_use, tm.saddr, tm.daddr, tm.stamp, tm.rtt_us = 1, ours, i, 10 + (i != first + 2), 800
    assert tcp_get_metrics(net, 0, ours, 0x0A000002, False) == -1
    assert tcp_get_metrics(net, 0, ours, 0x0A000002, True) == first + 2
    tm = net.tcp_metrics[first + 2]
    tm.rtt_us = 800
    net.cpu[0].now += 3_601_000_000_000
    assert tcp_get_metrics(net, 0, ours, 0x0A000002, False) == first + 2
    assert tm.rtt_us == 0


def test_a_fin_that_went_out_again_leaves_no_round_trip(lab):
    host = lab()
    sk, peer = connection(host, ts=False, sack=False)
    close(host, sk)
    peer.wait(300 * MS)
    peer.fin(ack=1)
    assert [t.rtt_us for t in host.net.tcp_metrics if t.in_use] == []
