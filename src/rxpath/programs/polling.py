"""select.poll, select.select, select.epoll and a selector for Python process: fs/select.c, fs/eventpoll.c over the sockets of sockets.py.

The waiting itself is compiled (user/poll.py); here are the objects of the standard library's modules select and selectors."""
import errno
import math
import select as std
import selectors
from collections.abc import Iterable, Mapping
from typing import Any, Self, cast

from ..abi.numbers import POLLIN, POLLOUT, POLLPRI, Op
from ..abi.sock import EP_ET, EP_EXCLUSIVE, EP_ONESHOT
from ..user import eventpoll
from .process import Descriptor, Process
from .sockopt import error

POLLNVAL = 32
POLLIN_SET, POLLOUT_SET, POLLEX_SET = 0x40 | 0x80 | 0x1 | 0x10 | 0x8, 0x200 | 0x100 | 0x4 | 0x8, 0x2
EVENTS = 0x7FFF                                      # of an epoll item; above are its flags


def fd_of(thing: Any) -> int:
    """A descriptor, or something with fileno()."""
    fd = thing if isinstance(thing, int) else thing.fileno()
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return int(fd)


class Poll:
    """select.poll()"""

    def __init__(self, process: Process) -> None:
        self.process, self.fds = process, dict[int, int]()

    def register(self, fd: Any, eventmask: int = POLLIN | POLLPRI | POLLOUT) -> None:
        self.fds[fd_of(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int) -> None:
        if fd_of(fd) not in self.fds:
            raise error(errno.ENOENT)
        self.fds[fd_of(fd)] = eventmask

    def unregister(self, fd: Any) -> None:
        del self.fds[fd_of(fd)]

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """timeout in ms; None or less than 0: for ever."""
        bad = [(fd, POLLNVAL) for fd in self.fds if fd not in self.process.fds]
        ns = -1 if timeout is None or timeout < 0 else math.ceil(timeout) * 1_000_000
        wanted = [(self.process.fds[fd], mask) for fd, mask in self.fds.items() if fd in self.process.fds]
        got = {s.fd: revents for s, revents in self.process.poll(wanted, 0 if bad else ns)} | dict(bad)
        return [(fd, got[fd]) for fd in self.fds if got.get(fd)]


def select(process: Process, rlist: Iterable[Any], wlist: Iterable[Any], xlist: Iterable[Any], timeout: float | None = None) \
        -> tuple[list[Any], list[Any], list[Any]]:
    """select.select()"""
    lists = [list(rlist), list(wlist), list(xlist)]
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    masks: dict[int, int] = {}
    for things, events in zip(lists, (POLLIN_SET, POLLOUT_SET, POLLEX_SET), strict=True):
        for thing in things:
            masks[fd_of(thing)] = masks.get(fd_of(thing), 0) | events
    if any(fd not in process.fds for fd in masks):
        raise error(errno.EBADF)
    ns = -1 if timeout is None else math.ceil(timeout * 1e9)
    got = {s.fd: revents for s, revents in process.poll([(process.fds[fd], mask) for fd, mask in masks.items()], ns)}
    ready = [[thing for thing in things if got.get(fd_of(thing), 0) & events]
             for things, events in zip(lists, (POLLIN_SET, POLLOUT_SET, POLLEX_SET), strict=True)]
    return ready[0], ready[1], ready[2]


class Epoll:
    """select.epoll()"""

    def __init__(self, process: Process, sizehint: int = -1, flags: int = 0) -> None:
        self.process, self.boot, self.net = process, process.boot, process.boot.net
        self.ep = eventpoll.epoll(self.boot)
        self.items: dict[int, tuple[Descriptor, int]] = {}                       # by descriptor: the socket, its wait entry
        self.fd = process.new_fd(self)
        process.epolls.append(self)

    @property
    def closed(self) -> bool:
        return self.fd < 0

    def fileno(self) -> int:
        self._check()
        return self.fd

    def _check(self) -> None:
        if self.fd < 0:
            raise ValueError("I/O operation on closed epoll object")

    def _flags(self, eventmask: int) -> int:
        return (EP_ET if eventmask & std.EPOLLET else 0) | (EP_ONESHOT if eventmask & std.EPOLLONESHOT else 0) \
            | (EP_EXCLUSIVE if eventmask & std.EPOLLEXCLUSIVE else 0)

    def _socket(self, fd: Any) -> Descriptor:
        s = self.process.fds.get(fd_of(fd))
        if s is None:
            raise error(errno.EBADF)
        if s is self:
            raise error(errno.EINVAL)
        if isinstance(s, Epoll):
            raise error(errno.EPERM)                 # instances in instances: not here
        return cast(Descriptor, s)

    def register(self, fd: Any, eventmask: int = POLLIN | POLLPRI | POLLOUT) -> None:
        self._check()
        s = self._socket(fd)
        if s.fd in self.items:
            raise error(errno.EEXIST)
        if eventmask & std.EPOLLEXCLUSIVE and eventmask & std.EPOLLONESHOT:
            raise error(errno.EINVAL)
        e = self.process.new_entry()
        self.boot.call(eventpoll.host_ep_insert)(
            self.net, self.process.cpu(), self.ep, e, s.sk, self._flags(eventmask), eventmask & EVENTS)
        self.items[s.fd] = s, e
        self.process.wakes()

    def modify(self, fd: Any, eventmask: int) -> None:
        self._check()
        s = self._socket(fd)
        if s.fd not in self.items:
            raise error(errno.ENOENT)
        e = self.items[s.fd][1]
        if eventmask & std.EPOLLEXCLUSIVE or self.net.wait[e].events & EP_EXCLUSIVE:
            raise error(errno.EINVAL)
        self.boot.call(eventpoll.host_ep_modify)(self.net, self.process.cpu(), e, self._flags(eventmask), eventmask & EVENTS)
        self.process.wakes()

    def unregister(self, fd: Any) -> None:
        self._check()
        s = self._socket(fd)
        if s.fd not in self.items:
            raise error(errno.ENOENT)
        self._drop(s.fd)

    def _drop(self, fd: int) -> None:
        _, e = self.items.pop(fd)
        self.boot.call(eventpoll.host_ep_remove)(self.net, e)
        self.process.free_entries.append(e)

    def forget(self, s: Descriptor) -> None:
        """The socket is gone for good: its items go with it."""
        for fd in [fd for fd, (item, _) in self.items.items() if item is s]:
            self._drop(fd)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """timeout in seconds; None or less than 0: for ever."""
        self._check()
        if maxevents == -1:
            maxevents = 1023
        elif maxevents < 1:
            raise ValueError(f"maxevents must be greater than 0, got {maxevents}")
        th = self.process.thread()
        th.epoll, th.batch_most = self.ep, maxevents
        th.arg = -1 if timeout is None or timeout < 0 else math.ceil(timeout * 1e3) * 1_000_000
        self.process.ask(Op.EPOLL)
        by_entry = {e: fd for fd, (_, e) in self.items.items()}
        return [(by_entry[e], int(self.net.wait[e].revents)) for e in self.process.listed(int(th.result)) if e in by_entry]

    def close(self) -> None:
        if self.fd >= 0:
            for fd in list(self.items):
                self._drop(fd)
            self.process.free_fd(self.fd)
            self.process.epolls.remove(self)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Selector(selectors.BaseSelector):
    """selectors.DefaultSelector, over an epoll instance."""

    def __init__(self, process: Process) -> None:
        self.ep, self.keys = Epoll(process), dict[int, selectors.SelectorKey]()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if not events or events & ~(selectors.EVENT_READ | selectors.EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        fd = fd_of(fileobj)
        if fd in self.keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        self.ep.register(fd, (POLLIN if events & selectors.EVENT_READ else 0) | (POLLOUT if events & selectors.EVENT_WRITE else 0))
        self.keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return self.keys[fd]

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        found = next((k for k in self.keys.values() if fileobj in (k.fileobj, k.fd)), None)
        if found is None:
            raise KeyError(f"{fileobj!r} is not registered")
        if found.fd in self.ep.items:
            self.ep.unregister(found.fd)
        return self.keys.pop(found.fd)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        wait = None if timeout is None else max(timeout, 0.0)
        out = []
        for fd, mask in self.ep.poll(wait, max(len(self.keys), 1)):
            events = (selectors.EVENT_WRITE if mask & ~POLLIN else 0) | (selectors.EVENT_READ if mask & ~POLLOUT else 0)
            if events & self.keys[fd].events:
                out.append((self.keys[fd], events & self.keys[fd].events))
        return out

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {k.fileobj: k for k in self.keys.values()}

    def close(self) -> None:
        self.ep.close()
        self.keys.clear()
