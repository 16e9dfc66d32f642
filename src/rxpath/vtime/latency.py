"""How long a datagram took: to the return of the receiving call, and to the end of the program's work on it.

The work on the datagrams of a call is one piece of a thread's time, which interrupts and other threads cut up; sched.py tells of each
part that has run, and the end of each datagram's share lies in one of them."""
from .._compile import cold, fls64, path_function
from ..abi.engine import thread_t
from ..abi.limits import NBATCH
from ..abi.net import Net
from ..abi.numbers import Kind
from ..abi.spent import NSAMPLE, NWAY, Place
from ..record import record_latency_of
from ..spent import spent_marks
from .dice import next_random


@path_function
def latency_bucket(ns: int) -> int:
    """Log-linear: 32 buckets for each power of two, so that a percentile is right within 3 %.  No branch: on a packet's way, each would be
    guessed wrong half of the time.  The last bucket of 63 bits is 1887, so that none is behind NHIST."""
    v = max(ns, 0)
    shift = fls64(v | 63) - 6                        # to 32 <= v < 64, where v is more
    return 32 * shift + (v >> shift)


@path_function
def record_latency(net: Net, n: int, t: int, ns: int) -> None:
    """From the last bit on the wire to the return of the receiving call."""
    th = net.thread[n]
    th.received += 1
    th.latency_sum += ns
    th.latency_max = max(th.latency_max, ns)
    th.latency_hash = next_random(th.latency_hash ^ ns)
    net.latency[n][latency_bucket(ns)] += 1
    if net.record:
        record_latency_of(net, n, t, ns)


# ---------------------------------------------------------------- the work on it
@path_function
def work_begins(net: Net, n: int, th: thread_t, t: int, items: int) -> None:
    """At t a call has returned with so many datagrams; net.work_end says after how many ns of work each is done."""
    th.returned, th.item_from = t, t
    th.item, th.worked, th.items = 0, 0, items
    work_goes_on(net, n, th, t, 0)


@path_function
def work_goes_on(net: Net, n: int, th: thread_t, since: int, ran: int) -> None:
    """The thread has worked for `ran` ns from `since` on, without a break: which datagrams are done?"""
    done = th.worked + ran
    while th.item < th.items and net.work_end[n][th.item & NBATCH - 1] <= done:
        served(net, n, th, since + net.work_end[n][th.item & NBATCH - 1] - th.worked)
    th.worked = done
    if th.item >= th.items:
        th.items = 0


@path_function
def served(net: Net, n: int, th: thread_t, t: int) -> None:
    """At t the program is done with the next datagram of its call."""
    k = th.item & NBATCH - 1
    ns = t - net.batch[n][k]
    th.served += 1
    th.served_sum += ns
    th.served_max = max(th.served_max, ns)
    net.served[n][latency_bucket(ns)] += 1
    if th.spent:
        spent_served(net, n, th, k, t)
    th.item += 1
    th.item_from = t


@cold
@path_function
def spent_served(net: Net, n: int, th: thread_t, k: int, t: int) -> None:
    """Book where the time of that datagram went, all of it."""
    s, program = net.spent_batch[th.spent - 1 + (0 if th.kind == Kind.STREAM else k)], th.program
    for p in range(NWAY):
        spent_booked(net, program, p, s.ns[p])
    call, batch, work = th.returned - s.since, th.item_from - th.returned, t - th.item_from
    spent_booked(net, program, Place.SYSTEM_CALL, call)
    spent_booked(net, program, Place.BATCH, batch)
    spent_booked(net, program, Place.WORK, work)
    if net.trail > 0:
        spent_marks(net, th.cpu, s.since, s.frame, Place.SYSTEM_CALL, call, batch, work)
    h = next_random(s.frame << 12 ^ n)
    keep = net.sample[(h >> 40) % NSAMPLE]
    if keep.used and keep.hash <= h:
        return
    keep.used, keep.hash, keep.frame, keep.thread, keep.arrived = 1, h, s.frame, n, net.batch[n][k]
    for p in range(NWAY):
        keep.ns[p] = s.ns[p]
    keep.ns[Place.SYSTEM_CALL], keep.ns[Place.BATCH], keep.ns[Place.WORK] = call, batch, work


@path_function
def spent_booked(net: Net, program: int, place: int, ns: int) -> None:
    """A datagram of that program was so long there."""
    if ns > 0:
        net.spent_sum[program][place] += ns
        if ns > net.spent_max[program][place]:
            net.spent_max[program][place] = ns
        net.spent_hist[program][place][latency_bucket(ns)] += 1
