"""Where the time of a datagram goes on its way up: at each door the time since the one before is booked under one place (abi/spent.py).

Off unless net.spends says that somebody wants it; a run without costs a test at each door.  A station tells it the moment in which the
packet passes, which is the same however far its CPU has run ahead."""
from ._compile import cold, entry, path_function
from .abi.net import Net
from .abi.nic import rx_ring
from .abi.numbers import Kind
from .abi.skbuff import sk_buff
from .abi.spent import NSPENT, NWAY, Place
from .path import Stage
from .turn import trail_put


@cold
@path_function
def spent_begin(net: Net, cpu: int, skb: sk_buff, ring: rx_ring) -> None:
    """A driver has taken the frame.  It was there before the last interrupt, or came while its handler or the poll ran."""
    c, s = net.cpu[cpu], net.spent[skb.idx]
    now, since, throttled, interrupt = c.now, skb.tstamp, 0, 0
    if since < ring.irq_done:
        if since < ring.last_irq:
            throttled = max(ring.irq_allowed - net.cost[ring.cpu][Stage.NIC_LATENCY] - since, 0)
            since += throttled
        interrupt = max(min(ring.irq_done, now) - since, 0)
        since += interrupt
    waited = max(now - since, 0)
    s.since, s.frame = since + waited, skb.frame
    s.ns[Place.THROTTLE], s.ns[Place.INTERRUPT], s.ns[Place.RING] = throttled, interrupt, waited
    for p in range(Place.SOFTIRQ, NWAY):
        s.ns[p] = 0
    if net.trail > 0:
        spent_marks(net, cpu, skb.tstamp, skb.frame, Place.THROTTLE, throttled, interrupt, waited)


@path_function
def spent_anew(net: Net, skb: sk_buff) -> None:
    s = net.spent[skb.idx]
    for p in range(NWAY):
        s.ns[p] = 0
    s.since, s.frame = skb.tstamp, skb.frame


@path_function
def spent_until(net: Net, cpu: int, skb: sk_buff, place: int, t: int) -> None:
    """From its last door to t it was there.  Nothing if that door lies behind t.  Who has come through no driver begins here."""
    s = net.spent[skb.idx]
    if s.since < skb.tstamp or s.frame != skb.frame:
        spent_anew(net, skb)
    ns = t - s.since
    if ns > 0:
        s.ns[place] += ns
        s.since = t
        spent_mark(net, cpu, t, skb.frame, place, ns)


@cold
@path_function
def spent_in(net: Net, cpu: int, skb: sk_buff, place: int) -> None:
    """It passes a door now: until now it was there."""
    c = net.cpu[cpu]
    spent_until(net, cpu, skb, place, c.now)


@cold
@path_function
def spent_copy(net: Net, to: sk_buff, skb: sk_buff) -> None:
    """A copy has come the same way; a datagram that has been put together has that of its last fragment."""
    a, b = net.spent[to.idx], net.spent[skb.idx]
    a.since, a.frame = b.since, to.frame
    for p in range(NWAY):
        a.ns[p] = b.ns[p]


@path_function
def tstamp_joined(net: Net, to: sk_buff, skb: sk_buff) -> None:
    """`to` has taken skb in (GRO, coalescing): all of it is there since the later of the two was, which has come the way that counts."""
    if skb.tstamp > to.tstamp:
        to.tstamp = skb.tstamp
        if net.spends:
            spent_copy(net, to, skb)


@cold
@path_function
def spent_read(net: Net, cpu: int, t: int, skb: sk_buff) -> None:
    """Thread t takes it from its socket: it has waited for that thread to wake up, or to have time."""
    c, th = net.cpu[cpu], net.thread[t]
    if th.spent == 0:
        return
    s, to = net.spent[skb.idx], net.spent_batch[th.spent - 1 + th.in_batch]
    if s.since < skb.tstamp or s.frame != skb.frame:
        spent_anew(net, skb)
    since, now = s.since, c.now
    asleep = max(min(th.ran_at, now) - since, 0)
    waited = max(now - since - asleep, 0)
    s.since = since + asleep + waited                # a call that peeks leaves it where it is
    s.ns[Place.WAKE_UP] += asleep
    s.ns[Place.SOCKET] += waited
    to.since, to.frame = s.since, s.frame
    for p in range(NWAY):
        to.ns[p] = s.ns[p]
    if net.trail > 0:
        spent_marks(net, cpu, since, skb.frame, Place.WAKE_UP, asleep, waited, 0)


@cold
@path_function
def spent_marks(net: Net, cpu: int, t: int, frame: int, place: int, first: int, second: int, third: int) -> None:
    """In the trail: from t on it was so long in three places that follow each other."""
    spent_mark(net, cpu, t + first, frame, place, first)
    spent_mark(net, cpu, t + first + second, frame, place + 1, second)
    spent_mark(net, cpu, t + first + second + third, frame, place + 2, third)


@path_function
def spent_mark(net: Net, cpu: int, t: int, frame: int, place: int, ns: int) -> None:
    """In the trail: until t it was so long there."""
    if net.trail > 0 and ns > 0:
        trail_put(net, cpu, t, frame, Stage.SPENT, ns, place, -1)


@entry
def spent_thread(net: Net, t: int, program: int) -> bool:
    """Before a run: what thread t reads is booked in that row.  Its batch is known.  False: there is no room for so many."""
    th = net.thread[t]
    room = 1 if th.kind == Kind.STREAM else th.batch # all messages of a read have come with its last segment
    if net.nspent + room > NSPENT:
        return False
    th.program, th.spent = program, net.nspent + 1
    net.nspent += room
    return True
