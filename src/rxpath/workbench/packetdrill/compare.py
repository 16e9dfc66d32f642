"""A packet that left beside the one that the script expects; and packets in the script's own notation."""
from __future__ import annotations

from rxpath.workbench.packetdrill.script import Datagram, Icmp, Ip, Option, Segment
from rxpath.workbench.packetdrill.wire import U32, Flow, Seen, flag_bits, icmp_numbers

Packet = Segment | Datagram | Icmp


def difference(expected: Packet, seen: Seen, flow: Flow) -> str | None:
    """What the first difference is; None: there is none.  A SYN teaches the flow where this host's numbers begin."""
    if isinstance(expected, Segment) and isinstance(seen.what, Segment) and "S" in expected.flags and "S" in seen.what.flags:
        flow.offset = seen.what.seq - expected.seq & U32
    actual = seen.in_script(flow)
    if isinstance(expected, Segment) and isinstance(actual, Segment):
        return of_ip(expected.ip, actual.ip) or of_segments(expected, actual, flow)
    if isinstance(expected, Datagram) and isinstance(actual, Datagram):
        return of_ip(expected.ip, actual.ip) or differs("length", expected.length, actual.length)
    if isinstance(expected, Icmp) and isinstance(actual, Icmp):
        return of_ip(expected.ip, actual.ip) or differs("type and code", icmp_numbers(expected), icmp_numbers(actual))
    return f"a {kind(expected)} was expected, a {kind(actual)} came"


def kind(p: Packet) -> str:
    return {Segment: "TCP segment", Datagram: "UDP datagram", Icmp: "ICMP message"}[type(p)]


def differs(what: str, expected: object, actual: object) -> str | None:
    return None if expected == actual else f"{what} {expected} was expected, it is {actual}"


def of_ip(expected: Ip, actual: Ip) -> str | None:
    if expected.ecn == "ect01":
        return None if actual.ecn in ("ect0", "ect1") else f"ect0 or ect1 was expected, it is {actual.ecn}"
    if expected.ecn is not None and expected.ecn != actual.ecn:
        return differs("ECN", expected.ecn, actual.ecn)
    if expected.tos is not None and expected.tos != actual.tos:
        return differs("TOS", hex(expected.tos), hex(actual.tos or 0))
    return differs("TTL", expected.ttl, actual.ttl) if expected.ttl is not None else None


def of_segments(expected: Segment, actual: Segment, flow: Flow) -> str | None:
    if flag_bits(expected.flags) != flag_bits(actual.flags):
        return differs("flags", flag_text(expected.flags), flag_text(actual.flags))
    found = (differs("seq", expected.seq, actual.seq) or differs("length", expected.length, actual.length)
             or (differs("ack", expected.ack or 0, actual.ack) if "." in expected.flags else None)
             or (differs("win", expected.window, actual.window) if expected.window is not None else None)
             or differs("urg", expected.urg or 0, actual.urg))
    if found or expected.options is None:
        return found
    return of_options(expected.options, actual.options or (), flow)


def of_options(expected: tuple[Option, ...], actual: tuple[Option, ...], flow: Flow) -> str | None:
    told = f"options {options_text(expected)} were expected, they are {options_text(actual)}"
    if [o.name for o in expected] != [o.name for o in actual]:
        return told
    for e, a in zip(expected, actual, strict=True):
        if e.name == "TS":
            flow.stamps[e.value] = a.value
            flow.first_stamp = flow.first_stamp or (e.value, a.value)
            if e.ecr != a.ecr:
                return told
        elif e != a:
            return told
    return None


# ---------------------------------------------------------------- in the script's notation
def text(p: Packet) -> str:
    """As a script would say it."""
    way = "<" if p.inbound else ">"
    if isinstance(p, Datagram):
        return f"{way} udp ({p.length})"
    if isinstance(p, Icmp):
        return f"{way} icmp {p.type}{f' {p.code}' if p.code else ''}"
    parts = [way, flag_text(p.flags), f"{p.seq}:{p.seq + p.length & U32}({p.length})"]
    if "." in p.flags:
        parts.append(f"ack {p.ack or 0}")
    if p.window is not None:
        parts.append(f"win {p.window}")
    if p.urg:
        parts.append(f"urg {p.urg}")
    if p.options is None or p.options:
        parts.append(options_text(p.options))
    return " ".join(parts)


def flag_text(flags: str) -> str:
    return "".join(c for c in flags if c != ".") + ("." if "." in flags else "") or "-"


def options_text(options: tuple[Option, ...] | None) -> str:
    return "<...>" if options is None else f"<{','.join(option_text(o) for o in options)}>"


def option_text(o: Option) -> str:
    if o.name in ("mss", "wscale"):
        return f"{o.name} {o.value}"
    if o.name == "TS":
        return f"TS val {o.value} ecr {o.ecr}"
    if o.name == "sack":
        return "sack " + " ".join(f"{left}:{right}" for left, right in o.blocks)
    return f"{o.name} {o.data.hex()}".strip()
