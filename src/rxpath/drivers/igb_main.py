"""drivers/net/ethernet/intel/igb/igb_main.c: descriptor ring -> sk_buff.

igb_msix_ring is the hard IRQ's handler, igb_poll the poll function that net_rx_action calls; packets go to GRO (link/gro.py)."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.nic import rx_desc, rx_ring
from ..abi.numbers import (
    CHECKSUM_NONE,
    CHECKSUM_UNNECESSARY,
    DONE,
    E1000_RXD_STAT_DD,
    E1000_RXD_STAT_TCPCS,
    E1000_RXD_STAT_UDPCS,
    IGB_RX_BUFFER_WRITE,
    NO_SKB,
    YIELD,
    Note,
)
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..irq.napi import napi_complete_done, napi_schedule
from ..link.dev import napi_list_up
from ..link.eth import eth_type_trans
from ..link.gro import napi_gro_flush, napi_gro_receive
from ..path import Stage, napi_poll
from ..skb import alloc_skb, skb_init
from ..turn import at, charge, late, late_private, tell_driver
from .nic import nic_pull


@path_function
def igb_msix_ring(net: Net, cpu: int, q: int) -> None:
    """Hard IRQ: the vector masks itself; all the work is left to NAPI."""
    ring = net.ring[q]
    ring.irqs += 1
    ring.unmasked = 0
    napi_schedule(net, cpu, q)


@path_function
def igb_ring_irq_enable(net: Net, cpu: int, q: int) -> None:
    """Unmask.  The driver of time hears of it and asks irq_due()."""
    ring = net.ring[q]
    ring.unmasked = 1
    tell_driver(net, cpu, Note.IRQ_ENABLED, q)


@path_function
def igb_process_skb_fields(net: Net, cpu: int, q: int, desc: rx_desc, skb: sk_buff) -> None:
    at(net, cpu, skb, Stage.igb_process_skb_fields)
    skb.hash = desc.rss
    skb.ip_summed = CHECKSUM_UNNECESSARY if desc.status & (E1000_RXD_STAT_UDPCS | E1000_RXD_STAT_TCPCS) else CHECKSUM_NONE
    skb.queue_mapping = q
    skb.tstamp = desc.ts


@path_function
def igb_alloc_rx_buffers(net: Net, cpu: int, ring: rx_ring) -> None:
    """Post what has been cleaned to the NIC; all but one descriptor of a ring can be posted."""
    charge(net, cpu, Stage.igb_alloc_rx_buffers)
    ring.next_to_use = ring.next_to_clean + ring.size - 1


@path_function
def igb_clean_rx_irq(net: Net, cpu: int, q: int, ring: rx_ring, napi: napi_struct) -> bool:
    """One frame.  False: none is ready."""
    c = net.cpu[cpu]
    desc = net.desc[q][ring.clean_at]
    if not desc.status & E1000_RXD_STAT_DD:
        nic_pull(net, q, c.now)
        if not desc.status & E1000_RXD_STAT_DD:
            return False
    if ring.next_to_clean + ring.size - 1 - ring.next_to_use >= IGB_RX_BUFFER_WRITE:
        nic_pull(net, q, c.now)                      # what came before the refill found the ring as it was
        igb_alloc_rx_buffers(net, cpu, ring)
    i = alloc_skb(net, cpu)
    if i == NO_SKB:
        ring.alloc_failed += 1
        return False
    skb = net.skb[i]
    spare = skb.head                                 # the descriptor gets the buffer that the skb had
    skb.head = desc.buf
    skb_init(net, skb, desc.buf, desc.length)
    skb.frame = desc.frame
    skb.dev = ring.dev
    at(net, cpu, skb, Stage.igb_clean_rx_irq)
    igb_process_skb_fields(net, cpu, q, desc, skb)
    desc.buf = spare
    desc.status = 0
    ring.next_to_clean += 1
    ring.clean_at += 1
    if ring.clean_at == ring.size:
        ring.clean_at = 0
    ring.packets += 1
    ring.bytes += skb.len
    eth_type_trans(net, cpu, skb)
    napi_gro_receive(net, cpu, napi, skb)
    return True


@napi_poll("igb_poll")
@path_function
def igb_poll(net: Net, cpu: int, n: int, budget: int) -> int:
    """Packets done, or YIELD.  Its locals stand in the napi: it can be left and re-entered between packets."""
    napi = net.napi[n]
    q = napi.ring
    ring = net.ring[q]
    while True:
        if napi.up:                                  # GRO let packets go: hand them up
            if napi_list_up(net, cpu, napi) == YIELD:
                return YIELD
        if napi.stage or napi.done >= budget:        # dry, or the budget is used up
            break
        if ring.shared and late(net, cpu):           # another CPU may look at this ring
            return YIELD
        if igb_clean_rx_irq(net, cpu, q, ring, napi):
            napi.done += 1
        else:
            napi.stage = 1
        if napi.stage or napi.done >= budget:
            napi_gro_flush(net, cpu, napi)
            napi.up = 1
        elif napi.rx_count >= napi.batch:
            napi.up = 1
        if late_private(net, cpu):
            return YIELD
    done = napi.done
    if napi.stage:
        if ring.shared and late(net, cpu):
            return YIELD
        igb_alloc_rx_buffers(net, cpu, ring)
        if napi_complete_done(net, cpu, n):
            igb_ring_irq_enable(net, cpu, q)
    napi.done = 0
    napi.stage = DONE
    return done
