"""ixgbe_main.c, receive: what ixgbe does otherwise than igb, whose ring, buffers and stations it shares (igb_main.py): at the end of a poll
nothing is posted, so that up to 15 descriptors stay with the driver until the next one; moderation is its own (ixgbe_itr.py) and acts
at once; transmit work is up to 256 frames a poll.

igb's functions stand for ixgbe's of the same name: igb_clean_rx_irq for ixgbe_clean_rx_irq, and so on."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import IRQ_HANDLED, YIELD, Note
from ..irq.napi import napi_complete_done
from ..path import irq_handler, napi_poll
from ..turn import tell_driver
from .igb_main import igb_poll_rx, igb_refill, ring_late
from .igb_tx import igb_clean_tx_first
from .ixgbe_itr import ixgbe_set_itr
from .nic_rx import nic_interrupt

IXGBE_TX_WORK = 256


@irq_handler("ixgbe_msix_clean_rings")
@path_function
def ixgbe_msix_clean_rings(net: Net, cpu: int, q: int) -> int:
    """Hard IRQ: the vector has masked itself (EIAM)."""
    nic_interrupt(net, cpu, q)
    return IRQ_HANDLED


@napi_poll("ixgbe_poll")
@path_function
def ixgbe_poll(net: Net, cpu: int, n: int, budget: int) -> int:
    """Packets done, or YIELD.  Transmit first, then receive; complete when both are through."""
    napi = net.napi[n]
    q = napi.ring
    ring, tx = net.ring[q], net.tx[q]
    igb_clean_tx_first(net, cpu, q, tx, napi.polls, IXGBE_TX_WORK)
    if igb_poll_rx(net, cpu, n, budget) == YIELD:
        return YIELD
    if napi.dry:                                     # the top of ixgbe_clean_rx_irq's loop, once more
        if ring_late(net, cpu, ring):
            return YIELD
        igb_refill(net, cpu, q, ring)
    done = napi.done
    if napi.dry and tx.more == 0:
        if napi_complete_done(net, cpu, n):
            c = net.cpu[cpu]
            if ring.itr_mode:
                ixgbe_set_itr(net, q, ring, c.now)
            if ring.up:                              # ixgbe_irq_enable_queues(); a device that went down meanwhile stays masked
                ring.unmasked = 1
            tell_driver(net, cpu, Note.IRQ_ENABLED, q)
    elif napi.dry:                                   # transmit work is left: as if the budget were used up
        done = budget
        tx.more = 0
    napi.done = 0
    napi.dry = 0
    return done
