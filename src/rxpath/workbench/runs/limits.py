"""Which limit binds: the place where the first frames were lost (or waited), the CPU that empties it, and the settings that might lift
it."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rxpath.workbench import losses, report, units
from rxpath.workbench.host import App, Host
from rxpath.workbench.runs.search import Goal
from rxpath.workbench.runs.unit import LOAD, TRUESIZE, Result

SATURATED = 0.95                                            # share of the traffic's time that a CPU is busy: no queue helps it
LINE = "line"
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
    """What a CPU had to do, over the time from the first frame to the last.  Above 1 it was not done when the traffic ended."""
    c = result.cpus[cpu]
    return sum(c[k] for k in ("hardirq", "softirq", "syscall", "application")) / max(result.span_ns, 1)


def busy(result: Result, cpu: int) -> float:
    """The same as a share of that time: at most 1."""
    return min(1.0, load(result, cpu))


def heaviest(result: Result) -> tuple[float, int]:
    """(load, CPU) of the CPU that has most to do."""
    most, cpu = max((load(result, c), -c) for c in range(len(result.cpus)))
    return most, -cpu


def find(host: Host, result: Result, goal: Goal) -> Limit:
    """The limit that a result met."""
    reasons = sorted(((n, r) for r, n in result.dropped.items() if r in LOAD), reverse=True)
    late = goal.p99_ns is not None and result.latency_ns.get("p99", 0) > goal.p99_ns
    if reasons and not (late and goal.loss is None and reasons[0][0] * 100 <= result.offered):
        place, reason = _place(result, reasons[0][1]), reasons[0][1]
    else:                                                   # nobody is lost, they wait: in the queue that is fullest
        fullest = sorted(((used / of if of else 0, name) for name, (used, of) in result.peaks.items()), reverse=True)
        place, reason = fullest[0][1] if fullest else "ring 0", "latency"
    cpu = _cpu(host, result, place)
    share = busy(result, cpu) if cpu is not None else 0.0
    return Limit(place, reason, cpu, round(share, 4), _says(host, result, place, reason, cpu, share))


def hopeless(result: Result) -> Limit:
    """Even the slowest traffic does not keep the goal."""
    return Limit("the path", "latency", None, 0.0, f"even where next to nothing waits, p99 is {report.ns(result.latency_ns['p99'])} and "
                 f"{report.share(result.lost_to_load, result.offered)} of the frames are lost")


def line(host: Host) -> Limit:
    """The wire itself: frames cannot come any closer."""
    return Limit(LINE, "line", None, 1.0, f"the line of {host.nic.speed} is full: the traffic cannot come faster")


def _place(result: Result, reason: str) -> str:
    """Where most of that reason was lost."""
    kind = {"RX_MISSED": "ring", "CPU_BACKLOG": "backlog", "SOCKET_RCVBUFF": "socket", "SOCKET_BACKLOG": "socket"}.get(reason)
    if kind is None:
        return {"PROTO_MEM": "udp_mem", "PKT_TOO_BIG": "fragments"}.get(reason, losses.loss(reason).stations)
    found = sorted(((n, p) for p, n in result.dropped_at.items() if p.startswith(kind + " ")), key=lambda item: (-item[0], item[1]))
    return found[0][1] if found else kind


def _cpu(host: Host, result: Result, place: str) -> int | None:
    """The CPU that empties a place: the busiest where there are several."""
    kind, _, rest = place.partition(" ")
    if kind == "ring" and rest:
        return host.napi_cpu(int(rest)) if host.nic.napi == "threaded" else host.irq_cpu(int(rest))
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
        what, slow, burst = f"{place}: {losses.meaning(reason) if reason in LOAD else reason}", "", ""
    if reason == "latency":
        what = f"they wait; the fullest queue is {place}, {report.share(*full)} full"
    why = slow if share >= SATURATED else burst
    return f"{what}: {why}" if why else what


def _spent(result: Result, cpu: int | None) -> str:
    c = result.cpus[cpu or 0]
    return ", ".join(f"{k} {min(1.0, c[k] / max(result.span_ns, 1)):.0%}" for k in ("hardirq", "softirq", "syscall", "application") if c[k])


# ---------------------------------------------------------------- what might lift it
def lifts(host: Host, result: Result, limit: Limit) -> list[Setting]:
    """Settings worth trying, the cheap ones first.  Which of them lifts the limit, running them says."""
    kind = limit.place.partition(" ")[0]
    found = list(_LIFTS.get(kind, _none)(host, result, limit))
    if limit.reason == "latency":
        found += [("ethtool.rx-usecs=0",)] if host.nic.driver == "igb" and host.rx_usecs else []
    return list(dict.fromkeys(found))


def _none(host: Host, result: Result, limit: Limit) -> Iterator[Setting]:
    yield from ()


def _ring(host: Host, result: Result, limit: Limit) -> Iterator[Setting]:
    queue = int(limit.place.split()[1])
    yield from ((f"ethtool.rx={n}",) for n in (1024, 4096) if n > host.rx_ring)
    if host.queue_count > 1:
        yield ("ethtool.rx-flow-hash-udp4=sdfn",)
    yield from _apart(host, result, limit)
    others = [c for c in range(host.cpus) if c != limit.cpu]
    if others and not host.rps_cpus(queue):
        yield (f"rps.{queue}={units.cpu_list_text(tuple(others))}",)
    if host.gro is False:
        yield ("ethtool.gro=on",)


def _backlog(host: Host, result: Result, limit: Limit) -> Iterator[Setting]:
    now = result.peaks[limit.place][1]
    yield from ((f"net.core.netdev_max_backlog={now * f}",) for f in (4, 16))
    yield from _apart(host, result, limit)


def _socket(host: Host, result: Result, limit: Limit) -> Iterator[Setting]:
    address, now = limit.place.rpartition(" ")[2], result.peaks[limit.place][1]
    named = [s for s in host.sockets if s.proto == "udp" and address in {f"{units.ipv4_text(a)}:{p}" for a, p in s.endpoints()}]
    for factor in (4, 16):
        if named and (named[0].rcvbuf or named[0].rcvbufforce):
            yield (f"socket.{named[0].name}.rcvbufforce={now * factor // 2}",)
        else:
            yield (f"net.core.rmem_default={now * factor}",)
    for app in readers(host, limit.place):
        if app.batch < 64:
            yield (f"app.{app.name}.batch=64", f"app.{app.name}.waitforone=true")
        if host.cpus > app.threads:
            cpus = ",".join(str(c) for c in _idlest(result)[:app.threads + 1])
            yield (f"app.{app.name}.threads={app.threads + 1}", f"app.{app.name}.cpu=[{cpus}]")
    yield from _apart(host, result, limit)


def _apart(host: Host, result: Result, limit: Limit) -> Iterator[Setting]:
    """Programs and interrupts on different CPUs."""
    irqs = {host.irq_cpu(q) for q in range(host.queue_count)} if host.nic.driver == "igb" else {host.nic.sender_cpu}
    for app in host.apps:
        on = [host.app_cpu(app, t) for t in range(app.threads)]
        free = [c for c in _idlest(result) if c not in on]
        if limit.cpu in on and free:
            yield (f"app.{app.name}.cpu={free[0]}",)
    if limit.cpu in irqs and host.nic.driver == "igb":
        free = [c for c in _idlest(result) if c != limit.cpu]
        yield from ((f"irq.{q}={free[0]}",) for q in range(host.queue_count) if free and host.irq_cpu(q) == limit.cpu)


def _line(host: Host, result: Result, limit: Limit) -> Iterator[Setting]:
    yield from ((f"nic.speed={units.bps_text(host.speed_bps * f)}",) for f in (10,) if host.speed_bps * f <= 400_000_000_000)


def _fragments(host: Host, result: Result, limit: Limit) -> Iterator[Setting]:
    now = host.sysctls()["net.ipv4.ipfrag_high_thresh"]
    assert isinstance(now, int)
    yield (f"net.ipv4.ipfrag_high_thresh={max(now, TRUESIZE) * 4}",)


def _udp_mem(host: Host, result: Result, limit: Limit) -> Iterator[Setting]:
    now = host.sysctls()["net.ipv4.udp_mem"]
    assert isinstance(now, tuple)
    yield ('net.ipv4.udp_mem="' + " ".join(str(n * 4) for n in now) + '"',)


def _idlest(result: Result) -> list[int]:
    return sorted(range(len(result.cpus)), key=lambda c: (busy(result, c), c))


_LIFTS = {"ring": _ring, "backlog": _backlog, "socket": _socket, LINE: _line, "fragments": _fragments, "udp_mem": _udp_mem}
