"""Standard streams that are closed, full, or cannot hold what we print; Ctrl-C at any moment.  Never a traceback."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rxpath.workbench.cli import app

COMMAND = [sys.executable, "-m", "rxpath.workbench.cli"]


def shell(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line.replace("rxpath", " ".join(COMMAND), 1)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONUNBUFFERED": "", **env})                   # as a user has it: Python buffers


def test_a_closed_standard_output_is_said_before_the_work():
    done = shell("rxpath replay first 1>&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "rxpath: standard output is closed; to throw the output away: > /dev/null\n"


@pytest.mark.parametrize("option", ["--tap", "--tx"])
def test_a_file_named_minus_is_not_made_by_accident(option, tmp_path: Path):
    done = subprocess.run([*COMMAND, "replay", "first", option, "-"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(f"rxpath: {option} -:") and not list(tmp_path.iterdir())


def test_a_closed_standard_error_changes_nothing():
    assert shell("rxpath version 2>&-").stdout == "rxpath 0.1.0\n"
    assert shell("rxpath replay nofile 2>&-").returncode == 2


def test_what_is_written_never_lands_in_a_file_that_took_a_closed_descriptor(tmp_path: Path):
    """With 2 closed the first file that is opened would be 2: a message would go into it."""
    tap = tmp_path / "tap.pcap"
    done = shell(f"rxpath replay first --no-whatif --tap {tap} 2>&- >/dev/null")
    assert done.returncode == 0 and tap.read_bytes()[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")


@pytest.mark.parametrize("words", ["version", "stations", "replay first --no-whatif", "replay first --no-whatif --json", "replay --help"])
def test_a_full_disk_is_one_line(words):
    done = shell(f"rxpath {words} > /dev/full")
    assert (done.returncode, done.stderr) == (2, "rxpath: No space left on device\n")


def test_ascii_gets_ascii():
    plain, told = shell("rxpath replay first --no-whatif"), shell("rxpath replay first --no-whatif", PYTHONIOENCODING="ascii")
    assert told.returncode == 0 and told.stderr == "" and told.stdout.isascii()
    assert "└ kernel" in plain.stdout and "` kernel" in told.stdout and "?" not in told.stdout.replace("\n", "")


@pytest.mark.parametrize("after_ms", range(0, 200, 20))
def test_ctrl_c_at_any_moment_of_the_start_shows_no_traceback(after_ms):
    child = subprocess.Popen([*COMMAND, "replay", "first", "--loop", "20"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.06 + after_ms / 1000)           # Python's own start has to be over
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert "rxpath" not in err or "Traceback" not in err            # one without us in it is of Python's own start
    assert child.returncode in (130, -signal.SIGINT), err


@pytest.mark.parametrize(("asked", "code", "ends"), [(True, 0, 130), (False, 0, 0), (True, 2, 2)])
def test_an_interrupt_that_compiled_code_swallowed_is_still_told(asked, code, ends):
    told = f"import rxpath.workbench.cli as c, rxpath.workbench.cli.app as a; a.run = lambda: {code}; c.asked = {asked}; c.main()"
    assert subprocess.run([sys.executable, "-c", told], timeout=60).returncode == ends


def _in_set_name(argv):
    class Part:
        def __set_name__(self, owner, name):
            raise KeyboardInterrupt                                     # while a class is made

    type("Whole", (), {"part": Part()})


def _in_compiled_code(argv):
    raise RuntimeError('Error building "model" validator: KeyboardInterrupt: ')      # as pydantic does while it builds a class


@pytest.mark.parametrize("interrupted", [_in_set_name, _in_compiled_code])
def test_an_interrupt_that_is_wrapped_is_an_interrupt(monkeypatch, capsys, interrupted):
    monkeypatch.setattr("rxpath.workbench.cli.app._for", interrupted)
    assert app.run(["version"]) == 130 and capsys.readouterr().err == ""


def test_a_mistake_of_ours_is_no_interrupt(monkeypatch, capsys):
    def wrong(argv):
        raise RuntimeError("no") from ValueError("of ours")

    monkeypatch.setattr("rxpath.workbench.cli.app._for", wrong)
    assert app.run(["version"]) == 70 and "bug in rxpath" in capsys.readouterr().err
