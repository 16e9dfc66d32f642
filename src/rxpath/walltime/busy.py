"""Busy polling in real time: who is about to sleep polls NAPIs first.  napi_busy_loop() of net/core/dev.c, and how recv(), poll() and
epoll_wait() ask for it; vtime/waiting.py has the same in virtual time.

Between two polls the host has its turns: other queues, timers, other CPUs go on."""
from collections.abc import Callable
from typing import Any

from ..abi.kernels import Sysctl
from ..abi.numbers import EAGAIN, MSG_DONTWAIT, Op
from .driver import RealTime
from .engine import rt_busy_go_on, rt_busy_stop, rt_call_over

Look = Callable[[], int]                             # of the call: what it finds


class Busy:
    """Of one program.  n: its thread."""

    def __init__(self, driver: RealTime, n: int) -> None:
        self.driver, self.net, self.call_of, self.n = driver, driver.net, driver.call, n

    def call(self, op: int, look: Look, done: Callable[[int], Any], deadline: int, woken: bool) -> int:
        """The call looks; as long as it finds nothing and may busy-poll, it polls and looks again.  What it found last.  woken: it has
        slept already, after which poll() does not busy-poll any more."""
        if op == Op.RECV:
            return self._recv(look, deadline)
        ns = int(self.net.sysctl[Sysctl.busy_poll_ns])       # net_busy_loop_on()
        if ns == 0 or op == Op.ACCEPT or (op == Op.POLL and woken):
            return look()
        return self._poll(look, done, ns, deadline) if op == Op.POLL else self._epoll(look, done, ns, deadline)

    def _recv(self, look: Look, deadline: int) -> int:
        """The NAPI of the socket, until there is something; one poll for who does not want to wait."""
        r = look()
        if r != EAGAIN:
            return r
        th = self.net.thread[self.n]
        sk = self.net.socks[th.sock]
        if sk.ll_ns and sk.napi_id:
            self.call_of(rt_call_over)(self.net, self.n, 0)
            self._loop(sk.napi_id, 0 if th.flags & MSG_DONTWAIT else sk.ll_ns, lambda: _readable(sk), deadline)
            r = look()
        return r

    def _epoll(self, look: Look, done: Callable[[int], Any], ns: int, deadline: int) -> int:
        """The NAPI that the instance knows.  In vain: it forgets that NAPI, until a socket of it becomes ready again."""
        ep = self.net.epolls[self.net.thread[self.n].epoll]
        r = look()
        if not done(r) and ep.napi_id:
            self.call_of(rt_call_over)(self.net, self.n, 0)
            if not self._loop(ep.napi_id, ns, lambda: ep.ready_head >= 0, deadline):
                ep.napi_id = 0
            r = look()
        return r

    def _poll(self, look: Look, done: Callable[[int], Any], ns: int, deadline: int) -> int:
        """Round and round: before each look one poll for each socket that busy-polls."""
        until = min(self.driver.now_or_later() + ns, deadline)
        while True:
            self.call_of(rt_call_over)(self.net, self.n, 1)          # awake: nobody need wake it
            could = self._polls()
            self.driver.run(self.driver.now_or_later())
            r = look()
            if done(r) or not could or self.driver.now() >= until:
                return r
            self.driver.clock.spin()

    def _polls(self) -> bool:
        """One poll for each of its sockets that busy-polls, until one has something.  Is there such a socket?"""
        could, e = False, self.net.wait[self.net.thread[self.n].wait].item_next
        while e >= 0:
            sk = self.net.socks[self.net.wait[e].item_sk]
            if sk.ll_ns:
                could = True
                if sk.napi_id:
                    self._loop(sk.napi_id, 0, lambda: False, 0)
                if _readable(sk):
                    break
            e = self.net.wait[e].item_next
        return could

    def _loop(self, napi_id: int, ns: int, found: Callable[[], bool], deadline: int) -> bool:
        """napi_busy_loop(): until something is found or ns have passed (0: one poll); then let the NAPI go.  Was it found?"""
        cpu, now, held = int(self.net.thread[self.n].cpu), self.driver.now_or_later(), 0
        until = min(now + ns, deadline)
        while True:
            held = self.call_of(rt_busy_go_on)(self.net, cpu, now, napi_id, held)
            self.driver.run(now)
            if found() or now >= until:
                break
            self.driver.clock.spin()
            now = self.driver.now_or_later()
        if held:
            self.call_of(rt_busy_stop)(self.net, cpu, napi_id)
        return found()


def _readable(sk: Any) -> bool:
    return bool(sk.reader_queue.head >= 0 or sk.receive_queue.head >= 0)
