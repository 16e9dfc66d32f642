"""Generated traffic: right frames, the rates that were asked for, the same bytes from the same seed, compiled and plain."""
import io
import itertools
import math
import statistics
import struct
from collections import Counter
from typing import Any

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, PcapReader  # type: ignore[attr-defined]

from rxpath.abi.generate import Arrivals, Carries, Sums
from rxpath.cable.generate import Generated, Stream, receiver_of
from rxpath.cable.source import CaptureError

from ..frames import csum

HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
US = 1000 << 16
MIXED = (Stream(kind=Arrivals.POISSON, gap=3 * US, left=300, sizes=((0, 1), (5, 1), (18, 7), (1000, 2), (1472, 1), (3001, 2)),
                src=((0x0A000002, 0x0A000005),), sport=((1024, 2000),), flows=50, skew=1.0, incomplete=0.1),
         Stream(carries=Carries.ICMP, left=100, sizes=((56, 1), (0, 1), (7, 1)), vlan=5),
         Stream(carries=Carries.TCP_SYN, left=50, gap=9 * US),
         Stream(kind=Arrivals.PARETO, burst=10, gap=US // 2, pause=100 * US, left=300))


def pcap(*streams: Stream, plain: bool = False, **options: Any) -> bytes:
    with Generated(streams, plain=plain, **options) as g:
        return b"".join(bytes(piece) for piece in g.pcap())


def frames(*streams: Stream, **options: Any) -> list[tuple[int, Any]]:
    """(ns, parsed frame)"""
    return [(round(p.time * 1_000_000_000), p) for p in PcapReader(io.BytesIO(HEADER + pcap(*streams, **options)))]


def records(*streams: Stream) -> list[tuple[int, bytes]]:
    """(ns, frame), without a parser: fast."""
    data, at, out = pcap(*streams), 0, []
    while at < len(data):
        s, ns, n, _ = struct.unpack_from("<IIII", data, at)
        out.append((s * 1_000_000_000 + ns, data[at + 16:at + 16 + n]))
        at += 16 + n
    return out


def test_compiled_equals_plain_and_a_seed_gives_the_same_bytes() -> None:
    one = pcap(*MIXED, line_rate=1e9)
    assert one == pcap(*MIXED, line_rate=1e9, plain=True) == pcap(*MIXED, line_rate=1e9)
    assert one != pcap(*MIXED, line_rate=1e9, seed=2)


def test_every_frame_is_right_to_another_program() -> None:
    """scapy computes all checksums anew."""
    seen = Counter[str]()
    for _, p in frames(*MIXED):
        ip = p[IP]
        assert csum(bytes(ip)[:20]) == 0 and ip.len == len(bytes(ip).rstrip(b"")) - max(0, len(bytes(ip)) - ip.len)
        assert len(p) >= 60
        if ip.flags.MF or ip.frag:
            seen["fragment"] += 1
            continue
        again = IP(bytes(ip)[:ip.len])
        layer = next(again[kind] for kind in (UDP, ICMP, TCP) if kind in again)
        wanted = layer.chksum
        del layer.chksum
        assert IP(bytes(again)).getlayer(1).chksum == wanted
        seen[type(layer).__name__ + (" tagged" if p[Ether].type == 0x8100 else "")] += 1
    assert seen["UDP"] > 400 and seen["ICMP tagged"] == 100 and seen["TCP"] == 50 and seen["fragment"] > 50


def test_fragments_make_the_datagram_whole_and_some_never_do() -> None:
    whole: dict[int, dict[int, bytes]] = {}
    ended = set()
    for _, p in frames(Stream(left=200, sizes=((4000, 1),), incomplete=0.2)):
        ip = p[IP]
        whole.setdefault(ip.id, {})[ip.frag * 8] = bytes(ip)[20:ip.len]
        if not ip.flags.MF:
            ended.add(ip.id)
    assert len(whole) == 200 and 20 < 200 - len(ended) < 65
    for ident in ended:
        pieces = whole[ident]
        data = b"".join(pieces[k] for k in sorted(pieces))
        assert len(data) == 4008 and sorted(pieces) == [0, 1480, 2960]
        assert csum(struct.pack(">IIBBH", 0x0A000002, 0x0A000001, 0, 17, 4008) + data) == 0


@pytest.mark.parametrize(("sums", "ip_good", "udp_good"), [(Sums.GOOD, True, True), (Sums.BAD, True, False), (Sums.BAD_IP, False, True)])
def test_wrong_checksums_are_wrong_where_asked(sums: int, ip_good: bool, udp_good: bool) -> None:
    for _, p in frames(Stream(left=50, sums=sums, sizes=((33, 1), (500, 1)), flows=50, sport=((1, 50),))):
        raw = bytes(p[IP])[:p[IP].len]
        pseudo = raw[12:20] + struct.pack(">BBH", 0, 17, len(raw) - 20)
        assert (csum(raw[:20]) == 0) == ip_good and (csum(pseudo + raw[20:]) == 0) == udp_good
    assert all(p[UDP].chksum == 0 for _, p in frames(Stream(left=5, sums=Sums.NONE)))


def test_arrivals_have_the_mean_and_the_spread_of_their_kind() -> None:
    def gaps(**stream: Any) -> list[int]:
        times = [t for t, _ in records(Stream(left=6000, **stream))]
        return [b - a for a, b in itertools.pairwise(times)]

    even = gaps(gap=round(3333.3333 * 65536))
    assert set(even) == {3333, 3334} and abs(statistics.mean(even) - 3333.3333) < 0.01
    poisson = gaps(kind=Arrivals.POISSON, gap=10 * US)
    assert abs(statistics.mean(poisson) / 10_000 - 1) < 0.05 and abs(statistics.stdev(poisson) / 10_000 - 1) < 0.06
    bursts = gaps(kind=Arrivals.ONOFF, burst=20, gap=US, pause=100 * US)
    assert Counter(bursts) == {1000: 6000 - 300, 100_000: 299}
    heavy = gaps(kind=Arrivals.PARETO, burst=20, gap=US, pause=100 * US, alpha=1.6)
    pauses = sorted(g for g in heavy if g > 1000)
    lengths = Counter(g > 1000 for g in heavy)
    assert 12 < lengths[False] / lengths[True] < 32, "bursts of 20 on average"
    assert pauses[0] >= 37_000, "the shortest is mean (alpha - 1) / alpha"
    tail = math.log(sum(g > 400_000 for g in pauses) / sum(g > 80_000 for g in pauses)) / math.log(1 / 5)
    assert 1.0 < tail < 2.4, "the tail falls with the exponent alpha"


def test_flows_take_turns_are_drawn_or_follow_zipfs_law() -> None:
    def share(skew: float | None) -> Counter[int]:
        return Counter(int.from_bytes(f[34:36], "big") for _, f in records(Stream(left=8000, flows=8, sport=((100, 107),), skew=skew)))

    assert set(share(None).values()) == {1000}
    drawn = share(0)
    assert len(set(drawn.values())) > 1 and all(850 < n < 1150 for n in drawn.values())
    skewed, total = share(1.0), sum(1 / k for k in range(1, 9))
    for k in range(8):
        assert abs(skewed[100 + k] / 8000 - 1 / (k + 1) / total) < 0.02, k


def test_the_line_spaces_frames_and_says_when_it_is_too_slow() -> None:
    with Generated((Stream(gap=1 << 16, left=2000),), line_rate=1e9) as g:
        b"".join(bytes(piece) for piece in g.pcap())
        assert g.last_t == pytest.approx(2000 * 672, rel=0.01), "84 bytes on a gigabit line"
        assert g.notes() and "more than the line" in g.notes()[0]


def test_the_receiver_is_where_the_traffic_goes() -> None:
    r = receiver_of((Stream(dst=((0x0A000001, 0x0A000002),), dport=((53, 54),)), Stream(carries=Carries.TCP_SYN, dport=((80, 80),), vlan=7),
                     Stream(closed=True, dport=((9, 9),))))
    assert r.addresses == ["10.0.0.1", "10.0.0.2"] and list(r.udp_ports) == [53, 54] and list(r.tcp_ports) == [80]
    assert list(r.closed_udp) == [9] and r.vlans == [7]


def test_limits_are_said() -> None:
    with pytest.raises(CaptureError, match="65 streams: up to 64"):
        Generated((Stream(),) * 65)
    with pytest.raises(CaptureError, match="1048576 flows"):
        Generated((Stream(flows=1 << 20, src=((1, 1 << 21),)), Stream()))
