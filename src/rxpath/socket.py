"""The standard library's module socket over a live host (live.py): the same names, types, constants and errors.

    import rxpath.socket as socket

    socket.use(rxpath.live.Host(rxpath.tap.Tap("tap0"), "10.9.0.2/24"))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

AF_INET sockets are the live host's.  AF_INET6 is EAFNOSUPPORT, as on a host without IPv6; all other families (AF_UNIX, AF_NETLINK ...)
and sockets made from a descriptor are the standard library's own.  install() puts this class in place of the standard module's, which is
how `rxpath run` serves programs that know nothing of it.

Names are looked up where the standard library looks them up (getaddrinfo() of this machine)."""
import contextlib
import errno
import os
import socket as std
import warnings
from abc import ABCMeta
from typing import TYPE_CHECKING, Any, Self

from .programs.sockopt import error as _errno
from .walltime.live_program import LiveSocket

if TYPE_CHECKING:
    from .live import Host

globals().update({name: getattr(std, name) for name in std.__all__
                  if name not in ("socket", "SocketType", "create_server", "fromfd", "dup")})
_real = std.socket
_host: "Host | None" = None


def use(host: "Host | None") -> None:
    """Sockets that are made from now on are this host's."""
    global _host
    _host = host


def host() -> "Host":
    """OSError (ENETDOWN) if there is none."""
    if _host is None:
        raise OSError(errno.ENETDOWN, f"{os.strerror(errno.ENETDOWN)}: no live host yet (rxpath.socket.use(), or rxpath run)")
    return _host


class _Either(ABCMeta):
    """socket(...) is ours or the standard library's, by family; both are instances of it."""

    def __call__(cls, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> Any:
        if fileno is not None and _host is not None and fileno in _host.process.fds:
            return super().__call__(family, type, proto, fileno)
        if fileno is not None or family not in (-1, std.AF_INET, std.AF_INET6):
            return _real(family, type, proto, fileno)
        if family == std.AF_INET6:
            raise _errno(errno.EAFNOSUPPORT)
        return super().__call__(family, type, proto)

    def __instancecheck__(cls, thing: Any) -> bool:
        return super().__instancecheck__(thing) or (cls.__dict__.get("_stands_for_all", False) and isinstance(thing, _real))


class socket(LiveSocket, metaclass=_Either):
    """socket.socket of the live host."""

    _stands_for_all = True

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        if fileno is not None:
            self._take_up(fileno, family, type, proto)
        else:
            super().__init__(host().process, std.AF_INET if family == -1 else family, std.SOCK_STREAM if type == -1 else type,
                             max(proto, 0))
        if type == -1 or not type & std.SOCK_NONBLOCK:
            self._default_timeout()

    def _take_up(self, fd: int, family: int, type: int, proto: int) -> None:
        """Another object of the socket that has that descriptor.  As in the standard library, what the caller says of it is believed."""
        self.fd, process = -1, host().process
        with process.lock:
            other = process.fds.get(fd)
            if other is None:
                raise _errno(errno.EBADF)
            self._share(other, fd)
            process.detached.pop(fd, None)
        for name, said in (("family", family), ("type", type), ("proto", proto)):
            if said not in (-1, getattr(self, name)):
                setattr(self, name, said)

    def _default_timeout(self) -> None:
        """setdefaulttimeout()"""
        if std.getdefaulttimeout() is not None:
            self.settimeout(std.getdefaulttimeout())

    def _accepted(self, sk: int) -> Self:
        made = self.__class__.__new__(self.__class__)
        LiveSocket.__init__(made, self.process, self.family, self.type, self.proto, sk)
        made._default_timeout()
        return made

    @property
    def timeout(self) -> float | None:
        return self.gettimeout()

    def get_inheritable(self) -> bool:
        return os.get_inheritable(self.fileno())

    def set_inheritable(self, inheritable: bool) -> None:
        """Of the descriptor alone: another program cannot call the socket."""
        os.set_inheritable(self.fileno(), inheritable)

    def dup(self) -> Any:
        """Another object and descriptor of the same socket, which lives until its last descriptor is closed."""
        self._check()
        made = self.__class__(self.family, self.type, self.proto, fileno=self.process.dup(self))
        made.settimeout(self.gettimeout())
        return made

    def __del__(self) -> None:
        if getattr(self, "fd", -1) >= 0:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            with contextlib.suppress(OSError):       # another object has closed its descriptor
                self.close()

    def __repr__(self) -> str:
        """As the standard library's."""
        words = [f"fd={self.fd}", f"family={self.family}", f"type={self.type}", f"proto={self.proto}"]
        for word, ask in (("laddr", self.getsockname), ("raddr", self.getpeername)):
            try:
                words.append(f"{word}={ask()}")
            except OSError:                          # closed; without a peer
                pass
        return f"<{type(self).__module__}.{type(self).__qualname__}{' [closed]' if self._closed else ''} {', '.join(words)}>"


SocketType = socket


def create_server(address: tuple[str, int], *, family: int = std.AF_INET, backlog: int | None = None, reuse_port: bool = False,
                  dualstack_ipv6: bool = False) -> Any:
    """socket.create_server(): a listener.  dualstack_ipv6 is ValueError: there is no IPv6."""
    if dualstack_ipv6:
        raise ValueError("dualstack_ipv6 not supported on this platform")
    s = socket(family, std.SOCK_STREAM)
    try:
        s.setsockopt(std.SOL_SOCKET, std.SO_REUSEADDR, 1)
        if reuse_port:
            s.setsockopt(std.SOL_SOCKET, std.SO_REUSEPORT, 1)
        s.bind(address)
        s.listen(*([] if backlog is None else [backlog]))
    except OSError as failed:
        s.close()
        raise OSError(failed.errno, f"{failed.strerror} (while attempting to bind on address {address!r})") from None
    return s


def create_connection(address: tuple[str, int], timeout: Any = None, source_address: tuple[str, int] | None = None, *,
                      all_errors: bool = False) -> Any:
    """socket.create_connection()"""
    failed: list[Exception] = []
    for family, kind, proto, _, where in std.getaddrinfo(address[0], address[1], std.AF_INET, std.SOCK_STREAM):
        s = socket(family, kind, proto)
        try:
            s.settimeout(timeout)
            if source_address is not None:
                s.bind(source_address)
            s.connect(where)
            return s
        except OSError as why:
            failed.append(why)
            s.close()
    if not failed:
        raise OSError("getaddrinfo returns an empty list")
    raise ExceptionGroup("create_connection failed", failed) if all_errors else failed[0]


def dup(fd: int) -> int:
    """A duplicate of that descriptor, for socket(fileno=...)."""
    ours = _host.process.fds.get(fd) if _host is not None else None
    return os.dup(fd) if ours is None else ours.process.dup(ours)


def fromfd(fd: int, family: int, type: int, proto: int = 0) -> Any:
    """A socket on a duplicate of that descriptor."""
    return socket(family, type, proto, dup(fd))


def install() -> None:
    """From now on `import socket` gives these sockets, in every module that looks the class up when it uses it."""
    std.socket = socket                              # type: ignore[misc,assignment]
    std.SocketType = socket                          # type: ignore[assignment]
    std.dup, std.fromfd = dup, fromfd                # type: ignore[assignment]


def __getattr__(name: str) -> Any:
    """Whatever else the standard module has."""
    return getattr(std, name)
