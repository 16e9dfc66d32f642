"""Benchmarks, one command: `python benches/run.py path|sim [--json] [--rounds N] [--quick]`.

path   frames that lie in memory -> ring -> hard IRQ -> softirq -> recvfrom in real time, on one core: W1 (64 bytes of payload) with
       one flow and with 1000 flows, each to its own socket; W2 (1400 bytes); two queues on two threads against one.  Checksums of
       IP and UDP are verified in software; every payload is copied out and its first 8 bytes are summed and checked.
       TCP (stream.py), checksums by the card: W10, in-order segments of 1,448 bytes on one connection, with and without GRO; W11, requests
       of 256 bytes on 10,000 connections in turn.
sim    virtual time: W4 (64 bytes, Poisson, profile bm36, kernel 6.18, ITR 20 us, 0.9 of the capacity that the sum of costs gives), and the
       whole command's work on a capture file of a million frames.

Every case runs several rounds, interleaved with a fixed C loop that only verifies both checksums of the same frames (c_ns): machines are
noisy, so read ratios within a run.  Nothing here passes or fails by a time."""
import argparse
import json
import os
import pathlib
import statistics
import sys
import threading
import time
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
os.environ.setdefault("RXPATH_WHOLE", "1")              # what ships is what is measured, also in a source tree

from benches.stream import cases as stream_cases
from benches.workload import NFRAME, Workload, c_loop

BURST = 64


class Path:
    """A booted host whose queues are served from a workload in real time."""

    def __init__(self, work: Workload, nflow: int, queues: int = 1) -> None:
        from rxpath import boot
        from rxpath.abi.limits import BUFSTRIDE, NDESC, NQ
        from rxpath.walltime import burst, engine
        from tests.frames import ip4
        self.work, self.burst, self.queues = work, burst, queues
        nskb = 8192
        self.boot = boot.Booted(nskb=nskb, npool=max(2, queues), extra_memory=len(work.buffer) * queues + 4096)
        net = self.net = self.boot.net
        net.nic[0].rx_csum = 0                                       # the path verifies in software
        self.boot.igb_open(queues, 1024, list(range(queues)))
        self.boot.add_address(ip4("10.0.0.1"), 16)
        free = (nskb + NQ * NDESC) * BUFSTRIDE + 4095 & ~4095     # behind the NIC's own buffers
        memory, address = boot.buffer(queues * nflow * BUFSTRIDE)
        self.keep, self.first = memory, []
        for q in range(queues):
            engine.rt_init(net, q, q)
            self.first.append(free)
            self.boot.memory[free:free + len(work.buffer)] = bytes(work.buffer)
            free += len(work.buffer)
        for q in range(queues):
            for s in range(nflow):
                if q == 0 or nflow == 1:
                    sk = self.boot.udp_socket(0, 5000 + s + q, 1 << 22)
                    t = s + 512 * q
                    net.thread[t].buf_addr, net.thread[t].buf_len = address, 2048
                    address += BUFSTRIDE              # not a power of two: buffers of programs do not all lie in the same cache sets
                    engine.rt_reader(net, t, sk)

    def serve(self, q: int, count: int) -> None:
        got = self.burst.rt_serve(self.net, q, count, self.first[q], self.work.stride, NFRAME, self.work.length, BURST, self.work.rss)
        if got != count:
            raise SystemExit(f"queue {q}: {got} of {count} datagrams were read")

    def timed(self, count: int) -> float:
        net, n = self.net, 1024
        before = sum(net.thread[t].sum for t in range(n))
        t = time.perf_counter()
        self.serve(0, count)
        t = time.perf_counter() - t
        if sum(net.thread[t].sum for t in range(n)) - before != self.work.sum_of(count):
            raise SystemExit("the application read other bytes than were sent")
        return t / count * 1e9


def bench_path(rounds: int, count: int) -> dict[str, Any]:
    timed_c, cases = c_loop(), {}
    for name, payload, nflow in (("W1/1", 64, 1), ("W1/1000", 64, 1000), ("W2/1", 1400, 1)):
        work = Workload(payload, nflow)
        path = Path(work, nflow)
        path.serve(0, NFRAME)                                     # warm
        cases[name] = (path, work)
    streams = stream_cases()
    ns: dict[str, list[float]] = {n: [] for n in (*cases, *streams)}
    c_ns: dict[str, list[float]] = {n: [] for n in ns}
    pair = two_queues()
    ratios: list[float] = []
    for _ in range(rounds):
        for name, (path, work) in cases.items():
            c_ns[name].append(timed_c(work.buffer, work.stride, count))
            ns[name].append(path.timed(count // NFRAME * NFRAME))
        for name, stream in streams.items():
            c_ns[name].append(timed_c(work.buffer, work.stride, count))      # over W2's frames
            ns[name].append(stream.timed(count))
        ratios.append(two_against_one(pair, count))
    out: dict[str, Any] = {n: {"ns": statistics.median(ns[n]), "ns_min": min(ns[n]), "c_ns": statistics.median(c_ns[n]),
                               "c_ns_min": min(c_ns[n])} for n in ns}
    out["two_threads"] = {"ratio": statistics.median(ratios), "ratio_max": max(ratios)}
    return out


def two_queues() -> Path:
    work = Workload(64, 1)
    path = Path(work, 1, queues=2)
    path.boot.memory[path.first[1]:path.first[1] + len(work.buffer)] = bytes(Workload(64, 1, first_port=5001).buffer)
    for q in range(2):
        path.serve(q, NFRAME)
    return path


def two_against_one(path: Path, count: int) -> float:
    """Throughput of two queues on two threads over that of one queue on one thread."""
    t = time.perf_counter()
    path.serve(0, count)
    one = time.perf_counter() - t
    threads = [threading.Thread(target=path.serve, args=(q, count)) for q in range(2)]
    t = time.perf_counter()
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    return 2 * one / (time.perf_counter() - t)


def main() -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("what", choices=["path", "sim"])
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--quick", action="store_true", help="few rounds of little work: does it run?")
    a = p.parse_args()
    rounds = 2 if a.quick else a.rounds
    if a.what == "path":
        result = bench_path(rounds, 100_000 if a.quick else 1_000_000)
    else:
        from benches.sim import bench_sim
        result = bench_sim(rounds, 20_000 if a.quick else 400_000, 100_000 if a.quick else 1_000_000)
    if a.json:
        print(json.dumps(result))
        return
    for name, figures in result.items():
        print(f"{name:12s}", "  ".join(f"{k} {v:,.3f}" if v < 1000 else f"{k} {v:,.0f}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
