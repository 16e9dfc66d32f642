"""JSON among the texts: ip -j, ethtool --json, nstat -j, mpstat -o JSON, lscpu -J.  Whose it is, its own keys say."""
from __future__ import annotations

import json
from collections.abc import Mapping

from . import cpu, ethtool_json, iproute, netstat
from .lines import Block, Line
from .records import Record

ATTEMPTS_MOST = 64                  # values that begin somewhere in one text: each try reads on to the end


def value_at(lines: list[Line], start: int) -> tuple[object, int] | None:
    """The JSON value that begins with a line, and the index of the line after it; None: none begins there."""
    text = "\n".join(line.text for line in lines[start:])
    try:
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return None
    used = text[:len(text) - len(text.lstrip()) + end]
    return (value, start + used.count("\n") + 1) if isinstance(value, (list, dict)) else None


def records_of(value: object, block: Block) -> list[Record]:
    """Of one value.  What nobody knows is said with the block's first line."""
    result: list[Record] = []
    unknown = False
    for entry in value if isinstance(value, list) else [value]:
        found = _one(entry, block) if isinstance(entry, dict) else []
        unknown |= not found and entry not in ({}, None)
        result += found
    if unknown:
        block.odd(next(iter(block)), "JSON of a kind that is not known, or of which nothing is used")
    return result


def _one(entry: Mapping[str, object], block: Block) -> list[Record]:
    if isinstance(entry.get("kernel"), dict):
        return netstat.nstat_json(entry, block)
    if "sysstat" in entry:
        return cpu.mpstat_json(entry, block)
    if "lscpu" in entry:
        return cpu.lscpu_json(entry, block)
    return ethtool_json.from_json(entry, block) or iproute.from_json(entry, block)
