"""Packets of a script: `< S 0:0(0) win 32792 <mss 1000,sackOK>`, `> . 1:1(0) ack 10001`, `< icmp unreachable ...`, `< udp (100)`."""
from __future__ import annotations

import re

from rxpath.workbench.packetdrill.script import Datagram, Icmp, Ip, Option, Segment
from rxpath.workbench.packetdrill.tokens import Tokens

U8, U16, U32 = 0xFF, 0xFFFF, 0xFFFFFFFF
ECN = ("noecn", "ect0", "ect1", "ce", "ect01")
TUNNELS = ("ipv4", "ipv6", "gre", "GREv0", "mpls")
FLAGS = re.compile(r"[FSRPUEWA]*[0-7]?[FSRPU]*$")        # a digit is the three ECN bits, so not beside E, W, A
HEX = re.compile(r"(?:[0-9a-fA-F]{2})+$")
FUZZ = ("mut", "trun", "ins")


def packet(t: Tokens) -> Segment | Datagram | Icmp:
    """From its < or > on."""
    inbound = t.take().text == "<"
    ip = ip_info(t, inbound)
    if t.next.text in TUNNELS and t.next.kind == "word":
        t.fail(f"{t.next.text}: tunnelled packets are not supported")
    if t.skip("icmp"):
        return icmp(t, ip, inbound)
    if t.skip("udp"):
        pair = ports(t)
        t.need("(", "udp")
        length = t.number("udp's length", 65507)
        t.need(")", "udp")
        return Datagram(length, pair, ip, inbound)
    return segment(t, ip, inbound)


def ip_info(t: Tokens, inbound: bool) -> Ip:
    """[ect0], (tos 0x2), [ttl 64], [ect0,flowlabel 0x1]"""
    if not (t.is_("[") or t.is_("(")):
        return Ip()
    close = "]" if t.take().text == "[" else ")"
    ecn, tos, ttl, label = None, None, None, None
    while True:
        token = t.take()
        if token.text in ECN:
            ecn = token.text
            if ecn == "ect01" and inbound:
                t.fail("ect01 is only for packets that leave", token)
        elif token.text == "tos":
            tos = t.number("tos", U8)
        elif token.text == "ttl":
            ttl = t.number("ttl", U8)
        elif token.text == "flowlabel":
            label = t.number("flowlabel", (1 << 20) - 1)
        else:
            t.fail(f"expected {', '.join(ECN)}, tos, ttl or flowlabel, found {token}", token)
        if not t.skip(","):
            break
    t.need(close, "IP header")
    return Ip(ecn, tos, ttl, label)


def ports(t: Tokens) -> tuple[int, int] | None:
    if t.next.kind == "int" and t.ahead().text == ">" and t.ahead(2).kind == "int":
        source = t.number("source port", U16)
        t.take()
        return source, t.number("destination port", U16)
    return None


# ---------------------------------------------------------------- TCP
def flags(t: Tokens) -> str:
    """S, S., P., FP., ., - (none); with a digit for the ACE bits: SEW, S.5"""
    token = t.take()
    if token.kind == "sign" and token.text == "-":
        return ""
    if token.kind == "sign" and token.text == ".":
        return "."
    if token.kind == "float" and re.fullmatch(r"\.[0-7]", token.text):
        return token.text
    letters = token.text
    if token.kind not in ("word", "int") or not FLAGS.match(letters) or len(set(letters)) < len(letters) \
            or (set(letters) & set("EWA") and set(letters) & set("01234567")):
        t.fail(f"expected TCP flags (letters of FSRPUEWA or a digit for ECN's bits, '.' for ACK, '-' for none), found {token}", token)
    if t.next.kind == "float" and re.fullmatch(r"\.[0-7]", t.next.text):
        return token.text + t.take().text
    return token.text + ("." if t.skip(".") else "")


def sequence(t: Tokens) -> tuple[int, int]:
    """seq:end(length)"""
    start = t.next
    seq = t.number("sequence number", U32)
    t.need(":", "sequence numbers")
    end = t.number("end of the sequence numbers", 2 * U32)
    t.need("(", "sequence numbers")
    length = t.number("payload length", U16)
    t.need(")", "sequence numbers")
    if (seq + length - end) & U32:
        t.fail(f"{seq}:{end}({length}): {seq} and {length} bytes end at {seq + length & U32}", start)
    return seq, length


def segment(t: Tokens, ip: Ip, inbound: bool) -> Segment:
    pair = ports(t)
    letters = flags(t)
    seq, length = sequence(t)
    ack = t.number("ack", U32) if t.skip("ack") else None
    window = t.number("win", U16) if t.skip("win") else None
    urg = t.number("urg", U16) if t.skip("urg") else None
    if window is None and inbound:
        t.fail("a segment that comes in needs its window (win N)")
    options: tuple[Option, ...] | None = ()
    if t.is_("<"):
        options = option_list(t, inbound)
    if t.is_("{") and t.ahead().text in FUZZ:
        t.fail("mutated packets ({mut ...}) are not supported")
    return Segment(letters, seq, length, ack, window, urg, options, pair, ip, inbound)


def option_list(t: Tokens, inbound: bool) -> tuple[Option, ...] | None:
    opened = t.take()
    if t.next.kind == "ellipsis":
        t.take()
        t.need(">", "TCP options")
        if inbound:
            t.fail("<...> is only for packets that leave", opened)
        return None
    found = [option(t)]
    while t.skip(","):
        found.append(option(t))
    t.need(">", "TCP options")
    total = sum(length(o) for o in found)
    if total > 40 or total % 4:
        t.fail(f"TCP options of {total} bytes: a multiple of 4, 40 at most (nop fills up)", opened)
    return tuple(found)


def length(o: Option) -> int:
    """Of the option on the wire, in bytes."""
    fixed = {"nop": 1, "eol": 1, "mss": 4, "wscale": 3, "sackOK": 2, "TS": 10}
    if o.name == "sack":
        return 2 + 8 * len(o.blocks)
    return fixed.get(o.name, 2 + len(o.data) + 2 * (o.name == "FOEXP"))


def option(t: Tokens) -> Option:
    token = t.take()
    name = token.text
    if name in ("nop", "eol", "sackOK"):
        return Option(name)
    if name in ("mss", "wscale"):
        return Option(name, t.number(name, U16 if name == "mss" else U8))
    if name == "TS":
        t.need("val", "TS")
        val = t.number("TS val", U32)
        t.need("ecr", "TS")
        return Option(name, val, t.number("TS ecr", U32))
    if name == "sack":
        blocks = [block(t)]
        while t.next.kind == "int":
            blocks.append(block(t))
        return Option(name, blocks=tuple(blocks))
    if name in ("md5", "FO", "FOEXP"):
        return Option(name, data=blob(t, name))
    t.fail(f"TCP option {token}: known are mss, wscale, sackOK, sack, TS, nop, eol, md5, FO, FOEXP", token)


def block(t: Tokens) -> tuple[int, int]:
    left = t.number("SACK block", U32)
    t.need(":", "SACK block")
    return left, t.number("SACK block", U32)


def blob(t: Tokens, name: str) -> bytes:
    """Hex digits, perhaps none."""
    if t.next.kind not in ("word", "int") or t.next.text in ("nop", "eol", "mss"):
        if name == "md5":
            t.fail(f"md5: expected hex digits, found {t.next}")
        return b""
    token = t.take()
    if not HEX.match(token.text):
        t.fail(f"{name}: {token} are not pairs of hex digits", token)
    return bytes.fromhex(token.text)


# ---------------------------------------------------------------- ICMP
def icmp(t: Tokens, ip: Ip, inbound: bool) -> Icmp:
    kind = t.of("word", "type of the ICMP message").text
    code = t.take().text if t.next.kind == "word" and t.next.text not in ("mtu", "id") else None
    mtu = t.number("mtu", U16) if t.skip("mtu") else None
    number = t.number("id", U16) if t.skip("id") else None
    echoed: tuple[int | None, int] | None = None
    if t.skip("["):
        if t.is_("udp") or t.is_("raw"):
            t.take()
            t.need("(", "echoed datagram")
            echoed = None, t.number("length of the echoed datagram", U16)
            t.need(")", "echoed datagram")
        else:
            echoed = sequence(t)
        t.need("]", "echoed packet")
    return Icmp(kind, code, mtu, number, echoed, ip, inbound)
