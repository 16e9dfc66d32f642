"""net/ipv4/ipmr.c: PIM.  Linux has it built in where multicast routing is (CONFIG_IP_PIMSM_V2, as distributions have).

A register message is for a router with a multicast routing daemon; this host has none, and drops whatever comes."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import IPPROTO
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, inet_protocol
from ..skb import kfree_skb_reason
from ..turn import at


@path_function
def pim_rcv_v1(net: Net, cpu: int, skb: sk_buff) -> int:
    """Version 1 comes as an IGMP message (CONFIG_IP_PIMSM_V1): igmp_rcv() hands it on."""
    at(net, cpu, skb, Stage.pim_rcv_v1)
    return kfree_skb_reason(net, cpu, skb, Stage.pim_rcv_v1, Drop.NOT_SPECIFIED)


@inet_protocol(IPPROTO.PIM)
@path_function
def pim_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.pim_rcv)
    return kfree_skb_reason(net, cpu, skb, Stage.pim_rcv, Drop.NOT_SPECIFIED)
