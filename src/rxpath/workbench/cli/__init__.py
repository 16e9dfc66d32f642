"""The command line: app.py has its shape, the other files do what a command says."""
import gc
import signal
import sys


def main() -> None:
    """The console script."""
    python_handles = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if python_handles:
        signal.signal(signal.SIGINT, signal.SIG_DFL)        # while modules are imported Ctrl-C simply ends: no traceback
    gc.set_threshold(100_000, 20, 20)            # modules and results stay: passes over them cost 20 ms of a start
    from rxpath.workbench.cli.streams import open_streams

    shown = open_streams()
    from rxpath.workbench.cli.app import run

    if not shown:
        print("rxpath: standard output is closed; to throw the output away: > /dev/null", file=sys.stderr)
        sys.exit(2)
    if python_handles:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run())
