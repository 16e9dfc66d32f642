"""`rxpath host init | snapshot | show | check`: host files."""
from __future__ import annotations

import os
import sys
from functools import reduce
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.options import SetOption

host_app = typer.Typer(no_args_is_help=True, help="Host files: describe the machine that receives.",
                       epilog=examples("rxpath host init > host.toml; rxpath host check host.toml"))


@host_app.command("init", epilog=examples("rxpath host init --nic veth host.toml"))
def host_init(file: Annotated[str | None, typer.Argument(metavar="FILE", help="A new file; standard output if not given.")] = None,
              nic: Annotated[str | None, typer.Option("--nic", metavar="DRIVER", help="The driver of its card.")] = None) -> None:
    """Write a complete host file with a comment for every key."""
    from rxpath.drivers import rows
    from rxpath.workbench.host import text as hosttext
    from rxpath.workbench.words.mistakes import BadInput

    try:
        name = rows.driver(nic or rows.DEFAULT).name
    except ValueError as error:
        raise BadInput(f"--nic {nic}: {error}") from None
    if file:
        hosttext.write_commented(file, name)
        typer.echo(f"wrote {file}", err=True)
    else:
        typer.echo(hosttext.commented(name), nl=False)


SNAPSHOT_EXAMPLES = examples(
    "rxpath host snapshot host.toml; rxpath replay dump.pcap --host host.toml",
    "rxpath host snapshot host.toml --from sosreport-web1.tar.xz",
    "(ethtool -i eth0; ethtool -g eth0; ss -uamnpe) | rxpath host snapshot --from -",
)


@host_app.command("snapshot", epilog=SNAPSHOT_EXAMPLES)
def host_snapshot(
        file: Annotated[str | None, typer.Argument(metavar="FILE", help="A new file; standard output if not given.")] = None,
        from_: Annotated[list[str] | None, typer.Option(
            "--from", metavar="PATH", help="What another host's commands printed: a file, a directory, an archive of sos or supportconfig, "
            "- for standard input. May be given several times.")] = None,
        socket_options: Annotated[bool, typer.Option(
            "--socket-options", help="Also ask the sockets of other processes for their options, by descriptors that are borrowed for some "
            "microseconds (root, Linux 5.6): SO_REUSEPORT, timeouts, groups that they have joined.")] = False,
        no_sockets: Annotated[bool, typer.Option(
            "--no-sockets", help="Without sockets and programs: a replay opens what its traffic goes to.")] = False) -> None:
    """Write the host file of this machine, or of the texts of another.  It only reads; what needs root and is not had is listed."""
    from rxpath.workbench.host.snapshot.compose import snapshot
    from rxpath.workbench.words.mistakes import BadInput, check_writable, writing

    check_writable("FILE", file)
    if file and os.path.exists(file):
        raise BadInput(f"{file} already exists: use another name, or remove it")
    if socket_options and (from_ or no_sockets):
        raise BadInput(f"--socket-options is for this machine's sockets: not with {'--from' if from_ else '--no-sockets'}")
    if from_:
        from rxpath.workbench.readings import read_path

        reading = reduce(lambda one, two: one.together(two), map(read_path, from_))
    else:
        from rxpath.workbench.readings.live.host import read_host

        reading = read_host(sockets=not no_sockets, options=socket_options)
    text = snapshot(reading, with_sockets=not no_sockets).text
    if file:
        with writing(file), open(file, "x") as out:
            out.write(text)
        typer.echo(f"wrote {file}", err=True)
    else:
        typer.echo(text, nl=False)


@host_app.command("show", epilog=examples("rxpath host show host.toml --set kernel=3.10"))
def host_show(file: Annotated[str | None, typer.Argument(metavar="FILE", help="A host file; the default host if not given.")] = None,
              set_: SetOption = None,
              json_: Annotated[bool, typer.Option("--json", help="As a JSON object.")] = False) -> None:
    """Print every setting that a run would use, and mark those that differ from the default host."""
    from rxpath.workbench.host import text as hosttext
    from rxpath.workbench.host.given import the_host

    chosen = the_host(file, set_ or [])
    if json_:
        import json

        print(json.dumps(hosttext.effective(chosen), indent=1))
    else:
        print(hosttext.describe(chosen), end="")


@host_app.command("check", epilog=examples("rxpath host check host.toml"))
def host_check(file: Annotated[str, typer.Argument(metavar="FILE", help="A host file.")], set_: SetOption = None,
               skip_unsupported: Annotated[bool, typer.Option(
                   "--skip-unsupported", help="Report iptables rules that are not modelled.")] = False) -> None:
    """Check a host file, its rules too: silent and 0 if it is right, one line and 2 if it is not."""
    from rxpath.workbench.host.given import the_host
    from rxpath.workbench.host.rules import rules as rules_of
    from rxpath.workbench.host.sysctl_conf import without_effect

    chosen = the_host(file, set_ or [])
    for said in without_effect(chosen._without_effect, len(chosen._without_effect)):
        print(f"rxpath: sysctls without effect here: {said}", file=sys.stderr)
    rules = rules_of(chosen, skip_unsupported or None)
    for skipped in rules.skipped if rules else ():
        print(f"rxpath: left out: {skipped}", file=sys.stderr)
