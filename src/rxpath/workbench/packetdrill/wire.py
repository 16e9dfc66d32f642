"""Segments between a script's numbers and the wire.  The peer's sequence numbers are the script's; this host chooses its own, so that what
it sends is moved by the difference of its first SYN before it is compared, as are acknowledgements and SACK blocks that come in.

Of time stamps that this host sends, only the echoed value is compared, as packetdrill does unless it is told the length of a tick: the
value itself comes from a clock that the script does not know."""
from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field, replace

from rxpath.workbench.packetdrill.missing import Missing
from rxpath.workbench.packetdrill.script import Datagram, Icmp, Ip, Option, Segment

U32 = 0xFFFFFFFF
ETH = 14
TCP_PROTO, UDP_PROTO, ICMP_PROTO = 6, 17, 1
BITS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128, "A": 256}
ECN_CODES = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}
KINDS = {"eol": 0, "nop": 1, "mss": 2, "wscale": 3, "sackOK": 4, "sack": 5, "TS": 8, "md5": 19, "FO": 34, "FOEXP": 254}
NAMES = {n: name for name, n in KINDS.items()}
FOEXP_MAGIC = b"\xf9\x89"
UNREACHABLE = {"net_unreachable": 0, "host_unreachable": 1, "protocol_unreachable": 2, "port_unreachable": 3, "frag_needed": 4,
               "source_route_failed": 5, "net_unknown": 6, "host_unknown": 7, "source_host_isolated": 8, "net_prohibited": 9,
               "host_prohibited": 10, "net_unreachable_tos": 11, "host_unreachable_tos": 12, "packet_filtered": 13,
               "precedence_violation": 14, "precedence_cutoff": 15}
ICMP_TYPES = {"echo_reply": 0, "unreachable": 3, "source_quench": 4, "redirect": 5, "echo_request": 8, "time_exceeded": 11,
              "parameter_problem": 12}
TIME_EXCEEDED = {"ttl": 0, "reassembly": 1}


@dataclass(frozen=True)
class Ends:
    """Addresses and hardware addresses of both ends."""
    local: str
    remote: str
    local_mac: bytes
    remote_mac: bytes


@dataclass
class Flow:
    """One connection (or pair of UDP ports) of a script."""
    local_port: int
    remote_port: int
    offset: int | None = None                           # what this host's sequence numbers are above the script's
    stamps: dict[int, int] = field(default_factory=dict)                     # the script's TS val of this host: what it was
    first_stamp: tuple[int, int] | None = None

    def live_ecr(self, ecr: int) -> int:
        """The time stamp of this host that the script calls so."""
        if ecr in self.stamps:
            return self.stamps[ecr]
        if self.first_stamp is not None and ecr:
            return ecr - self.first_stamp[0] + self.first_stamp[1] & U32
        return ecr


# ---------------------------------------------------------------- to the wire
def csum(data: bytes) -> int:
    data += b"\0" * (len(data) & 1)
    s: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def pseudo(source: str, destination: str, proto: int, length: int) -> bytes:
    return ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(destination).packed + struct.pack(">BBH", 0, proto, length)


def packet(ends: Ends, proto: int, body: bytes, ip: Ip, ident: int) -> bytes:
    """An Ethernet frame from the peer."""
    tos = ip.tos if ip.tos is not None else ECN_CODES.get(ip.ecn or "noecn", 0)
    head = struct.pack(">BBHHHBBH", 0x45, tos, 20 + len(body), ident & 0xFFFF, 0x4000, ip.ttl or 255, proto, 0)
    head += ipaddress.IPv4Address(ends.remote).packed + ipaddress.IPv4Address(ends.local).packed
    head = head[:10] + struct.pack(">H", csum(head)) + head[12:]
    return ends.local_mac + ends.remote_mac + b"\x08\x00" + head + body


def flag_bits(flags: str) -> int:
    """Of the 16 bits that hold offset and flags."""
    ecn = next((int(c) for c in flags if c.isdigit()), 0)
    return sum(BITS[c] for c in flags if not c.isdigit()) | (ecn & 1) << 6 | (ecn & 2) << 6 | (ecn & 4) << 6


def options_out(options: tuple[Option, ...], flow: Flow) -> bytes:
    out = b""
    for o in options:
        kind = KINDS[o.name]
        if o.name in ("eol", "nop"):
            out += bytes([kind])
            continue
        if o.name == "mss":
            body = struct.pack(">H", o.value)
        elif o.name == "wscale":
            body = bytes([o.value])
        elif o.name == "TS":
            body = struct.pack(">II", o.value, flow.live_ecr(o.ecr))
        elif o.name == "sack":
            move = flow.offset or 0
            body = b"".join(struct.pack(">II", left + move & U32, right + move & U32) for left, right in o.blocks)
        else:
            body = (FOEXP_MAGIC if o.name == "FOEXP" else b"") + o.data
        out += bytes([kind, 2 + len(body)]) + body
    return out


def segment_out(ends: Ends, flow: Flow, s: Segment, ident: int) -> bytes:
    """The frame of a segment that comes in; its payload is zeros, as packetdrill's."""
    assert s.options is not None and s.window is not None
    options = options_out(s.options, flow)
    ack = (s.ack or 0) + (flow.offset or 0) if "." in s.flags else s.ack or 0
    head = struct.pack(">HHIIHHHH", flow.remote_port, flow.local_port, s.seq & U32, ack & U32, (5 + len(options) // 4) << 12
                       | flag_bits(s.flags), s.window, 0, s.urg or 0) + options
    body = head + bytes(s.length)
    check = csum(pseudo(ends.remote, ends.local, TCP_PROTO, len(body)) + body)
    return packet(ends, TCP_PROTO, body[:16] + struct.pack(">H", check) + body[18:], s.ip, ident)


def datagram_out(ends: Ends, flow: Flow, d: Datagram, ident: int) -> bytes:
    body = struct.pack(">HHHH", flow.remote_port, flow.local_port, 8 + d.length, 0) + bytes(d.length)
    check = csum(pseudo(ends.remote, ends.local, UDP_PROTO, len(body)) + body) or 0xFFFF
    return packet(ends, UDP_PROTO, body[:6] + struct.pack(">H", check) + body[8:], d.ip, ident)


def icmp_out(ends: Ends, flow: Flow, m: Icmp, ident: int) -> bytes:
    """An error about a packet that this host sent, or an echo request."""
    kind, code = icmp_numbers(m)
    if m.type in ("echo_request", "echo_reply"):
        inside, rest = bytes(56), struct.pack(">HH", m.id or 0, 0)
    else:
        seq, length = m.echoed or (0, 0)
        proto = TCP_PROTO if m.echoed is None or seq is not None else UDP_PROTO
        ports = struct.pack(">HH", flow.local_port, flow.remote_port)
        if proto == TCP_PROTO:
            first = ports + struct.pack(">I", (seq or 0) + (flow.offset or 0) & U32)
            total = 40 + length
        else:
            first, total = ports + struct.pack(">HH", 8 + length, 0), 28 + length
        inner = struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0x4000, 64, proto, 0)
        inner += ipaddress.IPv4Address(ends.local).packed + ipaddress.IPv4Address(ends.remote).packed
        inside = inner[:10] + struct.pack(">H", csum(inner)) + inner[12:] + first
        rest = struct.pack(">HH", 0, m.mtu or 0)
    body = struct.pack(">BBH", kind, code, 0) + rest + inside
    return packet(ends, ICMP_PROTO, body[:2] + struct.pack(">H", csum(body)) + body[4:], m.ip, ident)


def icmp_numbers(m: Icmp) -> tuple[int, int]:
    """Type and code by their names."""
    if m.type not in ICMP_TYPES:
        raise Missing("ICMP type", m.type)
    codes = UNREACHABLE if m.type == "unreachable" else TIME_EXCEEDED if m.type == "time_exceeded" else {}
    if m.code is not None and m.code not in codes:
        raise Missing("ICMP code", f"{m.type} {m.code}")
    return ICMP_TYPES[m.type], codes.get(m.code or "", 0)


# ---------------------------------------------------------------- from the wire
@dataclass(frozen=True)
class Seen:
    """A frame that this host sent: which flow it is of, and what it is in the wire's own numbers."""
    at: int                                             # ns
    what: Segment | Datagram | Icmp
    ports: tuple[int, int]                              # source, destination

    def in_script(self, flow: Flow) -> Segment | Datagram | Icmp:
        """In the script's numbers."""
        if not isinstance(self.what, Segment):
            return self.what
        return replace(self.what, seq=self.what.seq - (flow.offset or 0) & U32)


def frame_in(at: int, data: bytes) -> Seen | None:
    """A frame that this host sent.  None: nothing that a script speaks of (ARP, say)."""
    if data[12:14] != b"\x08\x00" or len(data) < ETH + 20:
        return None
    tos, total, ttl, proto = data[ETH + 1], *struct.unpack_from(">H", data, ETH + 2), data[ETH + 8], data[ETH + 9]
    ip = Ip(ecn=next(name for name, n in ECN_CODES.items() if n == tos & 3), tos=tos, ttl=ttl)
    at_l4 = ETH + (data[ETH] & 15) * 4
    body = data[at_l4:ETH + total]
    if proto == TCP_PROTO and len(body) >= 20:
        return tcp_in(at, body, ip)
    if proto == UDP_PROTO and len(body) >= 8:
        source, destination, length = struct.unpack_from(">HHH", body)
        return Seen(at, Datagram(length - 8, (source, destination), ip, False), (source, destination))
    if proto == ICMP_PROTO and len(body) >= 8:
        kind = next((name for name, n in ICMP_TYPES.items() if n == body[0]), f"type{body[0]}")
        codes = UNREACHABLE if kind == "unreachable" else TIME_EXCEEDED if kind == "time_exceeded" else {}
        code = next((name for name, n in codes.items() if n == body[1]), None)
        ports = struct.unpack_from(">HH", body, 28) if len(body) >= 32 and kind != "echo_reply" else (0, 0)
        return Seen(at, Icmp(kind, code, ip=ip, inbound=False), (ports[0], ports[1]))
    return None


def tcp_in(at: int, body: bytes, ip: Ip) -> Seen:
    source, destination, seq, ack, bits, window, _, urg = struct.unpack_from(">HHIIHHHH", body)
    head = (bits >> 12) * 4
    flags = "".join(c for c in "SFRPUEWA." if bits & BITS[c])
    s = Segment(flags, seq, len(body) - head, ack, window, urg, options_in(body[20:head]), (source, destination), ip, False)
    return Seen(at, s, (source, destination))


def options_in(raw: bytes) -> tuple[Option, ...]:
    found: list[Option] = []
    while raw:
        kind, name = raw[0], NAMES.get(raw[0], f"kind{raw[0]}")
        if kind < 2:
            found.append(Option(name))
            raw = raw[1:]
            continue
        length = raw[1] if len(raw) > 1 else 0
        if length < 2 or length > len(raw):
            found.append(Option(name, data=raw[1:]))
            break
        body, raw = raw[2:length], raw[length:]
        if kind == 2 and len(body) == 2:
            found.append(Option(name, struct.unpack(">H", body)[0]))
        elif kind == 3 and len(body) == 1:
            found.append(Option(name, body[0]))
        elif kind == 4 and not body:
            found.append(Option(name))
        elif kind == 5 and len(body) % 8 == 0:
            found.append(Option(name, blocks=tuple(struct.iter_unpack(">II", body))))
        elif kind == 8 and len(body) == 8:
            val, ecr = struct.unpack(">II", body)
            found.append(Option(name, val, ecr))
        elif name == "FOEXP" and body[:2] == FOEXP_MAGIC:
            found.append(Option(name, data=body[2:]))
        else:
            found.append(Option(name, data=body))
    return tuple(found)
