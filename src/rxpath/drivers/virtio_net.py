"""drivers/net/virtio_net.c, receive with mergeable buffers: a ring whose other end is a host, not a card.

What differs from igb: all descriptors of the ring can be posted, and those that are free are posted at the end of a poll, all at once, when
there are enough; a buffer is as long as packets have been on average; an skb is charged for the buffers that it took, a short one for its
copy; the host gives the verdict on checksums; and the driver asks for an interrupt with the next packet (event index), so that there is
none while it polls, and none for what has come meanwhile.

igb's stations stand for virtio_net's: igb_clean_rx_irq for receive_mergeable, igb_process_skb_fields for virtnet_receive_done,
igb_alloc_rx_buffers for try_fill_recv, igb_add_rx_frag for virtnet_skb_append_frag.  A buffer that is longer than one of ours (BUFSZ) is
several: the next belongs to the descriptor VIRTIO_PIECE places further on."""
from .._compile import Mem, cold, mem_at, path_function, struct_at
from ..abi.headers import IP_ADDRS, frame_ipv4, iphdr, tcphdr, udphdr
from ..abi.kernels import Behaviour
from ..abi.limits import BUFSZ, NDESC
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.nic import arrival, rx_ring
from ..abi.numbers import (
    CHECKSUM_NONE,
    CHECKSUM_UNNECESSARY,
    E1000_RXD_STAT_DD,
    E1000_RXD_STAT_EOP,
    E1000_RXD_STAT_TCPCS,
    E1000_RXD_STAT_UDPCS,
    E1000_RXDEXT_STATERR_L4E,
    FEED_RX_ERROR,
    FEED_WIRE,
    IPPROTO,
    IRQ_HANDLED,
    NO_SKB,
    RXD_WIRE_SHIFT,
    SHARED_INFO,
    TRUESIZE_OVERHEAD,
    YIELD,
    Note,
)
from ..abi.reasons import Drop
from ..abi.softnet import napi_struct
from ..irq.napi import napi_complete_done, napi_defer, napi_schedule
from ..link.dev import napi_list_up
from ..link.eth import eth_type_trans
from ..link.gro import napi_gro_flush, napi_gro_receive
from ..path import Stage, cable_dma, cable_rx, irq_handler, napi_poll
from ..skb import alloc_skb, csum_fold, csum_partial, frames_end, skb_init, skb_release
from ..spent import spent_begin
from ..turn import at, charge, late_private, memory_of, tell_driver, trail_lost
from .igb_main import append_page, ring_late
from .igb_tx import igb_clean_tx_first
from .nic import nic_checksum, nic_copy, nic_lost, nic_takes, nic_write_back, record_ring, ring_cleaned
from .nic_rx import buffer_frame, nic_interrupt, nic_pull

VIRTIO_PIECE = NDESC >> 2                            # the longest, 8176 bytes, is four
HEADER = 12                                          # sizeof(struct virtio_net_hdr_mrg_rxbuf), in front of the packet
GOOD_PACKET_LEN, PAGE = 1518, 4096
FRAGMENT, DMA_HEAD = 32768, 16                       # buffers are cut from such; at its head lies how it is mapped (struct virtnet_rq_dma)
GOOD_COPY_LEN = 128                                  # so much is copied


# ---------------------------------------------------------------- the host: vhost or QEMU, and a tap
@cable_rx("virtio_receive")
@path_function
def virtio_receive(net: Net, q: int, ring: rx_ring, a: arrival) -> int:
    """tun_net_xmit(): the frame goes to the queue of the host's tap, and on into the ring if buffers are posted.  When the queue is full
    it is lost there; no counter of the guest tells, only the tx_dropped of the tap."""
    nic = net.nic[ring.nic]
    if not nic_takes(net, nic, ring, a):             # a device that is down still has its buffers
        return 0
    if a.flags & FEED_RX_ERROR:                      # the host's card has found it damaged
        ring.filtered += 1
        nic_lost(net, ring, a, Drop.NIC_FILTER, net.recording.nic_filter)
        return 0
    return int(buffer_frame(net, q, ring, a))


@cable_dma("virtio_dma")
@path_function
def virtio_dma(net: Net, q: int, ring: rx_ring, a: arrival, addr: int) -> int:
    """vhost's handle_rx(): a frame that lies at addr, into as many posted buffers as it takes.  0: there are too few."""
    nic = net.nic[ring.nic]
    if not virtio_has_room(net, q, ring, a.len + HEADER):
        return 0
    net.stage_count[ring.cpu][Stage.nic_dma] += 1
    feed, mem = mem_at(addr), mem_at(net.mem_addr)
    status = nic_checksum(nic, a, feed)
    if status & E1000_RXDEXT_STATERR_L4E and virtio_needs_csum(feed, a):
        status &= ~E1000_RXDEXT_STATERR_L4E
    done, header = 0, HEADER
    while done < a.len:
        desc = net.desc[q][ring.hw_at]
        n = min(a.len - done, desc.pkt_info - header)
        slot, part = ring.hw_at, 0
        while part < n:
            piece = net.desc[q][slot]
            nic_copy(mem, piece.buf, feed, a, done + part, min(n - part, BUFSZ))
            part += BUFSZ
            slot += VIRTIO_PIECE
        done += n
        header = 0
        if done == a.len:
            status |= E1000_RXD_STAT_EOP
        nic_write_back(net, q, ring, n, 0, a.t, a.frame, status)
    return 1


@path_function
def virtio_has_room(net: Net, q: int, ring: rx_ring, length: int) -> bool:
    """Are buffers for all of it posted?"""
    left, k, slot = length, ring.hw_head, ring.hw_at
    while left > 0:
        if k == ring.next_to_use:
            return False
        desc = net.desc[q][slot]
        left -= desc.pkt_info
        k += 1
        slot += 1
        if slot == ring.size:
            slot = 0
    return True


@cold
@path_function
def virtio_needs_csum(feed: Mem, a: arrival) -> bool:
    """VIRTIO_NET_HDR_F_NEEDS_CSUM: the sender, on the same host, has left the checksum to the device: what stands there is the sum of the
    pseudo header.  nic_checksum() has found whole headers."""
    at = frame_ipv4(feed, a.offset, a.caplen)
    ip = struct_at(iphdr, feed, at)
    l4, n = at + ip.ihl * 4, ip.tot_len - ip.ihl * 4
    pseudo = csum_fold(csum_partial(feed, at + IP_ADDRS, 8, (ip.protocol << 8) + ((n & 0xFF) << 8 | n >> 8))) ^ 0xFFFF
    if ip.protocol == IPPROTO.UDP:
        uh = struct_at(udphdr, feed, l4)
        return uh.check == pseudo
    th = struct_at(tcphdr, feed, l4)
    return th.check == pseudo


# ---------------------------------------------------------------- the ring
@irq_handler("skb_recv_done")
@path_function
def skb_recv_done(net: Net, cpu: int, q: int) -> int:
    """Hard IRQ: virtqueue_disable_cb(), then NAPI."""
    nic_interrupt(net, cpu, q)
    return IRQ_HANDLED


@path_function
def get_mergeable_buf_len(average: int) -> int:
    """With its header, in whole cache lines."""
    return HEADER + min(max(average, GOOD_PACKET_LEN), PAGE - HEADER) + 63 & ~63


@path_function
def add_recvbuf_mergeable(net: Net, ring: rx_ring, length: int) -> int:
    """The next buffer of the page fragment; the last one also gets what is left of it, which would be too short for another."""
    if ring.frag_left < length:
        ring.frag_left = FRAGMENT - (DMA_HEAD if net.behaviour[Behaviour.virtio_premapped] else 0)
    ring.frag_left -= length
    if ring.frag_left >= length:
        return length
    length += ring.frag_left
    ring.frag_left = 0
    return length


@path_function
def try_fill_recv(net: Net, cpu: int, q: int, ring: rx_ring) -> None:
    """Post all that is free; one kick."""
    charge(net, cpu, Stage.igb_alloc_rx_buffers)
    length = get_mergeable_buf_len(ring.mrg_avg_pkt_len)
    end = ring.next_to_clean + ring.size
    for i in range(ring.next_to_use, end):
        desc = net.desc[q][i & ring.size - 1]        # a power of two
        desc.pkt_info = add_recvbuf_mergeable(net, ring, length)
    ring.next_to_use = end
    ring.kicks += 1


@path_function
def virtnet_take(net: Net, cpu: int, q: int, ring: rx_ring, slot: int, n: int) -> bool:
    """The n bytes of one buffer of ours: the head of ring.skb, or a page of it."""
    i = alloc_skb(net, cpu)
    if i == NO_SKB:
        return False
    skb, desc = net.skb[i], net.desc[q][slot]
    spare = skb.head
    skb.head = desc.buf
    desc.buf = spare
    skb_init(net, skb, skb.head, n)
    if ring.skb < 0:
        ring.skb = i
    else:
        append_page(net, ring, net.skb[ring.skb], skb)
    return True


@path_function
def receive_mergeable(net: Net, cpu: int, q: int, ring: rx_ring) -> int:
    """The next packet with all its buffers (the host gives them out together).  NO_SKB: there was no memory, and it is lost."""
    first = net.desc[q][ring.clean_at]
    frame, ts = first.frame, first.ts
    room, length, status, buffers, taken = 0, 0, 0, 0, True
    while status & E1000_RXD_STAT_EOP == 0:
        slot = ring.clean_at
        desc = net.desc[q][slot]
        n, status = desc.length, desc.status
        part = 0
        while taken and part < n:
            taken = virtnet_take(net, cpu, q, ring, slot, min(n - part, BUFSZ))
            part += BUFSZ
            slot += VIRTIO_PIECE
        if taken and buffers > 0:
            at(net, cpu, net.skb[ring.skb], Stage.igb_add_rx_frag)
        length += n
        room += desc.pkt_info
        buffers += 1
        desc.status = 0
        ring_cleaned(ring)
    if net.record:
        record_ring(net, cpu, q, ring)
    i = ring.skb
    ring.skb = NO_SKB
    if not taken:
        virtnet_no_skb(net, cpu, ring, i, ts, frame)
        return NO_SKB
    skb = net.skb[i]
    skb.frame, skb.tstamp, skb.dev = frame, ts, ring.dev
    if net.spends:
        spent_begin(net, cpu, skb, ring)
    small = net.small_head + TRUESIZE_OVERHEAD       # of what is copied, or of the head in front of the buffers
    if length <= GOOD_COPY_LEN:
        skb.truesize = small
    elif buffers == 1 and length + HEADER + SHARED_INFO <= room:
        skb.truesize = room + TRUESIZE_OVERHEAD
    else:
        skb.truesize = small + room
    ring.mrg_avg_pkt_len = 63 * ring.mrg_avg_pkt_len + length >> 6 if ring.mrg_avg_pkt_len else length
    return i


@cold
@path_function
def virtnet_no_skb(net: Net, cpu: int, ring: rx_ring, i: int, ts: int, frame: int) -> None:
    """drops: its buffers are free again."""
    if i >= 0:
        skb_release(net, cpu, net.skb[i])
    ring.alloc_failed += 1
    net.dev_stat[cpu][ring.dev][DevStat.rx_dropped] += 1
    frames_end(net, cpu, Stage.igb_clean_rx_irq, Drop.RX_ALLOC_FAILED, 1)
    trail_lost(net, cpu, ts, frame, Stage.igb_clean_rx_irq, Drop.RX_ALLOC_FAILED)


@path_function
def virtnet_receive(net: Net, cpu: int, q: int, ring: rx_ring, napi: napi_struct, now: int) -> bool:
    """One packet that has arrived by now, to GRO.  False: there is none.  One that is lost counts too."""
    desc = net.desc[q][ring.clean_at]
    if not desc.status & E1000_RXD_STAT_DD:
        nic_pull(net, cpu, q, now)
        if not desc.status & E1000_RXD_STAT_DD:
            ring.burst_lost = 0
            return False
    status = desc.status
    i = receive_mergeable(net, cpu, q, ring)
    if i == NO_SKB:
        return True
    skb = net.skb[i]
    at(net, cpu, skb, Stage.igb_clean_rx_irq)
    at(net, cpu, skb, Stage.napi_build_skb)
    ring.packets += 1
    ring.bytes += skb.len
    at(net, cpu, skb, Stage.igb_process_skb_fields)
    skb.wire = status >> RXD_WIRE_SHIFT & FEED_WIRE
    skb.hash = 0                                     # no VIRTIO_NET_F_HASH_REPORT
    skb.ip_summed = CHECKSUM_NONE
    if status & (E1000_RXD_STAT_TCPCS | E1000_RXD_STAT_UDPCS) and status & E1000_RXDEXT_STATERR_L4E == 0:
        skb.ip_summed = CHECKSUM_UNNECESSARY         # DATA_VALID, or NEEDS_CSUM: partial, which differs only to a sender
    skb.queue_mapping = q
    eth_type_trans(net, cpu, skb)
    napi_gro_receive(net, cpu, napi, skb)
    return True


# ---------------------------------------------------------------- NAPI
@napi_poll("virtnet_poll")
@path_function
def virtnet_poll(net: Net, cpu: int, n: int, budget: int) -> int:
    """Packets done, or YIELD: what has been sent is freed, packets go up, then buffers are posted, then GRO lets go what it holds."""
    napi = net.napi[n]
    q = napi.ring
    ring, tx, c = net.ring[q], net.tx[q], net.cpu[cpu]
    igb_clean_tx_first(net, cpu, q, tx, napi.polls, NDESC)
    memory_of(net, cpu, ring.dev)
    while True:
        if napi.up:                                  # GRO let packets go: hand them up
            if napi_list_up(net, cpu, napi) == YIELD:
                return YIELD
        if ring.up == 0:                             # napi_disable() waits for this poll
            napi.dry = 1
        if napi.dry or napi.done >= budget:
            break
        if ring_late(net, cpu, ring):
            return YIELD
        if virtnet_receive(net, cpu, q, ring, napi, c.now):
            napi.done += 1
        else:
            napi.dry = 1
        if napi.rx_count >= napi.batch:
            napi.up = 1
        if late_private(net, cpu):
            return YIELD
    if ring.poll_filled != napi.polls:
        if ring_late(net, cpu, ring):
            return YIELD
        ring.poll_filled = napi.polls
        if ring.next_to_clean + ring.size - ring.next_to_use > min(budget, ring.size) >> 1:
            nic_pull(net, cpu, q, c.now)             # what came before found the ring as it was
            try_fill_recv(net, cpu, q, ring)
        if napi.dry and napi.gro_flush_timeout:
            napi_defer(napi)
        napi_gro_flush(net, cpu, napi)
        napi.up = 1
    if napi.up and napi_list_up(net, cpu, napi) == YIELD:
        return YIELD
    if napi.dry:
        if ring_late(net, cpu, ring):
            return YIELD
        virtqueue_napi_complete(net, cpu, n, q, ring)
    done = napi.done
    napi.done = 0
    napi.dry = 0
    return done


@path_function
def virtqueue_napi_complete(net: Net, cpu: int, n: int, q: int, ring: rx_ring) -> None:
    """used_event = last_used_idx: an interrupt with the next packet.  What is there already is polled at once."""
    c = net.cpu[cpu]
    nic_pull(net, cpu, q, c.now)
    desc = net.desc[q][ring.clean_at]
    waiting = desc.status & E1000_RXD_STAT_DD
    if napi_complete_done(net, cpu, n) and ring.up:  # a device that went down meanwhile stays silent
        if waiting:                                  # virtqueue_poll()
            napi_schedule(net, cpu, n)
        else:
            ring.unmasked = 1
            tell_driver(net, cpu, Note.IRQ_ENABLED, q)
