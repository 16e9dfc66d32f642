"""What a program sees as `s`: the modules socket, select, selectors, fcntl (`s.ioctl`) and time of the simulated host."""
import select as std_select
import selectors
import socket as std
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from ..abi.numbers import Op
from .polling import Epoll, Poll, Selector, select
from .process import Process
from .sockets import Socket
from .sockopt import CONSTANTS


class Face(ABC):
    AF_INET, SOCK_DGRAM, SOCK_STREAM = std.AF_INET, std.SOCK_DGRAM, std.SOCK_STREAM
    EVENT_READ, EVENT_WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
    timeout, error, gaierror = TimeoutError, OSError, std.gaierror
    inet_aton, inet_ntoa, htons, ntohs = std.inet_aton, std.inet_ntoa, std.htons, std.ntohs
    CMSG_LEN, CMSG_SPACE = std.CMSG_LEN, std.CMSG_SPACE

    def __init__(self, process: Process) -> None:
        self.process = process

    def __getattr__(self, name: str) -> Any:
        """The constants of the modules socket and select."""
        if name.startswith(("POLL", "EPOLL")):
            return getattr(std_select, name)
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name.startswith(("MSG_", "SO_", "SOL_", "IPPROTO_", "AF_", "SOCK_", "IP_", "TCP_", "INADDR_", "SHUT_")):
            return getattr(std, name)
        raise AttributeError(name)

    def socket(self, family: int = std.AF_INET, type: int = std.SOCK_DGRAM, proto: int = 0) -> Socket:
        return Socket(self.process, family, type, proto)

    def poll(self) -> Poll:
        """select.poll()"""
        return Poll(self.process)

    def epoll(self, sizehint: int = -1, flags: int = 0) -> Epoll:
        """select.epoll()"""
        return Epoll(self.process, sizehint, flags)

    def select(self, rlist: Iterable[Any], wlist: Iterable[Any], xlist: Iterable[Any], timeout: float | None = None) \
            -> tuple[list[Any], list[Any], list[Any]]:
        """select.select()"""
        return select(self.process, rlist, wlist, xlist, timeout)

    def DefaultSelector(self) -> Selector:
        """selectors.DefaultSelector()"""
        return Selector(self.process)

    def ioctl(self, fd: Any, request: int, arg: Any = 0) -> Any:
        """fcntl.ioctl() on a socket: FIONREAD, FIONBIO, SIOCOUTQ."""
        return (self.process.fds[fd] if isinstance(fd, int) else fd).ioctl(request, arg)

    # ------------------------------------------------------------ time
    @abstractmethod
    def time_ns(self) -> int:
        """ns since the start of the run."""

    def time(self) -> float:
        return self.time_ns() / 1e9

    def monotonic_ns(self) -> int:
        return self.time_ns()

    monotonic, perf_counter, perf_counter_ns = time, time, monotonic_ns

    def sleep(self, seconds: float) -> None:
        """time.sleep() in the host's time."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.process.thread().arg = round(seconds * 1e9)
        self.process.ask(Op.SLEEP)
