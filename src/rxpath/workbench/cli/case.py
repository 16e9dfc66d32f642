"""`rxpath case`: a case of texts, folders, archives, a capture and a host file that somebody has."""
from __future__ import annotations

from typing import Annotated

import typer

from rxpath.workbench.cli.examples import examples

EXAMPLES = examples(
    ("rxpath case monday.txt tuesday.txt -o web1.rxcase", "what somebody pasted, the older first"),
    ("rxpath case before.txt after.txt dump.pcap --host server.toml -o web1.rxcase", "with a capture and a host file"),
    ("rxpath case sosreport-web1.tar.xz -o web1.rxcase", "what a support archive says, without the rest of it"),
    ("rxpath case web1.rxcase -o smaller.rxcase", "a recorded case, compressed"),
    ("rxpath case web1.rxcase --hide -o public.rxcase", "without addresses, names and payload: to show to others"),
)

SAID_MOST = 8                                               # lines about each moment


def case(
    files: Annotated[list[str], typer.Argument(
        metavar="FILE", help="Texts, folders or archives of one host, the older first, and at most one capture; or one case, to pack it "
                             "anew.")],
    out: Annotated[str | None, typer.Option("-o", "--out", metavar="FILE", help="The case, a new file.")] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="FILE", help="A host file that goes into it.")] = None,
    hide: Annotated[bool, typer.Option(
        "--hide", help="Pseudonyms for addresses and names, zeros for payload: docs/case.md says what is hidden and what is not.")] = False,
    key: Annotated[str | None, typer.Option(
        "--key", metavar="FILE", help="With --hide: the same key gives the same pseudonyms; without one, a random one.")] = None
) -> None:
    """Make a case of files that somebody has."""
    from rxpath.workbench.readings.case import open_recorded
    from rxpath.workbench.readings.case.make import make
    from rxpath.workbench.words.mistakes import BadInput, check_writable

    if out is None:
        raise BadInput("-o FILE is missing: the case to write")
    check_writable("-o", out)
    if key is not None and not hide:
        raise BadInput("--key: only with --hide")
    if hide:
        _hidden(files, out, host, key)
        return
    manifest = make(files, out, host)
    made = open_recorded(out)
    moments = len(made.moments)
    parts = [f"{moments} moments" if moments > 1 else "1 moment" if moments else "",
             f"{len(made.samples):,} samples" if made.samples else "",
             "a capture" if "capture" in manifest else "", "a host file" if made.host_text else ""]
    typer.echo(f"wrote {out}: {', '.join(p for p in parts if p) or 'nothing that is known'}", err=True)
    for moment in manifest.get("moments", ()):
        for why in moment.get("left_out", ())[:SAID_MOST]:
            typer.echo(f"{moment['of']}: {why}", err=True)
        if (more := len(moment.get("left_out", ())) - SAID_MOST) > 0:
            typer.echo(f"{moment['of']}: {more} more things were left out (manifest.json lists them)", err=True)


def _hidden(files: list[str], out: str, host: str | None, key: str | None) -> None:
    """The case is made beside its place first, unless it is there already."""
    import os
    import tempfile

    from rxpath.cable.case_file import is_case
    from rxpath.workbench.case.hiding.whole import hide, key_of
    from rxpath.workbench.readings.case.make import make

    secret = key_of(key)
    with tempfile.TemporaryDirectory(prefix="rxpath-case-", dir=os.path.dirname(os.path.abspath(out))) as own:
        if len(files) == 1 and host is None and is_case(files[0]):
            whole = files[0]
        else:
            make(files, whole := os.path.join(own, "whole.rxcase"), host)
        told = hide(whole, out, secret)
    frames = f", {told.frames:,} frames" if told.frames else ""
    by = f"the key of {key}" if key else "a key that is not kept"
    typer.echo(f"wrote {out}: {told.members:,} texts{frames}, hidden by {by}", err=True)
    for why in told.left_out[:SAID_MOST]:
        typer.echo(f"left out: {why}", err=True)
    if (more := len(told.left_out) - SAID_MOST) > 0:
        typer.echo(f"left out: {more} more", err=True)
