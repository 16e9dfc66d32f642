"""The way out of every frame that this host makes: net/ethernet/eth.c, net/core/dev.c.

Called by ip_output.py, arp_send.py and neighbour.py; hands whole Ethernet frames to the device's ndo_start_xmit.  Such an skb is no frame
of the wire: its `frame` is negative, and it never enters the books, not even when lo brings it back.

There is no queueing discipline: what a full ring refuses is lost, and the caller hears of it."""
from .. import path
from .._compile import path_function
from ..abi.headers import eth_hdr, u64_to_ether_addr
from ..abi.net import Net
from ..abi.numbers import ETH_HLEN, FRAME_OF_OURS, NET_RX_SUCCESS, NO_QUEUE, NO_SKB, PACKET_HOST, VLAN_HLEN
from ..abi.skbuff import sk_buff
from ..path import Stage
from ..skb import alloc_skb, skb_init
from ..turn import at
from ..user.wmem import dev_kfree_skb


@path_function
def eth_header(net: Net, out: sk_buff, to: int, proto: int) -> None:
    eth, dev = eth_hdr(net, out), net.dev[out.dev]
    u64_to_ether_addr(to, eth.h_dest)
    u64_to_ether_addr(dev.mac, eth.h_source)
    eth.h_proto = proto
    out.protocol = proto


@path_function
def dev_alloc_skb(net: Net, cpu: int, dev: int, linear: int) -> int:
    """An skb for a frame of our own: an Ethernet header, `linear` bytes behind it, room for a tag before it.  NO_SKB: none is to be had."""
    i = alloc_skb(net, cpu)
    if i == NO_SKB:
        return NO_SKB
    out, c = net.skb[i], net.cpu[cpu]
    skb_init(net, out, out.head + VLAN_HLEN, ETH_HLEN + linear)
    out.frame, out.dev, out.hash, out.tstamp, out.pkt_type = FRAME_OF_OURS, dev, 0, c.now, PACKET_HOST
    out.queue_mapping = netdev_pick_tx(net, cpu, dev)
    out.network_header = out.data + ETH_HLEN
    return i


@path_function
def netdev_pick_tx(net: Net, cpu: int, dev: int) -> int:
    """A queue of the device that is this CPU's, as XPS maps them; else the one of its number.  NO_QUEUE: it has none."""
    if dev == net.loopback:
        return NO_QUEUE
    device, c = net.dev[dev], net.cpu[cpu]
    while device.vlan_id:
        device = net.dev[device.real_dev]
    nic = net.nic[device.nic]
    if nic.nqueue == 0:
        return NO_QUEUE
    q = c.first_queue
    while q >= 0:
        ring = net.ring[q]
        if ring.nic == device.nic:
            return q
        q = ring.next_of_cpu
    return nic.first + cpu % nic.nqueue


@path_function
def dev_queue_xmit(net: Net, cpu: int, out: sk_buff) -> int:
    """To the device.  NET_RX_SUCCESS, or NET_RX_DROP: its ring is full.  One that cannot send loses the frame."""
    at(net, cpu, out, Stage.dev_queue_xmit)
    dev = net.dev[out.dev]
    if dev.xmit < 0:
        dev_kfree_skb(net, cpu, out)
        return NET_RX_SUCCESS
    return path.call_xmit(dev.xmit, net, cpu, out)
