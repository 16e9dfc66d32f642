"""The simulated machine of a run: the state that boot fills, the path changes, books and trail read.

Each file of this room takes a Machine; only simulation.py, which is one, knows them all."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rxpath import boot
from rxpath._compile import options
from rxpath.abi.limits import NCPU, NQ, NTHREAD
from rxpath.cable.receiver import Receiver
from rxpath.vtime import queued
from rxpath.vtime.driver import VirtualTime
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.words.mistakes import BadInput

if TYPE_CHECKING:
    from rxpath.workbench.host.iptables.flat import FlatRules

CONNECTIONS = 1024                                          # of a capture, whose receive buffers may be full at a time
CLIENTS = "tcp-clients"                                     # the socket whose connections programs of the receiver opened
HEADERS = 128                                               # bytes of a frame that filters look at
WHOLE = 1 << 18                                             # of a frame: all of them
ONE_TRAIL = "--trail, --pcapng, --folded and --perfetto each watch every packet's way: use one of them in a run"


@dataclass(frozen=True, slots=True)
class Opened:
    """A socket of the run.  listed: its place in hosttables.open_sockets(), -1 for one that the host file does not name."""
    index: int
    name: str
    proto: str
    address: str
    port: int
    listed: int = -1


@dataclass(frozen=True, slots=True)
class Running:
    """An application thread of the run."""
    index: int
    name: str
    number: int
    cpu: int


class Arrival(NamedTuple):
    """A frame that was put on the cable: its number, when its last bit arrives, its first bytes, its length on the wire, and to which
    card."""
    frame: int
    t: int
    data: bytes
    length: int
    card: int = 0


def socket_count(host: Host, receiver: Receiver | None, listen: Sequence[tuple[str, int, int]]) -> int:
    """How many sockets a run will open."""
    found = len(receiver.udp_ports) + min(receiver.tcp.sockets, CONNECTIONS) if receiver is not None and host.opens_from_capture else 0
    return sum(len(s.endpoints()) for s in host.sockets) + len(listen) + found


class Machine:
    """host: settled, as reports show it.  receiver: who the capture says it is.  listen: sockets beside the host's own."""

    def __init__(self, host: Host, receiver: Receiver | None, listen: Sequence[tuple[str, int, int]], packets: int,
                 plain: bool | None) -> None:
        self.host, self.receiver, self.listen = host, receiver, listen
        self.boot = boot.Booted(kernel=host.kernel, nskb=packets, hz=host.ticks, plain=options.PLAIN if plain is None else plain)
        self.net, self.call = self.boot.net, self.boot.call
        self.time = VirtualTime(self.boot)
        self.rings = host.rings()                               # of all cards, by their number in the pool
        self.sockets: list[Opened] = []
        self.threads: list[Running] = []
        self.own: set[tuple[str, int]] = set()                  # (protocol, port) that programs of the user's own bind: run/own.py
        self.senders: list[tuple[str, int, int]] = []           # of devices without a ring: (device, its ring, the thread that sends)
        self.rules: FlatRules | None = None
        self.notes: list[str] = []
        self.kept: list[object] = []                            # memory that the path has the address of
        self.on_chunk: Callable[[Sequence[Arrival]], None] | None = None     # frames that were put on the cable
        self.on_load: Callable[[memoryview, list[tuple[int, int, int]]], None] | None = None      # the same, without looking at each
        self.chunk_bytes = HEADERS                                          # so much of each is shown to on_chunk
        self.stops: list[tuple[int, Callable[[], None]]] = []               # moments at which somebody looks, the first first
        self.repaired = self.repaired_bytes = self.not_repaired = self.syns_repeated = 0           # segments sent again: run/repairs.py
        self.filled = self.filled_bytes = 0                 # segments that the capture lacks: the same
        self._used = 0

    def new_thread(self) -> int:
        """A number for one more thread: NCPU and up; below are ksoftirqd/N."""
        if NCPU + self._used >= NTHREAD:
            raise BadInput(f"more than {NTHREAD - NCPU} application and NAPI threads")
        self._used += 1
        return NCPU + self._used - 1

    def take_trail(self, marks: int) -> None:
        """Packets leave these marks (Trail) from now on.  BadInput: somebody watches already."""
        if self.net.trail:
            raise BadInput(ONE_TRAIL)
        self.net.trail = marks

    def frames_queued(self) -> int:
        """Frames under way."""
        return int(self.call(queued.frames_queued)(self.net))

    def sent_frames(self) -> int:
        return sum(self.net.tx[q].packets for q in range(NQ))

    @property
    def backlog_limit(self) -> int:
        return int(self.host.sysctls()["net.core.netdev_max_backlog"])      # type: ignore[arg-type]

    @property
    def fragment_limit(self) -> int:
        return int(self.host.sysctls()["net.ipv4.ipfrag_high_thresh"])      # type: ignore[arg-type]

