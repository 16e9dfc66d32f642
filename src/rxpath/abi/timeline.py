"""What each CPU did and when, as nested slices: turn/timeline.py writes it, outputs.py drains it, workbench/run/timeline.py reads it."""
from enum import IntEnum

from .._compile import CACHELINE, i64, struct

NTIMELINE = 1 << 15             # marks of a CPU until Python drains them
NOPEN = 16                      # slices that are open at a time
WINDOW_SHIFT = 20               # a window is 1.05 ms: of a long run one of every 2, 4, ... of them is told
LATER = 1 << 53                 # added to times that come after a hard IRQ whose length is not known yet


class Slice(IntEnum):
    """What begins or ends.  arg: what of its kind."""
    HARDIRQ = 0                 # a queue's number, or NOT_A_QUEUE and what follows it
    STALL = 1                   # the hypervisor has taken the CPU away
    IDLE_EXIT = 2               # an idle state is left: Idle
    SOFTIRQ = 3                 # bottom halves are off for whom: Kthread
    ACTION = 4                  # of do_softirq: Softirq
    POLL = 5                    # of a NAPI: its number; at the end, its work
    TASK = 6                    # a thread runs
    CALL = 7                    # it is in the kernel: which Phase is to come
    STATION = 8                 # of a frame: at its beginning, when that came from the wire
    SWITCH = 9                  # context_switch() to it
    END = 10                    # no slice: a frame has ended; arg as in turn.trail_end()
    OPEN = 11                   # only as it is drained: so many (arg) marks follow of what is open when a window begins


RESCHEDULE, FUNCTION_CALL, LOCAL_TIMER, TICK, DEVICE = -1, -2, -3, -4, -5        # hard IRQs that are no queue's


@struct()
class timeline_mark:
    """The beginning or the end of a slice."""
    t: i64
    kind: i64                   # stage << 8 | Slice << 1 | it is an end
    arg: i64
    frame: i64


@struct()
class open_slice:
    """A slice that is open, as its beginning was marked."""
    kind: i64
    arg: i64
    frame: i64


@struct(align=CACHELINE)
class timeline_t:
    """One CPU's."""
    head: i64
    tail: i64
    lost: i64
    irq_at: i64 = -1            # a hard IRQ is under way since then; -1: none
    action: i64                 # the action of do_softirq that is under way, + 1
    depth: i64                  # slices that are open where it is drained, in net.timeline_open
    window: i64 = -1            # of the mark that was drained last
