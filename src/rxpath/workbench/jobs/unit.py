"""The unit of work: traffic, host and seed in; what came of it out.  Both are small, plain and picklable, so that a pool (pool.py), a
sweep, a search or another machine can do it, and the same unit always gives the same result.

    result = run(Unit("first", overrides=("ethtool.rx=4096",), speed=2.0))
    result.dropped, result.latency_ns["p99"], result.memory_bytes

What cannot be used is Result.error, one line; run() does not raise for it.  Files that a host would write (taps, tx) are not
written, but a tap still costs its time."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rxpath.abi.reasons import Kind
from rxpath.cable.receiver import Receiver, infer_receiver
from rxpath.cable.source import Source
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host import given
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run import replay as replaying
from rxpath.workbench.run.books import Cpu, busy_ns
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.where_lost import OURS, by_class, by_load, by_step, losses
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic import spec as trafficfile
from rxpath.workbench.traffic.spec import Spec
from rxpath.workbench.words.mistakes import BadInput, is_bad_input, one_line

if TYPE_CHECKING:
    from rxpath.workbench.run.own import Copies, Program

RX_BUFFER, DESCRIPTOR = 2048, 16                            # igb: half a page and a descriptor for each place in the ring
TRUESIZE = 2304                                             # what a queued packet of up to an MTU holds
RECEIVERS_KEPT = 64
OF_A_SOCKET = ("received", "queued", "drops")


@dataclass(frozen=True, slots=True)
class Unit:
    """capture: a file, the name of a bundled one, or a traffic spec (traffic.spec.Spec, or its .toml file).  host: a Host, a host
    file's tables as a dict, its path, or None for the default (a bundled capture has its own).  traffic: settings of a spec
    (traffic.0.rate=200kpps), apart from the host's overrides, which a search replaces.  The others as in rxpath.replay(); last: only the
    beginning; programs: of the user's own (run/own.py), a copy of each for each run."""
    capture: str | Spec
    host: Host | Mapping[str, Any] | str | None = None
    overrides: tuple[str, ...] = ()
    seed: int | None = None
    listen: tuple[str, ...] = ()
    local: str | None = None
    speed: float = 1.0
    rate: str | int | None = None
    loop: int = 1
    fresh: bool = False
    traffic: tuple[str, ...] = ()
    last: int | None = None
    programs: Copies | None = None

    def own_programs(self) -> list[Program]:
        """Its programs for one run."""
        return self.programs.fresh() if self.programs is not None else []


@dataclass(frozen=True, slots=True)
class Result:
    """Frames of the wire: offered = delivered + queued + sum(dropped)."""
    offered: int = 0
    delivered: int = 0
    received: int = 0                                       # of the delivered: an application read it
    queued: int = 0
    dropped: dict[str, int] = field(default_factory=dict)   # by reason
    ended: dict[str, int] = field(default_factory=dict)     # the same by class: "lost", "refused", "not for this host", ...
    load_at: dict[str, dict[str, int]] = field(default_factory=dict)    # reason -> station: losses that slower traffic would not have had
    dropped_at: dict[str, int] = field(default_factory=dict)            # by place: "ring 0", "socket udp 0.0.0.0:53"
    lost_at_step: dict[str, int] = field(default_factory=dict)          # by step of the funnel
    latency_ns: dict[str, int] = field(default_factory=dict)            # to the return of the call: p50 p90 p99 p99.9 max mean count
    done_ns: dict[str, int] = field(default_factory=dict)   # to the end of the program's work on it
    apps: dict[str, dict[str, int]] = field(default_factory=dict)       # the same for each thread of an application
    sockets: dict[str, dict[str, int]] = field(default_factory=dict)    # those that something came to: received, queued, drops
    cpu_ns: dict[str, int] = field(default_factory=dict)    # by context, all CPUs
    cpus: tuple[dict[str, int], ...] = ()                   # the same for each CPU; others, room: as _cpu() says
    counters: dict[str, int] = field(default_factory=dict)  # those that moved: "Udp.RcvbufErrors", "softnet.time_squeeze"
    memory: dict[str, int] = field(default_factory=dict)    # bytes, at most: rings, sockets, backlog
    peaks: dict[str, tuple[int, int]] = field(default_factory=dict)     # queue -> (at its fullest, of)
    elapsed_ns: int = 0                                     # of virtual time
    span_ns: int = 0                                        # from the first frame to the last
    senders: dict[str, tuple[int, int, int]] = field(default_factory=dict)     # device without a ring -> (CPU, frames, ns late at most)
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    error: str | None = None

    @property
    def lost(self) -> int:
        """Frames of the class lost: there was no room or no time for them.  The other classes are what no sender of this host misses."""
        return self.ended.get(Kind.LOST.value, 0)

    @property
    def p99_ns(self) -> int:
        """From the wire to the end of the program's work, of 99 % of the datagrams that it is done with: what more datagrams in a call
        cannot hide."""
        return self.done_ns.get("p99", 0)

    @property
    def busy_ns(self) -> int:
        """CPU time of everything, all CPUs."""
        return busy_ns(self.cpu_ns)

    def saved(self, before: Result) -> int:
        """Frames that were lost or stuck before and are not any more: as many more are delivered, unless senders react and send fewer."""
        return before.offered - before.delivered - (self.offered - self.delivered)

    @property
    def lost_to_load(self) -> int:
        """Losses that slower traffic would not have had."""
        return sum(n for places in self.load_at.values() for n in places.values())

    @property
    def lost_to_us(self) -> int:
        """Losses of the simulation's own, which say nothing of the host."""
        return self.dropped.get(OURS, 0)

    @property
    def memory_bytes(self) -> int:
        return sum(self.memory.values())

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"memory_bytes": self.memory_bytes, "lost": self.lost, "lost_to_load": self.lost_to_load}


# ---------------------------------------------------------------- a run
_receivers: dict[tuple[object, str | None, tuple[str, ...]], Receiver] = {}


def the_host(unit: Unit) -> Host:
    """The host of a unit, overrides and seed applied; raises HostError."""
    host = traffic.bundled_host(unit.capture) if unit.host is None else unit.host
    made = given.the_host(host, unit.overrides, unit.seed)
    silent: dict[str, object] = {"tx": {"pcap": None}} if made.tx.pcap else {}
    if made.taps:
        silent["tap"] = [{**tap, "file": os.devnull} for tap in made._raw["tap"]]
    return hostfile.revise(made, silent) if silent else made


def with_programs(unit: Unit, programs: Sequence[Program], jobs: int | str | None = None, journal: object = None) -> Unit:
    """The unit with programs of the user's own.  jobs: who does the work (jobs/where.py); journal: where results are to be kept for
    another time, if they are.  Raises BadInput."""
    if programs in ((), []):
        return unit
    from rxpath.workbench.run.own import Copies

    if isinstance(jobs, str):
        raise BadInput(f"jobs {jobs}: a cluster's workers do not have programs of your own, which are objects of this process: a number")
    if journal is not None:
        raise BadInput(f"journal {journal}: what programs of your own do may change from one time to the next: leave the journal out")
    return replace(unit, programs=Copies(programs, the_host(unit)))


def checked(unit: Unit) -> None:
    """Raises HostError or BadInput for a host or a traffic that cannot be."""
    host = the_host(unit)
    if spec := traffic.changed_spec(unit.capture, unit.traffic, unit.seed):
        trafficfile.streams(spec, host)


def receiver(unit: Unit, host: Host) -> Receiver:
    """Who receives, worked out once for each capture: that reads its beginning, and does not depend on knobs."""
    if spec := traffic.changed_spec(unit.capture, unit.traffic, unit.seed):
        return trafficfile.receiver(spec, host)
    addresses, said_by = traffic.said_receiver(unit.local, host)
    key = (unit.capture, unit.local, tuple(addresses or ()))
    if key not in _receivers:
        if len(_receivers) >= RECEIVERS_KEPT:
            _receivers.clear()
        source = Source(traffic.find(str(unit.capture)))
        try:
            _receivers[key] = infer_receiver(source, local=addresses, said_by=said_by)
        finally:
            source.close()
    return _receivers[key]


def run(unit: Unit, stop: Callable[[], bool] | None = None) -> Result:
    """Do it.  stop: asked every few milliseconds; true ends the run early, and the result is marked."""
    try:
        if unit.capture == "-":
            raise BadInput("standard input cannot be read many times: save it to a file")
        host = the_host(unit)
        return of(replaying.replay(unit.capture, host, overrides=unit.traffic, seed=unit.seed, listen=unit.listen, local=unit.local,
                                speed=unit.speed, rate=unit.rate, loop=unit.loop, fresh=unit.fresh, last=unit.last,
                                receiver=receiver(unit, host), stop=stop, spends=False,
                                programs=unit.own_programs()))
    except Exception as error:
        if is_bad_input(error):
            return Result(error=one_line(error))
        return Result(error=f"this is a bug in rxpath, not in your input: {type(error).__name__}: {one_line(error)}")


# ---------------------------------------------------------------- what came of it
def of(run: Outcome) -> Result:
    """The small result of a whole outcome."""
    b = run.books
    return Result(
        offered=b.offered, delivered=b.delivered, received=b.received, queued=b.queued, dropped=b.dropped, ended=by_class(b.lost_at),
        load_at=by_load(b.lost_at),
        dropped_at=_places(run),
        lost_at_step=by_step(b.lost_at),
        latency_ns=b.latency.as_dict(), done_ns=b.done.as_dict(), apps={f"{a.name}/{a.thread}": a.latency.as_dict() for a in b.apps},
        sockets=_sockets(run), cpu_ns=b.cpu_ns(), cpus=tuple(_cpu(run, c) for c in b.cpus),
        counters=_counters(run), memory=memory(run.host, [s.rcvbuf for s in b.sockets if s.proto == "udp"]), peaks=_peaks(run),
        elapsed_ns=b.elapsed_ns, span_ns=run.traffic.duration_ns, interrupted=run.interrupted, notes=run.notes,
        senders={s.device: (s.cpu, s.frames, s.late_max_ns) for s in b.senders})


def _cpu(run: Outcome, c: Cpu) -> dict[str, int]:
    """Its contexts, ns.  others: of these, a sender that looks at its clock, and [[load]].  room: of the traffic's time, what is left by
    them; the scheduler gives the programs and the kernel their share at least."""
    b, span = run.books, run.traffic.duration_ns
    others = sum(s.application_ns for s in b.senders if s.cpu == c.cpu)
    room, rivals = span, sum(load.share / 100 for load in run.host.loads if c.cpu in load.cpu)
    if rivals:
        ours = sum(a.app_ns + a.syscall_ns for a in b.apps if a.cpu == c.cpu) + sum(s.syscall_ns for s in b.senders if s.cpu == c.cpu)
        others = max(c.application + c.syscall - ours, 0)
        room = max(span - others, round(span / (1 + rivals)))
    return asdict(c) | {"others": others, "room": room}


def memory(host: Host, rcvbufs: list[int]) -> dict[str, int]:
    """Bytes that the host's settings cost when every queue is full.  A backlog that nothing is steered to costs nothing."""
    values = host.sysctls()
    steered = not host.device.driver.has_ring or any(host.device.rps_cpus(q) for q in range(host.device.queue_count))
    backlog, fragments = values["net.core.netdev_max_backlog"], values["net.ipv4.ipfrag_high_thresh"]
    assert isinstance(backlog, int) and isinstance(fragments, int)
    rings = sum(dev.queue_count * dev.rx_ring for dev in host.devices) * (RX_BUFFER + DESCRIPTOR)
    return {"rings": rings, "sockets": sum(rcvbufs), "backlog": backlog * host.cpus * TRUESIZE if steered else 0, "fragments": fragments}


def _places(run: Outcome) -> dict[str, int]:
    """Losses where a finer place than the reason is known by it; as the place's own counter has them (a datagram in three fragments
    that a socket refuses is one there, and three frames of the wire)."""
    b = run.books
    out = {f"ring {q.queue}": q.missed for q in b.queues if q.missed}
    out |= {f"backlog {s['cpu']}": s["dropped"] for s in b.softnet if s["dropped"]}
    out |= {f"socket {s.proto} {s.address}:{s.port}": s.drops for s in b.sockets if s.drops}
    for loss in losses(b.lost_at):
        if loss.reason not in ("RX_MISSED", "CPU_BACKLOG") and loss.step != "socket":
            out[loss.station] = out.get(loss.station, 0) + loss.n
    return out


def _sockets(run: Outcome) -> dict[str, dict[str, int]]:
    return by_name((f"{s.proto} {s.address}:{s.port}", {k: getattr(s, k) for k in OF_A_SOCKET}) for s in run.books.sockets)


def by_name(found: Iterable[tuple[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """Sockets that something came to.  Of one address and port (SO_REUSEPORT) there may be many: they are numbered."""
    out: dict[str, dict[str, int]] = {}
    met: dict[str, int] = {}
    for name, figures in found:
        met[name] = met.get(name, 0) + 1
        if any(figures.values()):
            out[name if met[name] == 1 else f"{name} #{met[name]}"] = figures
    return out


def _counters(run: Outcome) -> dict[str, int]:
    b = run.books
    softnet = {f"softnet.{k}": b.softnet_sum(k) for k in ("processed", "dropped", "time_squeeze", "received_rps")}
    every = b.snmp | b.netstat | softnet | {f"ethtool.{k}": n for k, n in b.ethtool.items()} | \
        {"interrupts": b.interrupts, "wakeups": sum(a.wakeups for a in b.apps)}
    return {k: n for k, n in every.items() if n}


def _peaks(run: Outcome) -> dict[str, tuple[int, int]]:
    b, out = run.books, {}
    for item in b.high_water["ring"]:
        out[f"ring {item['queue']}"] = (item["max"], item["of"])
    for item in b.high_water["backlog"]:
        out[f"backlog {item['cpu']}"] = (item["max"], item["of"])
    for s in b.sockets:
        if s.proto == "udp":
            out[f"socket {s.proto} {s.address}:{s.port}"] = (s.rmem_max, s.rcvbuf)
    out["fragments"] = (b.high_water["fragments"]["max"], b.high_water["fragments"]["of"])
    return {k: v for k, v in out.items() if v[0]}
