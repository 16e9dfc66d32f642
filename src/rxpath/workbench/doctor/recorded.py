"""The moments of a case (docs/case.md) as doctor reads them: its samples, with the times of threads that live readings have, too."""
from __future__ import annotations

import re
from dataclasses import replace

from rxpath.workbench.doctor.tasks import Task, Tasks, task_of
from rxpath.workbench.readings.case import Recorded, Sample, open_recorded
from rxpath.workbench.readings.records import Reading

STAT = re.compile(r"/proc/(\d{1,9})/task/(\d{1,9})/stat")


def moments(path: str) -> list[Reading]:
    """The oldest first."""
    case = open_recorded(path)
    found = [replace(r, name=path) for r in case.readings()]
    for at in (0, -1) if case.samples else ():
        if (threads := _tasks(case, case.samples[at])) is not None:
            found[at] = replace(found[at], records=(*found[at].records, threads))
    return found


def _tasks(case: Recorded, sample: Sample) -> Tasks | None:
    """None: the sample has no threads."""
    found: list[Task] = []
    for path, data in sample.files.items():
        match = STAT.fullmatch(path)
        one = task_of(int(match[1]), int(match[2]), data, sample.files.get(path.removesuffix("stat") + "schedstat", b"")) if match else None
        if one is not None:
            found.append(one)
    return Tasks(tuple(found), sample.monotonic) if found else None
