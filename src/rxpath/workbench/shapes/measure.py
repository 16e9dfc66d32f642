"""One figure of a shape: a host under a steady load of small datagrams for some milliseconds, and how many were read in a second.

The load is Poisson on every queue by itself, so that a step says how many queues are busy without having to look for addresses that RSS
spreads.  The first milliseconds are not counted: threads settle, rings fill."""
from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from rxpath.abi.numbers import FEED_CSUM_GOOD
from rxpath.boot import buffer
from rxpath.cable.dice import seeded
from rxpath.vtime import engine, feed
from rxpath.workbench import hostfile
from rxpath.workbench.books import Books
from rxpath.workbench.simulation import START_NS, Simulation

SETTLE_NS = 20_000_000
ADDRESS = 0x0A000001


@dataclass(frozen=True, slots=True)
class Measured:
    """All in packets a second, but for the books of the whole run."""
    offered: float
    read: float
    dropped: dict[str, float]
    books: Books

    @property
    def lost_at_the_ring(self) -> float:
        return self.dropped.get("RX_MISSED", 0.0)

    @property
    def lost_at_the_socket(self) -> float:
        return self.dropped.get("SOCKET_RCVBUFF", 0.0)


def datagram(sport: int, dport: int, payload: int = 32) -> bytes:
    """An Ethernet frame of 42 bytes and a payload of zeros; no UDP checksum."""
    source = ADDRESS + 1
    head = struct.pack(">BBHHHBBHII", 0x45, 0, 28 + payload, 0, 0x4000, 64, 17, 0, source, ADDRESS)
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
    return (b"\x02\0\0\0\0\x01" b"\x02\0\0\0\0\x02" b"\x08\0" + head + struct.pack(">HHHH", sport, dport, 8 + payload, 0) + bytes(payload))


def measure(host: dict[str, Any], rate: float, ms: int = 80, ports: int = 1, seed: int = 1, one_step: bool = False) -> Measured:
    """`rate` datagrams a second on each queue of the host; queue q sends to port 5000 + q % ports."""
    base = {"addresses": ["10.0.0.1/16"], "mac": "02:00:00:00:00:01", "speed": "10Gbit"}
    with Simulation(hostfile.build({**host, "nic": {**base, **host.get("nic", {})}}, "a shape's host"), one_step=one_step) as sim:
        net, queues = sim.net, sim.queues
        memory, net.feed_addr = buffer(1 << 16)
        sim.kept.append(memory)
        for q in range(queues):
            frame = datagram(40000 + q, 5000 + q % ports)
            memory[256 * q:256 * q + len(frame)] = frame
            net.ring[q].feed_time, net.ring[q].rng = START_NS + q, seeded(seed * 64 + q)
        end, then = START_NS + SETTLE_NS + ms * 1_000_000, Count(0, {}, 0)
        while net.sim.now < end:
            for q in range(queues):
                rss = q * 0x9E3779B1 & 0x7FFFFFFF
                sim.call(feed.feed_poisson)(net, q, 4000, int(1e9 / rate), 256 * q, len(frame), rss, FEED_CSUM_GOOD)
            t = min(min(net.ring[q].feed_time for q in range(queues)) - 20_000, end)
            if net.sim.now < START_NS + SETTLE_NS < t:
                sim.call(engine.run)(net, START_NS + SETTLE_NS, 0)
                then = count(sim)
            sim.call(engine.run)(net, t, 0)
        now, seconds = count(sim), ms / 1000
        dropped = {k: (n - then.dropped.get(k, 0)) / seconds for k, n in now.dropped.items() if n > then.dropped.get(k, 0)}
        return Measured((now.arrived - then.arrived) / seconds, (now.read - then.read) / seconds, dropped, sim.books())


@dataclass(frozen=True, slots=True)
class Count:
    read: int
    dropped: dict[str, int]
    arrived: int


def count(sim: Simulation) -> Count:
    """Read by programs, dropped by reason, arrived at the card: until now."""
    books = sim.books()
    return Count(sum(s.received for s in books.sockets), books.dropped, sum(q.frames for q in books.queues))
