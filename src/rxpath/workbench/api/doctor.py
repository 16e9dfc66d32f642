"""rxpath.doctor(): what a real host loses, as rxpath doctor says it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rxpath.workbench.doctor import inputs, live
from rxpath.workbench.doctor.verdict import CANNOT_TELL, Verdict, examine
from rxpath.workbench.readings.records import Reading
from rxpath.workbench.views import doctor as view
from rxpath.workbench.views import terminal


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """str(): the report; to_dict(): the object of --json; status: the command's exit status - 0 nothing is lost, 1 something is, 3 these
    readings cannot tell."""
    verdict: Verdict
    readings: tuple[Reading, ...]
    since_boot: bool                                        # there was one reading only

    @property
    def status(self) -> int:
        return CANNOT_TELL if self.since_boot else self.verdict.status

    def to_dict(self) -> dict[str, Any]:
        return view.as_json(self.verdict, self.readings, self.since_boot)

    def _repr_html_(self) -> str:
        from rxpath.workbench.views.html import notebook

        return notebook.of_doctor(self.verdict, self.readings, self.since_boot)

    def __str__(self) -> str:
        return terminal.plain((view.since_boot if self.since_boot else view.render)(self.verdict, self.readings), view.WIDTH)


def doctor(readings: str | Path | Sequence[str | Path] = (), *, seconds: float | None = None, latency: bool = False) -> Diagnosis:
    """Say what this host, or one whose readings are given, is losing: where, at what rate, why.

    readings  files, directories or archives of one host, the older first; none: this host is looked at for `seconds` (5)
    seconds   with files: the time between them, where they do not say it
    latency   the complaint is latency
    Raises BadInput."""
    files = [readings] if isinstance(readings, (str, Path)) else list(readings)
    if files:
        moments = inputs.moments([str(file) for file in files])
    else:
        with live.Watch() as here:
            moments = here.readings(5.0 if seconds is None else seconds, lambda: False)
        seconds = None
    one = len(moments) == 1
    evidence = inputs.checked([inputs.zero(moments[0]), *moments] if one else moments, None if one else seconds, latency)
    return Diagnosis(examine(evidence), tuple(moments), one)
