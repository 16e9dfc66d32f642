"""A queue in real time from a ring in memory, one thread for each queue: ring -> hard IRQ -> softirq -> recvfrom."""
from .. import path
from .._compile import Mem, entry, le64, mem_at, path_function, prefetch, reset_struct
from ..abi.limits import NNOTE, NSOCK, NTHREAD
from ..abi.net import Net
from ..abi.numbers import E1000_RXD_STAT_EOP, E1000_RXD_STAT_IPCS, NEVER, Note, Trail
from ..drivers.igb_main import igb_alloc_rx_buffers
from ..drivers.nic import nic_write_back
from ..irq.softirq import do_softirq
from ..user.recvmsg import sys_recvfrom
from ..user.wait import wait_add_tail


@entry
def rt_init(net: Net, cpu: int) -> None:
    """This thread's CPU: nobody is earlier, its own pool of skbs."""
    c, sd = net.cpu[cpu], net.sd[cpu]
    net.real_time += 1                               # CPUs
    if net.trail == Trail.OFF:
        net.trail = Trail.UNWATCHED
    c.horizon, c.private = NEVER, NEVER
    sd.pool = cpu


@path_function
def rt_softirq(net: Net, cpu: int) -> None:
    """Softirqs until there are none."""
    sd, c = net.sd[cpu], net.cpu[cpu]
    while sd.pending or sd.in_softirq:
        do_softirq(net, cpu)
        c.horizon, c.private = NEVER, NEVER          # a station wanted us to come back: look at the notes


@entry
def rt_reader(net: Net, t: int, sk: int) -> None:
    """Thread t sleeps in recvfrom on that socket."""
    th, s = net.thread[t], net.socks[sk]
    th.sock = sk
    th.wait = t
    own = net.wait[t]
    reset_struct(own)
    own.thread = t
    s.readers += 1
    wait_add_tail(net, s, t)


@path_function
def rt_ahead(net: Net, cpu: int, at: int) -> None:
    """Who reads next, and who after that: among a thousand readers their lines are far away, and the notes know them in time."""
    second = net.thread[net.note[cpu][at + 1 & NNOTE - 1] >> 8 & NTHREAD - 1]
    prefetch(second)
    first = net.thread[net.note[cpu][at & NNOTE - 1] >> 8 & NTHREAD - 1]
    sk = net.socks[first.sock & NSOCK - 1]
    prefetch(sk.lock)


@path_function
def rt_read(net: Net, cpu: int) -> int:
    """epoll-like application in the same thread: whoever was told of data reads until EAGAIN and sleeps again."""
    sd, got = net.sd[cpu], 0
    while sd.note_head != sd.note_tail:
        note = net.note[cpu][sd.note_head & NNOTE - 1]
        sd.note_head += 1
        rt_ahead(net, cpu, sd.note_head)
        if note & 255 == Note.WAKE_READER:
            t = note >> 8
            th = net.thread[t]
            buf = mem_at(th.buf_addr)
            while sys_recvfrom(net, cpu, t) >= 0:
                got += 1
                th.sum += le64(buf, 0)
            wait_add_tail(net, net.socks[th.sock], t)
    return got


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
    buffers, `burst` at a time, until npkt have been read.  Returns how many were."""
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
        path.call_irq_handler(net.ring[cpu].irq_handler, net, cpu, cpu)
        rt_softirq(net, cpu)
        n = rt_read(net, cpu)
        got += n
        idle = 0 if n or k else idle + 1
    return got


@entry
def rt_ring_up(net: Net, q: int) -> None:
    igb_alloc_rx_buffers(net, q, net.ring[q])
