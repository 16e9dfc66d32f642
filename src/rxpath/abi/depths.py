"""What is read of a run again and again while it goes on: how full queues were since the last look, and bursts on the cable.
vtime/depths.py fills both."""
from .._compile import Array, array, i64, struct
from .limits import NQ

DEPTH_ROW = 4                   # words of a row: Recorded, its owner, the most since the last look, the limit
BURST_NS = 1_000_000            # how long a burst is looked at


@struct()
class burst_t:
    """The busiest BURST_NS of the frames that were put on the cable since somebody set `most` to 0."""
    bin: i64                    # the one that is counted: its number
    n: i64                      # frames in it
    octets: i64
    frames: i64                 # of all
    frame_octets: i64
    most: i64                   # frames of the busiest one
    most_octets: i64
    most_bin: i64
    seen: Array[i64] = array(NQ)        # how far each queue's cable has been counted
    at: Array[i64] = array(NQ)          # how far by now, while they are
