"""The same input, the same bytes: every command line of README and docs runs twice, once alone and with one worker, once with three while
two other processes want the CPUs.

Traffic, hosts, cases and scripts that a line names are small stand-ins, made here.  Lines that ask this machine, and not a file, are left
out: what a machine does is never the same twice."""
import glob
import multiprocessing
import re
import shlex
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from rxpath import examples
from rxpath.workbench.cli import app as cli

from .workbench.case.test_beside import made as recorded_case

ROOT = Path(__file__).parent.parent
ASKS_THIS_MACHINE = {                                       # how a line begins, and what it asks
    "sweep first --set ethtool.rx=64..4096 --scheduler": "needs a cluster: tests/workbench/many/test_cluster.py has one",
    "judge": "runs this kernel, as root and in namespaces",
    "host snapshot": "reads this host's settings",
    "doctor --": "reads this host's counters",
    "record -o": "samples this host's counters for 30 s",
    "calibrate": "measures what this kernel's work costs",
    "lab": "serves live frames: tests/live",
    "run": "serves live frames: tests/live",
    "twin": "mirrors a card, or reads standard input: tests/live, tests/workbench/twin",
    "validate": "runs experiments on this kernel, after calibrate",
}
OF_FILES = ("host snapshot --from",)                        # begins like those, and reads only files
SECONDS = 120                                               # that a busy process runs at most
HOST = '[[socket]]\nname = "in"\nbind = "*:5000"\n[[app]]\nsockets = "in"\ncpu = 1\nservice = "20us"\n'
CLIENTS = '[[client]]\nconnections = 20\nrate = "1kpps"\nmessages = 3\nrtt = "2ms"\n'
SPEC = '[[traffic]]\nkind = "onoff"\nburst = 200\nrate = "60kpps"\ncount = 600\nflows = 8\n'
SHORTER = {"--loop": "2", "--duration": "20ms", "--limits": "1"}             # values of options that only make a run longer
FEWER = {"ethtool.rx=80..4096": "ethtool.rx=80,4096", "net.core.rmem_default=4608..1000000": "net.core.rmem_default=4608,1000000"}
MORE = {"shapes": ["--only", "Q7"], "headroom": ["--limits", "1"]}
ENDS = (0, 1, 3)                                            # diff, doctor, packetdrill: 1 there is something, 3 these readings cannot tell
SCRIPTS = ROOT / "tests/packetdrill/scripts"


def commands():
    """Every line that a page shows, without what is piped into another program."""
    found = {}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in re.findall(r"^```console\n(.*?)^```", page.read_text().replace("\\\n", ""), re.S | re.M):
            for line in re.findall(r"^\$ (?:sudo )?rxpath (.*)$", block, re.M):
                words = shlex.split(line.partition(" | ")[0], comments=True)
                if words[-2:-1] == [">"]:
                    words = words[:-2]
                text = " ".join(words)
                asks = text.startswith(tuple(ASKS_THIS_MACHINE)) and not text.startswith(OF_FILES)
                if text and text != "doctor" and not asks:
                    found.setdefault(text, (page.name, words))
    return found


COMMANDS = commands()


def args_of(words, folder):
    """The same, shorter: one shape, one limit, what-if only where the line is about it.  Generated traffic goes to a file, a case to a new
    one; patterns become names, as a shell does it."""
    words = [name for word in words for name in sorted(glob.glob(word, root_dir=folder)) * ("*" in word) or [word]]
    if words[0] == "case":
        words = ["made.rxcase" if before == "-o" else word for before, word in zip(["", *words], words, strict=False)]
    if "--hide" in words and "--key" not in words:          # else one is drawn that nobody keeps, and no two cases are the same
        words = [*words, "--key", "key"]
    args = [SHORTER.get(before, FEWER.get(word, word)) for before, word in zip(["", *words], words, strict=False)]
    if words[0] == "generate" and "-o" not in words and "--presets" not in words:
        args += ["-o", "generated.pcap"]
    if words[0] == "replay" and words != ["replay", "first"] and "--goal" not in words:
        args.append("--no-whatif")
    return args if "--limits" in args else args + MORE.get(words[0], [])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the files lie that the pages name."""
    here = tmp_path_factory.mktemp("docs")
    (here / "mix.toml").write_text(SPEC)
    (here / "clients.toml").write_text(CLIENTS)
    assert cli.run(["generate", "--spec", str(here / "mix.toml"), "-o", str(here / "traffic.pcap")]) == 0
    (here / "burst.toml").write_text(SPEC)
    (here / "key").write_bytes(bytes(range(32)))
    small = (here / "traffic.pcap").read_bytes()
    for name in ("dump.pcap", "a.pcap", "b.pcapng", "third.pcap", "even.pcap", "traffic.pcapng"):
        (here / name).write_bytes(small)
    (here / "captures").mkdir()
    for name in ("a.pcap", "b.pcap"):
        (here / "captures" / name).write_bytes(small)
    for name in ("server.toml", "mine.toml"):
        (here / name).write_text(HOST)
    (here / "host.toml").write_text(HOST.replace("[[app]]", 'proto = "tcp"\n[[app]]'))
    (here / "scenario.toml").write_text((ROOT / "src/rxpath/scenarios/ring-burst.toml").read_text())
    for n, name in enumerate(("before", "after")):
        text = "".join(f"$ cat /proc/net/{file}\n{(ROOT / 'tests/data/host' / name / ('proc_net_' + file)).read_text()}"
                       for file in ("snmp", "udp"))
        (here / f"{name}.txt").write_text(f"$ date +%s\n{1_764_500_000 + 10 * n}\n{text}")
    (here / "ring.txt").write_text((here / "before.txt").read_text() + (here / "after.txt").read_text())
    with tarfile.open(here / "sosreport-web1.tar.xz", "w:xz") as archive:
        for file in ("snmp", "udp"):
            archive.add(ROOT / "tests/data/host/before" / f"proc_net_{file}", f"sosreport-web1/proc/net/{file}")
    case = [str(here / name) for name in ("before.txt", "after.txt", "traffic.pcap")]
    assert cli.run(["case", *case, "--host", str(here / "server.toml"), "-o", str(here / "web1.rxcase")]) == 0
    for name in ("slow-reader", "bursts"):                  # as recorded: samples of counters, and frames
        recorded_case(here, f"{name}.rxcase", pps=2_000, seconds=1.0, service_us=1000.0)
    for name, script in (("my.pkt", "handshake_and_read"), ("selftests/net/packetdrill/a.pkt", "delayed_ack"),
                         ("selftests/net/packetdrill/b.pkt", "time_stamps"), ("tests/c.pkt", "blocking_read")):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SCRIPTS / f"{script}.pkt", here / name)
    return here


@pytest.fixture(scope="module")
def results(folder):
    """before.json and after.json: two results of replay --json."""
    import contextlib
    import io

    for name, more in (("before", []), ("after", ["--set", "net.core.rmem_default=4194304"])):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert cli.run(["replay", str(folder / "traffic.pcap"), "--json", "--no-whatif", *more]) == 0
        (folder / f"{name}.json").write_text(out.getvalue())
    return folder


def _burn():
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        pass


@pytest.fixture(scope="module")
def busy():
    """start() and stop() of two processes that want a CPU each."""
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_burn, daemon=True) for _ in range(2)]

    def stop():
        for other in others:
            if other.pid is not None:
                other.kill()
                other.join()

    yield lambda: [other.start() for other in others]
    stop()


def ran(args, folder, capsys, monkeypatch, workers):
    """(exit status, what it printed, the files that it wrote)."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("os.cpu_count", lambda: workers)
    before = {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    code = cli.run(list(args))
    out, err = capsys.readouterr()
    written = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and before.get(p) != p.read_bytes()}
    for name in written:
        if folder / name in before:
            (folder / name).write_bytes(before[folder / name])
        else:
            (folder / name).unlink()
    return code, out, err, written


ALONE = {}


@pytest.mark.parametrize("text", COMMANDS)
def test_a_line_of_the_docs_works(text, results, capsys, monkeypatch):
    page, words = COMMANDS[text]
    args = args_of(words, results)
    if args[:2] == ["scenario", "run"] and args[2] == "mine.toml":
        args[2] = "scenario.toml"
    ALONE[text] = args, ran(args, results, capsys, monkeypatch, 1)
    code, _, err, _ = ALONE[text][1]
    assert code in ENDS, f"{page}: {err}"


@pytest.mark.parametrize("text", COMMANDS)
def test_the_same_bytes_come_out_on_a_busy_machine(text, results, busy, capsys, monkeypatch):
    if text not in ALONE:
        pytest.skip("the line did not run before this test")
    if text == next(iter(COMMANDS)):
        busy()
    args, alone = ALONE[text]
    assert ran(args, results, capsys, monkeypatch, 3) == alone


def test_there_are_lines_to_run():
    assert len(COMMANDS) > 40 and examples.path("first").exists()
