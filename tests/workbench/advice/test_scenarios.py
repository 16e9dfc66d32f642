"""The scenario library and the rules: in each scenario its rule fires, and the search finds a cure of its own."""
import pytest

import rxpath
from rxpath.workbench.advice.facts import measure
from rxpath.workbench.advice.goal import GOALS
from rxpath.workbench.advice.rules import load
from rxpath.workbench.run import replay
from rxpath.workbench.scenarios import scenario

GOAL = {"p50": "latency", "p99": "latency", "cpu": "cpu", "all-cpu": "cpu"}          # else of what is lost
MODELLED = [n for n in scenario.names() if next(r for r in load().rule if r.id == scenario.load(n).rule).modelled]


@pytest.mark.parametrize("name", MODELLED)
def test_the_rule_of_a_scenario_fires_in_it(name):
    s = scenario.load(name)
    facts = measure(replay.replay(s.the_spec(), s.the_host()))
    fired = {r.id for goal in GOALS for r in load().fired(facts, goal)}
    assert s.rule in fired, {k: v for k, v in facts.items() if v}


@pytest.mark.parametrize("name", ["ring-burst", "cpu-saturated", "slow-program", "livelock", "strict-rp-filter", "idle-latency",
                                  "rps-target-saturated", "lost-fragments", "accept-queue"])
def test_the_search_finds_a_cure_and_no_placebo_of_the_scenario(name):
    s = scenario.load(name)
    run = rxpath.whatif(s.the_spec(), s.the_host(), goal=GOAL.get(s.measure), jobs=1)
    assert s.rule in [number for number, *_ in run.whatif.fired]
    best = run.whatif.recommended
    assert best is not None
    again = replay.replay(s.the_spec(), s.the_host(best.set))
    measured = scenario.measured(s.measure)[2]
    assert measured(again) <= max(s.cured, 0.2) * measured(run)
    assert set(best.set) not in [set(p) for p in s.placebo]
    assert best.commands
