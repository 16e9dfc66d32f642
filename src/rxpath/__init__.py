"""rxpath: the Linux packet receive path, from the NIC's ring to recvfrom(), as software that you can run, look into and tune.

    import rxpath
    run = rxpath.replay("first", overrides={"net.core.rmem_default": 425984})
    print(run)                                  # the report
    print(run.dropped, run.latency_ns["p99"])

Everything here is loaded when it is first used: `import rxpath` itself costs nothing."""
from __future__ import annotations

TYPE_CHECKING = False                           # as typing has it, without what importing typing costs: it is 8 ms
if TYPE_CHECKING:
    from typing import Any

    from ._version import __version__
    from .vtime.program import ProgramError
    from .workbench.api.doctor import Diagnosis, doctor
    from .workbench.api.many import diff, headroom, sweep, tune
    from .workbench.api.replay import Outcome, replay, whatif
    from .workbench.api.view import Drawn, View
    from .workbench.api.written import write_capture
    from .workbench.host.file import HostError
    from .workbench.host.file import load as load_host
    from .workbench.host.model.host import Host
    from .workbench.run.own import Modules, Program
    from .workbench.run.own_traffic import Cable, Sent, Source
    from .workbench.run.simulation import Simulation
    from .workbench.words.mistakes import BadInput

__all__ = ["BadInput", "Cable", "Diagnosis", "Drawn", "Host", "HostError", "Modules", "Outcome", "Program", "ProgramError", "Sent",
           "Simulation", "Source", "View", "__version__", "diff", "doctor", "headroom", "load_host", "replay", "sweep", "tune", "whatif",
           "write_capture"]

_WHERE = {
    "BadInput": ("workbench.words.mistakes", "BadInput"), "Host": ("workbench.host.model.host", "Host"),
    "HostError": ("workbench.host.file", "HostError"), "Outcome": ("workbench.api.replay", "Outcome"),
    "Modules": ("workbench.run.own", "Modules"), "Program": ("workbench.run.own", "Program"),
    "Cable": ("workbench.run.own_traffic", "Cable"), "Sent": ("workbench.run.own_traffic", "Sent"),
    "Source": ("workbench.run.own_traffic", "Source"), "Drawn": ("workbench.api.view", "Drawn"), "View": ("workbench.api.view", "View"),
    "ProgramError": ("vtime.program", "ProgramError"),
    "Simulation": ("workbench.run.simulation", "Simulation"), "__version__": ("_version", "__version__"),
    "diff": ("workbench.api.many", "diff"), "Diagnosis": ("workbench.api.doctor", "Diagnosis"),
    "doctor": ("workbench.api.doctor", "doctor"),
    "headroom": ("workbench.api.many", "headroom"), "load_host": ("workbench.host.file", "load"),
    "replay": ("workbench.api.replay", "replay"), "sweep": ("workbench.api.many", "sweep"),
    "tune": ("workbench.api.many", "tune"), "whatif": ("workbench.api.replay", "whatif"),
    "write_capture": ("workbench.api.written", "write_capture"),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, what = _WHERE[name]
    found = getattr(import_module(f"{__name__}.{module}"), what)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
