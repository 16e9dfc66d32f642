"""One run: a host, booted; a capture on its cable; virtual time until everything has come to an end.

    with Simulation(host, receiver=receiver) as sim:
        sim.replay(Capture("first.pcap", receiver=receiver, start_ns=START_NS))
        books = sim.books()

A Simulation owns its state and its memory; many live beside each other in one process.  Its driver of time (vtime/driver.py) goes from
slice to slice; here is what a run does with it: bring the capture's frames, tell of progress, see to the end."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rxpath._compile import forget, give_back
from rxpath.abi.limits import NFEED
from rxpath.abi.reasons import Drop
from rxpath.cable.capture import Capture
from rxpath.cable.receiver import Card, Receiver
from rxpath.vtime import feed
from rxpath.workbench.host.given import GivenHost, the_host
from rxpath.workbench.run import assemble, books, connections, left_open, ports, repairs, spent
from rxpath.workbench.run.books import Books
from rxpath.workbench.run.machine import Arrival, Machine, socket_count
from rxpath.workbench.run.output_files import Leaving
from rxpath.workbench.words import units

if TYPE_CHECKING:
    from rxpath.cable.generate import Generated
    from rxpath.workbench.run.own import Program
    from rxpath.workbench.run.own_traffic import Attached, Source
    from rxpath.workbench.run.recording import Recording
    from rxpath.workbench.traffic.clients import Clients
    from rxpath.workbench.traffic.outbox import Outbox

START_NS = 1_000_000                    # the first frame's last bit: programs have reached their receiving calls by then
DRAIN_LIMIT_NS = 60_000_000_000         # after the last frame: longer than ipfrag_time, so that every reassembly ends
SENDER_AHEAD, SENDER_STEP_NS = 64, 100_000


class Simulation(Machine):
    """host: what receives, a Host, a host file or its tables.  receiver: as cable.infer_receiver() found it, for what the host leaves to
    the capture.  listen: sockets to open beside the host's own.  plain: run the path as Python.  one_step: the exact engine, slow, the
    judge of running ahead.  record: keep what the run looked like over time, for recording().  spends: keep where the time of each
    datagram went.  programs: of your own, beside the host's or in place of them (run/own.py)."""

    def __init__(self, host: GivenHost, *, receiver: Receiver | None = None, listen: Sequence[tuple[str, int, int]] = (),
                 plain: bool | None = None, one_step: bool = False, skip_unsupported: bool | None = None,
                 packets: int | None = None, record: bool = False, spends: bool = False,
                 programs: Sequence[Program] = ()) -> None:
        host = assemble.settle(the_host(host), receiver)
        super().__init__(host, receiver, listen, packets or assemble.packets_needed(host, socket_count(host, receiver, listen)), plain)
        self.t = 0
        self.ports: ports.Ports | None = None
        self.speed = 1.0
        self.repairs: repairs.Repairs | None = None
        self.clients: Clients | None = None
        self.traffic: list[Attached] = []                  # of the user's own
        if programs:
            from rxpath.workbench.run import own

            self.own = own.checked(programs, self.host)
        assemble.assemble(self, one_step, skip_unsupported)
        self.leaving = Leaving(self)
        if any(app.restart is not None for app in host.apps):
            from rxpath.workbench.run import restarts

            for program in restarts.of(self):
                self.time.add_source(program)
        if spends:
            spent.start(self)
        if record:
            from rxpath.workbench.run import recording

            recording.start(self)
        if programs:
            own.start(self, programs)

    def program(self, function: Callable[[Any], object], cpu: int = 0, start: int = 1000, nice: int = 0) -> Any:
        """A Python program on this host: function(s) with a socket module of its own (vtime/program.py)."""
        from rxpath.vtime.program import Programs

        if self.time.programs is None:
            self.time.programs = Programs(self.boot)
        return self.time.programs.add(function, cpu, start, nice=nice)

    # ------------------------------------------------------------ the cable
    def add_clients(self, clients: Clients | None) -> None:
        """TCP clients that react; replay() goes on until they have nothing more to send."""
        self.clients = clients
        if clients is not None:
            self.time.add_source(clients)

    def add_traffic(self, sources: Sequence[Source], begins: int) -> None:
        """Traffic of the user's own that reacts; replay() goes on until it has nothing more to send."""
        if sources:
            from rxpath.workbench.run import own_traffic

            self.traffic = own_traffic.attach(self, sources, begins)

    def reacting(self) -> list[Outbox]:
        """What came from those that react."""
        return [*([self.clients.outbox] if self.clients is not None else []), *(t.outbox for t in self.traffic)]

    def send(self, frame: bytes, at: int | None = None, wire: int | None = None) -> None:
        """One frame; `at` is when its last bit arrives (ns, never before the last one's)."""
        self.t = max(self.t, self.t + 1000 if at is None else at)
        self.time.send(frame, self.t, wire=wire or 0)

    def replay(self, capture: Capture | Generated, progress: Callable[[float, int], None] | None = None) -> None:
        """Every frame of the capture or generator, then until nothing is under way."""
        self.begin(capture)
        while self.piece(capture):
            if progress:
                progress(*capture.progress())
        if not self.time.stopped:
            self.drain()
        self.time.collect(last=True)

    def begin(self, capture: Capture | Generated) -> None:
        """That is the traffic; piece() brings it."""
        capture.attach(self.net)
        self.ports, self.repairs = ports.of(self), repairs.of(self, capture)
        self.speed = capture.speed if isinstance(capture, Capture) else 1.0
        if self.host.cards:
            capture.cards([Card(dev.name, units.mac(dev.nic.mac), tuple(units.cidr(a) for a in dev.nic.addresses))
                           for dev in self.host.devices])

    def piece(self, capture: Capture | Generated) -> bool:
        """The next frames, and virtual time until the last of them.  False: there were no more, or the run has been stopped."""
        if not self._load(capture):
            return False
        self.leaving.epoch(capture.first_ts - START_NS - left_open.lead_ns(self.host))
        if self.ports is not None and isinstance(capture, Capture) and capture.reached:
            self.ports.change(capture.reached - capture.base, capture.reached_t, self.run)
        self.go_on(max(capture.until, self.net.sim.now))
        self._senders_catch_up()
        if self.time.stopped:                              # what is still on the cable was offered, and stays queued
            return False
        capture.consume()
        return True

    def go_on(self, until: int) -> None:
        """Virtual time until then; what senders of TCP would send again comes meanwhile."""
        if self.repairs is not None:
            self.repairs.run(until, self.run)
        else:
            self.run(until)

    def _senders_catch_up(self) -> None:
        """A sender that is behind its schedule (veth, lo) still has frames on the cable, whose memory is about to be used again: time goes
        on until few are left, which wait with it."""
        rings = [self.net.ring[q] for _, q, _ in self.senders]
        while any(r.feed_tail - r.feed_head + r.staged > SENDER_AHEAD for r in rings) and not self.time.stopped:
            self.run(self.net.sim.now + SENDER_STEP_NS)

    def _load(self, capture: Capture | Generated) -> bool:
        """The next frames onto the cable; whoever watches is told of them."""
        before = [self.net.ring[q].feed_tail for q in self.rings] if self.on_chunk or self.on_load else []
        if self.repairs is not None:
            self.repairs.loading()
        more = capture.load()
        if self.repairs is not None:
            self.repairs.loaded()
        self.net.sim.feed_next = capture.until
        self.call(feed.feed_arm_all)(self.net)
        if self.on_load:
            self.on_load(capture.view, [(q, tail, self.net.ring[q].feed_tail) for q, tail in zip(self.rings, before, strict=True)])
        if self.on_chunk:
            self.on_chunk(self._arrivals(capture, before))
        return more

    def _arrivals(self, capture: Capture | Generated, before: list[int]) -> list[Arrival]:
        found = []
        for q, tail in zip(self.rings, before, strict=False):
            for i in range(tail, self.net.ring[q].feed_tail):
                a = self.net.feed[q][i % NFEED]
                found.append(Arrival(a.frame, a.t, bytes(capture.view[a.offset:a.offset + min(a.caplen, self.chunk_bytes)]), a.len,
                                     self.net.ring[q].nic))
        return sorted(found, key=lambda a: (a.t, a.frame))

    # ------------------------------------------------------------ time
    def run(self, until: int) -> None:
        """Virtual time until `until`, unless the run has been stopped."""
        while self.stops and self.stops[0][0] <= until and not self.time.stopped:
            t, look = self.stops.pop(0)
            self.time.run(max(t, self.time.now()))
            if not self.time.stopped:
                look()
        if not self.time.stopped:
            self.time.run(until)
        self.t = max(self.t, self.time.now())

    def drain(self) -> None:
        """After the last frame: until nothing is under way, or nothing moves any more."""
        step, end = 1_000_000, self.t + DRAIN_LIMIT_NS
        while self.t < end and not self.time.stopped:
            self.go_on(self.t + step)
            if self.frames_queued() == 0 and not (self.repairs and self.repairs.waiting) and not (self.clients and self.clients.busy) \
                    and not any(t.busy for t in self.traffic):
                break
            step = min(step * 2, 1_000_000_000)
        self.run(self.t + 1_000_000)                       # the last call returns

    # ------------------------------------------------------------ what came of it
    def books(self) -> books.Books:
        """What the state says now; raises Imbalance if it does not add up."""
        if self.own:
            from rxpath.workbench.run import own

            own.found(self)
        read = books.read(self)
        read.check()
        if self.leaving.lost():
            raise books.Imbalance(f"{self.leaving.lost()} frames that left found no room in their ring")
        return read

    def recording(self) -> Recording | None:
        """What the run looked like over time, if that was asked for."""
        if not self.net.record:
            return None
        from rxpath.workbench.run import recording

        return recording.read(self)

    def sampled(self) -> spent.Kept | None:
        """Single datagrams and where their time went, if that was asked for."""
        return spent.kept(self)

    def said(self, read: Books | None = None) -> list[str]:
        """What a reader of the figures must know.  read: the books, if they have been read already."""
        read = read or books.read(self)
        notes = list(self.notes)
        long = sum(self.net.ring[q].length_errors for q in self.rings)
        if long:
            dev = self.host.device
            notes.append(f"{long:,} frame{' is' if long == 1 else 's are'} longer or shorter than the NIC takes at MTU {dev.mtu} "
                         f"(nic.mtu admits up to {dev.driver.mtu_most}); of merged frames only those of TCP over IPv4 are split")
        if read.tcp is not None and read.tcp.offered.segments:
            notes += [connections.said(read.tcp, self.speed), connections.ledger(read.tcp)]
        notes += [f"not modelled: {u.what}, {u.frames:,} frame{'s' * (u.frames != 1)}" for u in read.unhandled
                  if u.reason == Drop.NOT_MODELLED.name]
        if sum(self.net.drop_stat[c][Drop.RX_ALLOC_FAILED] for c in range(self.host.cpus)):
            notes.append(f"all {self.boot.nskb:,} packets of the simulation were in use at some moment: RX_ALLOC_FAILED is its limit, "
                         "not the host's")
        if self.leaving.more_lines:
            notes.append(f"{self.leaving.more_lines:,} more lines of LOG rules are not kept")
        return notes

    # ------------------------------------------------------------ its life
    def close(self) -> None:
        """Give the memory back."""
        self.leaving.close()
        if self.time.programs is not None:
            self.time.programs.close()
        self.time.close()
        forget(self.net.mem_addr)
        memories = self.boot.net_memory, self.boot.memory
        self.boot.netdevs.clear()                               # they call through it: no circle keeps the memory till it is collected
        self.ports = self.repairs = None                        # these know us
        del self.net, self.call, self.boot, self.time, self.kept, self.leaving
        give_back(*memories)

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
