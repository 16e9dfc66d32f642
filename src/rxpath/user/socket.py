"""The calls of a program: net/socket.c, net/ipv4/af_inet.c.  socket(), bind(), listen(), connect(), recv(), close().

Each looks at what is the same for all protocols, then calls through the protocol's operations (struct proto in path.py).  `b` is a Booted
(boot.py): it has .net and .call (compiled or plain).  Errors are OSError with the kernel's errno.  Each may be called before a run or
between two calls of the engine: then it happens at that moment of virtual time."""
import errno
from typing import Any

from .. import path
from .._compile import entry
from ..abi.kernels import Sysctl
from ..abi.limits import NSOCK
from ..abi.net import Net
from ..abi.numbers import AF_INET, EINVAL, EMFILE, IPPROTO, NEVER, OWNING, TCP
from ..abi.sock import SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK
from .errors import check, error
from .mcast import ip_mc_drop_socket
from .recvmsg import sys_recvfrom
from .sock import sk_alloc, sk_purge, sock_init_data
from .wait import sk_state_change


# ---------------------------------------------------------------- entries
@entry
def inet_create(net: Net, family: int, protocol: int) -> int:
    """A socket's index, EMFILE: there are NSOCK."""
    i = sk_alloc(net)
    if i < 0:
        return EMFILE
    sock_init_data(net, i, family, protocol)
    path.call_proto_init(protocol, net, net.socks[i])
    return i


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
def inet_csk_listen_start(net: Net, i: int, backlog: int) -> int:
    """A socket that says that it listens asks for its port again: others may have been bound to it in the meantime.  One that listens
    already gets a new backlog."""
    sk = net.socks[i]
    if sk.state == TCP.CLOSE or sk.state == TCP.LISTEN:
        tp = net.tcp[i]
        tp.max_ack_backlog = min(backlog, net.sysctl[Sysctl.somaxconn])
    if sk.state != TCP.CLOSE:
        return 0 if sk.state == TCP.LISTEN else EINVAL
    sk.state = TCP.LISTEN
    err = path.call_proto_get_port(sk.protocol, net, sk, sk.port)
    if err:
        sk.state = TCP.CLOSE
        return err
    return path.call_proto_hash(sk.protocol, net, sk)


@entry
def inet_connect(net: Net, cpu: int, i: int, local: int, daddr: int, dport: int, dev: int) -> int:
    sk = net.socks[i]
    return path.call_proto_connect(sk.protocol, net, cpu, sk, local, daddr, dport, dev)


@entry
def inet_disconnect(net: Net, cpu: int, i: int) -> int:
    """connect(AF_UNSPEC)"""
    sk = net.socks[i]
    return path.call_proto_disconnect(sk.protocol, net, cpu, sk)


@entry
def inet_accept(net: Net, cpu: int, i: int) -> int:
    """The first connection that waits to be accepted, EAGAIN."""
    sk = net.socks[i]
    return path.call_proto_accept(sk.protocol, net, cpu, sk)


@entry
def inet_shutdown(net: Net, cpu: int, i: int, how: int) -> int:
    """how: bits of sk.shutdown.  Who waits hears of it."""
    sk = net.socks[i]
    sk.shutdown |= how
    err = path.call_proto_shutdown(sk.protocol, net, cpu, sk, how)
    sk_state_change(net, cpu, sk, -1)
    return err


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
    """recvfrom() of a thread that the engine does not run; a length or a negative errno.  What it copies takes no time."""
    c, got = net.cpu[cpu], OWNING
    while got == OWNING:
        c.horizon = NEVER                            # nobody else is at work in between
        got = sys_recvfrom(net, cpu, t)
    return got


# ---------------------------------------------------------------- the calls
def create(b: Any, protocol: int = IPPROTO.UDP, family: int = AF_INET) -> int:
    """socket(): its index.  EPROTONOSUPPORT: nobody has registered such a protocol; EMFILE: there are NSOCK."""
    if protocol not in path.proto_init:
        raise error(errno.EPROTONOSUPPORT, f"socket of protocol {protocol}")
    return check(b.call(inet_create)(b.net, family, int(protocol)), f"one socket more than {NSOCK}")


def bind(b: Any, i: int, addr: int = 0, port: int = 0) -> int:
    """bind(): the port.  EADDRINUSE as the protocol's get_port() says; EINVAL if it is bound already."""
    if not 0 <= port <= 65535 or not 0 <= addr <= 0xFFFFFFFF:
        raise error(errno.EINVAL, f"bind {addr}:{port}")
    check(b.call(inet_bind)(b.net, i, addr, port), f"bind port {port}")
    return int(b.net.socks[i].port)


def listen(b: Any, i: int, backlog: int = 4096) -> None:
    """listen(): up to `backlog` connections and one wait to be accepted, and as many requests (net.core.somaxconn is the most).
    EOPNOTSUPP: the protocol has no listeners; EADDRINUSE: somebody else listens there by now."""
    if b.net.socks[i].protocol not in path.proto_hash:
        raise error(errno.EOPNOTSUPP, "listen")
    check(b.call(inet_csk_listen_start)(b.net, i, backlog & 0xFFFFFFFF), "listen")


def accept(b: Any, i: int, cpu: int = 0) -> int:
    """accept4(SOCK_NONBLOCK): the connection's socket.  EAGAIN: nobody waits; EINVAL: it does not listen; EOPNOTSUPP: nobody can."""
    if b.net.socks[i].protocol not in path.proto_accept:
        raise error(errno.EOPNOTSUPP, "accept")
    return check(b.call(inet_accept)(b.net, cpu, i), "accept")


def shutdown(b: Any, i: int, how: int, cpu: int = 0) -> None:
    """shutdown(): SHUT_RD, SHUT_WR or SHUT_RDWR.  ENOTCONN: it is not connected."""
    sk = b.net.socks[i]
    if not 0 <= how <= 2:
        raise error(errno.EINVAL, "shutdown")
    if sk.protocol not in path.proto_shutdown:
        raise error(errno.EOPNOTSUPP, "shutdown")
    if sk.state in (TCP.CLOSE, TCP.LISTEN):
        raise error(errno.ENOTCONN, "shutdown")
    check(b.call(inet_shutdown)(b.net, cpu, i, how + 1), "shutdown")


def connect(b: Any, i: int, daddr: int, dport: int, local: int | None = None, dev: int = 0, cpu: int = 0) -> None:
    """connect(): only that peer's packets; a stream's SYN goes out, and EINPROGRESS says so.  local, dev: the address and the device that
    routing would choose (default: the first device and its address)."""
    if not 0 < dport <= 65535:
        raise error(errno.EINVAL, f"connect to port {dport}")
    if b.net.socks[i].port == 0:
        bind(b, i)
    check(b.call(inet_connect)(b.net, cpu, i, b.net.dev[dev].addr if local is None else local, daddr, dport, dev), "connect")


def disconnect(b: Any, i: int, cpu: int = 0) -> None:
    """connect(AF_UNSPEC): anybody's packets again; a connection is reset."""
    check(b.call(inet_disconnect)(b.net, cpu, i), "disconnect")


def close(b: Any, i: int, cpu: int = 0) -> None:
    """close(): what it held is gone; its index may be used again."""
    if not b.net.socks[i].in_use:
        raise error(errno.EBADF, "close")
    b.call(inet_release)(b.net, cpu, i)


def recv(b: Any, t: int, cpu: int = 0) -> int:
    """recvfrom(MSG_DONTWAIT) of thread t, which has its socket, flags and buffer (abi/engine.py); raises BlockingIOError."""
    n = b.call(recv_now)(b.net, cpu, t)
    return check(n, "recvfrom")
