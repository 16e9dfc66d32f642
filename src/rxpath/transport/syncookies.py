"""net/ipv4/syncookies.c: a SYN that is answered and forgotten.

What has to be known of it later comes back with the third segment: our initial sequence number is a hash of both ends, of the minute and
of one of four segment sizes; window scale, SACK and ECN are the lower six bits of the time stamp that is echoed."""
from .._compile import path_function
from ..abi.headers import ip_hdr, tcp_hdr
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import Secret
from ..abi.skbuff import sk_buff
from ..abi.tcp import request_sock
from ..abi.tcp_options import tcp_options_received
from ..timer import jiffies
from .siphash import M32, siphash_4u32

COOKIEBITS = 24
COOKIEMASK = (1 << COOKIEBITS) - 1
MAX_SYNCOOKIE_AGE = 2                                # minutes
TSBITS, TS_OPT_WSCALE_MASK, TS_OPT_SACK, TS_OPT_ECN = 6, 0xF, 1 << 4, 1 << 5
MINUTE_NS = 60_000_000_000


# ---------------------------------------------------------------- the number
@path_function
def tcp_cookie_time(net: Net, cpu: int) -> int:
    return jiffies(net, cpu) // (MINUTE_NS // net.sysctl[Sysctl.jiffy_ns])


@path_function
def cookie_hash(net: Net, skb: sk_buff, count: int, c: int) -> int:
    ip, th = ip_hdr(net, skb), tcp_hdr(net, skb)
    return siphash_4u32(net, Secret.syncookie_0 + c, ip.saddr, ip.daddr, th.source << 16 | th.dest, count)


@path_function
def msstab(i: int) -> int:
    """The segment sizes that a cookie can say: those that are usual."""
    if i == 3:
        return 1460
    if i == 2:
        return 1440                                  # and 1452: PPPoE
    return 1300 if i == 1 else 536


@path_function
def cookie_mss_index(mss: int) -> int:
    """Which of them: the largest that is not larger."""
    i = 3
    while i > 0 and mss < msstab(i):
        i -= 1
    return i


@path_function
def cookie_v4_init_sequence(net: Net, cpu: int, skb: sk_buff, mss: int) -> int:
    """secure_tcp_syn_cookie(): our initial sequence number for this SYN."""
    count, th = tcp_cookie_time(net, cpu), tcp_hdr(net, skb)
    minute = cookie_hash(net, skb, count, 1) + cookie_mss_index(mss) & COOKIEMASK
    return (cookie_hash(net, skb, 0, 0) & M32) + th.seq + (count << COOKIEBITS) + minute & M32


@path_function
def __cookie_v4_check(net: Net, cpu: int, skb: sk_buff) -> int:
    """The segment size that the cookie says which this segment acknowledges, 0: it is none, or of more than two minutes ago."""
    count, th = tcp_cookie_time(net, cpu), tcp_hdr(net, skb)
    cookie = th.ack_seq - 1 - (cookie_hash(net, skb, 0, 0) & M32) - (th.seq - 1) & M32
    age = count - (cookie >> COOKIEBITS) & M32 >> COOKIEBITS
    if age >= MAX_SYNCOOKIE_AGE:
        return 0
    i = cookie - cookie_hash(net, skb, count - age, 1) & COOKIEMASK
    return msstab(i) if i <= 3 else 0


# ---------------------------------------------------------------- the time stamp
@path_function
def cookie_init_timestamp(req: request_sock, now_ms: int) -> int:
    """The newest time stamp that is not later than now and says these options, ms."""
    options = req.snd_wscale if req.wscale_ok else TS_OPT_WSCALE_MASK
    if req.sack_ok:
        options |= TS_OPT_SACK
    if req.ecn_ok:
        options |= TS_OPT_ECN
    ts = now_ms >> TSBITS << TSBITS | options
    return ts - (1 << TSBITS) if ts > now_ms else ts


@path_function
def cookie_timestamp_decode(net: Net, opt: tcp_options_received) -> bool:
    """The options that the echoed time stamp says.  False: one that this host has switched off."""
    opt.sack_ok, opt.wscale_ok, opt.snd_wscale = 0, 0, 0
    if not opt.saw_tstamp:
        return True
    if not net.sysctl[Sysctl.tcp_timestamps]:
        return False
    opt.sack_ok = 1 if opt.rcv_tsecr & TS_OPT_SACK else 0
    if opt.sack_ok and not net.sysctl[Sysctl.tcp_sack]:
        return False
    scale = opt.rcv_tsecr & TS_OPT_WSCALE_MASK
    if scale == TS_OPT_WSCALE_MASK:
        return True                                  # no window scaling
    opt.wscale_ok, opt.snd_wscale = 1, scale
    return net.sysctl[Sysctl.tcp_window_scaling] != 0
