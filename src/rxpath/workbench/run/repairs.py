"""What a sender would have done about the TCP segments that this host loses, in an open-loop replay: it sends them again.

The sender in a capture has seen no loss of ours and repeats nothing, and all data behind the hole would lie out of order for ever.  So
each segment with data or FIN that is lost for lack of room or time comes once more, RTO_NS later (Linux's smallest retransmission
timeout, RFC 6298 2.4 as Linux has it), again twice as long after that, and so on: a copy of its frame, marked as a repair.  A
connection whose sender reacts would have been slower after that, too; that is what an open loop cannot tell.

What the capture lacks though its receiver had it (gaps.py) comes the same way, before it is missed.

A SYN (or an answer to the receiver's) comes again after SYN_RTO_NS, and twice that.  What its sender would have sent behind it has come
meanwhile and waits here (TCP_SYN_LOST): it comes once more right behind the SYN, in its order.

Between two slices of the engine, as ports.py: what was lost by then is in net.tcp_lost, its bytes still in feed memory."""
from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rxpath.abi.limits import NFEED
from rxpath.abi.nic import FIRST_MADE, frame_place
from rxpath.abi.numbers import TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN
from rxpath.abi.reasons import Drop, Kind
from rxpath.abi.tcp_sent import NTCPLOST, SENT_SYN
from rxpath.cable.capture import Capture
from rxpath.cable.feed import feed_consume, feed_next
from rxpath.cable.tcp_sent import tcp_repair_takes
from rxpath.open_loop import tcp_sent_slot
from rxpath.time_driver import FEED_ROOM, CableFull
from rxpath.vtime.feed import feed_put
from rxpath.workbench.run import gaps

if TYPE_CHECKING:
    from rxpath.cable.generate import Generated
    from rxpath.workbench.run.machine import Machine

RTO_NS, RTO_MAX_NS = 200_000_000, 120_000_000_000                           # TCP_RTO_MIN, TCP_RTO_MAX
SYN_RTO_NS = 1_000_000_000                                                  # TCP_TIMEOUT_INIT
LOOK_NS = RTO_NS // 2                                                       # between two looks at what was lost
AT_ONCE, SHORT_NS = 512, 1_000_000                                          # on their way to a card at a time (FEED_ROOM, MADE_BYTES)
TRIES, SYN_TRIES = 15, 6                                                    # net.ipv4.tcp_retries2's and tcp_syn_retries' defaults
KEPT = 1 << 14                                                              # frames of earlier pieces
HELD_BYTES = 64 << 20                                                       # of frames that wait for their SYN
WIRE_NS = 13_000                                                            # between those: a full frame at 1 Gbit/s
_PENDING, _GIVEN_UP = -1, -2
FEED_FLAGS = 0xFF                                                           # of arrival.flags: FEED_*


@dataclass(slots=True)
class Copy:
    """A frame that is sent again."""
    data: bytes
    length: int                                                             # on the wire
    flags: int
    card: int
    payload: int | None                                                     # payload_of()
    conn: int
    snd_nxt: int
    sent: int
    tries: int = 0                                                          # -1: it was made, and has not been sent at all

    @property
    def syn(self) -> bool:
        return self.sent & SENT_SYN != 0


@dataclass(frozen=True, slots=True)
class Gap:
    """abi/tcp_sent.py: tcp_gap_t."""
    record: int
    conn: int
    start: int
    octets: int
    since: int
    until: int


class Repairs:
    """Counts in Machine.repaired (each time counted), repaired_bytes, syns_repeated, not_repaired, filled and filled_bytes."""

    def __init__(self, m: Machine, capture: Capture) -> None:
        self.m, self.capture = m, capture
        self._where: dict[int, tuple[int, int, int, int, int, int]] | None = None   # frames of the piece that is in feed memory
        self._kept: dict[int, tuple[int, Copy]] = {}                        # of earlier ones: when they came
        self._on_cable: dict[int, Copy] = {}
        self._waiting: list[tuple[int, int, Copy]] = []                     # (when it comes, its order): a heap
        self._order = 0
        self._held: dict[int, list[Copy]] = {}                              # by connection: what waits for its SYN
        self._held_bytes = 0
        self._behind: dict[int, int] = {}                                   # and when more may come behind that, or _PENDING, _GIVEN_UP
        self._ends: dict[int, int] | None = None                            # when the last segment of each record comes
        self._gaps: list[Gap] = []                                          # whose next segment is not on the cable yet
        m.net.feed_room, m.net.tcp_fills = FEED_ROOM, 1
        for d in Drop:
            m.net.tcp_again[d] = int(d.row.kind is Kind.LOST)

    def loading(self) -> None:
        """The memory of this piece's frames is about to be used again.  What is still on its way to a connection that waits for its SYN
        is kept."""
        waits = {conn for conn, behind in self._behind.items() if behind == _PENDING}
        if not waits:
            self._kept.clear()
            return
        oldest = self.m.time.now() - LOOK_NS
        self._kept = {frame: kept for frame, kept in self._kept.items() if kept[0] >= oldest}
        for frame, (t, *_) in self._places().items():
            y = self.m.net.tcp_sent[tcp_sent_slot(frame)]
            if t >= oldest and y.frame == frame_place(frame)[0] and y.conn in waits and len(self._kept) < KEPT:
                copy = self._copy(frame, whole=True)
                if copy is not None:
                    self._kept[frame] = t, copy

    def loaded(self) -> None:
        """The next piece of the capture is on the cable."""
        self._where = self._ends = None
        net = self.m.net
        self._gaps += [Gap(g.record, g.conn, g.start, g.octets, g.since, g.until)
                       for g in map(net.tcp_gap.__getitem__, range(net.tcp_ngap))]
        net.tcp_ngap = net.tcp_gap_octets = 0
        self._gaps = [gap for gap in self._gaps if not self._fill(gap)]

    def run(self, until: int, run: Callable[[int], None]) -> None:
        """Virtual time until `until`, in slices that are shorter than the time after which a segment is sent again.  All that the capture
        brings until then is on the cable."""
        net = self.m.net
        while not self.m.time.stopped:
            soonest = min(self.m.call(feed_next)(net), until, self._waiting[0][0] if self._waiting else until)
            t = min(until, max(self.m.time.now(), soonest) + LOOK_NS)
            if len(self._waiting) > AT_ONCE:
                t = min(t, max(heapq.nsmallest(AT_ONCE, self._waiting)[-1][0], self.m.time.now() + SHORT_NS))
            self._send(t)
            run(t)
            self._look(t)
            if t >= until:
                return

    @property
    def waiting(self) -> int:
        """Segments that will be sent again."""
        return len(self._waiting) + sum(map(len, self._held.values()))

    # ------------------------------------------------------------ what was lost
    def _look(self, t: int) -> None:
        """What was lost before t waits to be sent again."""
        net = self.m.net
        self.m.call(feed_consume)(net, t - 1)                               # cards have seen what has come by then
        n = net.tcp_nlost
        if not n:
            return
        rows = sorted((x.t, x.frame, x.reason) for x in map(net.tcp_lost.__getitem__, range(min(n, NTCPLOST))))
        later = [row for row in rows if row[0] >= t]                        # CPUs may have run ahead
        self.m.not_repaired += n - len(rows)
        net.tcp_nlost = len(later)
        for i, row in enumerate(later):
            x = net.tcp_lost[i]
            x.t, x.frame, x.reason = row
        for at, frame, reason in rows[:len(rows) - len(later)]:
            if reason == Drop.TCP_SYN_LOST:
                self._hold(frame)
            elif Drop(reason).row.kind is Kind.LOST:
                self._again(frame, at)

    def _fill(self, gap: Gap) -> bool:
        """Segments of a gap wait for their time.  False: the one behind it has to come first."""
        net, found = self.m.net, self._places().get(gap.record)
        y = net.tcp_sent[tcp_sent_slot(gap.record)]
        if found is None or y.frame != gap.record:
            return self.capture.handed_out(gap.record)
        t, offset, caplen, _, flags, card = found
        dev = net.dev[net.ring[net.nic[card].first].dev]
        made = list(gaps.segments(bytes(self.capture.view[offset:offset + caplen]), gap.start, gap.octets, net.tcp_seen[gap.conn].full,
                                  dev.mtu))
        since, until = (self._came(rec, t) for rec in (gap.since, gap.until))
        wire_ns = self.capture.wire_ns(len(made[0][0]))
        for at, (data, n) in zip(gaps.times(since, until, len(made), wire_ns), made, strict=True):
            self._wait(at, Copy(data, len(data), flags, card, n, gap.conn, y.snd_nxt, y.flags & ~SENT_SYN, tries=-1))
        return True

    def _came(self, record: int, latest: int) -> int:
        """When the last segment of a record comes; now, if that was in an earlier piece."""
        if self._ends is None:
            self._ends = {}
            for frame, (t, *_) in self._places().items():
                of = frame_place(frame)[0]
                self._ends[of] = max(self._ends.get(of, 0), t)
        return min(self._ends.get(record, self.m.time.now()), latest)

    def _again(self, frame: int, lost: int) -> None:
        """This frame was lost then."""
        copy = self._taken(frame)
        if copy is None or copy.payload is None or (copy.syn and copy.conn < 0):
            return
        if copy.syn:
            self._behind[copy.conn] = _PENDING
        if copy.tries == (SYN_TRIES if copy.syn else TRIES):
            self.m.not_repaired += 1
            if copy.syn:
                self._behind[copy.conn] = _GIVEN_UP
                self.m.not_repaired += len(self._free(copy.conn))
            return
        self._wait(lost + min((SYN_RTO_NS if copy.syn else RTO_NS) << copy.tries, RTO_MAX_NS), copy)

    def _hold(self, frame: int) -> None:
        """This frame came before its SYN."""
        copy = self._taken(frame, whole=True)
        if copy is None:
            return
        behind = self._behind.get(copy.conn)
        if behind is None:                                                  # which is gone: it begins with its first segment
            self.m.net.tcp_seen[copy.conn].syn_lost = 0
        if behind == _PENDING and self._held_bytes + len(copy.data) <= HELD_BYTES:
            self._held.setdefault(copy.conn, []).append(copy)
            self._held_bytes += len(copy.data)
        elif behind == _PENDING or behind == _GIVEN_UP:
            self.m.not_repaired += 1
        else:
            self._follow(copy)

    def _let_go(self, conn: int, t: int) -> None:
        """What waited for this connection's SYN comes from t on."""
        self._behind[conn] = t
        for copy in self._free(conn):
            self._follow(copy)

    def _follow(self, copy: Copy) -> None:
        """It comes behind its SYN, and what came behind that already."""
        t = max(self._behind.get(copy.conn, 0), self.m.time.now())
        self._wait(t, copy)
        self._behind[copy.conn] = t + WIRE_NS

    def _free(self, conn: int) -> list[Copy]:
        """What waited for this connection's SYN."""
        copies = self._held.pop(conn, [])
        self._held_bytes -= sum(len(copy.data) for copy in copies)
        return copies

    def _wait(self, t: int, copy: Copy) -> None:
        """It comes again then."""
        heapq.heappush(self._waiting, (t, self._order, copy))
        self._order += 1

    def _taken(self, frame: int, whole: bool = False) -> Copy | None:
        """A copy of this frame, that is not on the cable any more."""
        if frame >= FIRST_MADE:
            return self._on_cable.pop(frame, None)
        _, kept = self._kept.pop(frame, (0, None))
        return kept or self._copy(frame, whole)

    def _places(self) -> dict[int, tuple[int, int, int, int, int, int]]:
        """Of the frames of this piece: when they come, where they lie, their lengths, flags and card."""
        net = self.m.net
        if self._where is None:                                             # before any frame is put between them, which takes places
            self._where = {a.frame: (a.t, a.offset, a.caplen, a.len, a.flags & FEED_FLAGS, net.ring[q].nic)
                           for q in self.m.rings for a in map(net.feed[q].__getitem__, range(NFEED)) if 0 < a.frame < FIRST_MADE
                           and frame_place(a.frame) >= self.capture.piece}
        return self._where

    def _copy(self, frame: int, whole: bool = False) -> Copy | None:
        """None: there is nothing to repair, for it takes no sequence numbers, or resets a connection; or its bytes are gone.  whole: an
        ACK alone, too."""
        net, found = self.m.net, self._places().get(frame)
        if found is None:                                                   # lost long after it came
            self.m.not_repaired += 1
            return None
        _, offset, caplen, length, flags, card = found
        data = bytes(self.capture.view[offset:offset + caplen])
        payload, y = payload_of(data), net.tcp_sent[tcp_sent_slot(frame)]
        if y.frame != frame_place(frame)[0] or (payload is None and not whole):
            return None
        return Copy(data, length, flags, card, payload, y.conn, y.snd_nxt, y.flags)

    # ------------------------------------------------------------ what is sent again
    def _send(self, until: int) -> None:
        """What comes before `until`, onto the cable.  What finds no room there comes after that."""
        net, time = self.m.net, self.m.time
        while self._waiting and self._waiting[0][0] < until:
            t, _, copy = heapq.heappop(self._waiting)
            if copy.syn and net.tcp_seen[copy.conn].begun:                  # the capture's own came through, and was answered
                self._let_go(copy.conn, time.now())
                continue
            t, frame = max(t, time.now() + time.reaction_ns()), FIRST_MADE + net.made
            try:
                put = self.m.call(feed_put)(net, t, time.place(copy.data, t), copy.length, len(copy.data), copy.flags, copy.card)
            except CableFull:
                put = False
            if not put:
                self._wait(max(until, t + LOOK_NS), copy)
                continue
            before = net.tcp_sent[tcp_sent_slot(frame)]
            self._on_cable.pop(before.frame, None)                          # whoever had the place has long come
            self.m.call(tcp_repair_takes)(net, frame, copy.conn, copy.snd_nxt, copy.sent, copy.payload or 0)
            if copy.tries < 0:
                self.m.filled += 1
                self.m.filled_bytes += copy.payload or 0
            else:
                self.m.repaired += 1
                self.m.repaired_bytes += copy.payload or 0
            copy.tries += 1
            self._on_cable[frame] = copy
            if copy.syn:
                self.m.syns_repeated += 1
                self._let_go(copy.conn, t + WIRE_NS)


def payload_of(frame: bytes) -> int | None:
    """Bytes of data in a TCP segment over IPv4 that a sender repeats; None: it is none, or carries neither data nor SYN nor FIN."""
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    ip = frame[at + 2:]
    if frame[at:at + 2] != b"\x08\x00" or len(ip) < 20 or ip[9] != 6 or int.from_bytes(ip[6:8], "big") & 0x3FFF:
        return None
    th = (ip[0] & 15) * 4
    if len(ip) < th + 14 or ip[th + 13] & TCPHDR_RST:
        return None
    n = int.from_bytes(ip[2:4], "big") - th - (ip[th + 12] >> 4) * 4
    return max(n, 0) if n > 0 or ip[th + 13] & (TCPHDR_SYN | TCPHDR_FIN) else None


def of(m: Machine, capture: Capture | Generated) -> Repairs | None:
    """None: the capture shows no connection."""
    return Repairs(m, capture) if isinstance(capture, Capture) and m.net.ntcp_seen else None
