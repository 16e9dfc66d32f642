"""rxpath sweep over many captures and seeds: the table by capture, the groups that seeds tell apart, the data set."""
import json
import random
import re
from pathlib import Path

import pytest

import rxpath
from rxpath.workbench.cli import app as cli
from rxpath.workbench.jobs.spread import beyond, half_width, p_value
from rxpath.workbench.jobs.unit import Result, Unit, run
from rxpath.workbench.many import rows
from rxpath.workbench.many.rows import Row, Stopped, Why
from rxpath.workbench.words.mistakes import BadInput

ROOT = Path(__file__).parents[3]
HOST = {"app": [{"name": "a", "service": {"exponential": "5us"}}], "socket": [{"name": "s", "bind": "*:5000"}]}
HOST_FILE = '[[app]]\nname = "a"\nservice = { exponential = "5us" }\n[[socket]]\nname = "s"\nbind = "*:5000"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three captures: one that is lost in part, one slower, one that is hardly anything."""
    here = tmp_path_factory.mktemp("captures")
    for name, rate, count in (("fast", "400kpps", 3000), ("slow", "150kpps", 2000), ("few", "1kpps", 20)):
        (here / f"{name}.toml").write_text(f'[[traffic]]\nkind = "poisson"\nrate = "{rate}"\ncount = {count}\n')
    (here / "host.toml.txt").write_text(HOST_FILE)
    return here


def test_a_pattern_is_all_files_that_match(folder: Path) -> None:
    made = rxpath.sweep(str(folder / "*.toml"), host=HOST)
    assert made.captures == ("fast.toml", "few.toml", "slow.toml") and made.complete and not made.axes
    each = {row.capture: row.result for row in made.rows}
    assert each == {f"{n}.toml": run(Unit(str(folder / f"{n}.toml"), HOST)) for n in ("fast", "few", "slow")}
    lines = str(made).splitlines()
    assert lines[0] == "3 captures: 3 of 3 runs" and lines[2] == "by capture"
    assert [line.split()[0] for line in lines[4:7]] == ["fast.toml", "few.toml", "slow.toml"]
    assert lines[4].split()[1:3] == ["3,000", f"{each['fast.toml'].lost:,}"] and each["fast.toml"].lost > 0
    with pytest.raises(BadInput, match=r"nothing\*\.pcap: no file matches"):
        rxpath.sweep(str(folder / "nothing*.pcap"))
    with pytest.raises(BadInput, match="is given twice"):
        rxpath.sweep([folder / "few.toml", str(folder / "f*.toml")], host=HOST)


def test_a_setting_is_ranked_by_what_all_captures_lose_together(folder: Path) -> None:
    made = rxpath.sweep([folder / "fast.toml", folder / "slow.toml"], {"net.core.rmem_default": [4608, 36864, 147456]}, host=HOST)
    assert [cell.settings["net.core.rmem_default"] for cell in made.ranked] == ["147456", "36864", "4608"]
    best = made.ranked[0]
    assert best.lost == (sum(row.result.lost for row in best.rows),) and best.offered == 5000 and len(best.rows) == 2
    assert best.done_ns == (max(row.result.p99_ns for row in best.rows),)
    by = {name: (both.settings, own.settings) for name, both, own in made.by_capture()}
    assert by["fast.toml"][0] == by["slow.toml"][0] == best.settings
    assert next(iter(made.by_capture()))[0] == "fast.toml", "most lost first"
    text = str(made)
    assert "by capture, with net.core.rmem_default=147456 and with what is best there" in text


def test_a_capture_that_is_none_is_left_out_and_decides_nothing(folder: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pcap"
    junk.write_bytes(b"no capture at all")
    sizes = {"net.core.rmem_default": [4608, 147456]}
    made = rxpath.sweep([folder / "fast.toml", junk], sizes, host=HOST)
    alone = rxpath.sweep([folder / "fast.toml"], sizes, host=HOST)
    assert [(cell.settings, cell.lost, cell.error) for cell in made.ranked] == [(cell.settings, cell.lost, None) for cell in alone.ranked]
    assert made.complete and list(made.left_out) == ["junk.pcap"] and not alone.left_out
    lines = str(made).splitlines()
    assert f"left out: {made.left_out['junk.pcap']}" in " ".join(lines) and str(junk) in made.left_out["junk.pcap"]
    assert "impossible" not in str(made) and ["junk.pcap", "-"] in [line.split()[:2] for line in lines]
    assert [row.result.error for row in made.rows if row.capture == "junk.pcap"] == [made.left_out["junk.pcap"]] * 2
    several = rxpath.sweep([folder / "fast.toml", junk], sizes, host=HOST, seeds="3..8")
    assert several.ranked[0].settings == alone.ranked[0].settings and several.again is not None


def test_where_nothing_is_read_there_is_no_latency(folder: Path) -> None:
    nobody = {"socket": [{"name": "s", "bind": "*:9"}]}
    made = rxpath.sweep([folder / "few.toml", folder / "slow.toml"], {"ethtool.rx": [64, 256]}, host=nobody)
    table = [line.split() for line in str(made).splitlines() if line.split()[:1] in (["64"], ["few.toml"])]
    assert [row.count("-") for row in table] == [3, 1] and "0 ns" not in str(made)


def test_captures_of_one_name_have_their_folder_in_the_table(tmp_path: Path) -> None:
    for sub in ("a", "b"):
        (tmp_path / sub).mkdir()
        (tmp_path / sub / "x.toml").write_text('[[traffic]]\nrate = "1kpps"\ncount = 3\n')
    assert rxpath.sweep(str(tmp_path / "*/x.toml"), host=HOST).captures == (str(tmp_path / "a/x.toml"), str(tmp_path / "b/x.toml"))


# ---------------------------------------------------------------- seeds
def test_every_setting_has_the_same_seeds_and_the_best_is_run_again(folder: Path) -> None:
    made = rxpath.sweep(folder / "fast.toml", {"ethtool.rx": [64, 256], "net.core.rmem_default": [4608, 147456]}, host=HOST, seeds=4)
    assert {cell.seeds for cell in made.cells} == {(1, 2, 3, 4)} and made.of == len(made.rows) == 16
    one = [run(Unit(str(folder / "fast.toml"), HOST, overrides=("ethtool.rx=64", "net.core.rmem_default=4608"), seed=k)).lost
           for k in range(1, 5)]
    assert made.cells[0].lost == tuple(one) and len(set(one)) > 1
    first, second, *others = made.groups()
    assert {cell.settings["net.core.rmem_default"] for cell in first} == {"147456"} and not others
    assert [cell.settings["ethtool.rx"] for cell in first] == ["64", "256"], "not told apart: the least memory first"
    assert len(second) == 2 and made.again is not None and made.again.seeds == (5, 6, 7, 8) and made.again.settings == made.best.settings
    text = str(made)
    assert "the first again, with 4 fresh seeds: lost" in text and "not told apart" in text
    assert [line.split()[0] for line in text.splitlines()[4:8]] == ["1", "1", "2", "2"]


def test_five_of_five_alone_is_not_called_sure() -> None:
    """One is better with every one of five seeds, by amounts of which chance could make that much."""
    def cell(index: int, lost: list[int]) -> list[Row]:
        return [Row(index, {"k": str(index)}, Result(offered=1000, ended={"lost": n}, cpu_ns={"idle": 1}), seed=k)
                for k, n in enumerate(lost, 1)]
    base = [100, 140, 90, 300, 120]
    better = [n - d for n, d in zip(base, (1, 60, 2, 150, 3), strict=True)]
    assert all(b < n for b, n in zip(better, base, strict=True))
    assert len(list(rows.groups(rows.cells(cell(0, base) + cell(1, better))))) == 1
    surely = [n - d for n, d in zip(base, (50, 52, 49, 51, 50), strict=True)]
    assert [g[0].index for g in rows.groups(rows.cells(cell(0, base) + cell(1, surely)))] == [1, 0]
    three = rows.cells(cell(0, base) + cell(1, surely) + cell(2, [n + 1 for n in base]))
    assert [[c.index for c in g] for g in rows.groups(three)] == [[1], [0], [2]]


def test_of_many_settings_that_are_alike_none_is_told_apart() -> None:
    """All comparisons together err in one of a hundred: 60 times 20 settings of one kind, 10 seeds."""
    dice, wrong = random.Random(3), 0
    for _ in range(60):
        made = [Row(i, {}, Result(offered=1000, ended={"lost": round(dice.gauss(500, 40))}, cpu_ns={"idle": 1}), seed=k)
                for i in range(20) for k in range(10)]
        wrong += len(next(rows.groups(rows.cells(made)))) < 20                # the luckiest of them beside all others
    assert wrong <= 4


def test_students_t() -> None:
    assert abs(beyond(2.262, 9) - 0.05) < 1e-4 and abs(beyond(12.706, 1) - 0.05) < 1e-4 and abs(beyond(2.015, 5) - 0.1) < 1e-4
    assert p_value([1, 1, 1]) == 0 and p_value([0, 0]) == 1 and p_value([]) == 1
    assert abs(p_value([1.0, 2.0, 3.0, 4.0, 5.0]) - 0.0132) < 1e-4 and half_width([5]) == 0
    assert abs(half_width([1.0, 2.0, 3.0]) - 9.925 / 3 ** 0.5) < 1e-3


def test_what_is_not_told_apart_gets_more_seeds_and_the_rest_none(folder: Path) -> None:
    made = rxpath.sweep(folder / "fast.toml", {"ethtool.rx": [64, 256], "net.core.rmem_default": [4608, 147456]}, host=HOST, seeds="3..9")
    seeds = {(c.settings["ethtool.rx"], c.settings["net.core.rmem_default"]): len(c.seeds) for c in made.cells}
    assert seeds["64", "147456"] == seeds["256", "147456"] == 9 and seeds["64", "4608"] == seeds["256", "4608"] == 3
    assert made.complete and made.again is not None and made.again.seeds == (10, 11, 12)
    assert made.stops() == [(Stopped(3, Why.APART), 2)]
    assert "2 after 3 seeds (told apart from the best): 24 runs instead of 36" in " ".join(str(made).split())
    made = rxpath.sweep(folder / "fast.toml", {"ethtool.rx": [512, 256]}, host=HOST, seeds="3..20")
    assert made.stops() == [(Stopped(8, Why.SAME), 1)] and made.best.settings["ethtool.rx"] == "256", "no more are needed to see that"


def test_the_better_half_goes_on_whoever_does_the_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["sweep", str(folder / "fast.toml"), "--host", str(folder / "host.toml.txt"), "--seeds", "3..24", "--halve", "--set",
             "ethtool.rx-usecs=10..80/8"]
    said = {}
    for jobs in ("1", "2"):
        assert cli.run([*asked, "--jobs", jobs, "--json"]) == 0
        said[jobs] = capsys.readouterr().out
    assert said["1"] == said["2"]
    each: dict[str, list[dict[str, object] | None]] = {}
    for row in map(json.loads, said["1"].splitlines()):
        each.setdefault(row["settings"]["ethtool.rx-usecs"], []).append(row["stopped"])
    assert sorted(len(stops) for stops in each.values()) == [3, 3, 3, 3, 6, 6, 12, 12]
    whys = {"in the worse half", "told apart from the best"}
    assert all(stop is None or (stop["seeds"] == len(stops) and stop["why"] in whys) for stops in each.values() for stop in stops)
    assert sum(stops[0] is None for stops in each.values()) == 1
    made = rxpath.sweep(folder / "fast.toml", {"ethtool.rx-usecs": "10..80/8"}, host=HOST, seeds="3..24", halve=True)
    assert made.best.stopped is None and [len(cell.seeds) for cell in made.ranked] == [12, 12, 6, 6, 3, 3, 3, 3]
    assert cli.run(["sweep", "first", "--set", "ethtool.rx=64,256", "--seeds", "3", "--halve"]) == 2
    assert "--seeds LEAST..MOST" in capsys.readouterr().err


def test_what_is_stopped_and_why() -> None:
    def cell(index: int, lost: list[int]) -> list[Row]:
        return [Row(index, {"k": str(index)}, Result(offered=1000, ended={"lost": n}, cpu_ns={"idle": 1}), seed=k)
                for k, n in enumerate(lost, 1)]
    base = [100, 140, 90, 300, 120]
    near = [[n + d for n, d in zip(base, more, strict=True)] for more in ((1, 60, 2, 50, 3), (2, -60, 90, 80, 3), (9, -70, 80, 99, 5))]
    worse = [n + 50 for n in base]
    cells = rows.cells([r for i, lost in enumerate((near[2], worse, base, near[0], base, near[1])) for r in cell(i, lost)])
    apart, same = {1: Stopped(5, Why.APART)}, {4: Stopped(5, Why.SAME)}
    assert rows.stop(cells, halve=False) == apart | same
    assert rows.stop(cells, halve=True) == apart | same | {0: Stopped(5, Why.HALF)}, "of six the best three that are left"
    few = rows.cells([r for i in range(2) for r in cell(i, base[:4])])
    assert not rows.stop(few, halve=False), "four alike say too little"
    late = rows.cells([r for i, lost in enumerate((base, [0] * 3)) for r in cell(i, lost)], {1: Stopped(3, Why.HALF)})
    assert [c.index for c in rows.ranked(late)] == [0, 1], "a mean of fewer seeds is not above one of more"


@pytest.mark.parametrize(("seeds", "says"), [("x", "must be a number, or LEAST..MOST"), ("", "(empty)"), ("5..5", "must go up"),
                                             ("2..9", "from 3 or more"), ("0", "1 to 1000"), ("3..5000", "1 to 1000")])
def test_seeds_that_cannot_be_are_one_line(seeds: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["sweep", "first", "--set", "ethtool.rx=64,256", "--seeds", seeds]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
    assert cli.run(["sweep", "first", "--set", "seed=1,2", "--seeds", "3"]) == 2
    assert "--seeds draws the seeds itself" in capsys.readouterr().err


# ---------------------------------------------------------------- the data set
def test_sweeps_add_up_to_a_data_set_that_answers_the_questions_of_the_page(folder: Path, tmp_path: Path,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of docs/cluster.md, as it stands there."""
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    host = tmp_path / "host.toml"
    host.write_text(HOST_FILE)
    asked = ["sweep", str(folder / "f*.toml"), "--host", "host.toml", "--parquet", "results/"]
    ring = ["--set", "ethtool.rx=64,256", "--seeds", "2"]
    for more in (ring, ["--set", "net.core.rmem_default=4608,147456"], ring):
        assert cli.run([*asked, *more]) == 0
    files = sorted(p.as_posix() for p in Path("results").rglob("*") if p.is_file())
    assert len(files) == 2 and all(re.fullmatch(r"results/sweep=[0-9a-f]{12}/part-00000\.parquet", f) for f in files), "one replaced itself"
    code = re.search(r"```python\n(import duckdb.*?)```", (ROOT / "docs/cluster.md").read_text(), re.S)
    assert code is not None
    space: dict[str, object] = {}
    exec(code[1], space)
    found = space["found"]
    assert isinstance(found, list)
    rows_of = duckdb.sql("select * from read_parquet('results/**/*.parquet', union_by_name=true)").fetchall()
    assert len(rows_of) == 2 * 2 * 2 + 2 * 2
    wanted = {}
    for name in ("fast", "few"):
        for rx in ("64", "256"):
            runs = [run(Unit(str(folder / f"{name}.toml"), HOST, overrides=(f"ethtool.rx={rx}",), seed=k)) for k in (1, 2)]
            wanted[f"{name}.toml", int(rx)] = round(sum(r.lost / r.offered for r in runs) / 2, 6)
    assert {(capture, rx): round(loss, 6) for capture, rx, n, loss, sd in found} == wanted and {row[2] for row in found} == {2}


def test_rows_say_their_capture_and_seed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["sweep", str(folder / "few.toml"), str(folder / "slow.toml"), "--seeds", "2", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["capture"], row["seed"], row["offered"]) for row in found] == [
        ("few.toml", 1, 20), ("few.toml", 2, 20), ("slow.toml", 1, 2000), ("slow.toml", 2, 2000)]
