"""What is kept while a capture is searched for the receiver's own replies (cable/replies.py)."""
from .._compile import CACHELINE, Array, array, i64, struct

NREPLY_FLOW = 1 << 16           # flows that wait for a reply
NREPLY_LOCAL = 64               # addresses of the receiver


@struct()
class reply_flow:
    """A flow's requests without a reply yet."""
    key: i64                    # 0: free
    peer: i64
    since: i64                  # the oldest
    last: i64                   # the newest
    waiting: i64
    ours: i64                   # the receiver has begun it: it asks, and the other end answers
    seen: i64                   # its last datagram, ns since the epoch


@struct(align=CACHELINE)
class replies_t:
    """Service times as they are found: le64 values at out_addr."""
    records: i64
    requests: i64
    replies: i64
    unasked: i64                # datagrams of the receiver that no request waited for, in flows that others have begun
    nlocal: i64
    port: i64                   # only of this port; 0: of all
    out_addr: i64
    nout: i64
    out_max: i64
    pair_addr: i64              # le64 pairs: when a request came, when it was answered; 0: nobody asks
    npair: i64
    pair_max: i64
    local: Array[i64] = array(NREPLY_LOCAL)
    last_reply: Array[i64] = array(65536)       # when a port replied last, ns since the epoch
    flow: Array[reply_flow] = array(NREPLY_FLOW)
