"""RST and SYN on a connection, FIN, the closing states, TIME_WAIT."""
from typing import Any

from rxpath.workbench.judge.case import Case, Close, SetOpt, Shutdown, Sysctl, Wait
from rxpath.workbench.judge.tcp.build import dial, each, read, row, seg, talk
from rxpath.workbench.judge.tcp.steps import Poll, Segment
from rxpath.workbench.judge.tcp.wire import syn_options

RATELIMIT_NS = 550_000_000              # longer than tcp_invalid_ratelimit
RST: dict[str, Any] = {"ack": None, "tsecr": None}
SYN: dict[str, Any] = {"ack": None}


def cases() -> list[Case]:
    return [*resets(), *syns(), *fins(), *closes(), *time_wait()]


def resets() -> list[Case]:
    return [
        talk("RST, seq = rcv_nxt", dial(), each("RST seq = rcv_nxt exactly", seg("R", 0, **RST)), row("again", read(), Poll("c"))),
        talk("RST+ACK, seq = rcv_nxt", dial(), each("RST+ACK seq = rcv_nxt", seg("RA", 0))),
        talk("RST elsewhere", dial(),
             each("RST in window, not rcv_nxt (RFC 5961)", seg("R", 100, **RST)),
             each("RST in window again < 500 ms", seg("R", 100, **RST)),
             each("RST below window", seg("R", -10, **RST)),
             each("RST beyond window", seg("R", 1 << 20, **RST))),
        talk("RST with unread data", dial(),
             row("in order and out of order", seg("PA", 0, 100), seg("PA", 200, 100)),
             row("RST at rcv_nxt with unread data: reader", seg("R", 100, **RST), Poll("c"), read(), read(), read())),
        talk("RST at an island's right edge", dial(),
             row("an island", seg("PA", 100, 100)),
             each("RST at the right edge of a SACKed island", seg("R", 200, **RST))),
        talk("RST with data", dial(), each("RST with data 20 B at rcv_nxt", seg("RA", 0, 20))),
        talk("RST with a bad ACK", dial(), each("RST+ACK at rcv_nxt, an ACK of what was never sent", seg("RA", 0, ack=5000))),
    ]


def syns() -> list[Case]:
    return [
        talk("SYN on a connection", dial(),
             each("SYN in window in ESTABLISHED", seg("S", 0, **SYN)),
             Wait(RATELIMIT_NS),
             each("SYN+ACK in ESTABLISHED (seq=ISN)", seg("SA", -1)),
             each("SYN below window (old SYN dup)", seg("S", -1, **SYN))),
        talk("SYN+FIN on a connection", dial(), each("SYN+FIN in ESTABLISHED at rcv_nxt", seg("SF", 0, **SYN))),
    ]


def fins() -> list[Case]:
    return [
        talk("FIN with data, then close", dial(),
             row("data+FIN", seg("FPA", 0, 100), Poll("c"), read(), read()),
             each("data after FIN (CLOSE_WAIT)", seg("PA", 101, 100)),
             each("FIN again (CLOSE_WAIT)", seg("FA", 100)),
             row("close(): LAST_ACK", Close("c")),
             row("last ACK", seg("A", 101, ack=1)),
             row("segment to it after CLOSED", seg("PA", 101, 5, ack=1))),
        talk("duplicate ACKs of a FIN, without SACK", dial(sack=False),
             row("shutdown(WR)", Shutdown("c", 1)),
             row("the same ACK, three times", seg("A", 0, count=3, stride=0)),
             row("window 0, then the old one", seg("A", 0, window=0), seg("A", 0)),
             row("with data", seg("A", 0, 10)),
             row("ACK of the FIN", seg("A", 10, ack=1))),
        talk("FIN out of order", dial(),
             each("FIN out of order (hole 100)", seg("FA", 100)),
             row("fills it", seg("PA", 0, 100), read(), read())),
        talk("RST in CLOSE_WAIT", dial(),
             row("FIN", seg("FA", 0), read()), row("RST", seg("R", 1, **RST), Poll("c"), read(), read())),
        talk("in LAST_ACK", dial(),
             row("FIN and close()", seg("FA", 0), Close("c")),
             row("FIN again", seg("FA", 0)), row("data", seg("PA", 1, 10)),
             row("ACK", seg("A", 1, ack=1)), row("ACK again", seg("A", 1, ack=1))),
    ]


def closes() -> list[Case]:
    return [
        talk("close() with nothing unread", dial(),
             row("close() with nothing unread: FIN_WAIT1", Close("c")),
             row("ACK of our FIN -> FIN_WAIT2", seg("A", 0, ack=1)),
             row("data in FIN_WAIT2 of a closed socket", seg("PA", 0, 100, ack=1))),
        talk("close() with unread data", dial(),
             row("data", seg("PA", 0, 100)), row("close() with unread data: RST", Close("c")),
             row("segment to it", seg("PA", 100, 10))),
        talk("SO_LINGER 0", dial(), SetOpt("c", "SO_LINGER", b"\1\0\0\0\0\0\0\0"), row("close(): RST", Close("c"))),
        talk("shutdown for writing", dial(),
             row("FIN", Shutdown("c", 1)), row("its ACK", seg("A", 0, ack=1)),
             each("FIN_WAIT2 (shutdown WR): data still read", seg("PA", 0, 100, ack=1)),
             row("FIN: TIME_WAIT", seg("FA", 100, ack=1), Poll("c"), read()), row("closed", Close("c"))),
        talk("shutdown for reading", dial(),
             Shutdown("c", 0), each("SHUT_RD: data", seg("PA", 0, 100)), each("again")),
        talk("simultaneous close", dial(),
             row("shutdown", Shutdown("c", 1)),
             row("simultaneous close: FIN without ACK of ours -> CLOSING", seg("FA", 0)),
             row("data in CLOSING", seg("PA", 1, 10)),
             row("then ACK -> TIME_WAIT", seg("A", 1, ack=1))),
        talk("FIN in FIN_WAIT1 with the ACK of ours", dial(),
             row("shutdown", Shutdown("c", 1)), row("FIN+ACK", seg("FA", 0, ack=1), read())),
        talk("TCP_LINGER2 -1", dial(), SetOpt("c", "TCP_LINGER2", -1),
             row("close()", Close("c")),
             row("closed: ACK of the FIN, then data", seg("A", 0, ack=1), seg("PA", 0, 10, ack=1))),
        talk("data in FIN_WAIT1 of a closed socket", dial(),
             row("close()", Close("c")), row("FIN_WAIT1 of a closed socket: data arrives", seg("PA", 0, 10))),
        talk("data after shutdown(RDWR)", dial(),
             row("shutdown", Shutdown("c", 2)), row("shutdown(RDWR), FIN_WAIT1: data arrives", seg("PA", 0, 10))),
        talk("a listener closes", dial(accept=False),
             row("one waits to be accepted", Close("l")), row("a segment to it", seg("PA", 0, 10))),
    ]


def again(seq: int, *, tsval: int | None = None, full: bool = True) -> Segment:
    """A new SYN from the same port: seq relative to the old one's ISN."""
    options = syn_options(tsval=tsval) if full else syn_options(1460, None, False)
    return seg("S", seq - 1, ack=None, options=options)


def time_wait() -> list[Case]:
    gone = (Close("c"), seg("FA", 0, ack=1))
    return [
        talk("TIME_WAIT", dial(),
             row("close(), and its ACK", Close("c"), seg("A", 0, ack=1)),
             row("FIN in FIN_WAIT2 -> TIME_WAIT", seg("FA", 0, ack=1)),
             row("FIN again in TIME_WAIT", seg("FA", 0, ack=1)),
             row("data in TIME_WAIT", seg("PA", 1, 10, ack=1)),
             row("old-TS (PAWS) data in TIME_WAIT", seg("PA", 1, 10, ack=1, tsval=1)),
             row("RST in TIME_WAIT (rfc1337=0)", seg("R", 1, **RST)),
             row("a segment then", seg("PA", 1, 10, ack=1))),
        talk("TIME_WAIT, a new SYN with time stamps", dial(), row("closed", *gone),
             row("TIME_WAIT: SYN with old seq and old TS", again(-1000, tsval=1)),
             row("TIME_WAIT reuse: SYN, seq lower, TS newer", again(-1000, tsval=3000))),
        talk("TIME_WAIT, a new SYN without time stamps", dial(timestamps=False), row("closed", *gone),
             row("SYN, seq lower", again(-1000, full=False)),
             row("TIME_WAIT reuse: SYN, seq higher, no TS", again(100_000, full=False))),
        talk("TIME_WAIT with tcp_rfc1337", dial(), Sysctl("net.ipv4.tcp_rfc1337", 1), row("closed", *gone),
             row("RST", seg("R", 1, **RST)), row("data", seg("PA", 1, 10, ack=1))),
        talk("no room for TIME_WAIT", dial(), Sysctl("net.ipv4.tcp_max_tw_buckets", 0),
             row("close()", Close("c")),
             row("TIME_WAIT bucket overflow (tcp_max_tw_buckets 0)", seg("FA", 0, ack=1)),
             row("a segment then", seg("PA", 1, 10, ack=1))),
    ]


