"""A stream socket of our host, with the methods that a conversation calls (tcp/talk.py): the path's system calls, and what getsockopt()
says.

Its owner holds it between hold() and release(), as a recv() that sleeps while it copies does in Linux: in between nothing but the backlog
can change, so the copy happens before the socket is let go."""
from __future__ import annotations

import errno
import socket
import struct
from typing import Any

from rxpath.abi.numbers import IPPROTO, MSG_DONTWAIT
from rxpath.abi.sock import SOCK_SNDBUF_LOCK
from rxpath.programs.sockopt import sock_fprog
from rxpath.transport import tcp_sockopt
from rxpath.user import filter as bpf
from rxpath.user import sock as options
from rxpath.user import socket as sockets
from rxpath.user.poll import poll_now
from rxpath.user.socket import recv_now
from rxpath.workbench.judge.case import OPTIONS
from rxpath.workbench.words import units

NAMES = {number: name for name, number in OPTIONS.items()}
TCP_INFO, SO_MEMINFO, SO_ERROR = (6, 11), (1, 55), (1, 4)
SOCK_MIN_SNDBUF = 4608


class Stream:
    """caller: whose calls they are."""
    type = socket.SOCK_STREAM

    def __init__(self, caller: Any, sk: int | None = None) -> None:
        self.caller, self.boot, self.net = caller, caller.boot, caller.net
        self.sk = sockets.create(self.boot, IPPROTO.TCP) if sk is None else sk
        self.held: OSError | None = None                    # what the recv() of hold() has returned already
        self.waits = False                                  # it may sleep

    def _tell(self) -> None:
        self.caller.happened()

    def bind(self, address: tuple[str, int]) -> None:
        sockets.bind(self.boot, self.sk, units.ipv4(address[0]), address[1])

    def listen(self, backlog: int) -> None:
        sockets.listen(self.boot, self.sk, backlog)

    def connect(self, address: tuple[str, int]) -> None:
        sockets.connect(self.boot, self.sk, units.ipv4(address[0]), address[1])

    def accept(self) -> tuple[Stream, tuple[str, int]]:
        made = Stream(self.caller, sockets.accept(self.boot, self.sk))
        sk = self.net.socks[made.sk]
        self._tell()
        return made, (units.ipv4_text(sk.daddr_lo), int(sk.dport))

    def setblocking(self, wait: bool) -> None:
        """Every call says MSG_DONTWAIT."""

    def shutdown(self, how: int) -> None:
        sockets.shutdown(self.boot, self.sk, how)
        self._tell()

    def close(self) -> None:
        if self.sk >= 0:
            sockets.close(self.boot, self.sk)
            self.sk = -1
            self._tell()

    def send(self, data: bytes) -> int:
        raise OSError(errno.EOPNOTSUPP, "this host only receives")

    # ------------------------------------------------------------ reading
    def recvmsg_into(self, views: list[memoryview], room: int, flags: int, waits: bool = False) -> tuple[int, list[Any], int, None]:
        view, th = views[0], self.caller.thread()
        th.sock, th.flags, th.buf_len = self.sk, flags if waits else flags | MSG_DONTWAIT, len(view)
        n = self.boot.call(recv_now)(self.net, 0, self.caller.number)
        self._tell()
        if n < 0:
            raise OSError(-n, "recvmsg")
        if not flags & socket.MSG_TRUNC:
            view[:n] = self.caller.read(n)
        return n, [], int(th.msg_flags), None

    def hold(self, waits: bool) -> str:
        self.waits = waits
        try:
            self.recvmsg_into([memoryview(bytearray(1))], 0, socket.MSG_PEEK)
        except OSError as error:                            # nothing to copy: its recv() has returned, and holds nothing
            self.held = error
            return ""
        if not self.boot.call(options.own_sock)(self.net, 0, self.sk, self.caller.number):
            raise OSError(errno.EBUSY, "somebody else holds it")
        return ""

    def release(self, size: int = 4096) -> int:
        held, self.held = self.held, None
        if held is not None:
            raise held
        n, *_ = self.recvmsg_into([memoryview(bytearray(size))], 0, 0, self.waits)
        return n

    # ------------------------------------------------------------ options
    def setsockopt(self, level: int, number: int, value: int | bytes) -> None:
        name = NAMES[level, number]
        sk, tp = self.net.socks[self.sk], self.net.tcp[self.sk]
        if name == "SO_LINGER" and isinstance(value, bytes):
            tp.linger, seconds = struct.unpack("=ii", value)
            tp.lingertime_ns = seconds * 1_000_000_000
        elif name == "SO_ATTACH_FILTER":
            bpf.sk_attach_filter(self.boot, self.sk, sock_fprog(self.boot, self.sk, value))
        elif isinstance(value, bytes):
            raise OSError(errno.ENOPROTOOPT, name)
        elif name == "SO_DETACH_FILTER":
            bpf.sk_detach_filter(self.boot, self.sk)
        elif name == "SO_LOCK_FILTER":
            bpf.sk_lock_filter(self.boot, self.sk, bool(value))
        elif name == "SO_SNDBUF":
            sk.sndbuf, sk.userlocks = max(2 * value, SOCK_MIN_SNDBUF), sk.userlocks | SOCK_SNDBUF_LOCK
        elif name == "IP_MINTTL":
            tp.min_ttl = value
        else:
            try:
                tcp_sockopt.setsockopt(self.boot, self.sk, name, value)
            except OSError as e:
                if e.errno != errno.ENOPROTOOPT:
                    raise
                options.setsockopt(self.boot, self.sk, name, value)
            self._tell()

    def getsockopt(self, level: int, number: int, length: int = 0) -> Any:
        sk = self.net.socks[self.sk]
        if (level, number) == SO_MEMINFO:
            m = options.meminfo(self.boot, self.sk)
            memory = (m.rmem_alloc, m.rcvbuf, 0, sk.sndbuf, m.fwd_alloc, 0, 0, m.backlog, m.drops)
            return struct.pack("=9I", *(int(n) & 0xFFFFFFFF for n in memory))
        if NAMES[level, number] == "SO_LOCK_FILTER":
            return int(sk.filter_locked)
        if (level, number) == SO_ERROR:
            err, sk.err = int(sk.err), 0
            return err
        if (level, number) == TCP_INFO:
            return tcp_sockopt.tcp_get_info(self.boot, self.sk, self.caller.now())
        name = NAMES[level, number]
        try:
            return tcp_sockopt.getsockopt(self.boot, self.sk, name)
        except OSError as e:
            if e.errno != errno.ENOPROTOOPT:
                raise
            return options.getsockopt(self.boot, self.sk, name)

    def poll(self) -> int:
        """Its revents."""
        return int(self.boot.call(poll_now)(self.net, 0, self.sk))
