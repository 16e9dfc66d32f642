"""`rxpath packetdrill` as a user meets it."""
import json

import pytest

from rxpath.workbench.cli import app as cli

GOOD = "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 %{ print('hello') }%\n"
MORE = {"differs.pkt": GOOD + "+0 close(3) = 1\n", "missing.pkt": GOOD + "+0 write(3, ..., 5) = 5\n", "unreadable.pkt": "\n0 close(\n"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good.pkt").write_text(GOOD)
    (tmp_path / "other.txt").write_text("no script")
    return tmp_path


def run(capsys, *args):
    code = cli.run(["packetdrill", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_folder_is_its_scripts_and_all_that_pass_is_0(capsys, folder):
    code, out, _ = run(capsys, folder)
    assert code == 0
    assert out == "passed          good.pkt\n\n1 of 1 passed, kernel 6.18\nprinted by good.pkt\n  hello\n"


def test_each_script_that_does_not_pass_says_where_and_what(capsys, folder):
    for name, text in MORE.items():
        (folder / name).write_text(text)
    code, out, _ = run(capsys, folder)
    assert code == 2
    assert out.startswith("DIFFERS         differs.pkt:3\n                close() = 1 was expected, it returned 0\n"
                          "passed          good.pkt\n"
                          "missing         missing.pkt:3\n                missing: system call write()\n"
                          "cannot be read  unreadable.pkt:3\n")
    assert "1 of 4 passed, kernel 6.18\nmissing: system call write() (1)\n" in out
    assert run(capsys, folder / "differs.pkt")[0] == run(capsys, folder / "missing.pkt")[0] == 1


def test_check_only_reads(capsys, folder):
    (folder / "differs.pkt").write_text(MORE["differs.pkt"])
    code, out, _ = run(capsys, "--check", folder)
    assert code == 0 and out.endswith("read            good.pkt\n\n2 of 2 can be read\n")


def test_json_has_the_score_and_every_script(capsys, folder):
    for name, text in MORE.items():
        (folder / name).write_text(text)
    code, out, _ = run(capsys, "--json", "--set", "kernel=3.10", folder)
    got = json.loads(out)
    assert code == 2 and got["kernel"] == "3.10"
    assert got["score"] == {"scripts": 4, "passed": 1, "differ": 1, "missing": 1, "unreadable": 1}
    by_name = {s["name"].split("/")[-1]: s for s in got["scripts"]}
    assert by_name["good.pkt"]["passed"] and by_name["good.pkt"]["printed"] == ["hello"]
    assert by_name["missing.pkt"]["missing"] == {"kind": "system call", "name": "write()"}
    assert (by_name["differs.pkt"]["line"], by_name["unreadable.pkt"]["unreadable"]) == (3, True)


@pytest.mark.parametrize("args, said", [
    (["none.pkt"], "rxpath: none.pkt: there is no such file\n"), (["-D", "x", "."], "rxpath: .: no .pkt file in that folder\n"),
    (["--set", "kernel=9", "good.pkt"], "rxpath: --set kernel=9: ")])
def test_mistakes_are_one_line(capsys, folder, args, said, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "sub").mkdir()
    if args[-1] == ".":
        monkeypatch.chdir(folder / "sub")
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "") and err.startswith(said) and err.count("\n") == 1


def test_words_are_defined_on_the_command_line(capsys, folder):
    (folder / "good.pkt").write_text("0 socket(..., KIND, 0) = 3\n")
    assert run(capsys, "-D", "KIND=SOCK_DGRAM", folder / "good.pkt")[0] == 0
    assert run(capsys, "-D", "KIND", folder / "good.pkt") == (2, "", "rxpath: -D KIND: NAME=VALUE\n")


def test_a_file_that_is_no_text_is_refused(capsys, folder):
    (folder / "good.pkt").write_bytes(b"\xff\xfe")
    code, out, err = run(capsys, folder)
    assert code == 2 and err.endswith("good.pkt: byte 0 is not UTF-8 text\n") and out == ""
