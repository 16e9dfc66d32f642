"""Routes, neighbours, peers and joined groups."""
from .._compile import i64, struct
from .skbuff import sk_buff_list


@struct(align=64)
class fib_alias:
    key_hi: i64
    key_lo: i64
    plen: i64
    type: i64                   # RTN
    oif: i64                    # device index
    gw_lo: i64
    next: i64
    prefsrc: i64
    metric: i64
    table: i64                  # RT_TABLE_LOCAL, RT_TABLE_MAIN
    used: i64


@struct()
class icmp_peer:
    """What is remembered of a peer: its bucket of ICMP errors."""
    addr_hi: i64
    addr_lo: i64
    rate_tokens: i64            # jiffies that it has saved up
    rate_last: i64              # jiffy of the last look
    next: i64


@struct()
class ip_mc_list:
    """A multicast group that a device has joined."""
    addr_hi: i64
    addr_lo: i64
    dev: i64
    users: i64                  # 0: free
    next: i64


@struct()
class neighbour:
    """An entry of arp_tbl: which MAC an address on a link has, and how sure we are (network/neighbour.py).  Times are jiffies."""
    addr_hi: i64
    addr_lo: i64
    mac: i64
    state: i64                  # NUD_*
    next: i64
    dev: i64                    # of the link; NO_DEV: an administrator's, of whatever link
    probes: i64                 # requests since it is asked for
    used: i64                   # something was sent there last
    confirmed: i64              # it was known to be reachable last
    updated: i64                # its state or its MAC changed last
    arp_queue: sk_buff_list     # packets that wait for its MAC
    arp_queue_len_bytes: i64    # truesize
