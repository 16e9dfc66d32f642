"""Bytes that a capture lacks though its receiver acknowledged them are filled in (workbench/run/gaps.py)."""
import pathlib

import pytest

import rxpath
from rxpath.workbench.run import gaps
from rxpath.workbench.run.connections import Amount

from ..cable.test_tcp_sent import ACK, FIN, PSH, STAMPS, TO_US, came, sent
from ..cable.test_wire import both, write
from .test_open_loop import shake, tcp_of
from .test_repairs import RING, replayed
from .test_repairs import write as burst

FAST = ("ethtool.rx=4096", "ethtool.rx-usecs=3")
ROOM = ("net.ipv4.tcp_rmem=4096 6291456 6291456", "net.core.rmem_max=6291456")            # for all that lies behind a loss


def data(start: int, end: int, flags: int = ACK, ack: int = 5001) -> bytes:
    return came(flags, start, ack, b"x" * (end - start))


def acked(upto: int) -> bytes:
    return sent(ACK, 5001, upto)


@pytest.mark.parametrize(("frames", "read", "filled"), [
    ([data(101, 201), acked(1201), data(1201, 1301)], 1200, Amount(1, 1000)),
    ([data(101, 201), acked(5001), data(5001, 5101), data(5101, 5102)], 5001, Amount(4, 4800)),
    # two gaps; what lies between and behind them came before anybody could know
    ([data(101, 201), data(301, 401), data(501, 601), acked(601), data(601, 701)], 600, Amount(2, 200)),
    # out of order, one piece joined to the next
    ([data(101, 201), data(501, 601), data(401, 501), data(301, 401), acked(601), data(601, 701)], 600, Amount(1, 100)),
    # part of the hole was the receiver's, too: its sender repeats it
    ([data(101, 201), acked(301), data(401, 501), data(301, 401), acked(501), data(501, 511)], 410, Amount(1, 100)),
    # more pieces than are told apart
    ([data(101, 201), *(data(301 + 200 * i, 401 + 200 * i) for i in range(12)), acked(2601), data(2601, 2701)], 2600, Amount(9, 1600)),
    # the end is missing, too, but for its FIN
    ([data(101, 201), acked(301), came(FIN | ACK, 301, 5001)], 200, Amount(1, 100)),
    # a hole that the receiver had: nothing is made up
    ([data(101, 201), data(301, 401), acked(201), data(401, 501), data(201, 301)], 400, Amount()),
    # of one direction nothing is known
    ([data(101, 201), data(301, 401), data(401, 501)], 100, Amount()),
], ids=["a gap", "several segments", "two gaps", "out of order", "a hole within", "many pieces", "FIN", "a hole", "one direction"])
def test_what_the_receiver_acknowledged_is_filled_in(tmp_path: pathlib.Path, frames: list[bytes], read: int, filled: Amount) -> None:
    run = both(write(tmp_path, *TO_US, *shake(), *frames))
    c = tcp_of(run)
    assert (c.filled, c.held_back, c.behind_gaps, c.repairs) == (filled, Amount(), Amount(), Amount())
    assert sum(a.connections.bytes for a in run.books.apps if a.connections) == read
    assert any("missing in the capture: zeros were sent in their place" in n for n in run.notes) == bool(filled.segments)


def test_more_than_is_filled_in(tmp_path: pathlib.Path) -> None:
    c = tcp_of(both(write(tmp_path, *TO_US, *shake(), data(101, 201), acked(40_000_201), data(40_000_201, 40_000_301))))
    assert (c.read.bytes, c.filled, c.behind_gaps) == (100, Amount(), Amount(1, 100))


def test_sequence_numbers_wrap(tmp_path: pathlib.Path) -> None:
    isn = (1 << 32) - 500
    c = tcp_of(both(write(tmp_path, *TO_US, *shake(isn), came(ACK, isn + 1, 5001, b"x" * 100), acked(3000), came(ACK, 3000, 5001, b"y"))))
    assert (c.read.bytes, c.filled) == (499 + 3001, Amount(3, 499 - 100 + 3000))


def lossy(tmp_path: pathlib.Path, ms: int = 100) -> pathlib.Path:
    """Full segments, of which the capture has the first 20 and the last 20, and lacks 120 of the time in between."""
    frames = [came(ACK, 1 + i * 1000, 9, b"x" * 1000) for i in range(20)]
    frames += [sent(ACK, 9, 140_001), *(came(ACK, 140_001 + i * 1000, 9, b"y" * 1000) for i in range(20))]
    times = [i * 50_000 for i in range(20)] + [ms * 1_000_000 + i * 50_000 for i in range(21)]
    return burst(tmp_path, *frames, times=times)


def test_whoever_runs_ahead_and_however_it_is_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lossy(tmp_path)
    books, _ = replayed(path, *FAST)
    assert books == replayed(path, *FAST, one_step=True)[0] == replayed(path, *FAST, plain=True)[0]
    assert books.tcp.filled == Amount(120, 120_000), "as long as the sender's full segments"
    assert books.tcp.read.bytes == 160_000
    monkeypatch.setattr("rxpath.cable.capture.PIECE", 7)
    again = replayed(path, *FAST)[0].tcp
    assert (again.filled, again.read.bytes) == (books.tcp.filled, 160_000)


def test_what_was_filled_in_and_lost_is_sent_again(tmp_path: pathlib.Path) -> None:
    run = rxpath.replay(lossy(tmp_path, ms=4), overrides=[*RING, "ethtool.rx-usecs=8000", *ROOM])
    c = tcp_of(run)
    assert c.lost["RX_MISSED"].segments == c.repairs.segments > 20 and c.not_repaired == 0
    assert c.filled == Amount(120, 120_000) and c.read.bytes - c.duplicates.bytes <= 160_000
    assert sum(a.connections.bytes for a in run.books.apps if a.connections) == 160_000


# ---------------------------------------------------------------- what is made
def rest(data: bytes) -> int:
    """0: its checksum is right."""
    return int.from_bytes(data + bytes(len(data) & 1), "big") % 0xFFFF


@pytest.mark.parametrize("tags", [b"", b"\x81\x00\x00\x07", b"\x88\xa8\x00\x09\x81\x00\x00\x07"])
@pytest.mark.parametrize("cut", [None, 60])
def test_the_segments_of_a_gap(tags: bytes, cut: int | None) -> None:
    behind = came(PSH | ACK, 9000, 77, b"data", options=STAMPS)
    behind = (behind[:12] + tags + behind[12:])[:None if cut is None else cut + len(tags)]
    made = list(gaps.segments(behind, (1 << 32) - 1000, 3001, 1400, 1500))
    assert [n for _, n in made] == [1400, 1400, 201]
    for k, (frame, n) in enumerate(made):
        ip, th, at = 14 + len(tags), 34 + len(tags), 54 + len(tags)
        assert frame[:ip] == behind[:ip] and frame[ip + 12:ip + 20] == behind[ip + 12:ip + 20]
        assert int.from_bytes(frame[ip + 2:ip + 4], "big") == at - ip + n and len(frame) == at + n
        assert rest(frame[ip:th]) == 0
        assert rest(frame[ip + 12:ip + 20] + bytes((0, 6)) + (at - th + n).to_bytes(2, "big") + frame[th:]) == 0
        assert int.from_bytes(frame[th + 4:th + 8], "big") == (1 << 32) - 1000 + 1400 * k & 0xFFFFFFFF
        assert frame[th + 8:th + 12] == behind[th + 8:th + 12] and frame[th + 13] == ACK and frame[th + 12] >> 4 == (at - th) // 4
        assert frame[at:] == bytes(n)


def test_a_segment_fits_its_device_and_a_short_one_its_frame() -> None:
    behind = came(ACK, 1, 1)
    assert [n for _, n in gaps.segments(behind, 1, 100, 0, 80)] == [40, 40, 20]
    assert [(len(f), n) for f, n in gaps.segments(behind, 1, 3, 0, 1500)] == [(60, 3)]


def test_the_times_of_a_gap_lie_between_those_of_its_neighbours() -> None:
    assert gaps.times(1000, 5000, 3, 12) == [2000, 3000, 4000] and gaps.times(1, 2, 0, 12) == []
    assert gaps.times(1000, 1200, 3, 100) == [1100, 1200, 1300] and gaps.times(9000, 5000, 2, 0) == [9001, 9002]


def test_a_connection_of_which_there_is_little_is_no_recording_of_it(tmp_path: pathlib.Path) -> None:
    """Four times what is there, and 64 KiB: of 1,002 sequence numbers 69,544 missing ones, and not one more."""
    for missing, filled in ((69_544, 69_544), (69_545, 0)):
        behind = 1101 + missing
        c = tcp_of(both(write(tmp_path, *TO_US, *shake(), data(101, 1101), acked(behind), data(behind, behind + 1))))
        assert (c.filled.bytes, c.behind_gaps.bytes + c.queued.bytes) == (filled, int(not filled))
