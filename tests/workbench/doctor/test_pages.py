"""docs/doctor.md: its examples print what stands there, its commands collect what the readers know, its table of statuses is true."""
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from rxpath.workbench.cli import app as cli
from rxpath.workbench.doctor import inputs
from rxpath.workbench.doctor.verdict import examine
from rxpath.workbench.readings.sniff import moments, read_text
from rxpath.workbench.views import doctor as view
from rxpath.workbench.views import terminal

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "doctor.md").read_text()
SHOWN = [(m[1], m[2]) for m in re.finditer(r"```console\n\$ (rxpath doctor [\w. -]+)\n(.+?)```", PAGE, re.S) if not m[2].startswith("$ ")]


@pytest.mark.parametrize("command, output", SHOWN, ids=[c for c, _ in SHOWN])
def test_an_example_prints_what_the_page_shows(command, output, capsys, monkeypatch):
    """RXPATH_GOLDEN is not asked: the page is written by hand."""
    monkeypatch.chdir(DOCS / "doctor")
    code = cli.run(shlex.split(command)[1:])
    out = capsys.readouterr().out
    assert out.rstrip("\n") == output.rstrip("\n")
    assert code == (3 if "one reading" in out else 1)
    assert max(map(len, out.splitlines())) <= 80


def test_the_page_has_its_examples():
    assert len(SHOWN) == 3


def test_the_commands_of_the_page_collect_what_is_read():
    look = re.search(r"^\$ (look\(\) \{.*\})$", PAGE, re.M)
    text = subprocess.run(["sh", "-c", f"{look[1]}; look; sleep 1; look"], capture_output=True, text=True, timeout=30).stdout
    found = [r for r in moments(read_text(text)) if len(r.records) > 5]
    assert len(found) == 2 and not found[0].unread
    assert found[1].time - found[0].time >= 1


def keys_of(made):
    if isinstance(made, dict):
        return set(made) | {k for v in made.values() for k in keys_of(v)}
    return {k for v in made for k in keys_of(v)} if isinstance(made, list) else set()


def test_every_key_of_the_json_object_is_named(capsys):
    named = set(re.findall(r"`(\w+)`", PAGE[PAGE.index("## JSON"):]))
    for args in (["ring.txt"], ["before.txt", "after.txt"], ["after.txt"]):
        cli.run(["doctor", "--json", *(str(DOCS / "doctor" / name) for name in args)])
        assert keys_of(json.loads(capsys.readouterr().out)) <= named


def test_in_a_narrow_terminal_no_line_is_broken_twice(monkeypatch):
    """A line that is longer than the terminal would be wrapped once more, without its indentation."""
    readings = [read_text((DOCS / "doctor" / f"{name}.txt").read_text()) for name in ("before", "after")]
    verdict = examine(inputs.checked(readings))
    said = {}
    for width in (80, 60, 50):
        monkeypatch.setattr(view, "columns", lambda width=width: width)
        said[width] = terminal.plain(view.render(verdict, readings), 200)
        assert max(map(len, said[width].splitlines())) <= width
    assert said[80].split() == said[60].split() == said[50].split()
