"""Cuts of a run: moments at which nobody has begun anything at or after them and everything before them has been begun, whichever CPU ran
ahead.  A recording writes down there what only counts up: how frames have ended, and what each CPU has spent its time on.

A cut's columns are totals, so that a table that is full keeps every second row and loses nothing but resolution."""
from .._compile import cold, entry, path_function
from ..abi.limits import NCUT, NREASON
from ..abi.net import Net
from ..abi.numbers import Ctx
from ..abi.reasons import Drop

NDROP = len(Drop)


@path_function
def cpu_time_at(net: Net, cpu: int, t: int) -> None:
    """net.cpu_time of that CPU at time t, to which the run has come, with what is under way."""
    c, times = net.cpu[cpu], net.cpu_time[cpu]
    hard, soft, sys, app, idle = c.hardirq_ns, c.softirq_ns, c.syscall_ns, c.app_ns, c.idle_ns
    cut = min(max(0, c.irq_until - t), c.irq_cost)                  # of an interrupt that is cut in the middle
    hard -= cut
    if c.ctx == Ctx.SOFTIRQ:
        soft += t - c.since + cut
    elif c.ctx == Ctx.IDLE:
        if t >= c.since:
            idle += t - c.since
        else:
            sys -= c.since - t - cut
    elif t >= c.since:
        ran = t - c.since
        user = 0
        if c.curr >= 0:
            th = net.thread[c.curr]
            user = min(ran, max(0, th.left - th.tail))
        app += user
        sys += ran - user
    else:
        early = c.since - t - cut                                   # idle exit before the interrupt, or a switch
        if c.irq_cost:
            idle -= early
        else:
            sys -= early
    times.hardirq, times.softirq, times.syscall, times.application, times.idle = hard, soft, sys, app, idle


@entry
def record_row(net: Net, row: int, t: int) -> None:
    """The totals at t."""
    for reason in range(NDROP):
        n = 0
        for cpu in range(net.sim.ncpu):
            n += net.drop_stat[cpu][reason]
        net.record_cut[row][reason] = n
    column = NREASON
    for cpu in range(net.sim.ncpu):
        cpu_time_at(net, cpu, t)
        times = net.cpu_time[cpu]
        net.record_cut[row][column] = times.hardirq
        net.record_cut[row][column + 1] = times.softirq
        net.record_cut[row][column + 2] = times.syscall
        net.record_cut[row][column + 3] = times.application
        net.record_cut[row][column + 4] = times.idle
        column += 5


@cold
@path_function
def record_cut(net: Net, t: int, quiet: int) -> None:
    """A row more.  A table that is full keeps every second one; the next cut comes where the coarser grid has it.

    Nothing happens before `quiet`: the table becomes as coarse as it will be by then at once, and rows that would not be kept are not
    written."""
    rec = net.recording
    while quiet >> rec.cut_shift >= NCUT - 1:
        halve_cuts(net)
    if rec.ncut << rec.cut_shift == t:
        record_row(net, rec.ncut, t)
        rec.ncut += 1
    net.sim.cut = rec.ncut << rec.cut_shift


@path_function
def halve_cuts(net: Net) -> None:
    """Every second row is kept."""
    rec = net.recording
    rec.ncut = rec.ncut + 1 >> 1
    rec.cut_shift += 1
    for k in range(1, rec.ncut):
        for column in range(NDROP):
            net.record_cut[k][column] = net.record_cut[2 * k][column]
        for column in range(NREASON, NREASON + 5 * net.sim.ncpu):
            net.record_cut[k][column] = net.record_cut[2 * k][column]
