"""A driver as they were before NAPI: each frame interrupts, and the handler itself takes it in and calls netif_rx().

For showing receive livelock beside NAPI (Mogul and Ramakrishnan 1997): with enough frames the CPU is all interrupt, the backlog fills and
no packet reaches its socket.  The card and its ring are igb's; interrupts are not throttled (igb_open.py)."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import IGB_TX_WORK, IRQ_HANDLED
from ..path import irq_handler
from ..turn import memory_of
from .igb_main import igb_alloc_rx_buffers, igb_clean_rx_irq
from .igb_tx import igb_clean_tx_irq
from .nic_rx import nic_pull


@irq_handler("nonapi_interrupt")
@path_function
def nonapi_interrupt(net: Net, cpu: int, q: int) -> int:
    """Hard IRQ: one frame to this CPU's backlog, its descriptor back to the card, which asserts its line again while there are more."""
    ring = net.ring[q]
    t = ring.last_irq
    ring.irqs += 1
    tx = net.tx[q]
    if tx.next_to_use != tx.next_to_clean:           # the same vector says what has been sent: else it would come again for ever
        igb_clean_tx_irq(net, cpu, q, tx, IGB_TX_WORK)
    memory_of(net, cpu, ring.dev)
    if igb_clean_rx_irq(net, cpu, q, ring, net.napi[q], t):
        nic_pull(net, cpu, q, t)                          # what came before the refill found the ring as it was
        igb_alloc_rx_buffers(net, cpu, ring)
    return IRQ_HANDLED
