"""A peer of one connection, in the words of the table of measured rows: what it sends, what comes back, what moves, what the program
reads.  Sequence numbers are relative to both initial ones.

    s = Stream(lab(driver="veth"))
    assert s.send(0, 1000) == [". seq 0 ack 1000 win 64512"]
    assert s.read() == 1000"""
import struct

from scapy.layers.inet import TCP as Segment
from scapy.layers.l2 import Ether

from rxpath import boot
from rxpath._compile import numbers
from rxpath.abi.limits import NCPU
from rxpath.abi.numbers import IPPROTO, MSG_DONTWAIT, Out
from rxpath.abi.reasons import LOSSES, Drop
from rxpath.path import Stage
from rxpath.user import sock as options
from rxpath.user import socket as sockets

from ..frames import eth, ip, tcp

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
ISN = 1000
EVERY = ("Ip.InReceives", "Ip.InDelivers", "Tcp.InSegs", "Tcp.OutSegs")


def reply(frame: bytes, isn: int, peer: int, scale: int) -> str:
    """'. seq 0 ack 1000 win 64512 sack 0:1000'"""
    s = Ether(frame)[Segment]
    flags = str(s.flags).replace("A", ".") or "-"
    found = dict((name, value) for name, value in s.options if name != "NOP")
    out = f"{flags} seq {(s.seq - isn) & 0xFFFFFFFF} ack {(s.ack - peer) & 0xFFFFFFFF if s.ack else 0}"
    out += f" win {s.window << (0 if 'S' in flags else scale)}"
    if "SAck" in found:
        blocks = [(x - peer) & 0xFFFFFFFF for x in found["SAck"]]
        out += " sack " + ",".join(f"{blocks[i]}:{blocks[i + 1]}" for i in range(0, len(blocks), 2))
    return out


class Stream:
    def __init__(self, host, ts=True, sack=True, wscale=7, mss=1460, rcvbuf=None, port=80, sport=40000, backlog=128, listener=None,
                 window=502, connect=True, **sockopts) -> None:
        self.host, self.boot, self.net = host.listen() if not hasattr(host, "stream_listens") else host, host.boot, host.net
        host.stream_listens = True
        self.ts, self.sack, self.wscale, self.mss, self.port, self.sport, self.window = ts, sack, wscale, mss, port, sport, window
        self.peer, self.isn, self.tsval, self.tsecr, self.left = ISN + 1, 0, 1000, 0, 0
        if listener is None:
            listener = sockets.create(self.boot, IPPROTO.TCP)
            sockets.bind(self.boot, listener, 0, port)
            if rcvbuf is not None:
                options.setsockopt(self.boot, listener, "SO_RCVBUF", rcvbuf)
            for name, value in sockopts.items():
                options.setsockopt(self.boot, listener, name, value)
            sockets.listen(self.boot, listener, backlog)
        self.listener, self.sk, self.scale = listener, -1, 0
        self.t = NCPU + host.threads + 100
        host.threads += 1
        self.buffer, addr = boot.buffer(1 << 20)
        host.users.append(self.buffer)
        th = self.net.thread[self.t]
        th.sock, th.buf_addr, th.buf_len, th.flags, th.wait, th.wait_by = -1, addr, 1 << 20, MSG_DONTWAIT, self.t, 0
        if connect:
            self.connect()

    # ------------------------------------------------------------ the peer
    def syn_options(self) -> bytes:
        out = struct.pack(">BBH", 2, 4, self.mss) if self.mss else b""
        if self.sack:
            out += b"\1\1\4\2"
        if self.wscale is not None:
            out += struct.pack(">BBBB", 1, 3, 3, self.wscale)
        if self.ts:
            out += struct.pack(">BBBBII", 1, 1, 8, 10, self.tsval, 0)
        return out

    def frame(self, seq=0, data=0, flags=ACK, ack=0, ts=None, tsecr=None, window=None, opt=None, ttl=64, **how) -> bytes:
        if opt is None:
            opt = b""
            if self.ts and ts is not False:
                opt = struct.pack(">BBBBII", 1, 1, 8, 10, self.tsval if ts is None else ts, self.tsecr if tsecr is None else tsecr)
        payload = bytes(n & 0xFF for n in range(seq, seq + data)) if isinstance(data, int) else data
        return eth(ip(tcp(payload, sport=self.sport, dport=self.port, seq=(self.peer + seq) & 0xFFFFFFFF,
                          ack=(self.isn + ack) & 0xFFFFFFFF if flags & ACK else 0, flags=flags, options=opt,
                          window=self.window if window is None else window, **how), proto=6, ttl=ttl))

    def connect(self) -> str:
        """The handshake; what the SYN-ACK says."""
        said = self.syn()
        self.send(0, 0)
        self.accept()
        return said

    def syn(self) -> str:
        self.raw(eth(ip(tcp(sport=self.sport, dport=self.port, seq=ISN, flags=SYN, options=self.syn_options(), window=64240), proto=6)))
        segment = Ether(self.last[-1])[Segment]
        self.isn = segment.seq + 1 & 0xFFFFFFFF
        found = dict(segment.options)
        self.scale = found.get("WScale", 0)
        if "Timestamp" in found:
            self.tsecr = found["Timestamp"][0]
        return f"win {segment.window} ws {found.get('WScale')} mss {found.get('MSS')} sack {'SAckOK' in found} ts {'Timestamp' in found}"

    def accept(self) -> int:
        self.sk = sockets.accept(self.boot, self.listener)
        self.net.thread[self.t].sock = self.sk
        return self.sk

    def raw(self, *frames: bytes, wait: int = 20_000) -> list[str]:
        """Frames onto the cable; the replies after `wait` ns."""
        self.host.send(*frames)
        self.host.run(self.host.t + wait)
        return self.replies()

    def replies(self) -> list[str]:
        out = [o.data for o in self.host.left(Out.TX)]
        new, self.left = out[self.left:], len(out)
        self.last = new
        return [reply(f, self.isn, self.peer, self.scale) for f in new if Ether(f).haslayer(Segment)]

    def send(self, seq=0, data=0, flags=ACK, wait=20_000, **how) -> list[str]:
        return self.raw(self.frame(seq, data, flags, **how), wait=wait)

    # ------------------------------------------------------------ the program
    def read(self, n: int = 1 << 20, flags: int = 0) -> int:
        """recv(MSG_DONTWAIT): bytes, 0 at the end; the errno's name."""
        th = self.net.thread[self.t]
        th.buf_len, th.flags = n, MSG_DONTWAIT | flags
        return sockets.recv(self.boot, self.t)

    def try_read(self, n: int = 1 << 20, flags: int = 0):
        try:
            return self.read(n, flags)
        except OSError as e:
            return type(e).__name__

    # ------------------------------------------------------------ what moved
    def mark(self) -> None:
        self.was, self.ended = self.host.mib(), self.drops_now()

    def moved(self) -> dict[str, int]:
        now = self.host.mib()
        return {k.removeprefix("TcpExt."): n - self.was.get(k, 0) for k, n in now.items() if n != self.was.get(k, 0) and k not in EVERY} | {
            k.removeprefix("TcpExt."): -n for k, n in self.was.items() if k not in now and k not in EVERY}

    def drops_now(self) -> dict[str, int]:
        net = self.net
        return {f"{Drop(r).name}@{Stage(s).name}": n for r in LOSSES for s, n in enumerate(numbers(net.drop_at[r])) if n}

    def drops(self) -> dict[str, int]:
        return {k: n - self.ended.get(k, 0) for k, n in self.drops_now().items() if n != self.ended.get(k, 0)}

    def tp(self):
        return self.net.tcp[self.sk]

    def sock(self):
        return self.net.socks[self.sk]
