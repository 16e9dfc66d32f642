"""The socket of a Python program: the methods of socket.socket, with the kernel's errnos.

net/socket.c, net/ipv4/af_inet.c and datagram.c, seen from the program.  Receiving and polling take virtual time (program.py); the other
calls happen at once.  Sending: sending.py; options: sockopt.py; poll(), select() and epoll: polling.py."""
import errno
import os
import socket as std
from operator import index
from typing import Any, NoReturn, Self

from ..abi.kernels import Sysctl
from ..abi.mib import Mib
from ..abi.numbers import EAGAIN, IPPROTO, MSG_DONTWAIT, MSG_TRUNC, POLLIN, RTN, TCP, Op
from ..network import setup as network
from ..transport.tcp_sockopt import tcp_inq
from ..user import datagram, sock
from ..user import socket as sockets
from . import sockopt
from .addresses import Address, parse, text
from .process import Process
from .sending import CORK, Sending
from .sockopt import error, is_stream
from .stream import Stream

MSG_ERRQUEUE = int(std.MSG_ERRQUEUE)                # an IntFlag takes longer than the rest of a call
PROTOCOLS = {std.SOCK_DGRAM: std.IPPROTO_UDP, std.SOCK_STREAM: std.IPPROTO_TCP}


class Socket(Sending, Stream):
    """A UDP or TCP socket of the simulated host.  sk: an accepted connection's, else a new one is made."""

    def __init__(self, process: Process, family: int = std.AF_INET, type: int = std.SOCK_DGRAM, proto: int = 0,
                 sk: int | None = None) -> None:
        kind = type & 0xF
        if family != std.AF_INET:
            raise error(errno.EAFNOSUPPORT)
        if kind not in PROTOCOLS:
            raise OSError(errno.ESOCKTNOSUPPORT, f"{os.strerror(errno.ESOCKTNOSUPPORT)}: SOCK_DGRAM and SOCK_STREAM exist here")
        if proto not in (0, PROTOCOLS[std.SocketKind(kind)]):
            raise error(errno.EPROTONOSUPPORT)
        self.process, self.boot, self.net = process, process.boot, process.boot.net
        self.family, self.type, self.proto = std.AF_INET, std.SocketKind(kind), proto
        self.sk = sockets.create(self.boot, IPPROTO(PROTOCOLS[std.SocketKind(kind)])) if sk is None else sk
        self.row = self.net.socks[self.sk]           # struct sock
        self.fd = process.new_fd(self)
        self.kept: dict[tuple[int, int], Any] = {}
        self.dont_wait, self.calls, self.closing = False, 0, False
        self._closed, self._io_refs = False, 0
        self._timeout: float | None = None
        self.net.socks[self.sk].readers += 1
        if type & std.SOCK_NONBLOCK:
            self.settimeout(0.0)

    def _accepted(self, sk: int) -> Self:
        return type(self)(self.process, self.family, self.type, self.proto, sk)

    def _check(self) -> Any:
        if self.fd < 0:
            raise error(errno.EBADF)
        return self.row

    # ------------------------------------------------------------ names
    def bind(self, address: Address) -> None:
        """__inet_bind(): a local address, or one of many, unless ip_nonlocal_bind or IP_FREEBIND allow any."""
        sk = self._check()
        addr, port = parse(address)
        if addr and not (self.net.sysctl[Sysctl.ip_nonlocal_bind] or sk.freebind):
            if self._address_type(addr) not in (RTN.LOCAL, RTN.BROADCAST, RTN.MULTICAST):
                raise error(errno.EADDRNOTAVAIL)
        if sk.port:
            raise error(errno.EINVAL)
        self._bind(addr, port)

    def _bind(self, addr: int, port: int) -> None:
        try:
            sockets.bind(self.boot, self.sk, addr, port)
        except OSError as e:
            raise error(e.errno or errno.EINVAL) from None

    def _address_type(self, addr: int) -> int:
        """inet_addr_type()"""
        if addr >> 28 == 14:
            return RTN.MULTICAST
        if addr == 0xFFFFFFFF:
            return RTN.BROADCAST
        route = self.boot.call(network.route_get)(self.net, addr)
        return int(self.net.fib[route].type) if route >= 0 else RTN.UNICAST

    def connect(self, address: Address) -> None:
        """__ip4_datagram_connect(): from now on only that peer's datagrams; an address of this host is chosen by the route.  A stream is
        opened."""
        sk = self._check()
        addr, port = parse(address)
        if not sk.port:
            self._bind(0, 0)
        route = self.boot.call(network.route_get)(self.net, addr)
        if route < 0:
            self.net.snmp[self.process.cpu()][Mib.Ip_OutNoRoutes] += 1
            raise error(errno.ENETUNREACH)
        fa = self.net.fib[route]
        refused = {RTN.BLACKHOLE: errno.EINVAL, RTN.UNREACHABLE: errno.EHOSTUNREACH, RTN.PROHIBIT: errno.EACCES}.get(fa.type)
        if (fa.type == RTN.BROADCAST or addr == 0xFFFFFFFF) and not sk.broadcast:
            refused = errno.EACCES
        if refused:
            raise error(refused)
        local, dev = int(fa.prefsrc or self.net.dev[fa.oif].addr), int(fa.oif)
        if is_stream(self):
            self._stream_connect(addr, port, local, dev)
        else:
            sockets.connect(self.boot, self.sk, addr, port, local=local, dev=dev, cpu=self.process.cpu())
            self.redirect(addr, port)

    def connect_ex(self, address: Address) -> int:
        try:
            self.connect(address)
        except OSError as e:
            return e.errno or 0
        return 0

    def disconnect(self) -> None:
        """connect() to AF_UNSPEC, which the standard library cannot say: anybody's datagrams again.  A port that it chose is free."""
        self._check()
        sockets.disconnect(self.boot, self.sk, self.process.cpu())

    def getsockname(self) -> Address:
        sk = self._check()
        return text(int(sk.rcv_saddr_lo)), int(sk.port)

    def getpeername(self) -> Address:
        sk = self._check()
        if not sk.dport or sk.state in (TCP.CLOSE, TCP.SYN_SENT):
            raise error(errno.ENOTCONN)
        return text(int(sk.daddr_lo)), int(sk.dport)

    def fileno(self) -> int:
        return self.fd

    # ------------------------------------------------------------ how calls wait
    def settimeout(self, seconds: float | None) -> None:
        """None: block; 0: do not; else poll() before each call, as the standard library does."""
        sk = self._check()
        if seconds is not None and seconds < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = None if seconds is None else float(seconds)
        sk.nonblock = int(seconds is not None)

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        return self._timeout != 0.0

    # ------------------------------------------------------------ options
    def setsockopt(self, level: int, option: int, value: Any, optlen: int | None = None) -> None:
        self._check()
        try:
            sockopt.set_option(self, level, option, bytes(optlen or 0) if value is None else value)
        except OSError as e:
            raise error(e.errno or errno.EINVAL) from None
        if (level, option) == CORK and not self.kept[CORK]:
            self.push()

    def getsockopt(self, level: int, option: int, buflen: int = 0) -> Any:
        """An int, or with a buflen the bytes."""
        self._check()
        if not 0 <= buflen <= 1024:
            raise OSError("getsockopt buflen out of range")
        try:
            value = sockopt.get_option(self, level, option, buflen)
        except OSError as e:
            raise error(e.errno or errno.EINVAL) from None
        if level == std.IPPROTO_IP and 0 < buflen < 4 and option != std.IP_MULTICAST_IF and not any(value[1:]):
            return value[:1]                         # do_ip_getsockopt(): what fits a byte comes as one
        if buflen:
            return value[:buflen]
        return int.from_bytes(value[:4], "little", signed=True)

    def ioctl(self, request: int, arg: Any = 0) -> Any:
        """FIONREAD: the length of the next datagram, or what a stream has.  As fcntl.ioctl(): bytes come back as bytes, what can be written
        is written."""
        self._check()
        if request == sockopt.CONSTANTS["FIONBIO"]:
            self.net.socks[self.sk].nonblock = int(any(bytes(arg)) if not isinstance(arg, int) else bool(arg))
            return 0
        if request not in (sockopt.CONSTANTS["FIONREAD"], sockopt.CONSTANTS["SIOCOUTQ"]):
            raise error(errno.ENOTTY)
        n = 0
        if request == sockopt.CONSTANTS["FIONREAD"]:
            if is_stream(self):
                n = self.boot.call(tcp_inq)(self.net, self.sk)
            else:
                n = datagram.fionread(self.boot, self.sk, self.process.cpu())
            if n < 0:
                raise error(-n)
        if isinstance(arg, int):
            return n
        raw = n.to_bytes(4, "little")
        if isinstance(arg, bytes):
            return raw + arg[4:]
        memoryview(arg).cast("B")[:4] = raw
        return 0

    # ------------------------------------------------------------ receiving
    def _recv(self, size: int, flags: int) -> tuple[int, Address | None, int]:
        """Into the program's memory: what the call returned, who sent it, msg_flags."""
        size, flags = index(size), index(flags)
        if size < 0:
            raise ValueError("negative buffersize in recv")
        sk = self._check()
        if flags & MSG_ERRQUEUE:                     # there is no queue of errors
            raise error(errno.EAGAIN)
        wait = self._timeout is None and not sk.nonblock
        if not wait or self.dont_wait:
            flags |= MSG_DONTWAIT
        self.calls += 1
        try:
            n = self._wait_and_call(size, flags)
        finally:
            self.calls -= 1
            self._close_if_last()
        th = self.process.thread()
        if n < 0:
            raise error(-n)
        return n, (text(int(th.from_addr_lo)), int(th.from_port)) if th.from_port >= 0 else None, int(th.msg_flags)

    def _wait_and_call(self, size: int, flags: int) -> int:
        until = None if not self._timeout else self.process.now() + round(self._timeout * 1e9)
        while True:
            if until is not None:
                left = until - self.process.now()        # readable may be what has nothing for who does not wait: shut down to read
                if left < 0 or not self.process.poll([(self, POLLIN)], left):
                    raise TimeoutError("timed out")
            n = self._call(size, flags)
            if n != EAGAIN or until is None:
                return n

    def _call(self, size: int, flags: int) -> int:
        th, room = self.process.thread(), self.process.room(size)
        th.sock, th.flags, th.buf_len, th.msg_flags, th.msg_name, th.from_port, th.timeout = self.sk, flags, room, 0, 1, -1, 0
        self.process.ask(Op.RECV)
        return int(th.result)

    def _bytes(self, n: int) -> bytes:
        return bytes(self.process.memory()[:n])

    def _written(self, n: int, size: int, flags: int) -> int:
        """How much of a buffer a call has written that returned n: of a stream's bytes with MSG_TRUNC nothing."""
        return 0 if flags & MSG_TRUNC and self.type == std.SOCK_STREAM else min(n, size)

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Address | None]:
        n, addr, _ = self._recv(bufsize, flags)
        return self._bytes(min(n, bufsize)), addr

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        return self.recvfrom(bufsize, flags)[0]

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        return self.recvfrom_into(buffer, nbytes, flags)[0]

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Address | None]:
        view = writable(buffer)
        if nbytes < 0:
            raise ValueError("negative buffersize in recvfrom_into")
        if nbytes > len(view):
            raise ValueError("nbytes is greater than the length of the buffer")
        size = nbytes or len(view)
        n, addr, _ = self._recv(size, flags)
        data = self._bytes(self._written(n, size, flags))
        view[:len(data)] = data
        return n, addr

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[tuple[int, int, bytes]], int, Address | None]:
        check_room(ancbufsize)
        n, addr, msg_flags = self._recv(bufsize, flags)
        messages, cut = self._ancillary(addr, ancbufsize)
        return self._bytes(min(n, bufsize)), messages, msg_flags | cut, addr

    def recvmsg_into(self, buffers: Any, ancbufsize: int = 0, flags: int = 0) \
            -> tuple[int, list[tuple[int, int, bytes]], int, Address | None]:
        views = [writable(b) for b in buffers]
        check_room(ancbufsize)
        size = sum(len(v) for v in views)
        n, addr, msg_flags = self._recv(size, flags)
        data, at = self._bytes(self._written(n, size, flags)), 0
        for v in views:
            part = data[at:at + len(v)]
            v[:len(part)] = part
            at += len(part)
        messages, cut = self._ancillary(addr, ancbufsize)
        return n, messages, msg_flags | cut, addr

    def _ancillary(self, addr: Address | None, room: int) -> tuple[list[tuple[int, int, bytes]], int]:
        if self.fd >= 0 and is_stream(self):
            return sockopt.put_cmsg(sockopt.inq(self), room)
        if addr is None or self.fd < 0:              # nothing was read
            return [], 0
        return sockopt.put_cmsg(sockopt.ancillary(self, self.process.thread()), room)

    # ------------------------------------------------------------ the end
    def shutdown(self, how: int) -> None:
        """inet_shutdown(): readers wake up and read nothing, even of a socket without a peer, which is told ENOTCONN."""
        sk = self._check()
        if how not in (std.SHUT_RD, std.SHUT_WR, std.SHUT_RDWR):
            raise error(errno.EINVAL)
        if is_stream(self):
            return self._stream_shutdown(how)
        sk.shutdown |= how + 1
        cpu = self.process.cpu()
        self.boot.call(sock.sock_wake_all)(self.net, cpu, self.sk)
        self.process.wakes()
        if sk.state != TCP.ESTABLISHED:
            raise error(errno.ENOTCONN)

    def close(self) -> None:
        """The descriptor is free at once; port and queue when the last call that is still in the socket has returned.  With files of
        makefile() that are open: when the last of these is closed."""
        self._closed = True
        if self.fd < 0 or self._io_refs > 0:
            return
        fd, self.fd, self.closing = self.fd, -1, True
        try:
            self.process.free_fd(fd)
        finally:                                     # EBADF: somebody has closed a live socket's descriptor behind it
            self._close_if_last()

    def _close_if_last(self) -> None:
        if self.closing and self.calls == 0:
            self.closing = False
            for ep in self.process.epolls:
                ep.forget(self)
            sockopt.leave_all(self)
            sockets.close(self.boot, self.sk, self.process.cpu())
            self.process.wakes()

    def detach(self) -> int:
        fd, self.fd, self._closed = self.fd, -1, True
        return fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def __repr__(self) -> str:
        return f"<rxpath socket fd={self.fd}, {'closed' if self.fd < 0 else self.getsockname()}>"


def writable(buffer: Any) -> memoryview:
    """Where a call may put what it reads; TypeError before anything is read."""
    view = memoryview(buffer)
    if view.readonly:
        raise TypeError(f"a read-write bytes-like object is required, not {type(buffer).__name__!r}")
    return view.cast("B")


def check_room(ancbufsize: Any) -> None:
    """Of recvmsg(), before anything is read."""
    if index(ancbufsize) < 0:
        raise ValueError("invalid ancillary data buffer length")
