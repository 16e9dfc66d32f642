"""Many runs at once: how much of what two processes do by themselves a pool, and a Dask cluster, do on the same two CPUs.

    python benches/many.py [--runs 1000] [--packets 100000] [--rounds 3]

The same configurations of one capture, in rounds, each round all three ways, one after the other: two processes that know nothing of each
other and do half of the runs each; the pool with two workers; a scheduler and two workers of Dask on the loopback, units in lots as they
travel.  Two figures of each: runs a second by the wall, of the best round, which needs a machine without other work; and the CPU time of
all processes together for a run, which does not."""
from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from rxpath.workbench.jobs import unit as units
from rxpath.workbench.jobs.pool import Pool
from rxpath.workbench.jobs.unit import Unit
from rxpath.workbench.traffic import generate
from rxpath.workbench.traffic import spec as trafficfile

HOST = {"socket": [{"name": "s", "bind": "*:5000"}], "app": [{"name": "a", "service": "2us", "cpu": 1}]}
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pids: Sequence[int]) -> float:
    """CPU time of these processes and of their children, those that have ended too."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / TICK
        children = (int(c) for file in Path(f"/proc/{pid}/task").glob("*/children") for c in file.read_text().split())
        total += cpu_s(list(children))
    return total


def half(work: Sequence[Unit]) -> None:
    """An independent process."""
    for item in work:
        assert units.run(item).error is None


def apart(work: Sequence[Unit]) -> None:
    fork = get_context("fork")
    both = [fork.Process(target=half, args=(work[k::2],)) for k in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
        assert process.exitcode == 0


@contextmanager
def dask() -> Iterator[str]:
    """The address of a cluster of two workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"

    def start(what: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", f"distributed.cli.dask_{what}", *words, "--no-dashboard"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    both = [start("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2])]
    try:
        time.sleep(2)
        both.append(start("worker", address, "--nworkers", "2", "--nthreads", "1", "--memory-limit", "0", "--death-timeout", "30"))
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        for process in reversed(both):
            process.terminate()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--packets", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    from rxpath.workbench.jobs.cluster import Cluster

    with tempfile.TemporaryDirectory() as folder, dask() as address, Pool(2) as pool, Cluster(address) as cluster:
        capture = f"{folder}/capture.pcap"
        spec = trafficfile.build({"traffic": [{"kind": "poisson", "rate": "300kpps", "count": asked.packets, "flows": 64}]})
        generate.generate(spec, capture)
        work = [Unit(capture, HOST, (f"ethtool.rx={64 + 8 * (i % 500)}", f"net.core.rmem_default={200_000 + 1_000 * i}"))
                for i in range(asked.runs)]
        ways: dict[str, Callable[[], object]] = {
            "two processes": lambda: apart(work), "pool": lambda: list(pool.run_all(work)), "dask": lambda: list(cluster.run_all(work))}
        list(pool.run_all(work[:2]))                        # what is done once is not counted: who receives, files that travel
        list(cluster.run_all(work[:4]))
        wall: dict[str, list[float]] = {name: [] for name in ways}
        cpu: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(asked.rounds):
            for name, do in ways.items():
                used, begun = cpu_s([os.getpid()]), time.perf_counter()
                do()
                wall[name].append(time.perf_counter() - begun)
                cpu[name].append(cpu_s([os.getpid()]) - used)
        print(f"{asked.runs:,} configurations of {asked.packets:,} packets, best of {asked.rounds} rounds")
        for name in ways:
            print(f"{name:15} {asked.runs / min(wall[name]):8.1f} runs a second, {min(wall['two processes']) / min(wall[name]):6.1%}; "
                  f"{1000 * min(cpu[name]) / asked.runs:8.2f} ms of CPU time a run, {min(cpu['two processes']) / min(cpu[name]):6.1%}")


if __name__ == "__main__":
    main()
