"""The window and receive memory: what is admitted, pruned, collapsed, and what the reader opens again."""
from rxpath.workbench.judge.case import Case, SetOpt, Wait
from rxpath.workbench.judge.tcp.build import dial, each, read, row, seg, talk
from rxpath.workbench.judge.tcp.steps import Poll, Repair

RATELIMIT_NS = 550_000_000              # longer than tcp_invalid_ratelimit
RMEM_MAX = 212_992                      # net.core.rmem_max, where nobody has set it
DELAYED_NS = 60_000_000                 # longer than an ACK is delayed


def cases() -> list[Case]:
    return [*edges(), *small_buffers(), *starts(), *memory(), *acks_over_time(), *repaired()]


def edges() -> list[Case]:
    w = 7240                            # of SO_RCVBUF 8192
    return [
        talk("at and beyond the window", dial(8192),
             each("seq = right edge exactly, 10 B, queue empty", seg("PA", w, 10)),
             each("seq 100 beyond the window", seg("PA", w + 100, 10)),
             Wait(RATELIMIT_NS),
             each("seq far beyond (1 MB)", seg("PA", 1 << 20, 10)),
             each("seq = window end exactly, no data (pure ACK)", seg("A", w)),
             Wait(RATELIMIT_NS),
             each("starts inside, ends beyond the window; queue empty, hole", seg("PA", w - 100, 1000))),
        talk("longer than the window, queue empty", dial(8192),
             row("in sequence, 1400 B", seg("PA", 0, 1400))),
        talk("tiny window", dial(1),
             row("in sequence, 1400 B into a window of 1152, queue empty", seg("PA", 0, 1400)),
             row("then 100 more (queue not empty)", seg("PA", 1400, 100)),
             each("read all"), row("then 100 more", seg("PA", 1400, 100))),
    ]


def small_buffers() -> list[Case]:
    return [
        talk("a reader that sleeps, SO_RCVBUF 4096", dial(4096),
             row("fill the buffer, reader sleeping, 500 B each", seg("PA", 0, 500, count=8)),
             row("in sequence, 500 B where 180 B of window are left, queue not empty", seg("PA", 3500, 500)),
             row("in sequence, 1 byte where 180 B are left (coalesced)", seg("A", 3500, 1)),
             row("window probe: seq = rcv_nxt-1, no data", seg("A", 3499)),
             row("old+new while rmem is over rcvbuf: the queue is collapsed", seg("PA", 3400, 200)),
             row("bare FIN, one below rcv_nxt", seg("FA", 3500)),
             each("reader reads all: window update?")),
        talk("a reader that wakes, SO_RCVBUF 4096", dial(4096),
             row("fill again", seg("PA", 0, 500, count=8)),
             row("reader reads 1 byte", read(1)), row("reader reads the rest", read())),
        talk("window 0", dial(4096),
             row("fill until the window is exactly 0",
                 *[(seg("PA", 1000 * i, 1000), Wait(3_000_000)) for i in range(3)], seg("PA", 3000)),
             row("in-sequence data into window 0", seg("PA", 3000, 100)),
             row("1-byte zero-window probe", seg("A", 3000, 1)),
             row("old+new into window 0", seg("PA", 2900, 200)),
             row("bare FIN into window 0", seg("FA", 3000)),
             each("reader drains"), each("end")),
        talk("readers of parts open the window", dial(32768),
             row("45 x 700 B", seg("PA", 0, 700, count=45)),
             row("1000 B at a time", [read(1000) for _ in range(32)])),
        talk("peeks open no window", dial(4096),
             row("3 x 900 B", seg("PA", 0, 900, count=3)),
             row("peeks", read(65536, "MSG_PEEK"), read(100, "MSG_PEEK")),
             row("discards", read(100, "MSG_TRUNC"), read(65536, "MSG_TRUNC")), each("nothing")),
    ]


def starts() -> list[Case]:
    """What SO_RCVBUF, TCP_WINDOW_CLAMP and sysctls make of the first window, and of what 1448 and 500 bytes at a time make of it."""
    sizes = (1, 2304, 4096, 8192, 16384, 32768, 65536, 131072, 212992, 1 << 20, 1 << 22)
    first = [talk(f"SO_RCVBUF {n}: first windows", dial(options=(("SO_RCVBUFFORCE" if n > RMEM_MAX else "SO_RCVBUF", n),)),
                  row("4 x 1448 B read at once", [(seg("PA", 1448 * i, 1448), read()) for i in range(4)]),
                  row("2 x 500 B read at once", [(seg("PA", 5792 + 500 * i, 500), read()) for i in range(2)])) for n in sizes]
    first += [talk(f"tcp_rmem {text}: first windows", dial(),
                   row("5 x 1448 B read at once", [(seg("PA", 1448 * i, 1448), read()) for i in range(5)]),
                   sysctl={"net.ipv4.tcp_rmem": text})
              for text in ("4096 16384 33554432", "4096 540000 15728640", "4096 131072 6291456")]
    return [*first,
            talk("TCP_WINDOW_CLAMP 20000 of the listener", dial(options=(("TCP_WINDOW_CLAMP", 20000),)),
                 row("5 x 1448 B read at once", [(seg("PA", 1448 * i, 1448), read()) for i in range(5)])),
            talk("no window scale, no time stamps", dial(window_scale=None, timestamps=False),
                 row("5 x 1460 B read at once", [(seg("PA", 1460 * i, 1460), read()) for i in range(5)])),
            talk("a peer of MSS 536", dial(mss=536),
                 row("10 x 524 B read at once", [(seg("PA", 524 * i, 524), read()) for i in range(10)])),
            talk("window clamp of an open connection", dial(),
                 row("clamp 5000", SetOpt("c", "TCP_WINDOW_CLAMP", 5000), seg("PA", 0, 1000), read(), seg("PA", 1000, 1000), read()))]


def memory() -> list[Case]:
    return [
        talk("rcvbuf lowered under an open window", dial(), SetOpt("c", "SO_RCVBUF", 2304),
             row("1st 1400", seg("PA", 0, 1400)),
             *[row(f"... {n}", seg("PA", 1400 * i, 1400)) for i, n in enumerate(("2nd", "3rd", "4th", "5th", "6th"), 1)],
             row("out of order while over the limit", seg("PA", 13400, 100)), each("read")),
        talk("out-of-order data over the limit", dial(), SetOpt("c", "SO_RCVBUF", 8192),
             row("16384 rcvbuf: 6 ofo islands of 1400, gaps", seg("PA", 1000, 1400, count=6, stride=1500)),
             row("7th ofo", seg("PA", 10000, 1400)),
             row("8th ofo", seg("PA", 11500, 1400)),
             row("9th ofo (over rcvbuf)", seg("PA", 13000, 1400)),
             row("10th ofo, lower than the others (seq 100)", seg("PA", 100, 500)),
             row("in-order 100 while ofo is over rcvbuf", seg("PA", 0, 90)),
             row("in-order again", seg("PA", 90, 10)), each("read")),
        talk("many tiny islands", dial(8192),
             row("many tiny islands: 40 x 1 byte ofo", seg("PA", 10, 1, count=40, stride=2)),
             row("from the left", seg("PA", 0, 10), read()),
             row("two filled", seg("PA", 11, 1, count=2, stride=2), read())),
        talk("an untouched socket grows instead of losing", dial(),
             row("60 x 1448 B unread", seg("PA", 0, 1448, count=60)), row("read", read(), read())),
        talk("60 x 500 B unread", dial(), row("60 x 500 B unread", seg("PA", 0, 500, count=60)), row("read", read(), read())),
        talk("small segments share what the last one has left", dial(),
             *[(row(f"32 x {n} B", seg("PA", at, n, count=32)), row("read", read(), read()))
               for at, n in ((0, 1), (32, 10), (352, 50), (1952, 100), (5152, 128), (9248, 200))]),
    ]


def acks_over_time() -> list[Case]:
    """When an ACK goes out: quick mode, every second segment, after a while; compressed SACKs."""
    return [
        talk("quick mode, then every second segment", dial(),
             row("28 x 1448 B read at once", [(seg("PA", 1448 * i, 1448), read()) for i in range(28)])),
        talk("quick mode of small segments", dial(),
             row("22 x 100 B read at once", [(seg("PA", 100 * i, 100), read()) for i in range(22)])),
        talk("TCP_QUICKACK 0", dial(), SetOpt("c", "TCP_QUICKACK", 0),
             row("6 x 1448 B read at once", [(seg("PA", 1448 * i, 1448), read()) for i in range(6)]), Wait(DELAYED_NS)),
        talk("a delayed ACK", dial(8192),
             row("6 x 100 B read at once", [(seg("PA", 100 * i, 100), read()) for i in range(6)]),
             row("60 ms later", Wait(DELAYED_NS)), row("one more", seg("PA", 600, 100), read()), row("60 ms later", Wait(DELAYED_NS))),
        *[talk(f"compressed SACKs, tcp_comp_sack_nr {n}", dial(wait_ns=200_000_000),
               each("first", seg("PA", 0, 1000)),
               row("20 islands", seg("PA", 3000, 100, count=20, stride=300)),
               row("40 ms later", Wait(40_000_000)),
               row("the hole filled", seg("PA", 1000, 2000), read()),
               sysctl={"net.ipv4.tcp_comp_sack_nr": n, "net.ipv4.tcp_comp_sack_delay_ns": 100_000_000}) for n in (44, 5)],
        talk("compressed SACKs of one island, tcp_comp_sack_nr 5", dial(wait_ns=200_000_000),
             each("first", seg("PA", 0, 1000)),
             row("50 segments behind one hole", seg("PA", 3000, 100, count=50)), Wait(40_000_000),
             sysctl={"net.ipv4.tcp_comp_sack_nr": 5, "net.ipv4.tcp_comp_sack_delay_ns": 100_000_000}),
        talk("right-sizing, a round trip of 100 ms", dial(wait_ns=100_000_000),
             [row(f"{n} x 1448 B in one round trip", [(seg("PA", 1448 * i, 1448, tsecr=-100), read()) for i in range(at, at + n)],
                  Wait(150_000_000))
              for at, n in ((0, 10), (10, 20), (30, 25))],
             sysctl={"net.ipv4.tcp_moderate_rcvbuf": 1}),
        talk("SO_RCVLOWAT", dial(), SetOpt("c", "SO_RCVLOWAT", 1000),
             row("12 x 100 B", seg("PA", 0, 100, count=12)), each("read")),
        talk("SO_RCVLOWAT, exactly so much, and more than the buffer", dial(), SetOpt("c", "SO_RCVLOWAT", 300),
             row("one byte less", seg("PA", 0, 299), Poll("c")),
             row("exactly so much", seg("PA", 299, 1), Poll("c"), read()),
             row("200000: the buffer grows", SetOpt("c", "SO_RCVLOWAT", 200_000))),
    ]


def repaired() -> list[Case]:
    return [
        talk("TCP_REPAIR, the sequence wraps",
             Repair("c", 90, 0xFFFFFF00, 5000, 123456789, (0, 60000, 60000, 50000, 0)),
             each("TCP_REPAIR socket: data across seq wrap", seg("PA", 0, 1000)),
             row("more", seg("PA", 1000, 1000)),
             row("TCP_REPAIR socket: out of order", seg("PA", 5000, 1000)),
             row("TCP_REPAIR socket: beyond the given window", seg("PA", 60000, 1000))),
        talk("TCP_REPAIR without options or window", Repair("c", 90),
             each("data", seg("PA", 0, 1000))),
        talk("TCP_REPAIR, window 0 and an empty queue", Repair("c", 90, timestamp=123456789, window=(0, 60000, 60000, 0, 0)),
             each("data in sequence into window 0, queue empty", seg("PA", 0, 100)),
             each("the same after that reply's window", seg("PA", 0, 100))),
    ]
