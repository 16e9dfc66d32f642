"""Checksums that a capture cannot show as the wire had them: left to the sender's card, or cut off by a snap length."""
import pathlib
import struct
from typing import Any

import pytest

import rxpath
from rxpath.abi.capture import LEFT_IP, LEFT_TCP, LEFT_UDP
from rxpath.abi.numbers import FEED_CSUM_GOOD, FEED_HEADER_CUT, FEED_IP_CSUM_GOOD
from rxpath.cable.receiver import infer_receiver

from ..frames import MAC_PEER, MAC_US, PEER, US, arp, csum, eth, fragments, icmp, ip, ip4, tcp, udp
from .captures import Read, pcap

CARDS = (["nic.driver=igb"], ["nic.driver=igb", "ethtool.rx-checksumming=off"], ["nic.driver=ixgbe"], ["nic.driver=virtio_net"],
         ["nic.driver=veth"], ["nic.driver=veth", "ethtool.rx-checksumming=off"], ["nic.driver=igb", "kernel=\"3.10\""])
OTHER = "10.0.0.9"


def pseudo(l4: bytes, proto: int, src: str = PEER, length: int | None = None) -> int:
    """What a sender leaves in the field for its card: the sum of the pseudo header, not complemented."""
    n = len(l4) if length is None else length
    return csum(struct.pack(">IIBBH", ip4(src), ip4(US), 0, proto, n)) ^ 0xFFFF


def left_udp(payload: bytes = b"x" * 300, src: str = PEER, **options: Any) -> bytes:
    l4 = udp(payload, src=src, check=1)
    return eth(ip(l4[:6] + pseudo(l4, 17, src).to_bytes(2, "big") + l4[8:], src=src, **options))


def left_tcp(payload: bytes = b"x" * 300, with_length: bool = True) -> bytes:
    l4 = tcp(payload, dport=80, flags=2)
    return eth(ip(l4[:16] + pseudo(l4, 6, length=None if with_length else 0).to_bytes(2, "big") + l4[18:], proto=6))


def without_ip_sum(frame: bytes) -> bytes:
    return frame[:24] + b"\0\0" + frame[26:]


def damaged(frame: bytes) -> bytes:
    return frame[:-1] + bytes([frame[-1] ^ 0x55])


def write(tmp_path: pathlib.Path, *frames: bytes, snaplen: int = 1 << 16) -> pathlib.Path:
    (tmp_path / "x.pcap").write_bytes(pcap([(i * 1_000_000, f[:snaplen], len(f)) for i, f in enumerate(frames)]))
    return tmp_path / "x.pcap"


def both(path: pathlib.Path, *overrides: str) -> Any:
    """The replay, compiled and plain."""
    a, b = (rxpath.replay(path, overrides=list(overrides), plain=plain) for plain in (False, True))
    assert (a.books, a.notes) == (b.books, b.notes)
    return a


# ---------------------------------------------------------------- left to the sender's card
@pytest.mark.parametrize("card", CARDS, ids=" ".join)
def test_checksums_that_were_left_to_the_card_are_taken_as_good(tmp_path: pathlib.Path, card: list[str]) -> None:
    frames = [left_udp(b"x" * n) for n in (20, 300, 1400)] + [without_ip_sum(left_udp()), without_ip_sum(eth(ip(icmp(), proto=1)))]
    run = both(write(tmp_path, *frames, *[without_ip_sum(left_udp())] * 8), *card)
    assert (run.books.received, run.books.consumed, run.books.dropped) == (12, 1, {})
    assert f"checksums of {PEER} were left to its card: 13 frames taken as good" in run.notes


def test_which_checksums_a_source_leaves(tmp_path: pathlib.Path) -> None:
    made = eth(ip(udp(b"x" * 40, src=OTHER), src=OTHER))
    cases = (
        ([left_udp()] * 3, {PEER: LEFT_UDP}),
        ([left_tcp()] * 2 + [left_tcp(with_length=False)], {PEER: LEFT_TCP}),
        ([without_ip_sum(eth(ip(udp(b"u" * 40))))] * 3, {PEER: LEFT_IP}),
        ([without_ip_sum(left_udp())] * 3 + [made] * 9, {PEER: LEFT_IP | LEFT_UDP}),
        ([left_udp()] * 9 + [eth(ip(udp(b"u" * 40)))] * 1, {PEER: LEFT_UDP}),
        ([left_udp()] * 3 + [eth(ip(udp(b"u" * 40)))] * 9, {}),                                  # it makes them: those three are damaged
        ([left_udp()] * 3 + [damaged(eth(ip(udp(b"u" * 40))))] * 9, {PEER: LEFT_UDP}),           # a damaged one is not made
        ([eth(ip(udp(b"u" * 40, check=0)))] * 3, {}),                                              # none was sent
        ([left_tcp()] + [eth(ip(tcp(flags=4), proto=6))] * 5, {PEER: LEFT_TCP}),        # Linux makes those of its resets
        ([left_udp()[:60]] * 3, {PEER: LEFT_UDP}),
    )
    for frames, left in cases:
        path = write(tmp_path, *frames)
        assert infer_receiver(path).left == infer_receiver(path, plain=True).left == left, frames[0].hex()


def test_damaged_ones_stay_damaged(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *[left_udp()] * 9, damaged(eth(ip(udp(b"x" * 300)))), without_ip_sum(left_udp())))
    assert run.books.received == 9 and run.books.dropped == {"UDP_CSUM": 1, "IP_CSUM": 1}
    assert f"checksums of {PEER} were left to its card: 10 frames taken as good" in run.notes


def test_an_ip_checksum_left_to_the_card_does_not_excuse_a_datagram(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *[without_ip_sum(eth(ip(udp(b"x" * 300))))] * 9, without_ip_sum(damaged(eth(ip(udp(b"x" * 300)))))))
    assert run.books.received == 9 and run.books.dropped == {"UDP_CSUM": 1}


def test_a_source_that_makes_them_is_judged(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *[eth(ip(udp(b"x" * 300)))] * 9, left_udp(), *[left_udp(src=OTHER)] * 2))
    assert run.books.received == 11 and run.books.dropped == {"UDP_CSUM": 1}
    assert [n for n in run.notes if "card" in n] == [f"checksums of {OTHER} were left to its card: 2 frames taken as good"]


def test_fragments_and_tags(tmp_path: pathlib.Path) -> None:
    """A sender that cuts a datagram up sums it itself; where it has not, its first fragment shows it."""
    l4 = udp(b"x" * 3000, check=1)
    l4 = l4[:6] + pseudo(l4, 17).to_bytes(2, "big") + l4[8:]
    pieces = [eth(ip(l4[at:at + 1480], frag=(0x2000 if at + 1480 < len(l4) else 0) | at >> 3)) for at in range(0, len(l4), 1480)]
    tagged = left_udp()[:12] + b"\x81\0\0\7" + left_udp()[12:]
    run = both(write(tmp_path, *pieces, left_udp(), tagged))
    assert run.books.received == 5 and run.books.dropped == {}


def test_many_sources_are_summed_up(tmp_path: pathlib.Path) -> None:
    run = both(write(tmp_path, *[left_udp(src=f"10.0.0.{20 + i}") for i in range(8)]))
    said = [n for n in run.notes if "card" in n]
    assert len(said) == 6 and said[-1] == "checksums of 3 more sources were left to their cards: 3 frames taken as good"


# ---------------------------------------------------------------- cut by a snap length
@pytest.mark.parametrize("card", CARDS, ids=" ".join)
def test_cut_frames_are_taken_as_the_wire_had_them(tmp_path: pathlib.Path, card: list[str]) -> None:
    group = eth(ip(b"\x16\0" + csum(b"\x16\0\0\0\xef\1\1\1").to_bytes(2, "big") + b"\xef\1\1\1" + b"y" * 80, proto=2, dst="224.0.0.1"),
                b"\1\0\x5e\0\0\1")
    frames = [eth(ip(udp(b"x" * 1000))), eth(ip(icmp(payload=b"p" * 500), proto=1)), *fragments(udp(b"x" * 2000), [800]), group]
    run = both(write(tmp_path, *frames, snaplen=60), *card)
    assert run.books.received == 3 and run.books.consumed == 2 and run.books.dropped == {}
    assert "5 frames were cut by a snap length: filled with zeros, checksums taken as good" in run.notes


def test_only_what_is_cut_is_excused(tmp_path: pathlib.Path) -> None:
    whole, padded = eth(ip(udp(b"x" * 300))), eth(ip(udp(b"x"))) + b"\0" * 30
    path = write(tmp_path, whole)
    for frame, snaplen, flags in (
        (whole, 400, 0), (whole, 200, FEED_CSUM_GOOD), (whole, 40, FEED_CSUM_GOOD), (whole, 38, FEED_CSUM_GOOD | FEED_HEADER_CUT),
        (whole, 30, FEED_CSUM_GOOD | FEED_HEADER_CUT), (padded, 60, 0), (eth(b"?" * 100, proto=0x1234), 20, FEED_CSUM_GOOD),
        (arp(), 30, FEED_CSUM_GOOD | FEED_HEADER_CUT), (eth(ip(tcp(), proto=6)), 47, FEED_CSUM_GOOD | FEED_HEADER_CUT),
        (eth(ip(tcp(), proto=6)), 48, FEED_CSUM_GOOD), (eth(ip(icmp(), proto=1)), 36, FEED_CSUM_GOOD),
        (eth(ip(icmp(3, 1, payload=ip(udp(b"u" * 40))), proto=1)), 64, FEED_CSUM_GOOD | FEED_HEADER_CUT),
        (eth(ip(icmp(3, 1, payload=ip(udp(b"u" * 40))), proto=1)), 70, FEED_CSUM_GOOD),
        (eth(ip(b"later piece" * 4, frag=10)), 34, FEED_CSUM_GOOD),
    ):
        path = write(tmp_path, frame, snaplen=snaplen)
        for plain in (False, True):
            assert Read(path, plain=plain).frames[0][4] == flags, (frame.hex(), snaplen)


def test_a_frame_cut_before_its_ethertype_is_not_offered(tmp_path: pathlib.Path) -> None:
    tagged = eth(b"\0\7\x08\0" + ip(udp(b"u" * 40)), proto=0x8100)
    for snaplen in (13, 17):
        counts = Read(write(tmp_path, tagged, eth(ip(udp(b"u" * 40))), snaplen=snaplen)).counts
        assert counts["no_link_header"] == (2 if snaplen == 13 else 1)


@pytest.mark.parametrize(("frame", "snaplen", "station"), [
    (eth(ip(udp(b"x" * 90))), 30, "ip_rcv_core"), (eth(ip(udp(b"x" * 90))), 36, "__udp4_lib_rcv"), (arp() + bytes(40), 30, "arp_rcv"),
    (eth(ip(tcp(b"x" * 90), proto=6)), 38, "tcp_v4_rcv"), (eth(ip(udp(b"x" * 90), proto=136)), 36, "udplite_rcv"),
    (eth(ip(icmp(3, 3, payload=ip(udp(b"x" * 90))), proto=1)), 50, "icmp_rcv"), (eth(ip(b"\x11" * 90, proto=2)), 36, "igmp_rcv"),
], ids=lambda x: x if isinstance(x, str) else "")
def test_a_frame_without_the_header_that_decides_is_not_judged(tmp_path: pathlib.Path, frame: bytes, snaplen: int, station: str) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([(0, eth(ip(udp(b"u" * 40))), 60), (1_000_000, frame[:snaplen], len(frame))]))
    for card in (["nic.driver=igb"], ["nic.driver=veth"]):
        run = both(path, *card)
        assert run.books.lost_at.get("CAPTURE_CUT") == {station: 1}
        assert not any("Err" in name and n for name, n in (run.books.snmp | run.books.netstat).items())


def test_frames_that_answer_are_read_with_the_sources_address(tmp_path: pathlib.Path) -> None:
    """From the receiver to itself nothing is judged by another's table."""
    mine = eth(ip(udp(b"r" * 30, 5000, 40000, US, PEER), US, PEER), MAC_PEER, MAC_US)
    run = both(write(tmp_path, left_udp(), mine))
    assert run.books.received == 1 and run.not_offered == {"own": 1}


def test_flags_of_both_kinds(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, *[without_ip_sum(left_udp())] * 2, without_ip_sum(left_udp()), snaplen=100)
    r = infer_receiver(path)
    assert {f[4] for f in Read(path, receiver=r).frames} == {FEED_CSUM_GOOD | FEED_IP_CSUM_GOOD}
