"""`rxpath replay`: a capture through the path of a host."""
from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from rxpath.workbench.cli.beside import as_recorded, beside_truth
from rxpath.workbench.cli.examples import examples
from rxpath.workbench.cli.html import HtmlOption, check_html, write_html
from rxpath.workbench.cli.options import (
    AtOption,
    HostOption,
    ListenOption,
    LocalOption,
    LoopOption,
    RateOption,
    SeedOption,
    SetOption,
    SpeedOption,
)
from rxpath.workbench.cli.progress import EXIT_INTERRUPTED, Bar, Interrupt
from rxpath.workbench.cli.replay_options import (
    BudgetOption,
    CaptureArgument,
    FoldedOption,
    FreshOption,
    GoalOption,
    JsonOption,
    NoProgressOption,
    NoWhatifOption,
    OverTimeOption,
    PcapngOption,
    PerfettoEventsOption,
    PerfettoOption,
    PlainOption,
    ProcOption,
    RecordOption,
    SamplesOption,
    SeedsOption,
    SkipUnsupportedOption,
    TapOption,
    TrailLimitOption,
    TrailLinesOption,
    TrailOption,
    TxOption,
    ViewOption,
)
from rxpath.workbench.cli.watching import Files

if TYPE_CHECKING:
    from rxpath.workbench.advice.answer import WhatIf
    from rxpath.workbench.api.view import View
    from rxpath.workbench.case.result import Beside
    from rxpath.workbench.host.model.host import Host
    from rxpath.workbench.jobs.spread import Spread
    from rxpath.workbench.run.outcome import Outcome
    from rxpath.workbench.run.trail import Trail

EXAMPLES = examples(
    ("rxpath replay first", "a bundled capture"),
    ("rxpath replay dump.pcapng --speed 10", "ten times as fast"),
    ("rxpath replay dump.pcap --rate 1.2Mpps --loop 100", "evenly spaced, a hundred times"),
    ("rxpath replay traffic.toml", "generated traffic, rxpath generate --help"),
    ("rxpath replay dump.pcap --listen udp:5000,tcp:80", "only these sockets"),
    ("rxpath replay first --trail drops", "the way of the frames that were lost"),
    ("rxpath replay first --goal latency", "knobs that make it faster, each tried on the same traffic"),
    ("rxpath replay first --html report.html", "the report as a page with pictures"),
    ("rxpath replay first --pcapng fates.pcapng", "every frame with what became of it, for Wireshark"),
    ("rxpath replay first --proc first.proc --at 5s", "/proc of its host after five seconds; PROC_ROOT=first.proc nstat reads it"),
    ("rxpath replay first --folded cpu.svg", "what the CPUs worked on, as a flame graph"),
    ("rxpath replay first --perfetto first.pftrace", "what every CPU did and when, for ui.perfetto.dev"),
    ("rxpath replay first --over-time", "queues, losses and CPUs over time, in the terminal"),
    ("rxpath replay first --record first.parquet", "the same into a file"),
    ("rxpath replay first --view mine.py:Sockets", "a view of your own, a class in Python; docs/python.md"),
    ("rxpath replay first --json | jq .dropped", "for programs; docs/json.md"),
)


def replay(
    capture: CaptureArgument,
    host: HostOption = None,
    set_: SetOption = None,
    listen: ListenOption = None,
    local: LocalOption = None,
    speed: SpeedOption = 1.0,
    rate: RateOption = None,
    loop: LoopOption = 1,
    fresh: FreshOption = False,
    seed: SeedOption = None,
    trail: TrailOption = None,
    trail_limit: TrailLimitOption = 10,
    trail_lines: TrailLinesOption = None,
    json_: JsonOption = False,
    record: RecordOption = None,
    html: HtmlOption = None,
    pcapng: PcapngOption = None,
    proc: ProcOption = None,
    at: AtOption = None,
    folded: FoldedOption = None,
    perfetto: PerfettoOption = None,
    perfetto_events: PerfettoEventsOption = None,
    over_time: OverTimeOption = False,
    view: ViewOption = None,
    samples: SamplesOption = None,
    tap: TapOption = None,
    tx: TxOption = None,
    skip_unsupported: SkipUnsupportedOption = False,
    plain: PlainOption = False,
    goal: GoalOption = None,
    budget: BudgetOption = None,
    no_whatif: NoWhatifOption = False,
    seeds: SeedsOption = None,
    no_progress: NoProgressOption = False
) -> None:
    """Send a capture through the receive path of a host and say where every frame went."""
    from rxpath.workbench.advice.goal import SEEDS, checked_budget, checked_goal, checked_seeds
    from rxpath.workbench.host import file as hostfile
    from rxpath.workbench.host import given
    from rxpath.workbench.run import replay as replaying
    from rxpath.workbench.traffic import capture as traffic
    from rxpath.workbench.traffic.settings import split
    from rxpath.workbench.words.mistakes import BadInput

    if goal is not None and no_whatif:
        raise BadInput("--goal and --no-whatif: use one of them")
    watched = _watched(trail, trail_limit, trail_lines, json_)
    views = _views(view, json_)
    if ((watched is not None and not json_) or views) and goal is None:           # who asks for a packet's way, or a view, wants that
        no_whatif = True
    files = Files(pcapng, proc, at, folded, perfetto, perfetto_events)
    _check_files(record, json_, samples, html, pcapng, perfetto, tap, tx, capture, host)
    files.check(watched is not None)
    goal, packets = checked_goal(goal), checked_budget(budget)
    seeds = checked_seeds(seeds, 1 if no_whatif or capture == "-" else SEEDS)
    if seeds > 1 and capture == "-":
        raise BadInput("--seeds: standard input cannot be read many times: save it to a file")

    of_traffic, of_host = split(set_ or [])
    chosen = given.the_host(host or traffic.bundled_host(capture), of_host, seed)
    if tap is not None or tx is not None:
        chosen = hostfile.with_outputs(chosen, tap, tx)
    with Interrupt() as interrupt, files.watching() as watching:
        whole = as_recorded(capture, speed, rate, loop, of_traffic, listen, watched, tap, tx)
        said = not json_ and not views
        chosen, compared = beside_truth(capture, chosen, seed, said, not no_progress, interrupt) if whole else (chosen, None)
        with Bar(not no_progress, f"replaying {capture}") as bar:
            outcome = replaying.replay(capture, chosen, overrides=of_traffic, seed=seed, listen=listen or [], local=local, speed=speed,
                                       rate=rate, loop=loop, fresh=fresh, plain=plain or None,
                                       skip_unsupported=skip_unsupported or None, trail=watched, progress=bar, stop=interrupt,
                                       record=record is not None or over_time or html is not None or perfetto is not None,
                                       watching=watching)
        files.written(watching, outcome)
        recorded, picture = outcome, _over_time(outcome) if over_time and not json_ else None
        outcome = _written(outcome, record, samples, trail_lines)
        unit = {"capture": capture, "seed": seed, "listen": tuple(listen or ()), "local": local, "speed": speed, "rate": rate, "loop": loop,
                "fresh": fresh, "traffic": of_traffic}
        answer, varies = _told(outcome, watched, picture, bool(json_ or views or trail_lines == "-"), unit, chosen,
                               None if no_whatif else (goal, packets), seeds, skip_unsupported or None, not no_progress, interrupt)
        _page(html, recorded, answer, compared, unit, chosen, skip_unsupported or None, interrupt)
    if json_:
        _json(outcome, answer, varies, watched, compared)
    elif views:
        _show_views(views, recorded, answer, picture)
    elif answer is not None or varies is not None:
        _answers(outcome, answer, varies)
    interrupted = outcome.interrupted or (answer is not None and answer.interrupted) or (no_whatif and seeds > 1 and varies is None)
    raise typer.Exit(EXIT_INTERRUPTED if interrupted else 0)


def _told(outcome: Outcome, watched: Trail | None, picture: Any, as_json: bool, of: Mapping[str, Any], host: Host,
          whatif: tuple[str | None, int] | None, seeds: int, skip_unsupported: bool | None, bars: bool,
          stop: Interrupt) -> tuple[WhatIf | None, Spread | None]:
    """The report of the run, which --json makes a part of its object, then what would have saved them, or how much of the run is chance.
    The story comes first: knobs take longer.  of: the unit of work that the run was."""
    def story() -> None:
        if not as_json:
            _story(outcome, watched, picture)

    if whatif is None and seeds == 1:
        story()
        return None, None
    from rxpath.workbench.advice import ask
    from rxpath.workbench.jobs.unit import Unit

    unit = Unit(**of)
    if whatif is None:
        story()
        with Bar(bars, "the same with other seeds") as bar:
            return None, ask.spread_of(outcome, unit, host, seeds, skip_unsupported=skip_unsupported, progress=bar, stop=stop)
    with ask.Question(outcome, unit, host, *whatif, skip_unsupported=skip_unsupported, seeds=seeds) as question:
        story()
        with Bar(bars, "trying knobs on the same traffic") as bar:
            return question.answer(bar, stop), None


def _check_files(record: str | None, as_json: bool, samples: str | None, html: str | None, pcapng: str | None,
                 perfetto: str | None, tap: str | None, tx: str | None, capture: str, host: str | None) -> None:
    from rxpath.workbench.words.mistakes import BadInput, apart, check_writable

    check_html(html, record, samples, tap, tx, capture, host)
    for option, file in (("--tap", tap), ("--tx", tx), ("--pcapng", pcapng)):
        if file == "-":
            raise BadInput(f"{option} -: the report goes to standard output; give a file name (./- for a file named -)")
    if record is not None:
        from rxpath.workbench.views import recording

        recording.check(record, as_json)
    if samples is not None:
        from rxpath.workbench.views import spent

        spent.check(samples)
    apart("--record", record, samples, tap, tx, capture, host)
    check_writable("--pcapng", pcapng)
    apart("--pcapng", pcapng, record, samples, html, tap, tx, capture, host)
    apart("--perfetto", perfetto, record, samples, html, tap, tx, capture, host)
    apart("--samples", samples, tap, tx, capture, host)
    apart("--tap", tap, tx, capture, host)
    apart("--tx", tx, capture, host)


def _views(names: list[str] | None, as_json: bool) -> list[tuple[str, View]]:
    """Those of --view, found before anything runs."""
    if not names:
        return []
    from rxpath.workbench.api import view
    from rxpath.workbench.words.mistakes import BadInput

    if as_json:
        raise BadInput("--view and --json: a view is text in place of the report; use one of them")
    return [(name, view.find(name)) for name in names]


def _show_views(views: list[tuple[str, View]], outcome: Outcome, answer: WhatIf | None, picture: Any) -> None:
    """One below the other; each is given what Python code would be given."""
    from rxpath.workbench.api import view
    from rxpath.workbench.api.replay import Outcome as Result
    from rxpath.workbench.views import terminal

    result = Result.of(outcome, answer)
    shown = [*(view.drawn(name, one, result) for name, one in views), *([picture] if picture is not None else [])]
    for n, one in enumerate(shown):
        if n:
            typer.echo()
        terminal.show(one)


def _watched(trail: list[str] | None, limit: int, lines: str | None, as_json: bool) -> Trail | None:
    from rxpath.workbench.words.mistakes import BadInput, check_writable

    if limit < 1:
        raise BadInput(f"--trail-limit {limit}: 1 or more")
    if lines is not None and not trail:
        raise BadInput("--trail-lines: of the packets that --trail FILTER chooses, which is not given")
    if lines == "-" and as_json:
        raise BadInput("--trail-lines - and --json: both would go to standard output")
    check_writable("--trail-lines", lines)
    if not trail:
        return None
    from rxpath.workbench.run.trail import Trail

    return Trail(trail, limit)


def _written(outcome: Outcome, record: str | None, samples: str | None, trail_lines: str | None) -> Outcome:
    """What goes into files."""
    if trail_lines is not None and outcome.trail is not None:
        from rxpath.workbench.views import trail
        from rxpath.workbench.words.mistakes import new_file

        if trail_lines == "-":
            sys.stdout.write(trail.lines(outcome.trail))
        else:
            with new_file(trail_lines) as out:
                out.write(trail.lines(outcome.trail).encode())
    if samples is not None:
        from rxpath.workbench.views import spent

        spent.write_csv(outcome, samples)
    if record == "-":
        return outcome
    if record is None:
        return replace(outcome, recording=None)              # it was kept for pictures
    from rxpath.workbench.views import recording

    return recording.take(outcome, record)


def _page(html: str | None, outcome: Outcome, answer: WhatIf | None, compared: Beside | None, unit: Mapping[str, Any], host: Host,
          skip_unsupported: bool | None, stop: Interrupt) -> None:
    if html is None:
        return
    from rxpath.workbench.views.html.report import report

    after = _with_best(answer, unit, host, skip_unsupported, stop)
    write_html(html, lambda command: report(outcome, answer, command, after, compared))


def _with_best(answer: WhatIf | None, unit: Mapping[str, Any], host: Host, skip_unsupported: bool | None,
               stop: Interrupt) -> tuple[str, Outcome] | None:
    """For the page: the run with what would have saved them; None: there is nothing, or it was interrupted."""
    from rxpath.workbench.host import given
    from rxpath.workbench.run import replay as replaying

    best = answer.recommended if answer is not None else None
    if best is None or unit["capture"] == "-" or stop.asked:
        return None
    again = {k: v for k, v in unit.items() if k != "traffic"}
    after = replaying.replay(**again, host=given.the_host(host, best.set, unit["seed"]), overrides=unit["traffic"],
                             skip_unsupported=skip_unsupported, stop=stop)
    return None if after.interrupted else (f"with {best.title}", after)


def _over_time(outcome: Outcome) -> Any:
    from rxpath.workbench.views import over_time, terminal

    return over_time.render(outcome, terminal.columns())


def _story(outcome: Outcome, watched: Trail | None, picture: Any) -> None:
    from rxpath.workbench.views import report, terminal

    if watched is not None:
        from rxpath.workbench.views import trail as trail_view

        terminal.show(trail_view.render(watched, outcome))
    else:
        terminal.show(report.render(outcome))
    if picture is not None:
        typer.echo()
        terminal.show(picture)
    sys.stdout.flush()


def _answers(outcome: Outcome, answer: WhatIf | None, varies: Spread | None) -> None:
    from rich.console import Group
    from rich.text import Text

    from rxpath.workbench.views import advice, spread, terminal

    if answer is not None:
        terminal.show(Group(Text(), advice.render(outcome, answer)))
    elif varies is not None:
        terminal.show(Group(Text(), spread.render(varies)))


def _json(outcome: Outcome, answer: WhatIf | None, varies: Spread | None, watched: Trail | None, compared: Beside | None) -> None:
    from rxpath.workbench.views import as_json

    whole = as_json.build(outcome, answer, varies)
    if watched is not None:
        whole["trail"] = watched.describe()
    if compared is not None:
        from rxpath.workbench.views import case

        whole["case"] = case.as_json(compared)
    print(json.dumps(whole, indent=1))
