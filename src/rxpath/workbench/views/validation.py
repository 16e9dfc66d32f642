"""A validation: predicted beside measured, for a terminal and as a page with pictures."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text

from rxpath.vtime.calibrated import KINDS
from rxpath.workbench.calibration.validate import STEADY, Row, Validation
from rxpath.workbench.shapes.shape import Chart, Line
from rxpath.workbench.views import pictures
from rxpath.workbench.views.calibration import errors
from rxpath.workbench.views.terminal import table
from rxpath.workbench.words.figures import ns

PAGE, PICTURES = "validation.md", "validation"


def render(found: Validation) -> Group:
    parts: list[Any] = [Text(_head(found), "bold")]
    if found.rows:
        shown = table("experiment", "kernel loses, %", "model, %", "error", "p50 kernel", "model", "")
        shown.columns[6].justify = "left"
        for r in found.rows:
            shown.add_row(r.name, f"{r.kernel:.2f} ({r.least:.2f}-{r.most:.2f})", f"{r.model:.2f}", Text(f"{r.error:+.2f}", _style(r)),
                          ns(r.kernel_p50), ns(r.model_p50), "noisy" if r.noisy else "" if r.within else "off")
        parts += [Text(), shown, Text(), Text(_measure(found))]
    if any(r.noisy for r in found.rows):
        parts.append(Text(f"noisy: others or the hypervisor had the CPUs in every repetition, so that it says nothing of the model: "
                          f"{', '.join(r.name for r in found.rows if r.noisy)}", "yellow"))
    if found.kinds:
        parts += [Text(), errors(found.kinds)]
    for name, why in found.cannot.items():
        parts.append(Text(f"not made here: {name}: {why}", "yellow"))
    if found.saved:
        parts.append(Text(f"reports under {found.profile} state these errors from now on ({found.saved})"))
    return Group(*parts)


def _head(found: Validation) -> str:
    made = found.made
    return f"profile {found.profile} against Linux {made.get('kernel')}, {made.get('model') or 'CPUs of unknown model'}, {made.get('date')}"


def _style(r: Row) -> str:
    return "dim" if r.noisy else "red" if abs(r.error) > 5 else ""


def _measure(found: Validation) -> str:
    m = found.measure
    if not m["steady"]:
        return f"no experiment was undisturbed and had a spread below {STEADY:g} points: nothing is said of the model"
    said = f"{m['within_5_points']} of {m['steady']} experiments whose own spread is below {STEADY:g} points are predicted within 5 points"
    return said + (f"; of {m['losing']} of these that lose, p50 is within 20 % in {m['p50_within_20_percent']}" if m["losing"] else "")


# ---------------------------------------------------------------- the page
def markdown(found: Validation) -> str:
    made = found.made
    out = ["# Validation: predicted beside measured", "",
           f"Made by `rxpath validate -o docs`.  **Kernel**: Linux {made.get('kernel')}, {made.get('model') or 'CPUs of unknown model'}, "
           f"{made.get('cpus')} CPUs, HZ {made.get('hz')}, {made.get('date')};", f"mean and range of the loss in per cent over undisturbed "
           f"repetitions.  **Model**: cost profile `{found.profile}`, on the times at which the sender really called.", "",
           f"{_measure(found)}.", "", "| kind | | experiments | mean error, points | largest | p50 |", "|---|---|---:|---:|---:|---:|"]
    for kind, e in found.kinds.items():
        out.append(f"| {kind} | {KINDS.get(kind, 'all of them')} | {e.experiments} | {e.points:.2f} | {e.worst:.2f} | "
                   f"{'-' if e.p50 is None else f'{e.p50:.0%}'} |")
    out += ["", "p50: mean error of the median latency where the kernel loses.", "",
            "| experiment | what | runs | kernel | model | error | p50 kernel, us | model | p99 kernel, us | model | |",
            "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|"]
    for r in found.rows:
        times = " | ".join(f"{t / 1000:.1f}" for t in (r.kernel_p50, r.model_p50, r.kernel_p99, r.model_p99))
        losses = f"{r.kernel:.2f} ({r.least:.2f}-{r.most:.2f}) | {r.model:.2f} | {r.error:+.2f}"
        out.append(f"| {r.name} | {r.what} | {r.runs} | {losses} | {times} | "
                   f"{'noisy' if r.noisy else '' if r.within else 'outside its range'} |")
    if found.cannot:
        out += ["", "Not made: " + "; ".join(f"{name}: {why}" for name, why in found.cannot.items()) + "."]
    for chart in charts(found.rows):
        out += ["", f"![{chart.name}]({PICTURES}/{chart.name}.svg)"]
    return "\n".join(out) + "\n"


def charts(rows: Sequence[Row]) -> list[Chart]:
    """For each kind the losses of kernel, with the range of its runs, and model."""
    out = []
    for kind in KINDS:
        some = [r for r in rows if r.kind == kind]
        if some:
            kernel = Line("kernel", [(r.name, r.kernel) for r in some], published=True, ranges=[(r.least, r.most) for r in some])
            out.append(Chart(kind, "", "lost, %", [kernel, Line("model", [(r.name, r.model) for r in some])], bars=True))
    return out


def write(found: Validation, folder: Path) -> list[Path]:
    """The page and its pictures; returns what was written."""
    return pictures.write_page(folder, PAGE, lambda: markdown(found), [(c, f"{c.name}: {KINDS[c.name]}") for c in charts(found.rows)])
