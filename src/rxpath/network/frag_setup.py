"""Control plane of reassembly: empty tables, and the defaults of its sysctls (net/ipv4/ip_fragment.c, ipv4_frags_init_net())."""
from .._compile import path_function
from ..abi.kernels import Sysctl
from ..abi.net import FRAG_HASH, Net


@path_function
def frag_init(net: Net) -> None:
    net.fragq_free, net.peer_free, net.frag_lru_head, net.frag_lru_tail, net.frag_lock.last_cpu = -1, -1, -1, -1, -1
    for h in range(FRAG_HASH):
        net.frag_hash[h] = -1
        net.peer_hash[h] = -1
    s = net.sysctl
    s[Sysctl.ipfrag_high_thresh], s[Sysctl.ipfrag_low_thresh] = 4 << 20, 3 << 20
    s[Sysctl.ipfrag_time_ns], s[Sysctl.ipfrag_max_dist] = 30_000_000_000, 64
