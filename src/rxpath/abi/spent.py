"""Where the time of a datagram went, or of a message of TCP, which came the way of its last segment: from the last bit on the wire to the
end of the program's work on it.  spent.py fills it on the way up, vtime/latency.py from the call's return on, run/books.py reads it."""
from enum import IntEnum

from .._compile import Array, array, i64, struct

NPROGRAM = 64                   # programs that are told apart; later ones share the last row
NSAMPLE = 4096                  # single datagrams that are kept
NSPENT = 1 << 17                # datagrams of calls, of all threads: a thread has as many as its batch


class Place(IntEnum):
    """In the datagram's order.  Each ns of its way belongs to exactly one."""
    THROTTLE = 0                # the card may not interrupt yet (rx-usecs, ITR)
    INTERRUPT = 1               # from then to the end of the handler: the card's delay, an idle CPU that wakes up, interrupts that are off
    RING = 2                    # in its descriptor, until a softirq's poll takes it
    SOFTIRQ = 3                 # in the stack's hands, GRO and lists included
    BACKLOG = 4                 # on a CPU's backlog: RPS, and devices without NAPI
    HOLE = 5                    # of TCP: in the out-of-order queue, behind a segment that is missing
    WAKE_UP = 6                 # in the socket, its reader asleep: until that runs
    SOCKET = 7                  # in the socket, its reader at work or kept from its CPU
    SYSTEM_CALL = 8             # taken from the queue; the call has not returned
    BATCH = 9                   # the program works on others that the same call has brought
    WORK = 10                   # the program works on it


NPLACE = len(Place)
NWAY = int(Place.SYSTEM_CALL)   # those up to the socket


@struct()
class spent_t:
    """Of a datagram under way: ns in each place so far, and since when it is in the present one."""
    since: i64
    frame: i64
    ns: Array[i64] = array(NWAY)


@struct()
class sample_t:
    """A datagram that was kept.  Whichever of those that fall on a slot has the smallest hash: the order in which they end is no matter."""
    used: i64
    hash: i64
    frame: i64
    thread: i64
    arrived: i64
    ns: Array[i64] = array(NPLACE)
