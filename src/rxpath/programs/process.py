"""A process of the host: one table of descriptors, which its programs share as threads do, and how its calls wait.

Waiting is all in which virtual time (vtime/program.py), real time (walltime/program.py) and the judge, whose calls never wait, differ."""
from abc import ABC, abstractmethod
from typing import Any, Protocol

from ..abi.numbers import Op
from ..user.poll import host_poll_list
from ..user.wait import wait_entry_new

BUFFER = 65536                                       # of a program: what one call may read, unless it asks for more
BUFFER_MOST = 64 << 20


class Descriptor(Protocol):
    """A socket, as the table, options and polls know it."""
    process: "Process"
    boot: Any
    sk: int
    fd: int
    calls: int                                       # that are in it: it lives on until the last has returned
    kept: dict[tuple[int, int], Any]
    dont_wait: bool

    def _close_if_last(self) -> None: ...


class Instance(Protocol):
    """An epoll instance, as the table knows it."""

    def forget(self, s: Any) -> None: ...


class Process(ABC):
    """boot: a Booted."""

    def __init__(self, boot: Any) -> None:
        self.boot, self.net, self.call = boot, boot.net, boot.call
        self.fds: dict[int, Any] = {}                # descriptor -> Socket or Epoll
        self.epolls: list[Instance] = []
        self.free_entries: list[int] = []            # wait entries, see user/wait.py
        self.devices = device_names(boot)

    # ------------------------------------------------------------ how calls wait
    @abstractmethod
    def thread(self) -> Any:
        """struct thread_t of the program that runs."""

    @abstractmethod
    def memory(self) -> Any:
        """Its buffer, BUFFER bytes or more at thread_t.buf_addr."""

    def grow(self, size: int) -> bool:
        """A larger one, if whoever drives time has one to give."""
        return False

    def room(self, size: int) -> int:
        """How much of a call's `size` bytes its buffer takes: all of it up to BUFFER_MOST."""
        size = min(size, BUFFER_MOST)
        if size > len(self.memory()):
            self.grow(size)
        return min(size, len(self.memory()))

    @abstractmethod
    def ask(self, op: int) -> None:
        """The call `op` (Op) with what stands in the thread_t.  Back when it has returned, with thread_t.result."""

    @abstractmethod
    def now(self) -> int:
        """ns, at the program that runs."""

    def cpu(self) -> int:
        return int(self.thread().cpu)

    @abstractmethod
    def wakes(self) -> None:
        """A call that does not wait may have woken others."""

    def busy_poll(self, sk: int, ns: int) -> None:
        """SO_BUSY_POLL"""
        self.net.socks[sk].ll_ns = ns

    # ------------------------------------------------------------ the table
    def new_fd(self, what: Any) -> int:
        """The lowest that is free; 0 to 2 are taken, as always."""
        fd = next(i for i in range(3, len(self.fds) + 4) if i not in self.fds)
        self.fds[fd] = what
        return fd

    def free_fd(self, fd: int) -> None:
        del self.fds[fd]

    def new_entry(self) -> int:
        return self.free_entries.pop() if self.free_entries else wait_entry_new(self.boot)

    # ------------------------------------------------------------ polls
    def poll(self, wanted: list[tuple[Any, int]], ns: int) -> list[tuple[Any, int]]:
        """poll(): the sockets that have events, with their revents.  ns: how long at most; 0: only look; less: for ever."""
        th = self.thread()
        n = int(th.wait)
        self.net.wait[n].item_next = -1
        entries = [self.new_entry() for _ in wanted]
        for (s, events), e in zip(wanted, entries, strict=True):
            self.call(host_poll_list)(self.net, n, e, s.sk, events)
            s.calls += 1
        th.arg = ns
        try:
            self.ask(Op.POLL)
            return [(s, int(self.net.wait[e].revents)) for (s, _), e in zip(wanted, entries, strict=True) if self.net.wait[e].revents]
        finally:
            self.net.wait[n].item_next = -1
            self.free_entries += reversed(entries)
            for s, _ in wanted:
                s.calls -= 1
                s._close_if_last()

    def listed(self, most: int) -> list[int]:
        """The wait entries that the running program's epoll_wait() has found, so many at most."""
        out: list[int] = []
        e = self.net.wait[self.thread().wait].item_next
        while e >= 0 and len(out) < most:
            out.append(int(e))
            e = self.net.wait[e].item_next
        return out


def device_names(boot: Any) -> dict[str, int]:
    """Interfaces by name: ifindex.  Cards have the names of their net_device, a loopback device is lo."""
    names = {}
    for index, dev in enumerate(boot.net.dev):
        if dev.ifindex and dev.up:
            card = boot.card_of(index)
            names[card.name if card is not None else "lo" if dev.mtu == 65536 else f"dev{dev.ifindex}"] = int(dev.ifindex)
    return names
