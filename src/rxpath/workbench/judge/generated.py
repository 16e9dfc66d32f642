"""Frames from a seed: valid ones of every kind and mutations of them at every header field.

The unit is a block of BLOCK frames for one host; block b of seed s is always the same, whatever ran before, so that a long run can be
taken up where it stopped.  A block's frames follow one another on one host of each side: fragments meet, neighbours are learnt."""
from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Send
from rxpath.workbench.judge.cases import fragments as cases_fragments
from rxpath.workbench.judge.cases import memory as cases_memory
from rxpath.workbench.judge.hosts import NIC, host

BLOCK = 500
US2 = "10.0.0.7"
JOINED, NOT_JOINED = "239.1.1.1", "239.9.9.9"
STRANGE = ("0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", "240.0.0.1", "169.254.1.1", "10.0.0.255", "0.1.2.3",
           "192.0.2.1", JOINED, NOT_JOINED, f.US, US2)
SOCKETS: list[dict[str, Any]] = [
    {"name": "any", "bind": "*:5000"}, {"name": "us", "bind": "10.0.0.1:5001"}, {"name": "us2", "bind": "10.0.0.7:5001"},
    {"name": "conn", "bind": "10.0.0.1:5002", "connect": "10.0.0.2:40000"}, {"name": "member", "bind": "*:5003", "join": [JOINED]},
    {"name": "stranger", "bind": "*:5004"},
    {"name": "group", "bind": "239.1.1.1:5005", "join": [JOINED]}, {"name": "noall", "bind": "*:5006", "multicast_all": False},
    {"name": "bcast", "bind": "10.0.0.255:5007"}, {"name": "ra1", "bind": "*:5008", "reuseaddr": True},
    {"name": "ra2", "bind": "*:5008", "reuseaddr": True}, {"name": "dev", "bind": "*:5009", "bindtodevice": "vb0"},
    {"name": "small", "bind": "*:5010", "rcvbuf": 2304},
]
PORTS = (*range(5000, 5011), 9, 53, 0, 65535)
RULE_SETS = ("", "", "*filter\n-A INPUT -p udp -m udp --dport 5001 -j DROP\n-A INPUT -s 10.0.0.3/32 -j DROP\nCOMMIT\n",
             "*raw\n-A PREROUTING -i vb0 -p icmp -j DROP\nCOMMIT\n*mangle\n-A PREROUTING -p tcp -m tcp --dport 80 -j DROP\nCOMMIT\n",
             "*filter\n:INPUT DROP [0:0]\n-A INPUT -p udp -m multiport --dports 5000:5004 -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\nCOMMIT\n")
SETTINGS: tuple[dict[str, Any], ...] = (
    {}, {}, {"net.ipv4.conf.all.rp_filter": 1}, {"net.ipv4.conf.all.rp_filter": 2}, {"net.ipv4.conf.all.route_localnet": 1},
    {"net.ipv4.conf.all.accept_local": 1}, {"net.ipv4.icmp_echo_ignore_broadcasts": 0},
    {"net.ipv4.ipfrag_low_thresh": 20_000, "net.ipv4.ipfrag_high_thresh": 30_000},
    {"net.ipv4.conf.all.accept_source_route": 1}, {"net.ipv4.ip_early_demux": 0}, {"net.ipv4.ipfrag_max_dist": 4},
)
OPTIONS = (b"\x01" * 4, b"\x00" * 4, b"\x07\x07\x04\0\0\0\0\0", b"\x07\x0b\x08\x0a\0\0\x02\0\0\0\0\0", b"\x44\x0c\x05\0" + bytes(8),
           b"\x44\x0c\x05\x01" + bytes(8), b"\x94\x04\0\0", b"\x83\x07\x04\x0a\0\0\x02\0", b"\x89\x07\x04\x0a\0\0\x02\0",
           b"\x82\x0b" + bytes(10), b"\x07\x03\x04\0", b"\x44\x04\x05\x10", b"\x07\x27\x04" + bytes(37), b"\x01\x01\x07\x05\x04\0\0\0")
WORDS = (0, 1, 2, 3, 4, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
# field -> (header, offset, bytes)
FIELDS = {
    "eth.dst": ("eth", 0, 6), "eth.src": ("eth", 6, 6), "eth.type": ("eth", 12, 2), "ip.vihl": ("ip", 0, 1), "ip.tos": ("ip", 1, 1),
    "ip.len": ("ip", 2, 2), "ip.id": ("ip", 4, 2), "ip.frag": ("ip", 6, 2), "ip.ttl": ("ip", 8, 1), "ip.proto": ("ip", 9, 1),
    "ip.check": ("ip", 10, 2), "ip.src": ("ip", 12, 4), "ip.dst": ("ip", 16, 4), "l4.0": ("l4", 0, 2), "l4.2": ("l4", 2, 2),
    "l4.4": ("l4", 4, 2), "l4.6": ("l4", 6, 2), "l4.8": ("l4", 8, 4), "l4.12": ("l4", 12, 2), "l4.14": ("l4", 14, 2),
    "l4.16": ("l4", 16, 2), "l4.18": ("l4", 18, 2), "l4.20": ("l4", 20, 4), "l4.any": ("l4", -1, 1),
}
NOT_THESE_TYPES = (0x86DD, 0x8100, 0x88A8)              # IPv6 is not modelled; VLAN tags are made on purpose


def block_host(rng: random.Random) -> dict[str, Any]:
    """A host of the block's own."""
    return host([dict(s) for s in SOCKETS], dict(rng.choice(SETTINGS)), rng.choice(RULE_SETS),
                nic={**NIC, "addresses": ["10.0.0.1/24", "10.0.0.7/24"]})


def block(seed: int, number: int, count: int = BLOCK) -> Iterator[Case]:
    """The cases of one block.  Of twenty blocks one is dialogues with a socket's memory, one is datagrams in pieces."""
    if number % 20 in (9, 19):
        yield from exact(seed, number, count)
        return
    rng = random.Random(f"{seed}:{number}")
    described = block_host(rng)
    for i in range(count):
        what, station, frame = one(rng)
        yield Case(f"generated {seed}:{number}:{i} {what}", station, described, (Send((frame,)),), "generated", shared=True)


def exact(seed: int, number: int, count: int) -> Iterator[Case]:
    """Dialogues until they have sent so many frames: cases/memory.py, cases/fragments.py."""
    at, sent = 0, 0
    while sent < count:
        name = f"{seed}:{number}:{at}"
        case = cases_memory.dialogue(name) if number % 20 == 9 else cases_fragments.drawn(name, at + 1)
        at, sent = at + 1, sent + sum(len(getattr(step, "frames", ())) for step in case.steps)
        yield case


def one(rng: random.Random) -> tuple[str, str, bytes]:
    """(what it is, its station, the frame)."""
    what, station, frame = valid(rng)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 1, 2, 3))):
        field, frame = mutated(rng, frame)
        what += f" {field}"
    return what, station, frame


def addresses(rng: random.Random) -> tuple[str, str, bytes]:
    """Source, destination, the destination's MAC address: mostly sensible."""
    src = f.PEER if rng.random() < 0.7 else f.OTHER if rng.random() < 0.5 else rng.choice(STRANGE)
    dst = f.US if rng.random() < 0.6 else US2 if rng.random() < 0.3 else rng.choice(STRANGE)
    last = f.ip4(dst)
    mac = f.multicast_mac(dst) if last >> 28 == 14 else f.BROADCAST if dst in ("10.0.0.255", "255.255.255.255") else f.MAC_US
    if rng.random() < 0.05:
        mac = rng.choice((f.BROADCAST, f.MAC_US, f.multicast_mac(JOINED), bytes.fromhex("020000000099")))
    return src, dst, mac


def valid(rng: random.Random) -> tuple[str, str, bytes]:
    kind = rng.choices(("udp", "icmp", "tcp", "arp", "igmp", "proto", "fragment", "ethertype"), (40, 14, 12, 6, 3, 4, 18, 3))[0]
    src, dst, mac = addresses(rng)
    payload = rng.randbytes(rng.choice((0, 1, 2, 7, 18, 64, 65, 200, 511, 1000, 1472)) if rng.random() < 0.8 else rng.randrange(1400))
    head: dict[str, Any] = {"ident": rng.randrange(65536), "ttl": rng.choice((64, 64, 1, 0, 255)),
                            "tos": rng.choice((0, 0, 1, 2, 3, 0xB8, 0xFF)), "frag": rng.choice((0x4000, 0x4000, 0, 0x8000, 0xC000))}
    if rng.random() < 0.08:
        head["options"] = rng.choice(OPTIONS) if rng.random() < 0.5 else some_options(rng)
    vlan = rng.randrange(4096) | rng.randrange(8) << 13 if rng.random() < 0.03 else None
    sender = f.MAC_PEER if src != f.OTHER else bytes.fromhex("020000000003")
    if kind == "arp":
        return "arp", "network", f.arp(rng.choice((1, 1, 1, 2, 2, 3)), sender, src, rng.choice((bytes(6), f.MAC_US)), dst,
                                      rng.choice((f.BROADCAST, f.MAC_US)))
    if kind == "ethertype":
        proto = rng.choice((0x1234, 0x9000, 0x88CC, 0x8035, 0x6003, 0xFFFF, 0x0600, 0x88B5))
        return "ethertype", "link", f.eth(payload, mac, sender, proto, vlan)
    if kind == "fragment":
        return "fragment", "network", f.eth(fragment(rng, src, dst, head), mac, sender)
    if kind == "udp":
        check = None if rng.random() < 0.9 else rng.choice((0, rng.randrange(65536)))
        l4, proto, station = f.udp(payload, rng.choice((40000, 40001, 53, 0)), rng.choice(PORTS), src, dst, check), 17, "transport"
    elif kind == "icmp":
        l4, proto, station = icmp(rng, payload, src, dst), 1, "network"
    elif kind == "tcp":
        options = rng.choice((b"", b"", b"\x02\x04\x05\xb4", b"\x01\x01\x08\x0a" + bytes(8), b"\x03\x03\x07\x00"))
        l4 = f.tcp(payload[:200], 40000, rng.choice((80, 5000, 22)), rng.randrange(1 << 32), rng.randrange(1 << 32), rng.randrange(256),
                   src, dst, options, rng.randrange(65536))
        proto, station = 6, "transport"
    elif kind == "igmp":
        asked = f.ip4(rng.choice((JOINED, "0.0.0.0")))
        body = struct.pack(">BBHI", rng.choice((0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x1E, 0x1F, 0x22)), rng.randrange(256), 0, asked)
        if rng.random() < 0.3:
            body += struct.pack(">BBH", 2, 125, rng.choice((0, 0, 1, 2))) + bytes(rng.choice((0, 4, 8)))
        l4, proto, station = body[:2] + struct.pack(">H", f.csum(body)) + body[4:], 2, "network"
    else:
        l4, proto, station = payload, rng.choice((0, 3, 41, 47, 50, 89, 103, 132, 136, 136, 136, 200, 255)), "network"
        if proto == 136 and rng.random() < 0.9:         # UDP-Lite, its checksum mostly right
            cover = rng.choice((0, 0, 8, 8 + len(payload), rng.randrange(12), 20))
            first = struct.pack(">HHHH", 40000, rng.choice(PORTS), cover, 0)
            made = f.csum(struct.pack(">IIBBH", f.ip4(src), f.ip4(dst), 0, 136, 8 + len(payload)) + (first + payload)[:cover or None])
            l4 = first[:6] + struct.pack(">H", made ^ (rng.random() < 0.1)) + payload
    return kind, station, f.eth(f.ip(l4, src, dst, proto, **head), mac, sender, vlan=vlan)


def some_options(rng: random.Random) -> bytes:
    """Record route, time stamps, source routes and others, one behind another, with room left and without."""
    made = b""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.choice((7, 7, 68, 68, 68, 131, 131, 137, 134, 148, 130, 0, 1))
        hops = b"".join(f.ip4(rng.choice((f.PEER, f.OTHER, f.US, US2, rng.choice(STRANGE)))).to_bytes(4, "big")
                        for _ in range(rng.choice((1, 1, 2, 3, 8))))
        if kind < 2:
            one = bytes([kind])
        elif kind == 68:
            pairs = b"".join(hops[k:k + 4] + bytes(4) for k in range(0, len(hops), 4)) if rng.random() < 0.7 else bytes(len(hops))
            one = bytes([68, 4 + len(pairs), rng.choice((5, 5, 9, 13, 5 + len(pairs), rng.randrange(40))),
                         rng.choice((0, 1, 3, 0x10, 0xF1, 0xF3, 0xF0, 2))]) + pairs
        elif kind in (130, 134, 148):
            one = bytes([kind, 2 + len(hops)]) + hops
        else:
            one = bytes([kind, 3 + len(hops), rng.choice((4, 4, 8, 4 + len(hops), rng.randrange(40)))]) + hops
        if len(made) + len(one) <= 40:
            made += one
    return made + bytes(-len(made) % 4)


def icmp(rng: random.Random, payload: bytes, src: str, dst: str) -> bytes:
    kind = rng.choice((8, 8, 8, 0, 3, 3, 4, 5, 11, 12, 13, 13, 14, 15, 17, 18, 9, 10, 40))
    code, rest = rng.choice((0, 0, 1, 2, 3, 4, 5, 13, 15, 16)) if kind in (3, 5, 11, 12) else rng.choice((0, 0, 0, 1)), rng.randbytes(4)
    if kind in (3, 4, 5, 11, 12):                       # about a packet of ours
        payload = f.ip(f.udp(b"q" * 8, rng.choice(PORTS), 40000, dst, src), dst, src)[:rng.choice((28, 36, 20, 8))]
    if kind in (13, 14):
        payload = rng.randbytes(rng.choice((12, 12, 12, 8, 0)))
    return f.icmp(kind, code, rest, payload)


def fragment(rng: random.Random, src: str, dst: str, head: dict[str, Any]) -> bytes:
    """A piece of one of a few datagrams, so that they meet: mostly at its own place, sometimes anywhere."""
    ident, size = rng.randrange(1, 24), 8 * rng.randrange(1, 60)
    number = ident & 3
    whole = f.udp(bytes(range(256)) * 4 + bytes(ident), 40000, rng.choice((5000, 5000, 9)), src, dst) if ident & 8 \
        else f.icmp(payload=bytes(range(200)) * 5)
    cut = (len(whole) // (number + 2)) & ~7
    k = rng.randrange(number + 2)
    start, end = k * cut, (k + 1) * cut if k <= number else len(whole)
    if rng.random() < 0.1:
        start = 8 * rng.randrange(0, 130)
        end = start + size
    piece, more = whole[start:end], end < len(whole)
    return f.ip(piece, src, dst, 17 if ident & 8 else 1, ident, (0x2000 if more else 0) | start >> 3, head["ttl"], head["tos"],
                head.get("options", b"") if rng.random() < 0.2 else b"")


def mutated(rng: random.Random, frame: bytes) -> tuple[str, bytes]:
    """One field changed, or the frame cut or made longer; the IP checksum is mostly right again."""
    if rng.random() < 0.12:
        if rng.random() < 0.5:
            return "cut", frame[:max(14, rng.randrange(14, len(frame) + 1))]
        return "padded", (frame + rng.randbytes(rng.choice((1, 2, 20, 46))))[:1514]
    name = rng.choice(list(FIELDS))
    header, offset, size = FIELDS[name]
    is_ip = frame[12:14] == b"\x08\x00" and len(frame) >= 34
    ihl = (frame[14] & 15) * 4 if is_ip else 20
    start = {"eth": 0, "ip": 14, "l4": 14 + ihl}[header] + (rng.randrange(24) if offset < 0 else offset)
    if start + size > len(frame):
        return name + "?", frame
    new = bytearray(frame)
    if name in ("ip.src", "ip.dst"):
        new[start:start + 4] = f.ip4(rng.choice((*STRANGE, f.PEER, f.OTHER))).to_bytes(4, "big")
    elif name == "eth.dst":
        new[start:start + 6] = rng.choice((f.BROADCAST, f.MAC_US, f.multicast_mac(JOINED), f.MAC_PEER, bytes(6)))
    elif rng.random() < 0.5:
        new[start:start + size] = (rng.choice(WORDS) & (1 << 8 * size) - 1).to_bytes(size, "big")
    elif rng.random() < 0.5:
        new[start + rng.randrange(size)] ^= 1 << rng.randrange(8)
    else:
        new[start:start + size] = rng.randbytes(size)
    if int.from_bytes(new[12:14], "big") in NOT_THESE_TYPES and frame[12:14] != bytes(new[12:14]):
        return name + "?", frame
    if header != "eth" and is_ip and name != "ip.check" and rng.random() < 0.85:
        mend(new, l4=rng.random() < 0.7)
    return name, bytes(new)


def mend(new: bytearray, l4: bool) -> None:
    """Checksums right again, as far as the lengths make sense."""
    ihl = (new[14] & 15) * 4
    if ihl < 20 or 14 + ihl > len(new):
        return
    new[24:26] = b"\0\0"
    new[24:26] = f.csum(bytes(new[14:14 + ihl])).to_bytes(2, "big")
    total = int.from_bytes(new[16:18], "big")
    if not l4 or not ihl < total <= len(new) - 14 or int.from_bytes(new[20:22], "big") & 0x3FFF:
        return
    at, place = 14 + ihl, {1: 2, 2: 2, 6: 16, 17: 6}.get(new[23])
    if place is None or at + place + 2 > 14 + total:
        return
    pseudo = b"" if new[23] in (1, 2) else bytes(new[26:34]) + struct.pack(">BBH", 0, new[23], total - ihl)
    new[at + place:at + place + 2] = b"\0\0"
    new[at + place:at + place + 2] = (f.csum(pseudo + bytes(new[at:14 + total])) or 0xFFFF).to_bytes(2, "big")
