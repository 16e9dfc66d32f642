"""Several seeds: what is repeated, what is told apart, what is said of it."""
import json
import math
import random
from pathlib import Path

import jsonschema
import pytest

import rxpath
from rxpath.workbench.cli import app as cli
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.jobs import spread as spreading
from rxpath.workbench.jobs.pool import Pool
from rxpath.workbench.jobs.spread import Range, reseeded, spread, t_99, told_apart
from rxpath.workbench.jobs.unit import Result, Unit, run
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.views import spread as view
from rxpath.workbench.views import terminal

SCHEMA = json.loads((Path(__file__).parents[3] / "src/rxpath/workbench/views/replay.schema.json").read_text())


def test_a_spread_has_every_seed_and_what_a_run_lacks_is_0() -> None:
    found = spread((1, 2, 3), [Result(offered=9, dropped={"RX_MISSED": 4}), Result(offered=9), Result(offered=9, dropped={"NO_SOCKET": 1})])
    assert found["offered"].each == (9, 9, 9)
    assert found["dropped", "RX_MISSED"].each == (4, 0, 0) and found["dropped", "NO_SOCKET"].each == (0, 0, 1)
    assert found["dropped", "nothing"].each == (0, 0, 0)
    assert (Range((5, 1, 3, 2)).min, Range((5, 1, 3, 2)).median, Range((5, 1, 3, 2)).max) == (1, 2, 5)
    told = found.to_dict()
    assert told["dropped"]["RX_MISSED"] == {"min": 0, "median": 0, "max": 4, "each": [4, 0, 0]}
    assert found["sockets", "none", "drops"].each == (0, 0, 0)


# Student's t: tables have 9.925 (2), 3.250 (9), 2.704 (40), 2.626 (100)
@pytest.mark.parametrize(("freedom", "value"), [(1, 63.657), (2, 9.925), (9, 3.250), (30, 2.750), (40, 2.704), (100, 2.626),
                                                 (100_000, 2.576)])
def test_students_t(freedom: int, value: float) -> None:
    assert math.isclose(t_99(freedom), value, rel_tol=1e-3)


def test_what_every_seed_has_alike_is_told_apart_and_what_chance_gives_is_not() -> None:
    assert told_apart([5, 9, 7], [4, 8, 6]), "one less with every seed"
    assert not told_apart([5, 9, 7], [5, 9, 7]) and not told_apart([0, 0, 0, 0, 0], [0, 0, 0, 0, 5])
    assert told_apart([100, 140, 120, 90, 130], [52, 88, 71, 44, 80]) and not told_apart([100, 140, 120, 90, 130], [120, 100, 130, 110, 95])
    assert told_apart([0, 0, 0, 0, 0], [632, 3135, 2000, 700, 2900]) and not told_apart([0, 0, 0], [632, 3135, 1000]), "no overlap, of five"
    assert told_apart([3], [4]) and not told_apart([3], [3]), "one seed: any difference is one"


def test_two_samples_of_one_kind_are_seldom_told_apart() -> None:
    """The level: 1 to 2 %, of 4,000 pairs of samples of five."""
    dice = random.Random(5)
    wrong = sum(told_apart([dice.gauss(100, 10) for _ in range(5)], [dice.gauss(100, 10) for _ in range(5)]) for _ in range(4000))
    assert 20 <= wrong <= 110


def test_host_and_traffic_get_a_seed_each() -> None:
    spec = trafficfile.build({"seed": 40, "traffic": [{"rate": "1kpps", "count": 10}]})
    host = hostfile.build({"seed": 7}, "host")
    unit = Unit(spec, host=host, seed=None)
    changed = reseeded(unit, host, spec, 2)
    assert reseeded(unit, host, spec, 0) is unit
    assert changed.overrides == ("seed=9",) and changed.traffic == ("traffic.seed=42",)
    assert run(changed).error is None


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_bundled_captures_losses_vary_and_are_the_same_with_any_number_of_workers(jobs: int) -> None:
    unit = Unit("first", host=None)
    with Pool(jobs) as pool:
        found = spreading.repeat(pool, run(unit), unit, 3)
    assert found is not None and found.seeds == (1, 2, 3)
    assert found["lost"].each == tuple(run(Unit("first", seed=s)).lost for s in (1, 2, 3))
    assert len(set(found["latency_ns", "p50"].each)) > 1


def test_seeds_of_the_run_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["replay", "first", "--json", "--no-whatif"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert cli.run(["replay", "first", "--json", "--no-whatif", "--seeds", "4"]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, SCHEMA)
    varies = told.pop("spread")
    assert told == alone, "seed 1 is the shown run"
    assert varies["seeds"] == [1, 2, 3, 4] and varies["lost"]["each"][0] == alone["ended"]["lost"]
    assert varies["latency_ns"]["p99"]["each"][0] == alone["latency_ns"]["p99"]
    assert varies["sockets"]["udp 0.0.0.0:8125"]["drops"]["each"][0] == next(s["drops"] for s in alone["sockets"] if s["port"] == 8125)
    assert cli.run(["replay", "first", "--no-whatif", "--seeds", "4"]) == 0
    assert "The same with seeds 1 to 4" in capsys.readouterr().out


def test_what_varies_is_a_row_and_what_does_not_is_in_a_line() -> None:
    found = spread((3, 5), [Result(offered=9, delivered=7, received=7, latency_ns={"p99": p99}) for p99 in (5000, 9000)])
    text = terminal.plain(view.render(found))
    assert text.splitlines()[0] == "The same with seeds 3, 5"
    assert [line.split() for line in text.splitlines() if line.startswith("p99 ")] == [["p99", *"5.00 us 5.00 us 5.00 us 9.00 us".split()]]
    assert "the same in each: lost 0, delivered 7, p50 0 ns" in text


@pytest.mark.parametrize("seeds", ["0", "1001", "-3"])
def test_so_many_seeds_cannot_be(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["replay", "first", "--seeds", seeds]) == 2
    assert "1 to 1000" in capsys.readouterr().err


def test_verdicts_have_their_spread() -> None:
    found = rxpath.whatif("first", seeds=3)
    assert found.spread is not None and found.spread.seeds == (1, 2, 3)
    best = found.whatif.recommended
    assert best.sure is not None and best.sure.told_apart
    assert best.sure.lost_after.each[0] == best.lost_after and best.sure.saved.each[0] == best.saved
    jsonschema.validate(json.loads(found.to_json()), SCHEMA)
    assert rxpath.whatif("first", seeds=1, budget="60k").spread is None
