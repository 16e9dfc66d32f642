"""--trail: the way of single packets.  A filter chooses frames, the path leaves a mark at every station of those, and each packet's marks
are put together here.

    17  17-20          frames by their number in the capture, as Wireshark counts (from 1)
    10.0.0.2  :53      frames from or to an address, a port, or both: 10.0.0.2:53
    drops  drops:X     frames that were lost, or lost with that reason
    all                every frame
    'udp port 53'      an expression of pcap-filter (pcap_filter.py)

Which frames an address or port means is seen when they are put on the cable.  Which frames will be lost is not: for `drops` the run is
made twice - the same seed gives the same run - first to learn who is lost, then to watch those."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rxpath.abi.limits import NTRAILMAP
from rxpath.abi.numbers import Ctx
from rxpath.abi.numbers import Trail as Marks
from rxpath.abi.reasons import DELIVERED, Drop
from rxpath.abi.spent import Place
from rxpath.outputs import Mark
from rxpath.path import STATIONS, Stage
from rxpath.workbench.run import pcap_filter
from rxpath.workbench.run.frame_numbers import numbers, record
from rxpath.workbench.run.headers import Headers, headers
from rxpath.workbench.run.machine import WHOLE, Arrival, Machine
from rxpath.workbench.run.trail_facts import facts
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

MAP_BITS = 32                                               # of a word of net.trail_map: a bit for each frame, modulo 65,536
ALLOWED = ("a frame number 17, a range 17-20, an address 10.0.0.2, a port :53, both 10.0.0.2:53, drops, drops:REASON, all, or a pcap "
           "filter 'udp port 53'")


@dataclass(frozen=True, slots=True)
class Filter:
    """One --trail.  Frames first to last (0: any), an address and a port (0: any), lost ones (a reason, or "any")."""
    text: str
    first: int = 0
    last: int = 0
    address: int = 0
    port: int = 0
    lost: str = ""
    expression: pcap_filter.Fits | None = None


def parse(text: str) -> Filter:
    """A filter from what the user wrote."""
    word = text.strip()
    first, dash, last = word.partition("-")
    try:
        if word == "all":
            return Filter(text)
        if pcap_filter.is_expression(word):
            return Filter(text, expression=pcap_filter.compiled(word))
        if first.isdigit() and (not dash or last.isdigit()):
            low, high = int(first), int(last or first)
            if not 1 <= low <= high:
                raise ValueError("frames are numbered from 1")
            return Filter(text, first=low, last=high)
        if word.split(":")[0] == "drops":
            reason = word.partition(":")[2].upper() or "any"
            if reason != "any" and reason not in Drop.__members__:
                near = units.nearest(reason, [d.name for d in Drop])
                raise ValueError(f"no such drop reason{f'; did you mean {near}?' if near else ''}")
            return Filter(text, lost=reason)
        address, colon, port = word.partition(":")
        number = units.ipv4(address) if address else 0
        if colon and not (port.isdigit() and 0 < int(port) < 65536):
            raise ValueError("a port is 1 to 65535")
        if not colon and not address:
            raise ValueError("it is empty")
        return Filter(text, address=number, port=int(port) if colon else 0)
    except pcap_filter.NoFilter as error:
        raise BadInput(f"--trail {text}: {error}") from None
    except ValueError as error:
        raise BadInput(f"--trail {text}: {error}; allowed: {ALLOWED}") from None


@dataclass
class Packet:
    """One frame and its marks in the order of time."""
    frame: int                                              # as frame_numbers.py reads it
    t: int
    headers: Headers
    length: int
    marks: list[Mark] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)       # of each mark: trail_facts.py

    def reason(self) -> Drop:
        """How it ended; NOT_DROPPED_YET while it is under way."""
        ends = [Drop(m.end()) for m in self.marks if m.stage == Stage.kfree_skb and m.arg]
        return next((e for e in ends if e in DELIVERED), ends[-1] if ends else Drop.NOT_DROPPED_YET)

    def spent(self) -> dict[str, int]:
        """ns in each place, as far as it came; copies that several programs read count together."""
        out: dict[str, int] = {}
        for m in self.marks:
            if m.stage == Stage.SPENT:
                place = Place(m.arg).name.lower()
                out[place] = out.get(place, 0) + m.cost
        return out

    def where(self) -> str:
        """The station at which it was lost."""
        return next((Stage(m.where()).name for m in reversed(self.marks) if m.stage == Stage.kfree_skb and m.arg), "")


class Trail:
    """Collects; attach() it to a Simulation before its first frame."""

    def __init__(self, filters: Sequence[str], limit: int = 10) -> None:
        self.filters = [parse(f) for f in filters]
        self.limit = max(1, limit)
        self.packets: dict[int, Packet] = {}
        self.more = 0                                       # frames that fitted, beyond the limit
        self.only: dict[int, Drop] | None = None            # lost frames, from the first of two runs
        self.reasons: dict[int, Drop] = {}
        self.lost_marks = 0
        self._open: dict[int, Packet] = {}

    @property
    def two_runs(self) -> bool:
        """Is a first run needed to learn which frames are lost?"""
        return any(f.lost for f in self.filters)

    def attach(self, m: Machine, scout: bool = False) -> None:
        """Watch this run.  scout: only learn who is lost."""
        self.machine = m
        m.net.trail = Marks.LOST if scout else Marks.MAP
        if not scout:
            m.on_chunk = self.choose
            if any(f.expression is not None for f in self.filters):
                m.chunk_bytes = WHOLE
        m.time.add_watcher(self.learn if scout else self.keep)
        if not scout and self.two_runs:
            self.only = self.reasons

    def wants(self, number: int, h: Headers, data: bytes = b"", length: int = 0) -> bool:
        for f in self.filters:
            if f.expression is not None:
                if f.expression(data, length):
                    return True
            elif f.lost:
                if self.only is not None and number in self.only and f.lost in ("any", self.only[number].name):
                    return True
            elif (not f.first or f.first <= record(number) <= f.last) and h.fits(f.address, f.port):
                return True
        return False

    # ------------------------------------------------------------ called during the run
    def choose(self, arrivals: Sequence[Arrival]) -> None:
        """Frames that were just put on the cable.  Sets their bits, so that the path marks them."""
        for number, t, data, length, _ in arrivals:
            h = headers(data)
            if not self.wants(number, h, data, length):
                continue
            if len(self.packets) >= self.limit:
                self.more += 1
                continue
            self.packets[number] = Packet(number, t, h, length)
            word = number // MAP_BITS % NTRAILMAP
            self.machine.net.trail_map[word] |= 1 << number % MAP_BITS

    def learn(self, mark: Mark) -> None:
        """Of the first run: who is lost."""
        if mark.stage == Stage.kfree_skb and mark.end() > Drop.CONSUMED:
            self.reasons.setdefault(mark.frame, Drop(mark.end()))

    def keep(self, mark: Mark) -> None:
        if mark.frame in self.packets:
            packet = self.packets[mark.frame]
            packet.marks.append(mark)
            packet.facts.append(facts(self.machine, mark))

    def finish(self) -> None:
        """The run is over, its state about to go."""
        self.lost_marks = sum(self.machine.net.cpu[c].trail_lost for c in range(self.machine.host.cpus))

    def describe(self) -> list[dict[str, Any]]:
        """For --json."""
        return [{
            **numbers(p.frame), "packet": str(p.headers), "length": p.length, "t_ns": p.t, "end": p.reason().name, "at": p.where(),
            "spent_ns": p.spent(),
            "marks": [{"t_ns": m.t, "cpu": m.cpu, "station": Stage(m.stage).name, "cost_ns": m.cost, "context": context(m), "arg": m.arg,
                       **({"facts": found} if found else {})}
                      for m, found in zip(p.marks, p.facts, strict=True) if m.stage != Stage.SPENT],
        } for p in self.packets.values()]


def context(mark: Mark) -> str:
    """Where a station ran."""
    if mark.stage == Stage.kfree_skb and mark.skb < 0 and mark.where() == Stage.nic_dma:
        return STATIONS[Stage.nic_dma].context              # the card lost it
    if mark.ctx == Ctx.SOFTIRQ:
        return "softirq"
    ended = mark.stage == Stage.kfree_skb and mark.arg
    station = STATIONS.get(Stage(mark.where() if ended else mark.stage))
    return station.context if station is not None and mark.ctx == Ctx.TASK else "hardirq" if mark.ctx == Ctx.IDLE else "task"
