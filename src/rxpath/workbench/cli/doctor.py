"""`rxpath doctor`: what a real host loses, where, and why."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.html import HtmlOption, check_html, write_html
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Interrupt

if TYPE_CHECKING:
    from rxpath.workbench.doctor.verdict import Verdict
    from rxpath.workbench.readings.records import Reading

SECONDS = 5.0                                               # several times what cards need to bring their counters up to date
EXAMPLES = examples(
    ("rxpath doctor", "this host, for five seconds; needs no root"),
    ("sudo rxpath doctor --seconds 30", "longer; as root it also sees whose socket it is, and the firewall"),
    ("rxpath doctor monday.txt tuesday.txt", "two readings that somebody pasted, the older first"),
    ("rxpath doctor --before a/softnet --before a/snmp --after b/softnet --after b/snmp", "several files of each moment"),
    ("rxpath doctor sosreport-web1.tar.xz", "one archive: what was counted since boot"),
    ("ssh web1 cat /proc/net/snmp | rxpath doctor -", "standard input"),
    ("rxpath doctor pasted.txt --show-readings", "what was recognised in it, and what was not"),
    ("rxpath doctor monday.txt tuesday.txt --html doctor.html", "the same as a page"),
    more="Exit status: 0 nothing is lost, 1 something is, 2 trouble, 3 these readings cannot tell, 130 Ctrl-C.",
)


def doctor(
    readings: Annotated[list[str] | None, typer.Argument(
        metavar="FILE", help="Readings of one host, the older first: text files, directories, sos or supportconfig archives, or -; "
        "none: this host.")] = None,
    before: Annotated[list[str] | None, typer.Option("--before", metavar="FILE", help="A file of the first moment; several times.")] = None,
    after: Annotated[list[str] | None, typer.Option("--after", metavar="FILE", help="A file of the second moment; several times.")] = None,
    seconds: Annotated[float | None, typer.Option(
        "--seconds", metavar="S", help="How long to look at this host (5); with files: the time between them, where they do not say it.",
        )] = None,
    latency: Annotated[bool, typer.Option("--latency", help="The complaint is latency: say what makes packets wait.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until Ctrl-C, one line each time.")] = False,
    show_readings: Annotated[bool, typer.Option(
        "--show-readings", help="Show what was recognised and which lines were not, and give no verdict.")] = False,
    json_: Annotated[bool, typer.Option(
        "--json", help="One JSON object on standard output (with --watch a line each); docs/doctor.md.")] = False,
    html: HtmlOption = None
) -> None:
    """Say what this host, or one whose counters somebody pasted, is losing: where, at what rate, why, and what would not help."""
    from rxpath.workbench.words.mistakes import BadInput

    files, pair = list(readings or []), bool(before or after)
    if pair and (files or not (before and after)):
        raise BadInput("--before and --after belong together, and not beside other files")
    if watch and (files or pair or show_readings):
        raise BadInput("--watch is for this host: not with files, nor with --show-readings")
    if html and (watch or show_readings):
        raise BadInput("--html is one verdict: not with --watch, nor with --show-readings")
    check_html(html, *files, *(before or []), *(after or []))
    if seconds is not None and not 0.2 <= seconds <= 1e9:
        raise BadInput(f"--seconds {seconds:g}: 0.2 or more")
    with Interrupt() as interrupt:
        if files or pair:
            from rxpath.workbench.doctor import inputs

            moments = [inputs.joined(before or []), inputs.joined(after or [])] if pair else inputs.moments(files)
            status = _say(moments, seconds, latency, show_readings, json_, html)
        else:
            status = _live(SECONDS if seconds is None else seconds, latency, watch, show_readings, json_, html, interrupt)
    if interrupt.asked:
        status = EXIT_INTERRUPTED
    if status:
        raise typer.Exit(status)


def _say(moments: Sequence[Reading], seconds: float | None, latency: bool, show: bool, as_json: bool, html: str | None) -> int:
    """Files: the report, and the exit status."""
    from rxpath.workbench.doctor import inputs
    from rxpath.workbench.doctor.verdict import CANNOT_TELL, examine
    from rxpath.workbench.views import doctor as view
    from rxpath.workbench.views import terminal

    if show:
        terminal.show(view.readings_table(moments), view.WIDTH)
        return 0
    one = len(moments) == 1
    e = inputs.checked([inputs.zero(moments[0]), *moments] if one else moments, None if one else seconds, latency)
    verdict = examine(e)
    _page(html, verdict, moments, one)
    if as_json:
        _json(view.as_json(verdict, moments, one))
    else:
        terminal.show((view.since_boot if one else view.render)(verdict, moments), view.WIDTH)
    return CANNOT_TELL if one else verdict.status


def _live(seconds: float, latency: bool, watch: bool, show: bool, as_json: bool, html: str | None, interrupt: Interrupt) -> int:
    from rxpath.workbench.doctor import inputs
    from rxpath.workbench.doctor.live import Watch
    from rxpath.workbench.doctor.verdict import examine
    from rxpath.workbench.views import doctor as view
    from rxpath.workbench.views import terminal

    status = 0
    with Watch() as here:
        while True:                                         # once at least: Ctrl-C ends the looking, not the answer
            moments = here.readings(seconds, interrupt)
            if show:
                terminal.show(view.readings_table([moments[-1]]), view.WIDTH)
                return 0
            verdict = examine(inputs.checked(moments, None, latency))
            if not watch:
                _page(html, verdict, moments, False)
                if as_json:
                    _json(view.as_json(verdict, moments, False))
                else:
                    terminal.show(view.render(verdict, moments), view.WIDTH)
                return verdict.status
            if interrupt.asked:
                return status
            _line(verdict, moments, as_json)
            status = max(status, verdict.status)


def _page(html: str | None, verdict: Verdict, moments: Sequence[Reading], one: bool) -> None:
    if html is not None:
        from rxpath.workbench.views.html import doctor as page

        write_html(html, lambda command: page.page(verdict, moments, one, command))


def _line(verdict: Verdict, moments: Sequence[Reading], as_json: bool) -> None:
    """--watch: what the last interval was."""
    import json
    import time

    from rxpath.workbench.views import doctor as view

    now = time.strftime("%H:%M:%S")
    print(json.dumps({"time": now} | view.as_json(verdict, moments, False)) if as_json else f"{now}  {view.line(verdict)}", flush=True)


def _json(made: dict[str, Any]) -> None:
    import json

    print(json.dumps(made, indent=1))
