"""Segments of a captured connection that the host loses are sent again (workbench/run/repairs.py)."""
import pathlib
from typing import Any, NamedTuple

import pytest

import rxpath
from rxpath.cable import capture as cable_capture
from rxpath.cable.capture import Capture
from rxpath.cable.receiver import infer_receiver
from rxpath.workbench.host.given import the_host
from rxpath.workbench.run import repairs
from rxpath.workbench.run.connections import Amount
from rxpath.workbench.run.repairs import RTO_NS, payload_of
from rxpath.workbench.run.simulation import START_NS, Simulation

from ..cable.captures import pcap
from ..cable.test_tcp_sent import ACK, FIN, MSS, RST, SYN, TO_US, came, sent
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
    [came(SYN, 5, sport=1000 + i) for i in range(100)],                     # a SYN of no connection that is real
    [came(RST, 1)] * 100,
    [came(ACK, 1, 9, b"x" * 50, sport=9, dport=9)] + [came(ACK, 1, 9, sport=i) for i in range(100)],
])
def test_what_takes_no_sequence_numbers_of_a_real_connection_is_not_repaired(tmp_path: pathlib.Path, frames: list[bytes]) -> None:
    books, r = replayed(write(tmp_path, *frames))
    assert books.dropped["RX_MISSED"] > 10 and r is not None and (r.segments, r.gave_up) == (0, 0)


def test_a_fin_is_repaired(tmp_path: pathlib.Path) -> None:
    books, r = replayed(write(tmp_path, *segments(90), *[came(FIN | ACK, 9001, 9)] * 10))
    assert r is not None and r.segments == books.dropped["RX_MISSED"] > 10 and r.octets == 100 * (r.segments - 10)


# ---------------------------------------------------------------- SYNs
def begun(n: int = 100, late: int = 0) -> tuple[list[bytes], list[int]]:
    """n connections at once, whose segments follow within the next second; `late` more of each half a second later."""
    frames, times = [], []
    for i in range(n):
        port = 1000 + i
        for t, frame in ((0, came(SYN, 100, sport=port, options=MSS)), (100_000, sent(SYN | ACK, 500, 101, dport=port, options=MSS)),
                         (300_000_000, came(ACK, 101, 501, sport=port)), (400_000_000, came(ACK, 101, 501, b"first", port)),
                         (950_000_000, came(ACK, 106, 501, b"more", port)),
                         *((1_500_000_000 + k * 100_000_000, came(ACK, 110 + k, 501, b"z", port)) for k in range(late))):
            frames.append(frame)
            times.append(t + i * (20_000 if t else 1000))
    order = sorted(range(len(times)), key=times.__getitem__)
    return [frames[i] for i in order], [times[i] for i in order]


def test_a_lost_syn_comes_again_after_a_second_and_its_connection_behind_it(tmp_path: pathlib.Path) -> None:
    """In the meantime its segments wait; each connection has its handshake, none begins without."""
    frames, times = begun(late=2)
    path = write(tmp_path, *frames, times=times)
    run = rxpath.replay(path, overrides=RING)
    c = run.books.tcp
    assert 10 < c.syns_repeated < 100 and c.lost == {"RX_MISSED": Amount(c.syns_repeated, 0)} and c.not_repaired == 0
    assert c.before_syn.segments == run.books.dropped["TCP_SYN_LOST"] == 3 * c.syns_repeated == c.repairs.segments - c.syns_repeated
    assert c.before_syn.bytes == 9 * c.syns_repeated and c.queued.segments == 0 and c.held_back.segments == 0
    assert c.read.bytes == 100 * (5 + 4 + 2) and c.duplicates.segments == 0 and c.other == {}
    assert run.books.snmp["Tcp.PassiveOpens"] == 100 + 1                   # and the one that makes the receiver clear
    [said] = [n for n in run.notes if "SYNs" in n]
    assert f"of these repairs {c.syns_repeated} SYNs came a second after the loss, or later" in said


def test_a_syn_that_is_lost_again_comes_again_two_seconds_later(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that were lost come again at once, and the ring is too small for them once more."""
    frames, times = begun(250)
    path = write(tmp_path, *frames, times=times)
    run = rxpath.replay(path, overrides=RING)
    c = run.books.tcp
    assert c.syns_repeated > 170 + 85 and c.not_repaired == 0 and c.read.bytes == 250 * 9 and run.books.elapsed_ns > 3_000_000_000
    monkeypatch.setattr(repairs, "SYN_TRIES", 0)                            # whoever gives up sends nothing more
    run = rxpath.replay(write(tmp_path, *frames, came(ACK, 110, 501, b"z", 1249), times=[*times, 5_000_000_000]), overrides=RING)
    c = run.books.tcp
    assert (c.syns_repeated, c.queued.segments) == (0, 0) and c.not_repaired == 165 * 4 + 1 and run.books.elapsed_ns < 6_000_000_000
    assert c.not_repaired == c.lost["RX_MISSED"].segments + c.before_syn.segments


def test_a_connection_whose_syn_is_gone_begins_with_its_first_segment(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was lost so late that nothing can be repeated of it."""
    monkeypatch.setattr(repairs, "payload_of", lambda frame: None if frame[47] & SYN else payload_of(frame))
    frames, times = begun(late=1)
    c = rxpath.replay(write(tmp_path, *frames, times=times), overrides=RING).books.tcp
    assert c.syns_repeated == 0 and c.lost["RX_MISSED"].segments > 10 and c.read.bytes == 100 * (5 + 4 + 1) and c.queued.segments == 0


def test_syns_running_ahead_and_plain(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, times = begun(150, late=2)
    path = write(tmp_path, *frames, times=times)
    (a, r), (b, _), (c, _) = replayed(path), replayed(path, one_step=True), replayed(path, plain=True)
    assert a == b == c and a.tcp.syns_repeated > 70 and r is not None
    monkeypatch.setattr(cable_capture, "PIECE", 100)
    d, _ = replayed(path)
    assert (d.tcp, d.dropped, d.elapsed_ns) == (a.tcp, a.dropped, a.elapsed_ns)


def test_an_answer_to_the_receiver_s_syn_that_is_lost(tmp_path: pathlib.Path) -> None:
    frames = [sent(SYN, 300, sport=2000 + i, dport=443, options=MSS) for i in range(100)] \
        + [came(SYN | ACK, 7, 301, sport=443, dport=2000 + i, options=MSS) for i in range(100)] \
        + [came(ACK, 8, 301, b"hello", 443, 2000 + i) for i in range(100)]
    run = rxpath.replay(write(tmp_path, *frames, times=[i // 100 * 200_000_000 + i * 1000 for i in range(300)]), overrides=RING)
    c = run.books.tcp
    assert c.syns_repeated > 10 and c.before_syn.segments == c.syns_repeated and c.read.bytes == 500 and c.not_repaired == 0


def test_a_syn_that_the_capture_s_sender_sends_again_itself_is_enough(tmp_path: pathlib.Path) -> None:
    """It comes before ours would: the connection begins with it."""
    frames, times = begun()
    again = [(500_000_000 + i * 13_000, came(SYN, 100, sport=1000 + i, options=MSS)) for i in range(100)]
    all_ = sorted([*zip(times, frames, strict=True), *again], key=lambda x: x[0])
    c = rxpath.replay(write(tmp_path, *[f for _, f in all_], times=[t for t, _ in all_]), overrides=RING).books.tcp
    assert c.before_syn.segments > 10 and c.syns_repeated == 0 and c.read.bytes == 900


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
    (came(ACK, 1, 9, b"four"), 4), (came(FIN | ACK, 1, 9), 0), (came(ACK, 1, 9), None), (came(SYN, 1), 0), (came(RST, 1, 0, b"x"), None),
    (udp_frame(), None), (came(ACK, 1, 9, b"four")[:48], 4), (came(ACK, 1)[:33], None), (b"", None), (b"\0" * 60, None),
    (eth(ip(tcp(b"abc", flags=ACK), proto=6), vlan=5), 3), (fragments(tcp(bytes(100), flags=ACK), [40], proto=6)[0], None),
    (came(ACK, 1, 9, b"x")[:14], None), (b"\x81\0" * 30, None),
])
def test_what_a_sender_repeats(frame: bytes, octets: int | None) -> None:
    assert payload_of(frame) == octets
