"""Python programs on the simulated host: real code, a socket like the standard library's, virtual time.

    def program(s):                                   # s stands for the modules socket and time
        sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
        sock.bind(("0.0.0.0", 5000))
        while True:
            data, addr = sock.recvfrom(2048)
            s.work(2000)                              # it takes 2 us of this CPU to do something with it

    programs = Programs(boot)
    programs.add(program, cpu=0)
    programs.run(until_ns)

Each program runs in an OS thread of its own, but only one thread of all runs at any moment: the engine or one program.  So a run is
deterministic, and Python's own speed is nobody's time: only system calls, sleep() and work() take virtual time.  An exception in a program
ends the run with ProgramError; programs that still wait when the run is over are ended by close()."""
import ipaddress
import mmap
import os
import socket as std
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from .._compile import forget, pages, region
from ..abi.kernels import Sysctl
from ..abi.limits import NCPU, NTHREAD
from ..abi.numbers import EAGAIN, EINVAL, MSG_DONTWAIT, NO_THREAD, Kind, Op
from . import engine, setup
from .apps import Phase

BUFFER = 65536
SO_RCVBUFFORCE, SO_BUSY_POLL, SO_INCOMING_CPU = 33, 46, 49
SOCK_MIN_RCVBUF = 2304
EPHEMERAL = 32768                                    # net.ipv4.ip_local_port_range


class ProgramError(RuntimeError):
    """A program raised an exception; __cause__ is that exception."""


class _Ended(BaseException):
    """The run is over: unwinds a program that still waits."""


class Programs:
    """All Python programs of one run."""

    def __init__(self, boot: Any, first_thread: int = NTHREAD // 2) -> None:
        self.boot, self.net, self.call = boot, boot.net, boot.call
        self.next_thread, self.next_port = first_thread, EPHEMERAL
        self.by_thread: dict[int, Program] = {}

    def add(self, function: Callable[["Program"], object], cpu: int = 0, start: int = 1000, name: str = "", nice: int = 0) -> "Program":
        """A program that starts at `start` ns on that CPU."""
        if not 0 <= cpu < self.net.sim.ncpu:
            raise ValueError(f"program on CPU {cpu}: the host has {self.net.sim.ncpu}")
        n = self.next_thread
        if not NCPU <= n < NTHREAD:
            raise ValueError(f"more than {NTHREAD} threads")
        self.next_thread += 1
        p = self.by_thread[n] = Program(self, n, function, name or function.__name__)
        self.call(engine.add_thread)(self.net, n, cpu, Kind.HOST)
        th = self.net.thread[n]
        th.weight, th.nice, th.batch, th.buf_addr, th.buf_len = setup.nice_weight(nice), nice, 1, p.buf_addr, BUFFER
        self.call(setup.thread_start)(self.net, n, Phase.ASK, start)
        return p

    def run(self, until: int, drain: Callable[[], object] | None = None) -> None:
        """Virtual time until `until`.  `drain` is called when the engine's rings of outputs want to be emptied."""
        worked = 0
        while True:
            r = self.call(engine.run)(self.net, until, worked)
            worked = 0
            if r == NO_THREAD:
                return
            if r in self.by_thread:
                worked = self.by_thread[r].resume()
            elif drain:
                drain()
            else:
                return

    def close(self) -> None:
        """End the programs that still wait; their finally blocks run."""
        for p in self.by_thread.values():
            p.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Program:
    """One program, and what it sees as `s`: the modules socket and time of the simulated host."""
    AF_INET, SOCK_DGRAM = std.AF_INET, std.SOCK_DGRAM
    timeout, error = TimeoutError, OSError

    def __init__(self, programs: Programs, n: int, function: Callable[["Program"], object], name: str) -> None:
        self.programs, self.net, self.n, self.name = programs, programs.net, n, name
        self.memory: mmap.mmap = pages(BUFFER)
        self.buf_addr = region(self.memory)
        self._function, self._go, self._done = function, threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._ended, self._finished, self._worked = False, False, 0
        self._raised: BaseException | None = None

    def __getattr__(self, name: str) -> Any:
        """The constants of the module socket."""
        if name.startswith(("MSG_", "SO_", "SOL_", "IPPROTO_", "AF_", "SOCK_", "IP_", "INADDR_")):
            return {"SO_BUSY_POLL": SO_BUSY_POLL, "SO_INCOMING_CPU": SO_INCOMING_CPU, "SO_RCVBUFFORCE": SO_RCVBUFFORCE}.get(name) \
                or getattr(std, name)
        raise AttributeError(name)

    # ------------------------------------------------------------ what the program calls
    def socket(self, family: int = std.AF_INET, kind: int = std.SOCK_DGRAM, proto: int = 0) -> "Socket":
        if family != std.AF_INET or kind & 0xF != std.SOCK_DGRAM:
            raise OSError(os.strerror(97), "only AF_INET, SOCK_DGRAM sockets exist here so far")
        return Socket(self)

    def time_ns(self) -> int:
        """Virtual time, ns since the start of the run."""
        return int(self.net.cpu[self.net.thread[self.n].cpu].now)

    def time(self) -> float:
        return self.time_ns() / 1e9

    monotonic, monotonic_ns, perf_counter, perf_counter_ns = time, time_ns, time, time_ns

    def sleep(self, seconds: float) -> None:
        """time.sleep() in virtual time."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.net.thread[self.n].arg = round(seconds * 1e9)
        self._ask(Op.SLEEP, 0)

    def work(self, ns: int) -> None:
        """Compute for so long: it can be preempted and interrupted meanwhile."""
        if ns < 0:
            raise ValueError("work must be non-negative")
        self._ask(Op.WORK, int(ns))

    # ------------------------------------------------------------ the hand-over
    def _ask(self, op: int, worked: int) -> None:
        """In the program's thread: let the engine go on, until it is our turn again."""
        self.net.thread[self.n].op = op
        self._worked = worked
        self._done.release()
        self._go.acquire()
        if self._ended:
            raise _Ended

    def resume(self) -> int:
        """In the engine's thread: the program runs until it asks for something; returns the ns that it worked."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name=self.name, daemon=True)
            self._thread.start()
        self._go.release()
        self._done.acquire()
        if self._raised is not None and not self._ended:
            e, self._raised = self._raised, None
            raise ProgramError(f"program {self.name!r} at {self.time():.9f} s: {type(e).__name__}: {e}") from e
        return self._worked

    def _main(self) -> None:
        self._go.acquire()
        try:
            if not self._ended:
                self._function(self)
        except _Ended:
            pass
        except BaseException as e:                   # shown by resume(), in the thread of who runs the simulation
            self._raised = e
        finally:
            self._finished = True
            self._worked = 0
            self.net.thread[self.n].op = Op.EXIT
            self._done.release()

    def end(self) -> None:
        if self._thread is not None and not self._finished:
            self._ended = True
            for _ in range(100):                     # a program that swallows its end is asked again, but not for ever
                self._go.release()
                self._done.acquire()
                if self._finished:
                    break
        if self._thread is not None and self._finished:
            self._thread.join()
        if self.buf_addr:
            forget(self.buf_addr)
            self.net.thread[self.n].buf_addr = self.buf_addr = 0


class Socket:
    """A UDP socket of the simulated host, with the methods of socket.socket that receive."""
    family, type, proto = std.AF_INET, std.SOCK_DGRAM, 0

    def __init__(self, program: Program) -> None:
        self._p, self._net = program, program.net
        self._sk, self._name, self._rcvtimeo = -1, ("0.0.0.0", 0), 0
        self._timeout: float | None = None
        self._options: dict[tuple[int, int], Any] = {}
        self._rcvbuf = int(self._net.sysctl[Sysctl.rmem_default]) or 212992

    # ------------------------------------------------------------ names and options
    def bind(self, address: tuple[str, int]) -> None:
        host, port = address
        if self._sk >= 0:
            raise OSError(-EINVAL, os.strerror(-EINVAL))
        programs = self._p.programs
        if port == 0:
            port, programs.next_port = programs.next_port, programs.next_port + 1
        addr = 0 if host == "" else int(ipaddress.IPv4Address(host))
        self._sk = programs.boot.udp_socket(addr, port, self._rcvbuf)
        self._net.socks[self._sk].readers += 1
        self._name = (str(ipaddress.IPv4Address(addr)), port)
        for (level, option), value in self._options.items():
            self.setsockopt(level, option, value)

    def getsockname(self) -> tuple[str, int]:
        return self._name

    def fileno(self) -> int:
        return self._sk

    def settimeout(self, seconds: float | None) -> None:
        if seconds is not None and seconds < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0.0

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if level != std.SOL_SOCKET:
            raise OSError(92, os.strerror(92))       # ENOPROTOOPT
        if option in (std.SO_RCVBUF, SO_RCVBUFFORCE):
            most = (int(self._net.sysctl[Sysctl.rmem_max]) or 212992) if option == std.SO_RCVBUF else 0x3FFFFFFF
            self._rcvbuf = max(2 * min(value & 0xFFFFFFFF if option == std.SO_RCVBUF else max(value, 0), most), SOCK_MIN_RCVBUF)
            if self._sk >= 0:
                sk = self._net.socks[self._sk]
                sk.rcvbuf, sk.forward_threshold = self._rcvbuf, self._rcvbuf >> 2
        elif option == std.SO_RCVTIMEO:
            import struct
            seconds, usec = struct.unpack("ll", value)
            self._rcvtimeo = seconds * 1_000_000_000 + usec * 1000
        elif option == SO_BUSY_POLL:
            if self._sk >= 0:
                self._p.programs.call(setup.set_busy_poll)(self._net, self._sk, value * 1000)
        elif option not in (std.SO_REUSEADDR, std.SO_REUSEPORT, SO_INCOMING_CPU):
            raise OSError(92, os.strerror(92))
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int, buflen: int = 0) -> Any:
        if level == std.SOL_SOCKET and option == std.SO_RCVBUF:
            return self._rcvbuf
        if level == std.SOL_SOCKET and option == std.SO_TYPE:
            return std.SOCK_DGRAM
        return self._options.get((level, option), 0)

    # ------------------------------------------------------------ receiving
    def _recv(self, size: int, flags: int) -> tuple[int, tuple[str, int], int]:
        """Into the program's memory: what the call returned, who sent it, msg_flags."""
        if size < 0:
            raise ValueError("negative buffersize in recv")
        if self._sk < 0:
            self.bind(("", 0))
        p, th = self._p, self._net.thread[self._p.n]
        if self._timeout == 0.0:
            flags |= MSG_DONTWAIT
        th.sock, th.flags, th.buf_len, th.msg_flags, th.msg_name = self._sk, flags, min(size, BUFFER), 0, 1
        th.timeout = self._rcvtimeo if not self._timeout else round(self._timeout * 1e9)
        p._ask(Op.RECV, 0)
        n = int(th.result)
        if n == EAGAIN:
            if self._timeout:
                raise TimeoutError("timed out")
            raise BlockingIOError(-EAGAIN, os.strerror(-EAGAIN))
        if n < 0:
            raise OSError(-n, os.strerror(-n))
        return n, (str(ipaddress.IPv4Address(int(th.from_addr_lo))), int(th.from_port)), int(th.msg_flags)

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, tuple[str, int]]:
        n, addr, _ = self._recv(bufsize, flags)
        return bytes(self._p.memory[:min(n, bufsize)]), addr

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        return self.recvfrom(bufsize, flags)[0]

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        return self.recvfrom_into(buffer, nbytes, flags)[0]

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, tuple[str, int]]:
        view = memoryview(buffer).cast("B")
        size = nbytes or len(view)
        n, addr, _ = self._recv(size, flags)
        have = min(n, size)
        view[:have] = self._p.memory[:have]
        return n, addr

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, tuple[str, int]]:
        n, addr, msg_flags = self._recv(bufsize, flags)
        return bytes(self._p.memory[:min(n, bufsize)]), [], msg_flags, addr

    def close(self) -> None:
        self._sk = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
