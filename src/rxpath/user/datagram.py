"""Is there a datagram?  udp_poll(), which is datagram_poll() of net/core/datagram.c with UDP's care, and FIONREAD.

poll() and epoll call through proto_poll.  A socket that would block must be sure that it can be read: both throw damaged datagrams away
that stand at the head of its queue (checksum.py)."""
from typing import Any

from .._compile import entry, path_function
from ..abi.net import Net
from ..abi.numbers import IPPROTO, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM
from ..abi.sock import RCV_SHUTDOWN, SHUTDOWN_MASK, sock
from ..path import proto_poll
from ..skb import skb_csum_unnecessary
from .checksum import first_packet_length
from .wmem import sock_writeable


@proto_poll(IPPROTO.UDP)
@path_function
def udp_poll(net: Net, cpu: int, sk: sock) -> int:
    """Its events now.  A socket that would block must be sure that it can be read: damaged datagrams at the head are thrown away here."""
    mask = 0
    if sock_writeable(sk):
        mask = POLLOUT | POLLWRNORM | POLLWRBAND
    else:
        sk.nospace = 1
    if sk.err:
        mask |= POLLERR
    if sk.shutdown & RCV_SHUTDOWN:
        mask |= POLLRDHUP | POLLIN | POLLRDNORM
    if sk.shutdown == SHUTDOWN_MASK:
        mask |= POLLHUP
    if sk.reader_queue.head < 0 and sk.receive_queue.head < 0:
        return mask
    if sk.nonblock or sk.shutdown & RCV_SHUTDOWN:
        return mask | POLLIN | POLLRDNORM
    if sk.reader_queue.head >= 0:
        skb = net.skb[sk.reader_queue.head]
        if skb_csum_unnecessary(skb):
            return mask | POLLIN | POLLRDNORM
    if first_packet_length(net, cpu, sk) >= 0:
        mask |= POLLIN | POLLRDNORM
    return mask


@entry
def sock_fionread(net: Net, cpu: int, i: int) -> int:
    """SIOCINQ: looks at the queue as poll() does, with all that follows from it."""
    return max(0, first_packet_length(net, cpu, net.socks[i]))


def fionread(b: Any, i: int, cpu: int = 0) -> int:
    """ioctl(SIOCINQ): the length of the next datagram, 0 for none."""
    return int(b.call(sock_fionread)(b.net, cpu, i))
