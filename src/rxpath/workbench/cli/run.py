"""`rxpath run`: a Python program on a live host."""
from __future__ import annotations

from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples

EXAMPLES = examples(
    ("sudo rxpath run --dev tap0 --addr 10.9.0.2/24 --peer 10.9.0.1 -- python server.py", "its sockets are ours; Linux is 10.9.0.1"),
    ("sudo rxpath run --dev veth1 --addr 10.9.0.2/24 -- python server.py", "a packet socket on a device that exists already"),
    ("unshare -Urn rxpath run --dev tap0 --addr 10.9.0.2/24 --stats -- python -m mymodule", "in a namespace of its own, without root"))


def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="After --: a Python program, as it would be started without us.")],
    dev: Annotated[str, typer.Option("--dev", metavar="DEV", help="A TAP device, made if it is not there; or another.")],
    addr: Annotated[str, typer.Option("--addr", metavar="ADDRESS", help="Of our host, with its prefix length.")],
    peer: Annotated[str | None, typer.Option("--peer", metavar="ADDRESS", help="Of Linux's side of the TAP.")] = None,
    gateway: Annotated[str | None, typer.Option("--gateway", metavar="ADDRESS", help="Where all other networks are.")] = None,
    backend: Annotated[str, typer.Option(
        "--backend", metavar="KIND", help="tap, packet (AF_PACKET), xdp (AF_XDP); auto: tap, or packet if DEV is no TAP.")] = "auto",
    queues: Annotated[int, typer.Option("--queues", metavar="N", help="Of the device, each with a thread.")] = 1,
    kernel: Annotated[str, typer.Option("--kernel", metavar="VERSION", help="Whose behaviour.")] = "6.18",
    stats: Annotated[bool, typer.Option("--stats", help="At the end say what came, went and was lost.")] = False,
) -> None:
    """Run an unmodified Python program with its IPv4 sockets replaced by those of a live host."""
    import signal

    from rxpath.abi.kernels import KERNELS
    from rxpath.workbench.live.devices import BACKENDS
    from rxpath.workbench.live.run import run as become
    from rxpath.workbench.words.mistakes import BadInput

    if kernel not in KERNELS:
        raise BadInput(f"--kernel {kernel}: one of {', '.join(KERNELS)}")
    if backend not in BACKENDS:
        raise BadInput(f"--backend {backend}: one of {', '.join(BACKENDS)}")
    if callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)            # which asyncio looks for
    become(dev, addr, peer, gateway, backend, queues, kernel, stats, command)
