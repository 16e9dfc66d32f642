"""Firewall rules as frozen dataclasses: what read.py makes of iptables-save, what flat.py lays out for the path."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum

NAME_MAX = 28                                               # XT_EXTENSION_MAXNAMELEN less its zero
PREFIX_MAX = 29                                             # of LOG's --log-prefix

BUILT_IN = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}
WALKED = ("PREROUTING", "INPUT")


class RulesError(ValueError):
    """Rules that cannot be used: one line, `file:line: what is wrong: the text`."""

    def __init__(self, source: str, line: int, reason: str, text: str = ""):
        self.source, self.line, self.reason, self.text = source, line, reason, text
        shown = " ".join(text.split())
        shown = shown if len(shown) <= 100 else shown[:97] + "..."
        super().__init__(" ".join(f"{source}:{line}: {reason}".split()) + (f": {shown}" if shown else ""))


class Unsupported(RulesError):
    """A match, target or table that the path does not model."""


class Target(IntEnum):
    """What a rule does with a packet that matches."""

    CONTINUE = 0                                            # no target: it only counts
    ACCEPT = 1
    DROP = 2
    REJECT = 3
    RETURN = 4
    LOG = 5
    JUMP = 6                                                # -j CHAIN: come back to the next rule
    GOTO = 7                                                # -g CHAIN: come back to where this chain was called


TARGETS = ("ACCEPT", "DROP", "REJECT", "RETURN", "LOG")
TCP_RESET = -1
REJECT_WITH = {                                             # ICMP type 3, these codes; ipt_REJECT.h
    "icmp-net-unreachable": 0, "icmp-host-unreachable": 1, "icmp-proto-unreachable": 2, "icmp-port-unreachable": 3,
    "icmp-net-prohibited": 9, "icmp-host-prohibited": 10, "icmp-admin-prohibited": 13, "tcp-reset": TCP_RESET,
    "net-unreach": 0, "host-unreach": 1, "proto-unreach": 2, "port-unreach": 3, "net-prohib": 9, "host-prohib": 10, "admin-prohib": 13,
    "tcp-rst": TCP_RESET,
}
LOG_LEVELS = {"emerg": 0, "panic": 0, "alert": 1, "crit": 2, "err": 3, "error": 3, "warning": 4, "warn": 4, "notice": 5, "info": 6,
              "debug": 7}
LOG_FLAGS = {"--log-tcp-sequence": 1, "--log-tcp-options": 2, "--log-ip-options": 4, "--log-uid": 8, "--log-macdecode": 32}


class MatchKind(IntEnum):
    TCP = 1
    UDP = 2
    MULTIPORT = 3
    LENGTH = 4
    LIMIT = 5
    ICMP = 6
    MAC = 7


@dataclass(frozen=True, slots=True)
class Range:
    """low to high, both in it; `invert` is the ! before the option."""

    low: int
    high: int
    invert: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """One match, in the order of the rule: a limit spends its credit only when those before it held.

    TCP, UDP: sport, dport, and for TCP flags (mask, expected, invert).  MULTIPORT: ports, side ("source", "destination", "either").
    LENGTH: range of the packet's length with its IP header.  LIMIT: avg in 1/10000 s, burst.  ICMP: type (255 any) and range of codes.
    MAC: mac."""

    kind: MatchKind
    sport: Range = Range(0, 65535)
    dport: Range = Range(0, 65535)
    flags: tuple[int, int, bool] = (0, 0, False)
    ports: tuple[tuple[int, int], ...] = ()
    side: str = ""
    range: Range = Range(0, 65535)
    type: int = 255
    avg: int = 0
    burst: int = 0
    mac: int = 0
    invert: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """(packet's address & mask) == address; 0/0 is any."""

    address: int = 0
    mask: int = 0
    invert: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """A name; a + at its end stands for anything."""

    name: str = ""
    invert: bool = False

    def holds(self, interface: str) -> bool:
        """Whether a packet of this interface ("" when it has none) passes; an interface that the rule does not name passes always."""
        if not self.name:
            return True
        same = interface.startswith(self.name[:-1]) if self.name.endswith("+") else interface == self.name
        return same != self.invert


@dataclass(frozen=True, slots=True)
class Rule:
    line: int
    text: str
    source: Address = Address()
    destination: Address = Address()
    protocol: int = 0                                       # 0: any
    protocol_invert: bool = False
    in_interface: Interface = Interface()
    out_interface: Interface = Interface()
    fragment: int = 0                                       # 1: -f (second and further fragments only), 2: ! -f
    matches: tuple[Match, ...] = ()
    target: Target = Target.CONTINUE
    chain: str = ""                                         # of JUMP and GOTO
    reject_with: int = 3                                    # code of ICMP type 3, or TCP_RESET
    log_prefix: str = ""
    log_level: int = 4
    packets: int = 0
    bytes: int = 0
    comment: str = ""
    log_flags: int = 0                                      # bits of LOG_FLAGS: what a line would hold more


@dataclass(frozen=True, slots=True)
class Chain:
    name: str
    policy: Target | None                                   # ACCEPT or DROP; None: a user chain
    packets: int
    bytes: int
    line: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ruleset:
    source: str
    tables: dict[str, dict[str, Chain]]                     # by table, by chain, in the order of the file
    skipped: tuple[Skipped, ...] = ()
    not_walked: tuple[str, ...] = ()                        # chains with rules that no received packet meets

    def rule_count(self) -> int:
        return sum(len(chain.rules) for table in self.tables.values() for chain in table.values())


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the text, where it stands and what is there to jump to: all that a mistake in it has to name."""

    source: str
    number: int
    text: str
    table: str | None = None
    chains: Collection[str] = ()

    def wrong(self, reason: str) -> RulesError:
        return RulesError(self.source, self.number, reason, self.text)

    def unsupported(self, reason: str) -> Unsupported:
        return Unsupported(self.source, self.number, reason, self.text)
