"""TAP and TUN devices as frames in memory: backends/tap.py under its public name.  Needs nothing else of rxpath (docs/live.md)."""
from .backends.face import Backend, BackendError, Batch, Capabilities, Statistics
from .backends.tap import Tap, configure

__all__ = ["Backend", "BackendError", "Batch", "Capabilities", "Statistics", "Tap", "configure"]
