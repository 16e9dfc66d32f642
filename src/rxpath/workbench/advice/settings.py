"""Settings as --set takes them."""
from __future__ import annotations

Set = tuple[str, ...]                                       # ("ethtool.rx=512", "net.core.rmem_max=8388608")
