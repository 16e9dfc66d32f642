"""Segments of TCP that were merged before the capture come onto the cable as the wire had them (cable/split.py): what is merged here, as
GRO and TSO do it, is split again to the byte."""
import itertools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import rxpath
from rxpath import boot
from rxpath.abi.capture import SPLIT_BYTES
from rxpath.abi.limits import NFEED
from rxpath.abi.nic import frame_place
from rxpath.abi.numbers import FEED_CSUM_GOOD
from rxpath.abi.tcp_sent import NTCPSENT, SENT_SPLIT
from rxpath.cable.capture import Capture
from rxpath.cable.receiver import infer_receiver
from rxpath.cable.tcp_seen import tcp_seen_load
from rxpath.vtime import engine

from ..frames import PEER, US, eth, ip, tcp, udp
from .captures import needs_shared, pcap, shared_capture
from .test_tcp_sent import ACK, FIN, MSS, PSH, RST, STAMPS, SYN, TO_US, came, sent

CWR = 0x80
Frames = list[tuple[int, bytes, int, tuple[int, int], int]]         # time, bytes, length on the wire, (record, segment), flags


def segments(sizes: Sequence[int], seq: int = 101, ident: int = 5, options: bytes = b"", flags: int = ACK, first: int = 0, last: int = PSH,
             vlan: int | None = None) -> list[bytes]:
    """One after the other; `first` and `last` are flags of those beside `flags`."""
    out = []
    for i, n in enumerate(sizes):
        mine = flags | first * (i == 0) | last * (i == len(sizes) - 1)
        data = bytes((seq + j) % 251 for j in range(n))
        out.append(padded(eth(ip(tcp(data, 40000, 80, seq, 5001, mine, options=options), proto=6, ident=ident + i & 0xFFFF), vlan=vlan)))
        seq = seq + n & 0xFFFFFFFF
    return out


def padded(frame: bytes) -> bytes:
    return frame + bytes(max(60 - len(frame), 0))


def merge(frames: list[bytes], headers: int = 54, vlan: int = 0, total: int | None = None) -> bytes:
    """As tcp_gro_receive() does: the first one's headers, everyone's data and flags; checksums as they were."""
    sizes = [int.from_bytes(f[16 + vlan:18 + vlan], "big") - (headers - 14 - vlan) for f in frames]
    data = b"".join(f[headers:headers + n] for f, n in zip(frames, sizes, strict=True))
    head, flags = bytearray(frames[0][:headers]), 34 + vlan + 13
    head[16 + vlan:18 + vlan] = (headers - 14 - vlan + len(data) if total is None else total).to_bytes(2, "big")
    for f in frames:
        head[flags] |= f[flags]
    return bytes(head) + data


@pytest.fixture(params=[False, True], ids=["compiled", "plain"])
def cable(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Callable[..., Frames]:
    """cable(frames): what comes onto the cable of them, behind what makes the receiver clear; `seen`: the Capture and state, afterwards."""
    def read(*frames: bytes, mtu: int = 1500, snaplen: int = 1 << 18, room: int = 0, look: Callable[[Any, Any], None] | None = None,
             **options: Any) -> Frames:
        path = tmp_path / "m.pcap"
        path.write_bytes(pcap([(i * 1_000_000, f[:snaplen], len(f)) for i, f in enumerate([*TO_US, *frames])]))
        host = boot.Booted(nskb=64, plain=request.param)
        net, ring = host.net, host.net.ring[0]
        host.call(engine.vtime_init)(net, 1, 1, 0)
        net.dev[ring.dev].mtu, net.feed_room = mtu, room
        receiver = infer_receiver(path, plain=request.param)
        tcp_seen_load(host, receiver.tcp.rows, receiver.tcp.ports)
        found: Frames = []
        with Capture(path, receiver=receiver, plain=request.param, **options) as capture:
            capture.attach(net)
            while capture.load():
                for i in range(ring.feed_head, ring.feed_tail):
                    a = net.feed[0][i & NFEED - 1]
                    found.append((a.t, bytes(capture.view[a.offset:a.offset + a.caplen]), a.len, frame_place(a.frame), a.flags))
                ring.feed_head = ring.feed_tail
            if look is not None:
                look(capture, net)
        assert all(a[0] < b[0] for a, b in itertools.pairwise(found))
        return found[len(TO_US):]
    return read


def shake(ours: bytes = MSS, theirs: bytes = MSS) -> list[bytes]:
    return [came(SYN, 100, options=theirs), sent(SYN | ACK, 5000, 101, options=ours), came(ACK, 101, 5001)]


def bytes_of(found: Frames) -> list[bytes]:
    return [f[1] for f in found]


def test_what_gro_merged_comes_as_it_was_on_the_wire(cable: Any) -> None:
    one, two, alone = segments([1460] * 3 + [2]), segments([1460] * 44, 4483, 9), segments([700], 68723, 53)
    said: list[Any] = []
    found = cable(*shake(), merge(one), merge(two), *alone, look=lambda c, net: said.extend([c.counts(), c.notes()]))
    assert bytes_of(found[2:]) == [*one, *two, *alone]
    assert [f[3] for f in found[2:]] == [*((7, k) for k in range(4)), *((8, k) for k in range(44)), (9, 0)]
    assert all(f[2] == len(f[1]) and f[4] == 0 for f in found)
    assert (said[0]["merged"], said[0]["segments"], said[0]["records"], said[0]["offered"]) == (2, 48, 9, 3 + 2 + 48 + 1)
    assert any(n.startswith("2 merged frames split into 48 segments") for n in said[1])


@pytest.mark.parametrize(("first", "last"), [(0, PSH), (CWR, PSH | FIN), (CWR, 0)])
def test_flags_numbers_and_ids(cable: Any, first: int, last: int) -> None:
    """CWR goes with the first, PSH and FIN with the last; sequence numbers and IP ids wrap."""
    parts = segments([1448, 1448, 3], 0xFFFFFF00, 0xFFFE, STAMPS, first=first, last=last)
    assert bytes_of(cable(*shake(MSS + STAMPS, MSS + STAMPS), merge(parts, 66)))[2:] == parts


def test_behind_a_tag(cable: Any) -> None:
    parts = segments([1460, 1460, 9], vlan=5)
    assert bytes_of(cable(*shake(), merge(parts, 58, vlan=4)))[2:] == parts


def test_a_large_send_whose_checksums_and_length_were_left_to_the_card(cable: Any) -> None:
    parts = segments([1460] * 50)
    frame = merge(parts, total=0)                                            # 73 kB: BIG TCP, or Windows with any length
    octets: list[Any] = []
    found = cable(*shake(), frame[:24] + b"\0\0" + frame[26:50] + b"\x12\x34" + frame[52:],
                  look=lambda c, net: octets.extend([net.tcp_offered_octets, net.tcp_offered]))
    assert bytes_of(found)[2:] == parts and octets == [50 * 1460, 2 + 50]


# ---------------------------------------------------------------- how long a full segment was
def mss(n: int) -> bytes:
    return b"\2\4" + n.to_bytes(2, "big")


@pytest.mark.parametrize(("ours", "theirs", "size"), [(mss(1460), mss(1400), 1400), (mss(536), mss(1460), 536), (mss(8960), b"", 8960),
                                                      (b"", mss(1300), 1300), (mss(40), mss(1460), 88), (b"\1\1\1\0", mss(1200), 1200)])
def test_the_smaller_mss_of_both_ends(cable: Any, ours: bytes, theirs: bytes, size: int) -> None:
    parts = segments([size] * 7 + [40])
    assert bytes_of(cable(*shake(ours, theirs), merge(parts)))[2:] == parts


def test_with_a_syn_a_jumbo_frame_is_none_that_was_merged(cable: Any) -> None:
    parts = segments([8960])
    assert bytes_of(cable(*shake(mss(8960), mss(8960)), *parts))[2:] == parts


@pytest.mark.parametrize(("before", "mtu", "size"), [
    ([1400, 1400, 1400, 1100], 1500, 1400),         # most of its full segments, though the first that is merged comes before them
    ([2800, 4200, 1400], 1500, 1400),               # also where most were merged
    ([2800, 4200, 8400], 1500, 1400),               # and all
    ([1000, 1000, 1400, 1400, 1400, 1400, 1400], 1500, 1400),
    ([], 1500, 1460),                               # nothing is known: the MTU
    ([8948, 8948], 9000, 8948), ([8948, 8948], 1500, 1460),                  # a host with this MTU has received no such frame
    ([100, 100, 300], 1500, 1460),                  # no full ones
])
def test_without_a_syn_what_most_full_segments_have(cable: Any, before: list[int], mtu: int, size: int) -> None:
    others = [merge(segments([n], 900_000 + i * 10_000, last=0)) for i, n in enumerate(before)]
    parts = segments([size] * 6 + [7])
    found = cable(merge(parts), sent(ACK, 5001, 101), *others, mtu=mtu)
    assert bytes_of(found)[:7] == parts


def test_what_is_not_merged_stays_as_it_is(cable: Any) -> None:
    long = bytes(3000)
    frames = [eth(ip(udp(long), PEER, US)), eth(ip(tcp(long, flags=ACK, dport=80), proto=6, frag=0x2000)),
              came(RST, 101, 5001, long), came(SYN, 101, 5001, long), eth(ip(tcp(long, flags=ACK, doff=3), proto=6)),
              came(ACK, 101, 5001, bytes(1460)), eth(ip(tcp(long, flags=ACK), proto=6))[:1800], eth(b"\x60" + bytes(2999), proto=0x86DD)]
    found = cable(*shake(), *frames)
    assert bytes_of(found)[2:] == frames and all(f[3][1] == 0 for f in found)


def test_a_frame_cut_by_a_snap_length(cable: Any) -> None:
    parts = segments([1460] * 3)
    found = cable(*shake(), merge(parts), snaplen=2000)[2:]
    whole, second, third = bytes_of(found)
    assert (whole, second[:50], second[52:], third[:50]) == (parts[0], parts[1][:50], parts[1][52:2000 - 1460], parts[2][:50])
    assert [len(f[1]) for f in found] == [1514, 54 + 2000 - 1514, 54] and [f[2] for f in found] == [1514] * 3
    assert [f[4] for f in found] == [0, FEED_CSUM_GOOD, FEED_CSUM_GOOD]


def test_headers_that_are_cut_are_not_split(cable: Any) -> None:
    [*_, frame] = cable(*shake(MSS + STAMPS, MSS + STAMPS), merge(segments([1448] * 3, options=STAMPS), 66), snaplen=60)
    assert frame[2] == 66 + 3 * 1448


def test_on_the_way_segments_may_have_become_shorter_than_announced(cable: Any) -> None:
    """Two agree; what one segment alone has, that was no full one, says nothing."""
    parts = segments([1382] * 4)
    assert bytes_of(cable(*shake(), merge(parts), *segments([1382], 5629, 9, last=0), *segments([2764], 7011, 10, last=0)))[2:6] == parts
    parts = segments([1460] * 4)
    assert bytes_of(cable(*shake(), *segments([1382], 9000, last=0), merge(parts)))[3:] == parts


@needs_shared
def test_a_capture_behind_gro() -> None:
    """tcpdump on a VPN's device of 1,422 bytes: 1,382 of data, where the SYN announced 1,460."""
    run = rxpath.replay(shared_capture("EAQ.pcap"), local="10.8.0.1")
    assert run.traffic.describe()["merged"] == {"frames": 3, "segments": 6} and run.books.tcp is not None
    assert run.books.tcp.read.bytes == run.books.tcp.offered.bytes == 10_222


# ---------------------------------------------------------------- time and memory
def test_they_have_the_frame_s_time_and_follow_as_the_line_carries_them(cable: Any) -> None:
    parts = segments([1460] * 3)
    t = [f[0] for f in cable(*shake(), merge(parts), line_rate=1e9)[2:]]
    assert t == [6_000_000, 6_000_000 + 12_304, 6_000_000 + 2 * 12_304]                 # 1,538 bytes with preamble, FCS and gap
    assert [f[0] for f in cable(*shake(), merge(parts))[2:]] == [6_000_000, 6_000_001, 6_000_002]
    at_a_rate = cable(*shake(), merge(parts), rate=1000)
    assert [b[0] - a[0] for a, b in itertools.pairwise(at_a_rate)] == [1_000_000] * 4


def test_more_than_its_memory_holds_comes_in_pieces_that_leave_no_mark(cable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, wanted = [], []
    for i in range(30):
        wanted += (parts := segments([1460] * 44, 101 + i * 64_240, i * 44))
        frames.append(merge(parts))
    assert sum(map(len, wanted)) > 3 * SPLIT_BYTES
    found = cable(*shake(), *frames)
    assert bytes_of(found)[2:] == wanted
    monkeypatch.setattr("rxpath.cable.capture.PIECE", 7)
    assert cable(*shake(), *frames) == found


def test_a_cable_that_is_full_in_the_middle_of_a_frame_loses_nothing(cable: Any) -> None:
    few, parts = segments([1] * 7150, 101, 0, last=0), segments([1460] * 44, 7251, 7150)
    found = cable(*shake(), *few, merge(parts), *segments([1460] * 44, 71_491, 7194), room=1024)
    assert bytes_of(found)[2:7152 + 44] == [*few, *parts]


def test_what_goes_with_the_record_goes_with_its_segments(cable: Any) -> None:
    """How many, and how long the last is: for the ledger."""
    def look(capture: Any, net: Any) -> None:
        y, z = net.tcp_sent[7 & NTCPSENT - 1], net.tcp_split[7]
        assert (y.frame, y.octets, y.flags & SENT_SPLIT, z.last, z.octets, y.snd_nxt) == (7, 1460, SENT_SPLIT, 2, 10, 5001)
        y = net.tcp_sent[8 & NTCPSENT - 1]
        assert (y.frame, y.octets, y.flags & SENT_SPLIT) == (8, 20, 0)
        assert (net.tcp_offered, net.tcp_offered_octets) == (2 + 3 + 1, 2930 + 20)

    cable(*shake(), merge(segments([1460, 1460, 10])), *segments([20], 3031), look=look)


def test_each_reading_of_a_loop_is_split_anew(cable: Any) -> None:
    parts = segments([1460] * 2)
    found = cable(*shake(), merge(parts), loop=2)
    assert bytes_of(found)[2:4] == bytes_of(found)[9:] == parts and [f[3] for f in found][-2:] == [(14, 0), (14, 1)]
