"""Shapes of receivers: the eleven steps of Cloudflare's ladder (ladder), threads that share a socket (Q10)."""
from __future__ import annotations

from rxpath.workbench.shapes import ladder as steps
from rxpath.workbench.shapes.measure import measure
from rxpath.workbench.shapes.overload import CLOUDFLARE
from rxpath.workbench.shapes.shape import Chart, Claim, Found, Line, curve, shape


@shape("ladder", "From 200 thousand to 1.4 million packets a second", kernel="3.10", profile="xeon2g_2015", source=CLOUDFLARE)
def ladder(ms: int) -> Found:
    """Eleven configurations of one machine, each with its rate and the counter that moves.  Four of the rates made the profile (its head
    says which); the other seven, and every direction, come out."""
    found = steps.ladder(ms)
    ours = {r.step: r.ours for r in found}
    rows = [(r.step, r.what, f"{r.low:.0f}" if r.low == r.high else f"{r.low:.0f}-{r.high:.0f}", r.ours, 100 * r.by, r.told) for r in found]
    return Found(
        (("step", ""), ("what", ""), ("published, kpps", ""), ("ours", ",.0f"), ("off, %", "+.0f"), ("what is lost, ours", "")), rows,
        (Claim("every rate is within 20 % of the published range", all(abs(r.by) <= 0.2 for r in found)),
         Claim("pinned beats roaming, another core beats the hyper-thread, the same node beats the other",
               ours["C2"] > max(ours["C1"], ours["C5"], ours["C6"])),
         Claim("more queues bring more until the receiver is full; then they take from it", ours["C2"] < ours["C7"] > ours["C8"]),
         Claim("sockets of their own bring the million", min(ours["C10"], ours["C11"]) > 1000)),
        (Chart("ladder", "", "kpps", (curve("ours", rows, 0, 3),
                                      Line("published (middle)", [(r.step, (r.low + r.high) / 2) for r in found], True)), bars=True),),
        "Not in the article, ours: rings of 1024, 20 us of throttling, default buffers, Poisson arrivals, 365 kpps on each queue, for "
        "C1 10 % of other load on each CPU.  C4 does not beat C2 and C3 here as it does there: Q9 says why.")


@shape("Q10", "More threads on one socket", kernel="3.10", profile="xeon2g_2015", source=f"{CLOUDFLARE}, steps 7, 9 and 10")
def threads(ms: int) -> Found:
    """Two busy queues: a second thread on the same socket lowers the rate (650 to 480 kpps were seen), because softirqs and readers
    take the socket's lines from each other; with a socket each, more threads do not lower it."""
    rows = []
    for n in (1, 2, 3, 4):
        cpus = [1, 3, 4, 5][:n]
        shared = measure(steps.host([0, 2], cpus), steps.SENDER, ms)
        own = measure(steps.host([0, 2], cpus, ports=n), steps.SENDER, ms, ports=n)
        rows.append((n, shared.read / 1e3, {1: "609-657", 2: "461-495"}.get(n, ""), own.read / 1e3))
    return Found(
        (("threads", "d"), ("read, one socket, kpps", ",.0f"), ("published", ""), ("read, a socket each", ",.0f")), rows,
        (Claim("a second thread on the socket lowers the rate by more than 10 %", rows[1][1] < 0.9 * rows[0][1]),
         Claim("so does every further one", rows[3][1] < rows[2][1] < rows[1][1]),
         Claim("with a socket each it rises", rows[1][3] > rows[0][3] and rows[3][3] > 0.98 * rows[1][3])),
        (Chart("q10", "threads", "read, kpps", (curve("one socket", rows, 0, 1), curve("a socket each", rows, 0, 3),
                                                Line("published, one socket", [(1, 633), (2, 478)], True))),),
        "The published loss is larger: 25 %.  Two queues send to two ports and can take some 720 kpps in all: a third socket has "
        "nothing to do.")
