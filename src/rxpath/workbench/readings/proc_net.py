"""Files of /proc/net: softnet_stat, snmp, netstat, snmp6, dev, sockstat, packet, arp, stat/nf_conntrack, and conntrack -S, which prints the
same.  Formats: net/core/net-procfs.c, net/ipv4/proc.c, net/ipv6/proc.c, net/packet/af_packet.c."""
from __future__ import annotations

import re

from .lines import Block, Line, number
from .records import Conntrack, Neighbour, NetDev, Packet, PacketSocket, Record, Snmp, Sockstat, Softnet, SoftnetRow

SOFTNET_COLUMNS = (15, 13, 11, 10, 9)                   # of 6.4, 5.10, 3.11, 2.6.35 and before


def _softnet_rows(block: Block) -> list[tuple[Line, list[int]]]:
    """Rows of hexadecimal words.  A mail wraps at 72 characters: lines are joined if that gives rows of one known length throughout."""
    lines = [(line, line.text.split()) for line in block]
    for line, words in list(lines):
        if not all(re.fullmatch(r"[0-9a-fA-F]{8}", w) for w in words):
            block.odd(line)
            lines.remove((line, words))
    if any(len(words) not in SOFTNET_COLUMNS for _, words in lines):
        for width in SOFTNET_COLUMNS:
            joined: list[tuple[Line, list[str]]] = []
            for line, words in lines:
                if joined and len(joined[-1][1]) < width:
                    joined[-1] = (joined[-1][0], joined[-1][1] + words)
                else:
                    joined.append((line, words))
            if len(joined) < len(lines) and all(len(words) == width for _, words in joined):
                lines = joined
                break
    return [(line, [int(w, 16) for w in words]) for line, words in lines]


def softnet_stat(block: Block) -> list[Record]:
    """9, 10, 11, 13 or 15 columns.  Below 13 row i is of the i-th CPU that is online; also where the column of CPUs cannot be true.  Parts
    with an empty line between them that have as many rows each are moments."""
    moments: list[list[list[int]]] = []
    last = None
    empty = {line.number for line in block.lines if not line.text.strip()}
    for line, words in _softnet_rows(block):
        if len(words) not in SOFTNET_COLUMNS:
            block.odd(line, f"{len(words)} columns: a kernel prints {', '.join(map(str, sorted(SOFTNET_COLUMNS)))}")
            continue
        if last is None or not empty.isdisjoint(range(last, line.number)):
            moments.append([])
        moments[-1].append(words)
        last = line.number
    if len({len(rows) for rows in moments}) > 1:
        moments = [[words for rows in moments for words in rows]]
    return [made for rows in moments for made in _softnet(rows, block)]


def _softnet(rows: list[list[int]], block: Block) -> list[Record]:
    named = [w[12] for w in rows if len(w) >= 13]
    known = len(named) == len(rows) and len(set(named)) == len(named)
    if not rows:
        return []
    result = []
    for i, w in enumerate(rows):
        w_or_none = [*w, *[None] * (15 - len(w))]
        result.append(SoftnetRow(w[12] if known else i, w[0], w[1], w[2], w[8], w_or_none[9], w_or_none[10], w_or_none[11],
                                 w_or_none[13], w_or_none[14]))
    return [Softnet(tuple(result), known, source=block.source)]


PAIR = re.compile(r"\s*([A-Z][A-Za-z0-9]*):(?: |$)")


def snmp(block: Block) -> list[Record]:
    """Pairs of lines, `Group: names` and `Group: values`: /proc/net/snmp and netstat."""
    result: list[Record] = []
    groups: dict[str, dict[str, int]] = {}
    waiting: Line | None = None
    for line in block.rows(PAIR, re.compile(r"\s*(?:[A-Z]\w*|-?\d+)(?:\s+(?:[A-Z]\w*|-?\d+))*$")):
        words = line.text.split()
        match = PAIR.match(line.text)
        if match is None:
            block.odd(line)
        elif waiting is None:
            waiting = line
        elif waiting.text.split()[0] != words[0]:
            block.odd(waiting, "its line of values is missing")
            waiting = line
        else:
            names, values = waiting.text.split()[1:], [number(w) for w in words[1:]]
            if len(names) != len(values) or None in values or any(number(n) is not None for n in names):
                block.odd(waiting, "names and values do not match" if len(names) == len(values) else
                          f"{len(names)} names and {len(values)} values")
                block.odd(line, "the same")
            else:
                if match[1] in groups:                  # the next moment
                    result.append(Snmp(groups, tool="/proc/net", source=block.source))
                    groups = {}
                groups[match[1]] = {n: v for n, v in zip(names, values, strict=True) if v is not None}
            waiting = None
    if waiting is not None:
        block.odd(waiting, "its line of values is missing")
    if groups:
        result.append(Snmp(groups, tool="/proc/net", source=block.source))
    return result


GROUPS = ("IcmpMsg", "Icmp6", "Icmp", "IpExt", "Ip6", "Ip", "MPTcpExt", "TcpExt", "Tcp", "UdpLite6", "UdpLite", "Udp6", "Udp", "Sctp")


def group_and_name(text: str) -> tuple[str, str] | None:
    """UdpRcvbufErrors -> Udp, RcvbufErrors: how nstat and snmp6 write them."""
    return next(((g, text[len(g):]) for g in GROUPS if text.startswith(g) and text[len(g):len(g) + 1].isupper()), None)


def snmp6(block: Block) -> list[Record]:
    """A name and a value on each line."""
    return [made for part in block.parts(lambda line: line.text.split()[0]) for made in _snmp6(part, block)]


def _snmp6(lines: list[Line], block: Block) -> list[Record]:
    groups: dict[str, dict[str, int]] = {}
    for line in lines:
        words = line.text.split()
        where = group_and_name(words[0])
        value = number(words[1]) if len(words) == 2 else None
        if where is None or value is None:
            block.odd(line)
        else:
            groups.setdefault(where[0], {})[where[1]] = value
    return [Snmp(groups, tool="/proc/net/snmp6", source=block.source_of(lines))] if groups else []


RX = ("bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast")
TX = ("bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed")
DEV_NAMES = tuple(f"rx_{n}" for n in RX) + tuple(f"tx_{n}" for n in TX)
DEV_ROW = re.compile(r"\s*([^\s:|]+(?::[^\s:]+)?):\s*\d")


def dev(block: Block) -> list[Record]:
    """/proc/net/dev: 16 numbers after the name; a long number may touch the colon."""
    devices: dict[str, dict[str, int]] = {}
    for line in block.rows(re.compile(rf"{DEV_ROW.pattern}|\s*Inter-|\s*face\s*\|"), re.compile(r"[\d\s]+$")):
        match = DEV_ROW.match(line.text)
        if match is None:
            if "|" not in line.text:
                block.odd(line)
            continue
        values = [number(w) for w in line.text[match.end() - 1:].split()]
        if len(values) != len(DEV_NAMES) or None in values:
            block.odd(line, f"{len(values)} numbers: the kernel prints {len(DEV_NAMES)}")
        else:
            devices[match[1]] = {n: v for n, v in zip(DEV_NAMES, values, strict=True) if v is not None}
    return [NetDev(devices, source=block.source)] if devices else []


def sockstat(block: Block) -> list[Record]:
    """sockets: used 3 / UDP: inuse 2 mem 4"""
    return [made for part in block.parts(lambda line: line.text.split()[0]) for made in _sockstat(part, block)]


def _sockstat(lines: list[Line], block: Block) -> list[Record]:
    protocols: dict[str, dict[str, int]] = {}
    for line in lines:
        words = line.text.split()
        values = [number(w) for w in words[2::2]]
        if not words[0].endswith(":") or not values or len(words) % 2 == 0 or None in values:
            block.odd(line)
        else:
            protocols[words[0][:-1]] = {n: v for n, v in zip(words[1::2], values, strict=True) if v is not None}
    return [Sockstat(protocols, source=block.source_of(lines))] if protocols else []


def packet(block: Block) -> list[Record]:
    """/proc/net/packet: sk RefCnt Type Proto Iface R Rmem User Inode"""
    sockets = []
    for line in block:
        words = line.text.split()
        if words[:1] == ["sk"]:
            continue
        if len(words) != 9 or not re.fullmatch(r"[0-9a-fA-F]{1,8}", words[3]) or None in [number(w) for w in (words[2], *words[4:])]:
            block.odd(line)
            continue
        sockets.append(PacketSocket(int(words[2]), int(words[3], 16), int(words[4]), int(words[6]), int(words[7]), int(words[8])))
    return [Packet(tuple(sockets), source=block.source)]


def arp(block: Block) -> list[Record]:
    """/proc/net/arp; flags 0x2: complete, 0x4: permanent."""
    found: list[Record] = []
    for line in block:
        words = line.text.split()
        if words[:2] == ["IP", "address"]:
            continue
        if len(words) != 6 or not re.fullmatch(r"0x[0-9a-f]{1,4}", words[2]):
            block.odd(line)
            continue
        flags = int(words[2], 16)
        state = "PERMANENT" if flags & 4 else "REACHABLE" if flags & 2 else "INCOMPLETE"
        found.append(Neighbour(device=words[5], address=words[0], mac=words[3], state=state, source=block.source_of([line])))
    return found


def conntrack_stat(block: Block) -> list[Record]:
    """/proc/net/stat/nf_conntrack: a line of names, a line of hexadecimal numbers for each CPU; entries is the same in all."""
    names: list[str] = []
    sums: dict[str, int] = {}
    entries = None
    for line in block:
        words = line.text.split()
        if words[0] == "entries":
            names = words
        elif len(words) != len(names) or not all(re.fullmatch(r"[0-9a-fA-F]{1,16}", w) for w in words):
            block.odd(line)
        else:
            entries = int(words[0], 16)
            for n, w in zip(names[1:], words[1:], strict=True):
                sums[n] = sums.get(n, 0) + int(w, 16)
    return [Conntrack(sums, entries, source=block.source)] if sums else []


def conntrack_s(block: Block) -> list[Record]:
    """conntrack -S: cpu=0 found=0 invalid=3 insert=0 insert_failed=0 drop=0 ..."""
    sums: dict[str, int] = {}
    for line in block:
        pairs = re.findall(r"([a-z_]+)=(\d{1,20})(?=\s|$)", line.text)
        if not pairs or pairs[0][0] != "cpu":
            block.odd(line)
        for n, w in pairs[1:]:
            sums[n] = sums.get(n, 0) + int(w)
    return [Conntrack(sums, source=block.source)] if sums else []
