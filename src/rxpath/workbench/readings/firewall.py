"""iptables-save, iptables -nvL, nft list ruleset: rules with what they have counted, so that a rule that drops can be seen.  The text of
iptables-save is kept as it is: `[iptables]` of a host file takes it (workbench/host/iptables)."""
from __future__ import annotations

import re

from .lines import Block, number
from .records import Record, RuleCount, Rules

SAVE_ROW = re.compile(r"\s*(?:\[(\d{1,20}):(\d{1,20})\] )?-[AI] (\S+)(.*)$")
SAVE_CHAIN = re.compile(r"\s*:(\S+) (\S+)(?: \[(\d{1,20}):(\d{1,20})\])?\s*$")
SAVE_BEGIN = re.compile(r"\s*(?:\*|:\S+ \S+ \[|(?:\[\d+:\d+\] )?-[AIN] |COMMIT|#)")


def iptables_save(block: Block) -> list[Record]:
    """`*table`, `:CHAIN POLICY [packets:bytes]`, rules with their counters in front where it was -c."""
    rules: list[RuleCount] = []
    text: list[str] = []
    table, numbers, family = "filter", dict[str, int](), 4
    for line in block.rows(SAVE_BEGIN, re.compile(r"\s*(?:--?[a-zA-Z]|! |\S+$)")):
        said = line.text.strip()
        if said.startswith("#"):
            family = 6 if "ip6tables" in said else family
            continue
        if match := re.fullmatch(r"\*([a-z]+)", said):
            table, numbers = match[1], {}
        elif match := SAVE_CHAIN.match(said):
            if match[2] != "-":
                rules.append(RuleCount(table, match[1], 0, match[2], said, number(match[3] or ""), number(match[4] or "")))
        elif match := SAVE_ROW.match(said):
            numbers[match[3]] = numbers.get(match[3], 0) + 1
            target = re.search(r"(?:^| )(?:-j|-g|--jump|--goto) (\S+)", match[4])
            rules.append(RuleCount(table, match[3], numbers[match[3]], target[1] if target else "", said, number(match[1] or ""),
                                   number(match[2] or "")))
        elif said != "COMMIT" and not said.startswith("-N "):
            block.odd(line)
            continue
        text.append(said)
    if not text:
        return []
    tool = "ip6tables-save" if family == 6 or "ip6tables" in block.command else "iptables-save"
    return [Rules(tool, tuple(rules), "\n".join(text) + "\n", 6 if tool.startswith("ip6") else 4, source=block.source)]


CHAIN = re.compile(r"\s*Chain (\S+) \((?:policy (\S+?)(?: (\d+[KMGT]?) packets, (\d+[KMGT]?) bytes)?|\d+ references?)\)\s*$")
OPT = re.compile(r"--|-f|!f")
SUFFIX = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000, "T": 1_000_000_000_000}


def _rounded(text: str | None) -> int | None:
    """4175, or 1130K as iptables rounds it without -x."""
    match = re.fullmatch(r"(\d{1,20})([KMGT]?)", text or "")
    return int(match[1]) * SUFFIX[match[2]] if match else None


def iptables_list(block: Block) -> list[Record]:
    """iptables -nvL and -nL: columns by their header; a rule without a target has an empty column."""
    found = re.search(r"-t[ _]?(\w+)", block.command)
    table = found[1] if found else "filter"
    rules: list[RuleCount] = []
    chain, n, counted, numbered = "", 0, False, False
    for line in block:
        words = line.text.split()
        if match := CHAIN.match(line.text):
            chain, n = match[1], 0
            if match[2]:
                rules.append(RuleCount(table, chain, 0, match[2], line.text.strip(), _rounded(match[3]), _rounded(match[4])))
        elif words[:2] == ["pkts", "bytes"] or words[:1] == ["target"] or words[:1] == ["num"]:
            counted, numbered = "pkts" in words, words[0] == "num"
        else:
            opts = [i for i, w in enumerate(words) if OPT.fullmatch(w)]
            first = (1 if numbered else 0) + (2 if counted else 0)
            if not chain or not opts or not first <= opts[0] - 1 <= first + 1 or (counted and _rounded(words[first - 2]) is None):
                block.odd(line)
                continue
            n += 1
            target = words[first] if opts[0] - 1 == first + 1 else ""
            packets, octets = (_rounded(words[first - 2]), _rounded(words[first - 1])) if counted else (None, None)
            rules.append(RuleCount(table, chain, n, target, " ".join(words[first:]), packets, octets))
    family = 6 if "ip6tables" in block.command else 4
    return [Rules("ip6tables" if family == 6 else "iptables", tuple(rules), family=family, source=block.source)] if rules else []


NFT_COUNTER = re.compile(r"\bcounter packets (\d{1,20}) bytes (\d{1,20})")
NFT_TARGET = re.compile(r"\b(accept|drop|reject|return|queue|continue|masquerade|snat|dnat|redirect|notrack|log|(?:jump|goto) \S+)\b")


def nft(block: Block) -> list[Record]:
    """nft list ruleset: tables and chains by their braces, a rule on each line."""
    rules: list[RuleCount] = []
    stack: list[tuple[str, str]] = []
    n = 0
    for line in block:
        text = line.text.strip()
        if match := re.match(r"(table|chain|set|map|flowtable|ct \w+|counter|quota|limit|meter|secmark|synproxy)\b(.*)\{(.*)$", text):
            if "}" not in match[3]:
                stack.append((match[1], match[2].strip()))
            n = 0
        elif text == "}":
            if not stack:
                block.odd(line)
            else:
                stack.pop()
        elif not stack or text.startswith("#"):
            if not text.startswith(("#", "}")):
                block.odd(line)
        elif stack[-1][0] == "chain":
            table = stack[0][1]
            if match := re.search(r"\bpolicy (\w+);", text):
                rules.append(RuleCount(table, stack[-1][1], 0, match[1], text))
            elif not text.startswith(("type ", "comment ")):
                n += 1
                counter = NFT_COUNTER.search(text)
                targets = NFT_TARGET.findall(NFT_COUNTER.sub("", text))
                rules.append(RuleCount(table, stack[-1][1], n, targets[-1] if targets else "", text,
                                       int(counter[1]) if counter else None, int(counter[2]) if counter else None))
    return [Rules("nft", tuple(rules), family=0, source=block.source)] if rules else []


