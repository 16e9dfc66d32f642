"""UDP receive memory, to the byte: what is charged, when it is given back, what still fits.

After every system call the kernel and the path are asked for SO_MEMINFO: rmem_alloc, sk_rcvbuf, fwd_alloc, drops.  The dialogues are made
from a seed: sends, reads, peeks, cut reads, FIONREAD, SO_PEEK_OFF and buffers that change while datagrams lie in them."""
from __future__ import annotations

import random
from collections.abc import Iterator

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Close, GetOpt, Open, Recv, Send, SetOpt, Step, Wait
from rxpath.workbench.judge.hosts import NIC, host

SOURCE = "UDP receive memory of 6.18.44"
BUFFERS = (0, 1153, 2304, 4096, 8192, 16384, 65536, 106496, 425984)
PAYLOADS = (0, 1, 18, 64, 192, 193, 256, 500, 512, 700, 704, 705, 1000, 1472)
DIALOGUES, STEPS = 24, 40
HOST = host([], nic={**NIC, "addresses": ["10.0.0.1/24", "10.0.0.7/24"]})


def looked_at(steps: list[Step], id_: str = "a") -> list[Step]:
    """SO_MEMINFO behind each step."""
    return [s for step in steps for s in (step, GetOpt(id_, "SO_MEMINFO"))]


def opened(size: int | None, id_: str = "a", port: int = 5000) -> Open:
    return Open(id_, ("0.0.0.0", port), options=() if size is None else (("SO_RCVBUF", size),))


def filled(name: str, size: int | None, steps: list[Step]) -> Case:
    """A case of one socket with that buffer, closed at the end."""
    return Case(name, "user", HOST, (opened(size), *looked_at(steps), Recv("a", count=0), Close("a")), SOURCE, shared=True)


def datagrams(n: int, length: int) -> tuple[bytes, ...]:
    return tuple(f.udp_frame(i.to_bytes(4, "big")[:length] + b"x" * max(0, length - 4)) for i in range(n))


# ---------------------------------------------------------------- what fits
FITS = (                                                # SO_RCVBUF, payload, how many fit, reads before the buffer is filled again
    (106496, 64, 256, (63, 64, 127, 128, 192, 255, 256)),
    (106496, 1472, 92, (22, 23, 24, 47, 69, 90, 91, 92)),
    (8192, 64, 19, (4, 5, 8, 10, 14, 17, 18, 19)),
    (8192, 1472, 7, (1, 2, 3, 4, 5, 6, 7)),
    (2304, 64, 5, (1, 2, 3, 4, 5)),
    (2304, 1472, 2, (1, 2)),
)


def fits() -> Iterator[Case]:
    for size, length, full, reads in FITS:
        for k in reads:
            yield filled(f"rcvbuf {2 * size}, payload {length}: full, {k} read, filled again", size,
                         [Send(datagrams(full + 3, length)), Recv("a", count=k), Send(datagrams(full + 3, length))])
    for k in (1260, 1261, 3780):
        steps: list[Step] = [Send(datagrams(5045, 64)), Recv("a", count=k), Send(datagrams(1265, 64))]
        case = filled(f"rcvbuf 4194304, payload 64: full, {k} read, filled again", 2097152, steps)
        yield Case(case.name, case.station, case.host, case.steps, SOURCE, shared=True, slow=True)
    for size in BUFFERS:
        yield filled(f"SO_RCVBUF {size}: every payload, one read after each", size,
                     [s for n in PAYLOADS for s in (Send(datagrams(2, n)), Recv("a"))])


# ---------------------------------------------------------------- single rows
def rows() -> Iterator[Case]:
    yield filled("an empty socket accepts anything", 0, [Send(datagrams(2, 1472)), Recv("a"), Send(datagrams(1, 0)), Recv("a", count=2)])
    yield filled("lowered to 16384 with 212992 queued", 106496,
                 [Send(datagrams(257, 64)), SetOpt("a", "SO_RCVBUF", 8192), Send(datagrams(1, 64)),
                  *([Recv("a")] * 8), Send(datagrams(1, 0)), Recv("a", count=236), Send(datagrams(20, 64))])
    yield filled("lowered below what lies there, read to the end", 8192,
                 [Send(datagrams(19, 64)), SetOpt("a", "SO_RCVBUF", 0), *([Recv("a")] * 19), Send(datagrams(4, 64))])
    yield filled("raised applies at once", 8192,
                 [Send(datagrams(20, 64)), SetOpt("a", "SO_RCVBUF", 106496), Send(datagrams(240, 64)), Recv("a", count=70)])
    yield filled("bad checksums of 69 bytes and more are charged until somebody reads", 106496,
                 [s for n in (1, 67, 68, 69, 70, 500, 1472) for s in
                  (Send(tuple(bad(n) for _ in range(5))), Recv("a"), Send((bad(n), *datagrams(1, 64), bad(n))), GetOpt("a", "FIONREAD"),
                   Recv("a", flags=("MSG_PEEK",)), Recv("a", count=2))])
    yield filled("emptied: one page stays", 106496, [Send(datagrams(12, 1000)), Recv("a", count=12), GetOpt("a", "FIONREAD"), Recv("a")])
    yield Case("closed with datagrams in both queues", "user", HOST,
               (opened(None), Send(datagrams(9, 64)), Recv("a"), Send(datagrams(3, 500)), Close("a"), Wait(200_000_000)), SOURCE)
    yield filled("cut reads and MSG_TRUNC", 106496,
                 [Send(datagrams(4, 100)), Recv("a", 10, ("MSG_TRUNC",)), Recv("a", 10), Recv("a", 0),
                  Recv("a", 10, ("MSG_PEEK", "MSG_TRUNC")), Recv("a", 100), Recv("a", 10)])
    yield peek_off("SO_PEEK_OFF over 100, none and 50 bytes", [0],
                   [Recv("a", n, ("MSG_PEEK",)) for n in (30, 30, 100, 30, 30, 100, 100)])
    yield peek_off("SO_PEEK_OFF lowered by a read", [0],
                   [Recv("a", 70, ("MSG_PEEK",)), Recv("a"), Recv("a", 10, ("MSG_PEEK",)), Recv("a", 10, ("MSG_PEEK",)), Recv("a"),
                    Recv("a", 10, ("MSG_PEEK",))])
    yield peek_off("SO_PEEK_OFF set beyond the first", [120, 40, -1, -7, 500],
                   [Recv("a", 30, ("MSG_PEEK",)), Recv("a", 30, ("MSG_PEEK", "MSG_TRUNC")), Recv("a", 5)])
    for size in (65536, 300):                           # a damaged datagram that fits lies in the buffer, and the offset leaves it there
        yield filled(f"bytes of damaged datagrams, read with room for {size}", 106496,
                     [Send((bad(500), *datagrams(1, 40), bad(600), bad(200), *datagrams(2, 700))), Recv("a", size, count=2),
                      SetOpt("a", "SO_PEEK_OFF", 600), Recv("a", size, ("MSG_PEEK", "MSG_TRUNC")), Recv("a", count=2)])
    # frames of 3,000 bytes are charged 4,352: more than the smallest buffer, and with 256 left exactly a page more
    large = host([], nic={**NIC, "mtu": 9000})
    yield Case("an empty socket accepts what is larger than its buffer", "user", large,
               (opened(0), *looked_at([Send(datagrams(2, 3000)), Recv("a"), Send(datagrams(1, 3000)), Recv("a", count=2)])), SOURCE)
    yield Case("exactly a page is lacking", "user", large,
               (opened(None), *looked_at([Send(datagrams(3, 500)), Send(datagrams(1, 3000)), Recv("a", count=4)])), SOURCE)
    yield Case("two sockets are independent", "user", HOST,
               (opened(106496), opened(106496, "b", 5001), Send(datagrams(258, 64)),
                Send(tuple(f.udp_frame(dport=5001) for _ in range(258))), GetOpt("a", "SO_MEMINFO"), GetOpt("b", "SO_MEMINFO"),
                Recv("a", count=65), GetOpt("a", "SO_MEMINFO"), GetOpt("b", "SO_MEMINFO"), Recv("a", count=0), Recv("b", count=0),
                Close("a"), Close("b")), SOURCE, shared=True)


def bad(length: int) -> bytes:
    """A datagram whose checksum is wrong."""
    right = int.from_bytes(f.udp(b"y" * length)[6:8], "big")
    return f.eth(f.ip(f.udp(b"y" * length, check=right ^ 0x0101 or 1)))


def peek_off(name: str, offsets: list[int], steps: list[Step]) -> Case:
    three = tuple(f.udp_frame(p) for p in (bytes(range(100)), b"", bytes(range(100, 150))))
    look = GetOpt("a", "SO_PEEK_OFF")
    read: list[Step] = [s for step in steps for s in (step, look)]
    return filled(name, None, [Send(three), *(s for off in offsets for s in (SetOpt("a", "SO_PEEK_OFF", off), look, *read))])


def members() -> Iterator[Case]:
    """Each member of a group is charged in full."""
    sockets = [{"name": n, "bind": "*:5003", "join": ["239.1.1.1"], "reuseaddr": True} for n in "abc"]
    sent = tuple(f.udp_frame(b"m" * n, dport=5003, dst="239.1.1.1", mac=f.multicast_mac("239.1.1.1")) for n in (64, 500, 1472))
    for k in (1, 3):
        once: tuple[Step, ...] = (Send(sent[:k]), *(GetOpt(n, "SO_MEMINFO") for n in "abc"), Recv("b"), GetOpt("b", "SO_MEMINFO"))
        steps = once + once
        yield Case(f"multicast copies of {k}: every member is charged in full", "user", host(sockets), steps, SOURCE)


# ---------------------------------------------------------------- dialogues
def dialogue(seed: str, steps: int = STEPS) -> Case:
    """Whatever one may do with a socket, in an order that the seed says."""
    rng = random.Random(seed)
    size = rng.choice(BUFFERS)
    least = rng.choice((0, 0, 600))                     # some dialogues of large datagrams only
    found: list[Step] = []
    for _ in range(steps):
        kind = rng.choices(("send", "read", "peek", "cut", "fionread", "rcvbuf", "force", "peek_off"), (34, 34, 7, 7, 6, 4, 2, 1))[0]
        if kind == "send":
            found.append(Send(tuple(payload(rng, least) for _ in range(rng.choice((1, 1, 2, 3, 5, 9, 24))))))
        elif kind == "read":
            found.append(Recv("a", count=rng.choice((1, 1, 1, 2, 3, 8, 20))))
        elif kind in ("peek", "cut"):
            flags = rng.choice((("MSG_PEEK",), ("MSG_PEEK", "MSG_TRUNC"))) if kind == "peek" else rng.choice(((), ("MSG_TRUNC",)))
            found.append(Recv("a", rng.choice((0, 1, 10, 100, 1000)), flags))
        elif kind == "fionread":
            found.append(GetOpt("a", "FIONREAD"))
        elif kind == "peek_off":
            found.append(SetOpt("a", "SO_PEEK_OFF", rng.choice((-1, -1, 0, 5, 70, 600))))
        else:
            found.append(SetOpt("a", "SO_RCVBUF" if kind == "rcvbuf" else "SO_RCVBUFFORCE", rng.choice((*BUFFERS, rng.randrange(300000)))))
    return filled(f"dialogue {seed} of rcvbuf {size}", size, found)


def payload(rng: random.Random, least: int) -> bytes:
    n = rng.choice(PAYLOADS) if rng.random() < 0.6 else rng.randrange(1473)
    n -= n in (198, 646)                                # AF_PACKET's next size of buffer begins a byte later than a UDP socket's
    if rng.random() < 0.04:
        return bad(n)
    return f.udp_frame(rng.randbytes(max(n, least)))


NOT_BUILT = (
    ("udp_mem refuses a page (PROTO_MEM)", "net.ipv4.udp_mem is machine-wide and its total drifts by 256 pages for each CPU: not judged"),
    ("GSO sends to plain and UDP_GRO sockets", "the sender's GSO is not built"),
)


def cases() -> list[Case]:
    return [*rows(), *fits(), *members(), *(dialogue(f"618:{i}") for i in range(DIALOGUES)),
            *(Case(name, "user", HOST, (), SOURCE, not_built=why) for name, why in NOT_BUILT)]
