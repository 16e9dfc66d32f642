"""net/core/neighbour.c: which MAC answers for an address, and how sure we are of it.  RFC 1122 2.3.2, RFC 4861 7.3.

Called by arp.py (what others say), ip_output.py (what is to be sent) and setup.py; asks through arp_send.py, and gives frames whose MAC is
known to dev_xmit.py.  Every CPU sees the table: it is read and written only within a touch, a timer or a system call.

    NONE, FAILED --send--> INCOMPLETE --answer--> REACHABLE --30 s--> STALE --send--> DELAY --5 s--> PROBE --answer--> REACHABLE
                               | three requests, a second apart                         | confirmed       | three requests
                               v                                                       v                 v
                             FAILED                                                REACHABLE           FAILED

While an entry is INCOMPLETE, packets wait in its arp_queue, up to so many bytes; the oldest give way.

Where nobody at the other end of the cable answers (net.neigh_resolve is 0: frames of a capture, of a generator), what is known stays known:
nothing is asked again, and an answer to a frame goes where that came from.  What a program sends is asked for all the same.

Simplification: the kernel draws the time for which an entry is reachable, between half and one and a half of its mean; here it is that."""
from .. import path
from .._compile import cold, path_function, reset_struct
from ..abi.kernels import Sysctl
from ..abi.limits import NNEIGH
from ..abi.net import NEIGH_HASH, Net
from ..abi.numbers import AF_INET, ENOBUFS, ETH_P_IP, NO_DEV, NO_SKB
from ..abi.skbuff import sk_buff
from ..abi.timer import NEIGH_TIMER
from ..path import Stage, Timer, timer_function
from ..skb import __skb_dequeue, __skb_queue_tail
from ..timer import jiffies, mod_timer, timer_delete, timer_setup
from ..turn import at
from ..user.wmem import dev_kfree_skb
from .arp_send import arp_solicit
from .dev_xmit import dev_queue_xmit, eth_header

NUD_NONE, NUD_INCOMPLETE, NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_FAILED = 0, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NUD_PERMANENT = 0x80                                 # an administrator's entry: no frame changes it
NUD_IN_TIMER = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE
NUD_CONNECTED = NUD_PERMANENT | NUD_REACHABLE
NUD_VALID = NUD_PERMANENT | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY
OVERRIDE, ADMIN = 1, 2                               # NEIGH_UPDATE_F_*
NO_LLADDR = -1


@path_function
def neigh_ms(net: Net, ms: int) -> int:
    """jiffies"""
    return ms * 1_000_000 // net.sysctl[Sysctl.jiffy_ns]


@path_function
def neigh_retrans(net: Net) -> int:
    """jiffies from one request to the next: retrans_time_ms, 10 ms at least."""
    return neigh_ms(net, max(net.sysctl[Sysctl.neigh_retrans_ms], 10))


# ---------------------------------------------------------------- the table
@path_function
def neigh_hashfn(addr: int) -> int:
    return (addr * 0x9E3779B1 >> 16) & NEIGH_HASH - 1


@path_function
def neigh_lookup(net: Net, addr: int, dev: int) -> int:
    """The neighbour's index on that link, -1: unknown."""
    i = net.neigh_hash[neigh_hashfn(addr)]
    while i >= 0:
        n = net.neigh[i]
        if n.addr_lo == addr and (n.dev == dev or n.dev == NO_DEV):
            return i
        i = n.next
    return -1


@path_function
def neigh_create(net: Net, cpu: int, addr: int, dev: int) -> int:
    """___neigh_create(): an entry of which nothing is known yet; -1: the table is full."""
    i = net.nneigh
    if i < NNEIGH:
        net.nneigh += 1
    else:
        i = neigh_forced_gc(net)
        if i < 0:
            return -1
    h, now = neigh_hashfn(addr), jiffies(net, cpu)
    made = net.neigh[i]
    reset_struct(made)
    made.addr_lo, made.dev, made.next = addr, dev, net.neigh_hash[h]
    made.used, made.updated, made.confirmed = now, now, now - 2 * neigh_ms(net, net.sysctl[Sysctl.neigh_reachable_ms])
    net.neigh_hash[h] = i
    timer_setup(net, NEIGH_TIMER + i, Timer.neigh_timer_handler, i)
    return i


@cold
@path_function
def neigh_forced_gc(net: Net) -> int:
    """The entry that nobody has used for longest, out of its chain; -1: all are an administrator's, or packets wait for them."""
    oldest = -1
    for i in range(NNEIGH):
        n = net.neigh[i]
        if n.state & (NUD_PERMANENT | NUD_INCOMPLETE) == 0 and (oldest < 0 or n.used < net.neigh[oldest].used):
            oldest = i
    if oldest < 0:
        return -1
    gone = net.neigh[oldest]
    timer_delete(net, NEIGH_TIMER + oldest)
    h = neigh_hashfn(gone.addr_lo)
    i = net.neigh_hash[h]
    if i == oldest:
        net.neigh_hash[h] = gone.next
        return oldest
    while net.neigh[i].next != oldest:
        i = net.neigh[i].next
    before = net.neigh[i]
    before.next = gone.next
    return oldest


# ---------------------------------------------------------------- what others say
@path_function
def neigh_event_ns(net: Net, cpu: int, addr: int, dev: int, lladdr: int) -> int:
    """Who asks says where it is.  Its entry, -1: there is none, and no room for one."""
    i = neigh_lookup(net, addr, dev)
    if i < 0:
        i = neigh_create(net, cpu, addr, dev)
    if i >= 0:
        neigh_update(net, cpu, i, lladdr, NUD_STALE, OVERRIDE)
    return i


@path_function
def neigh_update(net: Net, cpu: int, i: int, lladdr: int, new: int, flags: int) -> None:
    """__neigh_update(): a MAC, or NO_LLADDR, and the state that goes with it.  Without OVERRIDE a MAC that is known stays."""
    n, now = net.neigh[i], jiffies(net, cpu)
    old = n.state
    if old & NUD_PERMANENT and flags & ADMIN == 0:
        return
    if new & NUD_VALID == 0:
        timer_delete(net, NEIGH_TIMER + i)
        n.state = new
        if old & (NUD_INCOMPLETE | NUD_PROBE) and new & NUD_FAILED:
            neigh_invalidate(net, cpu, i)
        return
    if lladdr == NO_LLADDR:
        if old & NUD_VALID == 0:
            return
        lladdr = n.mac
    moves = lladdr != n.mac or old & NUD_VALID == 0
    if new & NUD_CONNECTED:
        n.confirmed = now
    if old & NUD_VALID:
        if moves and flags & OVERRIDE == 0:
            return
        if not moves and new == NUD_STALE and flags & ADMIN == 0:
            new = old
    if new != old or moves:
        n.updated = now
    if new != old:
        timer_delete(net, NEIGH_TIMER + i)
        if new & NUD_PROBE:
            n.probes = 0
        n.state = new
        if new & NUD_REACHABLE and net.neigh_resolve:
            mod_timer(net, cpu, NEIGH_TIMER + i, now + neigh_ms(net, net.sysctl[Sysctl.neigh_reachable_ms]))
    if moves:
        n.mac = lladdr
        if new & NUD_CONNECTED == 0:
            n.confirmed = now - 2 * neigh_ms(net, net.sysctl[Sysctl.neigh_reachable_ms])
    if old & NUD_VALID == 0:
        while n.arp_queue.head >= 0 and n.state & NUD_VALID:                 # what has waited goes
            skb = __skb_dequeue(net, n.arp_queue)
            neigh_output_one(net, cpu, i, skb)
        n.arp_queue_len_bytes = 0


# ---------------------------------------------------------------- what is to be sent
@path_function
def neigh_output(net: Net, cpu: int, skb: sk_buff, next_hop: int) -> int:
    """An IP packet, complete but for its Ethernet header, by the link skb.dev: now, or when its MAC is known.  0; ENOBUFS: the table is
    full; or what dev_queue_xmit() says."""
    i = neigh_lookup(net, next_hop, skb.dev)
    if i < 0:
        i = neigh_create(net, cpu, next_hop, skb.dev)
        if i < 0:
            dev_kfree_skb(net, cpu, skb)
            return ENOBUFS
    n = net.neigh[i]
    if n.state & NUD_CONNECTED == 0:
        if __neigh_event_send(net, cpu, i, skb):
            return 0
    return neigh_output_one(net, cpu, i, skb)


@path_function
def neigh_output_one(net: Net, cpu: int, i: int, skb: sk_buff) -> int:
    n = net.neigh[i]
    eth_header(net, skb, n.mac, ETH_P_IP)
    return dev_queue_xmit(net, cpu, skb)


@cold
@path_function
def __neigh_event_send(net: Net, cpu: int, i: int, skb: sk_buff) -> bool:
    """neigh_resolve_output()'s question.  True: the packet waits."""
    n, now = net.neigh[i], jiffies(net, cpu)
    n.used = now
    if n.state & (NUD_DELAY | NUD_PROBE):
        return False
    if n.state == NUD_STALE:
        if net.neigh_resolve:
            n.state, n.updated = NUD_DELAY, now
            mod_timer(net, cpu, NEIGH_TIMER + i, now + neigh_ms(net, net.sysctl[Sysctl.neigh_delay_probe_ms]))
        return False
    at(net, cpu, skb, Stage.__neigh_event_send)
    asks = n.state != NUD_INCOMPLETE
    if asks:
        n.probes = net.sysctl[Sysctl.neigh_ucast_solicit]                    # those to one address are as good as made
        timer_delete(net, NEIGH_TIMER + i)
        n.state, n.updated = NUD_INCOMPLETE, now
        mod_timer(net, cpu, NEIGH_TIMER + i, now + neigh_retrans(net))
    while n.arp_queue_len_bytes + skb.truesize > net.sysctl[Sysctl.neigh_unres_qlen_bytes] and n.arp_queue.head >= 0:
        first = __skb_dequeue(net, n.arp_queue)                              # NEIGH_QUEUEFULL
        n.arp_queue_len_bytes -= first.truesize
        net.neigh_unres_discards += 1
        dev_kfree_skb(net, cpu, first)
    __skb_queue_tail(net, n.arp_queue, skb)
    n.arp_queue_len_bytes += skb.truesize
    if asks:
        neigh_probe(net, cpu, i)
    return True


@path_function
def neigh_probe(net: Net, cpu: int, i: int) -> None:
    """One request: of all, or, when its MAC is to be confirmed, of it alone."""
    n = net.neigh[i]
    tail = n.arp_queue.tail if n.arp_queue.head >= 0 else NO_SKB
    n.probes += 1
    arp_solicit(net, cpu, n.dev, n.addr_lo, tail, n.mac if n.probes <= net.sysctl[Sysctl.neigh_ucast_solicit] else 0)


@cold
@path_function
def neigh_invalidate(net: Net, cpu: int, i: int) -> None:
    """Nobody has answered: the senders of what has waited are told."""
    n = net.neigh[i]
    net.neigh_res_failed += 1
    n.updated = jiffies(net, cpu)
    while n.arp_queue.head >= 0 and n.state == NUD_FAILED:
        skb = __skb_dequeue(net, n.arp_queue)
        path.call_neigh_error_report(AF_INET, net, cpu, skb)                 # NEIGH_FAILED
        dev_kfree_skb(net, cpu, skb)
    n.arp_queue_len_bytes = 0


@timer_function(Timer.neigh_timer_handler)
@path_function
def neigh_timer_handler(net: Net, cpu: int, i: int) -> int:
    """What comes next in the life of an entry."""
    n, now, s = net.neigh[i], jiffies(net, cpu), net.sysctl
    reachable, delay = neigh_ms(net, s[Sysctl.neigh_reachable_ms]), neigh_ms(net, s[Sysctl.neigh_delay_probe_ms])
    following = now + neigh_retrans(net)
    if n.state & NUD_IN_TIMER == 0:
        return 0
    if n.state == NUD_REACHABLE:
        if now <= n.confirmed + reachable:
            following = n.confirmed + reachable
        elif now <= n.used + delay:
            n.state, n.updated, following = NUD_DELAY, now, now + delay
        else:
            n.state, n.updated = NUD_STALE, now
    elif n.state == NUD_DELAY:
        if now <= n.confirmed + delay:
            n.state, n.updated, following = NUD_REACHABLE, now, n.confirmed + reachable
        else:
            n.state, n.updated, n.probes = NUD_PROBE, now, 0
    most = s[Sysctl.neigh_ucast_solicit] + (s[Sysctl.neigh_mcast_solicit] if n.state == NUD_INCOMPLETE else 0)
    if n.state & (NUD_INCOMPLETE | NUD_PROBE) and n.probes >= most:
        n.state = NUD_FAILED
        neigh_invalidate(net, cpu, i)
        return 0
    if n.state & NUD_IN_TIMER:
        mod_timer(net, cpu, NEIGH_TIMER + i, max(following, now + neigh_ms(net, 10)))
    if n.state & (NUD_INCOMPLETE | NUD_PROBE):
        neigh_probe(net, cpu, i)
    return 0
