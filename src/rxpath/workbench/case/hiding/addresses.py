"""Pseudonyms: what a key makes of an address or a name.  The same key gives the same ones, in every case.

IPv4 and IPv6 keep prefixes, as Crypto-PAn does (Xu, Fan, Ammar, Moon, ICNP 2002): two addresses that share n bits share n bits
afterwards, so that subnets, routes and rules go on to mean what they meant.  Each bit is turned over, or not, by a keyed hash (BLAKE2b) of
the bits before it.  What everybody has stays: loopback, private and link-local prefixes, multicast's scopes, masks, a subnet's own address
and its broadcast.  MACs keep the group bit alone, not the manufacturer."""
from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Iterable
from hashlib import blake2b

V4, V6 = 32, 128
# (prefix, its bits, bits that are kept): the first that fits
_KEPT4 = [(ipaddress.IPv4Network(net), keep) for net, keep in (
    ("0.0.0.0/8", 32), ("127.0.0.0/8", 32), ("224.0.0.0/24", 32), ("255.255.255.255/32", 32), ("10.0.0.0/8", 8), ("172.16.0.0/12", 12),
    ("192.168.0.0/16", 16), ("169.254.0.0/16", 16), ("100.64.0.0/10", 10), ("224.0.0.0/4", 8), ("240.0.0.0/4", 4))]
_KEPT6 = [(ipaddress.IPv6Network(net), keep) for net, keep in (
    ("::/127", 128), ("ff02::1:ff00:0/104", 104), ("ff02::/112", 128), ("ff00::/8", 16), ("fe80::/10", 64), ("fc00::/7", 8),
    ("2000::/3", 3))]
_MAPPED = [int(ipaddress.IPv6Address(a)) >> 32 for a in ("::ffff:0:0", "64:ff9b::")]
KEPT4 = [(int(net.network_address), net.prefixlen, keep) for net, keep in _KEPT4]
KEPT6 = [(int(net.network_address), net.prefixlen, keep) for net, keep in _KEPT6]
MASKS = {(0xFFFFFFFF << 32 - n) & 0xFFFFFFFF for n in range(8, 33)}
GROUP_BIT, LOCAL_BIT = 1 << 40, 1 << 41
IPV4_GROUP, IPV6_GROUP, IEEE_GROUP = 0x01005E, 0x3333, 0x0180C2         # 01:00:5e, 33:33, 01:80:c2


class Pseudonyms:
    """secret: the key, any bytes.  subnets: (address, bits) whose first and last address stay first and last."""

    def __init__(self, secret: bytes, subnets: Iterable[tuple[int, int]] = ()) -> None:
        self.key = blake2b(secret, digest_size=64).digest()
        self.subnets = sorted({(net >> V4 - bits << V4 - bits, bits) for net, bits in subnets if 8 <= bits <= 30},
                              key=lambda item: -item[1])
        self._flips: dict[tuple[int, int, int], int] = {}
        self._v4: dict[int, int] = {}
        self._v6: dict[int, int] = {}
        self._macs: dict[int, int] = {}

    def _hash(self, kind: bytes, data: bytes, size: int = 8) -> bytes:
        return blake2b(data, digest_size=size, key=self.key, person=kind).digest()

    # ------------------------------------------------------------ IP
    def _flip(self, width: int, at: int, before: int) -> int:
        known = self._flips.get((width, at, before))
        if known is None:
            data = self._hash(b"ip", bytes((width, at)) + before.to_bytes(16, "big"), 1)
            known = self._flips[width, at, before] = data[0] & 1
        return known

    def _turned(self, address: int, width: int, keep: int) -> int:
        """All bits behind the first `keep`."""
        out = address
        for at in range(keep, width):
            out ^= self._flip(width, at, address >> width - at) << width - 1 - at
        return out

    def _prefixed(self, address: int, width: int, kept: list[tuple[int, int, int]]) -> int:
        for net, bits, keep in kept:
            if address >> width - bits == net >> width - bits:
                return self._turned(address, width, keep)
        out = self._turned(address, width, 0)
        while any(out >> width - bits == net >> width - bits for net, bits, _ in kept):         # a step of a permutation: it comes back
            out = self._turned(out, width, 0)
        return out

    def v4(self, address: int) -> int:
        known = self._v4.get(address)
        if known is None:
            known = self._v4[address] = self._ipv4(address)
        return known

    def _ipv4(self, address: int) -> int:
        if address in MASKS:
            return address
        for net, bits in self.subnets:
            if address >> V4 - bits == net >> V4 - bits:
                most = (1 << V4 - bits) - 1
                if address & most in (0, most):
                    return self._prefixed(net, V4, KEPT4) & ~most | address & most
                out = self._prefixed(address, V4, KEPT4)
                while out & most in (0, most):
                    out = self._prefixed(net | out & most, V4, KEPT4)
                return out
        return self._prefixed(address, V4, KEPT4)

    def net4(self, address: int, bits: int) -> int:
        """Of ADDRESS/BITS: without bits behind the prefix, if it had none."""
        rest = (1 << V4 - bits) - 1
        return self.v4(address) if address & rest or bits == V4 else self._prefixed(address, V4, KEPT4) & ~rest

    def v6(self, address: int) -> int:
        known = self._v6.get(address)
        if known is None:
            if address >> 32 in _MAPPED:
                known = address >> 32 << 32 | self.v4(address & 0xFFFFFFFF)
            else:
                known = self._prefixed(address, V6, KEPT6)
            self._v6[address] = known
        return known

    def net6(self, address: int, bits: int) -> int:
        rest = (1 << V6 - bits) - 1
        return self.v6(address) & (~rest if address & rest == 0 else -1)

    # ------------------------------------------------------------ MAC, names
    def mac(self, mac: int) -> int:
        """46 bits by a Feistel network: no two become one.  All ones, zeros and reserved groups stay; a group's low bits are hidden."""
        known = self._macs.get(mac)
        if known is None:
            known = self._macs[mac] = self._mac(mac)
        return known

    def _mac(self, mac: int) -> int:
        if mac in (0, (1 << 48) - 1) or mac >> 24 == IEEE_GROUP:
            return mac
        if mac >> 24 == IPV4_GROUP:
            return self._permuted(mac, 23)
        if mac >> 32 == IPV6_GROUP:
            return self._permuted(mac, 32)
        low = mac & (1 << 40) - 1 | mac >> 42 << 40
        hidden = self._feistel(low, 46)
        return (hidden >> 40) << 42 | LOCAL_BIT | mac & GROUP_BIT | hidden & (1 << 40) - 1

    def _permuted(self, value: int, bits: int) -> int:
        low = value & (1 << bits) - 1
        return value >> bits << bits | (self._feistel(low, bits + 1 & ~1) & (1 << bits) - 1 if low else 0)

    def _feistel(self, value: int, bits: int) -> int:
        half = bits // 2
        left, right = value >> half, value & (1 << half) - 1
        for turn in range(6):
            mixed = int.from_bytes(self._hash(b"mac", bytes((turn, bits)) + right.to_bytes(4, "big"), 4), "big") & (1 << half) - 1
            left, right = right, left ^ mixed
        return left << half | right

    def name(self, word: str) -> str:
        """Of a host, a program, a user, a path ...: a letter and 6 more; a capital begins a capital's."""
        text = base64.b32encode(self._hash(b"name", word.encode("utf-8", "surrogatepass"), 5)).decode().lower()[:6]
        return ("N" if word[:1].isupper() else "n") + text

    def secret(self, length: int) -> bytes:
        """In place of a key, bytes that say nothing."""
        return self._hash(b"key", b"", min(length, 64)).ljust(length, b"\x5a")

    # ------------------------------------------------------------ as texts
    def ipv4_text(self, text: str, bits: int | None = None) -> str:
        address = int(ipaddress.IPv4Address(text))
        return str(ipaddress.IPv4Address(self.v4(address) if bits is None else self.net4(address, bits)))

    def ipv6_text(self, text: str, bits: int | None = None) -> str:
        address = int(ipaddress.IPv6Address(text))
        return str(ipaddress.IPv6Address(self.v6(address) if bits is None else self.net6(address, bits)))

    def mac_text(self, text: str, separator: str = ":") -> str:
        made = f"{self.mac(int(text.replace(separator, ''), 16)):012x}"
        made = made.upper() if text.upper() == text and text.lower() != text else made
        return separator.join(made[i:i + 2] for i in range(0, 12, 2))


def swapped(text: str, of: Callable[[int], int], big: bool = False) -> str:
    """An address as /proc/net prints it: 8 or 32 hexadecimal digits, each word of 32 bits as the machine stores it (big: where it stores
    the other way round)."""
    order: str = "big" if big else "little"
    words = [int(text[i:i + 8], 16).to_bytes(4, order) for i in range(0, len(text), 8)]       # type: ignore[arg-type]
    made = of(int.from_bytes(b"".join(words), "big")).to_bytes(len(text) // 2, "big")
    return "".join(f"{int.from_bytes(made[i:i + 4], order):08X}" for i in range(0, len(made), 4))      # type: ignore[arg-type]
