"""Receive memory to the byte: the tables that were measured on 6.18, and a state machine against an oracle that knows only the rules."""
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxpath.abi.kernels import Sysctl
from rxpath.abi.mib import Mib
from rxpath.abi.reasons import Drop
from rxpath.user import datagram, sock
from rxpath.user import socket as sockets

from ..pool import free_skbs
from .desk import Desk

TRUESIZE = {64: 832, 1472: 2304}
FULL = [                                            # rcvbuf, payload, how many fit into an empty one, {read k: so many more fit}
    (212992, 64, 256, {0: 0, 63: 0, 64: 64, 127: 64, 128: 128, 192: 192, 255: 192, 256: 256}),
    (212992, 1472, 92, {22: 0, 23: 0, 24: 24, 47: 24, 69: 48, 90: 72, 91: 72, 92: 92}),
    (16384, 64, 19, {4: 0, 5: 5, 8: 5, 10: 10, 14: 10, 17: 15, 18: 15, 19: 19}),
    (16384, 1472, 7, {1: 0, 2: 2, 3: 2, 4: 4, 5: 4, 6: 6, 7: 7}),
    (4608, 64, 5, {1: 0, 2: 2, 3: 2, 4: 4, 5: 5}),
    (4608, 1472, 2, {1: 1, 2: 2}),
]


@pytest.mark.parametrize("rcvbuf,payload,full,rows", FULL)
def test_a_full_socket_takes_more_only_when_a_quarter_has_been_read(desk, rcvbuf, payload, full, rows):
    for k, more in rows.items():
        host = desk()
        sk = host.socket(rcvbuf)
        t = host.thread(sk)
        assert host.fits(sk, TRUESIZE[payload]) == full
        for _ in range(k):
            host.read(t)
        assert host.fits(sk, TRUESIZE[payload]) == more, k


def test_a_buffer_of_four_megabytes(desk):
    for k, more in {1260: 0, 1261: 1261, 2521: 1261, 3780: 2522, 5040: 3783, 5041: 5041}.items():
        host = desk()
        sk = host.socket(4194304)
        t = host.thread(sk)
        assert host.fits(sk, 832) == 5041
        for _ in range(k):
            host.read(t)
        assert host.fits(sk, 832) == more, k


def test_an_empty_socket_accepts_anything(desk):
    host = desk()
    sk = host.socket(2304)
    t = host.thread(sk)
    assert host.put(sk, 4928) and not host.put(sk, 832)
    host.read(t)
    assert host.put(sk, 832)
    assert host.mib(Mib.Udp_RcvbufErrors) == host.mib(Mib.Udp_InErrors) == 1 == host.net.socks[sk].drops


def test_an_emptied_socket_keeps_one_page(desk):
    host = desk()
    sk = host.socket()
    t = host.thread(sk)
    for _ in range(10):
        host.put(sk)
    for _ in range(10):
        host.read(t)
    assert sock.meminfo(host.boot, sk).rmem_alloc == 0 and sock.meminfo(host.boot, sk).fwd_alloc == 4096 and host.net.udp_memory == 1


def test_what_was_read_counts_in_meminfo_and_not_in_rx_queue(desk):
    host = desk()
    sk = host.socket()
    t = host.thread(sk)
    for _ in range(10):
        host.put(sk)
    host.read(t)
    assert sock.meminfo(host.boot, sk).rmem_alloc == 8320 and sock.rx_queue(host.boot, sk) == 7488


def test_lowering_the_buffer_while_it_is_full(desk):
    """Nothing fits; reads release every 2048 bytes: three datagrams of 832."""
    host = desk()
    sk = host.socket(212992)
    t = host.thread(sk)
    host.fits(sk, 832)
    sock.setsockopt(host.boot, sk, "SO_RCVBUF", 4096)
    seen = [host.net.socks[sk].rmem_alloc]
    for _ in range(9):
        host.read(t)
        seen.append(host.net.socks[sk].rmem_alloc)
    assert [a - b for a, b in pairwise(seen)] == [0, 0, 2496] * 3 and not host.put(sk)


def test_raising_the_buffer_applies_at_once(desk):
    host = desk()
    sk = host.socket(8192)
    assert host.fits(sk, 832) == 9
    sock.setsockopt(host.boot, sk, "SO_RCVBUF", 106496)
    assert host.fits(sk, 832) == 247


@pytest.mark.parametrize("name,value,rcvbuf", [("SO_RCVBUF", -1, 8388608), ("SO_RCVBUF", 0, 2304), ("SO_RCVBUF", 1152, 2304),
                                               ("SO_RCVBUF", 1153, 2306), ("SO_RCVBUF", 106496, 212992), ("SO_RCVBUF", 10 ** 9, 8388608),
                                               ("SO_RCVBUFFORCE", -1, 2304), ("SO_RCVBUFFORCE", 2 ** 31 - 1, 2147483646),
                                               ("SO_RCVBUFFORCE", 10 ** 9, 2 * 10 ** 9)])
def test_how_the_buffer_is_set(name, value, rcvbuf):
    host = Desk(True)
    sk = host.socket()
    sock.setsockopt(host.boot, sk, name, value)
    assert sock.getsockopt(host.boot, sk, "SO_RCVBUF") == rcvbuf and host.net.socks[sk].forward_threshold == rcvbuf // 4


def test_two_sockets_are_independent(desk):
    host = desk()
    a, b = host.socket(port=1), host.socket(port=2)
    assert host.fits(a, 832) == host.fits(b, 832) == 256


@pytest.mark.parametrize("where,fit", [("above", 4), ("between", 9), ("below", 256)])
def test_udp_mem_is_asked_when_a_page_is_needed(desk, where, fit):
    """Measured from a socket that holds one page: 4 fit above udp_mem[2], 9 between [0] and [2]; only the socket's drops move."""
    host = desk()
    sk = host.socket()
    t = host.thread(sk)
    host.put(sk)
    host.read(t)
    s = host.net.sysctl
    s[Sysctl.udp_mem_0], s[Sysctl.udp_mem_1], s[Sysctl.udp_mem_2] = {
        "above": (1, 1, 1), "between": (1, 1, 1000), "below": (1000, 1000, 1000)}[where]
    assert host.fits(sk, 832) == fit
    if where != "below":
        assert host.net.socks[sk].drops == 1 and host.mib(Mib.Udp_InErrors) == 0 == host.mib(Mib.Udp_MemErrors)
        assert host.net.drop_stat[0][Drop.PROTO_MEM] == 1


def test_closing_gives_everything_back_and_frees_what_was_queued(desk):
    host = desk()
    free = len(free_skbs(host.net))
    sk = host.socket()
    t = host.thread(sk)
    for _ in range(20):
        host.put(sk)
    host.read(t)
    sockets.close(host.boot, sk)
    assert host.net.udp_memory == 0 and len(free_skbs(host.net)) == free
    assert host.net.drop_stat[0][Drop.NOT_SPECIFIED] == 19              # kfree_skb @ udp_destruct_common, seen on 6.18
    with pytest.raises(OSError, match="EBADF"):
        sockets.close(host.boot, sk)
    assert host.socket() == sk and host.net.socks[sk].gen == 1


# ---------------------------------------------------------------- the rules, once more, as an oracle
class Oracle:
    """kernel-6.18-rules: the reader takes the whole queue over; memory goes back in lumps."""

    def __init__(self, rcvbuf: int) -> None:
        self.rmem = self.fwd = self.deficit = self.drops = 0
        self.rcvbuf, self.thr = rcvbuf, rcvbuf // 4
        self.receive: list[int] = []
        self.reader: list[int] = []

    def enqueue(self, t: int) -> bool:
        if self.rmem + t > self.rcvbuf and self.rmem > 0:
            self.drops += 1
            return False
        if t > self.fwd:
            self.fwd += -(-(t - self.fwd) // 4096) * 4096
        self.fwd -= t
        self.rmem += t
        self.receive.append(t)
        return True

    def look(self) -> bool:
        if not self.reader:
            self.reader, self.receive = self.receive, []
        return bool(self.reader)

    def read(self) -> bool:
        if not self.look():
            return False
        self.deficit += self.reader.pop(0)
        if self.deficit < self.thr and self.reader:
            return True
        s, self.deficit = self.deficit, 0
        amount = (s + self.fwd - 1) // 4096 * 4096
        self.fwd += s - amount
        self.rmem -= s
        self.reader += self.receive
        self.receive = []
        return True


STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from([832, 1280, 2304, 4240, 4928]), st.integers(1, 40)),
    st.tuples(st.just("read"), st.just(0), st.integers(1, 40)),
    st.tuples(st.just("peek"), st.just(0), st.just(1)),
    st.tuples(st.just("fionread"), st.just(0), st.just(1)),
    st.tuples(st.just("rcvbuf"), st.sampled_from([0, 1153, 4096, 8192, 20000, 106496]), st.just(1)))


@pytest.mark.parametrize("plain", [False, True])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rcvbuf=st.sampled_from([2304, 4608, 8192, 16384, 65536, 212992]), steps=st.lists(STEP, max_size=30))
def test_memory_follows_the_rules_whatever_is_done(plain, rcvbuf, steps):
    host = HOSTS.setdefault(plain, Desk(plain))
    sk = sockets.create(host.boot)
    host.net.socks[sk].rcvbuf, host.net.socks[sk].forward_threshold = rcvbuf, rcvbuf // 4
    sockets.bind(host.boot, sk, 0, 0)
    if plain not in READERS:
        READERS[plain] = host.thread(sk)
    t, oracle = READERS[plain], Oracle(rcvbuf)
    host.net.thread[t].sock = sk
    try:
        for what, arg, times in steps:
            for _ in range(times):
                if what == "put":
                    assert host.put(sk, arg) == oracle.enqueue(arg)
                elif what == "rcvbuf":
                    sock.setsockopt(host.boot, sk, "SO_RCVBUF", arg)
                    oracle.rcvbuf = max(2 * arg, 2304)
                    oracle.thr = oracle.rcvbuf // 4
                elif what == "fionread":
                    assert datagram.fionread(host.boot, sk) == (64 if oracle.look() else 0)
                elif what == "peek":
                    assert did(host, t, 2) == oracle.look()
                else:
                    assert did(host, t, 0) == oracle.read()
                s = host.net.socks[sk]
                assert (s.rmem_alloc, s.forward_alloc, s.deficit, s.drops) == (oracle.rmem, oracle.fwd, oracle.deficit, oracle.drops)
                assert s.qlen == len(oracle.receive) + len(oracle.reader)
                assert host.net.udp_memory == (s.rmem_alloc + s.forward_alloc) // 4096
    finally:
        sockets.close(host.boot, sk)


HOSTS: dict[bool, Desk] = {}
READERS: dict[bool, int] = {}


def did(host: Desk, t: int, flags: int) -> bool:
    try:
        return host.read(t, flags) == 64
    except BlockingIOError:
        return False


# ---------------------------------------------------------------- 3.10
def test_310_admits_one_more_than_fits_and_gives_back_at_each_read(desk):
    """sock_queue_rcv_skb(): refused when the queue already holds rcvbuf."""
    host = desk(kernel="3.10")
    sk = host.socket(8320)
    t = host.thread(sk)
    assert host.fits(sk, 832) == 10                 # at 10 the queue holds rcvbuf exactly
    host.read(t)
    assert host.net.socks[sk].rmem_alloc == 9 * 832 and host.fits(sk, 832) == 1
    sock.setsockopt(host.boot, sk, "SO_RCVBUF", 8320 // 2 - 1)
    host.read(t)
    host.read(t)
    assert host.fits(sk, 832) == 2                  # 8 x 832 < 8318: one more, and one that goes over
    assert host.mib(Mib.Udp_InErrors) == 3 and host.mib(Mib.Udp_RcvbufErrors) == 2      # over rcvbuf: before the lock, an error alone


def test_310_a_socket_that_a_call_owns_gets_datagrams_on_its_backlog(desk):
    host = desk(kernel="3.10")
    sk = host.socket(8320)
    t, other = host.thread(sk), host.thread(sk)
    call, net = host.boot.call, host.net
    for _ in range(2):
        host.put(sk)
    assert call(sock.own_sock)(net, 0, sk, t)
    assert not call(sock.own_sock)(net, 0, sk, other)                  # it sleeps until the owner is done
    for _ in range(20):
        host.put(sk)
    s = net.socks[sk]
    assert (s.in_packets, s.backlog_qlen, s.backlog_len) == (2, 9, 9 * 832)         # queue and backlog together: one over rcvbuf
    assert host.mib(Mib.Udp_InErrors) == 11 and host.mib(Mib.Udp_RcvbufErrors) == 0 and host.woken() == []
    assert call(sock.disown_sock)(net, 0, sk) == 0
    assert host.woken() == [1] and (s.owned, s.backlog_qlen, s.backlog_len) == (-1, 0, 0)
    assert s.in_packets == 10 and host.mib(Mib.Udp_RcvbufErrors) == 1   # the eleventh finds rcvbuf reached
    assert call(sock.own_sock)(net, 0, sk, other)
