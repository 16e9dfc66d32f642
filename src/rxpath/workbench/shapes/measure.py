"""One figure of a shape: a host under a steady load of small datagrams for some milliseconds, and what became of them in a second.

The load is Poisson on every queue by itself, so that a step says how many queues are busy without having to look for addresses that RSS
spreads.  The first milliseconds are not counted: threads settle, rings fill."""
from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rxpath.abi.limits import NHIST
from rxpath.abi.numbers import FEED_CSUM_GOOD
from rxpath.boot import buffer
from rxpath.cable.dice import seeded
from rxpath.cable.generate import Generated, Stream
from rxpath.vtime import engine, feed
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.books import CONTEXTS, Books, Cpu
from rxpath.workbench.run.latency import Latency, latency_of
from rxpath.workbench.run.simulation import START_NS, Simulation

SETTLE_NS = 20_000_000
ADDRESS, MAC = 0x0A000001, 0x020000000001
BASE = {"addresses": ["10.0.0.1/16"], "mac": "02:00:00:00:00:01", "speed": "10Gbit"}      # every host's card, unless it says otherwise


@dataclass(frozen=True, slots=True)
class Measured:
    """Offered to softnet_dropped, and polls: in a second.  cpus: ns in the counted time.  latency: of what was read in it.  books: of the
    whole run."""
    offered: float
    read: float
    dropped: dict[str, float]
    books: Books
    interrupts: float
    polls: float
    full_polls: float
    softnet_dropped: float
    cpus: list[Cpu]
    latency: Latency

    @property
    def lost_at_the_ring(self) -> float:
        return self.dropped.get("RX_MISSED", 0.0)

    @property
    def lost_at_the_socket(self) -> float:
        return self.dropped.get("SOCKET_RCVBUFF", 0.0)

    def busy(self, cpu: int) -> float:
        """The share of its time that this CPU worked."""
        c = self.cpus[cpu]
        work = c.hardirq + c.softirq + c.syscall + c.application
        return work / (work + c.idle)

    def interrupt_ns(self, cpu: int) -> int:
        """Hard and soft interrupts of this CPU, ns."""
        return self.cpus[cpu].hardirq + self.cpus[cpu].softirq


def datagram(sport: int, dport: int, payload: int = 32) -> bytes:
    """An Ethernet frame of 42 bytes and a payload of zeros; no UDP checksum."""
    source = ADDRESS + 1
    head = struct.pack(">BBHHHBBHII", 0x45, 0, 28 + payload, 0, 0x4000, 64, 17, 0, source, ADDRESS)
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
    return (b"\x02\0\0\0\0\x01" b"\x02\0\0\0\0\x02" b"\x08\0" + head + struct.pack(">HHHH", sport, dport, 8 + payload, 0) + bytes(payload))


class Steady:
    """A host under load.  until(t) takes it there."""

    def __init__(self, host: dict[str, Any], rate: float, ports: int = 1, seed: int = 1, one_step: bool = False) -> None:
        mine = {**host, "nic": {**BASE, **host.get("nic", {})}}
        self.sim = Simulation(hostfile.build(mine, "a shape's host"), one_step=one_step)
        self.gap = int(1e9 / rate)
        net = self.sim.net
        memory, net.feed_addr = buffer(1 << 16)
        self.sim.kept.append(memory)
        for q in self.sim.rings:
            frame = datagram(40000 + q, 5000 + q % ports)
            memory[256 * q:256 * q + len(frame)] = frame
            net.ring[q].feed_time, net.ring[q].rng = START_NS + q, seeded(seed * 64 + q)
        self.length = len(frame)

    def until(self, end: int, run: Callable[[int], None] | None = None) -> None:
        """The cable is always filled for the time ahead; run(t) is how time passes, in one piece if it is not given."""
        sim, net = self.sim, self.sim.net
        while net.sim.now < end:
            for q in sim.rings:
                rss = q * 0x9E3779B1 & 0x7FFFFFFF
                sim.call(feed.feed_poisson)(net, q, 4000, self.gap, 256 * q, self.length, rss, FEED_CSUM_GOOD)
            t = min(min(net.ring[q].feed_time for q in sim.rings) - 20_000, end)
            if run is not None:
                run(t)
            else:
                sim.call(engine.run)(net, t, 0)

    def __enter__(self) -> Steady:
        return self

    def __exit__(self, *_: object) -> None:
        self.sim.close()


def measure(host: dict[str, Any], rate: float, ms: int = 80, ports: int = 1, seed: int = 1, one_step: bool = False) -> Measured:
    """`rate` datagrams a second on each queue of the host; queue q sends to port 5000 + q % ports."""
    with Steady(host, rate, ports, seed, one_step) as load:
        load.until(START_NS + SETTLE_NS)
        then = Count(load.sim)
        load.until(START_NS + SETTLE_NS + ms * 1_000_000)
        now = Count(load.sim)
        return now.since(then, ms / 1000)


def poll_sizes(host: dict[str, Any], rate: float, ms: int = 20) -> Counter[int]:
    """How many polls of queue 0 took how many packets."""
    with Steady(host, rate) as load:
        load.until(START_NS + SETTLE_NS)
        watch = Watch(load.sim)
        load.until(START_NS + SETTLE_NS + ms * 1_000_000, watch.run)
    return watch.sizes


def poll_sizes_of(host: dict[str, Any], stream: Stream) -> Counter[int]:
    """The same of a generated stream, from its first packet on."""
    mine = {**host, "nic": {**BASE, **host.get("nic", {})}}
    with (Simulation(hostfile.build(mine, "a shape's host")) as sim,
          Generated((stream,), start_ns=START_NS, mac=MAC) as traffic):
        traffic.attach(sim.net)
        watch, more = Watch(sim), True
        while more:
            more = traffic.load()
            sim.call(feed.feed_arm_all)(sim.net)
            watch.run(traffic.until)
            traffic.consume()
    return watch.sizes


class Watch:
    """Sees the size of every poll of queue 0 that found a packet.  The run is stopped every 100 ns to look: no such poll is shorter, and
    where a run is stopped changes nothing."""

    def __init__(self, sim: Simulation) -> None:
        self.sim, self.napi = sim, sim.net.napi[0]
        self.sizes: Counter[int] = Counter()
        self.work = self.napi.work

    def run(self, t: int) -> None:
        net = self.sim.net
        while net.sim.now < t:
            self.sim.call(engine.run)(net, min(net.sim.now + 100, t), 0)
            if self.napi.work != self.work:
                self.sizes[self.napi.work - self.work] += 1
                self.work = self.napi.work


class Count:
    """What had been counted at a moment; since() is the difference of two."""

    def __init__(self, sim: Simulation) -> None:
        net = sim.net
        self.books = sim.books()
        self.read = sum(s.received for s in self.books.sockets)
        self.arrived = sum(q.frames for q in self.books.queues)
        self.interrupts = self.books.interrupts
        self.polls = sum(net.napi[q].polls for q in sim.rings)
        self.full = sum(net.napi[q].full_polls for q in sim.rings)
        self.softnet = self.books.softnet_sum("dropped")
        self.latencies, self.latency_sum = [0] * NHIST, 0
        for t in sim.threads:
            row = net.latency[t.index]
            self.latencies = [n + row[b] for b, n in enumerate(self.latencies)]
            self.latency_sum += net.thread[t.index].latency_sum

    def since(self, then: Count, seconds: float) -> Measured:
        """In a second, but for what Measured says."""
        dropped = {k: (n - then.books.dropped.get(k, 0)) / seconds
                   for k, n in self.books.dropped.items() if n > then.books.dropped.get(k, 0)}
        cpus = [Cpu(a.cpu, **{f: getattr(a, f) - getattr(b, f) for f in (*CONTEXTS, "ksoftirqd")})
                for a, b in zip(self.books.cpus, then.books.cpus, strict=True)]
        histogram = [a - b for a, b in zip(self.latencies, then.latencies, strict=True)]
        return Measured((self.arrived - then.arrived) / seconds, (self.read - then.read) / seconds, dropped, self.books,
                        (self.interrupts - then.interrupts) / seconds, (self.polls - then.polls) / seconds,
                        (self.full - then.full) / seconds, (self.softnet - then.softnet) / seconds, cpus,
                        latency_of(histogram, self.latency_sum - then.latency_sum, self.books.latency.max))
