"""--folded: where the CPUs' time went, as folded stacks (flamegraph.pl, speedscope, inferno read them) or as a flame graph in SVG.

A line is frames divided by ;, and nanoseconds of virtual time.  The picture needs no script; the same function has the same colour in every
picture, so that two can be compared."""
from __future__ import annotations

import html
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rxpath.workbench.run.cpu_work import Work
from rxpath.workbench.words.figures import ns as shown
from rxpath.workbench.words.mistakes import BadInput, check_writable, new_file

ENDINGS = (".folded", ".txt", ".svg")
WIDTH, ROW, GAP, LEAST, LETTER = 1200, 18, 14, 0.3, 7.0              # pixels; what is narrower is left out
HUES = {"hardirq": 0, "softirq": 25, "syscall": 205, "application": 120}


def check(file: str) -> None:
    """Before the run, not after it."""
    check_writable("--folded", file)
    if Path(file).suffix not in ENDINGS:
        raise BadInput(f"--folded {file}: the name must end in one of {', '.join(ENDINGS)}")


def text(found: Sequence[Work]) -> str:
    """A line for each CPU and stack."""
    return "".join(f"CPU {w.cpu};{';'.join(map(_frame, w.stack))} {w.ns}\n" for w in sorted(found, key=lambda w: (w.cpu, w.stack)))


def _frame(name: str) -> str:
    """Names of programs are the user's."""
    return " ".join(name.replace(";", ",").split()) or "?"


@dataclass(slots=True)
class Node:
    ns: int = 0
    below: dict[str, Node] = field(default_factory=dict)


def tree(found: Sequence[Work]) -> Node:
    """All CPUs together: a root whose ns are the whole."""
    root = Node()
    for w in found:
        node = root
        node.ns += w.ns
        for name in w.stack:
            node = node.below.setdefault(name, Node())
            node.ns += w.ns
    return root


KERNEL = ("hardirq", "softirq", "syscall")


def svg(found: Sequence[Work], title: str) -> str:
    """A box for each frame, as wide as its share; children above their parent.  Programs often leave the kernel a sliver: above the whole
    stands the kernel's part alone, as wide as the picture."""
    kernel = [w for w in found if w.stack[0] in KERNEL]
    upper, lower = _graph("the kernel's part of it", tree(kernel)), _graph(title, tree(found))
    parts, height = [], 4
    for boxes in (upper, lower):
        height += (max((b[1] for b in boxes), default=0) + 1) * ROW
        parts += [f'<g transform="translate({x:.1f} {height - (depth + 1) * ROW})">{inside}</g>' for x, depth, inside in boxes]
        height += GAP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(title)}" '
            f'font-family="monospace" font-size="11">{"".join(parts)}</svg>\n')


def _graph(title: str, root: Node) -> list[tuple[float, int, str]]:
    """(x, depth, the box with its label) of each frame."""
    boxes = list[tuple[float, int, str]]()

    def walk(name: str, node: Node, x: float, depth: int, colour: str) -> None:
        width = node.ns / max(root.ns, 1) * WIDTH
        if width < LEAST:
            return
        fits = int((width - 6) / LETTER)
        label = name if len(name) <= fits else name[:fits - 1] + "\u2026" if fits > 3 else ""
        boxes.append((x, depth, f"<title>{html.escape(name)}: {shown(node.ns)} ({node.ns / max(root.ns, 1):.2%})</title>"
                                f'<rect width="{max(LEAST, width - 0.5):.1f}" height="{ROW - 1}" fill="{colour}"/>{_label(label)}'))
        for below, child in sorted(node.below.items()):
            walk(below, child, x, depth + 1, _colour(below, depth, colour))
            x += child.ns / max(root.ns, 1) * WIDTH

    walk(title, root, 0.0, 0, "#dddddd")
    return boxes


def _label(label: str) -> str:
    return f'<text x="3" y="{ROW - 6}" fill="#111111">{html.escape(label)}</text>' if label else ""


def _colour(name: str, depth: int, parent: str) -> str:
    """A context has its hue; what is in it the same, lighter or darker by its name."""
    if depth == 0:
        return f"hsl({HUES.get(name, 45)} 75% 66%)"
    hue = int(parent.split("(")[1].split()[0])
    return f"hsl({hue} {60 + zlib.crc32(name.encode()) % 30}% {62 + zlib.crc32(name.encode()) // 64 % 16}%)"


def write(found: Sequence[Work], file: str, title: str) -> None:
    """As the file's name says."""
    with new_file(file) as out:
        out.write((svg(found, title) if file.endswith(".svg") else text(found)).encode())
