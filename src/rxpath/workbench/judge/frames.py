"""Ethernet frames for cases, built byte by byte.  Checksums are right unless the caller says otherwise."""
from __future__ import annotations

import struct

US, PEER, OTHER = "10.0.0.1", "10.0.0.2", "10.0.0.3"
MAC_US, MAC_PEER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
BROADCAST = b"\xff" * 6


def ip4(text: str) -> int:
    a, b, c, d = (int(x) for x in text.split("."))
    return a << 24 | b << 16 | c << 8 | d


def csum(b: bytes) -> int:
    """The Internet checksum, in host order."""
    b += b"\0" * (len(b) & 1)
    s: int = sum(struct.unpack(f">{len(b) // 2}H", b))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def eth(payload: bytes, dst: bytes = MAC_US, src: bytes = MAC_PEER, proto: int = 0x0800, vlan: int | None = None) -> bytes:
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    return dst + src + tag + struct.pack(">H", proto) + payload


def ip(payload: bytes, src: str = PEER, dst: str = US, proto: int = 17, ident: int = 1, frag: int = 0x4000, ttl: int = 64, tos: int = 0,
       options: bytes = b"", total: int | None = None, vihl: int | None = None, check: int | None = None) -> bytes:
    ihl = 5 + len(options) // 4
    total = ihl * 4 + len(payload) if total is None else total
    first = 0x40 | ihl if vihl is None else vihl
    head = struct.pack(">BBHHHBBHII", first, tos, total, ident, frag, ttl, proto, 0, ip4(src), ip4(dst)) + options
    c = csum(head) if check is None else check
    return head[:10] + struct.pack(">H", c) + head[12:] + payload


def udp(payload: bytes, sport: int = 40000, dport: int = 5000, src: str = PEER, dst: str = US, check: int | None = None,
        length: int | None = None) -> bytes:
    n = 8 + len(payload)
    head = struct.pack(">HHHH", sport, dport, n if length is None else length, 0)
    if check is None:
        check = csum(struct.pack(">IIBBH", ip4(src), ip4(dst), 0, 17, n) + head + payload) or 0xFFFF
    return head[:6] + struct.pack(">H", check) + payload


def udp_frame(payload: bytes = b"x" * 64, sport: int = 40000, dport: int = 5000, src: str = PEER, dst: str = US, mac: bytes = MAC_US,
              **ip_fields: int) -> bytes:
    return eth(ip(udp(payload, sport, dport, src, dst), src, dst, **ip_fields), mac)  # type: ignore[arg-type]


def tcp(payload: bytes = b"", sport: int = 40000, dport: int = 80, seq: int = 1, ack: int = 0, flags: int = 0x02, src: str = PEER,
        dst: str = US, options: bytes = b"", window: int = 64240, check: int | None = None, doff: int | None = None,
        urgent: int = 0) -> bytes:
    off = 5 + len(options) // 4 if doff is None else doff
    head = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, off << 4, flags, window, 0, urgent) + options
    if check is None:
        check = csum(struct.pack(">IIBBH", ip4(src), ip4(dst), 0, 6, len(head) + len(payload)) + head + payload)
    return head[:16] + struct.pack(">H", check) + head[18:] + payload


def icmp(kind: int = 8, code: int = 0, rest: bytes = b"\0\1\0\1", payload: bytes = b"ping" * 8, check: int | None = None) -> bytes:
    body = struct.pack(">BBH", kind, code, 0) + rest + payload
    return body[:2] + struct.pack(">H", csum(body) if check is None else check) + body[4:]


def arp(op: int = 1, sha: bytes = MAC_PEER, spa: str = PEER, tha: bytes = bytes(6), tpa: str = US, dst: bytes = BROADCAST) -> bytes:
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, op) + sha + struct.pack(">I", ip4(spa)) + tha + struct.pack(">I", ip4(tpa))
    return eth(body, dst=dst, src=sha, proto=0x0806)


def multicast_mac(group: str) -> bytes:
    return (0x01005E000000 | ip4(group) & 0x7FFFFF).to_bytes(6, "big")


def fragments(payload: bytes, sizes: list[int], ident: int = 7, proto: int = 17, src: str = PEER, dst: str = US) -> list[bytes]:
    """The IP payload cut into pieces of these sizes (multiples of 8; the rest is the last)."""
    out, off = [], 0
    for n in [*sizes, len(payload) - sum(sizes)]:
        more = off + n < len(payload)
        out.append(eth(ip(payload[off:off + n], src, dst, proto, ident, frag=(0x2000 if more else 0) | off >> 3)))
        off += n
    return out
