"""Texts of a host without its addresses and names.  Three passes over each line, the first two for what stands in a place of its own
(addresses in hexadecimal, who holds a socket, chains, comments), the last over every word that is left: an address becomes its pseudonym,
a word that anybody may see stays (known_words.py), every other one is replaced.  Numbers stay, so that what is counted is as it was."""
from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection
from functools import lru_cache

from rxpath.workbench.case.hiding.addresses import Pseudonyms, swapped
from rxpath.workbench.case.hiding.known_words import is_public

HIDDEN = "hidden"
IFNAMSIZ = 15
_HEX = r"[0-9A-Fa-f]"
TOKEN = re.compile(
    r"(?P<options>(?<![0-9A-Za-z])(?:netstat|ss|nstat|mpstat|ip|ethtool|uname|lscpu|conntrack|ifconfig)[ _]-[A-Za-z]{1,8}(?![0-9A-Za-z-]))|"
    rf"(?P<long>(?<!{_HEX})(?:{_HEX}{{2}}:){{6,}}{_HEX}{{2}}(?!{_HEX}))"                        # RSS keys, hardware addresses of Infiniband
    rf"|(?P<mac>(?<!{_HEX})(?:{_HEX}{{2}}:){{5}}{_HEX}{{2}}(?![0-9A-Za-z]))"
    rf"|(?P<dashed>(?<![0-9A-Za-z-])(?:{_HEX}{{2}}-){{5}}{_HEX}{{2}}(?![0-9A-Za-z-]))"
    rf"|(?P<dotted>(?<![0-9A-Za-z.]){_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}}(?![0-9A-Za-z.]))"
    rf"|(?P<uuid>(?<!{_HEX}){_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}(?!{_HEX}))"
    rf"|(?P<pci>(?<![0-9A-Za-z:])(?:[0-9a-f]{{4}}:)?[0-9a-f]{{2}}:[0-9a-f]{{2}}\.[0-7](?![0-9A-Za-z.])|\[[0-9a-f]{{4}}(?::[0-9a-f]{{4}})?\])"
    rf"|(?P<v6>(?<![0-9A-Za-z:]){_HEX}{{0,4}}(?::{_HEX}{{0,4}}){{2,7}}(?:(?<=:)\d{{1,3}}(?:\.\d{{1,3}}){{3}})?)(?P<bits6>/\d{{1,3}})?"
    r"|(?P<v4>(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d))(?P<bits4>/\d{1,2}(?![\d.]))?"
    rf"|(?P<hex>0[xX]{_HEX}+)"
    r"|(?P<piece>[^\W_]+)")
SHORT_HEX = re.compile(r"0[xX](?:[0-9A-Fa-f]{1,4}|[0fF]{1,32}|f{4}[0-9a-f]{12})")        # a mark or port, a mask, the kernel's memory
COLUMNS = re.compile(r"\s*[0-9a-fA-F]{8}(?:\s+[0-9a-fA-F]{8})*\s*")                          # softnet_stat, nf_conntrack
PROC_SOCKET = re.compile(r"(\s*\d+: )([0-9A-F]{8}|[0-9A-F]{32})(:[0-9A-F]{4} )([0-9A-F]{8}|[0-9A-F]{32})(:[0-9A-F]{4} )([0-9A-Fa-f: -]*)")
PROC_PACKET = re.compile(r"[0-9a-f]{8,16}\s+\d+\s+\d+\s+[0-9a-f]{4}(?:\s+\d+)+\s*")
PROC_GROUP = re.compile(r"(\s+)([0-9A-F]{8})(\s+\d+ \d:[0-9A-F]{8}\s+\d+\s*)")
PROC_ROUTE = re.compile(r"(\S+)(\s+)([0-9A-F]{8})(\s+)([0-9A-F]{8})((?:\s+[0-9A-F]{1,4})(?:\s+\d+){3}\s+)([0-9A-F]{8})((?:\s+\d+)*\s*)")
PROC_STAT = re.compile(r"(\d+ \()(.*)(\) [A-Z](?: -?\d+)+\s*)")
MASK = re.compile(r"(/(?:proc|sys)/\S*(?:affinity|_cpus))([:=]\s*)([0-9a-fA-F,]+\s*)")
HOLDER = re.compile(r'\("(.*?)",(?=(?:pid=)?\d+,(?:fd=)?\d+)')
CGROUP = re.compile(r"cgroup:\S+")
UNAME = re.compile(r"(.*?\bLinux )(?!version\b)(\S+)( \d+\.\d+.*)")
MPSTAT = re.compile(r"(\s*Linux \d\S* \()([^)]*)(\).*)")
NETSTAT = re.compile(r"(\s*(?:tcp|udp|raw|udplite)6?\s+\d+\s+\d+\s+)(\S+):(\S+)(\s+)(\S+):(\S+)(.*)")
PERF = re.compile(r"(\s*)(\S.*?)([-\s]+\d+\s+\[\d+\].*)")
PROMPT = re.compile(r"\s*(?:\[[^\]]{1,80}\]|[^\s@]{1,40}@[^\s$#]{1,80})\s*[$#](?=\s)")
SYSCTL = re.compile(r"(\s*-?\s*(?:/proc/sys/)?[a-z][\w-]*[./][\w./*@:-]+\s*[:=]\s*)(.*)")
SECRET = re.compile(r"key|secret|uuid|boot_id|hostname|domainname|core_pattern", re.I)
OWN_TEXT = re.compile(r"\s*(?:alias|altname)\s|\s*Flags:|\s*flags\s*:")                         # lines that say nothing to a reader
PRODUCT = re.compile(r"\s*(?:Model name|Vendor ID|BIOS Model name):|driver: \S+\s*$")
CUSTOM_CHAIN = re.compile(r"^\s*:(\S+) - |^\s*Chain (\S+) \(\d+ references?", re.M)
IPT_CHAIN = re.compile(r"(\s-[AINXjg]\s+|^\s*-[AIN]\s+|^\s*:|^\s*Chain |--(?:jump|goto)\s+|^\s*\d+[KMGT]?\s+\d+[KMGT]?\s+)(\S+)")
IPT_TEXT = re.compile(r"(--(?:comment|log-prefix|nflog-prefix|string|hex-string|u32|bytecode|object-pinned|name|hashlimit-name|match-set|"
                      r"[ug]id-owner|path|domain|helper|timeout|label)\s+)(\"(?:[^\"\\]|\\.)*\"|'[^']*'|\S+)")
NOTE = re.compile(r"/\*.*?\*/")
SAID = re.compile(r"\s*#\s*(?:HELP|TYPE|kernel|Generated|Completed|CPU)\b")
QUOTED = re.compile(r'(\b(?:comment|prefix)\s+)"[^"]*"')


class Texts:
    """devices: names of network devices, which stay one word of at most 15 characters.  big: the host stores numbers
    the other way round."""

    def __init__(self, made: Pseudonyms, devices: Collection[str] = (), big: bool = False) -> None:
        self.made, self.big = made, big
        self.piece = lru_cache(1 << 16)(self._piece)
        long = {d: made.name(d) for d in devices if len(TOKEN.sub(self._token, d)) > IFNAMSIZ or not re.fullmatch(r"[\w.-]+", d)}
        self.devices = long
        self._device = re.compile("(?<![^\\W_])(?:" + "|".join(re.escape(d) for d in sorted(long, key=len, reverse=True))
                                  + ")(?![^\\W_])") if long else None
        self.chains: set[str] = set()
        self.words = lru_cache(1 << 14)(self._words)

    # ------------------------------------------------------------ words
    def _piece(self, piece: str) -> str:
        return piece if is_public(piece) else self.made.name(piece)

    def _token(self, match: re.Match[str]) -> str:
        kind, text = match.lastgroup, match[0]
        if kind == "piece":
            return self.piece(text)
        if match["v4"]:
            return self._v4(match["v4"], match["bits4"] or "")
        if match["v6"]:
            return self._v6(match["v6"], match["bits6"] or "")
        if kind == "mac":
            return self.made.mac_text(text)
        if kind == "dashed":
            return self.made.mac_text(text, "-")
        if kind == "dotted":
            plain = f"{self.made.mac(int(text.replace('.', ''), 16)):012x}"
            return ".".join(plain[i:i + 4] for i in (0, 4, 8))
        if kind == "long":                                  # 40 or 52 bytes: an RSS key
            return text if text.count(":") in (39, 51) else ":".join("00" for _ in text.split(":"))
        if kind == "uuid":
            return "00000000-0000-0000-0000-000000000000"
        if kind == "hex":
            return text if SHORT_HEX.fullmatch(text) else f"0x{self.made.secret(len(text)).hex()[:len(text) - 2]}"
        return text

    def _v4(self, text: str, slash: str) -> str:
        try:
            bits = int(slash[1:]) if slash else None
            return self.made.ipv4_text(text, bits if bits is None or bits <= 32 else None) + slash
        except ValueError:                                  # 300.1.2.3, 010.1.1.1: no address
            return ".".join(self.piece(part) if int(part) > 255 or part != str(int(part)) else "0" for part in text.split(".")) + slash

    def _v6(self, text: str, slash: str) -> str:
        port = ""
        if text in ("::", ":::") or not any(c.isalnum() for c in text):
            return text + slash
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            head, _, tail = text.rpartition(":")
            try:
                ipaddress.IPv6Address(head)
            except ValueError:                              # a time of day, a number in parts
                return "".join(p if p == ":" else self.piece(p) for p in re.split("(:)", text) if p) + slash
            text, port = head, ":" + tail
        bits = int(slash[1:]) if slash else None
        return self.made.ipv6_text(text, bits if bits is None or bits <= 128 else None) + port + slash

    def _words(self, text: str) -> str:
        if self._device is not None:
            parts, at = [], 0
            for match in self._device.finditer(text):
                parts += [TOKEN.sub(self._token, text[at:match.start()]), self.devices[match[0]]]
                at = match.end()
            return "".join(parts) + TOKEN.sub(self._token, text[at:])
        return TOKEN.sub(self._token, text)

    # ------------------------------------------------------------ lines
    def line(self, text: str) -> str | None:
        """None: it says nothing that is read."""
        if COLUMNS.fullmatch(text) or PROC_PACKET.fullmatch(text):
            return text
        if match := PROC_SOCKET.fullmatch(text):
            return match[1] + self._stored(match[2]) + match[3] + self._stored(match[4]) + match[5] + match[6]
        if match := PROC_GROUP.fullmatch(text):
            return match[1] + self._stored(match[2]) + match[3]
        if match := PROC_ROUTE.fullmatch(text):
            return self._route(match)
        if match := PROC_STAT.fullmatch(text):
            return match[1] + self.program(match[2]) + match[3]
        if match := MASK.fullmatch(text):
            return self.words(match[1]) + match[2] + match[3]
        if OWN_TEXT.match(text):
            return None
        if PRODUCT.match(text):
            return text
        return self._told(text)

    def _told(self, text: str) -> str | None:
        """What people and tools write."""
        if text.lstrip().startswith(("#", ";")) and not SAID.match(text):
            return None
        if match := PROMPT.match(text):
            text = "$" + text[match.end():]
        for pattern in (UNAME, MPSTAT):
            if match := pattern.fullmatch(text):
                return self.words(match[1]) + self.made.name(match[2]) + self.words(match[3])
        if match := NETSTAT.fullmatch(text):
            rest = re.sub(r"(\d+/).*", lambda m: m[1] + self.program(m[0][len(m[1]):].strip()), match[7])
            return f"{match[1]}{self.words(match[2])}:{self.words(match[3])}{match[4]}{self.words(match[5])}:{self.words(match[6])}" \
                + (rest if rest != match[7] else self.words(rest))
        if "kfree_skb" in text and (match := PERF.fullmatch(text)):
            return match[1] + self.program(match[2]) + self.words(match[3])
        if (match := SYSCTL.fullmatch(text)) and SECRET.search(match[1]) and "skb" not in match[1]:
            return self.words(match[1]) + HIDDEN
        return self._kept(text)

    def _kept(self, text: str) -> str:
        """The last pass, around what stands in quotes or behind an option and is somebody's own."""
        done: list[str] = []

        def keep(made: str) -> str:
            done.append(made)
            return f"\0{len(done) - 1}\1"

        text = text.replace("\0", "?").replace("\1", "?")
        text = HOLDER.sub(lambda m: '("' + keep(self.program(m[1])) + '",', text)
        text = CGROUP.sub(lambda m: "cgroup:/" + keep(self.made.name(m[0])), text)
        text = NOTE.sub(f"/* {HIDDEN} */", text)
        text = QUOTED.sub(lambda m: f'{m[1]}"{HIDDEN}"', text)
        text = IPT_TEXT.sub(lambda m: m[1] + (m[2] if m[2].isdigit() else keep(HIDDEN if m[1].startswith(("--com", "--log", "--nfl"))
                                                                             else self.made.name(m[2]))), text)
        if self.chains:
            text = IPT_CHAIN.sub(lambda m: m[1] + (keep(self.made.name(m[2])) if m[2] in self.chains else m[2]), text)
        parts = re.split("\0(\\d+)\1", text)
        return "".join(done[int(part)] if i % 2 else self.words(part) for i, part in enumerate(parts))

    def _stored(self, text: str) -> str:
        return swapped(text, self.made.v4 if len(text) == 8 else self.made.v6, self.big)

    def _route(self, match: re.Match[str]) -> str:
        order: Callable[[str], int] = lambda t: int.from_bytes(int(t, 16).to_bytes(4, "big" if self.big else "little"), "big")  # noqa: E731
        bits = order(match[7]).bit_count()
        return self.words(match[1]) + match[2] + swapped(match[3], lambda a: self.made.net4(a, bits), self.big) + match[4] \
            + self._stored(match[5]) + match[6] + match[7] + match[8]

    def program(self, name: str) -> str:
        """Of a program or thread; "" stays."""
        return self.made.name(name) if name else ""

    # ------------------------------------------------------------ whole
    def text(self, data: bytes) -> bytes:
        """A text.  Comments, and lines of which nothing is read, are left out."""
        text = data.decode("utf-8", "replace")
        self.chains = {a or b for a, b in CUSTOM_CHAIN.findall(text)}
        lines = (self.line(line.rstrip("\r")) for line in text.split("\n"))
        return "\n".join(line for line in lines if line is not None).encode("utf-8", "replace")

    def member(self, name: str) -> str:
        """A member's name: its device, its host and its folders."""
        return self.words(name)
