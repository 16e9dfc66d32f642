"""kernel/time/timer.c: the timer wheel's side of the tick.  Called by the driver of time from the tick's handler; the only timers of the
path are those of fragment queues, and the action of TIMER_SOFTIRQ is network/ip_fragment.py's."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NEVER, Softirq
from .napi import raise_softirq_irqoff


@path_function
def run_local_timers(net: Net, cpu: int, t: int) -> None:
    """Is a bucket due?  run_timer_softirq() says when the next one is."""
    c = net.cpu[cpu]
    if c.next_timer <= t:
        c.next_timer = NEVER
        raise_softirq_irqoff(net, cpu, Softirq.TIMER)
