"""A recording as data and in files: what it says adds up to the books, and every file says the same."""
import json
import re
from pathlib import Path

import jsonschema
import pytest

import rxpath
from rxpath.abi.limits import NBUCKET, NSERIES
from rxpath.workbench.cli import app
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.recording import CONTEXTS
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.views import recording as view

from ..frames import fragments, udp, udp_frame

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "src/rxpath/workbench/views/replay.schema.json").read_text())


def host(*settings):
    return hostfile.apply_overrides(hostfile.default(), ["nic.addresses=10.0.0.1/24", *settings])


@pytest.fixture(scope="module")
def run():
    return rxpath.replay("first", record=True)


def test_totals_are_the_books(run):
    r, books = run.recording, run.books
    assert {s.of: s.total() for s in r.of("dropped")} == books.dropped
    assert sum(s.total() for s in r.of("delivered")) == books.delivered
    for cpu in books.cpus:
        for context in CONTEXTS:
            assert r.get(f"cpu_{context}", f"cpu {cpu.cpu}").total() == getattr(cpu, context)
    for queue in books.queues:
        assert sum(s.total() for s in r.of("ring_missed") if s.of == f"queue {queue.queue}") == queue.missed
    for a in books.apps:
        if a.latency.count:
            s = r.get("latency", f"{a.name}/{a.thread}")
            assert (sum(s.count), s.total() // sum(s.count), max(s.max)) == (a.latency.count, a.latency.mean, a.latency.max)
    for sk in books.sockets:
        if sk.connections:                                 # a listener's row shows what its connections held
            continue
        assert max((max(s.max) for s in r.of("socket_memory") if s.of == sk.name), default=0) == sk.rmem_max
        assert max((max(s.max) for s in r.of("socket_queue") if s.of == sk.name), default=0) == sk.queue_max


def test_each_bucket_of_a_cpu_adds_up_to_its_width(run):
    r = run.recording
    assert NBUCKET // 2 <= r.buckets <= NBUCKET
    for cpu in range(len(run.books.cpus)):
        contexts = [r.get(f"cpu_{context}", f"cpu {cpu}").sum for context in CONTEXTS]
        widths = [sum(values) for values in zip(*contexts, strict=True)]
        assert set(widths[:-1]) == {r.bucket_ns} and widths[-1] == r.elapsed_ns - (r.buckets - 1) * r.bucket_ns


def test_a_level_goes_on_where_nothing_happens():
    """Three datagrams that nobody reads, 10 ms apart: memory and length stand between them, and their means are exact."""
    with Simulation(host("app=[]", "socket.0.bind=*:5000", "socket.0.name=deaf"), record=True) as sim:
        for i in range(3):
            sim.send(udp_frame(bytes(64), dport=5000), at=10_000_000 * (i + 1))
        sim.run(40_000_000)
        r = sim.recording()
        length, memory = r.get("socket_queue", "deaf"), r.get("socket_memory", "deaf")
        for i in range(r.buckets):
            at = i * r.bucket_ns // 10_000_000
            if (i + 1) * r.bucket_ns // 10_000_000 == at:        # no datagram comes in this bucket
                if i * r.bucket_ns % 10_000_000 > 100_000:       # and the one before has been queued
                    assert (length.min[i], length.max[i], length.mean(i, r.bucket_ns), length.count[i]) == (at, at, at, 0), i
                    assert memory.mean(i, r.bucket_ns) == memory.max[i] == at * memory.max[r.buckets - 1] // 3
        rises = [i for i in range(r.buckets) if length.count[i]]
        assert len(rises) == 3
        for k, i in enumerate(rises):
            assert (length.min[i], length.max[i]) == (k, k + 1) and k < length.mean(i, r.bucket_ns) < k + 1


def test_fragments_and_backlogs_are_recorded():
    with Simulation(host("rps.all=1", "socket.0.bind=*:5000"), record=True) as sim:
        for i in range(20):
            for f in fragments(udp(bytes(3000)), [1480, 1480], ident=i)[:-1 if i == 7 else None]:
                sim.send(f, at=sim.t + 2000)
        sim.run(200_000_000)
        r = sim.recording()
        memory = r.get("fragment_memory", "host")
        assert memory.max[-1] == memory.min[-1] == sim.net.frag_mem > 0      # the seventh waits for its end
        assert max(r.get("backlog", "cpu 1").max) >= 1 and max(r.get("process_queue", "cpu 1").max) >= 1
        assert r.get("backlog", "cpu 1").max[-1] == r.get("process_queue", "cpu 1").max[-1] == 0


def test_sockets_beyond_the_limit_are_summed_and_said():
    with Simulation(host("app=[]", *(f"socket.{i}.bind=*:{5000 + i}" for i in range(3))), record=True) as sim:
        sim.net.recording.nseries = NSERIES - 2
        for port in (5000, 5001, 5002):
            sim.send(udp_frame(bytes(64), dport=port))
        sim.run(20_000_000)
        r = sim.recording()
        assert r.summed == 2 and r.get("socket_queue", "other sockets").max[-1] == 2
        assert len(r.of("socket_queue")) == 2


def test_every_file_says_the_same(run, tmp_path, capsys):
    arrow, parquet = pytest.importorskip("pyarrow.feather"), pytest.importorskip("pyarrow.parquet")
    for ending in view.ENDINGS:
        assert app.run(["replay", "first", "--no-whatif", "--record", str(tmp_path / f"r{ending}")]) == 0
    assert "recording" not in capsys.readouterr().out
    told = json.loads((tmp_path / "r.json").read_text())
    jsonschema.validate(told, SCHEMA["properties"]["recording"] | {"$defs": SCHEMA["$defs"]})
    assert told == view.as_dict(run.recording)
    table = parquet.read_table(tmp_path / "r.parquet")
    assert table.equals(arrow.read_table(tmp_path / "r.arrow"))
    assert table.schema.metadata[b"bucket_ns"] == str(told["bucket_ns"]).encode()
    rows = table.to_pylist()
    for k, s in enumerate(told["series"]):
        mine = rows[k * told["buckets"]:(k + 1) * told["buckets"]]
        assert all((row["name"], row["of"], row["unit"], row["kind"]) == (s["name"], s["of"], s["unit"], s["kind"]) for row in mine)
        assert [row["t_ns"] for row in mine] == [i * told["bucket_ns"] for i in range(told["buckets"])]
        for field in ("count", "min", "max", "sum"):
            assert [row[field] for row in mine] == s.get(field, [None] * told["buckets"])


def test_json_holds_the_recording_when_asked(run, capsys):
    assert app.run(["replay", "first", "--no-whatif", "--json", "--record", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, SCHEMA)
    assert told.pop("recording") == view.as_dict(run.recording)
    assert app.run(["replay", "first", "--no-whatif", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told           # recording has changed nothing


@pytest.mark.parametrize(("options", "says"), [
    (["--record", "-"], "--record -: goes into the object of --json, which is not asked for; or a file: .json, .arrow, .parquet"),
    (["--record", "r.csv"], "--record r.csv: the name must end in one of .json, .arrow, .parquet"),
    (["--record", "/no/such/r.json"], "--record /no/such/r.json cannot be written: there is no such folder"),
    (["--record", "r.json", "--tx", "r.json"], "--record r.json: is given twice: use another name"),
])
def test_what_cannot_be_written_is_said_before_the_run(options, says, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert app.run(["replay", "first", *options]) == 2
    assert capsys.readouterr().err.strip() == f"rxpath: {says}"


def test_a_missing_library_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert app.run(["replay", "first", "--record", "/tmp/r.arrow"]) == 2
    assert capsys.readouterr().err.strip() == \
        "rxpath: --record /tmp/r.arrow needs pyarrow, which is not installed: pip install 'rxpath[parquet]'"


def test_an_unknown_series_is_named_with_those_that_there_are(run):
    with pytest.raises(KeyError, match=r"ring_fil of queue 0: the recording has .*ring_fill of queue 0"):
        run.recording.get("ring_fil", "queue 0")


def test_the_page_s_example_runs(capsys):
    page = (ROOT / "docs/recording.md").read_text()
    exec(re.search(r"```python\n(.*?)```", page, re.S)[1], {})
    assert capsys.readouterr().out.endswith("SOCKET_RCVBUFF 4437\n")
