"""The simulator's benchmark: W4 in three shapes, and a whole replay from a capture file on disk.  Called by run.py."""
import io
import json
import pathlib
import random
import statistics
import struct
import tempfile
import time
from typing import Any

from benches.workload import Workload, c_loop

SOFTIRQ_NS, APPLICATION_NS = 505, 575           # bm36: softirq of one datagram; receive 300, system call 75, work 200
LINE_NS = 100                                   # the datagram's cache lines, from the CPU that queued it to the one that reads it
CAPACITY_ONE_CPU, CAPACITY_READER = 1e9 / (SOFTIRQ_NS + APPLICATION_NS), 1e9 / (APPLICATION_NS + LINE_NS)
LOAD = 0.9
SHAPES = {                                      # queues, CPUs, CPU of each application, frames a second of each queue
    "W4/same": (1, 1, [0], CAPACITY_ONE_CPU * LOAD),
    "W4/cross": (1, 2, [1], CAPACITY_READER * LOAD),
    "W4/8+8": (8, 8, list(range(8)), CAPACITY_ONE_CPU * LOAD),
}


def host_of(queues: int, cpus: int, apps: list[int]) -> Any:
    """A host as a host file would describe it."""
    from rxpath.workbench.host import file as hostfile
    return hostfile.build({
        "kernel": "6.18", "profile": "bm36", "cpus": cpus,
        "nic": {"queues": queues, "addresses": ["10.0.0.1/16"], "mac": "02:00:00:00:00:01"},
        "ethtool": {"rx-usecs": 20, "adaptive-rx": False},
        "socket": [{"name": f"s{i}", "bind": f"0.0.0.0:{5000 + i}"} for i in range(len(apps))],
        "app": [{"name": f"a{i}", "sockets": [f"s{i}"], "cpu": cpu, "service": "200ns"} for i, cpu in enumerate(apps)],
    }, "benches/sim.py")


def w4(name: str, packets: int) -> float:
    """Simulated packets a second."""
    from rxpath.abi.numbers import FEED_CSUM_GOOD, FEED_IP_CSUM_GOOD
    from rxpath.boot import buffer
    from rxpath.vtime import engine, feed
    from rxpath.workbench.run.simulation import Simulation
    from tests.frames import udp_frame
    queues, cpus, apps, rate = SHAPES[name]
    good = FEED_CSUM_GOOD | FEED_IP_CSUM_GOOD        # what the cable says of a frame with good sums: the card need not add them up
    with Simulation(host_of(queues, cpus, apps)) as sim:
        net, each, at, lengths = sim.net, packets // queues, 0, []
        memory, net.feed_addr = buffer(1 << 16)
        offsets = []
        for q in range(queues):
            frame = udp_frame(bytes(64), sport=40000 + q, dport=5000 + q)
            memory[at:at + len(frame)] = frame
            offsets.append(at)
            lengths.append(len(frame))
            at += 256
            net.ring[q].feed_time, net.ring[q].rng = 1_000_000, 12345 + 7919 * q
        left = [each] * queues
        started = time.perf_counter()
        while any(left):
            for q in range(queues):
                rss = q * 0x9E3779B1 & 0x7FFFFFFF
                left[q] -= sim.call(feed.feed_poisson)(net, q, left[q], int(1e9 / rate), offsets[q], lengths[q], rss, good)
            loaded = [net.ring[q].feed_time for q in range(queues) if left[q]]
            if loaded and min(loaded) - 20_000 > net.sim.now:
                sim.call(engine.run)(net, min(loaded) - 20_000, 0)
        sim.t = max(net.ring[q].feed_time for q in range(queues))
        sim.drain()
        took = time.perf_counter() - started
        books = sim.books()
        if books.offered != each * queues or books.delivered < 0.97 * books.offered:
            raise SystemExit(f"{name}: {books.delivered} of {books.offered} delivered at load {LOAD}: {dict(books.dropped)}")
        return books.offered / took


def write_capture(path: pathlib.Path, frames: int) -> None:
    """A pcap of 64-byte datagrams, 1 us apart on average, 64 flows to 16 ports."""
    from tests.frames import udp_frame
    rng = random.Random(2)
    kinds = [udp_frame(rng.randbytes(64), sport=40000 + i, dport=5000 + i % 16, src=f"10.0.0.{2 + i}") for i in range(64)]
    with path.open("wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        t = 1_700_000_000 * 10**9
        for start in range(0, frames, 10_000):
            out = io.BytesIO()
            for _ in range(min(10_000, frames - start)):
                t += rng.randrange(600, 3400)
                frame = kinds[rng.randrange(64)]
                out.write(struct.pack("<IIII", t // 10**9, t % 10**9, len(frame), len(frame)) + frame)
            f.write(out.getvalue())


def replay(path: pathlib.Path, frames: int) -> float:
    """Frames a second of what the command does between its start and its report, the JSON text included."""
    import rxpath
    from rxpath.workbench.views import as_json as report_json
    started = time.perf_counter()
    outcome = rxpath.replay(path)
    json.dumps(report_json.build(outcome))
    took = time.perf_counter() - started
    if outcome.offered != frames:
        raise SystemExit(f"replay: {outcome.offered} of {frames} frames were offered")
    return frames / took


def bench_sim(rounds: int, packets: int, frames: int) -> dict[str, Any]:
    timed_c, work = c_loop(), Workload(64, 64)
    rates: dict[str, list[float]] = {name: [] for name in [*SHAPES, "replay"]}
    c_ns: dict[str, list[float]] = {name: [] for name in rates}
    with tempfile.TemporaryDirectory() as d:
        capture = pathlib.Path(d) / "million.pcap"
        write_capture(capture, frames)
        w4("W4/same", 10_000)                   # the core is loaded
        for _ in range(rounds):
            for name in rates:
                c_ns[name].append(timed_c(work.buffer, work.stride, 200_000))
                rates[name].append(replay(capture, frames) if name == "replay" else w4(name, packets))
    return {n: {"packets_per_s": statistics.median(rates[n]), "best": max(rates[n]), "c_ns": statistics.median(c_ns[n])} for n in rates}
