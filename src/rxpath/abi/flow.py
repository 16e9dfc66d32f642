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


@struct(align=CACHELINE)
class flowi4:
    """What a program sends: where to, from where, and the route that it takes (ip_route_output_flow); one for each CPU (net.fl4)."""
    daddr: i64
    saddr: i64
    oif: i64                    # ifindex that is asked for, 0: any
    anysrc: i64                 # FLOWI_FLAG_ANYSRC: its source need not be an address of ours
    sport: i64
    dport: i64
    ttl: i64                    # of this call (IP_TTL of its ancillary data), 0: the socket's
    tos: i64                    # of this call, -1: the socket's
    # ---- the answer
    route: i64                  # in net.fib, NO_ROUTE: none is needed
    type: i64                   # RTN
    dev: i64                    # by which it leaves, as an index
    next_hop: i64               # whose MAC its frames carry
    mtu: i64
