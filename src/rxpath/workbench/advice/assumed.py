"""What the figures of a run hang on and nobody measured on this host: one line of the report's header."""
from __future__ import annotations

from pathlib import Path

from rxpath.vtime import calibrated
from rxpath.workbench.host.file import mean_service_ns
from rxpath.workbench.host.model.host import PROFILES
from rxpath.workbench.host.model.programs import App
from rxpath.workbench.run.outcome import Outcome
from rxpath.workbench.words.figures import ns

PROGRAMS = 4                                                # of the host that the line tells of


def assumed(run: Outcome) -> list[str]:
    """what the figures depend on and nobody measured on this host."""
    host = run.host
    out = [f"cost profile {host.profile}, which was not measured on this host"] if host.profile in PROFILES else []
    if calibrated.is_calibrated(host.profile) and any(dev.driver.has_ring for dev in host.devices):
        out.append(f"the card, its interrupts and its memory, which {host.profile} could not measure")
    ran = {a.name for a in run.books.apps}
    own = sorted(ran - {a.name for a in host.apps})         # of the user's own: run/own.py
    its = [a for a in host.apps if a.name in ran] if own else host.apps
    apps = [f"{a.name} {_work(a)}, {a.threads} thread{'s' * (a.threads > 1)} on "
            f"{_cpus(sorted({host.app_cpu(a, i) for i in range(a.threads)}))}" for a in its[:PROGRAMS]]
    if len(its) > PROGRAMS:
        apps.append(f"and {len(its) - PROGRAMS} more program{'s' * (len(its) - PROGRAMS > 1)}")
    out += [f"{name} is a program in Python: only its calls and its work() take time" for name in own]
    if not apps:
        return out
    if run.taught is not None and run.taught.applied:
        return [*out, f"a program that works as its replies in the capture show: {apps[0]}"]
    if "app" not in host._raw:
        return [*out, f"a program, since the host file names none: {apps[0]}"]
    return [*out, *apps]


def _work(app: App) -> str:
    if app.service.capture is not None:
        return f"works{' and waits' if app.service.waits else ''} as learned from {Path(app.service.capture).name}"
    mean = mean_service_ns(app.service)
    if not mean:
        return "spends no time on a datagram (0 us)"
    return f"spends {ns(mean)}{'' if app.service.constant is not None else ' on average'} on a datagram"


def _cpus(cpus: list[int]) -> str:
    return f"CPU {cpus[0]}" if len(cpus) == 1 else f"CPUs {', '.join(map(str, cpus[:8]))}" + (", ..." if len(cpus) > 8 else "")
