"""rxpath generate, and specs in place of captures."""
import json
import pathlib
import pickle
import random

import pytest

import rxpath
from rxpath.abi.generate import NPARETO
from rxpath.cable import pareto
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.file import HostError
from rxpath.workbench.jobs.unit import Unit, run
from rxpath.workbench.traffic import generate as generating
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.traffic.presets import PRESETS

SPEC = """
seed = 7
[[traffic]]
kind = "poisson"
rate = "200kpps"
count = 3000
flows = 20
size = "imix"
[[traffic]]
kind = "onoff"
burst = 300
peak = "1Mpps"
gap = "1ms"
duration = "10ms"
dport = 6000
"""


@pytest.fixture
def spec(tmp_path: pathlib.Path) -> pathlib.Path:
    file = tmp_path / "mix.toml"
    file.write_text(SPEC)
    return file


def test_a_spec_in_a_run_is_the_same_as_its_pcap(spec: pathlib.Path, tmp_path: pathlib.Path) -> None:
    straight = rxpath.replay(spec)
    assert cli.run(["generate", "--spec", str(spec), "--line", "1Gbit", "-o", str(tmp_path / "x.pcap")]) == 0
    by_file = rxpath.replay(tmp_path / "x.pcap")
    assert straight.offered == by_file.offered > 5000
    for key in ("dropped", "delivered", "latency_ns", "cpu_ns"):
        assert getattr(straight, key) == getattr(by_file, key), key
    assert straight.dropped, "the bursts lose something: a comparison of zeros says little"


def test_compiled_equals_plain(tmp_path: pathlib.Path) -> None:
    wanted = trafficfile.build({"traffic": [{"rate": "300kpps", "count": 300, "size": "64,1472,3000", "flows": 9}]})
    one, other = rxpath.replay(wanted), rxpath.replay(wanted, plain=True)
    assert one.to_json() == other.to_json()


def test_a_run_does_not_depend_on_the_slots(spec: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rxpath.cable import generate

    def result() -> tuple[object, ...]:
        run = rxpath.replay(spec)
        return run.dropped, run.latency_ns, run.cpu_ns, run.books.stations, run.books.snmp

    whole = result()
    monkeypatch.setattr(generate, "SLOTS", 1)
    assert result() == whole


def test_speed_and_rate_scale_a_spec(spec: pathlib.Path) -> None:
    slow, fast = rxpath.replay(spec, overrides=["nic.speed=10Gbit"]), rxpath.replay(spec, overrides=["nic.speed=10Gbit"], speed=2.0)
    assert abs(slow.offered - fast.offered) < 20 and abs(slow.traffic.duration_ns / fast.traffic.duration_ns - 2) < 0.02
    assert rxpath.replay(trafficfile.build({"traffic": [{"rate": "100kpps", "count": 1000}]}), rate="50kpps").traffic.duration_ns == \
        pytest.approx(20_000_000, rel=0.01)


def test_slower_a_burst_is_stretched_as_that_of_a_capture_is(tmp_path: pathlib.Path) -> None:
    """300 back to back: at a quarter of the speed the reader keeps up better, and the same frames from a file fare the same."""
    spec = tmp_path / "burst.toml"
    spec.write_text('line = "1Gbit"\n[[traffic]]\nkind = "onoff"\nburst = 300\ngap = "5ms"\ncount = 900\n')
    assert cli.run(["generate", "--spec", str(spec), "-o", str(tmp_path / "burst.pcap")]) == 0
    slow = ["app.0.service=3us", "app.0.cpu=1"]
    lost = {(name, speed): rxpath.replay(tmp_path / name, overrides=slow, speed=speed).dropped.get("SOCKET_RCVBUFF", 0)
            for name in ("burst.toml", "burst.pcap") for speed in (1, 0.25)}
    assert 0 < lost["burst.toml", 0.25] < 0.7 * lost["burst.toml", 1]
    assert all(lost["burst.toml", speed] == pytest.approx(lost["burst.pcap", speed], abs=6) for speed in (1, 0.25))


def test_a_unit_of_work_carries_a_spec(spec: pathlib.Path) -> None:
    unit = Unit(trafficfile.load(spec), overrides=("ethtool.rx=512",))
    assert pickle.loads(pickle.dumps(unit)) == unit
    assert run(unit).dropped == rxpath.replay(spec, overrides=["ethtool.rx=512"]).dropped
    assert run(Unit(str(spec))).offered == run(unit).offered


def test_the_host_of_a_spec_may_have_an_address_and_a_mac(spec: pathlib.Path) -> None:
    host = {"nic": {"addresses": ["10.7.0.1/24"], "mac": "02:00:00:00:00:77"}}
    assert run(Unit(str(spec), host=host)).delivered > 0


@pytest.mark.parametrize(("stream", "text"), [
    ({}, "traffic.0: needs rate or gap"),
    ({"rate": 5, "gap": 5}, "rate and gap"),
    ({"rate": "fast"}, "traffic.0.rate: \"fast\" is not allowed: a packet rate"),
    ({"rate": "2000Mpps"}, "up to 1000Mpps"),
    ({"rate": 1, "burst": 5}, "burst is for kind onoff and pareto"),
    ({"rate": "1Mpps", "kind": "onoff", "peak": "1kpps"}, "above the peak"),
    ({"rate": 1, "size": 70000}, "0 to 65507 bytes"),
    ({"rate": 1, "size": "64:0"}, "weights above 0"),
    ({"rate": 1, "flows": 10, "sport": "1-5"}, "addresses and ports make only 5"),
    ({"rate": 1, "src": "10.0.0.9-10.0.0.1"}, "runs backwards"),
    ({"rate": 1, "src": "::1"}, "IPv6 is not modelled"),
    ({"rate": 1, "dport": 0}, "1 to 65535"),
    ({"rate": 1, "vlan": 4095}, "0 to 4094"),
    ({"rate": 1, "kindd": "x"}, "did you mean traffic.0.kind?"),
    ({"rate": 1, "duration": 0}, "at least 1ns"),
    ({"rate": 1, "src": "10.0.0.0/15", "skew": 1}, "131070 flows with a skew: up to 65536"),
    ({"rate": 1, "src": "10.0.0.0/8", "dport": "1-100"}, "say how many"),
])
def test_what_a_spec_may_not_say_is_one_line(stream: dict[str, object], text: str) -> None:
    with pytest.raises(HostError) as caught:
        trafficfile.build({"traffic": [stream]}, "x.toml")
    assert text in str(caught.value) and "\n" not in str(caught.value) and str(caught.value).startswith("x.toml: ")


def test_mistakes_of_the_command_are_one_line(capsys: pytest.CaptureFixture[str], spec: pathlib.Path) -> None:
    for argv, text in ((["generate"], "--rate"), (["generate", "--preset", "dnss"], "did you mean dns?"),
                       (["generate", "--spec", str(spec), "--rate", "5"], "with --spec the file says that"),
                       (["generate", "--rate", "5", "--loop", "3"], "are for --merge"),
                       (["replay", str(spec), "--loop", "3"], "duration or count")):
        assert cli.run(argv) == 2
        said = capsys.readouterr().err
        assert text in said and said.count("\n") == 1, said


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_generated(name: str) -> None:
    wanted = generating.spec_from({"duration": "20ms"}, None, name, 3, None)
    with trafficfile.generator(wanted) as traffic:
        assert sum(len(piece) for piece in traffic.pcap()) > 500 or name == "syslog"


def test_the_page_has_every_key() -> None:
    page = (pathlib.Path(__file__).parents[2] / "docs" / "generate.md").read_text()
    assert trafficfile.markdown() in page, "rxpath.workbench.traffic.spec.markdown() makes the table"


# ---------------------------------------------------------------- who sends
def sources(spec: trafficfile.Spec, host: dict[str, object] | None = None) -> set[str]:
    """Source addresses of all frames."""
    made = hostfile.build(dict(host), "h") if host is not None else None
    found = set()
    with trafficfile.generator(spec, made) as traffic:
        for piece in traffic.pcap():
            at = 0
            while at < len(piece):
                n = int.from_bytes(piece[at + 8:at + 12], "little")
                found.add(".".join(map(str, piece[at + 16 + 26:at + 16 + 30])))
                at += 16 + n
    return found


def at_address(address: str, **more: object) -> dict[str, object]:
    return {"nic": {"addresses": [address]}, **more}


def test_nobody_sends_from_the_receivers_own_address() -> None:
    def one(**keys: object) -> trafficfile.Spec:
        return trafficfile.build({"traffic": [{"rate": "1Mpps", "count": 300, **keys}]})

    assert sources(one()) == {"10.0.0.2"}
    assert sources(one(), at_address("10.0.0.2/24")) == {"10.0.0.3"}
    assert sources(one(dst="10.0.0.2-10.0.0.4")) == {"10.0.0.5"}
    assert sources(one(dst="10.0.0.0/24")) == {"198.18.0.2"}
    assert sources(one(src="10.0.0.1-10.0.0.4")) == {"10.0.0.2", "10.0.0.3", "10.0.0.4"}
    assert sources(one(src="10.0.0.4-10.0.0.9", dst="10.0.0.6", flows=5)) == {f"10.0.0.{i}" for i in (4, 5, 7, 8, 9)}
    assert sources(one(src="10.0.0.5"), at_address("10.0.0.5/24", sysctl={"net.ipv4.conf.all.accept_local": 1})) == {"10.0.0.5"}
    with pytest.raises(HostError, match=r"^traffic: traffic.0.src: 10.0.0.5 is the receiver's own address: .*accept_local=1$"):
        sources(one(src="10.0.0.5"), at_address("10.0.0.5/24"))
    with pytest.raises(HostError, match=r"^traffic: traffic.0: 100 flows: addresses and ports make only 99$"):
        sources(one(src="10.0.0.1-10.0.0.100", sport=5000, flows=100))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("address", ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.33/24", "10.1.1.7/16", "10.64.0.9/8"])
def test_no_preset_loses_anything_to_its_own_sender(name: str, address: str) -> None:
    wanted = generating.spec_from({"duration": "2ms"}, None, name, 3, None)
    if name == "syslog":
        wanted = trafficfile.revise(wanted, ["traffic.0.rate=1Mpps", "traffic.1.start=0"])
    run = rxpath.replay(wanted, hostfile.build(at_address(address), "h"))
    assert run.offered and not {"IP_LOCAL_SOURCE", "IP_INVALID_SOURCE"} & set(run.dropped)


# ---------------------------------------------------------------- heavy tails
@pytest.mark.parametrize(("alpha", "burst", "within"), [(1.2, 1, 0.01), (1.5, 1, 0.01), (1.5, 40, 0.03), (3, 2, 0.01), (10, 7, 0.01)])
def test_pareto_keeps_its_mean_rate(alpha: float, burst: int, within: float) -> None:
    """The law of large numbers, on a fixed seed: a million datagrams take as long as the rate says."""
    spec = trafficfile.build({"seed": 3, "traffic": [{"kind": "pareto", "rate": "100kpps", "alpha": alpha, "burst": burst,
                                                      "count": 1_000_000}]})
    with trafficfile.generator(spec) as traffic:
        for _ in traffic.pcap():
            pass
        assert traffic.last_t == pytest.approx(10_000_000_000, rel=within)


@pytest.mark.parametrize("alpha", [1.05, 1.5, 4])
@pytest.mark.parametrize(("wanted", "least"), [(1, 1), (2, 1), (64, 1), (1e5, 0)])
def test_the_shortest_value_is_chosen_for_the_mean_of_what_is_drawn(alpha: float, wanted: float, least: float) -> None:
    table = pareto.quantiles(alpha)
    assert pareto.mean(table, pareto.shortest(table, wanted, least), least) == pytest.approx(wanted, rel=1e-6)
    rng, x, n, total = random.Random(1), pareto.shortest(table, wanted, least), 100_000, 0.0
    if alpha == 4:                                              # what pareto_draw() does, drawn by hand
        for _ in range(n):
            scale = 1.0
            while (cell := rng.randrange(NPARETO)) == NPARETO - 1:
                scale *= table[-1] / 65536
            total += max(x * scale * (table[cell] + (table[cell + 1] - table[cell]) * rng.random()) / 65536, least)
        assert total / n == pytest.approx(wanted, rel=0.01)


# ---------------------------------------------------------------- --seed and --set
def test_a_seed_is_the_specs_too(spec: pathlib.Path) -> None:
    one, other = rxpath.replay(spec, seed=11), rxpath.replay(spec, seed=12)
    assert one.to_json() == rxpath.replay(spec, seed=11).to_json()
    assert one.traffic.duration_ns != other.traffic.duration_ns
    assert run(Unit(str(spec), seed=12)).span_ns == other.traffic.duration_ns
    assert rxpath.replay(spec, overrides=["traffic.seed=12"]).traffic.duration_ns == other.traffic.duration_ns
    assert rxpath.replay(spec, seed=(1 << 63) - 1).offered          # a host's seed may be larger than a spec's


def test_single_keys_of_a_spec_can_be_set(spec: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_ = ["traffic.0.rate=400kpps", "traffic.1.count=300", "ethtool.rx=4096"]
    run_ = rxpath.replay(spec, overrides=set_)
    assert run_.offered < rxpath.replay(spec).offered
    assert run(Unit(str(spec), overrides=("ethtool.rx=4096",), traffic=tuple(set_[:2]))).offered == run_.offered
    table = rxpath.sweep(spec, ["traffic.0.rate=100kpps,200kpps", "ethtool.rx=256,4096"])
    assert [row.settings["traffic.0.rate"] for row in table.rows] == ["100kpps", "100kpps", "200kpps", "200kpps"]
    assert table.rows[0].result.span_ns > 1.5 * table.rows[2].result.span_ns
    assert rxpath.headroom(spec, overrides=["traffic.0.count=50", "traffic.1.count=50"], steps=1).limits[0].offered < 400
    assert cli.run(["replay", str(spec), "--set", "traffic.0.count=50", "--set", "traffic.1.count=50", "--json", "--no-whatif"]) == 0
    assert json.loads(capsys.readouterr().out)["offered"] < 400
    x = tmp_path / "x.pcap"
    assert cli.run(["generate", "--spec", str(spec), "--set", "traffic.0.count=5", "--set", "traffic.1.count=7", "-o", str(x)]) == 0
    assert rxpath.replay(x).offered < 30


@pytest.mark.parametrize(("setting", "text"), [
    ("traffic.5.rate=1", "--set traffic.5.rate=1: must be traffic.N.KEY=VALUE, N 0 to 1"),
    ("traffic.0.raet=1", "--set traffic.0.raet=1: unknown key; did you mean traffic.0.rate?"),
    ("traffic.0.rate=fast", "--set traffic.0.rate=fast: \"fast\" is not allowed: a packet rate"),
    ("traffic.0.burst=5", "--set traffic.0.burst=5: traffic.0: burst is for kind onoff and pareto"),
    ("traffic.0.rate", "--set traffic.0.rate: must be KEY=VALUE"),
    ("traffic.rate=5", "must be traffic.N.KEY=VALUE"),
])
def test_a_setting_of_the_traffic_that_cannot_be_is_one_line(spec: pathlib.Path, setting: str, text: str,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["replay", str(spec)], ["sweep", str(spec)], ["headroom", str(spec)], ["generate", "--spec", str(spec)]):
        if argv[0] == "sweep" and "=" not in setting:
            continue
        assert cli.run([*argv, "--set", setting]) == 2
        said = capsys.readouterr().err
        assert text in said and said.count("\n") == 1, said


def test_a_capture_has_no_traffic_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("replay", "sweep", "headroom"):
        assert cli.run([command, "first", "--set", "traffic.0.rate=1kpps"]) == 2
        assert "first is a capture; traffic.N.KEY is for a traffic spec (.toml)" in capsys.readouterr().err
