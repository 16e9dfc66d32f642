"""A live host seen once a second: rates by station, queues, drops by reason, CPU, and the way of one packet.  Views draw it.

While it is watched, stations are counted (which costs a few ns a packet), and after each look the next packet leaves a trail."""
from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rxpath.abi.numbers import IPPROTO, Trail
from rxpath.live import Host
from rxpath.outputs import Mark
from rxpath.path import STATIONS, Stage
from rxpath.user.sock import meminfo

FIRST = (Stage.nic_dma, Stage.igb_clean_rx_irq)
ENDS = (Stage.kfree_skb, Stage.skb_consume_udp)
MOST_MARKS = 64                                      # of one packet


@dataclass
class Socket:
    """Bytes of memory against the limit, and drops since its beginning."""
    name: str
    memory: int
    limit: int
    drops: int


@dataclass
class Look:
    """seconds: since the host came up; per_second: of the time since the last look.  cpu: of one CPU, by all threads of this process."""
    seconds: float
    cpu: float = 0.0
    frames_in: float = 0.0
    frames_out: float = 0.0
    turns: float = 0.0
    lost_before: dict[str, int] = field(default_factory=dict)
    stations: list[tuple[str, float, int]] = field(default_factory=list)        # name, per second, in all: in the packet's order
    drops: dict[str, int] = field(default_factory=dict)
    sockets: list[Socket] = field(default_factory=list)
    trail: list[str] = field(default_factory=list)   # stations of one packet
    gone: list[str] = field(default_factory=list)


class Watch:
    """look() may be called from any thread; show is called from a thread of its own once a second, between start() and close()."""

    def __init__(self, host: Host, show: Callable[[Look], None], every: float = 1.0) -> None:
        self.host, self.show, self.every = host, show, every
        self._begun = self._last = time.monotonic()
        self._cpu, self._in, self._out, self._turns = time.process_time(), 0, 0, 0
        self._counts: dict[Stage, int] = {}
        self._marks: dict[int, list[str]] = {}
        self.trail: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rxpath-view", daemon=True)
        with host.time.lock:
            host.time.add_watcher(self._mark)
            host.boot.net.trail = Trail.ALL

    def _mark(self, mark: Mark) -> None:
        """The first packet that is whole from its beginning to its end is kept; then stations are only counted until the next look."""
        way = self._marks.get(mark.frame)
        if way is None:
            if mark.stage not in FIRST:              # it was under way already
                return
            way = self._marks[mark.frame] = []
        way.append(Stage(mark.stage).name)
        if mark.stage in ENDS or len(way) > MOST_MARKS:
            if self.host.boot.net.trail == Trail.ALL:
                self.trail = way
            self.host.boot.net.trail = Trail.OFF
            self._marks.clear()

    def look(self) -> Look:
        host, net, now, cpu = self.host, self.host.boot.net, time.monotonic(), time.process_time()
        with host.time.lock:
            counts = {s: n for s in STATIONS if (n := sum(int(net.stage_count[c][s]) for c in range(host.time.cpus)))}
            turns, trail, gone = host.time.turns, list(self.trail), list(host.time.gone)
            sockets = []
            for s in list(host.process.fds.values()):
                m, sk = meminfo(host.boot, s.sk), net.socks[s.sk]
                name = f"{IPPROTO(sk.protocol).name.lower()} {ipaddress.IPv4Address(int(sk.rcv_saddr_lo))}:{int(sk.port)}"
                sockets.append(Socket(name, int(m.rmem_alloc), int(m.rcvbuf), int(m.drops)))
            net.trail = Trail.ALL
        lost: dict[str, int] = {}
        for backend in host.time.backends:
            for name, n in backend.statistics().lost.items():
                lost[name] = max(lost.get(name, 0), n) if name == "tx_dropped" else lost.get(name, 0) + n
        came = sum(b.counted.rx_frames for b in host.time.backends)
        went = sum(b.counted.tx_frames for b in host.time.backends)
        passed = max(now - self._last, 1e-9)
        found = Look(now - self._begun, (cpu - self._cpu) / passed, (came - self._in) / passed, (went - self._out) / passed,
                     (turns - self._turns) / passed, lost,
                     [(s.name, (n - self._counts.get(s, 0)) / passed, n) for s, n in counts.items()], host.drops(), sockets, trail, gone)
        self._last, self._cpu, self._counts, self._in, self._out, self._turns = now, cpu, dict(counts), came, went, turns
        return found

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self.every):
            self.show(self.look())

    def close(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with self.host.time.lock:
            self.host.time.watchers.remove(self._mark)
            self.host.boot.net.trail = Trail.UNWATCHED

