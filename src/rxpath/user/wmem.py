"""Send memory of a socket: sock_wmalloc(), sock_wfree(), sock_def_write_space() of net/core/sock.c.

Counted in truesize, from when a packet is made until its device has sent it.  Called by whoever makes a packet for a socket, and by
drivers and queues that free one.  What answers a frame belongs to no socket."""
from .._compile import cold, path_function
from ..abi.net import Net
from ..abi.numbers import NO_SOCK, SHARED_INFO, TRUESIZE_OVERHEAD
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..skb import skb_release
from .wait import sock_def_write_space

LINEAR_MAX = 16064                                  # SKB_MAX_ALLOC: a longer datagram keeps its data in page fragments
TRANSPORT = 28                                      # headers of IP and UDP, which stay in the head


@path_function
def sock_wmalloc_truesize(net: Net, l3_len: int, room: int) -> int:
    """An skb that ip_make_skb() allocated: small ones from their own cache (832; 960 where the kernel's configuration makes it larger),
    others from kmalloc's powers of two, the longest with their data in page fragments.  room: net_device.sender_room."""
    size = l3_len + room + 63 & ~63
    if size + SHARED_INFO <= net.small_head:
        return net.small_head + TRUESIZE_OVERHEAD
    if l3_len + room >= LINEAR_MAX:
        return net.small_head + TRUESIZE_OVERHEAD + l3_len - TRANSPORT
    slab = 1024
    while slab < size + SHARED_INFO:
        slab *= 2
    return slab + TRUESIZE_OVERHEAD


@path_function
def sock_writeable(sk: sock) -> bool:
    """Less than half of its buffer is under way."""
    return sk.wmem_alloc < sk.sndbuf >> 1


@path_function
def skb_set_owner_w(net: Net, sk: sock, skb: sk_buff) -> None:
    """The packet is this socket's until it is gone."""
    skb.sk, skb.sk_gen = sk.idx, sk.gen
    sk.wmem_alloc += skb.truesize


@path_function
def skb_orphan(net: Net, cpu: int, skb: sk_buff) -> None:
    """It is nobody's any more: sock_wfree()."""
    if skb.sk >= 0:
        sock_wfree(net, cpu, skb)


@cold
@path_function
def sock_wfree(net: Net, cpu: int, skb: sk_buff) -> None:
    sk = net.socks[skb.sk]
    skb.sk = NO_SOCK
    if sk.gen != skb.sk_gen:                         # it has closed meanwhile
        return
    sk.wmem_alloc -= skb.truesize
    if sk.nospace and sock_writeable(sk):
        sk.nospace = 0
        sock_def_write_space(net, cpu, sk)


@path_function
def dev_kfree_skb(net: Net, cpu: int, skb: sk_buff) -> None:
    """A packet that was to be sent is gone, one way or the other."""
    skb_orphan(net, cpu, skb)
    skb_release(net, cpu, skb)
