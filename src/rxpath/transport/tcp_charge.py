"""What a connection's queues weigh: net/core/sock.c (sk_mem_charge, __sk_mem_schedule, sock_rfree).

Counted in truesize.  Whole pages are taken from tcp_mem; what is less than one is kept."""
from .._compile import path_function
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import SEGMENT_TRUESIZE
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..record import record_sock

PAGE_SHIFT, PAGE = 12, 4096


@path_function
def tcp_rmem_schedule(net: Net, sk: sock, size: int) -> bool:
    """sk_rmem_schedule(): pages for what is lacking.  False: tcp_mem is used up."""
    if size <= sk.forward_alloc:
        return True
    pages = size - sk.forward_alloc + PAGE - 1 >> PAGE_SHIFT
    total = net.tcp_memory + pages
    if total > net.sysctl[Sysctl.tcp_mem_2] and net.sysctl[Sysctl.tcp_mem_2] and sk.rmem_alloc >= net.sysctl[Sysctl.tcp_rmem_0]:
        return False
    net.tcp_memory = total
    sk.forward_alloc += pages << PAGE_SHIFT
    return True


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
def tcp_wfree(net: Net, sk: sock, n: int) -> None:
    """n of them have been acknowledged, or given up."""
    sk.forward_alloc += n * SEGMENT_TRUESIZE
    sk_mem_reclaim(net, sk)


@path_function
def sk_mem_reclaim(net: Net, sk: sock) -> None:
    """Whole pages go back at once."""
    if sk.forward_alloc >= PAGE:
        net.tcp_memory -= sk.forward_alloc >> PAGE_SHIFT
        sk.forward_alloc &= PAGE - 1


@path_function
def tcp_rfree(net: Net, cpu: int, sk: sock, size: int) -> None:
    """sock_rfree()"""
    sk.rmem_alloc -= size
    sk.forward_alloc += size
    sk_mem_reclaim(net, sk)
    if net.record:
        record_sock(net, cpu, sk)
