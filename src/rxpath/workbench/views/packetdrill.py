"""`rxpath packetdrill` for a person: what each script came to, and what is missing, the most wanted first."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from rxpath.workbench.packetdrill import run
from rxpath.workbench.packetdrill.play import Result
from rxpath.workbench.views.terminal import titled

SHOWN = 2                                                   # notes


def status(r: Result) -> str:
    return "passed" if r.passed else "cannot be read" if r.unreadable else "missing" if r.missing else "DIFFERS"


def render(results: Sequence[Result], kernel: str, checked: bool = False) -> Group:
    """checked: the scripts were only read."""
    parts: list[Any] = []
    for r in results:
        line = f":{r.line}" if r.line else ""
        parts.append(Text(f"{'read' if r.passed and checked else status(r):16}{Path(r.name).name}{line}"))
        parts += [Padding(Text(part), (0, 0, 0, 16)) for part in r.what.split("; ") if part]
    score = run.score(results)
    done = "can be read" if checked else f"passed, kernel {kernel}"
    parts += [Text(), Text(f"{score['passed']} of {score['scripts']} {done}", "bold")]
    wanted = run.wanted(results)
    if wanted:
        parts.append(Text("missing: " + ", ".join(f"{name} ({n})" for name, n in wanted)))
    notes = list(dict.fromkeys(note for r in results for note in r.notes))
    parts += [Text(f"note: {note}", "dim") for note in notes[:SHOWN]]
    if len(notes) > SHOWN:
        parts.append(Text(f"and {len(notes) - SHOWN} more notes (--json has all)", "dim"))
    for r in results:
        if r.printed:
            parts.append(titled(f"printed by {Path(r.name).name}", *[Text(f"  {line}") for line in r.printed]))
    return Group(*parts)
