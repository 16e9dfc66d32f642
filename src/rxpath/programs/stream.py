"""The part of a program's socket that is about streams: listen(), accept(), connect(), shutdown(), makefile().  net/ipv4/af_inet.c.

A stream socket of the simulated host reads; sending on it is not modelled, and says so."""
import errno
import os
from abc import ABC, abstractmethod
from socket import socket as _real
from typing import Any, NoReturn, Self

from ..abi.numbers import EAGAIN, MSG_DONTWAIT, POLLIN, POLLOUT, TCP, Op
from ..user import socket as sockets
from .addresses import text
from .process import Process
from .sockopt import error, is_stream

# _real: taken here, before rxpath.socket.install() puts ours in its place.
INT_MAX = 0x7FFFFFFF


class Stream(ABC):
    """What sockets.Socket has of this."""
    process: Process
    boot: Any
    net: Any
    sk: int
    fd: int
    calls: int
    dont_wait: bool
    kept: dict[tuple[int, int], Any]
    _timeout: float | None
    _closed: bool                                    # by the program; files of makefile() may still be open,
    _io_refs: int                                    # so many

    @abstractmethod
    def _check(self) -> Any: ...

    @abstractmethod
    def _accepted(self, sk: int) -> Self: ...

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def _close_if_last(self) -> None: ...

    # ------------------------------------------------------------ a listener
    def listen(self, backlog: int = 128) -> None:
        """inet_listen(): so many connections and one may wait to be accepted, net.core.somaxconn at most."""
        self._check()
        if not -INT_MAX - 1 <= backlog <= INT_MAX:
            raise OverflowError("Python int too large to convert to C int")
        if not is_stream(self):
            raise error(errno.EOPNOTSUPP)
        try:
            sockets.listen(self.boot, self.sk, max(backlog, 0))
        except OSError as e:
            raise error(e.errno or errno.EINVAL) from None

    def accept(self) -> tuple[Self, tuple[str, int]]:
        """inet_csk_accept(): the connection whose handshake was completed first, and who its peer is."""
        sk = self._check()
        if not is_stream(self):
            raise error(errno.EOPNOTSUPP)
        if sk.state != TCP.LISTEN:
            raise error(errno.EINVAL)
        self.calls += 1
        try:
            got = self._wait_for_connection(sk)
        finally:
            self.calls -= 1
            self._close_if_last()
        if got < 0:
            raise error(-got)
        made = self._accepted(got)
        row = made._check()                              # its peer's address even if it has been reset by now, unlike getpeername()
        return made, (text(int(row.daddr_lo)), int(row.dport))

    def _wait_for_connection(self, sk: Any) -> int:
        """A socket's index, or a negative errno."""
        th = self.process.thread()
        wait = self._timeout is None and not sk.nonblock and not self.dont_wait
        until = None if not self._timeout else self.process.now() + round(self._timeout * 1e9)
        while True:
            if until is not None:
                left = until - self.process.now()        # somebody else may have taken each connection that poll() spoke of
                if left < 0 or not self.process.poll([(self, POLLIN)], left):
                    raise TimeoutError("timed out")
            th.sock, th.flags = self.sk, 0 if wait else MSG_DONTWAIT
            self.process.ask(Op.ACCEPT)
            if th.result != EAGAIN or until is None:
                return int(th.result)

    # ------------------------------------------------------------ an active open
    def _stream_connect(self, addr: int, port: int, local: int, dev: int) -> None:
        """inet_stream_connect(): a SYN, then until it is answered, unless the program does not want to wait."""
        sk = self._check()
        try:
            sockets.connect(self.boot, self.sk, addr, port, local=local, dev=dev, cpu=self.process.cpu())
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                raise error(e.errno or errno.EINVAL) from None
        self.process.wakes()
        if self._timeout == 0.0:                         # over lo, too: the answer waits in the backlog until this call is over
            raise error(errno.EINPROGRESS)
        if sk.state == TCP.ESTABLISHED:
            return
        ns = -1 if self._timeout is None else round(self._timeout * 1e9)
        if not self.process.poll([(self, POLLOUT)], ns):
            raise TimeoutError("timed out")
        if sk.err:
            number, sk.err = int(sk.err), 0
            raise error(number)

    # ------------------------------------------------------------ the end
    def _stream_shutdown(self, how: int) -> None:
        """inet_shutdown(): SHUT_RD ends reading here; SHUT_WR sends a FIN."""
        try:
            sockets.shutdown(self.boot, self.sk, how, self.process.cpu())
        except OSError as e:
            raise error(e.errno or errno.EINVAL) from None
        finally:
            self.process.wakes()

    # ------------------------------------------------------------ files
    def makefile(self, mode: str = "r", buffering: int | None = None, *, encoding: str | None = None, errors: str | None = None,
                 newline: str | None = None) -> Any:
        """socket.makefile(), which is the standard library's own.  Writing to a stream's file says that streams only receive."""
        return _real.makefile(self, mode, buffering, encoding=encoding, errors=errors, newline=newline)    # type: ignore[call-overload]

    def _decref_socketios(self) -> None:
        """A file of makefile() is closed; the last one takes a socket along that the program has closed meanwhile."""
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed:
            self.close()

    # ------------------------------------------------------------ sending
    def _no_sending(self, *_: Any, **__: Any) -> NoReturn:
        """The sending side of streams is not modelled yet."""
        raise OSError(errno.EOPNOTSUPP, f"{os.strerror(errno.EOPNOTSUPP)}: streams only receive; datagram sockets send")
