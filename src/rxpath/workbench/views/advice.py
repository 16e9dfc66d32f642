"""The report's last part: what would have saved them.  The rules that fired, the knobs that helped with their price, those that did not
with the reason, and the commands to copy."""
from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rxpath.workbench.advice.rules import VERDICT, load
from rxpath.workbench.advice.search import Tried, WhatIf
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.words.figures import ns

SHOWN = 8                                                   # rows of each table; --json has all
TITLE = {"loss": "What would have saved them", "latency": "What would make the latency better", "cpu": "What would save CPU time"}


def render(run: Outcome, answer: WhatIf) -> Group:
    """What was asked of a run."""
    parts: list[Any] = []
    for number, title, cause in answer.fired:
        if next(r for r in load().rule if r.id == number).only():
            continue                                        # said below, with its count
        parts.append(Text.assemble((f"{number} {title}", "bold"), f": {cause}"))
    good = [t for t in answer.knobs if t.helped in ("yes", "partly")]
    bad = [t for t in answer.knobs if t.helped not in ("yes", "partly")]
    if good:
        parts += [Text(), _helped(run, answer, good)]
    if bad:
        parts += [Text(), Text("Would not have helped" if answer.goal == "loss" else "Would not help", "bold"), _useless(answer, bad)]
    parts += [Text(said) for said in _sayings(answer)]
    best = answer.recommended
    if best is not None:
        parts += [Text(), Text(_advice(answer, best), "bold")]
        parts += [Text(f"  {line}", no_wrap=True, overflow="ignore") for line in best.commands]
    if not answer.knobs and answer.goal == "loss" and answer.says:
        parts.insert(0, Text("No knob of this host:"))
    how = f"each knob: the same traffic and host run again, cost profile {run.host.profile}" if answer.knobs else ""
    return Group(Text.assemble((TITLE[answer.goal], "bold"), f" ({how})" if how else ""), *parts)


def _helped(run: Outcome, answer: WhatIf, rows: list[Tried]) -> Table:
    table = table_of("knob", "", "lost", "p99", "CPU", "memory", left=2)
    first = rows[0]
    table.add_row("as it is", "", f"{first.lost_before:,}", _us(first.p99_us_before), ns(first.cpu_before), "")
    for t in rows[:SHOWN]:
        words = Text.assemble((t.title, "green" if t.helped == "yes" else "yellow"), "\n", ("  " + "\n  ".join(t.set), "dim"))
        if t.helped == "partly" and answer.goal == "loss":
            left = [f"{n:,} {r}" for r, n in sorted(t.dropped_after.items(), key=lambda item: -item[1]) if r not in VERDICT]
            words.append(f"\n  still lost: {', '.join(left)}" if left else "", "dim")
        if not t.lasting:
            words.append(f"\n  {t.why}", "yellow")
        table.add_row(words, "" if t.helped == "yes" else "partly", f"{t.lost_after:,}", _us(t.p99_us_after), ns(t.cpu_after),
                      _more(t.memory_bytes))
    if len(rows) > SHOWN:
        table.add_row(f"... {len(rows) - SHOWN} more in --json", *[""] * 5)
    return table


def _useless(answer: WhatIf, rows: list[Tried]) -> Table:
    table = table_of("", "", "", left=3)
    for t in rows[:SHOWN]:
        what = {"loss": f"{t.lost_after:,} lost", "latency": f"p99 {_us(t.p99_us_after)}", "cpu": f"CPU {ns(t.cpu_after)}"}
        said = Text(what[answer.goal] + (", worse" if t.helped == "worse" else ""), no_wrap=True)
        table.add_row(" ".join(t.set), said, t.why)
    if len(rows) > SHOWN:
        table.add_row(f"... {len(rows) - SHOWN} more in --json", "", "")
    return table


def _sayings(answer: WhatIf) -> list[str]:
    out = list(answer.says)
    out += [f"not tried: {title}: {why}" for title, why in answer.not_tried]
    if answer.interrupted:
        out.append(f"INTERRUPTED after {answer.runs} runs: what was done until then")
    elif answer.left_out:
        out.append(f"the budget was used up: {answer.left_out} more knobs were not tried (--budget)")
    return ["", *out] if out else []


def _advice(answer: WhatIf, best: Tried) -> str:
    price = []
    if answer.goal != "latency" and best.p99_us_after > 1.1 * best.p99_us_before:
        price.append(f"p99 grows from {_us(best.p99_us_before)} to {_us(best.p99_us_after)}: they wait instead")
    if answer.goal == "latency":
        price.append(f"p99 falls from {_us(best.p99_us_before)} to {_us(best.p99_us_after)}")
    if best.cpu_after > 1.1 * best.cpu_before or answer.goal == "cpu":
        price.append(f"CPU time {ns(best.cpu_before)} to {ns(best.cpu_after)}")
    saved = f"{best.lost_before - best.lost_after:,} of {best.lost_before:,} saved" if answer.goal == "loss" else ""
    return f"To do: {best.title} ({'; '.join(x for x in (saved, *price) if x)})"


def _us(us: float) -> str:
    return ns(round(us * 1000))


def _more(octets: int) -> str:
    if not octets:
        return ""
    size, unit = next((n, u) for n, u in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")) if abs(octets) >= n)
    return f"{octets / size:+.3g} {unit}"


def as_list(answer: WhatIf) -> list[dict[str, Any]]:
    """--json's `knobs`."""
    return [{
        "set": list(t.set), "lost_before": t.lost_before, "lost_after": t.lost_after, "p99_us_before": t.p99_us_before,
        "p99_us_after": t.p99_us_after, "cpu_before": t.cpu_before, "cpu_after": t.cpu_after, "memory_bytes": t.memory_bytes,
        "helped": t.helped, "why": t.why, "commands": list(t.commands), "rule": t.rule, "title": t.title, "lasting": t.lasting,
        "dropped_after": t.dropped_after,
    } for t in answer.knobs]


def as_dict(answer: WhatIf) -> dict[str, Any]:
    """--json's `whatif`: everything about the search that is not a knob's."""
    best = answer.recommended
    return {
        "goal": answer.goal, "fired": [{"rule": i, "title": title, "cause": cause} for i, title, cause in answer.fired],
        "recommended": list(best.set) if best is not None else [], "commands": list(best.commands) if best is not None else [],
        "says": list(answer.says), "not_tried": [{"title": title, "why": why} for title, why in answer.not_tried],
        "runs": answer.runs, "left_out": answer.left_out, "interrupted": answer.interrupted,
    }
