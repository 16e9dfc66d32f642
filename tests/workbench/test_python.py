"""rxpath as a library: what a notebook or a script gives it and gets back."""
import ast
import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import rxpath

ROOT = Path(__file__).parents[2]
HOST = {"cpus": 2, "ethtool": {"rx": 512}, "socket": [{"name": "stats", "bind": "0.0.0.0:8125", "rcvbuf": "4MiB"}],
        "app": [{"name": "stats", "sockets": ["stats"], "service": "20us"}]}
SCRIPT = '''
import rxpath

run = rxpath.replay("first", {"cpus": 2}, overrides={"ethtool.rx": 512}, listen="udp:8125", trail="drops")
lost: dict[str, int] = run.dropped
p99: int = run.latency_ns["p99"]
share: float = run.delivered / run.offered
table = rxpath.sweep("first", {"ethtool.rx": [256, 512]}, jobs=1)
best = table.best
assert best is not None
rows: list[dict[str, object]] = table.to_dicts()
room: rxpath.Outcome = rxpath.whatif("first", budget="1M", seeds=1, jobs=1)


class Reader(rxpath.Program):
    sockets = ("udp:8125",)
    cpu = 1

    def __init__(self) -> None:
        self.octets = 0

    def run(self, s: rxpath.Modules) -> None:
        sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
        sock.bind(("0.0.0.0", 8125))
        while True:
            self.octets += len(sock.recv(8192))
            s.work(20_000)


mine = Reader()
own: rxpath.Outcome = rxpath.replay("first", programs=[mine])
assert mine.octets
room2: float = rxpath.headroom("first", loss="0.1%", steps=1, seeds=1, jobs=1, programs=[Reader()]).factor


class Sockets(rxpath.View):
    title = "Sockets"

    def draw(self, run: rxpath.Outcome) -> rxpath.Drawn:
        return self.table(("socket", "read"), [(s.port, s.received) for s in run.books.sockets])


class Once(rxpath.Source):
    def begin(self, cable: rxpath.Cable) -> None:
        self.cable, self.at, self.heard_of = cable, cable.begins_ns, 0

    def wake_at(self) -> int | None:
        return self.at or None

    def woken(self, now: int) -> list[tuple[int, bytes]]:
        self.at = 0
        return [(now + self.cable.reaction_ns, self.cable.mac + self.cable.sender_mac + bytes(48))]

    def heard(self, sent: rxpath.Sent) -> list[tuple[int, bytes]]:
        self.heard_of += len(sent.data)
        return []


shown: str = Sockets().text(own) + Sockets().text(rxpath.replay(Once()))
count: int = rxpath.write_capture("mine.pcap", ((n * 1000, bytes(60)) for n in range(3)))
print(lost, p99, share, best.settings, len(rows), room.knobs)
'''


# ---------------------------------------------------------------- what it takes
@pytest.mark.parametrize("settings", ["ethtool.rx=512", ["ethtool.rx=512"], ("ethtool.rx=512",), {"ethtool.rx": 512}])
def test_settings_as_a_text_a_list_or_a_dict(settings):
    assert rxpath.replay("first", overrides=settings).host.ethtool.rx == 512


def test_values_of_settings_are_written_as_a_host_file_has_them():
    run = rxpath.replay("first", overrides={"app.slow-reader.service": {"exponential": "150us"}, "nic.addresses": ["10.23.0.2/24"],
                                            "ethtool.gro": False, "net.core.rmem_default": 425984})
    assert run.host.ethtool.gro is False and run.host.addresses == ("10.23.0.2/24",)
    assert run.host.apps[4].service.exponential == 150_000


def test_a_host_as_a_dict_a_path_or_a_host(tmp_path):
    file = tmp_path / "host.toml"
    file.write_text('cpus = 2\n[ethtool]\nrx = 512\n[[socket]]\nname = "stats"\nbind = "0.0.0.0:8125"\nrcvbuf = "4MiB"\n'
                    '[[app]]\nname = "stats"\nsockets = ["stats"]\nservice = "20us"\n')
    before = str(HOST)
    runs = [rxpath.replay("first", host) for host in (HOST, file, str(file), rxpath.load_host(file))]
    assert len({run.to_json() for run in runs}) == 1
    assert str(HOST) == before, "it was changed"
    assert rxpath.whatif("first", HOST, seeds=1, budget=1, jobs=1).dropped == runs[0].dropped
    assert rxpath.sweep("first", {"ethtool.rx": [512]}, HOST, jobs=1).rows[0].result.dropped == runs[0].dropped


@pytest.mark.parametrize("call, line", [
    (lambda: rxpath.replay("first", {"cpu": 2}), "cpu"),
    (lambda: rxpath.replay("first", {"ethtool": {"rx": 1}}), "64 to 4096"),
    (lambda: rxpath.replay("first", overrides=[1]), "KEY=VALUE"),
    (lambda: rxpath.replay("first", overrides="ethtool.rx"), "ethtool.rx"),
    (lambda: rxpath.replay("first", trail="nonsense"), "--trail nonsense"),
    (lambda: rxpath.replay("first").table("sample"), "did you mean samples?"),
    (lambda: rxpath.replay("first").table("recording"), "record=True"),
    (lambda: rxpath.replay("first").table("trail"), "trail="),
    (lambda: rxpath.replay("first").table("drops", "numpy"), "arrow, pandas, polars"),
    (lambda: rxpath.doctor("/no/such/file"), "/no/such/file"),
], ids=range(10))
def test_mistakes_are_one_line(call, line):
    with pytest.raises((rxpath.BadInput, rxpath.HostError)) as error:
        call()
    assert line in str(error.value) and "\n" not in str(error.value)


# ---------------------------------------------------------------- what it gives
def test_the_way_of_packets():
    run = rxpath.replay("first", trail="drops:SOCKET_RCVBUFF")
    assert run.trail is not None and len(run.trail.packets) == 10
    assert {p.reason().name for p in run.trail.packets.values()} == {"SOCKET_RCVBUFF"}


@pytest.mark.parametrize("kind", ["arrow", "pandas", "polars"])
def test_tables(kind):
    pytest.importorskip("pyarrow")
    if kind != "arrow":
        pytest.importorskip(kind)
    run = rxpath.replay("first", record=True, trail=["17", "18-20"])
    rows = {what: run.table(what, kind) for what in ("samples", "recording", "trail", "drops")}

    def column(what, name):
        values = rows[what][name]
        return values.to_pylist() if kind == "arrow" else list(values)

    assert sum(column("drops", "frames")) == sum(run.dropped.values())
    assert len(column("samples", "frame")) == len(run.samples) and set(column("samples", "program")) == {
        "dnsmasq", "dnsmasq-tcp", "iperf3", "iperf3-tcp", "slow-reader"}
    assert all(a + b >= a for a, b in zip(column("samples", "arrived_ns"), column("samples", "to_end_ns"), strict=True))
    assert {19, 20} == set(column("trail", "frame")) and "icmp_rcv" in column("trail", "station")
    assert len(column("recording", "t_ns")) == run.recording.buckets * len(run.recording.series)
    swept = rxpath.sweep("first", {"ethtool.rx": [256, 512], "app.slow-reader.service": ["10us", "20us"]}, jobs=1).table(kind)
    values = swept["ethtool.rx"].to_pylist() if kind == "arrow" else list(swept["ethtool.rx"])
    assert values == [256, 256, 512, 512]


def test_the_doctor_says_what_the_command_says(tmp_path, capsys):
    before, after = tmp_path / "a.txt", tmp_path / "b.txt"
    text = ("Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors\n"
            "Udp: {} 0 {} 0 {} 0 0 0 0\n")
    before.write_text(text.format(1000, 0, 0))
    after.write_text(text.format(2000, 50, 50))
    found = rxpath.doctor([before, after], seconds=10)
    assert found.status == 1 and "50" in str(found)
    from rxpath.workbench.cli import app as cli

    assert cli.run(["doctor", str(before), str(after), "--seconds", "10"]) == found.status
    assert capsys.readouterr().out == str(found)
    one = rxpath.doctor(after)
    assert one.since_boot and one.status == 3


def test_the_notebook_runs(capsys):
    cells = json.loads((ROOT / "docs/tour.ipynb").read_text())["cells"]
    names: dict[str, object] = {}
    shown: list[object] = []
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, "cleared, so that no figure goes stale"
            body = ast.parse("".join(cell["source"])).body
            last = body.pop() if isinstance(body[-1], ast.Expr) else None        # a notebook shows it
            exec(compile(ast.Module(body, []), "tour.ipynb", "exec"), names)
            if last is not None:
                shown.append(eval(compile(ast.Expression(last.value), "tour.ipynb", "eval"), names))
    drawn = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert len(drawn) == 2 and all("<svg" in text for text in drawn)
    out = capsys.readouterr().out
    assert out.count("b'datagram") == 3 and names["books"].received == 3
    assert names["answer"].knobs and names["table"].best is not None


def test_too_little_address_space_is_one_line():
    done = subprocess.run(["bash", "-c", f"ulimit -v 1000000; exec {sys.executable} -m rxpath.workbench.cli replay first"],
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "rxpath: Cannot allocate memory: ulimit -v, or a limit of memory, is too low for this run\n"


def test_importing_it_loads_nothing():
    """So that a signal in the first moments of a command meets little of our Python, and scripts start at once."""
    asked = "import sys; before = set(sys.modules); import rxpath; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", asked], capture_output=True, text=True, timeout=60,
                          env={"PYTHONPATH": str(Path(rxpath.__file__).parents[1])})
    assert done.stdout.split() == ["__future__", "rxpath"], done.stderr


def test_every_public_name_has_a_description():
    for name in rxpath.__all__:
        if name != "__version__":
            assert (getattr(rxpath, name).__doc__ or "").strip(), name
    assert {"replay", "sweep", "whatif", "headroom", "diff", "doctor"} <= set(dir(rxpath))


def mypy(python: Path, *scripts: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(scripts[0].parent / "cache"), "--python-executable",
                           str(python), *map(str, scripts)], capture_output=True, text=True, timeout=300, cwd=scripts[0].parent)


def test_a_users_script_passes_mypy_strict(tmp_path):
    """As a user has it: rxpath is among the installed packages, not a source that is checked itself."""
    pytest.importorskip("mypy")
    venv.create(tmp_path / "venv", with_pip=False)
    site = next((tmp_path / "venv" / "lib").glob("python*")) / "site-packages"
    (site / "rxpath.pth").write_text(f"{Path(rxpath.__file__).parents[1]}\n{Path(pytest.__file__).parents[1]}\n")
    script, wrong = tmp_path / "mine.py", tmp_path / "wrong.py"
    script.write_text(SCRIPT)
    wrong.write_text("import rxpath\nx: str = rxpath.replay('first').offered\n")
    said = mypy(tmp_path / "venv/bin/python", script, wrong).stdout.splitlines()
    assert said[-1].startswith("Found 1 error in 1 file (checked 2 "), said
    assert said[0].startswith("wrong.py:2: error: ") and '"int"' in said[0], "the package's types do not reach its users"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
