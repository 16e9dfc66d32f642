"""The reader's side: sys_recvfrom -> inet_recvmsg -> sk_prot->recvmsg -> udp_recvmsg -> __skb_recv_udp.

Called by the driver of time when it is the reading thread's turn; never blocks: EAGAIN says that the thread is to wait.  6.18: the reader
takes the whole receive queue over into its own reader_queue, and gives memory back in lumps of a quarter of the buffer.  3.10: one datagram
at a time, with the socket lock to give its memory back."""
from .. import path
from .._compile import cold, mem_at, path_function
from ..abi.headers import ip_hdr, udp_hdr
from ..abi.kernels import Behaviour
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import EAGAIN, IPPROTO, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, NO_SKB
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..path import Stage, proto_recvmsg
from ..skb import skb_copy_bits, skb_csum_unnecessary, skb_end
from ..spent import spent_read
from ..turn import at, at_bytes, charge, line_from, spin_lock, spin_unlock, trail_says
from .checksum import skb_unlink_first, udp_drop_damaged, udp_lib_checksum_complete
from .memory import reader_has_lines, reader_queue_splice, sock_rfree, udp_rmem_release

CSUM_OK, PEEKED = 1, 2                               # bits of skb.csum_valid: who has been peeked at has been verified


@path_function
def sys_recvfrom(net: Net, cpu: int, t: int) -> int:
    """Bytes of the datagram that thread t has read (with MSG_TRUNC: that it had), or EAGAIN."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    if net.rfs:
        sock_rps_record_flow(net, cpu, sk)
    return path.call_proto_recvmsg(sk.protocol, net, cpu, t)


@cold
@path_function
def sock_rps_record_flow(net: Net, cpu: int, sk: sock) -> None:
    """inet_recvmsg(): this flow's reader runs here.  Only connected sockets have a flow: sk_rxhash of others stays 0."""
    if sk.rxhash == 0:
        return
    charge(net, cpu, Stage.rps_record_sock_flow)
    ident = sk.rxhash & ~net.rps_cpu_mask | cpu
    i = sk.rxhash & net.rps_sock_flow_mask
    if net.rps_sock_flow[i] != ident:
        net.rps_sock_flow[i] = ident


NEAR_MAX = 32                                        # more than can be added in the time by which a reader runs ahead


@path_function
def recv_is_private(net: Net, sk: sock) -> bool:
    """The next recvmsg() touches nothing that softirqs or other readers touch."""
    if sk.reader_queue.head < 0 or sk.readers != 1 or (net.rfs != 0 and sk.rxhash != 0):
        return False
    if sk.qlen + NEAR_MAX >= sk.qlen_max:            # who adds to it may be about to find it longer than ever
        return False
    if net.record:                                   # the length of the queue is looked at by whoever adds to it
        return False
    if net.udp_nconn and sk.dport:                   # an ICMP error may come
        return False
    skb = net.skb[sk.reader_queue.head]
    if skb.next < 0 or sk.deficit + skb.truesize >= sk.forward_threshold:
        return False
    return skb_csum_unnecessary(skb) and net.behaviour[Behaviour.udp_reader_queue] != 0


@proto_recvmsg(IPPROTO.UDP)
@path_function
def udp_recvmsg(net: Net, cpu: int, t: int) -> int:
    """Copy one datagram to the program; its length, or EAGAIN."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    if sk.err:
        return sock_error(sk)
    if th.flags & MSG_PEEK:
        return udp_peekmsg(net, cpu, t)
    if net.behaviour[Behaviour.udp_reader_queue] == 0:
        return udp_recvmsg_locked(net, cpu, t)
    while True:
        if sk.reader_queue.head < 0:
            if sk.receive_queue.head < 0:
                sk.burst_lost = 0                    # whatever came before has been read
                return EAGAIN
            reader_has_lines(net, cpu, sk)
            spin_lock(net, cpu, sk.lock)
            reader_queue_splice(net, sk)
            spin_unlock(net, sk.lock)
        skb = skb_unlink_first(net, sk)
        if skb.rx_cpu != cpu:                        # its lines come from the cache of the CPU that queued it
            charge(net, cpu, line_from(net, cpu, skb.rx_cpu))
        recv_marks(net, cpu, t, skb)
        udp_rmem_release(net, cpu, sk, skb.truesize)
        if not udp_lib_checksum_complete(net, cpu, skb):
            break
        udp_copy_damaged(net, t, skb)
        udp_drop_damaged(net, cpu, sk, skb, Stage.udp_recvmsg)          # and try again: the next one, if there is one
    n = udp_copy_out(net, cpu, t, sk, skb, 0)
    skb_consume_udp(net, cpu, skb)
    return n


@cold
@path_function
def udp_copy_damaged(net: Net, t: int, skb: sk_buff) -> None:
    """skb_copy_and_csum_datagram_msg() verifies while it copies: the bytes of a damaged datagram that fits lie in the program's buffer."""
    th = net.thread[t]
    if 0 < skb.len <= th.buf_len:
        skb_copy_bits(net, skb, 0, mem_at(th.buf_addr), 0, skb.len)


@path_function
def sock_error(sk: sock) -> int:
    """An error that has come in is told once, before any data."""
    err = sk.err
    sk.err = 0
    return -err


@path_function
def skb_consume_udp(net: Net, cpu: int, skb: sk_buff) -> None:
    """The program has it."""
    at(net, cpu, skb, Stage.skb_consume_udp)
    skb_end(net, cpu, skb, Stage.skb_consume_udp, Drop.RECEIVED)


@path_function
def recv_marks(net: Net, cpu: int, t: int, skb: sk_buff) -> None:
    """The call's way through the layers, known to be this packet's only now."""
    if net.spends:
        spent_read(net, cpu, t, skb)
    if net.trail > 0:
        trail_says(net, cpu, skb, Stage.sys_recvfrom, 0)
        trail_says(net, cpu, skb, Stage.inet_recvmsg, 0)
    at(net, cpu, skb, Stage.udp_recvmsg)
    trail_says(net, cpu, skb, Stage.__skb_recv_udp, skb.sk)


@path_function
def udp_copy_out(net: Net, cpu: int, t: int, sk: sock, skb: sk_buff, off: int) -> int:
    """skb_copy_datagram_msg(), the sender's address, msg_flags; what the call returns."""
    th = net.thread[t]
    length = skb.len
    n = min(length - off, th.buf_len)
    th.msg_flags = MSG_TRUNC if th.buf_len <= length - off and th.buf_len < length else 0   # from an offset: whatever is not the whole
    if n > 0:
        skb_copy_bits(net, skb, off, mem_at(th.buf_addr), 0, n)
        at_bytes(net, cpu, skb, Stage.BYTE_COPY, n)
    th.arrived = skb.tstamp
    th.frame = skb.frame
    if th.msg_name:
        ip, uh = ip_hdr(net, skb), udp_hdr(net, skb)
        th.from_addr_lo = ip.saddr
        th.from_port = uh.source
        th.to_addr = ip.daddr                                                # IP_PKTINFO
        th.to_port = uh.dest                                                 # IP_ORIGDSTADDR
        th.to_type, th.to_dev = skb.dst_type, skb.dev
        th.tos, th.ttl = ip.tos, ip.ttl
        th.to_ifindex = net.dev[skb.dev].ifindex
        th.rxq_ovfl = skb.dropcount if net.rxq_ovfl else 0                   # SO_RXQ_OVFL
        th.gro_size = skb.gso_size if sk.gro_enabled else 0                  # UDP_GRO
    r = length if th.flags & MSG_TRUNC else n
    if th.flags & MSG_PEEK:
        if sk.peek_off >= 0:
            sk.peek_off += r
    else:
        net.snmp[cpu][Mib.Udp_InDatagrams] += 1
        sk.packets += 1
        if sk.peek_off > 0:
            sk.peek_off = max(0, sk.peek_off - r)
    th.result = r
    return r


@cold
@path_function
def udp_peekmsg(net: Net, cpu: int, t: int) -> int:
    """MSG_PEEK: the datagram stays.  With SO_PEEK_OFF the queue reads on from an offset over datagrams; an empty one is seen once."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    while True:
        off, before, i = max(0, sk.peek_off), NO_SKB, sk.reader_queue.head
        while i >= 0:
            skb = net.skb[i]
            if sk.peek_off < 0 or off < skb.len or (off == 0 and skb.csum_valid & PEEKED == 0):
                break
            off -= skb.len
            before, i = i, skb.next
        if i < 0:
            if sk.receive_queue.head < 0:
                return EAGAIN
            spin_lock(net, cpu, sk.lock)
            reader_queue_splice(net, sk)
            spin_unlock(net, sk.lock)
            continue
        found = net.skb[i]
        recv_marks(net, cpu, t, found)
        if udp_lib_checksum_complete(net, cpu, found):
            udp_unlink_damaged(net, cpu, sk, before, found)
            continue
        if found.len == 0:
            found.csum_valid = CSUM_OK | PEEKED
        return udp_copy_out(net, cpu, t, sk, found, off)


@cold
@path_function
def udp_unlink_damaged(net: Net, cpu: int, sk: sock, before: int, skb: sk_buff) -> None:
    """Somewhere in the reader's queue: `before` is the datagram in front of it, NO_SKB at the head."""
    queue = sk.reader_queue
    if before < 0:
        queue.head = skb.next
    else:
        front = net.skb[before]
        front.next = skb.next
    if skb.next < 0:
        queue.tail = before
    skb.next = NO_SKB
    sk.qlen -= 1
    if net.behaviour[Behaviour.udp_reader_queue]:
        udp_rmem_release(net, cpu, sk, skb.truesize)
    else:
        sock_rfree(net, cpu, sk, skb.truesize)
    udp_drop_damaged(net, cpu, sk, skb, Stage.udp_recvmsg)


@path_function
def udp_recvmsg_locked(net: Net, cpu: int, t: int) -> int:
    """3.10: __skb_recv_datagram(), then skb_free_datagram_locked() under the socket lock: the memory is free after the copy."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    while True:
        if sk.reader_queue.head < 0 and sk.receive_queue.head < 0:
            sk.burst_lost = 0
            return EAGAIN
        reader_has_lines(net, cpu, sk)
        spin_lock(net, cpu, sk.lock)
        reader_queue_splice(net, sk)                 # one queue, in truth: 3.10 takes from it one by one
        skb = skb_unlink_first(net, sk)
        spin_unlock(net, sk.lock)
        if skb.rx_cpu != cpu:                        # its lines, and the socket's, come from the cache of the CPU that queued it
            charge(net, cpu, line_from(net, cpu, skb.rx_cpu))
        recv_marks(net, cpu, t, skb)
        damaged = udp_lib_checksum_complete(net, cpu, skb)
        n = 0
        if damaged:
            udp_copy_damaged(net, t, skb)
        else:
            n = udp_copy_out(net, cpu, t, sk, skb, 0)
        reader_has_lines(net, cpu, sk)
        spin_lock(net, cpu, sk.lock)
        sock_rfree(net, cpu, sk, skb.truesize)
        spin_unlock(net, sk.lock)
        if not damaged:
            skb_consume_udp(net, cpu, skb)
            return n
        udp_drop_damaged(net, cpu, sk, skb, Stage.udp_recvmsg)
        if th.flags & MSG_DONTWAIT:                  # 3.10 does not look at the next one
            return EAGAIN
