"""A frame without its addresses and its payload, rewritten where it lies.  What is understood is kept field by field - Ethernet, VLAN, ARP,
IPv4, IPv6, UDP, TCP, ICMP, IGMP - and everything else becomes zeros: payload, options that hold addresses or keys, tunnels, padding.

Checksums stay as right or wrong as they were: the sum of what changed goes into them (RFC 1624).  A fragment's payload lies in several
frames, so there its sum of 16 bits stays, as the first word of the zeros.  One that a card was yet to make is made of the new addresses."""
from __future__ import annotations

from rxpath.abi.capture import Link
from rxpath.workbench.case.hiding.addresses import IPV4_GROUP, Pseudonyms

VLANS = (0x8100, 0x88A8, 0x9100)
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, IGMP, TCP, UDP, ICMPV6 = 1, 2, 6, 17, 58
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
PLAIN_TCP = {2: 4, 3: 3, 4: 2, 8: 10}                       # options that stay, with their lengths: MSS, window scale, SACK, timestamps
SACK = 5
ADDRESSED_ICMP = (3, 4, 5, 11, 12)                          # these bring the beginning of a packet
UNKNOWN_SUM = 0xFFFF                                        # of a frame that is cut: nobody can say whether it is right


def total(b: bytearray, start: int, end: int) -> int:
    """Of 16-bit words, folded."""
    data = b[start:end]
    if len(data) & 1:
        data = data + b"\0"
    return int.from_bytes(data, "big") % 0xFFFF


def word(b: bytearray, at: int) -> int:
    return b[at] << 8 | b[at + 1]


def put(b: bytearray, at: int, value: int) -> None:
    b[at], b[at + 1] = value >> 8 & 255, value & 255


def mended(check: int, old: int, new: int) -> int:
    """A checksum of data whose sum was old and is new."""
    return ~(((~check & 0xFFFF) + new - old) % 0xFFFF) & 0xFFFF


def zero(b: bytearray, start: int, end: int) -> None:
    if end > start:
        b[start:end] = bytes(end - start)


def zero_with_sum(b: bytearray, start: int, end: int) -> None:
    """Zeros behind a word with the sum of what was there."""
    was = total(b, start, end)
    zero(b, start, end)
    if end - start >= 2:
        put(b, start, was)


class Frames:
    def __init__(self, made: Pseudonyms) -> None:
        self.made = made

    def hide(self, b: bytearray, link: int, length: int) -> None:
        """A record of `length` bytes on the wire, of which b are there."""
        cut = len(b) < length
        if link == Link.ETHERNET:
            self._ethernet(b, cut)
        elif link == Link.SLL and len(b) >= 16:
            self._mac_field(b, 6, word(b, 4))
            self._network(b, word(b, 14), 16, cut)
        elif link == Link.SLL2 and len(b) >= 20:
            self._mac_field(b, 12, b[11])
            self._network(b, word(b, 0), 20, cut)
        elif link in (Link.RAW, Link.IPV4, Link.IPV6):
            self._version(b, 0, cut)
        elif link in (Link.NULL, Link.LOOP):
            self._version(b, 4, cut)
        else:
            zero(b, 0, len(b))

    def _mac_field(self, b: bytearray, at: int, length: int) -> None:
        """Eight bytes, of which the first `length` are an address."""
        if length == 6:
            self._mac(b, at)
            zero(b, at + 6, at + 8)
        else:
            zero(b, at, at + 8)

    def _mac(self, b: bytearray, at: int) -> None:
        b[at:at + 6] = self.made.mac(int.from_bytes(b[at:at + 6], "big")).to_bytes(6, "big")

    def _version(self, b: bytearray, at: int, cut: bool) -> None:
        version = b[at] >> 4 if len(b) > at else 0
        self._network(b, IPV4 if version == 4 else IPV6 if version == 6 else 0, at, cut)

    def _ethernet(self, b: bytearray, cut: bool) -> None:
        if len(b) < 14:
            zero(b, 0, len(b))
            return
        at, kind = 14, word(b, 12)
        while kind in VLANS and len(b) >= at + 4:
            kind = word(b, at + 2)
            at += 4
        group = kind == IPV4 and len(b) >= at + 20 and int.from_bytes(b[0:3], "big") == IPV4_GROUP \
            and int.from_bytes(b[3:6], "big") == int.from_bytes(b[at + 17:at + 20], "big") & 0x7FFFFF
        self._mac(b, 6)
        self._network(b, kind, at, cut)
        if group:                                           # RFC 1112 6.4: the low 23 bits of the group's address
            b[3:6] = (int.from_bytes(b[at + 17:at + 20], "big") & 0x7FFFFF).to_bytes(3, "big")
        else:
            self._mac(b, 0)

    def _network(self, b: bytearray, kind: int, at: int, cut: bool) -> None:
        if kind == IPV4:
            self._ipv4(b, at, len(b), cut)
        elif kind == IPV6:
            self._ipv6(b, at, len(b), cut)
        elif kind == ARP:
            self._arp(b, at)
        else:
            zero(b, at, len(b))

    # ------------------------------------------------------------ ARP, IPv4
    def _v4(self, b: bytearray, at: int) -> None:
        b[at:at + 4] = self.made.v4(int.from_bytes(b[at:at + 4], "big")).to_bytes(4, "big")

    def _v6(self, b: bytearray, at: int) -> None:
        b[at:at + 16] = self.made.v6(int.from_bytes(b[at:at + 16], "big")).to_bytes(16, "big")

    def _arp(self, b: bytearray, at: int) -> None:
        if len(b) < at + 28 or b[at:at + 6] != b"\0\1\x08\0\6\4":
            zero(b, min(at + 8, len(b)), len(b))
            return
        for hardware in (at + 8, at + 18):
            self._mac(b, hardware)
            self._v4(b, hardware + 6)
        zero(b, at + 28, len(b))

    def _ipv4(self, b: bytearray, at: int, end: int, cut: bool, inner: bool = False) -> None:
        """inner: it is the beginning of a packet, in an ICMP message."""
        ihl = (b[at] & 15) * 4 if end > at else 0
        if end < at + 20 or b[at] >> 4 != 4 or ihl < 20 or end < at + ihl:
            zero(b, min(at + 10, end), end)
            if end >= at + 20 and b[at] >> 4 == 4:          # a header that says what cannot be: its addresses are gone with the rest
                b[at + 12:at + 20] = bytes(8)
            return
        length = word(b, at + 2)
        stop = min(end, at + length) if length >= ihl else end
        offset, more, protocol = word(b, at + 6) & 0x1FFF, word(b, at + 6) & 0x2000, b[at + 9]
        head, pseudo = total(b, at, at + 10) + total(b, at + 12, at + ihl), total(b, at + 12, at + 20)
        self._v4(b, at + 12)
        self._v4(b, at + 16)
        self._ip_options(b, at + 20, at + ihl)
        put(b, at + 10, mended(word(b, at + 10), head, total(b, at, at + 10) + total(b, at + 12, at + ihl)))
        zero(b, stop, end)
        l4, cut = at + ihl, cut or stop < at + length
        if offset:
            zero_with_sum(b, l4, stop)
        else:
            self._transport(b, protocol, l4, stop, pseudo, total(b, at + 12, at + 20), cut, bool(more), inner,
                            protocol + max(length - ihl, 0))

    def _ip_options(self, b: bytearray, at: int, end: int) -> None:
        """Types, lengths and pointers stay; routes, times and the rest do not."""
        while at < end and b[at]:
            if b[at] == 1:
                at += 1
                continue
            size = b[at + 1] if at + 1 < end else 0
            if size < 2 or at + size > end:
                break
            zero(b, at + 3, at + size)
            at += size
        zero(b, at, end) if at < end and b[at] == 0 else None

    # ------------------------------------------------------------ IPv6
    def _ipv6(self, b: bytearray, at: int, end: int, cut: bool, inner: bool = False) -> None:
        if end < at + 40 or b[at] >> 4 != 6:
            zero(b, min(at + 8, end), end)
            return
        length, following = word(b, at + 4), b[at + 6]
        stop = min(end, at + 40 + length) if length else end
        pseudo = total(b, at + 8, at + 40)
        self._v6(b, at + 8)
        self._v6(b, at + 24)
        zero(b, stop, end)
        l4, later, more = at + 40, False, False
        while following in (HOP_BY_HOP, ROUTING, DESTINATION, FRAGMENT) and l4 + 8 <= stop:
            size = 8 if following == FRAGMENT else b[l4 + 1] * 8 + 8
            if following == FRAGMENT:
                later, more = word(b, l4 + 2) >> 3 != 0, bool(b[l4 + 3] & 1)
            elif following == ROUTING:
                zero(b, l4 + 4, min(l4 + size, stop))
            else:                                           # one option: padding
                zero(b, l4 + 2, min(l4 + size, stop))
                b[l4 + 2], b[l4 + 3] = 1, min(size - 4, 255)
            following = b[l4]
            l4 = min(l4 + size, stop)
        if later:
            zero_with_sum(b, l4, stop)
        else:
            self._transport(b, following, l4, stop, pseudo, total(b, at + 8, at + 40), cut or stop < at + 40 + length, more, inner,
                            following + max(at + 40 + length - l4, 0))

    # ------------------------------------------------------------ transport
    def _transport(self, b: bytearray, protocol: int, at: int, end: int, before: int, after: int, cut: bool, more: bool, inner: bool,
                   rest: int) -> None:
        """before, after: sums of the addresses as they were and as they are.  more: a first fragment.  rest: of the pseudo header."""
        if protocol in (UDP, TCP):
            check = at + (6 if protocol == UDP else 16)
            head = 8 if protocol == UDP else max(b[at + 12] >> 4, 5) * 4 if end > at + 12 else 20
            if inner:                                       # ports, and no more
                zero(b, min(at + 4, end), end)
            elif check + 2 > end:
                zero(b, min(at + 4, end), end)
            else:
                self._with_ports(b, protocol, at, min(at + head, end), end, check, before, after, cut, more, rest)
        elif protocol in (ICMP, IGMP, ICMPV6) and end >= at + 8 and not inner:
            was = total(b, at, at + 2) + total(b, at + 4, end) + (before if protocol == ICMPV6 else 0)
            if more:
                zero_with_sum(b, at + 8, end)
            elif protocol == ICMP:
                self._icmp(b, at, end)
            elif protocol == IGMP:
                self._v4(b, at + 4)
                zero(b, at + 8, end)
            else:
                self._icmpv6(b, at, end)
            now = total(b, at, at + 2) + total(b, at + 4, end) + (after if protocol == ICMPV6 else 0)
            put(b, at + 2, mended(word(b, at + 2), was, now))
        else:
            zero(b, at, end)

    def _with_ports(self, b: bytearray, protocol: int, at: int, payload: int, end: int, check: int, before: int, after: int, cut: bool,
                    more: bool, rest: int) -> None:
        said = word(b, check)
        was = total(b, at, check) + total(b, check + 2, end)
        if protocol == TCP:
            self._tcp_options(b, at + 20, payload)
        if more:
            zero_with_sum(b, payload, end)
        else:
            zero(b, payload, end)
        now = total(b, at, check) + total(b, check + 2, end)
        if said == 0 and protocol == UDP:                   # none
            return
        if said and said % 0xFFFF == (before + rest) % 0xFFFF:          # of the pseudo header alone: left to the card
            new = (after + rest) % 0xFFFF
        elif cut and not more:
            new = UNKNOWN_SUM
        else:
            new = mended(said, before + was, after + now)
        put(b, check, new or (0xFFFF if protocol == UDP else 0))

    def _tcp_options(self, b: bytearray, at: int, end: int) -> None:
        while at < end and b[at]:
            kind = b[at]
            if kind == 1:
                at += 1
                continue
            size = b[at + 1] if at + 1 < end else 0
            if size < 2 or at + size > end:
                break
            if PLAIN_TCP.get(kind) != size and kind != SACK:
                zero(b, at + 2, at + size)
            at += size
        zero(b, at, end)

    def _icmp(self, b: bytearray, at: int, end: int) -> None:
        if b[at] == 5:
            self._v4(b, at + 4)
        if b[at] in ADDRESSED_ICMP:
            self._ipv4(b, at + 8, end, True, inner=True)
        else:
            zero(b, at + 8, end)

    def _icmpv6(self, b: bytearray, at: int, end: int) -> None:
        kind = b[at]
        if kind < 128:                                      # an error
            self._ipv6(b, at + 8, end, True, inner=True)
        elif kind in (130, 131, 132, 135, 136) and end >= at + 24:      # MLD, neighbour discovery: one address, then options
            self._v6(b, at + 8)
            after = at + 24
            while after + 8 <= end and kind >= 135 and b[after + 1]:
                size = min(b[after + 1] * 8, end - after)
                if b[after] in (1, 2) and size == 8:
                    self._mac(b, after + 2)
                else:
                    zero(b, after + 2, after + size)
                after += size
            zero(b, after, end)
        else:
            zero(b, at + 8, end)
