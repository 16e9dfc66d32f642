"""What each CPU does, as nested slices in a ring that Python drains (outputs.py): written in Trail.TIMELINE, else nothing.

A mark stands in its ring at its time.  An interrupt at t of work that is done at t' > t makes that end later by so much: marks behind t
wait until the handler is over, so that it lies within what it has interrupted.  They have not been drained: nobody drains what is later
than the engine's own time."""
from .._compile import cold, path_function
from ..abi.limits import NTRAILMAP
from ..abi.net import Net
from ..abi.numbers import Ctx, Kind
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.timeline import LATER, NTIMELINE, Slice, timeline_mark
from ..path import Stage
from .clock import come_back


@path_function
def timeline_mark_set(m: timeline_mark, t: int, kind: int, arg: int, frame: int) -> None:
    m.t, m.kind, m.arg, m.frame = t, kind, arg, frame


@cold
@path_function
def timeline_put(net: Net, cpu: int, t: int, kind: int, arg: int, frame: int) -> None:
    """A mark behind those of its time.  A full ring counts what it loses."""
    line = net.timeline[cpu]
    if line.head - line.tail >= NTIMELINE:
        line.lost += 1
        return
    i = line.head
    while i > line.tail:
        before = net.timeline_ring[cpu][(i - 1) % NTIMELINE]
        if before.t <= t:
            break
        timeline_mark_set(net.timeline_ring[cpu][i % NTIMELINE], before.t, before.kind, before.arg, before.frame)
        i -= 1
    timeline_mark_set(net.timeline_ring[cpu][i % NTIMELINE], t, kind, arg, frame)
    line.head += 1
    if line.head - line.tail >= NTIMELINE >> 1:
        net.sim.full = 1
        come_back(net, cpu)


@cold
@path_function
def timeline_begin(net: Net, cpu: int, what: int, arg: int) -> None:
    """A slice of this CPU begins now."""
    c = net.cpu[cpu]
    timeline_put(net, cpu, c.now, what << 1, arg, -1)


@cold
@path_function
def timeline_end(net: Net, cpu: int, what: int, arg: int) -> None:
    c = net.cpu[cpu]
    timeline_put(net, cpu, c.now, what << 1 | 1, arg, -1)


# ---------------------------------------------------------------- hard IRQs
@cold
@path_function
def timeline_irq(net: Net, cpu: int, t: int, what: int, arg: int) -> None:
    """A handler runs from t on."""
    line = net.timeline[cpu]
    line.irq_at = t
    i = line.head - 1
    while i >= line.tail:
        m = net.timeline_ring[cpu][i % NTIMELINE]
        if m.t <= t:
            break
        m.t += LATER
        i -= 1
    timeline_put(net, cpu, t, what << 1, arg, -1)


@cold
@path_function
def timeline_irq_over(net: Net, cpu: int, t: int, what: int) -> None:
    """It is over at t: what it has interrupted goes on."""
    line = net.timeline[cpu]
    timeline_put(net, cpu, t, what << 1 | 1, 0, -1)
    took = t - line.irq_at
    line.irq_at = -1
    i = line.head - 1
    while i >= line.tail:
        m = net.timeline_ring[cpu][i % NTIMELINE]
        if m.t < LATER:
            break
        m.t += took - LATER
        i -= 1


# ---------------------------------------------------------------- softirqs
@cold
@path_function
def timeline_action(net: Net, cpu: int, nr: int) -> None:
    """do_softirq() calls an action, or goes on with it."""
    line = net.timeline[cpu]
    if line.action != nr + 1:
        line.action = nr + 1
        timeline_begin(net, cpu, Slice.ACTION, nr)


@cold
@path_function
def timeline_action_over(net: Net, cpu: int) -> None:
    line = net.timeline[cpu]
    timeline_end(net, cpu, Slice.ACTION, line.action - 1)
    line.action = 0


# ---------------------------------------------------------------- threads
@cold
@path_function
def timeline_ran(net: Net, cpu: int, n: int, user: int, ran: int) -> None:
    """Thread n has run since c.since, the first `user` ns of it in the program."""
    c, th = net.cpu[cpu], net.thread[n]
    if th.kind == Kind.KSOFTIRQD or th.kind == Kind.NAPI:
        return
    if user > 0 and net.timeline_call[n]:
        timeline_returns(net, cpu, n, c.since)
    if ran > user and net.timeline_call[n] == 0:
        net.timeline_call[n] = 1
        timeline_put(net, cpu, c.since + user, Slice.CALL << 1, th.phase, -1)


@cold
@path_function
def timeline_switched(net: Net, cpu: int, n: int) -> None:
    """The CPU has been switched to thread n since c.since; a call in which it had lost it goes on."""
    c, th = net.cpu[cpu], net.thread[n]
    timeline_put(net, cpu, c.since, Slice.SWITCH << 1, n, -1)
    timeline_end(net, cpu, Slice.SWITCH, n)
    if net.timeline_call[n]:
        timeline_begin(net, cpu, Slice.CALL, th.phase)


@cold
@path_function
def timeline_returns(net: Net, cpu: int, n: int, t: int) -> None:
    """Its call returns at t."""
    if net.timeline_call[n]:
        net.timeline_call[n] = 0
        timeline_put(net, cpu, t, Slice.CALL << 1 | 1, n, -1)


# ---------------------------------------------------------------- frames
@path_function
def trail_in_map(net: Net, frame: int) -> bool:
    """Is that frame's bit set?"""
    return net.trail_map[(frame >> 5) % NTRAILMAP] >> (frame & 31) & 1 != 0


@cold
@path_function
def timeline_station(net: Net, cpu: int, skb: sk_buff, stage: int, cost: int, arg: int) -> None:
    """What a frame's mark in the trail is here: a slice as long as its station cost; the end of a frame, of lost ones always.

    What a thread's call does with frames happens when the call looks, before its time passes: ends stand there."""
    c, line, ends = net.cpu[cpu], net.timeline[cpu], stage == Stage.kfree_skb and arg != 0
    if skb.frame < 0 or not (trail_in_map(net, skb.frame) or (ends and arg & 0xFF > Drop.CONSUMED)):
        return
    called = c.ctx == Ctx.TASK and line.irq_at < 0
    if ends:
        timeline_put(net, cpu, c.since if called else c.now, Slice.END << 1, arg, skb.frame)
    elif cost > 0 and not called:
        timeline_put(net, cpu, c.now - cost, stage << 8 | Slice.STATION << 1, skb.tstamp, skb.frame)
        timeline_put(net, cpu, c.now, stage << 8 | Slice.STATION << 1 | 1, 0, skb.frame)
