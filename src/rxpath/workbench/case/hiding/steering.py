"""Which queue a frame takes once its addresses are hidden: the one that it took.  RSS hashes addresses and ports; with other addresses
the hash is another one, and traffic that fell on one CPU would spread over many.

Toeplitz is linear, so what hiding changes in the hash depends on the addresses alone, and the low bits of it, by which the indirection
table is entered (7 for 128 entries), are written beside the frame (pcapng.py, EPB_STEER).  With them the queues are right under any table,
number of queues and choice of ports that is tried.  They tell 7 bits about the addresses to who knows the key; where a host has one queue
they are not written."""
from __future__ import annotations

from collections.abc import Sequence

from rxpath.cable.pcapng import STEER_MASK


def toeplitz(key: bytes, data: bytes) -> int:
    """Microsoft's hash of the first bytes of a tuple: 32 bits."""
    bits, width = int.from_bytes(key, "big"), len(key) * 8
    out = 0
    for i, byte in enumerate(data):
        for bit in range(8):
            if byte >> 7 - bit & 1:
                out ^= bits >> width - 32 - i * 8 - bit & 0xFFFFFFFF
    return out


class Steering:
    """key: of the card, 40 bytes.  table: its indirection table; one whose entries are all the same needs nothing."""

    def __init__(self, key: bytes, table: Sequence[int]) -> None:
        self.key, self.mask = key, len(table) - 1 & STEER_MASK if len(set(table)) > 1 else 0
        self.known: dict[tuple[bytes, bytes], int] = {}

    def __call__(self, before: bytes, after: bytes) -> int:
        """What changes in the hash's low bits: source and destination of IPv4 (8 bytes) or IPv6 (32)."""
        known = self.known.get((before, after))
        if known is None:
            both = bytes(a ^ b for a, b in zip(before, after, strict=True))
            known = self.known[before, after] = toeplitz(self.key, both) & self.mask
        return known
