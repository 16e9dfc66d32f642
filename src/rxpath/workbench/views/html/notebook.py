"""Results as a notebook shows them: a heading and their pictures, without a script.  A fragment is part of somebody else's page: its styles
apply to nothing outside it, and its ids differ from those of other fragments."""
from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import cache

from rxpath.workbench.advice.answer import WhatIf
from rxpath.workbench.advice.states import states
from rxpath.workbench.doctor.verdict import Verdict
from rxpath.workbench.many.diff import Diff
from rxpath.workbench.many.headroom import Headroom
from rxpath.workbench.many.sweep import Sweep
from rxpath.workbench.readings.records import Reading
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.views import headroom as headroom_words
from rxpath.workbench.views.diff import conclusion
from rxpath.workbench.views.html import diff, doctor, headroom, report, sweep
from rxpath.workbench.views.html.elements import heading
from rxpath.workbench.views.html.page import own

NAMES = re.compile(r'\b(id|aria-labelledby|aria-describedby)="')
SELECTORS = re.compile(r"(^|[{}])([^{}@]+)\{")


def of_run(run: Outcome, answer: WhatIf | None) -> str:
    best = answer.recommended if answer is not None else None
    saved = [] if best is None else [f"{best.title}: {best.lost_before:,} lost before, {best.lost_after:,} after."]
    return fragment(heading(report.title(run), *saved, states=[state.text for state in states(run)]) + report.funnel(run) +
                    report.losses(run) + report.latency(run) + report.knobs(answer))


def of_sweep(found: Sweep) -> str:
    return fragment(heading(sweep.title(found), *sweep.saved(found)) + sweep.pictures(found) + sweep.rows(found))


def of_headroom(room: Headroom) -> str:
    return fragment(heading(headroom_words.head(room)) + headroom.pictures(room) + headroom.limits(room))


def of_diff(found: Diff) -> str:
    return fragment(heading(conclusion(found)) + diff.pictures(found) + diff.different(found))


def of_doctor(verdict: Verdict, readings: Sequence[Reading], since_boot: bool) -> str:
    return fragment(heading(doctor.title(verdict, readings, since_boot)) + doctor.body(verdict, readings, since_boot))


def fragment(body: str) -> str:
    named = NAMES.sub(rf'\1="r{zlib.crc32(body.encode()):08x}-', body)
    return f'<div class="rxpath"><style>{_styles()}</style>{named}</div>'


@cache
def _styles() -> str:
    """Those of a page, each for what is inside a fragment only."""
    def inside(found: re.Match[str]) -> str:
        return found[1] + ",".join(_inside(part.strip()) for part in found[2].split(",")) + "{"

    return SELECTORS.sub(inside, own("report.css"))


def _inside(selector: str) -> str:
    return ".rxpath" if selector in (":root", "body", "main") else f".rxpath {selector}"
