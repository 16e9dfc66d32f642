"""TCP's checksum: include/net/tcp.h (tcp_checksum_complete), net/core/skbuff.c.  RFC 9293 3.1.

A short segment is summed at the door (tcp_v4_rcv), a longer one when its connection is known."""
from .._compile import cold, path_function
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import FEED_HEADER_CUT, IPPROTO
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage
from ..skb import csum_tcpudp_nofold, kfree_skb_reason, skb_checksum, skb_csum_right, skb_csum_unnecessary
from ..turn import at, at_bytes


@path_function
def tcp_checksum_complete(net: Net, cpu: int, skb: sk_buff) -> bool:
    """Is it right?  skb.data stands at the TCP header."""
    if skb_csum_unnecessary(skb):
        return True
    at(net, cpu, skb, Stage.__skb_checksum_complete)
    at_bytes(net, cpu, skb, Stage.BYTE_CSUM, skb.len)
    if not skb_csum_right(skb, skb_checksum(net, skb, csum_tcpudp_nofold(net, skb, skb.len, IPPROTO.TCP))):
        return False
    skb.csum_valid = 1
    return True


@cold
@path_function
def tcp_csum_error(net: Net, cpu: int, skb: sk_buff, stage: int) -> int:
    net.snmp[cpu][Mib.Tcp_InCsumErrors] += 1
    return tcp_bad_packet(net, cpu, skb, stage, Drop.TCP_CSUM)


@cold
@path_function
def tcp_bad_packet(net: Net, cpu: int, skb: sk_buff, stage: int, reason: int) -> int:
    if skb.wire & FEED_HEADER_CUT:
        return kfree_skb_reason(net, cpu, skb, Stage.tcp_v4_rcv, Drop.CAPTURE_CUT)
    net.snmp[cpu][Mib.Tcp_InErrs] += 1
    return kfree_skb_reason(net, cpu, skb, stage, reason)
