"""AF_PACKET rings (TPACKET_V3, fanout) as frames in memory: backends/packet.py under its public name.

Needs nothing else of rxpath (docs/live.md)."""
from .backends.face import Backend, BackendError, Batch, Capabilities, Statistics
from .backends.packet import Packet

__all__ = ["Backend", "BackendError", "Batch", "Capabilities", "Packet", "Statistics"]
