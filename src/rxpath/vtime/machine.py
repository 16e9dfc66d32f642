"""The machine round the CPUs: hyper-threads that share a core, stalls, and sources of softirqs that are not packets.

Two hyper-threads of a core slow each other.  How much is decided at epochs: every EPOCH_NS all CPUs stand at the same moment - nobody
has begun anything at or after it, everything before it has been begun - and each looks at how busy its siblings were since the last
one.  Until the next, everything that it does takes 1 + (factor - 1) x share times as long.  So no CPU looks at another in the middle of
its work, and running ahead equals one step at a time."""
from .._compile import entry, path_function
from ..abi.engine import cpu_t
from ..abi.limits import NSTAGE
from ..abi.net import Net
from ..abi.numbers import NEVER, Ctx
from ..irq.napi import raise_softirq_irqoff
from ..path import Stage
from .dice import exponential_next, exponential_of, next_random
from .sched import local_irq_at

EPOCH_NS = 1_000_000
ONE = 1024                                           # factors and shares are << 10


# ---------------------------------------------------------------- hyper-threads
@path_function
def siblings_look(net: Net, t: int, quiet: int) -> None:
    """The end of an epoch.  Nothing happens before `quiet`: after an epoch in which every CPU was idle the next ones are like it, and the
    last of them is looked at."""
    sim, busy = net.sim, 0
    for cpu in range(sim.ncpu):
        c = net.cpu[cpu]
        idle = c.idle_ns
        if c.ctx == Ctx.IDLE and t > c.since:
            idle += t - c.since
        ran = EPOCH_NS - (idle - c.idle_before)
        c.idle_before = idle
        c.busy_share = min(max(ran, 0), EPOCH_NS) * ONE // EPOCH_NS
        if ran or c.ctx != Ctx.IDLE:
            busy += 1
    for cpu in range(sim.ncpu):
        if net.siblings[cpu]:
            share = 0
            for other in range(sim.ncpu):
                if net.siblings[cpu] >> other & 1:
                    share = max(share, net.cpu[other].busy_share)
            slow_down(net, cpu, ONE + ((sim.sibling_factor - ONE) * share >> 10))
    sim.epoch = t + EPOCH_NS
    last = quiet - quiet % EPOCH_NS
    if busy == 0 and last > sim.epoch:
        for cpu in range(sim.ncpu):
            c = net.cpu[cpu]
            c.idle_before += last - sim.epoch
        sim.epoch = last


@path_function
def slow_down(net: Net, cpu: int, slow: int) -> None:
    """Everything that the CPU does takes slow / 1024 times as long.  Latencies are nobody's work."""
    c = net.cpu[cpu]
    if c.slow == slow:
        return
    c.slow = slow
    for i in range(NSTAGE):
        if i < Stage.NIC_LATENCY or i > Stage.IDLE_EXIT_POLL:
            net.cost[cpu][i] = net.cost_alone[cpu][i] * slow >> 10


@entry
def set_siblings(net: Net, factor: int) -> None:
    """Before a run, when net.siblings and the cost table are written: from now on siblings slow each other by factor / 1024."""
    sim = net.sim
    for cpu in range(sim.ncpu):
        for i in range(NSTAGE):
            net.cost_alone[cpu][i] = net.cost[cpu][i]
        net.cpu[cpu].slow = ONE
    sim.sibling_factor = factor
    sim.epoch = EPOCH_NS


# ---------------------------------------------------------------- stalls
@path_function
def stall_begins(net: Net, c: cpu_t, t: int) -> int:
    """How long this one takes; and when the next one comes."""
    length = max(1, exponential_of(c.stall_rng, net.sim.stall_length))
    c.stall_rng = exponential_next(c.stall_rng)
    c.stall_at = t + length + max(1, exponential_of(c.stall_rng, net.sim.stall_every))
    c.stall_rng = exponential_next(c.stall_rng)
    c.stalls += 1
    return length


@entry
def add_stalls(net: Net, cpu: int, every: int, length: int, seed: int) -> None:
    """The hypervisor takes that CPU away now and then: exponential distances with the mean `every`, lengths with the mean `length`, ns."""
    c = net.cpu[cpu]
    net.sim.stall_every, net.sim.stall_length = every, length
    c.stall_rng = next_random(seed)
    c.stall_at = max(1, exponential_of(c.stall_rng, every))
    c.stall_rng = exponential_next(c.stall_rng)
    local_irq_at(net, cpu)


# ---------------------------------------------------------------- other softirqs
@path_function
def sources_raise(net: Net, cpu: int, t: int) -> None:
    """The handler of a device that is not modelled: its softirq has work now.  Then the next one's time."""
    c, sd = net.cpu[cpu], net.sd[cpu]
    first, i = NEVER, c.first_source
    while i >= 0:
        s = net.source[i]
        if s.at <= t:
            raise_softirq_irqoff(net, cpu, s.nr)
            sd.other_due |= 1 << s.nr
            sd.other_ns[s.nr] += s.cost
            s.raised += 1
            gap = s.every
            if s.random:
                gap = max(1, exponential_of(s.rng, s.every))
                s.rng = exponential_next(s.rng)
            s.at += gap
        first = min(first, s.at)
        i = s.next_of_cpu
    c.device_irq = first


@entry
def add_source(net: Net, i: int, cpu: int, start: int) -> None:
    """net.source[i] interrupts that CPU, from `start` on."""
    s, c = net.source[i], net.cpu[cpu]
    s.at = start
    s.next_of_cpu = c.first_source
    c.first_source = i
    c.device_irq = min(c.device_irq, start)
    local_irq_at(net, cpu)
