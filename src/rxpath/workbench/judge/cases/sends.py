"""What programs send: datagrams to a neighbour that is known, and to one that is asked for first; fragments, options, errnos, counters."""
from __future__ import annotations

import socket
import struct

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import Case, Connect, GetOpt, Join, Open, Recv, Send, SendTo, SetOpt, Shutdown, Step
from rxpath.workbench.judge.hosts import host

PEER, STRANGER = (f.PEER, 9), ("10.0.0.77", 9)
SOURCE = "net/ipv4/udp.c, ip_output.c, route.c of 6.18"
SIZES = (0, 1, 2, 17, 18, 1471, 1472, 1473, 2951, 2952, 2953, 4000, 20000, 65507, 65508, 65535)
REFUSING = [{"dst": "192.0.2.0/24", "type": "unreachable"}, {"dst": "192.0.3.0/24", "type": "blackhole"},
            {"dst": "192.0.4.0/24", "type": "prohibit"}]
IP, TTL, TOS, PKTINFO = socket.IPPROTO_IP, socket.IP_TTL, socket.IP_TOS, 8


def data(n: int) -> bytes:
    return bytes(i * 7 & 255 for i in range(n))


def sizes() -> list[Case]:
    return [Case(f"send {n} bytes", "transport", host(), (SendTo("a", data(n), PEER),), SOURCE) for n in SIZES]


def mtu_discovery() -> list[Case]:
    made = []
    for how in range(6):
        steps: list[Step] = [SetOpt("a", "IP_MTU_DISCOVER", how)]
        for n in (100, 1472, 1473, 3000):
            steps.append(SendTo("a", data(n), PEER))
        made.append(Case(f"IP_MTU_DISCOVER {how}", "network", host(), tuple(steps), SOURCE))
    return made


def options() -> list[Case]:
    said = ((IP, TTL, struct.pack("=i", 5)), (IP, TOS, struct.pack("=i", 0x20)))
    own = (IP, PKTINFO, struct.pack("=i4s4s", 0, socket.inet_aton(f.US), bytes(4)))
    other = (IP, PKTINFO, struct.pack("=i4s4s", 0, socket.inet_aton("10.0.0.99"), bytes(4)))
    return [
        Case("IP_TTL and IP_TOS of what is sent", "network", host(), (
            *(s for name, v in (("IP_TTL", 1), ("IP_TTL", 255), ("IP_TTL", -1), ("IP_TOS", 0xFF), ("IP_TOS", 4))
              for s in (SetOpt("a", name, v), SendTo("a", b"x", PEER))),), SOURCE),
        Case("SO_NO_CHECK of what is sent", "transport", host(), (SetOpt("a", "SO_NO_CHECK", 1), SendTo("a", b"abc", PEER),
                                                                   SendTo("a", data(3000), PEER)), SOURCE),
        Case("a call says TTL, TOS, source", "network", host(), (
            SendTo("a", b"x", PEER, (), said), SendTo("a", b"x", PEER, (), (own,)), SendTo("a", b"x", PEER, (), (other,)),
            SendTo("a", b"x", PEER, (), ((IP, TTL, struct.pack("=i", 0)),)), SendTo("a", b"x", PEER, (), ((IP, TOS, b"\x08"),)),
            SendTo("a", b"x", PEER, (), ((IP, 99, b"\0\0\0\0"),)), SendTo("a", b"x", PEER, (), ((1, 99, b"\0\0\0\0"),))), SOURCE),
        Case("to a group that nobody here has joined", "network", host(), (
            SetOpt("a", "IP_MULTICAST_TTL", 7), SetOpt("a", "IP_MULTICAST_LOOP", 0), SetOpt("a", "IP_MULTICAST_IF", socket.inet_aton(f.US)),
            SendTo("a", b"x", ("224.1.2.3", 9)), SendTo("a", data(2000), ("224.1.2.3", 9))), SOURCE),
    ]


def errors() -> list[Case]:
    made = [Case(f"send to {to}", "network", host(route=REFUSING), (SendTo("a", b"x", (to, 9)),), SOURCE)
            for to in ("203.0.113.1", "192.0.2.1", "192.0.3.1", "192.0.4.1", "10.0.0.255", "255.255.255.255", "224.1.2.3", "240.0.0.1")]
    return [*made,
        Case("send to port 0", "transport", host(), (SendTo("a", b"x", (f.PEER, 0)),), SOURCE),
        Case("send without an address", "transport", host(), (SendTo("a", b"x"),), SOURCE),
        Case("MSG_OOB", "transport", host(), (SendTo("a", b"x", PEER, ("MSG_OOB",)),), SOURCE),
        Case("send after shutdown", "transport", host(), (
            Connect("a", PEER), Shutdown("a", 1), SendTo("a", b"x"), SendTo("a", b"x", STRANGER)), SOURCE),
        Case("an ICMP error is told by the next send", "transport", host(), (
            Connect("a", PEER), SendTo("a", b"x"),
            Send((f.eth(f.ip(f.icmp(3, 3, bytes(4), f.ip(f.udp(b"x", sport=5000, dport=9), f.US, f.PEER)), proto=1)),)),
            SendTo("a", b"y"), SendTo("a", b"z"), GetOpt("a", "SO_ERROR")), SOURCE),
    ]


def neighbours() -> list[Case]:
    def here(ip: str = STRANGER[0], mac: str = "02000000004d") -> Send:
        return Send((f.arp(op=2, sha=bytes.fromhex(mac), spa=ip, dst=f.MAC_US),))

    small: tuple[Step, ...] = (SetOpt("a", "SO_SNDBUF", 0), *(SendTo("a", data(500), STRANGER) for _ in range(6)))
    return [
        Case("an unknown neighbour is asked for, and then gets what has waited", "network", host(), (
            SendTo("a", b"one", STRANGER), SendTo("a", b"two", STRANGER), here(), SendTo("a", b"three", STRANGER)), SOURCE),
        Case("fragments wait for a neighbour together", "network", host(), (SendTo("a", data(4000), STRANGER), here()), SOURCE),
        Case("what waits is in the send buffer", "user", host(), (*small, here(), SendTo("a", b"x", STRANGER)), SOURCE),
        Case("who has asked is known", "network", host(), (Send((f.arp(spa=STRANGER[0], sha=bytes.fromhex("02000000004d")),)),
                                                           SendTo("a", b"x", STRANGER)), SOURCE),
        Case("a second answer at once moves nobody", "network", host(), (
            SendTo("a", b"x", STRANGER), here(), here(mac="02000000004e"), SendTo("a", b"y", STRANGER)), SOURCE),
        Case("an answer of its own accord does", "network", host(), (
            SendTo("a", b"x", STRANGER), here(), Send((f.arp(spa=STRANGER[0], tpa=STRANGER[0], sha=bytes.fromhex("02000000004e")),)),
            SendTo("a", b"y", STRANGER)), SOURCE),
        Case("by a gateway", "network", host(route=[{"dst": "198.51.100.0/24", "via": STRANGER[0]}]), (
            SendTo("a", b"x", ("198.51.100.7", 9)), here(), SendTo("a", b"y", ("198.51.100.8", 9))), SOURCE),
    ]


def to_many() -> list[Case]:
    """What goes to a broadcast address, or to a group that the device is in, is heard here, too: whole, whatever its size."""
    def case(name: str, *steps: Step, sockets: tuple[Step, ...] = ()) -> Case:
        return Case(f"sent to many: {name}", "network", host(), (SetOpt("a", "SO_BROADCAST", 1), *sockets, *steps), SOURCE)

    subnet, everybody, group = ("10.0.0.255", 5000), ("255.255.255.255", 5000), ("224.1.2.3", 5000)
    by = SetOpt("a", "IP_MULTICAST_IF", socket.inet_aton(f.US))
    joined = (Join("a", group[0]), by)
    second = (by, Open("b", (f.US, 7001)), Open("c", ("0.0.0.0", 7000)), Join("c", group[0]))
    made = [case(f"{n} bytes to {to[0]}", SendTo("a", data(n), to), GetOpt("a", "SO_MEMINFO"), sockets=joined)
            for to in (subnet, everybody, group) for n in (0, 5, 1472, 1473, 5000)]
    return [*made,
        case("to a port that nobody has", *(SendTo("a", b"x", (to[0], 9)) for to in (subnet, everybody, group)), sockets=joined),
        case("to a group that only another port's socket has joined", SendTo("a", b"x", group), SendTo("a", b"y", (group[0], 7000)),
             sockets=second),
        case("by a bound socket", SendTo("b", b"x", (group[0], 7000)), SendTo("b", b"x", group), sockets=second),
        case("to all hosts", SendTo("a", b"x", ("224.0.0.1", 5000)), sockets=(by,)),
        case("IP_MULTICAST_LOOP is the sender's", SetOpt("a", "IP_MULTICAST_LOOP", 0), SendTo("a", b"x", group), SendTo("a", b"x", subnet),
             SendTo("b", b"y", group), sockets=(*joined, *second)),
        case("IP_MULTICAST_TTL 0 stays here", SetOpt("a", "IP_MULTICAST_TTL", 0), SendTo("a", b"x", group), SendTo("a", data(3000), group),
             sockets=joined),
        case("IP_MULTICAST_TTL 0 to a group that nobody here is in", SetOpt("a", "IP_MULTICAST_TTL", 0), SendTo("a", b"x", group),
             sockets=(by,)),
        case("ancillary data", *(SetOpt("a", name, 1) for name in ("IP_PKTINFO", "IP_RECVTTL", "IP_RECVORIGDSTADDR")),
             SendTo("a", b"x", subnet), SendTo("a", b"x", group), sockets=joined),
        case("a buffer that is full", SetOpt("a", "SO_RCVBUF", 0), *(SendTo("a", data(900), subnet) for _ in range(4))),
        case("no checksum", SetOpt("a", "SO_NO_CHECK", 1), SendTo("a", b"abc", subnet)),
    ]


def corked() -> list[Case]:
    """One datagram of several calls."""
    more = ("MSG_MORE",)

    def part(n: int, to: tuple[str, int] | None = PEER) -> SendTo:
        return SendTo("a", data(n), to, more)

    def case(name: str, *steps: Step) -> Case:
        return Case(f"corked: {name}", "transport", host(), (*steps, SendTo("a", b"next", PEER)), SOURCE)
    refused: list[tuple[str, tuple[str, int] | None]] = [("no address", None), ("port 0", (f.PEER, 0)), ("broadcast", ("10.0.0.255", 9))]
    return [
        case("two parts", part(3), SendTo("a", data(5), PEER)),
        case("parts that are fragments together", part(1000), part(1000), part(1500), SendTo("a", data(3), PEER)),
        case("the last one is empty", part(3), SendTo("a", b"", PEER)),
        case("all are empty", part(0), SendTo("a", b"", PEER)),
        case("to another address", part(3), SendTo("a", data(5), STRANGER)),
        case("connected", Connect("a", PEER), part(3, None), Connect("a", None), SendTo("a", data(5), PEER)),
        case("UDP_CORK", SetOpt("a", "UDP_CORK", 1), part(3), SendTo("a", data(5), PEER), GetOpt("a", "UDP_CORK"),
             SetOpt("a", "UDP_CORK", 0), GetOpt("a", "UDP_CORK")),
        case("too long", part(65000), part(508), part(1)),
        case("as long as can be", part(65000), SendTo("a", data(507), PEER)),
        case("more than a call takes", part(3), part(65536)),
        case("no fragments", SetOpt("a", "IP_MTU_DISCOVER", 2), part(1000), part(472), part(1)),
        case("options of the first call", part(3), SetOpt("a", "IP_TTL", 7), SetOpt("a", "IP_TOS", 8), SendTo("a", data(3), PEER)),
        case("MSG_OOB", part(3), SendTo("a", b"x", PEER, ("MSG_OOB",)), part(3)),
        case("TOS of a part", part(3), SendTo("a", data(3), PEER, more, ((IP, TOS, b"\x10"),)), part(1)),
        case("shutdown", Connect("a", PEER), part(3, None), Shutdown("a", 1), SendTo("a", data(5))),
        case("shutdown before another packet", Connect("a", PEER), part(1472, None), Shutdown("a", 1), SendTo("a", data(5))),
        *(case(name, part(3, to)) for name, to in refused)]


def echo() -> list[Case]:
    return [Case("a server answers", "transport", host(), (
        Open("c", ("10.0.0.1", 7000), PEER), Send((f.udp_frame(b"ask"), f.udp_frame(b"conn", sport=9, dport=7000))), Recv("a"), Recv("c"),
        SendTo("a", b"answer", (f.PEER, 40000)), SendTo("c", b"answer")), SOURCE)]


def cases() -> list[Case]:
    return [*sizes(), *mtu_discovery(), *options(), *errors(), *neighbours(), *to_many(), *corked(), *echo()]
