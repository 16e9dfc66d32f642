"""docs/doctor-rules.md, made from the doctor's rules and facts; workbench/views/doc_pages.py writes it with the other pages."""
from __future__ import annotations

from collections.abc import Iterable

from rxpath.workbench.doctor.facts import FACTS
from rxpath.workbench.doctor.rules import LOSSES, Condition, Rule, Said, Sentence
from rxpath.workbench.doctor.verdict import the_rules

HEAD = """# The doctor's rules

Made from `src/rxpath/workbench/doctor/rules.toml` and the facts beside it; [doctor.md](doctor.md) says how they are used.  A finding is
something that was counted between two readings.  A rule is a cause that it may have: it holds where all of its conditions hold, it does not
where one fails, and where a fact is missing nobody can tell, and the reading that would tell is named.  Names in braces are facts.

Marks: N the numbers decide; R how large a cure must be is a matter for a replay with a range of traffic; C only a capture or a trace tells.

"""


def _conditions(conditions: Iterable[Condition]) -> str:
    return ", ".join(f"`{c}`" for c in conditions)


def _texts(texts: Iterable[Said]) -> str:
    def one(said: Said) -> str:
        if isinstance(said, Sentence):
            return f"{said.text} (where {_conditions(said.when)})"
        return said if isinstance(said, str) else " (or: ".join(said) + ")"

    return "; ".join(one(t) for t in texts)


def _rule(rule: Rule) -> str:
    lines = [f"### {rule.id}: {rule.title}\n", f"* of: {', '.join(f'`{name}`' for name in rule.findings)}",
             f"* holds where {_conditions(rule.when)}"]
    if rule.supports:
        lines.append(f"* speaks for it: {_conditions(rule.supports)}")
    lines.append(f"* cause: {rule.cause}")
    for label, texts in (("look at", rule.look), ("change", rule.change), ("no help", rule.no_help)):
        if texts:
            lines.append(f"* {label}: {_texts(texts)}")
    return "\n".join(lines) + f"\n* mark {rule.mark}; source: {rule.source}\n"


def page() -> str:
    """docs/doctor-rules.md"""
    rules = the_rules()
    out = [HEAD, "## Findings\n\n| finding | of a | kind | there where | what it means | shown by |\n|---|---|---|---|---|---|\n"]
    for name, f in rules.finding.items():
        there = _conditions(f.when) or f"`{f.count} > 0`"
        kind = f"**{f.kind}**" if f.kind in LOSSES else f.kind
        out.append(f"| `{name}` | {f.scope} | {kind} | {there} | {_texts([f.title])}. {f.means} | {f.reading} |\n")
    out.append(f"\n## Rules\n\n{len(rules.rule)} of them.\n\n")
    out.append("\n".join(_rule(r) for r in rules.rule))
    out.append("\n## Facts\n\n| fact | of a | unit | what |\n|---|---|---|---|\n")
    out += [f"| `{name}` | {f.scope} | {f.unit} | {f.doc} |\n" for name, f in sorted(FACTS.items(), key=lambda row: (row[1].scope, row[0]))]
    return "".join(out)
