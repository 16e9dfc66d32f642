"""System calls: what sockets answer - errno, truncation, flags, options read back, memory after every read."""
from __future__ import annotations

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Close, Connect, GetOpt, Join, Open, Recv, Send, SetOpt, Step, Wait
from rxpath.workbench.judge.hosts import host

US, PEER = f.US, f.PEER
SOURCE = "rules of 6.18.44: UDP receive memory; who receives"
READ_BACK = ("SO_RCVBUF", "SO_REUSEADDR", "SO_REUSEPORT", "SO_RCVLOWAT", "SO_RCVTIMEO", "SO_PROTOCOL", "SO_DOMAIN", "SO_RXQ_OVFL",
             "SO_PEEK_OFF", "SO_BUSY_POLL", "SO_INCOMING_CPU", "SO_BINDTODEVICE", "IP_PKTINFO", "IP_MULTICAST_ALL", "UDP_GRO",
             "SO_NO_CHECK")


def send(*payloads: bytes, port: int = 5000) -> Send:
    return Send(tuple(f.udp_frame(p, dport=port) for p in payloads))


def options() -> list[Case]:
    """Options: as they start, as they are after setting them, values at the edges."""
    made = [Case("options of a new socket", "user", host(), tuple(GetOpt("a", name) for name in READ_BACK), SOURCE)]
    for name, values in (("SO_RCVBUF", (-1, 0, 1, 1151, 1152, 1153, 2304, 212992, 4194304, 4194305, 2147483647, -2147483648)),
                         ("SO_RCVBUFFORCE", (-1, 0, 1152, 1153, 4194305, 1073741823, 1073741824, 2147483647)),
                         ("SO_PEEK_OFF", (0, 5, -1, -2)), ("SO_RXQ_OVFL", (1, 2, 0, -1)), ("IP_PKTINFO", (1, 0, 7)),
                         ("IP_MULTICAST_ALL", (0, 1, 2)), ("UDP_GRO", (1, 0, 5)), ("SO_BUSY_POLL", (0, 50, -1)),
                         ("SO_INCOMING_CPU", (0, 1, -1)), ("SO_REUSEADDR", (1, 0, 2)), ("SO_REUSEPORT", (1, 0)),
                         ("SO_NO_CHECK", (1, 0)), ("SO_RCVLOWAT", (1, 100, 0)),
                         ("SO_BINDTODEVICE", ("vb0", "nosuch", "lo", ""))):
        read = "SO_RCVBUF" if name == "SO_RCVBUFFORCE" else name
        steps: list[Step] = []
        for value in values:
            steps += [SetOpt("a", name, value), GetOpt("a", read)]
        made.append(Case(f"set and get {name}", "user", host(), tuple(steps), SOURCE))
    return made


def reading() -> list[Case]:
    """recvmsg: sizes, flags, what is left."""
    three = send(b"first", b"", b"third datagram")
    full = host([{"name": "a", "bind": "*:5000", "rcvbuf": 8192}])
    steps: list[Step] = [send(*[b"x" * 64] * 25)]
    for _ in range(20):
        steps += [Recv("a"), GetOpt("a", "SO_MEMINFO"), send(b"y" * 200), GetOpt("a", "SO_MEMINFO")]
    peeks: list[Step] = [SetOpt("a", "SO_PEEK_OFF", 0), send(b"a" * 100, b"", b"b" * 50)]
    peeks += [Recv("a", n, ("MSG_PEEK",)) for n in (30, 30, 100, 10, 100, 10)]
    peeks += [GetOpt("a", "SO_PEEK_OFF"), Recv("a"), GetOpt("a", "SO_PEEK_OFF"), Recv("a", 10, ("MSG_PEEK",))]
    return [
        Case("read until there is no more", "user", host(), (three, Recv("a", count=4)), SOURCE),
        Case("truncated", "user", host(), (three, Recv("a", 3), Recv("a", 3), Recv("a", 3), Recv("a", 3)), SOURCE),
        Case("truncated with MSG_TRUNC", "user", host(), (three, *(Recv("a", 3, ("MSG_TRUNC",)),) * 4), SOURCE),
        Case("size 0", "user", host(), (three, *(Recv("a", 0),) * 3), SOURCE),
        Case("peek", "user", host(), (three, Recv("a", 3, ("MSG_PEEK",), 2), Recv("a", 3, ("MSG_PEEK", "MSG_TRUNC")), Recv("a")), SOURCE),
        Case("peek offset", "user", host(), tuple(peeks), SOURCE),
        Case("FIONREAD", "user", host(),
             (GetOpt("a", "FIONREAD"), three, GetOpt("a", "FIONREAD"), Recv("a"), GetOpt("a", "FIONREAD")), SOURCE),
        Case("memory after every read", "user", full, tuple(steps), SOURCE),
        Case("memory, buffer lowered and raised", "user", host(),
             (send(*[b"x" * 64] * 40), SetOpt("a", "SO_RCVBUF", 4096), send(b"no"), *(Recv("a"), GetOpt("a", "SO_MEMINFO")) * 12,
              SetOpt("a", "SO_RCVBUF", 65536), send(b"yes"), GetOpt("a", "SO_MEMINFO")), SOURCE),
        Case("packet information", "user", host(), (SetOpt("a", "IP_PKTINFO", 1), send(b"x"), Recv("a")), SOURCE),
        Case("drops counted with the data", "user", host([{"name": "a", "bind": "*:5000", "rcvbuf": 2304}]),
             (SetOpt("a", "SO_RXQ_OVFL", 1), send(*[b"x"] * 8), Recv("a", count=6), send(b"y"), Recv("a")), SOURCE),
        Case("a damaged datagram is found by the reader", "user", host(),
             (Send((f.eth(f.ip(f.udp(b"x" * 1200, check=0x1234))), f.udp_frame(b"good"))), Recv("a", count=2)), SOURCE),
        Case("closed with data in its queue", "user", host(), (send(b"1", b"2"), Close("a"), send(b"3"), Wait(200_000_000)), SOURCE),
    ]


def binding() -> list[Case]:
    """bind, connect, join: who may, and who receives."""
    any_ = host([])

    def two(name: str, first: Open, second: Open, *more: Step) -> Case:
        return Case(name, "transport", any_, (first, second, *more, send(*[b"x"] * 3)), SOURCE)

    a, b, wild = (US, 5000), (US, 5000), ("0.0.0.0", 5000)
    return [
        two("bind twice", Open("s1", a), Open("s2", b)),
        two("bind wildcard and address", Open("s1", wild), Open("s2", b)),
        two("reuseaddr: last bound", Open("s1", a, reuseaddr=True), Open("s2", b, reuseaddr=True)),
        two("reuseaddr: last bound, closed", Open("s1", a, reuseaddr=True), Open("s2", b, reuseaddr=True), Close("s2")),
        two("reuseaddr then none", Open("s1", a, reuseaddr=True), Open("s2", b)),
        two("reuseaddr then reuseport", Open("s1", a, reuseaddr=True), Open("s2", b, reuseport=True)),
        two("both options, then reuseaddr", Open("s1", a, reuseaddr=True, reuseport=True), Open("s2", b, reuseaddr=True)),
        two("connected to the sender", Open("s1", a, (PEER, 40000), reuseaddr=True), Open("s2", b, reuseaddr=True)),
        two("connected elsewhere", Open("s1", a, (f.OTHER, 40000), reuseaddr=True), Open("s2", b, reuseaddr=True)),
        two("two connected to the same peer", Open("s1", a, (PEER, 40000), reuseaddr=True), Open("s2", b, (PEER, 40000), reuseaddr=True)),
        two("device beats none", Open("s1", a, options=(("SO_BINDTODEVICE", "vb0"),)), Open("s2", b, reuseaddr=True)),
        two("address before device", Open("s1", wild, reuseaddr=True, options=(("SO_BINDTODEVICE", "vb0"),)),
            Open("s2", a, reuseaddr=True)),
        two("wrong device", Open("s1", a, options=(("SO_BINDTODEVICE", "lo"),)), Open("s2", ("10.0.0.9", 5000))),
        Case("connect and disconnect", "transport", host(),
             (Connect("a", (f.OTHER, 40000)), send(b"no"), Connect("a", None), send(b"yes"), Connect("a", (PEER, 40000)), send(b"yes")),
             SOURCE),
        Case("join and leave", "transport", host(),
             (Join("a", "239.1.1.1"), Join("a", "239.1.1.1"), Join("a", "10.1.1.1"),
              Send((f.udp_frame(dst="239.1.1.1", mac=f.multicast_mac("239.1.1.1")),)),
              Join("a", "239.1.1.1", leave=True), Join("a", "239.1.1.1", leave=True),
              Send((f.udp_frame(dst="239.1.1.1", mac=f.multicast_mac("239.1.1.1")),))), SOURCE),
    ]


def cases() -> list[Case]:
    return options() + reading() + binding()
