"""Where tools saw packets end: perf script and trace_pipe (skb:kfree_skb), perf trace, dropwatch, retis, pwru.

A reason by its name is taken; by its number it differs from kernel to kernel and is refused.  No tool here sees a full ring: such a packet
never was an skb."""
from __future__ import annotations

import re

from .lines import Block
from .records import Drop, Drops, Record

KFREE = re.compile(r"\bkfree_skb: skbaddr=")
PROTOCOL = re.compile(r"\bprotocol=(\d{1,5})\b")
TIME = re.compile(r"\s(\d{1,12}\.\d{1,9}): ")
LOCATION = re.compile(r"\blocation=([A-Za-z_][\w.]*)(?:\+0x[0-9a-f]+)?(?:/0x[0-9a-f]+)?|\blocation=(0x[0-9a-f]+|\(nil\))")
REASON = re.compile(r"\breason: ([A-Z][A-Z0-9_]*)")
BY_NUMBER = "the reason is a number, which differs from kernel to kernel: perf script prints its name"


class _Places:
    """Counts by place, in the order of their first packet."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str, int | None], tuple[int, float | None]] = {}

    def add(self, function: str, reason: str, protocol: int | None, at: float | None = None, count: int = 1) -> None:
        key = (_plain(function), reason, protocol)
        so_far, first = self.found.get(key, (0, at))
        self.found[key] = (so_far + count, first)

    def records(self, tool: str, block: Block) -> list[Record]:
        drops = tuple(Drop(f, r, n, p, at) for (f, r, p), (n, at) in self.found.items())
        return [Drops(tool, drops, source=block.source)] if drops else []


def _plain(function: str) -> str:
    """Without what compilers append: ip_rcv_core.isra.0"""
    return re.sub(r"\.(?:isra|constprop|part|cold|llvm)\b.*$", "", function)


def perf_script(block: Block) -> list[Record]:
    """`location=FUNCTION+0x.. reason: NAME`; kernels before 5.17 have no reason.  Lines of a call chain below are passed over."""
    places = _Places()
    chain = False
    for line in block:
        protocol, where = PROTOCOL.search(line.text), LOCATION.search(line.text)
        if protocol and where and KFREE.search(line.text):
            reason = REASON.search(line.text)
            if reason is None and re.search(r"\breason: \d", line.text):
                block.odd(line, BY_NUMBER)
            else:
                at = TIME.search(line.text)
                places.add(where[1] or "", reason[1] if reason else "", int(protocol[1]), float(at[1]) if at else None)
            chain = True
        elif not (chain and re.match(r"\s+(?:[0-9a-f]{8,16} |=> |\[)", line.text)) and not re.match(r"\s*#", line.text):
            block.odd(line)
    return places.records("perf script", block)


def perf_trace(block: Block) -> list[Record]:
    for line in block:
        block.odd(line, BY_NUMBER)
    return []


DROPWATCH = re.compile(r"\s*(\d{1,12}) drops at (?:location )?([A-Za-z_][\w.]*|0x[0-9a-f]+)?(?:\+(?:0x)?[0-9a-f]+)?(?: \(0x[0-9a-f]+\))?")
DROP_AT = re.compile(r"\s*drop at: ([A-Za-z_][\w.]*|0x[0-9a-f]+)")


def dropwatch(block: Block) -> list[Record]:
    """Summaries (`3 drops at FUNCTION+off`), and packets one by one (`drop at:` and lines below)."""
    places = _Places()
    one: dict[str, str] = {}

    def finish() -> None:
        if one:
            protocol = re.match(r"0x([0-9a-f]{1,4})", one.get("protocol", ""))
            places.add(one["at"], one.get("drop reason", ""), int(protocol[1], 16) if protocol else None)
            one.clear()

    for line in block:
        text = line.text.strip()
        if match := DROPWATCH.match(text):
            finish()
            function = match[2] or ""
            places.add("" if function.startswith("0x") else function, "", None, count=int(match[1]))
        elif match := DROP_AT.match(text):
            finish()
            one["at"] = "" if match[1].startswith("0x") else match[1]
        elif one and (match := re.match(r"([a-z][a-z ]*): (.*)$", text)):
            one[match[1]] = match[2]
        elif not re.match(r"(?:dropwatch>|Initializing|Enabling|Kernel monitoring|Waiting|Issue Ctrl-C|Setting|Got a stop|Terminating|"
                          r"Shutting down|start$|stop$|exit$)", text):
            block.odd(line)
    finish()
    return places.records("dropwatch", block)


RETIS = re.compile(r"\bdrop \((?:reason )?([A-Z][A-Z0-9_]*(?:/[A-Z0-9_]+)?)\)")
RETIS_EVENT = re.compile(r"\s*(\d{9,20}) (?:\([^)]*\) )?\[(?:[^\]]*)\]")


def retis(block: Block) -> list[Record]:
    """`TIME [cpu] ... [tp] skb:kfree_skb ... drop (reason NAME)`, (NAME) in newer versions; a call chain below names the function."""
    places = _Places()
    waiting: tuple[str, float | None] | None = None
    for line in block:
        text = line.text.strip()
        if match := RETIS.search(text):
            if waiting:
                places.add("", waiting[0], None, waiting[1])
            at = RETIS_EVENT.match(text)
            waiting = (match[1].rpartition("/")[2], int(at[1]) / 1e9 if at else None)
        elif waiting and (match := re.match(r"(?:#\d+ |\[[0-9a-fx]+\] )?([a-z_][\w.]*)\+0x", text)):
            if not re.match(r"(?:sk_skb_reason_drop|kfree_skb|__kfree_skb|bpf_|__traceiter|consume_skb)", match[1]):
                places.add(match[1], waiting[0], None, waiting[1])
                waiting = None
        elif not RETIS_EVENT.match(text) and not re.match(r"(?:skb|if|ns|\[|[0-9a-f:.]+ > |[\w.]+\+0x|proto |ct |ovs |[a-z_]+ )", text):
            block.odd(line)
    if waiting:
        places.add("", waiting[0], None, waiting[1])
    return places.records("retis", block)


PWRU = re.compile(r"\s*(0x[0-9a-f]{6,16})\s+\d+\s")
PWRU_DROP = re.compile(r"\b(?:sk_skb_reason_drop|kfree_skb(?:_list)?_reason|skb_release_data)(?:\(SKB_DROP_REASON_([A-Z0-9_]+)\))?")


def pwru(block: Block) -> list[Record]:
    """A table of functions that an skb went through; what came before kfree_skb_reason dropped it."""
    places = _Places()
    before: dict[str, str] = {}
    for line in block:
        match = PWRU.match(line.text)
        if match is None:
            if not re.match(r"\s*(?:SKB\s|\d{4}/\d\d/\d\d |Attaching|Listening|Kernel)", line.text):
                block.odd(line)
            continue
        drop = PWRU_DROP.search(line.text)
        if drop is None:
            before[match[1]] = re.sub(r"\(.*", "", line.text.split()[-1])
        elif drop[1]:
            protocol = re.search(r"\s0x([0-9a-f]{4})\s", line.text[match.end():])
            places.add(before.pop(match[1], ""), drop[1], int(protocol[1], 16) if protocol else None)
    return places.records("pwru", block)


