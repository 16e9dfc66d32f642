"""What a reader must know beside the table: losses that no setting can save, and why nothing is recommended.  Every sentence is made from
the figures that it names."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from rxpath.workbench.advice.answer import Tried
from rxpath.workbench.advice.rules import Rule
from rxpath.workbench.advice.runs import Runs
from rxpath.workbench.advice.verdict import Verdicts
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.where_lost import losses

NO_CONNECTION = "nobody listens on that port, or their connection had ended here before they came"


def all_of(run: Outcome, facts: Mapping[str, float], fired: Sequence[Rule], v: Verdicts, knobs: Sequence[Tried], runs: Runs,
           unfinished: bool) -> list[str]:
    out = [f"a candidate could not be run: {text}" for text in runs.failed[:1]]
    best = next((t for t in knobs if t.helped in ("yes", "partly") and t.lasting), None)
    if v.goal == "loss":
        out += _not_savable(run, v, best)
    if v.goal == "loss" and not v.savable:
        return out
    if best is None:
        out.append(_nothing_helps(v, facts, knobs, runs, unfinished))
    elif v.goal == "loss" and best.part == 1 and best.saved < v.savable / 2:
        limit = overloaded(facts)
        out.append("the best of them saves less than half" + (f": {limit}" if limit else "; nothing else that was tried saves more"))
    return out


def _not_savable(run: Outcome, v: Verdicts, best: Tried | None) -> list[str]:
    """Frames that no setting of the host can save, with their class and what is said of it."""
    out = []
    ends: dict[tuple[str, str], int] = {}
    for loss in losses(run.books.lost_at):
        ends[loss.reason, loss.kind.value] = ends.get((loss.reason, loss.kind.value), 0) + loss.n
    for (reason, kind), n in sorted(ends.items(), key=lambda item: (-item[1], item[0])):
        word = v.rules.saved_by_no_knob(reason)
        if best is not None and reason in v.may:
            n = min(n, best.dropped_after.get(reason, 0))
        segments = _segments_without_connection(run, n) if reason == "NO_SOCKET" else 0
        if word and n - segments > 0:
            out.append(f"{n - segments:,} {kind}, {reason}{' (UDP)' if segments else ''}: {word}")
        if segments:
            out.append(f"{segments:,} {kind}, {reason} (TCP): {NO_CONNECTION}")
    return out


def _segments_without_connection(run: Outcome, lost: int) -> int:
    """Of the frames that found no socket, those of TCP: UDP's own counter says how many were not."""
    return max(0, min(lost, run.dropped.get("NO_SOCKET", 0) - run.books.snmp.get("Udp.NoPorts", 0)))


def _nothing_helps(v: Verdicts, facts: Mapping[str, float], knobs: Sequence[Tried], runs: Runs, unfinished: bool) -> str:
    """Why there is no recommendation."""
    if runs.interrupted:
        return "nothing that was tried until then helps"
    if unfinished:
        return "nothing that was tried within the budget helps" if knobs else "the budget allows no knob to be tried"
    what = {"loss": "saves them", "latency": "makes the latency better", "cpu": "saves CPU time"}[v.goal]
    limit = overloaded(facts) if v.goal == "loss" else ""
    if not knobs:
        return f"there is no setting to try that {what}" + (f": {limit}" if limit else "")
    return f"nothing that was tried {what}" + (" for good" if any(not t.lasting and t.helped != "no" for t in knobs) else "") \
        + (f": {limit}" if limit else "")


def overloaded(facts: Mapping[str, float]) -> str:
    """What is overloaded for good, if anything is."""
    if facts["unread_share"] == 1:
        return "no program reads the sockets that overflowed"
    if facts["reader_demand"] >= 1 > facts["reader_load"] and facts["buffer_lost"]:
        if facts["reader_cpu_load"] >= 0.2:
            return f"other threads take {min(facts['reader_cpu_load'], 1):.0%} of the program's CPU, and it needs more than its share"
        taken = facts["reader_cpu_softirq"]
        if taken >= 0.995:                                  # they go on after the last frame: not "104% of it"
            return "interrupts and softirqs take all of the program's CPU"
        return f"interrupts and softirqs take {taken:.0%} of the program's CPU, and it needs more than is left"
    if facts["reader_load"] >= 1 and facts["buffer_lost"]:
        return (f"the program gets {facts['reader_load']:.1f} times what it can read; it needs less work for each datagram, or more CPUs "
                "and sockets")
    if facts["ring_load"] >= 1 and facts["lost.RX_MISSED"]:
        return (f"the CPU that polls gets {facts['ring_load']:.1f} times what it can do; it needs a faster CPU, more CPUs with flows that "
                "differ, or less traffic")
    if facts["backlog_load"] >= 1:
        return f"the CPU that works the backlog off gets {facts['backlog_load']:.1f} times what it can do"
    return ""
