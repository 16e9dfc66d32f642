"""Netlink with the standard library: requests that only ask, and what comes back, as attributes.

Nothing here changes the kernel: every request is a GET or a dump, which need no privilege.  rtnetlink.py, ethtool.py, netdev.py and
sock_diag.py say what to ask; Documentation/userspace-api/netlink/intro.rst says how it is laid out."""
from __future__ import annotations

import os
import socket
import struct
import sys

NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_GENERIC = 0, 4, 16
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_INTERRUPTED = 0x10                                         # NLM_F_DUMP_INTR: the table changed while it was read
_ERROR, _DONE, _OVERRUN = 2, 3, 4
_SOL_NETLINK, _EXT_ACK, _STRICT = 270, 11, 12
_HEADER = struct.Struct("=IHHII")
_PATIENCE = 2.0                                             # the kernel answers in microseconds; a socket that does not is given up
_DUMPS_MAX = 4                                              # of a table that changes all the time

Attributes = list[tuple[int, bytes]]


def attribute(kind: int, data: bytes, *, nested: bool = False) -> bytes:
    """One attribute as it is sent: length, kind, data, padded to four bytes."""
    length = 4 + len(data)
    return struct.pack("=HH", length, kind | (0x8000 if nested else 0)) + data + b"\0" * (-length % 4)


def attributes(data: bytes, at: int = 0) -> Attributes:
    """(kind, data) in their order, from `at` on.  The flags for nested and network order are taken off; what does not fit ends it."""
    found: Attributes = []
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            break
        found.append((kind & 0x3FFF, data[at + 4: at + length]))
        at += (length + 3) & ~3
    return found


def table(data: bytes, at: int = 0) -> dict[int, bytes]:
    """The same where no kind comes twice."""
    return dict(attributes(data, at))


def number(data: bytes) -> int:
    """An integer of whatever width, in the machine's order."""
    return int.from_bytes(data, sys.byteorder)


def text(data: bytes) -> str:
    """A C string."""
    return data.split(b"\0", 1)[0].decode(errors="replace")


class Netlink:
    """One socket of a netlink protocol.  A context manager: the socket is closed at its end."""

    def __init__(self, protocol: int):
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._sequence = 0
        try:
            self._socket.settimeout(_PATIENCE)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            for option in (_STRICT, _EXT_ACK):
                try:
                    self._socket.setsockopt(_SOL_NETLINK, option, 1)
                except OSError:                             # before 4.20 and 4.12: dumps are not filtered, errors have no text
                    pass
            self._socket.bind((0, 0))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, kind: int, body: bytes, *, dump: bool = False) -> list[bytes]:
        """The payloads of the answers.  OSError: what the kernel refuses, with its errno."""
        for _ in range(_DUMPS_MAX):
            answers, whole = self._once(kind, body, dump)
            if whole:
                break
        return answers

    def _once(self, kind: int, body: bytes, dump: bool) -> tuple[list[bytes], bool]:
        """One request; False: the table changed meanwhile, so that entries may be missing or double."""
        self._sequence += 1
        flags = _REQUEST | (_DUMP if dump else _ACK)
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)
        answers: list[bytes] = []
        whole = True
        while True:
            data = self._socket.recv(1 << 18)
            at = 0
            while at + _HEADER.size <= len(data):
                length, answer, marks, sequence, _ = _HEADER.unpack_from(data, at)
                if length < _HEADER.size:
                    break
                payload = data[at + _HEADER.size: at + length]
                at += (length + 3) & ~3
                if sequence != self._sequence:              # of a request that was given up
                    continue
                whole = whole and not marks & _INTERRUPTED
                if answer == _OVERRUN:
                    whole = False
                elif answer in (_ERROR, _DONE):
                    error = -struct.unpack_from("=i", payload)[0] if len(payload) >= 4 else 0
                    if error:
                        raise OSError(error, os.strerror(error))
                    return answers, whole
                else:
                    answers.append(payload)


class Generic(Netlink):
    """Generic netlink: families by name, such as ethtool (5.6) and netdev (6.8).  OSError ENOENT: this kernel has no such family."""

    def __init__(self) -> None:
        super().__init__(NETLINK_GENERIC)
        self._families: dict[str, int] = {}

    def __enter__(self) -> Generic:
        return self

    def get(self, family: str, command: int, body: bytes = b"", *, dump: bool = False) -> list[Attributes]:
        """The attributes of each answer to one command."""
        if family not in self._families:
            answer = self.ask(NETLINK_GENERIC, struct.pack("=BBH", 3, 1, 0) + attribute(2, family.encode() + b"\0"))    # CTRL_CMD_GETFAMILY
            self._families[family] = number(table(answer[0], 4)[1])
        return [attributes(answer, 4) for answer in self.ask(self._families[family], struct.pack("=BBH", command, 1, 0) + body, dump=dump)]
