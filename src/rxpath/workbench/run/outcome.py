"""What a replay gives back: the books with everything that tells how they came about."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rxpath.cable.receiver import Receiver
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run.books import Books
from rxpath.workbench.run.spent import Kept, Sample
from rxpath.workbench.traffic.capture import Traffic

if TYPE_CHECKING:
    from rxpath.workbench.run.lost_flows import LostFlows
    from rxpath.workbench.run.recording import Recording
    from rxpath.workbench.run.trail import Trail
    from rxpath.workbench.traffic.clients import ClientBooks


@dataclass(frozen=True, slots=True)
class Taught:
    """What the receiver's replies in the capture teach of its program."""
    text: str
    requests: int
    replies: int
    work_ns: int                                            # computing for one request, at most
    together: int                                           # requests that were worked on at a time, at least
    threads: int                                            # as many as had a request at a time
    pauses: int
    applied: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished (or interrupted) run."""
    books: Books
    traffic: Traffic
    receiver: Receiver
    host: Host
    notes: tuple[str, ...]
    log: tuple[str, ...] = ()
    interrupted: bool = False
    recording: Recording | None = None                      # the run over time, when that was asked
    sampled: Kept | None = None                             # single datagrams, chosen by chance
    trail: Trail | None = None                              # the way of single packets, when that was asked: .packets by frame
    lost_flows: LostFlows | None = None                     # whose frames were lost, of a recorded run
    clients: ClientBooks | None = None                      # the TCP clients of a traffic spec; None: it has none
    own: frozenset[tuple[str, int]] = frozenset()           # (protocol, port) that programs of the user's own bound
    taught: Taught | None = None                            # by the receiver's replies in the capture; None: there are none

    @property
    def offered(self) -> int:
        """Frames that arrived at the receiver's NIC."""
        return self.books.offered

    @property
    def delivered(self) -> int:
        """Of these, frames that an application read or that the kernel consumed."""
        return self.books.delivered

    @property
    def queued(self) -> int:
        """Frames that were still under way at the end."""
        return self.books.queued

    @property
    def dropped(self) -> dict[str, int]:
        """Lost frames by reason."""
        return self.books.dropped

    @property
    def not_offered(self) -> dict[str, int]:
        """Records of the capture that were not put on the cable, and why."""
        return dict(self.traffic.not_offered)

    @property
    def cpu_ns(self) -> dict[str, int]:
        """CPU time by context, all CPUs together, in ns of the cost profile."""
        return self.books.cpu_ns()

    @property
    def latency_ns(self) -> dict[str, int]:
        """Percentiles from the last bit on the wire to the return of the receiving call."""
        return {**self.books.latency.quantiles, "max": self.books.latency.max}

    @property
    def samples(self) -> list[Sample]:
        """Where the time of single datagrams went, chosen by chance, in the order of arrival."""
        return self.sampled.samples() if self.sampled is not None else []

    @property
    def done_ns(self) -> dict[str, int]:
        """Percentiles from the last bit on the wire to the end of the program's work on the datagram."""
        return {**self.books.done.quantiles, "max": self.books.done.max}
