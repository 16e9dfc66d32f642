"""The command `rxpath`.  Only the shape of the command line is here, so that --help is instant: what a command needs is imported inside.

Exit status: 0 ran; 1 something is lost (doctor) or differs (judge, diff); 2 bad input, with one line on stderr that says what and where;
70 our bug (the books do not balance); 130 Ctrl-C, after printing what was done until then; 141 nobody reads our output any more."""
from __future__ import annotations

import copy
import os
import sys
from typing import Annotated, Any

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")       # looking for them costs 20 ms

import typer

from rxpath.workbench.cli import (
    boot,
    calibrate,
    case,
    completion,
    diff,
    doctor,
    generate,
    headroom,
    help,
    host,
    hosts,
    judge,
    lab,
    packetdrill,
    record,
    replay,
    scenario,
    shapes,
    show,
    sweep,
    tune,
    twin,
    validate,
    whatif,
)
from rxpath.workbench.cli import run as run_cli
from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.short_way import HELP, asks_for_the_list, import_help, listed

EXIT_BAD_INPUT, EXIT_BUG, EXIT_INTERRUPTED, EXIT_PIPE = 2, 70, 130, 141
COMPLETE = "_RXPATH_COMPLETE"                       # set by a shell that asks what may come next
ABOUT_ALL = ("help", "completion", "man")           # commands that look at the others

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The Linux packet receive path as software: replay a capture through it, see where every frame went and what it cost.",
    epilog=examples(
        ("rxpath replay first", "the bundled capture on the default host"),
        ("rxpath replay dump.pcap --set ethtool.rx=4096", "the same traffic, a larger ring"),
        ("rxpath host init > host.toml", "a commented host file to edit"),
        ("rxpath doctor", "what this machine is losing, and why"),
    ))


def _version(value: bool) -> None:
    if value:
        version()
        raise typer.Exit


@app.callback()
def options(version_: Annotated[bool, typer.Option(
        "--version", callback=_version, is_eager=True, help="Print the version.")] = False) -> None:
    pass


app.command(epilog=replay.EXAMPLES)(replay.replay)
app.command(epilog=hosts.EXAMPLES)(hosts.hosts)
app.command(epilog=diff.EXAMPLES)(diff.diff)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.command(epilog=record.EXAMPLES)(record.record)
app.command(epilog=case.EXAMPLES)(case.case)
app.command(epilog=whatif.EXAMPLES)(whatif.whatif)
app.command(epilog=show.EXAMPLES)(show.show)
app.command(epilog=sweep.EXAMPLES)(sweep.sweep)
app.command(epilog=tune.EXAMPLES)(tune.tune)
app.command(epilog=headroom.EXAMPLES)(headroom.headroom)
app.command(epilog=lab.EXAMPLES)(lab.lab)
app.command(epilog=run_cli.EXAMPLES)(run_cli.run)
app.command(epilog=twin.EXAMPLES)(twin.twin)
app.command(epilog=judge.EXAMPLES)(judge.judge)
app.command(epilog=packetdrill.EXAMPLES)(packetdrill.packetdrill)
app.command(epilog=shapes.EXAMPLES)(shapes.shapes)
app.command(epilog=calibrate.EXAMPLES)(calibrate.calibrate)
app.command(epilog=validate.EXAMPLES)(validate.validate)
app.command(epilog=boot.BOOT_EXAMPLE)(boot.boot)
app.command(epilog=boot.STATIONS_EXAMPLE)(boot.stations)


@app.command(epilog=examples("tcpdump -nr $(rxpath example first) | head"))
def example(name: Annotated[str, typer.Argument(metavar="NAME", help="Which one.")] = "first") -> None:
    """Print the path of a bundled capture."""
    from rxpath.workbench.traffic import capture as traffic

    typer.echo(traffic.bundled(name))


app.command("help", epilog=help.EXAMPLES)(help.help_)
app.command(epilog=completion.EXAMPLES)(completion.completion)
app.command(epilog=examples("rxpath man | man -l -"))(completion.man)


@app.command()
def version() -> None:
    """Print the version."""
    from rxpath._version import __version__

    typer.echo(f"rxpath {__version__}")


app.command(epilog=generate.EXAMPLES)(generate.generate)
app.add_typer(host.host_app, name="host")
app.add_typer(scenario.scenario_app, name="scenario")


def _for(argv: list[str]) -> typer.Typer:
    """The command line for these words.  Where the first of them is a command's name, of that command alone: to look at the options of all
    is a fifth of a short replay, and half of --help."""
    if COMPLETE in os.environ:
        return app
    if asks_for_the_list(argv):
        return listed(app)
    name = argv[0] if argv else ""
    found = [c for c in app.registered_commands if (c.name or getattr(c.callback, "__name__", "")) == name]
    groups = [g for g in app.registered_groups if g.name == name]
    if len(found) + len(groups) != 1 or name in ABOUT_ALL:
        return app
    one = copy.copy(app)
    one.registered_commands, one.registered_groups = found, groups
    return one


def _say(text: str) -> None:
    try:
        print(f"rxpath: {text}", file=sys.stderr)
    except OSError:
        pass


def _nobody_reads() -> int:
    _drop_output()
    return EXIT_PIPE


def _drop_output() -> None:
    """What is still buffered goes nowhere: else Python tries to write it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _wraps_interrupt(error: BaseException) -> bool:
    """Ctrl-C while a class was made: Python before 3.12 wraps what __set_name__() raises, pydantic's compiled code says it in a text."""
    return "KeyboardInterrupt" in str(error) or isinstance(error.__cause__, KeyboardInterrupt)


def run(argv: list[str] | None = None) -> int:
    """The command; returns its exit status.  No mistake of the user shows a traceback, unless --debug asks for it, wherever it stands."""
    argv = sys.argv[1:] if argv is None else argv
    if os.environ.get(COMPLETE):
        from typer._completion_classes import completion_init

        completion_init()
    own = argv[:argv.index("--")] if "--" in argv else argv
    debug = "--debug" in own
    argv = [word for word in own if word != "--debug"] + argv[len(own):]
    if not argv or any(word in own for word in HELP):
        import_help()
    try:
        code: Any = _for(argv)(args=argv, prog_name="rxpath", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        return _nobody_reads()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):          # the framework has its own idea of it
            return _nobody_reads()
        if isinstance(error.code, str):
            _say(error.code.removeprefix("rxpath: "))
            return 1
        return int(error.code or 0)
    except Exception as raised:
        mistake = raised.__cause__ or raised if isinstance(raised, typer.Abort) else raised     # what an EOFError is made into
        try:
            sys.stdout.flush()
        except OSError:                                             # a full disk
            _drop_output()
        if debug:
            raise
        if hasattr(mistake, "format_message"):                      # a mistake on the command line
            context = getattr(mistake, "ctx", None)
            command = context.command_path if context is not None else "rxpath"
            _say(f"{mistake.format_message() or 'a command is missing'} ({command} --help)")
            return EXIT_BAD_INPUT
        from rxpath.workbench.words.mistakes import is_bad_input, one_line

        if is_bad_input(mistake):
            _say(one_line(mistake))
            return EXIT_BAD_INPUT
        if _wraps_interrupt(mistake):
            return EXIT_INTERRUPTED
        _say(f"this is a bug in rxpath, not in your input: {type(mistake).__name__}: {one_line(mistake)} "
             "(--debug shows where)")
        return EXIT_BUG
