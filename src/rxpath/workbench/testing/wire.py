"""The other hosts on the wire of a host under test: they answer ARP for any address, keep what the host sends, and hand segments to the TCP
clients among them."""
from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from rxpath.abi.numbers import ETH_HLEN, ETH_P_ARP, ETH_P_IP, IPPROTO, NEVER
from rxpath.cable.arp_peers import ArpPeers, made_up_mac
from rxpath.outputs import Output
from rxpath.workbench.judge import frames

Address = tuple[str, int]                             # as the standard library's sockets have them
MF = 0x2000


class Sent(NamedTuple):
    """A frame that the host sent.  time_ns: since the start of the run."""
    time_ns: int
    frame: bytes


class Datagram(NamedTuple):
    """A UDP datagram that the host sent, put together if it went out in fragments."""
    time_ns: int
    source: Address
    to: Address
    payload: bytes


class Segment(NamedTuple):
    """A TCP segment that the host sent."""
    time_ns: int
    source: Address
    to: Address
    seq: int
    ack: int
    flags: int
    window: int
    options: bytes
    data: bytes


class Connection(Protocol):
    """One of the TCP clients: a source of the wire's, for its own segments."""
    source: Address
    to: Address

    def wake_at(self) -> int: ...

    def woken(self, now: int) -> Iterable[tuple[int, bytes]]: ...

    def heard(self, segment: Segment) -> Iterable[tuple[int, bytes]]: ...


def mac_of(address: str) -> bytes:
    """The MAC of a host on the wire: made of its address."""
    return made_up_mac(frames.ip4(address)).to_bytes(6, "big")


class Wire:
    """A Source of the host's driver of time.  addresses: the host's own.  soonest: when an answer may arrive at the earliest, ns after what
    it answers; delay_ns: how long the way there and back takes."""

    def __init__(self, soonest: Callable[[], int], delay_ns: int) -> None:
        self.soonest = soonest
        self.arp = ArpPeers(delay_ns=max(delay_ns, soonest()))
        self.sent: list[Sent] = []
        self.connections: list[Connection] = []

    # ------------------------------------------------------------ a Source
    def wake_at(self) -> int:
        return min((c.wake_at() for c in self.connections), default=NEVER)

    def woken(self, now: int) -> list[tuple[int, bytes]]:
        made = [made for c in self.connections if c.wake_at() <= now for made in c.woken(now)]
        return [(max(t, now + self.soonest()), frame) for t, frame in made]

    def heard(self, sent: Output) -> list[tuple[int, bytes]]:
        frame = sent.data
        self.sent.append(Sent(sent.t, frame))
        proto = int.from_bytes(frame[12:14], "big")
        if proto == ETH_P_ARP:
            return list(self.arp.heard(sent))
        if proto != ETH_P_IP or frame[ETH_HLEN + 9] != IPPROTO.TCP:
            return []
        segment = segment_of(Sent(sent.t, frame))
        return [made for c in self.connections if (c.source, c.to) == (segment.to, segment.source) for made in c.heard(segment)]

    # ------------------------------------------------------------ what was sent
    def datagrams(self) -> list[Datagram]:
        """UDP, in the order in which they were whole."""
        parts: dict[bytes, dict[int, bytes]] = {}
        ends: dict[bytes, int] = {}
        whole = []
        for t, frame in self.sent:
            packet = ip_packet(frame)
            if packet is None or packet[9] != IPPROTO.UDP:
                continue
            head = (packet[0] & 15) * 4
            key, frag = packet[4:6] + packet[12:20], int.from_bytes(packet[6:8], "big")
            if not frag & (MF | 0x1FFF):
                whole.append(datagram_of(t, packet, packet[head:]))
                continue
            at = (frag & 0x1FFF) * 8
            parts.setdefault(key, {})[at] = packet[head:]
            if not frag & MF:
                ends[key] = at + len(packet) - head
            if key in ends and sum(map(len, parts[key].values())) == ends[key]:
                whole.append(datagram_of(t, packet, b"".join(part for _, part in sorted(parts.pop(key).items()))))
                del ends[key]
        return whole


def ip_packet(frame: bytes) -> bytes | None:
    """The IPv4 packet of a frame, without padding."""
    if int.from_bytes(frame[12:14], "big") != ETH_P_IP:
        return None
    return frame[ETH_HLEN:ETH_HLEN + int.from_bytes(frame[ETH_HLEN + 2:ETH_HLEN + 4], "big")]


def addresses(packet: bytes, ports: bytes) -> tuple[Address, Address]:
    """(source, destination)"""
    sport, dport = struct.unpack_from(">HH", ports)
    return (".".join(map(str, packet[12:16])), sport), (".".join(map(str, packet[16:20])), dport)


def datagram_of(t: int, packet: bytes, udp: bytes) -> Datagram:
    source, to = addresses(packet, udp)
    return Datagram(t, source, to, udp[8:])


def segment_of(sent: Sent) -> Segment:
    packet = ip_packet(sent.frame)
    assert packet is not None
    tcp = packet[(packet[0] & 15) * 4:]
    source, to = addresses(packet, tcp)
    seq, ack, doff, flags, window = struct.unpack_from(">IIBBH", tcp, 4)
    head = (doff >> 4) * 4
    return Segment(sent.time_ns, source, to, seq, ack, flags, window, tcp[20:head], tcp[head:])
