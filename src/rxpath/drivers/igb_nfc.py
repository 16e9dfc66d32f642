"""ethtool -N / -U of igb: the rules of its RX network flow classification, in ethtool's own words, and what igb refuses.

    flow-type ether proto 0x88f7 action 1 [loc 3]
    flow-type ether vlan 0x6000 m 0x1fff action 2          the three bits of the VLAN priority, and nothing else of the tag
    flow-type ether dst 02:00:00:00:00:01 action 3         i350, i210; src: i210 only

Read by host/check.py before a run and by igb_ethtool.py on a device.  igb knows no flow-type udp4, tcp4 or ip4 - its driver has no filter
for addresses or ports - and 82576 takes no rule at all: the driver offers NTUPLE from i350 on.
Source: igb_add_ethtool_nfc_entry() and igb_add_filter() of igb_ethtool.c [V]; which card has which filter [K]."""
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .rows import IGB

FILTERS_MAX, ETYPES_MAX = 16, 4                             # IGB_MAX_RXNFC_FILTERS, MAX_ETYPE_FILTER
PRIO_MASK = 0xE000
WORDS = '"flow-type ether proto 0x88f7 action 1", "... vlan 0x6000 m 0x1fff ...", "... dst 02:00:00:00:00:01 ..."'


@dataclass(frozen=True)
class Nfc:
    """One rule.  loc -1: the highest free place, as ethtool chooses it."""

    action: int
    loc: int = -1
    etype: int | None = None
    prio: int | None = None
    dst: int | None = None
    src: int | None = None


def _number(word: str, text: str) -> int:
    if not re.fullmatch(r"0x[0-9a-fA-F]{1,8}|[0-9]{1,9}|-1", text):
        raise ValueError(f"{word} {text}: a number, or one in hexadecimal with 0x")
    return int(text, 0) if text.startswith("0x") else int(text)


def _mac(word: str, text: str) -> int:
    if not re.fullmatch(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", text):
        raise ValueError(f"{word} {text}: a MAC address such as 02:00:00:00:00:01")
    return int(text.replace(":", ""), 16)


def parse(text: str) -> Nfc:
    """A rule as ethtool takes it.  ValueError: what is wrong, or what igb refuses whatever the card."""
    words = text.split()
    if words[:1] != ["flow-type"] or len(words) < 2:
        raise ValueError(f"a rule as ethtool -N takes it: {WORDS}")
    if words[1] != "ether":
        raise ValueError(f"flow-type {words[1]}: igb takes flow-type ether only (EINVAL), it has no filter for addresses or ports; "
                         "rx-flow-hash-udp4 = sdfn spreads ports, RPS and RFS steer flows")
    given: dict[str, int] = {}
    i = 2
    while i < len(words):
        word, value = words[i], words[i + 1] if i + 1 < len(words) else ""
        if word not in ("proto", "vlan", "dst", "src", "action", "loc"):
            raise ValueError(f"{word}: igb compares proto, vlan, dst and src, and takes action and loc")
        if word in given:
            raise ValueError(f"{word} twice")
        given[word] = (_mac if word in ("dst", "src") else _number)(word, value)
        i += 2
        if i < len(words) and words[i] == "m":
            mask = words[i + 1] if i + 1 < len(words) else ""
            ignored = _mac("m", mask) if word in ("dst", "src") else _number("m", mask)
            i += 2
            if word == "vlan":
                given["ignored"] = ignored
            elif ignored:
                raise ValueError(f"{word} m {mask}: igb compares the whole of it (EINVAL)")
    if "vlan" in given and (~given.get("ignored", 0) & 0xFFFF) != PRIO_MASK:
        raise ValueError("vlan: igb compares the priority only (EINVAL): vlan 0x6000 m 0x1fff")
    if "action" not in given:
        raise ValueError("action is missing: the queue")
    if not {"proto", "vlan", "dst", "src"} & set(given):
        raise ValueError("nothing to compare: proto, vlan, dst or src")
    if not 0 <= given.get("proto", 0) <= 0xFFFF or not 0 <= given.get("vlan", 0) <= 0xFFFF:
        raise ValueError("proto and vlan have 16 bits")
    prio = given["vlan"] >> 13 if "vlan" in given else None
    return Nfc(given["action"], given.get("loc", -1), given.get("proto"), prio, given.get("dst"), given.get("src"))


def admit(rule: Nfc, model: str, queues: int, before: Sequence[Nfc]) -> Nfc:
    """The rule with its place, as igb_add_ethtool_nfc_entry() takes it beside those that are there; ValueError: why not."""
    if model not in IGB.filter_models:
        raise ValueError(f"igb takes no ethtool -N rules on {model} (EOPNOTSUPP): the driver offers NTUPLE from i350 on; set nic.model")
    if not 0 <= rule.action < queues:
        raise ValueError(f"action {rule.action}: a queue, 0 to {queues - 1}" + (" (igb cannot drop)" if rule.action < 0 else ""))
    taken = {r.loc for r in before}
    loc = rule.loc if rule.loc >= 0 else max((i for i in range(FILTERS_MAX) if i not in taken), default=FILTERS_MAX)
    if loc >= FILTERS_MAX:
        raise ValueError(f"loc: igb has {FILTERS_MAX} places, 0 to {FILTERS_MAX - 1}" if rule.loc >= 0 else f"igb has {FILTERS_MAX} places")
    if rule.src is not None and model != "i210":
        raise ValueError(f"src: only i210 compares source addresses, not {model}")
    others = [r for r in before if r.loc != loc]
    if any((r.etype, r.prio, r.dst, r.src) == (rule.etype, rule.prio, rule.dst, rule.src) for r in others):
        raise ValueError("this filter is already set (EEXIST)")
    if rule.etype is not None and sum(r.etype is not None for r in others) >= ETYPES_MAX:
        raise ValueError(f"EtherType filters are all used: there are {ETYPES_MAX} (EINVAL)")
    if rule.prio is not None and any(r.prio == rule.prio and r.action != rule.action for r in others):
        raise ValueError(f"VLAN priority {rule.prio} goes to another queue already (EEXIST)")
    return Nfc(rule.action, loc, rule.etype, rule.prio, rule.dst, rule.src)


def indirection(text: str, queues: int, size: int) -> list[int]:
    """ethtool -X's table: "default", "[start S] equal N", "[start S] weight W0 W1 ...".  ValueError: what is allowed."""
    words, start = text.split(), 0
    allowed = 'default, "equal N", "weight W0 W1 ...", each with "start S" before it'
    if words == ["default"]:
        return [i * queues // size for i in range(size)]
    if words[:1] == ["start"] and len(words) > 2 and words[1].isascii() and words[1].isdigit():
        start, words = int(words[1]), words[2:]
    numbers = words[1:]
    if words[:1] not in (["equal"], ["weight"]) or not numbers or not all(w.isascii() and w.isdigit() and len(w) < 5 for w in numbers):
        raise ValueError(allowed)
    values = [int(w) for w in numbers]
    if words[0] == "equal":
        if len(values) != 1 or values[0] < 1:
            raise ValueError(allowed)
        return [start + i % values[0] for i in range(size)]
    if not 0 < sum(values) <= size:
        raise ValueError(f"weight: the sum is {sum(values)}, 1 to {size} is allowed")
    table, queue, partial = [], -1, 0
    for i in range(size):
        while i >= size * partial // sum(values):
            queue += 1
            partial += values[queue]
        table.append(start + queue)
    return table
