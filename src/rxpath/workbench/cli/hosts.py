"""`rxpath hosts`: who is in a capture, and for whom it may be replayed."""
from __future__ import annotations

import json
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.options import CaptureArgument, LocalOption
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt

EXAMPLES = examples(
    ("rxpath hosts dump.pcap", "who is in it, the likeliest receiver first"),
    "rxpath hosts dump.pcap --json | jq '.hosts[].local'",
)


def hosts(
    capture: CaptureArgument,
    local: LocalOption = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output; docs/captures.md.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False
) -> None:
    """List the hosts of a capture: frames in and out, ports each serves, why it may be the receiver, and the command to replay it for."""
    from rxpath.cable.receiver import infer_receiver
    from rxpath.cable.source import Source
    from rxpath.workbench.traffic import capture as traffic
    from rxpath.workbench.views import hosts as view
    from rxpath.workbench.views import terminal
    from rxpath.workbench.words.mistakes import BadInput

    if capture.endswith(".toml"):
        raise BadInput(f"{capture}: generated traffic names its receiver; rxpath hosts is for captures")
    source = Source(traffic.find(capture))
    try:
        with Interrupt() as interrupt, Bar(not no_progress, f"reading {capture}") as bar:
            found = infer_receiver(source, local=traffic.local_addresses(local), progress=bar, stop=interrupt)
    finally:
        source.close()
    if json_:
        print(json.dumps({"capture": capture, "frames": found.records, "receiver": traffic.describe_receiver(found),
                          "hosts": view.as_list(found), "interrupted": interrupt.asked}, indent=1))
    else:
        terminal.show(view.render(capture, found))
    raise typer.Exit(EXIT_INTERRUPTED if interrupt.asked else 0)
