"""drivers/net/veth.c: no ring, no interrupt.  The sender's transmit is our receive.  (lo: loopback.py.)

A frame of the cable is one that a sender in another namespace wants to send at that time: it runs on nic.sender_cpu, and veth_xmit calls
netif_rx() in its context; the softirq that follows runs there too.  While that CPU is in softirq the sender, a task, waits: its frames are
staged here in order, and are time-stamped when they are handed over.  GRO is off, the checksum was never computed (CHECKSUM_PARTIAL at the
sender), so ip_summed is UNNECESSARY.  Truesize is that of the memory in which the sender built its packet."""
from .._compile import cold, mem_at, path_function
from ..abi.limits import BUFSZ
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.nic import arrival, netif_running, rx_ring
from ..abi.numbers import (
    CHECKSUM_NONE,
    CHECKSUM_UNNECESSARY,
    ETH_HLEN,
    FEED_WIRE,
    NET_RX_SUCCESS,
    NO_SKB,
    NOT_OF_THE_BOOKS,
    VLAN_HLEN,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..irq.backlog import netif_rx
from ..link.eth import eth_type_trans
from ..path import Stage, cable_rx, sender_xmit, xmit
from ..skb import __skb_dequeue, __skb_queue_tail, alloc_skb, frames_end, kfree_skb_reason, skb_add_rx_frag, skb_init, skb_release
from ..turn import at, memory_of, trail_lost
from ..user.wmem import dev_kfree_skb, sock_wmalloc_truesize
from .igb_tx import tx_output
from .nic import nic_copy


@cable_rx("veth_stage")
@path_function
def veth_stage(net: Net, q: int, ring: rx_ring, a: arrival) -> int:
    """The sender has the frame ready: it waits for its CPU.  Without an skb to be had the frame is lost with the sender (ENOBUFS)."""
    cpu, left, at_byte = ring.cpu, a.len, 0
    head = alloc_skb(net, cpu)
    if head == NO_SKB:
        veth_no_skb(net, cpu, a)
        return 0
    skb = net.skb[head]
    n = min(left, BUFSZ)
    skb_init(net, skb, skb.head, n)
    nic_copy(mem_at(net.mem_addr), skb.head, mem_at(net.feed_addr), a, 0, n)
    skb.frame, skb.dev, skb.hash, skb.queue_mapping, skb.tstamp, skb.wire = a.frame, ring.dev, 0, q, a.t, a.flags & FEED_WIRE
    tail = NO_SKB
    while at_byte + n < a.len:
        at_byte += n
        n = min(left - at_byte, BUFSZ)
        i = alloc_skb(net, cpu)
        if i == NO_SKB:
            skb_release(net, cpu, skb)
            veth_no_skb(net, cpu, a)
            return 0
        page = net.skb[i]
        skb_init(net, page, page.head, n)
        nic_copy(mem_at(net.mem_addr), page.head, mem_at(net.feed_addr), a, at_byte, n)
        skb_add_rx_frag(net, skb, tail, page)
        tail = i
    dev = net.dev[ring.dev]
    skb.truesize = sock_wmalloc_truesize(net, a.len - ETH_HLEN, dev.sender_room)
    __skb_queue_tail(net, ring.stage, skb)
    ring.staged += 1
    return 1


@cold
@path_function
def veth_no_skb(net: Net, cpu: int, a: arrival) -> None:
    """The sender is so far behind that its frames hold every skb there is: our limit, where a real one would be slowed down (sndbuf)."""
    frames_end(net, cpu, Stage.veth_xmit, Drop.RX_ALLOC_FAILED, 1)
    trail_lost(net, cpu, a.t, a.frame, Stage.veth_xmit, Drop.RX_ALLOC_FAILED)


@sender_xmit("veth_forward")
@path_function
def veth_forward(net: Net, cpu: int, q: int) -> int:
    """veth_xmit() and __dev_forward_skb(): the first frame that is staged, in the sender's context."""
    ring, c = net.ring[q], net.cpu[cpu]
    skb = __skb_dequeue(net, ring.stage)
    ring.staged -= 1
    memory_of(net, cpu, skb.dev)
    at(net, cpu, skb, Stage.veth_xmit)
    skb.tstamp = c.now
    dev = net.dev[skb.dev]
    if not netif_running(dev) or skb.len < ETH_HLEN or skb.len > dev.mtu + ETH_HLEN + VLAN_HLEN:        # is_skb_forwardable()
        net.dev_stat[cpu][skb.dev][DevStat.rx_dropped] += 1
        return kfree_skb_reason(net, cpu, skb, Stage.veth_xmit, Drop.NOT_SPECIFIED)
    n, stat = skb.len, net.dev_stat[cpu][skb.dev]
    skb.ip_summed = CHECKSUM_UNNECESSARY if net.nic[ring.nic].rx_csum else CHECKSUM_NONE    # none: a raw socket's frame
    eth_type_trans(net, cpu, skb)
    taken = netif_rx(net, cpu, skb)
    if taken == NET_RX_SUCCESS:
        ring.packets += 1
        ring.bytes += n
    else:                                            # eth_type_trans() has counted what the backlog refuses; a veth does not
        stat[DevStat.rx_packets] -= 1
        stat[DevStat.rx_bytes] -= n
    return taken


@xmit("veth_xmit")
@path_function
def veth_xmit(net: Net, cpu: int, skb: sk_buff) -> int:
    """A frame of ours: the peer's namespace has it at once."""
    at(net, cpu, skb, Stage.veth_xmit)
    skb.is_page = NOT_OF_THE_BOOKS
    tx_output(net, cpu, skb, 0)
    dev_kfree_skb(net, cpu, skb)
    return NET_RX_SUCCESS
