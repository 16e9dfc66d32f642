"""What rxpath diff found, for a person."""
from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath.workbench.jobs.spread import Range
from rxpath.workbench.many.diff import Diff, Figure
from rxpath.workbench.views.spread import seeds_text
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.words.figures import between, count, ns

SHOWN = 12                                                  # figures of one group; --json has all


def render(found: Diff) -> Group:
    """Both sides, a row for each figure that differs, and how many do not."""
    parts: list[Any] = [Text(f"{name}: {side.title}; {of_seeds(side.spread.seeds)}") for name, side in (("A", found.a), ("B", found.b))]
    if found.different:
        table = table_of("", "A", "B", "change")
        groups: dict[str, list[Figure]] = {}
        for figure in found.different:
            groups.setdefault(figure.path[0] if len(figure.path) > 1 else "", []).append(figure)
        for rows in groups.values():
            for figure in rows[:SHOWN]:
                table.add_row(figure.name, in_words(figure, figure.a), in_words(figure, figure.b), change(figure))
            if len(rows) > SHOWN:
                table.add_row(f"... {len(rows) - SHOWN} more in --json", "", "", "")
        parts += [Text(), table]
    return Group(*parts, Text(), Text(conclusion(found), "bold"))


def conclusion(found: Diff) -> str:
    """In one line."""
    n, rest = len(found.different), found.compared - len(found.different)
    if found.seeds == 1:
        return f"{n} of {found.compared} figures differ; with one seed on each side nothing says how much of that is chance"
    if not n:
        return f"none of {found.compared} figures differs by more than the seeds do"
    return f"{n} figure{'s' * (n != 1)} differ{'s' * (n == 1)} by more than the seeds do, {rest} do{'es' * (rest == 1)} not"


def of_seeds(seeds: tuple[int, ...]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds_text(seeds)}"


def in_words(figure: Figure, r: Range) -> str:
    """The median, and the least and the most beside it."""
    text = ns if figure.is_time else count
    middle, ends = text(r.median), between(r.min, r.max, text)
    return middle if middle == ends else f"{middle} ({ends})"


def change(figure: Figure) -> str:
    a, b = figure.a.median, figure.b.median
    if a <= 0:
        return "from 0" if b > a else "-"
    if b > 10 * a:
        return f"{b / a:,.0f} times"
    return f"{100 * (b - a) / a:+.1f}%"
