"""Data, acknowledgements, time stamps and urgent data on an established connection."""
from rxpath.workbench.judge.case import Case, SetOpt, Wait
from rxpath.workbench.judge.tcp.build import PUSHED, dial, each, read, row, seg, talk
from rxpath.workbench.judge.tcp.steps import Write

RATELIMIT_NS = 550_000_000              # longer than tcp_invalid_ratelimit


def cases() -> list[Case]:
    return [*data(), *paws(), *acks(), *urgent()]


def data() -> list[Case]:
    return [
        talk("in order, old, out of order, holes filled", dial(),
             each("in-order data 1000 (first: quick-ACK)", seg("PA", 0, 1000)),
             each("duplicate of it, wholly old", seg("PA", 0, 1000)),
             each("old and 500 new bytes (overlap at the front)", seg("PA", 500, 1000)),
             each("keep-alive: 1 old byte, seq = rcv_nxt-1", seg("A", 1499, 1)),
             each("bare ACK, seq = rcv_nxt-1 (keep-alive probe)", seg("A", 1499)),
             each("out of order: hole of 500 (first)", seg("PA", 2000, 500)),
             each("out of order: second island", seg("PA", 3000, 500)),
             each("out of order: adjacent to the right of island 2", seg("PA", 3500, 500)),
             each("out of order: inside island 2 (all there)", seg("PA", 3100, 300)),
             each("out of order: partial overlap of island 2's tail", seg("PA", 3900, 300)),
             each("out of order: covers island 1 and more", seg("PA", 1900, 800)),
             each("out of order: third and fourth island", seg("PA", 5000, 10), seg("PA", 6000, 10)),
             each("out of order: fifth island (only 3 blocks with TS)", seg("PA", 7000, 10)),
             each("fills the first hole", seg("PA", 1500, 400)),
             each("fills the second hole, overlapping both sides", seg("PA", 2600, 600)),
             each("fills everything: 2 segments, the last overlaps three islands", seg("PA", 4200, 1400), seg("PA", 5600, 1410)),
             each("nothing more")),
        talk("no SACK block limit without time stamps", dial(timestamps=False),
             row("islands 1 to 5", *[seg("PA", 1000 * i, 10) for i in range(1, 6)])),
        talk("no SACK", dial(sack=False, timestamps=False),
             row("out of order", seg("PA", 1000, 100)),
             row("duplicate out of order", seg("PA", 1000, 100)),
             row("old data", seg("PA", 0, 1000), seg("PA", 0, 100)), each("read")),
        talk("damaged and odd segments", dial(),
             each("bad TCP checksum", seg("PA", 0, 100, bad_checksum=True)),
             each("data with no ACK flag (PSH only)", seg("P", 0, 100)),
             each("no flags at all", seg("", 0, 100)),
             each("doff 4", seg("PA", 0, 100, doff=4)),
             each("doff beyond the segment", seg("PA", 0, 0, doff=15)),
             each("MD5 option without a key", seg("PA", 0, 100, options=bytes((1, 1, 19, 18)) + bytes(16))),
             each("malformed option (length 0)", seg("PA", 0, 100, options=bytes((8, 0, 0, 0)))),
             each("option overrunning the header", seg("PA", 100, 100, options=bytes((8, 10, 0, 0)))),
             each("timestamps negotiated, segment without", seg("PA", 200, 100, options=b"")),
             row("data, then 60 ms (delayed ACK)", seg("PA", 300, 100), Wait(60_000_000), read())),
        talk("a socket filter that rejects all", dial(),
             SetOpt("c", "SO_ATTACH_FILTER", b"\x06\0\0\0\0\0\0\0"),
             each("socket filter that rejects all", seg("PA", 0, 100))),
        talk("a socket filter that leaves 40 bytes", dial(),
             SetOpt("c", "SO_ATTACH_FILTER", b"\x06\0\0\0\x28\0\0\0"),
             each("its checksum is verified first: 40 bytes of data at most", seg("PA", 0, 20)),
             each("a longer one: what is left of it has a wrong checksum", seg("PA", 20, 100)),
             each("its repetition", seg("PA", 20, 100)), each("a FIN", seg("FA", 20))),
        talk("a socket filter that asks for PSH", dial(),
             SetOpt("c", "SO_ATTACH_FILTER", PUSHED),
             each("PSH passes", seg("PA", 0, 100)), each("without PSH it does not", seg("A", 100, 100)),
             each("PSH again: behind the hole", seg("PA", 200, 100)), each("a bare ACK", seg("A", 200)),
             each("a FIN with PSH", seg("FPA", 100, 100))),
        talk("IP_MINTTL", dial(),
             SetOpt("c", "IP_MINTTL", 100),
             each("IP_MINTTL 100, TTL 64", seg("PA", 0, 100)),
             each("TTL 100", seg("PA", 0, 100, ttl=100))),
        talk("20 small segments unread", dial(),
             row("the first 20", seg("PA", 0, 100, count=20)),
             row("20 x 100 B unread: coalesced in the tailroom", seg("PA", 2000, 100, count=20)), each("all of them")),
        talk("the buffer of a packet socket", dial(),
             row("174 bytes are the most for a small one", seg("PA", 300, 174), seg("PA", 600, 175)),
             row("622 for 1 KiB", seg("PA", 1000, 622), seg("PA", 2000, 623))),
        talk("what fits behind the last segment", dial(),
             row("100 bytes are left, 100 come", seg("PA", 0, 536), seg("PA", 536, 100)),
             row("99 are left, 100 come", seg("PA", 636, 537), seg("PA", 1173, 100)),
             row("behind a hole: 680 are left, 309 come", seg("PA", 1373, 980), seg("PA", 2353, 309)),
             row("the hole is filled: 371 are left, 170 come", seg("PA", 1273, 100), seg("PA", 2662, 170)), each("all of them")),
        talk("a page of memory returns when what lay behind the hole is copied", dial(),
             row("three islands", *[seg("PA", 1000 + 2 * i, 1) for i in range(3)]),
             row("the hole before the first is filled", seg("PA", 0, 1000)), each("all of it")),
    ]


def paws() -> list[Case]:
    return [
        talk("PAWS", dial(),
             each("first", seg("PA", 0, 100, tsval=5000)),
             each("TS one less than ts_recent (TCP_PAWS_WINDOW 1): accepted", seg("PA", 100, 100, tsval=4999)),
             each("PAWS: TS older by 2, new data", seg("PA", 200, 100, tsval=4998)),
             each("PAWS again within 500 ms (tcp_invalid_ratelimit)", seg("PA", 200, 100, tsval=4998)),
             each("PAWS: old TS, duplicate data (old_ack/disordered)", seg("PA", 0, 100, tsval=4998)),
             each("PAWS: old TS, pure ACK in sequence", seg("A", 200, tsval=4998)),
             each("PAWS: old TS, RST in window", seg("R", 200, ack=None, tsval=4000, tsecr=None))),
        talk("odd time stamps", dial(),
             each("first", seg("PA", 0, 100, tsval=5000)),
             each("TS echo (tsecr) from the future", seg("PA", 100, 100, tsval=5001, tsecr=100_000_000)),
             each("TS 0", seg("PA", 200, 100, tsval=0, tsecr=None))),
        talk("time stamps that wrap", dial(),
             each("half way", seg("PA", 0, 100, tsval=0x7FFFFF00)),
             each("near the end", seg("PA", 100, 100, tsval=0xFFFFFF00)),
             each("behind it", seg("PA", 200, 100, tsval=5)),
             each("before it again", seg("PA", 300, 100, tsval=0xFFFFFFF0))),
    ]


def acks() -> list[Case]:
    return [
        talk("acknowledgements", dial(),
             each("data, and 1000 bytes are sent", seg("PA", 0, 100)), Write("c", 1000),
             row("ACK of all we sent", seg("A", 100, ack=1000)),
             row("the same ACK again (duplicate, nothing in flight)", seg("A", 100, ack=1000)),
             row("old ACK (below snd_una), no data", seg("A", 100, ack=500)),
             each("old ACK with new data", seg("PA", 100, 100, ack=500)),
             row("ACK of data never sent, no data", seg("A", 200, ack=5000)),
             each("ACK of data never sent, new data", seg("PA", 200, 100, ack=5000)),
             row("ACK too old (below snd_una - max_window)", seg("A", 200, ack=-(1 << 30))),
             each("ACK too old, with data", seg("PA", 200, 100, ack=-(1 << 30))),
             row("window update only (win smaller)", seg("A", 200, ack=1000, window=1000)),
             row("SACK blocks, nothing in flight", seg("A", 200, ack=1000, blocks=((2000, 3000),)))),
        talk("acknowledgements of a host that never sends", dial(),
             each("data", seg("PA", 0, 100)),
             row("the same ACK again", seg("A", 100)),
             row("old ACK", seg("A", 100, ack=-1)),
             each("old ACK with new data", seg("PA", 100, 100, ack=-1)),
             row("ACK of data never sent, no data", seg("A", 200, ack=5000)),
             each("ACK of data never sent, new data", seg("PA", 200, 100, ack=5000)),
             Wait(RATELIMIT_NS),
             each("the same after tcp_invalid_ratelimit", seg("PA", 200, 100, ack=5000)),
             row("ACK too old (below snd_una - max_window)", seg("A", 200, ack=-(1 << 30))),
             each("ACK too old, with data", seg("PA", 200, 100, ack=-(1 << 30))),
             row("window update only", seg("A", 200, window=1000)),
             row("SACK blocks, nothing in flight", seg("A", 200, blocks=((2000, 3000),)))),
    ]


def urgent() -> list[Case]:
    return [
        talk("urgent data", dial(),
             row("URG, pointer inside (byte 50 of 100)", seg("UPA", 0, 100, urgent=50), read(), read(), read(1, "MSG_OOB")),
             row("URG pointer beyond the segment", seg("UA", 100, 10, urgent=100), read(), read(1, "MSG_OOB")),
             each("URG pointer 0", seg("UA", 110, 10, urgent=0))),
        talk("urgent data in line", dial(), SetOpt("c", "SO_OOBINLINE", 1),
             row("URG with SO_OOBINLINE", seg("UPA", 0, 100, urgent=50), read(), read())),
        talk("urgent data asked for", dial(),
             row("URG, pointer inside", seg("UPA", 0, 100, urgent=50), read(1, "MSG_OOB"), read(1, "MSG_OOB"), read(), read())),
    ]
