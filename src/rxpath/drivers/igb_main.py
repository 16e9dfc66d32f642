"""drivers/net/ethernet/intel/igb/igb_main.c, receive: descriptor ring -> sk_buff.

igb_msix_ring is the hard IRQ's handler, igb_poll the poll function that net_rx_action calls; packets go to GRO (link/gro.py).  The
transmit half is igb_tx.py, interrupt throttling igb_itr.py, open and close igb_open.py.

Buffers are half pages of 2 kB, as igb's at a standard MTU; an skb is built round its buffer: truesize 2304, and 2048 more for each
further buffer of a long frame.  At an MTU above 1500 they are 3 kB in half of two pages: truesize 4352 and 4096
(Behaviour.jumbo_buffers)."""
from .._compile import always_inline, asks, mem_at, memset, path_function, prefetch
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.nic import rx_ring
from ..abi.numbers import (
    CHECKSUM_NONE,
    CHECKSUM_UNNECESSARY,
    DONE,
    E1000_RXD_STAT_DD,
    E1000_RXD_STAT_EOP,
    E1000_RXD_STAT_IXSM,
    E1000_RXD_STAT_TCPCS,
    E1000_RXD_STAT_UDPCS,
    E1000_RXD_STAT_VP,
    E1000_RXDEXT_STATERR_IPE,
    E1000_RXDEXT_STATERR_L4E,
    E1000_RXDEXT_STATERR_RXE,
    ETH_ZLEN,
    FEED_WIRE,
    IGB_RX_BUFFER_WRITE,
    IGB_TX_WORK,
    IRQ_HANDLED,
    NO_SKB,
    RXD_L4_HASH,
    RXD_WIRE_SHIFT,
    TRUESIZE_OVERHEAD,
    YIELD,
    NicMode,
    Note,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..irq.backlog import netif_rx
from ..irq.napi import napi_complete_done, napi_defer
from ..link.dev import napi_list_up
from ..link.eth import eth_type_trans
from ..link.gro import napi_gro_flush, napi_gro_receive
from ..path import Stage, irq_handler, napi_poll
from ..skb import alloc_skb, kfree_skb_reason, skb_add_rx_frag, skb_init
from ..spent import spent_begin
from ..turn import at, charge, late, late_private, memory_of, tell_driver
from .igb_itr import igb_update_throttle, igb_write_itr
from .igb_tx import igb_clean_tx_first
from .nic import record_ring, ring_cleaned
from .nic_rx import nic_interrupt, nic_pull


@irq_handler("igb_msix_ring")
@path_function
def igb_msix_ring(net: Net, cpu: int, q: int) -> int:
    """Hard IRQ: the vector masks itself."""
    ring = net.ring[q]
    if ring.set_itr:
        igb_write_itr(ring)
    nic_interrupt(net, cpu, q)
    return IRQ_HANDLED


@path_function
def igb_ring_irq_enable(net: Net, cpu: int, q: int) -> None:
    """Choose the next throttle, unmask.  The driver of time hears of it and asks irq_due()."""
    ring = net.ring[q]
    if ring.itr_mode:
        igb_update_throttle(net, q, ring)
    if ring.up:                                      # a device that went down meanwhile stays masked
        ring.unmasked = 1
    tell_driver(net, cpu, Note.IRQ_ENABLED, q)


# ---------------------------------------------------------------- one frame
@path_function
def igb_rx_checksum(ring: rx_ring, skb: sk_buff, status: int) -> None:
    """What the card has verified need not be verified again; what it found wrong is counted, and left to the stack to find."""
    skb.ip_summed = CHECKSUM_NONE
    if status & E1000_RXD_STAT_IXSM:                 # it has looked at nothing
        return
    if status & (E1000_RXDEXT_STATERR_L4E | E1000_RXDEXT_STATERR_IPE):
        ring.csum_err += 1
        return
    if status & (E1000_RXD_STAT_TCPCS | E1000_RXD_STAT_UDPCS):
        skb.ip_summed = CHECKSUM_UNNECESSARY


@path_function
def igb_process_skb_fields(net: Net, cpu: int, q: int, ring: rx_ring, skb: sk_buff, status: int, rss: int, tci: int) -> None:
    """Hash, checksum, time stamp, VLAN, protocol.  igb calls its hash an L3 one: skb.l4_hash stays 0; an ixgbe's descriptor tells."""
    at(net, cpu, skb, Stage.igb_process_skb_fields)
    skb.hash = rss
    skb.wire = status >> RXD_WIRE_SHIFT & FEED_WIRE
    if status & RXD_L4_HASH:
        skb.l4_hash = 1
    igb_rx_checksum(ring, skb, status)
    skb.queue_mapping = q
    if status & E1000_RXD_STAT_VP:
        skb.vlan = 1
        skb.vlan_tci = tci
    eth_type_trans(net, cpu, skb)


@path_function
def igb_cleanup_headers(net: Net, cpu: int, skb: sk_buff, status: int) -> bool:
    """True: the frame is gone.  Frames that are too short for Ethernet get zeros (eth_skb_pad)."""
    at(net, cpu, skb, Stage.igb_cleanup_headers)
    if status & E1000_RXDEXT_STATERR_RXE:
        net.dev_stat[cpu][skb.dev][DevStat.rx_errors] += 1
        kfree_skb_reason(net, cpu, skb, Stage.igb_cleanup_headers, Drop.NOT_SPECIFIED)
        return True
    if skb.len < ETH_ZLEN:
        memset(mem_at(net.mem_addr), skb.data + skb.len, 0, ETH_ZLEN - skb.len)
        skb.len = ETH_ZLEN
    return False


@path_function
def net_prefetch(net: Net, data: int) -> None:
    """The headers of a frame will be read soon: with TCP's time stamps they end in its second cache line.  igb_build_skb() does this with
    the frame in hand; done with the one behind it, both lines are here in time."""
    prefetch(mem_at(net.mem_addr + data))
    prefetch(mem_at(net.mem_addr + data + 64))


@path_function
def igb_take_buffer(net: Net, cpu: int, q: int, ring: rx_ring) -> int:
    """napi_build_skb() round the buffer of the next descriptor, which gets the buffer that the skb had.  NO_SKB: there is no skb; the
    descriptor stays as it is for the next poll."""
    i = alloc_skb(net, cpu)
    if i == NO_SKB:
        ring.alloc_failed += 1
        return NO_SKB
    skb, desc = net.skb[i], net.desc[q][ring.clean_at]
    spare = skb.head
    skb.head = desc.buf
    skb_init(net, skb, desc.buf, desc.length)
    skb.truesize = ring.buf_truesize + TRUESIZE_OVERHEAD
    skb.frame = desc.frame
    skb.tstamp = desc.ts
    skb.dev = ring.dev
    desc.buf = spare
    desc.status = 0
    ring_cleaned(ring)
    following = net.desc[q][ring.clean_at]
    net_prefetch(net, following.buf)
    if net.record:
        record_ring(net, cpu, q, ring)
    if net.spends:
        spent_begin(net, cpu, skb, ring)
    return i


@path_function
def igb_add_rx_frag(net: Net, cpu: int, ring: rx_ring, skb: sk_buff, page: sk_buff) -> None:
    """A further buffer of a long frame: as a page of the skb that holds its beginning."""
    at(net, cpu, skb, Stage.igb_add_rx_frag)
    append_page(net, ring, skb, page)
    skb.truesize += ring.buf_truesize


@path_function
def append_page(net: Net, ring: rx_ring, skb: sk_buff, page: sk_buff) -> None:
    """The last one so far is the ring's to remember: a frame may end in a later poll."""
    tail = NO_SKB
    if skb.frags >= 0:
        tail = ring.skb_tail
    skb_add_rx_frag(net, skb, tail, page)
    ring.skb_tail = page.idx


@path_function
def igb_refill(net: Net, cpu: int, q: int, ring: rx_ring) -> None:
    """Sixteen descriptors at a time go back to the NIC."""
    if ring.next_to_clean + ring.size - 1 - ring.next_to_use >= IGB_RX_BUFFER_WRITE:
        c = net.cpu[cpu]
        nic_pull(net, cpu, q, c.now)                 # what came before the refill found the ring as it was
        igb_alloc_rx_buffers(net, cpu, ring)


@path_function
def igb_alloc_rx_buffers(net: Net, cpu: int, ring: rx_ring) -> None:
    """Post what has been cleaned to the NIC; all but one descriptor of a ring can be posted."""
    charge(net, cpu, Stage.igb_alloc_rx_buffers)
    ring.next_to_use = ring.next_to_clean + ring.size - 1


@path_function
def igb_gather_frame(net: Net, cpu: int, q: int, ring: rx_ring) -> int:
    """A frame of several descriptors: its skb, NO_SKB when skbs run out in the middle; ring.skb then holds what is there of it, and the
    next poll goes on.  What the last descriptor says stays in ring.eop_*."""
    while True:
        desc = net.desc[q][ring.clean_at]
        status = desc.status
        if status & E1000_RXD_STAT_DD == 0:
            return NO_SKB
        ring.eop_status, ring.eop_rss, ring.eop_vlan = status, desc.rss, desc.vlan
        igb_refill(net, cpu, q, ring)
        i = igb_take_buffer(net, cpu, q, ring)
        if i == NO_SKB:
            return NO_SKB
        if ring.skb < 0:
            first = net.skb[i]
            ring.skb = i
            at(net, cpu, first, Stage.igb_clean_rx_irq)
            at(net, cpu, first, Stage.napi_build_skb)
        else:
            igb_add_rx_frag(net, cpu, ring, net.skb[ring.skb], net.skb[i])
        if status & E1000_RXD_STAT_EOP:
            whole = ring.skb
            ring.skb = NO_SKB
            return whole
        at(net, cpu, net.skb[ring.skb], Stage.igb_is_non_eop)


@path_function
def igb_clean_rx_irq(net: Net, cpu: int, q: int, ring: rx_ring, napi: napi_struct, now: int) -> bool:
    """One frame that has arrived by now, to GRO (or, without NAPI, to netif_rx).  False: none is ready, or there was no skb; the poll then
    ends as if the ring were dry, and what waits there raises the next interrupt, as in igb, which leaves its loop and completes NAPI."""
    desc = net.desc[q][ring.clean_at]
    if not desc.status & E1000_RXD_STAT_DD:
        nic_pull(net, cpu, q, now)
        if not desc.status & E1000_RXD_STAT_DD:
            ring.burst_lost = 0
            return False
    status, rss, tci = desc.status, desc.rss, desc.vlan
    if status & E1000_RXD_STAT_EOP == 0 or ring.skb >= 0:
        i = igb_gather_frame(net, cpu, q, ring)
        if i == NO_SKB:
            return False
        skb = net.skb[i]
        status, rss, tci = ring.eop_status, ring.eop_rss, ring.eop_vlan
    else:
        igb_refill(net, cpu, q, ring)
        i = igb_take_buffer(net, cpu, q, ring)
        if i == NO_SKB:
            return False
        skb = net.skb[i]
        at(net, cpu, skb, Stage.igb_clean_rx_irq)
        at(net, cpu, skb, Stage.napi_build_skb)
    if igb_cleanup_headers(net, cpu, skb, status):
        return True
    ring.packets += 1
    ring.bytes += skb.len
    igb_process_skb_fields(net, cpu, q, ring, skb, status, rss, tci)
    if ring.mode == NicMode.NAPI:
        napi_gro_receive(net, cpu, napi, skb)
    else:
        netif_rx(net, cpu, skb)
    return True


@asks
@path_function
def ring_late(net: Net, cpu: int, ring: rx_ring) -> bool:
    """Is anybody earlier who may look at this ring?  Nobody else does unless its NAPI may be polled by other CPUs."""
    return ring.shared != 0 and late(net, cpu)


# ---------------------------------------------------------------- NAPI
@always_inline
@path_function
def igb_poll_rx(net: Net, cpu: int, n: int, budget: int) -> int:
    """The receive half of a poll: frame by frame, until the ring is dry (napi.dry) or the budget used up.  DONE or YIELD."""
    napi = net.napi[n]
    q = napi.ring
    ring, tx, c = net.ring[q], net.tx[q], net.cpu[cpu]
    memory_of(net, cpu, ring.dev)
    while True:
        if napi.up:                                  # GRO let packets go: hand them up
            if napi_list_up(net, cpu, napi) == YIELD:
                return YIELD
        if napi.dry or napi.done >= budget:          # dry, or the budget is used up
            break
        if ring_late(net, cpu, ring):
            return YIELD
        if igb_clean_rx_irq(net, cpu, q, ring, napi, c.now):
            napi.done += 1
        else:
            napi.dry = 1
        if napi.dry or napi.done >= budget:
            if napi.dry and napi.gro_flush_timeout and tx.more == 0:
                napi_defer(napi)
            napi_gro_flush(net, cpu, napi)
            napi.up = 1
        elif napi.rx_count >= napi.batch:
            napi.up = 1
        if late_private(net, cpu):
            return YIELD
    return DONE


@napi_poll("igb_poll")
@path_function
def igb_poll(net: Net, cpu: int, n: int, budget: int) -> int:
    """Packets done, or YIELD.  Its locals stand in the napi: it can be left and re-entered between packets."""
    napi = net.napi[n]
    q = napi.ring
    ring, tx = net.ring[q], net.tx[q]
    igb_clean_tx_first(net, cpu, q, tx, napi.polls, IGB_TX_WORK)
    if igb_poll_rx(net, cpu, n, budget) == YIELD:
        return YIELD
    done = napi.done
    if napi.dry == 0 and ring.next_to_use != ring.next_to_clean + ring.size - 1:     # what this poll has cleaned is posted at its end
        if ring_late(net, cpu, ring):
            return YIELD
        c = net.cpu[cpu]
        nic_pull(net, cpu, q, c.now)
        igb_alloc_rx_buffers(net, cpu, ring)
    if napi.dry and tx.more == 0:
        if ring_late(net, cpu, ring):
            return YIELD
        igb_alloc_rx_buffers(net, cpu, ring)
        if napi_complete_done(net, cpu, n):
            igb_ring_irq_enable(net, cpu, q)
    elif napi.dry:                                   # transmit work is left: as if the budget were used up
        done = budget
        tx.more = 0
    napi.done = 0
    napi.dry = 0
    return done
