"""What a station may know about time and about other CPUs: its cost, whether it is its turn, and how to leave word.

A station never sees the engine.  Virtual time gives each CPU a horizon (nobody is earlier until then) before it runs; real time gives
it NEVER.  A loop asks late_private() between packets and returns YIELD; a packet that is about to touch what other CPUs see goes
through touch(): when it is early, it is parked, and the loop returns and takes it up again when its turn comes.

One place to park for each CPU is enough: softirqs, ksoftirqd and the polls of threaded NAPI run with bottom halves disabled, so that no
two of them are under way on one CPU, and each of their loops returns as soon as a packet is parked."""
from . import path
from ._compile import asks, cold, last_act, path_function, store_release, xchg
from .abi.limits import NNOTE, NTRAIL, NTRAILMAP
from .abi.net import Net
from .abi.numbers import NET_RX_SUCCESS, NO_SKB, Trail
from .abi.reasons import Drop
from .abi.skbuff import ICMP_SKB_CB, sk_buff
from .abi.softnet import spinlock
from .path import Stage, Touch


@path_function
def charge(net: Net, cpu: int, stage: int) -> None:
    """An event of the machine: it costs time and is counted."""
    c = net.cpu[cpu]
    c.now += net.cost[cpu][stage]
    net.stage_count[cpu][stage] += 1


@path_function
def at(net: Net, cpu: int, skb: sk_buff, stage: int) -> None:
    """Every station's first line: it costs time, is counted, and leaves a mark in the trail."""
    watch = net.trail
    if watch >= 0:                                   # else real time: the clock is on the wall
        cost = net.cost[cpu][stage]
        if cost:                                     # most stations of a profile cost nothing by themselves: no chain of additions
            c = net.cpu[cpu]
            c.now += cost
        net.stage_count[cpu][stage] += 1
        if watch > 0:
            trail_mark(net, cpu, skb, stage, cost, 0)


@path_function
def at_bytes(net: Net, cpu: int, stage: int, n: int) -> None:
    """Work on n bytes: the cost table holds ns << 10 for one."""
    c = net.cpu[cpu]
    c.now += net.cost[cpu][stage] * n >> 10
    net.stage_count[cpu][stage] += n


@path_function
def trail_wanted(net: Net, frame: int, stage: int, arg: int) -> bool:
    """Which marks are kept: of every frame, of those whose bit is set, or only the ends of lost ones."""
    if net.trail == Trail.ALL:
        return True
    if net.trail == Trail.MAP:
        return net.trail_map[(frame >> 5) % NTRAILMAP] >> (frame & 31) & 1 != 0
    return stage == Stage.kfree_skb and arg & 0xFF > Drop.CONSUMED


@path_function
def trail_end(stage: int, reason: int) -> int:
    """The argument of the mark of an end: how, and in the upper bits where."""
    return stage << 8 | reason


@cold
@path_function
def trail_put(net: Net, cpu: int, t: int, frame: int, stage: int, cost: int, arg: int, skb: int) -> None:
    """Into the CPU's ring; Python merges the rings by time, CPU and sequence.  A full ring counts what it loses."""
    c = net.cpu[cpu]
    if not trail_wanted(net, frame, stage, arg):
        return
    if c.trail_head - c.trail_tail >= NTRAIL:
        c.trail_lost += 1
        return
    m = net.trail_ring[cpu][c.trail_head % NTRAIL]
    m.t, m.frame, m.stage, m.cost, m.ctx, m.arg, m.skb = t, frame, stage, cost, c.ctx, arg, skb
    c.trail_head += 1
    if c.trail_head - c.trail_tail == NTRAIL >> 1:
        net.sim.full = 1
        come_back(net, cpu)


@cold
@path_function
def trail_mark(net: Net, cpu: int, skb: sk_buff, stage: int, cost: int, arg: int) -> None:
    """A packet's mark, at this CPU's time."""
    c = net.cpu[cpu]
    trail_put(net, cpu, c.now, skb.frame, stage, cost, arg, skb.idx)


@cold
@path_function
def trail_lost(net: Net, cpu: int, t: int, frame: int, stage: int, reason: int) -> None:
    """The end of a frame that never had an skb: the device lost it at t."""
    if net.trail > 0:
        trail_put(net, cpu, t, frame, Stage.kfree_skb, 0, trail_end(stage, reason), -1)


@path_function
def trail_says(net: Net, cpu: int, skb: sk_buff, stage: int, arg: int) -> None:
    """A further mark of a station: the reason of a drop, the socket that was found."""
    if net.trail > 0:
        trail_mark(net, cpu, skb, stage, 0, arg)


@asks
@path_function
def late(net: Net, cpu: int) -> bool:
    """Is anybody earlier by now?"""
    c = net.cpu[cpu]
    return c.now > c.horizon


@asks
@path_function
def late_private(net: Net, cpu: int) -> bool:
    """The same, before a step that touches nothing of others: only an interrupt of this CPU comes before it."""
    c = net.cpu[cpu]
    return c.now > c.private


@path_function
def come_back(net: Net, cpu: int) -> None:
    """Make the loops return to the driver at their next question."""
    c = net.cpu[cpu]
    c.horizon = -1
    c.private = -1


@path_function
def touch(net: Net, cpu: int, skb: sk_buff, station: int) -> int:
    """Enter a station that other CPUs can see: now if it is our turn, else when it is.  The caller's last act (_compile/check.py)."""
    if late(net, cpu):
        park(net, cpu, skb, station)
        return NET_RX_SUCCESS
    return path.call_touched(station, net, cpu, skb)


@last_act
@path_function
def park(net: Net, cpu: int, skb: sk_buff, station: int) -> None:
    """The packet waits for its turn; what its continuation needs is in skb.cb."""
    sd = net.sd[cpu]
    sd.parked_skb = skb.idx
    sd.parked_at = station
    come_back(net, cpu)


@cold
@path_function
def icmp_send_and_drop(net: Net, cpu: int, skb: sk_buff, icmp_type: int, code: int, stage: int, reason: int) -> int:
    """icmp_send(), then the packet that it is about ends, there and for that reason.  The limits are everybody's: it waits for
    its turn."""
    return icmp_send_info_and_drop(net, cpu, skb, icmp_type, code, 0, stage, reason)


@cold
@path_function
def icmp_send_info_and_drop(net: Net, cpu: int, skb: sk_buff, icmp_type: int, code: int, info: int, stage: int, reason: int) -> int:
    """The same with the header's second word: the pointer of a parameter problem, the MTU."""
    cb = ICMP_SKB_CB(skb)
    cb.type, cb.code, cb.info = icmp_type, code, info
    skb.drop_stage, skb.drop_reason = stage, reason
    return touch(net, cpu, skb, Touch.icmp_send)


@path_function
def enter_parked(net: Net, cpu: int) -> None:
    """It is our turn: the parked packet goes on."""
    sd = net.sd[cpu]
    skb = net.skb[sd.parked_skb]
    sd.parked_skb = NO_SKB
    path.call_touched(sd.parked_at, net, cpu, skb)


@path_function
def tell_driver(net: Net, cpu: int, what: int, whom: int) -> None:
    """Only the driver can wake a thread or interrupt another CPU."""
    sd = net.sd[cpu]
    net.note[cpu][sd.note_tail & NNOTE - 1] = whom << 8 | what
    sd.note_tail += 1
    come_back(net, cpu)


@path_function
def line_from(net: Net, cpu: int, other: int) -> int:
    """The event: a line comes from the cache of CPU `other`, on this NUMA node or on another."""
    if net.nnode > 1 and other >= 0 and net.node[cpu] != net.node[other]:
        return Stage.BOUNCE_NODE
    return Stage.BOUNCE


@path_function
def spin_lock(net: Net, cpu: int, lock: spinlock) -> None:
    """Real time: a lock.  Virtual time: touches come in the order of the clocks, so first come, first served is arithmetic."""
    if net.real_time:
        if net.real_time > 1:                        # one CPU needs none: Linux, too, takes lock prefixes out there (SMP alternatives)
            while xchg(lock.locked, 0, 1) != 0:
                pass
        return
    c = net.cpu[cpu]
    if lock.free_at > c.now:
        lock.spin_ns += lock.free_at - c.now
        c.now = lock.free_at
    c.now += net.cost[cpu][Stage.LOCK]
    if lock.last_cpu != cpu:
        c.now += net.cost[cpu][line_from(net, cpu, lock.last_cpu)]
        lock.last_cpu = cpu
    lock.free_at = c.now


@path_function
def spin_unlock(net: Net, lock: spinlock) -> None:
    if net.real_time > 1:
        store_release(lock.locked, 0, 0)
