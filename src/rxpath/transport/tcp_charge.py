"""What a connection's queues weigh: net/core/sock.c (sk_mem_charge, __sk_mem_raise_allocated, sock_rfree), and what all of them may weigh
together: net.ipv4.tcp_mem, net/ipv4/tcp.c (tcp_enter_memory_pressure).

Counted in truesize.  Whole pages are taken from tcp_mem; what is less than one is kept.  Up to its first number nobody is refused.  Above
the second all connections are under pressure until they are below the first again: windows open no further (tcp_rcvbuf.py,
tcp_window.py), and who holds more than an equal share of the third gets no more.  Above the third nobody does.  The kernel's count lags
by up to 256 pages for each CPU (net.core.mem_pcpu_rsv); here it is exact."""
from .._compile import cold, path_function
from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.net import Net
from ..abi.numbers import SEGMENT_TRUESIZE
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..abi.tcp import tcp_sock
from ..record import record_sock
from ..timer import jiffies

PAGE_SHIFT, PAGE = 12, 4096


# ---------------------------------------------------------------- tcp_mem
@cold
@path_function
def tcp_enter_memory_pressure(net: Net, cpu: int) -> None:
    if net.tcp_memory_pressure == 0:
        net.tcp_memory_pressure = jiffies(net, cpu) + 1
        net.snmp[cpu][Mib.TcpExt_TCPMemoryPressures] += 1


@cold
@path_function
def tcp_leave_memory_pressure(net: Net, cpu: int) -> None:
    """How long it was is counted in milliseconds."""
    lasted = jiffies(net, cpu) + 1 - net.tcp_memory_pressure
    net.tcp_memory_pressure = 0
    net.snmp[cpu][Mib.TcpExt_TCPMemoryPressuresChrono] += lasted * net.sysctl[Sysctl.jiffy_ns] // 1_000_000


@path_function
def __sk_mem_raise_allocated(net: Net, cpu: int, sk: sock, pages: int) -> bool:
    """May the connection have that many pages more, which stand in its forward_alloc already?"""
    net.tcp_memory += pages
    if net.tcp_memory > net.sysctl[Sysctl.tcp_mem_0]:
        return sk_mem_raise_above(net, cpu, sk, pages)
    if net.tcp_memory_pressure:
        tcp_leave_memory_pressure(net, cpu)
    return True


@cold
@path_function
def sk_mem_raise_above(net: Net, cpu: int, sk: sock, pages: int) -> bool:
    """The same above the first limit.  What a connection may hold in any case (tcp_rmem) ends at the third, too: else a flood of
    connections could hold any amount."""
    s = net.sysctl
    if net.tcp_memory > s[Sysctl.tcp_mem_1]:
        tcp_enter_memory_pressure(net, cpu)
    if net.tcp_memory <= s[Sysctl.tcp_mem_2]:
        if sk.rmem_alloc < s[Sysctl.tcp_rmem_0] or net.tcp_memory_pressure == 0:
            return True
        tp = net.tcp[sk.idx]
        holds = tp.packets_out * SEGMENT_TRUESIZE + sk.rmem_alloc + sk.forward_alloc
        if s[Sysctl.tcp_mem_2] > net.tcp_sockets * (holds + PAGE - 1 >> PAGE_SHIFT):     # less than an equal share
            return True
    net.tcp_memory -= pages
    return False


@path_function
def __sk_mem_reduce_allocated(net: Net, cpu: int, pages: int) -> None:
    net.tcp_memory -= pages
    if net.tcp_memory_pressure and net.tcp_memory < net.sysctl[Sysctl.tcp_mem_0]:
        tcp_leave_memory_pressure(net, cpu)


@cold
@path_function
def tcp_adjust_rcv_ssthresh(tp: tcp_sock) -> None:
    """Under pressure: a window of four segments will do."""
    tp.rcv_ssthresh = min(tp.rcv_ssthresh, 4 * tp.advmss)


# ---------------------------------------------------------------- one connection
@path_function
def tcp_rmem_schedule(net: Net, cpu: int, sk: sock, size: int) -> bool:
    """sk_rmem_schedule(): pages for what is lacking.  False: tcp_mem has none."""
    if size <= sk.forward_alloc:
        return True
    pages = size - sk.forward_alloc + PAGE - 1 >> PAGE_SHIFT
    sk.forward_alloc += pages << PAGE_SHIFT
    if __sk_mem_raise_allocated(net, cpu, sk, pages):
        return True
    sk.forward_alloc -= pages << PAGE_SHIFT
    return False


@path_function
def tcp_rmem_force(net: Net, sk: sock, size: int) -> None:
    """sk_forced_mem_schedule(): an empty queue takes a segment whatever tcp_mem says, so that the connection goes on."""
    if size > sk.forward_alloc:
        pages = size - sk.forward_alloc + PAGE - 1 >> PAGE_SHIFT
        net.tcp_memory += pages
        sk.forward_alloc += pages << PAGE_SHIFT


@path_function
def skb_set_owner_r(net: Net, cpu: int, sk: sock, skb: sk_buff) -> None:
    """It is charged."""
    sk.rmem_alloc += skb.truesize
    sk.forward_alloc -= skb.truesize
    if sk.rmem_alloc > sk.rmem_max_seen:
        sk.rmem_max_seen = sk.rmem_alloc
    if net.record:
        record_sock(net, cpu, sk)


@path_function
def tcp_wcharge(net: Net, sk: sock) -> None:
    """A SYN or a FIN of ours is in flight: a segment without data, made in software."""
    tcp_rmem_force(net, sk, SEGMENT_TRUESIZE)
    sk.forward_alloc -= SEGMENT_TRUESIZE


@path_function
def tcp_wfree(net: Net, cpu: int, sk: sock, n: int) -> None:
    """n of them have been acknowledged, or given up."""
    sk.forward_alloc += n * SEGMENT_TRUESIZE
    sk_mem_reclaim(net, cpu, sk)


@path_function
def sk_mem_reclaim(net: Net, cpu: int, sk: sock) -> None:
    """Whole pages go back at once."""
    if sk.forward_alloc >= PAGE:
        __sk_mem_reduce_allocated(net, cpu, sk.forward_alloc >> PAGE_SHIFT)
        sk.forward_alloc &= PAGE - 1


@path_function
def tcp_rfree(net: Net, cpu: int, sk: sock, size: int) -> None:
    """sock_rfree()"""
    sk.rmem_alloc -= size
    sk.forward_alloc += size
    sk_mem_reclaim(net, cpu, sk)
    if net.record:
        record_sock(net, cpu, sk)
