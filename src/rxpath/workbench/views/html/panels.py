"""Small pictures side by side: lines over one axis (a sweep, head-room), or the figures of single runs in columns (two sides, several
seeds).  A line is told from another by its dashes and its marks, too."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rxpath.workbench.views.html.axes import Axis
from rxpath.workbench.views.html.elements import short, text

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 470, 230, 64, 14, 30, 42
LETTER = 7.0                                                # width of one, more or less
Scale = Callable[[float], float]
STYLES = 6                                                  # classes s0 to s5; what is drawn beyond them is thin and grey


class Line(NamedTuple):
    """points: (x, y); y None: there is no value.  what: of each point, for who points at it.  radius: larger ones below show those that
    lie at the same place."""
    name: str
    style: str
    points: Sequence[tuple[float, float | None]]
    what: Sequence[str] = ()
    radius: float = 3.0


class Mark(NamedTuple):
    """A vertical line at x."""
    x: float
    name: str
    style: str = "limit"


def panel(title: str, x: Axis, y: Axis, lines: Iterable[Line], marks: Iterable[Mark] = (), under: str = "") -> str:
    """under: what the axis of x is."""
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    out = [f'<text class="b" x="{LEFT}" y="16">{text(title)}</text>']

    def px(v: float) -> float:
        return LEFT + x.at(v) * width

    def py(v: float) -> float:
        return TOP + (1 - y.at(v)) * height

    for v, said in y.ticks:
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py(v):.1f}" y2="{py(v):.1f}"/>'
                   f'<text class="axis" text-anchor="end" x="{LEFT - 8}" y="{py(v) + 4:.1f}">{text(said)}</text>')
    end = -1.0
    for v, said in x.ticks:                                 # those for which there is room
        half = len(said) * LETTER / 2
        if px(v) - half < end + LETTER:
            continue
        end = px(v) + half
        out.append(f'<text class="axis" text-anchor="middle" x="{px(v):.1f}" y="{TOP + height + 18}">{text(said)}</text>')
    if under:
        out.append(f'<text class="axis" text-anchor="end" x="{WIDTH - RIGHT}" y="{HEIGHT - 6}">{text(under)}</text>')
    for i, m in enumerate(marks):
        at = px(m.x)
        room = max(WIDTH - at, at - LEFT)                   # the wider side
        last = at - LEFT == room
        out.append(f'<path class="{m.style}" d="M{at:.1f} {TOP}V{TOP + height}"/>'
                   f'<text class="{m.style}t" x="{at + (-4 if last else 4):.1f}" '
                   f'text-anchor="{"end" if last else "start"}" y="{TOP + 12 + 15 * i}">{short(m.name, int(room / LETTER))}</text>')
    out += [_drawn(line, px, py) for line in lines]
    return f'<svg class="panel" role="img" aria-label="{text(title)}" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(out)}</svg>'


def _drawn(line: Line, px: Scale, py: Scale) -> str:
    d, pen = [], "M"
    dots = []
    for i, (x, y) in enumerate(line.points):
        if y is None:
            pen = "M"
            continue
        d.append(f"{pen}{px(x):.1f} {py(y):.1f}")
        pen = "L"
        said = f"<title>{text(line.what[i])}</title>" if i < len(line.what) else ""
        dots.append(f'<circle class="{line.style}" cx="{px(x):.1f}" cy="{py(y):.1f}" r="{line.radius:g}">{said}</circle>')
    path = f'<path class="{line.style}" d="{"".join(d)}"/>' if len(d) > 1 else ""
    return path + "".join(dots)


def columns(title: str, y: Axis, sides: Sequence[tuple[str, str, Sequence[float], float]]) -> str:
    """(name, class, a value for each seed, the one in the middle) of each side: a dot for each value, a bar at the middle one."""
    width, height, left = 230, 190, 64
    plot = height - TOP - 28
    out = [f'<text class="b" x="4" y="16">{text(title)}</text>']
    for v, said in y.ticks:
        at = TOP + (1 - y.at(v)) * plot
        out.append(f'<line class="grid" x1="{left}" x2="{width}" y1="{at:.1f}" y2="{at:.1f}"/>'
                   f'<text class="axis" text-anchor="end" x="{left - 8}" y="{at + 4:.1f}">{text(said)}</text>')
    each = (width - left) / max(len(sides), 1)
    for i, (name, style, values, middle) in enumerate(sides):
        x = left + each * (i + 0.5)
        at = TOP + (1 - y.at(middle)) * plot
        out.append(f'<text text-anchor="middle" x="{x:.1f}" y="{height - 8}">{text(name)}</text>'
                   f'<path class="{style}" d="M{x - 22:.1f} {at:.1f}H{x + 22:.1f}"/>')
        for k, v in enumerate(values):                      # beside each other, so that equal ones are seen
            dx = (k - (len(values) - 1) / 2) * min(8.0, 40 / max(len(values), 1))
            out.append(f'<circle class="{style}" cx="{x + dx:.1f}" cy="{TOP + (1 - y.at(v)) * plot:.1f}" r="3"/>')
    return f'<svg class="column" role="img" aria-label="{text(title)}" viewBox="0 0 {width} {height}">{"".join(out)}</svg>'


def beside(drawn: Iterable[str], kind: str = "panels") -> str:
    return f'<div class="{kind}">{"".join(drawn)}</div>'


def line_key(items: Iterable[tuple[str, str]]) -> str:
    """(class, what it stands for) of lines."""
    return '<ul class="key">' + "".join(
        f'<li><svg width="30" height="14" aria-hidden="true"><path class="{c}" d="M0 7H30"/>'
        f'<circle class="{c}" cx="15" cy="7" r="3"/></svg> ' f"{text(what)}</li>" for c, what in items) + "</ul>"
