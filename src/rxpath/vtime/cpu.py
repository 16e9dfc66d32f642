"""What a CPU does: contexts, hard IRQs that preempt at their own time, and the turn of a CPU.

cpu.now is the time at which the current piece of work ends; an interrupt at t < now pushes it by its cost."""
from .. import path
from .._compile import cold, path_function
from ..abi.engine import cpu_t
from ..abi.net import Net
from ..abi.numbers import DONE, NEVER, YIELD, Ctx, Idle, Kthread, Trail
from ..abi.timeline import DEVICE, FUNCTION_CALL, LOCAL_TIMER, RESCHEDULE, TICK, Slice
from ..drivers.nic_rx import irq_due, irq_idle, nic_pull
from ..irq.backlog import rps_trigger_softirq
from ..irq.napi import napi_thread_poll
from ..irq.softirq import do_softirq, softirqs_now
from ..irq.timer import run_local_timers
from ..path import Stage
from ..turn import timeline_begin, timeline_end, timeline_irq, timeline_irq_over
from .idle import halt_exit, idle_reflect
from .machine import sources_raise, stall_begins
from .notes import read_notes
from .sched import (
    account,
    charge_thread,
    expire_timeouts,
    go_on,
    local_irq_at,
    next_tick,
    push_waiting,
    update_curr,
    wake_listed,
)
from .slots import at_time, slot_of_cpu, slot_of_local, slot_of_queue
from .tasks import next_step_is_private, task_step


# ---------------------------------------------------------------- hard IRQs
@path_function
def irq_enter(net: Net, cpu: int, t: int, stage: int, whose: int) -> None:
    """At t: what runs ends later by the handler's cost; idle wakes up; a task's own time stops here.  whose: for the timeline, a queue or
    what abi/timeline.py has beside them."""
    c = net.cpu[cpu]
    cost = net.cost[cpu][stage]
    net.stage_count[cpu][stage] += 1
    c.irqs += 1
    c.hardirq_ns += cost
    c.irq_cost = cost
    c.irq_until = t + cost
    if c.curr >= 0:
        charge_thread(net.thread[c.curr], cost)
    if c.ctx == Ctx.SOFTIRQ:
        c.now += cost
        c.since += cost
        if net.trail == Trail.TIMELINE:
            timeline_irq(net, cpu, t, Slice.HARDIRQ, whose)
        return
    if c.ctx == Ctx.IDLE:
        waking = net.cost[cpu][Stage.IDLE_EXIT + c.idle_state]
        if net.sim.nhalt and c.idle_state != Idle.POLL:
            waking += halt_exit(net, t - c.since)
        if net.sim.idle_deepest:
            idle_reflect(net, cpu, t - c.since)
        c.idle_ns += t - c.since + waking
        c.ctx = Ctx.TASK
        if net.trail == Trail.TIMELINE:
            timeline_irq(net, cpu, t, Slice.IDLE_EXIT, c.idle_state)
            timeline_irq_over(net, cpu, t + waking, Slice.IDLE_EXIT)
        t += waking
        c.irq_until += waking
        c.tick = next_tick(net, cpu, t)
        local_irq_at(net, cpu)
    else:
        account(net, cpu, t)
    c.now = t + cost
    c.since = c.now
    if net.trail == Trail.TIMELINE:
        timeline_irq(net, cpu, t, Slice.HARDIRQ, whose)


@path_function
def irq_exit(net: Net, cpu: int) -> None:
    """Softirqs run now, unless one was interrupted, or ksoftirqd is to run them."""
    c = net.cpu[cpu]
    if net.trail == Trail.TIMELINE:
        timeline_irq_over(net, cpu, c.irq_until, Slice.HARDIRQ)
    if c.ctx == Ctx.TASK:
        if softirqs_now(net, cpu):
            c.ctx = Ctx.SOFTIRQ
            if net.trail == Trail.TIMELINE:
                timeline_begin(net, cpu, Slice.SOFTIRQ, Kthread.NONE)
        else:
            resume(net, cpu)
    at_time(net, slot_of_cpu(net, cpu), c.now)


@path_function
def resume(net: Net, cpu: int) -> None:
    """Back to the interrupted task; with need_resched or without a task the CPU decides at its next step, which is now."""
    c = net.cpu[cpu]
    c.since = c.now
    if c.curr >= 0 and not c.need_resched:
        go_on(net, cpu, net.thread[c.curr])


@path_function
def fire_queue_irq(net: Net, q: int, t: int) -> None:
    """The MSI-X vector of queue q.  The handler of another IRQ has interrupts off: wait for its end."""
    ring = net.ring[q]
    c = net.cpu[ring.cpu]
    if t < c.irq_until:
        at_time(net, slot_of_queue(net, q), c.irq_until)
        return
    at_time(net, slot_of_queue(net, q), NEVER)
    if ring.pb >= 0:
        nic_pull(net, ring.cpu, q, t)
        if irq_idle(net, q, t):
            at_time(net, slot_of_queue(net, q), irq_due(net, q, t))
            return
    ring.irq_allowed = min(ring.last_irq + ring.itr_ns, t)
    ring.last_irq = t
    irq_enter(net, ring.cpu, t, Stage.HARDIRQ, q)
    ends, start = c.now, c.irq_until                 # what is interrupted ends later by what the handler's stations cost
    c.now = start
    path.call_irq_handler(ring.irq_handler, net, ring.cpu, q)
    ns = c.now - start
    c.now = ends + ns
    if ns:
        handler_ran_on(net, ring.cpu, ns)
    irq_notes(net, ring.cpu)
    ring.irq_done = c.irq_until
    irq_exit(net, ring.cpu)
    if ring.unmasked:                                # the line is still up while frames wait
        due = c.irq_until
        if ring.hw_head == ring.next_to_clean:
            due = max(due, irq_due(net, q, due))
        at_time(net, slot_of_queue(net, q), due)


@path_function
def fire_local_irq(net: Net, cpu: int, t: int) -> None:
    """The tick, an IPI or a timer: those that are due, one handler after the other."""
    c = net.cpu[cpu]
    if t < c.irq_until:
        at_time(net, slot_of_local(net, cpu), c.irq_until)
        return
    if c.stall_at <= t:
        cpu_stalls(net, cpu, t)
        return
    if c.resched_ipi <= t:
        c.resched_ipi = NEVER
        c.ipis += 1
        irq_enter(net, cpu, t, ipi_stage(c), RESCHEDULE)
        wake_listed(net, cpu)
    elif c.rps_ipi <= t:
        c.rps_ipi = NEVER
        c.ipis += 1
        c.function_calls += 1
        irq_enter(net, cpu, t, ipi_stage(c), FUNCTION_CALL)
        rps_trigger_softirq(net, cpu)
    elif c.hrtimer <= t:
        irq_enter(net, cpu, t, Stage.TIMER, LOCAL_TIMER)
        ends = c.now
        expire_timeouts(net, cpu, t)
        handler_ran_on(net, cpu, c.now - ends)
        irq_notes(net, cpu)                          # threaded NAPI: its thread is to be woken
    elif c.device_irq <= t:
        irq_enter(net, cpu, t, Stage.HARDIRQ, DEVICE)
        sources_raise(net, cpu, t)
    else:
        irq_enter(net, cpu, t, Stage.TICK, TICK)
        if c.tick <= t:
            c.ticks += 1
            c.tick = next_tick(net, cpu, t)
            if net.sim.any_roams:
                ends = c.now
                push_waiting(net, cpu)               # an IPI may have to be sent
                handler_ran_on(net, cpu, c.now - ends)
            update_curr(net, cpu)                    # task_tick_fair()
        run_local_timers(net, cpu, t)
    local_irq_at(net, cpu)
    irq_exit(net, cpu)


@cold
@path_function
def cpu_stalls(net: Net, cpu: int, t: int) -> None:
    """The hypervisor takes the CPU away (steal; on bare metal an SMI): no instruction runs, and interrupts wait until it is back.  Booked
    as an interrupt that takes so long, which no thread is charged for; a CPU that is halted does not notice, but for what then waits."""
    c = net.cpu[cpu]
    length = stall_begins(net, c, t)
    c.irq_until = t + length
    c.irq_cost = 0
    local_irq_at(net, cpu)
    if c.ctx == Ctx.IDLE:
        return
    c.irq_cost = length
    c.hardirq_ns += length
    c.stalled_ns += length
    if c.ctx == Ctx.SOFTIRQ:
        c.now += length
        c.since += length
    else:
        account(net, cpu, t)
        c.now = t + length
        resume(net, cpu)
    if net.trail == Trail.TIMELINE:
        timeline_irq(net, cpu, t, Slice.STALL, 0)
        timeline_irq_over(net, cpu, t + length, Slice.STALL)
    at_time(net, slot_of_cpu(net, cpu), c.now)


@path_function
def ipi_stage(c: cpu_t) -> int:
    """What the handler of an IPI costs: a guest that is at work leaves the processor for it, one that was halted comes back with it."""
    return Stage.IPI if c.ctx == Ctx.IDLE else Stage.IPI_BUSY


@path_function
def irq_notes(net: Net, cpu: int) -> None:
    """What a handler has left word of (threaded NAPI: its thread is to be woken) is done by the handler, in its time."""
    c, sd = net.cpu[cpu], net.sd[cpu]
    if sd.note_head == sd.note_tail:
        return
    before = c.now
    read_notes(net, cpu)
    handler_ran_on(net, cpu, c.now - before)


@path_function
def handler_ran_on(net: Net, cpu: int, ns: int) -> None:
    """The handler has taken that much longer than its entry cost; c.now says so already."""
    c = net.cpu[cpu]
    c.hardirq_ns += ns
    c.irq_cost += ns
    c.irq_until += ns
    c.since += ns
    if c.curr >= 0:
        charge_thread(net.thread[c.curr], ns)


# ---------------------------------------------------------------- the turn of a CPU
@path_function
def softirq_done(net: Net, cpu: int) -> None:
    """Inline softirq time is charged to whoever is current, as on 6.18; ksoftirqd's to itself."""
    c = net.cpu[cpu]
    ran = c.now - c.since
    if net.trail == Trail.TIMELINE:
        timeline_end(net, cpu, Slice.SOFTIRQ, 0)
    c.softirq_ns += ran
    c.ctx = Ctx.TASK
    if c.in_kthread:
        if c.in_kthread != Kthread.BUSY:
            c.ksoftirqd_ns += ran
        c.in_kthread = Kthread.NONE
    if c.curr >= 0:
        charge_thread(net.thread[c.curr], ran)
    resume(net, cpu)


@path_function
def cpu_turn(net: Net, cpu: int) -> None:
    """This CPU is the earliest of all: it goes on until somebody else is."""
    c, sd, sim = net.cpu[cpu], net.sd[cpu], net.sim
    while True:
        c.horizon = sim.horizon
        c.private = sim.private
        if c.ctx == Ctx.SOFTIRQ:
            r = YIELD
            if c.in_kthread < Kthread.NAPI:
                r = do_softirq(net, cpu)
            else:
                r = napi_thread_poll(net, cpu)
            if sd.note_head != sd.note_tail:
                read_notes(net, cpu)
            if r == DONE:
                softirq_done(net, cpu)
        else:
            task_step(net, cpu)
            if c.ctx == Ctx.IDLE:
                at_time(net, slot_of_cpu(net, cpu), NEVER)
                return
        if sim.full or c.now > sim.private or (c.now > sim.horizon and not next_step_is_private(net, cpu)):
            at_time(net, slot_of_cpu(net, cpu), c.now)
            return


