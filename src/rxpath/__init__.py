"""rxpath: the Linux packet receive path, from the NIC's ring to recvfrom(), as software that you can run, look into and tune.

    import rxpath
    run = rxpath.replay("first", overrides=["net.core.rmem_default=425984"])
    print(run)                                  # the report
    print(run.dropped, run.latency_ns["p99"])

Everything here is loaded when it is first used: `import rxpath` itself costs nothing."""
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .workbench.host import Host
    from .workbench.hostfile import HostError
    from .workbench.hostfile import load as load_host
    from .workbench.mistakes import BadInput
    from .workbench.outcome import Outcome
    from .workbench.replay import replay
    from .workbench.runs.headroom import headroom
    from .workbench.runs.sweep import sweep
    from .workbench.simulation import Simulation
    from .workbench.whatif.ask import whatif

__version__ = "0.1.0"
__all__ = ["BadInput", "Host", "HostError", "Outcome", "Simulation", "__version__", "headroom", "load_host", "replay", "sweep", "whatif"]

_WHERE = {
    "BadInput": ("mistakes", "BadInput"), "Host": ("host", "Host"), "HostError": ("hostfile", "HostError"),
    "Outcome": ("outcome", "Outcome"),
    "Simulation": ("simulation", "Simulation"), "load_host": ("hostfile", "load"), "replay": ("replay", "replay"),
    "headroom": ("runs.headroom", "headroom"), "sweep": ("runs.sweep", "sweep"),
    "whatif": ("whatif.ask", "whatif"),
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
