"""--scheduler: a cluster of processes gives the same bytes as this machine's cores, also when its workers are killed; what is wrong with
one is said in one line.  All processes are on the loopback."""
import inspect
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rxpath import examples
from rxpath._compile import loader, options
from rxpath.workbench.cli import app as cli

pytest.importorskip("distributed")
ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "rxpath.workbench.cli"]


class Cluster(NamedTuple):
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: subprocess.Popen[bytes]
    folder: Path                                            # where the workers keep files

    def pids(self) -> list[int]:
        """Of the processes that do the work; their nannies start others in their place."""
        children = Path(f"/proc/{self.workers.pid}/task").glob("*/children")
        found = [int(pid) for file in children for pid in file.read_text().split()]
        return [pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers, in another directory, with a cache of their own.  The scheduler gives a lot up whose worker died: what we do then is
    ours."""
    here = tmp_path_factory.mktemp("workers")
    core = loader.find(f"_core.{loader.key()}")
    assert core is not None
    if not core.is_relative_to(loader.PACKAGE):
        shutil.copy(core, here / core.name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    env = {**os.environ, "RXPATH_CACHE": str(here), "RXPATH_WHOLE": str(int(options.WHOLE)),
           "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0", "PYTHONPATH": os.pathsep.join([str(ROOT), str(loader.PACKAGE.parent)])}

    def start(what: str, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *words, "--no-dashboard"]
        return subprocess.Popen(command, cwd=here, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2])
    workers = start("worker", address, "--nworkers", "2", "--nthreads", "1", "--memory-limit", "0", "--death-timeout", "60",
                    "--local-directory", str(here))
    yield Cluster(address, scheduler, workers, here / "files")
    for process in (scheduler, workers):
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(5 if number == signal.SIGINT else None)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captures that only have names here, and a host that reads a file of its own."""
    here = tmp_path_factory.mktemp("captures")
    shutil.copy(examples.path("first"), here / "a.pcap")
    (here / "b.toml").write_text('[[traffic]]\nkind = "poisson"\nrate = "150kpps"\ncount = 4000\ndport = 8125\n')
    (here / "broken.pcap").write_bytes(b"not a capture")
    (here / "times.txt").write_text("4us\n9us\n30us\n")
    (here / "host.toml").write_text('profile = "own.toml"\n[[app]]\nname = "a"\nservice = { file = "times.txt" }\n[[socket]]\nname = "s"\n'
                                    'bind = "*:8125"\n')
    (here / "own.toml").write_text('name = "own"\nbase = "bm36"\nfactor = 1.5\n')
    return here


def rxpath(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True)


def test_the_same_bytes_while_a_worker_is_killed(cluster: Cluster, folder: Path) -> None:
    """Captures, host, times and profile are files that the workers do not have."""
    words = ["sweep", "a.pcap", "b.toml", "--host", "host.toml", "--set", "net.core.rmem_default=4608..1000000/20",
             "--seeds", "2", "--json"]
    wanted = rxpath(folder, *words, "--jobs", "2")
    assert wanted.returncode == 0, wanted.stderr
    journal = folder / "rows.jsonl"
    process = subprocess.Popen([*COMMAND, *words, "--scheduler", cluster.address, "--resume", str(journal)], cwd=folder,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
        time.sleep(0.01)
    assert process.poll() is None
    before = cluster.pids()
    os.kill(before[0], signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and err == "" and out == wanted.stdout
    kept = sorted(p.name for p in cluster.folder.glob("*/*"))
    assert kept == ["a.pcap", "b.toml", "own.toml", "times.txt"], "each once, whole, under its own name"
    rows = [json.loads(line)["key"] for line in journal.read_text().splitlines()]
    assert len(rows) == len(set(rows)) == 2 * 20 * 2 + 2 * 2                         # and the best again


@pytest.mark.parametrize("words", [
    ["sweep", "a.pcap", "--set", "app.0.cpu=0,7", "--set", "cpus=2,8", "--json"],
    ["sweep", "a.pcap", "--set", "iptables.file=broken.pcap"],
    ["tune", "a.pcap", "b.toml", "--host", "host.toml", "--target", "loss<1%", "--knob", "net.core.rmem_default=212992..3407872", "--knob",
     "ethtool.rx=64,256", "--trials", "16", "--seeds", "1", "--json"],
    ["headroom", "b.toml", "--host", "host.toml", "--limits", "1", "--seeds", "2", "--json"],
], ids=["row-with-an-error", "broken-rules", "tune", "headroom"])
def test_other_words_say_the_same(cluster: Cluster, folder: Path, words: list[str], capsys: pytest.CaptureFixture[str],
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """Mistakes too: a message names the file of this machine."""
    monkeypatch.chdir(folder)
    status, there = cli.run(words), rxpath(folder, *words, "--scheduler", cluster.address)
    out, err = capsys.readouterr()
    assert (there.returncode, there.stdout, there.stderr) == (status, out, err) and out + err != ""


SCRIPT = """
import sys
from rxpath.workbench.cli import app
from rxpath.workbench.jobs import cluster, parcel
{change}
sys.exit(app.run(sys.argv[1:]))
"""


def changed(folder: Path, change: str, *words: str) -> subprocess.CompletedProcess[str]:
    """With something of this side replaced."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(loader.PACKAGE.parent)])}
    return subprocess.run([sys.executable, "-c", SCRIPT.format(change=change), *words], cwd=folder, env=env, capture_output=True, text=True)


def test_a_unit_that_kills_every_worker_is_a_row_with_an_error(cluster: Cluster, folder: Path) -> None:
    words = ["sweep", "a.pcap", "--set", "seed=12,13,14", "--json", "--scheduler", cluster.address]
    done = changed(folder, "from tests.workbench.many import dying; cluster.parcel.do = dying.do; cluster.ATTEMPTS = 2", *words)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["error"] for row in rows] == [None, "its process ended on every worker that tried it", None], done.stderr


def test_a_worker_of_another_rxpath_is_refused(cluster: Cluster, folder: Path) -> None:
    words = ["sweep", "a.pcap", "--set", "seed=1,2", "--scheduler", cluster.address]
    for change, says in (("parcel.__version__ = '9.9.9'", "has rxpath 0.1.0, and here is 9.9.9"),
                         ("parcel.loader.key = lambda: 'other'", "with another core than here")):
        done = changed(folder, change, *words)
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1 and done.stdout == "", done.stderr


def test_a_scheduler_that_goes_is_one_line_and_the_journal_is_kept(cluster: Cluster, folder: Path) -> None:
    """The last: nothing of the cluster is left."""
    journal = folder / "gone.jsonl"
    words = ["sweep", "a.pcap", "--set", "seed=1..100000/5000", "--resume", str(journal), "--scheduler", cluster.address]
    process = subprocess.Popen([*COMMAND, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
        time.sleep(0.01)
    cluster.scheduler.kill()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2 and "the scheduler is gone" in err and err.count("\n") == 2 and out == "", err      # and how large it is
    assert journal.read_bytes().count(b"\n") >= 3


def test_nobody_there_is_one_line(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))                         # bound, and nobody listens
        done = rxpath(folder, "sweep", "a.pcap", "--set", "seed=1,2", "--scheduler", f"tcp://127.0.0.1:{free.getsockname()[1]}")
    assert done.returncode == 2 and "nothing answers" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(("argv", "says"), [
    (["--scheduler", "localhost"], "must be tcp://HOST:PORT"), (["--scheduler", ""], "(empty): must be tcp://HOST:PORT"),
    (["--scheduler", "tcp://h:1", "--jobs", "2"], "--jobs and --scheduler"),
])
def test_mistakes_are_one_line(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["sweep", "first", "--set", "seed=1,2", *argv]) == 2
    out, err = capsys.readouterr()
    assert says in err and err.count("\n") == 1 and out == ""


def test_without_distributed_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert cli.run(["sweep", "first", "--set", "seed=1,2", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "pip install 'rxpath[cluster]'" in capsys.readouterr().err


def test_a_worker_takes_no_profile_of_runs() -> None:
    """Dask's samples cost a seventh of the time; when the runs are over, or one has failed, they go on."""
    from rxpath.workbench.jobs import parcel

    said: list[str] = []

    class Sampler:
        def stop(self) -> None:
            said.append("stop")

        def start(self) -> None:
            said.append("start")

    class Loop:
        def add_callback(self, do: Callable[[], None]) -> None:
            do()

    class Worker:
        def __init__(self) -> None:
            self.periodic_callbacks, self.loop = {"profile": Sampler()}, Loop()

    with pytest.raises(OSError), parcel._unprofiled(Worker()):
        assert said == ["stop"]
        raise OSError
    assert said == ["stop", "start"]
    with parcel._unprofiled(object()):                      # where it is switched off
        pass


def test_the_worker_of_this_dask_has_the_sampler_that_is_stopped() -> None:
    from distributed.worker import Worker

    assert 'periodic_callbacks["profile"]' in inspect.getsource(Worker)
