"""What came of shapes: a page with pictures, a text for the terminal, JSON.  All three come from the same rows."""
from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rxpath.workbench.shapes import costs, overload, receivers, waiting  # noqa: F401  they register their shapes
from rxpath.workbench.shapes.shape import MS, SHAPES, Found, Shape, text
from rxpath.workbench.views import pictures

ABOUT = (
    "What others published or measured of the receive path, beside what comes out of this one.  Nothing here is scripted: each figure "
    "is a run of the same path that `rxpath replay` takes, under a cost profile whose numbers have their sources in "
    "`src/rxpath/vtime/profiles/`.  What a profile was fitted to, what was chosen, and what does not come out as published is said "
    "below each shape.")
PAGE, PICTURES = "shapes.md", "shapes"                       # in the folder of -o


# ---------------------------------------------------------------- the page
def markdown(found: dict[str, Found], ms: int = MS) -> str:
    """docs/shapes.md."""
    shapes = [SHAPES[key] for key in found]
    lines = ["# Shapes that come out", "", *_wrap(ABOUT), "", *_wrap(
        f"Made by `rxpath shapes -o docs`, seed 1, {ms} ms of virtual time for a figure.  `rxpath shapes --only Q3` runs one; `--json` "
        "gives the "
        "figures."), "", "| | shape | kernel | profile | holds |", "|---|---|---|---|---|"]
    for s in shapes:
        of = found[s.key]
        lines.append(f"| {s.key} | {s.title} | {s.kernel} | {s.profile} | {of.holding} of {len(of.claims)} |")
    for s in shapes:
        lines += ["", section(s, found[s.key]).rstrip("\n")]
    return "\n".join(lines) + "\n"


def _wrap(paragraph: str) -> list[str]:
    return textwrap.wrap(paragraph, 140, break_long_words=False, break_on_hyphens=False)


def section(s: Shape, found: Found) -> str:
    """One shape: what must come out, what holds, pictures, figures, what was chosen and what does not hold."""
    lines = [f"## {s.key}: {s.title}", "", f"Kernel {s.kernel}, profile {s.profile}.  Published: {s.source}.", "", *_wrap(s.about), ""]
    lines += [f"* {'holds' if c.holds else '**does not hold**'}: {c.text}" for c in found.claims]
    lines += ["", *(f"![{s.title}]({PICTURES}/{c.name}.svg)" for c in found.charts), ""] if found.charts else [""]
    forms = [form for _, form in found.columns]
    lines += ["| " + " | ".join(name for name, _ in found.columns) + " |", "|" + "".join("---|" if not form else "---:|" for form in forms)]
    lines += ["| " + " | ".join(text(v, form) for v, form in zip(row, forms, strict=True)) + " |" for row in found.rows]
    if found.note:
        lines += ["", *_wrap(found.note)]
    return "\n".join(lines) + "\n"


def write(found: dict[str, Found], folder: Path, ms: int = MS) -> list[Path]:
    """The page and its pictures; returns what was written."""
    return pictures.write_page(folder, PAGE, lambda: markdown(found, ms),
                               [(chart, SHAPES[key].title) for key, f in found.items() for chart in f.charts])


# ---------------------------------------------------------------- terminal and JSON
def shown(found: dict[str, Found]) -> Any:
    """For a terminal."""

    parts: list[Any] = []
    for key, f in found.items():
        s = SHAPES[key]
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
        for i, (name, form) in enumerate(f.columns):
            table.add_column(name, justify="right" if form else "left", no_wrap=bool(form) and i == 0)
        for row in f.rows:
            table.add_row(*(text(v, form) for v, (_, form) in zip(row, f.columns, strict=True)))
        parts += [Text(f"{key}: {s.title}", style="bold"),
                  Text(f"kernel {s.kernel}, profile {s.profile}; published: {s.source}", style="dim"), table]
        parts += [Text(f"{'holds' if c.holds else 'DOES NOT HOLD'}: {c.text}", style="green" if c.holds else "red") for c in f.claims]
        parts += [Text(f.note, style="dim"), Text("")] if f.note else [Text("")]
    return Group(*parts)


def described(found: dict[str, Found], ms: int = MS) -> str:
    """One JSON object."""
    return json.dumps({"seed": 1, "ms": ms, "shapes": {
        key: {"title": SHAPES[key].title, "kernel": SHAPES[key].kernel, "profile": SHAPES[key].profile, "source": SHAPES[key].source,
              "columns": [name for name, _ in f.columns], "rows": [list(row) for row in f.rows],
              "claims": [{"text": c.text, "holds": c.holds} for c in f.claims], "note": f.note}
        for key, f in found.items()}}, indent=1)
