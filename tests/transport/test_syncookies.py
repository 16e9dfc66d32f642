"""SYN cookies: what a cookie says, and for how long it holds."""
import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.abi.tcp import request_sock
from rxpath.abi.tcp_options import tcp_options_received
from rxpath.transport.syncookies import (
    __cookie_v4_check,
    cookie_init_timestamp,
    cookie_timestamp_decode,
    cookie_v4_init_sequence,
)

from ..frames import eth, ip, tcp

MINUTE = 60_000_000_000
check = __cookie_v4_check


class Listener:
    """SYN and ACK of one peer in packet memory."""

    def __init__(self, lab):
        self.host = lab()
        self.net = self.host.net

    def segment(self, **fields):
        skb = self.net.skb[0]
        frame = eth(ip(tcp(**fields), proto=6))
        self.host.boot.memory[skb.head:skb.head + len(frame)] = frame
        skb.network_header, skb.transport_header = skb.head + 14, skb.head + 34
        return skb

    def cookie(self, mss=1460, now=0, **fields):
        self.net.cpu[0].now = now
        return cookie_v4_init_sequence(self.net, 0, self.segment(flags=2, **fields), mss)

    def mss(self, cookie, now=0, **fields):
        self.net.cpu[0].now = now
        return check(self.net, 0, self.segment(flags=16, ack=cookie + 1 & 0xFFFFFFFF, **fields))


@pytest.mark.parametrize("mss, kept", [(9000, 1460), (1460, 1460), (1459, 1440), (1440, 1440), (1400, 1300), (1299, 536), (100, 536)])
def test_a_cookie_keeps_one_of_four_segment_sizes(lab, mss, kept):
    one = Listener(lab)
    assert one.mss(one.cookie(mss, seq=0xFFFFFFFF), seq=0) == kept


def test_a_cookie_is_of_one_connection_and_one_sequence_number(lab):
    one = Listener(lab)
    cookie = one.cookie(seq=1000)
    assert one.mss(cookie, seq=1001) == 1460
    assert one.mss(cookie, seq=1001, sport=40001) == one.mss(cookie, seq=1001, dport=81) == 0
    assert one.mss(cookie + 4, seq=1001) == one.mss(cookie, seq=1000) == 0


def test_a_cookie_holds_for_two_minutes(lab):
    one = Listener(lab)
    cookie = one.cookie(seq=1, now=10 * MINUTE)
    assert one.mss(cookie, seq=2, now=12 * MINUTE - 1) == 1460
    assert one.mss(cookie, seq=2, now=12 * MINUTE) == one.mss(cookie, seq=2, now=10 * MINUTE - 1) == 0


@pytest.mark.parametrize("fields, bits", [({}, 0x0F), ({"wscale_ok": 1, "snd_wscale": 7, "sack_ok": 1}, 0x17), ({"sack_ok": 1}, 0x1F),
                                          ({"sack_ok": 1, "ecn_ok": 1}, 0x3F)])
def test_the_time_stamp_says_the_options_and_is_never_of_the_future(lab, fields, bits):
    net = lab().net
    for now in (1 << 20, (1 << 20) + 63):
        ts = cookie_init_timestamp(request_sock(**fields), now)
        assert now - 64 < ts <= now and ts & 63 == bits
        said = tcp_options_received(saw_tstamp=1, rcv_tsecr=ts)
        assert cookie_timestamp_decode(net, said)
        for name in ("wscale_ok", "snd_wscale", "sack_ok"):
            assert getattr(said, name) == fields.get(name, 0)


@pytest.mark.parametrize("off", ["tcp_timestamps", "tcp_sack", "tcp_window_scaling"])
def test_an_option_that_is_switched_off_meanwhile_ends_it(lab, off):
    net = lab().net
    net.sysctl[Sysctl[off]] = 0
    ts = cookie_init_timestamp(request_sock(wscale_ok=1, snd_wscale=7, sack_ok=1), 1 << 20)
    assert not cookie_timestamp_decode(net, tcp_options_received(saw_tstamp=1, rcv_tsecr=ts))
