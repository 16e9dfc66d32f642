"""`rxpath record`: a case of this host."""
from __future__ import annotations

import sys
from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED

EXAMPLES = examples(
    ("sudo rxpath record -o web1.rxcase", "30 s of this host: settings, counters, a capture"),
    ("sudo rxpath record --device eth1 --seconds 10 -o a.rxcase", "of that card"),
    ("rxpath record --no-capture -o web1.rxcase", "without root: settings and counters"),
    ("rxpath record --script > record.py", "a file to carry to a server: python3 record.py -o web1.rxcase"),
    ("rxpath replay web1.rxcase", "what it really lost, and what the model loses"),
)


def record(
    out: Annotated[str | None, typer.Option("-o", "--out", metavar="FILE", help="The case, a new file such as web1.rxcase.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", help="How long.")] = 30.0,
    device: Annotated[list[str] | None, typer.Option(
        "--device", metavar="DEV", help="Capture there (several times); the one that received most if not given.")] = None,
    snap: Annotated[int, typer.Option("--snap", metavar="BYTES", help="Bytes to keep of each frame.")] = 96,
    interval: Annotated[float, typer.Option("--interval", metavar="S", help="Time between samples of the counters.")] = 0.1,
    most: Annotated[int, typer.Option("--most", metavar="MIB", help="Size limit of the capture on disk.")] = 256,
    folder: Annotated[str | None, typer.Option(
        "--folder", metavar="DIR", help="Folder for temporary files; that of the case if not given.")] = None,
    netns: Annotated[str | None, typer.Option("--netns", metavar="NAME", help="Record there: a network namespace of ip netns.")] = None,
    no_capture: Annotated[bool, typer.Option("--no-capture", help="Settings and counters alone: needs no root.")] = False,
    socket_options: Annotated[bool, typer.Option(
        "--socket-options", help="Also ask other processes' sockets for their options, as rxpath host snapshot does (root).")] = False,
    script: Annotated[bool, typer.Option(
        "--script", help="Print the recorder as one file for Python 3.6 and newer, to run where nothing may be installed.")] = False
) -> None:
    """Record a case of this host: settings, counters ten times a second, a capture.  It only reads."""
    from rxpath.workbench.readings.live import recorder
    from rxpath.workbench.words.mistakes import BadInput, check_writable

    if script:
        if out is not None:
            raise BadInput("--script prints the recorder: not with -o (rxpath record --script > record.py)")
        with open(recorder.__file__) as file:
            typer.echo(file.read(), nl=False)
        return
    if out is None:
        raise BadInput("-o FILE is missing: the case to write")
    check_writable("-o", out)
    mistake = recorder.wrong(seconds, snap, interval, most)
    if mistake:
        raise BadInput(mistake)
    ended = recorder.Ended()
    try:
        if netns is not None:
            recorder.enter(netns, [sys.executable, "-m", "rxpath.workbench.cli", *recorder.without(sys.argv[1:], "--netns")])
        manifest = recorder.record(out, seconds, device or None, snap, interval, most << 20, not no_capture, folder,
                                   lambda: _host_file(socket_options), ended, lambda line: print(f"rxpath: {line}", file=sys.stderr))
    except recorder.Refused as error:
        raise BadInput(str(error)) from None
    typer.echo(recorder.summary(out, manifest), err=True)
    if ended.asked:
        raise typer.Exit(EXIT_INTERRUPTED)


def _host_file(socket_options: bool) -> dict[str, bytes]:
    """What the texts of commands do not say: the host file as a snapshot writes it."""
    from rxpath.workbench.host.snapshot.compose import snapshot
    from rxpath.workbench.readings.live.host import read_host

    return {"host.toml": snapshot(read_host(options=socket_options)).text.encode()}


