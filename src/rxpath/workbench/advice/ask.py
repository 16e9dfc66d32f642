"""What would have saved them, asked about a run that was made: by `rxpath replay` and by rxpath.whatif()."""
from __future__ import annotations

from collections.abc import Callable

from rxpath.workbench.advice.answer import WhatIf
from rxpath.workbench.advice.search import what_if
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.jobs.unit import Unit
from rxpath.workbench.run.outcome import Outcome


def answer(run: Outcome, unit: Unit, host: Host, goal: str | None, budget: int, *, skip_unsupported: bool | None = None,
           jobs: int | None = None, progress: Callable[[float, int], None] | None = None,
           stop: Callable[[], bool] | None = None) -> WhatIf | None:
    """None: nothing was lost, and nothing was asked."""
    if unit.capture == "-":
        if run.dropped or goal:
            return WhatIf(goal or "loss", (), (), ("standard input cannot be read again to try knobs: save it to a file",))
        return None
    if skip_unsupported and (host.iptables.file or host.iptables.text):
        table = {"file": host.iptables.file} if host.iptables.file else {"text": host.iptables.text}
        host = hostfile.revise(host, {"iptables": {**table, "skip_unsupported": True}})
    return what_if(run, unit, host, goal, budget, jobs, progress, stop)
