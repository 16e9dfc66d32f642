"""rxpath headroom: the speed is where the loss begins, the limit is what loses there, and what lifts it does, by running it."""
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import rxpath
from rxpath.cable.write import write_pcap, write_repeated
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.jobs.unit import Result, Unit, run
from rxpath.workbench.many import limits
from rxpath.workbench.many.headroom import Dot, Headroom
from rxpath.workbench.many.search import Found, Goal, search
from rxpath.workbench.run.where_lost import OURS
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.views import headroom as view
from rxpath.workbench.views import terminal

from ...frames import udp_frame

FAST = ("app.slow-reader.service=1us", "net.core.rmem_default=8388608")             # nobody is slow: the limits are the kernel's
GIVES_WAY = "socket udp 0.0.0.0:9000"
SLOW = ("app.0.service=30us", "app.0.cpu=1")


@pytest.fixture(scope="module")
def bursts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ten bursts of 60 datagrams, 10 us apart, one every 20 ms."""
    file = tmp_path_factory.mktemp("captures") / "bursts.pcap"
    write_pcap(file, ((burst * 20_000_000 + i * 10_000, udp_frame(dport=9000)) for burst in range(10) for i in range(60)))
    return str(file)


@pytest.fixture(scope="module")
def room(bursts: str) -> Headroom:
    return rxpath.headroom(bursts, overrides=SLOW, steps=2, loop=2, seeds=3)


def find(goal: Goal, loses: Callable[[float], bool], span: Callable[[float], float] = lambda s: 1e9 / s, start: float = 1.0) -> Found:
    """The search on a made-up host."""
    asking = search(goal, start)
    speeds = next(asking)
    try:
        while True:
            speeds = asking.send([Result(offered=100, load_at={"RX_MISSED": {"nic_dma": 50}} if loses(s) else {}, span_ns=round(span(s)))
                                   for s in speeds])
    except StopIteration as end:
        return end.value                                                            # type: ignore[no-any-return]


@pytest.mark.parametrize("limit", [0.0123, 0.4, 0.99, 1.01, 3.0, 77.7, 5000.0])
def test_a_limit_is_found_within_a_per_cent(limit: float) -> None:
    found = find(Goal(), lambda s: s > limit)
    assert found.good is not None and found.bad is not None
    assert found.good <= limit < found.bad <= found.good * 1.011


def test_losses_that_come_and_go_count_from_the_first() -> None:
    found = find(Goal(), lambda s: 20 < s < 31 or s > 47)
    assert found.good is not None and 19.7 < found.good <= 20 and found.bad is not None and found.bad < 20.3
    assert find(Goal(), lambda s: 0.3 < s < 0.45 or s > 1.2).good == pytest.approx(0.3, rel=0.011)


def test_nothing_gives_way_or_nothing_holds() -> None:
    assert find(Goal(), lambda s: False).bad is None
    assert find(Goal(), lambda s: True).good is None
    line = find(Goal(), lambda s: False, lambda s: max(1e9 / s, 1e8))
    assert line.line_full and line.bad is None and line.good is not None and line.good == pytest.approx(10)


def test_the_speed_is_where_the_first_frame_is_lost(room: Headroom, bursts: str) -> None:
    first = room.limits[0]
    assert first.bad is not None and first.factor < first.bad <= first.factor * 1.011
    assert run(Unit(bursts, overrides=SLOW, speed=first.factor, loop=2)).dropped == {}
    lost = rxpath.replay(bursts, overrides=SLOW, speed=first.bad, loop=2)
    assert lost.dropped == {"SOCKET_RCVBUFF": first.lost} and first.lost > 0
    assert first.limit is not None and (first.limit.place, first.limit.reason, first.limit.cpu) == (GIVES_WAY, "SOCKET_RCVBUFF", 1)
    assert "app0 on CPU 1" in first.limit.says


def test_what_lifts_a_limit_does_and_the_rest_does_not(room: Headroom, bursts: str) -> None:
    first, second = room.limits
    lift = first.lift
    assert lift is not None and first.bad is not None and first.commands
    assert run(Unit(bursts, overrides=SLOW + lift.set, speed=first.bad, loop=2)).lost == 0
    useless = [t for t in first.tried if t.factor <= first.factor]
    assert {t.set[0].partition("=")[0] for t in useless} >= {"ethtool.rx", "net.core.netdev_max_backlog", "net.core.netdev_budget"}
    for tried in useless:
        assert run(Unit(bursts, overrides=SLOW + tried.set, speed=first.bad, loop=2)).lost > 0
    assert second.settings == lift.set and second.factor == lift.factor > first.factor
    assert not any(".service" in s for s in lift.set), "less work is no knob"


def test_a_buffer_lifts_no_further_than_the_cpu_lasts(room: Headroom, bursts: str) -> None:
    """1,200 datagrams of 30 us and a system call each in 0.36 s: ten times as fast the program has no time left, whatever its buffer."""
    second = room.limits[1]
    assert second.limit is not None and (second.limit.place, second.limit.reason) == ("CPU 1", "work")
    assert 9 < second.factor < 10.5 and "app0" in second.limit.says
    fits = Unit(bursts, overrides=SLOW + second.settings, speed=1.5 * second.factor, loop=2)
    result = run(fits)
    assert result.lost == 0 and result.cpu_ns["application"] > result.span_ns, "it holds, because the capture ends"


def test_the_same_seed_finds_the_same_whatever_the_cores(room: Headroom, bursts: str) -> None:
    assert rxpath.headroom(bursts, overrides=SLOW, steps=2, loop=2, seeds=3, jobs=1).to_dict() == room.to_dict()


def test_the_first_limit_is_searched_with_other_seeds_too(room: Headroom, bursts: str) -> None:
    told = room.to_dict()["spread"]
    assert told["seeds"] == [1, 2, 3] and told["factor"]["each"] == list(room.factors) and room.factors[0] == room.factor
    assert told["factor"]["min"] <= told["factor"]["median"] <= told["factor"]["max"]
    for seed, factor in zip((2, 3), room.factors[1:], strict=True):
        assert not run(Unit(bursts, overrides=SLOW, loop=2, seed=seed, speed=factor)).lost_to_load
        assert run(Unit(bursts, overrides=SLOW, loop=2, seed=seed, speed=round(factor * 1.02, 4))).lost_to_load
    assert "with 3 seeds: " in str(room)


def test_the_curve_bends_at_the_limit(room: Headroom) -> None:
    (setting, dots), (lifted, more) = room.curves
    assert setting == () and lifted == room.limits[1].settings
    assert all(d.lost_share == 0 for d in dots if d.speed <= room.factor)
    assert all(d.lost_share > 0 for d in dots if d.speed > 1.1 * room.factor)
    assert [d.speed for d in dots] == sorted(d.speed for d in dots) and len(more) == len(dots)
    assert dots[0].delivered_pps == pytest.approx(dots[0].offered_pps, rel=0.01)


def test_a_saturated_cpu_is_told_from_a_burst(tmp_path) -> None:                    # type: ignore[no-untyped-def]
    """Evenly spaced datagrams: the program needs 5 us and a system call for each, and a CPU has no more time than that."""
    file = tmp_path / "even.pcap"
    write_repeated(file, [udp_frame(sport=4000 + i, dport=9000) for i in range(16)], 4000, gap_ns=20_000)
    found = rxpath.headroom(file, overrides=["app.0.service=5us", "app.0.cpu=1"], steps=2, seeds=1)
    limit = found.limits[0].limit
    assert limit is not None and limit.place == "socket udp 0.0.0.0:9000" and limit.cpu == 1
    assert limit.saturated and "cannot read faster" in limit.says
    assert 2.5 < found.factor < 4
    buffers = [t for t in found.limits[0].tried if t.set[0].startswith("net.core.rmem_default")]
    assert all(t.lasting < found.factor * 1.1 for t in buffers), "a buffer only keeps what the program does not read"
    lift = found.limits[0].lift
    assert lift is not None and lift not in buffers and lift.lasting > found.factor * 1.3


def test_a_fast_host_ends_at_its_line() -> None:
    found = rxpath.headroom("first", overrides=(*FAST, "nic.speed=10Mbit", "profile=bm36"), steps=2, seeds=1)
    assert found.limits[0].limit is not None and found.limits[0].limit.place == "line"
    lift = found.limits[0].lift
    assert lift is not None and lift.set == ("nic.speed=100Mbit",) and lift.factor > 2 * found.factor


def test_a_loss_or_a_latency_may_be_the_goal(bursts: str) -> None:
    some = rxpath.headroom(bursts, overrides=SLOW, loss="10%", steps=1, seeds=1)
    assert some.factor > rxpath.headroom(bursts, overrides=SLOW, steps=1, seeds=1).factor
    late = rxpath.headroom(bursts, overrides=SLOW, p99="1500us", steps=1, seeds=1)
    at = late.limits[0]
    good, bad = (run(Unit(bursts, overrides=SLOW, speed=x or 0)).done_ns["p99"] for x in (at.factor, at.bad))
    assert good <= 1_500_000 < bad
    never = rxpath.headroom(bursts, p99="1us", steps=2, seeds=1)
    assert never.factor == 0 and "does not hold at any speed" in str(never)
    assert never.limits[0].limit is not None and never.limits[0].limit.place == "the path"


def test_a_lost_datagram_is_late() -> None:
    half = Result(offered=100, load_at={"RX_MISSED": {"nic_dma": 50}}, done_ns={"p99": 10, "count": 50})
    assert not Goal.of(p99="1ms").holds(half) and Goal.of(p99="1ms").holds(Result(done_ns={"p99": 10, "count": 50}))
    assert Goal.of(loss=0.5).holds(half) and not Goal.of(loss="49%").holds(half)
    assert Goal().holds(Result(offered=9, dropped={"NO_SOCKET": 9})), "a closed port is no matter of speed"
    assert not Goal(loss=0.9).holds(Result(offered=9, dropped={OURS: 1})), "a run that came to a limit of rxpath's own does not tell"


def test_rxpaths_own_limit_is_not_the_hosts() -> None:
    host = hostfile.default()
    assert limits.find(host, Result(offered=9, dropped={OURS: 5}), Goal()).reason == limits.OURS
    both = Result(offered=9, dropped={OURS: 5, "PROTO_MEM": 1}, load_at={"PROTO_MEM": {"__udp_enqueue_schedule_skb": 1}},
                  cpus=({"hardirq": 0, "softirq": 0, "syscall": 0, "application": 0, "idle": 9, "others": 0, "room": 9},) * host.cpus)
    assert limits.find(host, both, Goal()).reason == "PROTO_MEM" and both.lost_to_load == 1 and both.lost_to_us == 5


def test_full_memory_for_fragments_is_a_limit() -> None:
    """Its reason says nothing of where it happened; its station does."""
    sent = trafficfile.build({"traffic": [{"rate": "1kpps", "count": 300, "size": 20_000, "incomplete": 0.2}]})
    room = rxpath.headroom(sent, overrides=["net.ipv4.ipfrag_high_thresh=262144", "net.ipv4.ipfrag_low_thresh=196608"], steps=1, seeds=1)
    limit = room.limits[0].limit
    assert limit is not None and (limit.place, limit.reason) == ("fragments", "NOT_SPECIFIED") and room.limits[0].lost
    assert "memory for fragments is full" in " ".join(str(room).split())


def test_the_command_prints_json_and_a_report(capsys: pytest.CaptureFixture[str], room: Headroom, bursts: str) -> None:
    assert cli.run(["headroom", bursts, "--limits", "1", "--seeds", "1", "--json", *(word for s in SLOW for word in ("--set", s))]) == 0
    found = rxpath.headroom(bursts, overrides=SLOW, steps=1, seeds=1)
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found.to_dict()))
    text = str(room)
    assert "lifted by --set " in text and "Delivered of what is offered, as it is" in text
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize(("argv", "says"), [
    (["--loss", "2%%"], "--loss 2%%: must be a share"), (["--loss", "100%"], "from 0 to below 100%"),
    (["--loss", "nan"], "must be a share"),
    (["--p99", "fast"], "--p99 fast: must be a time"), (["--p99", "0"], "above 0"), (["--limits", "0"], "--limits 0: 1 to 20"),
    (["--set", "ethtool.rx=3"], "64 to 4096 for igb"), (["--set", "ethtool.rxx=3"], "did you mean"), (["--jobs", "0"], "1 to 1024"),
    (["--loop", "0"], "loop 0: from 1 to"), (["--listen", "sctp"], "must be like"),
])
def test_mistakes_are_one_line(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["headroom", "first", *argv]) == 2
    out, err = capsys.readouterr()
    assert says in err and err.count("\n") == 1 and out == ""


@pytest.mark.parametrize("frames", [0, 1])
def test_a_capture_without_a_pace_has_no_head_room(frames: int, tmp_path: Path,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    write_pcap(tmp_path / "few.pcap", [(0, udp_frame())] * frames)
    assert cli.run(["headroom", str(tmp_path / "few.pcap")]) == 2
    out, err = capsys.readouterr()
    assert err == f"rxpath: few.pcap: {frames} frames come to the receiver: head-room needs two or more, at different times\n" and out == ""


def test_stopping_keeps_what_is_known() -> None:
    asked = 0

    def later() -> bool:
        nonlocal asked
        asked += 1
        return asked > 100

    found = rxpath.headroom("first", jobs=1, stop=later)
    assert found.interrupted and "INTERRUPTED" in str(found) and len(found.limits) < 3


def test_generated_traffic_has_head_room_too(tmp_path) -> None:                     # type: ignore[no-untyped-def]
    spec = tmp_path / "voice.toml"
    spec.write_text('[[traffic]]\nrate = "100kpps"\nsize = 172\nflows = 50\nduration = "50ms"\nkind = "poisson"\n')
    found = rxpath.headroom(spec, steps=1, seeds=1)
    assert found.capture == "voice.toml" and found.factor > 2
    assert rxpath.replay(spec, speed=found.factor).dropped == {}
    swept = rxpath.sweep(spec, ["speed=1..16"])
    assert [bool(r.result.lost) for r in swept.rows] == [float(r.settings["speed"]) > found.factor for r in swept.rows]


def test_it_says_first_whether_the_traffic_can_last(tmp_path: Path) -> None:
    """Nothing is lost, since the buffer holds what 40 ms bring; the program is asked for 1.5 times what it can do."""
    spec = tmp_path / "even.toml"
    spec.write_text('[[traffic]]\nrate = "60kpps"\nduration = "40ms"\n')
    slow = ["app.0.service=25us", "app.0.cpu=1", "net.core.rmem_default=8388608"]
    over = rxpath.headroom(spec, overrides=slow, steps=1, seeds=1, loss="1%")
    assert over.now is not None and over.now.lasts is False and over.to_dict()["now"]["lasts"] is False
    said = " ".join(str(over).split())
    assert said.startswith("even.toml: cannot last as it is; until this traffic ends the goal (at most 1% lost) holds up to 24.8 times")
    assert "as it is it cannot last: app0 is asked for 1.5" in said and "the line of 1Gbit/s is full" in said
    assert over.factor == pytest.approx(1e9 / (84 * 8) / 60_000, rel=0.002), "frames of 84 bytes with gap and preamble"
    fine = rxpath.headroom(spec, overrides=["app.0.service=5us", "app.0.cpu=1"], steps=1, seeds=1, loss="1%").now
    assert fine is not None and fine.lasts and "CPU 1 has most to do: 3" in fine.says
    short = rxpath.headroom(spec, overrides=["traffic.0.duration=5ms"], steps=1, seeds=1, loss="1%").now
    assert short is not None and short.lasts is None and "too short" in short.says


@pytest.mark.parametrize("driver", ["veth", "loopback"])
def test_a_specs_bursts_stretch_without_a_line_too(driver: str, tmp_path: Path) -> None:
    """At half the speed the sender of a burst takes twice as long for it, and the reader keeps up."""
    own = "127.0.0.1" if driver == "loopback" else "10.0.0.1"
    spec = {"seed": 1, "traffic": [{"kind": "onoff", "burst": 400, "gap": "20ms", "duration": "100ms", "dst": own}]}
    host = {"nic": {"driver": driver, "addresses": [f"{own}/8"]}, "cpus": 2, "profile": "vm",
            "app": [{"name": "a", "cpu": 1, "service": "5us"}], "sysctl": {"net.core.rmem_default": 65536}}
    at = {speed: run(Unit(trafficfile.build(spec), host, speed=speed)) for speed in (1.0, 0.8, 0.5)}
    assert at[1.0].lost > 1.5 * at[0.8].lost > at[0.5].lost == 0 and at[0.5].offered == at[1.0].offered


def test_who_waits_for_its_time_or_computes_for_others_has_no_more_to_do() -> None:
    """A veth's sender looks at its clock; beside one that always computes there is half of the time."""
    spec = {"seed": 1, "traffic": [{"rate": "20kpps", "duration": "30ms"}]}
    sent = run(Unit(trafficfile.build(spec), {"nic": {"driver": "veth"}, "cpus": 2, "app": [{"name": "a", "cpu": 1}]}))
    assert sent.cpus[0]["others"] > 0.3 * sent.span_ns and limits.load(sent, 0) < 0.2
    beside = {"cpus": 2, "app": [{"name": "a", "cpu": 1, "service": "5us"}], "load": [{"cpu": 1, "share": 100}]}
    hog = run(Unit(trafficfile.build(spec), beside))
    alone = run(Unit(trafficfile.build(spec), {**beside, "load": []}))
    assert limits.load(alone, 1) < 0.2 and limits.load(hog, 1) == pytest.approx(2 * limits.load(alone, 1), rel=0.1)


def test_bars_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    dots = tuple(Dot(10.0 ** -n, 123_456 * n, 61_728 * n, 0.5, 12_345_678) for n in range(1, 5))
    for width in (100, 80, 60):
        monkeypatch.setattr(view, "columns", lambda width=width: width)
        lines = terminal.plain(view._curve((), dots), 200).splitlines()[1:]
        assert max(map(len, lines)) <= width and ("░" * (16 if width > 60 else 6)) in lines[-1]
