"""Expressions of a script as Python values, and its symbols: the constants of socket, select, fcntl and what newer headers have."""
from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
from typing import Any

from rxpath.programs.sockopt import CONSTANTS
from rxpath.workbench.packetdrill.missing import Missing
from rxpath.workbench.packetdrill.script import Any_, Apply, Array, Expression, Number, Or, Struct, Text, Word

# include/uapi/linux/tcp.h, socket.h: what the standard library's modules do not name everywhere
HEADERS = {"SOL_TCP": 6, "SO_MARK": 36, "SO_ZEROCOPY": 60, "SO_MAX_PACING_RATE": 47, "MSG_ZEROCOPY": 0x4000000, "MSG_FASTOPEN": 0x20000000,
           "TCP_NODELAY": 1, "TCP_MAXSEG": 2, "TCP_CORK": 3, "TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6, "TCP_SYNCNT": 7,
           "TCP_LINGER2": 8, "TCP_DEFER_ACCEPT": 9, "TCP_WINDOW_CLAMP": 10, "TCP_INFO": 11, "TCP_QUICKACK": 12, "TCP_CONGESTION": 13,
           "TCP_MD5SIG": 14, "TCP_USER_TIMEOUT": 18, "TCP_FASTOPEN": 23, "TCP_TIMESTAMP": 24, "TCP_NOTSENT_LOWAT": 25,
           "TCP_SAVE_SYN": 27, "TCP_SAVED_SYN": 28, "TCP_FASTOPEN_CONNECT": 30, "TCP_FASTOPEN_KEY": 33, "TCP_FASTOPEN_NO_COOKIE": 34,
           "TCP_INQ": 36, "TCP_CM_INQ": 36, "SIOCINQ": 0x541B, "FIONREAD": 0x541B, "SIOCOUTQ": 0x5411, "FIONBIO": 0x5421,
           "EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3}
PREFIXES = ("AF_", "PF_", "SOCK_", "SOL_", "SO_", "IPPROTO_", "IP_", "IPV6_", "TCP_", "MSG_", "SHUT_", "INADDR_")


def table() -> dict[str, int]:
    found: dict[str, int] = {}
    for module, prefixes in ((socket, PREFIXES), (select, ("POLL", "EPOLL")), (fcntl, ("F_",)), (os, ("O_",))):
        for name in dir(module):
            value = getattr(module, name)
            if name.startswith(prefixes) and isinstance(value, int):
                found[name] = int(value)
    return {**found, **CONSTANTS, **HEADERS}


SYMBOLS = table()
ERRNOS = {name: int(getattr(errno, name)) for name in dir(errno) if name.startswith("E")}


def number(e: Expression) -> int:
    """A number, a symbol, or several joined by |."""
    if isinstance(e, Number):
        return e.value
    if isinstance(e, Word):
        if e.name not in SYMBOLS:
            raise Missing("symbol", e.name)
        return SYMBOLS[e.name]
    if isinstance(e, Or):
        return number(e.left) | number(e.right)
    if isinstance(e, Apply) and e.name in ("htons", "htonl") and len(e.arguments) == 1:
        return number(e.arguments[0])                   # addresses and ports are in host order here
    if isinstance(e, Array) and len(e.items) == 1:      # [1]: the number that an argument points to
        return number(e.items[0])
    raise Missing("value", words(e))


def option_value(e: Expression) -> Any:
    """What setsockopt() gets: a number, text, or a struct's bytes."""
    if isinstance(e, Array) and len(e.items) == 1:
        return option_value(e.items[0])
    if isinstance(e, Text):
        return e.value.encode()
    if isinstance(e, Struct):
        if set(e.fields) == {"onoff", "linger"}:
            return struct.pack("ii", number(e.fields["onoff"]), number(e.fields["linger"]))
        raise Missing("struct as a socket option", words(e))
    return number(e)


def address(e: Expression) -> tuple[str, int] | None:
    """{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("1.2.3.4")}; None: ..."""
    if isinstance(e, Any_):
        return None
    if not isinstance(e, Struct) or set(e.fields) != {"sa_family", "sin_port", "sin_addr"}:
        raise Missing("address", words(e))
    if number(e.fields["sa_family"]) != socket.AF_INET:
        raise Missing("address family", words(e.fields["sa_family"]))
    host = e.fields["sin_addr"]
    if isinstance(host, Word):
        return socket.inet_ntoa(struct.pack(">I", number(host) & 0xFFFFFFFF)), number(e.fields["sin_port"])
    if not isinstance(host, Apply) or host.name != "inet_addr" or len(host.arguments) != 1 or not isinstance(host.arguments[0], Text):
        raise Missing("address", words(host))
    return host.arguments[0].value, number(e.fields["sin_port"])


def words(e: Expression) -> str:
    """As a script says it."""
    if isinstance(e, Any_):
        return "..."
    if isinstance(e, Number):
        return str(e.value)
    if isinstance(e, Word):
        return e.name
    if isinstance(e, Text):
        return f'"{e.value}"' + "..." * e.more
    if isinstance(e, Or):
        return f"{words(e.left)}|{words(e.right)}"
    if isinstance(e, Array):
        return f"[{', '.join(words(i) for i in e.items)}]"
    if isinstance(e, Apply):
        return f"{e.name}({', '.join(words(i) for i in e.arguments)})"
    return f"{{{', '.join(f'{k}={words(v)}' for k, v in e.fields.items())}}}"
