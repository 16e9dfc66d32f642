"""Traffic of the user's own in a run: Python code at the other end of the cable, which reacts to what this host sends and to the clock."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rxpath.abi.numbers import NEVER
from rxpath.cable.arp_peers import ArpPeers
from rxpath.cable.generate import SENDER_MAC
from rxpath.outputs import Output as Sent
from rxpath.time_driver import Frames
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run.machine import Machine
from rxpath.workbench.traffic.outbox import Outbox
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

__all__ = ["Cable", "Sent", "Source"]

FRAME_MIN, FRAME_MAX = 14, 65549                            # an Ethernet header; with the longest IP packet, without FCS
MOST_WAITING = 1_000_000                                    # frames that a source has given and whose time has not come


@dataclass(frozen=True, slots=True)
class Cable:
    """What a source is told before the first frame.

    begins_ns     the time of a capture's first frame: the host's programs have reached their receiving calls by then
    reaction_ns   how soon after its cause a frame may arrive: the host's CPUs may have run ahead by so much
    mac           the receiver's card, 6 bytes; sender_mac: one that is free for this source
    addresses     the receiver's, as texts"""
    begins_ns: int
    reaction_ns: int
    mac: bytes
    sender_mac: bytes
    addresses: tuple[str, ...]


class Source:
    """Traffic of your own for rxpath.replay(Peer(), host), or beside a capture: rxpath.replay(capture, sources=[Peer()]).  Subclass it.

        class Peer(rxpath.Source):
            def begin(self, cable):
                self.cable, self.next = cable, cable.begins_ns

            def wake_at(self):
                return self.next

            def woken(self, now):
                self.next = None if now > 1_000_000_000 else now + 1_000_000
                return [(now + self.cable.reaction_ns, frame)]

    Times are ns of virtual time.  A frame is (when its last bit arrives, bytes of Ethernet without FCS); it arrives cable.reaction_ns
    after its cause at the earliest, and no closer to the last one of this source than the card's line takes.  They may be given ahead and
    in any order.  The run ends when no frame waits, wake_at() is None and the host is still, 60 s after the capture's end at the latest.

    card         which of the host's cards the cable goes to
    answers_arp  the host's ARP requests for any address are answered, so that it can send to whoever this source claims to be
    name         what messages call it; none: the class's name"""

    card: int = 0
    answers_arp: bool = True
    name: str = ""

    def begin(self, cable: Cable) -> None:
        """The run is about to begin.  An object serves one run after the other: begin() sets it back."""

    def wake_at(self) -> int | None:
        """When woken() is to be called next; None: only after something is heard, if ever."""
        return None

    def woken(self, now: int) -> Iterable[tuple[int, bytes]]:
        """That time has come: the frames that are sent now, or later.  wake_at() must say a later time after it."""
        return ()

    def heard(self, sent: Sent) -> Iterable[tuple[int, bytes]]:
        """The host has sent a frame: sent.data, at sent.t, by device sent.dev.  The frames that answer it."""
        return ()

    def called(self) -> str:
        return self.name or type(self).__name__


def checked(alone: Source | None, sources: Sequence[Source], host: Host) -> list[Source]:
    """All that there are, that in place of a capture first.  Raises BadInput for what cannot be attached to this host."""
    if not isinstance(sources, (list, tuple)):
        raise BadInput(f"sources: must be a list of rxpath.Source, not {type(sources).__name__}")
    every, most = [*([alone] if alone is not None else []), *sources], len(host.devices) - 1
    for n, s in enumerate(every):
        if not isinstance(s, Source):
            hint = ": give an object, " + s.__name__ + "()" if isinstance(s, type) else ""
            raise BadInput(f"sources: {s!r} is not an rxpath.Source{hint}")
        if any(s is other for other in every[:n]):
            raise BadInput(f"sources: {s.called()} is given twice")
        if not isinstance(s.card, int) or isinstance(s.card, bool) or not 0 <= s.card <= most:
            raise BadInput(f"source {s.called()}: card = {s.card!r} is not allowed: 0 to {most} on this host")
    return every


class Attached:
    """A Source of the user's own as the driver of time knows one.  What it gives is looked at, and waits until the cable has room."""

    def __init__(self, source: Source, begins: int, reaction_ns: int, line_bps: float | None) -> None:
        self.source, self.reaction = source, reaction_ns
        self.outbox = Outbox(reaction_ns, begins, 8e9 / line_bps if line_bps else 0.0)

    # ------------------------------------------------------------ time_driver.Source
    def wake_at(self) -> int:
        return min(self._wanted(), self.outbox.wake_at())

    def woken(self, now: int) -> Frames:
        if self._wanted() <= now:
            self._take(self.source.woken(now), now, "woken")
            if self._wanted() <= now:
                raise BadInput(f"source {self.source.called()}: after woken({now}) wake_at() says {self._wanted()}: "
                               "a later time, or None, is allowed")
        return self.outbox.release(now)

    def heard(self, sent: Sent) -> Frames:
        self._take(self.source.heard(sent), sent.t, "heard")
        return self.outbox.release(sent.t)

    # ------------------------------------------------------------ what it gives
    @property
    def busy(self) -> bool:
        """Will anything more be sent, unless this host says something?"""
        return bool(self.outbox.waiting) or self.source.wake_at() is not None

    def _wanted(self) -> int:
        at = self.source.wake_at()
        if at is None:
            return NEVER
        if not isinstance(at, int) or isinstance(at, bool) or at < 0:
            raise BadInput(f"source {self.source.called()}: wake_at() says {at!r}: ns of virtual time, or None, is allowed")
        return at

    def _take(self, frames: object, cause: int, method: str) -> None:
        who, least = f"source {self.source.called()}: {method}()", cause + self.reaction
        if not isinstance(frames, Iterable) or isinstance(frames, (str, bytes)):
            raise BadInput(f"{who} gives {type(frames).__name__}: a list of pairs (ns, bytes) is allowed")
        for item in frames:
            if not isinstance(item, (tuple, list)) or len(item) != 2:
                raise BadInput(f"{who}: a frame must be a pair (ns, bytes)")
            t, frame = item
            if not isinstance(t, int) or isinstance(t, bool) or t >= NEVER:
                raise BadInput(f"{who}: time {t!r} is not allowed: whole ns")
            if t < least:
                raise BadInput(f"{who}: a frame at {t:,} ns, caused at {cause:,} ns: {self.reaction:,} ns later at the earliest "
                               "(cable.reaction_ns)")
            if not isinstance(frame, (bytes, bytearray, memoryview)) or not FRAME_MIN <= len(frame) <= FRAME_MAX:
                what = f"{len(frame):,} bytes" if isinstance(frame, (bytes, bytearray, memoryview)) else type(frame).__name__
                raise BadInput(f"{who}: {what} is not allowed: bytes of an Ethernet frame, {FRAME_MIN} to {FRAME_MAX:,}")
            if len(self.outbox.waiting) >= MOST_WAITING:
                raise BadInput(f"{who}: more than {MOST_WAITING:,} frames whose time has not come: give them later")
            self.outbox.put(t, bytes(frame))


def attach(m: Machine, sources: Sequence[Source], begins: int) -> list[Attached]:
    """To the cables of a machine that has a receiver."""
    assert m.receiver is not None
    made = []
    reaction = m.time.reaction_ns()
    for n, s in enumerate(sources):
        dev = m.host.devices[s.card]
        mac = m.receiver.mac.to_bytes(6, "big")
        s.begin(Cable(begins, reaction, mac, (SENDER_MAC + n).to_bytes(6, "big"), tuple(m.receiver.addresses)))
        made.append(Attached(s, begins, reaction, dev.line_bps))
        m.time.add_source(made[-1], s.card)
        if s.answers_arp and not any(other.answers_arp and other.card == s.card for other in sources[:n]):
            m.time.add_source(ArpPeers({units.ipv4(ip): at for ip, at in m.receiver.neighbours}), s.card)
    return made
