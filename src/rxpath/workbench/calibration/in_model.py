"""The same in the model: an experiment's host and capture, what it loses; and what a call costs, for the derivation of a profile."""
from __future__ import annotations

import contextlib
import functools
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rxpath.abi.kernels import nearest
from rxpath.drivers.rows import VETH
from rxpath.path import Stage
from rxpath.workbench.calibration.experiments import PORT, US, Datagram, Experiment, rules_text
from rxpath.workbench.calibration.program import MAC_RECEIVER, MAC_SENDER, RECEIVER, SENDER
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.judge import frames as f
from rxpath.workbench.run.replay import replay
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.traffic import pcap_out

FRAGMENT = 1480                                             # bytes of IP payload that an MTU of 1500 takes
BEFORE, BEHIND = 30 * US, 50 * US                           # of what is looked at: in both all is idle
STEP = 150_000                                              # ns between calls whose cost is asked for: each finds the reader asleep, and
                                                            # the sender awake, who looks at its clock so long before
FIRST, WARM = 10_000_000, 8                                 # when the first comes; how many are not counted
NOTING = 60                                                 # ns: what a reader needs beside its work, [M] 40 where it has none


# ---------------------------------------------------------------- frames
@functools.lru_cache(maxsize=1 << 16)
def frames(flow: int, port: int, length: int, ident: int = 1) -> list[bytes]:
    """One datagram as the sender's kernel makes it, in fragments where it is longer than the MTU allows."""
    to, by = (bytes.fromhex(mac.replace(":", "")) for mac in (MAC_RECEIVER, MAC_SENDER))
    payload = f.udp(bytes(length), 4000 + flow, port, SENDER, RECEIVER)
    if len(payload) <= FRAGMENT:
        return [f.eth(f.ip(payload, SENDER, RECEIVER), to, by)]
    out = []
    for at in range(0, len(payload), FRAGMENT):
        more = 0x2000 if at + FRAGMENT < len(payload) else 0
        out.append(f.eth(f.ip(payload[at:at + FRAGMENT], SENDER, RECEIVER, ident=ident, frag=more | at // 8), to, by))
    return out


def frames_of(d: Datagram, number: int) -> list[bytes]:
    return frames(d.flow, d.port, d.length, number & 0xFFFF if d.length + 8 > FRAGMENT else 1)


def write_capture(path: Path, datagrams: Sequence[Datagram], times: Sequence[int]) -> None:
    """times: ns, when each was sent; frames of one datagram share its time: one call of the sender."""
    def records() -> Any:
        for number, (d, t) in enumerate(zip(datagrams, times, strict=True)):
            for data in frames_of(d, number):
                yield struct.pack("<IIII", 1 + t // 10**9, t % 10**9, len(data), len(data)) + data
    pcap_out.write(str(path), records())


# ---------------------------------------------------------------- hosts
def host(e: Experiment, profile: str, seed: int = 1, *, service: int | None = None, hz: int | None = None, idle: str = "C1",
         release: str = "") -> dict[str, Any]:
    """The host file.  service: ns from the return of a call to the next one.  The program's loop looks at its clock until its time is over,
    so that what interrupts take is in that time, as it is in the model's; what it was seen to take beyond, it needs to note what it got, or
    something came just before the end, which the model has itself.  release: of the kernel beside which it is set.  CPU 0 is
    the sender's, 1 the other."""
    work = e.service if service is None else min(service, e.service + NOTING)
    app: dict[str, Any] = {"name": "r", "sockets": [f"s{i}" for i in range(len(e.ports))], "cpu": 0 if e.same else [0, 1] if e.both else 1,
                           "threads": e.threads, "batch": e.batch, "waitforone": e.waitforone,
                           "service": {"constant": f"{work}ns", "by_clock": True}}
    if e.sleep:
        app["service"] = {"work": "100ns", "sleep": f"{e.service}ns"}
    if e.stall_every:
        app["service"] = {"list": [f"{work}ns"] * (e.stall_every - 1) + [f"{work + e.stall}ns"], "by_clock": True}
    if e.reuse:
        app["own_sockets"] = True
    if e.epoll:
        app["wait"] = "epoll"
    apps = [app]
    if len(e.ports) > 1 and not e.epoll:                    # a program for each
        apps = [{**app, "name": f"r{i}", "sockets": [f"s{i}"], "threads": 1} for i in range(len(e.ports))]
    sockets = [{"name": f"s{i}", "bind": f"*:{port}", **({"rcvbuf": e.rcvbuf} if e.rcvbuf else {}),
                **({"reuseport": True} if e.reuse else {})} for i, port in enumerate(e.ports)]
    kernel = {}
    with contextlib.suppress(ValueError):                   # a release that says no version: the newest
        kernel = {"kernel": nearest(release)[0]}
    return {**kernel, "profile": profile, "seed": seed, "cpus": 2, "listen": "listed", "cpu": {"idle": idle}, **({"hz": hz} if hz else {}),
            "nic": {"driver": VETH.name, "addresses": [f"{RECEIVER}/24"], "sender_cpu": 0, "sender_spin": f"{e.spin}ns"},
            "sysctl": {"net.core.rmem_max": 4 << 20, **({"net.core.netdev_max_backlog": e.backlog} if e.backlog else {})},
            "socket": sockets, "app": apps, **({"rps": {"0": "1"}} if e.rps else {}),
            **({"iptables": {"text": rules_text(e.rules)}} if e.rules else {}),
            **({"load": [{"cpu": "1", "share": "100%"}]} if e.hog else {})}


@dataclass(frozen=True, slots=True)
class Predicted:
    """loss: per cent of the datagrams.  p50, p99: ns from the call that sent one to the return of the call that received it."""
    loss: float
    p50: int
    p99: int
    queue_max: int
    wakeups: int


def predicted(e: Experiment, capture: Path, built: Mapping[str, Any]) -> Predicted:
    """What the model does with what was sent."""
    books = replay(capture, hostfile.build(dict(built), "experiment"), spends=False).books
    got = sum(s.received for s in books.sockets)
    return Predicted(100 * (1 - got / len(e.datagrams)), books.latency.quantiles["p50"], books.latency.quantiles["p99"],
                     max((s.queue_max for s in books.sockets), default=0), sum(a.wakeups for a in books.apps))


# ---------------------------------------------------------------- what a call costs
@dataclass(frozen=True, slots=True)
class Call:
    """ns of one datagram.  send: a whole send(), the softirq in it included; other: interrupts and softirq of CPU 1; receive: a receiving
    call, sleeping and switching included; latency: from the beginning of send() to the return of the receiving call; halted: CPU 1, until
    the interrupt that ends it."""
    send: float
    other: float
    receive: float
    latency: float
    halted: float


def call(ns: Mapping[Stage, float], *, length: int = 64, reader: int | None = None, service: int = 0, gap: int = STEP, rps: bool = False,
         busy: bool = False, saturated: bool = False, full: bool = False, n: int = 40) -> Call:
    """n datagrams, `gap` ns apart, with these costs.  reader: the CPU of a program that waits, which works `service` on each; None: nobody
    reads.  full: the socket takes none.  busy: CPU 1 computes meanwhile.  saturated: its backlog is never empty."""
    app = [] if reader is None else [{"name": "r", "sockets": ["s"], "cpu": reader, "service": f"{service}ns"}]
    given = {"profile": "bm36", "cpus": 2, "listen": "listed", "hz": 100,
             "nic": {"driver": VETH.name, "mac": MAC_RECEIVER, "addresses": [f"{RECEIVER}/24"], "sender_cpu": 0, "sender_spin": "150us"},
             "sysctl": {"net.core.rmem_max": 1 << 26},
             "socket": [{"name": "s", "bind": f"*:{PORT}", "rcvbuf": 1 if full else 1 << 24}], "app": app,
             **({"rps": {"0": "1"}} if rps else {}), **({"load": [{"cpu": "1", "share": "100%", "nice": 19}]} if busy else {})}
    with Simulation(hostfile.build(given, "calibrate"), packets=1 << 14) as sim:
        for cpu in range(2):
            for stage in Stage:
                sim.net.cost[cpu][stage] = round(ns.get(stage, 0))
            sim.net.cost[cpu][Stage.TICK] = 0
        if saturated:
            sim.net.cost[1][Stage.process_backlog] = 1_000_000_000
        sim.net.sim.nhalt = 0
        before, t = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), FIRST
        for k in range(WARM + n):
            if k == WARM:
                sim.run(t - BEFORE)
                before = _spent(sim)
            for data in frames(0, PORT, length, k):
                sim.send(data, t)
            t += gap
        sim.run(t + BEHIND)
        send, other, receive, latency, idle, received = (y - x for x, y in zip(before, _spent(sim), strict=True))
    halted = (idle - BEFORE - BEHIND) / n - ns.get(Stage.IDLE_EXIT, 0)
    return Call(send / n, other / n, receive / max(received, 1), latency / max(received, 1), halted)


def _spent(sim: Simulation) -> tuple[float, float, float, float, float, float]:
    """Sums until now, as Call has them (CPU 1's idle time with the way back), and what was received."""
    books = sim.books()
    return (float(books.senders[0].syscall_ns + books.cpus[0].softirq), float(books.cpus[1].softirq + books.cpus[1].hardirq),
            float(sum(a.syscall_ns for a in books.apps)), float(sum(a.latency.total for a in books.apps)), float(books.cpus[1].idle),
            float(sum(a.received for a in books.apps)))
