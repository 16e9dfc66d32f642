"""Options that several commands have."""
from __future__ import annotations

from typing import Annotated

import typer

HostOption = Annotated[str | None, typer.Option("--host", metavar="FILE", help="Host file (TOML); rxpath host init writes one.")]
SetOption = Annotated[list[str] | None, typer.Option(
    "--set", metavar="KEY=VALUE", help="Change one setting: net.core.netdev_budget=600, ethtool.rx=4096, kernel=3.10, app.0.service=2us; "
    "of a traffic spec also traffic.0.rate=200kpps. "
    "May be given several times.")]
SeedOption = Annotated[int | None, typer.Option(
    "--seed", metavar="N", help="Seed of everything random, in the host and in a traffic spec.")]
CaptureArgument = Annotated[str, typer.Argument(metavar="CAPTURE", help="pcap or pcapng file, or the name of a bundled one: first.")]
ListenOption = Annotated[list[str] | None, typer.Option(
    "--listen", metavar="PROTO:PORT,...",
    help="Sockets to open instead of those that the traffic goes to: udp:5000,tcp:80,udp:10.0.0.1:53.")]
LocalOption = Annotated[str | None, typer.Option(
    "--local", metavar="HOST", help="The receiver: an address, a MAC, or a name that rxpath hosts shows; worked out if not given.")]
SpeedOption = Annotated[float, typer.Option("--speed", metavar="X", help="X times as fast as captured.")]
RateOption = Annotated[str | None, typer.Option("--rate", metavar="PPS", help="Evenly spaced at this rate instead: 1.2Mpps, 300kpps.")]
LoopOption = Annotated[int, typer.Option("--loop", metavar="N", help="The capture N times, one after the other.")]
AtOption = Annotated[str | None, typer.Option(
    "--at", metavar="TIME", help="At that moment of virtual time, 1.5s, instead of at the end.")]
JobsOption = Annotated[int | None, typer.Option("--jobs", metavar="N", help="Runs at a time; all cores if not given.")]

SchedulerOption = Annotated[str | None, typer.Option(
    "--scheduler", metavar="ADDRESS", help="A Dask scheduler, tcp://HOST:8786: the runs are done by its workers (needs "
    "rxpath\\[cluster]).")]


def checked_jobs(jobs: int | None, scheduler: str | None = None) -> int | str | None:
    """What the functions take as jobs."""
    from rxpath.workbench.words.mistakes import BadInput

    if jobs is not None and scheduler is not None:
        raise BadInput("--jobs and --scheduler: the scheduler's workers say how many run at a time")
    if jobs is not None and not 1 <= jobs <= 1024:
        raise BadInput(f"--jobs {jobs}: 1 to 1024")
    return scheduler if scheduler is not None else jobs
