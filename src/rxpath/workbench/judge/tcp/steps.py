"""What a conversation over TCP is made of, beside the steps of case.py (Open, Recv, SetOpt, Sysctl, Wait, Close, Shutdown ...).

Sequence numbers are relative: `seq` to the byte that follows the peer's SYN, `ack` to the byte that follows the host's, so that 0 is the
first byte of data either way.  A connection and the socket that accept() returns for it have one id.  What a peer sends is made from the
byte's place in the stream (wire.stream), so that a reader shows what was put where."""
from __future__ import annotations

from dataclasses import dataclass

PEER_ISN = 1_000_000                    # of the peer, where nothing else is said
TS_FIRST = 1000                         # the time stamp value of its first segment; each further segment has one more


@dataclass(frozen=True, slots=True)
class Cause:
    """What the steps behind it try, in words; nothing happens."""
    text: str


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection that is yet to be: it sends nothing.  port: the host's; sport: its own, 0: a new one."""
    id: str
    port: int = 80
    sport: int = 0
    source: str = "10.0.0.2"
    isn: int = PEER_ISN
    timestamps: bool = True             # its segments have the option, unless they say otherwise
    window: int = 65535


@dataclass(frozen=True, slots=True)
class Handshake:
    """SYN, SYN-ACK, ACK, and accept() from `listener`, if it is to be accepted.  wait_ns: between SYN-ACK and ACK."""
    id: str
    listener: str = "l"
    mss: int = 1460
    window_scale: int | None = 7
    sack: bool = True
    timestamps: bool = True
    isn: int = PEER_ISN
    window: int = 65535
    source: str = "10.0.0.2"
    accept: bool = True
    wait_ns: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment, or `count` of them, `stride` bytes apart (0: as long as each is).

    flags: letters of F S R P A U E C.  data: how many bytes.  ack None: the field is 0.  tsval: None: the peer's next; -1: without the
    option; else this one.  tsecr: added to the last value that the host has sent; syn_ack_ts: to its last SYN-ACK's, the only one that
    an ACK of it may echo (tcp_check_req()) once a millisecond has passed.  options: instead of the peer's, as bytes.
    blocks: SACK blocks, relative to the host's SYN + 1.  cookie: with the fast open cookie that the host has sent last.  urgent: the
    pointer.  doff: 32-bit words, where it is to be wrong."""
    id: str
    flags: str
    seq: int = 0
    data: int = 0
    ack: int | None = 0
    window: int | None = None
    tsval: int | None = None
    tsecr: int | None = 0               # None: the field is 0
    syn_ack_ts: bool = False
    options: bytes | None = None
    blocks: tuple[tuple[int, int], ...] = ()
    cookie: bool = False
    urgent: int = 0
    bad_checksum: bool = False
    doff: int | None = None
    ttl: int = 64
    tos: int = 0
    count: int = 1
    stride: int = 0
    same_tsval: bool = False            # all of them have the value of the last one before
    follows: bool = False               # seq counts from what the host has acknowledged last


@dataclass(frozen=True, slots=True)
class Accept:
    """accept() from `listener`, as an answer: the peer's address by the id of the peer it belongs to, or an errno.  id: of the socket."""
    id: str
    listener: str = "l"


@dataclass(frozen=True, slots=True)
class Write:
    """send() of so many bytes; how many were taken."""
    id: str
    size: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A recv() that comes to rest while it copies, so that its owner holds the socket until Release.  There must be something to read.
    waits: without MSG_DONTWAIT."""
    id: str
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """That recv() goes on; what it returned."""
    id: str


@dataclass(frozen=True, slots=True)
class Poll:
    """What poll() says of a socket, as names."""
    id: str


@dataclass(frozen=True, slots=True)
class Repair:
    """A socket that TCP_REPAIR makes established, both ends' numbers chosen: peer_seq and host_seq are the next bytes.  window: struct
    tcp_repair_window (snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup), relative to them where it is a number of the sequence."""
    id: str
    port: int = 90
    peer_seq: int = 1000
    host_seq: int = 5000
    timestamp: int | None = None
    window: tuple[int, int, int, int, int] | None = None
    scales: tuple[int, int] = (7, 7)    # peer's, host's
    sack: bool = True
    mss: int = 1460


TcpStep = Cause | Peer | Handshake | Segment | Accept | Write | Hold | Release | Poll | Repair
