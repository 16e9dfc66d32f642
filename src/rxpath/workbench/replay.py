"""rxpath.replay(): a capture, a host, and what came of it.  The command and the library both come through here."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rxpath.workbench import hostfile, traffic, units
from rxpath.workbench.host import Host
from rxpath.workbench.mistakes import BadInput
from rxpath.workbench.outcome import Outcome

if TYPE_CHECKING:
    from rxpath.workbench.trail import Trail

Progress = Callable[[int, int], None]                       # (done, all): bytes of the capture


def the_host(host: Host | str | Path | None = None, settings: Sequence[str] = (), seed: int | None = None) -> Host:
    """A Host from a file or the default one, with overrides KEY=VALUE."""
    if host is None:
        host = hostfile.default()
    elif not isinstance(host, Host):
        host = hostfile.load(host)
    settings = [*settings, *([f"seed={seed}"] if seed is not None else [])]
    return hostfile.apply_overrides(host, settings) if settings else host


def with_outputs(host: Host, tap: str | None, tx: str | None) -> Host:
    """The host with a tap more, and the file for the frames that it sends."""
    changes: dict[str, object] = {}
    if tap is not None:
        changes["tap"] = [*host._raw.get("tap", []), {"file": tap}]
    if tx is not None:
        changes["tx"] = {"pcap": tx}
    return hostfile.revise(host, changes)


def listening(texts: Sequence[str]) -> list[tuple[str, int, int]]:
    """[(udp, address, port)] of ["udp:5000", "tcp:10.0.0.1:80", "5000"]; ranges as in a host file."""
    from rxpath.workbench.host import endpoint

    out = []
    for text in (t for item in texts for t in item.split(",") if t.strip()):
        proto, colon, rest = text.strip().partition(":")
        if proto not in ("udp", "tcp"):
            proto, rest = "udp", text.strip()
        try:
            out += [(proto, a, p) for a, p in endpoint(rest if ":" in rest else f":{rest}", ports=True)]
        except ValueError as error:
            raise BadInput(f'--listen {text}: must be like "udp:5000", "tcp:80", "udp:10.0.0.1:53" or "udp:5000-5099": {error}') from None
    return out


def replay(capture: str | Path, host: Host | str | Path | None = None, *, settings: Sequence[str] = (), seed: int | None = None,
           listen: Sequence[str] = (), local: str | None = None, speed: float = 1.0, rate: str | int | None = None, loop: int = 1,
           plain: bool | None = None, skip_unsupported: bool | None = None, trail: Trail | None = None, progress: Progress | None = None,
           stop: Callable[[], bool] | None = None) -> Outcome:
    """Send a capture through the receive path of a host.

    capture   a pcap or pcapng file, or the name of a bundled one ("first")
    host      a Host, a host file, or None: the default host
    settings  overrides, ["net.core.netdev_budget=600", "ethtool.rx=4096"]
    listen    sockets to open, ["udp:5000", "tcp:80"]; none: those that the capture's traffic goes to
    local     the receiver's address; none: worked out from the capture
    speed     10: ten times as fast; rate: "1.2Mpps" evenly spaced instead; loop: how often
    Raises BadInput, HostError, RulesError for what cannot be used; Imbalance would be our bug."""
    from rxpath.workbench.simulation import Simulation

    chosen = the_host(host, settings, seed)
    pace = units.rate_pps(rate) if rate is not None else 0
    path, sockets = traffic.find(str(capture)), listening(listen)
    receiver = traffic.infer(path, local)

    def once(scout: bool) -> Outcome:
        source = traffic.Source(path, speed=speed, rate_pps=pace, loop=loop)
        with Simulation(chosen, receiver=receiver, listen=sockets, plain=plain, skip_unsupported=skip_unsupported) as sim:
            sim.stop = stop
            if trail is not None:
                trail.attach(sim, scout)
            sim.replay(source, progress)
            if trail is not None:
                trail.collect(last=True)
            return Outcome(sim.books(), source, receiver, sim.host, dict(source.not_offered), tuple(sim.notes), sim.stopped)

    if trail is not None and trail.two_runs:
        once(scout=True)
    return once(scout=False)
