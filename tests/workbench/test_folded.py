"""--folded: the stacks add up to the CPU time of the books; the picture is well-formed, and its boxes lie in their parents."""
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from rxpath.workbench.run.cpu_work import CpuWork, Work
from rxpath.workbench.run.replay import replay
from rxpath.workbench.views import folded

from .test_command import run


def collected(**args):
    work = CpuWork()
    return work.found, replay("first", watching=[work], **args)


@pytest.fixture(scope="module")
def first():
    return collected()


def test_stacks_add_up_to_the_books(first):
    found, outcome = first
    total = Counter()
    for line in folded.text(found).splitlines():
        stack, _, ns = line.rpartition(" ")
        cpu, context, *_ = stack.split(";")
        total[cpu, context] += int(ns)
    for c in outcome.books.cpus:
        for context in ("hardirq", "softirq", "syscall", "application"):
            assert total[f"CPU {c.cpu}", context] == getattr(c, context)
    assert {w.stack[1] for w in found if w.stack[0] == "application"} >= {"slow-reader", "iperf3"}


def test_a_station_costs_what_the_profile_says_as_often_as_it_was_entered(first):
    found, outcome = first
    ns = sum(w.ns for w in found if w.stack[-1] == "ip_rcv_core")
    assert ns == 60 * outcome.books.stations["ip_rcv_core"]


def test_looking_changes_nothing_and_plain_finds_the_same(first):
    assert first[1].books == replay("first").books
    assert collected(last=300, plain=True)[0] == collected(last=300)[0]


def test_a_program_that_roams_is_not_told_by_cpu():
    found, outcome = collected(overrides={"app.slow-reader.cpu": "any"}, last=2000)
    for c in outcome.books.cpus:
        assert sum(w.ns for w in found if w.cpu == c.cpu and w.stack[0] == "application") == c.application


def test_names_of_programs_cannot_break_a_line():
    assert folded.text([Work(0, ("application", "a;b\nc d"), 7)]) == "CPU 0;application;a,b c d 7\n"


def test_the_picture_is_well_formed(first):
    picture = folded.svg(first[0], "a <title> & more")
    root = ET.fromstring(picture)
    assert "http" not in picture.replace('xmlns="http://www.w3.org/2000/svg"', "")
    boxes = []
    for g in root:
        x, y = (float(n) for n in g.attrib["transform"][len("translate("):-1].split())
        boxes.append((y, x, float(next(e for e in g if e.tag.endswith("rect")).attrib["width"])))
    titles = [e.text for e in root.iter() if e.tag.endswith("title")]
    assert any(t.startswith("softirq: ") for t in titles) and any(t.startswith("a <title> & more") for t in titles)
    assert all(0 <= x and x + w <= folded.WIDTH + 0.5 for _, x, w in boxes)
    rows = {}
    for y, x, w in boxes:
        rows.setdefault(y, []).append((x, w))
    for row in rows.values():
        assert all(a + w <= b + 0.3 for (a, w), (b, _) in zip(sorted(row), sorted(row)[1:], strict=False))


@pytest.mark.parametrize(("args", "said"), [
    (("--folded", "x.png"), ".svg"), (("--folded", "/nowhere/x.svg"), "no such folder"),
    (("--folded", "x.svg", "--trail", "1"), "--trail")])
def test_mistakes_are_one_line(args, said, capsys):
    code, out, err = run(capsys, "replay", "first", *args)
    assert code == 2 and said in err and err.count("\n") == 1 and not out


def test_the_command_writes_both(tmp_path, capsys):
    for name in ("cpu.folded", "cpu.svg"):
        code, _, err = run(capsys, "replay", "first", "--no-whatif", "--folded", str(tmp_path / name))
        assert code == 0, err
    assert "CPU 0;softirq;network;ip_rcv_core " in (tmp_path / "cpu.folded").read_text()
    assert (tmp_path / "cpu.svg").read_text().startswith("<svg ")
