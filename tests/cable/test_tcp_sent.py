"""What a captured receiver had sent when a frame came in goes with that frame (cable/tcp_sent.py)."""
import pathlib
from typing import Any

import pytest

from rxpath import boot
from rxpath.abi.tcp_sent import (
    NTCPSENT,
    SENT_FIN,
    SENT_GAP,
    SENT_NXT,
    SENT_OPTIONS,
    SENT_REAL,
    SENT_SACK,
    SENT_SYN,
    SENT_TSTAMP,
    SENT_WSCALE,
    SENT_WSCALE_SHIFT,
)
from rxpath.cable.capture import Capture
from rxpath.cable.receiver import infer_receiver
from rxpath.cable.tcp_seen import tcp_seen_load
from rxpath.vtime import engine

from ..frames import MAC_PEER, MAC_US, PEER, US, eth, ip, tcp, udp_frame
from .test_wire import write

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TO_US = [udp_frame(b"u" * 40)] * 3                  # so that the receiver is clear
MSS, WSCALE5, SACKOK, STAMPS = b"\2\4\5\xb4", b"\3\3\5\1", b"\4\2\1\1", b"\1\1\x08\x0a" + bytes(8)
ALL = SENT_REAL | SENT_NXT


def came(flags: int, seq: int = 1, ack: int = 0, payload: bytes = b"", sport: int = 40000, dport: int = 80, options: bytes = b"",
         window: int = 64240) -> bytes:
    return eth(ip(tcp(payload, sport, dport, seq, ack, flags, options=options, window=window), proto=6))


def sent(flags: int, seq: int = 1, ack: int = 0, payload: bytes = b"", sport: int = 80, dport: int = 40000, options: bytes = b"") -> bytes:
    return eth(ip(tcp(payload, sport, dport, seq, ack, flags, US, PEER, options), US, PEER, proto=6), MAC_PEER, MAC_US)


@pytest.fixture(params=[False, True], ids=["compiled", "plain"])
def brings(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Any:
    """brings(frames): (flags, snd_nxt) that each frame to the receiver takes along, behind those that make him clear; None: nothing."""
    def read(*frames: bytes, loop: int = 1) -> list[tuple[int, int] | None]:
        path = write(tmp_path, *TO_US, *frames)
        host = boot.Booted(nskb=4096, plain=request.param)
        host.call(engine.vtime_init)(host.net, 1, 1, 0)
        receiver = infer_receiver(path, plain=request.param)
        tcp_seen_load(host, receiver.tcp.rows, receiver.tcp.ports)
        with Capture(path, receiver=receiver, plain=request.param, loop=loop) as capture:
            capture.attach(host.net)
            ring = host.net.ring[0]
            while capture.load():
                ring.feed_head = ring.feed_tail
            number = capture.reading.s.rec
        entries = [(n, host.net.tcp_sent[n & NTCPSENT - 1]) for n in range(1, number + 1)]
        ours = [n for n in range(1, number + 1) if ([*TO_US, *frames] * loop)[n - 1][:6] == MAC_US]
        return [(e.flags & ~SENT_SYN, e.snd_nxt) if e.frame == n else None for n, e in entries
                if n in ours and (n - 1) % (3 + len(frames)) >= 3]
    return read


def test_numbers_data_and_fin_of_the_receiver_up_to_each_frame(brings: Any) -> None:
    options = SENT_OPTIONS | SENT_TSTAMP | SENT_SACK | SENT_WSCALE | 5 << SENT_WSCALE_SHIFT
    assert brings(
        came(SYN, 100), sent(SYN | ACK, 5000, 101, options=MSS + SACKOK + STAMPS + WSCALE5), came(ACK, 101, 5001),
        came(ACK, 101, 5001, b"GET"), sent(ACK, 5001, 104), sent(PSH | ACK, 5001, 104, b"answer"), came(ACK, 104, 5007),
        sent(ACK, 5001, 104, b"ans"),                                       # again: nothing new
        sent(FIN | ACK, 5007, 104, b"!"), came(ACK, 104, 5007), came(FIN | ACK, 104, 5009),
    ) == [(SENT_REAL, 0), (ALL | options, 5001), (ALL | options, 5001), (ALL | options, 5007), (ALL | SENT_FIN | options, 5009),
          (ALL | SENT_FIN | options, 5009)]


def test_a_capture_that_begins_in_the_middle(brings: Any) -> None:
    assert brings(came(ACK, 900, 70, b"x" * 10), sent(ACK, 70, 910, b"yy"), came(ACK, 910, 72, b"z")) == [(SENT_REAL, 0), (ALL, 72)]


def test_what_the_peer_sends_alone_shows_nothing_of_ours(brings: Any) -> None:
    assert brings(came(SYN, 1), came(ACK, 2, 901), came(ACK, 2, 901, b"x")) == [(SENT_REAL, 0)] * 3


def test_the_receiver_is_the_client(brings: Any) -> None:
    assert brings(sent(SYN, 300, sport=50000, dport=443, options=MSS), came(SYN | ACK, 7, 301, sport=443, dport=50000),
                  came(ACK, 8, 301, b"x", 443, 50000)) == [(ALL | SENT_OPTIONS, 301)] * 2


def test_sequence_numbers_wrap_and_resets_are_nothing_sent(brings: Any) -> None:
    assert brings(came(ACK, 1, 0xFFFFFFFE, b"x"), sent(ACK, 0xFFFFFFFE, 2, b"four"), came(ACK, 2, 2, b"x"), sent(RST, 77),
                  came(ACK, 3, 2, b"x")) == [(SENT_REAL, 0), (ALL, 2), (ALL, 2)]


def test_a_gap_is_what_the_receiver_acknowledged_and_the_capture_lacks(brings: Any) -> None:
    def gaps(*frames: bytes) -> list[bool]:
        return [bool(row and row[0] & SENT_GAP) for row in brings(*frames)]

    def a(seq: int, n: int = 10) -> bytes:
        return came(ACK, seq, 70, b"x" * n)

    def acked(seq: int) -> bytes:
        return sent(ACK, 70, seq)

    assert gaps(a(100), acked(110), a(120), acked(110), a(110), acked(130), a(130)) == [False] * 4      # a hole of the receiver's
    assert gaps(a(100), acked(120), a(120), acked(130), a(130)) == [False, True, True]
    assert gaps(a(100), acked(120), a(120), a(110), a(130)) == [False, True, False, False]             # captured late, and no gap
    assert gaps(a(0xFFFFFFF0), acked(4), a(4), a(14)) == [False, True, True]                          # numbers wrap
    assert gaps(a(100), acked(120), came(RST, 500), a(110), a(120)) == [False] * 4
    assert gaps(a(100), acked(120), a(120), came(SYN, 7), sent(SYN | ACK, 900, 8), a(8)) == [False, True, False, False]
    assert gaps(a(100), a(120), a(130)) == [False] * 3                                                # one direction: nobody can tell


def test_the_same_ends_once_more_begin_anew(brings: Any) -> None:
    first = [came(SYN, 100), sent(SYN | ACK, 5000, 101), came(SYN, 100), sent(SYN | ACK, 5000, 101), came(ACK, 101, 5001, b"x")]
    assert brings(*first, came(SYN, 9000), sent(SYN | ACK, 77, 9001), came(ACK, 9001, 78, b"y")) == [
        (SENT_REAL, 0), (ALL | SENT_OPTIONS, 5001), (ALL | SENT_OPTIONS, 5001), (SENT_REAL, 5001), (ALL | SENT_OPTIONS, 78)]


def test_each_reading_of_a_loop_begins_anew(brings: Any) -> None:
    assert brings(came(ACK, 1, 9, b"x"), sent(ACK, 9, 2, b"yy"), came(ACK, 2, 11), loop=2)[::2] == [(SENT_REAL, 0), (SENT_REAL, 11)]


def test_what_is_no_connection_takes_nothing_along(brings: Any) -> None:
    assert brings(came(ACK, 1, 9), sent(RST, 9)) == [None]
    assert brings(came(SYN), sent(RST | ACK, 0, 2), udp_frame(b"more")) == [None, None]


@pytest.mark.parametrize("options", [b"\3\0\0\0", b"\x08\xff\0\0", b"\0\4\2\0", b"\2", b"\1\1\1\3"])
def test_malformed_options_end_the_list(brings: Any, options: bytes) -> None:
    options += bytes(-len(options) % 4)
    assert brings(came(SYN), sent(SYN | ACK, 5000, 2, options=options), came(ACK, 2, 5001))[1] == (ALL | SENT_OPTIONS, 5001)
