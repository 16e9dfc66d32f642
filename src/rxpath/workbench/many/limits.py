"""Which limit binds: the place where the first frames were lost (or waited), the CPU that empties it, and the settings that might lift
it."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from rxpath.workbench.advice import candidates, rules
from rxpath.workbench.advice.facts import Seen, measure
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.host.model.programs import App
from rxpath.workbench.jobs import unit as runs
from rxpath.workbench.jobs.pool import Stop
from rxpath.workbench.jobs.unit import Result, Unit
from rxpath.workbench.many.search import Goal, outrun
from rxpath.workbench.run import replay
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.where_lost import Loss
from rxpath.workbench.words import figures, units

SATURATED = 0.95                                            # share of the traffic's time that a CPU is busy: no queue helps it
FASTEST_LINE = 400_000_000_000
LINE, WORK, SENDER, OURS = "line", "work", "sender", "the simulation"
Setting = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """What gives way first.  place: "ring 0", "backlog 1", "socket udp 0.0.0.0:53", "fragments", "udp_mem", "line".  reason: of the loss,
    or "latency"."""
    place: str
    reason: str
    cpu: int | None                                         # which empties that place
    busy: float                                             # share of the traffic's time that this CPU worked
    says: str

    @property
    def saturated(self) -> bool:
        return self.busy >= SATURATED


def load(result: Result, cpu: int) -> float:
    """What a CPU had to do, over the time from the first frame to the last that [[load]] leaves it.  Above 1 it was not done when the
    traffic ended."""
    c = result.cpus[cpu]
    return (sum(c[k] for k in ("hardirq", "softirq", "syscall", "application")) - c["others"]) / max(c["room"], 1)


def busy(result: Result, cpu: int) -> float:
    """The same as a share of that time: at most 1."""
    return min(1.0, load(result, cpu))


def heaviest(result: Result) -> tuple[float, int]:
    """(load, CPU) of the CPU that has most to do."""
    most, cpu = max((load(result, c), -c) for c in range(len(result.cpus)))
    return most, -cpu


def find(host: Host, result: Result, goal: Goal) -> Limit:
    """The limit that a result met."""
    reasons = sorted(((sum(places.values()), r) for r, places in result.load_at.items()), reverse=True)
    device = outrun(result)
    if device is not None and not reasons:
        return sender(result, device)
    if result.lost_to_us and not reasons:
        return ours()
    late = goal.p99_ns is not None and result.p99_ns > goal.p99_ns
    if reasons and not (late and goal.loss is None and reasons[0][0] * 100 <= result.offered):
        place, reason = _place(result, reasons[0][1]), reasons[0][1]
    else:                                                   # nobody is lost, they wait: in the queue that is fullest
        fullest = sorted(((used / of if of else 0, name) for name, (used, of) in result.peaks.items()), reverse=True)
        place, reason = fullest[0][1] if fullest else "ring 0", "latency"
    cpu = _cpu(host, result, place)
    share = busy(result, cpu) if cpu is not None else 0.0
    return Limit(place, reason, cpu, round(share, 4), _says(host, result, place, reason, cpu, share))


def hopeless(host: Host, result: Result, goal: Goal) -> Limit:
    """Even the slowest traffic does not keep the goal."""
    if result.lost_to_us or goal.p99_ns is None or result.p99_ns <= goal.p99_ns:
        limit = find(host, result, goal)
        return dataclasses.replace(limit, says=f"even at the slowest speed: {limit.says}")
    return Limit("the path", "latency", None, 0.0, f"even with almost no queueing, p99 is {figures.ns(result.p99_ns)}")


def line(host: Host) -> Limit:
    """The wire itself: frames cannot come any closer."""
    return Limit(LINE, "line", None, 1.0, f"the line of {units.bps_text(host.device.speed_bps)}/s is full: the traffic cannot come faster")


def ours() -> Limit:
    """The simulation ran out of packets: what the host would do is not known."""
    return Limit(OURS, OURS, None, 0.0, "all its packets are in use: a limit of rxpath, not of this host, which may well take more")


def sender(result: Result, device: str) -> Limit:
    """Who sends is a task of this host, too, and its calls take all its time: the receiver would take more."""
    cpu, frames, late = result.senders[device]
    rate = round(frames / max(result.span_ns + late, 1) * 1e9)
    return Limit(f"sender to {device}", SENDER, cpu, busy(result, cpu), f"the sender itself, on CPU {cpu}, sends no more than some "
                 f"{rate:,} frames a second, its calls take all its time; the receiver loses nothing")


def work(host: Host, cpu: int, until: float) -> Limit:
    """A CPU that has as much to do as the traffic lasts.  Nothing is lost yet: queues hold what it has not done when the capture ends."""
    names = sorted({a.name for a in host.apps for t in range(a.threads) if host.app_cpu(a, t) == cpu})
    queues = [str(q) for q in range(host.device.queue_count) if host.device.driver.has_interrupts and host.device.irq_cpu(q) == cpu]
    who = " and ".join([*names, *([f"queue{'s' * (len(queues) > 1)} {', '.join(queues)}"] if queues else [])])
    return Limit(f"CPU {cpu}", WORK, cpu, 1.0, f"it has as much to do as the traffic lasts ({who}); beyond, queues only keep the rest "
                 f"until the capture ends, this one up to {until:,.4g} times its speed")


def _place(result: Result, reason: str) -> str:
    """Where most of that reason was lost."""
    kind = {"RX_MISSED": "ring", "CPU_BACKLOG": "backlog", "SOCKET_RCVBUFF": "socket", "SOCKET_BACKLOG": "socket"}.get(reason)
    if kind is None:
        station = _station(result, reason)
        return "udp_mem" if reason == "PROTO_MEM" else "fragments" if station == "ip_defrag" else station
    found = sorted(((n, p) for p, n in result.dropped_at.items() if p.startswith(kind + " ")), key=lambda item: (-item[0], item[1]))
    return found[0][1] if found else kind


def _station(result: Result, reason: str) -> str:
    return max(sorted(result.load_at[reason]), key=lambda station: result.load_at[reason][station])


def _cpu(host: Host, result: Result, place: str) -> int | None:
    """The CPU that empties a place: the busiest where there are several."""
    kind, _, rest = place.partition(" ")
    if kind == "ring" and rest:
        return host.device.napi_cpu(int(rest)) if host.nic.napi == "threaded" else host.device.irq_cpu(int(rest))
    if kind == "backlog" and rest:
        return int(rest)
    cpus = {host.app_cpu(a, t) for a in readers(host, place) for t in range(a.threads)}
    return max(sorted(cpus), key=lambda c: busy(result, c)) if cpus else None


def readers(host: Host, place: str) -> list[App]:
    """The programs that read the socket of a place; of several, those that name it."""
    address = place.rpartition(" ")[2]
    names = {s.name for s in host.sockets if s.proto == "udp" and address in {f"{units.ipv4_text(a)}:{p}" for a, p in s.endpoints()}}
    named = [a for a in host.apps if names & set(a.sockets)]
    return named or [a for a in host.apps if "*" in a.sockets] or list(host.apps)


def _says(host: Host, result: Result, place: str, reason: str, cpu: int | None, share: float) -> str:
    """The limit in a sentence."""
    kind, _, rest = place.partition(" ")
    full = result.peaks.get(place, (0, 0))
    if kind == "socket":
        who = " and ".join(a.name for a in readers(host, place))
        what = f"the receive buffer of {rest} ({full[1]:,} bytes) is full"
        slow = f"{who} on CPU {cpu} works all the time and cannot read faster: a larger buffer only puts the loss off"
        burst = f"frames come faster than {who} on CPU {cpu} reads for a while; in all it is busy for {share:.1%} of the time"
    elif kind == "ring":
        what = f"the ring of queue {rest} ({full[1]:,} descriptors) is full"
        slow = f"CPU {cpu}, which takes its frames, works all the time: {_spent(result, cpu)}"
        burst = f"frames come faster than CPU {cpu} takes them for a while; in all it is busy for {share:.1%} of the time"
    elif kind == "backlog":
        what = f"the backlog of CPU {rest} ({full[1]:,} packets) is full"
        slow, burst = f"CPU {cpu} works all the time: {_spent(result, cpu)}", f"CPU {cpu} is busy for {share:.1%} of the time"
    else:
        loss = Loss(reason, _station(result, reason), 1) if reason in result.load_at else None
        what, slow, burst = loss.meaning if loss is not None else reason, "", ""
    if reason == "latency":
        what = f"they wait; the fullest queue is {place}, {figures.share(*full)} full"
    why = slow if share >= SATURATED else burst
    return f"{what}: {why}" if why else what


def _spent(result: Result, cpu: int | None) -> str:
    c = result.cpus[cpu or 0]
    return ", ".join(f"{k} {min(1.0, c[k] / max(result.span_ns, 1)):.0%}" for k in ("hardirq", "softirq", "syscall", "application") if c[k])


# ---------------------------------------------------------------- what might lift it
def outcome(item: Unit, host: Host, stop: Stop | None = None) -> Outcome:
    """A run of a unit, whole."""
    return replay.replay(item.capture, host, overrides=item.traffic, listen=item.listen, local=item.local, speed=item.speed, loop=item.loop,
                         stop=stop, receiver=runs.receiver(item, host), seed=item.seed,
                         programs=item.own_programs())


def lifts(item: Unit, host: Host, limit: Limit, stop: Stop | None = None) -> list[Setting]:
    """Settings worth trying, at the speed at which the goal failed: the knobs of the rules that fire there (advice/), small, middling and
    large; and the largest of each that is popular and should not help.  Which of them does, running them says."""
    if limit.reason in (SENDER, OURS):
        return []
    if limit.place == LINE:
        return [(f"nic.speed={units.bps_text(host.device.speed_bps * 10)}",)] if host.device.speed_bps < FASTEST_LINE else []
    run = outcome(item, host, stop)
    seen = Seen(dataclasses.replace(run, host=host))
    found: list[Setting] = []
    for ladder in candidates.ladders(seen, rules.load(), measure(run), "latency" if limit.reason == "latency" else "loss"):
        n = len(ladder.steps)
        found += [ladder.steps[i] for i in ({n - 1} if ladder.placebo else {n // 3, 2 * n // 3, n - 1})] if n else []
    if limit.place.startswith("socket "):                   # one thread more on the same socket, on the CPU with the least to do
        for app in readers(host, limit.place):
            on = [host.app_cpu(app, t) for t in range(app.threads)]
            free = sorted((c for c in range(host.cpus) if c not in on), key=lambda c: (run.books.cpus[c].idle * -1, c))
            if free:
                found.append((f"app.{app.name}.threads={app.threads + 1}", f"app.{app.name}.cpu={[*on, free[0]]}"))
    return list(dict.fromkeys(found))


def is_program(setting: Setting) -> bool:
    """Less work for each datagram: what no knob of the host can do."""
    return any(key.partition("=")[0].endswith((".service", ".service.constant", ".service.exponential")) for key in setting)
