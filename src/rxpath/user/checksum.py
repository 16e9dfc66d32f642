"""include/net/udp.h: the checksum of a datagram, verified once and only when somebody must know.

Called at arrival for short datagrams and by transport/ before it answers for a closed port; by the reader, poll() and FIONREAD for the
rest: those find damaged datagrams at the head of the queue and throw them away."""
from .._compile import cold, path_function
from ..abi.headers import udp_hdr
from ..abi.kernels import Behaviour
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import IPPROTO
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..path import Stage
from ..skb import __skb_dequeue, csum_tcpudp_nofold, kfree_skb_reason, skb_checksum, skb_csum_right, skb_csum_unnecessary
from ..turn import at, at_bytes, spin_lock, spin_unlock
from .memory import reader_queue_splice, sock_rfree, udp_rmem_release


@path_function
def udp_lib_checksum_complete(net: Net, cpu: int, skb: sk_buff) -> bool:
    """Is the datagram damaged?  skb.data may stand at the UDP header or behind it."""
    if skb_csum_unnecessary(skb):
        return False
    at(net, cpu, skb, Stage.__skb_checksum_complete)
    pulled = skb.data - skb.transport_header
    at_bytes(net, cpu, skb, Stage.BYTE_CSUM, skb.len + pulled)
    pseudo = csum_tcpudp_nofold(net, skb, udp_hdr(net, skb).len, IPPROTO.UDP)
    skb.data -= pulled
    skb.len += pulled
    damaged = not skb_csum_right(skb, skb_checksum(net, skb, pseudo))
    skb.data += pulled
    skb.len -= pulled
    if not damaged:
        skb.csum_valid = 1
    return damaged


# ---------------------------------------------------------------- the head of the queue, for whoever must look before reading
@path_function
def skb_unlink_first(net: Net, sk: sock) -> sk_buff:
    """The first datagram of the reader's queue, which it leaves."""
    sk.qlen -= 1
    return __skb_dequeue(net, sk.reader_queue)


@cold
@path_function
def udp_drop_damaged(net: Net, cpu: int, sk: sock, skb: sk_buff, stage: int) -> None:
    """A damaged datagram that was found late: counted where it is found."""
    net.snmp[cpu][Mib.Udp_InCsumErrors] += 1
    net.snmp[cpu][Mib.Udp_InErrors] += 1
    sk.drops += 1
    kfree_skb_reason(net, cpu, skb, stage, Drop.UDP_CSUM)


@path_function
def first_packet_length(net: Net, cpu: int, sk: sock) -> int:
    """FIONREAD and poll(): the length of the next datagram, -1: none.  An empty reader's queue takes the receive queue over;
    damaged ones are thrown away."""
    total, length = 0, -1
    while length < 0:
        if sk.reader_queue.head < 0:
            if sk.receive_queue.head < 0:
                break
            spin_lock(net, cpu, sk.lock)
            reader_queue_splice(net, sk)
            spin_unlock(net, sk.lock)
        skb = net.skb[sk.reader_queue.head]
        if not udp_lib_checksum_complete(net, cpu, skb):
            length = skb.len
        else:
            bad = skb_unlink_first(net, sk)
            total += bad.truesize
            at(net, cpu, bad, Stage.__first_packet_length)
            udp_drop_damaged(net, cpu, sk, bad, Stage.__first_packet_length)
    if total:
        if net.behaviour[Behaviour.udp_reader_queue]:
            udp_rmem_release(net, cpu, sk, total)
        else:
            sock_rfree(net, cpu, sk, total)
    return length
