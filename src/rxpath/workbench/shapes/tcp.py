"""What a TCP segment costs at full speed: unmerged, merged by GRO, in jumbo frames, read where it was received or on another node.

As published (Cai et al., SIGCOMM 2021, and the scripts of its artifact): Linux 5.4, iperf, which waits in recv() with 128 KiB, on CPU 0;
without aRFS the card's interrupt is CPU 1's, which is another node's.  The card's pages lie on the node of the CPU that polls it: that one
is `nic.node`."""
from __future__ import annotations

from typing import Any

from rxpath.workbench.run.replay import replay
from rxpath.workbench.shapes.shape import Claim, Found, off, shape
from rxpath.workbench.traffic import spec as trafficfile

GHZ = 3.4 / 3.6                                             # their clock over bm36's
OVERHEAD = 52                                               # IP, TCP and time stamps of a frame of the MTU
FITTED = "nothing"
ROWS = (                                                    # GRO, MTU, read on the queue's CPU (aRFS), published Gb/s a receiver's core
    (FITTED, False, 1500, False, 4.78), ("GRO", True, 1500, False, 14.98), ("jumbo", False, 9000, False, 25.9),
    ("GRO, jumbo", True, 9000, False, 27.64), ("GRO, aRFS", True, 1500, True, 28.3), ("jumbo, aRFS", False, 9000, True, 40.8),
    ("GRO, jumbo, aRFS", True, 9000, True, 41.21))


def transfer(gro: bool, mtu: int, together: bool, ms: int) -> tuple[float, float]:
    """(Gb/s that the program reads, ns of all CPUs for a segment): one connection as fast as its window lets it, over 100 Gb/s."""
    host: dict[str, Any] = {
        "kernel": "5.4", "profile": "bm36", "cpus": 2, "cpu": {"nodes": [[0], [1]]},
        "nic": {"queues": 1, "speed": "100Gbit", "mtu": mtu, "node": 0}, "irq": {"0": 0},
        "ethtool": {"rx": 4096, "gro": gro, "rx-usecs": 0}, "sysctl": {"net.ipv4.tcp_rmem": "4096 131072 6291456"},
        "socket": [{"name": "in", "proto": "tcp", "bind": "*:80"}],
        "app": [{"name": "r", "sockets": ["in"], "cpu": 0 if together else 1, "wait": "recv", "buffer": "128KiB"}]}
    client = {"size": "1GiB", "duration": f"{ms}ms", "mss": mtu - 40, "cwnd": 0, "rtt": "30us"}
    books = replay(trafficfile.build({"client": [client]}), host, spends=False).books
    octets = sum(a.connections.bytes for a in books.apps if a.connections is not None)
    busy = sum(ns for context, ns in books.cpu_ns().items() if context != "idle")
    return octets * 8 / (ms * 1e6), busy / max(octets / (mtu - OVERHEAD), 1)


@shape("tcp", "What a TCP segment costs", kernel="5.4", profile="bm36", source="Cai et al., SIGCOMM 2021 (kernel 5.4, 3.4 GHz)")
def tcp_segment(ms: int) -> Found:
    """One connection into one program at full speed, the reader on a CPU of another node or, with aRFS, on the queue's. Without GRO most
    of a segment is TCP's own work and lines that cross between the CPUs, with it next to nothing of it; jumbo frames share one header
    over six times the bytes."""
    rows: list[tuple[Any, ...]] = []
    for name, gro, mtu, together, published in ROWS:
        gbps, ns = transfer(gro, mtu, together, max(ms // 8, 5))
        theirs = (mtu - OVERHEAD) * 8 / published * GHZ
        rows.append((name, gbps, ns, theirs, 100 * off(ns, theirs)))
    ours = {r[0]: r[2] for r in rows}
    wide = 8948 / 1448
    return Found(
        (("with", ""), ("Gb/s", ".1f"), ("ns a segment, all CPUs", ",.0f"), ("published, at 3.6 GHz", ",.0f"), ("off, %", "+.0f")), rows,
        (Claim("the first line, which was fitted, within 3 % of the published",
               all(abs(r[4]) < 3 for r in rows if r[0] == FITTED)),
         Claim("with GRO, jumbo frames, aRFS and all of them within 20 %", all(abs(r[4]) < 20 for r in rows if r[0] != FITTED)),
         Claim("GRO makes a byte cheaper by three times and more", ours[FITTED] > 3 * ours["GRO"]),
         Claim("jumbo frames do without GRO", ours[FITTED] * wide > 4 * ours["jumbo"]),
         Claim("a merged byte that is read where it came is cheaper by 1.5 times and more",
               ours["GRO"] > 1.5 * ours["GRO, aRFS"] and ours["GRO, jumbo"] > 1.5 * ours["GRO, jumbo, aRFS"]),
         Claim("the cheapest byte is one of a jumbo frame that is merged and read where it came",
               ours["GRO, jumbo, aRFS"] / wide < min(ours[FITTED], ours["GRO"], ours["GRO, aRFS"]))),
        note="One figure was fitted, on the first line: TCP_BOUNCE_NODE, 800 ns for the lines of a connection and of an sk_buff, "
             "each time that they come from the other node. TCP's own work is as measured on one CPU of a virtual machine, a page's "
             "is from a benchmark of the page allocator, what a page's line costs is UDP's BOUNCE_NODE, and copies are bm36's, 1.25 "
             "times as long from the other node. The published flow without GRO spends 55 % in TCP and IP and 9 % in locks; of ours "
             "a half is such lines. Farthest off are unmerged jumbo frames with a reader elsewhere: the published ones cost 7 % more "
             "than merged ones, ours 14 %, so that what the first line says of an sk_buff is too much for theirs. The published Gb/s "
             "are 9.0, 26.6, 32.5 (GRO, jumbo) and 42.2 (with all); their ns of a segment are those of a receiver's core divided by "
             "its Gb/s. With aRFS their reader and interrupts share a CPU, as here.")
