"""The command line: app.py has its shape, the other files do what a command says."""
import gc
import sys


def main() -> None:
    """The console script."""
    gc.set_threshold(100_000, 20, 20)            # modules and results stay: passes over them cost 20 ms of a start
    from rxpath.workbench.cli.app import run

    sys.exit(run())
