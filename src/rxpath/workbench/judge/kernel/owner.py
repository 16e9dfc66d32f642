"""An owner that holds a socket for as long as one likes: recv() into a page that a userfaultfd does not give it.

The copy sleeps under the socket's lock until the page is there.  userfaultfd(2); faults of the kernel itself need root."""
from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import select
import struct
import threading

from rxpath.workbench.judge.case import errno_name
from rxpath.workbench.judge.kernel.netns import libc

NR_USERFAULTFD = {"x86_64": 323}.get(os.uname().machine, 282)           # 282: of all that share the generic table
UFFDIO_API, UFFDIO_REGISTER, UFFDIO_ZEROPAGE = 0xC018AA3F, 0xC020AA00, 0xC020AA04
UFFD_API, REGISTER_MODE_MISSING = 0xAA, 1
PAGE = os.sysconf("SC_PAGE_SIZE")
MSG_DONTWAIT, MSG_BYTES = 0x40, 32                                      # of a struct uffd_msg
SECONDS = 5


class Owner:
    """One recv() that holds its socket, from here until release().  waits: it may sleep."""

    def __init__(self, fd: int, waits: bool = False) -> None:
        self.result: int | str = 0
        self.waits = waits
        self.uffd = libc.syscall(NR_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK)
        if self.uffd < 0:
            raise OSError(ctypes.get_errno(), "userfaultfd")
        fcntl.ioctl(self.uffd, UFFDIO_API, bytearray(struct.pack("QQQ", UFFD_API, 0, 0)))
        self.page = mmap.mmap(-1, PAGE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.page))
        fcntl.ioctl(self.uffd, UFFDIO_REGISTER, bytearray(struct.pack("QQQQ", self.address, PAGE, REGISTER_MODE_MISSING, 0)))
        self.thread = threading.Thread(target=self._recv, args=(fd,), daemon=True)
        self.thread.start()
        self.tid = self.thread.native_id or 0
        poll = select.poll()
        poll.register(self.uffd, select.POLLIN)
        while not poll.poll(10):
            if not self.thread.is_alive():                              # there was nothing to read
                return
        os.read(self.uffd, MSG_BYTES)

    def _recv(self, fd: int) -> None:
        kept = os.get_blocking(fd)
        if self.waits:
            os.set_blocking(fd, True)                                   # or O_NONBLOCK would say the same
        n = libc.recv(fd, ctypes.c_void_p(self.address), PAGE, 0 if self.waits else MSG_DONTWAIT)
        os.set_blocking(fd, kept)
        self.result = n if n >= 0 else errno_name(OSError(ctypes.get_errno(), ""))

    def release(self) -> int | str:
        """The page is there: what recv() returned, when it has."""
        if self.thread.is_alive():
            fcntl.ioctl(self.uffd, UFFDIO_ZEROPAGE, bytearray(struct.pack("QQQq", self.address, PAGE, 0, 0)))
        self.thread.join(SECONDS)
        os.close(self.uffd)
        return self.result
