"""docs/rules.md, made from rules.toml and from the facts; workbench/views/doc_pages.py writes it with the other pages."""
from __future__ import annotations

from rxpath.workbench.advice.facts import FACTS
from rxpath.workbench.advice.rules import VERDICT, Condition, Knob, Rule, Rules, load

HEAD = """# The rules

Made from `src/rxpath/workbench/advice/rules.toml` (checked by `rules.schema.json`).  A rule says which symptom has which cause, which
knobs cure it and which popular advice does not.  None of it is believed: `rxpath replay` runs the knobs, also those that should not help,
again on the same traffic and host, and reports figures ([whatif.md](whatif.md)).  A rule fires when all conditions of its symptom and of
its discriminator hold; the facts that they name are listed below.  Why a knob did not help is said only where the facts behind it hold.

"""


def _conditions(conditions: tuple[Condition, ...]) -> str:
    return ", ".join(f"`{c}`" for c in conditions)


def _rule(rule: Rule, rules: Rules) -> str:
    def title(name: str) -> str:
        knob = rules.knob[name]
        return knob.title + ("" if knob.modelled else f" (not tried: {knob.reason})")

    when = f": {_conditions(rule.discriminator.when)}" if rule.discriminator.when else ""
    lines = [
        f"## {rule.id}: {rule.title}\n",
        f"* symptom: {_conditions(rule.symptom)}",
        f"* discriminator: {rule.discriminator.text}{when}",
        f"* cause: {rule.cause}",
    ]
    if rule.knobs:
        lines.append(f"* knobs: {'; '.join(title(name) for name in rule.knobs)}")
    if rule.wont_help:
        lines.append(f"* will not help: {'; '.join(rules.knob[name].title for name in rule.wont_help)}")
    lines.append(f"* source: {rule.source}; goals: {', '.join(rule.goals)}" + (f"; since Linux {rule.since}" if rule.since else ""))
    if not rule.modelled:
        lines.append(f"* **cannot fire**: {rule.reason}")
    return "\n".join(lines) + "\n"


def _knob(name: str, knob: Knob) -> str:
    to = "; ".join(f"`{s.key}` = {', '.join(str(v).lower() if isinstance(v, bool) else str(v) for v in s.to)}"
                   + (f" up to {s.max:,}" if isinstance(s.max, int) else f" up to `{s.max}`" if s.max else "") for s in knob.set)
    since = f" (Linux {knob.since})" if knob.since else ""
    useless = "; ".join(f"{s.text} ({_conditions(s.when)})" for s in knob.useless)
    if knob.only_with:
        needed = [*(f"`{other}`" for other in knob.only_with.knobs), _conditions(knob.only_with.unless)]
        to += f"; only with {' or '.join(needed)}"
    return f"| `{name}` | {knob.title}{since} | {knob.effort} | {to or 'not modelled: ' + knob.reason} | {useless} |\n"


def page() -> str:
    """docs/rules.md"""
    rules = load()
    out = [HEAD, f"{len(rules.rule)} rules, {rules.modelled} of them can fire.\n\n", "\n".join(_rule(r, rules) for r in rules.rule)]
    out.append("\n## Knobs\n\nWhat each writes, step by step: `x2` twice the present value, `x2..` on to the largest, `@...` worked out "
               "from the host.  In keys,\n`{full}` is each socket that overflowed, `{reader}` each program that reads one, `{queue}` each "
               "queue that lost frames.  Effort: 1 undone\nat once, 2 where something runs, 3 a program asks for something else, 4 a "
               "program is built otherwise, 5 not this host's.\n\n"
               "| knob | what | effort | sets | why it did not help |\n|---|---|---|---|---|\n")
    out += [_knob(name, knob) for name, knob in rules.knob.items()]
    out.append("\n## Losses that no knob saves\n\n| reason | what is said |\n|---|---|\n")
    out += [f"| `{reason}` | {said} |\n" for reason, said in VERDICT.items()]
    out.append("\n## Facts\n\n| fact | unit | what |\n|---|---|---|\n")
    out += [f"| `{name}` | {f.unit} | {f.doc} |\n" for name, f in FACTS.items()]
    return "".join(out)
