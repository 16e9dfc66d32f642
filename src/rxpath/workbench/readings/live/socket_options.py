"""Options of other processes' sockets: the one thing that no file shows.  Root, 5.6, and only where it is asked for.

A socket is reached by a descriptor of our own (pidfd_getfd), which is closed at once; while it is open, for some tens of microseconds, a
socket that its process closes stays bound.  Only getsockopt() is called."""
from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable

from rxpath.workbench.readings.records import Source, Unread
from rxpath.workbench.readings.settings import Memberships, Process, SocketOptions

_PIDFD_GETFD = 438                                          # the same number on every architecture
_IP_MULTICAST_ALL, _MCAST_MSFILTER, _UDP_GRO, _SO_BUSY_POLL = 49, 48, 104, 46
_ASKED = (("reuseaddr", socket.SOL_SOCKET, socket.SO_REUSEADDR), ("reuseport", socket.SOL_SOCKET, socket.SO_REUSEPORT),
          ("busy_poll", socket.SOL_SOCKET, _SO_BUSY_POLL), ("multicast_all", socket.IPPROTO_IP, _IP_MULTICAST_ALL),
          ("udp_gro", socket.IPPROTO_UDP, _UDP_GRO))

_libc = ctypes.CDLL(None, use_errno=True)


def options(processes: Iterable[Process], memberships: Iterable[Memberships],
            names: dict[str, int]) -> tuple[list[SocketOptions], list[Unread]]:
    """Of each socket once, whoever holds it.  names: devices and their numbers."""
    groups = [(group, names[device]) for record in memberships for device, group in record.groups if device in names]
    found: dict[int, SocketOptions] = {}
    unread: list[Unread] = []
    for process in processes:
        try:
            pidfd = os.pidfd_open(process.pid)
        except OSError:                                     # it has ended
            continue
        try:
            for fd, inode in process.sockets:
                if inode not in found:
                    found[inode] = _of(pidfd, fd, inode, groups)
        except OSError as error:
            unread.append(Unread(f"sockets of {process.name}", 0, "", error.strerror or "refused"))
            if error.errno in (errno.ENOSYS, errno.EPERM):
                break
        finally:
            os.close(pidfd)
    return [*found.values()], unread


def _of(pidfd: int, fd: int, inode: int, groups: list[tuple[str, int]]) -> SocketOptions:
    """The options of one socket.  OSError: it may not be had."""
    mine = _libc.syscall(_PIDFD_GETFD, pidfd, fd, 0)
    if mine < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    with socket.socket(fileno=mine) as sock:
        values: dict[str, int] = {}
        for name, level, option in _ASKED:
            try:
                values[name] = sock.getsockopt(level, option)
            except OSError:                                 # of another protocol, or of a later kernel
                continue
        seconds, micros = struct.unpack("ll", sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.calcsize("ll")))
        values["timeout"] = seconds * 1_000_000_000 + micros * 1000
        joined = tuple(dict.fromkeys(group for group, index in groups if _is_member(sock, group, index)))
    return SocketOptions(source=Source("getsockopt"), inode=inode, values=values, groups=joined)


def _is_member(sock: socket.socket, group: str, index: int) -> bool:
    """IP_MCAST_MSFILTER of a group that the socket has not joined is EADDRNOTAVAIL."""
    request = ctypes.create_string_buffer(struct.pack("=I4xHH4s120xII", index, socket.AF_INET, 0, socket.inet_aton(group), 0, 0))
    length = ctypes.c_uint32(len(request.raw) - 1)
    return bool(_libc.getsockopt(sock.fileno(), socket.IPPROTO_IP, _MCAST_MSFILTER, request, ctypes.byref(length)) == 0)
