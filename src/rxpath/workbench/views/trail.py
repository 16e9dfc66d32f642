"""A packet's way for a person, one line for each station, after retis: time, distance to the line before, CPU, context, station, cost."""
from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rxpath.abi.reasons import DELIVERED, Drop
from rxpath.abi.spent import Place
from rxpath.path import Stage
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.trail import Packet, Trail, context
from rxpath.workbench.run.where_lost import Loss
from rxpath.workbench.views.spent import PLACES
from rxpath.workbench.words.figures import ns

WAITS = ("throttle", "interrupt", "ring", "backlog", "wake_up", "socket", "batch")     # of the places; elsewhere it is being worked on


def render(trail: Trail, outcome: Outcome) -> Group:
    """Every packet that was watched, then what was left out."""
    parts: list[Any] = []
    for packet in trail.packets.values():
        parts += [_packet(packet, outcome), Text()]
    if not trail.packets:
        parts += [Text(f"trail: no frame fits {', '.join(f.text for f in trail.filters)}", "yellow"), Text()]
    if trail.more:
        parts += [Text(f"trail: {trail.more:,} more frames fit; not printed (--trail-limit {trail.limit})", "yellow"), Text()]
    if trail.lost_marks:
        parts += [Text(f"trail: {trail.lost_marks:,} marks found no room and are missing above", "yellow"), Text()]
    return Group(*parts)


def _packet(p: Packet, outcome: Outcome) -> Group:
    end = p.reason()
    model = f"cost profile {outcome.host.profile}, kernel {outcome.host.kernel}"
    title = Text(f"frame {p.frame}: {p.headers}, {p.length} bytes ({model})", "bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("time", "+", "CPU"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("context", "station"):
        table.add_column(name, no_wrap=True)
    table.add_column("cost", justify="right", no_wrap=True)
    table.add_row(_clock(p.t), "", "", "wire", "the last bit arrives", "")
    before = p.t
    for m in p.marks:
        if m.stage == Stage.SPENT:
            place = Place(m.arg).name.lower()
            if place in WAITS:
                table.add_row(_clock(m.t), "", str(m.cpu), "", Text(f"waited {ns(m.cost)}: {PLACES[place]}", "yellow"), "")
            elif m.arg == Place.WORK:
                table.add_row(_clock(m.t), ns(m.t - before), str(m.cpu), "task", Text("the program is done with it", "green"), ns(m.cost))
            continue
        ended = m.stage == Stage.kfree_skb and m.arg
        what = _end(Drop(m.end())) if ended else Text(Stage(m.stage).name)
        table.add_row(_clock(m.t), ns(m.t - before), str(m.cpu), context(m), what, ns(m.cost) if m.cost else "")
        before = m.t
    last = Text("")
    if end == Drop.NOT_DROPPED_YET:
        where = "still under way when the run ended" if p.marks else "no station saw it: it is still on the cable or in the ring"
        last = Text(where, "yellow")
    elif end not in DELIVERED:
        loss = Loss(end.name, p.where(), 1)
        last = Text(f"{loss.kind.value}: {end.name}: {loss.meaning}; {loss.where(outcome.host.kernel)}", "red")
    return Group(title, table, *([last] if last.plain else []))


def _clock(t: int) -> str:
    """Seconds, in exact decimal digits."""
    return f"{t // 1_000_000_000}.{t % 1_000_000_000:09d}"


def _end(reason: Drop) -> Text:
    if reason == Drop.RECEIVED:
        return Text("read by the application", "green")
    if reason == Drop.CONSUMED:
        return Text("consumed by the kernel", "green")
    return Text(f"kfree_skb_reason {reason.name}", "red")
