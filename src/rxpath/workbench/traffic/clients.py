"""TCP clients at the other end of the cable: connections that react to what this host answers (`[[client]]` of a traffic spec).

    clients = Clients(spec.client, seed=spec.seed, start_ns=..., line_bps=..., to=..., own=..., mac=...)
    sim.time.add_source(clients)                # a time_driver.Source

Their segments share a line on their side (the spec's, or as fast as the card's); half of the round-trip time is each way's.  What is due,
a program's next message, a timer, an answer that has come back, is done in the order of time, so that it does not matter how far CPUs have
run ahead.  Payload is zeros.  Same seed, same segments."""
from __future__ import annotations

import heapq
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Annotated

from rxpath import outputs
from rxpath.abi.numbers import NEVER, TCPHDR_ACK, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN
from rxpath.cable.dice import exponential_next, exponential_of, next_random, seeded
from rxpath.cable.generate import SENDER_MAC
from rxpath.time_driver import Frames
from rxpath.workbench.traffic import senders
from rxpath.workbench.traffic.client_spec import Client
from rxpath.workbench.traffic.outbox import PREAMBLE, Outbox
from rxpath.workbench.traffic.ranges import Range
from rxpath.workbench.traffic.tcp_sender import M32, State, TcpSender, Wire
from rxpath.workbench.words.doc import doc

SHARE = 1 << 32
ASTRAY_EVERY, ASTRAY_MS = 8, 60_000
WINDOW, WSCALE = 64240, 7
OPEN, WRITE, TIMER, HEARD = range(4)                        # what is due


@dataclass(frozen=True, slots=True)
class ClientBooks:
    """What became of the clients' connections, as they see it."""
    connections: Annotated[int, doc("that were begun")]
    connected: Annotated[int, doc("of these, answered by a SYN-ACK")]
    ended: Annotated[int, doc("of these, whose every byte was acknowledged, and the FIN if there was one")]
    refused: Annotated[int, doc("answered by RST")]
    reset: Annotated[int, doc("reset by the receiver after that")]
    gave_up: Annotated[int, doc("to which nobody answered any more")]
    acknowledged: Annotated[int, doc("bytes of data")]
    segments: Annotated[int, doc("sent, those that the network lost among them")]
    network_lost: Annotated[int, doc("of these")]
    acks_lost: Annotated[int, doc("of this host's segments, by the network on the way back")]
    retransmitted: Annotated[int, doc("segments that were sent again, SYNs too")]
    timeouts: Annotated[int, doc("of retransmission timers")]
    connect_ns: Annotated[dict[str, int], doc("from the first SYN to the SYN-ACK")]
    transfer_ns: Annotated[dict[str, int], doc("from the first SYN to the last acknowledgement, of those that ended")]


class Conn(TcpSender):
    """A connection with its addresses and its place in its table."""

    def __init__(self, wire: Wire, c: Client, addresses: tuple[int, int, int, int], iss: int, stop: int) -> None:
        super().__init__(wire, c.mss - (12 if c.stamps != "off" else 0), c.cwnd, c.ignores_window, c.sack)
        self.client, self.stop = c, stop
        self.src, self.dst, self.sport, self.dport = addresses
        self.iss, self.wscale, self.rcv_nxt, self.echo, self.clock = iss, 0, 0, 0, iss >> 8
        self.stamps = c.stamps != "off"
        self.left, self.data_sent, self.armed, self.ip_id = c.messages, 0, NEVER, iss & 0xFFFF
        self.ip_sum = 0x4500 + 0x4000 + 0x4006 + sum(a >> 16 for a in addresses[:2]) + sum(a & 0xFFFF for a in addresses[:2])
        self.tcp_sum = sum(a >> 16 for a in addresses[:2]) + sum(a & 0xFFFF for a in addresses[:2]) + 6 + self.sport + self.dport


def _fold(total: int) -> int:
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _values(ranges: Sequence[Range]) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


class Clients:
    """All [[client]] tables of a spec.  start_ns: virtual time of their time 0; until_ns: nobody sends after that, counted from there;
    speed: connections and messages come so many times as fast.  to: the receiver where none is named; own: addresses from which nobody
    sends; line_bps: None where frames have no line.  reaction_ns: of the driver of time."""

    def __init__(self, tables: Sequence[Client], *, seed: int, start_ns: int, line_bps: float | None, to: int, own: tuple[Range, ...],
                 mac: int, reaction_ns: int, speed: float = 1.0, until_ns: int | None = None) -> None:
        self.tables, self.seed, self.start_ns, self.speed, self.until_ns = tables, seed, start_ns, speed, until_ns
        self.byte_ns = 8e9 / line_bps if line_bps else 0.0
        self.reaction, self.ethernet = reaction_ns, mac.to_bytes(6, "big") + SENDER_MAC.to_bytes(6, "big") + b"\x08\x00"
        self.dice = seeded(seed * 64 + 63)
        self.conns: dict[tuple[int, int, int, int], Conn] = {}
        self.due: list[tuple[int, int, int, int, Conn, bytes]] = []         # time, CPU, order, what
        self.order = count()
        self.line_free = 0
        self.outbox = Outbox(reaction_ns, start_ns)
        self.segments = self.network_lost = self.acks_lost = 0
        for c in tables:
            self._table(c, to, own, self._end(c))

    # ------------------------------------------------------------ set-up
    def _end(self, c: Client) -> int:
        ends = [self.start_ns + round(t / self.speed) for t in (c.start + c.duration if c.duration is not None else None,) if t is not None]
        ends += [self.start_ns + self.until_ns] if self.until_ns is not None else []
        return min(ends, default=NEVER)

    def _table(self, c: Client, to: int, own: tuple[Range, ...], stop: int) -> None:
        src = senders.without(c.src, own) if c.src is not None else (senders.anybody(own),)
        sources = [(a, p) for p in _limited(c.sport, c.connections) for a in _limited(src, c.connections)]
        goals = [(a, p) for a in _limited(c.dst or ((to, to),), 64) for p in _limited(c.dport, 64)]
        t = self.start_ns + round(c.start / self.speed)
        gap = 1e9 / c.rate / self.speed if c.rate else 0.0
        made = 0
        for a, p in sources:
            if made == c.connections:
                break
            dst, dport = goals[made % len(goals)]
            if (a, dst, p, dport) in self.conns:            # another table's
                continue
            self.dice = next_random(self.dice)
            iss = self.dice >> 31 & M32
            conn = self.conns[a, dst, p, dport] = Conn(self, c, (a, dst, p, dport), iss, stop)
            if c.kind == "poisson":
                t += exponential_of(self.dice, round(gap))
                self.dice = exponential_next(self.dice)
            at = t if c.kind == "poisson" else t + round(made * gap)
            if at < stop:
                self._at(at, OPEN, conn)
            made += 1

    def _at(self, t: int, what: int, conn: Conn, data: bytes = b"", cpu: int = -1) -> None:
        heapq.heappush(self.due, (t, cpu, next(self.order), what, conn, data))

    def _lucky(self, share: float) -> bool:
        """False: the network loses it."""
        if not share:
            return True
        self.dice = next_random(self.dice)
        return self.dice >> 31 >= round(share * SHARE)

    # ------------------------------------------------------------ time_driver.Source
    def wake_at(self) -> int:
        soonest = self.due[0][0] if self.due else NEVER
        return min(soonest, self.outbox.wake_at())

    def woken(self, now: int) -> Frames:
        while self.due and self.due[0][0] <= now:
            at, _, _, what, conn, data = heapq.heappop(self.due)
            self._do(what, conn, data, at)
        return self.outbox.release(now)

    def heard(self, sent: outputs.Output) -> Frames:
        frame = sent.data
        if frame[12:14] == b"\x08\x00" and len(frame) >= 54 and frame[23] == 6:
            us, them = struct.unpack_from(">II", frame, 26)
            ours, theirs = struct.unpack_from(">HH", frame, 14 + (frame[14] & 15) * 4)
            conn = self.conns.get((them, us, theirs, ours))
            if conn is not None:
                self._at(sent.t + self._rtt(conn) // 2, HEARD, conn, frame, sent.cpu)
        return ()

    # ------------------------------------------------------------ what is due
    def _do(self, what: int, conn: Conn, frame: bytes, now: int) -> None:
        if what == OPEN:
            conn.connect(now)
        elif what == HEARD:
            if not self._lucky(conn.client.ack_loss):
                self.acks_lost += 1
                return
            th = 14 + (frame[14] & 15) * 4
            seq, ack, doff, flags, window = struct.unpack_from(">IIBBH", frame, th + 4)
            head = (doff >> 4) * 4
            length = int.from_bytes(frame[16:18], "big") - (th - 14) - head
            self._segment(conn, seq, ack, flags, window, frame[th + 20:th + head], length, now)
        elif what == WRITE:
            self._write(conn, now)
        else:
            if conn.timer > now:                            # it was put off meanwhile
                conn.armed = NEVER
            elif conn.active:
                conn.armed = NEVER
                conn.timeout(now)
        self._arm(conn, now)

    def _arm(self, conn: Conn, now: int) -> None:
        """The event of its timer, unless one comes before that anyway."""
        if now >= conn.stop:
            conn.timer = NEVER
        if conn.timer < conn.armed:
            conn.armed = conn.timer
            self._at(conn.timer, TIMER, conn)

    def _next_write(self, conn: Conn, now: int) -> None:
        """When its program has more to say."""
        if conn.left:
            at = now + round(conn.client.gap / self.speed)
            if at < conn.stop:
                self._at(at, WRITE, conn)

    def _write(self, conn: Conn, now: int) -> None:
        if conn.state is not State.OPEN:
            return
        c = conn.client
        n = conn.left if c.gap == 0 and not c.waits and not c.forged else 1
        conn.left -= n
        conn.write(n * c.size, conn.left == 0 and c.close == "fin", now)
        for k in range(c.forged):                           # a third of the window on, each a byte further
            self._frame(conn, TCPHDR_RST, conn.nxt + conn.wnd // 3 + k, 0, now, forged=True)
        if not c.waits:
            self._next_write(conn, now)

    def _segment(self, conn: Conn, seq: int, ack: int, flags: int, window: int, options: bytes, length: int, now: int) -> None:
        """What this host has sent on a connection."""
        if conn.began < 0 or not (conn.active or conn.state is State.ENDED):
            return
        if flags & TCPHDR_RST:
            if conn.active:
                conn.refused(now)
            return
        stamp, sacks, wscale = _options(options)
        if stamp is not None:
            conn.echo = stamp
        if flags & TCPHDR_SYN:
            conn.rcv_nxt = seq + 1 & M32
            if conn.state is State.SYN_SENT:
                conn.wscale = wscale if wscale is not None else 0
                conn.stamps = conn.stamps and stamp is not None
                conn.accepted(window, now)
                self._next_write_first(conn, now)
            else:
                self._frame(conn, TCPHDR_ACK, conn.nxt, 0, now)
            self._arm(conn, now)
            return
        fin = int(flags & TCPHDR_FIN > 0)
        if (length or fin) and seq == conn.rcv_nxt:
            conn.rcv_nxt = seq + length + fin & M32
            if fin and conn.active and conn.client.close == "stay":
                conn.left = 0
                conn.write(0, True, now)
        before = conn.una
        if conn.active and now < conn.stop:
            conn.acknowledged(ack, conn.iss, window << conn.wscale, sacks, not (length or fin), now)
            if conn.una == conn.end and before < conn.una and conn.active:
                if conn.client.waits:
                    self._next_write(conn, now)
                if not conn.left and conn.client.close == "rst":
                    conn.reset(now)
        if length or fin:
            self._frame(conn, TCPHDR_ACK, conn.nxt, 0, now)
        self._arm(conn, now)

    def _next_write_first(self, conn: Conn, now: int) -> None:
        """The first message goes as soon as the connection stands."""
        if conn.left:
            self._write(conn, now)
        elif conn.client.close == "fin":
            conn.write(0, True, now)
        elif conn.client.close == "rst":
            conn.reset(now)

    # ------------------------------------------------------------ what is sent
    def put(self, s: TcpSender, flags: int, seq: int, length: int, now: int) -> None:
        """tcp_sender.Wire: a segment of a connection."""
        assert isinstance(s, Conn)
        self._frame(s, flags, seq, length, now)

    def _frame(self, conn: Conn, flags: int, seq: int, length: int, now: int, forged: bool = False) -> None:
        c = conn.client
        self.segments += 1
        options = b""
        if flags & TCPHDR_SYN:
            options = struct.pack(">BBH", 2, 4, c.mss) + (b"\4\2" if c.sack else b"\1\1")
            options += struct.pack(">BBII", 8, 10, self._clock(conn, now), 0) if conn.stamps else b"\1\1"
            options += bytes((1, 3, 3, WSCALE)) if conn.stamps else bytes((3, 3, WSCALE, 1, 1, 1))
            options += b"\1" * (-len(options) % 4)
        elif conn.stamps and not forged:
            clock = self._clock(conn, now)
            if length:
                conn.data_sent += 1
                if c.stamps == "astray" and conn.data_sent % ASTRAY_EVERY == 0:
                    clock = clock - ASTRAY_MS & M32
            options = struct.pack(">BBBBII", 1, 1, 8, 10, clock, conn.echo)
        if length and not self._lucky(c.loss):
            self.network_lost += 1
            self._line(len(self.ethernet) + 40 + len(options) + length, now)
            return
        ack = conn.rcv_nxt if flags & TCPHDR_ACK else 0
        window = WINDOW if flags & TCPHDR_SYN else WINDOW >> WSCALE
        number, doff = conn.iss + seq & M32, 20 + len(options)
        total = 20 + doff + length
        conn.ip_id = conn.ip_id + 1 & 0xFFFF
        ip_sum = _fold(conn.ip_sum + total + conn.ip_id)
        tcp_sum = conn.tcp_sum + doff + length + (number >> 16) + (number & 0xFFFF) + (ack >> 16) + (ack & 0xFFFF) \
            + (doff << 10 | flags) + window + sum(struct.unpack(f">{len(options) // 2}H", options))
        frame = b"".join((self.ethernet, struct.pack(">BBHHHBBHII", 0x45, 0, total, conn.ip_id, 0x4000, 64, 6, ip_sum, conn.src, conn.dst),
                          struct.pack(">HHIIBBHHH", conn.sport, conn.dport, number, ack, doff << 2, flags, window, _fold(tcp_sum), 0),
                          options, bytes(length)))
        self.outbox.put(self._line(len(frame), now) + self._rtt(conn) // 2, frame)

    def _rtt(self, conn: Conn) -> int:
        """CPUs of this host may have run ahead by half of it."""
        return max(conn.client.rtt, 4 * self.reaction)

    def _clock(self, conn: Conn, now: int) -> int:
        return conn.clock + now // 1_000_000 & M32

    def _line(self, length: int, now: int) -> int:
        """When its last bit has left the client."""
        self.line_free = max(self.line_free, now) + round((max(length, 60) + PREAMBLE) * self.byte_ns)
        return self.line_free

    # ------------------------------------------------------------ what came of it
    @property
    def busy(self) -> bool:
        """Will anything more be sent, unless this host says something?"""
        return bool(self.outbox.waiting) or any(what != TIMER or conn.timer != NEVER for _, _, _, what, conn, _ in self.due)

    def finish(self) -> ClientBooks:
        begun = [c for c in self.conns.values() if c.began >= 0]
        def of(state: State) -> int:
            return sum(c.state is state for c in begun)

        done = [c for c in begun if c.state is State.ENDED or (c.connected >= 0 and c.active and not c.left and c.una == c.end > 1)]
        return ClientBooks(
            len(begun), sum(c.connected >= 0 for c in begun), len(done), of(State.REFUSED), of(State.RESET), of(State.GAVE_UP),
            sum(max(min(c.una, c.written) - 1, 0) for c in begun), self.segments, self.network_lost, self.acks_lost,
            sum(c.retransmitted for c in begun), sum(c.timeouts for c in begun),
            _quantiles([c.connected - c.began for c in begun if c.connected >= 0]),
            _quantiles([c.ended - c.began for c in begun if c.state is State.ENDED]))


def _limited(ranges: Sequence[Range], most: int) -> list[int]:
    return [v for _, v in zip(range(most), _values(ranges), strict=False)]


def _options(o: bytes) -> tuple[int | None, list[tuple[int, int]], int | None]:
    """(its time stamp, its SACK blocks, its window scale)"""
    stamp, scale, at = None, None, 0
    sacks: list[tuple[int, int]] = []
    while at < len(o) and o[at]:
        kind = o[at]
        if kind == 1:
            at += 1
            continue
        n = o[at + 1]
        if kind == 8:
            stamp = int.from_bytes(o[at + 2:at + 6], "big")
        elif kind == 5:
            sacks = list(struct.iter_unpack(">II", o[at + 2:at + n]))
        elif kind == 3:
            scale = o[at + 2]
        at += n
    return stamp, sacks, scale


def _quantiles(values: list[int]) -> dict[str, int]:
    """p50, p99, max and count; the smallest value that so many are not above."""
    ordered, n = sorted(values), len(values)
    at = {name: ordered[max(-(-n * per_mille // 1000) - 1, 0)] if n else 0 for name, per_mille in (("p50", 500), ("p99", 990))}
    return {**at, "max": ordered[-1] if n else 0, "count": n}
