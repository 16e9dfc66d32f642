"""The words of one rule, read into Rule: what `-A CHAIN` is followed by.  Called by read.py for each line.

Twins: iptables/xshared.c for the common options, extensions/libxt_*.c for the matches,
ipt_REJECT's and each match's checkentry for what the kernel
refuses.  Numbers are kept as the kernel keeps them: a limit is an average in 1/10000 s (XT_LIMIT_SCALE) and a burst."""

from __future__ import annotations

from collections.abc import Iterator

from rxpath.workbench.host.iptables.ruleset import (
    BUILT_IN,
    LOG_FLAGS,
    LOG_LEVELS,
    PREFIX_MAX,
    REJECT_WITH,
    TARGETS,
    TCP_RESET,
    Address,
    Interface,
    Line,
    Match,
    MatchKind,
    Range,
    Rule,
    RulesError,
    Target,
    Unsupported,
)
from rxpath.workbench.words import units

PROTOCOLS = {"all": 0, "icmp": 1, "igmp": 2, "ipencap": 4, "ipip": 4, "tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51,
             "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132, "udplite": 136}
PORT_PROTOCOLS = (6, 17, 33, 132, 136)
TCP_FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
SUPPORTED = "comment, icmp, length, limit, mac, multiport, tcp, udp"
LIMIT_SCALE, LIMIT_DEFAULT, BURST_DEFAULT, BURST_MAX = 10000, "3/hour", 5, 10000

ICMP_TYPES: dict[str, tuple[int, int, int]] = {             # name: type, lowest and highest code; libxt_icmp.h
    "any": (255, 0, 255), "echo-reply": (0, 0, 255), "pong": (0, 0, 255), "destination-unreachable": (3, 0, 255),
    "network-unreachable": (3, 0, 0),
    "host-unreachable": (3, 1, 1), "protocol-unreachable": (3, 2, 2), "port-unreachable": (3, 3, 3), "fragmentation-needed": (3, 4, 4),
    "source-route-failed": (3, 5, 5), "source-quench": (4, 0, 255), "redirect": (5, 0, 255), "echo-request": (8, 0, 255),
    "ping": (8, 0, 255),
    "router-advertisement": (9, 0, 255), "router-solicitation": (10, 0, 255), "time-exceeded": (11, 0, 255), "ttl-exceeded": (11, 0, 255),
    "ttl-zero-during-transit": (11, 0, 0), "ttl-zero-during-reassembly": (11, 1, 1), "parameter-problem": (12, 0, 255),
    "timestamp-request": (13, 0, 255), "timestamp-reply": (14, 0, 255), "address-mask-request": (17, 0, 255),
    "address-mask-reply": (18, 0, 255),
}
_LOADED = {"tcp": MatchKind.TCP, "udp": MatchKind.UDP, "multiport": MatchKind.MULTIPORT, "length": MatchKind.LENGTH,
           "limit": MatchKind.LIMIT,
           "icmp": MatchKind.ICMP, "mac": MatchKind.MAC}
_OPTIONS = {                                                # option: the match that owns it
    "--sport": "tcp udp", "--source-port": "tcp udp", "--dport": "tcp udp", "--destination-port": "tcp udp", "--tcp-flags": "tcp",
    "--syn": "tcp",
    "--sports": "multiport", "--source-ports": "multiport", "--dports": "multiport", "--destination-ports": "multiport",
    "--ports": "multiport",
    "--length": "length", "--limit": "limit", "--limit-burst": "limit", "--icmp-type": "icmp", "--mac-source": "mac",
    "--comment": "comment",
}


def limit_avg(text: str) -> int | None:
    """The average of --limit as xt_limit keeps it: 10000 x period / rate, integer division; None: not a rate or too fast."""
    rate, slash, unit = text.partition("/")
    periods = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
    period = next((seconds for name, seconds in periods.items() if unit and name.startswith(unit.lower())), None) if slash else 1
    if period is None or not (rate.isascii() and rate.isdigit() and len(rate) <= 9) or int(rate) == 0:
        return None
    return LIMIT_SCALE * period // int(rate) or None


def _range(text: str, most: int, separator: str = ":") -> tuple[int, int] | None:
    """ "53", "1024:", ":1023", "1:9" """
    low, mark, high = text.partition(separator)
    if not all(part.isascii() and (part.isdigit() or (mark and not part)) and len(part) <= 5 for part in (low, *([high] if mark else []))):
        return None
    first, last = int(low or 0), int(high or most) if mark else int(low)
    return (first, last) if first <= last <= most else None


class RuleText:
    """The words of one rule.  take() walks them; each option of a match changes the match that was loaded for it."""

    def __init__(self, line: Line, chain: str, options: list[str], counts: tuple[int, int]):
        self.line, self.chain, self.options, self.counts = line, chain, options, counts
        self.at = 0
        self.sources: list[Address] = [Address()]
        self.destinations: list[Address] = [Address()]
        self.protocol, self.protocol_invert = 0, False
        self.interfaces = {"-i": Interface(), "-o": Interface()}
        self.fragment = 0
        self.matches: list[tuple[str, dict[str, object]]] = []
        self.target, self.aim = Target.CONTINUE, ""
        self.reject_with, self.log_prefix, self.log_level = REJECT_WITH["icmp-port-unreachable"], "", 4
        self.log_flags = 0
        self.reject_set = False
        self.comment = ""
        self.seen: set[str] = set()

    def wrong(self, reason: str) -> RulesError:
        return self.line.wrong(reason)

    def unsupported(self, reason: str) -> Unsupported:
        return self.line.unsupported(reason)

    def _next(self, option: str) -> str:
        if self.at >= len(self.options):
            raise self.wrong(f"{option} needs a value")
        self.at += 1
        return self.options[self.at - 1]

    def _once(self, option: str) -> None:
        if option in self.seen:
            raise self.wrong(f"{option} comes twice")
        self.seen.add(option)

    def rules(self) -> Iterator[Rule]:
        """Every rule that the line stands for: a list of addresses is one rule for each, as iptables adds them."""
        while self.at < len(self.options):
            option = self._next("")
            invert = option == "!"
            self._take(self._next("!") if invert else option, invert)
        self._check()
        matches = tuple(self._match(name, values) for name, values in self.matches)
        for source in self.sources:
            for destination in self.destinations:
                yield Rule(self.line.number, self.line.text, source, destination, self.protocol, self.protocol_invert,
                           self.interfaces["-i"],
                           self.interfaces["-o"], self.fragment, matches, self.target, self.aim, self.reject_with, self.log_prefix,
                           self.log_level, *self.counts, self.comment, self.log_flags)

    def _take(self, option: str, invert: bool) -> None:
        long = {"--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--protocol": "-p", "--proto": "-p",
                "--in-interface": "-i",
                "--out-interface": "-o", "--fragment": "-f", "--match": "-m", "--jump": "-j", "--goto": "-g", "--set-counters": "-c"}
        option = long.get(option, option)
        if option in ("-s", "-d", "-p", "-i", "-o", "-f", "-c"):
            self._once(option)
            self._common(option, invert)
        elif option in _OPTIONS:
            self._option(option, invert)
        elif invert:
            raise self.wrong(f"! is not allowed before {option}")
        elif option == "-m":
            self._load(self._next(option))
        elif option in ("-j", "-g"):
            self._aim(option, self._next(option))
        elif option == "--reject-with" and self.target == Target.REJECT:
            self._reject()
        elif option in ("--log-prefix", "--log-level", *LOG_FLAGS) and self.target == Target.LOG:
            self._log(option)
        elif option.startswith("-"):
            raise self.unsupported(f"option {option} is not supported (matches: {SUPPORTED}; targets: {', '.join(TARGETS)}, chains)")
        else:
            raise self.wrong(f"unexpected word {units.shown(option)}")

    def _common(self, option: str, invert: bool) -> None:
        """What every rule can have: struct ipt_ip."""
        if option == "-f":
            self.fragment = 2 if invert else 1
            return
        value = self._next(option)
        if option in ("-s", "-d"):
            addresses = [self._address(part, invert) for part in value.split(",")]
            if invert and len(addresses) > 1:
                raise self.wrong("! is not allowed with several addresses")
            if option == "-s":
                self.sources = addresses
            else:
                self.destinations = addresses
        elif option == "-p":
            number = PROTOCOLS.get(value.lower(), int(value) if value.isascii() and value.isdigit() and len(value) <= 3 else 256)
            if number > 255:
                raise self.wrong(f"unknown protocol {units.shown(value)}: a number 0 to 255 or {', '.join(PROTOCOLS)}")
            if number == 0 and invert:
                raise self.wrong("! -p all would never match")
            self.protocol, self.protocol_invert = number, invert
        elif option == "-c":
            octets = self._next(option)
            counts = [int(n) if n.isascii() and n.isdigit() and len(n) <= 19 else -1 for n in (value, octets)]
            if invert or min(counts) < 0:
                raise self.wrong("-c takes packets and bytes")
            self.counts = (counts[0], counts[1])
        else:
            self._interface(option, value, invert)

    def _interface(self, option: str, name: str, invert: bool) -> None:
        if not name or len(name) > 15 or "/" in name or any(c.isspace() for c in name):
            raise self.wrong(f"{units.shown(name)} is not an interface name")
        never = {"-i": ("OUTPUT", "POSTROUTING"), "-o": ("PREROUTING", "INPUT")}[option]
        if self.chain in never:
            raise self.wrong(f"{option} cannot be used in chain {self.chain}")
        if name == "+" and invert:
            raise self.wrong(f"! {option} + would never match")
        self.interfaces[option] = Interface(name, invert)

    def _address(self, text: str, invert: bool) -> Address:
        host, slash, mask = text.partition("/")
        try:
            if not slash:
                bits = 0xFFFFFFFF
            elif "." in mask:
                bits = units.ipv4(mask)
            else:
                bits = units.netmask(units.cidr(text)[1])
            return Address(units.ipv4(host) & bits, bits, invert)
        except ValueError:
            raise self.wrong(f"{units.shown(text)} is not an IPv4 address or network (names are not looked up)") from None

    def _load(self, name: str) -> None:
        if name == "comment":
            return
        if name not in _LOADED:
            raise self.unsupported(f"match {units.shown(name)} is not supported: {SUPPORTED}")
        self.matches.append((name, {}))

    def _option(self, option: str, invert: bool) -> None:
        """An option of a match: of the last one loaded that has it, or of the one that the protocol brings."""
        owners = _OPTIONS[option].split()
        if option == "--comment":
            self.comment = self._next(option)
            return
        values = next((values for name, values in reversed(self.matches) if name in owners), None)
        if values is None:
            implied = {6: "tcp", 17: "udp", 1: "icmp"}.get(self.protocol)
            if implied not in owners or self.protocol_invert:
                raise self.wrong(f"{option} needs -m {' or -m '.join(owners)}")
            values = {}
            self.matches.append((implied, values))
        if option == "--syn":
            value: str = "FIN,SYN,RST,ACK SYN"
        else:
            value = self._next(option)
            if option == "--tcp-flags":
                value += " " + self._next(option)
        option = {"--source-port": "--sport", "--destination-port": "--dport", "--source-ports": "--sports",
                  "--destination-ports": "--dports",
                  "--syn": "--tcp-flags"}.get(option, option)
        if option in values or (owners == ["multiport"] and values):
            raise self.wrong(f"{option} comes twice (or two kinds of ports in one multiport)")
        if option.startswith("--limit") and invert:
            raise self.wrong(f"! is not allowed before {option}")
        values[option] = self._read(option, value, invert)

    def _read(self, option: str, value: str, invert: bool) -> object:
        """The value of one option as Match keeps it."""
        result: object = None
        allowed = "a value"
        if option in ("--sport", "--dport"):
            pair, allowed = _range(value, 65535), "a port or a range low:high, 0 to 65535"
            result = Range(*pair, invert) if pair else None
        elif option == "--length":
            pair, allowed = _range(value, 65535), "a length or a range low:high, 0 to 65535"
            result = Range(*pair, invert) if pair else None
        elif option in ("--sports", "--dports", "--ports"):
            ranges = [_range(part, 65535) if part not in ("", ":") else None for part in value.split(",")]
            allowed = "up to 15 ports (a range counts as two) such as 53,1024:2048"
            if None not in ranges and sum(2 if ":" in part else 1 for part in value.split(",")) <= 15:
                result = (tuple(ranges), invert)
        elif option == "--limit":
            result, allowed = limit_avg(value), "a rate such as 10/second, 5/minute, 3/hour, 1/day, at most 10000/second"
        elif option == "--limit-burst":
            result, allowed = (int(value) if value.isascii() and value.isdigit() and len(value) <= 5 else None), f"1 to {BURST_MAX}"
            result = result if isinstance(result, int) and 1 <= result <= BURST_MAX else None
        elif option == "--icmp-type":
            result, allowed = self._icmp(value, invert), "a type, type/code or a name such as echo-request"
        elif option == "--tcp-flags":
            result, allowed = self._tcp_flags(value, invert), "two lists of FIN, SYN, RST, PSH, ACK, URG, ALL, NONE"
        elif option == "--mac-source":
            try:
                result = (units.mac(value), invert)
            except ValueError as error:
                allowed = str(error)
        if result is None:
            raise self.wrong(f"{option} {units.shown(value)} is not allowed: {allowed}")
        return result

    def _icmp(self, value: str, invert: bool) -> tuple[int, Range] | None:
        known = ICMP_TYPES.get(value.lower())
        if known is not None:
            return known[0], Range(known[1], known[2], invert)
        kind, slash, code = value.partition("/")
        if not all(part.isascii() and part.isdigit() and len(part) <= 3 and int(part) <= 255 for part in (kind,
                                                                                                          *([code] if slash else []))):
            return None
        return int(kind), Range(int(code), int(code), invert) if slash else Range(0, 255, invert)

    def _tcp_flags(self, value: str, invert: bool) -> tuple[int, int, bool] | None:
        lists = value.split(" ")
        if len(lists) != 2 or not all(name.upper() in TCP_FLAGS for part in lists for name in part.split(",")):
            return None
        mask, expected = (sum({TCP_FLAGS[name.upper()] for name in part.split(",")}) & 63 for part in lists)
        return mask, expected, invert

    def _aim(self, option: str, name: str) -> None:
        self._once("-j or -g")
        if option == "-j" and name in TARGETS:
            self.target = Target[name]
        elif name in self.line.chains:
            self.target, self.aim = Target.GOTO if option == "-g" else Target.JUMP, name
        elif name and name.isupper() and option == "-j" and name not in BUILT_IN["mangle"]:
            raise self.unsupported(f"target {name} is not supported, and there is no such chain: {', '.join(TARGETS)}, user chains")
        else:
            raise self.wrong(f"there is no chain or target {units.shown(name)} in table {self.line.table}")

    def _reject(self) -> None:
        value = self._next("--reject-with")
        if value not in REJECT_WITH:
            raise self.wrong(f"--reject-with {units.shown(value)} is not allowed: {', '.join(list(REJECT_WITH)[:8])}")
        self.reject_with = REJECT_WITH[value]

    def _log(self, option: str) -> None:
        if option in LOG_FLAGS:
            self.log_flags |= LOG_FLAGS[option]            # more text on the log line; the path logs the prefix
            return
        value = self._next(option)
        if option == "--log-prefix":
            if len(value) > PREFIX_MAX:
                raise self.wrong(f"--log-prefix has at most {PREFIX_MAX} characters")
            self.log_prefix = value
            return
        level = LOG_LEVELS.get(value.lower(), int(value) if value.isascii() and value.isdigit() and len(value) == 1 else 8)
        if level > 7:
            raise self.wrong(f"--log-level {units.shown(value)} is not allowed: 0 to 7, or {', '.join(LOG_LEVELS)}")
        self.log_level = level

    def _check(self) -> None:
        """What the kernel's checkentry functions refuse."""
        for name, values in self.matches:
            needs = {"tcp": (6,), "udp": (17,), "icmp": (1,), "multiport": PORT_PROTOCOLS}.get(name, ())
            if needs and (self.protocol not in needs or self.protocol_invert):
                raise self.wrong(f"match {name} needs -p {'tcp, udp, dccp, sctp or udplite' if name == 'multiport' else name}")
            if name in ("multiport", "length", "mac") and not values:
                raise self.wrong(f"match {name} needs its option")
            if name == "mac" and self.chain in ("OUTPUT", "POSTROUTING"):
                raise self.wrong(f"match mac cannot be used in chain {self.chain}")
        if self.target == Target.REJECT:
            if self.line.table != "filter":
                raise self.wrong("REJECT is allowed in table filter only")
            if self.reject_with == TCP_RESET and (self.protocol != 6 or self.protocol_invert):
                raise self.wrong("--reject-with tcp-reset needs -p tcp")

    def _match(self, name: str, values: dict[str, object]) -> Match:
        fields: dict[str, object] = {"kind": _LOADED[name]}
        for option, value in values.items():
            if option in ("--sports", "--dports", "--ports"):
                assert isinstance(value, tuple)
                side = {"--sports": "source", "--dports": "destination", "--ports": "either"}[option]
                fields.update(ports=value[0], invert=value[1], side=side)
            elif option == "--icmp-type":
                assert isinstance(value, tuple)
                fields.update(type=value[0], range=value[1])
            elif option == "--mac-source":
                assert isinstance(value, tuple)
                fields.update(mac=value[0], invert=value[1])
            else:
                key = {"--sport": "sport", "--dport": "dport", "--length": "range", "--limit": "avg", "--limit-burst": "burst",
                       "--tcp-flags": "flags"}
                fields[key[option]] = value
        if name == "limit":
            fields = {"avg": limit_avg(LIMIT_DEFAULT), "burst": BURST_DEFAULT, **fields}
        if name == "icmp" and "range" not in fields:
            fields["range"] = Range(0, 255)
        return Match(**fields)  # type: ignore[arg-type]
