"""Programs that say how much of a datagram a socket takes (SO_ATTACH_FILTER): what they see of it, what stays of it, what is counted when
they refuse it, who may attach one.  Those of streams are in tcp_data.py and tcp_listener.py."""
from __future__ import annotations

import random
from collections.abc import Iterator

from rxpath.abi import filter as bpf
from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Bind, Case, Close, Connect, GetOpt, Join, Open, Recv, Send, SetOpt, Step
from rxpath.workbench.judge.cases.programs import RET_A, RET_K, B, H, W, code, drawn, load
from rxpath.workbench.judge.cases.receivers import GROUP, PLAIN, SOURCE, sock

ATTACH, DETACH, LOCK = "SO_ATTACH_FILTER", "SO_DETACH_FILTER", "SO_LOCK_FILTER"
NONE, ALL = code((RET_K, 0, 0, 0)), code((RET_K, 0, 0, 0xFFFFFFFF))
SEED, PROGRAMS = 1117, 40
JEQ = bpf.BPF_JMP | bpf.BPF_JEQ


def keep(n: int) -> bytes:
    return code((RET_K, 0, 0, n))


def if_equal(size: int, at: int, value: int) -> bytes:
    """All of it where the bytes at `at` are that, none elsewhere."""
    return code(load(size, at), (JEQ, 0, 1, value), (RET_K, 0, 0, 0xFFFF), (RET_K, 0, 0, 0))


def case(name: str, *steps: Step, ids: tuple[str, ...] = ("a",)) -> Case:
    """A socket `a` on port 5000; what it has is read at the end, and its memory looked at before."""
    end: list[Step] = [s for i in ids for s in (GetOpt(i, "SO_MEMINFO"), Recv(i, count=0), Close(i))]
    return Case(f"socket filter: {name}", "transport", PLAIN, (sock("a"), *steps, *end), SOURCE, shared=True)


def runs(name: str, program: bytes, *steps: Step, ids: tuple[str, ...] = ("a",)) -> Case:
    return case(name, SetOpt("a", ATTACH, program), *(steps or (sizes(),)), ids=ids)


def sizes() -> Send:
    """Datagrams of all sorts: short ones are verified when they arrive, others when somebody asks."""
    return Send(tuple(f.udp_frame(bytes(i + k & 0xFF for k in range(n)), sport=40000 + i)
                      for i, n in enumerate((0, 1, 4, 12, 13, 40, 100, 600, 1400))))


def damaged(n: int) -> bytes:
    return f.eth(f.ip(f.udp(b"x" * n, check=0x1234)))


def taken() -> Iterator[Case]:
    yield runs("refuses all", NONE)
    yield runs("takes all", ALL)
    yield runs("leaves 20 bytes, the UDP header among them", keep(20))
    yield runs("leaves less than the UDP header: the header", keep(1))
    yield runs("the destination port", if_equal(H, 2, 5000))
    yield runs("the source port", if_equal(H, 0, 40003))
    yield runs("the UDP length", if_equal(H, 4, 48))
    yield runs("a byte of the payload", if_equal(B, 8, 5))
    yield runs("behind the payload: none", if_equal(W, 30, 0x1B1C1D1E))
    yield runs("the source address, in the network's header", if_equal(W, bpf.SKF_NET_OFF + 12, f.ip4(f.PEER)))
    yield runs("the EtherType, in the link's header", if_equal(H, bpf.SKF_LL_OFF + 12, 0x0800))
    yield runs("as many bytes as there are", code((bpf.BPF_LD | W | bpf.BPF_LEN, 0, 0, 0), (RET_A, 0, 0, 0)))
    yield runs("damaged ones", ALL, Send(tuple(damaged(n) for n in (4, 64, 400, 1200))))
    yield runs("damaged ones that it refuses", NONE, Send(tuple(damaged(n) for n in (4, 400))))
    yield runs("damaged behind what it leaves", keep(50), Send((damaged(400),)))
    yield runs("no checksum", keep(50), Send((f.eth(f.ip(f.udp(b"x" * 400, check=0))),)))
    yield runs("a byte too many", keep(1408), Send(tuple(f.udp_frame(b"x" * n) for n in (1399, 1400, 1401))))
    yield runs("a small buffer of the reader's", keep(50), Send((f.udp_frame(b"x" * 400),)), Recv("a", 10),
               Send((f.udp_frame(b"y" * 400),)), Recv("a", 10, ("MSG_TRUNC",)))
    yield runs("FIONREAD", keep(50), Send((f.udp_frame(b"x" * 400),)), GetOpt("a", "FIONREAD"))


def apart() -> Iterator[Case]:
    """Datagrams in fragments: what stays lies in the first, ends in the second, goes on in the third."""
    def parts(ident: int, *cuts: int, n: int = 1200) -> Send:
        return Send(tuple(f.fragments(f.udp(bytes(k & 0xFF for k in range(n))), list(cuts), ident=ident)))
    for n in (10, 208, 209, 500, 648, 700, 1208, 5000):
        yield runs(f"of fragments, leaves {n} bytes", keep(n), parts(700 + n, 208, 648))
    yield runs("of fragments, bytes in two of them", if_equal(W, 206, 0xC6C7C8C9), parts(7, 208, 648))
    yield runs("of fragments, refuses", NONE, parts(8, 208))


def several() -> Iterator[Case]:
    many = Send(tuple(f.udp_frame(b"m %d " % i + b"x" * 40 * i, dst=GROUP, mac=f.multicast_mac(GROUP)) for i in range(4)))
    joins = (Join("a", GROUP), sock("b", reuseaddr=True), Join("b", GROUP), sock("c", reuseaddr=True), Join("c", GROUP))
    opened = (Close("a"), sock("a", reuseaddr=True), *joins)
    yield case("of one of three members of a group", *opened, SetOpt("b", ATTACH, keep(20)), many, ids=("a", "b", "c"))
    yield case("of three members, each another", *opened, SetOpt("a", ATTACH, keep(30)), SetOpt("b", ATTACH, NONE),
               SetOpt("c", ATTACH, keep(9)), many, ids=("a", "b", "c"))
    yield case("a damaged datagram to a group", *opened, SetOpt("b", ATTACH, ALL),
               Send((f.eth(f.ip(f.udp(b"x" * 200, check=0x1234), dst=GROUP), f.multicast_mac(GROUP)),)), ids=("a", "b", "c"))
    yield runs("of a connection", if_equal(B, 8, ord("1")), Connect("a", (f.PEER, 40000)),
               Send(tuple(f.udp_frame(b"%d" % (i % 2)) for i in range(5))))
    yield runs("refuses before the buffer is asked", if_equal(B, 8, ord("y")), SetOpt("a", "SO_RCVBUF", 2304),
               Send(tuple(f.udp_frame(b"xy"[i % 2:i % 2 + 1] * 64) for i in range(12))))
    yield runs("SO_RXQ_OVFL counts what it refuses", if_equal(B, 8, ord("y")), SetOpt("a", "SO_RXQ_OVFL", 1),
               Send(tuple(f.udp_frame(b"xxyxyy"[i:i + 1] * 20) for i in range(6))))


def attached() -> Iterator[Case]:
    two = Send(tuple(f.udp_frame(b"%d" % i * 30) for i in range(2)))
    asked = (GetOpt("a", ATTACH, 512), GetOpt("a", LOCK))
    yield runs("taken away, and once more", NONE, two, SetOpt("a", DETACH, 0), two, SetOpt("a", DETACH, 0), *asked)
    yield runs("another instead", NONE, two, SetOpt("a", ATTACH, keep(12)), two, *asked)
    yield runs("locked", keep(12), SetOpt("a", LOCK, 1), SetOpt("a", ATTACH, NONE), SetOpt("a", DETACH, 0), SetOpt("a", LOCK, 0), *asked,
               SetOpt("a", LOCK, 5), GetOpt("a", LOCK), two)
    yield case("locked without one", SetOpt("a", LOCK, 1), SetOpt("a", DETACH, 0), SetOpt("a", ATTACH, NONE), *asked, two)
    yield case("locked: what is refused first", SetOpt("a", LOCK, 1), SetOpt("a", ATTACH, b""), SetOpt("a", ATTACH, code(load(B, 0))),
               SetOpt("a", ATTACH, 7))
    yield case("locked: no program of a SO_REUSEPORT group", Open("g", None, reuseport=True), SetOpt("g", LOCK, 1),
               SetOpt("g", "SO_ATTACH_REUSEPORT_CBPF", NONE), SetOpt("g", "SO_DETACH_REUSEPORT_BPF", 0), Close("g"))
    yield case("none", *asked, SetOpt("a", DETACH, 0), SetOpt("a", LOCK, 0), SetOpt("a", LOCK, b"\1"), SetOpt("a", DETACH, b""))
    yield runs("a program that is refused leaves the one that is there", keep(12), SetOpt("a", ATTACH, code(load(B, 0))),
               SetOpt("a", ATTACH, b""), SetOpt("a", ATTACH, 1), SetOpt("a", ATTACH, code(*[(RET_K, 0, 0, 0)] * 4097)), two, *asked)
    yield runs("asked for with little room", if_equal(B, 8, 5), GetOpt("a", ATTACH, 3), GetOpt("a", ATTACH, 32), two)
    yield case("before bind(), and behind the end of a connection", Close("a"), Open("a"), SetOpt("a", ATTACH, keep(12)),
               Bind("a", ("0.0.0.0", 5000)), two, Connect("a", (f.PEER, 40000)), two, Connect("a", None), two)


def cases() -> list[Case]:
    rng = random.Random(SEED)
    return [*taken(), *apart(), *several(), *attached(), *(runs(f"drawn, number {i}", drawn(rng, 1500)) for i in range(PROGRAMS))]
