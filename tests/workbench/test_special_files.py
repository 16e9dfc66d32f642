"""Pipes, devices, folders and huge values where a file is expected: one line, at once, and nothing waits."""
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rxpath import files
from rxpath.workbench.cli import app as cli

NAMED = {"service": '[[socket]]\nname = "a"\nbind = "0.0.0.0:8125"\n[[app]]\nname = "a"\nsockets = ["a"]\nservice = {{ file = "{}" }}\n',
         "pause": '[[socket]]\nname = "a"\nbind = "0.0.0.0:8125"\n[[app]]\nname = "a"\nsockets = ["a"]\npause = {{ file = "{}" }}\n',
         "iptables": 'iptables = "{}"\n', "sysctl": '[sysctl]\nfile = "{}"\n', "profile": 'profile = "{}"\n'}


@pytest.fixture
def special(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A named pipe that nobody writes to, a device without an end, a folder; each with an ending that is asked for."""
    monkeypatch.setattr(files, "PATIENCE_MS", 20)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uptime").write_text(" 09:10:11 up 3 days,  4:05,  2 users,  load average: 0.00, 0.01, 0.05\n")
    made = {}
    for ending in ("", ".toml", ".json", ".pcap"):
        os.mkfifo(tmp_path / f"pipe{ending}")
        (tmp_path / f"zero{ending}").symlink_to("/dev/zero")
        (tmp_path / f"folder{ending}").mkdir()
        made |= {f"{kind}{ending}": str(tmp_path / f"{kind}{ending}") for kind in ("pipe", "zero", "folder")}
    return made


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    code = cli.run(list(args))
    err = re.sub(r"rxpath: sources changed.*\n", "", capsys.readouterr().err)              # in a source tree
    assert code == 2 and err.count("\n") == 1 and "bug" not in err, (args, code, err)
    return err


@pytest.mark.parametrize("kind", ["pipe", "zero", "folder"])
@pytest.mark.parametrize("key", NAMED)
def test_files_that_a_host_file_names(kind, key, special, tmp_path, capsys):
    host = tmp_path / "host.toml"
    host.write_text(NAMED[key].format(special[f"{kind}.toml"]))
    assert kind in refused(capsys, "replay", "first", "--host", str(host))


@pytest.mark.parametrize("kind", ["pipe", "zero", "folder"])
@pytest.mark.parametrize("args", [
    ["replay", "{}"], ["replay", "{}.toml"], ["replay", "first", "--host", "{}.toml"], ["hosts", "{}.pcap"], ["doctor", "{}"],
    ["host", "check", "{}.toml"], ["host", "show", "{}.toml"], ["host", "snapshot", "--from", "{}"], ["diff", "{}.json", "first"],
    ["diff", "{}.toml", "first"], ["diff", "{}.pcap", "first"], ["scenario", "run", "{}.toml"],
    ["sweep", "{}.pcap", "--set", "ethtool.rx=64,128"], ["sweep", "first", "--set", "ethtool.rx=64,128", "--resume", "{}"],
    ["headroom", "{}.pcap"], ["generate", "--spec", "{}.toml", "-o", "-"],
    ["generate", "--merge", "{}.pcap", "-o", "-"], ["packetdrill", "{}"],
    ["case", "{}.pcap", "-o", "new"], ["case", "{}", "--hide", "-o", "new"],
    ["case", "uptime", "--host", "{}.toml", "-o", "new"], ["case", "uptime", "--hide", "--key", "{}", "-o", "new"], ["whatif", "{}"],
    ["tune", "first", "--resume", "{}"], ["show", "ss", "{}.pcap"], ["validate", "--no-run", "--profile", "{}.toml"],
], ids=" ".join)
def test_files_on_the_command_line(kind, args, special, capsys):
    if (kind, args[0]) == ("folder", "doctor") or (kind == "folder" and "--from" in args):
        pytest.skip("a folder of readings is what it takes")
    refused(capsys, *(a.replace("{}", special[kind].removesuffix("")) if "{}" in a else a for a in args))


def test_a_pipe_of_the_shell_is_read(tmp_path):
    host = tmp_path / "host.toml"
    host.write_text("cpus = 2\n[ethtool]\nrx = 512\n")
    line = f"{sys.executable} -m rxpath.workbench.cli host show <(cat {host})"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "512" in done.stdout, done.stderr


def test_a_named_pipe_with_a_writer_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[b"x" * 100_000])
    writer.start()
    assert files.read_file(tmp_path / "pipe", 200_000) == b"x" * 100_000
    writer.join()


def test_a_number_of_thousands_of_digits_is_one_line(tmp_path, capsys):
    host = tmp_path / "host.toml"
    host.write_text(f"cpus = {'9' * 5000}\n")
    assert "digits" in refused(capsys, "replay", "first", "--host", str(host))
    assert len(refused(capsys, "replay", "first", "--set", f"cpus={'9' * 5000}")) < 400


def test_what_is_too_large_is_not_read_whole(tmp_path):
    file = tmp_path / "large"
    file.write_bytes(b"x" * 1001)
    assert files.read_file(file, 1001) == b"x" * 1001
    with pytest.raises(OSError, match="larger than 1,000 bytes"):
        files.read_file(file, 1000)
