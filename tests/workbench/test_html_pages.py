"""--html of sweep, headroom, diff, scenario, doctor, a case and whatif: each page is whole, says what its result says, fetches nothing,
and a browser shows it without an error."""
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import rxpath
from rxpath import examples
from rxpath.workbench.doctor.inputs import checked
from rxpath.workbench.doctor.verdict import examine
from rxpath.workbench.scenarios import scenario
from rxpath.workbench.views.html import axes, elements
from rxpath.workbench.views.html import diff as diff_page
from rxpath.workbench.views.html import doctor as doctor_page
from rxpath.workbench.views.html import headroom as headroom_page
from rxpath.workbench.views.html import scenario as scenario_page
from rxpath.workbench.views.html import sweep as sweep_page
from rxpath.workbench.views.html.page import own
from rxpath.workbench.views.html.panels import Line, panel

from .case.test_beside import made as made_case
from .case.test_whatif import case as counted_case
from .doctor.hosts import host as host_readings
from .test_command import run
from .test_html import CHROMIUM, Page

GRID = {"net.core.rmem_default": "212992..1703936", "ethtool.rx": [64, 256]}
READINGS = {"sockets": [{"drops": 400, "r": 1000}], "snmp": {"Udp.RcvbufErrors": 400, "Udp.InErrors": 400},
            "tasks": [(700, 700, "reader", 1, 0.99, 0.0)]}


def tables(page: str) -> list[list[str]]:
    """The words and figures of every row of every table."""
    main = ElementTree.fromstring(re.search(r"<main>.*</main>", page, re.DOTALL)[0])
    return [["".join(cell.itertext()) for cell in row] for row in main.iter("tr")]


@pytest.fixture(scope="module")
def sweep():
    return rxpath.sweep("first", GRID, jobs=2)


@pytest.fixture(scope="module")
def room():
    return rxpath.headroom("first", loss="1%", steps=2, seeds=1, jobs=2)


@pytest.fixture(scope="module")
def found():
    return rxpath.diff("first", "first", overrides_b="net.core.rmem_default=425984", seeds=3, jobs=2)


@pytest.fixture(scope="module")
def pages(sweep, room, found, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    trial = scenario.run(scenario.load("slow-program"), record=True)
    readings = checked(host_readings(**READINGS), None, False)
    made = {"sweep": sweep_page.page(sweep, "rxpath sweep"), "headroom": headroom_page.page(room), "diff": diff_page.page(found),
            "scenario": scenario_page.page(trial), "doctor": doctor_page.page(examine(readings), readings.readings, False)}
    for name, command in {"case": ["replay", made_case(folder, "b.rxcase"), "--no-whatif"],
                          "whatif": ["whatif", counted_case(folder), "--budget", "100k", "--jobs", "1"]}.items():
        file = folder / f"{name}.html"
        assert rxpath_command(*command, "--html", str(file)) == 0
        made[name] = file.read_text()
    return made


def rxpath_command(*args) -> int:
    from rxpath.workbench.cli import app

    return app.run([str(a) for a in args])


NAMES = {"sweep": ["sweep"], "headroom": ["curve0", "limits"], "diff": ["sides", "different"],
         "scenario": ["attempts", "funnel", "queues", "latency", "flows"], "doctor": ["found"], "case": ["truth", "truthtime", "funnel"],
         "whatif": ["knobs", "laws"]}


@pytest.mark.parametrize("kind", NAMES)
def test_a_page_is_whole_small_and_fetches_nothing(kind, pages):
    page = pages[kind]
    seen = Page(page)
    assert seen.open == [] and len(page) < 1 << 20 and seen.fetched == [] and seen.inline == []
    assert set(NAMES[kind]) <= set(seen.ids) and len(seen.ids) == len(set(seen.ids)), Counter(seen.ids).most_common(2)
    main = ElementTree.fromstring(re.search(r"<main>.*</main>", page, re.DOTALL)[0])
    assert all(svg.get("aria-label") or svg.get("aria-labelledby") or svg.get("aria-hidden") for svg in main.iter("svg")
               if "plot" not in svg.get("class", "")), "each picture has a name for who cannot see it"
    assert main.find(".//h1").text and "nan" not in page.lower().split("<script>")[0].replace("finance", "")


def test_every_row_of_a_sweep_is_in_its_table_and_a_dot_in_each_picture(sweep, pages):
    rows = [row for row in tables(pages["sweep"]) if row[0].isdigit()]
    assert len(rows) == len(sweep.rows) == 8
    assert [row[2] for row in rows] == [f"{row.result.lost:,}" for row in sweep.ranked]
    assert pages["sweep"].count("<circle") == 4 * 8 + 2, "and two in the key"
    assert f"net.core.rmem_default={sweep.best.settings['net.core.rmem_default']}" in pages["sweep"]


def test_lines_of_a_sweep_run_along_its_longest_axis(sweep):
    assert [a.key for a in sweep.varying] == ["net.core.rmem_default", "ethtool.rx"]
    for settings, rows in sweep.lines():
        assert [row.settings["net.core.rmem_default"] for row in rows] == list(sweep.varying[0].values)
        assert {row.settings["ethtool.rx"] for row in rows} == {settings["ethtool.rx"]}
    assert sweep.best in sweep.lines()[0][1]


def test_the_limit_that_binds_is_marked_where_it_is(room, pages):
    x = re.search(r'<path class="limit" d="M([0-9.]+) ', pages["headroom"])[1]
    dots = [d.speed for d in room.curves[0][1]]
    axis = axes.spread_out(dots, str)
    assert abs(float(x) - (64 + axis.at(room.limits[0].factor) * (470 - 64 - 14))) < 0.06
    assert room.limits[0].limit.place in pages["headroom"] and all(c in pages["headroom"] for c in room.limits[0].commands[:1])


def test_both_sides_of_a_diff_have_a_dot_for_each_seed(found, pages):
    assert found.a.memory_bytes < found.b.memory_bytes and found.to_dict()["a"]["memory_bytes"] == found.a.memory_bytes
    picture = re.search(r'aria-label="Frames lost".*?</svg>', pages["diff"])[0]
    assert picture.count('<circle class="s0"') == picture.count('<circle class="s1"') == 3
    assert sum(row[0] == f.name for f in found.different for row in tables(pages["diff"])) >= len(found.different)


def test_the_doctor_says_what_decides_it_and_how_much(pages):
    assert "RcvbufErrors" in pages["doctor"] and "[D23]" in pages["doctor"] and "<dt>no help</dt>" in pages["doctor"]
    assert "400" in "".join(map("".join, tables(pages["doctor"])))


def test_a_case_shows_prediction_beside_truth(pages):
    assert any(row[2] == "20,000" and row[3].replace(",", "").isdigit() for row in tables(pages["case"]) if len(row) > 6)
    assert "really lost" in pages["case"] and pages["case"].count("to 0.2 s: ") == 2


def test_a_scenario_shows_latency_before_the_cure_and_after_it(pages):
    assert '<path class="before"' in pages["scenario"] and '<path class="after"' in pages["scenario"]
    assert "the same with the cure (dotted)" in pages["scenario"]


def test_the_page_of_a_replay_shows_it_with_the_best_setting(tmp_path, capsys):
    file = tmp_path / "r.html"
    code, _, err = run(capsys, "replay", "first", "--seeds", "1", "--budget", "2M", "--html", str(file))
    assert code == 0, err
    page = file.read_text()
    answer = rxpath.whatif("first", seeds=1, budget="2M")
    after = rxpath.replay("first", overrides=list(answer.whatif.recommended.set))
    assert '<path class="after"' in page and "are read, 99 % of them done with within" in page
    assert f"{after.books.done.count:,} are read" in page and after.books.done.count > answer.books.done.count


@pytest.mark.parametrize("command", [
    ["sweep", "first", "--set", "ethtool.rx=64,256"], ["headroom", "first", "--limits", "1", "--seeds", "1"],
    ["diff", "first", "first", "--seeds", "1"], ["scenario", "run", "ring-burst"], ["doctor", "README.md"]], ids=lambda c: c[0])
def test_where_a_page_cannot_go_is_said_before_the_work(command, tmp_path, capsys):
    for wrong in ("-", str(tmp_path / "none" / "x.html"), str(tmp_path), ""):
        code, out, err = run(capsys, *command, "--html", wrong)
        assert code == 2 and out == "" and "--html" in err and len(err.splitlines()) <= 3, (wrong, err)


def test_a_page_does_not_overwrite_what_is_read(tmp_path, capsys):
    file = tmp_path / "a.json"
    file.write_text(json.dumps({}))
    assert run(capsys, "diff", str(file), str(file), "--html", str(file))[0] == 2 and file.read_text() == "{}"


def test_doctor_html_is_one_verdict(tmp_path, capsys):
    code, _, err = run(capsys, "doctor", "--watch", "--html", str(tmp_path / "x.html"))
    assert code == 2 and "--html is one verdict" in err


# ---------------------------------------------------------------- notebooks
@pytest.fixture(scope="module")
def fragments(sweep, room, found, tmp_path_factory) -> dict[str, str]:
    answer = rxpath.whatif("first", budget="500k", seeds=1, jobs=1)
    readings = tmp_path_factory.mktemp("n") / "now.txt"
    readings.write_text("$ cat /proc/net/snmp\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\nUdp: 900 3 7 5 7\n")
    return {kind: result._repr_html_() for kind, result in
            {"run": answer, "sweep": sweep, "headroom": room, "diff": found, "doctor": rxpath.doctor(readings)}.items()}


def test_results_draw_themselves_small_and_without_a_script(fragments):
    for kind, text in fragments.items():
        assert "<script" not in text and len(text) < 60_000, (kind, len(text))
        whole = ElementTree.fromstring(text)
        assert whole.get("class") == "rxpath" and whole.find(".//h1").text and whole.findall(".//svg"), kind
        assert not [e for e in whole.iter() if any(k.startswith("on") or k in ("style", "src", "href") for k in e.keys())], kind
        ids = {e.get("id") for e in whole.iter()} - {None}
        named = {i for e in whole.iter() for k in ("aria-labelledby", "aria-describedby") for i in (e.get(k) or "").split()}
        assert named <= ids, kind


def test_ids_of_two_results_differ(fragments, sweep):
    other = replace(sweep, rows=sweep.rows[:4])._repr_html_()
    every = Counter(i for text in (*fragments.values(), other) for i in re.findall(r'\bid="([^"]*)"', text))
    assert every and max(every.values()) == 1


def test_styles_of_a_notebook_reach_nothing_outside(fragments):
    style = re.search("<style>(.*?)</style>", fragments["sweep"], re.DOTALL)[1]
    selectors = [part.strip() for group in re.findall(r"(?:^|[{}])([^{}@]+)\{", style) for part in group.split(",")]
    assert len(selectors) > 50 and all(s == ".rxpath" or s.startswith(".rxpath ") for s in selectors)
    assert style.count("{") == style.count("}") and "--bg:#14181d" in style


def test_names_from_outside_are_text_in_a_notebook(tmp_path):
    file = tmp_path / "<b>&.pcap"
    file.write_bytes(examples.path("first").read_bytes())
    text = rxpath.replay(file)._repr_html_()
    assert "<b>" not in text and "&lt;b&gt;&amp;.pcap" in text


# ---------------------------------------------------------------- whose frames were lost
def test_every_lost_frame_has_its_flow():
    outcome = rxpath.replay("first", record=True)
    flows = outcome.lost_flows
    found = flows.largest(100)
    assert flows.told == sum(n for *_, n in found) == 4437 and not flows.unknown and not flows.beyond and not flows.stopped
    assert {reason for _, reason, _ in found} == {"SOCKET_RCVBUFF"} and all(flow.endswith(":8125 UDP") for flow, *_ in found)
    assert rxpath.replay("first").lost_flows is None


def test_watching_for_lost_frames_changes_nothing_else():
    one, other = rxpath.replay("first", record=True), rxpath.replay("first")
    assert one.to_dict() | {"recording": 0} == other.to_dict() | {"recording": 0}


def test_beyond_a_number_of_lost_frames_nobody_looks(monkeypatch):
    from rxpath.workbench.run import lost_flows

    monkeypatch.setattr(lost_flows, "LOOKED_AT", 1000)
    monkeypatch.setattr(lost_flows, "FLOWS", 2)
    flows = rxpath.replay("first", record=True).lost_flows
    assert flows.stopped and flows.told == 1000 == flows.beyond + sum(n for *_, n in flows.largest(9)) and flows.beyond
    assert len(flows.largest(9)) == 2


def test_flows_of_frames_that_the_ring_lost():
    flows = rxpath.replay("first", overrides="ethtool.rx=64", speed=400.0, record=True).lost_flows
    assert any(reason == "RX_MISSED" for _, reason, _ in flows.largest(100)) and not flows.unknown


# ---------------------------------------------------------------- drawing
def test_axes_bring_values_to_their_places():
    line = axes.linear([0, 50], str)
    assert line.at(0) == 0 and 0.9 < line.at(50) < 1 and line.at(1e9) == 1
    ten = axes.decades([3, 4000], str)
    assert [v for v, _ in ten.ticks] == [1, 10, 100, 1000, 10_000] and ten.at(100) == 0.5 and ten.at(0) == 0
    names = axes.places([str(10 ** 6 + i) for i in range(40)], 58)
    assert names.at(0) > 0 and names.at(39) < 1 and len(names.ticks) <= 8


def test_a_missing_value_is_a_gap():
    x, y = axes.places(["a", "b", "c", "d", "e"], 50), axes.linear([4], str)
    drawn = panel("t", x, y, [Line("l", "s0", [(0, 1.0), (1, 2.0), (2, None), (3, 1.0), (4, 4.0)])])
    d = re.search(r'<path class="s0" d="([^"]*)"', drawn)[1]
    assert d.count("M") == 2 and d.count("L") == 2 and drawn.count("<circle") == 4


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
@pytest.mark.parametrize("kind", NAMES)
def test_a_browser_shows_it_without_an_error(kind, pages, tmp_path):
    file = Path(tmp_path) / f"{kind}.html"
    file.write_text(pages[kind])
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
                           f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom", file.as_uri()],
                          capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert all(f'id="{name}"' in done.stdout for name in NAMES[kind]) and done.stdout.count("<svg") >= len(NAMES[kind])


def test_a_figure_stays_on_one_line_and_a_sentence_does_not():
    made = elements.table(("k", "lost", "p99"), [("a", "55.6 ms", "impossible: no such CPU 3 in this host")])
    assert "<td>55.6 ms</td>" in made and '<td class="word">impossible' in made
    assert "td:not(.word){white-space:nowrap}" in own("report.css")
