"""`rxpath completion` and `rxpath man`: scripts for shells, and the manual page.  A wheel installs both."""
from __future__ import annotations

from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = examples(
    ('eval "$(rxpath completion bash)"', "in ~/.bashrc"),
    ("rxpath completion zsh > ~/.zfunc/_rxpath", "where that folder is in fpath"),
    ("rxpath completion fish > ~/.config/fish/completions/rxpath.fish", ""),
)


def script(shell: str) -> str:
    """What the shell is to read: it asks the command itself for words."""
    from typer._completion_shared import get_completion_script  # a private module: tests/workbench/test_help.py holds it

    return get_completion_script(prog_name="rxpath", complete_var="_RXPATH_COMPLETE", shell=shell) + "\n"


def completion(shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print the script that completes commands and options in a shell."""
    from rxpath.workbench.words.mistakes import BadInput

    if shell not in SHELLS:
        raise BadInput(f"completion {shell}: {', '.join(SHELLS)}")
    typer.echo(script(shell), nl=False)


def man(context: typer.Context) -> None:
    """Print the manual page, for man -l -."""
    from rxpath._version import __version__
    from rxpath.workbench.cli.manual import page

    typer.echo(page(context.find_root().command, __version__), nl=False)
