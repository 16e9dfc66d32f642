"""`rxpath judge --load`: what depends on time, beside the kernel's own spread: the bundled capture into a slow reader, wake-ups, the
sleeper against a hog.

Three tables.  The first two are measured here, several times, because a busy machine moves them: agreement means within the kernel's own
spread from run to run.  The third is recorded (6.18.44, a quiet machine): it needs 20 s of an undisturbed CPU a row."""
from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import select
import signal
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rxpath import boot
from rxpath._compile import forget
from rxpath.abi.limits import NCPU
from rxpath.abi.numbers import Kind
from rxpath.cable.receiver import infer_receiver
from rxpath.path import Stage
from rxpath.vtime import engine, setup
from rxpath.vtime.apps import Phase
from rxpath.vtime.costs import BM36
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.judge import captures
from rxpath.workbench.judge import frames as f
from rxpath.workbench.judge.hosts import host
from rxpath.workbench.judge.kernel.machine import Kernel, Machine
from rxpath.workbench.judge.kernel.netns import libc
from rxpath.workbench.judge.kernel.undo import TRACEFS, Journal
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.traffic import capture as traffic

PORT, BURST, BURSTS, GAP_S, SLEEP_S = 8125, 420, 14, 0.1, 50e-6         # of the bundled capture (tools/record_first_capture.py)
RECORDED_LOST = 2282
IDLE_NS = 20_000_000                                # the reader slept: a burst had ended
N = 200                                             # datagrams a millisecond apart for a row of wake-ups
READER_LIMIT_S = 30
PR_SET_PDEATHSIG = 1
MS = 1_000_000
ONE_EPOLL: dict[str, Any] = {"wait": "epoll", "shared_epoll": True}
# how it waits, readers, a host file's way to say so -> wake-ups for 1,000 datagrams recorded on 6.18.44 (rules 4)
WAKEUPS: tuple[tuple[str, int, dict[str, Any], int], ...] = (
    ("recv", 1, {"wait": "recv"}, 995), ("recv", 2, {"wait": "recv"}, 1000), ("recv", 4, {"wait": "recv"}, 1000),
    ("one epoll, level", 1, ONE_EPOLL, 990), ("one epoll, level", 2, ONE_EPOLL, 1941), ("one epoll, level", 4, ONE_EPOLL, 2018),
    ("one epoll, edge", 2, {**ONE_EPOLL, "epoll": ["edge"]}, 998),
    ("own epolls", 2, {"wait": "epoll"}, 1989), ("own epolls", 4, {"wait": "epoll"}, 3989),
    ("own epolls, exclusive", 2, {"wait": "epoll", "epoll": ["exclusive"]}, 1002),
    ("own epolls, exclusive", 4, {"wait": "epoll", "epoll": ["exclusive"]}, 1007),
    ("poll", 1, {"wait": "poll"}, 915), ("poll", 2, {"wait": "poll"}, 1887), ("poll", 4, {"wait": "poll"}, 2658),
)
# sleep, work (us) -> share and wake-ups that run at once, in %, recorded on 6.18.44 (rules 2a)
SLEEPERS = (
    (500, 5, 3.9, 99), (500, 300, 37.7, 99), (1000, 900, 45.1, 96), (200, 1000, 47.1, 62), (100, 300, 43.2, 87), (1000, 3000, 47.3, 40),
    (50, 50, 33.0, 98), (5000, 100, 2.2, 96),
)
ALLOWED, AT_ONCE_POINTS, NANOSLEEP = 0.10, 4, 14_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.  kernel: what each run here has given; none: only recorded."""
    name: str
    ours: float
    kernel: tuple[float, ...]
    recorded: float | None
    agrees: bool
    note: str = ""


# ---------------------------------------------------------------- readers, each a process of its own
@contextlib.contextmanager
def forked(body: Callable[[], Any], cpu: int) -> Iterator[Callable[[], Any]]:
    """A child on that CPU; what it returns comes through a pipe.  It ends with the block, whatever happens."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(READER_LIMIT_S)
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)            # it holds copies of the judge's locks
            os.close(out)
            os.sched_setaffinity(0, {cpu})
            os.write(into, json.dumps(body()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(into)
    waited = False

    def result() -> Any:
        nonlocal waited
        parts = []
        while part := os.read(out, 65536):
            parts.append(part)
        os.waitpid(pid, 0)
        waited = True
        return json.loads(b"".join(parts) or b"null")

    result.pid = pid                                                            # type: ignore[attr-defined]
    try:
        yield result
    finally:
        os.close(out)
        if not waited:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def slow_reader(sock: socket.socket) -> Callable[[], Any]:
    """The reader of the bundled capture: a datagram, 50 us of sleep as time.sleep() gives them, the next.  (received, its times)"""
    def body() -> list[int]:
        times = []
        sock.settimeout(10)
        try:
            while True:
                sock.recvfrom(2048)
                times.append(time.monotonic_ns())
                sock.settimeout(1.0)
                time.sleep(SLEEP_S)
        except TimeoutError:
            return times
    return body


# ---------------------------------------------------------------- the bundled capture
def telemetry() -> list[tuple[int, bytes]]:
    """(ns since the first, frame) of the datagrams to the slow reader."""
    path = traffic.bundled("first")
    receiver = infer_receiver(path)
    found = [(t, frame) for t, frame in captures.timed(path, receiver)
             if len(frame) > 42 and frame[23] == 17 and int.from_bytes(frame[36:38], "big") == PORT and frame[12:14] == b"\x08\0"]
    taken = captures.Taken()
    return [(t - found[0][0], captures.rewritten(frame, receiver, taken) or b"") for t, frame in found]


def first_host(service_ns: Sequence[int] = ()) -> dict[str, Any]:
    """service_ns: what the reader takes for each datagram, in their order, again and again."""
    app = [{"name": "slow", "sockets": ["a"], "cpu": 1, "service": {"list": [f"{n}ns" for n in service_ns]}}] if service_ns else []
    return host([{"name": "a", "bind": f"*:{PORT}"}], cpus=2, app=app)


def replayed(machine: Machine, frames: list[tuple[int, bytes]], other: int) -> tuple[int, list[int], list[int]]:
    """On the real veth, at the capture's times: (drops, when each frame was sent, when each datagram was received)."""
    sock = machine.sockets["a"]
    sent = []
    with forked(slow_reader(sock), other) as result:
        time.sleep(0.3)
        start = time.monotonic_ns() + 50 * MS
        for t, frame in frames:
            left = start + t - time.monotonic_ns()
            if left > 3 * MS:
                time.sleep((left - 2 * MS) / 1e9)
            while time.monotonic_ns() < start + t:
                pass
            sent.append(time.monotonic_ns())
            machine.wire.send(frame)
        times = result() or []
    drops = machine.get_option(sock, "SO_MEMINFO")[3]
    return int(drops), sent, times


def waits(sent: list[int], times: list[int]) -> tuple[int, list[int]]:
    """(ns from a burst's first frame to its reader's return, the median; ns from each return to the next, the median where it slept)."""
    gaps = [b - a for a, b in itertools.pairwise(times)]
    usual = round(statistics.median(gaps))
    gaps = [g if g < IDLE_NS else usual for g in gaps] + [usual]
    firsts = [t for before, t in zip([0, *sent], sent, strict=False) if t - before > 20 * MS]
    woken = [min((u for u in times if u >= t), default=t) - t for t in firsts]
    return round(statistics.median(woken)), gaps


def simulated(frames: list[tuple[int, bytes]], at: list[int], woken_ns: int, service_ns: Sequence[int]) -> int:
    """Drops of ours for the same frames at the times at which they were sent, the reader as quick as the real one was."""
    with Simulation(hostfile.build(first_host(service_ns), "first on a veth")) as sim:
        for c in range(2):
            sim.net.cost[c][Stage.IPI_LATENCY] = woken_ns
        begin = 10 * MS
        for t, (_, frame) in zip(at, frames, strict=True):
            sim.send(frame, begin + t - at[0])
        sim.run(sim.t + 500 * MS)
        sock = next(s for s in sim.sockets if s.port == PORT)
        return int(sim.net.socks[sock.index].drops)


def first(kernel: Kernel, runs: int, other: int) -> list[Row]:
    frames = telemetry()
    lost, mine, notes = [], [], []
    for _ in range(runs):
        kernel.renew(hostfile.build(first_host(), "first on a veth"))
        assert kernel.machine is not None
        kernel.machine.sockets["a"].setblocking(True)
        drops, sent, times = replayed(kernel.machine, frames, other)
        woken, gaps = waits(sent, times)
        lost.append(drops)
        mine.append(simulated(frames, sent, woken, gaps))
        notes.append(f"{woken / 1000:.0f}+{statistics.median(gaps) / 1000:.0f}")
    spread = max(max(lost) - min(lost), 14)         # one datagram of each burst, when there is no spread
    agrees = abs(statistics.fmean(mine) - statistics.fmean(lost)) <= spread
    return [Row("lost of 5,880 at the slow reader", statistics.fmean(mine), tuple(map(float, lost)), RECORDED_LOST, agrees,
                f"ours {', '.join(f'{m:,}' for m in mine)}; its wake-up and its time for each datagram, us: {', '.join(notes)}")]


# ---------------------------------------------------------------- wake-ups
class Wakes:
    """Counts sched_wakeup of some processes, in a trace instance of our own."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.name = journal, f"rxw{os.getpid()}"
        self.root = TRACEFS / "instances" / self.name
        journal.will_make("trace", self.name)
        self.root.mkdir(exist_ok=True)
        (self.root / "tracing_on").write_text("0")

    def watch(self, pids: list[int]) -> None:
        (self.root / "events/sched/sched_wakeup/filter").write_text(" || ".join(f"pid == {p}" for p in pids))
        (self.root / "events/sched/sched_wakeup/enable").write_text("1")
        (self.root / "trace").write_text("")
        (self.root / "tracing_on").write_text("1")

    def count(self) -> int:
        (self.root / "tracing_on").write_text("0")
        return sum(": sched_wakeup: " in line for line in (self.root / "trace").read_text().splitlines())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            (self.root / "events/enable").write_text("0")
            self.root.rmdir()
        self.journal.gone("trace", self.name)


def waiting_reader(sock: socket.socket, way: dict[str, Any], shared: Any) -> Callable[[], Any]:
    """Waits that way, reads one, waits again."""
    flags = {"edge": select.EPOLLET, "exclusive": getattr(select, "EPOLLEXCLUSIVE", 1 << 28)}

    def body() -> None:
        ready: Callable[[], object] = lambda: None      # noqa: E731
        if way["wait"] == "poll":
            polled = select.poll()
            polled.register(sock, select.POLLIN)
            ready = polled.poll
        elif way["wait"] == "epoll":
            epoll = shared
            if epoll is None:
                epoll = select.epoll()
                bits = select.EPOLLIN
                for name in way.get("epoll", ()):
                    bits |= flags[name]
                epoll.register(sock, bits)
            ready = epoll.poll
        blocking = way["wait"] == "recv"
        while True:
            ready()
            with contextlib.suppress(BlockingIOError):
                sock.recv(2048, 0 if blocking else socket.MSG_DONTWAIT)
    return body


def woken(kernel: Kernel, tracer: Wakes, readers: int, way: dict[str, Any], other: int) -> float:
    """Wake-ups for 1,000 datagrams a millisecond apart."""
    kernel.renew(hostfile.build(host(), "wake-ups"))
    machine = kernel.machine
    assert machine is not None
    sock = machine.sockets["a"]
    sock.setblocking(True)
    shared = None
    if way.get("shared_epoll"):
        shared = select.epoll()
        shared.register(sock, select.EPOLLIN | (select.EPOLLET if "edge" in way.get("epoll", ()) else 0))
    frame = f.udp_frame()
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(forked(waiting_reader(sock, way, shared), other)) for _ in range(readers)]
        time.sleep(0.1)
        tracer.watch([child.pid for child in made])                             # type: ignore[attr-defined]
        due = time.monotonic_ns()
        for _ in range(N):
            machine.wire.send(frame)
            due += MS
            time.sleep(max(0.0, (due - time.monotonic_ns()) / 1e9))
        time.sleep(0.02)
        return tracer.count() * 1000 / N


def woken_here(readers: int, way: dict[str, Any]) -> float:
    """The same of ours."""
    app = {"name": "r", "sockets": ["a"], "threads": readers, "cpu": 1, **way}
    with Simulation(hostfile.build(host(app=[app], cpus=2), "wake-ups")) as sim:
        sim.run(10 * MS)
        before = sum(sim.net.thread[t.index].woken for t in sim.threads)
        for _ in range(N):
            sim.send(f.udp_frame(), sim.t + MS)
        sim.run(sim.t + 5 * MS)
        return (sum(sim.net.thread[t.index].woken for t in sim.threads) - before) * 1000 / N


def wakeups(kernel: Kernel, runs: int, other: int) -> list[Row]:
    tracer, rows = Wakes(kernel.journal), []
    try:
        for name, readers, way, recorded in WAKEUPS:
            live = tuple(woken(kernel, tracer, readers, way, other) for _ in range(runs))
            mine = woken_here(readers, way)
            least, most = min(*live, recorded), max(*live, recorded)
            rows.append(Row(f"{name}, {readers}", mine, live, recorded, least * (1 - ALLOWED) <= mine <= most * (1 + ALLOWED)))
    finally:
        tracer.close()
    return rows


# ---------------------------------------------------------------- a sleeper against a hog
def share(sleep_us: int, work_us: int, seconds: int = 20) -> tuple[float, float]:
    """One CPU of two, a hog, and a task that works and sleeps: (its share, its wake-ups that took the CPU at once), in %.  The real task's
    nanosleep() took 14 us of CPU time itself, and its timer was not exact: without that, sleeps and ticks resonate."""
    b, rng = boot.Booted(nskb=64), random.Random(1)
    try:
        b.call(engine.vtime_init)(b.net, 0, 2, False)
        for stage, ns in BM36.items():
            b.net.cost[0][stage] = ns
        for i, (work, sleep) in enumerate(((MS, 0), (work_us * 1000 + NANOSLEEP, sleep_us * 1000))):
            b.call(engine.add_thread)(b.net, NCPU + i, 0, Kind.HOG)
            th = b.net.thread[NCPU + i]
            th.service, th.period, th.weight = work, sleep, setup.nice_weight(0)
            b.call(setup.thread_start)(b.net, NCPU + i, Phase.COMPUTE, 1000 + i)
            th.timed_out = 1
        th = b.net.thread[NCPU + 1]
        for t in range(0, seconds * 1000 * MS, MS // 2):
            th.period = sleep_us * 1000 + rng.randrange(10_000)
            b.call(engine.run)(b.net, t, 0)
        return 100 * (th.ran_app_ns + th.ran_sys_ns) / b.net.sim.now, 100 * th.preempted / max(1, th.woken)
    finally:
        forget(b.net.mem_addr)


def sleepers() -> list[Row]:
    rows = []
    for sleep, work, recorded, at_once in SLEEPERS:
        mine, now = share(sleep, work)
        agrees = abs(mine - recorded) <= ALLOWED * recorded and abs(now - at_once) <= AT_ONCE_POINTS
        rows.append(Row(f"sleeps {sleep} us, works {work} us", mine, (), recorded, agrees,
                        f"at once: ours {now:.0f} %, recorded {at_once} %"))
    return rows


# ---------------------------------------------------------------- all of them
def tables(kernel: Kernel, runs: int) -> dict[str, list[Row]]:
    others = sorted(kernel.affinity - {kernel.cpu})
    other = others[0] if others else kernel.cpu
    return {"the bundled capture on a veth": first(kernel, runs, other),
            f"wake-ups for 1,000 datagrams 1 ms apart ({N} sent)": wakeups(kernel, runs, other),
            "a sleeper against a hog: share of the CPU, %": sleepers()}
