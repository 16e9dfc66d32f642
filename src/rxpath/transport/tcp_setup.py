"""Control plane of TCP: a listener.  Plain Python that writes the tables which tcp.py reads."""
from typing import Any

from .._compile import entry
from ..abi.limits import NSOCK
from ..abi.net import Net
from ..abi.numbers import AF_INET, IPPROTO, TCP_LISTEN
from .tcp import inet_lhashfn


@entry
def inet_listen(net: Net, i: int, addr: int, port: int, bound_dev: int) -> None:
    """bind() and listen() of socket i."""
    sk = net.socks[i]
    sk.idx, sk.family, sk.protocol, sk.state = i, AF_INET, IPPROTO.TCP, TCP_LISTEN
    sk.port, sk.rcv_saddr_hi, sk.rcv_saddr_lo, sk.bound_dev = port, 0, addr, bound_dev
    h = inet_lhashfn(port)
    sk.hnext = net.tcp_lhash[h]
    net.tcp_lhash[h] = i


def tcp_listen(b: Any, addr: int, port: int, bound_dev: int = 0) -> int:
    """A listening TCP socket; its index.  b is what boot made."""
    i = b.net.nsock
    if i >= NSOCK:
        raise ValueError(f"more than {NSOCK} sockets")
    b.net.nsock += 1
    b.call(inet_listen)(b.net, int(i), addr, port, bound_dev)
    return int(i)
