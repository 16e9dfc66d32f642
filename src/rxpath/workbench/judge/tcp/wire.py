"""A segment as bytes, and a reply as one line that is the same on both sides.

Masked in a line: the host's initial sequence number (numbers are relative), the value of its time stamps (the echo stays), the IP
identification, fast open cookies (their length stays).  Everything else that a frame says is in it; what it usually says is not written."""
from __future__ import annotations

import socket
import struct
import zlib
from dataclasses import dataclass

from rxpath.workbench.judge import frames as f

FLAGS = "FSRPAUEC"
USUAL_TTL, DF = 64, 0x4000
PIECES = 8
MSS, WINDOW_SCALE, SACK_PERM, SACK, TIMESTAMP, MD5, FASTOPEN = 2, 3, 4, 5, 8, 19, 34
NAMES = {0: "eol", 1: "nop", MSS: "mss", WINDOW_SCALE: "wscale", SACK_PERM: "sackOK", SACK: "sack", TIMESTAMP: "ts", MD5: "md5",
         FASTOPEN: "fo"}


def stream(seq: int, n: int) -> bytes:
    """The bytes of a peer's data from `seq` on."""
    first = seq % 251
    return (bytes(range(251)) * (2 + n // 251))[first:first + n]


def told(data: bytes) -> str:
    """Which pieces of a stream these bytes are: the first byte of each and its length; what has many is told by its checksum."""
    starts = [0, *(i for i in range(1, len(data)) if data[i] != (data[i - 1] + 1) % 251)]
    if len(starts) > PIECES:
        return f"{len(starts)} pieces, CRC {zlib.crc32(data):08x}"
    return " ".join(f"{data[a]}+{b - a}" for a, b in zip(starts, [*starts[1:], len(data)], strict=True))


def flag_bits(letters: str) -> int:
    return sum(1 << FLAGS.index(c) for c in letters)


def flag_letters(bits: int) -> str:
    return "".join("." if c == "A" else c for i, c in enumerate(FLAGS) if bits >> i & 1) or "none"


def padded(options: bytes) -> bytes:
    return options + b"\1" * (-len(options) % 4)


def syn_options(mss: int | None = 1460, window_scale: int | None = 7, sack: bool = True, tsval: int | None = None,
                fastopen: bytes | None = None) -> bytes:
    """Options of a SYN in the order in which Linux sends them."""
    made = b"" if mss is None else struct.pack(">BBH", MSS, 4, mss)
    if sack:
        made += bytes((SACK_PERM, 2))
    if tsval is not None:
        made += struct.pack(">BBII", TIMESTAMP, 10, tsval, 0)
    if window_scale is not None:
        made += bytes((1, WINDOW_SCALE, 3, window_scale))
    if fastopen is not None:
        made += bytes((FASTOPEN, 2 + len(fastopen))) + fastopen
    return padded(made)


def timestamps(tsval: int, tsecr: int) -> bytes:
    return struct.pack(">BBBBII", 1, 1, TIMESTAMP, 10, tsval & 0xFFFFFFFF, tsecr & 0xFFFFFFFF)


def sack_blocks(blocks: tuple[tuple[int, int], ...]) -> bytes:
    body = b"".join(struct.pack(">II", a & 0xFFFFFFFF, b & 0xFFFFFFFF) for a, b in blocks)
    return bytes((1, 1, SACK, 2 + len(body))) + body


@dataclass(frozen=True, slots=True)
class Reply:
    """A segment that the host has sent, taken apart."""
    frame: bytes
    source: str
    destination: str
    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    window: int
    urgent: int
    options: tuple[tuple[int, bytes], ...]
    data: bytes
    odd: str                            # what its headers say that is not usual

    @property
    def timestamp(self) -> int | None:
        return next((int.from_bytes(v[:4], "big") for k, v in self.options if k == TIMESTAMP and len(v) == 8), None)

    @property
    def is_syn_ack(self) -> bool:
        return self.flags & 0x12 == 0x12


def parsed(frame: bytes) -> Reply | None:
    """None: it is no TCP segment over IPv4."""
    if frame[12:14] != b"\x08\x00" or len(frame) < 54 or frame[23] != 6:
        return None
    ihl, total = (frame[14] & 15) * 4, int.from_bytes(frame[16:18], "big")
    head, l4 = frame[14:14 + ihl], frame[14 + ihl:14 + total]
    sport, dport, seq, ack, off, flags, window, _, urgent = struct.unpack_from(">HHIIBBHHH", l4)
    hlen = (off >> 4) * 4
    odd = []
    if f.csum(head):
        odd.append("IP checksum")
    if f.csum(head[12:20] + struct.pack(">HH", 6, len(l4)) + l4):
        odd.append("checksum")
    if head[8] != USUAL_TTL:
        odd.append(f"ttl {head[8]}")
    if head[1]:
        odd.append(f"tos {head[1]}")
    if int.from_bytes(head[6:8], "big") != DF:
        odd.append(f"frag {head[6:8].hex()}")
    if off & 15:
        odd.append(f"reserved {off & 15}")
    return Reply(frame, socket.inet_ntoa(head[12:16]), socket.inet_ntoa(head[16:20]), sport, dport, seq, ack, flags, window, urgent,
                 tuple(_options(l4[20:hlen])), l4[hlen:], ", ".join(odd))


def _options(raw: bytes) -> list[tuple[int, bytes]]:
    found = []
    while raw:
        kind = raw[0]
        if kind <= 1 or len(raw) < 2 or raw[1] < 2:
            found.append((kind, b""))
            raw = raw[1:]
        else:
            found.append((kind, raw[2:raw[1]]))
            raw = raw[raw[1]:]
    return found


def relative(value: int, base: int) -> int:
    return (value - base + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def line(reply: Reply, peer_first: int, host_first: int | None, scale: int) -> str:
    """As in "S. seq -1 ack 0 win 65160 <mss 1460,sackOK,ts ecr 1000,nop,wscale 10>".

    peer_first, host_first: the numbers that are 0; host_first None: not known, the host's numbers stand as they are.  scale: the host's
    window scale, for segments that are no SYN; the window is shown in bytes."""
    syn = bool(reply.flags & 2)
    reset = bool(reply.flags & 4) and not reply.seq         # of a segment without an ACK: its number is 0 itself
    seq = reply.seq if host_first is None or reset else relative(reply.seq, host_first)
    said = [flag_letters(reply.flags), "without seq" if reset else f"seq {seq}"]
    if reply.flags & 16:
        said.append(f"ack {relative(reply.ack, peer_first)}")
    elif reply.ack:
        said.append(f"(ack {reply.ack})")
    said.append(f"win {reply.window << (0 if syn else scale)}")
    if reply.urgent:
        said.append(f"urg {reply.urgent}")
    if reply.data:
        said.append(f"len {len(reply.data)}")
    if reply.options:
        said.append("<" + ",".join(_option(k, v, peer_first) for k, v in reply.options) + ">")
    if reply.odd:
        said.append(f"({reply.odd})")
    return " ".join(said)


def _option(kind: int, value: bytes, peer_first: int) -> str:
    name = NAMES.get(kind, f"option {kind}")
    if kind in (MSS, WINDOW_SCALE):
        return f"{name} {int.from_bytes(value, 'big')}"
    if kind == TIMESTAMP:
        return f"ts ecr {int.from_bytes(value[4:], 'big')}"
    if kind == SACK:
        ends = [relative(int.from_bytes(value[i:i + 4], "big"), peer_first) for i in range(0, len(value), 4)]
        return "sack " + " ".join(f"{a}:{b}" for a, b in zip(ends[::2], ends[1::2], strict=True))
    if kind == FASTOPEN:
        return f"fo {len(value)}"
    return f"{name} {value.hex()}".rstrip()
