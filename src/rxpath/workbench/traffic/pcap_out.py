"""A pcap file, or standard output: what `rxpath generate` writes, from a spec or merged from captures."""
from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Iterable
from typing import BinaryIO

from rxpath.cable.write import HEADER
from rxpath.workbench.words.mistakes import BadInput, writing

EPOCH = 1_700_000_000_000_000_000                           # of the first frame in a file: the same spec gives the same bytes


def open_out(out: str | None) -> BinaryIO:
    if out is None or out == "-":
        if sys.stdout.isatty():
            raise BadInput("generate: a pcap is not written to a terminal: use -o FILE or a pipe")
        return sys.stdout.buffer
    with writing(out):
        return open(out, "wb")


def write(out: str | None, pieces: Iterable[memoryview | bytes]) -> int:
    """A pcap header and pieces of records; returns the bytes.  A file that was not finished is not left behind."""
    file = open_out(out)
    name = out if out and out != "-" else "standard output"
    n = 0
    try:
        for piece in itertools.chain([HEADER.pack(0xA1B23C4D, 2, 4, 0, 0, 262144, 1)], pieces):
            n += len(piece)
            with writing(name):
                file.write(piece)
        with writing(name):
            file.flush()
    except BaseException:
        if file is not sys.stdout.buffer:
            with contextlib.suppress(OSError):
                file.close()
            if os.path.isfile(name) and not os.path.islink(name):           # never a device
                os.unlink(name)
        raise
    if file is not sys.stdout.buffer:
        file.close()
    return n
