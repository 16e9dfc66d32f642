"""The command `rxpath`.  Only the shape of the command line is here, so that --help is instant: what a command needs is imported inside.

Exit status: 0 ran; 2 bad input, with one line on stderr that says what and where; 70 our bug (the books do not balance);
130 Ctrl-C, after printing what was done until then; 141 nobody reads our output any more."""
from __future__ import annotations

import os
import sys
from typing import Annotated, Any

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")       # looking for them costs 20 ms

import typer

EXIT_BAD_INPUT, EXIT_BUG, EXIT_INTERRUPTED, EXIT_PIPE = 2, 70, 130, 141

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The Linux packet receive path as software: replay a capture through it, see where every frame went and what it cost.",
    epilog="\n\n".join((
        "Examples:",
        "[cyan]rxpath replay first[/]                             the bundled capture on the default host",
        "[cyan]rxpath replay dump.pcap --set ethtool.rx=4096[/]   the same traffic, a larger ring",
        "[cyan]rxpath host init > host.toml[/]                    a commented host file to edit",
    )))
host_app = typer.Typer(no_args_is_help=True, help="Host files: describe the machine that receives.",
                       epilog="Example:\n\n[cyan]rxpath host init > host.toml; rxpath host check host.toml[/]")
app.add_typer(host_app, name="host")

HostOption = Annotated[str | None, typer.Option("--host", metavar="FILE", help="Host file (TOML); rxpath host init writes one.")]
SetOption = Annotated[list[str] | None, typer.Option(
    "--set", metavar="KEY=VALUE", help="Change one setting: net.core.netdev_budget=600, ethtool.rx=4096, kernel=3.10, app.0.service=2us. "
    "May be given several times.")]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of everything random.")]
CaptureArgument = Annotated[str, typer.Argument(metavar="CAPTURE", help="pcap or pcapng file, or the name of a bundled one: first.")]
ListenOption = Annotated[list[str] | None, typer.Option(
    "--listen", metavar="PROTO:PORT,...",
    help="Sockets to open instead of those that the traffic goes to: udp:5000,tcp:80,udp:10.0.0.1:53.")]
LocalOption = Annotated[str | None, typer.Option("--local", metavar="ADDR", help="The receiver's address; worked out if not given.")]
SpeedOption = Annotated[float, typer.Option("--speed", metavar="X", help="X times as fast as captured.")]
RateOption = Annotated[str | None, typer.Option("--rate", metavar="PPS", help="Evenly spaced at this rate instead: 1.2Mpps, 300kpps.")]
LoopOption = Annotated[int, typer.Option("--loop", metavar="N", help="The capture N times, one after the other.")]
JobsOption = Annotated[int | None, typer.Option("--jobs", metavar="N", help="Runs at a time; all cores if not given.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of a mistake.", hidden=True)]


def _version(value: bool) -> None:
    if value:
        version()
        raise typer.Exit


@app.callback()
def options(version_: Annotated[bool, typer.Option(
        "--version", callback=_version, is_eager=True, help="Print the version.")] = False) -> None:
    pass


@app.command(epilog="\n\n".join((
    "Examples:",
    "[cyan]rxpath replay first[/]                              a bundled capture",
    "[cyan]rxpath replay dump.pcapng --speed 10[/]             ten times as fast",
    "[cyan]rxpath replay dump.pcap --rate 1.2Mpps --loop 100[/]   evenly spaced, a hundred times",
    "[cyan]rxpath replay traffic.toml[/]                       generated traffic, rxpath generate --help",
    "[cyan]rxpath replay dump.pcap --listen udp:5000,tcp:80[/] only these sockets",
    "[cyan]rxpath replay first --trail drops[/]                the way of the frames that were lost",
    "[cyan]rxpath replay first --goal latency[/]              knobs that make it faster, each tried on the same traffic",
    "[cyan]rxpath replay first --json | jq .dropped[/]         for programs; docs/json.md",
)))
def replay(
    capture: Annotated[str, typer.Argument(
        metavar="CAPTURE",
        help="pcap or pcapng file (also gzipped), -, the name of a bundled one (first), or a traffic spec (.toml).")],
    host: HostOption = None,
    set_: SetOption = None,
    listen: Annotated[list[str] | None, typer.Option(
        "--listen", metavar="PROTO:PORT,...",
        help="Sockets to open instead of those that the traffic goes to: udp:5000,tcp:80,udp:10.0.0.1:53.")] = None,
    local: Annotated[str | None, typer.Option("--local", metavar="ADDR", help="The receiver's address; worked out if not given.")] = None,
    speed: Annotated[float, typer.Option("--speed", metavar="X", help="X times as fast as captured.")] = 1.0,
    rate: Annotated[str | None, typer.Option("--rate", metavar="PPS", help="Evenly spaced at this rate instead: 1.2Mpps, 300kpps.")] = None,
    loop: Annotated[int, typer.Option("--loop", metavar="N", help="The capture N times, one after the other.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="With --loop: each time from other source addresses.")] = False,
    seed: SeedOption = None,
    trail: Annotated[list[str] | None, typer.Option(
        "--trail", metavar="FILTER",
        help="Print the way of single packets: a frame number, an address, :PORT, drops, drops:REASON, or all.")] = None,
    trail_limit: Annotated[int, typer.Option("--trail-limit", metavar="N", help="At most so many packets are printed.")] = 10,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output; docs/json.md.")] = False,
    tap: Annotated[str | None, typer.Option("--tap", metavar="FILE", help="A packet socket that writes what it sees to a pcap.")] = None,
    tx: Annotated[str | None, typer.Option("--tx", metavar="FILE", help="Write the frames that the path sends to a pcap.")] = None,
    skip_unsupported: Annotated[bool, typer.Option("--skip-unsupported", help="Leave out iptables rules that are not modelled.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Run the path as plain Python: slow, the same bytes.")] = False,
    goal: Annotated[str | None, typer.Option(
        "--goal", metavar="GOAL", help="What to find knobs for: loss, latency or cpu. Loss, if anything was lost.")] = None,
    budget: Annotated[str | None, typer.Option("--budget", metavar="TIME", help="How long to try knobs: 10s if not given.")] = None,
    no_whatif: Annotated[bool, typer.Option("--no-whatif", help="Do not look for what would have saved the lost packets.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
    debug: DebugOption = False,
) -> None:
    """Send a capture through the receive path of a host and say where every frame went."""
    from rxpath.workbench.cli import replay as command

    code = command.replay(capture, host=host, settings=set_ or [], listen=listen or [], local=local, speed=speed, rate=rate, loop=loop,
                          fresh=fresh, seed=seed, trail=trail or [], trail_limit=trail_limit, as_json=json_, tap=tap, tx=tx,
                          skip_unsupported=skip_unsupported, plain=plain, show_progress=not no_progress, try_knobs=not no_whatif,
                          goal=goal, budget=budget)
    raise typer.Exit(code)


@app.command(epilog="\n\n".join((
    "Examples:",
    "[cyan]rxpath sweep first --set net.core.rmem_default=212992..8388608[/]   doubled from 212992 up to 8388608",
    "[cyan]rxpath sweep first --set ethtool.rx=256,1024,4096 --set speed=1..16[/]   every combination",
    "[cyan]rxpath sweep first --set ethtool.rx=80..4096/9 --resume rows.jsonl --csv rows.csv[/]",
    "Ranges: A..B doubles, A..B*F multiplies by F, A..B/N is N values at equal distances.",
)))
def sweep(
    capture: CaptureArgument,
    set_: Annotated[list[str] | None, typer.Option(
        "--set", metavar="KEY=VALUES", help="What varies: KEY=V1,V2 or KEY=A..B. Keys as in replay --set, and speed, rate, loop. Several "
        "times: every combination.")] = None,
    host: HostOption = None,
    listen: ListenOption = None, local: LocalOption = None, speed: SpeedOption = 1.0, rate: RateOption = None, loop: LoopOption = 1,
    seed: SeedOption = None,
    jobs: JobsOption = None,
    resume: Annotated[str | None, typer.Option(
        "--resume", metavar="FILE", help="Keep every row there as it is done; rows that it has are not run again.")] = None,
    csv: Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write the rows as CSV; - is standard output.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="JSON lines on standard output: one object for each run.")] = False,
    parquet: Annotated[str | None, typer.Option(
        "--parquet", metavar="FILE", help="Write the rows as Parquet (needs rxpath[parquet]).")] = None,
    top: Annotated[int, typer.Option("--top", metavar="N", help="The table shows the best N.")] = 40,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
    debug: DebugOption = False,
) -> None:
    """Run a grid of settings on one capture, on all cores, and rank what each came to."""
    from rxpath.workbench.cli import many as command

    raise typer.Exit(command.sweep(
        capture, settings=set_ or [], host=host, listen=listen or [], local=local, speed=speed, rate=rate, loop=loop, seed=seed, jobs=jobs,
        resume=resume, csv=csv, as_json=json_, parquet=parquet, top=top, show_progress=not no_progress))


@app.command(epilog="\n\n".join((
    "Examples:",
    "[cyan]rxpath headroom first[/]                      until the first frame is lost",
    "[cyan]rxpath headroom first --loss 0.1%[/]          until more than that is lost",
    "[cyan]rxpath headroom first --p99 500us --limits 5[/]   until p99 is above that, and the next limits",
)))
def headroom(
    capture: CaptureArgument,
    host: HostOption = None,
    set_: SetOption = None,
    listen: ListenOption = None, local: LocalOption = None, loop: LoopOption = 1, seed: SeedOption = None,
    loss: Annotated[str | None, typer.Option("--loss", metavar="SHARE", help="Allow this share of the frames to be lost: 0.1%.")] = None,
    p99: Annotated[str | None, typer.Option(
        "--p99", metavar="TIME", help="The latency that 99% must keep: 500us; a lost one does not keep it.")] = None,
    limits: Annotated[int, typer.Option("--limits", metavar="N", help="Find so many: each is lifted to find the next.")] = 3,
    jobs: JobsOption = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output: limits and curves.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Nothing on standard error.")] = False,
    debug: DebugOption = False,
) -> None:
    """Find how much faster the same traffic may come, what gives way first, what lifts it, and what gives way next."""
    from rxpath.workbench.cli import many as command

    raise typer.Exit(command.headroom(
        capture, host=host, settings=set_ or [], listen=listen or [], local=local, loop=loop, seed=seed, loss=loss, p99=p99, limits=limits,
        jobs=jobs, as_json=json_, show_progress=not no_progress))


@app.command(epilog="\n\n".join((
    "Examples:",
    "[cyan]sudo rxpath judge[/]                                every listed case, on this machine's kernel",
    "[cyan]sudo rxpath judge --only causes[/]                  one family; also a station or a name: --only 'martian*'",
    "[cyan]sudo rxpath judge --examples 100000 --seed 7[/]     and so many generated frames",
    "[cyan]sudo rxpath judge --examples 1000000 --seed 7 --state judge.json[/]   to be taken up where it stopped",
    "[cyan]sudo rxpath judge --captures DIR[/]                 the frames of captures",
    "[cyan]sudo rxpath judge --order[/]                        our stations beside the kernel's order of functions",
    "[cyan]sudo rxpath judge --load[/]                         a slow reader, wake-ups, sleeper against hog: ours and the kernel's spread",
    "[cyan]rxpath judge --list[/]                              the cases; needs no root",
)))
def judge(
    only: Annotated[list[str] | None, typer.Option(
        "--only", metavar="PATTERN", help="Only cases whose family, station or name fits (* and ?). May be given several times.")] = None,
    examples: Annotated[int, typer.Option("--examples", metavar="N", min=0, help="So many generated frames beside the cases.")] = 0,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of the generated frames; printed.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the cases and stop.")] = False,
    state: Annotated[str | None, typer.Option("--state", metavar="FILE", help="Where a run of generated frames keeps its place.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Run the path as plain Python: slow, the same bytes.")] = False,
    captures: Annotated[str | None, typer.Option(
        "--captures", metavar="DIR", help="Instead of the cases: the frames of every capture there, rewritten to the receiver.")] = None,
    order: Annotated[bool, typer.Option("--order", help="Instead of the cases: our stations beside the kernel's functions.")] = False,
    load: Annotated[bool, typer.Option("--load", help="Instead of the cases: what depends on time, with the kernel's spread.")] = False,
    debug: DebugOption = False,
) -> None:
    """Send the same frames into this machine's kernel and into the path, and say what differs (Linux 6.18, root)."""
    from rxpath.workbench.cli import judge as command
    from rxpath.workbench.cli.replay import Interrupt

    if order:
        raise typer.Exit(command.order_of_stations(json_, plain))
    if load:
        raise typer.Exit(command.under_load(json_))
    with Interrupt() as interrupt:
        code = command.judge(only or [], examples, seed, json_, listing, state, plain, interrupt, captures)
    raise typer.Exit(code)


@app.command(epilog="\n\n".join((
    "Examples:",
    "[cyan]rxpath shapes[/]                       all of them, ours beside the published",
    "[cyan]rxpath shapes --only Q3 --only Q7[/]   two of them; --list has the names",
    "[cyan]rxpath shapes -o docs[/]               docs/shapes.md and its pictures (needs rxpath\\[shapes])",
)))
def shapes(
    only: Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help="Only this one. May be given several times.")] = None,
    out: Annotated[str | None, typer.Option("-o", "--output", metavar="DIR", help="Write the page and its pictures there.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the shapes and stop.")] = False,
    jobs: JobsOption = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
    debug: DebugOption = False,
) -> None:
    """Run what others published of the receive path - livelock, interrupt rates, costs - and show ours beside it."""
    from rxpath.workbench.cli import shapes as command

    raise typer.Exit(command.shapes(only or [], out, json_, listing, jobs, not no_progress))


@app.command(epilog="Example:\n\n[cyan]rxpath boot --set cpus=4 --set nic.queues=4[/]")
def boot(host: HostOption = None, set_: SetOption = None, debug: DebugOption = False) -> None:
    """Boot a host and print what was set up, in the order in which the kernel does it."""
    from rxpath.workbench.cli import replay as command

    command.boot(host, set_ or [])


@app.command(epilog="Example:\n\n[cyan]rxpath stations | grep udp[/]")
def stations() -> None:
    """List the stations of the path in the packet's order: function, room, context, kernel source."""
    from rxpath.workbench.cli import replay as command

    command.stations()


@app.command(epilog="Example:\n\n[cyan]tcpdump -nr $(rxpath example first) | head[/]")
def example(name: Annotated[str, typer.Argument(metavar="NAME", help="Which one.")] = "first") -> None:
    """Print the path of a bundled capture."""
    from rxpath.workbench.traffic import capture as traffic

    typer.echo(traffic.bundled(name))


@app.command()
def version() -> None:
    """Print the version."""
    from rxpath import __version__

    typer.echo(f"rxpath {__version__}")


@host_app.command("init", epilog="Example:\n\n[cyan]rxpath host init host.toml[/]")
def host_init(file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="A new file; standard output if not given.")] = None,
              debug: DebugOption = False) -> None:
    """Write a complete host file with a comment for every key."""
    from rxpath.workbench.host import text as hosttext

    if file:
        hosttext.write_commented(file)
        typer.echo(f"wrote {file}", err=True)
    else:
        typer.echo(hosttext.commented(), nl=False)


@host_app.command("show", epilog="Example:\n\n[cyan]rxpath host show host.toml --set kernel=3.10[/]")
def host_show(file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="A host file; the default host if not given.")] = None,
              set_: SetOption = None,
              json_: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False, debug: DebugOption = False) -> None:
    """Print every setting that a run would use, and mark those that differ from the default host."""
    from rxpath.workbench.cli import replay as command

    command.host_show(file, set_ or [], json_)


@host_app.command("check", epilog="Example:\n\n[cyan]rxpath host check host.toml[/]")
def host_check(file: Annotated[str, typer.Argument(metavar="FILE", help="A host file.")], set_: SetOption = None,
               skip_unsupported: Annotated[bool, typer.Option(
                   "--skip-unsupported", help="Report iptables rules that are not modelled.")] = False,
               debug: DebugOption = False) -> None:
    """Check a host file, its rules too: silent and 0 if it is right, one line and 2 if it is not."""
    from rxpath.workbench.cli import replay as command

    command.host_check(file, set_ or [], skip_unsupported)


def _more_commands() -> None:
    from rxpath.workbench.cli import traffic as cli_traffic

    cli_traffic.add(app)


_more_commands()


def _say(text: str) -> None:
    try:
        print(f"rxpath: {text}", file=sys.stderr)
    except OSError:
        pass


def _nobody_reads() -> int:
    """What is still buffered goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return EXIT_PIPE


def run(argv: list[str] | None = None) -> int:
    """The command; returns its exit status.  No mistake of the user shows a traceback, unless --debug asks for it."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        code: Any = app(args=argv, prog_name="rxpath", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        return _nobody_reads()
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):          # the framework has its own idea of it
            return _nobody_reads()
        if isinstance(error.code, str):
            _say(error.code.removeprefix("rxpath: "))
            return 1
        return int(error.code or 0)
    except Exception as error:
        if "--debug" in argv:
            raise
        if hasattr(error, "format_message"):                        # a mistake on the command line
            _say(f"{error.format_message()} (rxpath --help)")
            return EXIT_BAD_INPUT
        from rxpath.workbench.words.mistakes import is_bad_input, one_line

        if is_bad_input(error):
            _say(one_line(error))
            return EXIT_BAD_INPUT
        _say(f"this is a bug of rxpath, not of your input: {type(error).__name__}: {one_line(error)} (--debug shows where)")
        return EXIT_BUG
