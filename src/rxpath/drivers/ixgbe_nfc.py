"""ethtool -N / -U of ixgbe: Flow Director's perfect filters, in ethtool's own words, and what ixgbe refuses.

    flow-type udp4 dst-port 5000 action 2 [loc 7]
    flow-type tcp4 src-ip 10.0.0.0 m 0.0.0.255 action 1        m: the bits that are not compared
    flow-type ip4 src-ip 10.0.0.2 action -1                    the card drops it

Read by host/check.py before a run and by ixgbe_ethtool.py on a device.  All filters of a card have the same mask: which fields are
compared, and which bits of them.  Source: ixgbe_add_ethtool_fdir_entry(), ixgbe_flowspec_to_flow_type() [S]."""
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..abi.limits import NFDIR

FLOWS = {"tcp4": 6, "udp4": 17, "sctp4": 132, "ip4": 0}
WORDS = '"flow-type udp4 dst-port 5000 action 1", "flow-type ip4 src-ip 10.0.0.2 action -1"'
ADDRESS, PORT = 0xFFFFFFFF, 0xFFFF
FIELDS = {"src-ip": ADDRESS, "dst-ip": ADDRESS, "src-port": PORT, "dst-port": PORT}


@dataclass(frozen=True)
class Nfc:
    """One rule.  action -1: dropped.  loc -1: the highest free place, as ethtool chooses it.  values and masks in the order of FIELDS."""

    action: int
    proto: int
    values: tuple[int, ...]
    masks: tuple[int, ...]
    loc: int = -1

    @property
    def mask(self) -> tuple[object, ...]:
        """What all rules of a card share."""
        return (self.proto == 0, *self.masks)


def _value(word: str, text: str) -> int:
    if word.endswith("-ip") and re.fullmatch(r"[0-9.]+", text):
        try:
            return int(ipaddress.IPv4Address(text))
        except ValueError:
            pass
    elif not word.endswith("-ip") and re.fullmatch(r"0x[0-9a-fA-F]{1,4}|[0-9]{1,5}|-1", text):
        return int(text, 0) if text.startswith("0x") else int(text)
    raise ValueError(f"{word} {text}: {'an IPv4 address' if word.endswith('-ip') else 'a number'}")


def parse(text: str) -> Nfc:
    """A rule as ethtool takes it.  ValueError: what is wrong, or what ixgbe refuses."""
    words = text.split()
    if words[:1] != ["flow-type"] or len(words) < 2:
        raise ValueError(f"a rule as ethtool -N takes it: {WORDS}")
    if words[1] not in FLOWS:
        raise ValueError(f"flow-type {words[1]}: ixgbe takes {', '.join(FLOWS)} (EINVAL)")
    allowed = [*(f for f in FIELDS if words[1] != "ip4" or f.endswith("-ip")), "action", "loc"]
    given: dict[str, int] = {}
    masks: dict[str, int] = {}
    i = 2
    while i < len(words):
        word, value = words[i], words[i + 1] if i + 1 < len(words) else ""
        if word not in allowed:
            raise ValueError(f"{word}: flow-type {words[1]} takes {', '.join(allowed)}")
        if word in given:
            raise ValueError(f"{word} twice")
        given[word] = _value(word, value)
        if word in FIELDS:
            masks[word] = FIELDS[word]
        i += 2
        if word in FIELDS and words[i:i + 1] == ["m"]:
            masks[word] = FIELDS[word] & ~_value(word, words[i + 1] if i + 1 < len(words) else "")
            i += 2
    if "action" not in given:
        raise ValueError("action is missing: the queue, or -1 to drop")
    if not any(masks.values()):
        raise ValueError(f"nothing to compare: {', '.join(f for f in allowed if f in FIELDS)}")
    if any(given.get(f, 0) > most for f, most in FIELDS.items()):
        raise ValueError(f"a port is 0 to {PORT}")
    return Nfc(given["action"], FLOWS[words[1]], tuple(given.get(f, 0) & masks.get(f, 0) for f in FIELDS),
               tuple(masks.get(f, 0) for f in FIELDS), given.get("loc", -1))


def admit(rule: Nfc, model: str, queues: int, before: Sequence[Nfc]) -> Nfc:
    """The rule with its place, beside those that are there; ValueError: why not."""
    if not -1 <= rule.action < queues:
        raise ValueError(f"action {rule.action}: a queue, 0 to {queues - 1}, or -1 to drop (EINVAL)")
    taken = {r.loc for r in before}
    loc = rule.loc if rule.loc >= 0 else max((i for i in range(NFDIR) if i not in taken), default=NFDIR)
    if loc >= NFDIR:
        raise ValueError(f"loc: ixgbe has places 0 to {NFDIR - 1} (EINVAL)")
    others = [r for r in before if r.loc != loc]
    if others and others[0].mask != rule.mask:
        raise ValueError("all filters of an ixgbe compare the same fields and bits (one mask, EINVAL): this one compares others")
    if any((r.proto, r.values) == (rule.proto, rule.values) for r in others):
        raise ValueError("this filter is already set (EINVAL)")
    return Nfc(rule.action, rule.proto, rule.values, rule.masks, loc)
