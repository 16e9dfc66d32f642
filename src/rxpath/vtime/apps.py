"""What runs in threads: an application that receives, works on what came, receives again; ksoftirqd; Python programs.

A thread is a piece of work (`left` ns, the last `tail` of them in the kernel) and a phase: what it does when that is used up.  Its system
call takes time in such pieces, so that it can be interrupted anywhere."""
from enum import IntEnum

from .._compile import path_function
from ..abi.limits import NBATCH, NHIST
from ..abi.net import Net
from ..abi.numbers import NO_THREAD, Ctx, Kind
from ..path import Stage
from ..turn import charge
from ..user.queue import wait_add_tail
from ..user.recvmsg import recv_is_private, sys_recvfrom
from .dice import exponential_next, exponential_of, next_random
from .sched import account, arm_timeout, go_to_sleep, schedule
from .slots import at_time, slot_of_cpu

SERVICE_CONSTANT, SERVICE_EXPONENTIAL = 0, 1


class Phase(IntEnum):
    CALL = 0                    # in the kernel, about to look at the socket
    RETURN = 1                  # the call returns with what it has


@path_function
def record_latency(net: Net, n: int, ns: int) -> None:
    """From the last bit on the wire to the return of the receiving call."""
    th = net.thread[n]
    th.received += 1
    th.latency_sum += ns
    th.latency_max = max(th.latency_max, ns)
    th.latency_hash = next_random(th.latency_hash ^ ns)
    net.latency[n][latency_bucket(ns)] += 1


@path_function
def latency_bucket(ns: int) -> int:
    """Log-linear: 32 buckets for each power of two, so that a percentile is right within 3 %."""
    if ns < 32:
        return max(ns, 0)
    shift, v = 0, ns
    while v >= 64:
        v >>= 1
        shift += 1
    return min(32 * (shift + 1) + v - 32, NHIST - 1)


@path_function
def service_time(net: Net, n: int) -> int:
    """ns of work for one datagram."""
    th = net.thread[n]
    if th.service_kind == SERVICE_EXPONENTIAL:
        ns = exponential_of(th.rng, th.service)
        th.rng = exponential_next(th.rng)
        return ns
    return th.service


@path_function
def app_step(net: Net, cpu: int, n: int) -> None:
    """The thread has used up its piece: the next one.  Its time is th.left, in which it can be preempted."""
    c, th = net.cpu[cpu], net.thread[n]
    start = c.now
    if th.phase == Phase.CALL:
        if sys_recvfrom(net, cpu, n) >= 0:
            net.batch[n][th.in_batch & NBATCH - 1] = th.arrived
            th.in_batch += 1
            if th.in_batch >= th.batch:
                charge(net, cpu, Stage.SYSCALL_EXIT)
                th.phase = Phase.RETURN
        elif th.in_batch > 0:                        # recvmmsg with MSG_WAITFORONE: empty, so return with what there is
            charge(net, cpu, Stage.SYSCALL_EXIT)
            th.phase = Phase.RETURN
        else:
            charge(net, cpu, Stage.__skb_wait_for_more_packets)
            wait_add_tail(net, net.socks[th.sock], th.wait)
            go_to_sleep(net, cpu, n)
            if th.timeout:
                arm_timeout(net, cpu, th, start + th.timeout)
        th.left = c.now - start
        th.tail = th.left
        c.now = start
        return
    work = 0
    for k in range(th.in_batch):
        record_latency(net, n, c.now - net.batch[n][k & NBATCH - 1])
        work += service_time(net, n)
    th.in_batch = 0
    th.phase = Phase.CALL
    charge(net, cpu, Stage.SYSCALL_ENTRY)            # of the next call, at the end of the work
    th.tail = c.now - start
    th.left = work + th.tail
    c.now = start
    if th.kind == Kind.HOST:                         # a Python program: stop here, it says how long it works
        hand_to_host(net, n)


@path_function
def hand_to_host(net: Net, n: int) -> None:
    sim = net.sim
    sim.host = n
    sim.horizon = -1
    sim.private = -1


@path_function
def host_worked(net: Net, ns: int) -> None:
    """The Python program has worked for so long on its datagram."""
    sim = net.sim
    th = net.thread[sim.host]
    c = net.cpu[th.cpu]
    th.left += ns
    c.now += ns
    sim.host = NO_THREAD
    at_time(net, slot_of_cpu(net, th.cpu), c.now)


@path_function
def task_step(net: Net, cpu: int) -> None:
    c, sd = net.cpu[cpu], net.sd[cpu]
    account(net, cpu, c.now)
    if c.need_resched or c.curr < 0:
        schedule(net, cpu)
        return
    th = net.thread[c.curr]
    if th.kind != Kind.KSOFTIRQD:
        app_step(net, cpu, c.curr)
        c.since = c.now
        if sd.pending:                               # spin_unlock_bh() in the call: pending softirqs run here, inline
            c.ctx = Ctx.SOFTIRQ
        elif c.curr >= 0:
            c.now += th.left
    elif sd.pending:                                 # run_ksoftirqd()
        c.ctx = Ctx.SOFTIRQ
        c.in_kthread = 1
        c.since = c.now
    else:
        go_to_sleep(net, cpu, c.curr)


@path_function
def next_step_is_private(net: Net, cpu: int) -> bool:
    """An application that returns from its call, or reads from its own reader queue, may run past the horizon."""
    c = net.cpu[cpu]
    if c.ctx != Ctx.TASK or c.curr < 0 or c.need_resched:
        return False
    th = net.thread[c.curr]
    if th.kind != Kind.APP:
        return False
    return th.phase == Phase.RETURN or recv_is_private(net, net.socks[th.sock])


