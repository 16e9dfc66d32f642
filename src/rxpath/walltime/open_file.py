"""What all descriptors and objects of one live socket share: struct file of <linux/fs.h>, as dup() of fs/file.c shares it.

A descriptor is an eventfd, and its duplicates are duplicates of that one: readability and O_NONBLOCK are theirs together."""
import os
import weakref
from typing import Any


class OpenFile:
    """fds: its descriptors; users: the objects that calls are made with, whatever their descriptors.  entry: of the host's epoll instance,
    -1: nobody outside waits; closing: the last descriptor is closed, calls are still under way."""

    def __init__(self) -> None:
        self.fds: list[int] = []
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()
        self.entry, self.readable, self.closing = -1, False, False

    def set_readable(self, yes: bool) -> None:
        if yes != self.readable and self.fds:
            self.readable = yes
            if yes:
                os.eventfd_write(self.fds[0], 1)
            else:
                try:
                    os.preadv(self.fds[0], [bytearray(8)], -1, os.RWF_NOWAIT)        # whatever O_NONBLOCK says
                except BlockingIOError:              # somebody has read it
                    pass
