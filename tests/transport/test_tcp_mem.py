"""net.ipv4.tcp_mem: what all connections may hold together.  The sysctl is the whole machine's, so that no test changes a kernel's: the
rules are those of __sk_mem_raise_allocated() (net/core/sock.c)."""
import select

import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.user import socket as sockets
from rxpath.user.poll import poll_now

from .stream import Stream

SEGMENT = 1000                  # bytes of data; its skb weighs 2304 on igb


def limits(host, low, pressure, high):
    for i, pages in enumerate((low, pressure, high)):
        host.net.sysctl[Sysctl.tcp_mem_0 + i] = pages


def polled(s):
    return s.boot.call(poll_now)(s.net, 0, s.sk)


def fill(s, n, first=0):
    """n segments that nobody reads."""
    for k in range(first, first + n):
        s.send(SEGMENT * k, SEGMENT)


def test_between_the_first_limit_and_the_second_nothing_happens(lab):
    s = Stream(lab())
    limits(s, 2, 1000, 2000)
    s.mark()
    fill(s, 20)
    assert s.net.tcp_memory > 2 and s.net.tcp_memory_pressure == 0
    assert not {"TCPMemoryPressures", "PruneCalled", "TCPRcvQDrop"} & s.moved().keys() and s.drops() == {}


def test_above_the_second_limit_windows_open_no_further(lab):
    """tcp_grow_window(): to four segments at most, as long as the pressure lasts."""
    s = Stream(lab())
    s.tp().rcv_ssthresh = 20_000                    # on its way to the whole buffer
    fill(s, 4)
    assert s.tp().rcv_ssthresh > 20_000
    limits(s, 1, 2, 2000)
    s.mark()
    fill(s, 2, 4)
    assert s.tp().rcv_ssthresh == 4 * s.tp().advmss == 4 * 1448
    assert s.moved()["TCPMemoryPressures"] == 1 and s.drops() == {}


def test_above_the_second_limit_a_window_that_closes_is_four_segments(lab):
    """__tcp_select_window(), with less than half of the buffer free, and tcp_prune_queue()."""
    s = Stream(lab())
    fill(s, 4)
    limits(s, 1, 2, 2000)
    fill(s, 30, 4)
    assert s.tp().rcv_ssthresh == 4 * s.tp().advmss


def test_above_the_third_limit_a_segment_is_refused(lab):
    s = Stream(lab())
    limits(s, 0, 0, 1)
    s.mark()
    s.send(0, SEGMENT)                              # one page
    assert s.drops() == {} and s.sock().qlen == 1
    said = s.send(SEGMENT, SEGMENT)
    moved = s.moved()
    assert s.drops() == {"PROTO_MEM@tcp_rcv_established": 1} and said[-1].endswith(f"ack {SEGMENT} win 0")
    assert (moved["TCPRcvQDrop"], moved["TCPMemoryPressures"], moved["PruneCalled"]) == (1, 1, 1) and "RcvPruned" not in moved
    assert s.net.socks[s.sk].drops == 1


def test_an_empty_queue_takes_one_all_the_same(lab):
    """sk_forced_mem_schedule(): the connection goes on, with its window shut."""
    s = Stream(lab())
    limits(s, 0, 0, 0)
    s.mark()
    assert s.send(0, SEGMENT)[-1].endswith(f"ack {SEGMENT} win 0")
    assert s.drops() == {} and s.sock().qlen == 1 and s.moved()["PruneCalled"] == 1


def test_behind_a_hole_it_is_refused_as_well(lab):
    s = Stream(lab())
    fill(s, 1)
    limits(s, 0, 0, 1)
    s.mark()
    s.send(3 * SEGMENT, SEGMENT)
    assert s.moved()["TCPOFODrop"] == 1 and sum(s.drops().values()) == 1


@pytest.mark.parametrize("high, admitted", [(2000, True), (60, False)])
def test_under_pressure_who_holds_less_than_an_equal_share_gets_more(lab, high, admitted):
    """Three sockets: a listener and two connections.  Of 60 pages a share is 20."""
    host = lab()
    one = Stream(host)
    two = Stream(host, sport=40001, listener=one.listener)
    assert host.net.tcp_sockets == 3
    fill(one, 40)
    holds = host.net.tcp_memory
    assert 20 < holds < 60
    limits(host, 1, 2, high)
    one.mark()
    fill(one, 2, 40)
    assert (one.drops() == {}) == admitted and host.net.tcp_memory_pressure
    two.send(0, SEGMENT)
    assert two.sock().qlen == 1, "less than a share: whatever the other holds"


def test_pressure_ends_below_the_first_limit_and_its_time_is_counted(lab):
    s = Stream(lab())
    limits(s, 4, 6, 2000)
    fill(s, 20)
    since = int(s.net.tcp_memory_pressure)
    assert since
    s.mark()
    s.host.run(s.host.t + 48_000_000)
    while s.net.tcp_memory_pressure:
        assert s.read(SEGMENT) == SEGMENT
    assert s.net.tcp_memory < 4 and 44 <= s.moved()["TCPMemoryPressuresChrono"] <= 56


def test_a_connection_that_ends_gives_everything_back(lab):
    s = Stream(lab())
    limits(s, 4, 6, 2000)
    fill(s, 20)
    assert s.net.tcp_memory_pressure and s.net.tcp_sockets == 2
    sockets.close(s.boot, s.sk)
    assert s.net.tcp_memory_pressure == 0 == s.net.tcp_memory and s.net.tcp_sockets == 1


def test_under_pressure_so_rcvlowat_waits_for_nothing_more(lab):
    """tcp_rmem_pressure()"""
    s = Stream(lab())
    s.net.tcp[s.sk].rcvlowat = 30_000
    fill(s, 2)
    assert not polled(s) & select.POLLIN
    limits(s, 0, 1, 2000)
    fill(s, 2, 2)
    assert polled(s) & select.POLLIN
