"""Programs on a live host (live.py): sockets that any thread may call.

The process has what programs/process.py wants of it; each Python thread that calls is a thread of the host, with its own thread_t and
buffer. A call holds the host's lock; while it sleeps it has given it back.

A socket's descriptor is a real one of this process, an eventfd that is readable when the socket is (or has an error, or its end):
select(), poll(), epoll, selectors and asyncio wait on it unchanged.  That is a level: the host's own epoll instance tells which sockets
became ready after each turn, and a call that has taken the last datagram makes it unreadable again.  An eventfd can always be written,
and so can these sockets."""
import ctypes
import errno
import functools
import os
import socket
import threading
import weakref
from collections import deque
from collections.abc import MutableMapping
from typing import Any

from .._compile import forget, pages, region
from ..abi.limits import NTHREAD
from ..abi.numbers import EAGAIN, MSG_DONTWAIT, NEVER, POLLERR, POLLHUP, POLLIN, POLLPRI, Op
from ..abi.sock import EP_ET
from ..programs.process import BUFFER, Process
from ..programs.sockets import Socket
from ..programs.sockopt import error
from ..user import eventpoll
from .busy import Busy, Look
from .engine import MORE_ROWS, NO_WAIT, WAIT, WAIT_UNLESS_NONBLOCK, rt_call_over, rt_epoll, rt_program, rt_recv, rt_recv_many, rt_sock_poll
from .lead import TAKE_ONE, TAKE_ROWS
from .live import LiveTime
from .open_file import OpenFile
from .program import SLEEPING, RealProcess

POLLRDHUP = 0x2000
DGRAM = socket.SOCK_DGRAM
ONE = (TAKE_ONE, 0, 0, 0, 0, 0, 0)                   # of rt_lead(): recvfrom()
LISTENED = POLLIN | POLLPRI | POLLRDHUP
addressof, from_buffer = ctypes.addressof, ctypes.c_char.from_buffer
FIRST, LAST = NTHREAD // 2, NTHREAD - 2              # threads of the host for threads of Python; the last one waits for all sockets


class Caller:
    """A Python thread in the host.  n: its thread_t."""

    def __init__(self, process: "LiveProcess", n: int) -> None:
        self.process, self.n = process, n
        self.memory = pages(BUFFER)
        process.call(rt_program)(process.net, 0, n)
        self.thread = th = process.net.thread[n]
        self.buffer = region(self.memory)
        th.buf_addr, th.buf_len = self.buffer, BUFFER
        self.busy = Busy(process.driver, n)
        self.woken = lambda: th.state != SLEEPING

    def __del__(self) -> None:
        """The Python thread has ended."""
        self.process.free.append(self)               # its memory is forgotten by the next call: this may be any thread


class LiveProcess(RealProcess):
    """All threads of this Python process, on a live host."""

    driver: LiveTime

    def __init__(self, driver: LiveTime) -> None:
        Process.__init__(self, driver.boot)
        self.driver, self.lock = driver, driver.lock
        self._local = threading.local()
        self._unused = list(range(LAST - 1, FIRST - 1, -1))
        self.free: deque[Any] = deque()
        self.detached: dict[int, LiveSocket] = {}    # by descriptor: sockets whose objects have let go of them
        self.recv, self.recv_many = self.call(rt_recv), self.call(rt_recv_many)
        self.left_word = False                       # a call has left notes: the host is to have a turn
        with self.lock:
            self.call(rt_program)(self.net, 0, LAST)
            self.ep = eventpoll.epoll(self.boot)
            self.ready, th = self.net.epolls[self.ep], self.net.thread[LAST]
            th.epoll, th.batch_most = self.ep, 64
            # by wait entry: sockets that somebody outside waits for.  Nothing here keeps a socket: who forgets one closes it
            self.waited: MutableMapping[int, OpenFile] = weakref.WeakValueDictionary()
            self.fds = weakref.WeakValueDictionary()                 # type: ignore[assignment]
            self.call(rt_epoll)(self.net, 0, LAST)
        driver.tells(self._tell_ready, self.ep)

    # ------------------------------------------------------------ who calls
    def caller(self) -> Caller:
        found = getattr(self._local, "caller", None)
        if found is None:
            while self.free:
                gone = self.free.popleft()
                forget(gone.buffer)
                self._unused.append(gone.n)
            if not self._unused:
                raise BlockingIOError(11, f"more than {LAST - FIRST} threads call sockets of this host")
            found = self._local.caller = Caller(self, self._unused.pop())
        return found

    @property
    def n(self) -> int:                              # type: ignore[override]
        return self.caller().n

    @property
    def busy(self) -> Busy:                          # type: ignore[override]
        return self.caller().busy

    def thread(self) -> Any:
        return self.caller().thread

    def memory(self) -> Any:
        return self.caller().memory

    def grow(self, size: int) -> bool:
        me = self.caller()
        forget(me.buffer)
        me.memory = pages(size)
        me.thread.buf_addr = me.buffer = region(me.memory)
        return True

    def now(self) -> int:
        return self.driver.now_or_later()

    def catch_up(self) -> None:
        """The threads of the back ends see to that."""

    def ask(self, op: int) -> None:
        if op == Op.SEND:                            # at the time of the call, not of the last turn
            self.driver.step()
        super().ask(op)

    def wakes(self) -> None:
        self.left_word = True

    # ------------------------------------------------------------ descriptors
    def new_fd(self, what: Any) -> int:
        return self._new(os.eventfd(0, os.EFD_CLOEXEC), what)

    def dup(self, what: "LiveSocket") -> int:
        """Another descriptor of that socket."""
        with self.lock:
            return self._new(os.dup(what.fileno()), what)

    def _new(self, fd: int, what: "LiveSocket") -> int:
        gone = self.detached.pop(fd, None)
        if gone is not None:                         # its number was closed and is free again
            gone.abandon()
        what.file.fds.append(fd)
        self.fds[fd] = what
        return fd

    def free_fd(self, fd: int) -> None:
        self.fds.pop(fd, None)
        self.detached.pop(fd, None)
        os.close(fd)

    def watch(self, s: "LiveSocket") -> None:
        """From now on its descriptor is readable when it is."""
        e = self.new_entry()
        self.call(eventpoll.host_ep_insert)(self.net, self.cpu(), self.ep, e, s.sk, EP_ET, LISTENED)
        self.waited[e], s.file.entry = s.file, e
        self._tell_ready()

    def unwatch(self, file: OpenFile) -> None:
        if file.entry >= 0:
            self.waited.pop(file.entry, None)
            self.call(eventpoll.host_ep_remove)(self.net, file.entry)
            self.free_entries.append(file.entry)
            file.entry = -1

    def _tell_ready(self) -> None:
        """After a turn: which sockets have become readable."""
        while self.ready.ready_head >= 0:
            n = self.call(rt_epoll)(self.net, 0, LAST)
            e = self.net.wait[self.net.thread[LAST].wait].item_next
            while e >= 0 and n > 0:
                file = self.waited.get(int(e))
                if file is not None:
                    file.set_readable(True)
                e = self.net.wait[e].item_next

    def after(self, s: "LiveSocket") -> None:
        """A call on that socket is over."""
        if self.left_word:
            self.left_word = False
            self.driver.step()
        if s.file.entry >= 0 and s.file.readable:
            self.look_again(s)

    def look_again(self, s: "LiveSocket") -> None:
        s.file.set_readable(bool(self.call(rt_sock_poll)(self.net, self.cpu(), s.sk) & (LISTENED | POLLERR | POLLHUP)))

    def close(self) -> None:
        self.driver.ready = None


def _locked(name: str) -> Any:
    method = getattr(Socket, name)

    @functools.wraps(method)
    def call(self: "LiveSocket", *arguments: Any, **named: Any) -> Any:
        with self.process.lock:
            try:
                return method(self, *arguments, **named)
            finally:
                self.process.after(self)
    return call


class LiveSocket(Socket):
    """A socket of a live host: every call holds the host's lock but while it sleeps."""

    process: LiveProcess

    def __init__(self, process: LiveProcess, *arguments: Any, **named: Any) -> None:
        self.file = OpenFile()
        with process.lock:
            super().__init__(process, *arguments, **named)
            self.file.users.add(self)

    def _check(self) -> Any:
        if self.fd not in self.file.fds:             # closed, by this object or another one
            raise error(errno.EBADF)
        return self.row

    def fileno(self) -> int:
        """Its eventfd; -1: closed."""
        if self.file.entry < 0 and self.fd in self.file.fds:
            with self.process.lock:
                self.process.watch(self)
        return self.fd

    def _wait_and_call(self, size: int, flags: int) -> int:
        """With a time-out the standard library polls before each call.  What is there already needs no poll."""
        if self._timeout:
            n = self._call(size, flags)
            if n != EAGAIN:
                return n
        return super()._wait_and_call(size, flags)

    def _call(self, size: int, flags: int) -> int:
        """A datagram that is there needs nothing of what waiting does."""
        process = self.process
        if self.type == DGRAM and not self.row.ll_ns:
            me = process.caller()
            th = me.thread
            room = size if size <= len(me.memory) else process.room(size)
            th.sock, th.flags, th.buf_len, th.msg_flags, th.msg_name, th.from_port = self.sk, flags, room, 0, 1, -1
            n = process.recv(self.net, 0, me.n)
            if n == EAGAIN and not flags & MSG_DONTWAIT:
                sk = self.net.socks[self.sk]
                n = self._wait(me, sk, functools.partial(process.recv, self.net, 0, me.n), ONE, int(sk.rcvtimeo_ns))
            return n                                 # type: ignore[no-any-return]
        return super()._call(size, flags)

    def recv_many(self, buffer: Any, rows: Any, within: float = 0) -> int:
        """As many datagrams as are there and fit, without an object for each: how many.  It waits for the first one as recv() does.

        buffer: writable bytes, as (n, room) - a NumPy array of uint8, a memoryview - or flat, then of n equal rooms.  rows: writable, n
        rows of four 64-bit integers: the datagram's length (more than the room: the rest of it is lost, as with recv()), the sender's
        address as a number, its port, when it arrived (ns from the host's start).  within: if there are fewer than n, a call that may wait
        sleeps so many seconds, then takes what has come meanwhile.  0: nothing is left, and reading is shut down.  OSError as from recv();
        EOPNOTSUPP for a stream."""
        data, table = memoryview(buffer), memoryview(rows)
        n = table.nbytes // 32
        if data.readonly or table.readonly or not data.c_contiguous or not table.c_contiguous:
            raise BufferError("recv_many() writes into contiguous memory")
        room = data.nbytes // n if n else 0
        if room == 0 or (data.ndim == 2 and (data.shape or (0,))[0] != n):
            raise ValueError("recv_many(): a room in buffer for each row, rows of four 64-bit integers")
        if within < 0:
            raise ValueError("recv_many(): within is a time, in seconds")
        process, seconds = self.process, self._timeout
        wait = NO_WAIT if self.dont_wait or seconds == 0 else WAIT if seconds else WAIT_UNLESS_NONBLOCK
        if self.boot.plain:
            into, to = region(data), region(table)
        else:
            into, to = addressof(from_buffer(data)), addressof(from_buffer(table))
        with process.lock:
            if self.fd not in self.file.fds:
                raise error(errno.EBADF)
            try:
                me = process._local.caller
            except AttributeError:
                me = process.caller()
            try:
                got = process.recv_many(self.net, 0, me.n, self.sk, into, room, to, n, wait)
                if got == EAGAIN and wait:
                    sk = self.row
                    if sk.ll_ns or wait == WAIT or not sk.nonblock:
                        rows_of = (self.sk, into, room, to, n, wait)
                        got = self._wait(me, sk, functools.partial(process.recv_many, self.net, 0, me.n, *rows_of), (TAKE_ROWS, *rows_of),
                                         round(seconds * 1e9) if seconds else int(sk.rcvtimeo_ns), wait == WAIT or not sk.nonblock)
                if within and wait and 0 < got < n and not (wait == WAIT_UNLESS_NONBLOCK and self.row.nonblock):
                    rest = (TAKE_ROWS, self.sk, into + got * room, room, to + got * 32, n - got, MORE_ROWS)
                    got += self._more(me, round(within * 1e9), rest)
            finally:
                if self.boot.plain:
                    forget(into)
                    forget(to)
                if process.left_word or self.file.entry >= 0:
                    process.after(self)
        if got >= 0:
            return got                               # type: ignore[no-any-return]
        if got == EAGAIN and seconds:
            raise TimeoutError("timed out")
        raise error(-got)

    def _wait(self, me: Caller, sk: Any, look: Look, take: tuple[int, ...], ns: int, wait: bool = True) -> int:
        """A call that has looked in vain, or is to busy-poll: what it finds in the end.  take: look() for rt_lead().  ns: how long at most,
        0: for ever."""
        process = self.process
        deadline = process.now() + ns if ns else NEVER
        self.calls += 1
        try:
            if sk.ll_ns:
                return process.wait(Op.RECV, look, lambda r: r != EAGAIN or not wait, deadline)
            got = process.driver.receive(deadline, me.woken, look, me.n, take)
            if got == EAGAIN:
                process.call(rt_call_over)(self.net, me.n, 0)
            return got
        finally:
            self.calls -= 1
            if self.file.closing:
                self._close_if_last()

    def _more(self, me: Caller, ns: int, take: tuple[int, ...]) -> int:
        """Of recv_many(): the datagrams that have come when ns have passed."""
        self.calls += 1
        try:
            return max(self.process.driver.receive_more(ns, me.n, take), 0)
        finally:
            self.calls -= 1
            if self.file.closing:
                self._close_if_last()

    def settimeout(self, seconds: float | None) -> None:
        """Its descriptor's O_NONBLOCK says whether calls wait, as a socket's does."""
        with self.process.lock:
            super().settimeout(seconds)
            os.set_blocking(self.fd, seconds is None)

    def detach(self) -> int:
        """The descriptor, which lives on and may be waited for; socket(fileno=...) makes an object for it again.  -1: closed."""
        with self.process.lock:
            if self.fd < 0:
                return -1
            if self.calls:
                raise OSError(errno.EBUSY, f"{os.strerror(errno.EBUSY)}: a call is in this socket")
            fd = self.fd
            if fd in self.file.fds:                  # else it has been closed by another object
                kept = LiveSocket.__new__(LiveSocket)
                kept._share(self, fd)
                self.process.detached[fd] = kept
            self.file.users.discard(self)
            self.fd, self._closed = -1, True
            return fd

    def _share(self, other: "LiveSocket", fd: int) -> None:
        """One more object of the other's socket, with this descriptor."""
        self.__dict__.update(other.__dict__)
        self.fd, self.calls, self._timeout, self._closed, self._io_refs = fd, 0, None, False, 0
        self.file.users.add(self)
        self.process.fds[fd] = self

    def abandon(self) -> None:
        """Its descriptor is gone, and no object has it."""
        self.file.fds.remove(self.fd)
        self.fd = -1
        self._end_if_last()

    def close(self) -> None:
        """EBADF: another object has closed that descriptor."""
        self._closed = True
        if self.fd < 0 or self._io_refs > 0:
            return
        with self.process.lock:
            fd, self.fd = self.fd, -1
            if fd not in self.file.fds:
                raise error(errno.EBADF)
            self.file.fds.remove(fd)
            try:
                self.process.free_fd(fd)
            finally:                                 # EBADF: somebody has closed the descriptor behind us
                self._end_if_last()
                self.process.left_word = False
                self.process.driver.step()

    def _end_if_last(self) -> None:
        """A descriptor is gone: with the last one the socket goes, as soon as no call is in it."""
        if not self.file.fds:
            self.process.unwatch(self.file)
            self.file.closing = True
            self._close_if_last()

    def _close_if_last(self) -> None:
        file = self.file
        if file.closing and not any(s.calls for s in file.users):
            file.closing, self.closing, self.calls = False, True, 0
            super()._close_if_last()

    bind, connect, disconnect, shutdown = _locked("bind"), _locked("connect"), _locked("disconnect"), _locked("shutdown")
    getsockname, getpeername = _locked("getsockname"), _locked("getpeername")
    setsockopt, getsockopt, ioctl = _locked("setsockopt"), _locked("getsockopt"), _locked("ioctl")
    recv, recv_into, recvfrom, recvfrom_into = _locked("recv"), _locked("recv_into"), _locked("recvfrom"), _locked("recvfrom_into")
    recvmsg, recvmsg_into, listen, accept = _locked("recvmsg"), _locked("recvmsg_into"), _locked("listen"), _locked("accept")
    send, sendto, sendmsg, sendall = _locked("send"), _locked("sendto"), _locked("sendmsg"), _locked("sendall")
