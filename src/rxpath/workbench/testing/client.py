"""A TCP client on the wire of a host under test: it connects, sends what it is told to within the window that the host offers, repeats
what is not acknowledged, and reads what the host sends.

It is no model of a sender: no congestion window, no options but the segment size, one timer that starts at RTO_NS and doubles."""
from __future__ import annotations

from collections.abc import Callable

from rxpath.abi.numbers import IPPROTO, NEVER
from rxpath.workbench.judge import frames
from rxpath.workbench.testing.wire import Address, Segment, mac_of

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
M32 = 0xFFFFFFFF
ISN = 1_000_000
RTO_NS = 200_000_000
RTO_MOST_NS = 60_000_000_000
TRIES = 6                                             # of one segment, then the connection is given up: ETIMEDOUT
MSS = 1460


def after(a: int, b: int) -> bool:
    """Sequence number a lies after b."""
    return 0 < (a - b & M32) < 1 << 31


class Client:
    """source, to: addresses of both ends.  mac: the host's.  delay_ns: from a segment of the host to the answer at the host.  Methods
    that send queue it; it goes out when time goes on."""

    def __init__(self, source: Address, to: Address, mac: bytes, now: Callable[[], int], delay_ns: int) -> None:
        self.source, self.to, self.mac, self.now, self.delay_ns = source, to, mac, now, delay_ns
        self.una, self.nxt, self.window = ISN, ISN, MSS
        self.rcv_nxt = 0
        self.unsent = b""                             # from `una` on: all that is not acknowledged
        self.connected = self.closing = self.fin_acked = self.eof = False
        self.failed: OSError | None = None
        self._received = bytearray()
        self._asked, self._timer, self._rto, self._tries = now(), NEVER, RTO_NS, 0

    # ------------------------------------------------------------ what a test calls
    def send(self, data: bytes) -> None:
        """More bytes to the host."""
        if self.closing:
            raise BrokenPipeError("this client has closed its side")
        self._check()
        self.unsent += data
        self._soon()

    def close(self) -> None:
        """A FIN after what was sent."""
        self.closing = True
        self._soon()

    def received(self) -> bytes:
        """What the host has sent on this connection so far."""
        self._check()
        return bytes(self._received)

    @property
    def acked(self) -> bool:
        """The host's kernel has acknowledged all that was sent (its program may not have read it yet)."""
        return self.connected and not self.unsent and (not self.closing or self.fin_acked)

    def _check(self) -> None:
        if self.failed is not None:
            raise self.failed

    def _soon(self) -> None:
        self._asked = self.now()

    # ------------------------------------------------------------ a source of the wire's
    def wake_at(self) -> int:
        return NEVER if self.failed else min(self._asked, self._timer)

    def woken(self, now: int) -> list[tuple[int, bytes]]:
        self._asked = NEVER
        if now >= self._timer:                        # nothing came back in time
            self.nxt, self._timer = self.una, NEVER
            self._rto, self._tries = min(2 * self._rto, RTO_MOST_NS), self._tries + 1
            if self._tries > TRIES:
                self.failed = TimeoutError(f"{self.to[0]}:{self.to[1]} does not answer")
                return []
        return self._out(now)

    def heard(self, s: Segment) -> list[tuple[int, bytes]]:
        at = s.time_ns + self.delay_ns
        if s.flags & RST:
            what = ConnectionResetError if self.connected else ConnectionRefusedError
            self.failed = what(f"{self.to[0]}:{self.to[1]} answered with RST")
            return []
        if not s.flags & ACK:
            return []
        if not self.connected:
            if not s.flags & SYN or s.ack != ISN + 1:
                return []
            self.connected, self.rcv_nxt, self.una, self.nxt = True, s.seq + 1 & M32, ISN + 1, ISN + 1
            self._fresh()
            self.window = s.window
            return self._out(at) or [self._segment(at, self.nxt, ACK)]
        owes = self._data(s)
        if after(s.ack, self.una):
            n = s.ack - self.una & M32
            self.fin_acked = self.closing and n > len(self.unsent)
            self.unsent, self.una = self.unsent[n:], s.ack
            self.nxt = s.ack if after(s.ack, self.nxt) else self.nxt
            self._fresh()
        self.window = s.window
        out = self._out(at)
        return out or ([self._segment(at, self.nxt, ACK)] if owes else [])

    def _data(self, s: Segment) -> bool:
        """What the host sends, in order only; true if it wants an answer."""
        if s.seq == self.rcv_nxt:
            self._received += s.data
            self.rcv_nxt = self.rcv_nxt + len(s.data) & M32
            if s.flags & FIN:
                self.eof, self.rcv_nxt = True, self.rcv_nxt + 1 & M32
        return bool(s.data or s.flags & FIN)

    def _fresh(self) -> None:
        self._timer, self._rto, self._tries = NEVER, RTO_NS, 0

    def _out(self, at: int) -> list[tuple[int, bytes]]:
        """What may go out now, and the timer for it."""
        out = []
        if not self.connected:
            out.append(self._segment(at, ISN, SYN, options=b"\x02\x04" + MSS.to_bytes(2, "big")))
        else:
            sent = self.nxt - self.una & M32
            most = max(self.window, 1 if self._tries else 0)                 # a closed window is probed by a byte
            while sent < min(len(self.unsent), most):
                piece = self.unsent[sent:min(sent + MSS, most)]
                out.append(self._segment(at, self.nxt, ACK | PSH, piece))
                sent += len(piece)
                self.nxt = self.nxt + len(piece) & M32
            if self.closing and not self.fin_acked and sent == len(self.unsent):
                out.append(self._segment(at, self.nxt, ACK | FIN))
                self.nxt = self.nxt + 1 & M32
        if not self.acked and self._timer == NEVER:
            self._timer = at + self._rto
        return out

    def _segment(self, at: int, seq: int, flags: int, data: bytes = b"", options: bytes = b"") -> tuple[int, bytes]:
        (src, sport), (dst, dport) = self.source, self.to
        tcp = frames.tcp(data, sport, dport, seq & M32, self.rcv_nxt if flags & ACK else 0, flags, src, dst, options, 65535)
        return at, frames.eth(frames.ip(tcp, src, dst, IPPROTO.TCP), self.mac, mac_of(src))

