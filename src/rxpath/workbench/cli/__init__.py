"""The command line: app.py has its shape, the other files do what a command says."""
# _signal is built in: to read the module signal takes time, in which Ctrl-C would show a traceback.
import _signal  # type: ignore[import-not-found]
import gc
import sys

asked = False                                      # Ctrl-C was pressed, whatever became of the KeyboardInterrupt


def interrupt(number: int, frame: object) -> None:
    """Python's own handler, and a note of it: compiled code that builds a class (pydantic) may lose the exception."""
    global asked
    asked = True
    _signal.default_int_handler(number, frame)


def main() -> None:
    """The console script."""
    python_handles = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
    if python_handles:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)        # while modules are imported Ctrl-C simply ends: no traceback
    gc.set_threshold(100_000, 20, 20)            # modules and results stay: passes over them cost 20 ms of a start
    from rxpath.workbench.cli.later import load_later
    from rxpath.workbench.cli.streams import open_streams

    load_later()
    shown = open_streams()
    from rxpath.workbench.cli.app import run

    if not shown:
        print("rxpath: standard output is closed; to throw the output away: > /dev/null", file=sys.stderr)
        sys.exit(2)
    if python_handles:
        _signal.signal(_signal.SIGINT, interrupt)
    code = run()
    gc.disable()
    gc.freeze()                                  # Python's end would go over all that is left three times: a fifth of a short replay
    sys.exit(130 if asked and code == 0 else code)
