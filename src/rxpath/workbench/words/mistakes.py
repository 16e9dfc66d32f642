"""Mistakes at the face: what the user gave cannot be used.  One clear line, exit 2.  (The other kind, our bugs, is exit 70.)"""


from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


class BadInput(ValueError):
    """A capture, an option or a host that cannot be used.  The text is one line: what is wrong, where, what is allowed."""


@contextmanager
def writing(file: str | os.PathLike[str]) -> Iterator[None]:
    """What goes wrong while a file is written, with its name.  A pipe that nobody reads is no mistake."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BadInput(f"{os.fspath(file)} cannot be written: {error.strerror or error}") from None


@contextmanager
def new_file(file: str) -> Iterator[BinaryIO]:
    """A file to write, which is there whole or not at all: it is written beside its place first.  Devices and pipes are written to as they
    are, and so is a file in a folder that is not ours."""
    with writing(file):
        path = os.path.realpath(file)
        if (os.path.exists(file) and not os.path.isfile(file)) or file.startswith(("/dev/", "/proc/")) or \
                not os.access(os.path.dirname(path), os.W_OK):
            with open(file, "wb", buffering=1 << 20) as out:
                yield out
            return
        beside = f"{path}.{os.getpid()}.new"
        try:
            with open(beside, "xb", buffering=1 << 20) as out:
                yield out
            if os.path.exists(path):
                shutil.copymode(path, beside)
            os.replace(beside, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(beside)
            raise


def check_writable(option: str, file: str | None) -> None:
    """Said before the work, not after it.  - is standard output."""
    if file is None or file == "-":
        return
    folder = os.path.dirname(file) or "."
    why = ("that is a folder" if os.path.isdir(file) else "there is no such folder" if not os.path.isdir(folder) else
           "not permitted" if not os.access(file if os.path.exists(file) else folder, os.W_OK) else "")
    if not file:
        raise BadInput(f"{option}: the file's name is empty")
    if why:
        raise BadInput(f"{option} {file} cannot be written: {why}")


def apart(option: str, out: str | None, *others: str | None) -> None:
    """A file to write is none that is read, or written by another option: it would be gone before it is read."""
    for other in others:
        if out and other and os.path.isfile(out) and os.path.exists(other) and os.path.samefile(out, other):
            raise BadInput(f"{option} {out}: the same file as {other}, which would be overwritten: use another name")
        if out and out == other and out != "-":
            raise BadInput(f"{option} {out}: is given twice: use another name")


def is_bad_input(error: BaseException) -> bool:
    """Is it the user's to mend?  Each room has its own class; all are named here, so that no bug passes for one."""
    if isinstance(error, (BadInput, OSError)):
        return True
    names = {c.__name__ for c in type(error).__mro__}
    return bool(names & {"HostError", "RulesError", "CaptureError", "SetupError", "ProfileError", "ProgramError"})


def one_line(error: BaseException) -> str:
    """The text of a mistake, on one line."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        limit = ": ulimit -v, or a limit of memory, is too low for this run" if error.errno == errno.ENOMEM and not where else ""
        return f"{where}{error.strerror}{limit}"
    return " ".join(str(error).split()) or type(error).__name__
