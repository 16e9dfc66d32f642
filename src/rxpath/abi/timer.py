"""Timers: struct timer_list and the wheel that it hangs on (kernel/time/timer.c), struct hrtimer (kernel/time/hrtimer.c).

All that there can be are here from the start, an owner's in one stretch: the timer of fragment queue i is timers[FRAG_TIMER + i].  A
further owner gets a stretch behind it."""
from .._compile import CACHELINE, Array, array, i32, i64, struct
from .limits import NFRAGQ, NNAPI, NNEIGH, NREQ, NSOCK, NTW
from .numbers import NEVER

FRAG_TIMER = 0                  # + fragment queue
TCP_WRITE_TIMER = FRAG_TIMER + NFRAGQ           # + socket: icsk_retransmit_timer
TCP_DELACK_TIMER = TCP_WRITE_TIMER + NSOCK      # + socket: icsk_delack_timer
TCP_KEEPALIVE_TIMER = TCP_DELACK_TIMER + NSOCK  # + socket: sk_timer
REQ_TIMER = TCP_KEEPALIVE_TIMER + NSOCK         # + request
TW_TIMER = REQ_TIMER + NREQ     # + connection in TIME_WAIT
NEIGH_TIMER = TW_TIMER + NTW     # + neighbour
NTIMER = NEIGH_TIMER + NNEIGH
NAPI_HRTIMER = 0                # + NAPI
TCP_COMP_HRTIMER = NNAPI        # + socket: compressed_ack_timer
NHRTIMER = NNAPI + NSOCK

LVL_BITS, LVL_SIZE, LVL_CLK_SHIFT, LVL_DEPTH = 6, 64, 3, 9
WHEEL_SIZE = LVL_SIZE * LVL_DEPTH
EXPIRING = WHEEL_SIZE           # a bucket of its own: timers that go off now


@struct()
class timer_list:
    """A bucket is a list of these; its first one's `prev` is its last."""
    expires: i64                # jiffies: as it was asked for
    goes_off: i64               # jiffies: when its bucket's turn comes
    next: i32
    prev: i32
    bucket: i32
    cpu: i32                    # whose wheel
    pending: i32
    function: i32               # of the timer_function table, and what it is called with
    data: i32


@struct(align=CACHELINE)
class timer_base:
    """The wheel of one CPU."""
    clk: i64                    # jiffies: the wheel stands here
    next_expiry: i64 = NEVER    # jiffies; may be of a bucket that has been emptied meanwhile
    pending_map: Array[i64] = array(LVL_DEPTH + 1)      # a bit for each bucket that is not empty
    vectors: Array[i64] = array(WHEEL_SIZE + 1)         # and its first timer


@struct()
class hrtimer:
    """Goes off at its very time, in hard IRQ context."""
    expires: i64                # ns
    next: i32                   # of the CPU's, by time
    cpu: i32
    pending: i32
    function: i32               # of the hrtimer_function table, and what it is called with
    data: i32
