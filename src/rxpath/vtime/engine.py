"""The loop of virtual time: the earliest CPU, interrupt or timer goes next, until another would be earlier.  And set-up of its tables."""
from .._compile import entry, reset_struct
from ..abi.net import Net
from ..abi.numbers import DRAIN, NO_THREAD, SLOT_BITS, Kind
from .apps import Phase
from .cpu import cpu_turn, fire_local_irq, fire_queue_irq
from .cuts import record_cut
from .feed import feed_rearm
from .host import host_worked
from .machine import siblings_look
from .slots import earliest, set_horizon, slots_init


@entry
def run(net: Net, until: int, worked: int) -> int:
    """Virtual time until `until`.  Returns NO_THREAD, or the Python thread that has read a datagram: call again with the ns it worked.

    DRAIN: a ring of outputs.py is half full: drain it and call again."""
    sim = net.sim
    if sim.host >= 0:
        host_worked(net, worked)
    if net.nic_changed:                              # somebody turned a knob of a card
        net.nic_changed = 0
        feed_rearm(net)
    stop = min(until, min(sim.epoch, sim.cut))
    while True:
        key = earliest(net)
        t, slot = key >> SLOT_BITS, key & (1 << SLOT_BITS) - 1
        if t >= stop:
            if stop < until:                         # nobody has begun anything at or after it: everywhere it is the same moment
                if sim.epoch == stop:
                    siblings_look(net, stop, min(t, until - 1))
                if sim.cut == stop:
                    record_cut(net, stop, min(t, until - 1))
                stop = min(until, min(sim.epoch, sim.cut))
                continue
            sim.now = until
            return NO_THREAD
        sim.now = t
        sim.turns += 1
        if slot >= sim.nq + sim.ncpu:
            cpu = slot - sim.nq - sim.ncpu
            set_horizon(net, cpu, stop)
            cpu_turn(net, cpu)
            if sim.host >= 0:
                return sim.host
            if sim.full:
                return DRAIN
        elif slot < sim.nq:
            fire_queue_irq(net, slot, t)
        else:
            fire_local_irq(net, slot - sim.nq, t)


@entry
def vtime_init(net: Net, nq: int, ncpu: int, one_step: int) -> None:
    """nq queues, ncpu CPUs that idle; threads are added by add_thread()."""
    sim = net.sim
    sim.nq, sim.ncpu, sim.nslot = nq, ncpu, nq + 2 * ncpu
    sim.one_step = one_step
    slots_init(net)


@entry
def add_thread(net: Net, n: int, cpu: int, kind: int) -> None:
    """A thread of that CPU, asleep."""
    th, c, own = net.thread[n], net.cpu[cpu], net.wait[n]
    reset_struct(th)
    th.cpu, th.kind, th.wait, th.latency_hash = cpu, kind, n, n
    th.next_of_cpu, c.first_thread = c.first_thread, n
    reset_struct(own)
    own.thread = n


@entry
def add_sender(net: Net, n: int, q: int) -> None:
    """Thread n sends the frames of ring q, which has no interrupt, on that ring's CPU."""
    ring = net.ring[q]
    add_thread(net, n, ring.cpu, Kind.SENDER)
    th = net.thread[n]
    th.queue, th.phase = q, Phase.SEND
    ring.sender = n
