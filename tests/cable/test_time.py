"""Times: never back, gaps, speeds, rates, loops, selections, line rate."""
import itertools
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from rxpath.cable.source import CaptureError
from rxpath.cable.write import write_pcap, write_repeated

from ..frames import udp_frame
from .captures import Read, epb, idb, option, pcap, shb

F = udp_frame(b"hello")
N = len(F)
S = 10**9
HOUR = 3600 * S
Times = Callable[..., list[int]]


@pytest.fixture(params=["compiled", "plain"])
def times(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Times:
    def make(stamps: list[int], **options: Any) -> list[int]:
        (tmp_path / "x").write_bytes(pcap([(t, F, N) for t in stamps]))
        make.got = got = Read(tmp_path / "x", plain=request.param == "plain", **options)        # type: ignore[attr-defined]
        return [f[0] for f in got.frames]
    return make


def test_time_begins_at_zero_and_never_runs_back(times: Times) -> None:
    assert times([50 * S, 51 * S, 50 * S, 52 * S]) == [0, S, S + 1, 2 * S]
    assert times.got.counts["time_back"] == 1                                                   # type: ignore[attr-defined]


def test_frames_of_one_moment_follow_each_other(times: Times) -> None:
    assert times([7, 7, 7, 1000]) == [0, 1, 2, 993]


def test_long_pauses_are_shortened_and_said(times: Times) -> None:
    assert times([0, 10 * HOUR, 10 * HOUR + 5]) == [0, HOUR, HOUR + 5]
    assert any("longer than 3600 s: shortened" in n for n in times.got.notes)                       # type: ignore[attr-defined]
    assert times([0, 10 * HOUR], max_gap_ns=S) == [0, S]


def test_one_absurd_timestamp_does_not_stop_the_clock(times: Times) -> None:
    assert times([10 * S, 11 * S, 4_000_000_000 * S, 12 * S, 13 * S]) == [0, S, S + HOUR, S + HOUR + 1, 2 * S + HOUR]
    c = times.got.counts                                                                        # type: ignore[attr-defined]
    assert c["gaps_shortened"] == 1 and c["clock_set_back"] == 1


def test_ticks_beyond_every_clock_are_bounded(tmp_path: pathlib.Path) -> None:
    for plain in (False, True):
        (tmp_path / "x").write_bytes(shb() + idb() + epb((1 << 64) - 1, F) + epb(0, F) + epb(1 << 62, F) + epb(5, F))
        assert [f[0] for f in Read(tmp_path / "x", plain=plain).frames] == [0, 1, HOUR, HOUR + 1]


def test_virtual_time_ends_before_never(times: Times) -> None:
    got = times([0, HOUR], loop=4000, speed=0.25, max_gap_ns=24 * HOUR)
    assert max(got) < 1 << 53 and "virtual time ends" in times.got.notes[0]                     # type: ignore[attr-defined]


def test_speed_divides_distances_without_drift(times: Times) -> None:
    assert times([0, 1000, 2000, 10**9], speed=10) == [0, 100, 200, 10**8]
    assert times([i * 10 for i in range(1000)], speed=3)[-1] == 3330
    assert times([0, 1000], speed=0.5) == [0, 2000]


def test_rate_spaces_frames_equally(times: Times) -> None:
    assert times([0, 5, 5 * HOUR], rate=1_000_000) == [0, 1000, 2000]
    got = times([0] * 3001, rate=3_000_000)
    assert got[3000] == 1_000_000 and {b - a for a, b in itertools.pairwise(got)} == {333, 334}


def test_loop_goes_on_in_time_and_numbers(times: Times) -> None:
    assert times([5, 3005, 8005], loop=3) == [0, 3000, 8000, 12000, 15000, 20000, 24000, 27000, 32000]
    got = times.got                                                                             # type: ignore[attr-defined]
    assert [f[3] for f in got.frames] == list(range(1, 10))
    assert got.capture.record_number(5) == (2, 2)
    assert got.progress[-1] == 1.0


def test_the_first_frame_comes_when_it_is_asked_to(times: Times) -> None:
    assert times([9, 19], start_ns=S, loop=2) == [S, S + 10, S + 1010, S + 1020]
    assert times([9, 19], start_ns=S, rate=1e6) == [S, S + 1000]


def test_selection_takes_records_by_number(times: Times) -> None:
    assert times([0, 1000, 2000, 3000], first=2, last=3) == [0, 1000]
    assert [f[3] for f in times.got.frames] == [2, 3]                                           # type: ignore[attr-defined]
    assert len(times([0, 1000, 2000, 3000], first=2, last=3, loop=5)) == 10


def test_line_rate_keeps_frames_apart(times: Times) -> None:
    wire = (max(N, 60) + 24) * 8
    assert times([0, 0, 0, 10**6], line_rate=1e9) == [0, wire, 2 * wire, 10**6]


@pytest.mark.parametrize("bad", [{"speed": 0}, {"rate": 0.0}, {"loop": 0}, {"first": 0}, {"first": 5, "last": 4},
                                 {"max_gap_ns": 0}, {"line_rate": 1}])
def test_bad_options_say_what_is_allowed(bad: dict[str, Any]) -> None:
    with pytest.raises(CaptureError, match=r"from|at least|the first|up to"):
        Read("/dev/null", **bad)


def test_more_frames_than_the_cable_holds_and_than_a_chunk(tmp_path: pathlib.Path) -> None:
    frames = [udp_frame(bytes([i]) * (i * 7)) for i in range(200)]
    write_repeated(tmp_path / "x", frames, 40_000, 100)
    got = Read(tmp_path / "x")
    assert [f[1] for f in got.frames] == [frames[i % 200] for i in range(40_000)]
    assert [f[0] for f in got.frames] == [i * 100 for i in range(40_000)]


def test_write_pcap_is_read_back(tmp_path: pathlib.Path) -> None:
    assert write_pcap(tmp_path / "x", [(1, F), (2_500_000_001, F * 3)], snaplen=100) == 2
    assert [(f[0], f[1], f[2]) for f in Read(tmp_path / "x").frames] == [(0, F[:100], N), (2_500_000_000, (F * 3)[:100], 3 * N)]


# ---------------------------------------------------------------- within the resolution of timestamps
def stamped(tmp_path: pathlib.Path, stamps: list[int], kind: str, plain: bool, **options: Any) -> list[int]:
    """Times on the cable of frames with these stamps (ns), in a file whose clock has that resolution."""
    if kind in ("us", "ns"):
        data = pcap([(t, F, N) for t in stamps], nano=kind == "ns")
    else:
        digits = int(kind)
        data = shb() + idb(options=option(9, bytes([digits]))) + b"".join(epb(t * 10 ** digits // S, F) for t in stamps)
    (tmp_path / "x").write_bytes(data)
    return [f[0] for f in Read(tmp_path / "x", plain=plain, **options).frames]


@pytest.mark.parametrize(("kind", "resolution"), [("us", 1000), ("ns", 1), ("3", 1_000_000), ("7", 100)])
def test_a_frame_came_at_any_time_until_the_next_tick_of_its_clock(kind: str, resolution: int, tmp_path: pathlib.Path) -> None:
    stamps = [i * 5_000_000 for i in range(400)]
    plain, compiled = (stamped(tmp_path, stamps, kind, how, arrival_dice=4711) for how in (True, False))
    late = [t - stamp for t, stamp in zip(compiled, stamps, strict=True)]
    assert plain == compiled
    assert all(0 <= x < resolution for x in late)
    assert resolution == 1 or 0.4 * resolution < sum(late) / len(late) < 0.6 * resolution
    assert stamped(tmp_path, stamps, kind, False) == stamps, "without dice at its timestamp"


def test_frames_of_one_tick_came_together_and_in_their_order(tmp_path: pathlib.Path) -> None:
    first, second, third, other = stamped(tmp_path, [0, 0, 0, 1000], "us", False, arrival_dice=7)
    assert (second, third) == (first + 1, first + 2) and 1000 <= other < 2000


def test_a_moment_within_a_tick_is_scaled_with_the_speed_and_a_rate_has_none(tmp_path: pathlib.Path) -> None:
    stamps = [i * 1_000_000 for i in range(50)]
    slow, fast = (stamped(tmp_path, stamps, "us", False, arrival_dice=3, speed=speed) for speed in (1.0, 10.0))
    assert all(abs(a // 10 - b) <= 1 for a, b in zip(slow, fast, strict=True))
    assert stamped(tmp_path, stamps, "us", False, arrival_dice=3, rate=1000) == stamps
