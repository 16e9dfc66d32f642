"""A host under test: programs with sockets like the kernel's on it, frames of other hosts, virtual time.

    host = HostUnderTest()
    host.program(server)                             # server(s): s stands for socket, select, selectors and time
    assert host.ask(b"ping", port=7) == b"pong"

The same calls give the same bytes at the same times.  Nothing happens between them: time goes on only in program(), run(), settle(),
ask() and connect()."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, TracebackType
from typing import Any, Self

from rxpath.workbench.host.given import GivenHost, the_host
from rxpath.workbench.judge import frames
from rxpath.workbench.run.books import Books
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.testing.client import Client
from rxpath.workbench.testing.stand_in import StandIn
from rxpath.workbench.testing.wire import Address, Datagram, Sent, Wire, mac_of
from rxpath.workbench.traffic.settings import Settings, written
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

DEFAULT: Mapping[str, Any] = {"cpus": 2, "nic": {"addresses": ["10.0.0.1/24"]}}
PEER: Address = ("10.0.0.2", 40000)
DELAY_NS = 100_000                                   # from a frame of the host to an answer of another host
START_NS = 1_000_000
STEP_NS = 100_000                                    # how often an answer is looked for
MTU = 1500
FULL = MTU - 20 & ~7                                 # bytes of a fragment


class HostUnderTest:
    """host: a host file's path, its tables, or a Host; DEFAULT if not given.  It needs nic.addresses.  overrides: as of rxpath.replay().
    plain: run the path as Python (slow; for who debugs the path itself)."""

    def __init__(self, host: GivenHost = None, overrides: Settings = (), *, plain: bool | None = None) -> None:
        given = the_host(DEFAULT if host is None else host, written(overrides))
        if not given.addresses:
            raise BadInput("a host under test needs its own addresses: nic.addresses")
        self.sim = Simulation(given, plain=plain)
        settled = self.sim.host
        self.address = settled.addresses[0].partition("/")[0]
        self.mac = units.mac(settled.device.nic.mac).to_bytes(6, "big")
        self.wire = Wire(self.sim.time.reaction_ns, DELAY_NS)
        self.sim.time.add_source(self.wire)
        self._stand_in: StandIn | None = None
        self._ident = 0

    # ------------------------------------------------------------ programs
    def program(self, function: Callable[[Any], object], *, cpu: int = 0, modules: Sequence[ModuleType] = ()) -> Any:
        """function(s) runs on that CPU from now on; back when it has had START_NS to open its sockets.  modules: where the program's code
        imported socket, select, selectors or time; there they mean this host's until the test is over."""
        made = self.sim.program(function, cpu, start=self.now_ns + 1000)
        if modules:
            if self._stand_in is None:
                self._stand_in = StandIn(self.sim.time.programs)
            for module in modules:
                self._stand_in.put_into(module)
        self.run(START_NS)
        return made

    # ------------------------------------------------------------ frames in
    def send(self, frame: bytes, after: str | int = 0) -> None:
        """An Ethernet frame, whose last bit arrives after so long ("10us", ns) from now, or from the frame before if that is later."""
        self.sim.send(frame, max(self.now_ns, self.sim.t) + self._ns(after))

    def datagram(self, payload: bytes, port: int, source: Address = PEER, to: str | None = None, after: str | int = 0) -> None:
        """A UDP datagram from another host, in fragments if it is longer than their MTU of 1,500."""
        src, dst = source[0], to or self.address
        udp = frames.udp(payload, source[1], port, src, dst)
        self._ident = self._ident % 0xFFFF + 1
        pieces = [udp[i:i + FULL] for i in range(0, len(udp), FULL)] if len(udp) > MTU - 20 else [udp]
        for n, piece in enumerate(pieces):
            more = 0x2000 if n < len(pieces) - 1 else 0
            packet = frames.ip(piece, src, dst, ident=self._ident, frag=more | n * FULL // 8 if len(pieces) > 1 else 0x4000)
            self.send(frames.eth(packet, self.mac, mac_of(src)), after if n == 0 else 0)

    # ------------------------------------------------------------ time
    @property
    def now_ns(self) -> int:
        """Virtual time, ns since the start."""
        return int(self.sim.time.now())

    def run(self, duration: str | int) -> None:
        """Virtual time goes on for so long: "20ms", or ns."""
        self.sim.run(self.now_ns + self._ns(duration))

    def settle(self) -> None:
        """Until nothing is under way any more."""
        self.sim.t = max(self.sim.t, self.now_ns)
        self.sim.drain()

    def run_until(self, condition: Callable[[], object], limit: str | int = "1s") -> bool:
        """Until the condition holds, looked at every 100 us; false: it did not within the limit."""
        end = self.now_ns + self._ns(limit)
        while not condition():
            if self.now_ns >= end:
                return False
            self.run(STEP_NS)
        return True

    # ------------------------------------------------------------ what the host does
    @property
    def sent(self) -> list[Sent]:
        """Every frame that it has sent so far."""
        return self.wire.sent

    def datagrams(self, port: int | None = None) -> list[Datagram]:
        """The UDP datagrams that it has sent so far; port: to this one only."""
        return [d for d in self.wire.datagrams() if port in (None, d.to[1])]

    def ask(self, payload: bytes, port: int, source: Address = PEER, limit: str | int = "1s") -> bytes:
        """Send a datagram and let time go on until one comes back to its source; what that carries.  TimeoutError: none came."""
        def answers() -> list[Datagram]:
            return [d for d in self.wire.datagrams() if d.to == source]
        before = len(answers())
        self.datagram(payload, port, source)
        if not self.run_until(lambda: len(answers()) > before, limit):
            lost = ", ".join(f"{n} {reason}" for reason, n in self.books().dropped.items()) or "none"
            raise TimeoutError(f"no answer from UDP {port} to {source[0]}:{source[1]} within {limit}; frames dropped: {lost}")
        return answers()[before].payload

    def connect(self, port: int, source: Address = PEER, limit: str | int = "10s") -> Client:
        """A TCP connection from another host; back when it stands.  ConnectionRefusedError, TimeoutError: it does not."""
        client = Client(source, (self.address, port), self.mac, lambda: self.now_ns, DELAY_NS)
        if any((c.source, c.to) == (client.source, client.to) and not c.failed for c in self.wire.connections):  # type: ignore[attr-defined]
            raise ValueError(f"{source[0]}:{source[1]} has a connection to port {port}: another source port")
        self.wire.connections.append(client)
        if not self.run_until(lambda: client.connected or client.failed, limit) or client.failed:
            raise client.failed or TimeoutError(f"{self.address}:{port} does not answer within {limit}")
        return client

    # ------------------------------------------------------------ what came of it
    def books(self) -> Books:
        """What has become of every frame so far (docs/json.md names the fields)."""
        return self.sim.books()

    @property
    def dropped(self) -> dict[str, int]:
        """Frames by reason."""
        return self.books().dropped

    # ------------------------------------------------------------ its life
    @staticmethod
    def _ns(duration: str | int) -> int:
        try:
            return units.duration_ns(duration)
        except ValueError:
            raise BadInput(f"{duration!r}: {units.DURATION_ALLOWED}") from None

    def close(self) -> None:
        """End the programs, give the memory back, and give the modules their own sockets again."""
        if self._stand_in is not None:
            self._stand_in.take_out()
        self.sim.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
