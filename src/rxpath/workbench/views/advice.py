"""The report's last part: what would have saved them.  The rules that fired, the knobs that helped with their price, those that did not
with the reason, and the commands to copy."""
from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rxpath.abi.reasons import Kind
from rxpath.workbench.advice.answer import Tried, WhatIf
from rxpath.workbench.advice.expected_error import expected_error, in_words
from rxpath.workbench.advice.goal import budget_text
from rxpath.workbench.advice.rules import VERDICT, load
from rxpath.workbench.advice.verdict import ended
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.where_lost import by_class
from rxpath.workbench.views import spread
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.words.figures import ns

SHOWN = 8                                                   # rows of each table; --json has all
TITLE = {"loss": "What would have saved them", "latency": "What would make the latency better", "cpu": "What would save CPU time"}

NOT_SAVABLE = "What did not reach a program, and why"
NOTHING_LOST = "Nothing was lost"


def render(run: Outcome, answer: WhatIf) -> Group:
    """What was asked of a run, and how much hangs on what is assumed."""
    hangs = [Text(line) for line in _hangs(run, answer)]
    varies: list[Any] = [spread.render(answer.spread)] if answer.spread is not None else []
    if answer.spread is None and answer.seeds > 1 and not answer.interrupted:
        varies.append(Text(f"Not repeated with other seeds: the budget of {budget_text(answer.budget)} is too small for that (--budget)."))
    if not answer.asked:
        return Group(*varies, *([Text()] if varies and hangs else []), *hangs)
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
        part = {t.part for t in bad}
        on_part = part == {answer.part} and answer.part > 1
        of = [f"figures of the first 1/{answer.part} of the traffic"] if on_part else []
        of += [f"seed {answer.spread.seeds[0]} alone, where no more are named"] if answer.spread is not None else []
        parts += [Text(), Text.assemble(("Would not have helped" if answer.goal == "loss" else "Would not help", "bold"),
                                        f" ({'; '.join(of)})" if of else ""),
                  _useless(answer, bad, not on_part, _ended(run, answer))]
    parts += [Text(said) for said in _sayings(answer)]
    best = answer.recommended
    if best is not None:
        parts += [Text(), Text(_advice(run, answer, best), "bold")]
        parts += [Text(f"  {line}", no_wrap=True, overflow="ignore") for line in best.commands]
    parts += [Text(), *(Text(line, "dim") for line in _how_far(answer))] if answer.knobs or answer.unfinished else []
    parts += [Text(), *varies] if varies else []
    parts += [Text(), *hangs] if hangs else []
    alone = " alone" * (answer.spread is None)
    other = f" with seed {answer.seed}{alone}" if alone or answer.seed != run.host.seed else ""
    how = f"each knob: the same traffic and host run again{other}, cost profile {run.host.profile}" if answer.knobs else ""
    how += f"; {said}" if how and (said := in_words(expected_error(run))) else ""
    title = TITLE[answer.goal] if answer.knobs or answer.unfinished or answer.goal != "loss" else \
        NOT_SAVABLE if run.dropped else NOTHING_LOST
    return Group(Text.assemble((title, "bold"), f" ({how})" if how else ""), *parts)


def _hangs(run: Outcome, answer: WhatIf) -> list[str]:
    """One line: the same run with what is assumed changed."""
    if not answer.sensitivity:
        return []
    lost = by_class(run.books.lost_at).get(Kind.LOST.value, 0)
    if answer.seed != run.host.seed and answer.spread is not None:
        lost = answer.spread["lost"].each[0]
    rows = [("as assumed", lost), *((a.what, a.lost) for a in answer.sensitivity)]
    seed = f"with seed {answer.seed} alone"
    if not any(n for _, n in rows):
        return [f"If the assumptions were different: nothing is lost with {', '.join(what for what, _ in rows[1:])} either, {seed}."]
    return [f"If the assumptions were different (frames lost, {seed}): {'; '.join(f'{what} {n:,}' for what, n in rows)}."]


def _how_far(answer: WhatIf) -> list[str]:
    """What was tried, and how far."""
    n, knobs = answer.settings, len({name for t in answer.knobs for name in t.knobs})
    on = f", on the first 1/{answer.part} of the traffic, and what helped there on all of it" if answer.part > 1 else ""
    out = [f"Tried: {n} setting{'s' * (n != 1)} of {knobs} knob{'s' * (knobs != 1)}{on}: {answer.runs} runs, {answer.packets:,} simulated "
           "packets."]
    largest = [t.title for t in answer.knobs if t.ended == "largest" and t.helped == "partly" and t.lasting]
    if largest:
        out.append(f"At its largest: {', '.join(largest)}.")
    if answer.unfinished:
        why = "Ctrl-C came before the end" if answer.interrupted else f"the budget of {budget_text(answer.budget)} was used up (--budget)"
        out.append(f"Not finished, {why}: {', '.join(dict.fromkeys(answer.unfinished))}.")
    return out


def _ended(run: Outcome, answer: WhatIf) -> str:
    """What became of the frames that a setting could save."""
    may = {reason for rule in load().rule if rule.id in {number for number, *_ in answer.fired} for reason in rule.savable}
    return ended(reason for reason in run.dropped if reason in may or reason not in VERDICT)


def _helped(run: Outcome, answer: WhatIf, rows: list[Tried]) -> Table:
    table = table_of("knob", "", _ended(run, answer), "p99", "CPU", "memory", left=2)
    first = next((t for t in answer.knobs if t.part == 1), rows[0])
    table.add_row("as it is", "", f"{first.lost_before:,}", _p99(first.p99_us_before), ns(first.cpu_before), "")
    for t in rows[:SHOWN]:
        words = Text.assemble((t.title, "green" if t.helped == "yes" else "yellow"), "\n", ("  " + "\n  ".join(t.set), "dim"))
        if t.helped == "partly" and answer.goal == "loss":
            left = [f"{n:,} {r}" for r, n in sorted(t.dropped_after.items(), key=lambda item: (-item[1], item[0])) if r not in VERDICT]
            words.append(f"\n  still {_ended(run, answer)}: {', '.join(left)}" if left else "", "dim")
        if t.sure is None and answer.spread is not None:
            words.append(f"\n  of seed {answer.spread.seeds[0]} alone", "dim")
        if t.sure is not None:
            words.append(f"\n  {spread.line(t.sure)}", "dim")
        if not t.lasting and t.why:
            words.append(f"\n  {t.why}", "yellow")
        if t.part > 1:
            words.append(f"\n  only on the first 1/{t.part} of the traffic: {t.lost_before:,} before", "yellow")
        table.add_row(words, "" if t.helped == "yes" else "partly", f"{t.lost_after:,}", _p99(t.p99_us_after), ns(t.cpu_after),
                      _more(t.memory_bytes))
    if len(rows) > SHOWN:
        table.add_row(f"... {len(rows) - SHOWN} more in --json", *[""] * 5)
    return table


def _useless(answer: WhatIf, rows: list[Tried], mark: bool, word: str) -> Table:
    """mark: say of each row which part of the traffic it is of."""
    table = table_of("", "", "", left=3)
    for t in rows[:SHOWN]:
        of = f" of {t.lost_before:,}" if t.part > 1 else ""
        unread = f", {t.queued_after:,} unread" if t.queued_after > t.lost_before // 100 else ""
        what = {"loss": f"{t.lost_after:,}{of} {word}{unread}", "latency": f"p99 {_us(t.p99_us_after)}", "cpu": f"CPU {ns(t.cpu_after)}"}
        said = Text(what[answer.goal] + (", worse" if t.helped == "worse" else ""), no_wrap=True)
        on = f" (on the first 1/{t.part} of the traffic)" if mark and t.part > 1 else ""
        sure = f"; {spread.line(t.sure)}" if t.sure is not None and t.sure.told_apart else ""
        table.add_row(" ".join(t.set), said, (t.why + sure + on).strip("; "))
    if len(rows) > SHOWN:
        table.add_row(f"... {len(rows) - SHOWN} more in --json", "", "")
    return table


def _sayings(answer: WhatIf) -> list[str]:
    out = list(answer.says)
    out += [f"not tried: {title}: {why}" for title, why in answer.not_tried]
    if answer.interrupted:
        out.append(f"INTERRUPTED after {answer.runs} runs: what was done until then")
    return ["", *out] if out else []


def _advice(run: Outcome, answer: WhatIf, best: Tried) -> str:
    price = []
    if answer.goal != "latency" and best.p99_us_after > 1.1 * best.p99_us_before > 0:
        price.append(f"p99 grows from {_us(best.p99_us_before)} to {_us(best.p99_us_after)}: they wait instead")
    if answer.goal == "latency":
        price.append(f"p99 falls from {_us(best.p99_us_before)} to {_us(best.p99_us_after)}")
    if best.cpu_after > 1.1 * best.cpu_before or answer.goal == "cpu":
        price.append(f"CPU time {ns(best.cpu_before)} to {ns(best.cpu_after)}")
    saved = f"{best.saved:,} of {best.lost_before:,} saved" if answer.goal == "loss" else ""
    if answer.goal == "loss" and best.sure is not None and best.sure.lost_after.max > best.lost_after:
        price.insert(0, f"with other seeds up to {best.sure.lost_after.max:,} are still {_ended(run, answer)}")
    price += [f"seen only on the first 1/{best.part} of the traffic"] if best.part > 1 else []
    return f"To do: {best.title} ({'; '.join(x for x in (saved, *price) if x)})"


def _us(us: float) -> str:
    return ns(round(us * 1000))


def _p99(us: float) -> str:
    """Of no datagram there is none."""
    return _us(us) if us else "-"


def _more(octets: int) -> str:
    if not octets:
        return ""
    size, unit = next((n, u) for n, u in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")) if abs(octets) >= n)
    return f"{octets / size:+.3g} {unit}"


def as_list(answer: WhatIf) -> list[dict[str, Any]]:
    """--json's `knobs`."""
    return [{
        "set": list(t.set), "lost_before": t.lost_before, "lost_after": t.lost_after, "saved": t.saved, "queued_after": t.queued_after,
        "part": t.part, "effort": t.effort, "ended": t.ended, "p99_us_before": t.p99_us_before,
        "p99_us_after": t.p99_us_after, "cpu_before": t.cpu_before, "cpu_after": t.cpu_after, "memory_bytes": t.memory_bytes,
        "helped": t.helped, "why": t.why, "commands": list(t.commands), "rule": t.rule, "title": t.title, "lasting": t.lasting,
        "dropped_after": t.dropped_after, **({"spread": t.sure.to_dict()} if t.sure is not None else {}),
    } for t in answer.knobs]


def as_dict(answer: WhatIf) -> dict[str, Any]:
    """--json's `whatif`: everything about the search that is not a knob's."""
    best = answer.recommended
    return {
        "goal": answer.goal, "fired": [{"rule": i, "title": title, "cause": cause} for i, title, cause in answer.fired],
        "recommended": list(best.set) if best is not None else [], "commands": list(best.commands) if best is not None else [],
        "says": list(answer.says), "not_tried": [{"title": title, "why": why} for title, why in answer.not_tried],
        "unfinished": list(answer.unfinished),
        "settings": answer.settings, "runs": answer.runs, "packets": answer.packets, "part": answer.part,
        "budget": answer.budget, "interrupted": answer.interrupted, "seed": answer.seed,
    }
