"""net/ipv4/inetpeer.c and the two rate limits of net/ipv4/icmp.c: who may be told of how many errors.

Called by icmp.py, always within a touch: both are seen by every CPU.  Time is counted in jiffies, as the kernel counts it."""
from .._compile import path_function
from ..abi.kernels import Behaviour, Sysctl
from ..abi.mib import Mib
from ..abi.net import ICMP_PEER_HASH, NICMP_PEER, Net
from ..abi.numbers import ICMP, ICMP_FRAG_NEEDED, MASK63, NR_ICMP_TYPES
from ..abi.skbuff import sk_buff
from ..path import Stage
from ..timer import jiffies
from ..turn import at

XRLIM_BURST_FACTOR = 6                               # messages that a peer's bucket holds
PEER_HEAD_START = 60                                 # seconds of silence that a new peer is credited with


@path_function
def icmp_peer_hashfn(addr: int) -> int:
    return (addr * 0x9E3779B1 >> 16) & ICMP_PEER_HASH - 1


@path_function
def icmp_getpeer(net: Net, cpu: int, addr: int) -> int:
    """The record of that address; made if there is none, in the place of the oldest if all are taken."""
    h = icmp_peer_hashfn(addr)
    i = net.icmp_peer_hash[h]
    while i >= 0:
        known = net.icmp_peers[i]
        if known.addr_lo == addr:
            return i
        i = known.next
    if net.nicmp_peer < NICMP_PEER:
        i = net.nicmp_peer
        net.nicmp_peer += 1
    else:
        i = net.icmp_peer_oldest
        net.icmp_peer_oldest = i + 1 if i + 1 < NICMP_PEER else 0
        icmp_forget_peer(net, i)
    peer = net.icmp_peers[i]
    peer.addr_hi, peer.addr_lo, peer.rate_tokens = 0, addr, 0
    peer.rate_last = jiffies(net, cpu) - PEER_HEAD_START * 1_000_000_000 // net.sysctl[Sysctl.jiffy_ns]
    peer.next = net.icmp_peer_hash[h]
    net.icmp_peer_hash[h] = i
    return i


@path_function
def icmp_forget_peer(net: Net, gone: int) -> None:
    peer = net.icmp_peers[gone]
    h = icmp_peer_hashfn(peer.addr_lo)
    i = net.icmp_peer_hash[h]
    if i == gone:
        net.icmp_peer_hash[h] = peer.next
        return
    while i >= 0:
        before = net.icmp_peers[i]
        if before.next == gone:
            before.next = peer.next
            return
        i = before.next


@path_function
def inet_peer_xrlim_allow(net: Net, cpu: int, addr: int, timeout: int) -> bool:
    """A bucket for each peer: a token each `timeout` jiffies, six at most."""
    peer, now = net.icmp_peers[icmp_getpeer(net, cpu, addr)], jiffies(net, cpu)
    token = peer.rate_tokens
    if now != peer.rate_last:
        token = min(token + now - peer.rate_last, XRLIM_BURST_FACTOR * timeout)
        peer.rate_last = now
    allowed = token >= timeout
    if allowed:
        token -= timeout
    peer.rate_tokens = token
    return allowed


@path_function
def icmp_unlimited(net: Net, icmp_type: int, code: int) -> bool:
    """icmpv4_mask_allow(): types that icmp_ratemask leaves alone, and what path MTU discovery needs."""
    if icmp_type > NR_ICMP_TYPES or (icmp_type == ICMP.DEST_UNREACH and code == ICMP_FRAG_NEEDED):
        return True
    return net.sysctl[Sysctl.icmp_ratemask] >> icmp_type & 1 == 0


@path_function
def icmp_global_allow(net: Net, cpu: int, skb: sk_buff) -> bool:
    """The credit of all peers together: looked at here, taken from by icmp_global_consume().  It is filled up when it is used up and
    a fiftieth of a second has gone by."""
    at(net, cpu, skb, Stage.icmp_global_allow)
    if net.icmp_credit > 0:
        return True
    hz = 1_000_000_000 // net.sysctl[Sysctl.jiffy_ns]
    now = jiffies(net, cpu)
    delta = min(now - net.icmp_stamp, hz)
    if delta < hz // 50:
        return False
    more = net.sysctl[Sysctl.icmp_msgs_per_sec] * delta // hz
    if more == 0:
        return False
    net.icmp_stamp = now
    net.icmp_credit = min(net.icmp_credit + more, net.sysctl[Sysctl.icmp_msgs_burst])
    return True


@path_function
def icmp_global_consume(net: Net) -> None:
    """A message takes 0, 1 or 2, so that nobody can count what others cause."""
    net.icmp_rng = net.icmp_rng * 6364136223846793005 + 1442695040888963407 & MASK63
    net.icmp_credit -= (net.icmp_rng >> 32) * 3 >> 31


@path_function
def icmpv4_global_allow(net: Net, cpu: int, skb: sk_buff, icmp_type: int, code: int) -> bool:
    """Before anything is built.  3.10 has no such limit."""
    if net.behaviour[Behaviour.icmp_global_limit] == 0 or icmp_unlimited(net, icmp_type, code):
        return True
    if icmp_global_allow(net, cpu, skb):
        return True
    net.snmp[cpu][Mib.Icmp_OutRateLimitGlobal] += 1
    return False


@path_function
def icmpv4_xrlim_allow(net: Net, cpu: int, skb: sk_buff, daddr: int, icmp_type: int, code: int) -> bool:
    """With the destination known.  A message that this refuses costs the others nothing."""
    at(net, cpu, skb, Stage.icmpv4_xrlim_allow)
    if icmp_unlimited(net, icmp_type, code):
        return True
    jiffy = net.sysctl[Sysctl.jiffy_ns]
    timeout = (net.sysctl[Sysctl.icmp_ratelimit_ns] + jiffy - 1) // jiffy
    if not inet_peer_xrlim_allow(net, cpu, daddr, timeout):
        net.snmp[cpu][Mib.Icmp_OutRateLimitHost] += net.behaviour[Behaviour.icmp_global_limit]
        return False
    if net.behaviour[Behaviour.icmp_global_limit]:
        icmp_global_consume(net)
    return True
