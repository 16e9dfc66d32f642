"""Listeners: what they answer, requests, the two queues, cookies, deferred accept, fast open; and connect()."""
from typing import Any

from rxpath.workbench.judge.case import Case, Close, Connect, GetOpt, Open, SetOpt, Sysctl, Wait
from rxpath.workbench.judge.tcp.build import FIFTY, PUSHED, listener, read, row, talk
from rxpath.workbench.judge.tcp.steps import Accept, Handshake, Peer, Poll, Segment
from rxpath.workbench.judge.tcp.wire import syn_options

FULL = syn_options(tsval=1)             # what Linux sends
PLAIN = syn_options(None, None, False)  # nothing
MOMENT = 3_000_000                      # ns: some values of a time stamp, which counts milliseconds


def syn(id_: str, options: bytes = FULL, data: int = 0, flags: str = "S", **more: Any) -> Segment:
    return Segment(id_, flags, more.pop("seq", -1), data, ack=None, options=options, **more)


def ack(id_: str, flags: str = "A", data: int = 0, **more: Any) -> Segment:
    return Segment(id_, flags, more.pop("seq", 0), data, **more)


def peers(n: int, first: int = 0, **more: Any) -> list[Peer]:
    return [Peer(f"p{i}", **more) for i in range(first, first + n)]


def cases() -> list[Case]:
    return [*knocks(), *requests(), *accept_queue(), *syn_queue(), *deferred(), *fast_open(), *active()]


def knocks() -> list[Case]:
    def knock(cause: str, *segment: Segment, **peer: Any) -> Case:
        return talk(f"to a listener: {cause}", listener(), Peer("p", **peer), row(cause, *segment))
    p = "p"
    return [
        knock("SYN", syn(p)), knock("SYN without any option", syn(p, PLAIN)), knock("SYN mss 100", syn(p, syn_options(100, None, False))),
        knock("SYN with 100 B of data", syn(p, data=100)),
        knock("SYN with TFO cookie request (tcp_fastopen 1)", syn(p, syn_options(1460, None, False, fastopen=b""))),
        knock("SYN+data+TFO cookie, TFO off", syn(p, syn_options(1460, None, False, fastopen=b"12345678"), 50)),
        knock("ACK without request", ack(p, ack=77)), knock("SYN+ACK", ack(p, "SA", seq=-1, ack=77)),
        knock("RST", syn(p, flags="R")), knock("SYN+RST", syn(p, flags="SR")), knock("FIN", syn(p, flags="F")),
        knock("SYN+FIN", syn(p, flags="SF")), knock("null", syn(p, flags="")), knock("SYN+PSH+URG", syn(p, flags="SPU")),
        knock("SYN to a closed port", syn(p), port=81), knock("ACK to a closed port", ack(p, ack=5), port=81),
        knock("RST to a closed port", syn(p, flags="R"), port=81), knock("data to a closed port", syn(p, flags="P", data=100), port=81),
        knock("SYN from a broadcast address", syn(p), source="10.0.0.255"),
        knock("SYN from port 0", Segment(p, "S", -1, ack=None, options=PLAIN)),
        knock("bad checksum", syn(p, bad_checksum=True)), knock("SYN with window scale 15", syn(p, syn_options(1460, 15))),
        knock("SYN with window 0", syn(p, window=0)), knock("SYN with a malformed option", syn(p, bytes((2, 0, 0, 0)))),
        talk("a filter of a listener", listener(), SetOpt("l", "SO_ATTACH_FILTER", PUSHED), Peer(p),
             row("a SYN without PSH", syn(p)), row("a SYN with PSH", syn(p, flags="SP")),
             row("the third segment without PSH", ack(p)), row("and with", ack(p, flags="PA")),
             row("it is the connection's, too", Accept("c"), ack(p, data=10), ack(p, flags="PA", data=10))),
        talk("a locked filter of a listener", listener(), SetOpt("l", "SO_ATTACH_FILTER", FIFTY), SetOpt("l", "SO_LOCK_FILTER", 1),
             row("nothing takes it away", SetOpt("l", "SO_DETACH_FILTER", 0), SetOpt("l", "SO_ATTACH_FILTER", PUSHED),
                 SetOpt("l", "SO_LOCK_FILTER", 0), GetOpt("l", "SO_LOCK_FILTER")),
             row("nor from its connection", Handshake("c"), GetOpt("c", "SO_LOCK_FILTER"), SetOpt("c", "SO_DETACH_FILTER", 0)),
             row("18 bytes of data are left", ack("c", "PA", 18), read())),
        talk("SYN with ECE+CWR, tcp_ecn 1", listener(), Peer(p), Sysctl("net.ipv4.tcp_ecn", 1),
             row("SYN with ECE+CWR, tcp_ecn 1", syn(p, syn_options(1460, None, True, 1), flags="SEC"))),
        talk("SYN with ECE+CWR, tcp_ecn 0", listener(), Peer(p), Sysctl("net.ipv4.tcp_ecn", 0),
             row("SYN with ECE+CWR, tcp_ecn 0", syn(p, syn_options(1460, None, True, 1), flags="SEC"))),
        *[talk(f"{name} 0", listener(), Peer(p), Sysctl(f"net.ipv4.{name}", 0), row(f"SYN, {name} 0", syn(p)))
          for name in ("tcp_sack", "tcp_timestamps", "tcp_window_scaling")],
    ]


def requests() -> list[Case]:
    p = "p"
    return [
        talk("a request", listener(), Peer(p), row("SYN", syn(p)),
             row("SYN_RECV: SYN again", syn(p)),
             row("SYN_RECV: ACK with wrong ack number", ack(p, ack=5)),
             row("SYN_RECV: SYN with another seq", syn(p, seq=3999)),
             row("SYN_RECV: data without the ACK flag", ack(p, "P", 10, ack=None)),
             row("SYN_RECV: RST in window", ack(p, "R", ack=None)),
             row("ACK after that RST", ack(p))),
        talk("a request, data and FIN with its ACK", listener(), Peer(p), row("SYN", syn(p)),
             row("SYN_RECV: ACK with data and FIN", ack(p, "FPA", 10), Accept("c"), read(), read())),
        talk("a request, odd ACKs", listener(), Peer(p), row("SYN", syn(p)),
             row("SYN_RECV: ACK with old TS (PAWS)", ack(p, tsval=0xFFFFFF00)),
             row("SYN_RECV: ACK with future tsecr", ack(p, tsecr=100_000)),
             row("the ACK", ack(p, syn_ack_ts=True), Accept("c"))),
        talk("a request, milliseconds after a challenge ACK", listener(), Peer(p), row("SYN", syn(p)), Wait(MOMENT),
             row("SYN_RECV: ACK with old TS (PAWS)", ack(p, tsval=0xFFFFFF00)), Wait(MOMENT),
             row("the ACK, with the challenge ACK's time stamp", ack(p), Accept("c")),
             row("the ACK, with the SYN-ACK's", ack(p, syn_ack_ts=True), Accept("c"))),
        talk("a request, an ACK out of its window", listener(), Peer(p), row("SYN", syn(p)),
             row("SYN_RECV: ACK seq out of window", ack(p, seq=1 << 30))),
        talk("SYN-ACK again and again", listener(), Peer(p), row("SYN", syn(p)),
             row("1.2 s later", Wait(1_200_000_000)), row("3.2 s", Wait(2_000_000_000)),
             row("the ACK", ack(p), Accept("c")), slow=True),
        talk("accept", listener(), row("nobody", Accept("c"), Poll("l")),
             row("two", Handshake("a", accept=False), Handshake("b", accept=False), Poll("l")),
             row("accepted", Accept("c"), Accept("d"), Poll("l"), Accept("e"))),
        talk("RST before accept", listener(), Handshake("c", accept=False), row("RST", Segment("c", "R", ack=None)),
             row("accepted", Poll("l"), Accept("c"), read(), read())),
    ]


def accept_queue() -> list[Case]:
    made = []
    for backlog in (0, 1, 3):
        made.append(talk(f"accept queue, backlog {backlog}", listener(backlog=backlog), peers(1, 50),
                         row("fill", *[Handshake(f"h{i}", accept=False) for i in range(backlog + 1)]),
                         row("SYN when full", syn("p50"))))
    meanwhile = (listener(backlog=1), peers(3),
                 row("two requests, then the queue fills", syn("p0"), syn("p1"), Handshake("a", accept=False),
                     Handshake("b", accept=False)))
    late = "p1"
    made += [
        talk("last ACK when the accept queue is full", *meanwhile,
             row("last ACK when the accept queue filled meanwhile", ack(late)),
             row("same with data", ack(late, "PA", 10)),
             row("one is accepted", Accept("c")), row("data again", ack(late, "PA", 10), Accept("d"), Accept("e"))),
        talk("tcp_abort_on_overflow 1", *meanwhile, Sysctl("net.ipv4.tcp_abort_on_overflow", 1),
             row("same, tcp_abort_on_overflow 1", ack(late))),
        talk("somaxconn", listener(backlog=100), sysctl={"net.core.somaxconn": 3}),
    ]
    return made


def syn_queue() -> list[Case]:
    made = []
    for cookies in (0, 1, 2):
        made.append(talk(f"SYN flood of 8, backlog 4, syncookies {cookies}", listener(backlog=4), peers(10),
                         row(f"SYN flood of 8, backlog 4, syncookies {cookies}", *[syn(f"p{i}") for i in range(8)]),
                         *([row("cookie ACK (valid)", ack("p7"), Accept("c")),
                            row("cookie ACK (invalid)", ack("p8", ack=77))] if cookies else []),
                         sysctl={"net.ipv4.tcp_syncookies": cookies, "net.ipv4.tcp_max_syn_backlog": 64}))
    made.append(talk("24 SYNs, backlog 128, tcp_max_syn_backlog 16, syncookies 0", listener(backlog=128), peers(24, source="10.0.0.3"),
                     row("of an unproven peer", *[syn(f"p{i}") for i in range(24)]),
                     sysctl={"net.ipv4.tcp_syncookies": 0, "net.ipv4.tcp_max_syn_backlog": 16}))
    made.append(talk("24 SYNs of a proven peer, the same", listener(backlog=128), peers(24, source="10.0.0.3"),
                     row("a connection of it comes and goes", Handshake("c", source="10.0.0.3"), Segment("c", "FA"), Close("c"),
                         Segment("c", "A", 1, ack=1)),
                     row("the same, from a proven peer (tcp_metrics has its RTT)", *[syn(f"p{i}") for i in range(24)]),
                     sysctl={"net.ipv4.tcp_syncookies": 0, "net.ipv4.tcp_max_syn_backlog": 16, "net.ipv4.tcp_no_metrics_save": 0}))
    return made


def deferred() -> list[Case]:
    return [talk("TCP_DEFER_ACCEPT", listener(options=(("TCP_DEFER_ACCEPT", 1),)), Peer("p"), row("SYN", syn("p")),
                 row("TCP_DEFER_ACCEPT: bare ACK", ack("p")),
                 row("TCP_DEFER_ACCEPT: then data", ack("p", "PA", 10), Accept("c"), read()))]


def fast_open() -> list[Case]:
    ask = syn_options(1460, None, False, fastopen=b"")
    one = syn_options(1460, None, False)
    return [talk("fast open", listener(options=(("TCP_FASTOPEN", 5),)), Sysctl("net.ipv4.tcp_fastopen", 3),
                 Sysctl("net.ipv4.tcp_fastopen_key", "00000001-00000002-00000003-00000004"), peers(3),
                 row("TFO on: cookie request", syn("p0", ask)),
                 row("TFO on: SYN+cookie+data", syn("p1", one, 100, cookie=True), Accept("c"), read()),
                 row("its ACK", ack("p1", seq=100)), row("more", ack("p1", "PA", 100, seq=100), read()),
                 row("TFO on: bad cookie+data", syn("p2", syn_options(1460, None, False, fastopen=b"abcdefgh"), 100)))]


def active() -> list[Case]:
    def opens(cause: str, *steps: Any) -> Case:
        return talk(f"connect(): {cause}", Peer("p", 9400, 9401, timestamps=False),
                    Open("c", ("10.0.0.1", 9400), proto="tcp stream"), row("SYN", Connect("c", ("10.0.0.2", 9401))),
                    *steps)
    p = "p"
    return [
        opens("odd answers, then both at once",
              row("SYN_SENT: ACK with bad ack number", ack(p, ack=99)),
              row("SYN_SENT: SYN+ACK with bad ack number", ack(p, "SA", seq=-1, ack=99)),
              row("SYN_SENT: data, no SYN", ack(p, "PA", 10)),
              row("SYN_SENT: simultaneous open (SYN)", syn(p, syn_options(1460, None, False))),
              row("then ACK", ack(p), Poll("c")), row("data", ack(p, "PA", 100), read())),
        opens("refused", row("SYN_SENT: RST+ACK good", ack(p, "RA"), Poll("c"), GetOpt("c", "SO_ERROR"))),
        opens("established", row("SYN-ACK", ack(p, "SA", seq=-1, options=syn_options(1460, 7, True))),
              row("data", ack(p, "PA", 100), read()),
              row("FIN", ack(p, "FA", seq=100), read()), row("close()", Close("c"))),
    ]


