"""VLAN tags: skb_vlan_untag() of net/core/skbuff.c and vlan_do_receive() of net/8021q/vlan_core.c.  Called by __netif_receive_skb_core;
a packet with a tag that a VLAN device wants goes round once more as that device's.  What a VLAN device sends gets its tag and goes to the
device below (net/8021q/vlan_dev.c); its cost is that device's dev_queue_xmit.  IEEE 802.1Q, 802.1ad."""
from .._compile import be16, be32, mem_at, path_function, put_be16, put_be32, struct_at
from ..abi.headers import eth_hdr, ether_addr_to_u64, vlan_hdr
from ..abi.mib import DevStat
from ..abi.net import Net
from ..abi.nic import netif_running
from ..abi.numbers import (
    ETH_P_802_2,
    ETH_P_802_3,
    ETH_P_802_3_MIN,
    ETH_P_8021AD,
    ETH_P_8021Q,
    NO_DEV,
    PACKET_HOST,
    PACKET_MULTICAST,
    PACKET_OTHERHOST,
    VLAN_DEVICE,
    VLAN_HLEN,
    VLAN_VID_MASK,
)
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..network.dev_xmit import dev_queue_xmit
from ..path import Stage, xmit
from ..skb import kfree_skb_reason, pskb_may_pull, skb_vlan_tag_present
from ..turn import at


@path_function
def eth_type_vlan(proto: int) -> bool:
    return proto == ETH_P_8021Q or proto == ETH_P_8021AD


@path_function
def skb_vlan_untag(net: Net, cpu: int, skb: sk_buff) -> bool:
    """Take the tag out of the frame and note it in the skb.  False: the packet has ended."""
    if skb_vlan_tag_present(skb):                    # the NIC has stripped the outer one: this one for later
        return True
    at(net, cpu, skb, Stage.skb_vlan_untag)
    if not pskb_may_pull(net, skb, VLAN_HLEN + 2):
        kfree_skb_reason(net, cpu, skb, Stage.skb_vlan_untag, Drop.NOT_SPECIFIED)
        return False
    mem, mac = mem_at(net.mem_addr), skb.mac_header
    skb.vlan = 1 if skb.protocol == ETH_P_8021Q else 2
    tag = struct_at(vlan_hdr, mem, skb.data)
    skb.vlan_tci = tag.h_vlan_TCI
    proto = tag.h_vlan_encapsulated_proto
    skb.data += VLAN_HLEN
    skb.len -= VLAN_HLEN
    if proto < ETH_P_802_3_MIN:                      # vlan_set_encap_proto()
        proto = ETH_P_802_3 if be16(mem, skb.data) == 0xFFFF else ETH_P_802_2
    skb.protocol = proto
    a, b, c = be32(mem, mac), be32(mem, mac + 4), be32(mem, mac + 8)
    put_be32(mem, mac + 4, a)                        # skb_reorder_vlan_header(): the addresses move up to the type
    put_be32(mem, mac + 8, b)
    put_be32(mem, mac + 12, c)
    skb.mac_header = mac + VLAN_HLEN
    skb.network_header = skb.data
    return True


@path_function
def vlan_find_dev(net: Net, dev: int, proto: int, vid: int) -> int:
    for i in range(net.nvlan):
        d = net.vlan_dev[i]
        vlan = net.dev[d]
        if vlan.real_dev == dev and vlan.vlan_id == vid | VLAN_DEVICE and vlan.vlan_proto == proto:
            return d
    return NO_DEV


@path_function
def vlan_do_receive(net: Net, cpu: int, skb: sk_buff) -> int:
    """1: the packet is a VLAN device's now; 0: no device wants it; -1: its device is down, and the packet has ended."""
    if net.nvlan == 0:
        return 0
    d = vlan_find_dev(net, skb.dev, skb.vlan, skb.vlan_tci & VLAN_VID_MASK)
    if d < 0:
        return 0
    dev = net.dev[d]
    if not netif_running(dev):
        kfree_skb_reason(net, cpu, skb, Stage.__netif_receive_skb_core, Drop.NOT_SPECIFIED)
        return -1
    skb.dev = d
    skb.vlan = 0
    if skb.pkt_type == PACKET_OTHERHOST:             # the VLAN device may have a MAC of its own
        eth = eth_hdr(net, skb)
        if ether_addr_to_u64(eth.h_dest) == dev.mac:
            skb.pkt_type = PACKET_HOST
    net.dev_stat[cpu][d][DevStat.rx_packets] += 1
    net.dev_stat[cpu][d][DevStat.rx_bytes] += skb.len
    if skb.pkt_type == PACKET_MULTICAST:
        net.dev_stat[cpu][d][DevStat.multicast] += 1
    return 1


# ---------------------------------------------------------------- sending
@xmit("vlan_dev_hard_start_xmit")
@path_function
def vlan_dev_hard_start_xmit(net: Net, cpu: int, skb: sk_buff) -> int:
    """A frame of ours with this device's tag beside it, for the device below to put in.  A tag that it has already, of a VLAN device on top
    of this one, goes into its bytes first (validate_xmit_vlan())."""
    dev, stat = net.dev[skb.dev], net.dev_stat[cpu][skb.dev]
    if skb_vlan_tag_present(skb):
        __vlan_insert_tag(net, skb)
    stat[DevStat.tx_packets] += 1
    stat[DevStat.tx_bytes] += skb.len
    skb.vlan = dev.vlan_proto
    skb.vlan_tci = dev.vlan_id & VLAN_VID_MASK
    skb.dev = dev.real_dev
    return dev_queue_xmit(net, cpu, skb)


@path_function
def __vlan_insert_tag(net: Net, skb: sk_buff) -> None:
    """The addresses move down by a tag's length: whoever makes a frame to send leaves room before it."""
    mem, at = mem_at(net.mem_addr), skb.data
    put_be32(mem, at - VLAN_HLEN, be32(mem, at))
    put_be32(mem, at, be32(mem, at + 4))
    put_be32(mem, at + 4, be32(mem, at + 8))
    put_be16(mem, at + 8, ETH_P_8021Q if skb.vlan == 1 else ETH_P_8021AD)
    put_be16(mem, at + 10, skb.vlan_tci)
    skb.data -= VLAN_HLEN
    skb.len += VLAN_HLEN
    skb.mac_header = skb.data
