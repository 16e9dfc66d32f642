"""The experiments: each a schedule of datagrams and the programs that read them, for the kernel and for the model alike.

A kind (vtime/calibrated.py) says what decides in it; reports under a validated profile state the error of the kinds that they are of."""
from __future__ import annotations

import fnmatch
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rxpath.workbench.words.mistakes import BadInput

US, MS = 1_000, 1_000_000
PORT = 5000
FLOWS = 400                                                 # of a group of sockets: so many that each has its share, whatever the hash


class Datagram(NamedTuple):
    """t: ns after the first, when it is due.  flow: number of the source port.  batch > 1: by sendmmsg() with others of its moment."""
    t: int
    length: int = 64
    port: int = PORT
    flow: int = 0
    batch: int = 1


@dataclass(frozen=True)
class Experiment:
    """service: ns of work on each datagram (sleep: it sleeps so long).  same: the reader is on the sender's CPU, which is no real-time task
    then; both: readers on the sender's CPU and on the other.  stall_every: after so many datagrams the reader sleeps stall ns.
    backlog: net.core.netdev_max_backlog, which is the whole machine's."""
    kind: str
    what: str
    datagrams: Sequence[Datagram]
    service: int = 0
    rcvbuf: int = 0
    same: bool = False
    both: bool = False
    rps: bool = False
    backlog: int = 0
    rules: int = 0
    sleep: bool = False
    batch: int = 1
    waitforone: bool = False
    threads: int = 1
    reuse: bool = False
    epoll: bool = False
    stall_every: int = 0
    stall: int = 0
    hog: bool = False

    @property
    def alone(self) -> bool:
        """Has the sender its CPU for itself?"""
        return not (self.same or self.both)

    @property
    def spin(self) -> int:
        """How long before a datagram is due the sender is awake, ns."""
        return 150 * US if self.alone else 60 * US

    @property
    def ports(self) -> list[int]:
        return sorted({d.port for d in self.datagrams})

    @property
    def duration(self) -> int:
        return self.datagrams[-1].t


# ---------------------------------------------------------------- schedules
def steady(rate: int, ms: int, lengths: Sequence[int] = (64,), flows: int = 1, ports: Sequence[int] = (PORT,)) -> list[Datagram]:
    return [Datagram(i * 1_000_000_000 // rate, lengths[i % len(lengths)], ports[i % len(ports)], i % flows)
            for i in range(rate * ms // 1000)]


def bursts(n: int, count: int, ms: int, length: int = 64, flows: int = 1, batch: int = 1) -> list[Datagram]:
    return [Datagram(b * ms * MS, length, PORT, i % flows, batch) for b in range(count) for i in range(n)]


def poisson(rate: int, ms: int, seed: int = 1) -> list[Datagram]:
    dice, t, out = random.Random(seed), 0.0, []
    for _ in range(rate * ms // 1000):
        out.append(Datagram(int(t)))
        t += dice.expovariate(rate / 1e9)
    return out


# ---------------------------------------------------------------- the experiments
E = Experiment
EXPERIMENTS: dict[str, Experiment] = {
    "idle-50k": E("steady", "50 k/s, idle reader", steady(50_000, 600)),
    "idle-100k": E("steady", "100 k/s, idle reader", steady(100_000, 500)),
    "slow-100k": E("overload", "100 k/s, 20 us", steady(100_000, 500), 20 * US),
    "near-20k": E("steady", "20 k/s, 40 us (80 %)", steady(20_000, 800), 40 * US),
    "over-20k": E("overload", "20 k/s, 60 us (120 %)", steady(20_000, 800), 60 * US),
    "edge-50k": E("steady", "50 k/s, 18 us (edge)", steady(50_000, 600), 18 * US),
    "tiny-buffer": E("steady", "50 k/s, 10 us, rcvbuf 4 kB", steady(50_000, 600), 10 * US, 4096),
    "sizes": E("overload", "30 k/s, sizes 64..1400, 33 us", steady(30_000, 700, (64, 200, 512, 1024, 1400)), 33 * US),
    "burst-10": E("bursts", "bursts 10/ms, 5 us, rcvbuf 2.3 kB", bursts(10, 600, 1), 5 * US, 2304),
    "burst-100": E("bursts", "bursts 100/5 ms, 20 us, rcvbuf 32 kB", bursts(100, 100, 5), 20 * US, 32768),
    "burst-420": E("bursts", "bursts 420/100 ms, 138 us", bursts(420, 7, 100), 138 * US),
    "burst-1000": E("bursts", "bursts 1000/50 ms, 5 us", bursts(1000, 14, 50), 5 * US),
    "burst-5000": E("bursts", "bursts 5000/150 ms, 2 us", bursts(5000, 5, 150), 2 * US),
    "burst-4M": E("bursts", "bursts 5000/150 ms, 10 us, rcvbuf 4 MB", bursts(5000, 5, 150), 10 * US, 4 << 20),
    "burst-large": E("bursts", "bursts 300 x 1400 B/20 ms, 10 us", bursts(300, 30, 20, 1400), 10 * US),
    "same-200": E("shared", "reader on the sender's CPU, bursts 200/5 ms, 20 us, 64 kB", bursts(200, 120, 5), 20 * US, 65536, same=True),
    "same-10k": E("shared", "reader on the sender's CPU, 10 k/s, 20 us", steady(10_000, 800), 20 * US, same=True),
    "same-1000": E("shared", "reader on the sender's CPU, bursts 1000/50 ms, 10 us", bursts(1000, 14, 50), 10 * US, same=True),
    "recvmmsg-32": E("bursts", "recvmmsg 32 WAITFORONE, bursts 1000/50 ms, 5 us", bursts(1000, 14, 50), 5 * US, batch=32, waitforone=True),
    "recvmmsg-16": E("steady", "recvmmsg 16, 20 k/s, 10 us", steady(20_000, 600), 10 * US, batch=16),
    "rps-50k": E("rps", "RPS to the reader's CPU, 50 k/s, 10 us", steady(50_000, 600), 10 * US, rps=True),
    "rps-1000": E("rps", "RPS to the reader's CPU, bursts 1000/50 ms, 5 us", bursts(1000, 14, 50), 5 * US, rps=True),
    "rps-backlog-10": E("rps", "RPS, max_backlog 10, bursts 1000/20 ms", bursts(1000, 30, 20), rps=True, backlog=10),
    "rps-backlog-100": E("rps", "RPS, max_backlog 100, bursts 5000/150 ms, 2 us", bursts(5000, 5, 150), 2 * US, rps=True, backlog=100),
    "fragments": E("fragments", "fragments 3 x, 5 k/s, 220 us", steady(5_000, 800, (4000,)), 220 * US),
    "fragment-bursts": E("fragments", "fragments 3 x, bursts 100/20 ms, 30 us", bursts(100, 30, 20, 4000), 30 * US),
    "rules-100": E("steady", "100 rules, 50 k/s, 18 us", steady(50_000, 600), 18 * US, rules=100),
    "rules-2000": E("bursts", "2000 rules, bursts 500/25 ms, 20 us", bursts(500, 25, 25), 20 * US, rules=2000),
    "rules-rps": E("rps", "1000 rules, RPS, bursts 1000/50 ms, 5 us", bursts(1000, 14, 50), 5 * US, rps=True, rules=1000),
    "stall-100": E("bursts", "reader stalls 100 ms, 20 k/s", steady(20_000, 1000), 5 * US, stall_every=4000, stall=100 * MS),
    "stall-300-4M": E("bursts", "stalls 300 ms, 20 k/s, 4 MB", steady(20_000, 1200), 5 * US, 4 << 20, stall_every=9000, stall=300 * MS),
    "stall-50": E("bursts", "stalls 50 ms, 10 k/s, 64 kB", steady(10_000, 1000), 5 * US, 65536, stall_every=1000, stall=50 * MS),
    "readers-2": E("overload", "2 readers, 1 socket, one CPU, 20 k/s, 60 us", steady(20_000, 800), 60 * US, threads=2),
    "readers-2-cpus": E("shared", "2 readers, 1 socket, sender's CPU and other, bursts 400/20 ms, 40 us", bursts(400, 30, 20), 40 * US,
                        65536, both=True, threads=2),
    "reuseport": E("overload", "SO_REUSEPORT 2, 400 flows, one CPU, 20 k/s, 60 us", steady(20_000, 800, flows=FLOWS), 60 * US, threads=2,
                   reuse=True),
    "reuseport-cpus": E("shared", "SO_REUSEPORT 2, 400 flows, sender's CPU and other, bursts 400/20 ms, 40 us",
                        bursts(400, 30, 20, flows=FLOWS), 40 * US, 65536, both=True, threads=2, reuse=True),
    "sleep-5k": E("steady", "reader sleeps 50 us, 5 k/s", steady(5_000, 1000), 50 * US, sleep=True),
    "sleep-12k": E("overload", "reader sleeps 50 us, 12 k/s", steady(12_000, 800), 50 * US, sleep=True),
    "epoll": E("steady", "epoll, 2 sockets, 40 k/s, 22 us", steady(40_000, 600, ports=(PORT, PORT + 1)), 22 * US, epoll=True),
    "programs-2": E("steady", "2 programs, 2 sockets, one CPU, 30 k/s, 30 us", steady(30_000, 800, ports=(PORT, PORT + 1)), 30 * US,
                    threads=2),
    "hog-10k": E("shared", "hog beside the reader, 10 k/s, 10 us", steady(10_000, 1000), 10 * US, hog=True),
    "hog-20k": E("shared", "hog beside the reader, 20 k/s, 40 us", steady(20_000, 1000), 40 * US, hog=True),
    "poisson": E("bursts", "Poisson 30 k/s, 25 us, rcvbuf 4 kB", poisson(30_000, 700), 25 * US, 4096),
    "sendmmsg": E("bursts", "sendmmsg 64/ms, 12 us, 16 kB", bursts(64, 500, 1, batch=64), 12 * US, 16384),
    "rules-idle": E("steady", "500 rules, 50 k/s, idle reader", steady(50_000, 600), rules=500),
}
SHORT = ("over-20k", "burst-420", "stall-50")               # seconds: the short form, for a first look and for tests


def chosen(patterns: Sequence[str]) -> dict[str, Experiment]:
    """Those whose name or kind fits one of the patterns (* and ?); none: all."""
    found = {name: e for name, e in EXPERIMENTS.items()
             if not patterns or any(fnmatch.fnmatchcase(name, p) or fnmatch.fnmatchcase(e.kind, p) for p in patterns)}
    for p in patterns:
        if not any(fnmatch.fnmatchcase(name, p) or fnmatch.fnmatchcase(e.kind, p) for name, e in EXPERIMENTS.items()):
            raise BadInput(f"--only {p}: no such experiment or kind; rxpath validate --list names them")
    return found


def rules_text(count: int) -> str:
    """So many rules that nothing fits, as iptables-restore takes them."""
    chains = "".join(f":{chain} ACCEPT [0:0]\n" for chain in ("INPUT", "FORWARD", "OUTPUT"))
    rules = "".join(f"-A INPUT -s 192.0.{i // 250}.{i % 250 + 1}/32 -j DROP\n" for i in range(count))
    return f"*filter\n{chains}{rules}COMMIT\n"
