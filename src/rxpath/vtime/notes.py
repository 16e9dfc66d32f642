"""What stations could not do themselves (turn/notes.py): wake a thread, let a queue interrupt again, send an IPI, mind a timer.

Read when a CPU leaves a softirq, a hard IRQ or a system call: a connection's ACK arms timers in all of them."""
from .._compile import path_function
from ..abi.limits import NNOTE
from ..abi.net import Net
from ..abi.numbers import SLOT_BITS, Note
from ..drivers.nic_rx import irq_due, nic_pull
from ..path import Stage
from ..turn import charge
from .sched import hrtimer_again, ipi_arrives, local_irq_at, reader_wakes, wake
from .slots import at_time, slot_of_queue


@path_function
def read_notes(net: Net, cpu: int) -> None:
    """What the stations could not do themselves."""
    c, sd = net.cpu[cpu], net.sd[cpu]
    while sd.note_head != sd.note_tail:
        note = net.note[cpu][sd.note_head & NNOTE - 1]
        sd.note_head += 1
        what, whom = note & 255, note >> 8
        if what == Note.IRQ_ENABLED:
            queue_irq_enabled(net, cpu, whom, c.now)
        elif what == Note.WAKE_READER:
            charge(net, cpu, Stage.WAKE)
            reader_wakes(net, cpu, whom)
        elif what == Note.WAKE_KSOFTIRQD:
            wake(net, cpu, whom)
        elif what == Note.WAKE_NAPI:
            charge(net, cpu, Stage.WAKE)
            wake(net, cpu, whom)
        elif what == Note.IRQ_SOONER:
            irq_sooner(net, whom, c.now)
        elif what == Note.TIMER:
            hrtimer_again(net, whom)
        else:
            other = net.cpu[whom]
            other.rps_ipi = ipi_arrives(net, cpu, net.sd[whom].ipi_idle != 0)
            local_irq_at(net, whom)


@path_function
def queue_irq_enabled(net: Net, cpu: int, q: int, now: int) -> None:
    """A poll has unmasked the queue's vector.  A device without a ring has none: its sender calls."""
    if net.ring[q].irq_handler >= 0:
        nic_pull(net, cpu, q, now)
        at_time(net, slot_of_queue(net, q), irq_due(net, q, now))


@path_function
def irq_sooner(net: Net, q: int, now: int) -> None:
    """The NIC will interrupt for what it has got meanwhile, if it may and does not do so earlier anyway."""
    ring, slot = net.ring[q], slot_of_queue(net, q)
    if ring.unmasked:
        at_time(net, slot, min(net.sim.key[slot] >> SLOT_BITS, irq_due(net, q, now)))
