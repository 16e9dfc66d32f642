"""Segments that a capture lacks though its receiver had them: it acknowledged their bytes, and tcpdump, or whoever filtered, left them out.

Without them all data behind such a gap would lie out of order for ever, which it did not.  So they are made: of the bytes that are missing
(zeros), as long as the sender's full segments are, with the addresses of a segment that came later.  Their times are spread between those
of the segments on both sides; where that is too short for the line, they come later."""
from __future__ import annotations

from collections.abc import Iterator

from rxpath.abi.numbers import ETH_HLEN, ETH_ZLEN, IPPROTO, TCP_HLEN, TCPHDR_ACK

TCP_CHECK = 16                                                              # of the header's bytes
IP_CHECK = 10
USUAL = 1448                                                                # bytes of data in a full segment, as most senders have it


def segments(behind: bytes, start: int, octets: int, full: int, mtu: int) -> Iterator[tuple[bytes, int]]:
    """(frame, bytes of data) of each segment of a gap.  behind: the frame behind it, an IPv4 one with a TCP header; full: bytes of data in
    the sender's full segments, 0: not known."""
    ip = _ip_at(behind)
    th = ip + (behind[ip] & 15) * 4
    end = th + TCP_HLEN                                                     # without options: its timestamp is of later (PAWS)
    head = bytearray(behind[:end].ljust(end, b"\0"))
    size = max(min(full or USUAL, mtu - (end - ip)), 1)
    for done in range(0, octets, size):
        n = min(size, octets - done)
        head[ip + 2:ip + 4] = (end - ip + n).to_bytes(2, "big")
        head[ip + IP_CHECK:ip + IP_CHECK + 2] = bytes(2)
        head[ip + IP_CHECK:ip + IP_CHECK + 2] = _checksum(head[ip:th])
        head[th + 4:th + 8] = (start + done & 0xFFFFFFFF).to_bytes(4, "big")
        head[th + 12], head[th + 13] = end - th << 2, TCPHDR_ACK
        head[th + TCP_CHECK:th + TCP_CHECK + 2] = bytes(2)
        pseudo = bytes((0, IPPROTO.TCP)) + (end - th + n).to_bytes(2, "big")
        head[th + TCP_CHECK:th + TCP_CHECK + 2] = _checksum(head[ip + 12:ip + 20] + pseudo + head[th:])   # zeros add nothing
        yield bytes(head + bytes(n)).ljust(ETH_ZLEN, b"\0"), n


def _ip_at(frame: bytes) -> int:
    """Where IP begins, behind VLAN tags."""
    at = ETH_HLEN - 2
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return at + 2


def _checksum(data: bytes | bytearray) -> bytes:
    """The Internet checksum of an even number of bytes that are not all 0: their sum, with its carries, is the rest by 65,535."""
    return (0xFFFF - (int.from_bytes(data, "big") % 0xFFFF)).to_bytes(2, "big")


def times(since: int, until: int, n: int, wire_ns: int) -> list[int]:
    """When n segments come, between two others, or behind them as fast as the line carries them."""
    step = max((until - since) // (n + 1), wire_ns, 1)
    return [since + step * (i + 1) for i in range(n)]
