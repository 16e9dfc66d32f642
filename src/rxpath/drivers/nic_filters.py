"""The card's own filters that choose a queue before RSS does: what igb's `ethtool -N` programs (igb_nfc.py).

EtherType filters (ETQF), VLAN priorities (VLAPQF) and MAC addresses with a queue (RAL/RAH, QSEL) are registers of their own: a rule that
names two of them matches either.  There is no filter for addresses or ports here; the cards have some, the driver does not offer them.
Called by rss.py, and by the MAC filter (nic.py): an address with a queue is let in."""
from .._compile import cold, mem_at, path_function, struct_at
from ..abi.headers import ether_addr_to_u64, ethhdr, vlan_hdr
from ..abi.net import Net
from ..abi.nic import nic_t
from ..abi.numbers import ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, NIC_MAC_SOURCE, VLAN_HLEN


@cold
@path_function
def nic_filtered(net: Net, nic: nic_t, offset: int, caplen: int) -> int:
    """The queue that a filter chooses for the frame in feed memory, -1: none does.  EtherType before VLAN priority before MAC."""
    feed = mem_at(net.feed_addr)
    if caplen < ETH_HLEN:
        return -1
    eth, at, tci = struct_at(ethhdr, feed, offset), offset + ETH_HLEN, -1
    proto = eth.h_proto
    while (proto == ETH_P_8021Q or proto == ETH_P_8021AD) and at + VLAN_HLEN <= offset + caplen:
        vlan = struct_at(vlan_hdr, feed, at)
        if tci < 0:
            tci = vlan.h_vlan_TCI
        proto = vlan.h_vlan_encapsulated_proto
        at += VLAN_HLEN
    for i in range(4):
        if nic.etype_queue[i] >= 0 and nic.etype[i] == proto:
            return nic.etype_queue[i]
    if tci >= 0 and nic.prio_queue[tci >> 13 & 7] >= 0:
        return nic.prio_queue[tci >> 13 & 7]
    dst, src = ether_addr_to_u64(eth.h_dest), ether_addr_to_u64(eth.h_source) | NIC_MAC_SOURCE
    for i in range(16):
        if nic.mac_queue[i] >= 0 and (nic.mac_filter[i] == dst or nic.mac_filter[i] == src):
            return nic.mac_queue[i]
    return -1


@cold
@path_function
def mac_filtered(nic: nic_t, mac: int) -> bool:
    """An address that has a queue is one of ours."""
    for i in range(16):
        if nic.mac_queue[i] >= 0 and nic.mac_filter[i] == mac:
            return True
    return False
