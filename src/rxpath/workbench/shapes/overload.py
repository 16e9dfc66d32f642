"""Shapes of overload: livelock by interrupts (Q1), polling and its quota (Q2), interrupts that stop coming (Q3), losses that move to the
ring (Q4), a reader on the queue's own CPU (Q9, and the curve that was measured on 6.18)."""
from __future__ import annotations

from typing import Any

from rxpath.cable.generate import ONE, Generated, Stream
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.run.simulation import START_NS, Simulation
from rxpath.workbench.shapes import ladder
from rxpath.workbench.shapes.measure import BASE, MAC, measure
from rxpath.workbench.shapes.shape import Chart, Claim, Found, Line, curve, host, shape

MOGUL = "Mogul & Ramakrishnan, Eliminating Receive Livelock, 1996"
HOWTO = "NAPI_HOWTO"
CLOUDFLARE = "Cloudflare, How to receive a million packets per second, 2015"


@shape("Q1", "Interrupt per packet against NAPI: receive livelock", kernel="6.18", profile="bm36", source=MOGUL)
def livelock(ms: int) -> Found:
    """A driver that handles each packet in its interrupt delivers more with the load up to a maximum (the MLFRR), then less, and in the end
    nothing: interrupts take all of the CPU, and what they queue is dropped from the backlog.  NAPI turns them off and stays at its peak.
    The reader has a CPU of its own."""
    ms = max(ms // 2, 10)
    rows = []
    for load in (100, 200, 300, 400, 500, 550, 600, 700, 800, 1000, 1500, 2000, 3000, 4000):
        irq, napi = (measure(host("6.18", "bm36", app=1, batch=64, napi=mode), load * 1e3, ms) for mode in ("none", "softirq"))
        rows.append((load, irq.read / 1e3, irq.cpus[0].hardirq / ms / 1e4, irq.dropped.get("CPU_BACKLOG", 0.0) / 1e3,
                     irq.lost_at_the_ring / 1e3, napi.read / 1e3, napi.lost_at_the_ring / 1e3))
    ours, polled = [r[1] for r in rows], [r[5] for r in rows]
    peak, best = max(ours), max(polled)
    at = ours.index(peak)
    rises = 0 < at < len(rows) - 1 and ours[:at + 1] == sorted(ours[:at + 1])
    falls = ours[at:] == sorted(ours[at:], reverse=True)
    dead = next((r[0] for r in rows[at:] if r[1] < 0.1 * peak), 0) / rows[at][0]
    return Found(
        (("offered, kpps", ",.0f"), ("interrupt per packet: read", ",.0f"), ("CPU in hard IRQs, %", ".0f"), ("lost at the backlog", ",.0f"),
         ("lost at the ring", ",.0f"), ("NAPI: read", ",.0f"), ("NAPI: lost at the ring", ",.0f")), rows,
        (Claim("with an interrupt per packet it rises to a peak", rises),
         Claim("then falls to less than 1 % of it", falls and ours[-1] < 0.01 * peak),
         Claim("at the end all of the CPU is in hard IRQs", rows[-1][2] > 99),
         Claim("what was begun is lost at the backlog", rows[-1][3] > 0),
         Claim("NAPI's peak is higher, and it stays within 2 % of it", best > 1.5 * peak and polled[-1] > 0.98 * best)),
        (Chart("q1", "offered, kpps", "read, kpps", (curve("interrupt per packet", rows, 0, 1), curve("NAPI", rows, 0, 5))),),
        "Published: on a DECstation of 1996 a peak of about 4,700 packets a second and full livelock near 6,000, 1.3 times the peak; "
        f"ours has lost nine tenths at {dead:.1f} times its peak.")


@shape("Q2", "Polling with and without a quota", kernel="3.10, 6.18", profile="bm36", source=f"{MOGUL}; 6.824 notes on figures 6-3, 6-4")
def quota(ms: int) -> Found:
    """Polling without a quota starves the later stage - here the reader, on the queue's CPU - and throughput collapses once the CPU is
    full; a poller with a quota stays flat at its peak."""
    ms = max(ms // 2, 10)
    unlimited: dict[str, Any] = {"sysctl": {"net.core.netdev_budget": 2147483647}}
    machines = {
        "3.10": host("3.10", "bm36", app=0), "3.10, budget without end": host("3.10", "bm36", app=0, **unlimited),
        "6.18": host("6.18", "bm36", app=0), "6.18, budget without end": host("6.18", "bm36", app=0, **unlimited),
        "6.18, threaded NAPI": host("6.18", "bm36", app=0, napi="threaded")}
    rows = [(load, *(measure(h, load * 1e3, ms).read / 1e3 for h in machines.values()))
            for load in (400, 600, 800, 900, 1000, 1200, 1500, 2000, 3000, 4000)]
    peak, best = max(r[3] for r in rows), max(r[5] for r in rows)
    return Found(
        (("offered, kpps", ",.0f"), *((f"read, {name}", ",.0f") for name in machines)), rows,
        (Claim("polling in softirqs: less than 1 % of the peak at 4 times the capacity", max(rows[-1][1], rows[-1][3]) < 0.01 * peak),
         Claim("threaded NAPI: within 2 % of its peak at any overload", all(r[5] > 0.98 * best for r in rows if r[0] > 1.1 * best)),
         Claim("netdev_budget is not that quota: without end, the same to 2 %",
               all(abs(r[a] - r[a + 1]) <= 0.02 * peak for r in rows for a in (1, 3)))),
        (Chart("q2", "offered, kpps", "read, kpps",
               (curve("3.10", rows, 0, 1), curve("6.18", rows, 0, 3), curve("6.18, threaded NAPI", rows, 0, 5))),),
        "Ours falls over a wider range of loads than Mogul's kernel without a quota, because ksoftirqd takes turns with the reader.  It "
        "comes to nothing all the same: net.core.netdev_budget divides softirq time between NAPIs, but a pass that uses it up is "
        "followed by the next one (up to ten), and the reader's own system call ends in them.  The quota against livelock is the "
        "scheduler's: with `nic.napi = \"threaded\"` the poll is a thread beside the reader, and each gets its share.")


SENT = ((60, 890e3, 409, 17), (128, 758e3, 464, 21), (256, 446e3, 775, 42), (512, 233e3, 994, 241_292), (1024, 119e3, 1000, 872_519),
        (1440, 85e3, 1000, 946_576))                         # frame, pps, taken of 1,000, interrupts of a million


@shape("Q3", "Interrupts of a million packets against their rate", kernel="3.10", profile="xeon2g_2015", source=HOWTO)
def interrupts(ms: int) -> Found:
    """A gigabit sender sends a million frames evenly, as fast as each size allows.  NAPI's interrupts go down as the rate goes up, and
    under overload there are none: the ring never runs empty, what is too much is lost in it."""
    count, rows = 12_500 * ms, []
    for size, pps, through, irqs in SENT:
        h = host("3.10", "xeon2g_2015", app=1, batch=1024)
        h["nic"] = BASE | h["nic"] | {"speed": "1Gbit"}
        h["app"][0]["wait"] = "busy"                             # who forwards wakes nobody
        stream = Stream(gap=round(1e9 / pps * ONE), left=count, sizes=((size - 42, 1.0),))
        with (Simulation(hostfile.build(h, "a shape's host")) as sim,
              Generated((stream,), start_ns=START_NS, mac=MAC) as traffic):
            sim.replay(traffic)
            books = sim.books()
        taken = 1000 - 1000 * books.dropped.get("RX_MISSED", 0) / count
        rows.append((size, pps / 1e3, books.queues[0].interrupts * 1_000_000 // count, irqs, taken, through))
    ours = [r[2] for r in rows]
    return Found(
        (("frame, bytes", "d"), ("kpps", ".0f"), ("interrupts of a million, ours", ",d"), ("published", ",d"),
         ("taken of 1,000, ours", ",.0f"), ("taken, published", ",d")), rows,
        (Claim("the lower the rate, the more interrupts", ours == sorted(ours)),
         Claim("overload: fewer than 100 of a million", max(ours[:3]) < 100),
         Claim("the slowest: an interrupt for nearly every frame", ours[-1] > 850_000),
         Claim("what is taken of 1,000 is within 15 % of the published", all(abs(r[4] / r[5] - 1) < 0.15 for r in rows))),
        (Chart("q3", "kpps", "interrupts of a million packets",
               (curve("ours", rows, 1, 2), curve("published", rows, 1, 3, True)), log_y=True),),
        "The published machine is another one (it forwarded, on hardware of 2001), but it could take about 360 kpps, as xeon2g_2015 "
        "does: the rates are the same load to both.  Frames come evenly here; how many interrupts there are at 512 and 1024 bytes hangs "
        "on how even the sender really was (at 1024 every second frame just meets the poll before it).  No interrupt throttling.")


@shape("Q4", "Under overload, losses move to the ring", kernel="6.18", profile="bm36", source=f"{HOWTO}; Cloudflare 2015, step 3")
def ring(ms: int) -> Found:
    """With NAPI what is too much is lost in the ring, before any work was spent on it: softnet_stat's dropped stays 0 without RPS,
    a packet that is read costs the same however many are lost."""
    ms = max(ms // 2, 10)
    rows = []
    for load in (500, 1000, 1500, 2000, 3000, 4000, 6000, 8000):
        m = measure(host("6.18", "bm36", app=1, batch=64), load * 1e3, ms)
        rows.append((load, m.read / 1e3, m.lost_at_the_ring / 1e3, m.softnet_dropped / 1e3, m.lost_at_the_socket / 1e3,
                     m.interrupt_ns(0) / (m.read * ms / 1000), 100 * m.busy(0), m.interrupts))
    over = [r for r in rows if r[2] > 0]
    return Found(
        (("offered, kpps", ",.0f"), ("read", ",.0f"), ("lost at the ring", ",.0f"), ("softnet dropped", ",.0f"),
         ("lost at the socket", ",.0f"), ("CPU 0, ns a packet read", ",.0f"), ("CPU 0 busy, %", ".0f"), ("interrupts a second", ",.0f")),
        rows,
        (Claim("losses are at the ring only, softnet dropped stays 0", bool(over) and all(r[3] == 0 and r[4] == 0 for r in rows)),
         Claim("more load does not lower what is read", min(r[1] for r in over) > 0.98 * max(r[1] for r in rows)),
         Claim("nor does a packet cost more", max(r[5] for r in over) < 1.02 * min(r[5] for r in over))),
        (Chart("q4", "offered, kpps", "kpps",
               (curve("read", rows, 0, 1), curve("lost at the ring", rows, 0, 2), curve("softnet dropped", rows, 0, 3))),))


@shape("Q9", "Receiver on the queue's CPU, 2015", kernel="3.10", profile="xeon2g_2015", source=f"{CLOUDFLARE}, step 4")
def same_cpu(ms: int) -> Found:
    """With the receiver on the CPU of the queue nothing has to cross between caches: its peak is higher than with a CPU of its own
    (430 against 360 kpps), and under overload it drops to zero."""
    def machine(cpu: int, rcvbuf: int = 1 << 20, usecs: int = 60) -> dict[str, Any]:
        h = ladder.host([0], [cpu])
        h["ethtool"]["rx-usecs"], h["socket"][0]["rcvbufforce"] = usecs, rcvbuf
        return h

    rows = []
    for load in (200, 300, 350, 380, 400, 420, 430, 440, 460, 500, 550, 650, 730):
        same, small, beside = (measure(h, load * 1e3, ms).read / 1e3 for h in (machine(0), machine(0, 106_496, 20), machine(1)))
        rows.append((load, same, small, beside))
    peak, small, other = (max(r[k] for r in rows) for k in (1, 2, 3))
    return Found(
        (("offered, kpps", ",.0f"), ("read, same CPU", ",.0f"), ("same, default buffer", ",.0f"), ("read, a CPU of its own", ",.0f")), rows,
        (Claim("the peak is higher than with a CPU of its own", peak > 1.05 * other),
         Claim("at twice the load of one queue: less than 1 % of it", rows[-1][1] < 0.01 * peak and rows[-1][2] < 0.01 * small),
         Claim("with a CPU of its own it stays at its peak", rows[-1][3] > 0.98 * other)),
        (Chart("q9", "offered, kpps", "read, kpps",
               (curve("same CPU", rows, 0, 1), curve("same CPU, default buffer", rows, 0, 2), curve("a CPU of its own", rows, 0, 3),
                Line("published peaks", [(360, 360), (430, 430)], True))),),
        "The profile's costs were fitted to both peaks, so that their size proves little; the fall to nothing comes by itself.  The "
        "article names neither the socket's buffer nor the interrupt throttling.  With the default buffer and 20 us, as in the ladder, "
        f"the same CPU does not win ({small:.0f} against {other:.0f} kpps): 92 datagrams fill the buffer, and softirqs bring more than "
        f"that before the reader has its turn again.  With 2 MiB and 60 us (columns 1 and 3) it does, {peak:.0f} against {other:.0f}.")


GUEST = ((100, 94.1), (200, 198.9), (300, 291.2), (400, 320.0), (458, 160.0), (1074, 1.5))


@shape("2b", "Receiver on the queue's CPU, 6.18", kernel="6.18", profile="vm_xeon", source="measured on a KVM guest, Linux 6.18")
def same_cpu_guest(ms: int) -> Found:
    """One recvfrom a datagram, softirq and reader on one CPU: a peak, a steep fall, nearly nothing.  The reader's own system calls end in
    ten passes of the softirq, so that it gets one datagram for some 640 that were processed."""
    found = ladder.overload_curve((50, 100, 200, 300, 350, 400, 458, 500, 600, 700, 1074), ms)
    at, measured = dict(found), dict(GUEST)
    peak = max(at.values())
    return Found(
        (("offered, kpps", ",.0f"), ("read, ours", ",.1f"), ("measured", ",.1f")), [(x, y, measured.get(round(x))) for x, y in found],
        (Claim("all is read up to 200 kpps", at[200] > 190),
         Claim("the peak is within 15 % of the measured 320 kpps", abs(peak / 320 - 1) < 0.15),
         Claim("it falls", at[350] > at[458] > at[600] > at[1074]),
         Claim("nearly nothing at a million", at[1074] < 0.02 * peak)),
        (Chart("2b", "offered, kpps", "read, kpps", (Line("ours", found), Line("measured", GUEST, True))),),
        "At 458 kpps half as much was read as ours does: the machine that was measured is not the one that vm_xeon's costs are of, and the "
        "sender shared its two CPUs with the receiver.")
