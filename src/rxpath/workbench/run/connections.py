"""The ledger of an open-loop replay of TCP: what became of the segments of the connections that the capture shows, and of the bytes in
them.

offered = read + consumed + duplicates + held back + before SYN + behind gaps + lost by reason + otherwise ended by reason + queued, in
segments of the wire and in bytes of data, repairs and what was filled in among the offered.  A segment that was partly here already counts
where its rest went."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from rxpath.abi.reasons import Drop, Kind
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.words.doc import doc

DUPLICATES = ("TCP_OLD_DATA", "TCP_OFOMERGE", "TCP_OFO_DROP", "TCP_OLD_SEQUENCE")           # all of it was here already


@dataclass(frozen=True, slots=True)
class Amount:
    segments: Annotated[int, doc("frames of the wire")] = 0
    bytes: Annotated[int, doc("of data in them")] = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.segments + other.segments, self.bytes + other.bytes)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.segments - other.segments, self.bytes - other.bytes)


@dataclass(frozen=True, slots=True)
class TcpLedger:
    connections: Annotated[int, doc("that the capture shows to be real")]
    offered: Annotated[Amount, doc("that came onto the cable, repairs and what was filled in among them")]
    read: Annotated[Amount, doc("a program read them")]
    consumed: Annotated[Amount, doc("the kernel was their end: ACKs, SYN, FIN")]
    duplicates: Annotated[Amount, doc("all of it was here already")]
    held_back: Annotated[Amount, doc("beyond the window: a real sender would have waited, nothing is lost")]
    before_syn: Annotated[Amount, doc("before their SYN, which this host had lost: they came once more behind it, nothing is lost")]
    behind_gaps: Annotated[Amount, doc("beyond the window: more than can be filled in, which the receiver acknowledged, is missing in the "
                                       "capture before them")]
    lost: Annotated[dict[str, Amount], doc("for lack of room or time, by reason")]
    other: Annotated[dict[str, Amount], doc("ended otherwise, by reason")]
    queued: Annotated[Amount, doc("under way or unread")]
    repairs: Annotated[Amount, doc("copies of lost segments that the replay sent, as their sender would have; of the offered")]
    filled: Annotated[Amount, doc("zeros in place of what is missing in the capture though its receiver acknowledged it; of the offered")]
    not_repaired: Annotated[int, doc("lost segments that nothing could replace")]
    syns_repeated: Annotated[int, doc("of the repairs, SYNs: their connections began so much later")]

    @property
    def lost_in_all(self) -> Amount:
        return sum(self.lost.values(), Amount())


def read(m: Machine) -> TcpLedger | None:
    """None: the capture shows no connection, or there is none."""
    net = m.net
    if not net.ntcp_seen or m.receiver is None:
        return None
    ended = {d: Amount(e.segments, e.octets) for d in Drop if (e := net.tcp_ended[d]).segments}
    offered = Amount(net.tcp_offered, net.tcp_offered_octets)
    lost, other, held_back, before_syn, behind_gaps, duplicates = {}, {}, Amount(), Amount(), Amount(), Amount()
    for d, amount in ended.items():
        if d in (Drop.RECEIVED, Drop.CONSUMED):
            continue
        if d.name in DUPLICATES:
            duplicates += amount
        elif d is Drop.TCP_SYN_LOST:
            before_syn = amount
        elif d.row.kind is Kind.HELD_BACK:
            gap = net.tcp_ended_gap[d]
            behind = Amount(gap.segments, gap.octets)
            held_back += amount - behind
            behind_gaps += behind
        elif d.row.kind is Kind.LOST:
            lost[d.name] = amount
        else:
            other[d.name] = amount
    return TcpLedger(m.receiver.tcp.number, offered, ended.get(Drop.RECEIVED, Amount()), ended.get(Drop.CONSUMED, Amount()), duplicates,
                       held_back, before_syn, behind_gaps, lost, other, offered - sum(ended.values(), Amount()),
                       Amount(m.repaired, m.repaired_bytes), Amount(m.filled, m.filled_bytes), m.not_repaired, m.syns_repeated)


def said(c: TcpLedger, speed: float = 1.0) -> str:
    """What a reader must know of a replay of TCP, a paragraph."""
    def of(n: int, word: str) -> str:
        return f"{n:,} {word}{'s' * (n != 1)}"

    parts = [f"TCP is replayed as recorded: {of(c.connections, 'connection')}, {of(c.offered.segments, 'segment')}, "
             f"{c.offered.bytes:,} bytes of data; their senders do not react to what happens here"]
    if c.filled.segments:
        parts.append(f"{of(c.filled.segments, 'segment')} ({c.filled.bytes:,} bytes) that its receiver acknowledged "
                     f"{'is' if c.filled.segments == 1 else 'are'} missing in the capture: zeros were sent in their place")
    lost = c.lost_in_all
    if lost.segments or c.repairs.segments:
        parts.append(f"{of(lost.segments, 'segment')} {'was' if lost.segments == 1 else 'were'} lost: a real sender would have slowed down "
                     f"after the first of its connection, and sent them again ({of(c.repairs.segments, 'repair')} here, "
                     f"{c.not_repaired:,} not repaired)")
    if c.syns_repeated:
        parts.append(f"of these repairs {of(c.syns_repeated, 'SYN')} came a second after the loss, or later, and "
                     f"{of(c.before_syn.segments, 'segment')} once more behind the SYN that had been lost before")
    if c.held_back.segments:
        parts.append(f"{of(c.held_back.segments, 'segment')} lay beyond the window: a real sender would have waited for the reader, so "
                     "that this is no loss, and what follows on that connection says little")
    if c.behind_gaps.segments:
        parts.append(f"{of(c.behind_gaps.segments, 'segment')} lay beyond the window because more than can be filled in is missing in "
                     "the capture before them (its receiver acknowledged it): nothing is lost here, and what follows on that connection "
                     "is not replayed")
    if speed > 1:
        parts.append(f"at {speed:g} times the speed data comes without the acknowledgements that let it go, which a real network cannot "
                     "do: what is beyond the window, or lost, is due to this speed")
    parts.append("throughput is not predicted")
    return "; ".join(parts)


def ledger(c: TcpLedger) -> str:
    """The ledger in one line: segments, and bytes in brackets where there are any."""
    def amount(a: Amount, name: str) -> str:
        return f"{a.segments:,} {name}" + (f" ({a.bytes:,} bytes)" if a.bytes else "")

    parts = [(c.read, "read"), (c.consumed, "ended in the kernel"), (c.duplicates, "duplicates"),
             (c.held_back, "held back by flow control"), (c.before_syn, "before their SYN"),
             (c.behind_gaps, "behind bytes missing in the capture"),
             *((a, f"lost ({reason})") for reason, a in c.lost.items()),
             *((a, reason) for reason, a in c.other.items()), (c.queued, "queued")]
    return f"TCP segments: {amount(c.offered, 'offered')} = " + " + ".join(amount(a, name) for a, name in parts if a.segments)
