"""Views of the user's own: rxpath.View, in Python and with --view."""
import os
import pathlib
import subprocess
import sys

import pytest

import rxpath

from .test_command import run

VIEWS = '''
import rxpath


class Sockets(rxpath.View):
    title = "What each socket lost"

    def draw(self, run: rxpath.Outcome) -> rxpath.Drawn:
        rows = [(f"{s.proto} {s.port}", s.received, s.drops) for s in run.books.sockets]
        return self.table(("socket", "read", "lost"), rows)


class Settings(rxpath.View):
    def draw(self, run):
        return [f"{len(run.knobs)} settings were tried", self.ns(1500), self.table(("a", "b"), [(True, 2.0), (None, 1234567)])]


class Broken(rxpath.View):
    def draw(self, run):
        return run.books.nonsense


class Wrong(rxpath.View):
    def draw(self, run):
        return 7


class Needs(rxpath.View):
    def __init__(self, what):
        pass


other = 7
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(VIEWS)
    (tmp_path / "bad.py").write_text("def f(:\n")
    (tmp_path / "lacks.py").write_text("import nothing_like_it\n")
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name in ("mine", "bad", "lacks", "ends"):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["mine:Sockets", "mine.py:Sockets", "./mine.py:Sockets"])
def test_it_stands_in_place_of_the_report(name, here, capsys):
    code, out, err = run(capsys, "replay", "first", "--view", name, "--no-progress")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "What each socket lost" and lines[1].split() == ["socket", "read", "lost"]
    sockets = rxpath.replay("first").books.sockets
    assert [line.split()[-2:] for line in lines[2:]] == [[f"{s.received:,}", f"{s.drops:,}"] for s in sockets]


def test_several_and_what_if(here, capsys):
    code, out, _ = run(capsys, "replay", "first", "--view", "mine:Settings", "--view", "mine:Sockets", "--goal", "loss", "--seeds", "1",
                       "--budget", "300k", "--no-progress")
    assert code == 0 and out.startswith(f"{out.split()[0]} settings were tried\n1.50 us\na") and int(out.split()[0]) > 0
    assert "\n\nWhat each socket lost\n" in out and "yes          2" in out and "1,234,567" in out


def test_the_same_in_python(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    import mine

    outcome = rxpath.replay("first")
    text = mine.Sockets().text(outcome)
    assert text.startswith("What each socket lost\nsocket") and mine.Sockets().text(outcome) == text
    assert max(map(len, mine.Sockets().text(outcome, width=60).splitlines())) <= 60
    with pytest.raises(AttributeError):
        mine.Broken().text(outcome)
    swept = rxpath.sweep("first", {"ethtool.rx": [256]}, jobs=1)

    class Rows(rxpath.View):
        def draw(self, result):
            return str(len(result.rows))

    assert Rows().text(swept) == "1\n"


@pytest.mark.parametrize("name, line", [
    ("mine:Socket", "mine has no Socket; did you mean Sockets?"),
    ("mine:Zebra", "mine has no Zebra; its views: Sockets, Settings, Broken, Wrong, Needs"),
    ("mine:other", "is not an rxpath.View, but int"),
    ("mine:Needs", "Needs() raised TypeError"),
    ("mine:Broken", "draw() raised AttributeError: 'Books' object has no attribute 'nonsense' (mine.py:20)"),
    ("mine:Wrong", "draw() gives int: a text, a table(), or a list of these is allowed"),
    ("nowhere:X", "there is no module nowhere, neither here nor installed"),
    ("nowhere.py:X", "nowhere.py: no such file"),
    ("bad:X", "importing bad raised SyntaxError"),
    ("lacks.py:X", "importing lacks.py raised ModuleNotFoundError: No module named 'nothing_like_it' (lacks.py:1)"),
    ("ends:X", "importing ends raised SystemExit: 3"),
    ("sockets", "must be MODULE:CLASS or FILE.py:CLASS"),
    (":X", "must be MODULE:CLASS or FILE.py:CLASS"),
])
def test_mistakes_are_one_line(name, line, here, capsys):
    code, out, err = run(capsys, "replay", "first", "--view", name, "--no-progress")
    assert (code, out) == (2, "") and err.startswith(f"rxpath: --view {name}: ") and line in err and err.count("\n") == 1, err


def test_not_together_with_json(here, capsys):
    assert run(capsys, "replay", "first", "--view", "mine:Sockets", "--json")[0] == 2


def test_a_row_of_another_length_is_named():
    with pytest.raises(rxpath.BadInput, match="row 2 has 1 cells, and there are 2 columns"):
        rxpath.View.table(("a", "b"), [(1, 2), (1,)])


def test_an_installed_package_may_offer_one(here):
    info = here / "mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[rxpath.views]\nper-socket = mine:Sockets\n")
    source = pathlib.Path(rxpath.__file__).parents[1]
    asked = [sys.executable, "-m", "rxpath.workbench.cli", "replay", "first", "--view"]
    env = {"PYTHONPATH": f"{source}:{here}", "PATH": "/usr/bin:/bin", "HOME": str(here)}
    env |= {k: v for k, v in os.environ.items() if k.startswith("RXPATH")}
    done = subprocess.run([*asked, "per-socket"], capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0 and done.stdout.startswith("What each socket lost\n"), done.stderr
    done = subprocess.run([*asked, "per-sockets"], capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 2 and "did you mean per-socket?" in done.stderr
