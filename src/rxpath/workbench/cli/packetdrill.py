"""`rxpath packetdrill`: scripts of packetdrill against the simulated host, in virtual time."""
from __future__ import annotations

import json
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.options import SetOption
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Interrupt

EXIT_DIFFERENT = 1                                          # a script did not pass
EXIT_UNREADABLE = 2

EXAMPLES = examples(
    ("rxpath packetdrill my.pkt", "run a script: what differs, and at which line"),
    ("rxpath packetdrill selftests/net/packetdrill", "every .pkt file of a folder, and the score"),
    ("rxpath packetdrill --check *.pkt", "only read them"),
    ("rxpath packetdrill my.pkt --set kernel=3.10", "against another kernel's behaviour"),
)


def packetdrill(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Scripts (.pkt), or folders of them.")],
    set_: SetOption = None,
    define: Annotated[list[str] | None, typer.Option(
        "-D", "--define", metavar="NAME=VALUE", help="A word of the scripts and what stands for it. May be given several times.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read the scripts; run nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Run the path as plain Python: slow, the same bytes.")] = False
) -> None:
    """Run packetdrill scripts on the simulated host, in virtual time: no root, no tun device, the same times on every machine."""
    from rxpath.workbench.packetdrill import host, run
    from rxpath.workbench.views import packetdrill as view
    from rxpath.workbench.views import terminal

    names, defined, machine = run.files(files), run.definitions(define or []), host.make(set_ or [])
    with Interrupt() as interrupt:
        results = list(run.run(names, None if check else machine, defined, plain, interrupt))
    if json_:
        print(json.dumps(run.as_json(results, machine.kernel), indent=1))
    else:
        terminal.show(view.render(results, machine.kernel, check))
    if interrupt.asked:
        raise typer.Exit(EXIT_INTERRUPTED)
    if any(r.unreadable for r in results):
        raise typer.Exit(EXIT_UNREADABLE)
    if not all(r.passed for r in results):
        raise typer.Exit(EXIT_DIFFERENT)
