"""AF_XDP sockets as frames in memory: backends/xdp.py under its public name.

Needs nothing else of rxpath (docs/live.md)."""
from .backends.face import Backend, BackendError, Batch, Capabilities, Statistics
from .backends.xdp import Xdp

__all__ = ["Backend", "BackendError", "Batch", "Capabilities", "Statistics", "Xdp"]
