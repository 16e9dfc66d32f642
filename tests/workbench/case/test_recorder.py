"""The recorder: one file of the standard library for Python 3.6, which reads this machine and never writes to it."""
import ast
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from rxpath.cable import case_file
from rxpath.workbench.cli import app as cli
from rxpath.workbench.readings.case import open_recorded
from rxpath.workbench.readings.live import recorder

SOURCE = Path(recorder.__file__).read_text()


def test_the_script_is_of_python_3_6s_grammar_and_library():
    ast.parse(SOURCE, feature_version=(3, 6))
    vermin = Path(sys.executable).with_name("vermin")
    if not vermin.exists():
        pytest.skip("vermin is not installed")
    done = subprocess.run([vermin, "-t=3.6-", "--violations", "--no-tips", recorder.__file__], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_script_imports_nothing_but_the_standard_library():
    names = {n.name.split(".")[0] for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Import) for n in node.names}
    names |= {node.module.split(".")[0] for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)


def test_it_opens_nothing_for_writing_but_its_own_files():
    """Reads of the machine go through os.open() with O_RDONLY."""
    flags = [ast.unparse(node.args[1]) for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Call)
             and ast.unparse(node.func) == "os.open"]
    assert flags and all("O_RDONLY" in f and "WR" not in f for f in flags)
    assert not any(isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "io.open") for node in ast.walk(ast.parse(SOURCE)))


def test_both_sides_mean_the_same_format():
    assert recorder.FORMAT == case_file.FORMAT


def run(*args, **more):
    return subprocess.run([sys.executable, recorder.__file__, *args], capture_output=True, text=True, timeout=60, **more)


def test_a_case_without_a_capture_needs_no_root(tmp_path):
    out = tmp_path / "a.rxcase"
    done = run("--no-capture", "--seconds", "0.5", "-o", str(out))
    assert done.returncode == 0 and "wrote" in done.stdout, done.stderr
    case = open_recorded(out)
    assert len(case.samples) >= 4 and case.capture is None and not case.problems and 0.4 < case.seconds < 5
    assert case.kernel == os.uname().release and case.settings.records
    assert {"/proc/net/snmp", "/proc/net/softnet_stat", "/proc/stat"} <= set(case.samples[0].files)
    assert case.samples[0].files["/proc/interrupts"] and os.listdir(tmp_path) == ["a.rxcase"]


def test_the_command_does_the_same_and_keeps_the_snapshot(tmp_path, capsys):
    out = tmp_path / "a.rxcase"
    try:
        code = cli.run(["record", "--no-capture", "--seconds", "0.3", "-o", str(out)])
    finally:
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM"):
            signal.signal(getattr(signal, name), signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
    _, err = capsys.readouterr()
    assert code == 0 and "samples of counters" in err
    assert "kernel = " in open_recorded(out).host_text


def test_the_script_is_printed(capsys):
    code = cli.run(["record", "--script"])
    out, _ = capsys.readouterr()
    assert code == 0 and out == SOURCE and out.startswith('"""Records a case')
    assert cli.run(["record", "--script", "-o", "x"]) == 2


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_any_signal_ends_it_cleanly(tmp_path, name):
    out = tmp_path / "a.rxcase"
    with subprocess.Popen([sys.executable, recorder.__file__, "--no-capture", "--seconds", "60", "-o", str(out)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        time.sleep(1.5)
        child.send_signal(getattr(signal, name))
        _, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert open_recorded(out).samples and os.listdir(tmp_path) == ["a.rxcase"]


@pytest.mark.parametrize("args,says", [
    (("--seconds", "0"), "--seconds 0: 0.2 to 86400"), (("--snap", "10"), "--snap 10: 64 to 65535"), (("--interval", "0"), "--interval 0"),
    (("--most", "0"), "--most 0"), (("--device", "nosuch0"), "there is no device nosuch0 here"),
    (("--netns", "nosuch"), "--netns nosuch: there is no such namespace"), (("--folder", "/nosuch"), "/nosuch: No such file")])
def test_what_cannot_be_recorded_is_one_line(tmp_path, args, says):
    done = run("-o", str(tmp_path / "a.rxcase"), *args)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1 and not os.listdir(tmp_path)


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "a.rxcase").write_text("mine")
    done = run("--no-capture", "--seconds", "0.2", "-o", str(tmp_path / "a.rxcase"))
    assert done.returncode == 2 and "already exists" in done.stderr and (tmp_path / "a.rxcase").read_text() == "mine"


def test_counters_have_a_limit_and_say_so(monkeypatch, tmp_path):
    monkeypatch.setattr(recorder, "COUNTERS_MOST", 60_000)
    manifest = recorder.record(str(tmp_path / "a.rxcase"), 1.0, capture=False, interval=0.01)
    assert manifest["counters"]["stopped"].startswith("the limit of") and manifest["counters"]["samples"] < 60
    assert open_recorded(tmp_path / "a.rxcase").samples


def test_samples_that_take_long_come_more_rarely(monkeypatch, tmp_path):
    real = recorder.Counters.sample

    def slow(self, whole=False):
        real(self, whole)
        return 0.01                                         # s of CPU time: at 2 % of a CPU one each half second

    monkeypatch.setattr(recorder.Counters, "sample", slow)
    manifest = recorder.record(str(tmp_path / "a.rxcase"), 1.2, capture=False, interval=0.01)
    assert manifest["counters"]["samples"] <= 6


def test_a_file_that_did_not_change_is_kept_once(monkeypatch, tmp_path):
    still, moves = tmp_path / "still", tmp_path / "moves"
    still.write_text("1 2 3\n")
    monkeypatch.setattr(recorder, "EVERY", [str(still), str(moves)])
    moves.write_text("0\n")
    spool = io.BytesIO()
    counters = recorder.Counters(spool, [], [])
    for sample in range(3):
        moves.write_text(f"{sample}\n")
        counters.sample(whole=True)
    counters.close()
    kept = spool.getvalue()
    assert kept.count(f"{still} 6\n1 2 3\n".encode()) == 1 and kept.count(f"{still} =\n".encode()) == 2
    assert kept.count(f"{moves} 2\n".encode()) == 3 and counters.samples == 3


def test_a_disk_that_is_full_is_one_line(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder, "write", full)
    with pytest.raises(recorder.Refused, match="No space left on device"):
        recorder.record(str(tmp_path / "a.rxcase"), 0.2, capture=False)


def test_no_capture_is_said_and_the_counters_go_on(monkeypatch, tmp_path):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(recorder, "Capture", refused)
    said = []
    manifest = recorder.record(str(tmp_path / "a.rxcase"), 0.3, ["lo"], said=said.append)
    assert "no capture of lo: not permitted: root may" in said and manifest["no_capture"].startswith("not permitted")
    assert open_recorded(tmp_path / "a.rxcase").samples


def test_it_runs_on_python_3_6(tmp_path):
    python = shutil.which("python3.6")
    if python is None or subprocess.run([python, "-V"], capture_output=True, check=False).returncode:
        pytest.skip("no Python 3.6 here")
    done = subprocess.run([python, recorder.__file__, "--no-capture", "--seconds", "0.3", "-o", str(tmp_path / "a.rxcase")],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "a.rxcase") as made:
        assert json.loads(made.read("manifest.json"))["python"].startswith("3.6")
