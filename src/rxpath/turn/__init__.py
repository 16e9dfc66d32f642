"""What a station may know about time and about other CPUs: what it costs, whether it is its turn, and how to leave word.

A station never sees the engine.  cost.py and trail.py: its first line; timeline.py: what its CPU does; clock.py: is anybody earlier?;
parking.py: what happens to a packet that comes too early; notes.py: word for the driver of time; locks.py."""
from .clock import come_back, late, late_private
from .cost import at, at_bytes, charge, charge_ipi, charge_times, memory_of
from .locks import line_from, spin_lock, spin_unlock
from .notes import tell_driver
from .parking import enter_parked, park, touch
from .timeline import (
    timeline_action,
    timeline_action_over,
    timeline_begin,
    timeline_end,
    timeline_irq,
    timeline_irq_over,
    timeline_ran,
    timeline_returns,
    timeline_switched,
)
from .trail import trail_end, trail_lost, trail_mark, trail_put, trail_says, trail_wanted

__all__ = [
    "at", "at_bytes", "charge", "charge_ipi", "charge_times", "come_back", "enter_parked", "late", "late_private", "line_from",
    "memory_of", "park", "spin_lock", "spin_unlock", "tell_driver", "timeline_action", "timeline_action_over", "timeline_begin",
    "timeline_end", "timeline_irq", "timeline_irq_over", "timeline_ran", "timeline_returns", "timeline_switched", "touch", "trail_end",
    "trail_lost", "trail_mark", "trail_put", "trail_says", "trail_wanted",
]
