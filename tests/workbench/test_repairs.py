"""Segments of a captured connection that the host loses are sent again (workbench/run/repairs.py)."""
import pathlib
from typing import Any, NamedTuple

import pytest

from rxpath.cable import capture as cable_capture
from rxpath.cable.capture import Capture
from rxpath.cable.receiver import infer_receiver
from rxpath.workbench.host.given import the_host
from rxpath.workbench.run import repairs
from rxpath.workbench.run.repairs import RTO_NS, payload_of
from rxpath.workbench.run.simulation import START_NS, Simulation

from ..cable.captures import pcap
from ..cable.test_tcp_sent import ACK, FIN, RST, SYN, TO_US, came, sent
from ..frames import eth, fragments, ip, tcp, udp_frame

RING = ["ethtool.combined=1", "ethtool.rx=80", "ethtool.rx-usecs=1000", "ethtool.gro=off"]                # a ring that is too small


def segments(n: int, size: int = 100, seq: int = 1) -> list[bytes]:
    return [came(ACK, seq + i * size, 9, b"x" * size) for i in range(n)]


def write(tmp_path: pathlib.Path, *frames: bytes, times: list[int] | None = None) -> pathlib.Path:
    """Behind what makes the receiver clear and the connection real, 1 us apart or at these times."""
    path, first = tmp_path / "burst.pcap", [*TO_US, came(ACK, 1, 9), sent(ACK, 9, 1)]
    when = times or [i * 1000 for i in range(len(frames))]
    path.write_bytes(pcap([(i * 1000, f, len(f)) for i, f in enumerate(first)]
                          + [(10_000_000 + t, f, len(f)) for t, f in zip(when, frames, strict=True)]))
    return path


class Sent(NamedTuple):
    segments: int
    octets: int
    gave_up: int
    waiting: int


def replayed(path: pathlib.Path, *overrides: str, plain: bool = False, one_step: bool = False) -> tuple[Any, Sent | None]:
    receiver = infer_receiver(path)
    host = the_host(None, [*RING, *overrides], None)
    with Simulation(host, receiver=receiver, plain=plain, one_step=one_step) as sim, \
            Capture(path, receiver=receiver, start_ns=START_NS, plain=plain) as capture:
        sim.replay(capture)
        return sim.books(), sim.repairs and Sent(sim.repaired, sim.repaired_bytes, sim.not_repaired, sim.repairs.waiting)


def test_what_the_ring_loses_comes_once_more_after_a_timeout(tmp_path: pathlib.Path) -> None:
    books, r = replayed(write(tmp_path, *segments(100)))
    assert r is not None and books.dropped["RX_MISSED"] == r.segments > 10 and r.gave_up == r.waiting == 0
    assert r.octets == 100 * r.segments and books.offered == 3 + 1 + 100 + r.segments
    assert books.elapsed_ns > 10_000_000 + RTO_NS


def test_a_repair_that_is_lost_comes_again_later(tmp_path: pathlib.Path) -> None:
    """All that is lost at once comes again at once: a ring that is too small for it loses of it again."""
    books, r = replayed(write(tmp_path, *segments(300)))
    assert r is not None and books.dropped["RX_MISSED"] == r.segments > 215 and r.gave_up == 0
    assert books.offered == 3 + 1 + 300 + r.segments
    assert books.elapsed_ns > 10_000_000 + 3 * RTO_NS                          # 200 ms, and twice as long after that


def test_running_ahead_is_one_step_at_a_time_and_compiled_is_plain(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, *segments(300))
    (a, r), (b, s), (c, t) = replayed(path), replayed(path, one_step=True), replayed(path, plain=True)
    assert a == b == c
    assert r is not None and s is not None and t is not None and r.segments == s.segments == t.segments


@pytest.mark.parametrize("frames", [
    [udp_frame(b"u" * 100)] * 100,                                          # UDP is never repaired
    [came(ACK, 1, 9)] * 100,                                                # a bare ACK
    [came(SYN, 5, sport=1000 + i) for i in range(100)],                     # a SYN: of no connection that is real, or it begins one
    [came(RST, 1)] * 100,
    [came(ACK, 1, 9, b"x" * 50, sport=9, dport=9)] + [came(ACK, 1, 9, sport=i) for i in range(100)],
])
def test_what_takes_no_sequence_numbers_of_a_real_connection_is_not_repaired(tmp_path: pathlib.Path, frames: list[bytes]) -> None:
    books, r = replayed(write(tmp_path, *frames))
    assert books.dropped["RX_MISSED"] > 10 and r is not None and (r.segments, r.gave_up) == (0, 0)


def test_a_fin_is_repaired(tmp_path: pathlib.Path) -> None:
    books, r = replayed(write(tmp_path, *segments(90), *[came(FIN | ACK, 9001, 9)] * 10))
    assert r is not None and r.segments == books.dropped["RX_MISSED"] > 10 and r.octets == 100 * (r.segments - 10)


def test_pieces_of_the_capture_leave_no_mark(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [i * 1000 for i in range(150)] + [250_000_000 + i * 1000 for i in range(150)]
    path = write(tmp_path, *segments(300), times=times)
    whole, r = replayed(path)
    monkeypatch.setattr(cable_capture, "PIECE", 100)
    pieces, s = replayed(path)
    assert whole == pieces and r is not None and s is not None and r.segments == s.segments > 120


def test_without_a_connection_there_is_nothing_to_repair(tmp_path: pathlib.Path) -> None:
    (tmp_path / "u.pcap").write_bytes(pcap([(i, udp_frame(), 106) for i in range(5)]))
    assert replayed(tmp_path / "u.pcap")[1] is None


def test_beyond_so_many_tries_nobody_sends_again(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairs, "TRIES", 1)
    books, r = replayed(write(tmp_path, *segments(300)))
    assert r is not None and r.gave_up > 0 and r.gave_up + r.segments == books.dropped["RX_MISSED"]


@pytest.mark.parametrize(("frame", "octets"), [
    (came(ACK, 1, 9, b"four"), 4), (came(FIN | ACK, 1, 9), 0), (came(ACK, 1, 9), None), (came(SYN, 1), None), (came(RST, 1, 0, b"x"), None),
    (udp_frame(), None), (came(ACK, 1, 9, b"four")[:48], 4), (came(ACK, 1)[:33], None), (b"", None), (b"\0" * 60, None),
    (eth(ip(tcp(b"abc", flags=ACK), proto=6), vlan=5), 3), (fragments(tcp(bytes(100), flags=ACK), [40], proto=6)[0], None),
    (came(ACK, 1, 9, b"x")[:14], None), (b"\x81\0" * 30, None),
])
def test_what_a_sender_repeats(frame: bytes, octets: int | None) -> None:
    assert payload_of(frame) == octets
