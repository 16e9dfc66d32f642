"""--html: one self-contained page.  Looked at by a parser everywhere, by a real browser where there is one."""
import base64
import hashlib
import html.parser
import json
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import rxpath
from rxpath import examples
from rxpath.workbench.views.html import axes, charts
from rxpath.workbench.views.html.report import report

from ..cable.captures import pcap
from .test_command import run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FIGURES = ["funnel", "losses", "queues", "frames", "cpus", "latency", "where", "knobs", "sockets", "flows"]


class Page(html.parser.HTMLParser):
    """ids, tags that are open at the end, and what would be fetched."""
    VOID = frozenset(("meta", "br", "hr", "img", "link", "input"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.append(found["id"])
        self.fetched += [v for k, v in attrs if k in ("src", "href", "xlink:href", "action") and v]
        self.inline += [k for k, _ in attrs if k == "style" or k.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}>"


@pytest.fixture(scope="module")
def page() -> str:
    outcome = rxpath.replay("first", record=True)
    answer = rxpath.whatif("first", budget="2M", seeds=2, jobs=1).whatif
    return report(outcome, answer, "rxpath replay first --html report.html")


def test_the_page_is_well_formed_whole_and_small(page):
    seen = Page(page)
    assert seen.open == [] and len(page) < 1 << 20
    assert set(FIGURES) <= set(seen.ids) and len(seen.ids) == len(set(seen.ids))
    main = ElementTree.fromstring(re.search(r"<main>.*</main>", page, re.DOTALL)[0])
    assert len(main.findall(".//figure")) == len(FIGURES) and len(main.findall(".//svg")) >= len(FIGURES)


def test_nothing_is_fetched_and_the_policy_holds(page):
    seen = Page(page)
    assert seen.fetched == [] and seen.inline == []
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    for kind, tag in (("style", "style"), ("script", "script")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_the_figures_are_those_of_the_run(page):
    outcome = rxpath.replay("first")
    assert f"{outcome.offered:,} frames offered = {outcome.delivered:,} delivered" in page
    for reason, n in outcome.dropped.items():
        assert reason in page and f"{n:,}" in page
    assert "211,968 of 212,992 bytes" in page and "cost profile bm36" in page and "assumed:" in page


def test_the_same_run_gives_the_same_bytes(page, tmp_path):
    outcome = rxpath.replay("first", record=True)
    answer = rxpath.whatif("first", budget="2M", seeds=2, jobs=2).whatif
    assert report(outcome, answer, "rxpath replay first --html report.html") == page


def test_names_from_outside_are_text(tmp_path):
    file = tmp_path / "<script>alert(1)&.pcap"
    file.write_bytes(examples.path("first").read_bytes())
    text = report(rxpath.replay(file, record=True), command="rxpath replay '</code><b>'")
    assert "<script>alert" not in text and "<b>" not in text and "&lt;script&gt;alert(1)&amp;.pcap" in text
    assert Page(text).open == []


def test_a_run_in_which_nothing_came_has_a_page(tmp_path):
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(pcap([]))
    text = report(rxpath.replay(empty, record=True))
    assert Page(text).open == [] and "nothing lost" in text


def test_lines_and_areas_go_through_their_points():
    def followed(d: str) -> list[tuple[int, int]]:
        numbers = [int(v) for v in re.findall(r"-?\d+", d)]
        x = y = 0
        out = []
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            out.append((x, -y))
        return out
    assert followed(charts.points([5, 0, 7, 7], 10)) == [(0, 5), (10, 0), (20, 7), (30, 7)]
    assert charts.points([], 10) == "M0 0"


@pytest.mark.parametrize("most", [1, 3, 7.5, 100, 12_345, 1e9])
def test_axes_have_some_round_values(most):
    values = axes.nice(most)
    assert values[0] == 0 and 3 <= len(values) <= 8 and values[-1] <= most * 1.0001


def test_the_command_writes_the_page(tmp_path, capsys):
    file = tmp_path / "report.html"
    code, out, err = run(capsys, "replay", "first", "--no-whatif", "--html", str(file))
    assert code == 0, err
    assert Page(file.read_text()).open == [] and out.startswith("first.pcap: 8,763 frames")
    assert run(capsys, "replay", "first", "--html", "-")[0] == 2
    assert run(capsys, "replay", "first", "--html", str(tmp_path / "none" / "x.html"))[0] == 2
    code, out, err = run(capsys, "replay", "first", "--no-whatif", "--json", "--html", str(file))
    assert code == 0 and json.loads(out)["offered"] == 8763 and "recording" not in json.loads(out)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_a_browser_runs_it_without_an_error(page, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(page)
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
                           f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom", file.as_uri()],
                          capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert re.search(r'<g class="ticks"><text class="axis"[^>]*>0 s</text>', done.stdout), "the script did not draw"
    assert all(f'id="{name}"' in done.stdout for name in FIGURES)


def test_a_million_packets_are_written_in_no_time(tmp_path):
    """Seconds of this process: 0.014 where it was measured; the issue asks for 3."""
    spec = tmp_path / "million.toml"
    spec.write_text('[[traffic]]\nrate = "400kpps"\ncount = 1000000\nflows = 64\n')
    outcome = rxpath.replay(spec, overrides={"app.0.service": "20us"}, record=True)
    began = time.process_time()
    text = report(outcome)
    assert time.process_time() - began < 3 and len(text) < 1 << 20 and outcome.offered == 1_000_000
    assert f"of the first {outcome.lost_flows.told:,} lost frames" in text and outcome.lost_flows.told == 100_000


def test_pages_are_part_of_the_package():
    folder = Path(charts.__file__).parent
    assert (folder / "report.css").is_file() and (folder / "report.js").is_file()
