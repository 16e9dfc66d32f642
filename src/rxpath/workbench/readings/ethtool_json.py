"""ethtool --json: -k and -a in every version that has it, -g -l -c -x in newer ones (netlink/{rings,channels,coalesce,rss}.c).

Before 5.14 the option was ignored and text came.  What a card does not have is left out.  Early versions print two pairs of the keys rx and
tx in -c, for adaptive moderation and for CQE mode: these cannot be told apart and are not used."""
from __future__ import annotations

from collections.abc import Mapping

from .lines import Block
from .records import Channels, Coalesce, Feature, Features, Indirection, Pause, Record, Rings


def from_json(entry: Mapping[str, object], block: Block) -> list[Record]:
    """One object of ethtool; empty: it is none.  Rings and channels without a key of their own are told apart by the command."""
    if "autonegotiate" in entry:
        return pause_json(entry, block)
    if any(isinstance(v, dict) and "active" in v for v in entry.values()):
        return features_json(entry, block)
    if "rss-indirection-table" in entry or "rss-hash-key" in entry:
        return indirection_json(entry, block)
    if "rx-usecs" in entry or "tx-usecs" in entry:
        return coalesce_json(entry, block)
    keys = set(entry)
    if keys & {"combined", "combined-max", "other", "other-max"} or (keys & {"rx", "rx-max"} and " -l" in block.command):
        return channels_json(entry, block)
    if keys & {"rx", "rx-max"} and (keys & {"rx-mini", "rx-jumbo", "tx-push", "rx-buf-len", "tcp-data-split"} or " -g" in block.command):
        return rings_json(entry, block)
    return []


def _device(entry: Mapping[str, object]) -> str:
    return str(entry.get("ifname", ""))


def _parts(entry: Mapping[str, object], names: tuple[str, ...]) -> tuple[dict[str, int | None], dict[str, int | None]]:
    """(maximum, current) of NAME-max and NAME."""
    found = {n: v for n, v in entry.items() if isinstance(v, int) and not isinstance(v, bool)}
    return ({n.replace("-", "_"): found[f"{n}-max"] for n in names if f"{n}-max" in found},
            {n.replace("-", "_"): found[n] for n in names if n in found})


def rings_json(entry: Mapping[str, object], block: Block) -> list[Record]:
    names = ("rx", "rx-mini", "rx-jumbo", "tx")
    maximum, current = _parts(entry, names)
    other = {n: str(v) for n, v in entry.items() if n.removesuffix("-max") not in names and n != "ifname"}
    return [Rings(device=_device(entry), maximum=maximum, current=current, other=other, source=block.source)]


def channels_json(entry: Mapping[str, object], block: Block) -> list[Record]:
    maximum, current = _parts(entry, ("rx", "tx", "other", "combined"))
    return [Channels(device=_device(entry), maximum=maximum, current=current, source=block.source)]


def coalesce_json(entry: Mapping[str, object], block: Block) -> list[Record]:
    numbers = {n.replace("-frame-", "-frames-"): v for n, v in entry.items() if isinstance(v, int) and not isinstance(v, bool)}
    words = {n: v for n, v in entry.items() if isinstance(v, bool) and n not in ("rx", "tx")}
    return [Coalesce(device=_device(entry), values=numbers, words=words, source=block.source)]


def indirection_json(entry: Mapping[str, object], block: Block) -> list[Record]:
    table, key = entry.get("rss-indirection-table"), entry.get("rss-hash-key")
    queues = tuple(q for q in table if isinstance(q, int)) if isinstance(table, list) else ()
    octets = bytes(b for b in key if isinstance(b, int) and 0 <= b < 256) if isinstance(key, list) else None
    return [Indirection(device=_device(entry), table=queues, key=octets or None, function=str(entry.get("rss-hash-function", "")),
                        source=block.source)]


def features_json(entry: Mapping[str, object], block: Block) -> list[Record]:
    """An object of `ethtool --json -k`: fixed and requested are null where they say nothing."""
    found = {}
    for name, said in entry.items():
        if isinstance(said, dict) and isinstance(said.get("active"), bool):
            on, asked = said["active"], said.get("requested")
            fixed = said.get("fixed") is True
            found[name] = Feature(on, fixed, asked if isinstance(asked, bool) and asked != on and not fixed else None)
    return [Features(device=str(entry.get("ifname", "")), features=found, source=block.source)] if found else []


def pause_json(entry: Mapping[str, object], block: Block) -> list[Record]:
    def said(name: str) -> bool | None:
        value = entry.get(name)
        return value if isinstance(value, bool) else None

    negotiated = entry.get("negotiated")
    both = negotiated if isinstance(negotiated, dict) else {}
    return [Pause(device=str(entry.get("ifname", "")), autoneg=said("autonegotiate"), rx=said("rx"), tx=said("tx"),
                  rx_negotiated=both.get("rx"), tx_negotiated=both.get("tx"), source=block.source)]
