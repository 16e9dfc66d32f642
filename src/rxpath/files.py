"""A file that a user names, looked at before it is read: a named pipe that nobody writes to would be waited for, a device has no end."""
import errno
import os
import select
import stat
from io import FileIO

PATIENCE_MS = 1000              # for a named pipe's first byte
KINDS = ((stat.S_ISDIR, "Is a directory"), (stat.S_ISCHR, "is a device, not a file"), (stat.S_ISBLK, "is a device, not a file"),
         (stat.S_ISSOCK, "is a socket, not a file"))


def open_file(path: str | os.PathLike[str]) -> FileIO:
    """A regular file, or a pipe that somebody writes to.  OSError says what else it is; its strerror is one line."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        for is_kind, what in KINDS:
            if is_kind(mode):
                raise OSError(errno.EINVAL, what, os.fspath(path))
        if stat.S_ISFIFO(mode) and not _written(descriptor):
            raise OSError(errno.EINVAL, "is a named pipe that nobody writes to", os.fspath(path))
        os.set_blocking(descriptor, True)
        return FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _written(descriptor: int) -> bool:
    """Whether something comes through a pipe, or its end; a writer that has waited for us gets its moment."""
    asked = select.poll()
    asked.register(descriptor, select.POLLIN)
    return bool(asked.poll(PATIENCE_MS))


def read_file(path: str | os.PathLike[str], most: int) -> bytes:
    """All of it, `most` bytes at most: a larger one is an OSError (EFBIG)."""
    with open_file(path) as file:
        parts, left = [], most + 1
        while left > 0 and (part := file.read(left)):
            parts.append(part)
            left -= len(part)
    if left <= 0:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes", os.fspath(path))
    return b"".join(parts)
