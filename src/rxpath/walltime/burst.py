"""A queue in real time from a ring in memory, one thread for each queue: ring -> hard IRQ -> softirq -> recvfrom."""
from .. import path
from .._compile import Mem, entry, le64, path_function
from ..abi.net import Net
from ..abi.numbers import E1000_RXD_STAT_EOP, E1000_RXD_STAT_IPCS
from ..drivers.igb_main import igb_alloc_rx_buffers
from ..drivers.nic import nic_write_back
from .engine import rt_begin, rt_clock, rt_notes, rt_softirq


@path_function
def rt_post(net: Net, q: int, buf: int, length: int, rss: int) -> bool:
    """A frame that lies in packet memory already: its descriptor is written back where it lies."""
    ring = net.ring[q]
    if ring.next_to_use == ring.hw_head:
        return False
    desc = net.desc[q][ring.hw_at]
    desc.buf = buf
    nic_write_back(net, q, ring, length, rss, 0, 0, E1000_RXD_STAT_EOP | E1000_RXD_STAT_IPCS)
    return True


@entry
def rt_serve(net: Net, cpu: int, npkt: int, first: int, stride: int, nbuf: int, length: int, burst: int, rss: Mem) -> int:
    """nbuf frames that lie in packet memory from `first`, `stride` bytes apart, their hashes in rss (le64): cycled as a ring recycles its
    buffers, `burst` at a time, until npkt have been read.  The clock is read once a burst.  Returns how many were."""
    sent, got, idle, b = 0, 0, 0, 0
    while got < npkt and idle < 1000:
        k = 0
        while k < burst and sent < npkt:
            if not rt_post(net, cpu, first + b * stride, length, le64(rss, b * 8)):
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
