"""net/ethernet/eth.c.  Called by every driver with a frame of its own; whatever comes after reads skb.protocol and skb.pkt_type."""
from .._compile import be16, mem_at, path_function
from ..abi.headers import BROADCAST, eth_hdr, ether_addr_to_u64, is_multicast_ether_addr
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.numbers import (
    ETH_HLEN,
    ETH_P_802_2,
    ETH_P_802_3,
    ETH_P_802_3_MIN,
    PACKET_BROADCAST,
    PACKET_HOST,
    PACKET_MULTICAST,
    PACKET_OTHERHOST,
)
from ..abi.skbuff import sk_buff
from ..path import Stage
from ..turn import at


@path_function
def eth_type_trans(net: Net, cpu: int, skb: sk_buff) -> None:
    """Who is it for, by MAC; which protocol.  The Ethernet header is pulled off.

    The device's rx_packets, rx_bytes and multicast count here, the one place that every frame of every driver passes before GRO."""
    at(net, cpu, skb, Stage.eth_type_trans)
    skb.mac_header = skb.data
    eth, dev = eth_hdr(net, skb), net.dev[skb.dev]
    net.dev_stat[cpu][skb.dev][DevStat.rx_packets] += 1
    net.dev_stat[cpu][skb.dev][DevStat.rx_bytes] += skb.len
    mac = ether_addr_to_u64(eth.h_dest)
    if mac == dev.mac:
        skb.pkt_type = PACKET_HOST
    elif is_multicast_ether_addr(mac):
        if mac == BROADCAST:
            skb.pkt_type = PACKET_BROADCAST
        else:
            skb.pkt_type = PACKET_MULTICAST
            if dev.counts_multicast:
                net.dev_stat[cpu][skb.dev][DevStat.multicast] += 1
    else:
        skb.pkt_type = PACKET_OTHERHOST
    proto = eth.h_proto
    skb.data += ETH_HLEN
    skb.len -= ETH_HLEN
    skb.network_header = skb.data
    if proto < ETH_P_802_3_MIN:                      # a length: raw 802.3 of old IPX, or 802.2 LLC
        proto = ETH_P_802_3 if skb.len >= 2 and be16(mem_at(net.mem_addr), skb.data) == 0xFFFF else ETH_P_802_2
    skb.protocol = proto
