"""The scenario library: in each, the rule that it names fires, its cure cures, and no placebo does."""
import pathlib

import pytest

from rxpath.workbench.advice import facts, rules
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host.file import HostError
from rxpath.workbench.scenarios import scenario
from rxpath.workbench.views import scenario as scenario_view

NAMES = scenario.names()
GOALS = ("loss", "latency", "cpu")
ELSEWHERE = {"R25", "R34", "T7", "T15",  # rules.toml has the reason of each
             "R38", "R39"}                    # frames that no generator makes: advice/test_no_loss.py


@pytest.mark.parametrize("name", NAMES)
def test_the_rule_fires_the_cure_cures_and_the_placebo_does_not(name: str) -> None:
    s = scenario.load(name)
    trial = scenario.run(s)
    runs = [(a.what, a.settings, a.value, a.run.dropped) for a in trial.attempts()]
    assert trial.cured, runs
    assert trial.placebos_fail, runs
    for attempt in trial.attempts():
        assert attempt.run.offered <= 110_000, "short runs: a test for each"
    kept = [p.value / trial.before.value for p in trial.placebos if trial.before.value]
    said = scenario_view.verdict(trial)
    if "change next to nothing" in said:
        assert kept and all(0.95 < k < 1.05 for k in kept), said
    elif kept:
        assert f"the others leave at least {min(kept):.0%} of it" in said or (min(kept) >= 1 and "make it no better" in said)
    known = {rule.id: rule for rule in rules.load().rule}
    measured = facts.measure(trial.before.run)
    for rule in (s.rule, *s.also):
        if known[rule].modelled:
            assert any(known[rule] in rules.load().fired(measured, goal) for goal in GOALS), (rule, measured)


def test_every_rule_that_the_path_can_show_has_a_scenario() -> None:
    shown = {scenario.load(n).rule for n in NAMES}
    wanted = {rule.id for rule in rules.load().rule} - ELSEWHERE
    assert wanted <= shown, wanted - shown


def test_a_cure_that_does_not_cure_is_seen() -> None:
    """The test above can fail."""
    s = scenario.load("ring-burst")
    text = (scenario.FOLDER / "ring-burst.toml").read_text().replace('cure = ["ethtool.rx=4096"]', 'cure = ["ethtool.rx=264"]')
    trial = scenario.run(scenario.loads(text.replace('["net.core.netdev_budget=1200"]', '["ethtool.rx=4096"]'), "x"), ("ethtool.rx=2048",))
    assert not trial.cured and not trial.placebos_fail
    assert trial.tried is not None and trial.tried.value < trial.before.value
    assert "less than" not in scenario_view.verdict(trial) and "helps too" in scenario_view.verdict(trial)
    assert s.cure == ("ethtool.rx=4096",)


@pytest.mark.parametrize(("old", "new", "text"), [
    ('rule = "R1"', 'rule = "R99"', "rule: \"R99\" is not allowed: R1 to R40, R7b, T1 to T17"),
    ('"ethtool.rx=4096"', '"ethtool.rxx=4096"', "cure: --set ethtool.rxx=4096"),
    ('"ethtool.rx=4096"', '"ethtool.rx=40960"', "64 to 4096"),
    ('"net.core.netdev_budget=1200"', '"traffic.3.rate=1"', "placebo.2: --set traffic.3.rate=1: must be traffic.N.KEY=VALUE"),
    ("burst = 1500", "burst = 0", "traffic.0.burst: 0 is not allowed"),
    ("title =", "titel =", "titel: unknown key; did you mean title?"),
    ("cpus = 2", "cpus = 200", "host: cpus: 200 is not allowed: 1 to 64"),
])
def test_mistakes_in_a_scenario_are_one_line(old: str, new: str, text: str) -> None:
    content = (scenario.FOLDER / "ring-burst.toml").read_text()
    assert old in content
    with pytest.raises(HostError) as caught:
        scenario.loads(content.replace(old, new, 1), "x.toml")
    assert text in str(caught.value) and "\n" not in str(caught.value)


def test_the_commands(capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path) -> None:
    assert cli.run(["scenario", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in NAMES)
    assert cli.run(["scenario", "show", "R14"]) == 0
    assert "[[traffic]]" in capsys.readouterr().out
    mine = tmp_path / "mine.toml"
    mine.write_text((scenario.FOLDER / "closed-port.toml").read_text())
    assert cli.run(["scenario", "run", str(mine), "--set", "cpus=3"]) == 0
    said = capsys.readouterr().out
    assert "Before and after" in said and "yours" in said and "the cure takes frames lost from 4,000 to 0" in said
    assert cli.run(["scenario", "run", "closed-port", "--json"]) == 0
    assert '"cured": true' in capsys.readouterr().out
    assert cli.run(["scenario", "run", "ring-burts"]) == 2
    assert "did you mean ring-burst?" in capsys.readouterr().err
