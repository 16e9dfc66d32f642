"""Verdicts over seeds: what is a cure, what is chance, and which seeds say something at all."""
import pytest

import rxpath
from rxpath.workbench.advice.rules import load
from rxpath.workbench.advice.sure import Chance
from rxpath.workbench.advice.verdict import Verdicts
from rxpath.workbench.jobs.unit import Result
from rxpath.workbench.scenarios import scenario
from rxpath.workbench.views import spread
from tests.workbench.advice.said import wrong


def lost(n, queued=0):
    return Result(offered=10_000, delivered=10_000 - n - queued, queued=queued, dropped={"SOCKET_RCVBUFF": n} if n else {})


def chance(*each):
    return Chance([Verdicts("loss", load(), set(), lost(n)) for n in each])


@pytest.mark.parametrize("before, after, apart, gain, cures", [
    ((0, 2653, 0, 12, 900), (0, 0, 0, 0, 0), True, 1.0, True),              # all that is lost, wherever something is
    ((2653, 0, 0, 0, 0), (0, 0, 0, 0, 0), True, 1.0, True),
    ((2653, 0, 0, 0, 0), (1300, 0, 0, 0, 0), False, 0.51, False),           # of one seed nothing but a cure can be told
    ((66, 67, 0, 0, 0), (33, 33, 0, 0, 0), True, 0.5, False),               # half, in each that loses
    ((66, 67, 0, 0, 0), (0, 0, 50, 0, 0), False, 1.0, False),               # it loses where nothing was lost
    ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), False, 0.0, False),
])
def test_a_seed_without_losses_says_nothing(before, after, apart, gain, cures):
    found = chance(*before).sure([lost(n) for n in after])
    assert (found.told_apart, found.cures) == (apart, cures) and found.gain == pytest.approx(gain, abs=0.01)


def test_what_loses_more_in_some_seeds_is_not_called_chance():
    def late(p99, n=0):
        return Result(offered=10_000, delivered=10_000 - n, dropped={"SOCKET_RCVBUFF": n} if n else {}, ended={"lost": n},
                      done_ns={"p99": p99})
    seeds = Chance([Verdicts("latency", load(), set(), late(p99)) for p99 in (1000, 3000, 5000)])
    assert seeds.inside(seeds.sure([late(800), late(2400), late(4000, 500)])) == "more frames are lost with it in 1 of 3 seeds"
    assert seeds.inside(seeds.sure([late(800), late(3100), late(4900)])).startswith("no more than chance over 3 seeds: p99 800 ns")


def test_what_is_still_queued_is_not_cured():
    found = chance(2653, 0, 0).sure([lost(0, queued=2653), lost(0), lost(0)])
    assert not found.cures and found.gain == 0


def test_a_cure_is_said_with_the_seeds_that_it_was_needed_in():
    """Eight flows on four sockets: how many share one is drawn with each boot, and in some seeds nothing is lost."""
    s = scenario.load("reuseport-collision")
    changed = s.the_spec(("traffic.0.flows=8", "traffic.0.rate=130kpps"))
    run = rxpath.whatif(changed, s.the_host(), seed=6, jobs=1)
    best = run.whatif.recommended
    assert wrong(run) == [] and best.set == ("socket.in.attach_reuseport_cbpf=random",) and best.helped == "yes"
    assert 0 < best.sure.losing < 5 and best.sure.lost_after.max == 0
    assert f"saves all that is lost in {best.sure.losing} of 5 seeds" in " ".join(str(run).split())


def test_a_setting_that_is_no_cure_says_how_many_seeds_lose():
    found = chance(66, 67, 0, 0, 0).sure([lost(n) for n in (33, 33, 0, 0, 0)])
    assert spread.line(found).endswith("; as it is, something is lost in 2 of 5 seeds")
    assert "of 3 seeds" not in spread.line(chance(66, 67, 3).sure([lost(0)] * 3))
