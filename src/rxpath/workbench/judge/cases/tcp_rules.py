"""Rules that no other conversation met: each here would go unnoticed if it were broken (docs/mutations.md)."""
from rxpath.workbench.judge.case import Case, Close, GetOpt, SetOpt, Sysctl, Wait
from rxpath.workbench.judge.cases.tcp_listener import ack, peers, syn
from rxpath.workbench.judge.tcp.build import dial, each, listener, read, row, seg, talk
from rxpath.workbench.judge.tcp.steps import Accept, Peer, Poll

ROUND_TRIP_NS = 100_000_000


def cases() -> list[Case]:
    return [*queues(), *windows(), *acks(), *requests()]


def queues() -> list[Case]:
    return [
        talk("a FIN that has joined what lay before it, behind a hole", dial(),
             row("behind the hole", seg("PA", 100, 50), seg("FPA", 150, 50)),
             row("which is filled", seg("PA", 0, 100), Poll("c"), read(), read())),
        talk("memory is short before SO_RCVLOWAT is reached: readable", dial(65536), SetOpt("c", "SO_RCVLOWAT", 60000),
             row("10 x 500 B", seg("PA", 0, 500, count=10), Poll("c")),
             row("90 more", seg("PA", 5000, 500, count=90), Poll("c"))),
        talk("the window is shut before SO_RCVLOWAT is reached: readable", dial(4096), SetOpt("c", "SO_RCVLOWAT", 4000),
             [row(f"{n} B", seg("PA", n - 1448, 1448), Poll("c")) for n in (1448, 2896)]),
        talk("SO_RCVLOWAT is half of a buffer that the program has set at most", dial(8192),
             row("so much is too much", SetOpt("c", "SO_RCVLOWAT", 10_000), GetOpt("c", "SO_RCVLOWAT"))),
        talk("SO_PEEK_OFF moves on with each peek", dial(), SetOpt("c", "SO_PEEK_OFF", 10),
             row("2 x 100 B", seg("PA", 0, 100, count=2)),
             row("peeks", read(50, "MSG_PEEK"), read(120, "MSG_PEEK"), read(100, "MSG_PEEK")), each("all of it")),
        talk("100 small segments unread, then an old one", dial(65536),
             row("100 x 500 B", seg("PA", 0, 500, count=100)),
             row("a sixteenth of the buffer is free: window 0 is wanted", seg("PA", 0, 500)),
             row("read", read(), read())),
        talk("what lies behind a hole is collapsed", dial(4096),
             row("25 x 100 B behind a hole", seg("PA", 200, 100, count=25)),
             row("which is filled", seg("PA", 0, 200), read(), read())),
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
        *[talk(f"right-sizing {cause}", dial(rcvbuf, wait_ns=ROUND_TRIP_NS),
               [row(f"{n} x 1448 B in one round trip", [(s, read()) for s in came(at, n)], Wait(150_000_000))
                for at, n in ((0, 10), (10, 20))],
               *more, row("once more", [(s, read()) for s in came(30, 3)]), sysctl=sysctl)
          for cause, rcvbuf, more, sysctl in (
              ("up to tcp_rmem's most", None, (), {"net.ipv4.tcp_moderate_rcvbuf": 1, "net.ipv4.tcp_rmem": "4096 131072 200000"}),
              ("off: tcp_moderate_rcvbuf 0", None, (), {}),
              ("not of a buffer that the program has set", 65536, (), {"net.ipv4.tcp_moderate_rcvbuf": 1}),
              ("by what lies behind a hole, too", None, (row("behind a hole", seg("PA", 1448 * 40, 1448, tsecr=-100)),),
               {"net.ipv4.tcp_moderate_rcvbuf": 1}))],
        talk("tcp_rmem 4096 16384 100000: rmem_max decides the scale", dial(),
             row("2 x 1448 B read at once", [(seg("PA", 1448 * i, 1448), read()) for i in range(2)]),
             sysctl={"net.ipv4.tcp_rmem": "4096 16384 100000"}),
        talk("a window of one segment of 600 bytes", dial(options=(("SO_RCVBUF", 1), ("TCP_MAXSEG", 600))),
             each("the first segment", seg("PA", 0, 400)), each("another", seg("PA", 400, 100))),
    ]


def acks() -> list[Case]:
    """When an ACK goes out: beside what tcp_window.py has."""
    def few(at: int, n: int) -> list[object]:
        return [(seg("PA", 100 * i, 100), read()) for i in range(at, at + n)]
    return [
        talk("less than SO_RCVLOWAT is told though the window cannot move", dial(16384), SetOpt("c", "SO_RCVLOWAT", 16000),
             row("28 x 500 B", seg("PA", 0, 500, count=28)), row("read", read(), read())),
        talk("a duplicate makes it quick again", dial(),
             row("22 x 100 B read at once", few(0, 22)),
             row("the first one again", seg("PA", 0, 100)), row("6 x 100 B read at once", few(22, 6))),
        talk("a read of a part sends no ACK", dial(),
             row("22 x 100 B read at once", few(0, 22)),
             row("100 B more, in two reads", seg("PA", 2200, 100), read(50), read())),
        talk("a delayed ACK by how often data come", dial(8192, wait_ns=ROUND_TRIP_NS),
             row("8 x 100 B read at once", few(0, 8)),
             row("one more, unread", seg("PA", 800, 100)), row("60 ms later", Wait(60_000_000)),
             row("another: 100 ms, the estimate is twice as long", seg("PA", 900, 100)),
             row("60 ms later", Wait(60_000_000)), row("120 ms later", Wait(60_000_000))),
        talk("a delayed ACK waits no longer than a round trip", dial(8192, wait_ns=50_000_000),
             row("8 x 100 B read at once", few(0, 8)),
             row("one more, unread", seg("PA", 800, 100)), row("60 ms later", Wait(60_000_000)),
             row("another", seg("PA", 900, 100)), row("75 ms later", Wait(75_000_000)), row("150 ms later", Wait(75_000_000))),
        talk("a sender that has paused is answered at once", dial(8192),
             row("8 x 100 B read at once", few(0, 8)), row("0.4 s later", Wait(400_000_000)), row("one more, unread", seg("PA", 800, 100))),
        talk("compressed SACKs, three at once for each hole", dial(wait_ns=200_000_000),
             each("first", seg("PA", 0, 1000)),
             row("30 segments behind one hole: quick ones, three, then none", seg("PA", 3000, 100, count=30)), Wait(40_000_000),
             row("a part of the hole", seg("PA", 1000, 500), read()),
             row("12 segments more", seg("PA", 6000, 100, count=12)), Wait(40_000_000),
             sysctl={"net.ipv4.tcp_comp_sack_nr": 44, "net.ipv4.tcp_comp_sack_delay_ns": 100_000_000}),
    ]


def requests() -> list[Case]:
    """How connections begin and end."""
    quiet = {"net.ipv4.tcp_syncookies": 1, "net.ipv4.tcp_max_syn_backlog": 16}
    return [
        talk("24 SYNs, backlog 128, tcp_max_syn_backlog 16, syncookies 1", listener(backlog=128), peers(24, source="10.0.0.3"),
             row("all are answered", *[syn(f"p{i}") for i in range(24)]), sysctl=quiet),
        talk("data with the ACK of our FIN, to a socket that is closed", dial(),
             row("close()", Close("c")), row("data", seg("PA", 0, 10, ack=1)), row("more", seg("PA", 10, 10, ack=1))),
        talk("a request, an ACK at the very edge of its window", listener(), Peer("p"), row("SYN", syn("p")),
             row("seq = right edge, no data", ack("p", seq=65160)), row("the ACK", ack("p"), Accept("c"))),
        talk("TCP_DEFER_ACCEPT, the accept queue is full", listener(backlog=1, options=(("TCP_DEFER_ACCEPT", 7),)), peers(3),
             row("two fill it, a third one has sent its SYN", syn("p0"), syn("p1"), ack("p0", "PA", 10), syn("p2"), ack("p2", "PA", 10)),
             row("its data: no room", ack("p1", "PA", 10)),
             row("1.2 s later: it has been heard, no SYN-ACK", Wait(1_200_000_000)),
             row("its data again", Accept("c"), ack("p1", "PA", 10), Accept("d"), Accept("e"))),
    ]
