"""What a sender would have done about the TCP segments that this host loses, in an open-loop replay: it sends them again.

The sender in a capture has seen no loss of ours and repeats nothing, and all data behind the hole would lie out of order for ever.  So
each segment with data or FIN that is lost for lack of room or time comes once more, RTO_NS later (Linux's smallest retransmission
timeout, RFC 6298 2.4 as Linux has it), again twice as long after that, and so on: a copy of its frame, marked as a repair.  A
connection whose sender reacts would have been slower after that, too; that is what an open loop cannot tell.

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
from rxpath.abi.tcp_sent import NTCPLOST
from rxpath.cable.capture import Capture
from rxpath.cable.feed import feed_consume, feed_next
from rxpath.cable.tcp_sent import tcp_repair_takes
from rxpath.open_loop import tcp_sent_slot
from rxpath.time_driver import FEED_ROOM, CableFull
from rxpath.vtime.feed import feed_put

if TYPE_CHECKING:
    from rxpath.cable.generate import Generated
    from rxpath.workbench.run.machine import Machine

RTO_NS, RTO_MAX_NS = 200_000_000, 120_000_000_000                           # TCP_RTO_MIN, TCP_RTO_MAX
LOOK_NS = RTO_NS // 2                                                       # between two looks at what was lost
TRIES = 15                                                                  # net.ipv4.tcp_retries2's default
FEED_FLAGS = 0xFF                                                           # of arrival.flags: FEED_*


@dataclass(slots=True)
class Copy:
    """A frame that is sent again."""
    data: bytes
    length: int                                                             # on the wire
    flags: int
    card: int
    payload: int
    conn: int
    snd_nxt: int
    sent: int
    tries: int = 0


class Repairs:
    """Counts in Machine.repaired (each time counted), repaired_bytes and not_repaired."""

    def __init__(self, m: Machine, capture: Capture) -> None:
        self.m, self.capture = m, capture
        self._where: dict[int, tuple[int, int, int, int, int]] | None = None        # frames of the piece that is in feed memory
        self._on_cable: dict[int, Copy] = {}
        self._waiting: list[tuple[int, int, Copy]] = []                     # (when it comes, its order): a heap
        self._order = 0
        m.net.feed_room = FEED_ROOM

    def loaded(self) -> None:
        """The next piece of the capture is on the cable."""
        self._where = None

    def run(self, until: int, run: Callable[[int], None]) -> None:
        """Virtual time until `until`, in slices that are shorter than the time after which a segment is sent again.  All that the capture
        brings until then is on the cable."""
        net = self.m.net
        self._send(until)
        while not self.m.time.stopped:
            soonest = max(self.m.time.now(), min(self.m.call(feed_next)(net), until))
            t = min(until, soonest + LOOK_NS)
            run(t)
            self._look(t)
            if t >= until:
                return
            self._send(until)

    @property
    def waiting(self) -> int:
        """Segments that will be sent again."""
        return len(self._waiting)

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
            if Drop(reason).row.kind is Kind.LOST:
                self._again(frame, at)

    def _again(self, frame: int, lost: int) -> None:
        """This frame was lost then."""
        copy = self._on_cable.pop(frame, None) if frame >= FIRST_MADE else self._copy(frame)
        if copy is None:
            return
        if copy.tries == TRIES:
            self.m.not_repaired += 1
            return
        heapq.heappush(self._waiting, (lost + min(RTO_NS << copy.tries, RTO_MAX_NS), self._order, copy))
        self._order += 1

    def _copy(self, frame: int) -> Copy | None:
        """None: there is nothing to repair, for it takes no sequence numbers, or begins or resets a connection; or its bytes are gone."""
        net = self.m.net
        if self._where is None:                                             # before any frame is put between them, which takes places
            self._where = {a.frame: (a.offset, a.caplen, a.len, a.flags & FEED_FLAGS, net.ring[q].nic)
                           for q in self.m.rings for a in map(net.feed[q].__getitem__, range(NFEED)) if 0 < a.frame < FIRST_MADE
                           and frame_place(a.frame) >= self.capture.piece}
        found = self._where.get(frame)
        if found is None:                                                   # lost long after it came
            self.m.not_repaired += 1
            return None
        offset, caplen, length, flags, card = found
        data = bytes(self.capture.view[offset:offset + caplen])
        payload, y = payload_of(data), net.tcp_sent[tcp_sent_slot(frame)]
        if payload is None or y.frame != frame_place(frame)[0]:
            return None
        return Copy(data, length, flags, card, payload, y.conn, y.snd_nxt, y.flags)

    # ------------------------------------------------------------ what is sent again
    def _send(self, until: int) -> None:
        """What comes before `until`, onto the cable."""
        net, time = self.m.net, self.m.time
        while self._waiting and self._waiting[0][0] < until:
            t, _, copy = heapq.heappop(self._waiting)
            t, frame = max(t, time.now() + time.reaction_ns()), FIRST_MADE + net.made
            try:
                put = self.m.call(feed_put)(net, t, time.place(copy.data, t), copy.length, len(copy.data), copy.flags, copy.card)
            except CableFull:
                put = False
            if not put:
                self.m.not_repaired += 1
                continue
            before = net.tcp_sent[tcp_sent_slot(frame)]
            self._on_cable.pop(before.frame, None)                          # whoever had the place has long come
            self.m.call(tcp_repair_takes)(net, frame, copy.conn, copy.snd_nxt, copy.sent, copy.payload)
            copy.tries += 1
            self._on_cable[frame] = copy
            self.m.repaired += 1
            self.m.repaired_bytes += copy.payload


def payload_of(frame: bytes) -> int | None:
    """Bytes of data in a TCP segment over IPv4 that a sender repeats; None: it is none, or carries neither data nor FIN."""
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    ip = frame[at + 2:]
    if frame[at:at + 2] != b"\x08\x00" or len(ip) < 20 or ip[9] != 6 or int.from_bytes(ip[6:8], "big") & 0x3FFF:
        return None
    th = (ip[0] & 15) * 4
    if len(ip) < th + 14 or ip[th + 13] & (TCPHDR_SYN | TCPHDR_RST):
        return None
    n = int.from_bytes(ip[2:4], "big") - th - (ip[th + 12] >> 4) * 4
    return max(n, 0) if n > 0 or ip[th + 13] & TCPHDR_FIN else None


def of(m: Machine, capture: Capture | Generated) -> Repairs | None:
    """None: the capture shows no connection."""
    return Repairs(m, capture) if isinstance(capture, Capture) and m.net.ntcp_seen else None
