"""`rxpath twin`: this host's own traffic through the simulation of it, while it happens."""
from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.options import HostOption, LocalOption, SeedOption, SetOption
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Ended, Interrupt

if TYPE_CHECKING:
    from rxpath.workbench.twin.windows import Room

PATIENCE_S = 30.0                                           # for head-room, where the end comes before the first answer
EXAMPLES = examples(
    ("sudo rxpath twin eth0", "how full rings, backlogs and receive buffers are, and how far from loss; Ctrl-C ends it"),
    ("sudo rxpath twin eth0 --set ethtool.rx=4096", "the same traffic on a host with another setting"),
    ("sudo rxpath twin eth0 --record worst.rxcase", "keeps the worst seconds as a case"),
    ("ssh web1 tcpdump -i eth0 -U -s 128 -w - | rxpath twin - --host host.toml", "another machine's"),
    ("rxpath twin - < dump.pcap", "a file, as fast as it goes"),
    ("sudo rxpath twin eth0 --seconds 60 --json | jq .summary", "for programs: a line for each window, then one for all"),
)


def twin(
    device: Annotated[str, typer.Argument(metavar="DEV", help="The card to look at; - for a capture on standard input.")],
    host: HostOption = None,
    set_: SetOption = None,
    local: LocalOption = None,
    seed: SeedOption = None,
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="S", help="End after so long; else Ctrl-C ends it.")] = None,
    window: Annotated[float, typer.Option("--window", metavar="S", help="Length of a window.")] = 1.0,
    shed: Annotated[float, typer.Option(
        "--shed", metavar="MS", help="Skip frames when it is so far behind the clock; 0: never.")] = 250.0,
    snap: Annotated[int, typer.Option("--snap", metavar="BYTES", help="Bytes to look at of each frame.")] = 128,
    headroom: Annotated[float, typer.Option(
        "--headroom", metavar="S", help="Search the head-room of the last seconds so often; 0: never.")] = 10.0,
    record: Annotated[str | None, typer.Option("--record", metavar="FILE", help="Keep the worst seconds as a case.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="A line of JSON for each window, and one at the end.")] = False,
) -> None:
    """Mirror a card's traffic, read only, into the simulation of this host: queues against their limits, CPU and head-room, live."""
    from rxpath.workbench.twin.keep import Keeper
    from rxpath.workbench.twin.lots import Lots
    from rxpath.workbench.twin.mirror import CardMirror, PipeMirror
    from rxpath.workbench.twin.room import Rooms
    from rxpath.workbench.twin.truth import Counters
    from rxpath.workbench.twin.watch import Twin, Wanted
    from rxpath.workbench.twin.whom import of_device, of_pipe
    from rxpath.workbench.views import terminal
    from rxpath.workbench.views.twin import View, summary
    from rxpath.workbench.words.mistakes import BadInput, check_writable

    check_writable("--record", record)
    wanted = Wanted(*_checked(seconds, window, shed, snap, headroom))
    if device == "-" and record is not None:
        raise BadInput("--record: a case is of this host; of standard input keep the capture itself (tee)")
    if device != "-" and local is not None:
        raise BadInput("--local: the receiver is this host; it is for a capture on standard input")
    with Interrupt() as interrupt, contextlib.ExitStack() as opened:
        if device == "-":
            mirror: CardMirror | PipeMirror = (pipe := PipeMirror(interrupt))
            whom = of_pipe(pipe, host, set_ or [], seed, local, interrupt)
        else:
            mirror = CardMirror(device, snap)
            whom = of_device(device, host, set_ or [], seed)
        lots = Lots() if headroom or record else None
        mirror.copied = lots.take if lots is not None else None
        counters = Counters(device) if device != "-" else None
        rooms = Rooms(lots, whom.host, headroom) if lots is not None and headroom else None
        keeper = Keeper(record, lots, mirror, whom.text) if record and lots is not None and isinstance(mirror, CardMirror) else None
        for part in (counters, rooms, keeper):
            if part is not None:
                opened.callback(part.close)

        def began() -> None:
            if json_:
                _line({"began": {"device": mirror.name, "kernel": whom.host.kernel, "profile": whom.host.profile, "seed": whom.host.seed,
                                 "said": list(whom.said)}})

        twin_ = Twin(whom, mirror, wanted, lambda w: told(w), interrupt, began, lots, counters)
        view = View(twin_.total) if not json_ and sys.stdout.isatty() else None
        if view is not None:
            opened.enter_context(view)

        def answered(found: Room | None) -> None:
            if found is not None:
                twin_.total.answer(found)
                if json_:
                    _line({"headroom": found.to_dict()})

        def told(w: Any) -> None:
            if rooms is not None:
                answered(rooms.look(twin_.t, w.ends_ns))
            if keeper is not None:
                keeper.look(w, twin_.t)
            if json_:
                _line(w.to_dict())
            elif view is not None:
                view.show(w)

        with Ended():
            total = twin_.run()
            if rooms is not None and not interrupt.asked and total.room is None:
                answered(rooms.last(twin_.t, total.ends_ns, PATIENCE_S))
            if keeper is not None:
                total.kept = keeper.finish(twin_.t)
    if json_:
        _line({"summary": total.to_dict()})
    else:
        terminal.show(summary(total))
    raise typer.Exit(EXIT_INTERRUPTED if interrupt.asked else 0)


def _checked(seconds: float | None, window: float, shed: float, snap: int, headroom: float) -> tuple[int, int, float | None]:
    """(window, shed in ns, seconds) or BadInput."""
    from rxpath.workbench.words.mistakes import BadInput

    for option, value, least, most in (("--seconds", seconds, 0.001, 1e8), ("--window", window, 0.02, 3600), ("--shed", shed, 0, 1e6),
                                       ("--snap", snap, 64, 65535), ("--headroom", headroom, 0, 1e6)):
        if value is not None and not least <= value <= most:
            raise BadInput(f"{option} {value:g}: {least:g} to {most:g}")
    return round(window * 1e9), round(shed * 1e6), seconds


def _line(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)
