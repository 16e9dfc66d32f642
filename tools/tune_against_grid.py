"""How many trials rxpath tune needs on three scenarios whose whole grid is run as well:

    python tools/tune_against_grid.py [--seeds 10] [--trials 50]

A scenario has three knobs and one figure to lower.  Every combination is run once; then the search asks as it does in a tuning, from that
many seeds of its own, and is told what the grid says.  Counted is the trial at which it has come within 5 % of the distance from today's
host to the best of the grid.  docs/tune.md shows the table."""
import argparse
import dataclasses
import itertools
import statistics

from rxpath.workbench.jobs.pool import Pool
from rxpath.workbench.jobs.unit import Unit
from rxpath.workbench.many.tuning import ask, space
from rxpath.workbench.many.tuning.target import figures
from rxpath.workbench.scenarios import scenario

NEAR = 0.05                                                 # of the distance
CASES = {
    "interrupt-per-packet": ("cpu", ("ethtool.rx-usecs=3,10,25,50,100,200,400", "ethtool.rx=64..4096", "net.core.netdev_budget=64..1200")),
    "rcvbuf-burst": ("loss", ("net.core.rmem_default=212992..1310720/12", "ethtool.rx=64..4096", "net.core.netdev_budget=64..1200")),
    "ring-burst": ("loss", ("ethtool.rx=128..1280/10", "ethtool.rx-usecs=0,10,50,100,200,400", "net.core.netdev_budget=64..1200")),
}


def measured(name: str, seeds: int, trials: int) -> tuple[str, ...]:
    """A row of the table."""
    objective, knobs = CASES[name]
    lesson = scenario.load(name)
    base = Unit(lesson.the_spec(), lesson.the_host())
    room = space.of_user(knobs, [base])
    choices = list(itertools.product(*(range(len(k.settings)) for k in room.knobs)))
    work = [dataclasses.replace(base, overrides=room.overrides(c)) for c in choices]
    with Pool() as pool:
        found = {choices[n]: figures([result])[objective] for n, result in pool.run_all(work)}
    today, best = found[room.today], min(found.values())
    near = best + NEAR * (today - best)
    share = sum(value <= near for value in found.values()) / len(found)
    each = [needed(room, found, near, seed, trials) for seed in range(1, seeds + 1)]
    within = [n for n in each if n is not None]
    return (name, objective, f"{len(found):,}", f"{100 * share:.1f} %", f"{len(within)} of {seeds}",
            f"{statistics.median_low(within)}" if within else "-", f"{max(within)}" if within else "-")


def needed(room: space.Space, found: dict[space.Choice, float], near: float, seed: int, trials: int) -> int | None:
    """The trial that is near; None: none of so many."""
    told: list[ask.Told] = []
    while len(told) < trials:
        told += [(choice, [found[choice]]) for choice in ask.lot(room, told, seed, 1)]
    return next((n for n, (_, values) in enumerate(told[:trials], 1) if values is not None and values[0] <= near), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=50)
    asked = parser.parse_args()
    print("| scenario | objective | grid | of it near | seeds that come near | median trial | last |")
    print("|---|---|---|---|---|---|---|")
    for name in CASES:
        print("| " + " | ".join(measured(name, asked.seeds, asked.trials)) + " |", flush=True)


if __name__ == "__main__":
    main()
