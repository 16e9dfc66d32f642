"""From a text to a Reading: whose lines are these?

Lines are walked once.  A prompt, a command, a heading that head(1) or supportconfig writes says what follows; else a first line or a row
tells its format (formats.py).  Each stretch goes to its reader; what the reader could not use at the end of a stretch is walked again as
if nothing were open, and what nobody wants is said, with its line."""
from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise

from . import json_in
from .formats import HEAD, ROW, SAID, WEAK, Format, which
from .lines import Block, Line, lines_of
from .places import said_by
from .records import (
    Address,
    DeviceRecord,
    Drops,
    FlowHash,
    Link,
    Moment,
    Neighbour,
    Reading,
    Record,
    Route,
    Rules,
    Snmp,
    Sysctls,
    Unread,
)

UNREAD_MOST = 1000                  # lines that are said one by one; more are counted
DEPTH_MOST = 4                      # how often what was left over may be walked again
_TOOLS = (r"(?:ethtool|nstat|ss|netstat|ifconfig|lscpu|mpstat|iptables(?:-save)?|ip6tables(?:-save)?|nft|sysctl|conntrack|dropwatch|"
          r"pwru|perf|uname|ip|cat|head|tail|nsenter|grep|retis|date|uptime|watch|for|curl|numactl|cd|ls|sleep|lspci|zcat)")
_COMMAND = rf"(?:sudo (?:-\w+ )*)?(?:/(?:\w+/)*)?{_TOOLS}"
# user@host:~# COMMAND, [root@host ~]# COMMAND: whatever the command is
PROMPT = re.compile(r"\s*(?:\(\S+\) ?)?(?:\[[\w.-]+@[^\]]{1,80}\] ?[#$%>]|[\w.-]+@[\w.-]+[^#$%>|]{0,80}[#$%>])(?: +(\S.*))?$")
# $ COMMAND, # COMMAND, bash-4.2# COMMAND, / # COMMAND, + COMMAND: only one that we know
BARE = re.compile(rf"\s*(?:[\w.~/-]* ?[#$%] ?|\+ )({_COMMAND}\b(?: .*)?)$")
# a line that is a command alone
ALONE = re.compile(r"\s*((?:sudo )?(?:/(?:\w+/)*)?(?:ethtool|nstat|ss|netstat|mpstat|iptables|ip6tables|sysctl|conntrack|nft|perf|ip) "
                   r"(?:-\w|--\w|link|addr|route|neigh|list|script)\S*(?: \S+){0,6}|(?:sudo )?cat /proc/\S+|"
                   r"iptables-save|nstat|lscpu|lspci -nn\w*)\s*$")
# ==> FILE <== of head and tail; #==[ Command ]==# and # /usr/sbin/ethtool -S eth0 of supportconfig
TITLE = re.compile(r"==> (\S.*) <==\s*$|#==\[ (?:Command|Configuration File|Log File|Verification|System) \]=*#|"
                   r"-{3,}+ ?([^-].{0,150}?) ?-{3,}\s*$|"
                   r"={3,}+ ?([^=].{0,150}?) ?={3,}\s*$")
REFUSED = re.compile(r"\s*(?:Cannot get |netlink error|ethtool: bad|no stats available|For more information run|Operation not supported|"
                     r"No data available|RX classification rule|Cannot find device|Device \S+ does not exist)|.*(?:you must be root|"
                     r": (?:command not found|No such file|[Pp]ermission denied|Operation not (?:permitted|supported)|No such device))")
JSON = re.compile(r"\s*(?:\[\s*(?:[{\]]|$)|\{\s*(?:[\"}]|$))")
NETNS = re.compile(r"(?:^|.*? )ip netns exec (\S+) (.*)$")
NETNS_FOLDER = re.compile(r"(?:^|/)namespaces/([^/]+)/|(?:^|/)network-([\w.-]+)\.txt$")         # of sos and of supportconfig
IN_NETNS = frozenset("ip ethtool ss netstat nstat iptables ip6tables iptables-save ip6tables-save nft sysctl conntrack cat".split())


@dataclass(frozen=True)
class Context:
    """What a command or a name said about the lines below it."""

    format: Format | None = None
    device: str = ""
    netns: str = ""
    command: str = ""
    passing: bool = False               # lines below that nobody recognises are of no use here, and counted


def context_of(said: str, netns: str = "") -> Context:
    """Of a command line or a file's name.  sos writes _ for a blank and . for a slash in names; a pipe's first command counts, of several
    after ; the last."""
    text = " ".join(re.sub(r"\s*(?:\||2>|>|&&).*", "", said).split())
    text = re.sub(r"\.(?:txt|out|log|json|gz|xz|bz2)$", "", text)
    if "ip_netns" in text and (match := NETNS.match(re.sub(r"[/_]", " ", text))):
        words = f"{match[1]} {match[2]}".split()
        for n in range(len(words) - 1, 0, -1):              # a name with _ in it ends where a command begins that somebody reads
            found = _recognised(" ".join(words[n:]), "_".join(words[:n]))
            if words[n] in IN_NETNS and found.format is not None:
                return found
        netns, text = match[1], match[2]
    elif match := NETNS.match(text):
        netns, text = match[1], match[2]
    return _recognised(text, netns)


def read_file(data: str, name: str) -> Reading:
    """A text of an archive, a directory or a case, whose name may say the network namespace, too."""
    netns = NETNS_FOLDER.search(name)
    return read_text(data, name, (netns[1] or netns[2]) if netns else "")


def _recognised(text: str, netns: str) -> Context:
    plain = " ".join(re.sub(r"[/_]", " ", text).split())
    for pattern, form in SAID:
        match = pattern.fullmatch(plain)
        if match:
            device = (match[1] or "") if pattern.groups else ""
            return Context(form, device.replace(" ", "_"), netns, text)
    return Context(None, "", netns, text)


class Walk:
    """A walk over a text's lines."""

    def __init__(self, file: str, context: Context) -> None:
        self.file = file
        self.context = context
        self.records: list[Record] = []
        self.unread: list[Unread] = []
        self.uncounted = self.passed = 0
        self.form: Format | None = None
        self.open: list[Line] = []
        self.attempts = 0
        self.depth = 0

    # -------------------------------------------------------- what a line is
    def title(self, line: Line) -> bool:
        """A prompt, a command, a title: it is no data, and says what follows."""
        text = line.text
        command = None
        if match := PROMPT.match(text):
            command = match[1] or ""
        elif match := BARE.match(text) or ALONE.match(text):
            command = match[1]
        elif match := TITLE.match(text):
            named = next((g for g in match.groups() if g), "")
            if named and context_of(named).format is None and not match[1]:
                return False
            command = named
        elif text.startswith("# /") and re.match(r"# /(?:proc|etc|sys|sbin|usr|bin)/", text):
            command = text[2:]                          # of supportconfig
        if command is None:
            return False
        self.close()
        self.context = context_of(command, self.context.netns)
        if text.startswith(("# /", "#==[")):
            self.context = replace(self.context, passing=True)
        return True

    def walk(self, lines: list[Line]) -> None:
        """All lines."""
        at = 0
        self.form = self.context.format
        while at < len(lines):
            line = lines[at]
            at += 1
            text = line.text
            if not text or text.isspace():
                if self.open:
                    self.open.append(line)
                continue
            if self.title(line):
                self.form = self.context.format
                continue
            if text.lstrip()[0] in "[{" and self.attempts < json_in.ATTEMPTS_MOST and JSON.match(text):
                self.attempts += 1
                if found := json_in.value_at(lines, at - 1):
                    self.close()
                    self.take_json(found[0], lines[at - 1:found[1]])
                    at = found[1]
                    continue
            self.place(line)
        self.close()

    def place(self, line: Line) -> None:
        """Into the stretch that is open, or a new one."""
        text = line.text
        if self.form is not None and self.form.whole:
            pass
        elif (head := which(HEAD, text)) is not None:
            self.close()
            self.form = head
        elif self.form is not None and self.form.row and re.match(self.form.row, text):
            pass
        elif (row := which(ROW, text)) is not None:
            self.close()
            self.form = row
        elif self.form is None and (weak := which(WEAK, text)) is not None:
            self.form = weak
        elif self.form is None and text.lstrip()[0] in "#;":            # a comment
            return
        elif self.form is None:
            self.say(line, "not recognised")
            return
        self.open.append(line)

    # -------------------------------------------------------- what is done with it
    def close(self) -> None:
        """The stretch goes to its reader; what the reader could not use at its end is walked again."""
        form, lines = self.form, self.open
        self.form, self.open = None, []
        if form is None or not lines:
            return
        same = self.context.format is form
        block = Block(lines, self.file, self.context.device if same else "", self.context.netns, self.context.command if same else "")
        found = form.parse(block)
        if not found:                                   # readers say what they did not recognise; the rest they did, and it was too little
            passed = {line.number for some in block.passed.values() for line in some}
            bare = [line for line in block if line.number not in block.said and line.number not in passed and line.text.lstrip()[0] != "#"]
            if not block.said or len(bare) > 1:
                for line in bare:
                    block.pass_over(line, "nothing can be made of it by itself")
        for why, some in block.passed.items():
            more = f"; {len(some) - 1} more lines" if len(some) > 1 else ""
            self.say(some[0], f"{why}{more}")
        self.records += [replace(r, netns=block.netns) if block.netns and not r.netns else r for r in found]
        used = max((line.number for line in block if line.number not in block.said), default=0)
        rest = [line for line in block if line.number > used]
        # a head or a row would have begun a stretch of its own: only the weak ones may still say whose the rest is
        start = next((i for i, line in enumerate(rest) if which(WEAK, line.text) not in (None, form)), len(rest))
        if self.depth >= DEPTH_MOST:
            start = len(rest)
        self.say_all(block, rest[start].number - 1 if start < len(rest) else lines[-1].number)
        if start < len(rest):
            self.again(rest[start:], block.netns)

    def again(self, lines: list[Line], netns: str) -> None:
        """Lines that were left over, as if nothing stood above them."""
        kept, self.context = self.context, Context(netns=netns, passing=self.context.passing)
        self.depth += 1
        for line in lines:
            self.place(line)
        self.close()
        self.depth -= 1
        self.context = kept

    def take_json(self, value: object, lines: list[Line]) -> None:
        block = Block(lines, self.file, self.context.device, self.context.netns, self.context.command)
        found = json_in.records_of(value, block)
        self.records += [replace(r, netns=block.netns) if block.netns else r for r in found]
        self.say_all(block, lines[-1].number)

    def say_all(self, block: Block, until: int) -> None:
        for n, (line, why) in sorted(block.said.items()):
            if n <= until:
                self.say(line, why)

    def say(self, line: Line, why: str) -> None:
        if self.context.passing:
            self.passed += 1
        elif len(self.unread) < UNREAD_MOST:
            why = "an error message of the tool" if REFUSED.match(line.text) else why
            self.unread.append(Unread(self.file, line.number, line.text, why))
        else:
            self.uncounted += 1


def read_text(text: str, name: str | None = None, netns: str = "") -> Reading:
    """What a text says, of one or several tools.  name: a file's name or the command, which helps where the text does not show what it is;
    a text of several moments gives the records of all (moments() divides them)."""
    context = context_of(name, netns) if name else Context(netns=netns)
    walk = Walk(name or "", context)
    walk.walk(lines_of(text))
    unread = sorted(walk.unread, key=lambda u: u.line)
    if walk.uncounted:
        unread.append(Unread(name or "", 0, "", f"and {walk.uncounted} more lines that were not recognised"))
    if walk.passed:
        unread.append(Unread(name or "", 0, "", f"{walk.passed} lines of a support archive are of other matters"))
    return reading_of(walk.records, unread, name or "")


def reading_of(records: list[Record], unread: list[Unread], name: str) -> Reading:
    """With the time that the first `date` among them says."""
    time = next((r.time for r in records if isinstance(r, Moment) and r.time is not None), None)
    return Reading(tuple(records), tuple(unread), time, name)


def moments(reading: Reading) -> tuple[Reading, ...]:
    """A reading whose texts show the same thing several times, divided: the k-th of each kind (and device, tool, namespace) is of moment k.
    What stands only once - settings - is in the first.  Where each moment has some things several times, because two tools show them, the
    others say how many moments there are, and where each begins."""
    seen: dict[tuple[object, ...], list[int]] = {}
    for at, record in enumerate(reading.records):
        key = (type(record), record.netns, record.device if isinstance(record, DeviceRecord) else "", *_same_kind(record))
        seen.setdefault(key, []).append(at)
    # netstat -s leaves out what is 0: its groups are not the same ones each time
    starts = _starts([at for key, at in seen.items() if key[0] is not Snmp or key[3] != "netstat -s"])
    found: list[tuple[int, int]] = []                       # (place, moment)
    for places in seen.values():
        each, rest = divmod(len(places), len(starts) or 1)
        for n, at in enumerate(places):
            found.append((at, n if not starts else bisect_right(starts, at) - 1 if rest else n // each))
    parts: list[list[Record]] = [[] for _ in range(max((n for _, n in found), default=-1) + 1)]
    for at, n in sorted(found):
        parts[n].append(reading.records[at])
    made = [reading_of(p, [], reading.name) for p in parts]
    if not made:
        return (reading,)
    made[0] = replace(made[0], unread=reading.unread)
    if all(m.time is not None for m in made):               # a folder "after" comes before a folder "before"
        made.sort(key=lambda m: m.time or 0)
    return tuple(made)


def _starts(places: list[list[int]]) -> list[int]:
    """Where the moments of a text begin, one after the other; empty: the k-th of everything is of moment k.  places: where each kind
    stands."""
    often = sorted({len(at) for at in places if len(at) > 1})
    least = [at for at in places if often and len(at) == often[0]]
    if len(often) < 2 or len(least) < 2:
        return []
    rounds = list(zip(*least, strict=True))
    apart = all(max(one) < min(other) for one, other in pairwise(rounds))
    return [0, *(min(one) for one in rounds[1:])] if apart else []


def _same_kind(record: Record) -> tuple[object, ...]:
    """What else must be equal for two records to be the same thing at two moments: groups of counters, keys of a route, ..."""
    if isinstance(record, Snmp):
        return (record.tool, next(iter(record.groups), ""))
    if isinstance(record, Address):
        return (record.address, record.prefix)
    if isinstance(record, Route):
        return (record.destination, record.table, record.gateway, record.kind, record.metric)
    if isinstance(record, Neighbour):
        return (record.address,)
    if isinstance(record, FlowHash):
        return (record.flow,)
    if isinstance(record, Rules):
        return (record.tool, frozenset(r.table for r in record.rules))
    if isinstance(record, Sysctls):
        return (frozenset(record.values),)
    if isinstance(record, Drops):
        return (record.tool,)
    if isinstance(record, Link):
        return (bool(record.stats),)                        # ip addr and ifconfig show none
    return said_by(record)
