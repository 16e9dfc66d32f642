"""struct flow_keys: who speaks to whom, filled once for a packet and read by every look-up of a socket.

It lies in the CPU's memory (net.flow): a packet that waits for its turn fills it again when it goes on.  Addresses have 128 bits, as in
every table; a further protocol brings a filler, and no look-up changes its arguments."""
from .._compile import CACHELINE, i64, struct


@struct(align=CACHELINE)
class flow_keys:
    saddr_hi: i64
    saddr_lo: i64
    daddr_hi: i64
    daddr_lo: i64
    sport: i64
    dport: i64
    dev: i64                    # where it came in, as an index
