"""rxpath sweep: the grid that --set describes, the rows, the files, what is kept and what is refused."""
import csv
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import rxpath
from rxpath.workbench.cli import app as cli
from rxpath.workbench.many import grid
from rxpath.workbench.many.sweep import Sweep
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.views import sweep as table
from rxpath.workbench.words.mistakes import BadInput

GRID = ["net.core.rmem_default=4608..18432", "ethtool.rx=80,4096"]
COMMAND = [sys.executable, "-m", "rxpath.workbench.cli"]


def run(*argv: str) -> int:
    return cli.run(["sweep", "first", *argv])


@pytest.mark.parametrize(("text", "values"), [
    ("net.core.rmem_default=212992..8388608", "212992 425984 851968 1703936 3407872 6815744 8388608"),
    ("ethtool.rx=256,1024,4096", "256 1024 4096"), ("ethtool.rx=80,256..1024,80", "80 256 512 1024"),
    ("app.0.service=1us..100us*10", "1us 10us 100us"), ("app.0.service=1us..1ms*100", "1000ns 100000ns 1000000ns"),
    ("socket.a.rcvbuf=4KiB..1MiB*16", "4096 65536 1048576"), ("rate=100kpps..2Mpps*5", "100000pps 500000pps 2000000pps"),
    ("speed=1..2/5", "1 1.25 1.5 1.75 2"), ("ethtool.rx=80..4096/3", "80 2088 4096"), ("ethtool.rx-usecs=0,10..20/2", "0 10 20"),
    ("rps.0=0-1", "0-1"), ('app.0.service={list=["1us","2us"]},5us', '{list=["1us","2us"]} 5us'), ("kernel=3.10,6.18", "3.10 6.18"),
])
def test_what_a_set_says(text: str, values: str) -> None:
    assert grid.parse(text).values == tuple(values.split(" "))


@pytest.mark.parametrize(("text", "says"), [
    ("ethtool.rx", "must be KEY=V"), ("ethtool.rx=", "must be KEY=V"), ("ethtool.rx=80,,90", "empty value"),
    ("ethtool.rx=4096..80", "it must go up"), ("ethtool.rx=80..80", "it must go up"), ("ethtool.rx=80..", "an end that is missing"),
    ("net.core.netdev_budget=0..600", "write 0,1..B"), ("ethtool.rx=80..4096*1", "FACTOR must be above 1"),
    ("ethtool.rx=80..4096/1", "STEPS is a whole number from 2"), ("ethtool.rx=80..4096/x", "x is not a number"),
    ("ethtool.rx=80..4096*1.0000001", "more than 100,000 values"), ("ethtool.rx=80us..4MiB", "units of different kinds"),
    ("ethtool.rxx=80..4096", "ethtool.rxx=80: unknown key; did you mean ethtool.rx"),
    ("ethtool.rx=16..4096", "ethtool.rx=16: 16 is not allowed: 64 to 4096 for igb"),
    ("net.core.rmem_max=1..8", "net.core.rmem_max=1: 1 is not allowed: 2304 to"), ("speed=fast", "must be a number"),
    ("loop=1.5", "must be a whole number"),
])
def test_a_set_that_cannot_be_is_one_line_that_names_it(text: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--set", text) == 2
    out, err = capsys.readouterr()
    assert says in err and err.count("\n") == 1 and out == ""


def test_other_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: os.PathLike[str]) -> None:
    other = f"{tmp_path}/notes.txt"
    with open(other, "w") as file:
        file.write("my notes\n")
    for argv, says in ((["first"], "nothing to vary"), (["first", "--set", "seed=1,2", "--jobs", "0"], "1 to 1024"),
                       (["gone", "--set", "seed=1,2"], "no such file"), (["-", "--set", "seed=1,2"], "save it to a file"),
                       (["first", "--set", "speed=0,-1"], "speed -1: from 0.0001"),
                       (["first", "--set", "seed=1", "--set", "seed=2"], "given twice"),
                       (["first", "--set", "seed=0..2000/2001", "--set", "speed=1..2/2000"], "at most 1,000,000"),
                       (["first", "--set", "seed=1,2", "--resume", other], "notes.txt:1: not a row"),
                       (["first", "--set", "seed=1,2", "--resume", "/nowhere/x"], "No such file")):
        assert cli.run(["sweep", *argv]) == 2, argv
        out, err = capsys.readouterr()
        assert says in err and err.count("\n") == 1 and out == "", err
    with open(other) as file:
        assert file.read() == "my notes\n"


@pytest.fixture(scope="module")
def swept() -> Sweep:
    return rxpath.sweep("first", GRID)


def test_every_combination_is_run_once(swept: Sweep) -> None:
    assert [(r.settings["net.core.rmem_default"], r.settings["ethtool.rx"]) for r in swept.rows] == \
        [(a, b) for a in ("4608", "9216", "18432") for b in ("80", "4096")]
    assert swept.complete and swept.of == 6
    one = rxpath.replay("first", overrides=["net.core.rmem_default=9216", "ethtool.rx=4096"])
    assert swept.rows[3].result.dropped == one.dropped


def test_the_table_begins_with_the_fewest_losses(swept: Sweep) -> None:
    ranked = [(r.result.lost, r.result.done_ns["p99"], r.result.memory_bytes) for r in swept.ranked]
    assert ranked == sorted(ranked) and ranked[0][0] < ranked[-1][0]
    lines = str(swept).splitlines()
    assert lines[0] == "first: 6 of 6 runs"
    assert lines[3].split()[:2] == ["18432", "80"]


def test_what_is_read_sooner_and_done_later_is_not_ahead(swept: Sweep) -> None:
    """The rank goes by the end of the program's work, which batches do not hide; the table shows both."""
    best = swept.ranked[0].rows[0]
    r = best.result
    sooner = dataclasses.replace(r, latency_ns={**r.latency_ns, "p99": 1}, done_ns={**r.done_ns, "p99": 10 * r.done_ns["p99"]})
    pair = dataclasses.replace(swept, rows=(dataclasses.replace(best, result=sooner), dataclasses.replace(best, index=1)), of=2)
    assert [row.index for row in pair.ranked] == [1, best.index]
    assert str(pair).splitlines()[2].split()[-5:] == ["p99", "p99", "done", "CPU", "memory"]
    assert " 1 ns " in str(pair).splitlines()[4]


def test_packets_of_the_simulation_that_ran_out_are_named(swept: Sweep) -> None:
    assert "limit" not in str(swept)
    row = swept.rows[0]
    result = dataclasses.replace(row.result, dropped={**row.result.dropped, "RX_ALLOC_FAILED": 1234})
    text = str(dataclasses.replace(swept, rows=(dataclasses.replace(row, result=result), *swept.rows[1:])))
    assert "in 1 run all packets of the simulation were in use at some moment: up to 1,234 of the lost are its limit" in text


def test_python_takes_values_as_they_are(swept: Sweep) -> None:
    assert rxpath.sweep("first", {"net.core.rmem_default": "4608..18432", "ethtool.rx": (80, 4096)}, jobs=1) == swept
    assert rxpath.sweep("first", {"ethtool.gro": [True, False]}).axes[0].values == ("true", "false")
    with pytest.raises(BadInput, match="no values"):
        rxpath.sweep("first", {"ethtool.rx": []})


def test_csv_json_and_parquet_say_the_same(swept: Sweep, tmp_path: os.PathLike[str]) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    table.parquet(swept, f"{tmp_path}/rows.parquet")
    columns = pq.read_table(f"{tmp_path}/rows.parquet").to_pylist()
    rows = list(csv.DictReader(io.StringIO(table.csv_text(swept))))
    objects = [json.loads(line) for line in table.lines(swept).splitlines()]
    assert len(rows) == len(columns) == len(objects) == 6
    for row, column, whole in zip(rows, columns, objects, strict=True):
        assert int(row["lost"]) == column["lost"] == whole["lost"]
        assert int(row["dropped.SOCKET_RCVBUFF"]) == column["dropped.SOCKET_RCVBUFF"] == whole["dropped"]["SOCKET_RCVBUFF"]
        assert int(row["ethtool.rx"]) == column["ethtool.rx"] == int(whole["settings"]["ethtool.rx"])
        assert column["p99_ns"] == whole["latency_ns"]["p99"] < column["done_p99_ns"] == whole["done_ns"]["p99"]


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run("--set", "seed=1,2", "--parquet", "x.parquet") == 2
    assert "pip install 'rxpath[parquet]'" in capsys.readouterr().err


def test_a_sweep_goes_on_where_it_was_left(tmp_path: os.PathLike[str], swept: Sweep) -> None:
    file = f"{tmp_path}/rows.jsonl"
    asked = 0

    def soon() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    part = rxpath.sweep("first", GRID, journal=file, jobs=1, stop=soon)
    assert not part.complete
    with open(file, "rb") as journal:
        lines = journal.read().count(b"\n")
    assert lines == len(part.rows) < 6
    with open(file, "ab") as journal:
        journal.write(b'{"rxpath": 1, "key": "cut')                                # the machine stopped
    rest = rxpath.sweep("first", GRID, journal=file)
    assert rest.kept == lines and rest.rows == swept.rows
    again = rxpath.sweep("first", GRID, journal=file)
    assert again.kept == 6 and again.rows == swept.rows


def test_rows_of_another_sweep_are_not_taken(tmp_path: os.PathLike[str]) -> None:
    file = f"{tmp_path}/rows.jsonl"
    rxpath.sweep("first", ["ethtool.rx=80,256"], journal=file)
    assert rxpath.sweep("first", ["ethtool.rx=256,512"], journal=file).kept == 1
    assert rxpath.sweep("first", ["ethtool.rx=80,256"], journal=file, speed=2).kept == 0
    assert rxpath.sweep("first", ["ethtool.rx=80,256"], journal=file, host={"cpus": 3}).kept == 0
    assert rxpath.sweep("first", ["ethtool.rx=80,256"], journal=file).kept == 2


def test_a_combination_that_cannot_be_is_a_row_of_its_own() -> None:
    found = rxpath.sweep("first", ["cpus=2,4", "app.0.cpu=0,3"])
    impossible = [r for r in found.rows if r.result.error]
    assert [r.settings for r in impossible] == [{"cpus": "2", "app.0.cpu": "3"}]
    assert found.ranked[-1].rows == (impossible[0],)
    assert "impossible: cpus=2, app.0.cpu=3: --set app.0.cpu=3" in str(found)


def test_a_large_grid_says_how_large(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    rxpath.sweep("first", ["seed=1..1001/1001", "speed=1,2"], stop=lambda: True, warn=said.append)
    assert len(said) == 1 and "1,001 x 2 = 2,002 runs" in said[0]


def test_ctrl_c_prints_what_is_done(tmp_path: os.PathLike[str]) -> None:
    file = f"{tmp_path}/rows.jsonl"
    process = subprocess.Popen([*COMMAND, "sweep", "first", "--set", "seed=1..100000/50000", "--resume", file], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    while process.poll() is None and not (os.path.exists(file) and os.path.getsize(file)):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)                                           # as a terminal does: to all of them
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "INTERRUPTED" in out and "Traceback" not in err
    end = time.monotonic() + 60                                                     # its workers end, too
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(0.02)


def test_what_a_rule_refuses_is_not_lost_and_still_ranks(tmp_path) -> None:
    spec = tmp_path / "other-net.toml"
    spec.write_text('[[traffic]]\nrate = "1kpps"\ncount = 20\nsrc = "192.168.7.7"\n')
    host = {"nic": {"addresses": ["10.0.0.1/24"]}}
    made = rxpath.sweep(str(spec), {"net.ipv4.conf.all.rp_filter": [1, 0]}, host=host, jobs=1)
    best, worst = made.ranked
    assert best.settings == {"net.ipv4.conf.all.rp_filter": "0"} and best.result.delivered == 20
    assert worst.result.lost == 0 and worst.result.ended == {"refused": 20} and worst.result.delivered == 0


def test_other_classes_have_a_column_where_settings_change_them_and_a_line_where_not() -> None:
    refused = {"net.ipv4.conf.eth0.rp_filter": (0, 1), "net.ipv4.conf.all.rp_filter": (0,)}
    sent = trafficfile.build({"traffic": [{"rate": "10kpps", "count": 50, "src": "172.16.9.9"},
                                          {"rate": "10kpps", "count": 20, "dport": 9}]})
    host = {"socket": [{"name": "s", "bind": "*:5000"}], "nic": {"addresses": ["10.0.0.1/24"]}, "app": [{"name": "a"}]}
    lines = str(rxpath.sweep(sent, refused, host=host)).splitlines()
    heading = next(line.split() for line in lines if line.startswith("net.ipv4.conf.eth0"))
    rows = [line.split() for line in lines if line.strip()[:2] in ("0 ", "1 ")]
    assert heading[1:3] == ["lost", "refused"] and sorted(row[3] for row in rows) == ["0", "50"] and {row[1] for row in rows} == {"0"}
    assert "in each run: 20 not for this host" in lines
