"""rxpath.replay(): a capture, a host, and what came of it.  The command and the library both come through here."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rxpath.cable.capture import Capture
from rxpath.cable.receiver import Receiver, infer_receiver
from rxpath.cable.source import Source
from rxpath.cable.survey import from_anybody
from rxpath.workbench.host import given
from rxpath.workbench.host.tables import open_sockets
from rxpath.workbench.run import assemble, left_open
from rxpath.workbench.run.learning import learn
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.run.simulation import START_NS, Simulation
from rxpath.workbench.traffic import capture as traffic
from rxpath.workbench.traffic.settings import Settings, listed, split
from rxpath.workbench.words import units
from rxpath.workbench.words.mistakes import BadInput

if TYPE_CHECKING:
    from rxpath.cable.generate import Generated
    from rxpath.workbench.host.model.host import Host
    from rxpath.workbench.run.lost_flows import LostFlows
    from rxpath.workbench.run.machine import Machine
    from rxpath.workbench.run.own import Program
    from rxpath.workbench.run.own_traffic import Source as Own
    from rxpath.workbench.run.trail import Trail
    from rxpath.workbench.traffic.clients import Clients
    from rxpath.workbench.traffic.spec import Spec



class Watching(Protocol):
    """Who is told of a run while it goes on."""

    def attach(self, m: Machine, /) -> None:
        """Before the first frame."""

    def finish(self) -> None:
        """The run is over, its state about to go."""


Progress = Callable[[float, int], None]                     # (share of the capture, 0 if not known; frames offered so far)
HEADERS_SHARE = 0.1                                         # of a replay's time: the pass over the headers (docs/speed.md)


def _pace(rate: str | int | None, speed: float) -> int:
    """Frames per second; 0: as captured."""
    try:
        pace = units.rate_pps(rate) if rate is not None else 0
    except ValueError as error:
        raise BadInput(f"--rate {rate}: must be {error}") from None
    if pace and speed != 1:
        raise BadInput(f"--speed {speed:g} and --rate {rate}: use one of them; a rate says how fast, however fast it was")
    return pace


def _watched(trail: Trail | str | Sequence[str] | None) -> Trail | None:
    if trail is None:
        return None
    from rxpath.workbench.run.trail import Trail

    return trail if isinstance(trail, Trail) else Trail(listed(trail))


def _go_together(name: str, spec: Spec | None, loop: int, two_runs: bool, programs: Sequence[Program], sources: Sequence[Own]) -> None:
    """Raises BadInput for what is asked together and cannot be."""
    if name == "-" and (loop > 1 or two_runs):
        raise BadInput("standard input cannot be read twice, as --loop and --trail drops would: save it to a file")
    if (programs or sources) and two_runs:
        raise BadInput(f"trail: to find the dropped ones takes two runs, and {'programs' if programs else 'sources'} of your own run once: "
                       "name the frames")
    if spec is not None and loop > 1:
        raise BadInput("--loop is for captures: generated traffic lasts as long as its duration or count says")


def _clients(spec: Spec | None, sim: Simulation, begins: int, speed: float, last: int | None) -> Clients | None:
    """The spec's TCP clients; None: it has none, or it is a capture."""
    if spec is None:
        return None
    from rxpath.workbench.traffic import spec as trafficfile

    assert sim.receiver is not None
    return trafficfile.clients(spec, sim.host, start_ns=begins, mac=sim.receiver.mac, speed=speed, until_ns=last,
                               reaction_ns=sim.time.reaction_ns())


def _alone(capture: str | Path | Spec | Own, of_traffic: Sequence[str], speed: float, rate: str | int | None) -> Own | None:
    """Traffic of the user's own in place of a capture, if it is that."""
    if isinstance(capture, (str, Path)):
        return None
    from rxpath.workbench.run.own_traffic import Source as OwnTraffic
    from rxpath.workbench.traffic.spec import Spec

    if isinstance(capture, Spec):
        return None
    if not isinstance(capture, OwnTraffic):
        hint = ": give an object, " + capture.__name__ + "()" if isinstance(capture, type) else ""
        raise BadInput(f"{capture!r} is not traffic: a capture's path, a traffic spec or an rxpath.Source is{hint}")
    if of_traffic or speed != 1 or rate is not None:
        what = of_traffic[0].partition("=")[0] if of_traffic else "speed" if speed != 1 else "rate"
        raise BadInput(f"{what}: {capture.called()} is traffic of your own and keeps its own time")
    return capture


def _checked(alone: Own | None, sources: Sequence[Own], host: Host) -> Sequence[Own]:
    """All sources."""
    if alone is None and sources in ((), []):
        return ()
    from rxpath.workbench.run import own_traffic

    return own_traffic.checked(alone, sources, host)


def _receiver(source: Source | None, spec: Spec | None, host: Host, said: tuple[list[str] | None, str], plain: bool,
              progress: Progress | None, stop: Callable[[], bool] | None) -> Receiver:
    """Who receives."""
    if source is None:
        from rxpath.workbench.traffic import spec as trafficfile

        assert spec is not None
        return trafficfile.receiver(spec, host)
    return captured_receiver(source, host, said, plain, progress, stop)


def captured_receiver(source: Source, host: Host, said: tuple[list[str] | None, str], plain: bool = False,
                      progress: Progress | None = None, stop: Callable[[], bool] | None = None) -> Receiver:
    """Who receives in a capture, by its headers.  said: traffic.capture.said_receiver()."""
    declared = None if host.opens_from_capture else open_sockets(host)            # what the host file opens, and nothing else
    udp, tcp = (None if declared is None else [s.port for s in declared if s.listed.proto == proto] for proto in ("udp", "tcp"))
    return infer_receiver(source, local=said[0], listen=udp, listen_tcp=tcp, plain=plain, progress=progress, stop=stop,
                          said_by=said[1])


def _silent() -> Spec:
    from rxpath.workbench.traffic import spec as trafficfile

    return trafficfile.silent()


def replay(capture: str | Path | Spec | Own, host: given.GivenHost = None, *, overrides: Settings = (), seed: int | None = None,
           listen: str | Sequence[str] = (), local: str | None = None, speed: float = 1.0, rate: str | int | None = None, loop: int = 1,
           plain: bool | None = None, skip_unsupported: bool | None = None, trail: Trail | str | Sequence[str] | None = None,
           progress: Progress | None = None, stop: Callable[[], bool] | None = None, receiver: Receiver | None = None, fresh: bool = False,
           record: bool = False, last: int | None = None, spends: bool = True, watching: Sequence[Watching] = (),
           programs: Sequence[Program] = (), sources: Sequence[Own] = ()) -> Outcome:
    """Send a capture through the receive path of a host.

    capture   a pcap or pcapng file (also gzipped), "-" for standard input, the name of a bundled one ("first"),
              a traffic spec (.toml), or a traffic.spec.Spec: then its frames are generated straight into the run;
              or traffic of your own that reacts, of class rxpath.Source
    host      a Host, a host file's path or its tables as a dict, or None: the default host (a bundled capture has its own)
    overrides {"net.core.netdev_budget": 600, "ethtool.rx": 4096} or ["ethtool.rx=4096"]; of a spec also {"traffic.0.rate": "200kpps"}
    seed      of everything random, in the host and in a spec
    listen    sockets to open, ["udp:5000", "tcp:80"]; none: those that the capture's traffic goes to
    local     the receiver: its address, its MAC, or a name that rxpath hosts shows; none: worked out from the capture
    speed     10: ten times as fast; rate: "1.2Mpps" evenly spaced instead; loop: how often
    stop      asked between slices: true ends the run early; fresh: each loop comes from other source addresses
    last      only the beginning: so many records of each reading; of generated traffic so many ns
    trail     the way of single packets, in Outcome.trail: "drops", "17", ["10.0.0.2:53", ...] as --trail has them, or a run.trail.Trail
    watching  who is told of the run while it goes on: run.fates.Fates (what became of every frame; not together with trail),
              run.moment.Moments (what the host's counters say at moments of it)
    programs  applications of your own, of class rxpath.Program, beside the host's or in place of them
    sources   traffic of your own beside the capture, of class rxpath.Source
    spends    keep where the time of each datagram went, in books.spent and Outcome.samples
    record    keep rings, queues, CPU time and losses over time, in Outcome.recording, and whose frames were lost, in Outcome.lost_flows
              (not together with trail); receiver: who receives, if that is known
    Raises BadInput, CaptureError, HostError, RulesError for what cannot be used; Imbalance would be our bug."""
    watched = _watched(trail)
    of_traffic, of_host = split(overrides)
    alone = _alone(capture, of_traffic, speed, rate)
    spec = _silent() if alone is not None else traffic.changed_spec(capture, of_traffic, seed)      # type: ignore[arg-type]
    if host is None and spec is None:
        host = traffic.bundled_host(str(capture))
    chosen = given.the_host(host, of_host, seed)
    name = traffic.find(str(capture)) if isinstance(capture, (str, Path)) else "traffic" if alone is None else alone.called()
    sources = _checked(alone, sources, chosen)
    sockets, said = traffic.listening(listen), traffic.said_receiver(local, chosen)
    pace = _pace(rate, speed)
    two_runs = watched is not None and watched.two_runs
    _go_together(name, spec, loop, two_runs, programs, sources)
    source: Source | None = None
    begins = START_NS + left_open.lead_ns(chosen)
    if spec is not None:
        from rxpath.workbench.traffic import spec as trafficfile

    def open_source() -> Source | None:
        return None if spec is not None else Source(name)

    def cable(source: Source | None) -> Capture | Generated:
        if source is None:
            assert spec is not None
            return trafficfile.generator(spec, chosen, speed=trafficfile.pace(spec, speed, pace), start_ns=begins, mac=who.mac,
                                         plain=bool(plain), until_ns=last)
        return Capture(source, speed=speed, rate=pace or None, loop=loop, receiver=who, start_ns=begins, plain=bool(plain), fresh=fresh,
                       last=last, line_rate=chosen.device.line_bps, arrival_dice=left_open.arrival_dice(chosen))

    def once(source: Source | None, scout: bool) -> Outcome:
        with cable(source) as frames, \
                Simulation(chosen, receiver=who, listen=sockets, plain=plain, skip_unsupported=skip_unsupported,
                           record=record and not scout, spends=spends and not scout, programs=programs) as sim:
            sim.time.stop = stop
            others: Sequence[Watching] = () if scout else watching
            sim.add_clients(_clients(spec, sim, begins, speed, last))
            sim.add_traffic(sources, begins)
            flows = _attached(sim, watched, others, record, scout)
            sim.replay(frames, part(progress, headers, 1.0))
            for told in (watched, *others, flows):
                if told is not None:
                    told.finish()
            said = traffic.summary(name, frames, speed, pace, begins, sim.reacting())
            return Outcome(read := sim.books(), said, who, sim.host, (*said.notes, *sim.said(read)), tuple(sim.leaving.lines),
                           sim.time.stopped, recording=sim.recording(), taught=taught, sampled=sim.sampled(), trail=watched,
                           lost_flows=flows, own=frozenset(sim.own), clients=sim.clients.finish() if sim.clients is not None else None)

    source = open_source()
    headers = HEADERS_SHARE if source is not None and receiver is None else 0.0         # of all that is to be done
    try:
        who = receiver or _receiver(source, spec, chosen, said, bool(plain), part(progress, 0.0, headers), stop)
        chosen, taught = learn(name, who, chosen) if source is not None else (chosen, None)
        chosen = assemble.settle(chosen, who)
        if fresh and loop > 1:
            who = replace(who, tcp=from_anybody(who.tcp))
        if two_runs:
            once(source, scout=True)
            source = open_source()
        return once(source, scout=False)
    finally:
        if source is not None:
            source.close()


def _attached(sim: Simulation, watched: Trail | None, others: Sequence[Watching], record: bool, scout: bool) -> LostFlows | None:
    """Whoever is told of single frames; of a recorded run whose frames were lost, where nobody chose others to watch."""
    if watched is not None:
        watched.attach(sim, scout)
    for other in others:
        other.attach(sim)
    if not record or watched is not None:
        return None
    from rxpath.workbench.run.lost_flows import LostFlows

    flows = LostFlows()
    flows.attach(sim)
    return flows


def part(progress: Progress | None, begin: float, end: float) -> Progress | None:
    """Progress of a part of the whole, which goes from `begin` to `end`."""
    if progress is None:
        return None
    return lambda share, frames: progress(begin + (end - begin) * share, frames)
