"""What a TCP segment costs at full speed: unmerged, merged by GRO, in jumbo frames, read where it was received."""
from __future__ import annotations

from typing import Any

from rxpath.workbench.run.replay import replay
from rxpath.workbench.shapes.shape import Claim, Found, off, shape
from rxpath.workbench.traffic import spec as trafficfile

GHZ = 3.4 / 3.6                                             # their clock over bm36's
OVERHEAD = 52                                               # IP, TCP and time stamps of a frame of the MTU
ROWS = (                                                    # GRO, MTU, read on the queue's CPU (aRFS), published Gb/s a receiver's core
    ("nothing", False, 1500, False, 4.78), ("GRO", True, 1500, False, 14.98), ("jumbo", False, 9000, False, 25.9),
    ("GRO, jumbo", True, 9000, False, 27.64), ("GRO, aRFS", True, 1500, True, 28.3), ("jumbo, aRFS", False, 9000, True, 40.8),
    ("GRO, jumbo, aRFS", True, 9000, True, 41.21))
CLOSE = ("GRO, aRFS", "GRO, jumbo, aRFS")


def transfer(gro: bool, mtu: int, together: bool, ms: int) -> tuple[float, float]:
    """(Gb/s that the program reads, ns of all CPUs for a segment): one connection as fast as its window lets it, over 100 Gb/s."""
    host: dict[str, Any] = {
        "kernel": "6.18", "profile": "bm36", "cpus": 2, "nic": {"queues": 1, "speed": "100Gbit", "mtu": mtu}, "irq": {"0": 0},
        "ethtool": {"rx": 4096, "gro": gro, "rx-usecs": 0}, "sysctl": {"net.ipv4.tcp_rmem": "4096 2097152 4194304"},
        "socket": [{"name": "in", "proto": "tcp", "bind": "*:80"}], "app": [{"name": "r", "sockets": ["in"], "cpu": 0 if together else 1}]}
    client = {"size": "1GiB", "duration": f"{ms}ms", "mss": mtu - 40, "cwnd": 0, "rtt": "30us"}
    books = replay(trafficfile.build({"client": [client]}), host, spends=False).books
    octets = sum(a.connections.bytes for a in books.apps if a.connections is not None)
    busy = sum(ns for context, ns in books.cpu_ns().items() if context != "idle")
    return octets * 8 / (ms * 1e6), busy / max(octets / (mtu - OVERHEAD), 1)


@shape("tcp", "What a TCP segment costs", kernel="6.18", profile="bm36", source="Cai et al., SIGCOMM 2021 (kernel 5.4, 3.4 GHz)")
def tcp_segment(ms: int) -> Found:
    """One connection into one program at full speed, the reader on a CPU of its own or, with aRFS, on the queue's. Without GRO TCP's own
    work is most of a segment, with it it is next to nothing; jumbo frames share one header over six times the bytes."""
    rows: list[tuple[Any, ...]] = []
    for name, gro, mtu, together, published in ROWS:
        gbps, ns = transfer(gro, mtu, together, max(ms // 20, 2))
        theirs = (mtu - OVERHEAD) * 8 / published * GHZ
        rows.append((name, gbps, ns, theirs, 100 * off(ns, theirs)))
    ours = {r[0]: r[2] for r in rows}
    wide = 8948 / 1448
    return Found(
        (("with", ""), ("Gb/s", ".1f"), ("ns a segment, all CPUs", ",.0f"), ("published, at 3.6 GHz", ",.0f"), ("off, %", "+.0f")), rows,
        (Claim("merged segments that are read where they came, of 1,500 bytes and jumbo: within 20 % of the published",
               all(abs(r[4]) < 20 for r in rows if r[0] in CLOSE)),
         Claim("GRO makes a byte cheaper by three times and more", ours["nothing"] > 3 * ours["GRO"]),
         Claim("jumbo frames do without GRO", ours["nothing"] * wide > 4 * ours["jumbo"]),
         Claim("the cheapest byte is one of a jumbo frame that is merged and read where it came",
               ours["GRO, jumbo, aRFS"] / wide < min(ours["nothing"], ours["GRO"], ours["GRO, aRFS"]))),
        note="One line was fitted, nothing's tcp/ip, when a read still happened in an instant. Now a reader owns the connection while it "
             "copies, and what comes meanwhile is joined on the backlog, which makes unmerged segments a third cheaper than the published "
             "ones; it was not fitted anew. Nor does the price of distance come out for merged segments: bm36 copies a byte in 0.08 ns "
             "wherever it lies (published: 0.16 far from the cache, 0.10 with aRFS), and has neither the pages' way back from the "
             "reader's CPU nor the mm of jumbo frames (400 ns of 2,500), so that GRO with a reader elsewhere costs less than half of the "
             "published, and jumbo frames with GRO two thirds; unmerged jumbo frames gain less from aRFS than theirs. The "
             "published ns of a segment are those of a receiver's core divided by its Gb/s.")
