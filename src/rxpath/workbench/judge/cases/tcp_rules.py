"""Rules that no other conversation met: each here would go unnoticed if it were broken (docs/mutations.md)."""
from rxpath.workbench.judge.case import Case, Sysctl, Wait
from rxpath.workbench.judge.cases.tcp_listener import ack, peers, syn
from rxpath.workbench.judge.tcp.build import dial, each, listener, read, row, seg, talk
from rxpath.workbench.judge.tcp.steps import Accept, Peer, Poll

ROUND_TRIP_NS = 100_000_000


def cases() -> list[Case]:
    return [*queues(), *windows(), *requests()]


def queues() -> list[Case]:
    return [
        talk("a FIN that has joined what lay before it, behind a hole", dial(),
             row("behind the hole", seg("PA", 100, 50), seg("FPA", 150, 50)),
             row("which is filled", seg("PA", 0, 100), Poll("c"), read(), read())),
        talk("100 small segments unread, then an old one", dial(65536),
             row("100 x 500 B", seg("PA", 0, 500, count=100)),
             row("a sixteenth of the buffer is free: window 0 is wanted", seg("PA", 0, 500)),
             row("read", read(), read())),
        talk("a buffer above tcp_rmem's most grows no further", dial(), Sysctl("net.ipv4.tcp_rmem", "4096 4096 8192"),
             row("20 x 400 B", seg("PA", 0, 400, count=20)), row("read", read(), read()),
             sysctl={"net.ipv4.tcp_rmem": "4096 16384 33554432"}),
    ]


def windows() -> list[Case]:
    """Right-sizing asks what was read, not what came; first windows of odd limits."""
    def came(at: int, n: int) -> list[object]:
        return [seg("PA", 1448 * i, 1448, tsecr=-100) for i in range(at, at + n)]
    return [
        talk("right-sizing, a reader that leaves some", dial(wait_ns=ROUND_TRIP_NS),
             row("10 x 1448 B read at once", [(s, read()) for s in came(0, 10)]), Wait(150_000_000),
             row("20 x 1448 B, a part is read", came(10, 20), read(16_000)), Wait(150_000_000),
             row("10 more, all is read", came(30, 10), read(), read()), Wait(150_000_000),
             row("20 more", [(s, read()) for s in came(40, 20)]),
             sysctl={"net.ipv4.tcp_moderate_rcvbuf": 1}),
        talk("tcp_rmem 4096 16384 100000: rmem_max decides the scale", dial(),
             row("2 x 1448 B read at once", [(seg("PA", 1448 * i, 1448), read()) for i in range(2)]),
             sysctl={"net.ipv4.tcp_rmem": "4096 16384 100000"}),
        talk("a window of one segment of 600 bytes", dial(options=(("SO_RCVBUF", 1), ("TCP_MAXSEG", 600))),
             each("the first segment", seg("PA", 0, 400)), each("another", seg("PA", 400, 100))),
    ]


def requests() -> list[Case]:
    quiet = {"net.ipv4.tcp_syncookies": 1, "net.ipv4.tcp_max_syn_backlog": 16}
    return [
        talk("24 SYNs, backlog 128, tcp_max_syn_backlog 16, syncookies 1", listener(backlog=128), peers(24, source="10.0.0.3"),
             row("all are answered", *[syn(f"p{i}") for i in range(24)]), sysctl=quiet),
        talk("a request, an ACK at the very edge of its window", listener(), Peer("p"), row("SYN", syn("p")),
             row("seq = right edge, no data", ack("p", seq=65160)), row("the ACK", ack("p"), Accept("c"))),
        talk("TCP_DEFER_ACCEPT, the accept queue is full", listener(backlog=1, options=(("TCP_DEFER_ACCEPT", 7),)), peers(3),
             row("two fill it, a third one has sent its SYN", syn("p0"), syn("p1"), ack("p0", "PA", 10), syn("p2"), ack("p2", "PA", 10)),
             row("its data: no room", ack("p1", "PA", 10)),
             row("1.2 s later: it has been heard, no SYN-ACK", Wait(1_200_000_000)),
             row("its data again", Accept("c"), ack("p1", "PA", 10), Accept("d"), Accept("e"))),
    ]
