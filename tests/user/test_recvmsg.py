"""What recvfrom() gives: peeking, truncation, damaged datagrams, lengths.  6.18, measured."""
import pytest

from rxpath.abi.mib import Mib
from rxpath.abi.numbers import MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC
from rxpath.path import Stage
from rxpath.user import datagram, sock
from rxpath.user import socket as sockets

from ..frames import PEER, US, eth, ip, ip4, udp, udp_frame


def reader(host, sk, size=65536, flags=0):
    """A thread of a Lab that the engine does not run."""
    from rxpath import boot
    from rxpath.abi.limits import NCPU
    t = NCPU + 500 + len(host.users)
    m, addr = boot.buffer(size)
    host.users.append(m)
    th = host.net.thread[t]
    th.sock, th.buf_addr, th.buf_len, th.flags, th.wait = sk, addr, size, flags, t
    host.net.wait[t].sk = -1
    return t, m


def test_peek_with_an_offset_reads_on_over_datagrams(desk):
    """a 100, empty, b 50: 30, 30, 40, the empty one once, 50, nothing."""
    host = desk()
    sk = host.socket()
    sock.setsockopt(host.boot, sk, "SO_PEEK_OFF", 0)
    for n in (100, 0, 50):
        host.put(sk, 832, n)
    small, large = host.thread(sk, 30), host.thread(sk, 100)
    assert [host.read(t, MSG_PEEK) for t in (small, small, large, large, large)] == [30, 30, 40, 0, 50]
    with pytest.raises(BlockingIOError):
        host.read(large, MSG_PEEK)


def test_a_read_lowers_the_peek_offset(desk):
    host = desk()
    sk = host.socket()
    sock.setsockopt(host.boot, sk, "SO_PEEK_OFF", 0)
    host.put(sk, 832, 100)
    host.put(sk, 832, 50)
    t, ten = host.thread(sk, 70), host.thread(sk, 10)
    assert host.read(t, MSG_PEEK) == 70 and sock.getsockopt(host.boot, sk, "SO_PEEK_OFF") == 70
    assert host.read(host.thread(sk, 200)) == 100 and sock.getsockopt(host.boot, sk, "SO_PEEK_OFF") == 0
    assert host.read(ten, MSG_PEEK) == 10


def test_a_peek_from_an_offset_says_truncated_unless_it_is_the_whole_or_there_was_room_for_more(desk):
    """20 of 50 bytes are behind: 30 asked for are all that is left, and yet not the whole datagram.  Measured."""
    host = desk()
    sk = host.socket()
    host.put(sk, 832, 50)
    flags = {}
    for off, size in ((20, 29), (20, 30), (20, 31), (0, 50), (0, 49)):
        sock.setsockopt(host.boot, sk, "SO_PEEK_OFF", off)
        t = host.thread(sk, size)
        host.read(t, MSG_PEEK)
        flags[off, size] = bool(host.net.thread[t].msg_flags & MSG_TRUNC)
    assert flags == {(20, 29): True, (20, 30): True, (20, 31): False, (0, 50): False, (0, 49): True}


def test_a_negative_peek_offset_is_none_and_is_read_back(desk):
    host = desk()
    sk = host.socket()
    sock.setsockopt(host.boot, sk, "SO_PEEK_OFF", -7)
    host.put(sk, 832, 5)
    t = host.thread(sk)
    assert [host.read(t, MSG_PEEK), host.read(t, MSG_PEEK)] == [5, 5] and sock.getsockopt(host.boot, sk, "SO_PEEK_OFF") == -7


def test_without_an_offset_peek_sees_the_first_again_and_again(desk):
    host = desk()
    sk = host.socket()
    for n in (0, 7):
        host.put(sk, 832, n)
    t = host.thread(sk)
    assert [host.read(t, MSG_PEEK), host.read(t, MSG_PEEK), host.read(t), host.read(t, MSG_PEEK)] == [0, 0, 0, 7]


def test_truncation(desk):
    host = desk()
    sk = host.socket()
    for _ in range(3):
        host.put(sk, 832, 100)
    t = host.thread(sk, 10)
    assert host.read(t) == 10 and host.net.thread[t].msg_flags == MSG_TRUNC
    assert host.read(t, MSG_TRUNC) == 100
    big = host.thread(sk, 100)
    assert host.read(big) == 100 and host.net.thread[big].msg_flags == 0
    assert host.mib(Mib.Udp_InDatagrams) == 3


def test_fionread_is_the_next_datagram(desk):
    host = desk()
    sk = host.socket()
    assert datagram.fionread(host.boot, sk) == 0
    host.put(sk, 832, 33)
    host.put(sk, 832, 44)
    assert datagram.fionread(host.boot, sk) == 33 and host.net.socks[sk].receive_queue.head == -1            # the reader's queue has it now


def damaged(n, **fields):
    f = udp_frame(b"x" * n, **fields)
    return f[:-1] + bytes([f[-1] ^ 1])


@pytest.mark.parametrize("n", [1, 67, 68])
def test_a_short_damaged_datagram_is_dropped_at_arrival(lab, n):
    host = lab()
    host.net.nic[0].rx_csum = 0
    sk = host.udp(5000)
    host.send(*[damaged(n) for _ in range(5)]).run()
    assert host.ends() == {"UDP_CSUM": 5}
    assert host.mib()["Udp.InErrors"] == host.mib()["Udp.InCsumErrors"] == 5 and host.net.socks[sk].drops == 0


@pytest.mark.parametrize("n", [69, 70, 500, 1472])
def test_a_longer_one_is_queued_and_found_by_the_reader(lab, n):
    """Charged and counted only when somebody reads; one call goes through all of them."""
    host = lab()
    host.net.nic[0].rx_csum = 0
    sk = host.udp(5000)
    host.send(*[damaged(n) for _ in range(5)]).run()
    assert host.ends() == {} and "Udp.InErrors" not in host.mib() and sock.meminfo(host.boot, sk).rmem_alloc == 5 * 2304
    t, _ = reader(host, sk, flags=MSG_DONTWAIT)
    with pytest.raises(BlockingIOError):
        sockets.recv(host.boot, t)
    assert host.ends() == {"UDP_CSUM": 5} and sock.meminfo(host.boot, sk).rmem_alloc == 0
    assert host.mib()["Udp.InErrors"] == host.mib()["Udp.InCsumErrors"] == 5 and "Udp.InDatagrams" not in host.mib()


def test_the_reader_goes_on_to_the_next_good_one(lab):
    host = lab()
    host.net.nic[0].rx_csum = 0
    sk = host.udp(5000)
    host.send(damaged(200), udp_frame(b"y" * 200), damaged(200)).run()
    t, m = reader(host, sk)
    assert sockets.recv(host.boot, t) == 200 and bytes(m[:200]) == b"y" * 200
    assert host.ends() == {"UDP_CSUM": 1, "RECEIVED": 1}


@pytest.mark.parametrize("kernel", ["6.18", "3.10"])
def test_a_damaged_one_that_fits_lies_in_the_buffer(lab, kernel):
    """Verified while it is copied; where it does not fit, it is verified before."""
    host = lab(kernel=kernel)
    host.net.nic[0].rx_csum = 0
    sk = host.udp(5000)
    host.send(damaged(200), udp_frame(b"y" * 100), damaged(300), udp_frame(b"z" * 90)).run()
    t, m = reader(host, sk, size=250)
    assert sockets.recv(host.boot, t) == 100 and bytes(m[:199]) == b"y" * 100 + b"x" * 99
    assert sockets.recv(host.boot, t) == 90 and bytes(m[:199]) == b"z" * 90 + b"y" * 10 + b"x" * 99


def test_fionread_and_peek_throw_damaged_ones_away(lab):
    host = lab()
    host.net.nic[0].rx_csum = 0
    sk = host.udp(5000)
    host.send(damaged(200), udp_frame(b"y" * 150), damaged(200), udp_frame(b"z" * 99)).run()
    assert datagram.fionread(host.boot, sk) == 150 and host.ends() == {"UDP_CSUM": 1}
    sock.setsockopt(host.boot, sk, "SO_PEEK_OFF", 150)
    t, m = reader(host, sk, flags=MSG_PEEK)
    assert sockets.recv(host.boot, t) == 99 and bytes(m[:99]) == b"z" * 99
    assert host.ends() == {"UDP_CSUM": 2} and host.net.socks[sk].qlen == 2 and host.net.socks[sk].drops == 2


def test_what_the_nic_has_verified_is_not_summed(lab):
    host = lab()
    sk = host.udp(5000)
    app = host.app(sk)
    host.send(udp_frame(b"x" * 500)).run()
    summed = Stage["__skb_checksum_complete"]
    assert host.received() == 1 and sum(host.net.stage_count[c][summed] for c in range(2)) == 0
    assert host.data(app, 3) == b"xxx"


def test_310_verifies_at_the_read_and_then_a_call_that_must_not_wait_returns(lab):
    host = lab(kernel="3.10")
    host.net.nic[0].rx_csum = 0
    sk = host.udp(5000)
    host.send(damaged(20), udp_frame(b"good")).run()
    assert host.ends() == {}
    t, _ = reader(host, sk, flags=MSG_DONTWAIT)
    with pytest.raises(BlockingIOError):
        sockets.recv(host.boot, t)
    assert host.ends() == {"UDP_CSUM": 1} and sockets.recv(host.boot, t) == 4


def test_where_a_datagram_came_from(lab):
    host = lab()
    sk = host.udp(5000)
    host.send(eth(ip(udp(b"hi", 1234, 5000)))).run()
    t, _ = reader(host, sk)
    th = host.net.thread[t]
    th.msg_name = 1
    assert sockets.recv(host.boot, t) == 2
    assert (th.from_addr_lo, th.from_port, th.to_addr, th.to_ifindex, th.rxq_ovfl) == (ip4(PEER), 1234, ip4(US), 1, 0)


def test_the_way_of_an_open_datagram_is_the_kernels(lab):
    """Functions that both have, in the order of igb 6.12's trace."""
    host = lab().listen()
    host.app(host.udp(5000))
    host.net.trail = 1
    host.send(udp_frame()).run()
    way = [s for s in host.stations(0) if s in KERNELS_WAY]
    assert way == KERNELS_WAY


KERNELS_WAY = ["udp_rcv", "__udp4_lib_rcv", "__udp4_lib_lookup", "udp4_lib_lookup2", "udp4_lib_lookup2", "udp_unicast_rcv_skb",
               "udp_queue_rcv_skb", "udp_queue_rcv_one_skb", "__udp_enqueue_schedule_skb", "sock_def_readable",
               "sys_recvfrom", "inet_recvmsg", "udp_recvmsg", "__skb_recv_udp"]
