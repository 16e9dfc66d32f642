"""What became of every frame, told one after the other in the order of the wire while the run goes on (--pcapng), and what left the host:
the frames that it sent, the copies that its taps took.

A frame is held back until WINDOW others have come after it, so that its end is known when it is told; memory does not grow with the run.
One whose end takes longer (a fragment that waits for others, a datagram that nobody reads) is told as still under way, and counted."""
from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rxpath.abi import protocols
from rxpath.abi.numbers import NEVER, VLAN_DEVICE, Out
from rxpath.abi.numbers import Trail as Marks
from rxpath.abi.reasons import DELIVERED, Drop
from rxpath.abi.spent import Place
from rxpath.outputs import Mark, Output
from rxpath.path import STATIONS, Stage
from rxpath.workbench.run.machine import WHOLE, Arrival, Machine
from rxpath.workbench.run.where_lost import Loss

WINDOW = 32_768                                             # frames that are held back
CAME_TO = Stage.__udp_enqueue_schedule_skb
READ_FROM = Stage.__skb_recv_udp                            # whose mark has the socket; in a class its name would be changed


@dataclass(slots=True)
class Fate:
    """A frame of the wire and its end.  Times are ns of virtual time; end_ns 0 and NOT_DROPPED_YET: none yet."""
    number: int
    t: int
    data: bytes
    length: int
    card: int
    reason: Drop = Drop.NOT_DROPPED_YET
    station: str = ""
    cpu: int = -1
    end_ns: int = 0
    socket: str = ""
    ahead: int = -1                                         # datagrams that waited in its socket when it came there, -1: it came to none
    ahead_bytes: int = 0                                    # and their truesize
    spent: dict[str, int] = field(default_factory=dict)     # ns by place; of a datagram that several programs read, of all of them

    @property
    def hook(self) -> str:
        """Where its way ended: NIC, ring, backlog, link, IP, transport, socket, application, or in the kernel; wire: it has no end yet."""
        if self.reason == Drop.NOT_DROPPED_YET:
            return "wire"
        if self.reason in DELIVERED:
            return "application" if self.reason == Drop.RECEIVED else "kernel"
        if self.reason == Drop.RX_MISSED:
            return "ring"
        room = STATIONS[Stage[self.station]].room
        return "backlog" if room == "irq" else Loss(self.reason.name, self.station, 1).step

    @property
    def kind(self) -> str:
        """One word or a few: delivered, lost, refused, queued, ..."""
        if self.reason == Drop.NOT_DROPPED_YET:
            return "queued"
        return "delivered" if self.reason in DELIVERED else Loss(self.reason.name, self.station, 1).kind.value


class Sink(Protocol):
    """Whoever is told."""

    def begin(self, interfaces: Sequence[str], host: str) -> None:
        """Before the first frame: the cards by their number, and a line on the host."""

    def frame(self, fate: Fate, epoch_ns: int) -> None:
        """The next frame; epoch_ns: virtual time 0, in ns since 1970."""

    def left(self, out: Output, card: int, epoch_ns: int) -> None:
        """A frame that the host sent by that card (Out.TX), or the copy of a tap (Out.TAP); before the frames that came later."""

    def end(self, said: str) -> None:
        """After the last one; said: what the file lacks, "" if nothing."""


class Fates:
    """Collects; replay() attaches it before the first frame."""

    def __init__(self, sink: Sink, window: int = WINDOW) -> None:
        self.sink, self.window = sink, window
        self.held: dict[int, Fate] = {}
        self.out: deque[Output] = deque()
        self.too_early = 0                                  # frames that were told before they had ended
        self.others = 0                                     # ends of frames that the traffic did not bring: segments that were sent again

    def attach(self, m: Machine) -> None:
        m.take_trail(Marks.ENDS)
        self.machine = m
        self.leaving = m.leaving                            # type: ignore[attr-defined]
        m.chunk_bytes = WHOLE
        m.on_chunk = self.arrived
        m.time.add_watcher(self.marked)
        m.time.add_sink(self.leaves)
        self.sink.begin([dev.name for dev in m.host.devices], f"kernel {m.host.kernel}, cost profile {m.host.profile}")

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """Frames that were just put on the cable."""
        for a in arrivals:
            self.held[a.frame] = Fate(*a)
        while len(self.held) > self.window:
            self._tell(early=True)

    def leaves(self, out: Output) -> None:
        """Something has left, in the order of time."""
        if out.kind in (Out.TX, Out.TAP):
            self.out.append(out)

    def marked(self, mark: Mark) -> None:
        """A mark of the path: an end, the socket, or a part of a datagram's time."""
        fate, ended = self.held.get(mark.frame), mark.stage == Stage.kfree_skb and mark.arg
        if fate is None:
            self.others += bool(ended)
        elif mark.stage == Stage.SPENT:
            place = Place(mark.arg).name.lower()
            fate.spent[place] = fate.spent.get(place, 0) + mark.cost
        elif mark.stage == READ_FROM:
            sk = self.machine.net.socks[mark.arg]
            if mark.arg and sk.port:
                fate.socket = f"{protocols.protocol(sk.protocol).lower()}:{sk.port}"
        elif mark.stage == CAME_TO:
            if mark.arg:
                fate.ahead, fate.ahead_bytes = mark.arg >> 31 & 32767, mark.arg & (1 << 31) - 1
                sk = self.machine.net.socks[(mark.arg >> 46) - 1]
                fate.socket = f"{protocols.protocol(sk.protocol).lower()}:{sk.port}"
        elif ended and fate.reason not in DELIVERED:        # of several copies, one that was read says what became of it
            fate.reason, fate.station, fate.cpu, fate.end_ns = Drop(mark.end()), Stage(mark.where()).name, mark.cpu, mark.t

    def finish(self) -> None:
        """The run is over."""
        while self.held:
            self._tell(early=False)
        self._tell_what_left(NEVER)
        said = []
        if self.too_early:
            said.append(f"{self.too_early} frames say queued because they had not ended when {self.window} others had come after them")
        if self.others:
            said.append(f"{self.others} ends are of frames told before, or of segments that were sent again, which are not in this file")
        lost = sum(self.machine.net.cpu[c].trail_lost for c in range(self.machine.host.cpus))
        if lost:
            said.append(f"{lost} marks found no room: some frames say queued that were not")
        self.sink.end("; ".join(said))

    def _tell(self, early: bool) -> None:
        fate = self.held.pop(next(iter(self.held)))
        self._tell_what_left(fate.t)
        self.too_early += early and fate.reason == Drop.NOT_DROPPED_YET
        self.sink.frame(fate, self.leaving.epoch_ns)

    def _tell_what_left(self, before: int) -> None:
        """Until then."""
        while self.out and self.out[0].t <= before:
            out = self.out.popleft()
            dev = out.dev
            while self.machine.net.dev[dev].vlan_id & VLAN_DEVICE:              # a VLAN device's frames are its card's
                dev = self.machine.net.dev[dev].real_dev
            card = next((i for i, nd in enumerate(self.machine.boot.netdevs) if nd.index == dev), 0)
            self.sink.left(out, card, self.leaving.epoch_ns)
