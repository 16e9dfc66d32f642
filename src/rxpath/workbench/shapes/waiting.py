"""Shapes of waiting: latency against load (Q7), what a larger buffer buys (Q11)."""
from __future__ import annotations

from rxpath.workbench.shapes.measure import measure
from rxpath.workbench.shapes.shape import Chart, Claim, Found, Line, curve, host, shape

TRUESIZE = 2304                                              # of a small datagram from igb
RCVBUF = 106_496                                             # half of rmem_default: SO_RCVBUF doubles it


@shape("Q7", "Latency against load is a bathtub", kernel="6.18", profile="bm36", source="Beifuss et al. 2015 (shape)")
def bathtub(ms: int) -> Found:
    """Last bit on the wire to the return of recvfrom(): at low load the CPUs are in deep idle states and each packet wakes them; in the
    middle is the minimum; at saturation queues fill, and from then on latency is bounded by ring / rate."""
    machine = host("6.18", "bm36", app=1, rx=256, usecs=20, cpu={"idle": "C6"})
    rows = []
    for load in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1300, 1500, 1600, 1700, 2000, 3000):
        m = measure(machine, load * 1e3, ms * 10 if load < 50 else max(ms // 2, 10))
        rows.append((load, m.latency.mean / 1e3, m.latency.quantiles["p50"] / 1e3, m.latency.quantiles["p99"] / 1e3, m.read / 1e3,
                     m.lost_at_the_ring / 1e3))
    mean = [r[1] for r in rows]
    best, bound = min(mean), 256 / rows[-1][4] * 1e3
    return Found(
        (("offered, kpps", ",g"), ("mean, us", ".1f"), ("p50, us", ".1f"), ("p99, us", ".1f"), ("read, kpps", ",.1f"),
         ("lost at the ring", ",.1f")), rows,
        (Claim("at the lowest load more than five times the minimum", mean[0] > 5 * best),
         Claim("the minimum is in the middle", 3 < mean.index(best) < len(mean) - 3),
         Claim("at saturation more than five times the minimum again", mean[-1] > 5 * best),
         Claim("overload: bounded by ring / rate, within 10 %", abs(mean[-1] / bound - 1) < 0.1)),
        (Chart("q7", "offered, kpps", "latency, us", (curve("mean", rows, 0, 1), curve("p99", rows, 0, 3)), log_x=True, log_y=True),),
        "rx-usecs 20, idle states down to C6 (133 us to leave it, on both CPUs), a ring of 256.  igb's throttling counts from the last "
        "interrupt, so that it delays nothing at low load; a card that waits after the first packet would add its 20 us there.")


@shape("Q11", "A bigger buffer: the same loss, more delay", kernel="6.18", profile="bm36", source="queueing theory; netdata #984")
def buffers(ms: int) -> Found:
    """In lasting overload a buffer, of whatever size, is full: what is lost is what is too much, and who is not lost waits for size / rate.
    Below capacity a larger one changes nothing that was not lost before."""
    rows = []
    for times in (1, 2, 4, 8, 16):
        h = host("6.18", "bm36", app=1, usecs=20)
        h["socket"][0]["rcvbufforce"], h["app"][0]["service"] = RCVBUF * times, 9500
        m, below = (measure(h, load, ms * 2) for load in (200e3, 50e3))
        slots = 2 * RCVBUF * times / TRUESIZE
        rows.append(("receive buffer", slots, m.read / 1e3, 100 * m.lost_at_the_socket / m.offered, m.latency.mean / 1e3,
                     slots / m.read * 1e6, below.latency.mean / 1e3))
    for slots in (256, 512, 1024, 2048, 4096):
        m, below = (measure(host("6.18", "bm36", app=1, rx=slots), load, max(ms // 2, 10)) for load in (2.5e6, 0.8e6))
        rows.append(("ring", slots, m.read / 1e3, 100 * m.lost_at_the_ring / m.offered, m.latency.mean / 1e3,
                     slots / m.read * 1e6, below.latency.mean / 1e3))
    sockets, rings = rows[:5], rows[5:]
    same_loss = all(max(r[3] for r in part) - min(r[3] for r in part) < 1 for part in (sockets, rings))
    return Found(
        (("buffer", ""), ("datagrams", ",.0f"), ("read, kpps", ",.1f"), ("lost, %", ".1f"), ("mean latency, us", ",.0f"),
         ("size / rate, us", ",.0f"), ("below capacity, us", ",.1f")), rows,
        (Claim("the loss is the same within 1 % of the load", same_loss),
         Claim("the delay of a ring is size / rate within 15 %", all(abs(r[4] / r[5] - 1) < 0.15 for r in rings)),
         Claim("that of a receive buffer is 0.75 to 1 of it", all(0.75 <= r[4] / r[5] <= 1.0 for r in sockets)),
         Claim("below capacity nothing changes", all(abs(r[6] / part[0][6] - 1) < 0.01 for part in (sockets, rings) for r in part))),
        (Chart("q11", "size / rate, us", "mean latency, us",
               (curve("receive buffer", sockets, 5, 4), curve("ring", rings, 5, 4),
                Line("size / rate", [(100, 100), (16000, 16000)], True)),
               log_x=True, log_y=True),),
        "A receive buffer is on average not quite full: what was read is given back only when it comes to a quarter of the buffer.")
