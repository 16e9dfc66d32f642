"""`rxpath scenario list | show | run`: what they print.  The page docs/scenarios.md is made here too."""
from __future__ import annotations

import json
import shlex
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rxpath.workbench.scenarios import scenario
from rxpath.workbench.scenarios.scenario import MEASURES, Attempt, Scenario, Trial, measured
from rxpath.workbench.views import report
from rxpath.workbench.words.figures import ns

FRACTIONS = MEASURES.keys() - {"lost"}                      # of a unit; the others are counted
LITTLE = 0.05                                               # share of the measure: what changes less changes next to nothing


WHAT = {"before": "as it is", "cure": "the cure", "placebo": "no help", "try": "yours"}


def listed() -> Any:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("rule", "scenario", "what it teaches"):
        table.add_column(name, overflow="fold")
    for name in scenario.names():
        s = scenario.load(name)
        table.add_row(s.rule, name, s.title)
    return table


def _text(text: str) -> Padding:
    return Padding(Text(" ".join(text.split())), (0, 0, 0, 2))


def _title(s: Scenario) -> Text:
    return Text(f"{s.name} ({', '.join((s.rule, *s.also))}): {s.title}", "bold")


def _lesson(s: Scenario) -> list[Any]:
    look, change = Text("\nWhat to look at", "bold"), Text("\nWhat to change", "bold")
    return [look, *(_text(f"- {line}") for line in s.look_at), change, _text(s.change)]


def _settings(settings: tuple[str, ...]) -> str:
    return " ".join(f"--set {shlex.quote(s)}" for s in settings)


def shown(s: Scenario) -> Any:
    """A scenario without running it: the lesson, and the host and the traffic as they stand in the file."""
    parts: list[Any] = [_title(s), _text(s.story), *_lesson(s)]
    if s.cure:
        parts += [Text("\nThe cure", "bold"), Text(f"  {_settings(s.cure)}")]
    if s.placebo:
        parts += [Text("\nWhat does not help", "bold"), *(Text(f"  {_settings(p)}") for p in s.placebo)]
    file = scenario.FOLDER / f"{s.name}.toml"
    if file.exists():
        text = file.read_text()
        tables = text[text.index("[host]") if "[host]" in text else text.index("[["):]
        parts += [Text("\nHost and traffic", "bold"), Text("  " + tables.replace("\n", "\n  "))]
    return Group(*parts)


def value_of(s: Scenario, a: Attempt) -> str:
    """What the scenario measures, of a run."""
    unit = measured(s.measure)[1]
    return f"{a.value:,.0f} {unit}".rstrip() if a.value >= 100 or s.measure not in FRACTIONS else f"{a.value:.1f} {unit}"


def _bare(s: Scenario, a: Attempt) -> str:
    """The same without the unit, where the measure's name has it."""
    name, unit = measured(s.measure)[:2]
    value = value_of(s, a)
    return value.removesuffix(f" {unit}") if unit in name.split() else value


def _row(t: Trial, a: Attempt) -> list[str]:
    share = t.change(a)
    change = "" if share is None else f"{share:+.0%}".replace("+0%", "same").replace("-0%", "same")
    return [WHAT[a.what], " ".join(a.settings), value_of(t.scenario, a), change, f"{a.run.books.frames_dropped:,}",
            ns(a.run.latency_ns["p99"]), ns(int(a.cpu_ns_per_frame))]


def verdict(t: Trial) -> str:
    s, name = t.scenario, measured(t.scenario.measure)[0]
    if t.cure is None:
        text = "nothing is lost: there is nothing to cure" if t.cured else "frames were lost, and the scenario names no cure"
    else:
        text = f"the cure takes {name} from {_bare(s, t.before)} to {_bare(s, t.cure)}"
        text += "" if t.cured else ": more than the scenario says"
    helped = [" ".join(p.settings) for p in t.placebos if not t.fails(p)]
    if helped:
        return f"{text}; unexpected: {', '.join(helped)} helps too"
    changes = [c for p in t.placebos if (c := t.change(p)) is not None]
    if not changes:
        return text
    if max(map(abs, changes)) < LITTLE:
        return f"{text}; the others change next to nothing"
    kept = 1 + min(changes)
    return text + (f"; the others leave at least {kept:.0%} of it" if kept < 1 else "; the others make it no better")


def ran(t: Trial) -> Any:
    """The story as replay tells it, then the lesson, then before and after."""
    s = t.scenario
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    name = {"cpu": "softirq/frame", "all-cpu": "CPU/frame"}.get(s.measure, s.measure)
    columns = ["", "settings", name, "change", "lost", "p99", "CPU/frame"]
    shown = [i for i, column in enumerate(columns) if i < 4 or column != name]
    for i in shown:
        table.add_column(columns[i], justify="left" if i < 2 else "right", no_wrap=i != 1, overflow="fold")
    for a in t.attempts():
        row = _row(t, a)
        table.add_row(*(row[i] for i in shown), style="green" if a.what == "cure" else "dim" if a.what == "placebo" else "")
    return Group(_title(s), _text(s.story), Text(""), report.render(t.before.run), *_lesson(s), Text("\nBefore and after", "bold"), table,
                 Text(f"\n{verdict(t)}"))


def described(t: Trial) -> str:
    """--json"""
    s = t.scenario
    def attempt(a: Attempt) -> dict[str, Any]:
        return {"what": a.what, "settings": list(a.settings), s.measure: a.value, "offered": a.run.offered, "delivered": a.run.delivered,
                "dropped": a.run.dropped, "latency_ns": a.run.latency_ns, "cpu_ns": a.run.cpu_ns}
    return json.dumps({"scenario": s.name, "rule": s.rule, "title": s.title, "measure": s.measure, "cured": t.cured,
                       "placebos_fail": t.placebos_fail, "runs": [attempt(a) for a in t.attempts()]}, indent=1)


# ---------------------------------------------------------------- docs/scenarios.md
HEAD = """# Scenarios

Made from `src/rxpath/scenarios/*.toml` (`python -m rxpath.workbench.views.doc_pages docs`).  Each is one short file: a host, its traffic,
what goes wrong, what cures it, and the popular advice that does not.  Nothing is scripted: the losses emerge on the path, the cure and each
placebo are runs of their own, and a test runs them all.

```console
$ rxpath scenario list
$ rxpath scenario run ring-burst                            # or by its rule: R1
$ rxpath scenario show ring-burst                           # the file
$ rxpath scenario run ring-burst --set ethtool.rx=1024      # a setting of yours beside them
$ rxpath scenario run mine.toml                             # a file of your own
```

Settings that begin with `traffic.` change the sender.  The rules are in [rules.md](rules.md), the keys of `[[traffic]]` and
`[[client]]` in [generate.md](generate.md), those of `[host]` in [host-file.md](host-file.md).
"""


def page() -> str:
    """From the files alone: a run would make the page depend on a core."""
    out = [HEAD, "| rule | scenario | teaches | cure | does not help |", "|---|---|---|---|---|"]
    every = [scenario.load(n) for n in scenario.names()]

    def code(settings: tuple[str, ...]) -> str:
        return ", ".join(f"`{x}`" for x in settings)

    out += [f"| {', '.join((s.rule, *s.also))} | [{s.name}](#{s.name}) | {s.title} | {code(s.cure) or 'nothing is wrong'} | "
            f"{'; '.join(code(p) for p in s.placebo)} |" for s in every]
    for s in every:
        out += ["", f"## {s.name}", "", f"**{s.title}** ({', '.join((s.rule, *s.also))})", "", " ".join(s.story.split()), "",
                "Look at:", "", *(f"- {line}" for line in s.look_at), "", f"Change: {' '.join(s.change.split())}"]
    return "\n".join(out) + "\n"
