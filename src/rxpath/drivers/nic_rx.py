"""The end of the cable: what has arrived by a clock goes into the ring, or waits in front of it; and when the queue's interrupt comes.

The ring is private to the CPU that looks at it: whoever looks first pulls in, by DMA, every frame that has arrived by its clock;
nobody can tell the difference.  So a knob that the card reads (MAC, promiscuous, MTU, link, the RSS table) acts at the frame's own time as
long as net_device.py (nic_sync) pulls in before it turns the knob.

A packet buffer stands in front of one ring, or of all of a card, when the host file gives it a size.  Without it a frame that finds no
descriptor is lost at once, as real cards do it with several queues (SRRCTL.DROP_EN).  One in front of several rings is seen by all CPUs
that poll them: its rings are shared (irq/manage.py), and when a look at one lets frames go into another, the driver of time hears of it
(Note.IRQ_SOONER)."""
from .. import path
from .._compile import cold, mem_at, memcpy, path_function
from ..abi.limits import NFEED, NFIFO
from ..abi.net import Net
from ..abi.nic import arrival, packet_buffer, rx_ring
from ..abi.numbers import ETH_FCS_LEN, FEED_QUEUE, NEVER, NicMode, Note
from ..abi.reasons import Drop
from ..irq.napi import napi_schedule
from ..path import Stage, cable_rx
from ..turn import tell_driver
from .nic import nic_accepts, nic_lost, nic_missed


@path_function
def nic_interrupt(net: Net, cpu: int, q: int) -> None:
    """What every handler of a vector does: it has masked itself, and all the work is left to NAPI."""
    ring = net.ring[q]
    ring.irqs += 1
    ring.unmasked = 0
    napi_schedule(net, cpu, q)


@path_function
def nic_pull(net: Net, cpu: int, q: int, now: int) -> None:
    """Take in every frame of this queue that has arrived by now.  cpu: who looks; -1: nobody in particular."""
    ring = net.ring[q]
    if ring.pb >= 0:
        buffer_pull(net, cpu, q, ring.pb, now)
        return
    i = ring.feed_head
    while i < ring.feed_tail:
        a = net.feed[q][i & NFEED - 1]
        if a.t > now:
            break
        ring.arrived += 1
        path.call_cable_rx(ring.cable_rx, net, q, ring, a)
        i += 1
        if ring.spilled:
            cable_spilled(net, q, ring, i)
    ring.feed_head = i
    ring.fill_max = max(ring.fill_max, ring.hw_head - ring.next_to_clean)


@path_function
def nic_pull_one(net: Net, q: int) -> None:
    """The next frame only, whenever it is due: a sender takes them from its schedule one by one."""
    ring = net.ring[q]
    a = net.feed[q][ring.feed_head & NFEED - 1]
    ring.arrived += 1
    ring.feed_head += 1
    path.call_cable_rx(ring.cable_rx, net, q, ring, a)


@cold
@path_function
def cable_spilled(net: Net, q: int, ring: rx_ring, head: int) -> None:
    """The cable has a place again, for the first of those for which it had none."""
    a, b = net.feed[q][ring.feed_tail & NFEED - 1], net.spill[q][ring.spill_at]
    ring.feed_head = head
    copy_arrival(a, b)
    ring.feed_tail += 1
    ring.spill_at += 1
    ring.spilled -= 1


@path_function
def copy_arrival(a: arrival, b: arrival) -> None:
    a.t, a.offset, a.len, a.caplen, a.hash, a.frame, a.flags = b.t, b.offset, b.len, b.caplen, b.hash, b.frame, b.flags


# ---------------------------------------------------------------- the packet buffer, and flow control
@cold
@path_function
def buffer_pull(net: Net, cpu: int, q: int, i: int, now: int) -> None:
    """The same with packet buffer i in front of it: a frame without descriptors waits there, and those behind it too, whichever ring they
    are for.  Full, it loses what comes; with pause frames on, the sender stops before that, and what it cannot send is lost there.

    The rings have changed only since somebody looked last (who posts pulls before), so what waits goes first."""
    pb = net.buffer[i]
    buffer_drain(net, cpu, q, i, pb)
    while True:
        to = next_arrival(net, pb, now)
        if to < 0:
            return
        ring = net.ring[to]
        a = net.feed[to][ring.feed_head & NFEED - 1]
        if pb.xoff:
            ring.held += 1
            nic_lost(net, ring, a, Drop.TX_PAUSE, net.recording.tx_pause)
        else:
            ring.arrived += 1
            path.call_cable_rx(ring.cable_rx, net, to, ring, a)
            ring.fill_max = max(ring.fill_max, ring.hw_head - ring.next_to_clean)
        ring.feed_head += 1
        if ring.spilled:
            cable_spilled(net, to, ring, ring.feed_head)


@path_function
def next_arrival(net: Net, pb: packet_buffer, now: int) -> int:
    """The queue with the earliest frame that has come by now, of those behind the buffer; -1: none."""
    best, best_t = -1, now
    for k in range(pb.rings):
        q = pb.first + pb.rings - 1 - k              # of two at the same time the lowest
        ring = net.ring[q]
        if ring.feed_head < ring.feed_tail:
            a = net.feed[q][ring.feed_head & NFEED - 1]
            if a.t <= best_t:
                best, best_t = q, a.t
    return best


@cable_rx("nic_receive_buffered")
@path_function
def nic_receive_buffered(net: Net, q: int, ring: rx_ring, a: arrival) -> int:
    """A card with a packet buffer in front of the ring.  1: the host will see it, unless it is reset."""
    if nic_accepts(net, net.nic[ring.nic], ring, a):
        return int(buffer_frame(net, q, ring, a))
    return 0


@path_function
def buffer_frame(net: Net, q: int, ring: rx_ring, a: arrival) -> bool:
    """Into the ring, if nobody waits and there are descriptors; else into the packet buffer.  False: it is full, the frame is lost."""
    pb = net.buffer[ring.pb]
    if pb.head == pb.tail and path.call_cable_dma(ring.cable_dma, net, q, ring, a, net.feed_addr):
        return True
    n = buffer_bytes(a)
    ring.no_buffer += 1
    if pb.bytes + n > pb.size or pb.tail - pb.head >= pb.most:
        nic_missed(net, q, ring, a)
        return False
    slot = pb.tail & NFIFO - 1
    kept = net.fifo[ring.pb][slot]
    copy_arrival(kept, a)
    kept.offset, kept.flags = slot * pb.stride, a.flags & (1 << FEED_QUEUE) - 1 | q << FEED_QUEUE
    memcpy(mem_at(pb.addr), kept.offset, mem_at(net.feed_addr), a.offset, a.caplen)      # the feed's memory is filled again
    pb.tail += 1
    pb.bytes += n
    pb.bytes_max = max(pb.bytes_max, pb.bytes)
    pb.waiting_max = max(pb.waiting_max, pb.tail - pb.head)
    if pb.tx_pause and pb.bytes > pb.high_water:
        pb.xoff = 1
        pb.xoffs += 1
    return True


@path_function
def buffer_bytes(a: arrival) -> int:
    """What a frame takes of the packet buffer: with its FCS, in units of 16."""
    return a.len + ETH_FCS_LEN + 15 & ~15


@path_function
def buffer_drain(net: Net, cpu: int, q: int, i: int, pb: packet_buffer) -> None:
    """What waits goes into the descriptors that are there by now, in order; below low_water the sender may go on."""
    while pb.head < pb.tail:
        a = net.fifo[i][pb.head & NFIFO - 1]
        to = a.flags >> FEED_QUEUE
        ring = net.ring[to]
        if not path.call_cable_dma(ring.cable_dma, net, to, ring, a, pb.addr):
            return
        ring.fill_max = max(ring.fill_max, ring.hw_head - ring.next_to_clean)
        pb.head += 1
        pb.bytes -= buffer_bytes(a)
        if to != q and cpu >= 0:
            tell_driver(net, cpu, Note.IRQ_SOONER, to)
        if pb.xoff and pb.bytes < pb.low_water:
            pb.xoff = 0
            pb.xons += 1


# ---------------------------------------------------------------- the interrupt line
@path_function
def irq_due(net: Net, q: int, now: int) -> int:
    """When the queue's interrupt comes, if it is unmasked: now if frames wait, else at the next arrival or when a frame has been sent;
    not before ITR allows it.  veth has no interrupt: the sender's next call."""
    ring, due = net.ring[q], NEVER
    if ring.feed_head < ring.feed_tail:
        a = net.feed[q][ring.feed_head & NFEED - 1]
        due = a.t
    if ring.mode == NicMode.NETIF_RX:
        if ring.staged:
            due = now
        return max(due, now)
    if ring.up == 0:
        return NEVER
    if ring.hw_head != ring.next_to_clean:
        due = now
    tx = net.tx[q]
    if tx.next_to_use != tx.next_to_clean:
        sent = net.txd[q][tx.next_to_clean % tx.size]
        due = min(due, sent.ts)
    if due == NEVER:
        return NEVER
    return max(due + net.cost[ring.cpu][Stage.NIC_LATENCY], ring.last_irq + ring.itr_ns)


@path_function
def irq_idle(net: Net, q: int, now: int) -> bool:
    """Behind a packet buffer of several rings: the frame that should have interrupted waits there for another queue's, and nothing was
    sent."""
    ring, tx = net.ring[q], net.tx[q]
    if ring.hw_head != ring.next_to_clean:
        return False
    if tx.next_to_use != tx.next_to_clean:
        sent = net.txd[q][tx.next_to_clean % tx.size]
        return sent.ts > now
    return True
