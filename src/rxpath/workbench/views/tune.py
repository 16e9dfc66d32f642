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
NAMED = 4                                                   # knobs of a line; --json names all


def render(found: Tune) -> Group:
    parts: list[Any] = [Text(head(found), "bold"), Text(f"kernel {found.kernel}, seed {found.seed}; each figure is the worst of "
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
    pruned = [t for t in found.trials if t.pruned]
    if pruned:
        parts.append(Text(f"{len(pruned):,} of the trials were given up after their first seed: they could not become the answer any more",
                          "dim"))
    failed = [t for t in found.trials if t.error]
    if failed:
        parts.append(Text(f"{len(failed):,} of the trials could not be run, such as {' '.join(failed[0].set)}: {failed[0].error}", "dim"))
    return Group(*parts)


def head(found: Tune) -> str:
    """What was asked, and how much was done for it."""
    knobs, of = len(found.knobs), len(found.captures)
    what = ", ".join(found.captures) if of < 4 else f"{of:,} captures"
    return f"{what}: {len(found.trials):,} of {found.of:,} trials over {knobs:,} knob{'s' * (knobs != 1)}, {found.runs:,} runs, " \
           f"{found.packets:,} packets"


def _runs(found: Tune) -> str:
    seeds, captures = found.seeds, len(found.captures)
    text = f"{seeds:,} seed{'s' * (seeds != 1)}"
    return text + (f" and {captures:,} captures" if captures > 1 else "")


def verdict(found: Tune) -> str:
    """The answer in one line, without what it sets."""
    answer, target = found.answer, ", ".join(limit.text for limit in found.wanted.limits)
    assert answer is not None
    change = f"{len(answer.matters):,} knob{'s' * (len(answer.matters) != 1)}"
    if not answer.set:
        return f"{target}: today's host meets it" if answer.met else \
            f"{target}: not met by any trial, and none comes nearer than today's host" if target else \
            "nothing that was found is better than today's host"
    if answer.met:
        return f"{target}: met; the smallest change that was found sets {change}"
    return f"{target}: not met by any trial; what comes nearest sets {change}" if target else \
        f"the best for {found.wanted.objectives[0]}, then the others; the smallest such change that was found sets {change}"


def _answer(found: Tune) -> list[Any]:
    """What to set, what it brings, whether it holds with other seeds."""
    answer = found.answer
    if answer is None:
        return []
    out: list[Any] = [Text(verdict(found), "green" if answer.met else "")]
    out += [Padding(Text(f"--set {text}"), (0, 0, 0, 3)) for text in answer.set]
    out += [Padding(Text(line, "dim"), (0, 0, 0, 6)) for line in found.commands]
    if answer.matters:
        table = table_of("", *NAMES)
        if found.today is not None:
            table.add_row("today's host", *cells(found.today.figures))
        table.add_row("with this", *cells(answer.figures))
        for one in answer.matters:
            table.add_row(f"without {_short(one.knob)}", *cells(one.figures))
        out += [Text(), table]
    if found.verified is not None:
        met = found.verified.met
        out.append(Text(checked(found), "" if met in (None, found.verified.seeds) or not answer.met else "yellow"))
    for text, names in (("knobs change nothing when set as well, each as far as it goes", answer.nothing),
                        ("change figures when set as well, and are not needed", answer.not_needed)):
        if names:
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            out.append(Text(f"{len(names):,} {text}: {', '.join(map(_short, names[:NAMED]))}{more}", "dim"))
    for others in dict.fromkeys(answer.not_there.values()):
        absent = [name for name, needed in answer.not_there.items() if needed == others]
        out.append(Text(f"{len(absent):,} exist{'s' * (len(absent) == 1)} only with {' or '.join(map(_short, others))}: "
                        f"{', '.join(map(_short, absent))}", "dim"))
    return out


def _short(knob: str) -> str:
    """A knob's name is all the keys that it writes."""
    first, *more = knob.split("+")
    return f"{first} (+{len(more):,})" if more else first


def checked(found: Tune) -> str:
    """What the fresh seeds said."""
    checked = found.verified
    assert checked is not None
    spread = []
    for name in found.wanted.names:
        low, high = (_figure(name, value) for value in (min(f[name] for f in checked.each), max(f[name] for f in checked.each)))
        spread.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
    holds = "" if checked.met is None else f"the target holds in {checked.met:,}; "
    if checked.first is not None:
        seeds = f"{found.seeds:,} seed{'s' * (found.seeds != 1)}"
        holds += f"the smallest change for {seeds} held in {checked.first:,} of {checked.seeds:,}, so this one was looked for " \
                 f"with {found.seeds + checked.seeds:,}; "
    return f"run again with {checked.seeds:,} fresh seeds: {holds}{', '.join(spread)}"


def _table(found: Tune) -> Any:
    """The front; a setting on each line, since combinations are long."""
    table = table_of(f"front ({', '.join(found.wanted.objectives)})", *NAMES)
    for trial in found.front[:SHOWN]:
        table.add_row("\n".join(trial.set) or "today's host", *cells(trial.figures))
    return table


def cells(figures: Mapping[str, float] | None) -> list[str]:
    return ["-"] * len(NAMES) if figures is None else [_figure(n, figures[n]) for n in NAMES]


def _figure(name: str, value: float) -> str:
    if name == "p99":
        return "never" if math.isinf(value) else ns(int(value))
    if name == "memory":
        return f"{value / (1 << 20):,.1f} MiB"
    return f"{100 * value:.3g}%"
