"""`rxpath show`: what the kernel and its tools would print of a run's host, at its end or at a moment of it."""
from __future__ import annotations

import sys
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.options import (
    AtOption,
    CaptureArgument,
    HostOption,
    ListenOption,
    LocalOption,
    LoopOption,
    RateOption,
    SeedOption,
    SetOption,
    SpeedOption,
)
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt

EXAMPLES = examples(
    ("rxpath show snmp first", "/proc/net/snmp at the end of the run"),
    ("rxpath show softnet_stat first --at 5s", "five seconds after its beginning, in virtual time"),
    "rxpath show ss first --at 5s",
    "rxpath show ethtool-S first --set ethtool.rx=64",
    more="What there is: softnet_stat, snmp, netstat, udp, tcp, dev, sockstat, interrupts, softirqs, stat, uptime, ethtool-S, ip-s-link, "
    "ss, iptables-vnL.",
)


def show(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="Which text; the list is below.")],
    capture: CaptureArgument,
    at: AtOption = None,
    host: HostOption = None, set_: SetOption = None,
    listen: ListenOption = None, local: LocalOption = None, speed: SpeedOption = 1.0, rate: RateOption = None, loop: LoopOption = 1,
    seed: SeedOption = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False
) -> None:
    """Print what the kernel, its driver or a tool would say of the host of a run: to the byte of their shape."""
    from rxpath.workbench.host import given
    from rxpath.workbench.run import replay as replaying
    from rxpath.workbench.run.moment import Moments, checked_at
    from rxpath.workbench.traffic import capture as traffic
    from rxpath.workbench.traffic.settings import split
    from rxpath.workbench.views.proc.tree import TEXTS
    from rxpath.workbench.words import units
    from rxpath.workbench.words.mistakes import BadInput

    if what not in TEXTS:
        near = units.nearest(what, list(TEXTS))
        raise BadInput(f"show {what}: one of {', '.join(TEXTS)}" + (f"; did you mean {near}?" if near else ""))
    moments = Moments(checked_at(at))
    of_traffic, of_host = split(set_ or [])
    chosen = given.the_host(host or traffic.bundled_host(capture), of_host, seed)
    with Interrupt() as interrupt, Bar(not no_progress, f"replaying {capture}") as bar:
        outcome = replaying.replay(capture, chosen, overrides=of_traffic, seed=seed, listen=listen or [], local=local, speed=speed,
                                   rate=rate, loop=loop, progress=bar, stop=interrupt, watching=[moments], spends=False)
    sys.stdout.write(TEXTS[what].write(moments.found[0]))
    raise typer.Exit(EXIT_INTERRUPTED if outcome.interrupted else 0)
