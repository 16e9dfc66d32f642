"""What may be asked of the advice: for which goal, how many packets may be simulated to find it, and how many seeds it is given for."""
from __future__ import annotations

import re

from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

GOALS = ("loss", "latency", "cpu")
BUDGET = 20_000_000                                         # simulated packets: some ten seconds of two cores
PACKETS_A_SECOND = 2_000_000                                # of two cores, about: what a time is translated with
LARGEST = 10 ** 12
SEEDS, SEEDS_MAX = 5, 1000                                  # that a run and its verdicts are given for
ALLOWED = "a number of simulated packets such as 20M or 500k"


def checked_goal(goal: str | None) -> str | None:
    if goal is not None and goal not in GOALS:
        near = units.nearest(goal, list(GOALS))
        raise BadInput(f"--goal {goal}: must be {', '.join(GOALS[:-1])} or {GOALS[-1]}" + (f"; did you mean {near}?" if near else ""))
    return goal


def checked_seeds(seeds: int | None, default: int = SEEDS) -> int:
    if seeds is None:
        return default
    if not 1 <= seeds <= SEEDS_MAX:
        raise BadInput(f"--seeds {seeds}: 1 to {SEEDS_MAX}")
    return seeds


def checked_budget(budget: str | int | None) -> int:
    """Packets of "20M", "1.5M", "500k" or a number."""
    if budget is None:
        return BUDGET
    found = re.fullmatch(r"(\d{1,13})(?:\.(\d{1,6}))?([kMG]?)", str(budget).strip(), re.ASCII)
    if found is None:
        try:
            packets = units.duration_ns(str(budget)) * PACKETS_A_SECOND // 1_000_000_000
        except ValueError:
            raise BadInput(f"--budget {budget}: must be {ALLOWED}") from None
        raise BadInput(f"--budget {budget}: the budget counts simulated packets, so that the answer does not depend on the machine; that "
                       f"time is about --budget {budget_text(packets)} on two cores")
    packets = int(float(f"{found[1]}.{found[2] or 0}") * {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}[found[3]])
    if packets > LARGEST:
        raise BadInput(f"--budget {budget}: at most {LARGEST:,} simulated packets")
    return packets


def budget_text(packets: int) -> str:
    """20M, 500k"""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if packets >= size and packets % size == 0:
            return f"{packets // size}{unit}"
    return str(packets)
