"""Receive memory of a UDP socket: net/ipv4/udp.c's own accounting (4.10 and later), net/core/sock.c's (3.10).

Counted in truesize.  rmem_alloc is what the queues hold; forward_alloc what the socket has taken from udp_mem in whole pages and not used.
6.18: the reader gives back in lumps of a quarter of the buffer.  3.10: at each datagram."""
from .._compile import path_function
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.sock import sock
from ..path import Stage
from ..record import record_sock
from ..skb import skb_queue_splice_tail_init
from ..turn import charge, line_from, spin_lock, spin_unlock

PAGE_SHIFT, PAGE = 12, 4096


@path_function
def sk_mem_raise(net: Net, sk: sock, pages: int) -> bool:
    """__sk_mem_raise_allocated(): may the socket have that many pages more?  Limits of 0 are no limits."""
    total = net.udp_memory + pages
    s = net.sysctl
    if total > s[Sysctl.udp_mem_0] and s[Sysctl.udp_mem_2]:
        if total > s[Sysctl.udp_mem_2] or sk.rmem_alloc >= s[Sysctl.udp_rmem_min]:
            return False
    if net.real_time == 0:                           # threads would fight for this line; the kernel counts in lots for each CPU
        net.udp_memory = total
    sk.forward_alloc += pages << PAGE_SHIFT
    return True


@path_function
def udp_rmem_schedule(net: Net, sk: sock, size: int) -> bool:
    """6.18: pages for what is lacking."""
    if size > sk.forward_alloc:
        return sk_mem_raise(net, sk, (size - sk.forward_alloc + PAGE - 1) >> PAGE_SHIFT)
    return True


@path_function
def sk_rmem_schedule(net: Net, sk: sock, size: int) -> bool:
    """3.10: pages for the whole datagram, when what is left does not do."""
    if size > sk.forward_alloc:
        return sk_mem_raise(net, sk, (size + PAGE - 1) >> PAGE_SHIFT)
    return True


@path_function
def reader_has_lines(net: Net, cpu: int, sk: sock) -> None:
    """The reader takes the socket's lock.  What the lines cost is charged with each datagram, not with the lock."""
    lock = sk.lock
    if lock.last_cpu != cpu:
        lines_wanted(net, cpu, sk)
        lock.last_cpu = cpu
    sk.reader_cpu = cpu


@path_function
def lines_wanted(net: Net, cpu: int, sk: sock) -> None:
    """This CPU takes the socket's lines from another.  Each CPU beyond two that took them lately wants them back already: they come later,
    which is what many readers, or many queues, of one socket cost."""
    before = sk.takers
    sk.takers = before << 8 & 0xFFFF_FFFF | cpu + 1
    last = before & 0xFF
    if last == 0:
        return
    seen, others = before >> 8, 0
    second = 0
    while seen:
        other = seen & 0xFF
        if other != cpu + 1 and other != last and other != second:
            second = other
            others += 1
        seen >>= 8
    for _ in range(others):
        charge(net, cpu, Stage.CONTEND)


@path_function
def lines_arrive(net: Net, cpu: int, sk: sock) -> None:
    """A socket's and its packet's lines lie in another CPU's cache: they come once, whatever of them is read; the lock is among them."""
    lock = sk.lock
    last = lock.last_cpu
    if last == cpu:                                  # the reader's, which reads without the lock
        charge(net, cpu, line_from(net, cpu, sk.reader_cpu))
        return
    if last >= 0:
        charge(net, cpu, line_from(net, cpu, last))
        lines_wanted(net, cpu, sk)
    lock.last_cpu = cpu


@path_function
def reader_queue_splice(net: Net, sk: sock) -> None:
    """Take everything that softirqs have queued: one touch for many datagrams."""
    queue = sk.receive_queue
    if queue.head >= 0:
        skb_queue_splice_tail_init(net, queue, sk.reader_queue)


@path_function
def udp_rmem_release(net: Net, cpu: int, sk: sock, size: int) -> None:
    """Memory goes back in lumps of rcvbuf / 4, or when the reader has nothing left of its own."""
    sk.deficit += size
    if sk.deficit < sk.forward_threshold and sk.reader_queue.head >= 0:
        if net.record:
            record_sock(net, cpu, sk)
        return
    udp_rmem_release_now(net, cpu, sk)


@path_function
def udp_rmem_release_now(net: Net, cpu: int, sk: sock) -> None:
    charge(net, cpu, Stage.udp_rmem_release)
    reader_has_lines(net, cpu, sk)
    spin_lock(net, cpu, sk.lock)
    size = sk.deficit
    sk.deficit = 0
    amount = (size + sk.forward_alloc - 1) & ~(PAGE - 1)
    sk.forward_alloc += size - amount
    if net.real_time == 0:
        net.udp_memory -= amount >> PAGE_SHIFT
    sk.rmem_alloc -= size
    reader_queue_splice(net, sk)
    if net.record:
        record_sock(net, cpu, sk)
    spin_unlock(net, sk.lock)


@path_function
def sock_rfree(net: Net, cpu: int, sk: sock, size: int) -> None:
    """3.10: sock_rfree() and sk_mem_reclaim_partial(): more than a page is given back but for the odd bytes."""
    sk.rmem_alloc -= size
    sk.forward_alloc += size
    if sk.forward_alloc > PAGE:
        if net.real_time == 0:
            net.udp_memory -= sk.forward_alloc >> PAGE_SHIFT
        sk.forward_alloc &= PAGE - 1
    if net.record:
        record_sock(net, cpu, sk)
