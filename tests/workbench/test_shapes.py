"""Shapes that come out of the path: what must hold of each does, and docs/shapes.md shows what they give.

A failing claim here says that the path or a cost changed so that something published does not come out any more; a failing page says
that its figures are old: `rxpath shapes -o docs` writes them anew."""
import json
import pathlib
import re
import sys

import pytest

from rxpath.workbench.cli import app as cli
from rxpath.workbench.shapes import run
from rxpath.workbench.shapes.measure import measure, poll_sizes
from rxpath.workbench.shapes.shape import MS, SHAPES, Claim, Found, host
from rxpath.workbench.views import shapes as page
from rxpath.workbench.words.mistakes import BadInput

ROOT = pathlib.Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "shapes.md")
TEST_MS = 20
CHEAP = ("Q5", "hooks")                                      # whose figures the page must have to the digit


@pytest.fixture(scope="module")
def found():
    return {}


def figures(found, key):
    if key not in found:
        found[key] = SHAPES[key].run(TEST_MS)
    return found[key]


@pytest.mark.parametrize("key", run.ORDER)
def test_what_must_hold_of_a_shape_holds(found, key):
    wrong = [c.text for c in figures(found, key).claims if not c.holds]
    assert not wrong, page.section(SHAPES[key], found[key])


def test_every_shape_is_on_the_page_in_its_order():
    assert sorted(run.ORDER) == sorted(SHAPES)
    assert re.findall(r"^## ([\w]+):", PAGE.read_text(), re.M) == list(run.ORDER)


@pytest.mark.parametrize("key", run.ORDER)
def test_the_page_was_made_by_this_generator(found, key):
    """All but the figures: title, source, claims, columns, as many rows, links to pictures that are there."""
    text = PAGE.read_text()
    fresh = page.section(SHAPES[key], figures(found, key))
    stored = text[text.index(f"## {key}: "):].split("\n## ")[0] + "\n"

    def bones(section):
        lines = section.strip().split("\n")
        at = next(i for i, line in enumerate(lines) if line.startswith("|"))
        return lines[:at + 2], sum(line.startswith("|") for line in lines)

    assert bones(stored) == bones(fresh), "rxpath shapes -o docs"
    for picture in re.findall(r"\]\((shapes/[^)]+)\)", stored):
        assert (ROOT / "docs" / picture).exists()


@pytest.mark.parametrize("key", CHEAP)
def test_the_page_has_the_figures_that_come_out_now(key):
    assert page.section(SHAPES[key], SHAPES[key].run(MS)) in PAGE.read_text(), "rxpath shapes -o docs"


def test_workers_and_one_process_find_the_same():
    shapes = run.chosen(["q5", "hooks"])
    assert [s.key for s in shapes] == ["Q5", "hooks"], "in the page's order, however they are written"
    assert run.run(shapes, 10, jobs=2) == run.run(shapes, 10, jobs=1)


def test_a_run_that_is_stopped_keeps_what_is_done():
    done = []
    found = run.run(run.chosen(["Q5", "Q7"]), 10, progress=lambda n, of: done.append((n, of)), stop=lambda: bool(done))
    assert list(found) == ["Q5"] and done == [(1, 2)]


def test_poll_sizes_add_up_to_what_the_polls_did():
    """Looking every 100 ns misses no poll: their number and their packets are those of the state."""
    machine = host("6.18", "bm36", app=1, batch=64)
    sizes = poll_sizes(machine, 1e6, 5)
    m = measure(machine, 1e6, 5)
    assert sum(k * v for k, v in sizes.items()) == pytest.approx(m.offered * 0.005, rel=0.02)
    assert sum(sizes.values()) == pytest.approx(m.polls * 0.005, rel=0.02)


# ---------------------------------------------------------------- the command
def test_the_command_prints_a_shape_and_its_figures_as_json(capsys):
    assert cli.run(["shapes", "--only", "Q5", "--no-progress"]) == 0
    assert "The cost of a packet falls with load" in capsys.readouterr().out
    assert cli.run(["shapes", "--only", "Q5", "--json", "--no-progress"]) == 0
    said = json.loads(capsys.readouterr().out)
    shape = said["shapes"]["Q5"]
    assert said["seed"] == 1 and shape["profile"] == "bm36" and all(c["holds"] for c in shape["claims"])
    assert len(shape["rows"]) == 6 and len(shape["rows"][0]) == len(shape["columns"])


def test_the_command_lists_shapes_and_refuses_what_is_not_one(capsys):
    assert cli.run(["shapes", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(run.ORDER)
    assert cli.run(["shapes", "--only", "Q8"]) == 2
    assert "no such shape: there are Q1, Q2" in capsys.readouterr().err
    assert cli.run(["shapes", "--only", "Q5", "-o", "x"]) == 2
    assert "-o writes the whole page" in capsys.readouterr().err


def test_a_shape_that_does_not_hold_is_said_and_is_the_exit_status(monkeypatch, capsys):
    broken = Found((("x", "d"),), [(1,)], (Claim("it stands", False),))
    monkeypatch.setattr(run, "run", lambda shapes, **_: {s.key: broken for s in shapes})
    assert cli.run(["shapes", "--only", "Q5", "--no-progress"]) == 1
    assert "DOES NOT HOLD: it stands" in capsys.readouterr().out
    assert "**does not hold**: it stands" in page.markdown({"Q5": broken})


def test_the_same_figures_give_the_same_pictures(found, tmp_path):
    pytest.importorskip("matplotlib")
    some = {"Q5": figures(found, "Q5"), "Q6": figures(found, "Q6")}
    first = {p.name: p.read_bytes() for p in page.write(some, tmp_path / "a", TEST_MS)}
    second = {p.name: p.read_bytes() for p in page.write(some, tmp_path / "b", TEST_MS)}
    assert first == second and set(first) == {"shapes.md", "q5.svg", "q6.svg"}
    assert b"published" in first["q5.svg"] and len(first["q5.svg"]) < 40_000
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"-o .*file"):
        page.write(some, tmp_path / "file", TEST_MS)


def test_without_matplotlib_one_line_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.run(["shapes", "-o", "x"]) == 2
    err = capsys.readouterr().err
    assert "pip install 'rxpath[shapes]'" in err and err.count("\n") == 1
