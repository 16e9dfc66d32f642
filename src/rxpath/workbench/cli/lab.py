"""`rxpath lab`: a live host to ping and to send to."""
from __future__ import annotations

from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED

EXAMPLES = examples(
    ("sudo rxpath lab", "10.9.0.2 answers ping, and prints what comes to UDP port 5000; it says what to type"),
    ("rxpath lab", "without root, where user namespaces are allowed"),
    ("sudo rxpath lab --view", "rates by station, queues, drops by reason, CPU, the way of one packet"),
    ("rxpath lab --addr 192.168.77.2/24 --peer 192.168.77.1", "other addresses"))


def lab(
    addr: Annotated[str, typer.Option("--addr", metavar="ADDRESS", help="Of our host, with its prefix length.")] = "10.9.0.2/24",
    peer: Annotated[str | None, typer.Option("--peer", metavar="ADDRESS", help="Of Linux on the other side; the first other one.")] = None,
    kernel: Annotated[str, typer.Option("--kernel", metavar="VERSION", help="Whose behaviour.")] = "6.18",
    view: Annotated[bool, typer.Option("--view", help="Show rates, queues, drops and a packet's way while it runs.")] = False,
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="S", help="End after so long; else Ctrl-C ends it.")] = None,
) -> None:
    """Serve the seeds' UDP program on a live host: a network namespace, a TAP, and our receive path behind it.  Ping it, send to it."""
    from rxpath.abi.kernels import KERNELS
    from rxpath.workbench.live.lab import lab as serve
    from rxpath.workbench.live.summary import summary
    from rxpath.workbench.views.live import View
    from rxpath.workbench.words.mistakes import BadInput

    if seconds is not None and not 0 < seconds < 1e8:
        raise BadInput(f"--seconds {seconds:g}: more than 0")
    if kernel not in KERNELS:
        raise BadInput(f"--kernel {kernel}: one of {', '.join(KERNELS)}")
    shown = View() if view else None
    if serve(addr, peer, kernel, seconds, lambda host: typer.echo(summary(host), err=True), shown):
        raise typer.Exit(EXIT_INTERRUPTED)
