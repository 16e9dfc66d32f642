"""What a hostile user tries: files that cannot be written, options against each other, the input as the output.  One line, exit 2."""
import errno
import os
import re
import shutil
import stat
import subprocess
import sys

import pytest
import typer.rich_utils  # noqa: F401  it reads FORCE_COLOR when it is imported: not while a test sets that

import rxpath
from rxpath import examples
from rxpath.cable.capture import Capture
from rxpath.workbench.cli import app as cli
from rxpath.workbench.many.resume import Journal
from rxpath.workbench.traffic import pcap_out
from rxpath.workbench.words import mistakes


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line of a mistake."""
    assert cli.run(list(args)) == 2, args
    out, err = capsys.readouterr()
    assert err.startswith("rxpath: ") and err.count("\n") == 1 and out == "", (out, err)
    return err


@pytest.mark.parametrize(("args", "says"), [
    (["replay", ""], "the name of the capture is empty"),
    (["replay", "first", "--speed", "2", "--rate", "5kpps"], "--speed 2 and --rate 5kpps: use one of them"),
    (["replay", "first", "--loop", "99999999999999999999"], "from 1 to 1000000000"),
    (["replay", "first", "--goal", "cpu", "--no-whatif"], "--goal and --no-whatif: use one of them"),
    (["replay", "first", "--trail-limit", "0"], "--trail-limit 0: 1 or more"),
    (["replay", "first", "--tap", "x.pcap", "--tx", "x.pcap"], "--tap x.pcap: is given twice"),
    (["replay", "first", "--set", "nic.speed=5000"], "5000 is not allowed: a bit rate such as"),
    (["sweep", "first", "--set", "ethtool.rx=256", "--top", "0"], "--top 0: 1 or more"),
    (["sweep", "first", "--set", "ethtool.rx=256", "--csv", "-", "--json"], "both would go to standard output"),
    (["sweep", "first", "--set", "ethtool.rx=256", "--csv", "/nowhere/x.csv"], "--csv /nowhere/x.csv cannot be written: there is no such"),
    (["sweep", "first", "--set", "ethtool.rx=256", "--csv", ""], "--csv: the file's name is empty"),
    (["sweep", "first", "--set", "ethtool.rx=256", "--resume", os.devnull], "must be a file, new or of this sweep"),
    (["generate", "--rate", "1kpps", "-o", ""], "-o: the file's name is empty"),
    (["generate", "--rate", "1kpps", "-o", "/nowhere/x.pcap"], "/nowhere/x.pcap cannot be written: No such file"),
    (["scenario", "run", "R25"], "R25: no scenario shows this rule"),
])
def test_it_is_one_line_that_names_the_option(args, says, capsys):
    assert says in said(capsys, *args)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
@pytest.mark.parametrize("args", [
    ["generate", "--rate", "100kpps", "-o", "/dev/full"], ["replay", "first", "--no-whatif", "--tap", "/dev/full"],
    ["replay", "first", "--no-whatif", "--tx", "/dev/full"], ["replay", "first", "--no-whatif", "--pcapng", "/dev/full"],
    ["replay", "first", "--no-whatif", "--perfetto", "/dev/full"],
    ["sweep", "first", "--set", "ethtool.rx=256", "--parquet", "/dev/full"],
    ["sweep", "first", "--set", "ethtool.rx=256", "--csv", "/dev/full"],
])
def test_a_full_disk_is_said_with_the_files_name(args, capsys):
    assert "/dev/full cannot be written: No space left on device" in said(capsys, *args)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode), "a device is not taken away because it is full"


def test_a_journal_on_a_full_disk_is_named_and_keeps_whole_rows(tmp_path):
    code = f"""import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
from rxpath.workbench.cli import app
raise SystemExit(app.run(['sweep', 'first', '--set', 'ethtool.rx=64..4096', '--jobs', '1', '--resume', {str(tmp_path / 'j')!r}]))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))            # a .pyc would end there, too
    assert done.returncode == 2 and f"rxpath: --resume {tmp_path / 'j'} cannot be written: File too large\n" in done.stderr, done.stderr
    with Journal(tmp_path / "j") as journal:
        assert journal.rows


def test_an_end_of_file_inside_is_no_interruption(monkeypatch, capsys):
    def damaged(*_, **__):
        raise EOFError("marshal data too short")

    monkeypatch.setattr(Capture, "__init__", damaged)
    assert cli.run(["replay", "first"]) == 70 and "EOFError: marshal data too short" in capsys.readouterr().err


def test_a_new_file_is_there_whole_or_as_it_was(tmp_path):
    file, link = tmp_path / "x", tmp_path / "link"
    file.write_text("before")
    file.chmod(0o640)
    link.symlink_to("x")
    with pytest.raises(mistakes.BadInput, match="link cannot be written: No space left on device"), mistakes.new_file(str(link)) as out:
        out.write(b"half")
        out.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(KeyboardInterrupt), mistakes.new_file(str(tmp_path / "y")):
        raise KeyboardInterrupt
    assert file.read_text() == "before" and sorted(p.name for p in tmp_path.iterdir()) == ["link", "x"]
    with mistakes.new_file(str(link)) as out:
        out.write(b"after")
    assert file.read_text() == "after" and file.stat().st_mode & 0o777 == 0o640 and link.is_symlink()


def test_a_file_that_was_not_finished_is_not_left_and_a_device_stays(tmp_path):
    def broken():
        yield b"x"
        raise KeyboardInterrupt

    os.mkfifo(pipe := tmp_path / "pipe")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for file in (tmp_path / "x.pcap", pipe):
        with pytest.raises(KeyboardInterrupt):
            pcap_out.write(str(file), broken())
    os.close(reader)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pipe"]


@pytest.mark.parametrize("args", [
    ["generate", "--merge", "IN", "-o", "IN"], ["replay", "IN", "--tap", "IN"], ["replay", "IN", "--tx", "IN"],
    ["sweep", "IN", "--set", "ethtool.rx=256", "--csv", "IN"],
])
def test_the_input_is_never_the_output(args, tmp_path, capsys):
    mine = tmp_path / "mine.pcap"
    shutil.copy(examples.path("first"), mine)
    before = mine.read_bytes()
    assert "which would be overwritten" in said(capsys, *[str(mine) if a == "IN" else a for a in args])
    assert mine.read_bytes() == before


@pytest.mark.parametrize(("args", "says"), [
    (["--captures", "/nowhere"], "/nowhere: no such capture or folder (--captures)"),
    (["--state", "/nowhere/x", "--examples", "5"], "--state /nowhere/x cannot be written: there is no such folder"),
])
def test_the_judge_says_it_before_the_cases_run(args, says, capsys, monkeypatch):
    from rxpath.workbench.judge import run

    monkeypatch.setattr(run, "cannot_judge", lambda: "")
    monkeypatch.setattr(run, "Judge", None)
    assert says in said(capsys, "judge", *args)


def test_nobody_reads_is_no_mistake():
    with pytest.raises(BrokenPipeError), mistakes.writing("x"):
        raise BrokenPipeError


def test_tcp_without_a_connection_is_not_just_called_a_closed_port(tmp_path):
    """A capture of a client: what comes back to it belongs to connections, not to programs that somebody forgot to start."""
    (mix := tmp_path / "mix.toml").write_text('''
        traffic = [{ rate = "1kpps", count = 5, dport = 6000, closed = true },
                   { rate = "1kpps", count = 7, dport = 7000, closed = true, protocol = "tcp-syn" }]''')
    run = rxpath.whatif(mix)
    assert run.dropped == {"NO_SOCKET": 12} and not run.knobs
    assert [text.partition(":")[0] for text in run.whatif.says] == \
        ["5 not for this host, NO_SOCKET (UDP)", "7 not for this host, NO_SOCKET (TCP)"]
    assert "or their connection had ended here before they came" in run.whatif.says[1]


def test_no_more_than_a_whole_cpu_is_taken(tmp_path):
    """Softirqs go on after the last frame; the sentence is about the time of the traffic."""
    (flood := tmp_path / "flood.toml").write_text('traffic = [{ rate = "1.4Mpps", count = 20000, dport = 6000 }]')
    run = rxpath.whatif(flood, overrides=["cpus=1"])
    assert run.whatif.recommended is None
    [share] = [int(n) for text in run.whatif.says for n in re.findall(r"softirqs take (\d+)% of the program's CPU", text)]
    assert 50 < share <= 100


@pytest.mark.parametrize("args", [["replay", "first"], ["replay", "first", "--no-whatif", "--over-time"],
                                  ["headroom", "first", "--limits", "1"],
                                  ["sweep", "first", "--set", "net.core.rmem_default=212992..851968"], ["--help"], ["replay", "--help"]])
def test_the_main_screens_fit_80_columns(args, capsys, monkeypatch):
    from rich.text import Text

    for name, value in (("COLUMNS", "80"), ("TTY_COMPATIBLE", "1"), ("FORCE_COLOR", "1"), ("TERMINAL_WIDTH", "80")):
        monkeypatch.setenv(name, value)
    cli.run(args)
    lines = Text.from_ansi(capsys.readouterr().out).split("\n")
    assert len(lines) > 5 and not [line.plain for line in lines if line.cell_len > 80]


@pytest.mark.parametrize("columns", ["60", "40"])
def test_no_figure_is_cut_on_a_narrow_terminal(columns, capsys, monkeypatch):
    from rich.table import Table

    from rxpath.workbench.views import terminal

    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = Table(box=None)
    for name in ("socket", "received", "drops", "longest queue", "memory at most", "of rcvbuf"):
        table.add_column(name, no_wrap=name != "socket")
    table.add_row("udp 0.0.0.0:8125", "1,443,000", "4,437,123", "92", "211,968", "212,992")
    terminal.show(table)
    out = capsys.readouterr().out
    assert "\x1b[" in out and "1,443,000" in out and "4,437,123" in out and "212,992" in out
