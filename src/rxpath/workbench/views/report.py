"""The report for a person: who received, the funnel from the wire to the application with every loss as a side exit, where the CPU time
went, how full the queues were, how long it took.  Made from the books alone."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rxpath.abi.kernels import KERNELS
from rxpath.abi.reasons import Kind
from rxpath.workbench.advice.assumed import assumed
from rxpath.workbench.advice.expected_error import expected_error, in_words
from rxpath.workbench.advice.states import little, states
from rxpath.workbench.host.model.device import Device
from rxpath.workbench.host.sysctl_conf import without_effect
from rxpath.workbench.run.books import CONTEXTS, Books, SocketBooks
from rxpath.workbench.run.machine import CLIENTS
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.where_lost import STEP_TITLE, Loss, steps
from rxpath.workbench.traffic.capture import NOT_OFFERED
from rxpath.workbench.views import hosts
from rxpath.workbench.views.spent import spent
from rxpath.workbench.views.terminal import table as table_of
from rxpath.workbench.views.terminal import titled
from rxpath.workbench.words.figures import ns, share

SOCKETS_SHOWN, LINES_SHOWN = 20, 5


# ---------------------------------------------------------------- head
def header(run: Outcome) -> list[str]:
    """What was replayed, to whom, on what; every figure below belongs to this kernel, profile and seed."""
    b, host = run.books, run.host
    kept = [f"{n:,} not offered ({NOT_OFFERED[why]})" for why, n in run.not_offered.items()]
    unverified = "" if KERNELS[host.kernel].verified else " (unverified)"
    where = "" if host._source == "host" else f"host {Path(host._source).name}: "
    out = [
        f"{run.traffic.title()}: {b.offered:,} frames offered in {ns(run.traffic.duration_ns)}" + "".join(f"; {k}" for k in kept),
        f"receiver: {run.receiver.evidence}",
        f"{where}kernel {host.kernel}{unverified}, cost profile {host.profile}, seed {host.seed}; {host.cpus} CPUs, HZ {host.ticks}, "
        + "; ".join(_nic(dev) for dev in host.devices),
        *(f"{dev.name}: {dev.nic.driver} is not simulated, {dev.driver.name} ({dev.model}) stands in for it"
          for dev in host.devices if dev.stands_in),
        *(f"sysctls without effect here: {said}" for said in without_effect(host._without_effect)),
    ]
    made = [f"{host.devices[i].name}.{vid}" for i, vid in host.vlans(run.receiver.vlans) if host.devices[i].nic.vlans == "auto"]
    if made:
        out.append(f"VLAN devices for the tags of the traffic: {', '.join(made)}; nic.vlans says which there are")
    out += [run.taught.text] if run.taught is not None else []
    out.append(f"assumed: {'; '.join(assumed(run))}")
    out += [said] if (said := in_words(expected_error(run))) else []
    if run.interrupted:
        out.append(f"INTERRUPTED: what follows is the state after {ns(b.elapsed_ns)} of virtual time")
    return out


def _nic(dev: Device) -> str:
    text = f"{dev.nic.driver} {dev.name}, {dev.queue_count} queue{'s' * (dev.queue_count > 1)}"
    if dev.driver.has_ring:
        text += f" of {dev.rx_ring} descriptors, rx-usecs {dev.rx_usecs}"
    return text


# ---------------------------------------------------------------- funnel
def funnel(run: Outcome) -> Group:
    """How many frames entered each step, and under it those that left there."""
    b = run.books
    table = table_of("", "", "", "")
    table.columns[0].no_wrap, table.columns[3].justify, table.columns[3].no_wrap = True, "left", False
    table.add_row("wire", f"{b.offered:,}", "", "")
    for step in steps(b):
        if step.name == "application":
            table.add_row(Text("application", "bold"), Text(f"{b.received:,}", "bold"), share(b.received, b.offered), "")
        else:
            table.add_row(STEP_TITLE[step.name], f"{step.entered:,}", "", Text(_beside(b, step.name), "dim"))
        for loss in step.losses:
            _side_exit(table, loss, run)
        if step.consumed:
            what = "ARP, answered by the kernel" if step.name == "link" else f"the kernel itself was the end of {_consumed(b)}"
            table.add_row("  └ kernel", f"{step.consumed:,}", share(step.consumed, b.offered), f"CONSUMED: {what}")
    if b.queued:
        table.add_row("  └ queued", f"{b.queued:,}", share(b.queued, b.offered), "still under way when the run ended")
    return titled("From the wire to the application (frames of the wire)", table)


def _side_exit(table: Table, loss: Loss, run: Outcome) -> None:
    style, kernel = "red" if loss.kind is Kind.LOST else "", run.host.kernel
    what = [f"{u.what}: {u.frames:,}" for u in run.books.unhandled if (u.reason, u.station) == (loss.reason, loss.station)]
    if len(what) > LINES_SHOWN:
        what[LINES_SHOWN:] = [f"{len(what) - LINES_SHOWN} more in --json"]
    why = Text.assemble((loss.reason, f"bold {style}"), f": {loss.meaning}\n", f"{'; '.join(what)}\n" if what else "",
                        (loss.where(kernel), "dim"))
    table.add_row(Text(f"  └ {loss.kind.value}", style), Text(f"{loss.n:,}", style), share(loss.n, run.books.offered), why)


def _consumed(b: Books) -> str:
    parts = [name for name, n in (("ICMP", b.snmp.get("Icmp.InMsgs", 0)), ("TCP segments", b.snmp.get("Tcp.InSegs", 0))) if n]
    return " and ".join(parts) or "its own protocols"


def _beside(b: Books, step: str) -> str:
    """What else happened at a step, in a few words."""
    c, out = b.copies, []
    if step == "NIC":
        if b.interrupts:
            out.append(f"{b.interrupts:,} interrupts")
        out += [f"ring of {_queue(b, q.queue)} up to {q.fill_max} of {q.size}" for q in b.queues if q.fill_max and len(b.queues) <= 2]
    elif step == "link":
        if c["gro_merged"]:
            out.append(f"GRO merged {c['gro_merged']:,} frames into others")
        if squeezed := b.softnet_sum("time_squeeze"):
            out.append(f"time_squeeze {squeezed:,}")
        if steered := b.softnet_sum("received_rps"):
            out.append(f"RPS steered {steered:,}")
    elif step == "IP" and c["fragments"]:
        out.append(f"{c['fragments']:,} fragments, {c['reassembled']:,} datagrams reassembled")
    elif step == "transport":
        errors, resets = b.snmp.get("Icmp.OutDestUnreachs", 0), b.snmp.get("Tcp.OutRsts", 0)
        if errors:
            out.append(f"{errors:,} ICMP unreachables sent")
        if resets:
            out.append(f"{resets:,} RST sent")
    return "; ".join(out)


# ---------------------------------------------------------------- CPUs, queues, sockets, latency
def cpus(run: Outcome) -> Group:
    b = run.books
    kinds = CONTEXTS[:-1]
    table = table_of("CPU", *CONTEXTS)
    shown = b.working() or b.cpus[:1]
    for c in shown:
        table.add_row(str(c.cpu), *[_spent(getattr(c, k), b.elapsed_ns) for k in kinds], share(c.idle, b.elapsed_ns))
        for s in b.senders:
            if s.cpu == c.cpu:
                table.add_row(f" sender to {s.device}", "", "",
                              *[_spent(n, b.elapsed_ns) for n in (s.syscall_ns, s.application_ns)], "")
        for stalled in b.stalls:
            if stalled.cpu == c.cpu:
                table.add_row(f" {stalled.stalls:,} stalls", _spent(stalled.hardirq_ns, b.elapsed_ns), "", "", "", "")
    if len(b.cpus) > 1:
        every, whole = b.cpu_ns(), b.elapsed_ns * len(b.cpus)
        table.add_row("all", *[_spent(every[k], whole) for k in kinds], share(every["idle"], whole))
    idle = len(b.cpus) - len(shown)
    rest = [Text(f"{idle} CPU{'s' * (idle != 1)} did nothing", "dim")] if idle else []
    return titled(f"CPU time, of {ns(b.elapsed_ns)} (cost profile {run.host.profile})", table, *rest)


def _spent(part: int, whole: int) -> str:
    return f"{ns(part)} {share(part, whole):>5}" if part else "-"


def socket_name(s: SocketBooks) -> str:
    """A socket in the report; a listener with how many connections came of it."""
    name = "tcp, opened by this host" if s.name == CLIENTS else f"{s.proto} {s.address}:{s.port}"
    return f"{name} ({s.connections:,} connection{'s' * (s.connections != 1)})" if s.connections else name


def sockets(run: Outcome) -> Group | None:
    b = run.books
    if not b.sockets:
        return None
    table = table_of("socket", "received", "drops", "unread", "queue", "memory", "of rcvbuf")
    shown = sorted(b.sockets, key=lambda s: (-s.drops, -s.received, s.name))[:SOCKETS_SHOWN]
    for s in shown:
        style = "red" if s.drops else ""
        table.add_row(socket_name(s), f"{s.received:,}", Text(f"{s.drops:,}", style=style), f"{s.queued:,}",
                      f"{s.queue_max:,}", f"{s.rmem_max:,}", f"{s.rcvbuf:,} {share(s.rmem_max, s.rcvbuf):>8}")
    if len(b.sockets) > len(shown):
        table.add_row(f"... {len(b.sockets) - len(shown)} more in --json", *[""] * 6)
    return titled("Sockets, queue and memory at their largest", table)


def _queue(b: Books, number: int) -> str:
    return f"{b.queues[number].card} queue {b.number_on_card(number)}".lstrip()


def cards(run: Outcome) -> Group | None:
    """Several cards: what each took and lost."""
    b = run.books
    if not b.cards:
        return None
    table = table_of("card", "frames", "rx_packets", "rx_missed", "rx_fifo", "rx_dropped")
    for c in b.cards:
        figures = [c.frames, *(c.device[name] for name in ("rx_packets", "rx_missed_errors", "rx_fifo_errors", "rx_dropped"))]
        table.add_row(f"{c.name} ({c.driver})", *(f"{n:,}" for n in figures))
    return titled("Cards", table)


def queues(run: Outcome) -> Group | None:
    """High-water marks of everything that can be full."""
    b = run.books
    table = table_of("queue", "at most", "of", "")
    for item in b.high_water["ring"]:
        q = b.queues[item["queue"]]
        if item["max"]:
            table.add_row(f"ring of {_queue(b, item['queue'])} (interrupts CPU {q.cpu})", f"{item['max']:,}", f"{item['of']:,}",
                          share(item["max"], item["of"]))
    for item in b.high_water["backlog"]:
        if item["max"]:
            table.add_row(f"backlog of CPU {item['cpu']}", f"{item['max']:,}", f"{item['of']:,}", share(item["max"], item["of"]))
    item = b.high_water["fragments"]
    if item["max"]:
        table.add_row("fragment memory (bytes)", f"{item['max']:,}", f"{item['of']:,}", share(item["max"], item["of"]))
    return titled("Queues, at their fullest", table) if table.row_count else None


def latencies(run: Outcome) -> Group | None:
    b = run.books
    apps = [a for a in b.apps if a.latency.count]
    if not apps:
        return None
    table = table_of("application", b.unit, *b.latency.quantiles, "max")
    for a in apps[:SOCKETS_SHOWN] if len(apps) > 1 else ():
        table.add_row(f"{a.name} thread {a.thread} on CPU {a.cpu}", f"{a.latency.count:,}", *[ns(v) for v in a.latency.quantiles.values()],
                      ns(a.latency.max))
    table.add_row("all" if len(apps) > 1 else f"{apps[0].name} on CPU {apps[0].cpu}", f"{b.latency.count:,}",
                  *[ns(v) for v in b.latency.quantiles.values()], ns(b.latency.max))
    return titled(f"Latency, last bit on the wire to the return of the receiving call (cost profile {run.host.profile})", table)


def connections(run: Outcome) -> Group | None:
    """What programs made of the TCP connections that they accepted."""
    serving = [(a, a.connections) for a in run.books.apps if a.connections is not None]
    if not any(c.accepted for _, c in serving):
        return None
    table = table_of("application", "accepted", "closed", "reset", "bytes read", "messages")
    for a, c in serving[:SOCKETS_SHOWN]:
        table.add_row(f"{a.name} thread {a.thread} on CPU {a.cpu}", f"{c.accepted:,}", f"{c.closed:,}", f"{c.reset:,}", f"{c.bytes:,}",
                      f"{a.received:,}")
    return titled("TCP connections (closed: by the program, after the peer)", table)


def clients(run: Outcome) -> Group | None:
    """What became of the connections of a spec's [[client]], as they see it."""
    c = run.clients
    if c is None:
        return None
    table = table_of("number", "connected", "ended", "refused", "reset", "gave up", "bytes acked", "resent", "RTOs")
    table.add_row(*(f"{n:,}" for n in (c.connections, c.connected, c.ended, c.refused, c.reset, c.gave_up, c.acknowledged, c.retransmitted,
                                       c.timeouts)))
    taken = (("first SYN to SYN-ACK", c.connect_ns), ("first SYN to the last acknowledgement", c.transfer_ns))
    times = [Text(f"{what}: p50 {ns(q['p50'])}, p99 {ns(q['p99'])}, max {ns(q['max'])} ({q['count']:,})", "dim")
             for what, q in taken if q["count"]]
    return titled("TCP clients, as they see it (a closed loop: they react to this host)", table, *times)


def pauses(run: Outcome) -> Group | None:
    """Programs that stood still: what came for them meanwhile waited, or was lost for want of room."""
    b = run.books
    apps = [a for a in b.apps if a.pauses]
    if not apps:
        return None
    table = table_of("application", "pauses", "in all", "of the time")
    for a in apps[:SOCKETS_SHOWN]:
        table.add_row(f"{a.name} thread {a.thread}", f"{a.pauses:,}", ns(a.paused_ns), share(a.paused_ns, b.elapsed_ns))
    return titled("Programs that stood still (app.N.pause) or did not run (app.N.restart)", table)


def rules(run: Outcome) -> Group | None:
    """Rules that refused or logged something, as iptables -vnL would count them."""
    shown = [r for r in run.books.rules if r.target.split()[-1] in ("DROP", "REJECT", "LOG")][:SOCKETS_SHOWN]
    if not shown and not run.log:
        return None
    table = table_of("rule", "target", "packets", "bytes", left=2)
    for r in shown:
        table.add_row(f"{r.table} {r.chain}, line {r.line}", r.target, f"{r.packets:,}", f"{r.bytes:,}")
    lines = [Text(line, "dim") for line in run.log[:LINES_SHOWN]]
    if len(run.log) > LINES_SHOWN:
        lines.append(Text(f"... {len(run.log) - LINES_SHOWN:,} more lines in --json", "dim"))
    return titled("iptables", *([table] if shown else []), *lines)


# ---------------------------------------------------------------- the whole
def render(run: Outcome, *more: Any) -> Group:
    """The whole; more: other views to put below it."""
    means_little = little(run)
    parts: list[Any] = [Text(means_little, "yellow")] if means_little else []
    parts += [Text(line, style="bold" if i == 0 else "") for i, line in enumerate(header(run))]
    parts += [Text(state.text, "bold red") for state in states(run)]
    if means_little and len(run.receiver.hosts) > 1:
        parts += [Text(), hosts.advice(run.receiver)]
    for part in (funnel(run), cpus(run), queues(run), cards(run), sockets(run), connections(run), clients(run),
                 latencies(run), spent(run), pauses(run),
                 rules(run)):
        if part is not None:
            parts += [Text(), part]
    b = run.books
    parts += [Text(), Text(f"books: {b.offered:,} offered = {b.delivered:,} delivered + {b.queued:,} queued + "
                           f"{b.frames_dropped:,} dropped")]
    parts += [Text(f"note: {note}", style="yellow") for note in run.notes]
    for part in more:
        parts += [Text(), part]
    return Group(*parts)
