"""Pictures of shapes as SVG: the same figures give the same bytes.  Drawn by matplotlib (rxpath[shapes]), which nothing else needs."""
from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rxpath.workbench.shapes.shape import Chart, Line
from rxpath.workbench.words.mistakes import BadInput

SIZE = (6.4, 3.2)                                            # inches
OURS = ("#1f5fa8", "#c4521b", "#2e8540", "#7a4fa3", "#555555")
PUBLISHED = "#b00000"
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "rxpath", "font.family": "sans-serif", "font.size": 9, "axes.spines.top": False,
            "axes.spines.right": False, "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.axisbelow": True,
            "legend.frameon": False, "lines.linewidth": 1.4, "lines.markersize": 3.5, "path.simplify": True}


def matplotlib() -> Any:
    """matplotlib, or one line that says how to get it."""
    try:
        import matplotlib as found
        import matplotlib.figure
    except ImportError:
        raise BadInput("-o: pictures need matplotlib, which is not installed: pip install 'rxpath[shapes]'") from None
    return found


def svg(chart: Chart, title: str) -> str:
    """The picture as text."""
    m = matplotlib()
    with m.rc_context(SETTINGS):
        figure = m.figure.Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title, loc="left", fontsize=9, fontweight="bold")
        if chart.bars:
            _bars(axes, chart.lines)
        else:
            _curves(axes, chart)
        axes.set_xlabel(chart.x)
        axes.set_ylabel(chart.y)
        axes.legend()
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def write_page(folder: Path, page: str, text: Callable[[], str], charts: Sequence[tuple[Chart, str]]) -> list[Path]:
    """A page and its pictures (chart, title), which lie in a folder of the page's name; returns what was written."""
    matplotlib()
    files = {folder / page: text()}
    beside = (folder / page).with_suffix("")
    for chart, title in charts:
        files[beside / f"{chart.name}.svg"] = svg(chart, title)
    try:
        beside.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_text(content)
    except OSError as error:
        raise BadInput(f"-o {folder}: {error.strerror}") from error
    return list(files)


def _coloured(lines: Sequence[Line]) -> list[tuple[Line, str]]:
    ours = itertools.cycle(OURS)
    return [(line, PUBLISHED if line.published else next(ours)) for line in lines]


def _curves(axes: Any, chart: Chart) -> None:
    for line, colour in _coloured(chart.lines):
        xs, ys = zip(*[(round(float(x), 4), round(y, 4)) for x, y in line.points], strict=True)
        axes.plot(xs, ys, "x--" if line.published else "o-", color=colour, label=line.name)
    if chart.log_x:
        axes.set_xscale("log")
    if chart.log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    formatter = matplotlib().ticker.FuncFormatter(lambda v, _: f"{v:,.10g}")
    axes.xaxis.set_major_formatter(formatter)
    axes.yaxis.set_major_formatter(formatter)
    axes.xaxis.set_minor_formatter(matplotlib().ticker.NullFormatter())
    axes.yaxis.set_minor_formatter(matplotlib().ticker.NullFormatter())


def _bars(axes: Any, groups: Any) -> None:
    lines = list(groups)
    names = [str(x) for x, _ in lines[0].points]
    width = 0.8 / len(lines)
    for i, (line, colour) in enumerate(_coloured(lines)):
        at = [k - 0.4 + width * (i + 0.5) for k in range(len(names))]
        heights = [round(y, 4) for _, y in line.points]
        whiskers = {"yerr": [[max(round(y - least, 4), 0) for y, (least, _) in zip(heights, line.ranges, strict=True)],
                             [max(round(most - y, 4), 0) for y, (_, most) in zip(heights, line.ranges, strict=True)]],
                    "error_kw": {"elinewidth": 1, "capsize": 3}} if line.ranges else {}
        axes.bar(at, heights, width, color=colour, label=line.name, **whiskers)
    crowded = len(names) > 9
    axes.set_xticks(range(len(names)), names, rotation=30 if crowded else 0, ha="right" if crowded else "center")
    axes.grid(axis="x", visible=False)
