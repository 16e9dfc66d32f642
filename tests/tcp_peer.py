"""The other end of a TCP connection in a test: it sends what it is told to, and reads what the host under test answers.

    peer = Peer(host)                            # of the port 80 of that host
    assert peer.syn() == ["S. seq -1 ack 0 win 65160 mss=1460 sackOK ws=10"]
    peer.ack()                                   # the third segment: the connection stands
    assert peer.data(1000) == [". seq 0 ack 1000 win 64512"]

Sequence numbers are relative to both first bytes, as in Linux's own tests; windows of answers are in bytes.  Each call returns what was
answered at once; later answers (timers) are in replies().  Time stamps are checked by whoever needs them: ts() says the last one."""
import struct

from rxpath import boot
from rxpath.abi.limits import NTHREAD
from rxpath.abi.numbers import IPPROTO, MSG_DONTWAIT, Out
from rxpath.user import sock
from rxpath.user import socket as sockets
from rxpath.vtime import waiting

from .frames import PEER, US, eth, ip, tcp
from .lab import Lab

FLAGS = "FSRPAUEC"
M32 = 0xFFFFFFFF
MS = 1_000_000


def flag_bits(text: str) -> int:
    """"SA" or "S.": the bits of the header."""
    return sum(1 << FLAGS.index("A" if c == "." else c) for c in text)


def flag_text(bits: int) -> str:
    return "".join("." if c == "A" else c for i, c in enumerate(FLAGS) if bits >> i & 1)


class Segment:
    """A TCP segment that the host has sent."""

    def __init__(self, frame: bytes, time: int) -> None:
        packet = frame[14:]
        packet = packet[:int.from_bytes(packet[2:4], "big")]
        self.ip, head = packet, packet[(packet[0] & 15) * 4:]
        self.time = time
        self.sport, self.dport, self.seq, self.ack, doff, flags, self.win = struct.unpack(">HHIIBBH", head[:16])
        self.flags, self.data = flag_text(flags), head[(doff >> 4) * 4:]
        self.mss = self.ws = self.ts = self.cookie = None
        self.sack_ok, self.sack = False, []
        self._options(head[20:(doff >> 4) * 4])

    def _options(self, o: bytes) -> None:
        while o and o[0] != 0:
            if o[0] == 1:
                o = o[1:]
                continue
            kind, value, o = o[0], o[2:o[1]], o[o[1]:]
            if kind == 2:
                self.mss = int.from_bytes(value, "big")
            elif kind == 3:
                self.ws = value[0]
            elif kind == 4:
                self.sack_ok = True
            elif kind == 5:
                self.sack = list(struct.iter_unpack(">II", value))
            elif kind == 8:
                self.ts = struct.unpack(">II", value)
            elif kind == 34:
                self.cookie = value


def options(mss: int | None = None, ws: int | None = None, sack: bool = False, ts: tuple[int, int] | None = None,
            cookie: bytes | None = None, raw: bytes = b"") -> bytes:
    o = struct.pack(">BBH", 2, 4, mss) if mss else b""
    if sack:
        o += b"\4\2"
    if ts:
        o += struct.pack(">BBII", 8, 10, ts[0] & M32, ts[1] & M32)
    if ws is not None:
        o += bytes((1, 3, 3, ws))
    if cookie is not None:
        o += bytes((34, 2 + len(cookie))) + cookie
    o += raw
    return o + b"\1" * (-len(o) % 4)


class Peer:
    """One connection, from the other end.  ts, sack, ws, mss: what its SYN offers."""

    def __init__(self, host: Lab, dport: int = 80, sport: int = 40000, isn: int = 1000, mss: int | None = 1460, ws: int | None = 7,
                 sack: bool = True, ts: bool = True, src: str = PEER, dst: str = US) -> None:
        self.host, self.dport, self.sport, self.src, self.dst = host, dport, sport, src, dst
        self.isn, self.mss, self.ws, self.sack, self.with_ts = isn, mss, ws, sack, ts
        self.their_isn, self.their_ws, self.tsval, self.tsecr = 0, 0, 100_000, 0
        host.listen()
        self.seen = len(host.left(Out.TX))

    # ------------------------------------------------------------ out
    def send(self, flags: str, seq: int = 0, data: bytes = b"", ack: int | None = None, win: int = 512, ts: tuple[int, int] | None = None,
             raw: bytes | None = None, wait: int = 0, at: int | None = None) -> list[str]:
        """A segment with relative numbers.  ack None: 0, of our first byte.  wait: ns until its answers are collected."""
        if raw is None:
            raw = options(ts=ts or ((self.tsval, self.tsecr) if self.with_ts else None))
        bits = flag_bits(flags)
        number = (self.their_isn + 1 + (ack or 0)) & M32 if bits & 16 else 0
        self.put(tcp(data, self.sport, self.dport, (self.isn + 1 + seq) & M32, number, bits, self.src, self.dst, raw, win), wait, at)
        return self.replies()

    def put(self, segment: bytes, wait: int = 0, at: int | None = None) -> None:
        self.host.send(eth(ip(segment, proto=6, src=self.src, dst=self.dst)), at=at)
        self.host.run(self.host.t + (wait or 100_000))

    def syn(self, flags: str = "S", data: bytes = b"", seq: int = -1, raw: bytes = b"", wait: int = 0) -> list[str]:
        o = options(self.mss, self.ws, self.sack, (self.tsval, 0) if self.with_ts else None, raw=raw)
        self.put(tcp(data, self.sport, self.dport, (self.isn + 1 + seq) & M32,
                     self.their_isn + 1 & M32 if "A" in flags else 0, flag_bits(flags), self.src, self.dst, o, 64240), wait)
        return self.replies()

    def ack(self, seq: int = 0, ack: int = 0, **how: object) -> list[str]:
        return self.send("A", seq, ack=ack, **how)      # type: ignore[arg-type]

    def data(self, n: int, seq: int = 0, **how: object) -> list[str]:
        """n bytes from seq on; byte i of the stream is i modulo 251."""
        return self.send("PA", seq, bytes((seq + i) % 251 for i in range(n)), **how)    # type: ignore[arg-type]

    def fin(self, seq: int = 0, ack: int = 0, **how: object) -> list[str]:
        return self.send("FA", seq, ack=ack, **how)     # type: ignore[arg-type]

    def rst(self, seq: int = 0, **how: object) -> list[str]:
        return self.send("R", seq, **how)               # type: ignore[arg-type]

    def wait(self, ns: int) -> list[str]:
        """Time passes; what the host has sent meanwhile."""
        self.host.run(self.host.t + ns)
        return self.replies()

    # ------------------------------------------------------------ in
    def segments(self) -> list[Segment]:
        """What has come for this end since it was asked last."""
        out = self.host.left(Out.TX)
        new, self.seen = out[self.seen:], len(out)
        got = [Segment(bytes(o.data), o.t) for o in new if bytes(o.data[12:14]) == b"\x08\0" and o.data[23] == 6]
        got = [s for s in got if s.dport == self.sport and s.sport == self.dport]
        for s in got:
            if "S" in s.flags:
                self.their_isn, self.their_ws = s.seq, s.ws or 0
            if s.ts:
                self.tsecr = s.ts[0]
        return got

    def replies(self) -> list[str]:
        return [self.text(s) for s in self.segments()]

    def text(self, s: Segment) -> str:
        """As in facts of Linux: flags, relative numbers, the window in bytes, options but for time stamps."""
        def relative(n: int, isn: int) -> int:
            return (n - isn - 1 + (1 << 31) & M32) - (1 << 31)
        said = f"{s.flags} seq {s.seq if 'R' in s.flags and (not self.their_isn or s.seq == 0) else relative(s.seq, self.their_isn)}"
        if "." in s.flags:
            said += f" ack {relative(s.ack, self.isn)}"
        said += f" win {s.win if 'S' in s.flags else s.win << self.their_ws}"
        if s.mss:
            said += f" mss={s.mss}"
        if s.sack_ok:
            said += " sackOK"
        if s.ws is not None:
            said += f" ws={s.ws}"
        if s.cookie is not None:
            said += f" fo={s.cookie.hex()}"
        if s.sack:
            said += " sack " + ",".join(f"{relative(a, self.isn)}:{relative(b, self.isn)}" for a, b in s.sack)
        return said + (f" data {len(s.data)}" if s.data else "")


class Moved:
    """What counters and ends have moved since it was made, without those that every segment moves."""
    EVERY = ("Ip.InReceives", "Ip.InDelivers", "Tcp.InSegs", "Tcp.OutSegs")

    def __init__(self, host: Lab) -> None:
        self.host = host
        self.mib, self.ended = host.mib(), host.ends()

    def counters(self) -> dict[str, int]:
        now, before, self.mib = self.host.mib(), self.mib, self.host.mib()
        names = [n for n in {**before, **now} if n not in self.EVERY]
        return {n.removeprefix("TcpExt.").removeprefix("Tcp."): d for n in names if (d := now.get(n, 0) - before.get(n, 0))}

    def ends(self) -> dict[str, int]:
        now, before = self.host.ends(), self.ended
        self.ended = now
        return {n: d for n in now if (d := now[n] - before.get(n, 0))}


# ---------------------------------------------------------------- the program's side
def now(host: Lab) -> None:
    """A call from outside happens at host.t, on CPU 0."""
    c = host.net.cpu[0]
    c.now = max(c.now, host.t)


def told(host: Lab) -> None:
    """The driver of time hears of the timers that a call has armed, and goes on a little."""
    host.call(waiting.host_wakes)(host.net, 0)
    host.run(host.t + 100_000)


def listener(host: Lab, port: int = 80, backlog: int = 16, rcvbuf: int = 0, defer_accept: int = 0, addr: int = 0,
             reuseport: bool = False) -> int:
    """socket(), bind(), listen().  rcvbuf: SO_RCVBUF as the program says it, 0: not set.  defer_accept: SYN-ACKs."""
    i = sockets.create(host.boot, IPPROTO.TCP)
    sock.setsockopt(host.boot, i, "SO_REUSEPORT", int(reuseport))
    if rcvbuf:
        sock.setsockopt(host.boot, i, "SO_RCVBUF", rcvbuf)
    sockets.bind(host.boot, i, addr, port)
    host.net.tcp[i].defer_accept = defer_accept
    sockets.listen(host.boot, i, backlog)
    return i


def accept(host: Lab, sk: int) -> int:
    return sockets.accept(host.boot, sk)


def connection(host: Lab, **peer: object) -> tuple[int, Peer]:
    """A listener, and a connection that it has accepted."""
    sk, other = listener(host), Peer(host, **peer)      # type: ignore[arg-type]
    other.syn()
    other.ack()
    return accept(host, sk), other


def close(host: Lab, sk: int) -> None:
    now(host)
    sockets.close(host.boot, sk)
    told(host)


def shutdown(host: Lab, sk: int, how: int) -> None:
    now(host)
    sockets.shutdown(host.boot, sk, how)
    told(host)


def read(host: Lab, sk: int, n: int) -> bytes:
    """recv(MSG_DONTWAIT)"""
    t = NTHREAD - 2
    memory, addr = boot.buffer(65536)
    th = host.net.thread[t]
    th.sock, th.buf_addr, th.buf_len, th.flags, th.wait = sk, addr, n, MSG_DONTWAIT, t
    now(host)
    got = sockets.recv(host.boot, t)
    told(host)
    return bytes(memory[:got])
