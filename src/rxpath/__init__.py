"""rxpath: the Linux packet receive path, from the NIC's ring to recvfrom(), as software that you can run, look into and tune.

    import rxpath
    run = rxpath.replay("first", overrides=["net.core.rmem_default=425984"])
    print(run)                                  # the report
    print(run.dropped, run.latency_ns["p99"])

Everything here is loaded when it is first used: `import rxpath` itself costs nothing."""
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .workbench.host.file import HostError
    from .workbench.host.file import load as load_host
    from .workbench.host.model.host import Host
    from .workbench.library.many import headroom, sweep
    from .workbench.library.replay import Outcome, replay, whatif
    from .workbench.run.simulation import Simulation
    from .workbench.words.mistakes import BadInput

__all__ = ["BadInput", "Host", "HostError", "Outcome", "Simulation", "__version__", "headroom", "load_host", "replay", "sweep", "whatif"]

_WHERE = {
    "BadInput": ("words.mistakes", "BadInput"), "Host": ("host.model.host", "Host"), "HostError": ("host.file", "HostError"),
    "Outcome": ("library.replay", "Outcome"), "Simulation": ("run.simulation", "Simulation"), "load_host": ("host.file", "load"),
    "replay": ("library.replay", "replay"), "headroom": ("library.many", "headroom"), "sweep": ("library.many", "sweep"),
    "whatif": ("library.replay", "whatif"),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, what = _WHERE[name]
    found = getattr(import_module(f"{__name__}.workbench.{module}"), what)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
