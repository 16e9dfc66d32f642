"""net/core/dev.c: NAPI scheduling and net_rx_action.

The loop keeps its locals in softnet_data: YIELD means that somebody else is earlier, or has to be woken; called again, it goes on where
it was.  Hands each napi to its poll function through the napi_poll table."""
from .. import path
from .._compile import cold, path_function
from ..abi.kernels import Behaviour, Sysctl
from ..abi.net import Net
from ..abi.numbers import (
    BUSY_POLL_BUDGET,
    DONE,
    HRTIMER_NORESTART,
    NAPI_STATE_IN_BUSY_POLL,
    NAPI_STATE_MISSED,
    NAPI_STATE_SCHED,
    NO_CPU,
    NO_NAPI,
    YIELD,
    Kthread,
    Note,
    Softirq,
    Trail,
)
from ..abi.softnet import napi_list, napi_struct, softnet_data
from ..abi.timeline import Slice
from ..abi.timer import NAPI_HRTIMER
from ..path import Hrtimer, Stage, hrtimer_function, softirq
from ..timer import hrtimer_start
from ..turn import charge, charge_ipi, enter_parked, late_private, tell_driver, timeline_begin, timeline_end


@path_function
def raise_softirq_irqoff(net: Net, cpu: int, nr: int) -> None:
    """__raise_softirq_irqoff(): one OR into __softirq_pending."""
    sd = net.sd[cpu]
    sd.raised[nr] += sd.pending >> nr & 1 ^ 1       # what is pending already will run once all the same
    sd.pending |= 1 << nr


@path_function
def napi_list_add_tail(net: Net, to: napi_list, n: int) -> None:
    napi = net.napi[n]
    napi.next = NO_NAPI
    if to.head >= 0:
        tail = net.napi[to.tail]
        tail.next = n
    else:
        to.head = n
    to.tail = n


@path_function
def napi_list_splice_tail_init(net: Net, napis: napi_list, to: napi_list) -> None:
    """All of a list to the end of another; it is empty then."""
    if napis.head < 0:
        return
    if to.head >= 0:
        tail = net.napi[to.tail]
        tail.next = napis.head
    else:
        to.head = napis.head
    to.tail = napis.tail
    napis.head = NO_NAPI


@path_function
def __napi_schedule(net: Net, cpu: int, n: int) -> None:
    """list_add_tail to this CPU's poll_list, raise NET_RX; or wake the NAPI's own thread."""
    napi = net.napi[n]
    if napi.thread >= 0:
        tell_driver(net, cpu, Note.WAKE_NAPI, napi.thread)
        return
    napi_list_add_tail(net, net.sd[cpu].poll_list, n)
    raise_softirq_irqoff(net, cpu, Softirq.NET_RX)


@path_function
def napi_schedule(net: Net, cpu: int, n: int) -> None:
    napi = net.napi[n]
    if napi.state & NAPI_STATE_SCHED:                # napi_schedule_prep()
        napi.state |= NAPI_STATE_MISSED
        return
    napi.state |= NAPI_STATE_SCHED
    __napi_schedule(net, cpu, n)


@path_function
def napi_complete_done(net: Net, cpu: int, n: int) -> bool:
    """The poll found the ring empty.  True: interrupts may be enabled.  Not so for who busy-polls, which goes on; whoever asked
    meanwhile (MISSED) gets another poll; and with napi_defer_hard_irqs the timer polls instead of an interrupt."""
    charge(net, cpu, Stage.napi_complete_done)
    napi = net.napi[n]
    timeout, napi.timeout = napi.timeout, 0          # napi_defer(), which has looked before GRO was flushed
    if napi.state & NAPI_STATE_IN_BUSY_POLL:
        return False
    missed = napi.state & NAPI_STATE_MISSED
    napi.state &= ~(NAPI_STATE_SCHED | NAPI_STATE_MISSED)
    if missed:
        napi.state |= NAPI_STATE_SCHED
        __napi_schedule(net, cpu, n)
        return False
    if timeout:
        c = net.cpu[cpu]
        hrtimer_start(net, cpu, NAPI_HRTIMER + n, c.now + timeout)
        return napi.deferred == 0
    return True


@cold
@path_function
def napi_defer(napi: napi_struct) -> None:
    """napi_complete_done()'s first half, while GRO still holds what it holds: is the timer to follow, and do interrupts stay off?

    With work done the count of empty polls begins anew (napi_defer_hard_irqs); each poll that completes uses one up, and as long as there
    are some the timer polls again.  Without it, gro_flush_timeout alone only lets GRO keep packets over the end of a poll."""
    napi.timeout, napi.deferred = 0, 0
    if napi.state & NAPI_STATE_IN_BUSY_POLL:
        return
    if napi.done:
        if napi.gro_bitmask:
            napi.timeout = napi.gro_flush_timeout
        napi.defer_hard_irqs_count = napi.defer_hard_irqs
    if napi.defer_hard_irqs_count > 0:
        napi.defer_hard_irqs_count -= 1
        napi.timeout = napi.gro_flush_timeout
        napi.deferred = 1


@hrtimer_function(Hrtimer.napi_watchdog)
@path_function
def napi_watchdog(net: Net, cpu: int, n: int) -> int:
    """napi->timer's handler: as if the NIC had interrupted, but without asking for another poll of one that is under way."""
    charge(net, cpu, Stage.napi_watchdog)
    napi = net.napi[n]
    if napi.state & NAPI_STATE_SCHED == 0:
        napi.watchdogs += 1
        napi.state |= NAPI_STATE_SCHED
        __napi_schedule(net, cpu, n)
    return HRTIMER_NORESTART


@path_function
def napi_thread_poll(net: Net, cpu: int) -> int:
    """napi_threaded_poll_loop() and napi_busy_loop(): one poll by a thread, with bottom halves off.  DONE or YIELD."""
    sd, c = net.sd[cpu], net.cpu[cpu]
    if sd.parked_skb >= 0:                           # it waited for its turn, which is now
        enter_parked(net, cpu)
        if late_private(net, cpu):
            return YIELD
    n = c.poll_napi
    napi = net.napi[n]
    if not sd.in_softirq:
        sd.in_softirq = 1
        napi.polls += 1
        if net.trail == Trail.TIMELINE:
            timeline_begin(net, cpu, Slice.POLL, n)
        charge(net, cpu, Stage.POLL)
    budget = napi.weight
    if c.in_kthread == Kthread.BUSY:
        budget = BUSY_POLL_BUDGET
    work = path.call_napi_poll(napi.poll, net, cpu, n, budget)
    if work == YIELD:
        return YIELD
    if net.trail == Trail.TIMELINE:
        timeline_end(net, cpu, Slice.POLL, work)
    napi.work += work
    if work >= budget:
        napi.full_polls += 1
        if c.in_kthread == Kthread.BUSY and not napi.state & NAPI_STATE_IN_BUSY_POLL:
            __napi_schedule(net, cpu, n)             # busy_poll_stop() with packets left: softirqs take over
    sd.in_softirq = 0
    net_rps_send_ipi(net, cpu)
    return DONE


@softirq(Softirq.NET_TX)
@path_function
def net_tx_action(net: Net, cpu: int) -> int:
    """Frees what was completed elsewhere and runs queueing disciplines.  This path frees at once (igb_clean_tx_irq) and has no qdisc, so
    that nothing raises it; opened all the same, as net_dev_init does."""
    return DONE


@softirq(Softirq.NET_RX)
@path_function
def net_rx_action(net: Net, cpu: int) -> int:
    """Poll what is on poll_list: until it is empty, the budget is used up or time is over."""
    sd, c = net.sd[cpu], net.cpu[cpu]
    work_list = sd.work
    if not sd.in_rx:
        sd.in_rx = 1
        sd.budget = net.sysctl[Sysctl.netdev_budget]
        jiffy = net.sysctl[Sysctl.jiffy_ns]
        limit = net.sysctl[Sysctl.netdev_budget_ns] // jiffy if net.behaviour[Behaviour.budget_usecs] else 2
        sd.rx_limit = (c.now // jiffy + limit) * jiffy
        napi_list_splice_tail_init(net, sd.poll_list, work_list)
        sd.poll_n = NO_NAPI
    in_place = net.behaviour[Behaviour.poll_in_place]
    while True:
        if sd.poll_n < 0:
            if in_place and work_list.head < 0:                      # 3.10 works on poll_list itself
                napi_list_splice_tail_init(net, sd.poll_list, work_list)
            if work_list.head < 0:
                break
            if in_place and (sd.budget <= 0 or c.now >= sd.rx_limit):
                sd.time_squeeze += 1
                break
            n = work_list.head
            napi = net.napi[n]
            work_list.head = napi.next
            sd.poll_n = n
            napi.polls += 1
            napi.quota = napi.weight                                 # process_backlog sets the weight of its next poll
            if net.trail == Trail.TIMELINE:
                timeline_begin(net, cpu, Slice.POLL, n)
            charge(net, cpu, Stage.POLL)
        n = sd.poll_n
        napi = net.napi[n]
        work = path.call_napi_poll(napi.poll, net, cpu, n, napi.quota)
        if work == YIELD:
            return YIELD
        if net.trail == Trail.TIMELINE:
            timeline_end(net, cpu, Slice.POLL, work)
        sd.poll_n = NO_NAPI
        sd.budget -= work
        napi.work += work
        if work >= napi.quota:                                       # has more: polled again in the next pass
            napi.full_polls += 1
            if in_place:
                napi_list_add_tail(net, sd.poll_list, n)
            else:
                napi_list_add_tail(net, sd.repoll, n)
        if not in_place and (sd.budget <= 0 or c.now >= sd.rx_limit):
            sd.time_squeeze += 1
            break
        if late_private(net, cpu):
            return YIELD
    sd.in_rx = 0
    requeue(net, sd)
    if sd.poll_list.head >= 0:
        raise_softirq_irqoff(net, cpu, Softirq.NET_RX)
    net_rps_send_ipi(net, cpu)
    return DONE


@path_function
def requeue(net: Net, sd: softnet_data) -> None:
    """poll_list = what is left of this pass, then what was scheduled meanwhile, then what has more."""
    napi_list_splice_tail_init(net, sd.poll_list, sd.work)
    napi_list_splice_tail_init(net, sd.repoll, sd.work)
    napi_list_splice_tail_init(net, sd.work, sd.poll_list)


@path_function
def rps_ipi_add(net: Net, cpu: int, other: int) -> None:
    """Remember a CPU whose backlog we have started, and whether it was idle: one IPI for all packets of this pass.  In clock order."""
    sd, target = net.sd[cpu], net.sd[other]
    if target.in_ipi_list == 0:
        target.in_ipi_list = 1
        target.ipi_idle = int(net.cpu[other].curr < 0)
        target.rps_ipi_next = sd.ipi_head
        sd.ipi_head = other


@path_function
def net_rps_send_ipi(net: Net, cpu: int) -> None:
    sd = net.sd[cpu]
    other = sd.ipi_head
    sd.ipi_head = NO_CPU
    while other >= 0:
        target = net.sd[other]
        following = target.rps_ipi_next
        target.in_ipi_list = 0
        charge_ipi(net, cpu, target.ipi_idle != 0)
        tell_driver(net, cpu, Note.RPS_IPI, other)
        other = following
