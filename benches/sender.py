"""UDP datagrams in bursts of sendmmsg(), from Python: the sender of live.py and overload.py.

    python benches/sender.py TO PORT SIZE SECONDS RATE          RATE 0: as fast as it can; prints how many were sent"""
from __future__ import annotations

import ctypes
import socket
import sys
import time
from typing import Any

BURST = 16
libc = ctypes.CDLL(None, use_errno=True)


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.POINTER(Iovec)), ("iovlen", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int)]


class Mmsghdr(ctypes.Structure):
    _fields_ = [("hdr", Msghdr), ("len", ctypes.c_uint32)]


def messages(n: int, size: int, names: int = 0) -> tuple[Any, Any]:
    """n messages of so many bytes, and what they point to.  names: room for an address of each."""
    memory, addresses = ctypes.create_string_buffer(n * size), ctypes.create_string_buffer(n * max(names, 1))
    iov, msgs = (Iovec * n)(), (Mmsghdr * n)()
    for k in range(n):
        iov[k] = Iovec(ctypes.addressof(memory) + k * size, size)
        msgs[k].hdr.iov, msgs[k].hdr.iovlen = ctypes.pointer(iov[k]), 1
        if names:
            msgs[k].hdr.name, msgs[k].hdr.namelen = ctypes.addressof(addresses) + k * names, names
    return msgs, (memory, addresses, iov)


def flood(fd: int, size: int, seconds: float, rate: float) -> int:
    """Of a connected socket, for so long, at most `rate` a second (0: as many as it can); how many were sent.  What the socket refuses was
    not."""
    (msgs, _keep), n, gap = messages(BURST, size), 0, BURST / rate if rate else 0.0
    due = begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        n += max(libc.sendmmsg(fd, msgs, BURST, 0), 0)
        due += gap
        left = due - time.monotonic()
        if left > 0:
            time.sleep(left)
    return n


if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((sys.argv[1], int(sys.argv[2])))
        print(flood(s.fileno(), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])))
