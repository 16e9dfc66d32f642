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

`s` and its sockets are those of programs/.

Each program runs in an OS thread of its own, but only one thread of all runs at any moment: the engine or one program.  So a run is
deterministic, and Python's own speed is nobody's time: only calls that may sleep (receiving, polling, sleep()) and work() take virtual
time.  An exception in a program ends the run with ProgramError; programs that still wait when the run is over are ended by close()."""
import mmap
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from .._compile import forget, pages, region
from ..abi.limits import NCPU, NTHREAD
from ..abi.numbers import NEVER, Kind, Op
from ..programs.face import Face
from ..programs.process import BUFFER, Process
from . import engine, setup, waiting
from .apps import Phase
from .driver import advance


class ProgramError(RuntimeError):
    """A program raised an exception; __cause__ is that exception."""


class _Ended(BaseException):
    """The run is over: unwinds a program that still waits."""


class Programs(Process):
    """All Python programs of one run.  They share one table of descriptors, as threads of one process do: a socket may be handed on."""

    def __init__(self, boot: Any, first_thread: int = NTHREAD // 2) -> None:
        super().__init__(boot)
        self.next_thread = first_thread
        self.by_thread: dict[int, Program] = {}
        self.running: Program | None = None          # whose turn it is

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

    def busy_poll(self, sk: int, ns: int) -> None:
        self.call(setup.set_busy_poll)(self.net, sk, ns)

    def run(self, until: int) -> None:
        """Virtual time until `until`, where nobody is told of what leaves: driver.py drives runs that are more than programs."""
        advance(self.boot, until, lambda: NEVER, self.resume)

    def resume(self, n: int) -> int:
        """The turn of thread n; returns the ns that it worked."""
        return self.by_thread[n].resume()

    # ------------------------------------------------------------ how its calls wait
    def thread(self) -> Any:
        """struct thread_t of the running program."""
        if self.running is None:
            raise RuntimeError("a simulated socket waits only inside a program")
        return self.net.thread[self.running.n]

    def ask(self, op: int) -> None:
        self.thread()
        self.running._ask(op, 0)                     # type: ignore[union-attr]

    def memory(self) -> mmap.mmap:
        return self.running.memory                   # type: ignore[union-attr]

    def grow(self, size: int) -> bool:
        self.running.grow(size)                      # type: ignore[union-attr]
        return True

    def cpu(self) -> int:
        return int(self.net.thread[self.running.n].cpu) if self.running else 0

    def now(self) -> int:
        return int(self.net.cpu[self.cpu()].now if self.running else self.net.sim.now)

    def wakes(self) -> None:
        """A call of the running program may have woken others."""
        self.call(waiting.host_wakes)(self.net, self.cpu())

    def close(self) -> None:
        """End the programs that still wait; their finally blocks run."""
        for p in self.by_thread.values():
            p.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Program(Face):
    """One program, and what it sees as `s`."""

    def __init__(self, programs: Programs, n: int, function: Callable[["Program"], object], name: str) -> None:
        super().__init__(programs)
        self.programs, self.net, self.n, self.name = programs, programs.net, n, name
        self.memory: mmap.mmap = pages(BUFFER)
        self.buf_addr = region(self.memory)
        self._function, self._go, self._done = function, threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._ended, self._finished, self._worked = False, False, 0
        self._raised: BaseException | None = None

    # ------------------------------------------------------------ what the program calls
    def time_ns(self) -> int:
        """Virtual time, ns since the start of the run."""
        return int(self.net.cpu[self.net.thread[self.n].cpu].now)

    def work(self, ns: int) -> None:
        """Compute for so long: it can be preempted and interrupted meanwhile."""
        if ns < 0:
            raise ValueError("work must be non-negative")
        self._ask(Op.WORK, int(ns))

    def grow(self, size: int) -> None:
        """A larger buffer for its calls."""
        forget(self.buf_addr)
        self.memory = pages(size)
        self.buf_addr = self.net.thread[self.n].buf_addr = region(self.memory)

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
        before, self.programs.running = self.programs.running, self
        self._go.release()
        self._done.acquire()
        self.programs.running = before
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
            self.programs.running = self
            for _ in range(100):                     # a program that swallows its end is asked again, but not for ever
                self._go.release()
                self._done.acquire()
                if self._finished:
                    break
            self.programs.running = None
        if self._thread is not None and self._finished:
            self._thread.join()
        if self.buf_addr:
            forget(self.buf_addr)
            self.net.thread[self.n].buf_addr = self.buf_addr = 0
