"""What sockets answer: options as they start and as they are read back, errnos, ancillary data, errors that came by ICMP.

Every option of OPTIONS is asked for and set to values at its edges, also in fewer bytes than an int has.  Addresses and names, shutdown,
truncated control data; the clock of a time stamp is masked."""
from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.case import OPTIONS, Bind, Case, Close, Connect, GetOpt, Join, Open, Recv, Send, SetOpt, Shutdown, Step, Sysctl
from rxpath.workbench.judge.hosts import NIC, host

SOURCE = "sockets of 6.18.44"
US, PEER, ANY = f.US, f.PEER, "0.0.0.0"
HOST = host([], nic={**NIC, "addresses": ["10.0.0.1/24", "10.0.0.7/24"]},
            route=[{"dst": "192.0.2.0/24", "type": "blackhole"}, {"dst": "198.51.100.0/24", "type": "unreachable"},
                   {"dst": "203.0.113.0/24", "type": "prohibit"}])
FLAGS = ("SO_DEBUG", "SO_REUSEADDR", "SO_DONTROUTE", "SO_BROADCAST", "SO_KEEPALIVE", "SO_OOBINLINE", "SO_NO_CHECK", "SO_REUSEPORT",
         "SO_TIMESTAMP", "SO_TIMESTAMPNS", "SO_RXQ_OVFL", "SO_SELECT_ERR_QUEUE", "IP_PKTINFO", "IP_RECVERR", "IP_RECVTTL", "IP_RECVTOS",
         "IP_FREEBIND", "IP_RECVORIGDSTADDR", "IP_MULTICAST_LOOP", "IP_MULTICAST_ALL", "UDP_GRO")
EDGES: dict[str, tuple[int, ...]] = {
    "SO_SNDBUF": (-1, 0, 1, 2304, 2305, 212992, 4194304, 4194305, 2147483647), "SO_SNDBUFFORCE": (-1, 0, 4608, 1073741824),
    "SO_RCVBUF": (-1, 0, 1, 1152, 1153, 2304, 106496, 4194304, 4194305, 2147483647, -2147483648),
    "SO_RCVBUFFORCE": (-1, 0, 1152, 1153, 4194305, 1073741823, 1073741824, 2147483647),
    "SO_PRIORITY": (0, 6, 7, 100, -1), "SO_MARK": (0, 7, -1), "SO_RCVLOWAT": (-1, 0, 1, 100, 2147483647), "SO_SNDLOWAT": (0, 1, 100),
    "SO_PEEK_OFF": (-2, -1, 0, 1, 70000), "SO_BUSY_POLL": (-1, 0, 50, 2147483647), "SO_INCOMING_CPU": (-1, 0, 1, 7),
    "IP_TOS": (0, 4, 0xB8, 0xFF, 0x100, -1), "IP_TTL": (-2, -1, 0, 1, 255, 256), "IP_MULTICAST_TTL": (-2, -1, 0, 1, 255, 256),
    "IP_MTU_DISCOVER": (-1, 0, 1, 2, 3, 4, 5, 6), "SO_TYPE": (1,), "SO_PROTOCOL": (1,), "SO_DOMAIN": (1,), "SO_ACCEPTCONN": (1,),
    "SO_ERROR": (1,), "SO_MEMINFO": (1,), "SO_INCOMING_NAPI_ID": (1,), "SO_NOWHERE": (1,), "IP_NOWHERE": (1,), "UDP_NOWHERE": (1,),
}
READ_AS = {"SO_RCVBUFFORCE": "SO_RCVBUF", "SO_SNDBUFFORCE": "SO_SNDBUF"}
BYTES = {"SO_LINGER": 8, "SO_RCVTIMEO": 16, "SO_SNDTIMEO": 16, "IP_MULTICAST_IF": 4, "SO_MEMINFO": 36, "SO_BINDTODEVICE": 16}


def case(name: str, *steps: Step, opened: Open | None = None) -> Case:
    """One socket, bound to port 5000 if nothing else is said, on a host of many; closed at the end."""
    first = opened or Open("a", (ANY, 5000))
    ids = [first.id, *(s.id for s in steps if isinstance(s, Open))]
    end: list[Step] = [s for i in ids for s in (Recv(i, count=0), Close(i))]
    return Case(name, "user", HOST, (first, *steps, *end), SOURCE, shared=True)


# ---------------------------------------------------------------- options
def options() -> Iterator[Case]:
    plain = [name for name in OPTIONS if name not in BYTES]
    yield case("every option of a new socket", *(GetOpt("a", n) for n in plain), *(GetOpt("a", n, k) for n, k in BYTES.items()),
               opened=Open("a"))
    yield case("every option of a bound socket", *(GetOpt("a", n) for n in plain))
    yield case("every option in a buffer of 2 and of 8 bytes", *(GetOpt("a", n, k) for n in plain for k in (2, 8)))
    for name in FLAGS:
        yield case(f"{name}: set and read", *(s for v in (1, 0, 2, -1, 0, 0x100) for s in (SetOpt("a", name, v), GetOpt("a", name))))
    for name, values in EDGES.items():
        read = READ_AS.get(name, name)
        yield case(f"{name}: set and read", *(s for v in values for s in (SetOpt("a", name, v), GetOpt("a", read))))
    for name in (*FLAGS, *EDGES):
        if name in ("SO_NOWHERE", "IP_NOWHERE", "UDP_NOWHERE"):
            continue
        raw = [bytes(n) if n > 8 else b"\1\0\0\0\1\0\0\0"[:n] for n in (0, 1, 2, 3, 4, 8)]
        read = READ_AS.get(name, name)
        yield case(f"{name}: in fewer bytes and in more", *(s for v in raw for s in (SetOpt("a", name, v), GetOpt("a", read))))
    yield case("time stamps: one kind at a time", *(s for n in ("SO_TIMESTAMP", "SO_TIMESTAMPNS", "SO_TIMESTAMP") for s in
                                                   (SetOpt("a", n, 1), GetOpt("a", "SO_TIMESTAMP"), GetOpt("a", "SO_TIMESTAMPNS"))))
    linger = (b"\1\0\0\0\5\0\0\0", bytes(8), bytes(4))
    yield case("SO_LINGER", *(s for v in linger for s in (SetOpt("a", "SO_LINGER", v), GetOpt("a", "SO_LINGER", 8))))
    for name in ("SO_RCVTIMEO", "SO_SNDTIMEO"):
        times = [(0, 0), (1, 500000), (0, 1), (0, 999999), (0, 1000000), (0, -1), (-1, 0), (5, 4000), (5, 4001)]
        yield case(name, *(s for time in times for s in (SetOpt("a", name, struct.pack("qq", *time)), GetOpt("a", name, 16))),
                   SetOpt("a", name, bytes(8)))
    yield case("SO_BINDTODEVICE", *(s for v in ("vb0", "lo", "nosuch", "", "averyverylongnameofadevice", b"vb0\0junk", b"") for s in
                                    (SetOpt("a", "SO_BINDTODEVICE", v), GetOpt("a", "SO_BINDTODEVICE"))), GetOpt("a", "SO_BINDTODEVICE", 3))


# ---------------------------------------------------------------- addresses
def addresses() -> Iterator[Case]:
    named = (GetOpt("a", "getsockname"), GetOpt("a", "getpeername"))
    for address in (US, "10.0.0.7", "10.0.0.9", PEER, "127.0.0.1", "127.9.9.9", "10.0.0.255", "10.0.0.0", "255.255.255.255", "239.1.1.1",
                    "240.0.0.1", "0.0.0.1", "8.8.8.8"):
        yield case(f"bind to {address}", Bind("a", (address, 5000)), *named, opened=Open("a"))
        yield case(f"bind to {address}, IP_FREEBIND", SetOpt("a", "IP_FREEBIND", 1), Bind("a", (address, 5000)), *named, opened=Open("a"))
        for broadcast in (0, 1):
            yield case(f"connect to {address}, SO_BROADCAST {broadcast}", SetOpt("a", "SO_BROADCAST", broadcast),
                       Connect("a", (address, 7)), *named, Connect("a", None), *named)
    for address in ("192.0.2.1", "198.51.100.1", "203.0.113.1", "172.16.0.1"):
        yield case(f"connect by a route to nowhere: {address}", Connect("a", (address, 7)), *named)
    yield case("ip_nonlocal_bind", Sysctl("net.ipv4.ip_nonlocal_bind", 1), Bind("a", ("10.0.0.9", 5000)), *named,
               Sysctl("net.ipv4.ip_nonlocal_bind", 0), Open("b", ("10.0.0.9", 5001)), opened=Open("a"))
    yield case("bind twice", Bind("a", (ANY, 5001)), *named)
    yield case("connect to port 0", Connect("a", (PEER, 0)), *named)
    yield case("names of an unbound socket", *named, Recv("a"), GetOpt("a", "FIONREAD"), opened=Open("a"))
    yield case("names of a wildcard that connects and lets go", *named, Connect("a", (PEER, 7)), *named, Connect("a", (PEER, 8)), *named,
               Connect("a", None), *named, Connect("a", ("10.0.0.7", 9)), *named)
    yield case("names of a bound one that connects and lets go", *named, Connect("a", (PEER, 7)), *named, Connect("a", None), *named,
               opened=Open("a", ("10.0.0.7", 5000)))
    yield case("the second of two sockets", Open("b", (ANY, 5000)), Open("c", ("10.0.0.7", 5000)), Open("d", (ANY, 5001), reuseaddr=True),
               Open("e", (ANY, 5001), reuseaddr=True), Open("f", (ANY, 5001)), Open("g", (ANY, 5001), reuseport=True))
    groups = ("239.1.1.1", "10.0.0.9", "224.0.0.1", "0.0.0.0")
    yield case("joins", *(Join("a", g, leave) for g in groups for leave in (False, False, True, True)))
    yield case("shutdown of reading, not connected", send(b"1", b"2"), Shutdown("a", 0), Recv("a", count=3), send(b"3"), Recv("a", count=2))
    yield case("shutdown of reading, connected", Connect("a", (PEER, 40000)), send(b"1", b"2"), Shutdown("a", 0), Recv("a", count=2),
               send(b"3"), GetOpt("a", "FIONREAD"))
    yield case("shutdown of writing", Connect("a", (PEER, 40000)), Shutdown("a", 1), send(b"1"), Recv("a", count=2), Shutdown("a", 3),
               Shutdown("a", -1))


def send(*payloads: bytes, **more: Any) -> Send:
    return Send(tuple(f.udp_frame(p, **more) for p in payloads))


# ---------------------------------------------------------------- ancillary data
def ancillary() -> Iterator[Case]:
    told = ("IP_PKTINFO", "IP_RECVTTL", "IP_RECVTOS", "IP_RECVORIGDSTADDR", "SO_TIMESTAMP", "SO_TIMESTAMPNS", "SO_RXQ_OVFL", "UDP_GRO")
    group = f.multicast_mac("239.1.1.1")
    some = Send((f.udp_frame(b"1", ttl=7, tos=0xB8), f.udp_frame(b"2", dst="10.0.0.7"),
                 f.udp_frame(b"3", dst="10.0.0.255", mac=f.BROADCAST), f.udp_frame(b"4", dst="255.255.255.255", mac=f.BROADCAST),
                 f.udp_frame(b"5", tos=3)))
    for name in told:
        yield case(f"ancillary: {name}", SetOpt("a", name, 1), some, Recv("a", count=6))
    every = [SetOpt("a", n, 1) for n in told]
    yield case("ancillary: everything, in its order", *every, some, Recv("a", count=6))
    for room in (*range(0, 140, 4), 17, 33, 49):
        yield case(f"ancillary: room for {room} bytes", *every, send(b"1"), Recv("a", room=room))
    yield case("ancillary: of a group", SetOpt("a", "IP_PKTINFO", 1), SetOpt("a", "IP_RECVORIGDSTADDR", 1), Join("a", "239.1.1.1"),
               send(b"1", dst="239.1.1.1", mac=group), Recv("a"))
    yield case("ancillary: also of a peek, a cut read, an empty datagram", *every, send(b"123", b""), Recv("a", 1, ("MSG_PEEK",)),
               Recv("a", 1, ("MSG_TRUNC",)), Recv("a"))
    yield case("ancillary: fragments", SetOpt("a", "IP_RECVTTL", 1), SetOpt("a", "IP_RECVTOS", 1),
               Send(tuple(f.eth(f.ip(p, frag=g, ttl=t, tos=t)) for whole in [f.udp(b"x" * 400)]
                          for p, g, t in ((whole[:200], 0x2000, 9), (whole[200:], 25, 8)))), Recv("a"))
    small = Open("a", (ANY, 5000), options=(("SO_RCVBUF", 2304), ("SO_RXQ_OVFL", 1)))
    yield case("SO_RXQ_OVFL: the drops before each datagram", send(*[b"x"] * 8), Recv("a", count=2), send(b"y", b"z"), Recv("a", count=6),
               send(b"w"), Recv("a"), opened=small)
    yield case("SO_RXQ_OVFL: set and taken back with datagrams in the queue", send(*[b"x"] * 8), SetOpt("a", "SO_RXQ_OVFL", 0), Recv("a"),
               SetOpt("a", "SO_RXQ_OVFL", 1), Recv("a", count=2), send(*[b"y"] * 9), Recv("a", count=3), opened=small)


def flags() -> Iterator[Case]:
    for name in ("MSG_OOB", "MSG_WAITALL", "MSG_ERRQUEUE", "MSG_CMSG_CLOEXEC", "MSG_NOSIGNAL", "MSG_DONTROUTE", "MSG_CONFIRM", "MSG_MORE"):
        yield case(f"recvmsg with {name}", send(b"123456"), Recv("a", 4, (name,)), Recv("a", count=2))


# ---------------------------------------------------------------- errors by ICMP
def errors() -> Iterator[Case]:
    def error(kind: int, code: int, rest: bytes = bytes(4), **more: Any) -> bytes:
        ports: dict[str, int] = {"sport": 5000, "dport": 40000, **more}
        quoted = f.ip(f.udp(b"q" * 8, ports["sport"], ports["dport"], US, PEER), US, PEER)
        return f.eth(f.ip(f.icmp(kind, code, rest, quoted), proto=1))

    connected = Open("a", (US, 5000), (PEER, 40000))
    for recverr in (0, 1):
        for kind, codes in ((3, range(17)), (11, (0, 1)), (12, (0, 1)), (5, (0, 1)), (4, (0,))):
            for code in codes:
                rest = b"\0\0\x05\x78" if (kind, code) == (3, 4) else bytes(4)
                told = error(kind, code, rest)
                yield case(f"ICMP {kind}/{code}, IP_RECVERR {recverr}", SetOpt("a", "IP_RECVERR", recverr), Send((told,)),
                           GetOpt("a", "SO_ERROR"), GetOpt("a", "SO_ERROR"), Send((told, f.udp_frame(b"data"))),
                           Recv("a", flags=("MSG_PEEK",)), Recv("a", count=2), opened=connected)
    yield case("ICMP errors about others", Send((error(3, 3, sport=5001), error(3, 3, dport=40001))), GetOpt("a", "SO_ERROR"),
               opened=connected)
    yield case("ICMP error to a socket without a peer", Send((error(3, 3),)), GetOpt("a", "SO_ERROR"), Recv("a"))
    yield case("ICMP error to a socket without a peer, IP_RECVERR", SetOpt("a", "IP_RECVERR", 1), Send((error(3, 3),)),
               GetOpt("a", "SO_ERROR"), Recv("a"))
    yield case("IP_RECVERR: the error itself by MSG_ERRQUEUE", SetOpt("a", "IP_RECVERR", 1), Send((error(3, 3),)),
               Recv("a", flags=("MSG_ERRQUEUE",), count=2), Recv("a"), opened=connected)
    yield case("two errors: the last one is told, once", Send((error(3, 3), error(3, 2))), Recv("a", count=2), opened=connected)
    yield case("an error before data that was there first", send(b"1"), Send((error(3, 3),)), GetOpt("a", "FIONREAD"), Recv("a", count=3),
               opened=connected)
    yield case("an error and connect() anew", Send((error(3, 3),)), Connect("a", (PEER, 40001)), Recv("a"), Connect("a", None),
               GetOpt("a", "SO_ERROR"), opened=connected)


def cases() -> list[Case]:
    return [*options(), *addresses(), *ancillary(), *flags(), *errors()]
