"""The marks that a packet leaves at its stations, in a ring of each CPU that Python drains (outputs.py)."""
from .._compile import cold, path_function
from ..abi.limits import NTRAIL
from ..abi.net import Net
from ..abi.numbers import Trail
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage
from .clock import come_back
from .timeline import timeline_station, trail_in_map


@path_function
def trail_wanted(net: Net, frame: int, stage: int, arg: int) -> bool:
    """Which marks are kept: of every frame, of those whose bit is set, only its end and its socket, or the ends of lost ones."""
    if net.trail == Trail.ALL:
        return True
    if net.trail == Trail.MAP:
        return trail_in_map(net, frame)
    if net.trail == Trail.ENDS:
        return stage == Stage.kfree_skb or stage == Stage.SPENT or stage == Stage.__skb_recv_udp \
            or stage == Stage.__udp_enqueue_schedule_skb
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


@path_function
def trail_fact(net: Net, cpu: int, skb: sk_buff, stage: int) -> int:
    """What a station's mark says beside its time, as workbench/run/trail_facts.py reads it; 0: nothing.

    napi_gro_receive      polls of its queue so far << 40 | descriptors that wait in its ring, its own included << 20 | its slot + 1
    ip_local_deliver      the route + 1
    __udp_enqueue_schedule_skb  the socket + 1 << 46 | datagrams that wait there << 31 | their truesize
    process_backlog       packets that wait behind it + 1"""
    if stage == Stage.napi_gro_receive:
        ring, napi = net.ring[skb.queue_mapping], net.napi[skb.queue_mapping]
        if ring.size == 0:
            return 0
        waiting = min(max(ring.hw_head - ring.next_to_clean + 1, 1), (1 << 20) - 1)
        return (napi.polls & (1 << 22) - 1) << 40 | waiting << 20 | (ring.next_to_clean - 1) % ring.size + 1
    if stage == Stage.ip_local_deliver:
        return skb.dst + 1
    if stage == Stage.__udp_enqueue_schedule_skb and skb.sk >= 0:
        sk = net.socks[skb.sk]
        return skb.sk + 1 << 46 | min(sk.qlen, 32767) << 31 | min(max(sk.rmem_alloc, 0), (1 << 31) - 1)
    if stage == Stage.process_backlog:
        return net.sd[cpu].process_len + 1
    return 0


@cold
@path_function
def trail_mark(net: Net, cpu: int, skb: sk_buff, stage: int, cost: int, arg: int) -> None:
    """A packet's mark, at this CPU's time."""
    c = net.cpu[cpu]
    says = arg
    if net.trail == Trail.TIMELINE:
        timeline_station(net, cpu, skb, stage, cost, arg)
    if arg == 0 and (net.trail == Trail.MAP or net.trail == Trail.ENDS):
        says = trail_fact(net, cpu, skb, stage)
    trail_put(net, cpu, c.now, skb.frame, stage, cost, says, skb.idx)


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
