"""igb_main.c, transmit: frames of ours (echo and ARP replies, ICMP errors, resets) leave by the TX ring.

igb_xmit_frame is reached through the xmit table (ndo_start_xmit); igb_clean_tx_irq, called first in each igb_poll, frees what the NIC has
sent.  A frame to send is an skb whose bytes from data on are the whole Ethernet frame.  It is no frame of the cable: the books leave it
out (skb.is_page == NOT_OF_THE_BOOKS), and it goes back to the pool without an entry.

Any CPU may send by any ring: xmit is reached from stations that run in clock order.  A poll may clean ahead of others all the same: the NIC
is done with a frame NIC_LATENCY after it was given at the earliest, and no CPU runs further ahead than that."""
from .._compile import path_function
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.nic import tx_ring
from ..abi.numbers import ETH_FCS_LEN, ETH_HLEN, ETH_ZLEN, NET_RX_DROP, NET_RX_SUCCESS, NEVER, NOT_OF_THE_BOOKS, Note, Out
from ..abi.skbuff import sk_buff
from ..outputs import emit_frame
from ..path import Stage, xmit
from ..skb import skb_vlan_tag_present
from ..turn import at, tell_driver
from ..user.wmem import dev_kfree_skb

GAP_AND_PREAMBLE = 20
NEEDED = 4                                           # igb_maybe_stop_tx: descriptors that a frame may take, at most
WHOLE_FRAME = 1 << 16


@path_function
def tx_output(net: Net, cpu: int, skb: sk_buff, q: int) -> None:
    """Count the frame as sent and give it to whoever listens (outputs.py)."""
    net.dev_stat[cpu][skb.dev][DevStat.tx_packets] += 1
    net.dev_stat[cpu][skb.dev][DevStat.tx_bytes] += skb.len
    skb.mac_header = skb.data
    if skb_vlan_tag_present(skb):                    # the card, or the peer, puts it in
        skb.data += ETH_HLEN
        skb.len -= ETH_HLEN
    emit_frame(net, cpu, Out.TX, skb, skb.dev, q, WHOLE_FRAME)
    skb.len += skb.data - skb.mac_header
    skb.data = skb.mac_header


@xmit("igb_xmit_frame")
@path_function
def igb_xmit_frame(net: Net, cpu: int, skb: sk_buff) -> int:
    """One frame onto the ring of its queue.  NET_RX_DROP: no room, it is gone."""
    at(net, cpu, skb, Stage.igb_xmit_frame)
    dev = net.dev[skb.dev]
    nic = net.nic[dev.nic]
    q = nic.first + (skb.queue_mapping - nic.first) % max(nic.nqueue, 1)
    ring, tx, c = net.ring[q], net.tx[q], net.cpu[cpu]
    skb.is_page = NOT_OF_THE_BOOKS
    if ring.up == 0 or nic.link_up == 0:         # __IGB_DOWN
        tx.dropped += 1
        dev_kfree_skb(net, cpu, skb)
        return NET_RX_DROP
    if tx_ring_full(net, q, tx, c.now):
        tx.busy += 1
        net.dev_stat[cpu][skb.dev][DevStat.tx_dropped] += 1
        dev_kfree_skb(net, cpu, skb)
        return NET_RX_DROP
    tx.packets += 1
    tx.bytes += skb.len
    tx_output(net, cpu, skb, q)
    wire_ns = (max(skb.len, ETH_ZLEN) + ETH_FCS_LEN + GAP_AND_PREAMBLE) * 8000 // max(nic.speed, 1)
    latency = max(net.cost[cpu][Stage.NIC_LATENCY], net.cost[cpu][Stage.IPI_LATENCY])
    tx.wire_free = max(tx.wire_free, c.now) + wire_ns
    desc = net.txd[q][tx.next_to_use % tx.size]
    desc.skb = skb.idx
    desc.ts = max(tx.wire_free, c.now + latency)
    desc.cleaned = NEVER
    tx.next_to_use += 1
    tell_driver(net, cpu, Note.IRQ_SOONER, q)
    return NET_RX_SUCCESS


@path_function
def tx_ring_full(net: Net, q: int, tx: tx_ring, now: int) -> bool:
    """Is a descriptor that this frame might need still taken?  A poll may have run ahead: what counts is whether it was clean by now."""
    if tx.next_to_use + NEEDED < tx.size:
        return False
    desc = net.txd[q][(tx.next_to_use + NEEDED) % tx.size]
    return desc.cleaned > now


@path_function
def igb_clean_tx_irq(net: Net, cpu: int, q: int, tx: tx_ring, work: int) -> None:
    """Free what has been sent by now, up to `work` frames; tx.more says that the poll is not complete."""
    c = net.cpu[cpu]
    budget, now = work, c.now
    while tx.next_to_clean != tx.next_to_use:
        desc = net.txd[q][tx.next_to_clean % tx.size]
        if desc.ts > now:
            return
        if budget == 0:
            tx.more = 1
            return
        budget -= 1
        skb = net.skb[desc.skb]
        at(net, cpu, skb, Stage.igb_clean_tx_irq)
        dev_kfree_skb(net, cpu, skb)
        desc.cleaned = now
        tx.next_to_clean += 1


@path_function
def igb_clean_tx_first(net: Net, cpu: int, q: int, tx: tx_ring, polls: int, work: int) -> None:
    """At the top of a poll, once in it: whoever comes back to it after others had their turn goes on to receive."""
    if tx.next_to_use != tx.next_to_clean and tx.poll_seen != polls:
        tx.poll_seen = polls
        igb_clean_tx_irq(net, cpu, q, tx, work)


@path_function
def igb_clean_tx_ring(net: Net, q: int, tx: tx_ring) -> None:
    """The device goes down: whatever waits to be sent is freed."""
    while tx.next_to_clean != tx.next_to_use:
        desc = net.txd[q][tx.next_to_clean % tx.size]
        dev_kfree_skb(net, 0, net.skb[desc.skb])
        desc.cleaned = 0
        tx.next_to_clean += 1
    for i in range(tx.size):
        done = net.txd[q][i]
        done.cleaned = 0
    tx.next_to_use, tx.next_to_clean, tx.more = 0, 0, 0
