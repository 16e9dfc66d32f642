"""States of a run that matter whether or not something was lost: what is overloaded for good, a burst that is longer than any buffer,
what nobody reads, a group that nobody joined.

    for state in states(run): print(state.text)

Each is a sentence with the figures that make it true.  Overload is demand over supply of each program and each CPU that polls, over the
traffic's time - as facts.py has them - where it worked all that time: a burst that it caught up with is none."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from rxpath.workbench.advice.facts import Seen
from rxpath.workbench.host.model.programs import App
from rxpath.workbench.run.books import AppBooks, SocketBooks
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.where_lost import Loss, losses
from rxpath.workbench.words.doc import doc
from rxpath.workbench.words.figures import ns, share

LASTING = 20_000_000                                        # ns: shorter traffic is a burst, whatever its rate
WORKED = 0.97                                               # of the traffic's time
NEAR = 1.01                                                 # demand: what is less is no more above 1 than a run can tell
MANY = 0.2                                                  # of a CPU that others take
LITTLE = 0.2                                                # share of the frames that must have had an end in the host
NO_HANDLER = "protocols that nobody here handles"


@dataclass(frozen=True, slots=True)
class State:
    kind: Literal["overload", "burst", "unread", "unjoined"]
    of: Annotated[str, doc("a program, a CPU, a socket, a group")]
    text: str
    figures: Annotated[dict[str, float], doc("of the sentence: demand (of 1), arrivals_per_s, keeps_up_to (of this rate), full_after_ns "
                                             "(0: it is full; absent: demand is 1 within 1%); needs, most; queued, refused")]


def states(run: Outcome) -> list[State]:
    """What lasts first."""
    seen = Seen(run)
    out = [*_programs(seen), *_cpus(seen)] if seen.duration >= LASTING else []
    return out + _bursts(seen, {state.of for state in out}) + _unread(seen) + _unjoined(run)


# ---------------------------------------------------------------- overload
def _programs(seen: Seen) -> list[State]:
    out = []
    for app in seen.host.apps:
        groups = seen.groups(app)
        for group, mine in groups:
            state = _program(seen, app, group, mine, f"{app.name} thread {group[0].thread}" if len(groups) > 1 else app.name)
            out += [state] if state else []
    return out


def _program(seen: Seen, app: App, threads: list[AppBooks], socks: list[SocketBooks], name: str) -> State | None:
    came = sum(s.received + s.drops + s.queued for s in socks)
    demand = seen.demand(app, threads, socks)
    served = sum(t.received for t in threads)
    worked = sum(t.app_ns + t.syscall_ns for t in threads)
    free = sum(seen.left(t.cpu) for t in threads) * seen.duration
    if demand <= 1 or not served or worked < WORKED * free:
        return None
    rate = came * 1e9 / seen.duration
    near = demand < NEAR
    text = f"{name} has as much to do as it can do: {rate:,.0f} datagrams a second come for it, and it can read as many, within 1%" \
        if near else (f"{name} is asked for {demand:.2f} times what it can do: {rate:,.0f} datagrams a second come for it, it reads "
                      f"{rate / demand:,.0f}; it keeps up with {1 / demand:.3f} of this rate")
    others, kernel = max(seen.others_busy(t.cpu) for t in threads), max(seen.kernel_busy(t.cpu) for t in threads)
    if others >= MANY:
        text += f"; other threads take {min(others, 1):.0%} of its CPU"
    elif kernel >= MANY:
        text += f"; interrupts and softirqs take {min(kernel, 1):.0%} of its CPU"
    fullest = max(socks, key=lambda s: (s.rmem_max / max(s.rcvbuf, 1), s.name))
    grows = rate * (1 - 1 / demand) * fullest.rmem_max / max(fullest.queue_max, 1)
    until = fullest.rcvbuf * 1e9 / grows if grows else 0.0
    if fullest.drops:
        text += f". {_named(fullest)} " + ("was full at times" if near else "is full: the rest is lost")
    elif not near:
        text += f". {_named(fullest)} grows by {grows / 1e6:.3g} MB a second and is full after {ns(round(until))}"
    figures: dict[str, float] = {"demand": round(demand, 4), "arrivals_per_s": round(rate), "keeps_up_to": round(1 / demand, 4)}
    if fullest.drops or not near:
        figures["full_after_ns"] = 0 if fullest.drops else round(until)
    return State("overload", name, text + ".", figures)


def _named(sock: SocketBooks) -> str:
    return f"The buffer of {sock.proto} {sock.address}:{sock.port} ({sock.rcvbuf:,} bytes)"


def _cpus(seen: Seen) -> list[State]:
    out = []
    for cpu in sorted({seen.poll_cpu(q.queue) for q in seen.books.queues if q.frames}):
        queues = [q for q in seen.books.queues if q.frames and seen.poll_cpu(q.queue) == cpu]
        load = seen.queue_load(queues[0].queue)
        if load > 1 and seen.kernel_busy(cpu) >= WORKED:
            rate = sum(q.frames for q in queues) * 1e9 / seen.duration
            near = f"CPU {cpu} takes frames off its rings as fast as it can: {rate:,.0f} a second come, and it can take as many, within 1%."
            text = near if load < NEAR else (f"CPU {cpu} is asked to take {load:.2f} times as many frames off its rings as it can: "
                                             f"{rate:,.0f} a second come, it takes {rate / load:,.0f}.")
            out.append(State("overload", f"cpu {cpu}", text, {"demand": round(load, 4), "arrivals_per_s": round(rate),
                                                              "keeps_up_to": round(1 / load, 4)}))
    for row in seen.books.softnet:
        load = seen.backlog_load(row["cpu"])
        if row["dropped"] and load > 1 and seen.kernel_busy(row["cpu"]) >= WORKED:
            near = f"CPU {row['cpu']} works off its backlog as fast as it can: as many packets come for it, within 1%."
            text = near if load < NEAR else \
                f"CPU {row['cpu']} is asked to work off {load:.2f} times as many packets of its backlog as it can."
            out.append(State("overload", f"backlog {row['cpu']}", text, {"demand": round(load, 4)}))
    return out


# ---------------------------------------------------------------- a burst longer than any buffer
def _bursts(seen: Seen, overloaded: set[str]) -> list[State]:
    """Of what is not overloaded for good.  The path counts what a queue would have held at least, had it been long enough."""
    out, first = [], 0
    for dev in seen.host.devices:
        mine = seen.books.queues[first:first + dev.queue_count]
        first += dev.queue_count
        for q in mine:
            most = dev.driver.rx_ring.most if dev.driver.rx_ring is not None else 0
            if q.missed and q.burst_needs > most and f"cpu {seen.poll_cpu(q.queue)}" not in overloaded:
                text = (f"a burst for queue {q.queue} needs {q.burst_needs:,} descriptors at least, and a ring of {dev.driver.name} has "
                        f"{most:,} at most: no ring holds it.")
                out.append(State("burst", f"queue {q.queue}", text, {"needs": q.burst_needs, "most": most}))
    rmem_max = seen.host.sysctls()["net.core.rmem_max"]
    assert isinstance(rmem_max, int)
    for s in seen.full_sockets:
        busy = any(seen.reads(app, s) and any(of == app.name or of.startswith(f"{app.name} thread ") for of in overloaded)
                   for app in seen.host.apps)
        if s.burst_needs > 2 * rmem_max and s not in seen.unread and not busy:
            text = (f"a burst for {s.proto} {s.address}:{s.port} needs a buffer of {s.burst_needs:,} bytes at least, and SO_RCVBUF gets "
                    f"{2 * rmem_max:,} at most while net.core.rmem_max is {rmem_max:,}.")
            out.append(State("burst", f"{s.proto} {s.address}:{s.port}", text, {"needs": s.burst_needs, "most": 2 * rmem_max}))
    return out


# ---------------------------------------------------------------- nobody
def _unread(seen: Seen) -> list[State]:
    out = []
    for s in sorted(seen.unread, key=lambda s: (-s.drops, -s.queued, s.name)):
        text = f"no program reads {s.proto} {s.address}:{s.port}: {s.queued:,} datagrams wait in it"
        text += f", {s.drops:,} were refused: a larger buffer only fills up later." if s.drops else \
            f" ({s.rmem_max:,} of {s.rcvbuf:,} bytes)."
        out.append(State("unread", f"{s.proto} {s.address}:{s.port}", text, {"queued": s.queued, "refused": s.drops}))
    return out


def unjoined(run: Outcome) -> list[str]:
    """Groups that the traffic goes to and that no socket joined."""
    if run.host.opens_from_capture:
        return []
    joined = {group for sock in run.host.sockets for group in sock.join}
    return [group for group in run.receiver.groups if "." in group and group not in joined and not group.startswith("224.0.0.")]


def _unjoined(run: Outcome) -> list[State]:
    return [State("unjoined", group, f"no socket joined {group}: what was sent to that group is not for this host.", {})
            for group in unjoined(run)]


# ---------------------------------------------------------------- a replay that means little
def little(run: Outcome) -> str:
    """Why the answer of a replay means little, "": it does not.  Less than a fifth of the frames had an end in this host."""
    b, r = run.books, run.receiver
    if not r.hosts or not b.offered or b.delivered >= LITTLE * b.offered:
        return ""
    kinds = Counter[str]()
    for loss in losses(b.lost_at):
        kinds[_what(loss, r.groups)] += loss.n
    what, n = kinds.most_common(1)[0] if kinds else ("under way", b.queued)
    if what == NO_HANDLER and r.ipv6 > 0.5:
        what = "IPv6, which is not modelled yet"
    return (f"mostly {what} ({share(n, b.offered)}): this replay says little about {r.addresses[0]}, which got "
            f"{b.delivered:,} of {b.offered:,} frames")


def _what(loss: Loss, groups: Sequence[str]) -> str:
    if loss.station.startswith("tcp_") or loss.reason.startswith("TCP_"):
        return "TCP, which is not modelled beyond the first segment"
    if (loss.reason, loss.station) == ("NOT_SPECIFIED", "ip_rcv_finish_core") and groups:
        return "frames for groups that no socket joined"
    if loss.reason in ("NIC_FILTER", "OTHERHOST", "IP_INADDRERRORS"):
        return "frames for other hosts"
    return NO_HANDLER if loss.reason == "UNHANDLED_PROTO" else f"{loss.reason} ({loss.meaning})"
