"""A Python program on a host in real time: the sockets of programs/, whose calls wait by letting the driver go on.

    time = RealTime(boot)
    program(Program(time))                            # `s`, in the thread of the driver

A call that waits gives the host its turns until the program has been woken or its time is up; beside it, sinks are told and sources
asked.  With busy polling (busy.py) it polls first."""
from collections.abc import Callable
from typing import Any

from .._compile import forget, pages, region
from ..abi.limits import NTHREAD
from ..abi.numbers import EAGAIN, MSG_DONTWAIT, NEVER, Op, Th
from ..programs.face import Face
from ..programs.process import BUFFER, Process
from .busy import Busy, Look
from .driver import RealTime
from .engine import rt_accept, rt_call_over, rt_epoll, rt_poll, rt_program, rt_recv, rt_send

SLEEPING, POLLS = int(Th.SLEEPING), (Op.POLL, Op.EPOLL)
LOOKS: dict[Op, Any] = {Op.RECV: rt_recv, Op.ACCEPT: rt_accept, Op.POLL: rt_poll, Op.EPOLL: rt_epoll}


class RealProcess(Process):
    """One program in the thread of the driver, on one of its CPUs."""

    def __init__(self, driver: RealTime, cpu: int = 0, thread: int = NTHREAD // 2) -> None:
        super().__init__(driver.boot)
        self.driver, self.n = driver, thread
        self.busy = Busy(driver, thread)
        self._memory = pages(BUFFER)
        self.call(rt_program)(self.net, cpu, thread)
        th = self.thread()
        th.buf_addr, th.buf_len = region(self._memory), BUFFER

    def thread(self) -> Any:
        return self.net.thread[self.n]

    def memory(self) -> Any:
        return self._memory

    def grow(self, size: int) -> bool:
        th = self.thread()
        forget(th.buf_addr)
        self._memory = pages(size)
        th.buf_addr = region(self._memory)
        return True

    def now(self) -> int:
        return self.driver.now()

    def wakes(self) -> None:
        """The next turn obeys what a call has left word of."""

    def catch_up(self) -> None:
        """What has come by now has a turn before the call looks."""
        self.driver.run(self.driver.now_or_later())

    def ask(self, op: int) -> None:
        th = self.thread()
        self.catch_up()
        if op == Op.SLEEP:
            self.driver.run(self.now() + int(th.arg))
        elif op == Op.SEND:
            th.result = self.call(rt_send)(self.net, self.cpu(), self.n)
            self.wakes()                             # it may have left word: lo's softirq, a timer
        elif op in (Op.RECV, Op.ACCEPT):
            ns = int(self.net.socks[th.sock].rcvtimeo_ns)
            th.timed_out = 0
            th.result = self.wait(op, self._look(op), lambda r: r != EAGAIN or th.flags & MSG_DONTWAIT, self.now() + ns if ns else NEVER)
            if th.result == EAGAIN and op == Op.RECV:        # its time is up: what a stream has given by now is the result
                th.timed_out = 1
                th.result = self.call(rt_recv)(self.net, self.cpu(), self.n)
                self.call(rt_call_over)(self.net, self.n, 0)
        else:
            ns = int(th.arg)
            th.result = self.wait(op, self._look(op), lambda r: r > 0 or ns == 0, self.now() + ns if ns >= 0 else NEVER)

    def _look(self, op: int) -> Look:
        look, cpu, n = self.call(LOOKS[Op(op)]), self.cpu(), self.n
        return lambda: int(look(self.net, cpu, n))

    def wait(self, op: int, look: Look, done: Callable[[int], Any], deadline: int, found: int | None = None) -> int:
        """Look, sleep until somebody wakes us or the time is up, look again.  found: by a first look, which is over."""
        slept, th = False, self.thread()

        def woken() -> bool:
            return th.state != SLEEPING              # type: ignore[no-any-return]
        while True:
            r = self.busy.call(op, look, done, deadline, slept) if found is None else found
            found = None
            if done(r) or self.now() >= deadline:
                if r == EAGAIN or op in POLLS:       # else it has left the queue when it looked
                    self.call(rt_call_over)(self.net, self.n, int(op == Op.POLL))
                return r
            self.driver.run(deadline, woken)
            slept = True

    def close(self) -> None:
        """Give the memory back."""
        th = self.thread()
        if th.buf_addr:
            forget(th.buf_addr)
            th.buf_addr = 0


class Program(Face):
    """What the program sees as `s`."""

    def __init__(self, driver: RealTime, cpu: int = 0) -> None:
        super().__init__(RealProcess(driver, cpu))

    def time_ns(self) -> int:
        return self.process.now()
