"""Standard input, output and error as the command finds them: closed, full, or without the characters that we print."""
from __future__ import annotations

import codecs
import os
import sys

# What ASCII has for the characters that our texts use; everything else becomes "?".
ASCII = str.maketrans("─│└├┌┐┘┤┬┴┼━╸╺╭╮╯╰µμ×·–—•█▉▊▋▌▍▎▏▇▆▅▄▃▂▁",
                      "-|`|..'|--+---..'`uux.--*####===-%*+=-,.") | {ord("…"): "...", ord("→"): "->", ord("←"): "<-", ord("≤"): "<=",
                                                              ord("≥"): ">=", ord("±"): "+-"}


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start:error.end].translate(ASCII)
    return text.encode("ascii", "replace").decode("ascii"), error.end


def open_streams() -> bool:
    """Make the three streams usable.  False: standard output is closed, so that nothing can be shown.

    A closed descriptor is opened onto the null device: else the next file that is opened would get its number, and be printed into."""
    closed = [fd for fd in (0, 1, 2) if not _is_open(fd)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)               # the lowest free number: the closed ones, in order
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    codecs.register_error("rxpath", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="rxpath")
    return 1 not in closed


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
