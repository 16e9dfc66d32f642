"""`rxpath help`, the manual page, completion, and the examples at the end of each command's help."""
import os
import shutil
import subprocess
import sys

import pytest
import typer

from rxpath.abi.reasons import Drop
from rxpath.abi.sysctls import SYSCTLS
from rxpath.workbench.cli import app as cli
from rxpath.workbench.cli import completion, manual
from rxpath.workbench.host import text
from rxpath.workbench.views import topics

from .test_command import COMMANDS, run, rxpath

ROOT = typer.main.get_command(cli.app)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c], ids=" ".join)
def test_help_of_a_command_is_its_own_help(command, capsys):
    own, asked = run(capsys, *command, "--help"), run(capsys, "help", *command)
    assert own == asked and own[0] == 0


@pytest.mark.parametrize("width", ["60", "80"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_the_terminal(command, width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    _, out, _ = run(capsys, *command, "--help")
    assert max(map(len, out.splitlines())) <= int(width)


def test_every_name_that_a_report_prints_is_explained(capsys):
    names = {r.name for r in Drop if r != Drop.NOT_DROPPED_YET} | {row.name for row in SYSCTLS} | {"igb", "veth", "ip_rcv", "kernel 3.10"}
    assert names <= {t.name for t in topics.topics()}
    code, out, _ = run(capsys, "help", "socket_rcvbuff")
    assert code == 0 and "Udp.RcvbufErrors" in out and "receive buffer is full" in out
    code, out, _ = run(capsys, "help", "net.core.netdev_budget")
    assert code == 0 and "default: 300" in out and "net_rx_action" in out
    assert run(capsys, "help", "Udp.RcvbufErrors")[1].startswith("Udp.RcvbufErrors: counter\n  moves with: SOCKET_RCVBUFF")


def test_all_topics_have_text():
    for t in topics.topics():
        assert all(words and "{" not in head for head, words in t.lines()), t.name


@pytest.mark.parametrize("key", ["app.service", "app.0.service", "app.slow-reader.service", "app.N.service"])
def test_a_key_of_a_list_is_found_however_its_entry_is_named(key, capsys):
    code, out, _ = run(capsys, "help", key)
    assert code == 0 and out.startswith("app.N.service: key of the host file")


def test_a_name_that_nothing_has_names_what_is_close_to_it(capsys):
    code, _, err = run(capsys, "help", "rmem")
    assert code == 2 and "net.core.rmem_max" in err and err.count("\n") == 1
    assert run(capsys, "help", "qqqqq")[2] == "rxpath: nothing here is called 'qqqqq' (rxpath help --help)\n"
    assert "sweep" in run(capsys, "help", "swep")[2]


def test_every_key_of_the_host_file_can_be_asked_for():
    keys = [key for key, _ in text.keys()]
    assert {"cpus", "ethtool.rx", "nic.driver", "app.N.service", "socket.N.rcvbuf", "app.N.pause.every"} <= set(keys)
    assert len(keys) == len(set(keys))


# ---------------------------------------------------------------- the manual page
def test_the_manual_page_has_every_command_and_option():
    page = manual.page(ROOT, "1.0")
    for command in COMMANDS:
        if command and command != ["host"]:
            assert f".SS rxpath {' '.join(command)}" in page, command
    for option in ("\\-\\-set KEY=VALUE", "\\-\\-trail FILTER", "\\-\\-loss"):
        assert option in page
    assert page == manual.page(ROOT, "1.0") and "[cyan]" not in page


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_has_nothing_to_say_against_it():
    done = subprocess.run(["man", "--warnings", "-l", "-"], input=manual.page(ROOT, "1.0"), capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="80", PAGER="cat"))
    assert done.returncode == 0 and done.stderr == "" and "EXIT STATUS" in done.stdout


# ---------------------------------------------------------------- completion
@pytest.mark.parametrize("shell", completion.SHELLS)
def test_completion_prints_a_script_for_the_shell(shell, capsys):
    code, out, _ = run(capsys, "completion", shell)
    assert code == 0 and f"complete_{shell}" in out
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=out, text=True, timeout=20).returncode == 0


def test_an_unknown_shell_is_one_line(capsys):
    assert run(capsys, "completion", "tcsh") == (2, "", "rxpath: completion tcsh: bash, zsh, fish\n")


@pytest.mark.parametrize("words, expected", [("rxpath rep", ["replay"]), ("rxpath replay --spe", ["--speed"]),
                                             ("rxpath host in", ["init"])])
def test_the_command_completes_words(words, expected):
    done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli"], capture_output=True, text=True, timeout=60, env=dict(
        os.environ, _RXPATH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1)))
    assert done.stdout.split() == expected, done.stderr


def test_debug_may_stand_anywhere():
    for words in (("--debug", "replay", "no such file"), ("replay", "no such file", "--debug"), ("replay", "--debug", "no such file")):
        done = rxpath(*words)
        assert "Traceback" in done.stderr and "no such file" in done.stderr
    assert rxpath("--debug", "version").stdout == rxpath("version").stdout


def test_a_mistake_on_the_command_line_names_the_help_of_that_command(capsys):
    assert run(capsys, "sweep", "--foo")[2].endswith("(rxpath sweep --help)\n")
    assert run(capsys, "host", "shwo")[2].endswith("(rxpath host --help)\n")
