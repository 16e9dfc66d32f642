"""What the headers of a frame say, for those who choose or name frames: --trail, its filters, whose frames were lost."""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rxpath.abi import protocols
from rxpath.abi.numbers import ETH_P_802_3_MIN
from rxpath.abi.protocols import Seen
from rxpath.workbench.words import units

WITHOUT_OPTIONS = b"\x08\x00\x45"                         # EtherType of IPv4, an IP header of 20 bytes


@dataclass(frozen=True, slots=True)
class Headers:
    """What the first bytes of a frame say, for filters and for the head of a packet's trail."""
    source: int = 0
    destination: int = 0
    sport: int = 0
    dport: int = 0
    what: str = ""

    def fits(self, address: int, port: int) -> bool:
        """Has it that address and that port, at either end?  0: any."""
        if address and address not in (self.source, self.destination):
            return False
        return not port or port in (self.sport, self.dport)

    def __str__(self) -> str:
        def end(address: int, port: int) -> str:
            return units.ipv4_text(address) + (f":{port}" if port else "")
        return f"{end(self.source, self.sport)} > {end(self.destination, self.dport)} {self.what}" if self.source else self.what


def headers(frame: bytes) -> Headers:
    """The addresses and ports of an Ethernet frame, as far as they are there."""
    if frame[12:15] == WITHOUT_OPTIONS and len(frame) >= 38 and not (frame[20] & 0x3F or frame[21]):
        return _whole(frame[23], frame[26:38])
    return _any(frame)


@lru_cache(maxsize=1 << 14)
def _whole(proto: int, ends: bytes) -> Headers:
    """Of an unfragmented packet, by its addresses and what may be its ports."""
    return _any(bytes(12) + WITHOUT_OPTIONS + bytes(8) + bytes([proto]) + bytes(2) + ends)


def _any(frame: bytes) -> Headers:
    at, kind = 14, int.from_bytes(frame[12:14], "big")
    while kind in (0x8100, 0x88A8) and len(frame) >= at + 4:
        kind, at = int.from_bytes(frame[at + 2:at + 4], "big"), at + 4
    if kind == 0x0806:
        return Headers(what="ARP")
    if kind != 0x0800 or len(frame) < at + 20:
        if kind < ETH_P_802_3_MIN and len(frame) > at:
            return Headers(what=protocols.seen(Seen.SAP, frame[at]))
        return Headers(what=protocols.ethertype(kind))
    source, destination = int.from_bytes(frame[at + 12:at + 16], "big"), int.from_bytes(frame[at + 16:at + 20], "big")
    proto, part = frame[at + 9], int.from_bytes(frame[at + 6:at + 8], "big")
    name = protocols.protocol(proto)
    if part & 0x1FFF:
        return Headers(source, destination, what=f"{name} fragment at {(part & 0x1FFF) * 8}")
    up = at + (frame[at] & 15) * 4
    ports = proto in (6, 17) and len(frame) >= up + 4
    sport, dport = (int.from_bytes(frame[up:up + 2], "big"), int.from_bytes(frame[up + 2:up + 4], "big")) if ports else (0, 0)
    return Headers(source, destination, sport, dport, name + (" first fragment" if part & 0x2000 else ""))
