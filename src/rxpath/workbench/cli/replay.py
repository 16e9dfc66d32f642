"""What the commands of cli/app.py do."""
from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any


class Interrupt:
    """Ctrl-C: the first asks the run to stop between two slices, the second is Python's own KeyboardInterrupt."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Interrupt:
        try:
            self._before: Any = signal.signal(signal.SIGINT, self._note)
        except ValueError:                                          # not the main thread
            self._before = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __call__(self) -> bool:
        return self.asked

class Bar:
    """A progress bar on stderr: only on a terminal, and only when it takes longer than a second."""

    def __init__(self, wanted: bool, what: str) -> None:
        self.on, self.what = wanted and sys.stderr.isatty(), what
        self.started, self.task = time.monotonic(), None
        self.bar: Any = None

    def __call__(self, share: float, frames: int) -> None:
        if not self.on:
            return
        if self.bar is None:
            if time.monotonic() - self.started < 1:
                return
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            self.bar = Progress(TextColumn(self.what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
                                     console=Console(file=sys.stderr), transient=True)
            self.bar.start()
            self.task = self.bar.add_task("", total=1.0)
        self.bar.update(self.task, completed=share)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()


def replay(capture: str, *, host: str | None, settings: Sequence[str], listen: Sequence[str], local: str | None, speed: float,
           rate: str | None, loop: int, fresh: bool, seed: int | None, trail: Sequence[str],
           trail_limit: int, as_json: bool, tap: str | None, tx: str | None,
           skip_unsupported: bool, plain: bool, show_progress: bool, try_knobs: bool = True, goal: str | None = None,
           budget: str | None = None) -> int:
    """`rxpath replay`; the exit status."""
    from rxpath.workbench.advice import ask
    from rxpath.workbench.run import replay as replaying
    from rxpath.workbench.traffic import capture as traffic
    from rxpath.workbench.views import report
    from rxpath.workbench.words.mistakes import BadInput, apart
    from rxpath.workbench.work.unit import Unit

    if goal is not None and not try_knobs:
        raise BadInput("--goal and --no-whatif: one of them")
    if trail_limit < 1:
        raise BadInput(f"--trail-limit {trail_limit}: 1 or more")
    apart("--tap", tap, tx, capture, host)
    apart("--tx", tx, capture, host)
    goal, seconds = ask.checked_goal(goal), ask.checked_budget(budget or ask.BUDGET)

    chosen = replaying.the_host(host or traffic.bundled_host(capture), settings, seed)
    if tap is not None or tx is not None:
        chosen = replaying.with_outputs(chosen, tap, tx)
    watched = None
    if trail:
        from rxpath.workbench.run.trail import Trail

        watched = Trail(trail, trail_limit)
    bar = Bar(show_progress, f"replaying {capture}")
    with Interrupt() as interrupt:
        try:
            outcome = replaying.replay(capture, chosen, listen=listen, local=local, speed=speed, rate=rate, loop=loop, fresh=fresh,
                                       plain=plain or None,
                                       skip_unsupported=skip_unsupported or None, trail=watched, progress=bar, stop=interrupt)
        finally:
            bar.close()
        if not as_json:                                             # the story first: knobs take longer
            if watched is not None:
                from rxpath.workbench.views import trail as trail_view

                report.show(trail_view.render(watched, outcome))
            report.show(report.render(outcome))
            sys.stdout.flush()
        if try_knobs:
            unit = Unit(capture, listen=tuple(listen), local=local, speed=speed, rate=rate, loop=loop, fresh=fresh)
            bar = Bar(show_progress, "trying knobs on the same traffic")
            try:
                outcome = ask.answer(outcome, unit, chosen, goal, seconds, skip_unsupported=skip_unsupported or None, progress=bar,
                                     stop=interrupt)
            finally:
                bar.close()
    if as_json:
        import json

        whole = outcome.to_dict()
        if watched is not None:
            whole["trail"] = watched.describe()
        print(json.dumps(whole, indent=1))
    elif outcome.whatif is not None:
        from rich.console import Group
        from rich.text import Text

        report.show(Group(Text(), report.answer(outcome)))
    return 130 if outcome.interrupted or (outcome.whatif is not None and outcome.whatif.interrupted) else 0

def boot(host: str | None, settings: Sequence[str]) -> None:
    from rxpath.workbench.run.replay import the_host
    from rxpath.workbench.run.simulation import Simulation
    from rxpath.workbench.views import boot as boot_view
    from rxpath.workbench.views import report

    with Simulation(the_host(host, settings)) as sim:
        report.show(boot_view.render(sim))

def stations() -> None:
    from rxpath.workbench.views import boot as boot_view
    from rxpath.workbench.views import report

    report.show(boot_view.stations())

def host_show(file: str | None, settings: Sequence[str], as_json: bool) -> None:
    from rxpath.workbench.host import text as hosttext
    from rxpath.workbench.run.replay import the_host

    chosen = the_host(file, settings)
    if as_json:
        import json

        print(json.dumps(hosttext.effective(chosen), indent=1))
    else:
        print(hosttext.describe(chosen), end="")

def host_check(file: str, settings: Sequence[str], skip_unsupported: bool) -> None:
    from rxpath.workbench.host.rules import rules as rules_of
    from rxpath.workbench.run.replay import the_host

    chosen = the_host(file, settings)
    rules = rules_of(chosen, skip_unsupported or None)
    for skipped in rules.skipped if rules else ():
        print(f"rxpath: left out: {skipped}", file=sys.stderr)
