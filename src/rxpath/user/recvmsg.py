"""The reader's side: sys_recvfrom -> inet_recvmsg -> sk_prot->recvmsg -> udp_recvmsg -> __skb_recv_udp.

Called by the driver of time when it is the reading thread's turn.  6.18: the reader takes the whole receive queue over into its own
reader_queue, and gives memory back in lumps of a quarter of the buffer (udp_rmem_release)."""
from .. import path
from .._compile import be16, be32, mem_at, path_function
from ..abi.net import Net
from ..abi.numbers import EAGAIN, IPPROTO, MSG_TRUNC, NO_SKB
from ..abi.reasons import Drop
from ..abi.sock import sock
from ..path import Stage, proto_recvmsg
from ..skb import skb_copy_bits, skb_end
from ..turn import at, at_bytes, charge, spin_lock, spin_unlock


@path_function
def sys_recvfrom(net: Net, cpu: int, t: int) -> int:
    """Bytes of the datagram that thread t has read, or EAGAIN."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    return path.call_proto_recvmsg(net.sk_prot[sk.protocol], net, cpu, t)


@path_function
def reader_queue_splice(net: Net, sk: sock) -> None:
    """Take everything that softirqs have queued: one touch for many datagrams."""
    if sk.head < 0:
        return
    if sk.reader_tail >= 0:
        tail = net.skb[sk.reader_tail]
        tail.next = sk.head
    else:
        sk.reader_head = sk.head
    sk.reader_tail = sk.tail
    sk.head = NO_SKB
    sk.tail = NO_SKB


@path_function
def udp_rmem_release(net: Net, cpu: int, sk: sock, size: int) -> None:
    """Memory goes back in lumps of rcvbuf / 4, or when the reader has nothing left of its own."""
    sk.deficit += size
    if sk.deficit < sk.forward_threshold and sk.reader_head >= 0:
        return
    charge(net, cpu, Stage.udp_rmem_release)
    spin_lock(net, cpu, sk.lock)
    size = sk.deficit
    sk.deficit = 0
    amount = (size + sk.forward_alloc - 1) & ~4095
    sk.forward_alloc += size - amount
    sk.rmem_alloc -= size
    reader_queue_splice(net, sk)
    spin_unlock(net, sk.lock)


@path_function
def recv_is_private(net: Net, sk: sock) -> bool:
    """The next recvmsg() touches nothing that softirqs or other readers touch."""
    if sk.reader_head < 0 or sk.readers != 1:
        return False
    skb = net.skb[sk.reader_head]
    return skb.next >= 0 and sk.deficit + skb.truesize < sk.forward_threshold


@proto_recvmsg(IPPROTO.UDP)
@path_function
def udp_recvmsg(net: Net, cpu: int, t: int) -> int:
    """Copy one datagram to the program; its length, or EAGAIN."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    if sk.reader_head < 0:
        if sk.head < 0:
            return EAGAIN
        spin_lock(net, cpu, sk.lock)
        reader_queue_splice(net, sk)
        spin_unlock(net, sk.lock)
    skb = net.skb[sk.reader_head]
    at(net, cpu, skb, Stage.udp_recvmsg)
    sk.reader_head = skb.next
    if skb.next < 0:
        sk.reader_tail = NO_SKB
    sk.qlen -= 1
    udp_rmem_release(net, cpu, sk, skb.truesize)
    n = skb_copy_bits(net, skb, 0, mem_at(th.buf_addr), 0, min(skb.len, th.buf_len))
    at_bytes(net, cpu, Stage.BYTE_COPY, n)
    sk.packets += 1
    sk.bytes += n
    th.msg_flags = MSG_TRUNC if n < skb.len else 0
    if th.msg_name:
        mem = mem_at(net.mem_addr)
        th.from_addr_lo = be32(mem, skb.network_header + 12)
        th.from_port = be16(mem, skb.transport_header)
    th.arrived = skb.tstamp
    th.frame = skb.frame
    skb_end(net, cpu, skb, Drop.RECEIVED)
    return n
