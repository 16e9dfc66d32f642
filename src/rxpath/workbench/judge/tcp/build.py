"""Conversations in few words: what the families of cases are written with."""
from __future__ import annotations

import struct
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from rxpath.workbench.judge.case import Case, Open, Recv, Step, Sysctl
from rxpath.workbench.judge.hosts import host
from rxpath.workbench.judge.tcp.steps import Cause, Handshake, Segment

PORT = 80
SAME: dict[str, Any] = {
    "net.ipv4.tcp_rmem": "4096 131072 33554432", "net.ipv4.tcp_wmem": "4096 16384 4194304",     # Linux derives them from the memory
    "net.ipv4.tcp_comp_sack_nr": 0,                                             # every out-of-order segment is acknowledged at once
    "net.ipv4.tcp_moderate_rcvbuf": 0,                                          # a buffer that grows depends on the clock
}
NOT_BUILT = {                           # names of conversations (fnmatch), and what the path cannot do in them yet
    "TCP_REPAIR*": "TCP_REPAIR",
    "acknowledgements": "send() on a stream",
    "fast open": "fast open",
}
# a program (SO_ATTACH_FILTER) that wants PSH set
PUSHED = b"".join(struct.pack("=HBBI", *i) for i in ((0x30, 0, 0, 13), (0x45, 0, 1, 8), (6, 0, 0, 0xFFFF), (6, 0, 0, 0)))
FIFTY = struct.pack("=HBBI", 6, 0, 0, 50)              # one that leaves so many bytes, the TCP header among them
Steps = Iterable[Any]                   # steps, and groups of them


def listener(port: int = PORT, backlog: int = 16, rcvbuf: int | None = None, options: tuple[tuple[str, int], ...] = (),
             id: str = "l") -> Open:
    first = () if rcvbuf is None else (("SO_RCVBUF", rcvbuf),)
    return Open(id, ("10.0.0.1", port), proto="tcp", backlog=backlog, reuseaddr=True, options=(*first, *options))


def dial(rcvbuf: int | None = None, options: tuple[tuple[str, int], ...] = (), backlog: int = 16, **handshake: Any) -> tuple[Step, ...]:
    """A listener and one connection of it, `c`."""
    return listener(PORT, backlog, rcvbuf, options), Handshake("c", **handshake)


def seg(flags: str, seq: int = 0, data: int = 0, **more: Any) -> Segment:
    """Of the connection `c`."""
    return Segment("c", flags, seq, data, **more)


def read(size: int = 65536, *flags: str) -> Recv:
    return Recv("c", size, flags)


def row(cause: str, *steps: Any) -> tuple[Any, ...]:
    """What is tried, in words, and how."""
    return Cause(cause), *steps


def each(cause: str, *steps: Any) -> tuple[Any, ...]:
    """And then the program reads."""
    return row(cause, *steps, read())


def flat(parts: Steps) -> tuple[Step, ...]:
    made: list[Step] = []
    for part in parts:
        made += flat(part) if isinstance(part, (tuple, list)) else [part]
    return tuple(made)


def sysctls(values: dict[str, Any]) -> list[Sysctl]:
    return [Sysctl(name, value) for name, value in values.items()]


def not_built(name: str) -> str:
    """What the path cannot do in that conversation, "" if it can all of it."""
    return next((why for pattern, why in NOT_BUILT.items() if fnmatchcase(name, pattern)), "")


def talk(name: str, *parts: Any, sysctl: dict[str, Any] | None = None, **more: Any) -> Case:
    """A conversation with a host of its own.  sysctl: written before anything else."""
    steps = flat([sysctls({**SAME, **(sysctl or {})}), parts])
    return Case(name, "transport", host(sockets=[]), steps, by_step=True, not_built=not_built(name), **more)
