"""kernel/irq/manage.c: who handles an interrupt.  Control plane: a driver's open calls it, the driver of time asks the table.

An interrupt is a queue's MSI-X vector and has the queue's number.  A handler is a function with @irq_handler (path.py); it runs in hard
IRQ context, and whatever its stations cost is time of that interrupt."""
from .. import path
from .._compile import entry
from ..abi.net import Net


def request_irq(net: Net, q: int, handler: str, cpu: int) -> None:
    """From now on that handler answers the vector of queue q, on that CPU."""
    ring = net.ring[q]
    ring.irq_handler, ring.cpu = path.irq_handler.handler(handler), cpu


@entry
def share_ring(net: Net, q: int) -> None:
    """More than one CPU may look at this queue: at its ring, its NAPI's state.  Both become a touch."""
    net.ring[q].shared = 1
    net.sim.any_shared = 1
