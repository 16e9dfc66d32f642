"""Where the model and the host disagree: which assumption would explain it.  Each sentence is bound to figures of the case."""
from __future__ import annotations

from collections.abc import Iterator

from rxpath.workbench.case.result import Beside, Row
from rxpath.workbench.case.truth import Truth
from rxpath.workbench.readings.case import Recorded
from rxpath.workbench.readings.records import Rules, Sysctls

SMALLEST = 512                                              # bytes that the shortest datagram holds in a queue, at least (skb truesize)
BURSTS = "bursts or pauses shorter than the {interval:.1f} s between two samples"


def explain(case: Recorded, found: Truth, b: Beside) -> Iterator[str]:
    """Of each class that differs."""
    for row in b.rows:
        if row.real is not None and not row.judged:
            yield _unseen(case, row)
            continue
        if row.real is None or row.agrees:
            continue
        yield f"{row.title}: really {row.real:,}, here {row.ours:,}. " + " ".join(_why(case, found, b, row))


def _why(case: Recorded, found: Truth, b: Beside, row: Row) -> Iterator[str]:
    less = row.real is not None and row.ours < row.real
    if b.tap_lost:
        yield f"The capture itself lost {b.tap_lost:,} frames, which the model never saw."
    if row.key == "socket":
        yield from _socket(b, row, less)
    elif row.key in ("ring", "backlog"):
        yield f"Costs are of the profile {b.host.profile}, not measured on this host; " + BURSTS.format(interval=b.interval) \
            + " decide here."
    elif row.key in ("no_port", "rules"):
        rules = any(True for _ in case.settings.of(Rules))
        if not rules:
            yield "The case has no rules of a firewall (iptables-save needs root): one that drops would come before."
        elif less:
            yield "A socket that was closed for a while, or a rule that is not modelled."
    elif row.key == "fragments":
        time = next((r.values["net.ipv4.ipfrag_time"] for r in case.settings.of(Sysctls) if "net.ipv4.ipfrag_time" in r.values), "30")
        yield (f"A reassembly ends {time} s after its first fragment: those that began before the recording end within it, those that "
               "begin late end behind it.")
    elif row.key == "squeeze":
        yield "It depends on what a poll costs, and on everything else that this machine's CPUs did: no loss by itself."
    else:
        yield "No assumption of the model would explain it: a cause that is not in the case."


def _unseen(case: Recorded, row: Row) -> str:
    return (f"{row.title}: really {row.real:,}, which are not in the capture: it is taken behind that place, and the model has seen only "
            f"what got through ({row.ours:,} lost). Not judged here; rxpath whatif {case.name} fits traffic to what the counters say was "
            "lost.")


def _socket(b: Beside, row: Row, less: bool) -> Iterator[str]:
    queued = sum(r.queued_first for r in b.readers)
    if less and queued and row.real is not None and row.real - row.ours <= queued // SMALLEST:
        yield f"When the recording began {queued:,} bytes were queued already; here the queues begin empty."
    elif b.fitted is not None:
        yield "No single time of work fits both halves: it changed meanwhile, or there are " + BURSTS.format(interval=b.interval) + "."
    elif not b.readers:
        yield "No program is known that reads it, and no service time would give these losses."
    elif less:
        yield "The program was slower than its CPU time says, or there were " + BURSTS.format(interval=b.interval) + "."
    else:
        yield "The program was quicker than measured when it mattered, for instance by reading several datagrams in a call."
