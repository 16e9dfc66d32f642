"""A packet's way for a person, one line for each station, with the columns of retis and pwru: time, distance to the line before, CPU,
context, station, cost.  Stations are indented by their room, as the calls are nested; under one stands what it found: its place in the
ring, the route, the socket and what was in its queue.  lines() is the same as JSON, a packet in each line."""
from __future__ import annotations

import json
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rxpath.abi.reasons import DELIVERED, Drop
from rxpath.abi.spent import Place
from rxpath.path import STATIONS, Stage
from rxpath.workbench.run.frame_numbers import called
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.trail import Packet, Trail, context
from rxpath.workbench.run.where_lost import Loss
from rxpath.workbench.views.spent import PLACES
from rxpath.workbench.words.figures import ns

DEPTH = {"drivers": 0, "irq": 0, "link": 1, "network": 2, "transport": 3, "user": 4}     # of a room, in steps of two columns
WAITS = ("throttle", "interrupt", "ring", "backlog", "hole", "wake_up", "socket", "batch")  # of the places; elsewhere it is worked on


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
    title = Text(f"{called(p.frame)}: {p.headers}, {p.length} bytes ({model})", "bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("time", "+", "CPU"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("context", no_wrap=True)
    table.add_column("station", overflow="fold")            # what a station found may be long
    table.add_column("cost", justify="right", no_wrap=True)
    table.add_row(_clock(p.t), "", "", "wire", "the last bit arrives", "")
    before = p.t
    for m, found in zip(p.marks, p.facts, strict=True):
        if m.stage == Stage.SPENT:
            place = Place(m.arg).name.lower()
            if place in WAITS:
                table.add_row(_clock(m.t), "", str(m.cpu), "", Text(f"waited {ns(m.cost)}: {PLACES[place]}", "yellow"), "")
            elif m.arg == Place.WORK:
                table.add_row(_clock(m.t), ns(m.t - before), str(m.cpu), "task", Text("the program is done with it", "green"), ns(m.cost))
            continue
        ended = m.stage == Stage.kfree_skb and m.arg
        indent = "" if ended else "  " * _depth(Stage(m.stage))
        if not found or m.cost or m.t != before or m.stage not in SAID_AGAIN:
            what = _end(Drop(m.end())) if ended else Text(indent + Stage(m.stage).name)
            table.add_row(_clock(m.t), ns(m.t - before), str(m.cpu), context(m), what, ns(m.cost) if m.cost else "")
        if found:
            table.add_row("", "", "", "", Text(f"{indent}  {_fact(found)}", "cyan"), "")
        before = m.t
    last = Text("")
    if end == Drop.NOT_DROPPED_YET:
        where = "still under way when the run ended" if p.marks else "no station saw it: it is still on the cable or in the ring"
        last = Text(where, "yellow")
    elif end not in DELIVERED:
        loss = Loss(end.name, p.where(), 1)
        last = Text(f"{loss.kind.value}: {end.name}: {loss.meaning}; {loss.where(outcome.host.kernel)}", "red")
    return Group(title, table, *([last] if last.plain else []))


SAID_AGAIN = (Stage.skb_gro_receive, Stage.nf_rule)         # a further mark that only tells what was found


def _depth(stage: Stage) -> int:
    station = STATIONS.get(stage)
    return DEPTH.get(station.room, 0) if station is not None else 0


def _fact(f: dict[str, Any]) -> str:
    """In words."""
    if "slot" in f:
        return f"queue {f['queue']}, slot {f['slot']} of {f['of']}, {f['waiting']} waiting, poll {f['poll']:,}"
    if "route" in f:
        return f"route {f['route']} {f['type']}, table {f['table']}"
    if "merged_into" in f:
        return f"into frame {f['merged_into']}" + (f", segment {f['segment']}" if "segment" in f else "")
    if "behind" in f:
        return f"{f['behind']} behind it on this CPU's backlog"
    if "rule" in f:
        return f"{f['rule']}, line {f['line']}: {f['target']}"
    name = f"{f['socket']} {f['name']}" if "name" in f and f["name"] != f["socket"].replace(":", "") else f["socket"]
    return f"{name}: {f['queued']} there, {f['bytes']:,} of {f['limit']:,} bytes" if "queued" in f else name


def lines(trail: Trail) -> str:
    """JSON lines: a packet each."""
    return "".join(f"{json.dumps(p)}\n" for p in trail.describe())


def _clock(t: int) -> str:
    """Seconds, in exact decimal digits."""
    return f"{t // 1_000_000_000}.{t % 1_000_000_000:09d}"


def _end(reason: Drop) -> Text:
    if reason == Drop.RECEIVED:
        return Text("read by the application", "green")
    if reason == Drop.CONSUMED:
        return Text("consumed by the kernel", "green")
    return Text(f"kfree_skb_reason {reason.name}", "red")
