"""A tuning for a person: the answer first, then what matters, then the front."""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from rxpath.workbench.many.tune import Tune
from rxpath.workbench.many.tuning.target import NAMES
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.words.figures import ns

SHOWN = 12                                                  # of the front


def render(found: Tune) -> Group:
    first = f"{', '.join(found.captures)}: {len(found.trials):,} of {found.of:,} trials over {len(found.knobs):,} knob" + \
        f"{'s' * (len(found.knobs) != 1)}, {found.runs:,} runs"
    parts: list[Any] = [Text(first, "bold"), Text(f"kernel {found.kernel}, seed {found.seed}; each figure is the worst of "
                                                  f"{_runs(found)}", "dim")]
    if found.interrupted:
        parts.append(Text("INTERRUPTED: " + ("the trials are not complete" if len(found.trials) < found.of else
                                             "the answer is not complete"), "yellow"))
    answer = _answer(found)
    parts += [Text(), *answer] if answer else []
    if found.today is not None:
        parts += [Text(), _table(found)]
        if len(found.front) > SHOWN:
            parts.append(Text(f"... {len(found.front) - SHOWN:,} more: --json", "dim"))
    failed = [t for t in found.trials if t.error]
    if failed:
        parts.append(Text(f"{len(failed):,} of the trials could not be run, such as {' '.join(failed[0].set)}: {failed[0].error}", "dim"))
    return Group(*parts)


def _runs(found: Tune) -> str:
    seeds, captures = found.seeds, len(found.captures)
    text = f"{seeds:,} seed{'s' * (seeds != 1)}"
    return text + (f" and {captures:,} captures" if captures > 1 else "")


def _answer(found: Tune) -> list[Any]:
    """What to set, what it brings, whether it holds with other seeds."""
    answer, target = found.answer, ", ".join(limit.text for limit in found.wanted.limits)
    if answer is None:
        return []
    change = f"{len(answer.matters):,} knob{'s' * (len(answer.matters) != 1)}"
    if not answer.set:
        head = f"{target}: today's host meets it" if answer.met else \
            f"{target}: not met by any trial, and none comes nearer than today's host" if target else \
            "nothing that was found is better than today's host"
    elif answer.met:
        head = f"{target}: met; the smallest change that was found sets {change}"
    else:
        head = f"{target}: not met by any trial; what comes nearest sets {change}" if target else \
            f"the best for {found.wanted.objectives[0]}, then the others; the smallest such change that was found sets {change}"
    out: list[Any] = [Text(head, "green" if answer.met else "")]
    out += [Padding(Text(f"--set {text}"), (0, 0, 0, 3)) for text in answer.set]
    out += [Padding(Text(line, "dim"), (0, 0, 0, 6)) for line in found.commands]
    if answer.matters:
        table = table_of("", *NAMES)
        if found.today is not None:
            table.add_row("today's host", *_cells(found.today.figures))
        table.add_row("with this", *_cells(answer.figures))
        for one in answer.matters:
            table.add_row(f"without {_short(one.knob)}", *_cells(one.figures))
        out += [Text(), table]
    if found.verified is not None:
        out.append(_verified(found))
    for text, names in (("change nothing when set as well, each as far as it goes", answer.nothing),
                        ("change figures when set as well, and are not needed", answer.not_needed)):
        if names:
            out.append(Text(f"{text}: {', '.join(map(_short, names))}", "dim"))
    return out


def _short(knob: str) -> str:
    """A knob's name is all the keys that it writes."""
    first, *more = knob.split("+")
    return f"{first} and {len(more):,} more" if more else first


def _verified(found: Tune) -> Text:
    checked = found.verified
    assert checked is not None
    spread = []
    for name in found.wanted.names:
        low, high = (_figure(name, value) for value in (min(f[name] for f in checked.each), max(f[name] for f in checked.each)))
        spread.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
    holds = "" if checked.met is None else f"the target holds in {checked.met:,}; "
    return Text(f"run again with {checked.seeds:,} fresh seeds: {holds}{', '.join(spread)}",
                "" if checked.met in (None, checked.seeds) or not (found.answer and found.answer.met) else "yellow")


def _table(found: Tune) -> Any:
    """The front; a setting on each line, since combinations are long."""
    table = table_of(f"front ({', '.join(found.wanted.objectives)})", *NAMES)
    for trial in found.front[:SHOWN]:
        table.add_row("\n".join(trial.set) or "today's host", *_cells(trial.figures))
    return table


def _cells(figures: Mapping[str, float] | None) -> list[str]:
    return ["-"] * len(NAMES) if figures is None else [_figure(n, figures[n]) for n in NAMES]


def _figure(name: str, value: float) -> str:
    if name == "p99":
        return "never" if math.isinf(value) else ns(int(value))
    if name == "memory":
        return f"{value / (1 << 20):,.1f} MiB"
    return f"{100 * value:.3g}%"
