"""What a program may ask of its TCP sockets, as one script for a real kernel and for the simulated one: the answers must be the same.

`s` has the calls of the modules socket, select and fcntl; deliver(n) makes the n-th batch of PLAN arrive from a peer that is no kernel
(Peer).  The host is 10.0.0.1/24 on eth0.  test_streams.py runs it; linux_6_18.py recorded streams_6_18.json from it."""
import errno
import struct

from ..frames import MAC_PEER, MAC_US, eth, ip, tcp

US, PEER = "10.0.0.1", "10.0.0.2"
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
ISN = 1000
SOL, IP, TCP, UDP = 1, 0, 6, 17
# a batch: segments (peer's port, our port, flags, first byte, length), bytes counted from 1 as in the peer's stream; opens: SYN and ACK
PLAN = [
    [(7001, 6001, "opens", 0, 0)],
    [(7001, 6001, ACK, 1, 1000), (7001, 6001, ACK | PSH, 1001, 500)],
    [(7001, 6001, ACK, 1501, 300)],
    [(7001, 6001, ACK | FIN, 1801, 100)],
    [(7002, 6001, "opens", 0, 0), (7003, 6001, "opens", 0, 0)],
    [(7002, 6001, ACK, 1, 10), (7002, 6001, RST | ACK, 11, 0)],
    [(7003, 6001, ACK, 1, 100)],
    [(7003, 6001, ACK | URG, 101, 50)],
    [(7007, 6001, "opens", 0, 0), (7007, 6001, ACK, 1, 10), (7007, 6001, RST | ACK, 11, 0)],
    [(7004, 6002, "opens", 0, 0)],
    [(7004, 6002, ACK, 1, 100)],
    [(7004, 6002, ACK, 101, 900)],
    [(7004, 6002, ACK | FIN, 1001, 0)],
    [(7005, 6002, "opens", 0, 0), (7005, 6002, ACK, 1, 6), (7005, 6002, ACK, 7, 6), (7005, 6002, ACK | FIN, 13, 0)],
    [(7006, 6002, "opens", 0, 0)],
    [(7006, 6002, ACK, 1, 40)],
]


def pattern(first, n):
    return bytes(k % 251 for k in range(first, first + n))


class Peer:
    """Segments of a plan, as frames; what it hears teaches it where this host's numbers begin."""

    def __init__(self):
        self.isn, self.acked = {}, {}

    def heard(self, frame):
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            return
        sport, dport, seq = struct.unpack_from(">HHI", frame, 34)
        if frame[47] & SYN:
            self.isn[dport, sport] = seq

    def frame(self, step):
        """Of (port, port, flags, first, length); flags SYN: the first one."""
        theirs, ours, flags, first, n = step
        if flags == SYN:
            return self._frame(theirs, ours, ISN, 0, SYN, b"", struct.pack(">BBHBBBB", 2, 4, 1460, 1, 3, 3, 7))
        return self._frame(theirs, ours, ISN + first, self.isn[theirs, ours] + 1, flags, pattern(first, n), b"")

    def _frame(self, theirs, ours, seq, ack, flags, payload, options):
        segment = tcp(payload, theirs, ours, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, flags, PEER, US, options, 502)
        if flags & URG:                              # the last byte is the urgent one
            segment = tcp(payload, theirs, ours, seq, ack, flags, PEER, US, options, 502, check=0)
            segment = segment[:18] + struct.pack(">H", len(payload)) + segment[20:]
            segment = segment[:16] + struct.pack(">H", checksum(segment)) + segment[18:]
        return eth(ip(segment, PEER, US, proto=6), MAC_US, MAC_PEER)

    @staticmethod
    def steps(batch):
        """`opens` is two segments."""
        for theirs, ours, flags, first, n in batch:
            if flags == "opens":
                yield theirs, ours, SYN, 0, 0
                yield theirs, ours, ACK, 1, 0
            else:
                yield theirs, ours, flags, first, n


def checksum(segment):
    import socket
    data = socket.inet_aton(PEER) + socket.inet_aton(US) + struct.pack(">BBH", 0, 6, len(segment)) + segment
    data += b"\0" * (len(data) & 1)
    t = sum(struct.unpack(f">{len(data) // 2}H", data))
    while t >> 16:
        t = (t & 0xFFFF) + (t >> 16)
    return ~t & 0xFFFF


def script(s, deliver):
    out = []

    def ask(label, f):
        try:
            value = f()
        except OSError as e:
            value = errno.errorcode.get(e.errno, str(e.errno)) if not isinstance(e, TimeoutError) or e.errno else "timed out"
        out.append([label, plain(value)])

    def plain(value):
        if isinstance(value, (bytes, bytearray)):
            return f"{len(value)} bytes from {value[0] if value else '-'}" if len(value) > 8 else "hex " + bytes(value).hex()
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return value

    def tcp(*bound):
        x = s.socket(s.AF_INET, s.SOCK_STREAM)
        if bound:
            x.bind(bound)
        return x

    closed(s, ask, tcp)
    options(s, ask, tcp)
    listener = tcp(US, 6001)
    listener.listen(5)
    reading(s, ask, listener, deliver)
    resets(s, ask, listener, deliver)
    other = tcp("", 6002)
    other.setsockopt(SOL, s.SO_RCVLOWAT, 200)
    other.listen(1)
    lowat(s, ask, other, deliver)
    ends(s, ask, other, deliver)
    return out


def closed(s, ask, tcp):
    """What a socket without a connection says."""
    x = tcp()
    ask("new: name", x.getsockname)
    ask("new: peer", x.getpeername)
    ask("new: recv", lambda: x.recv(10))
    ask("new: accept", x.accept)
    ask("new: shutdown", lambda: x.shutdown(s.SHUT_WR))
    ask("new: masks", lambda: s.masks(x))
    ask("new: inq", lambda: s.fionread(x))
    ask("type", lambda: [x.getsockopt(SOL, s.SO_TYPE), x.getsockopt(SOL, s.SO_PROTOCOL), x.getsockopt(SOL, s.SO_ACCEPTCONN)])
    ask("bind", lambda: x.bind((US, 6009)))
    ask("bind again", lambda: x.bind((US, 6010)))
    ask("listen", lambda: x.listen(3))
    ask("listen again", lambda: x.listen(4))
    ask("listener: accepts", lambda: x.getsockopt(SOL, s.SO_ACCEPTCONN))
    ask("listener: info", lambda: [x.getsockopt(TCP, s.TCP_INFO, 1), list(x.getsockopt(TCP, s.TCP_INFO, 40)[24:32])])
    ask("listener: recv", lambda: x.recv(10))
    ask("listener: peer", x.getpeername)
    ask("listener: inq", lambda: s.fionread(x))
    ask("listener: masks", lambda: s.masks(x))
    x.settimeout(0)
    ask("listener: accept would block", x.accept)
    x.settimeout(0.01)
    ask("listener: accept times out", x.accept)
    y = tcp()
    ask("bind: in use", lambda: y.bind((US, 6009)))
    y.setsockopt(SOL, s.SO_REUSEADDR, 1)
    x.setsockopt(SOL, s.SO_REUSEADDR, 1)
    ask("bind: reuse, but it listens", lambda: y.bind((US, 6009)))
    ask("listen unbound", lambda: y.listen())
    ask("listen unbound: has a port", lambda: y.getsockname()[1] > 0)
    x.close()
    ask("closed", lambda: x.recv(1))
    z = s.socket(s.AF_INET, s.SOCK_DGRAM)
    ask("datagram: listen", lambda: z.listen(1))
    ask("datagram: accept", z.accept)
    ask("datagram: TCP option", lambda: z.setsockopt(TCP, s.TCP_NODELAY, 1))
    ask("stream of UDP", lambda: s.socket(s.AF_INET, s.SOCK_STREAM, s.IPPROTO_UDP))


def options(s, ask, tcp):
    x = tcp()

    def both(label, level, name, value):
        ask(f"{label} {value}", lambda: x.setsockopt(level, name, value))
        ask(f"{label} {value} reads", lambda: x.getsockopt(level, name))

    for name in ("TCP_NODELAY", "TCP_QUICKACK", "TCP_WINDOW_CLAMP", "TCP_MAXSEG", "TCP_DEFER_ACCEPT", "TCP_LINGER2", "TCP_KEEPIDLE",
                 "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_SYNCNT", "TCP_USER_TIMEOUT", "TCP_INQ"):
        ask(f"default {name}", lambda name=name: x.getsockopt(TCP, getattr(s, name)))
    for level, name in ((SOL, "SO_RCVBUF"), (SOL, "SO_RCVLOWAT"), (SOL, "SO_OOBINLINE"), (SOL, "SO_SNDBUF"), (SOL, "SO_KEEPALIVE")):
        ask(f"default {name}", lambda level=level, name=name: x.getsockopt(level, getattr(s, name)))
    for value in (1, 7, 0):
        both("nodelay", TCP, s.TCP_NODELAY, value)
    for value in (0, 1):
        both("quickack", TCP, s.TCP_QUICKACK, value)
    for value in (100, 20000, 0):
        both("clamp", TCP, s.TCP_WINDOW_CLAMP, value)
    for value in (87, 88, 1000, 32768, 0):
        both("maxseg", TCP, s.TCP_MAXSEG, value)
    for value in (1, 2, 3, 10, 1000, 0, -1):
        both("defer", TCP, s.TCP_DEFER_ACCEPT, value)
    for value in (5, 1000, -7, 0):
        both("linger2", TCP, s.TCP_LINGER2, value)
    for value in (0, 1, 32767, 32768):
        both("keepidle", TCP, s.TCP_KEEPIDLE, value)
    for value in (127, 128):
        both("keepcnt", TCP, s.TCP_KEEPCNT, value)
    for value in (-1, 5000):
        both("user timeout", TCP, s.TCP_USER_TIMEOUT, value)
    for value in (1, 2, 0):
        both("inq", TCP, s.TCP_INQ, value)
    for value in (0, 500, -1, 1):
        both("lowat", SOL, s.SO_RCVLOWAT, value)
    ask("rcvbuf after lowat", lambda: x.getsockopt(SOL, s.SO_RCVBUF))
    for value in (1, 0):
        both("oobinline", SOL, s.SO_OOBINLINE, value)
    ask("short", lambda: x.setsockopt(TCP, s.TCP_NODELAY, b"\1"))
    ask("unknown", lambda: x.setsockopt(TCP, 999, 1))
    ask("unknown reads", lambda: x.getsockopt(TCP, 999))
    ask("UDP's", lambda: x.setsockopt(UDP, 104, 1))
    ask("a group", lambda: x.setsockopt(IP, s.IP_ADD_MEMBERSHIP, bytes([239, 1, 1, 1]) + bytes(4)))
    ask("a group's ttl", lambda: x.setsockopt(IP, s.IP_MULTICAST_TTL, 3))
    ask("rcvbuf", lambda: x.setsockopt(SOL, s.SO_RCVBUF, 4096))
    both("lowat of a set buffer", SOL, s.SO_RCVLOWAT, 100000)
    x.close()


def reading(s, ask, listener, deliver):
    deliver(0)
    ask("listener is ready", lambda: s.masks(listener))
    ask("listener has one", lambda: list(listener.getsockopt(TCP, s.TCP_INFO, 40)[24:32]))
    c, who = listener.accept()
    ask("who", lambda: who)
    ask("names", lambda: [c.getsockname(), c.getpeername()])
    ask("child: masks", lambda: s.masks(c))
    ask("child: state", lambda: c.getsockopt(TCP, s.TCP_INFO, 1))
    ask("child: maxseg", lambda: c.getsockopt(TCP, s.TCP_MAXSEG))
    ask("child: listen", lambda: c.listen(1))
    ask("child: accept", c.accept)
    c.settimeout(0.02)
    ask("nothing yet", lambda: c.recv(10))
    c.settimeout(None)
    deliver(1)
    ask("inq", lambda: s.fionread(c))
    ask("child: ready", lambda: s.masks(c))
    ask("peek", lambda: c.recv(2000, s.MSG_PEEK))
    ask("peek again", lambda: c.recv(5, s.MSG_PEEK))
    c.setsockopt(SOL, s.SO_PEEK_OFF, 1200)
    ask("peek from an offset", lambda: c.recv(5, s.MSG_PEEK))
    ask("peek on", lambda: c.recv(5, s.MSG_PEEK))
    c.setsockopt(SOL, s.SO_PEEK_OFF, -1)
    ask("recv", lambda: c.recv(100))
    ask("recv nothing", lambda: c.recv(0))
    ask("truncated", lambda: c.recv_into(bytearray(100), 100, s.MSG_TRUNC))
    kept = bytearray(b"x" * 8)
    ask("truncated: the buffer", lambda: [c.recv_into(kept, 8, s.MSG_TRUNC | s.MSG_PEEK), bytes(kept)])
    ask("truncated: buffers", lambda: [c.recvmsg_into([kept], 0, s.MSG_TRUNC | s.MSG_PEEK)[0], bytes(kept)])
    ask("recvfrom", lambda: c.recvfrom(4))
    c.setsockopt(TCP, s.TCP_INQ, 1)
    ask("recvmsg", lambda: c.recvmsg(96, 100))
    into = bytearray(8)
    ask("recv_into", lambda: [c.recv_into(into), bytes(into)])
    ask("recvmsg_into", lambda: [c.recvmsg_into([bytearray(100), bytearray(100)]), s.fionread(c)])
    ask("errors' queue", lambda: c.recv(1, s.MSG_ERRQUEUE))
    ask("all that is there", lambda: c.recv(100000))
    c.setblocking(False)
    ask("empty", lambda: c.recv(10))
    ask("empty, peek", lambda: c.recv(10, s.MSG_PEEK))
    ask("urgent", lambda: c.recv(1, s.MSG_OOB))
    c.setblocking(True)
    deliver(2)
    ask("wait all that is there", lambda: c.recv(300, s.MSG_WAITALL))
    deliver(3)
    ask("inq with FIN", lambda: s.fionread(c))
    ask("with FIN: masks", lambda: s.masks(c))
    ask("wait all, to the end", lambda: c.recv(500, s.MSG_WAITALL))
    ask("end", lambda: c.recv(10))
    ask("end again", lambda: c.recvmsg(10, 100))
    ask("end: inq", lambda: s.fionread(c))
    ask("end: masks", lambda: s.masks(c))
    ask("end: state", lambda: c.getsockopt(TCP, s.TCP_INFO, 1))
    ask("still has a peer", c.getpeername)
    c.close()


def resets(s, ask, listener, deliver):
    deliver(4)
    ask("two wait", lambda: list(listener.getsockopt(TCP, s.TCP_INFO, 40)[24:32]))
    a, first = listener.accept()
    b, second = listener.accept()
    ask("in their order", lambda: [first, second])
    deliver(5)
    ask("reset: masks", lambda: s.masks(a))
    ask("reset: what came is read", lambda: a.recv(100))
    ask("reset: then the error", lambda: a.recv(100))
    ask("reset: then the end", lambda: a.recv(100))
    ask("reset: error is told once", lambda: a.getsockopt(SOL, s.SO_ERROR))
    ask("reset: peer", a.getpeername)
    ask("reset: shutdown", lambda: a.shutdown(s.SHUT_RDWR))
    a.close()
    deliver(6)
    ask("shutdown to read", lambda: b.shutdown(s.SHUT_RD))
    ask("shut: masks", lambda: s.masks(b))
    ask("shut: what was there", lambda: b.recv(60))
    ask("shut: the rest", lambda: b.recv(60))
    ask("shut: end", lambda: b.recv(60))
    deliver(7)
    ask("shut: new bytes, to the mark", lambda: b.recv(100))
    ask("urgent byte", lambda: b.recv(1, s.MSG_OOB))
    ask("urgent byte again", lambda: b.recv(1, s.MSG_OOB))
    ask("bad shutdown", lambda: b.shutdown(7))
    b.close()
    deliver(8)
    c, who = listener.accept()
    ask("reset before it was accepted: who", lambda: who)
    ask("reset before it was accepted: peer", c.getpeername)
    ask("reset before it was accepted: what came is read", lambda: c.recv(100))
    ask("reset before it was accepted: then the error", lambda: c.recv(100))
    c.close()


def lowat(s, ask, other, deliver):
    deliver(9)
    c, _ = other.accept()
    ask("inherited lowat", lambda: c.getsockopt(SOL, s.SO_RCVLOWAT))
    deliver(10)
    ask("less than lowat: masks", lambda: s.masks(c))
    ep = s.epoll()
    ep.register(c, s.EPOLLIN)
    ask("less than lowat: epoll", lambda: [mask for _, mask in ep.poll(0)])
    ask("less than lowat, without blocking", lambda: c.recv(300, s.MSG_DONTWAIT | s.MSG_PEEK))
    deliver(11)
    ask("enough: masks", lambda: s.masks(c))
    ask("enough: epoll", lambda: [mask for _, mask in ep.poll(0)])
    ask("enough", lambda: c.recv(5000))
    deliver(12)
    ask("FIN, whatever lowat: epoll", lambda: [mask for _, mask in ep.poll(0)])
    ask("select", lambda: [len(x) for x in s.select([c], [c], [c], 0)])
    ep.close()
    c.close()


def ends(s, ask, other, deliver):
    deliver(13)
    c, _ = other.accept()
    f = c.makefile("rb")
    ask("file: line", lambda: f.read(4))
    ask("file: rest", f.read)
    ask("file: end", f.read)
    f.close()
    ask("socket outlives it", lambda: c.recv(1))
    c.close()
    deliver(14)
    d, _ = other.accept()
    ask("half closed", lambda: d.shutdown(s.SHUT_WR))
    ask("half closed: state", lambda: d.getsockopt(TCP, s.TCP_INFO, 1))
    ask("half closed again", lambda: d.shutdown(s.SHUT_WR))
    deliver(15)
    ask("half closed: still reads", lambda: d.recv(40))
    d.close()
