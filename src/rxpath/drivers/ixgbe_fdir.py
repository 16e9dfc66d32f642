"""Flow Director's perfect filters in the path: a flow's queue is chosen before RSS, or the card drops it (ixgbe_nfc.py programs them).

All filters of a card compare under one mask, as the card has only one.  rss.py asks where a frame will go, nic.py when it
arrives."""
from .._compile import be16, be32, byte, cold, mem_at, path_function
from ..abi.net import Net
from ..abi.nic import arrival, rx_ring
from ..abi.numbers import ETH_HLEN, ETH_P_8021Q, ETH_P_IP, IP_HLEN, IPPROTO, VLAN_HLEN

IPPROTO_SCTP = 132


@cold
@path_function
def fdir_lookup(net: Net, card: int, offset: int, caplen: int) -> int:
    """The filter that the frame in feed memory fits, -1: none.  Ports are those of a whole TCP, UDP or SCTP packet."""
    nic, feed, ip = net.nic[card], mem_at(net.feed_addr), offset + ETH_HLEN
    if caplen < ETH_HLEN + IP_HLEN:
        return -1
    proto = be16(feed, offset + 12)
    if proto == ETH_P_8021Q:
        proto = be16(feed, offset + 16)
        ip += VLAN_HLEN
    end = offset + caplen
    if proto != ETH_P_IP or ip + IP_HLEN > end:
        return -1
    l4, l4_proto, ports = ip + (byte(feed, ip) & 15) * 4, byte(feed, ip + 9), 0
    known = l4_proto == IPPROTO.UDP or l4_proto == IPPROTO.TCP or l4_proto == IPPROTO_SCTP
    if known and be16(feed, ip + 6) & 0x3FFF == 0 and l4 + 4 <= end:
        ports = be32(feed, l4)
    else:
        l4_proto = 0
    saddr, daddr = be32(feed, ip + 12) & nic.fdir_saddr_mask, be32(feed, ip + 16) & nic.fdir_daddr_mask
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
