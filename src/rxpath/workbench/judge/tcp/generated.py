"""Conversations from a seed: what senders, networks and readers do, and what nobody should.

The unit is a block of CONVERSATIONS conversations with one host; block b of seed s is always the same.  A conversation knows how much of
the stream it has sent (`Sender.at`), not what the host took of it; a segment that is to follow what the host has acknowledged says so
(Segment.follows).  It ends with a RST that hits, so that nothing of it goes on behind it."""
from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

from rxpath.workbench.judge.case import Case, Close, Recv, SetOpt, Shutdown, Wait
from rxpath.workbench.judge.hosts import host
from rxpath.workbench.judge.tcp.build import SAME, dial, flat, sysctls
from rxpath.workbench.judge.tcp.steps import Hold, Poll, Release, Segment

CONVERSATIONS = 20                      # of a block
SEGMENTS = 700                          # which have about so many segments
TURNS = (8, 30)                         # of a conversation
HOST = host(sockets=[])
SETTINGS: dict[str, Any] = {            # nothing depends on how much time has passed
    **SAME, "net.ipv4.tcp_invalid_ratelimit": 0,
}
BUFFERS = (None, None, 1, 2304, 4096, 8192, 16384, 65536, 212992)
ISNS = (1_000_000, 0, 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFF00, 0xFFFFE000, 0x7FFFFFF0, 0x80000000)
SIZES = (1, 1, 2, 10, 50, 100, 127, 128, 129, 300, 500, 536, 700, 1000, 1220, 1400, 1448)
# No SACK block at a number that is not the connection's: what it means depends on the host's random initial number.
ODD_OPTIONS = (b"", bytes((8, 0, 0, 0)), bytes((8, 10, 0, 0)), bytes((1, 1, 19, 18)) + bytes(16), bytes((0, 0, 0, 0)), bytes((1,) * 12),
               bytes((5, 11)) + bytes(9) + b"\1", bytes((2, 4, 1, 0)), bytes((3, 3, 7, 1)), bytes((254, 4, 0, 0)), bytes((1,) * 40))
ODD_FLAGS = ("", "P", "F", "S", "SA", "SF", "SR", "R", "RA", "U", "UA", "FSRPAUEC", "FPU", "AE", "AC", "PAEC")


class Sender:
    """The peer of one conversation, and the program at its other end."""

    def __init__(self, rng: random.Random, timestamps: bool) -> None:
        self.rng, self.timestamps = rng, timestamps
        self.at = 0                     # the first byte that was never sent
        self.holes: list[tuple[int, int]] = []
        self.held = False
        self.marked = False             # urgent bytes may be unread

    def size(self) -> int:
        return self.rng.choice(SIZES) if self.rng.random() < 0.8 else self.rng.randrange(1, 1449)

    def near(self) -> int:
        """A place about where the stream has got to."""
        return self.at + self.rng.choice((-3000, -1448, -1000, -100, -1, 0, 1, 100, 1000, 3000)) + self.rng.randrange(-3, 4)

    def segment(self, seq: int, data: int, flags: str | None = None, **more: Any) -> Segment:
        return Segment("c", self.rng.choice(("PA", "A")) if flags is None else flags, seq, data, **more)

    # ------------------------------------------------------------ turns: each some steps
    def in_order(self) -> list[Any]:
        n = self.size()
        self.at += n
        return [self.segment(self.at - n, n)]

    def many_in_order(self) -> list[Any]:
        n, count = self.size(), self.rng.randrange(2, 12)
        self.at += n * count
        return [self.segment(self.at - n * count, n, count=count, same_tsval=self.rng.random() < 0.3)]

    def follows(self) -> list[Any]:
        """From what the host has acknowledged on, as a sender that has lost everything behind it."""
        return [self.segment(0, self.size(), follows=True)]

    def hole(self) -> list[Any]:
        n = self.size()
        self.holes.append((self.at, self.at + n))
        self.at += n
        return self.in_order()

    def fill(self) -> list[Any]:
        if not self.holes:
            return self.hole()
        a, b = self.holes.pop(self.rng.randrange(len(self.holes)))
        a, b = a - self.rng.choice((0, 0, 0, 1, 50)), b + self.rng.choice((0, 0, 0, 1, 50, 700))
        return [self.segment(a, min(b - a, 1448))]

    def islands(self) -> list[Any]:
        n, count = self.rng.choice((1, 10, 100, 1000)), self.rng.randrange(2, 15)
        first = self.at + self.rng.choice((1, 10, 500))
        stride = n + self.rng.choice((1, 1, 5, 300))
        self.at = first + count * stride
        return [self.segment(first, n, count=count, stride=stride)]

    def overlap(self) -> list[Any]:
        return [self.segment(self.near(), self.size())]

    def shuffled(self) -> list[Any]:
        """Some segments, cut at any place, in any order, some twice."""
        cuts = sorted({0, *(self.rng.randrange(1, 4000) for _ in range(self.rng.randrange(2, 7)))})
        made = [self.segment(self.at + a, min(b - a, 1448)) for a, b in itertools.pairwise(cuts)]
        made += [self.rng.choice(made) for _ in range(self.rng.randrange(3))]
        self.rng.shuffle(made)
        self.at += cuts[-1]
        return made

    def beyond(self) -> list[Any]:
        far = self.rng.choice((3000, 7000, 60_000, 70_000, 1 << 20, 1 << 30, (1 << 31) - 1, -(1 << 30)))
        return [self.segment(self.at + far, self.rng.choice((0, 1, 100, 1448)))]

    def bare(self) -> list[Any]:
        return [self.segment(self.near(), 0, "A", window=self.rng.choice((None, 100, 65535)))]

    def acknowledges(self) -> list[Any]:
        return [self.segment(self.at, self.rng.choice((0, 0, 100)), ack=self.rng.choice((-1, 1, 5000, 1 << 30, -(1 << 30), -70_000)))]

    def odd_flags(self) -> list[Any]:
        flags = self.rng.choice(ODD_FLAGS)
        ack = 0 if "A" in flags else self.rng.choice((0, None))         # 0 would be anywhere: the host's numbers are random
        if "R" in flags and self.rng.random() < 0.8:            # a RST that hits ends it
            return [self.segment(self.at + self.rng.choice((1, 100, -1, 1 << 20)), self.rng.choice((0, 20)), flags, ack=ack)]
        self.marked |= "U" in flags
        if "F" in flags and self.rng.random() < 0.7:
            return [self.segment(self.at + self.rng.choice((-1, -100, 70_000)), 0, flags, ack=ack)]
        data = 100 if "U" in flags else self.rng.choice((0, 1, 100))
        return [self.segment(self.near() if self.rng.random() < 0.5 else self.at, data, flags, ack=ack,
                             urgent=self.rng.choice((0, 1, 50, 100)) if "U" in flags else 0)]

    def urgent(self) -> list[Any]:
        """Never beyond the segment: Linux takes the byte from where it would lie in the next one, which may be in its header, where numbers
        and time stamps are random."""
        n, self.marked = self.size(), True
        self.at += n
        return [self.segment(self.at - n, n, "UPA", urgent=self.rng.choice((0, 1, n // 2, n)))]

    def odd_options(self) -> list[Any]:
        n = min(self.size(), 1400)                              # with 40 bytes of options it is no longer than the MTU
        return [self.segment(self.at, n, options=self.rng.choice(ODD_OPTIONS))]

    def odd_time_stamp(self) -> list[Any]:
        if not self.timestamps:
            return self.in_order()
        value = self.rng.choice((-1, 0, 1, 999, 1000, 1001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
        return [self.segment(self.near() if self.rng.random() < 0.5 else self.at, self.rng.choice((0, 100, 1000)), tsval=value,
                             tsecr=self.rng.choice((0, 0, None, 1000, 1 << 30)))]

    def damaged(self) -> list[Any]:
        if self.rng.random() < 0.5:
            return [self.segment(self.at, 100, bad_checksum=True)]
        return [self.segment(self.at, 0, doff=15) if self.rng.random() < 0.5 else self.segment(self.at, 100, doff=self.rng.choice((0, 4)))]

    def reads(self) -> list[Any]:
        if self.held:
            return self.in_order()
        size = self.rng.choice((1, 10, 100, 500, 1000, 1448, 3000, 65536, 65536, 65536))
        flags = self.rng.choice(((), (), (), (), ("MSG_PEEK",), ("MSG_TRUNC",), ("MSG_OOB",)))
        return [Recv("c", size, flags) for _ in range(self.rng.choice((1, 1, 1, 2, 5)))]

    def option(self) -> list[Any]:
        if self.held:                                           # the call would wait for the owner
            return self.in_order()
        name, values = self.rng.choice((("SO_RCVBUF", (1, 2304, 4096, 8192, 65536)), ("SO_RCVLOWAT", (1, 500, 3000)),
                                        ("TCP_QUICKACK", (0, 1)), ("SO_OOBINLINE", (0, 1)), ("TCP_WINDOW_CLAMP", (2000, 20_000))))
        return [SetOpt("c", name, self.rng.choice(values))]

    def holds(self) -> list[Any]:
        if self.held:
            self.held = False
            return [Release("c")]
        self.held = True
        first = [Recv("c", 65536, count=3)] if self.marked else []      # Linux eats an urgent byte before it comes to rest
        self.marked = False
        return [*first, self.segment(0, 1, follows=True), Recv("c", 1, ("MSG_PEEK",)), Hold("c")]

    def polls(self) -> list[Any]:
        return [] if self.held else [Poll("c")]


TURN_WEIGHTS: dict[Callable[[Sender], list[Any]], int] = {
    Sender.in_order: 16, Sender.many_in_order: 8, Sender.follows: 12, Sender.hole: 7, Sender.fill: 9, Sender.islands: 4,
    Sender.overlap: 9, Sender.shuffled: 6, Sender.beyond: 4, Sender.bare: 3, Sender.acknowledges: 3, Sender.odd_flags: 4,
    Sender.urgent: 2, Sender.odd_options: 3, Sender.odd_time_stamp: 5, Sender.damaged: 2, Sender.reads: 22, Sender.option: 2,
    Sender.holds: 4, Sender.polls: 2,
}


def conversation(name: str) -> Case:
    """The one of that name: "seed:block:number"."""
    rng = random.Random(name)
    timestamps, sack, scaled = rng.random() < 0.75, rng.random() < 0.85, rng.random() < 0.8
    start = dial(rng.choice(BUFFERS), timestamps=timestamps, sack=sack, window_scale=rng.choice((0, 7, 14)) if scaled else None,
                 mss=rng.choice((1460, 1460, 1460, 536, 100, 9000)), isn=rng.choice(ISNS) if rng.random() < 0.6 else rng.getrandbits(32),
                 window=rng.choice((65535, 65535, 100)))
    sender = Sender(rng, timestamps)
    turns: list[Any] = []
    absent = rng.random() < 0.15                                # a reader that never reads
    for _ in range(rng.randrange(*TURNS)):
        turn = rng.choices(list(TURN_WEIGHTS), list(TURN_WEIGHTS.values()))[0]
        if not (absent and turn in (Sender.reads, Sender.holds)):
            turns.append(turn(sender))
    if sender.held:
        turns.append(Release("c"))
    turns.append(ending(rng, sender))
    return Case(f"conversation {name}", "transport", HOST, flat([sysctls(SETTINGS), start, turns]), "generated", shared=True, by_step=True)


def ending(rng: random.Random, sender: Sender) -> list[Any]:
    """What is left is read, or not; FIN from either end, or none; and a RST."""
    made: list[Any] = []
    if rng.random() < 0.6:
        made.append(Recv("c", 65536, count=4))
    how = rng.choice(("reset", "fin", "shutdown", "close", "close first"))
    if how in ("fin", "close"):
        made += [sender.segment(0, rng.choice((0, 10)), "FA", follows=True), Recv("c", 65536, count=2)]
    if how == "shutdown":
        made += [Shutdown("c", rng.choice((0, 1, 2))), sender.segment(0, rng.choice((0, 100)), "A", follows=True, ack=rng.choice((0, 1)))]
    if how in ("close", "close first"):
        made += [Close("c"), sender.segment(0, 0, rng.choice(("A", "FA")), follows=True, ack=1),
                 sender.segment(0, rng.choice((0, 10)), rng.choice(("A", "FA")), follows=True, ack=1)]
    if rng.random() < 0.02:
        made.append(Wait(60_000_000))
    return [*made, Segment("c", "R", 0, ack=None, follows=True, options=b"")]


def block(seed: int, number: int, most: int = SEGMENTS) -> Iterator[Case]:
    """The conversations of one block, until they have sent `most` segments."""
    sent = 0
    for i in range(CONVERSATIONS):
        if sent >= most:
            return
        case = conversation(f"{seed}:{number}:{i}")
        sent += sum(step.count for step in case.steps if isinstance(step, Segment))
        yield case
