"""rxpath generate, and specs in place of captures."""
import pathlib
import pickle

import pytest

import rxpath
from rxpath.workbench.cli import app as cli
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
                       (["replay", str(spec), "--loop", "3"], "duration, count")):
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
