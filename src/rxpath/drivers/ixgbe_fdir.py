"""Flow Director's perfect filters in the path: a flow's queue is chosen before RSS, or the card drops it (ixgbe_nfc.py programs them).

All filters of a card compare under one mask, as the card has only one.  rss.py asks where a frame will go, nic.py when it
arrives."""
from .._compile import cold, mem_at, path_function, struct_at
from ..abi.headers import frame_ipv4, ip_is_fragment, iphdr, port_pair
from ..abi.net import Net
from ..abi.nic import arrival, rx_ring
from ..abi.numbers import IPPROTO

IPPROTO_SCTP = 132


@cold
@path_function
def fdir_lookup(net: Net, card: int, offset: int, caplen: int) -> int:
    """The filter that the frame in feed memory fits, -1: none.  Ports are those of a whole TCP, UDP or SCTP packet."""
    nic, feed = net.nic[card], mem_at(net.feed_addr)
    at = frame_ipv4(feed, offset, caplen)
    if at < 0:
        return -1
    ip = struct_at(iphdr, feed, at)
    l4, l4_proto, ports = at + ip.ihl * 4, ip.protocol, 0
    known = l4_proto == IPPROTO.UDP or l4_proto == IPPROTO.TCP or l4_proto == IPPROTO_SCTP
    if known and not ip_is_fragment(ip) and l4 + 4 <= offset + caplen:
        words = struct_at(port_pair, feed, l4)
        ports = words.ports
    else:
        l4_proto = 0
    saddr, daddr = ip.saddr & nic.fdir_saddr_mask, ip.daddr & nic.fdir_daddr_mask
    for i in range(nic.nfdir):
        f = net.fdir[card][i]
        if f.saddr == saddr and f.daddr == daddr and f.ports == ports & nic.fdir_ports_mask:
            if f.proto == 0 or f.proto == l4_proto:
                return i
    return -1


@cold
@path_function
def fdir_queue(net: Net, card: int, offset: int, caplen: int) -> int:
    """The queue that a filter chooses, -1: none does."""
    i = fdir_lookup(net, card, offset, caplen)
    if i < 0:
        return -1
    f = net.fdir[card][i]
    return f.queue


@cold
@path_function
def fdir_drops(net: Net, ring: rx_ring, a: arrival) -> bool:
    """The frame has arrived: counted as a match or a miss.  True: a filter with action -1 throws it away."""
    nic, i = net.nic[ring.nic], fdir_lookup(net, ring.nic, a.offset, a.caplen)
    if i < 0:
        nic.fdir_miss += 1
        return False
    nic.fdir_match += 1
    f = net.fdir[ring.nic][i]
    return f.queue < 0
