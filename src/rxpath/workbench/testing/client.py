"""A TCP client on the wire of a host under test: it connects, sends what it is told to, repeats what is
not acknowledged, and reads what the host sends.

Its sending half is that of a spec's [[client]] (traffic/tcp_sender.py), with Reno's window and without SACK; here are its bytes, its frames
and its receiving half."""
from __future__ import annotations

from collections.abc import Callable

from rxpath.abi.numbers import IPPROTO, NEVER, TCPHDR_ACK, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN
from rxpath.workbench.judge import frames
from rxpath.workbench.testing.wire import Address, Segment, mac_of
from rxpath.workbench.traffic.tcp_sender import State, TcpSender

M32 = 0xFFFFFFFF
ISN = 1_000_000
MSS, CWND = 1460, 10
FAILED = {State.REFUSED: (ConnectionRefusedError, "answered with RST"), State.RESET: (ConnectionResetError, "answered with RST"),
          State.GAVE_UP: (TimeoutError, "does not answer")}


class Client:
    """source, to: addresses of both ends.  mac: the host's.  delay_ns: from a segment of the host to the answer at the host.  Methods
    that send queue it; it goes out when time goes on."""

    def __init__(self, source: Address, to: Address, mac: bytes, now: Callable[[], int], delay_ns: int) -> None:
        self.source, self.to, self.mac, self.now, self.delay_ns = source, to, mac, now, delay_ns
        self.sender = TcpSender(self, MSS, CWND, ignores_window=False, sack=False)
        self.eof = self.closing = False
        self._data, self._received = bytearray(), bytearray()
        self._rcv_nxt, self._asked = 0, now()
        self._out: list[tuple[int, bytes]] = []

    # ------------------------------------------------------------ what a test calls
    def send(self, data: bytes) -> None:
        """More bytes to the host."""
        if self.closing:
            raise BrokenPipeError("this client has closed its side")
        self._check()
        self._data += data
        self._asked = self.now()

    def close(self) -> None:
        """A FIN after what was sent."""
        self.closing, self._asked = True, self.now()

    def received(self) -> bytes:
        """What the host has sent on this connection so far."""
        self._check()
        return bytes(self._received)

    @property
    def connected(self) -> bool:
        """The handshake was completed, at some time."""
        return self.sender.connected >= 0

    @property
    def acked(self) -> bool:
        """The host's kernel has acknowledged all that was sent (its program may not have read it yet)."""
        return self.connected and self._asked == NEVER and self.sender.una == self.sender.end

    @property
    def failed(self) -> OSError | None:
        """Why the connection does not stand, if it does not."""
        if self.sender.state not in FAILED:
            return None
        what, why = FAILED[self.sender.state]
        return what(f"{self.to[0]}:{self.to[1]} {why}")

    def _check(self) -> None:
        if (failed := self.failed) is not None:
            raise failed

    # ------------------------------------------------------------ a source of the wire's
    def wake_at(self) -> int:
        return NEVER if self.failed else min(self._asked, self.sender.timer)

    def woken(self, now: int) -> list[tuple[int, bytes]]:
        sender, asked = self.sender, self._asked <= now
        if sender.timer <= now:
            sender.timeout(now)
        if asked:
            self._asked = NEVER
            if sender.began < 0:
                sender.connect(now)
            sender.write(len(self._data) + 1 - sender.written, self.closing, now)
        return self._taken()

    def heard(self, s: Segment) -> list[tuple[int, bytes]]:
        at, sender = s.time_ns + self.delay_ns, self.sender
        if s.flags & TCPHDR_RST:
            sender.refused(at)
        elif s.flags & TCPHDR_ACK and sender.state is State.SYN_SENT:
            if s.flags & TCPHDR_SYN and s.ack == ISN + 1:
                self._rcv_nxt = s.seq + 1 & M32
                sender.accepted(s.window, at)
                sender.push(at)
        elif s.flags & TCPHDR_ACK:
            says = bool(s.data or s.flags & TCPHDR_FIN)
            self._read(s)
            if sender.state is State.OPEN:
                sender.acknowledged(s.ack, ISN, s.window, [], not says, at)
            if says and not self._out:
                self.put(sender, TCPHDR_ACK, sender.nxt, 0, at)
        return self._taken()

    def _read(self, s: Segment) -> None:
        """What the host sends, in order only."""
        if s.seq == self._rcv_nxt:
            self._received += s.data
            self._rcv_nxt = self._rcv_nxt + len(s.data) & M32
            if s.flags & TCPHDR_FIN:
                self.eof, self._rcv_nxt = True, self._rcv_nxt + 1 & M32

    # ------------------------------------------------------------ the sender's wire
    def put(self, s: TcpSender, flags: int, seq: int, length: int, now: int) -> None:
        """A segment of it leaves.  seq: 0 is the SYN's, 1 the first byte's."""
        (src, sport), (dst, dport) = self.source, self.to
        data = bytes(self._data[seq - 1:seq - 1 + length]) if length else b""
        options = b"\x02\x04" + MSS.to_bytes(2, "big") if flags & TCPHDR_SYN else b""
        tcp = frames.tcp(data, sport, dport, ISN + seq & M32, self._rcv_nxt if flags & TCPHDR_ACK else 0, flags, src, dst, options, 65535)
        self._out.append((now, frames.eth(frames.ip(tcp, src, dst, IPPROTO.TCP), self.mac, mac_of(src))))

    def _taken(self) -> list[tuple[int, bytes]]:
        out, self._out = self._out, []
        return out
