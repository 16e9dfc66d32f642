"""Formats: byte orders, clocks, sections, interfaces, gzip, pipes; link types; damaged files."""
import gzip
import io
import pathlib
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest

from rxpath.abi.numbers import FEED_CSUM_GOOD
from rxpath.cable.receiver import Receiver, infer_receiver
from rxpath.cable.source import CaptureError, Source

from ..frames import MAC_PEER, MAC_US, PEER, US, eth, ip, udp, udp_frame
from .captures import Read, block, epb, idb, option, pcap, shb

F = udp_frame(b"hello")
PACKET = F[14:]
OURS = Receiver(mac=int.from_bytes(MAC_US, "big"), addresses=[US])
S = 10**9


@pytest.fixture(params=["compiled", "plain"])
def read(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Callable[..., Read]:
    def make(data: bytes, name: str = "x.pcap", **options: Any) -> Read:
        (tmp_path / name).write_bytes(data)
        return Read(tmp_path / name, plain=request.param == "plain", **options)
    return make


Reader = Callable[..., Read]


# ---------------------------------------------------------------- pcap
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_in_both_byte_orders_and_resolutions(read: Reader, order: str, nano: bool) -> None:
    got = read(pcap([(5 * S, F, len(F)), (5 * S + 7000, F + b"!", len(F) + 1)], order=order, nano=nano))
    assert [(t, d) for t, d, *_ in got.frames] == [(0, F), (7000, F + b"!")]


def test_modified_pcap_has_longer_record_headers(read: Reader) -> None:
    got = read(pcap([(0, F, len(F)), (S, F, len(F))], magic=0xA1B2CD34, nano=False))
    assert [d for _, d, *_ in got.frames] == [F, F]


def test_lengths_of_old_versions_may_be_swapped(read: Reader) -> None:
    data = bytearray(pcap([(0, F, 2000)], version=(2, 2)))
    data[32:40] = struct.pack("<II", 2000, len(F))
    assert read(bytes(data)).frames[0][1:3] == (F, 2000)


def test_fcs_is_taken_off_as_the_link_type_field_says(read: Reader) -> None:
    got = read(pcap([(0, F + b"FCS!", len(F) + 4)], linktype=1 | 1 << 26 | 2 << 28))
    assert got.frames[0][1:3] == (F, len(F))


def test_frames_cut_by_a_snap_length_are_marked_checksum_good(read: Reader) -> None:
    got = read(pcap([(0, F[:40], len(F)), (1, F, len(F))]))
    assert [(length, flags) for _, _, length, _, flags in got.frames] == [(len(F), FEED_CSUM_GOOD), (len(F), 0)]
    assert got.counts["cut"] == 1 and "snap length" in got.notes[0]


def test_more_bytes_than_the_frame_had_are_taken_as_they_are(read: Reader) -> None:
    got = read(pcap([(0, F, 10)]))
    assert got.frames[0][2] == len(F) and got.counts["longer_than_said"] == 1


def test_absurd_frame_length_is_bounded(read: Reader) -> None:
    got = read(pcap([(0, F, 0xFFFFFFFF)]))
    assert got.frames[0][2] == 10 << 20 and got.counts["absurd_length"] == 1


# ---------------------------------------------------------------- damaged
@pytest.mark.parametrize("data, says", [
    (b"", "is empty"), (b"\xd4", "neither pcap nor pcapng"), (b"GIF89a" * 20, "neither pcap nor pcapng"),
    (pcap([])[:20], "header of a pcap file alone has 24"),
    (shb()[:13], "section header"), (pcap([(0, F, 9)])[:50], "middle of a record"),
    (pcap([], linktype=105), "link type 105 (IEEE802_11) is not supported; supported are Ethernet"),
    (shb() + idb(127) + epb(0, F), "link type 127 (IEEE802_11_RADIOTAP)"), (shb() + b"\6\0\0\0\7\0\0\0aaaa", "impossible length"),
    (gzip.compress(b"not a capture", mtime=0), "neither"), (b"\x1f\x8b\x08garbage", "gzip"),
])
def test_unusable_file_is_one_clear_line(read: Reader, data: bytes, says: str) -> None:
    with pytest.raises(CaptureError, match="x.pcap: .*" + __import__("re").escape(says)):
        read(data)


def test_missing_file_is_one_clear_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        Read(tmp_path / "none")
    with pytest.raises(CaptureError, match="directory"):
        Read(tmp_path)


def test_capture_without_records_is_no_error(read: Reader) -> None:
    assert read(pcap([])).notes == ["the capture has no records"]
    assert read(shb()).counts["records"] == 0


def test_truncated_last_record_is_said_and_the_rest_read(read: Reader) -> None:
    got = read(pcap([(0, F, len(F)), (1, F, len(F))])[:-3])
    assert len(got.frames) == 1
    assert "after record 1, at byte " in got.notes[0] and "middle of a record; read up to there" in got.notes[0]


def test_absurd_captured_length_stops_the_reading(read: Reader) -> None:
    data = pcap([(0, F, len(F))]) + struct.pack("<IIII", 0, 0, 1 << 30, 60) + bytes(100)
    got = read(data)
    assert len(got.frames) == 1 and "more bytes" in got.notes[0]


def test_damaged_gzip_is_read_up_to_there(read: Reader) -> None:
    whole = pcap([(i, F + bytes([i & 255] * 8), len(F) + 8) for i in range(3000)])
    z = gzip.compress(whole)
    got = read(z[:len(z) // 2])
    assert 0 < len(got.frames) < 3000 and "gzip" in got.notes[0]


# ---------------------------------------------------------------- where bytes come from
def test_gzip_is_known_by_its_magic_bytes_and_members_follow_each_other(read: Reader) -> None:
    data = pcap([(i * 1000, F, len(F)) for i in range(500)])
    got = read(gzip.compress(data[:999]) + gzip.compress(data[999:]), loop=2)
    assert len(got.frames) == 1000


def test_standard_input_is_looked_at_and_then_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pcap([(i * 1000, F, len(F)) for i in range(500)])

    class Pipe(io.BytesIO):
        def seekable(self) -> bool: return False
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": Pipe(data)}))
    source = Source("-")
    assert infer_receiver(source).addresses == [US]
    assert len(Read(source).frames) == 500
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": Pipe(gzip.compress(data))}))
    assert len(Read("-", loop=2).frames) == 1000


# ---------------------------------------------------------------- pcapng
@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_blocks_and_sections_of_both_byte_orders(read: Reader, order: str) -> None:
    other = ">" if order == "<" else "<"
    pb = block(2, struct.pack(order + "HHIIII", 0, 0, 0, 2000, len(F), len(F)) + F + bytes(-len(F) % 4), order)
    spb = block(3, struct.pack(order + "I", len(F)) + F, order)
    got = read(shb(order) + block(0x0BAD, b"custom!!", order) + idb(order=order) + epb(1000, F, order=order) + pb +
               block(4, bytes(8), order) + spb + block(5, bytes(12), order) + shb(other) + idb(order=other) + epb(5000, F, order=other))
    assert [d for _, d, *_ in got.frames] == [F] * 4
    assert [t for t, *_ in got.frames] == [0, 1_000_000, 1_000_001, 4_000_000]


@pytest.mark.parametrize("resol, ticks", [(6, 1_000_000), (9, 10**9), (3, 1000), (0, 1), (12, 10**12), (0x80 | 10, 1024),
                                          (0x80 | 32, 1 << 32),
                                          (0x80 | 40, 1 << 40), (0x80, 1)])
def test_timestamp_resolutions(read: Reader, resol: int, ticks: int) -> None:
    options = option(9, bytes([resol])) + option(0, b"")
    got = read(shb() + idb(options=options) + epb(5 * ticks, F) + epb(6 * ticks, F))
    assert [t for t, *_ in got.frames] == [0, S]


def test_interfaces_have_their_own_link_type_clock_and_offset(read: Reader) -> None:
    a = idb(1, options=option(9, b"\x06"))
    b = idb(101, options=option(9, b"\x09") + option(14, struct.pack("<q", 100)))
    c = idb(105)
    got = read(shb() + a + b + c + epb(101_000_000, F) + epb(2 * S, PACKET, face=1) + epb(0, b"beacon", face=2) + epb(9, F, face=7))
    assert [t for t, *_ in got.frames] == [0, S]
    assert got.frames[1][1] == MAC_US + b"\2\0\0\0\0\xfe\x08\0" + PACKET
    assert got.counts["link_type"] == 1 and got.counts["no_interface"] == 1 and any("105 (IEEE802_11)" in n for n in got.notes)


def test_interface_fcs_and_simple_packets_snap_length(read: Reader) -> None:
    got = read(shb() + idb(1, snaplen=40, options=option(13, b"\x20")) + epb(0, F + b"FCS!") +
               block(3, struct.pack("<I", len(F) + 4) + F[:40]))
    assert [(d, n) for _, d, n, *_ in got.frames] == [(F, len(F)), (F[:40], len(F))]


def test_outbound_packets_are_the_receivers_own(read: Reader) -> None:
    got = read(shb() + idb() + epb(0, F, options=option(2, struct.pack("<I", 2))) + epb(1, F, options=option(2, struct.pack("<I", 1))))
    assert got.counts["own"] == 1 and got.frames[0][3] == 2


def test_long_unknown_block_is_skipped(read: Reader) -> None:
    got = read(shb() + idb() + block(0x999, bytes(3 << 20)) + epb(0, F))
    assert len(got.frames) == 1


# ---------------------------------------------------------------- link types
def made(dst: bytes = MAC_US, src: bytes = b"\2\0\0\0\0\xfe", proto: int = 0x0800, payload: bytes = PACKET) -> bytes:
    return dst + src + struct.pack(">H", proto) + payload


V6 = bytes([0x60, 0, 0, 0, 0, 0, 59, 64]) + bytes(15) + b"\1" + bytes(15) + b"\2"
GROUP = ip(udp(b"x", dst="224.0.0.251"), dst="224.0.0.251")


def sll(kind: int, payload: bytes = PACKET, proto: int = 0x0800, addrlen: int = 6) -> bytes:
    return struct.pack(">HHH8sH", kind, 1, addrlen, MAC_PEER, proto) + payload


@pytest.mark.parametrize("link, record, frame", [
    (101, PACKET, made()), (12, PACKET, made()), (14, V6, made(proto=0x86DD, payload=V6)), (228, PACKET, made()),
    (229, V6, made(proto=0x86DD, payload=V6)), (101, GROUP, made(bytes.fromhex("01005e0000fb"), payload=GROUP)),
    (0, struct.pack("<I", 2) + PACKET, made()), (0, struct.pack(">I", 2) + PACKET, made()),
    (0, struct.pack("<I", 30) + V6, made(proto=0x86DD, payload=V6)),
    (0, struct.pack("<I", 7) + PACKET, made(proto=0x88B5)), (108, struct.pack(">I", 2) + PACKET, made()),
    (113, sll(0), made(src=MAC_PEER)), (113, sll(1), made(b"\xff" * 6, MAC_PEER)),
    (113, sll(2, GROUP), made(bytes.fromhex("01005e0000fb"), MAC_PEER, payload=GROUP)), (113, sll(3), made(b"\2\0\0\0\xff\xfe", MAC_PEER)),
    (113, sll(0, addrlen=0), made()), (113, sll(0, proto=4), made(src=MAC_PEER, proto=len(PACKET) + 5)),
    (276, struct.pack(">HHIHBB8s", 0x0800, 0, 3, 1, 0, 6, MAC_PEER) + PACKET, made(src=MAC_PEER)),
])
def test_other_link_types_get_an_ethernet_header(read: Reader, link: int, record: bytes, frame: bytes) -> None:
    got = read(pcap([(0, record, len(record) + 5)], linktype=link))
    assert got.frames[0][1] == frame
    assert got.frames[0][2] == len(frame) + 5


def test_record_shorter_than_its_link_header_is_not_offered(read: Reader) -> None:
    got = read(pcap([(0, b"\0\0", 2), (0, sll(0), 40)], linktype=113))
    assert got.counts["no_link_header"] == 1 and len(got.frames) == 1


# ---------------------------------------------------------------- whose it is
def test_frames_that_the_receiver_sent_are_not_offered_and_numbers_stay_those_of_the_file(read: Reader) -> None:
    reply = eth(ip(udp(b"r", src=US, dst=PEER), US, PEER), MAC_PEER, MAC_US)
    to_itself = eth(PACKET, MAC_US, MAC_US)
    got = read(pcap([(0, F, 60), (1, reply, 60), (2, F, 60), (3, to_itself, 60)]), receiver=OURS)
    assert [f[3] for f in got.frames] == [1, 3, 4] and got.counts["own"] == 1


def test_without_macs_the_source_address_or_the_packet_type_tells(read: Reader) -> None:
    reply = ip(udp(b"r", src=US, dst=PEER), US, PEER)
    got = read(pcap([(0, PACKET, 60), (1, reply, 60)], linktype=101), receiver=OURS)
    assert [f[3] for f in got.frames] == [1] and got.counts["own"] == 1
    assert read(pcap([(0, sll(4), 60), (1, sll(0), 60)], linktype=113)).counts["own"] == 1
