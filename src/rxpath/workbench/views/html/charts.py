"""The pictures.  A time chart is an inner <svg> in units of the data, so that zooming changes one attribute and nothing is drawn again."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rxpath.workbench.run.where_lost import STEP_TITLE, Step, exits
from rxpath.workbench.views.html.axes import nice
from rxpath.workbench.views.html.elements import LEFT, RIGHT, WIDTH, short, text
from rxpath.workbench.words.figures import ns, share

PLOT = WIDTH - LEFT - RIGHT
TOP = 20
LONGEST = 46                                                # characters of a bar's label
LARGEST_LOSSES = 4                                          # of a step of the funnel: the others are one exit


# ---------------------------------------------------------------- the funnel
class _Exit(NamedTuple):
    """Frames that leave the way to the program: from (x, y) down to `to`."""
    name: str
    n: int
    style: str
    x: float
    y: float
    width: float
    to: float

    def drawn(self, down: float, offered: int) -> str:
        curve = f"M{self.x:.1f} {self.y:.1f}C{self.to - 40:.1f} {self.y:.1f} {self.to:.1f} {self.y:.1f} {self.to:.1f} {down}"
        label = f'<text class="{self.style}t" text-anchor="middle" x="{self.to:.1f}" y="'
        return f'<path class="{self.style}" stroke-width="{self.width:.1f}" d="{curve}"><title>{text(self.name)}: {self.n:,} frames' \
               f'</title></path>{label}{down + 15}">{text(self.name)}</text>' \
               f'{label}{down + 29}">{self.n:,} ({text(share(self.n, offered))})</text>'


def funnel(steps: Sequence[Step], offered: int, queued: int) -> str:
    """Frames from the wire to the program: a band from step to step, exits below."""
    top, bar, thick = 44, 12, 130
    scale, dx = thick / max(offered, 1), (WIDTH - 110) / (len(steps) - 1)
    bands, nodes = [], []
    exits: list[_Exit] = []
    for i, step in enumerate(steps):
        last = i + 1 == len(steps)
        x, onward = 10 + i * dx, step.entered if last else steps[i + 1].entered
        name = "programs" if last else STEP_TITLE[step.name]
        if not last:
            bands.append(f'<path class="ok" d="M{x + bar:.1f} {top}H{x + dx:.1f}v{max(1, onward * scale):.1f}H{x + bar:.1f}Z">'
                         f"<title>{text(name)}: {onward:,} frames go on</title></path>")
        y, found = top + onward * scale, _exits(step, queued if last else 0)
        for j, (what, n, style) in enumerate(found):
            width, to = max(1.0, n * scale), x + dx * (0.6 if len(found) == 1 else 0.95 - 0.8 * j / (len(found) - 1))
            exits.append(_Exit(what, n, style, x + bar, y + (0 if last else width / 2), width, min(max(to, 70.0), WIDTH - 70.0)))
            y += width
        nodes.append(_node(x, top, max(1, step.entered * scale), name, step.entered))
    placed, rows = _placed(exits)
    return f'<svg role="img" aria-labelledby="funnel-t" aria-describedby="funnel-d" viewBox="0 0 {WIDTH} {240 + 38 * rows}">' \
           f'<title id="funnel-t">Where {offered:,} frames went</title>{"".join(bands)}' \
           f'{"".join(e.drawn(208 + 38 * row, offered) for e, row in placed)}{"".join(nodes)}</svg>'


def _placed(exits: list[_Exit]) -> tuple[list[tuple[_Exit, int]], int]:
    """Each exit with the first row in which its name has room, from left to right; and how many rows there are."""
    ends: list[float] = []
    out = []
    for e in sorted(exits, key=lambda e: e.to):
        half = 4.2 * max(len(e.name), 12)
        row = next((r for r, end in enumerate(ends) if end < e.to - half), len(ends))
        ends[row:row + 1] = [e.to + half]
        out.append((e, row))
    return out, len(ends)


def _node(x: float, y: float, height: float, title: str, n: int) -> str:
    return f'<rect class="node" x="{x:.1f}" y="{y}" width="12" height="{height:.1f}"/><text x="{x:.1f}" y="{y - 22}">{text(title)}</text>' \
           f'<text class="b" x="{x:.1f}" y="{y - 7}">{n:,}</text>'


def _exits(step: Step, queued: int) -> list[tuple[str, int, str]]:
    """(name, frames, class): the largest losses of a step, the others together; what the kernel consumed; what is under way."""
    found = [(name, n, "loss" if lost else "other") for name, n, lost in exits(step, LARGEST_LOSSES)]
    found += [("by the kernel", step.consumed, "used")] if step.consumed else []
    return found + ([("under way", queued, "used")] if queued else [])


# ---------------------------------------------------------------- over time
def points(values: Sequence[int], step: int) -> str:
    """A line in relative integers, which is short."""
    out, before = [f"M0 {-values[0]}" if values else "M0 0"], values[0] if values else 0
    if len(values) > 1:
        out.append("l")
    for v in values[1:]:
        out.append(f"{step} {before - v}")
        before = v
    return " ".join(out).replace(" -", "-")


def area(low: Sequence[int], high: Sequence[int], step: int) -> str:
    back = [f"{-step} {b - a}" for a, b in zip(reversed(low[:-1]), list(reversed(low))[:-1], strict=True)]
    return f"{points(high, step)}L{step * (len(low) - 1)} {-low[-1]}l{' '.join(back)}Z".replace(" -", "-")


def time_chart(name: str, title: str, span: int, most: int, body: str, over: str = "", height: int = 220,
               label: Callable[[float], str] = lambda v: f"{v:,.0f}") -> str:
    """span: us of the whole axis; body: in us and, upwards, negative units."""
    plot = height - 50
    return f'<svg class="time" role="application" tabindex="0" aria-roledescription="time chart" aria-label="{text(title)}. Arrows ' \
           f'move the cursor, plus and minus zoom, Escape shows all." aria-describedby="{name}-d" viewBox="0 0 {WIDTH} {height}" ' \
           f'data-span="{span}" data-top="{TOP}" data-plot="{plot}">{y_axis(TOP, plot, most, label)}' \
           f'<svg class="plot" x="{LEFT}" y="{TOP}" width="{PLOT}" height="{plot}" viewBox="0 {-most} {span} {most}" ' \
           f'preserveAspectRatio="none">{body}</svg>{over}<g class="ticks">{x_ticks(span, TOP + plot + 20)}</g>' \
           f'<line class="cursor" y1="{TOP}" y2="{TOP + plot}" visibility="hidden"/>' \
           f'<rect class="brush" y="{TOP}" height="{plot}" x="0" width="0"/></svg>'


def marks(runs: Iterable[tuple[int, int, int]], step: int, most: int) -> str:
    """Where frames were lost: (first column, columns, frames) of each run, at the top."""
    depth = max(1, round(most * 0.05))
    return "".join(f'<path class="mark" d="M{a * step}-{most}h{max(1, n) * step}v{depth}h-{max(1, n) * step}Z">'
                   f"<title>{lost:,} frames lost from {ns(a * step * 1000)} on</title></path>" for a, n, lost in runs)


def y_axis(top: int, plot: int, most: float, label: Callable[[float], str]) -> str:
    out = []
    for v in nice(most):
        y = top + plot * (1 - v / most) if most else top + plot
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                   f'<text class="axis" text-anchor="end" x="{LEFT - 8}" y="{y + 4:.1f}">{label(v)}</text>')
    return "".join(out)


def x_ticks(span: int, y: int) -> str:
    """The first view's, so that the picture is whole without the script, which replaces them on zoom."""
    step, out = nice(span * 4 / 6)[1], []
    for i in range(int(span / step) + 1):
        at = i * step
        out.append(f'<text class="axis" text-anchor="{"end" if at > span * 0.97 else "middle"}" x="{LEFT + at / span * PLOT:.1f}" y="{y}">'
                   f"{short_ns(round(at * 1000))}</text>")
    return "".join(out)


def short_ns(t: int) -> str:
    """Of an axis: 2 s, not 2.00 s."""
    number, _, unit = (ns(t) if t else "0").partition(" ")
    return " ".join(part for part in (number.rstrip("0").rstrip(".") if "." in number else number, unit) if part)


# ---------------------------------------------------------------- latency
def distribution(lines: Sequence[tuple[str, Sequence[tuple[int, float]]]], title: str) -> str:
    """(class, [(ns, share of the datagrams up to it)]) for each line, over a logarithmic axis of time."""
    height, plot = 240, 190
    all_ns = [t for _, points_ in lines for t, _ in points_]
    low, high = math.floor(math.log10(max(min(all_ns), 100))), math.ceil(math.log10(max(max(all_ns), 1000)))
    high = max(high, low + 1)

    def x(t: float) -> float:
        return LEFT + (math.log10(max(t, 10 ** low)) - low) / (high - low) * PLOT

    out = [y_axis(TOP, plot, 1, lambda v: f"{v:.0%}")]
    out += [f'<text class="axis" text-anchor="{"end" if e == high else "middle"}" x="{x(10 ** e):.0f}" y="{height - 10}">'
            f"{short_ns(10 ** e)}</text>" for e in range(low, high + 1)]
    for style, line in lines:
        d = "L".join(f"{x(t):.1f} {TOP + plot * (1 - part):.1f}" for t, part in line)
        out.append(f'<path class="{style}" d="M{d}"><title>{style}</title></path>')
    return f'<svg role="img" aria-label="{text(title)}" aria-describedby="latency-d" viewBox="0 0 {WIDTH} {height}">{"".join(out)}</svg>'


# ---------------------------------------------------------------- bars
def _room(labels: Iterable[str]) -> int:
    """The place that labels need to the left of their bars."""
    return 20 + round(6.9 * min(LONGEST, max([16, *map(len, labels)])))


def bars(rows: Sequence[tuple[str, Sequence[tuple[str, float, str]], str]], most: float, title: str, name: str) -> str:
    """Rows of (label, [(class, length, what)], figure behind it), stacked to the right."""
    left, right, each = _room(label for label, *_ in rows), max([150, *(16 + 7 * len(said) for *_, said in rows)]), 30
    scale = (WIDTH - left - right) / most if most else 0.0
    out = []
    for i, (label, parts, said) in enumerate(rows):
        y, x = 8 + i * each, float(left)
        out.append(f'<text text-anchor="end" x="{left - 10}" y="{y + 15}">{short(label, LONGEST)}</text>')
        for style, length, what in parts:
            out.append(f'<rect class="{style}" x="{x:.1f}" y="{y}" width="{length * scale:.1f}" height="20">'
                       f"<title>{text(what)}</title></rect>")
            x += length * scale
        out.append(f'<text x="{x + 8:.1f}" y="{y + 15}">{text(said)}</text>')
    return f'<svg role="img" aria-label="{text(title)}" aria-describedby="{name}-d" viewBox="0 0 {WIDTH} {16 + each * len(rows)}">' \
           f'{"".join(out)}</svg>'


def balance(rows: Sequence[tuple[str, float, str]], title: str) -> str:
    """Rows of (label, share from -1 to 1, figure behind it), to the left and to the right of nothing."""
    left, right, each = _room(label for label, *_ in rows), 110, 26
    half = (WIDTH - left - right) / 2
    middle = left + half
    out = [f'<line class="grid" x1="{middle}" x2="{middle}" y1="0" y2="{8 + each * len(rows)}"/>']
    for i, (label, share_, said) in enumerate(rows):
        y, long = 6 + i * each, abs(share_) * half
        x = middle - long if share_ < 0 else middle
        out.append(f'<text text-anchor="end" x="{left - 10}" y="{y + 13}">{short(label, LONGEST)}</text>'
                   f'<rect class="{"less" if share_ < 0 else "more"}" x="{x:.1f}" y="{y}" width="{max(long, 1):.1f}" height="16">'
                   f'<title>{text(label)}: {text(said)}</title></rect><text x="{WIDTH - right + 8}" y="{y + 13}">{text(said)}</text>')
    return f'<svg role="img" aria-label="{text(title)}" viewBox="0 0 {WIDTH} {12 + each * len(rows)}">{"".join(out)}</svg>'


def ranges(rows: Sequence[tuple[str, float, float, str]], title: str) -> str:
    """Rows of (label, least, most, figure behind it): shares, from 0 to the largest."""
    left, right, each = _room(label for label, *_ in rows), 150, 26
    scale = (WIDTH - left - right) / (max(high for _, _, high, _ in rows) or 1)
    out = [f'<line class="grid" x1="{left}" x2="{left}" y1="0" y2="{8 + each * len(rows)}"/>']
    for i, (label, low, high, said) in enumerate(rows):
        y, x, end = 17 + i * each, left + low * scale, left + high * scale
        out.append(f'<text text-anchor="end" x="{left - 10}" y="{y + 4}">{short(label, LONGEST)}</text>'
                   f'<path class="lostline" d="M{x:.1f} {y}H{end:.1f}"/><circle class="lostline" cx="{x:.1f}" cy="{y}" r="4"/>'
                   f'<circle class="lostline" cx="{end:.1f}" cy="{y}" r="4"/><text x="{end + 12:.1f}" y="{y + 4}">{text(said)}</text>')
    return f'<svg role="img" aria-label="{text(title)}" viewBox="0 0 {WIDTH} {14 + each * len(rows)}">{"".join(out)}</svg>'
