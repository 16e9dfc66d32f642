"""The calls of a program: net/socket.c, net/ipv4/af_inet.c.  socket(), bind(), listen(), connect(), recv(), close().

Each looks at what is the same for all protocols, then calls through the protocol's operations (struct proto in path.py).  `b` is a Booted
(boot.py): it has .net and .call (compiled or plain).  Errors are OSError with the kernel's errno.  Each may be called before a run or
between two calls of the engine: then it happens at that moment of virtual time."""
import errno
from typing import Any

from .. import path
from .._compile import entry
from ..abi.limits import NSOCK
from ..abi.net import Net
from ..abi.numbers import AF_INET, EINVAL, IPPROTO, TCP
from ..abi.sock import SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK
from .errors import check, error
from .mcast import ip_mc_drop_socket
from .recvmsg import sys_recvfrom
from .sock import sk_purge, sock_init_data


# ---------------------------------------------------------------- entries
@entry
def inet_create(net: Net, i: int, family: int, protocol: int) -> int:
    sock_init_data(net, i, family, protocol)
    return path.call_proto_init(protocol, net, net.socks[i])


@entry
def inet_bind(net: Net, i: int, addr: int, port: int) -> int:
    """0, or an errno."""
    sk = net.socks[i]
    if sk.state != TCP.CLOSE or sk.port:
        return EINVAL
    sk.rcv_saddr_lo = addr
    err = path.call_proto_get_port(sk.protocol, net, sk, port)
    if err:
        sk.rcv_saddr_lo = 0
        return err
    if addr:
        sk.userlocks |= SOCK_BINDADDR_LOCK
    if port:
        sk.userlocks |= SOCK_BINDPORT_LOCK
    return 0


@entry
def inet_csk_listen_start(net: Net, i: int) -> int:
    """A socket that says that it listens asks for its port again: others may have been bound to it in the meantime."""
    sk = net.socks[i]
    if sk.state != TCP.CLOSE:
        return 0 if sk.state == TCP.LISTEN else EINVAL
    sk.state = TCP.LISTEN
    err = path.call_proto_get_port(sk.protocol, net, sk, sk.port)
    if err:
        sk.state = TCP.CLOSE
        return err
    return path.call_proto_hash(sk.protocol, net, sk)


@entry
def inet_connect(net: Net, i: int, local: int, daddr: int, dport: int) -> int:
    sk = net.socks[i]
    return path.call_proto_connect(sk.protocol, net, sk, local, daddr, dport)


@entry
def inet_disconnect(net: Net, i: int) -> int:
    """connect(AF_UNSPEC)"""
    sk = net.socks[i]
    return path.call_proto_disconnect(sk.protocol, net, sk)


@entry
def inet_release(net: Net, cpu: int, i: int) -> int:
    sk = net.socks[i]
    ip_mc_drop_socket(net, sk)
    return path.call_proto_close(sk.protocol, net, cpu, sk)


@entry
def inet_stop(net: Net, cpu: int, i: int) -> int:
    """The program that has this socket ends: nobody finds it, and what it held is gone.  Its settings stay for inet_restart()."""
    sk = net.socks[i]
    err = path.call_proto_unhash(sk.protocol, net, sk)
    sk_purge(net, cpu, sk)
    return err


@entry
def inet_restart(net: Net, i: int, addr: int, port: int) -> int:
    """The program has started again and bound its socket as before.  0, or an errno."""
    sk = net.socks[i]
    sk.rcv_saddr_lo = addr
    return path.call_proto_get_port(sk.protocol, net, sk, port)


@entry
def recv_now(net: Net, cpu: int, t: int) -> int:
    """recvfrom() of a thread that the engine does not run; a length or a negative errno."""
    return sys_recvfrom(net, cpu, t)


# ---------------------------------------------------------------- the calls
def create(b: Any, protocol: int = IPPROTO.UDP, family: int = AF_INET) -> int:
    """socket(): its index.  EPROTONOSUPPORT: nobody has registered such a protocol; EMFILE: there are NSOCK."""
    net = b.net
    if protocol not in path.proto_init:
        raise error(errno.EPROTONOSUPPORT, f"socket of protocol {protocol}")
    if net.sock_free >= 0:
        i = net.sock_free
        net.sock_free = net.socks[i].hnext4
    elif net.nsock < NSOCK:
        i = net.nsock
        net.nsock += 1
    else:
        raise error(errno.EMFILE, f"more than {NSOCK} sockets")
    b.call(inet_create)(net, i, family, int(protocol))
    return int(i)


def bind(b: Any, i: int, addr: int = 0, port: int = 0) -> int:
    """bind(): the port.  EADDRINUSE as the protocol's get_port() says; EINVAL if it is bound already."""
    if not 0 <= port <= 65535 or not 0 <= addr <= 0xFFFFFFFF:
        raise error(errno.EINVAL, f"bind {addr}:{port}")
    check(b.call(inet_bind)(b.net, i, addr, port), f"bind port {port}")
    return int(b.net.socks[i].port)


def listen(b: Any, i: int) -> None:
    """listen().  EOPNOTSUPP: the protocol has no listeners; EADDRINUSE: somebody else listens there by now."""
    if b.net.socks[i].protocol not in path.proto_hash:
        raise error(errno.EOPNOTSUPP, "listen")
    check(b.call(inet_csk_listen_start)(b.net, i), "listen")


def connect(b: Any, i: int, daddr: int, dport: int, local: int | None = None) -> None:
    """connect(): only that peer's packets.  local: the address that routing would choose (default: the first device's)."""
    if not 0 < dport <= 65535:
        raise error(errno.EINVAL, f"connect to port {dport}")
    if b.net.socks[i].port == 0:
        bind(b, i)
    check(b.call(inet_connect)(b.net, i, b.net.dev[0].addr if local is None else local, daddr, dport), "connect")


def disconnect(b: Any, i: int) -> None:
    """connect(AF_UNSPEC): anybody's packets again."""
    check(b.call(inet_disconnect)(b.net, i), "disconnect")


def close(b: Any, i: int, cpu: int = 0) -> None:
    """close(): what it held is gone; its index may be used again."""
    if not b.net.socks[i].in_use:
        raise error(errno.EBADF, "close")
    b.call(inet_release)(b.net, cpu, i)


def recv(b: Any, t: int, cpu: int = 0) -> int:
    """recvfrom(MSG_DONTWAIT) of thread t, which has its socket, flags and buffer (abi/engine.py); raises BlockingIOError."""
    n = b.call(recv_now)(b.net, cpu, t)
    return check(n, "recvfrom")
