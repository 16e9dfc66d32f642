"""A recording: what a run looked like over time.  record.py and vtime/cuts.py fill it, record.py reads it."""
from enum import IntEnum

from .._compile import CACHELINE, i64, struct


class Recorded(IntEnum):
    """What a series tells; its owner is a queue, a CPU, a drop reason, a socket, a thread."""
    RING_FILL = 0               # levels: descriptors that the NIC has written and the driver has not taken
    BACKLOG = 1                 # input_pkt_queue of a CPU, which netdev_max_backlog limits
    PROCESS_QUEUE = 2           # process_queue, which that CPU has taken over from it
    FRAG_MEM = 3                # bytes in reassembly
    SOCK_MEM = 4                # sk_rmem_alloc of a socket
    SOCK_LEN = 5                # datagrams in its queues
    RING_MISSED = 6             # counts: frames of a queue that found no descriptor
    NIC_LOST = 7                # other losses of the NIC, by reason
    LATENCY = 8                 # samples: wire to the return of the receiving call, of a thread
    PAUSED = 9                  # a level: 1 while that thread stands still


@struct(align=CACHELINE)
class series_t:
    """A series and its owner.  A bucket is 1 << shift ns wide."""
    kind: i64                   # Recorded
    owner: i64
    shift: i64
    used: i64                   # some bucket holds a sample
    level: i64                  # of a level: as it stands
    protocol: i64               # of a socket, which may be gone by the end: what it was bound to
    addr: i64
    port: i64


@struct()
class bucket_t:
    """Free of order: whoever comes first, the sums and extremes are the same."""
    n: i64                      # samples
    min: i64                    # of their values
    max: i64
    sum: i64                    # of their amounts: the change of a level, a count, the value of a sample
    moment: i64                 # of each amount times its ns since the bucket's beginning


@struct(align=CACHELINE)
class recording_t:
    """Where the series of what owner begin, and the cuts."""
    nseries: i64
    ring_fill: i64              # the first of these
    ring_missed: i64
    nic_filter: i64             # losses of the card that are no queue's
    rx_length: i64
    link_down: i64
    tx_pause: i64
    backlog: i64
    process_queue: i64
    frag_mem: i64
    rest_mem: i64               # of all sockets that have no series of their own; their lengths are the next one
    rest_latency: i64           # of threads that came later
    rest: i64                   # how many sockets these are
    ncut: i64                   # cuts taken; cut k is at k << cut_shift ns
    cut_shift: i64


@struct()
class cpu_times:
    """ns of one CPU by context; they add up to the time at which they were taken."""
    hardirq: i64
    softirq: i64
    syscall: i64                # the kernel on behalf of threads, switching between them included
    application: i64
    idle: i64
