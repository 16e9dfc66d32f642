"""A socket whose owner holds it: the backlog, its limit, and what release_sock() makes of it."""
from rxpath.workbench.judge.case import Case, SetOpt
from rxpath.workbench.judge.tcp.build import dial, read, row, seg, talk
from rxpath.workbench.judge.tcp.steps import Hold, Release

HELD, LET_GO = Hold("c"), Release("c")
FAR = 3_000_000                         # beyond any window: nothing merges


def cases() -> list[Case]:
    limits = [talk(f"the backlog's limit, SO_RCVBUF {rcvbuf}, SO_SNDBUF {sndbuf}", dial(rcvbuf), SetOpt("c", "SO_SNDBUF", sndbuf),
                   row("one byte is read slowly", seg("PA", 0, 100), HELD),
                   row(f"{fits} fit, one does not", seg("PA", FAR, 1000, count=fits + 1, stride=3000)),
                   row("released", LET_GO))
              for rcvbuf, sndbuf, fits in ((4096, 4608, 38), (65536, 4608, 144), (4096, 262144, 149))]
    return [
        talk("an owner holds the socket", dial(),
             row("first", seg("PA", 0, 100), HELD),
             row("owner holds the socket: 5 in-order segments, same TS", seg("PA", 100, 1000, count=5, same_tsval=True)),
             row("... owner releases: ACKs", LET_GO, read()),
             row("again", seg("PA", 5100, 1), HELD),
             row("... 5 segments, TS differs (no coalescing)", seg("PA", 5101, 1000, count=5)),
             row("... released", LET_GO, read()),
             row("again", seg("PA", 10101, 1), HELD),
             row("... bad checksum onto the backlog", seg("PA", 10102, 100, bad_checksum=True)),
             row("... RST onto the backlog", seg("R", 10102, ack=None, tsecr=None)),
             row("... released", LET_GO, read(), read())),
        *limits,
        talk("small segments merge on the backlog", dial(),
             row("first", seg("PA", 0, 100), HELD),
             row("20 in-order segments of 10 B, same TS, onto the backlog", seg("PA", 100, 10, count=20, same_tsval=True)),
             row("released", LET_GO, read()),
             row("again", seg("PA", 300, 1), HELD),
             row("10 pure ACKs onto the backlog", seg("A", 301, count=10, same_tsval=True)),
             row("released", LET_GO),
             row("again", seg("PA", 301, 1), HELD),
             row("30 out-of-order segments onto the backlog", seg("PA", 2000, 100, count=30, stride=200)),
             row("released: ACKs", LET_GO)),
        talk("tcp_backlog_ack_defer 0", dial(),
             row("first", seg("PA", 0, 100), HELD),
             row("tcp_backlog_ack_defer 0: 10 in-order of 1000", seg("PA", 100, 1000, count=10)),
             row("released: ACKs", LET_GO, read()), sysctl={"net.ipv4.tcp_backlog_ack_defer": 0}),
        talk("a recv() that may wait reads on in the backlog", dial(),
             row("first", seg("PA", 0, 100), Hold("c", waits=True)),
             row("500 bytes, a hole, what lies behind it, a duplicate", seg("PA", 100, 500), seg("PA", 700, 100), seg("PA", 0, 100)),
             row("released: 600 bytes", LET_GO),
             row("the hole is filled, then a page is full", seg("PA", 600, 100), Hold("c", waits=True), seg("PA", 800, 1000, count=5)),
             row("released: 4096 bytes", LET_GO, read()),
             row("and the FIN", seg("PA", 5800, 100), Hold("c", waits=True), seg("FA", 5900)),
             row("released", LET_GO, read()), sysctl={"net.ipv4.tcp_backlog_ack_defer": 1}),
        talk("FIN onto the backlog", dial(),
             row("first", seg("PA", 0, 100), HELD),
             row("data and FIN", seg("PA", 100, 100), seg("FA", 200)),
             row("released", LET_GO, read(), read())),
        talk("old and urgent data onto the backlog", dial(),
             row("first", seg("PA", 0, 100), HELD),
             row("old, urgent, beyond the window, PAWS", seg("PA", 0, 100), seg("UPA", 100, 100, urgent=50), seg("PA", 1 << 20, 10),
                 seg("PA", 200, 100, tsval=1)),
             row("released", LET_GO, read(), read())),
        talk("an ACK that was put off finds the backlog empty", dial(4096, window_scale=None),
             row("first", seg("PA", 0, 1), HELD),
             row("three ACKs, and the next bytes", seg("A", 1, count=3), seg("PA", 1, 50)),
             row("released: the window is not less by what stood there", LET_GO)),
        talk("a PSH that joined a segment on the backlog is not in its header", dial(timestamps=False),
             row("first", seg("PA", 0, 1448), read(), seg("PA", 1448, 1), HELD),
             row("301 bytes, and as many with 127 that say PSH; 1220", seg("A", 1449, 301), seg("A", 1450, 0),
                 seg("A", 1750, 301), seg("PA", 2051, 127), seg("A", 2178, 1220)),
             row("released", LET_GO, read())),
        talk("joined segments open the window by all that they bring", dial(212992, timestamps=False),
             row("first", seg("PA", 0, 1400), read(), seg("PA", 1400, 1), HELD),
             row("a large one, an ACK, and small ones that become one", seg("PA", 1401, 1428), seg("A", 2827), seg("PA", 2829, 50),
                 seg("PA", 2879, 2), seg("PA", 2881, 128)),
             row("released", LET_GO, read())),
    ]
