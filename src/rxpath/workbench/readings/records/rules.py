"""Sysctls, and firewall rules with what they counted."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .base import Record


@dataclass(frozen=True, slots=True)
class Sysctls(Record):
    """sysctl -a, sysctl.conf, files of /proc/sys: full name -> value as written (blanks between several numbers).  denied: names that could
    not be read."""

    values: Mapping[str, str]
    denied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleCount:
    """A rule, or a chain's policy (number 0), with what it has counted; None where the text has no counters."""

    table: str
    chain: str
    number: int
    target: str
    text: str
    packets: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Rules(Record):
    """Firewall rules.  tool: iptables-save, iptables (-nvL), ip6tables-save, nft; text: as iptables-restore takes it, "" where the tool's
    print cannot be restored."""

    tool: str
    rules: tuple[RuleCount, ...]
    text: str = ""
    family: int = 4
