"""A case: a host, and a dialogue of frames and system calls with it.  And what came of it, on either side.

    Case("udp to a closed port", "transport", HOST, (Send((frame,)),))

`host` is a host file (TOML text or the same as a dict); its sockets are opened first, in their order, and are called by their names.  What
the steps have left in any socket is read after the last one, so that a case of one Send needs no Recv.

A case with `shared=True` may run on a host that other cases of the same host file have used before: it asks only for what it moves.  That
is how many thousand single frames are judged; order matters then, and both sides see the same order."""
from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rxpath.workbench.judge.tcp.steps import TcpStep

ANY = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Open:
    """socket(), the options in their order, bind(), connect(), join.  A step that fails is an answer: its errno.

    options: (name, value) by C name: ("SO_REUSEPORT", 1), ("SO_BINDTODEVICE", "eth0"), ("IP_MULTICAST_ALL", 0).  SO_INCOMING_CPU may be
    "here", the CPU that frames are received on, or "other"."""
    id: str
    bind: tuple[str, int] | None = None
    connect: tuple[str, int] | None = None
    join: tuple[str, ...] = ()
    reuseaddr: bool = False
    reuseport: bool = False
    options: tuple[tuple[str, int | str], ...] = ()
    proto: str = "udp"                  # or tcp: a listener; tcp stream: a socket that is to connect
    backlog: int = 128                  # of listen()


@dataclass(frozen=True, slots=True)
class Send:
    """Raw Ethernet frames from the peer, one after the other; each has been through the whole path before the next one comes."""
    frames: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Burst:
    """UDP datagrams of one flow and one size that reach netif_rx() while bottom halves are held: the backlog is not polled meanwhile.
    There one GSO packet, which the sender's kernel cuts up; here steered (rps) to a CPU whose interrupt is late, so the host needs
    rps = { "0" = "1" }, which the kernel's side leaves alone."""
    payload: bytes
    count: int
    dport: int = 5000


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes: real time there, virtual time here."""
    ns: int


@dataclass(frozen=True, slots=True)
class Recv:
    """recvmsg(size) with these flags (by name: "MSG_PEEK", "MSG_TRUNC"), `count` times, 0: until nothing is left; MSG_DONTWAIT
    always.  EAGAIN is an errno."""
    id: str
    size: int = 65536
    flags: tuple[str, ...] = ()
    count: int = 1
    room: int = 256                     # for ancillary data


@dataclass(frozen=True, slots=True)
class SendTo:
    """sendmsg() of these bytes, MSG_DONTWAIT always; its length is an answer.  to: None: the peer of its connection.
    ancillary: (level, type, data)."""
    id: str
    data: bytes
    to: tuple[str, int] | None = None
    flags: tuple[str, ...] = ()
    ancillary: tuple[tuple[int, int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Close:
    id: str


@dataclass(frozen=True, slots=True)
class Connect:
    """connect() of a socket that is open; None: AF_UNSPEC, any peer again."""
    id: str
    peer: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Join:
    """IP_ADD_MEMBERSHIP, leave=True: IP_DROP_MEMBERSHIP.  With a source: IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP."""
    id: str
    group: str
    leave: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """shutdown(): 0 reading, 1 writing, 2 both."""
    id: str
    how: int


@dataclass(frozen=True, slots=True)
class Bind:
    """bind() of a socket that is open."""
    id: str
    address: tuple[str, int]


@dataclass(frozen=True, slots=True)
class SetOpt:
    id: str
    name: str
    value: int | str | bytes            # bytes: as they are, also fewer than an int has


@dataclass(frozen=True, slots=True)
class GetOpt:
    """An option by its C name, as an answer.  SO_MEMINFO: (rmem_alloc, rcvbuf, fwd_alloc, drops).  FIONREAD: bytes of the next datagram.
    getsockname, getpeername: the address.  length: of the buffer; 0: an int, or what the option is."""
    id: str
    name: str
    length: int = 0


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A sysctl by its full name, while the host runs."""
    name: str
    value: int | str


@dataclass(frozen=True, slots=True)
class Frags:
    """What reassembly holds, as an answer: (queues, bytes of memory), as the FRAG line of /proc/net/sockstat says it."""


@dataclass(frozen=True, slots=True)
class Settle:
    """So much time passes, and what has happened up to here is not looked at: membership reports of a join leave meanwhile."""
    ns: int = 30_000_000


@dataclass(frozen=True, slots=True)
class Watch:
    """A new epoll instance with these sockets, edge-triggered."""
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """epoll_wait() of the last Watch, as an answer: the sockets in the order in which they became ready."""


Step = (Open | Send | Burst | Wait | Recv | SendTo | Close | Connect | Join | SetOpt | GetOpt | Sysctl | Frags | Settle | Shutdown | Bind
        | Watch | Ready | TcpStep)


@dataclass(frozen=True, slots=True)
class Case:
    """station: room of the path that it tries: drivers, irq, link, network, transport, user.  source: where the claim comes from.

    view: what is compared in place of the observation where both sides draw lots (a hash's secret): facts that must be the same.
    spread: numbers that are random on both sides: their mean must agree within their own spread, and both are printed.
    slow: seconds of waiting; `rxpath judge` runs it, the tests do not.
    by_step: what each step did is an answer of its own (tcp/talk.py), and what is left in a socket is not read."""
    name: str
    station: str
    host: str | Mapping[str, Any]
    steps: tuple[Step, ...]
    source: str = ""
    shared: bool = False
    not_built: str = ""                 # why the path cannot do it: listed, never run
    view: Callable[[Observation], dict[str, Any]] | None = None
    spread: Callable[[Observation], list[float]] | None = None
    slow: bool = False
    by_step: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """One recvmsg(): what it returned.  errno: its name, "" if it went well.  length: the call's result, which MSG_TRUNC may make more
    than the bytes.  ancillary: (name, value), in their order."""
    data: bytes = b""
    sender: tuple[str, int] = ("", 0)
    length: int = 0
    flags: tuple[str, ...] = ()
    ancillary: tuple[tuple[str, Any], ...] = ()
    errno: str = ""


@dataclass(slots=True)
class Observation:
    """What came of a case on one side."""
    replies: list[bytes] = field(default_factory=list)
    received: dict[str, list[Received]] = field(default_factory=dict)
    answers: list[tuple[str, Any]] = field(default_factory=list)        # ("2 GetOpt a SO_RCVBUF", 425984)
    counters: dict[str, int] = field(default_factory=dict)              # deltas: "Ip.InReceives"; none is 0
    sockets: dict[str, int] = field(default_factory=dict)               # sk_drops of each socket, when it moved
    device: dict[str, int] = field(default_factory=dict)                # deltas: "rx_packets"
    softnet: dict[str, int] = field(default_factory=dict)               # deltas: "dropped"
    drops: dict[tuple[str, str], int] = field(default_factory=dict)     # (reason, function) -> how often
    notes: list[str] = field(default_factory=list)


def errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))


OPTIONS: dict[str, tuple[int, int]] = {     # C name -> (level, number) on Linux
    "SO_DEBUG": (1, 1), "SO_REUSEADDR": (1, 2), "SO_TYPE": (1, 3), "SO_ERROR": (1, 4), "SO_DONTROUTE": (1, 5), "SO_BROADCAST": (1, 6),
    "SO_SNDBUF": (1, 7), "SO_RCVBUF": (1, 8), "SO_KEEPALIVE": (1, 9), "SO_OOBINLINE": (1, 10), "SO_NO_CHECK": (1, 11),
    "SO_PRIORITY": (1, 12), "SO_LINGER": (1, 13), "SO_REUSEPORT": (1, 15), "SO_RCVLOWAT": (1, 18), "SO_SNDLOWAT": (1, 19),
    "SO_RCVTIMEO": (1, 20), "SO_SNDTIMEO": (1, 21), "SO_BINDTODEVICE": (1, 25), "SO_ATTACH_FILTER": (1, 26),
    "SO_DETACH_FILTER": (1, 27), "SO_LOCK_FILTER": (1, 44),    "SO_TIMESTAMP": (1, 29), "SO_ACCEPTCONN": (1, 30),
    "SO_SNDBUFFORCE": (1, 32), "SO_RCVBUFFORCE": (1, 33), "SO_TIMESTAMPNS": (1, 35), "SO_MARK": (1, 36), "SO_PROTOCOL": (1, 38),
    "SO_DOMAIN": (1, 39), "SO_RXQ_OVFL": (1, 40), "SO_PEEK_OFF": (1, 42), "SO_SELECT_ERR_QUEUE": (1, 45), "SO_BUSY_POLL": (1, 46),
    "SO_INCOMING_CPU": (1, 49), "SO_ATTACH_REUSEPORT_CBPF": (1, 51), "SO_MEMINFO": (1, 55), "SO_INCOMING_NAPI_ID": (1, 56),
    "SO_DETACH_REUSEPORT_BPF": (1, 68), "SO_NOWHERE": (1, 999),
    "IP_TOS": (0, 1), "IP_TTL": (0, 2), "IP_PKTINFO": (0, 8), "IP_MINTTL": (0, 21),
    "IP_MTU_DISCOVER": (0, 10), "IP_RECVERR": (0, 11), "IP_RECVTTL": (0, 12),
    "IP_RECVTOS": (0, 13), "IP_FREEBIND": (0, 15), "IP_RECVORIGDSTADDR": (0, 20), "IP_MULTICAST_IF": (0, 32), "IP_MULTICAST_TTL": (0, 33),
    "IP_MULTICAST_LOOP": (0, 34), "IP_MULTICAST_ALL": (0, 49), "IP_NOWHERE": (0, 999), "UDP_GRO": (17, 104), "UDP_CORK": (17, 1),
    "UDP_NOWHERE": (17, 999),
    "TCP_NODELAY": (6, 1), "TCP_MAXSEG": (6, 2), "TCP_SYNCNT": (6, 7), "TCP_LINGER2": (6, 8), "TCP_DEFER_ACCEPT": (6, 9),
    "TCP_WINDOW_CLAMP": (6, 10), "TCP_INFO": (6, 11), "TCP_QUICKACK": (6, 12), "TCP_USER_TIMEOUT": (6, 18), "TCP_FASTOPEN": (6, 23),
    "TCP_INQ": (6, 36),
}
