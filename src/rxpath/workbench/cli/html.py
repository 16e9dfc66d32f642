"""--html of the commands: checked before the work, written after it."""
from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from typing import Annotated

import typer

HtmlOption = Annotated[str | None, typer.Option(
    "--html", metavar="FILE", help="Write the result as one HTML page with pictures, which needs no network.")]


def check_html(file: str | None, *others: str | None) -> None:
    """others: files that are read, or written by other options."""
    from rxpath.workbench.words.mistakes import BadInput, apart, check_writable

    if file == "-":
        raise BadInput("--html -: the result goes to standard output; give a file name (./- for a file named -)")
    check_writable("--html", file)
    apart("--html", file, *others)


def write_html(file: str | None, made: Callable[[str], str]) -> None:
    """made: the page, from the command that made it."""
    from rxpath.workbench.words.mistakes import new_file

    if file is None:
        return
    text = made(shlex.join(["rxpath", *sys.argv[1:]]))
    with new_file(file) as out:
        out.write(text.encode())
