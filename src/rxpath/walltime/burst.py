"""A queue in real time from a ring in memory, one thread for each queue: ring -> hard IRQ -> softirq -> recvfrom."""
from .. import path
from .._compile import Mem, always_inline, entry, le64, mem_at, memcpy, path_function
from ..abi.limits import BUFSTRIDE, NDESC
from ..abi.net import Net
from ..abi.numbers import E1000_RXD_STAT_EOP, E1000_RXD_STAT_IPCS, E1000_RXD_STAT_TCPCS
from ..drivers.igb_main import igb_alloc_rx_buffers
from ..drivers.nic import nic_write_back
from ..user.recvmsg import sys_recvfrom
from .engine import rt_begin, rt_clock, rt_notes, rt_softirq


@path_function
def rt_post(net: Net, q: int, buf: int, length: int, rss: int, copied: int, sums: int) -> bool:
    """A frame that lies in packet memory already: its descriptor is written back where it lies; or it is copied to where the descriptor
    points.  sums: bits of its status, E1000_RXD_STAT_TCPCS where the card has verified."""
    ring = net.ring[q]
    if ring.next_to_use == ring.hw_head:
        return False
    desc = net.desc[q][ring.hw_at]
    if copied:
        memcpy(mem_at(net.mem_addr), desc.buf, mem_at(net.mem_addr), buf, length)
    else:
        desc.buf = buf
    nic_write_back(net, q, ring, length, rss, 0, 0, E1000_RXD_STAT_EOP | E1000_RXD_STAT_IPCS | sums)
    return True


@entry
def rt_serve(net: Net, cpu: int, npkt: int, first: int, stride: int, nbuf: int, length: int, burst: int, rss: Mem) -> int:
    """nbuf frames that lie in packet memory from `first`, `stride` bytes apart, their hashes in rss (le64): cycled as a ring recycles its
    buffers, `burst` at a time, until npkt have been read.  The clock is read once a burst.  Returns how many were."""
    return rt_bursts(net, cpu, npkt, first, stride, nbuf, length, burst, rss, 0, 0)


@entry
def rt_serve_verified(net: Net, cpu: int, npkt: int, first: int, stride: int, nbuf: int, length: int, burst: int, rss: Mem) -> int:
    """The same, and the card says that the sums are good.  What this host sends lies in buffers that frames have come in: where frames are
    answered, each comes once, and all that were posted are read.  Before they come again: rt_own_buffers(), and their bytes anew."""
    return rt_bursts(net, cpu, npkt, first, stride, nbuf, length, burst, rss, 0, E1000_RXD_STAT_TCPCS)


@entry
def rt_own_buffers(net: Net, q: int) -> None:
    """Frames were posted where they lie, and their memory has gone round in place of buffers: all skbs of queue q's CPU and the queue's
    descriptors have their own again.  Nothing is under way."""
    ring, sd = net.ring[q], net.sd[net.ring[q].cpu]
    pool = net.pool[sd.pool]
    for i in range(pool.first, pool.untaken):
        skb = net.skb[i]
        skb.head = i * BUFSTRIDE
    for k in range(ring.size):
        desc = net.desc[q][k]
        desc.buf = (net.nskb + q * NDESC + k) * BUFSTRIDE


@entry
def rt_serve_copied(net: Net, cpu: int, npkt: int, first: int, stride: int, nbuf: int, length: int, burst: int, rss: Mem) -> int:
    """The same, each copied to where the next descriptor points, as a card would; that is part of the time."""
    return rt_bursts(net, cpu, npkt, first, stride, nbuf, length, burst, rss, 1, E1000_RXD_STAT_TCPCS)


@entry
def rt_requests(net: Net, cpu: int, npkt: int, first: int, stride: int, length: int, burst: int, rss: Mem, t: int, socks: Mem) -> int:
    """npkt frames like that, frame i for the socket socks[i] (le64).  After each burst thread t reads each of its sockets once, as one that
    epoll_wait() has told does; th.sum has the first 8 bytes of each read.  Returns how many there were."""
    sent, got = 0, 0
    th = net.thread[t]
    buf = mem_at(th.buf_addr)
    while sent < npkt:
        begin = sent
        while sent - begin < burst and sent < npkt:
            if not rt_post(net, cpu, first + sent * stride, length, le64(rss, sent * 8), 1, E1000_RXD_STAT_TCPCS):
                break
            sent += 1
        rt_begin(net, cpu, rt_clock(net))
        path.call_irq_handler(net.ring[cpu].irq_handler, net, cpu, cpu)
        rt_softirq(net, cpu)
        rt_notes(net, cpu)
        for i in range(begin, sent):
            th.sock = le64(socks, i * 8)
            if sys_recvfrom(net, cpu, t) >= 0:
                got += 1
                th.sum += le64(buf, 0)
        if sent == begin:
            return got
    return got


@always_inline
@path_function
def rt_bursts(net: Net, cpu: int, npkt: int, first: int, stride: int, nbuf: int, length: int, burst: int, rss: Mem, copied: int,
              sums: int) -> int:
    sent, got, idle, b = 0, 0, 0, 0
    while got < npkt and idle < 1000:
        k = 0
        while k < burst and sent < npkt:
            if not rt_post(net, cpu, first + b * stride, length, le64(rss, b * 8), copied, sums):
                break
            b += 1
            if b == nbuf:
                b = 0
            sent += 1
            k += 1
        rt_begin(net, cpu, rt_clock(net))
        path.call_irq_handler(net.ring[cpu].irq_handler, net, cpu, cpu)
        rt_softirq(net, cpu)
        n = rt_notes(net, cpu)
        got += n
        idle = 0 if n or k else idle + 1
    return got


@entry
def rt_ring_up(net: Net, q: int) -> None:
    igb_alloc_rx_buffers(net, q, net.ring[q])
