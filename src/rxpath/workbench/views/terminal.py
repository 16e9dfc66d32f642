"""What every view is drawn with: tables without frames, at most 100 columns wide unless the terminal is wider, no colours in a file."""
from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

WIDTH = 100                                                 # of what goes into a file or a pipe


def table(*columns: str, left: int = 1) -> Table:
    """A table without frames: the first `left` columns are words, the others numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(columns))
    for i, name in enumerate(columns):
        made.add_column(name, justify="left" if i < left else "right", no_wrap=i >= left, overflow="fold")
    return made


def titled(title: str, *parts: Any) -> Group:
    """A title of its own line: rich would fold it to the table's width."""
    return Group(Text(title, "bold"), *parts)


def columns() -> int:
    """Of the terminal, or what a picture gets where there is none."""
    out = Console()
    return out.width if out.is_terminal else 80


def show(what: Any, width: int = WIDTH) -> None:
    """On standard output: as wide as the terminal, or plain text without blanks at the ends of lines where nobody looks."""
    out = Console(highlight=False)
    if not out.is_terminal:
        sys.stdout.write(plain(what, width))
    elif out.width >= width:
        out.print(what)
    else:
        for part in _parts(what):
            Console(highlight=False, width=_room(part, out.width) if isinstance(part, Table) else out.width).print(part)


def _parts(what: Any) -> Iterator[Any]:
    if isinstance(what, Group):
        for part in what.renderables:
            yield from _parts(part)
    else:
        yield what


def _room(table: Table, width: int) -> int:
    """The least width, from the terminal's on, at which no word of a table is cut: the terminal may wrap a line, 4,4 is not 4,437."""
    words = set(plain(table).split())
    return next((w for w in range(width, WIDTH, 4) if words <= set(plain(table, w).split())), WIDTH)


def plain(what: Any, width: int = WIDTH) -> str:
    """Text without colours."""
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, color_system=None).print(what)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))
