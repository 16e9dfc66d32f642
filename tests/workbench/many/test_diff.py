"""rxpath diff: what differs beyond the seeds, of whatever it is given."""
import json
from pathlib import Path

import pytest

import rxpath
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.jobs.spread import Range
from rxpath.workbench.many.diff import Figure, from_json
from rxpath.workbench.views import diff as words

HOST = 'cpus = 2\n[[app]]\nname = "server"\ncpu = 1\nservice = { exponential = "5us" }\n'
TRAFFIC = '[[traffic]]\nrate = "170kpps"\ncount = 4000\nkind = "poisson"\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "a.toml").write_text(HOST)
    (tmp_path / "b.toml").write_text(HOST + "batch = 8\n")
    (tmp_path / "small.toml").write_text(HOST + "[sysctl]\nnet.core.rmem_default = 8192\n")
    (tmp_path / "t.toml").write_text(TRAFFIC)
    return tmp_path


def command(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = cli.run(["diff", *map(str, args)])
    return (code, *capsys.readouterr())


def result(capsys: pytest.CaptureFixture[str], file: Path, *args: str) -> Path:
    assert cli.run(["replay", *args, "--json", "--no-whatif"]) == 0
    file.write_text(capsys.readouterr().out)
    return file


def test_a_host_and_itself_are_the_same(files: Path, capsys) -> None:
    code, out, _ = command(capsys, files / "a.toml", files / "a.toml", "--on", files / "t.toml", "--seeds", 3)
    assert code == 0 and out.splitlines()[-1].startswith("none of ") and "A: a.toml; seeds 1 to 3" in out


def test_a_smaller_buffer_differs_in_what_is_lost(files: Path, capsys) -> None:
    args = (files / "a.toml", files / "small.toml", "--on", files / "t.toml", "--seeds", 5)
    code, out, _ = command(capsys, *args)
    assert code == 1 and any(line.startswith("udp 0.0.0.0:5000 drops ") for line in out.splitlines())
    code, out, _ = command(capsys, *args, "--json")
    told = json.loads(out)
    assert code == 1 and not told["same"] and told["a"]["seeds"] == [1, 2, 3, 4, 5]
    lost = next(f for f in told["different"] if f["figure"] == ["lost"])
    assert lost["a"]["max"] < lost["b"]["min"] and lost["change"] > 0


def test_what_is_inside_the_spread_is_no_difference(files: Path, capsys) -> None:
    """Other dice of the traffic on one side: every figure of a single run differs, and none beyond the seeds."""
    one = command(capsys, "--set-b", "traffic.seed=77", "--seeds", 1, files / "t.toml", files / "t.toml", "--host", files / "a.toml")
    five = command(capsys, "--set-b", "traffic.seed=77", "--seeds", 5, files / "t.toml", files / "t.toml", "--host", files / "a.toml")
    assert one[0] == 1 and "with one seed on each side nothing says" in one[1]
    assert five[0] == 0, five[1]


def test_results_of_replay_are_compared_with_and_without_their_spreads(files: Path, capsys, tmp_path: Path) -> None:
    traffic, host = str(files / "t.toml"), str(files / "a.toml")
    alone = result(capsys, tmp_path / "alone.json", traffic, "--host", host)
    spread = result(capsys, tmp_path / "spread.json", traffic, "--host", host, "--seeds", "4")
    lossy = result(capsys, tmp_path / "lossy.json", traffic, "--host", str(files / "small.toml"), "--seeds", "4")
    assert command(capsys, alone, alone)[0] == command(capsys, alone, spread)[0] == command(capsys, spread, spread)[0] == 0
    for other in (alone, spread):
        code, out, _ = command(capsys, other, lossy)
        assert code == 1 and "udp 0.0.0.0:5000 drops" in out
    assert command(capsys, spread, files / "a.toml", "--on", traffic, "--seeds", 4)[0] == 0, "a file and a run of the same"


def test_a_result_and_its_spread_have_the_same_figures(files: Path, capsys, tmp_path: Path) -> None:
    traffic, host = str(files / "t.toml"), str(files / "small.toml")
    one, three = (result(capsys, tmp_path / f"{n}.json", traffic, "--host", host, "--seeds", str(n)) for n in (1, 3))
    alone, spread = (from_json(json.loads(file.read_text()), file.name).spread.figures for file in (one, three))
    assert {p: r.each[0] for p, r in alone.items()} == {p: r.each[0] for p, r in spread.items() if r.each[0] or p in alone}


def test_what_differs_by_little_can_be_left_out(files: Path, capsys) -> None:
    args = ("first", "first", "--set-b", "ethtool.rx-usecs=10", "--seeds", 3, "--json")
    every, few = (json.loads(command(capsys, *args, "--least", least)[1])["different"] for least in ("0%", "5%"))
    assert len(few) < len(every) and all(abs(f["change"]) >= 0.05 for f in few)


def test_from_python(files: Path) -> None:
    host = hostfile.load(files / "a.toml")
    found = rxpath.diff(host, hostfile.apply_overrides(host, ["net.core.rmem_default=8192"]), on=files / "t.toml", seeds=3)
    assert not found.same and "udp 0.0.0.0:5000 drops" in str(found)
    run = rxpath.replay(str(files / "t.toml"), host)
    assert rxpath.diff(run, run).same and rxpath.diff(run.to_dict(), run).same


def test_names_and_changes() -> None:
    one, two = Range((1000, 1000)), Range((500, 500))
    assert [Figure(p, one, two).name for p in (("lost",), ("cpus", "0", "busy_ns"), ("dropped", "RX_MISSED"), ("latency_ns", "p99"))] == \
        ["lost", "CPU 0 busy", "lost to RX_MISSED", "latency p99"]
    assert Figure(("lost",), one, two).change == -0.5 and Figure(("lost",), Range((0,)), Range((0,))).change == 0
    said = {before: words.change(Figure(("lost",), Range((before,)), Range((1000,)))) for before in (0, 2, 800, 1000)}
    assert said == {0: "from 0", 2: "500 times", 800: "+25.0%", 1000: "+0.0%"}
    assert not Figure(("lost",), Range((3,)), Range((1, 5, 2))).differs(), "a run inside the other's spread"
    assert Figure(("lost",), Range((6,)), Range((1, 5, 2))).differs()


@pytest.mark.parametrize(("args", "says"), [
    (["a.toml", "a.toml"], "a.toml is a host: --on CAPTURE"),
    (["none.json", "a.toml"], "none.json: no such file"),
    (["bad.json", "bad.json"], "bad.json: not JSON"),
    (["other.json", "other.json"], "schema 99"),
    (["part.json", "part.json"], "part.json: not a whole result"),
    (["alone.json", "alone.json", "--set", "cpus=3"], "--set cpus=3: both are results"),
    (["alone.json", "first", "--set-a", "cpus=3"], "--set-a cpus=3: alone.json"),
    (["a.toml", "a.toml", "--on", "first", "--host", "a.toml"], "--host: a.toml is a host itself"),
    (["first", "first", "--least", "2"], "--least 2: must be a share"),
    (["first", "first", "--seeds", "0"], "--seeds 0: 1 to 1000"),
    (["first", "first", "--set-b", "ethtool.rx=7"], "ethtool.rx"),
])
def test_what_cannot_be_compared_is_one_line_and_2(args, says, files: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(files)
    (files / "bad.json").write_text("{")
    (files / "other.json").write_text('{"schema": 99}')
    (files / "part.json").write_text('{"schema": 3, "capture": {"file": "x"}, "kernel": "6.18", "profile": "vm"}')
    if "alone.json" in args:
        result(capsys, files / "alone.json", "t.toml", "--host", "a.toml")
    code, out, err = command(capsys, *args)
    assert code == 2 and not out and says in err and err.count("\n") == 1
