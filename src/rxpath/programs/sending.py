"""The part of a program's socket that sends: send(), sendto(), sendmsg(), sendall() of socket.socket, for datagrams.  Streams say that they
cannot.

net/socket.c, seen from the program.  A call is one step of the host (Op.SEND); one that finds no room in the send buffer waits as poll()
does, for POLLOUT, and tries again.  A corked datagram (MSG_MORE, UDP_CORK) is kept here until it is sent: its bytes count against the send
buffer only then."""
import errno
import socket as std
import struct
from collections.abc import Iterable
from contextlib import suppress
from operator import index
from typing import Any

from ..abi.numbers import EAGAIN, MSG_DONTWAIT, MSG_MORE, MSG_OOB, POLLOUT, TCP, Op
from .addresses import Address, parse
from .sockopt import SOL_UDP, UDP_CORK, error, is_stream
from .stream import Stream

IP_PKTINFO = 8
CORK, PENDING = (SOL_UDP, UDP_CORK), (SOL_UDP, 0)   # of Socket.kept: the option; a corked datagram: its bytes, to whom, ancillary data
Messages = Iterable[tuple[int, int, bytes]]
SNDTIMEO = (std.SOL_SOCKET, std.SO_SNDTIMEO)


class Sending(Stream):
    """What sockets.Socket has of this."""

    # ------------------------------------------------------------ the calls
    def sendto(self, data: Any, *args: Any) -> int:
        """sendto(data, address) or sendto(data, flags, address)."""
        if not 1 <= len(args) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({len(args) + 1} given)")
        flags, address = (0, args[0]) if len(args) == 1 else args
        return self._send([data], flags, parse(address))

    def send(self, data: Any, flags: int = 0) -> int:
        return self._send([data], flags, None)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Of a datagram socket: one datagram."""
        self._send([data], flags, None)

    def sendmsg(self, buffers: Iterable[Any], ancdata: Iterable[tuple[int, int, Any]] = (), flags: int = 0,
                address: Address | None = None) -> int:
        """The buffers are one datagram.  Ancillary data: IP_PKTINFO, IP_TTL, IP_TOS."""
        messages = [ancillary_of(item) for item in ancdata]
        return self._send(list(buffers), flags, None if address is None else parse(address), messages)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """The standard library refuses it of datagram sockets."""
        if is_stream(self):
            self._no_sending()
        raise ValueError("only SOCK_STREAM type sockets are supported")

    # ------------------------------------------------------------ one datagram
    def _send(self, buffers: list[Any], flags: int, to: tuple[int, int] | None,
              ancillary: list[tuple[int, int, bytes]] | None = None) -> int:
        sk = self._check()
        if is_stream(self):
            self._no_sending()
        data, flags = b"".join(map(bytes_of, buffers)), index(flags)
        if len(data) > 0xFFFF:                                   # more than any datagram has
            raise error(errno.EMSGSIZE)
        more = flags & MSG_MORE or self.kept.get(CORK, 0)
        if (not more and PENDING not in self.kept) or flags & MSG_OOB:
            return self._send_one(sk, data, flags, to, ancillary or ())
        return self._append(sk, data, flags | MSG_MORE if more else flags, to, ancillary or ())

    def _append(self, sk: Any, data: bytes, flags: int, to: tuple[int, int] | None, ancillary: Messages) -> int:
        """A part of a corked datagram.  The first one says to whom and how; a part that is refused takes all of them with it."""
        if PENDING in self.kept:
            corked = True
            before, to, ancillary = self.kept.pop(PENDING)
        else:
            before, corked = b"", False
            if to is None and sk.state == TCP.ESTABLISHED:
                to = int(sk.daddr_lo), int(sk.dport)
            # ipcm_init_sk(): the TOS is that of now, the TTL that of the last call
            ancillary = (std.IPPROTO_IP, std.IP_TOS, bytes([self.net.inet[self.sk].tos & 0xFF])), *ancillary
        whole = before + data
        if len(whole) > 0xFFFF:
            raise error(errno.EMSGSIZE)
        self._send_one(sk, whole, flags, to, ancillary, corked)
        if flags & MSG_MORE:
            self.kept[PENDING] = whole, to, ancillary
        return len(data)

    def redirect(self, addr: int, port: int) -> None:
        """connect() writes the flow that a corked datagram waits with (seen on 6.18): it goes to the new peer."""
        if PENDING in self.kept:
            data, _, ancillary = self.kept[PENDING]
            self.kept[PENDING] = data, (addr, port), ancillary

    def push(self) -> None:
        """udp_push_pending_frames(): nobody hears of an error."""
        if PENDING in self.kept:
            with suppress(OSError):
                self._append(self._check(), b"", MSG_DONTWAIT, None, ())

    def _send_one(self, sk: Any, data: bytes, flags: int, to: tuple[int, int] | None, ancillary: Messages, corked: bool = False) -> int:
        th = self.process.thread()
        self.process.room(len(data))
        wait = self._timeout is None and not sk.nonblock and not flags & MSG_DONTWAIT and self.kept.get(SNDTIMEO, 0) >= 0
        ns = self.kept.get(SNDTIMEO, 0) or -1                    # SO_SNDTIMEO, of a socket that blocks
        if self._timeout is not None:
            ns = round(self._timeout * 1e9)
        until = None if ns < 0 else self.process.now() + ns
        self.calls += 1
        try:
            while True:
                if self._timeout and not self.process.poll([(self, POLLOUT)], max(0, (until or 0) - self.process.now())):
                    raise TimeoutError("timed out")
                self.process.memory()[:len(data)] = data
                th.sock, th.flags, th.send_len = self.sk, flags if wait else flags | MSG_DONTWAIT, len(data)
                th.send_addr, th.send_port = to if to is not None else (0, -1)
                th.send_corked = corked
                set_ancillary(th, ancillary)
                self.process.ask(Op.SEND)
                n = int(th.result)
                if n != EAGAIN or not (wait or self._timeout):
                    break
                left = -1 if until is None else until - self.process.now()
                if until is not None and (left <= 0 or not self.process.poll([(self, POLLOUT)], left)):
                    break
                if until is None:
                    self.process.poll([(self, POLLOUT)], -1)
        finally:
            self.calls -= 1
            self._close_if_last()
        if n < 0:
            raise error(-n)
        return n


def bytes_of(data: Any) -> memoryview:
    """What a call was given to send; TypeError as the standard library says it."""
    try:
        return memoryview(data).cast("B")
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None


def ancillary_of(item: Any) -> tuple[int, int, bytes]:
    """One item of sendmsg()'s ancillary data, looked at before anything is sent."""
    try:
        level, kind, data = item
    except (TypeError, ValueError):
        raise TypeError("sendmsg() ancillary data items must be sequences (level, type, data)") from None
    return index(level), index(kind), bytes(bytes_of(data))


def set_ancillary(th: Any, messages: Iterable[tuple[int, int, bytes]]) -> None:
    """ip_cmsg_send(): what the call says itself.  EINVAL: of another kind, or not so long."""
    th.send_saddr, th.send_oif, th.send_ttl, th.send_tos = 0, 0, 0, -1
    for level, kind, raw in messages:
        if level != std.IPPROTO_IP:
            if level == std.SOL_SOCKET:
                raise error(errno.EINVAL)
            continue                                             # of another layer: not looked at
        if kind == IP_PKTINFO and len(raw) == 12:
            ifindex, spec_dst = struct.unpack("=i", raw[:4])[0], int.from_bytes(raw[4:8], "big")
            if ifindex:
                th.send_oif = ifindex
            th.send_saddr = spec_dst
        elif kind == std.IP_TTL and len(raw) == 4:
            th.send_ttl = struct.unpack("=i", raw)[0]
            if not 1 <= th.send_ttl <= 255:
                raise error(errno.EINVAL)
        elif kind == std.IP_TOS and len(raw) in (1, 4):
            th.send_tos = raw[0] if len(raw) == 1 else struct.unpack("=i", raw)[0]
            if not 0 <= th.send_tos <= 255:
                raise error(errno.EINVAL)
        else:
            raise error(errno.EINVAL)
