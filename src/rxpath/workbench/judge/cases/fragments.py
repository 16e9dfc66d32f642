"""Reassembly: what completes, what kills a queue, what it weighs, when it gives up.

Each case has its own IP identification on one host whose queues last; what reassembly holds (queues, bytes) is looked at behind every
Send, so that what a case leaves is compared by all that follow."""
from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Frags, Send, SetOpt, Step, Sysctl, Wait
from rxpath.workbench.judge.hosts import host

SOURCE = "reassembly of 6.18.44"
LASTING = host(sysctl={"net.ipv4.ipfrag_time": 600})
HIGH, LOW = "net.ipv4.ipfrag_high_thresh", "net.ipv4.ipfrag_low_thresh"
FIRST = 4096                                            # ident of the first case: others use their own
RANDOM = 40
SECOND = 1_000_000_000

Piece = tuple[int, bytes, bool]                         # offset, data, more fragments


def frame(ident: int, piece: Piece, src: str = f.PEER, proto: int = 17, pad: int = 0, frag: int = 0, **head: Any) -> bytes:
    off, data, more = piece
    return f.eth(f.ip(data, src, f.US, proto, ident, frag=frag | (0x2000 if more else 0) | off >> 3, **head) + bytes(pad))


def datagram(n: int, dport: int = 5000, src: str = f.PEER) -> bytes:
    """A whole UDP datagram of n bytes, header included."""
    return f.udp((bytes(range(256)) * (n // 256 + 1))[:n - 8], dport=dport, src=src)


def cut(whole: bytes, *at: int) -> list[Piece]:
    """In pieces that begin at 0 and at these offsets."""
    ends = [*at, len(whole)]
    return [(a, whole[a:b], b < len(whole)) for a, b in zip([0, *at], ends, strict=True)]


def piece(whole: bytes, a: int, b: int, more: bool | None = None) -> Piece:
    return a, whole[a:b], b < len(whole) if more is None else more


def changed(p: Piece) -> Piece:
    """Other bytes at the same place."""
    return p[0], bytes(x ^ 0xFF for x in p[1]), p[2]


class Idents:
    """Each case its own."""

    def __init__(self) -> None:
        self.next = FIRST

    def one(self) -> int:
        self.next += 1
        return self.next


def looked(sends: Sequence[Sequence[bytes]]) -> tuple[Step, ...]:
    return tuple(s for frames in sends for s in (Send(tuple(frames)), Frags()))


def case(name: str, *sends: Sequence[bytes]) -> Case:
    return Case(name, "network", LASTING, looked(sends), SOURCE, shared=True)


# ---------------------------------------------------------------- the table of cases
def rows(ids: Idents) -> Iterator[Case]:
    w = datagram(1200)
    a, b, c = cut(w, 400, 800)

    def row(name: str, pieces: Sequence[Piece], then: Sequence[Piece] = (), **head: Any) -> Case:
        i = ids.one()
        return case(name, *([frame(i, p, **head) for p in part] for part in (pieces, then) if part))

    yield row("DF on all", [a, b, c], frag=0x4000)
    yield row("a first of 8 bytes", cut(w, 8))
    small = cut(datagram(408), *range(8, 408, 8))
    yield row("51 of 8 bytes", small)
    yield row("51 of 8 bytes, backwards", small[::-1])
    odd = datagram(2600)
    yield row("more fragments of 1484 bytes, rest from 1480", [(0, odd[:1484], True), (1480, odd[1480:], False)])
    yield row("an empty one with more fragments, then a full set", [(0, b"", True)], cut(w, 400))
    yield row("4 bytes with more fragments, then a full set", [(0, w[:4], True)], cut(w, 400))
    yield row("first, an empty one, last", [a, (400, b"", True), piece(w, 400, 1200)])
    yield row("first, 4 bytes, last", [a, (400, w[400:404], True), piece(w, 400, 1200)])
    for name, other in (("the same bytes", lambda p: p), ("other bytes", changed)):
        yield row(f"a subset of a queued run, {name}", [piece(w, 0, 800), other(piece(w, 200, 400, True)), c])
        yield row(f"a subset at its start, {name}", [piece(w, 0, 800), other(piece(w, 0, 400, True)), c])
        yield row(f"a subset at its end, {name}", [piece(w, 0, 800), other(piece(w, 400, 800, True)), c])
        yield row(f"the same again, {name}", [a, other(a), b, c])
        yield row(f"a subset across two, {name}", [a, b, other(piece(w, 200, 600, True)), c])
        yield row(f"the last again, {name}", [c, other(c), a, b])
        yield row(f"the first again, behind a hole, {name}", [a, c, other(a), other(c), b])
    for name, overlap in (("head", piece(w, 200, 600, True)), ("tail of a later one", piece(w, 600, 1000, True)),
                          ("superset", piece(w, 200, 1000, True)), ("superset of the first", piece(w, 0, 600, True)),
                          ("superset of the last", piece(w, 600, 1200))):
        queued = {"head": [a], "tail of a later one": [c], "superset": [b], "superset of the first": [a], "superset of the last": [c]}[name]
        yield row(f"overlap: {name}", [*queued, overlap, *[p for p in (a, b, c) if p not in queued]])
        yield row(f"overlap: {name}, then the full set again", [*queued, overlap], [a, b, c])
    yield row("overlap: 8 bytes of the last one", [a, piece(w, 392, 800, True)], [a, b, c])
    yield row("overlap: 8 bytes of a later one", [c, piece(w, 400, 808, True)], [a, b, c])
    yield row("the second last is longer", [a, c, piece(w, 400, 900, True)], [a, b, c])
    yield row("a last shorter than what is there", [b, (400, w[400:600], False)], [a, b, c])
    yield row("a last shorter than another last", [c, (800, w[800:1000], False)], [a, b, c])
    yield row("a last longer than another last", [c, (800, w[800:] + bytes(80), False)], [a, b, c])
    yield row("more fragments beyond the last", [c, (1200, bytes(80), True)], [a, b, c])
    yield row("more fragments that end with the last", [c, (1000, w[1000:1200], True)], [a, b, c])
    yield row("Ethernet's padding on the last", [a, b, c], pad=18)
    yield row("a hole stays", [a, c])
    yield row("only the last", [c])
    yield row("a first without a middle, twice as many lasts", [a, c, c, c])
    yield row("a damaged checksum", [changed(a), b, c])
    yield row("an IP header with options on each", [a, b, c], options=b"\x01\x01\x01\x00")
    yield row("TTL 1", [a, b, c], ttl=1)


def separate(ids: Idents) -> Iterator[Case]:
    """Who shares a queue."""
    i, w = ids.one(), datagram(1200)
    a, b = cut(w, 800)
    other = cut(datagram(1200, src=f.OTHER), 800)
    yield case("the same id from another source", [frame(i, a), frame(i, other[0], f.OTHER), frame(i, b), frame(i, other[1], f.OTHER)])
    i = ids.one()
    echo = cut(f.icmp(payload=bytes(range(200)) * 5), 800)
    yield case("the same id of another protocol", [frame(i, a), frame(i, echo[0], proto=1), frame(i, b), frame(i, echo[1], proto=1)])
    i = ids.one()
    yield case("a closed port, answered", [frame(i, p) for p in cut(datagram(1200, 9), 400, 800)])
    i = ids.one()
    yield case("a closed port, last comes first", [frame(i, p) for p in cut(datagram(1200, 9), 400, 800)[::-1]])
    i = ids.one()
    yield case("headers that differ: TTL and TOS", [frame(i, p, ttl=64 - k, tos=8 * k) for k, p in enumerate(cut(w, 400, 800))])
    i = ids.one()
    yield case("options only on the first", [frame(i, a, options=b"\x07\x07\x04\0\0\0\0\0"), frame(i, b)])
    for n in (65535, 65536, 65600):
        i = ids.one()
        whole = datagram(min(n - 20, 65515)) + bytes(max(0, n - 65535))
        yield case(f"total length {n}", [frame(i, p) for p in cut(whole, *range(1480, len(whole), 1480))])
    i = ids.one()
    yield case("a last at 65528 of 100 bytes", [frame(i, (65528, bytes(100), False))])
    i = ids.one()
    yield case("a last at 65512 of 4 bytes", [frame(i, (65512, bytes(4), False))])
    for n in (2, 17, 18, 19, 40):                       # as many as an skb has frags, and more
        i = ids.one()
        whole = datagram(n * 1000)
        yield case(f"{n} of 1000 bytes", [frame(i, p) for p in cut(whole, *range(1000, len(whole), 1000))])
    for x, y in itertools.product(range(4), repeat=2):
        i = ids.one()
        both = case(f"ECN {x} and {y}", [frame(i, a, tos=x), frame(i, b, tos=y)])
        yield replace(both, steps=(SetOpt("a", "IP_RECVTOS", 1), *both.steps))


def orders(ids: Idents) -> Iterator[Case]:
    for cuts in ((400, 800), (8, 800), (200, 400, 800), (320, 640, 1192)):
        pieces = cut(datagram(1200), *cuts)
        for order in itertools.permutations(range(len(pieces))):
            i = ids.one()
            yield case(f"order {' '.join(map(str, order))} cut at {cuts}", [frame(i, pieces[k]) for k in order])


def drawn(seed: str, ident: int) -> Case:
    """Pieces of a datagram in any order: some twice, some longer or elsewhere, some lost."""
    rng = random.Random(seed)
    whole = datagram(rng.randrange(60, 4000), rng.choice((5000, 5000, 9)))
    cuts = sorted({8 * rng.randrange(1, len(whole) // 8) for _ in range(rng.choice((1, 2, 3, 4, 6)))})
    pieces = [p for p in cut(whole, *cuts) if len(p[1]) <= 1480]
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        off, data, more = rng.choice(pieces or [(0, whole[:8], True)])
        kind = rng.randrange(5)
        if kind == 0:
            pieces.append((off, data, more))
        elif kind == 1:
            pieces.append(changed((off, data, more)))
        elif kind == 2:
            start = max(0, off + 8 * rng.randrange(-20, 20))
            pieces.append(piece(whole, start, min(start + 8 * rng.randrange(1, 60), len(whole))))
        elif kind == 3:
            pieces.append((off, data[:rng.randrange(len(data) + 1)], rng.random() < 0.7))
        elif pieces:
            pieces.remove(rng.choice(pieces))
    # AF_PACKET's next size of buffer begins a byte later than a UDP socket's: not of those lengths
    pieces = [(off, data[:-1] if len(data) in (206, 654) else data, more) for off, data, more in pieces]
    rng.shuffle(pieces)
    return case(f"drawn {seed}", [frame(ident, p) for p in pieces])


# ---------------------------------------------------------------- memory, distance, time
def memory() -> Iterator[Case]:
    for high, length, most in ((1, 1480, 1), (5000, 1480, 2), (20000, 1480, 8), (100000, 1480, 40), (1000, 8, 1), (5000, 8, 5),
                               (20000, 8, 20), (20000, 400, 14), (2504, 1480, 2), (5008, 1480, 3)):
        sent = [frame(k, (0, bytes(length), True)) for k in range(1, most + 3)]
        again = [frame(1, (length, bytes(64), False)), frame(2, (length, bytes(64), False))]       # existing queues are refused too
        yield Case(f"high_thresh {high}: first fragments of {length} bytes", "network", host(),
                   (Sysctl(LOW, 0), Sysctl(HIGH, high), *looked([[x] for x in sent]), *looked([again])), SOURCE)
    a, b = cut(datagram(1200), 800)
    full = [frame(k, a) for k in range(1, 4)]
    yield Case("high_thresh raised, completed, lowered", "network", host(),
               (Sysctl(LOW, 0), Sysctl(HIGH, 3000), *looked([full, [frame(1, b)]]), Sysctl(HIGH, 100000), *looked([[frame(1, b)], full]),
                Sysctl(HIGH, 100), *looked([[frame(2, b)]])), SOURCE)
    yield Case("high_thresh below low_thresh", "network", host(), (Sysctl(HIGH, 1000), Sysctl(LOW, 1 << 30), Sysctl(HIGH, 1 << 30)), SOURCE)


def distance() -> Iterator[Case]:
    a, b = cut(datagram(1200), 800)
    theirs = cut(datagram(1200, src=f.OTHER), 800)
    for d, between in ((3, 1), (3, 2), (3, 3), (64, 63), (64, 64), (1, 0), (1, 1), (0, 200)):
        other = [frame(100 + k, a) for k in range(between)]
        strangers = [frame(100 + k, theirs[0], f.OTHER) for k in range(between)]
        for name, middle in (("of its source", other), ("of another source", strangers)):
            yield Case(f"ipfrag_max_dist {d}: {between} {name} in between", "network",
                       host(sysctl={"net.ipv4.ipfrag_max_dist": d, "net.ipv4.ipfrag_time": 600}),
                       looked([[frame(1, a)], middle, [frame(1, b)], [frame(1, a)]]), SOURCE)


def timers() -> Iterator[Case]:
    second = host(sysctl={"net.ipv4.ipfrag_time": 1})
    a, b, c = cut(datagram(1200), 400, 800)
    echo = cut(f.icmp(payload=bytes(1000)), 504)
    kinds = [[frame(1, a)], [frame(2, b)], [frame(3, a), frame(3, c)], [frame(4, b), frame(4, a)], [frame(5, c)],
             [frame(6, echo[0], proto=1)], [frame(7, p) for p in cut(datagram(1200, 9), 400, 800)[:2]]]
    yield Case("time-out: exceeded is sent only where the first fragment lies", "network", second,
               (*looked(kinds), Wait(900_000_000), Frags(), Wait(250_000_000), Frags()), SOURCE)
    yield Case("time-out: later fragments do not extend it", "network", second,
               (*looked([[frame(1, a)]]), Wait(800_000_000), *looked([[frame(1, b)]]), Wait(350_000_000), Frags(),
                *looked([[frame(1, c)]])), SOURCE, slow=True)
    yield Case("time-out: fixed when the queue is made", "network", second,
               (*looked([[frame(1, a)]]), Sysctl("net.ipv4.ipfrag_time", 3), *looked([[frame(2, a)]]), Wait(1_150_000_000), Frags(),
                Wait(SECOND), Frags(), Wait(1_100_000_000), Frags()), SOURCE, slow=True)
    yield Case("time-out: a completed or killed queue has none", "network", second,
               (*looked([[frame(1, p) for p in (a, b, c)], [frame(2, a), frame(2, piece(datagram(1200), 200, 600, True))]]),
                Wait(1_200_000_000), Frags()), SOURCE, slow=True)
    yield Case("time-out: with icmp_ratemask of time exceeded", "network",
               host(sysctl={"net.ipv4.ipfrag_time": 1, "net.ipv4.icmp_ratemask": 1 << 11}),
               (*looked([[frame(k, a) for k in range(1, 11)]]), Wait(1_200_000_000), Frags()), SOURCE, slow=True)


NOT_BUILT = (("a time-out of 30 s", "the timer wheel's rounding (30.17 to 32.04 s) is not waited for; 1 s and 3 s are"),)


def cases() -> list[Case]:
    ids = Idents()
    return [*rows(ids), *separate(ids), *orders(ids), *(drawn(f"618:{i}", ids.one()) for i in range(RANDOM)),
            *memory(), *distance(), *timers(), *(Case(name, "network", LASTING, (), SOURCE, not_built=why) for name, why in NOT_BUILT)]
