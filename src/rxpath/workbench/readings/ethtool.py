"""ethtool: -S -g -l -c -k -i -x -a -n and without option, as text (ethtool_json.py has its JSON).

A name in -S may hold colons, brackets, dots and blanks: a line is divided at its last colon.  n/a, or 0 before 5.x, is what a card does not
have.  ethtool -i, and -S in a paste, do not name their device: then it is what the command or the file's name says."""
from __future__ import annotations

import re
from collections.abc import Mapping

from .lines import Block, number, on_off
from .records import (
    Channels,
    Coalesce,
    DriverInfo,
    EthtoolStats,
    Feature,
    Features,
    FlowHash,
    FlowRule,
    FlowRules,
    Indirection,
    LinkSettings,
    Pause,
    Record,
    Rings,
    Value,
)

HEADING = re.compile(r"\s*(?:Ring parameters|Channel parameters|Coalesce parameters|Features|Offload parameters|Pause parameters|Settings)"
                     r" for ([^\s:]+(?::\d+)?):\s*$")


def _device(block: Block) -> str:
    """What the heading names, else the command."""
    for line in block:
        if match := HEADING.match(line.text):
            return match[1].partition("@")[0]
    return block.device


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.strip().partition(":")
    return name.strip(), value.strip()


# ---------------------------------------------------------------- -S
OTHERS = {"RX", "TX", "RX Mini", "RX Jumbo", "Combined", "Other"}           # of -g and -l
QUEUE_HEADING = re.compile(r"\s*((?:Rx|Tx) Queue#):\s*(\d{1,20})$")              # vmxnet3: the names below repeat


def statistics(block: Block) -> list[Record]:
    """`name: value` in its order; vmxnet3's blocks keep their heading."""
    values: list[Value] = []
    group = ""
    for line in block:
        text = line.text.strip()
        if match := QUEUE_HEADING.match(text):
            group = f"{match[1]}: {match[2]}"
            continue
        name, colon, said = text.rpartition(":")
        value = number(said)
        name = name.strip()
        if text in ("NIC statistics:", "PHY statistics:", "no stats available") or text.startswith("Standard stats for "):
            continue
        if colon and name and value is not None and name not in OTHERS:
            values.append(Value(name, value, group))
        elif not (colon and name and said.strip().lower() in ("n/a", "na", "-")):
            block.odd(line)
    return [EthtoolStats(device=_device(block), values=tuple(values), source=block.source)] if values else []


# ---------------------------------------------------------------- -g, -l
RING_NAMES = {"RX": "rx", "RX Mini": "rx_mini", "RX Jumbo": "rx_jumbo", "TX": "tx"}
CHANNEL_NAMES = {"RX": "rx", "TX": "tx", "Other": "other", "Combined": "combined"}


def _two_parts(block: Block, names: Mapping[str, str]) -> tuple[dict[str, int | None], dict[str, int | None], dict[str, str]] | None:
    """(maximum, current, other lines) of -g and -l."""
    maximum: dict[str, int | None] = {}
    current: dict[str, int | None] = {}
    other: dict[str, str] = {}
    part = None
    for line in block:
        name, said = _pair(line.text)
        if HEADING.match(line.text):
            continue
        if name == "Pre-set maximums":
            part = maximum
        elif name == "Current hardware settings":
            part = current
        elif part is None:
            block.odd(line)
        elif name in names and (number(said) is not None or said == "n/a"):
            part[names[name]] = number(said)
        elif name in names or not said:
            block.odd(line, "neither a number nor n/a" if name in names else "not recognised")
        else:
            other[name] = said
    return (maximum, current, other) if maximum or current else None


def rings(block: Block) -> list[Record]:
    found = _two_parts(block, RING_NAMES)
    return [Rings(device=_device(block), maximum=found[0], current=found[1], other=found[2], source=block.source)] if found else []


def channels(block: Block) -> list[Record]:
    found = _two_parts(block, CHANNEL_NAMES)
    return [Channels(device=_device(block), maximum=found[0], current=found[1], source=block.source)] if found else []


# ---------------------------------------------------------------- -c
COALESCE = re.compile(r"(stats-block-usecs|sample-interval|pkt-rate-(?:low|high)|(?:rx|tx)-(?:usecs|frames?)(?:-(?:irq|low|high))?|"
                      r"(?:rx|tx)-aggr-[a-z-]+|tx-aggr-[a-z-]+|tx-aggr-time-usecs)$")


def coalesce(block: Block) -> list[Record]:
    """rx-frame-low is rx-frames-low in newer versions; the newer name is kept."""
    values: dict[str, int | None] = {}
    words: dict[str, bool | None] = {}
    for line in block:
        text = line.text.strip()
        if HEADING.match(text):
            continue
        if match := re.match(r"(Adaptive|CQE mode) RX:\s*(\S+)\s+TX:\s*(\S+)$", text):
            prefix = {"Adaptive": "adaptive", "CQE mode": "cqe-mode"}[match[1]]
            words |= {f"{prefix}-rx": on_off(match[2]), f"{prefix}-tx": on_off(match[3])}
            continue
        name, said = _pair(text)
        if COALESCE.match(name) and (number(said) is not None or said == "n/a"):
            values[re.sub(r"-frame-", "-frames-", name)] = number(said)
        else:
            block.odd(line)
    return [Coalesce(device=_device(block), values=values, words=words, source=block.source)] if values or words else []


# ---------------------------------------------------------------- -k
FEATURE = re.compile(r"\s*([a-zA-Z][\w.-]*(?: [\w.-]+)*):\s+(on|off)((?: \[[a-z ]+\])*)$")


def features(block: Block) -> list[Record]:
    found: dict[str, Feature] = {}
    for line in block:
        if match := FEATURE.match(line.text):
            on = match[2] == "on"
            asked = re.search(r"\[requested (on|off)\]", match[3])
            requested = asked[1] == "on" if asked else not on if "[not requested]" in match[3] else None
            found[match[1].replace(" ", "-")] = Feature(on, "[fixed]" in match[3], requested)
        elif not HEADING.match(line.text):
            block.odd(line)
    return [Features(device=_device(block), features=found, source=block.source)] if found else []


# ---------------------------------------------------------------- -i, -a
INFO = {"driver", "version", "firmware-version", "expansion-rom-version", "bus-info", "supports-statistics", "supports-test",
        "supports-eeprom-access", "supports-register-dump", "supports-priv-flags"}


def driver_info(block: Block) -> list[Record]:
    found: dict[str, str] = {}
    for line in block:
        name, said = _pair(line.text)
        if name in INFO:
            found[name] = said
        else:
            block.odd(line)
    if not found.get("driver"):
        return []
    return [DriverInfo(device=_device(block), driver=found["driver"], version=found.get("version", ""),
                       firmware=found.get("firmware-version", ""), bus_info=found.get("bus-info", ""), source=block.source)]


PAUSE = {"Autonegotiate": "autoneg", "RX": "rx", "TX": "tx", "RX negotiated": "rx_negotiated", "TX negotiated": "tx_negotiated"}


def pause(block: Block) -> list[Record]:
    found: dict[str, bool | None] = {}
    counters: dict[str, int] = {}
    for line in block:
        name, said = _pair(line.text)
        value = number(said)
        if HEADING.match(line.text) or (name == "Statistics" and not said):
            continue
        if name in PAUSE and (on_off(said) is not None or said == "n/a"):
            found[PAUSE[name]] = on_off(said)
        elif name.endswith("_frames") and value is not None:
            counters[name] = value
        else:
            block.odd(line)
    if not found:
        return []
    return [Pause(device=_device(block), autoneg=found.get("autoneg"), rx=found.get("rx"), tx=found.get("tx"),
                  rx_negotiated=found.get("rx_negotiated"), tx_negotiated=found.get("tx_negotiated"), counters=counters,
                  source=block.source)]


# ---------------------------------------------------------------- -x, -n
TABLE_HEAD = re.compile(r"\s*RX flow hash indirection table for (\S+?)(?: with (\d{1,9}) RX ring\(s\))?:?$")
TABLE_ROW = re.compile(r"\s*(\d{1,20}):((?:\s+\d{1,6})+)$")


def indirection(block: Block) -> list[Record]:
    """Rows `8: 0 1 2 ...`, the key in hexadecimal, the function that is on; what is not supported is left out."""
    device, ring_count, function = block.device, None, ""
    table: list[int] = []
    key = None
    for line in block:
        text = line.text.strip()
        if match := TABLE_HEAD.match(text):
            device, ring_count = match[1], number(match[2] or "")
        elif match := TABLE_ROW.match(text):
            if int(match[1]) != len(table):
                block.odd(line, f"row {match[1]} comes where {len(table)} belongs")
            else:
                table += [int(w) for w in match[2].split()]
        elif re.fullmatch(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){7,}", text):
            key = bytes.fromhex(text.replace(":", ""))
        elif match := re.fullmatch(r"(toeplitz|xor|crc32|[a-z0-9_-]+): (on|off)", text):
            function = match[1] if match[2] == "on" else function
        elif not re.fullmatch(r"Operation not supported|RSS hash key:|RSS hash function:|RSS input transformation:|RSS indirection table.*",
                              text):
            block.odd(line)
    if ring_count is None and not table and key is None:
        return []
    return [Indirection(device=device, table=tuple(table), rings=ring_count, key=key, function=function, source=block.source)]


HASH_HEAD = re.compile(r"\s*(TCP|UDP|SCTP|AH|ESP|AH/ESP|IPSEC \S+) over IPV?([46]) flows use these fields")
HASH_FIELDS = {"IP SA": "s", "IP DA": "d", "L4 bytes 0 & 1 [TCP/UDP src port]": "f", "L4 bytes 2 & 3 [TCP/UDP dst port]": "n",
               "L2DA": "m", "VLAN tag": "v", "L3 proto": "t", "GTP TEID": "e"}


def flow_hash(block: Block) -> list[Record]:
    """ethtool -n DEV rx-flow-hash udp4."""
    flow, letters, result = "", "", list[Record]()
    for line in block:
        text = line.text.strip()
        if match := HASH_HEAD.match(text):
            if flow:
                result.append(FlowHash(device=block.device, flow=flow, letters=letters, source=block.source))
            flow, letters = match[1].lower() + match[2], ""
        elif text in HASH_FIELDS:
            letters += HASH_FIELDS[text]
        elif text not in ("None", "Hash flow key:") and not text.startswith("For RSS context"):
            block.odd(line)
    if flow:
        result.append(FlowHash(device=block.device, flow=flow, letters=letters, source=block.source))
    return result


def flow_rules(block: Block) -> list[Record]:
    """ethtool -n: `Filter: 1` and its lines."""
    ring_count = None
    rules: list[tuple[int, dict[str, str]]] = []
    for line in block:
        text = line.text.strip()
        name, said = _pair(text)
        if match := re.match(r"(\d{1,9}) RX rings available", text):
            ring_count = int(match[1])
        elif match := re.fullmatch(r"Filter: (\d{1,9})", text):
            rules.append((int(match[1]), {}))
        elif rules and said:
            rules[-1][1][name] = said
        elif not re.match(r"Total \d+ rules", text):
            block.odd(line)
    if ring_count is None and not rules:
        return []
    made = tuple(FlowRule(n, values, _queue(values.get("Action", ""))) for n, values in rules)
    return [FlowRules(device=block.device, rings=ring_count, rules=made, source=block.source)]


def _queue(action: str) -> int | None:
    if action == "Drop":
        return -1
    match = re.match(r"Direct to queue (\d{1,9})", action)
    return int(match[1]) if match else None


# ---------------------------------------------------------------- without option
def settings(block: Block) -> list[Record]:
    """Lines of names; a line without a name goes on with the one before it.  Speed: 10000Mb/s, or Unknown!"""
    values: dict[str, str] = {}
    last = ""
    for line in block:
        if HEADING.match(line.text):
            continue
        name, said = _pair(line.text)
        if name.startswith("Cannot get ") or name == "netlink error":
            block.odd(line)
        elif ":" in line.text and re.fullmatch(r"[A-Z][\w/ ()'-]*", name):
            values[name], last = " ".join(said.split()), name
        elif last:
            values[last] += " " + " ".join(line.text.split())
        else:
            block.odd(line)
    if not values:
        return []
    speed = re.match(r"(\d{1,9})Mb/s", values.get("Speed", ""))
    return [LinkSettings(device=_device(block), speed=int(speed[1]) if speed else None, link=on_off(values.get("Link detected", "")),
                         values=values, source=block.source)]
