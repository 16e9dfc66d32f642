"""Sockets, and who holds them."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .base import Record


@dataclass(frozen=True, slots=True)
class Skmem:
    """ss -m, bytes: r receive memory allocated (truesize), rb its limit (doubled SO_RCVBUF), t, tb the same to send, f forward allocated,
    w queued to send, o options, bl backlog, d drops (None before 4.13)."""

    r: int
    rb: int
    t: int = 0
    tb: int = 0
    f: int = 0
    w: int = 0
    o: int = 0
    bl: int | None = None
    d: int | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """Who holds a socket."""

    name: str
    pid: int | None = None
    fd: int | None = None


@dataclass(frozen=True, slots=True)
class UdpSocket:
    """A UDP socket.  recv_q is memory (truesize), in ss as in /proc/net/udp, without what was read and not given back yet, which skmem.r
    has.  drops: unsigned 32 bit; of the filter, of checksums and of memory too.  bound_device: SO_BINDTODEVICE.  v6only None: not said; a
    [::] socket takes IPv4 too unless it is true."""

    family: int
    address: str
    port: int
    peer: str = ""
    peer_port: int = 0
    state: str = ""
    recv_q: int = 0
    send_q: int = 0
    drops: int | None = None
    skmem: Skmem | None = None
    uid: int | None = None
    inode: int | None = None
    programs: tuple[Program, ...] = ()
    bound_device: str = ""
    v6only: bool | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """The same socket in two readings: by its inode, else by its addresses."""
        return (self.inode,) if self.inode else (self.family, self.address, self.port, self.peer, self.peer_port, self.bound_device)


@dataclass(frozen=True, slots=True)
class TcpSocket(UdpSocket):
    """A TCP socket.  recv_q is payload; of a listener recv_q is the length of its accept queue, send_q the limit.  info: words of ss -i."""

    info: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UdpSockets(Record):
    """All UDP sockets that one text shows."""

    sockets: tuple[UdpSocket, ...]


@dataclass(frozen=True, slots=True)
class TcpSockets(Record):
    """All TCP sockets that one text shows."""

    sockets: tuple[TcpSocket, ...]


@dataclass(frozen=True, slots=True)
class PacketSocket:
    """A packet socket: type (3 raw, 2 dgram), protocol (0x0003: all, a tap), device by index, 0 for all."""

    kind: int
    protocol: int
    index: int
    rmem: int
    uid: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True)
class Packet(Record):
    """/proc/net/packet: who taps."""

    sockets: tuple[PacketSocket, ...]
