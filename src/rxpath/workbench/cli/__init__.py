"""The command line: app.py has its shape, the other files do what a command says."""
import sys


def main() -> None:
    """The console script."""
    from rxpath.workbench.cli.app import run

    sys.exit(run())
