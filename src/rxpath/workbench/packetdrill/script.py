"""What a packetdrill script is, once it is read: events in their order, each with its line.  Times are in ns.

Sequence and acknowledgement numbers are the script's: relative to the first one of the script's own side (its SYN), or whatever it says."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rxpath.workbench.words.mistakes import BadInput

TimeKind = Literal["relative", "absolute", "any"]


class ScriptError(BadInput):
    """A script that cannot be read, or that asks for what is not there.  `FILE:LINE: what`."""

    def __init__(self, name: str, line: int, what: str) -> None:
        super().__init__(f"{name}:{line}: {what}")
        self.line, self.what = line, what


@dataclass(frozen=True)
class When:
    """relative: so long after the event before; absolute: since the start; any: whenever it comes (only of packets that leave)."""
    kind: TimeKind
    at: int = 0
    until: int | None = None                            # at to until: either will do (only of packets that leave)


# ---------------------------------------------------------------- expressions
@dataclass(frozen=True)
class Any_:
    """... : whatever."""


@dataclass(frozen=True)
class Number:
    value: int


@dataclass(frozen=True)
class Word:
    name: str


@dataclass(frozen=True)
class Text:
    value: str
    more: bool = False                                  # "text"... : it begins so


@dataclass(frozen=True)
class Or:
    """left | right"""
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Array:
    """[a, b], or {a, b} without names."""
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Apply:
    """htons(80), inet_addr("1.2.3.4")"""
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Struct:
    """{name=value, ...}; sizes has what stands in brackets behind a name: msg_iov(1)=..."""
    fields: dict[str, Expression]
    sizes: dict[str, Expression] = field(default_factory=dict)


Expression = Any_ | Number | Word | Text | Or | Array | Apply | Struct


# ---------------------------------------------------------------- packets
@dataclass(frozen=True)
class Ip:
    """What a script says of the IP header.  ecn: noecn, ect0, ect1, ce, ect01 (either, of packets that leave)."""
    ecn: str | None = None
    tos: int | None = None
    ttl: int | None = None
    flowlabel: int | None = None


@dataclass(frozen=True)
class Option:
    """A TCP option.  mss, wscale: value; TS: val, ecr; sack: blocks; md5, FO, FOEXP: data; ECN of AccECN: fields in order."""
    name: str
    value: int = 0
    ecr: int = 0
    blocks: tuple[tuple[int, int], ...] = ()
    data: bytes = b""


@dataclass(frozen=True)
class Segment:
    """A TCP segment.  flags: letters of FSRPUEWA, a dot for ACK, a digit for the three ECN bits.  None: not said."""
    flags: str
    seq: int
    length: int
    ack: int | None = None
    window: int | None = None
    urg: int | None = None
    options: tuple[Option, ...] | None = ()             # None: <...>, any
    ports: tuple[int, int] | None = None
    ip: Ip = Ip()
    inbound: bool = True


@dataclass(frozen=True)
class Datagram:
    """udp (LENGTH)"""
    length: int
    ports: tuple[int, int] | None = None
    ip: Ip = Ip()
    inbound: bool = True


@dataclass(frozen=True)
class Icmp:
    """icmp TYPE CODE mtu N [seq:end(len)]: echoed is the segment (seq, length) or datagram (None, length) that it is about."""
    type: str
    code: str | None = None
    mtu: int | None = None
    id: int | None = None
    echoed: tuple[int | None, int] | None = None
    ip: Ip = Ip()
    inbound: bool = True


# ---------------------------------------------------------------- the other events
@dataclass(frozen=True)
class Call:
    """A system call.  ends: when it returns, after its event's own base (of calls that block); None: at once."""
    name: str
    arguments: tuple[Expression, ...]
    result: Expression
    ends: int | None = None
    errno: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Shell:
    text: str


@dataclass(frozen=True)
class Code:
    """Python between %{ and }%."""
    text: str


Action = Segment | Datagram | Icmp | Call | Shell | Code


@dataclass(frozen=True)
class Event:
    line: int
    when: When
    action: Action


@dataclass(frozen=True)
class Script:
    """One file.  options: --name or --name=value at its head."""
    name: str
    options: tuple[tuple[int, str, str | None], ...]
    init: tuple[int, str] | None                        # a shell text before the first event, with its line
    events: tuple[Event, ...]
    cleanup: tuple[int, str] | None
