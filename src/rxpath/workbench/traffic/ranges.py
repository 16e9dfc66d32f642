"""Addresses, ports and rates of a traffic spec, as a person writes them."""
from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from rxpath.workbench.words import units

ADDRESS_TEXT = 'an address "10.0.0.2", a range "10.0.0.2-10.0.0.99", a network "10.1.0.0/24", or a list of these'
PORT_TEXT = 'a port 5000, a range "5000-5003", or a list of these'

Range = tuple[int, int]


def _address_ranges(value: object) -> tuple[Range, ...]:
    out = []
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    for item in (part for i in items for part in (i.split(",") if isinstance(i, str) else [i])):
        text = item.strip() if isinstance(item, str) else item
        if isinstance(text, str) and "-" in text:
            low, _, high = text.partition("-")
            first, last = units.ipv4(low.strip()), units.ipv4(high.strip())
        elif isinstance(text, str) and "/" in text:
            address, prefix = units.cidr(text)
            first, last = address & units.netmask(prefix), address | ~units.netmask(prefix) & 0xFFFFFFFF
            if prefix < 31:                                  # neither the network's own address nor its broadcast
                first, last = first + 1, last - 1
        else:
            first = last = units.ipv4(text)
        if first > last:
            raise ValueError(f"{ADDRESS_TEXT}; {text} runs backwards")
        out.append((first, last))
    if not out:
        raise ValueError(ADDRESS_TEXT)
    return tuple(out)


def _port_ranges(value: object) -> tuple[Range, ...]:
    out = []
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    for item in (part for i in items for part in (i.split(",") if isinstance(i, str) else [i])):
        low, dash, high = str(item).strip().partition("-")
        if isinstance(item, (bool, float)) or not all(p.isascii() and p.isdigit() and len(p) < 6 for p in (low, *([high] if dash else []))):
            raise ValueError(PORT_TEXT)
        first, last = int(low), int(high or low)
        if not 0 < first <= last <= 65535:
            raise ValueError(f"{PORT_TEXT}, 1 to 65535")
        out.append((first, last))
    if not out:
        raise ValueError(PORT_TEXT)
    return tuple(out)


Addresses = Annotated[Any, BeforeValidator(_address_ranges)]
Ports = Annotated[Any, BeforeValidator(_port_ranges)]
Pps = Annotated[int, BeforeValidator(units.rate_pps)]
