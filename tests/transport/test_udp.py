"""UDP receive, as a dialogue of frames."""
import pytest

from rxpath.user import sock

from ..frames import eth, ip, udp, udp_frame


def test_a_datagram_reaches_its_reader(lab):
    host = lab()
    app = host.app(host.udp(5000))
    host.send(udp_frame(b"hello"))
    host.run()
    assert host.ends() == {"RECEIVED": 1}
    assert host.data(app, 5) == b"hello"
    assert host.mib() == {"Ip.InReceives": 1, "Ip.InDelivers": 1, "Udp.InDatagrams": 1}


@pytest.mark.parametrize("kernel", ["6.18", "3.10"])
@pytest.mark.parametrize("length", [64, 640])
def test_a_datagram_without_a_checksum_is_not_verified(lab, length, kernel):
    """Neither at arrival, where short ones are, nor before the answer for a closed port, nor by the reader."""
    host = lab(kernel=kernel)
    host.app(host.udp(5000))
    host.send(*[eth(ip(udp(b"x" * length, dport=port, check=0))) for port in (5000, 6000)]).run()
    assert host.ends() == {"RECEIVED": 1, "NO_SOCKET": 1} and "Udp.InCsumErrors" not in host.mib()


def test_a_socket_that_nobody_reads_fills_up(lab):
    host = lab()
    host.udp(5000, rcvbuf=4608)
    host.send(*[udp_frame() for _ in range(10)])
    host.run()
    assert host.ends() == {"SOCKET_RCVBUFF": 8}                 # 4608 // 2304 are queued
    assert host.mib()["Udp.RcvbufErrors"] == 8


def test_udp_gro_hands_a_merged_packet_over_whole_and_others_get_segments(lab):
    for gro in (1, 0):
        host = lab(itr_ns=50_000)
        host.net.dev[0].gro = 1
        sk = host.udp(5000)
        sock.setsockopt(host.boot, host.udp(6000), "UDP_GRO", 1)
        sock.setsockopt(host.boot, sk, "UDP_GRO", gro)
        app = host.app(sk)
        host.send(*[udp_frame(bytes([65 + i]) * 64) for i in range(8)], gap=200).run()
        assert host.net.udp_encap_needed == 1 + gro and host.ends() == {"RECEIVED": 8}
        n = host.net.socks[sk].in_packets
        assert (n < 8) if gro else n == 8
        assert host.net.thread[app].received == n


@pytest.mark.parametrize("fill", [0x00, 0xFF])
def test_sums_of_every_length_are_right_and_every_changed_byte_is_found(lab, fill):
    """Words, halves and the last byte; of ones, each addition carries."""
    host = lab()
    host.net.nic[0].rx_csum = 0
    host.app(host.udp(5000, rcvbuf=1 << 20))
    good = [udp_frame(bytes([fill]) * n) for n in range(75)]
    spoilt = bytearray(good[74])
    damaged = [bytes([*spoilt[:k], spoilt[k] ^ 0x10, *spoilt[k + 1:]]) for k in range(42, len(spoilt))]
    host.send(*good, *damaged).run()
    assert host.ends() == {"RECEIVED": len(good), "UDP_CSUM": len(damaged)}
