"""How much of a run's figures is chance: the least, the middle and the most of each over several seeds."""
from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Group
from rich.text import Text

from rxpath.workbench.advice.sure import Sure
from rxpath.workbench.jobs.spread import Range, Spread
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.views.terminal import titled
from rxpath.workbench.words.figures import between, count, ns

REASONS = 3                                                 # with the widest spreads; --json has all
QUANTILES = ("p50", "p99", "p99.9")


def seeds_text(seeds: tuple[int, ...]) -> str:
    """"1 to 5\""""
    return f"{seeds[0]:,} to {seeds[-1]:,}" if seeds == tuple(range(seeds[0], seeds[0] + len(seeds))) else ", ".join(map(str, seeds))


def render(found: Spread) -> Group:
    """Figures that vary, a row each; those that do not in a line."""
    table = table_of("", f"seed {found.seeds[0]}", "least", "median", "most")
    same = []
    for name, figure, text in _figures(found):
        if text(figure.min) == text(figure.max):
            same.append(f"{name} {text(figure.max)}")
        else:
            table.add_row(name, *(text(n) for n in (figure.each[0], figure.min, figure.median, figure.max)))
    of = f", of the first 1/{found.part} of the traffic" if found.part > 1 else ""
    title = f"The same with seeds {seeds_text(found.seeds)}{of}"
    rest = [Text(f"the same in each: {', '.join(same)}", "dim")] if same else []
    return titled(title, *([table] if table.row_count else []), *rest)


def _figures(found: Spread) -> Iterator[tuple[str, Range, Callable[[int], str]]]:
    yield "lost", found["lost"], count
    reasons = [(path[1], figure) for path, figure in found.figures.items() if path[0] == "dropped"]
    reasons.sort(key=lambda item: (item[1].min - item[1].max, item[0]))
    varying = [(name, figure) for name, figure in reasons if figure.min < figure.max]
    for name, figure in varying[:REASONS] if len(varying) > 1 else ():
        yield f"  {name}", figure, count
    yield "delivered", found["delivered"], count
    if found["queued"].max:
        yield "queued", found["queued"], count
    if found["received"].max:
        for q in QUANTILES:
            yield q, found["latency_ns", q], ns
        yield "p99 to the end of the work", found["done_ns", "p99"], ns
    yield "CPU time", found.busy_ns, ns


def line(found: Sure) -> str:
    """A setting in every seed, in some words; where not all of them lose something as it is, how many do."""
    lost, p99, n = found.lost_after, found.p99_ns, len(found.lost_after.each)
    text = f"{n} seeds: {between(lost.min, lost.max, count)} lost, p99 {between(p99.min, p99.max, ns)}"
    if not 0 < found.losing < n:
        return text
    return text + (f"; saves all that is lost in {found.losing} of {n} seeds" if found.cures else
                   f"; as it is, something is lost in {found.losing} of {n} seeds")
