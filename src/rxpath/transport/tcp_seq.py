"""include/net/tcp.h: sequence numbers, which are 32 bits and wrap, and the clocks of a connection."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.tcp import tcp_sock
from ..timer import jiffies

TCP_PAWS_24DAYS = 60 * 60 * 24 * 24
TCP_PAWS_WINDOW = 1
TCP_PAWS_MSL = 60


@path_function
def u32(n: int) -> int:
    return n & 0xFFFFFFFF


@path_function
def s32(n: int) -> int:
    return (n + 0x80000000 & 0xFFFFFFFF) - 0x80000000


@path_function
def before(a: int, b: int) -> bool:
    return a - b & 0xFFFFFFFF > 0x7FFFFFFF


@path_function
def after(a: int, b: int) -> bool:
    return b - a & 0xFFFFFFFF > 0x7FFFFFFF


@path_function
def ends_there(skb: sk_buff) -> int:
    """Sequence numbers that a segment takes."""
    cb = TCP_SKB_CB(skb)
    return cb.end_seq - cb.seq & 0xFFFFFFFF


# ---------------------------------------------------------------- clocks
@path_function
def tcp_jiffies32(net: Net, cpu: int) -> int:
    return jiffies(net, cpu)


@path_function
def tcp_clock_us(net: Net, cpu: int) -> int:
    c = net.cpu[cpu]
    return c.now // 1000


@path_function
def tcp_time_stamp_ts(net: Net, cpu: int, tsoff: int) -> int:
    """What a time stamp option says: ms, from a place that the connection's ends decide."""
    c = net.cpu[cpu]
    return u32(c.now // 1_000_000 + tsoff)


@path_function
def seconds(net: Net, cpu: int) -> int:
    """ktime_get_seconds(), and never 0, which means never."""
    c = net.cpu[cpu]
    return c.now // 1_000_000_000 + 1


# ---------------------------------------------------------------- time stamps: RFC 7323
@path_function
def tcp_store_ts_recent(net: Net, cpu: int, tp: tcp_sock) -> None:
    tp.ts_recent = tp.rcv_tsval
    tp.ts_recent_stamp = seconds(net, cpu)


@path_function
def tcp_replace_ts_recent(net: Net, cpu: int, tp: tcp_sock, seq: int) -> None:
    """Only by a segment that covers what has been acknowledged last."""
    if tp.saw_tstamp and not after(seq, tp.rcv_wup):
        if tcp_paws_check(net, cpu, tp.ts_recent, tp.ts_recent_stamp, tp.rcv_tsval, 0):
            tcp_store_ts_recent(net, cpu, tp)


@path_function
def tcp_paws_check(net: Net, cpu: int, ts_recent: int, stamp: int, tsval: int, win: int) -> bool:
    """Is this time stamp new enough?"""
    if s32(ts_recent - tsval) <= win:
        return True
    if seconds(net, cpu) >= stamp + TCP_PAWS_24DAYS:
        return True
    return ts_recent == 0                            # a peer that began with 0


@path_function
def tcp_paws_reject(net: Net, cpu: int, ts_recent: int, stamp: int, tsval: int, rst: bool) -> bool:
    """Is it too old?  After a minute an RST is believed all the same: the peer may have restarted, and its clock with it."""
    if tcp_paws_check(net, cpu, ts_recent, stamp, tsval, 0):
        return False
    return not rst or seconds(net, cpu) < stamp + TCP_PAWS_MSL
