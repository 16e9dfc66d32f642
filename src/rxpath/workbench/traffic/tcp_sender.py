"""The sending half of one TCP connection, for traffic whose sender reacts: handshake, window, Reno's congestion window, fast retransmit
over SACK's scoreboard, retransmission timeouts, zero-window probes, the end.  It knows no frames and no clock: who calls it says what time
it is, and carries what it sends.

Sequence numbers here begin at 0 with the SYN and never wrap.  Times are ns, windows bytes.  What Linux's sender does beyond that (CUBIC,
PRR, RACK, tail loss probes, pacing) is not here: it would be faster after a loss, and no sooner before one."""
from __future__ import annotations

from enum import IntEnum, auto
from typing import Protocol

from rxpath.abi.numbers import NEVER, TCPHDR_ACK, TCPHDR_FIN, TCPHDR_PSH, TCPHDR_RST, TCPHDR_SYN

M32 = 0xFFFFFFFF
RTO_FIRST, RTO_MIN, RTO_MAX = 1_000_000_000, 200_000_000, 120_000_000_000   # RFC 6298; TCP_RTO_MIN; TCP_RTO_MAX
SYN_TRIES, TRIES = 6, 15                                                    # tcp_syn_retries, tcp_retries2
DUPLICATES = 3
NO_LIMIT = 1 << 48


class State(IntEnum):
    SYN_SENT = auto()
    OPEN = auto()
    ENDED = auto()                                                          # all was acknowledged, its FIN too, or it has reset
    REFUSED = auto()                                                        # an RST instead of a SYN-ACK
    RESET = auto()
    GAVE_UP = auto()                                                        # nobody answered


class Wire(Protocol):
    """Who carries segments."""

    def put(self, s: TcpSender, flags: int, seq: int, length: int, now: int) -> None: ...


class TcpSender:
    """One connection.  mss: bytes of data in a segment at most; cwnd: segments, 0: none."""

    def __init__(self, wire: Wire, mss: int, cwnd: int, ignores_window: bool, sack: bool) -> None:
        self.wire, self.mss, self.ignores_window, self.sack = wire, mss, ignores_window, sack
        self.state = State.SYN_SENT
        self.una = self.nxt = self.high = 0
        self.written, self.finished = 1, False                              # where the program's data ends; will there be no more?
        self.wnd = 0
        self.reno = cwnd > 0
        self.cwnd, self.ssthresh = cwnd * mss if cwnd else NO_LIMIT, NO_LIMIT
        self.sacked: list[tuple[int, int]] = []
        self.duplicates, self.recover, self.rexmit = 0, -1, 0
        self.srtt = self.rttvar = 0
        self.rto, self.tries = RTO_FIRST, 0
        self.timed: tuple[int, int] | None = None                           # (end, when it was sent) of the segment whose time is taken
        self.timer = NEVER
        self.began = self.connected = self.ended = -1
        self.retransmitted = self.timeouts = 0

    # ------------------------------------------------------------ what its user does
    def connect(self, now: int) -> None:
        self.began = now
        self.nxt = self.high = 1
        self.wire.put(self, TCPHDR_SYN, 0, 0, now)
        self.timed, self.timer = (1, now), now + self.rto

    def write(self, n: int, last: bool, now: int) -> None:
        """n more bytes; last: then it closes its side."""
        self.written += n
        self.finished = last
        self.push(now)

    def reset(self, now: int) -> None:
        """It ends by RST."""
        self.wire.put(self, TCPHDR_RST | TCPHDR_ACK, self.nxt, 0, now)
        self._over(State.ENDED, now)

    @property
    def end(self) -> int:
        """Behind all that will be sent so far, FIN included."""
        return self.written + self.finished

    @property
    def active(self) -> bool:
        return self.state in (State.SYN_SENT, State.OPEN)

    def _over(self, state: State, now: int) -> None:
        self.state, self.timer, self.ended = state, NEVER, now

    # ------------------------------------------------------------ what it hears
    def refused(self, now: int) -> None:
        """An RST."""
        self._over(State.REFUSED if self.state is State.SYN_SENT else State.RESET, now)

    def accepted(self, window: int, now: int) -> None:
        """The SYN-ACK."""
        self._sample(1, now)
        self.una, self.wnd, self.state, self.connected = 1, window, State.OPEN, now
        self.tries, self.timer = 0, NEVER
        self.wire.put(self, TCPHDR_ACK, 1, 0, now)

    def acknowledged(self, wire_ack: int, iss: int, window: int, sacks: list[tuple[int, int]], pure: bool, now: int) -> None:
        """An acknowledgement.  wire_ack, sacks: as in the header; window: in bytes; pure: it carried no data and no FIN."""
        def unwrapped(number: int) -> int:
            offset = number - iss - self.una & M32
            return self.una + (offset - (1 << 32) if offset >> 31 else offset)

        ack = unwrapped(wire_ack)
        if ack > self.high or ack < self.una:
            return
        changed, self.wnd = window != self.wnd, window
        if sacks and self.sack:
            self._score([(unwrapped(a), unwrapped(b)) for a, b in sacks])
        if ack > self.una:
            self._new(ack, now)
        elif pure and self.high > self.una and (self.sacked or not (sacks or changed)):
            self._duplicate(now)
        if self.una == self.end and self.finished:
            self._over(State.ENDED, now)
            return
        self.push(now)

    def _new(self, ack: int, now: int) -> None:
        acked = ack - self.una
        self._sample(ack, now)
        self.una, self.nxt, self.tries, self.duplicates = ack, max(self.nxt, ack), 0, 0
        self.sacked = [(max(a, ack), b) for a, b in self.sacked if b > ack]
        if self.recover >= 0 and ack >= self.recover:
            self.recover = -1
            if self.reno:
                self.cwnd = max(self.ssthresh, 2 * self.mss)
        elif self.recover >= 0:
            self.rexmit = max(self.rexmit, ack)
            self._hole(now)
        elif self.reno and self.cwnd < 2 * max(self.wnd, self.mss):         # no larger than is of use
            self.cwnd += acked if self.cwnd < self.ssthresh else max(self.mss * acked // self.cwnd, 1)
        self.timer = now + self.rto if self.high > ack else NEVER

    def _duplicate(self, now: int) -> None:
        self.duplicates += 1
        if self.recover >= 0:
            self._hole(now)
        elif self.duplicates >= DUPLICATES:
            self.recover, self.rexmit = self.high, self.una
            if self.reno:
                self.ssthresh = max((self.high - self.una) // 2, 2 * self.mss)
                self.cwnd = self.ssthresh
            self._hole(now)

    def _score(self, blocks: list[tuple[int, int]]) -> None:
        """SACK blocks onto the scoreboard; what lies below `una` is a DSACK."""
        merged: list[tuple[int, int]] = []
        for a, b in sorted([*self.sacked, *((a, b) for a, b in blocks if self.una < b <= self.high and a >= self.una)]):
            if merged and a <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(b, merged[-1][1])
            else:
                merged.append((a, b))
        self.sacked = merged

    def _hole(self, now: int) -> None:
        """The next segment that is missing, once for each time of recovery."""
        at = max(self.rexmit, self.una)
        for a, b in self.sacked:
            if a <= at < b:
                at = b
        limit = next((a for a, _ in self.sacked if a > at), 0)
        if not self.sacked and at == self.una:                              # nobody tells: the first one
            limit = min(self.una + self.mss, self.high)
        n = min(self.mss, limit - at)
        if n > 0:
            self._segment(at, n, now)
            self.rexmit = at + n

    def _sample(self, ack: int, now: int) -> None:
        """A round trip, of a segment that was sent once (Karn)."""
        if self.timed is not None and ack >= self.timed[0]:
            rtt = now - self.timed[1]
            if self.srtt:
                self.rttvar += (abs(rtt - self.srtt) - self.rttvar) // 4
                self.srtt += (rtt - self.srtt) // 8
            else:
                self.srtt, self.rttvar = rtt, rtt // 2
            self.timed = None
        if self.srtt:
            self.rto = self.srtt + max(RTO_MIN, 4 * self.rttvar)

    # ------------------------------------------------------------ what it sends
    def push(self, now: int) -> None:
        """As much as both windows let through."""
        if self.state is not State.OPEN:
            return
        lost = max((self.sacked[-1][0] if self.sacked else 0) - max(self.rexmit, self.una), 0) if self.recover >= 0 else 0
        here = sum(b - a for a, b in self.sacked)
        while self.nxt < self.end:
            self._skip()
            room = self.cwnd + here + lost
            if not self.ignores_window:
                room = min(room, self.wnd)
            n = min(self.mss, self.written - self.nxt, self.una + room - self.nxt)
            if self.nxt == self.written and self.finished:                  # the FIN alone
                self._segment(self.nxt, 1, now)
                self.nxt += 1
                break
            if n <= 0 or (n < min(self.mss, self.written - self.nxt) and self.nxt > self.una):      # no silly segments
                break
            n += int(self.finished and self.nxt + n == self.written)
            self._segment(self.nxt, n, now)
            self.nxt += n
        self.high = max(self.high, self.nxt)
        if self.timer == NEVER and (self.high > self.una or self.nxt < self.end):
            self.timer = now + self.rto

    def _skip(self) -> None:
        """What the receiver has reported is not sent again."""
        for a, b in self.sacked:
            if a <= self.nxt < b:
                self.nxt = b

    def _segment(self, seq: int, n: int, now: int) -> None:
        """n numbers from seq on; the last may be the FIN's."""
        fin = int(self.finished and seq + n == self.end)
        if seq < self.high:
            self.retransmitted += 1
            self.timed = None
        elif self.timed is None:
            self.timed = seq + n, now
        flags = TCPHDR_ACK | (TCPHDR_FIN if fin else 0) | (TCPHDR_PSH if seq + n - fin == self.written and n > fin else 0)
        self.wire.put(self, flags, seq, n - fin, now)

    def timeout(self, now: int) -> None:
        """The timer has gone off: a SYN, the first segment or a probe of a closed window again, twice as long after that."""
        self.tries += 1
        if self.tries > (SYN_TRIES if self.state is State.SYN_SENT else TRIES):
            self._over(State.GAVE_UP, now)
            return
        self.timeouts += 1
        self.timed = None
        self.rto = min(self.rto * 2, RTO_MAX)
        self.timer = now + self.rto
        if self.state is State.SYN_SENT:
            self.retransmitted += 1
            self.wire.put(self, TCPHDR_SYN, 0, 0, now)
        elif self.high == self.una:                                         # a window probe (tcp_write_wakeup): an old number
            self.tries = min(self.tries, TRIES - 1)                         # it is answered: nobody gives up
            self.wire.put(self, TCPHDR_ACK, self.una - 1, 0, now)
        else:
            if self.reno:
                self.ssthresh = max((self.high - self.una) // 2, 2 * self.mss)
                self.cwnd = self.mss
            self.recover, self.duplicates, self.nxt = -1, 0, self.una
            self.sacked = []                                                # the receiver may have thrown it away (RFC 2018, 8)
            if self.wnd == 0 and not self.ignores_window:                   # the window has closed over it: the first again, all the same
                n = min(self.mss, self.written - self.una) or 1
                self._segment(self.una, n, now)
                self.nxt = self.una + n
            self.push(now)
