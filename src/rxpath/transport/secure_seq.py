"""net/core/secure_seq.c: where a connection's sequence numbers and time stamps begin.  RFC 6528, RFC 7323 5.4."""
from .._compile import path_function
from ..abi.headers import ip_hdr, tcp_hdr
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import Secret
from ..abi.skbuff import sk_buff
from .siphash import M32, siphash_3u32


@path_function
def secure_tcp_seq_and_ts_off(net: Net, saddr: int, daddr: int, sport: int, dport: int) -> int:
    """One hash for both: see secure_tcp_seq() and secure_tcp_ts_off()."""
    return siphash_3u32(net, Secret.net_secret, saddr, daddr, sport << 16 | dport)


@path_function
def tcp_v4_init_seq_and_ts_off(net: Net, skb: sk_buff) -> int:
    """The same for the answer to a segment that has come in."""
    ip, th = ip_hdr(net, skb), tcp_hdr(net, skb)
    return secure_tcp_seq_and_ts_off(net, ip.daddr, ip.saddr, th.dest, th.source)


@path_function
def secure_tcp_seq(net: Net, cpu: int, hashed: int) -> int:
    """An initial sequence number: it counts up every 64 ns, so that it comes back after 274 s."""
    c = net.cpu[cpu]
    return (hashed & M32) + (c.now >> 6) & M32


@path_function
def secure_tcp_ts_off(net: Net, hashed: int) -> int:
    """How far a connection's time stamps are from the host's clock; tcp_timestamps 2: not at all."""
    return hashed >> 32 if net.sysctl[Sysctl.tcp_timestamps] == 1 else 0
