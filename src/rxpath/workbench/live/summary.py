"""What is said of a live host at its end."""
from __future__ import annotations

from rxpath.live import Host


def summary(host: Host) -> str:
    """What came in by its back ends, what went out, what was lost where."""
    lines = []
    for backend in host.time.backends:
        s = backend.statistics()
        lost = ", ".join(f"{n:,} {name}" for name, n in s.lost.items() if n) or "none"
        lines.append(f"{getattr(backend, 'name', 'device')}: {s.rx_frames:,} frames in ({s.rx_bytes:,} bytes), {s.tx_frames:,} out "
                     f"({s.tx_bytes:,} bytes); lost before us: {lost}; refused: {s.tx_refused:,}")
    ends = ", ".join(f"{name} {n:,}" for name, n in host.drops().items()) or "none"
    lines.append(f"ends of frames: {ends}")
    lines.append("counters: " + (", ".join(f"{name} {n:,}" for name, n in host.counters().items()) or "none moved"))
    lines += [f"gone: {text}" for text in host.time.gone]
    return "\n".join(lines)
